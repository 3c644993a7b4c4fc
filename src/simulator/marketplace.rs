//! Marketplace store charges: what other publishers bill through Azure.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::bill::{Bill, cost};
use super::chance::{draw, skewed, uuid};
use super::dataset::{Names, Serve, Wanted};
use super::days::Days;
use super::document::{Document, Paging, Rows, Wrapping};
use super::enrollment::Enrollment;
use super::month::Month;
use super::options::Options;
use super::values::{MONEY_SCALE, QUANTITY_SCALE, Style, Value, decimal, write_object};
use super::words::{Dataset, FlagForm, MarketplaceForm};

/// The fields in wire order; the last one came with version 3.
const FIELDS: [&str; 25] = [
    "id",
    "subscriptionGuid",
    "subscriptionName",
    "meterId",
    "usageStartDate",
    "usageEndDate",
    "offerName",
    "resourceGroup",
    "instanceId",
    "additionalInfo",
    "tags",
    "orderNumber",
    "unitOfMeasure",
    "costCenter",
    "accountId",
    "accountName",
    "accountOwnerId",
    "departmentId",
    "departmentName",
    "publisherName",
    "planName",
    "consumedQuantity",
    "resourceRate",
    "extendedCost",
    "isRecurringCharge",
];

/// The fields where charges recur, or where none does.
fn fields(with_recurring: bool) -> &'static [&'static str] {
    if with_recurring { &FIELDS } else { &FIELDS[..FIELDS.len() - 1] }
}

/// Offer, publisher, plan, meter and unit.
const OFFERS: [[&str; 5]; 6] = [
    ["Virtual LoadMaster™ (VLM) for Azure", "Kemp", "VLM-200", "2core", ""],
    ["SendGrid Email Delivery", "SendGrid", "Silver, 100k \"mails\"", "", "1 Month"],
    ["Fortgate – Größe M", "Example Netze GmbH", "byol", "4core", "1 Hour"],
    ["Red Hat Enterprise Linux", "Red Hat", "RHEL 8 LVM", "8core", "1 Hour"],
    ["Databricks, pay as you go", "Example Publisher 1", "Premium", "dbu", "100"],
    ["検索サービス", "Example Publisher 2", "Plan name", "", ""],
];

/// Of so many charges, the last one recurs.
const RECURRING_EVERY: u64 = 10;

/// About what a row takes.
const ROW_BYTES: usize = 900;

/// The dataset.
pub struct Marketplace;

impl Serve for Marketplace {
    fn names(&self) -> &'static Names {
        &Names { path: "marketplacecharges", link: "marketplaceCharges", report: "MarketplaceCharge" }
    }

    fn fields(&self, _: &Options, api: u8) -> Vec<String> {
        fields(api == 3).iter().map(|name| (*name).to_owned()).collect()
    }

    fn has_rows(&self, options: &Options) -> bool {
        options.marketplace_rows > 0
    }

    fn document(&self, wanted: &Wanted<'_>) -> Document {
        let Wanted { options, enrollment, api, days, is_empty } = *wanted;
        let months: Vec<Month> = match days {
            Days::Period(month) => vec![month],
            Days::Range(..) => {
                let listed = (0..options.months).map(|count| options.from.plus(count));
                listed.filter(|month| Dataset::MarketplaceCharges.has_data(options, *month)).collect()
            }
        };
        let charges = months.iter().map(|month| {
            let version = enrollment.edition(Dataset::MarketplaceCharges, *month).version;
            Charges::new(options, enrollment, *month, version)
        });
        let charges: Vec<Charges> = charges.collect();
        let start = draw(u64::from(api), u64::from(matches!(days, Days::Range(..))));
        let fingerprint = charges.iter().fold(start, |hash, charges| {
            let days = days.of_month(charges.month);
            draw(draw(hash, charges.fingerprint()), u64::from(days.start) << 32 | u64::from(days.end))
        });
        let with_recurring = api == 3;
        let stretches = charges.into_iter().filter(|_| !is_empty).map(|charges| {
            let days = days.of_month(charges.month);
            let rows = charges.first_of_day(days.start, with_recurring)..charges.first_of_day(days.end, with_recurring);
            (charges, rows)
        });
        let flags = if options.flags == FlagForm::Documented { FlagForm::Text } else { options.flags };
        let rows = MarketplaceRows {
            stretches: stretches.collect(),
            with_recurring,
            style: Style { flags, ..options.style() },
            extra_fields: options.extra_fields,
        };
        let number = &enrollment.number;
        let wrapping = match (options.marketplace_form, days) {
            (MarketplaceForm::Array, _) => Wrapping::List,
            (MarketplaceForm::Object, days) => {
                let (path, query) = match days {
                    Days::Period(month) => (format!("billingPeriods/{month}/marketplacecharges"), String::new()),
                    Days::Range(first, last) => {
                        ("marketplacechargesbycustomdate".to_owned(), format!("startTime={first}&endTime={last}&"))
                    }
                };
                Wrapping::Pages(Paging {
                    id_name: "id",
                    id: format!("enrollments/{number}/marketplacecharges"),
                    path: format!("/v{api}/enrollments/{number}/{path}"),
                    query,
                    rows: options.page_rows.max(1) as u64,
                    last_link: options.last_link,
                })
            }
        };
        Document { rows: Box::new(rows), fingerprint, led_on: Vec::new(), wrapping }
    }

    fn sums(&self, options: &Options, enrollment: &Enrollment, month: Month, version: u32) -> Json {
        let charges = Charges::new(options, enrollment, month, version);
        let rows = if Dataset::MarketplaceCharges.has_data(options, month) { charges.rows } else { 0 };
        let sums = |with_recurring: bool| {
            let indexes = (0..rows).filter(|index| with_recurring || !is_recurring(*index));
            let zero = (0, 0, 0, 0);
            let (count, quantity, rate, cost) = indexes.fold(zero, |(count, quantity, rate, cost), index| {
                let charge = charges.charge(index);
                (count + 1, quantity + charge.quantity, rate + i128::from(charge.rate), cost + charge.cost())
            });
            json!({
                "rows": count,
                "sums": {
                    "consumed_quantity": decimal(quantity, QUANTITY_SCALE),
                    "resource_rate": decimal(rate, MONEY_SCALE),
                    "extended_cost": decimal(cost, MONEY_SCALE),
                },
            })
        };
        let mut all = sums(true);
        all["usage_based"] = sums(false);
        all
    }
}

/// The charges of a period in one version, by day.
pub struct Charges {
    bill: Arc<Bill>,
    month: Month,
    version: u32,
    key: u64,
    rows: u64,
}

/// The numbers of a charge.
struct Charge {
    chance: u64,
    /// In units of 10^-6.
    quantity: i128,
    /// In units of 10^-15.
    rate: u64,
}

impl Charge {
    /// In units of 10^-15.
    fn cost(&self) -> i128 {
        cost(self.quantity as i64, self.rate)
    }
}

fn is_recurring(index: u64) -> bool {
    index % RECURRING_EVERY == RECURRING_EVERY - 1
}

impl Charges {
    /// The charges of a period.
    pub fn new(options: &Options, enrollment: &Enrollment, month: Month, version: u32) -> Self {
        let bill = enrollment.bill.clone();
        let key = draw(bill.key() ^ 0x6D61_726B, u64::from(month.year) * 12 + u64::from(month.month));
        // Each restatement brings a row.
        let rows = options.marketplace_rows + u64::from(version - 1);
        Self { bill, month, version, key, rows }
    }

    fn fingerprint(&self) -> u64 {
        draw(draw(self.key, u64::from(self.version)), self.rows)
    }

    /// The day of a row, counted from 0.
    fn day_of(&self, index: u64) -> u64 {
        index * u64::from(self.month.days()) / self.rows
    }

    /// The first row of a day, among all rows or among those that do not recur.
    fn first_of_day(&self, day: u32, with_recurring: bool) -> u64 {
        let index = (u64::from(day) * self.rows).div_ceil(u64::from(self.month.days()));
        if with_recurring { index } else { index - index / RECURRING_EVERY }
    }

    /// What they add up to, in units of 10^-15.
    pub fn total(&self) -> i128 {
        (0..self.rows).map(|index| self.charge(index).cost()).sum()
    }

    fn charge(&self, index: u64) -> Charge {
        let chance = draw(self.key, index);
        let mut today = draw(chance, 1);
        for version in 2..=u64::from(self.version) {
            // A restatement changes one amount in eight.
            let again = draw(chance, version << 32);
            if again & 7 == 0 {
                today = again;
            }
        }
        let quantity = i128::from(1 + skewed(today, 744_000_000)) * if today >> 8 & 31 == 1 { -1 } else { 1 };
        let quantity = if is_recurring(index) { 1_000_000 } else { quantity };
        // Five digits after the point.
        Charge { chance, quantity, rate: skewed(draw(chance, 2), 20_000_000) * 10_000_000_000 }
    }

    fn value(&self, index: u64, field: &str) -> Value {
        let charge = self.charge(index);
        let chance = draw(charge.chance, 3);
        let subscriptions = self.bill.subscriptions();
        let subscription = &subscriptions[skewed(chance, subscriptions.len() as u64) as usize];
        let [offer, publisher, plan, meter, unit] = OFFERS[(chance >> 8) as usize % OFFERS.len()];
        let day = self.month.day(self.day_of(index) as u32);
        let zone = if chance >> 16 & 7 == 0 { "" } else { "Z" };
        match field {
            // Not unique: charges of one order share it.
            "id" => Value::Text(uuid(draw(self.key, (1 << 40) | (index / 2)))),
            "meterId" => meter.into(),
            "usageStartDate" => Value::Text(format!("{day}T00:00:00{zone}")),
            "usageEndDate" => Value::Text(format!("{day}T23:59:59{zone}")),
            "offerName" => offer.into(),
            "resourceGroup" if chance >> 20 & 3 == 0 => "".into(),
            "resourceGroup" => Value::Text(format!("rg-store-{:02}", chance >> 24 & 15)),
            "instanceId" if chance >> 20 & 3 == 1 => "".into(),
            "instanceId" => Value::Text(format!("{offer}/{:08x}", chance >> 32)),
            "additionalInfo" if chance >> 28 & 1 == 0 => r#"{"ImageType":null,"ServiceType":"Medium"}"#.into(),
            "tags" if chance >> 29 & 3 == 0 => r#"{  "Environment": "PROD",  "Owner": "Zoë"}"#.into(),
            "additionalInfo" | "tags" => "".into(),
            "orderNumber" => Value::Text(uuid(draw(self.key, (1 << 41) | (index / 4)))),
            "unitOfMeasure" => unit.into(),
            "accountOwnerId" => subscription.value("accountOwnerEmail"),
            "publisherName" => publisher.into(),
            "planName" => plan.into(),
            "consumedQuantity" => Value::Number(charge.quantity, QUANTITY_SCALE),
            "resourceRate" => Value::Number(charge.rate.into(), MONEY_SCALE),
            "extendedCost" => Value::Number(charge.cost(), MONEY_SCALE),
            "isRecurringCharge" => Value::Flag(is_recurring(index)),
            _ => subscription.value(field),
        }
    }
}

/// Rows of some days.
struct MarketplaceRows {
    stretches: Vec<(Charges, Range<u64>)>,
    with_recurring: bool,
    style: Style,
    extra_fields: bool,
}

impl Rows for MarketplaceRows {
    fn count(&self) -> u64 {
        self.stretches.iter().map(|(_, rows)| rows.end - rows.start).sum()
    }

    fn row_bytes(&self) -> usize {
        ROW_BYTES
    }

    fn write(&self, out: &mut Vec<u8>, rows: Range<u64>, between: &[u8]) {
        let fields = fields(self.with_recurring);
        let (mut begin, mut is_first) = (0, true);
        for (charges, stretch) in &self.stretches {
            let end = begin + stretch.end - stretch.start;
            for position in rows.start.max(begin)..rows.end.min(end) {
                if !std::mem::take(&mut is_first) {
                    out.extend_from_slice(between);
                }
                let index = stretch.start + position - begin;
                // Among those that do not recur, the recurring ones are left out.
                let index = if self.with_recurring { index } else { index + index / (RECURRING_EVERY - 1) };
                let members = fields.iter().map(|field| (*field, charges.value(index, field)));
                write_object(out, self.style, members, self.extra_fields);
            }
            begin = end;
        }
    }
}
