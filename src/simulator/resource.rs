//! Subscriptions and resources: their names, owners, tags, and their parts of a row.

use super::catalog::Kind;
use super::chance::{draw, uuid};
use super::fields::{Source, Value, fragments};

/// A subscription with its account and department.
pub struct Subscription {
    /// Its GUID, which resource ids contain.
    pub guid: String,
    /// Its fragments of a row.
    pub fragments: Vec<Box<[u8]>>,
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
    pub fn new(key: u64, index: u64, accounts: u64) -> Self {
        let chance = draw(key, index);
        let account = chance % accounts;
        let owner = draw(key, account);
        let department = (chance >> 48) % DEPARTMENTS.len() as u64;
        let guid = uuid(chance);
        let value = |field: &str| match field {
            "offerId" if chance >> 8 & 3 == 0 => "MS-AZR-0148P".into(),
            "offerId" => "MS-AZR-0017P".into(),
            "accountId" => Value::Plain((200_000 + account * 37).to_string()),
            "departmentId" => Value::Plain((107_000 + department * 11).to_string()),
            "accountOwnerEmail" => Value::Text(format!("person{account}@example.com")),
            "accountName" => {
                let name = ACCOUNTS[(owner >> 8) as usize % ACCOUNTS.len()];
                let name = format!("{name} {account}");
                if owner >> 16 & 1 == 0 { Value::Text(name) } else { Value::AsciiText(name) }
            }
            "serviceAdministratorId" if chance >> 12 & 7 == 0 => Value::Text(format!("admin{index}@example.com")),
            "serviceAdministratorId" => "".into(),
            "subscriptionId" => Value::Plain("0".to_owned()),
            "subscriptionGuid" => Value::Text(guid.clone()),
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
        };
        Self { fragments: fragments(Source::Subscription, value), guid }
    }
}

/// Hexadecimal digits of a resource's serial number, which stands in its id, its tags and its additional info.
pub const SERIAL_DIGITS: usize = 12;

/// A resource's part of a row.
#[derive(Debug)]
pub struct ResourceText {
    /// Its fragments of a row.
    pub fragments: Vec<Box<[u8]>>,
    /// Where the serial number stands in the first fragment.
    pub serials: Vec<u32>,
}

impl ResourceText {
    /// The text of resource `index`, drawn by `chance`. `full` leaves no id, tags or additional info empty.
    pub fn new(chance: u64, index: usize, kind: &Kind, subscription: &str, full: bool) -> Self {
        let serial = serial(chance);
        let serial = std::str::from_utf8(&serial).unwrap_or_default();
        let tastes = draw(chance, 1);
        let stage = ["PROD", "DEV", "test", "QA"][(tastes & 3) as usize];
        let group = format!("rg-{}-{}-{:03}", ["app", "shared", "Data", "net"][(tastes >> 2 & 3) as usize], stage, {
            (tastes >> 4) % 40
        });
        let group = if tastes >> 16 & 3 == 0 { group.to_uppercase() } else { group };
        let ascii = index.is_multiple_of(2);
        let text = |text: String| if ascii { Value::AsciiText(text) } else { Value::Text(text) };
        let value = |field: &str| match field {
            "instanceId" => {
                let name = format!("{}{}{serial}", kind.prefix, if kind.prefix == "st" { "" } else { "-" });
                match tastes >> 24 & 63 {
                    0 if !full => "".into(),
                    1 => Value::Text(name),
                    _ => Value::Text(resource_id(kind, subscription, &group, &name, tastes)),
                }
            }
            "serviceInfo1" if tastes >> 30 & 3 == 0 => Value::Null,
            "serviceInfo1" if tastes >> 30 & 31 == 1 => "Canonical".into(),
            "serviceInfo1" | "serviceInfo2" => "".into(),
            "additionalInfo" => match additional_info(kind, serial, tastes, full) {
                Some(info) => text(info),
                None if tastes >> 36 & 7 == 0 => Value::Null,
                None => "".into(),
            },
            "tags" => match tags(serial, stage, tastes, full) {
                Some(tags) => text(tags),
                None if tastes >> 36 & 15 == 1 => Value::Null,
                None => "".into(),
            },
            // The group's case in the id and in its own field differ now and then.
            "resourceGroup" if tastes >> 40 & 7 == 0 => Value::Text(group.to_lowercase()),
            "resourceGroup" => Value::Text(group.clone()),
            _ => Value::Null,
        };
        let fragments = fragments(Source::Resource, value);
        let serials = fragments[0]
            .windows(SERIAL_DIGITS)
            .enumerate()
            .filter(|(_, window)| *window == serial.as_bytes())
            .map(|(position, _)| position as u32)
            .collect();
        Self { fragments, serials }
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

fn tags(serial: &str, stage: &str, tastes: u64, full: bool) -> Option<String> {
    let even = draw(tastes, 2);
    if !full && even % 100 < 48 {
        return None;
    }
    let mut tags = "{  ".to_owned();
    if !full {
        tags.push_str(&format!(r#""ApplicationOwner": "person{}@example.com",  "#, even >> 8 & 127));
    }
    tags.push_str(&format!(r#""Environment": "{stage}",  "Asset": "{serial}""#));
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
            tags.push_str(",  ");
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
    use super::super::fields::FIELDS;
    use super::*;

    #[test]
    fn a_full_resource_carries_its_serial_in_id_info_and_tags() {
        for chance in 0..500 {
            for kind in &KINDS {
                let text = ResourceText::new(draw(9, chance), chance as usize, kind, "guid", true);
                assert!(text.serials.len() >= 3, "{text:?}");
                assert_eq!(text.fragments.len(), 2);
            }
        }
    }

    #[test]
    fn the_resource_knows_its_fields() {
        let names: Vec<&str> =
            FIELDS.iter().filter(|(_, source)| *source == Source::Resource).map(|(name, _)| *name).collect();
        assert_eq!(names, ["instanceId", "serviceInfo1", "serviceInfo2", "additionalInfo", "tags", "resourceGroup"]);
    }
}
