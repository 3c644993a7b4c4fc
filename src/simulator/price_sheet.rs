//! The price sheet: an item for each meter and unit, of any number.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::bill::Bill;
use super::catalog::part_number;
use super::chance::draw;
use super::dataset::{Names, Serve, Wanted};
use super::document::{Document, Rows, Wrapping};
use super::enrollment::Enrollment;
use super::month::Month;
use super::options::Options;
use super::values::{MONEY_SCALE, Style, Value, decimal, write_object};
use super::words::Dataset;

/// The fields in wire order; version 1 has no meter, and only version 3 has the offer.
const FIELDS: [&str; 10] = [
    "offerId",
    "id",
    "billingPeriodId",
    "meterId",
    "meterName",
    "unitOfMeasure",
    "includedQuantity",
    "partNumber",
    "unitPrice",
    "currencyCode",
];

/// The fields in a version of the API.
fn fields(api: u8) -> impl Iterator<Item = &'static str> {
    FIELDS.into_iter().filter(move |field| match *field {
        "offerId" => api == 3,
        "meterId" => api > 1,
        _ => true,
    })
}

/// About what an item takes.
const ROW_BYTES: usize = 380;

/// The dataset.
pub struct PriceSheet;

impl Serve for PriceSheet {
    fn names(&self) -> &'static Names {
        &Names { path: "pricesheet", link: "priceSheet", report: "PriceSheet" }
    }

    fn fields(&self, _: &Options, api: u8) -> Vec<String> {
        fields(api).map(str::to_owned).collect()
    }

    fn has_rows(&self, options: &Options) -> bool {
        options.price_sheet_items > 0
    }

    fn document(&self, wanted: &Wanted<'_>) -> Document {
        let Wanted { options, enrollment, api, days, is_empty } = *wanted;
        let month = Month::of(days.first());
        let version = enrollment.edition(Dataset::PriceSheet, month).version;
        let mut items = Items::new(options, enrollment, month, version);
        let fingerprint = draw(items.fingerprint(), u64::from(api));
        if is_empty {
            items.count = 0;
        }
        let (number, currency) = (enrollment.number.clone(), enrollment.currency());
        let (style, extra_fields) = (options.style(), options.extra_fields);
        let rows = PriceRows { items, number, currency, fields: fields(api).collect(), style, extra_fields };
        Document { rows: Box::new(rows), fingerprint, led_on: Vec::new(), wrapping: Wrapping::List }
    }

    fn sums(&self, options: &Options, enrollment: &Enrollment, month: Month, version: u32) -> Json {
        let items = Items::new(options, enrollment, month, version);
        let rows = if Dataset::PriceSheet.has_data(options, month) { items.count } else { 0 };
        let (included, price) = (0..rows).fold((0, 0), |(included, price), index| {
            (included + i128::from(items.included(index)), price + items.price(index))
        });
        json!({
            "rows": rows,
            "sums": {
                "included_quantity": decimal(included, 0),
                "unit_price": decimal(price, MONEY_SCALE),
            },
        })
    }
}

/// The items of a period in one version.
struct Items {
    bill: Arc<Bill>,
    month: Month,
    version: u32,
    count: u64,
}

impl Items {
    fn new(options: &Options, enrollment: &Enrollment, month: Month, version: u32) -> Self {
        // Each restatement brings an item.
        let count = options.price_sheet_items + u64::from(version - 1);
        Self { bill: enrollment.bill.clone(), month, version, count }
    }

    fn month_number(&self) -> u64 {
        u64::from(self.month.year) * 12 + u64::from(self.month.month)
    }

    fn fingerprint(&self) -> u64 {
        draw(draw(self.bill.key() ^ 0x7072_6963, self.month_number()), u64::from(self.version) << 40 ^ self.count)
    }

    fn chance(&self, index: u64) -> u64 {
        draw(self.bill.key() ^ 0x6974_656D, index)
    }

    /// The meter of an item, and how often it has come before.
    fn meter(&self, index: u64) -> (&super::catalog::Meter, u64) {
        let meters = self.bill.meters();
        (&meters[(index % meters.len() as u64) as usize], index / meters.len() as u64)
    }

    /// In whole units.
    fn included(&self, index: u64) -> u64 {
        [0, 0, 0, 0, 0, 0, 5, 10_000][(self.chance(index) >> 8 & 7) as usize]
    }

    /// In units of 10^-15. What usage is charged at in most months, by the first item of the meter.
    fn price(&self, index: u64) -> i128 {
        let (meter, turn) = self.meter(index);
        let price = i128::from(meter.rate) * i128::from(turn + 1);
        let monthly = draw(self.chance(index), self.month_number());
        let restated = (2..=u64::from(self.version)).filter(|version| draw(monthly, version << 32) & 15 == 0).count();
        match restated + usize::from(monthly & 31 == 0) {
            0 => price,
            // An eighth more for each change.
            changes => price + price / 8 * changes as i128,
        }
    }

    fn value(&self, index: u64, field: &str, number: &str, currency: &'static str) -> Value {
        let chance = self.chance(index);
        let (meter, turn) = self.meter(index);
        let month = self.month;
        match field {
            "offerId" if chance >> 16 & 3 == 0 => "MS-AZR-0148P".into(),
            "offerId" => "MS-AZR-0017P".into(),
            "id" => {
                Value::Text(format!("enrollments/{number}/billingperiods/{month}/products/{}/pricesheets", 300 + index))
            }
            // Some items are those of the year before.
            "billingPeriodId" if chance >> 20 & 15 == 0 => {
                Value::Text(format!("{:04}{:02}", month.year - 1, month.month))
            }
            "billingPeriodId" => Value::Text(month.to_string()),
            "meterName" => meter.value("product"),
            // The same meter in another unit.
            "unitOfMeasure" if turn > 0 => {
                let units = meter.units();
                Value::Text(format!("{} {}", turn + 1, units[turn as usize % units.len()]))
            }
            "includedQuantity" => Value::Number(self.included(index).into(), 0),
            // Some items share a part number.
            "partNumber" if turn > 0 && chance >> 24 & 3 > 0 => Value::Text(part_number(chance >> 26)),
            "unitPrice" => Value::Number(self.price(index), MONEY_SCALE),
            "currencyCode" => currency.into(),
            _ => meter.value(field),
        }
    }
}

/// The items as rows.
struct PriceRows {
    items: Items,
    number: String,
    currency: &'static str,
    fields: Vec<&'static str>,
    style: Style,
    extra_fields: bool,
}

impl Rows for PriceRows {
    fn count(&self) -> u64 {
        self.items.count
    }

    fn row_bytes(&self) -> usize {
        ROW_BYTES
    }

    fn write(&self, out: &mut Vec<u8>, rows: Range<u64>, between: &[u8]) {
        for index in rows.clone() {
            if index > rows.start {
                out.extend_from_slice(between);
            }
            let value = |field| self.items.value(index, field, &self.number, self.currency);
            let members = self.fields.iter().map(|field| (*field, value(field)));
            write_object(out, self.style, members, self.extra_fields);
        }
    }
}
