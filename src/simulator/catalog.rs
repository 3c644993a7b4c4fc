//! What can be bought in the invented cloud: regions, kinds of resources and the meters of each.

use super::chance::{draw, skewed, uuid};
use super::values::{MONEY_SCALE, Value};

/// A region under the three names that bills give it, and its id.
pub struct Region {
    meter_region: &'static str,
    location: &'static str,
    resource_location: &'static str,
    id: u32,
}

const fn region(
    meter_region: &'static str,
    location: &'static str,
    resource_location: &'static str,
    id: u32,
) -> Region {
    Region { meter_region, location, resource_location, id }
}

/// Small bills use the first few only.
pub static REGIONS: [Region; 12] = [
    region("", "EU West", "westeurope", 82),
    region("EU North", "EU North", "EUNorth", 64),
    region("Virginia", "US East", "EastUS", 2),
    region("", "US East 2", "eastus2", 57),
    region("Texas", "US South Central", "SouthCentralUS", 151),
    region("DE West Central", "DE West Central", "germanywestcentral", 211),
    region("Australia East", "AU East", "AustraliaEast", 172),
    region("", "JA East", "japaneast", 97),
    region("UK South", "UK South", "uksouth", 143),
    region("California", "US West", "uswest", 1),
    region("", "Unassigned", "", 0),
    region("Zone 1", "Global", "Unknown", 12),
];

/// How much of a meter is consumed in a day, in millionths.
pub struct Amount {
    /// The smallest difference between two quantities.
    pub step: u64,
    /// The largest base quantity in steps.
    pub steps: u64,
    /// Whether a constant quantity is mostly a day's 24 hours.
    pub hourly: bool,
}

/// A kind of resource: one provider's type, with the meters that its resources can show.
pub struct Kind {
    /// Share of the resources.
    pub weight: u64,
    /// `Microsoft.Compute`
    pub provider: &'static str,
    /// `virtualMachines`
    pub resource_type: &'static str,
    /// How names of resources begin.
    pub prefix: &'static str,
    service: &'static str,
    sub_categories: &'static [&'static str],
    meters: &'static [&'static str],
    units: &'static [&'static str],
    /// Amounts by meter name, in turn.
    amounts: &'static [Amount],
    /// The largest rate, in units of 10^-15.
    top_rate: u64,
}

const HOURS: Amount = Amount { step: 100, steps: 480_000, hourly: true };
const OPERATIONS: Amount = Amount { step: 100, steps: 900_000, hourly: false };
const GIGABYTES: Amount = Amount { step: 1, steps: 40_000_000, hourly: false };
const BULK: Amount = Amount { step: 1, steps: 3_000_000_000_000, hourly: false };
const UNITS: Amount = Amount { step: 1_000_000, steps: 50, hourly: false };
/// Amounts whose cost, at the smallest rate, is a few 10^-15.
const SPECKS: Amount = Amount { step: 1, steps: 9, hourly: false };

/// The meter name whose rate is always the smallest one.
const SPECK_METER: &str = "Intra-Zone Data Transfer";
const SPECK_RATE: u64 = 1_000_000;

const MILLI: u64 = 1_000_000_000_000;

/// All kinds, the commonest first.
pub static KINDS: [Kind; 12] = [
    Kind {
        weight: 30,
        provider: "Microsoft.Storage",
        resource_type: "storageAccounts",
        prefix: "st",
        service: "Storage",
        sub_categories: &[
            "Tiered Block Blob",
            "Standard Page Blob v2",
            "Files",
            "Tables",
            "Queues v2",
            "General Block Blob v2",
            "Premium Block Blob",
            "Azure Data Lake Storage Gen2 Flat Namespace",
        ],
        meters: &[
            "All Other Operations",
            "LRS Data Stored",
            "Protocol Operations",
            "Batch Write Operations",
            "Hot LRS Write Operations",
            "Hot Read Operations",
            "GRS Data Stored",
            "Cool LRS Data Stored",
            "List and Create Container Operations",
            "Geo-Replication Data transfer",
        ],
        units: &["1000000", "100 GB/Month", "10000000", "100000000", "10,000 s"],
        amounts: &[OPERATIONS, GIGABYTES, OPERATIONS, OPERATIONS, BULK],
        top_rate: 200 * MILLI,
    },
    Kind {
        weight: 22,
        provider: "Microsoft.Compute",
        resource_type: "virtualMachines",
        prefix: "vm",
        service: "Virtual Machines",
        sub_categories: &[
            "Dsv3 Series",
            "Dv3/DSv3 Series Windows",
            "Ev3/ESv3 Series",
            "BS Series",
            "Fsv2 Series",
            "Ddsv4 Series",
            "Easv4 Series Windows",
            "NCasT4 v3 Series",
            "Lsv2 Series",
            "M Series",
        ],
        meters: &["D2 v3/D2s v3", "D4 v3/D4s v3", "E8 v3/E8s v3", "B2ms", "F16s v2", "D32ds v4 Spot", "E64as v4"],
        units: &["10 Hours", "100 Hours", "1 Hour"],
        amounts: &[HOURS],
        top_rate: 12_000 * MILLI,
    },
    Kind {
        weight: 12,
        provider: "Microsoft.Compute",
        resource_type: "disks",
        prefix: "disk",
        service: "Storage",
        sub_categories: &["Premium SSD Managed Disks", "Standard SSD Managed Disks", "Standard HDD Managed Disks"],
        meters: &["P10 LRS Disk", "P30 LRS Disk", "E10 LRS Disk", "S4 LRS Disk", "Disk Operations", "P4 Mounts"],
        units: &["1 /Month", "1 /Month", "1 /Month", "1 /Month", "10K", "1 /Month"],
        amounts: &[HOURS, HOURS, HOURS, HOURS, OPERATIONS, UNITS],
        top_rate: 135_000 * MILLI,
    },
    Kind {
        weight: 12,
        provider: "Microsoft.Network",
        resource_type: "publicIPAddresses",
        prefix: "pip",
        service: "Bandwidth",
        sub_categories: &["", "Inter-Region", "Rtn Preference: MGN"],
        meters: &[
            SPECK_METER,
            "Data Transfer Out",
            "Data Transfer In",
            "Inter-Region Ingress",
            "Standard Data Transfer Out",
        ],
        units: &["1 GB", "100 GB", "10 GB"],
        amounts: &[SPECKS, GIGABYTES, GIGABYTES, GIGABYTES, GIGABYTES],
        top_rate: 87 * MILLI,
    },
    Kind {
        weight: 6,
        provider: "microsoft.network",
        resource_type: "loadBalancers",
        prefix: "lb",
        service: "Load Balancer",
        sub_categories: &["Standard", "Gateway"],
        meters: &["Included LB Rules and Outbound Rules", "Data Processed", "Overage LB Rules"],
        units: &["100 Hours", "100 GB"],
        amounts: &[HOURS, GIGABYTES, HOURS],
        top_rate: 25 * MILLI,
    },
    Kind {
        weight: 5,
        provider: "Microsoft.Web",
        resource_type: "serverfarms",
        prefix: "plan",
        service: "Azure App Service",
        sub_categories: &["Premium v2 Plan", "Standard Plan", "Basic Plan", "Premium v3 Plan - Linux"],
        meters: &["P1 v2", "P2 v3 App", "S1", "B1", "Memory Duration"],
        units: &["10 Hours", "1 Hour"],
        amounts: &[HOURS],
        top_rate: 800 * MILLI,
    },
    Kind {
        weight: 4,
        provider: "Microsoft.Sql",
        resource_type: "servers/databases",
        prefix: "sqldb",
        service: "SQL Database",
        sub_categories: &[
            "Single Standard",
            "Single/Elastic Pool General Purpose - Compute Gen5",
            "LTR Backup Storage",
        ],
        meters: &["S2 DTUs", "vCore", "LRS Data Stored", "10 DTUs", "Zone Redundancy vCore"],
        units: &["1 /Month", "100 Hours", "100 GB/Month", "1/Day"],
        amounts: &[UNITS, HOURS, GIGABYTES, HOURS],
        top_rate: 4_800 * MILLI,
    },
    Kind {
        weight: 3,
        provider: "microsoft.eventhub",
        resource_type: "namespaces",
        prefix: "evh",
        service: "Event Hubs",
        sub_categories: &["", "Event Hubs"],
        meters: &["Standard Throughput Unit", "Standard Ingress Events", "Standard Capture"],
        units: &["100 Hours", "100000000", "100 Hours"],
        amounts: &[HOURS, BULK, HOURS],
        top_rate: 30 * MILLI,
    },
    Kind {
        weight: 2,
        provider: "microsoft.operationalinsights",
        resource_type: "workspaces",
        prefix: "log",
        service: "Log Analytics",
        sub_categories: &["", "Azure Monitor"],
        meters: &["Pay-as-you-go Data Ingestion", "Data Retention", "Standard Data Analyzed"],
        units: &["1 GB", "1 GB/Month"],
        amounts: &[GIGABYTES],
        top_rate: 2_300 * MILLI,
    },
    Kind {
        weight: 2,
        provider: "Microsoft.KeyVault",
        resource_type: "vaults",
        prefix: "kv",
        service: "Key Vault",
        sub_categories: &["Standard", "Premium"],
        meters: &["Operations", "Advanced Key Operations", "Certificate Renewal Request"],
        units: &["10K", "10K", "1"],
        amounts: &[OPERATIONS, OPERATIONS, UNITS],
        top_rate: 30 * MILLI,
    },
    Kind {
        weight: 1,
        provider: "Microsoft.Cache",
        resource_type: "Redis",
        prefix: "redis",
        service: "Redis Cache",
        sub_categories: &["Standard", "Premium", "Enterprise \"E10\" – zone redundant"],
        meters: &["C1 Cache", "P1 Cache Instance", "E10 Node"],
        units: &["100 Hours", "1 Hour"],
        amounts: &[HOURS],
        top_rate: 900 * MILLI,
    },
    Kind {
        weight: 1,
        provider: "Microsoft.Security",
        resource_type: "pricings",
        prefix: "VirtualMachines",
        service: "Advanced Threat Protection",
        sub_categories: &["Advanced Threat Protection"],
        meters: &["Standard Node", "Standard vCore", "Standard Trial Node"],
        units: &["1 Hour"],
        amounts: &[HOURS],
        top_rate: 20 * MILLI,
    },
];

impl Kind {
    /// How many meters a region has of this kind.
    pub fn variants(&self) -> usize {
        self.sub_categories.len() * self.meters.len()
    }
}

/// A meter in a region: its rate, the amounts it is consumed in, and its part of a row.
pub struct Meter {
    /// Rate of a unit, in units of 10^-15.
    pub rate: u64,
    /// How much a resource consumes in a day.
    pub amount: &'static Amount,
    kind: usize,
    variant: usize,
    region: &'static Region,
    chance: u64,
}

impl Meter {
    /// The meter `variant` (below [`Kind::variants`]) of a kind in a region, priced by the draw `chance`.
    pub fn new(kind: usize, variant: usize, region: &'static Region, chance: u64) -> Self {
        let name = variant % KINDS[kind].meters.len();
        let amount = &KINDS[kind].amounts[name % KINDS[kind].amounts.len()];
        let rate = rate(&KINDS[kind], KINDS[kind].meters[name], amount, chance);
        Self { rate, amount, kind, variant, region, chance }
    }

    /// Whether its charges are billed outside the monetary commitment.
    pub fn is_billed_separately(&self) -> bool {
        self.number().is_multiple_of(61)
    }

    /// The units that meters of its kind are counted in.
    pub fn units(&self) -> &'static [&'static str] {
        KINDS[self.kind].units
    }

    fn number(&self) -> u64 {
        draw(self.chance, 1)
    }

    /// The value of one of its fields.
    pub fn value(&self, field: &str) -> Value {
        let (kind, region, number) = (&KINDS[self.kind], self.region, self.number());
        let sub_category = kind.sub_categories[self.variant / kind.meters.len()];
        let name_index = self.variant % kind.meters.len();
        let name = kind.meters[name_index];
        match field {
            "serviceName" => kind.service.into(),
            "serviceTier" => if sub_category.is_empty() { kind.service } else { sub_category }.into(),
            "location" => region.location.into(),
            "chargesBilledSeparately" => Value::Flag(self.is_billed_separately()),
            "partNumber" => Value::Text(part_number(number)),
            "resourceGuid" | "meterId" => Value::Text(uuid(self.chance)),
            // Some ids do not fit into 32 bits.
            "productId" if number.is_multiple_of(97) => Value::Id(5_000_000_000 + (number >> 40)),
            "productId" => Value::Id(1_000_000 + (number >> 20) % 700_000),
            "resourceLocationId" => Value::Id(region.id.into()),
            "consumedServiceId" => Value::Id(4 + self.kind as u64 * 8),
            "product" if sub_category.is_empty() => Value::Text(format!("{} - {name}", kind.service)),
            "product" => Value::Text(format!("{sub_category} - {name} - {}", region.location)),
            "meterCategory" => kind.service.into(),
            "meterSubCategory" => sub_category.into(),
            "meterRegion" => region.meter_region.into(),
            "meterName" => name.into(),
            "resourceRate" => Value::Number(self.rate.into(), MONEY_SCALE),
            "resourceLocation" => region.resource_location.into(),
            "consumedService" => kind.provider.into(),
            "unitOfMeasure" => kind.units[name_index % kind.units.len()].into(),
            _ => Value::Null,
        }
    }
}

/// The part number that a draw stands for.
pub fn part_number(number: u64) -> String {
    format!("{}-{:05}", ["AAA", "N9H", "P5H", "AAG"][(number % 4) as usize], (number >> 8) % 100_000)
}

fn rate(kind: &Kind, name: &str, amount: &Amount, chance: u64) -> u64 {
    if name == SPECK_METER {
        return SPECK_RATE;
    }
    // What is consumed by the million costs little a piece.
    let top = if amount.steps == BULK.steps { kind.top_rate / 1_000_000 } else { kind.top_rate };
    let rate = 1 + skewed(draw(chance, 2), top);
    match draw(chance, 3) % 100 {
        0..8 => 0,
        // A price list's price: at most five digits after the point, if that leaves anything.
        8..45 if rate >= 10_000_000_000 => rate / 10_000_000_000 * 10_000_000_000,
        _ => rate,
    }
}
