//! Subscriptions and resources: their names, owners, tags, and their parts of a row.

use super::catalog::Kind;
use super::chance::{draw, uuid};
use super::values::Value;

/// A subscription with its account and department.
pub struct Subscription {
    /// Its GUID, which resource ids contain.
    pub guid: String,
    enrollment: String,
    index: u64,
    chance: u64,
    account: u64,
    owner: u64,
}

const DEPARTMENTS: [&str; 10] = [
    "Contoso Retail",
    "example Global",
    "Forschung & Entwicklung",
    "IT Operations",
    "Finance",
    "マーケティング部",
    "Data Platform",
    "Línea Aérea Sur",
    "",
    "Shared \"Core\" Services",
];

const ACCOUNTS: [&str; 6] =
    ["Account Owner", "Core Development", "Jörg Müller", "Project Development", "Zoë O'Neil", "Cloud Center"];

const SUBSCRIPTIONS: [&str; 8] = [
    "Comm CAR DEV",
    "Comm Public",
    "Landing Zone Prod",
    "OnGuard Testing",
    "Größere Projekte",
    "SAP Non-Prod",
    "Analytics",
    "ExampleTech SWE - Internet accessed",
];

impl Subscription {
    /// Subscription `index` of the enrollment that `key` stands for, under one of `accounts` accounts.
    pub fn new(enrollment: &str, key: u64, index: u64, accounts: u64) -> Self {
        let chance = draw(key, index);
        let account = chance % accounts;
        let (guid, owner) = (uuid(chance), draw(key, account));
        Self { guid, enrollment: enrollment.to_owned(), index, chance, account, owner }
    }

    /// The value of one of its fields.
    pub fn value(&self, field: &str) -> Value {
        let Self { index, chance, account, owner, .. } = *self;
        let department = (chance >> 48) % DEPARTMENTS.len() as u64;
        match field {
            "enrollmentNumber" => Value::Text(self.enrollment.clone()),
            "offerId" if chance >> 8 & 3 == 0 => "MS-AZR-0148P".into(),
            "offerId" => "MS-AZR-0017P".into(),
            "accountId" => Value::Id(200_000 + account * 37),
            "departmentId" => Value::Id(107_000 + department * 11),
            "accountOwnerEmail" => Value::Text(format!("person{account}@example.com")),
            "accountName" => {
                let name = ACCOUNTS[(owner >> 8) as usize % ACCOUNTS.len()];
                let name = format!("{name} {account}");
                if owner >> 16 & 1 == 0 { Value::Text(name) } else { Value::AsciiText(name) }
            }
            "serviceAdministratorId" if chance >> 12 & 7 == 0 => Value::Text(format!("admin{index}@example.com")),
            "serviceAdministratorId" => "".into(),
            "subscriptionId" => Value::Id(0),
            "subscriptionGuid" => Value::Text(self.guid.clone()),
            "subscriptionName" => {
                let name = SUBSCRIPTIONS[(chance >> 20) as usize % SUBSCRIPTIONS.len()];
                Value::Text(format!("{:04}-{name}", 8000 + index))
            }
            "storeServiceIdentifier" if index % 4 == 1 => Value::Null,
            "storeServiceIdentifier" => "".into(),
            "departmentName" => DEPARTMENTS[department as usize].into(),
            "costCenter" if index % 8 == 1 => Value::Null,
            "costCenter" if index % 8 == 2 => "".into(),
            "costCenter" => Value::Text(format!("IC{}", 990_000 + (chance >> 40) % 700)),
            _ => Value::Null,
        }
    }
}

/// Hexadecimal digits of a resource's serial number, which stands in its id, its tags and its additional info.
pub const SERIAL_DIGITS: usize = 12;

/// How resources are described.
#[derive(Debug, Clone, Copy, Default)]
pub struct Describing {
    /// No id, tags or additional info is left empty.
    pub is_full: bool,
    /// Tags of some resources have line breaks between them.
    pub line_breaks: bool,
}

/// What a resource is called and carries.
pub struct Resource<'a> {
    /// The digits of its serial number.
    pub serial: [u8; SERIAL_DIGITS],
    kind: &'static Kind,
    subscription: &'a str,
    group: String,
    stage: &'static str,
    tastes: u64,
    describing: Describing,
    is_ascii: bool,
}

impl<'a> Resource<'a> {
    /// Resource `index`, drawn by `chance`, in the subscription of this GUID.
    pub fn new(chance: u64, index: usize, kind: &'static Kind, subscription: &'a str, describing: Describing) -> Self {
        let tastes = draw(chance, 1);
        let stage = ["PROD", "DEV", "test", "QA"][(tastes & 3) as usize];
        let group = format!("rg-{}-{}-{:03}", ["app", "shared", "Data", "net"][(tastes >> 2 & 3) as usize], stage, {
            (tastes >> 4) % 40
        });
        let group = if tastes >> 16 & 3 == 0 { group.to_uppercase() } else { group };
        let (serial, is_ascii) = (serial(chance), index.is_multiple_of(2));
        Self { serial, kind, subscription, group, stage, tastes, describing, is_ascii }
    }

    /// The value of one of its fields.
    pub fn value(&self, field: &str) -> Value {
        let Self { kind, stage, tastes, group, .. } = self;
        let full = self.describing.is_full;
        let serial = std::str::from_utf8(&self.serial).unwrap_or_default();
        let text = |text: String| if self.is_ascii { Value::AsciiText(text) } else { Value::Text(text) };
        match field {
            "instanceId" => {
                let name = format!("{}{}{serial}", kind.prefix, if kind.prefix == "st" { "" } else { "-" });
                match tastes >> 24 & 63 {
                    0 if !full => "".into(),
                    1 => Value::Text(name),
                    _ => Value::Text(resource_id(kind, self.subscription, group, &name, *tastes)),
                }
            }
            "serviceInfo1" if tastes >> 30 & 3 == 0 => Value::Null,
            "serviceInfo1" if tastes >> 30 & 31 == 1 => "Canonical".into(),
            "serviceInfo1" | "serviceInfo2" => "".into(),
            "additionalInfo" => match additional_info(kind, serial, *tastes, full) {
                Some(info) => text(info),
                None if tastes >> 36 & 7 == 0 => Value::Null,
                None => "".into(),
            },
            "tags" => match tags(serial, stage, *tastes, self.describing) {
                Some(tags) => text(tags),
                None if tastes >> 36 & 15 == 1 => Value::Null,
                None => "".into(),
            },
            // The group's case in the id and in its own field differ now and then.
            "resourceGroup" if tastes >> 40 & 7 == 0 => Value::Text(group.to_lowercase()),
            "resourceGroup" => Value::Text(group.clone()),
            _ => Value::Null,
        }
    }
}

/// The digits of the serial number that `chance` ends in.
pub fn serial(chance: u64) -> [u8; SERIAL_DIGITS] {
    std::array::from_fn(|digit| b"0123456789abcdef"[(chance >> (4 * digit)) as usize & 15])
}

fn resource_id(kind: &Kind, subscription: &str, group: &str, name: &str, tastes: u64) -> String {
    let (provider, resource_type) = (kind.provider, kind.resource_type);
    let groups = if tastes >> 44 & 3 == 0 { "resourcegroups" } else { "resourceGroups" };
    let id = match resource_type.split_once('/') {
        Some((parent, child)) => {
            format!(
                "/subscriptions/{subscription}/{groups}/{group}/providers/{provider}/{parent}/srv-{group}/{child}/{name}"
            )
        }
        None => format!("/subscriptions/{subscription}/{groups}/{group}/providers/{provider}/{resource_type}/{name}"),
    };
    if tastes >> 46 & 7 == 0 { id.to_lowercase() } else { id }
}

fn additional_info(kind: &Kind, serial: &str, tastes: u64, full: bool) -> Option<String> {
    let sizes = ["Standard_D2s_v3", "Standard_E8s_v3", "Standard_B2ms", "Standard_F16s_v2"];
    match kind.prefix {
        "vm" => Some(format!(
            r#"{{"UsageType":"ComputeHR","ImageType":"{}","ServiceType":"{}","VMName":"vm-{serial}","VMProperties":{},"VCPUs":{}}}"#,
            ["Canonical", "Windows Server BYOL", "RHEL\\nBYOS"][(tastes >> 50) as usize % 3],
            sizes[(tastes >> 52 & 3) as usize],
            if tastes >> 54 & 1 == 0 { "null" } else { r#""Microsoft.AKS.Compute.AKS.Linux.Billing""# },
            1 << (tastes >> 56 & 7),
        )),
        "sqldb" => Some(format!(r#"{{"DatabaseName":"Bestände – {serial}","Path":"C:\\data\\{serial}"}}"#)),
        _ if full && tastes >> 50 & 7 != 0 => Some(format!(r#"{{"ConsumptionMeter":"{serial}"}}"#)),
        _ if full || tastes >> 50 & 7 == 0 => {
            Some(format!(r#"{{"ConsumptionMeter":"{serial}","RPGeo":"Zürich\t(東京)","Mode":"🚀"}}"#))
        }
        _ => None,
    }
}

fn tags(serial: &str, stage: &str, tastes: u64, describing: Describing) -> Option<String> {
    let (even, full) = (draw(tastes, 2), describing.is_full);
    if !full && even % 100 < 48 {
        return None;
    }
    let between = if describing.line_breaks && even >> 44 & 3 == 0 { ",\r\n  " } else { ",  " };
    let mut tags = "{  ".to_owned();
    if !full {
        tags.push_str(&format!(r#""ApplicationOwner": "person{}@example.com"{between}"#, even >> 8 & 127));
    }
    tags.push_str(&format!(r#""Environment": "{stage}"{between}"Asset": "{serial}""#));
    let more: [(u64, &str); 6] = [
        (0, r#""CostCenter": "109741""#),
        (1, r#""CreatedOnDate": "2020-10-15T12:43:13.9427116Z""#),
        (2, r#""Automation": "true""#),
        (3, r#""Abteilung": "Größe & Qualität""#),
        (4, r#""justification": "Dev efforts, \"phase 2\"""#),
        (5, r#""productline": "Sesiwatch Platform""#),
    ];
    // Where every row has tags, each has fewer of them.
    let one_in = if full { 7 } else { 3 };
    for (bit, tag) in more {
        if even >> (16 + 3 * bit) & one_in == 0 {
            tags.push_str(between);
            tags.push_str(tag);
        }
    }
    // Some tags come without their outer braces.
    if even >> 40 & 63 == 0 {
        return Some(tags.split_off(3));
    }
    tags.push('}');
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::super::catalog::KINDS;
    use super::*;

    #[test]
    fn a_full_resource_carries_its_serial_in_id_info_and_tags() {
        let describing = Describing { is_full: true, line_breaks: true };
        for (chance, kind) in (0..500).flat_map(|chance| KINDS.iter().map(move |kind| (chance, kind))) {
            let resource = Resource::new(draw(9, chance), chance as usize, kind, "guid", describing);
            let serial = std::str::from_utf8(&resource.serial).unwrap();
            for field in ["instanceId", "additionalInfo", "tags"] {
                match resource.value(field) {
                    Value::Text(text) | Value::AsciiText(text) => assert!(text.to_lowercase().contains(serial)),
                    value => panic!("{field}: {value:?}"),
                }
            }
        }
    }
}
