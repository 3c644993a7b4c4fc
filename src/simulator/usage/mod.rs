//! Usage details: their rows as pages of JSON and as CSV, by billing period and by range of days.

mod captions;
mod csv;
mod forms;
mod texts;

pub use forms::{Form, FormName};
pub use texts::Texts;

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};

use self::texts::Dates;
use super::bill::{Cursor, Statement, Stretch};
use super::chance::draw;
use super::dataset::{Names, Serve, Wanted};
use super::days::Days;
use super::document::{Document, Paging, Rows, Wrapping};
use super::enrollment::Enrollment;
use super::month::Month;
use super::options::Options;
use super::values::{MONEY_SCALE, QUANTITY_SCALE, decimal};
use super::words::{Dataset, UsageV1};

/// About what a row takes; JSON has the names in each.
const JSON_ROW_BYTES: usize = 1600;
const CSV_ROW_BYTES: usize = 800;

/// The dataset.
pub struct Usage;

impl Serve for Usage {
    fn names(&self) -> &'static Names {
        &Names { path: "usagedetails", link: "usageDetails", report: "UsageDetail" }
    }

    fn fields(&self, options: &Options, api: u8) -> Vec<String> {
        let form = Form::new(FormName::Json(api), &Options { extra_fields: false, ..options.clone() });
        form.columns.into_iter().map(|column| column.name).collect()
    }

    fn has_rows(&self, options: &Options) -> bool {
        options.rows_per_month > 0
    }

    fn is_for_every_view(&self) -> bool {
        true
    }

    fn document(&self, wanted: &Wanted<'_>) -> Document {
        let Wanted { options, enrollment, api, days, .. } = *wanted;
        let number = &enrollment.number;
        let (id, path, query) = match days {
            Days::Period(month) => (
                format!("enrollments/{number}/billingperiods/{month}/usagedetails"),
                format!("/v{api}/enrollments/{number}/billingPeriods/{month}/usagedetails"),
                String::new(),
            ),
            Days::Range(first, last) => (
                format!("enrollments/{number}/usagedetails"),
                format!("/v{api}/enrollments/{number}/usagedetailsbycustomdate"),
                format!("startTime={first}&endTime={last}&"),
            ),
        };
        let is_old = api == 1 && options.usage_v1 != UsageV1::Later;
        document(wanted, FormName::Json(api), |_| {
            let (rows, last_link) = (options.page_rows.max(1) as u64, options.last_link);
            Wrapping::Pages(Paging {
                id_name: if is_old { "reportId" } else { "id" },
                id,
                path,
                query,
                rows,
                last_link,
            })
        })
    }

    fn sums(&self, options: &Options, enrollment: &Enrollment, month: Month, version: u32) -> Value {
        let statement = Statement::new(enrollment.bill.clone(), options, month, version);
        let sums = Sums::of(&statement);
        json!({
            "rows": sums.rows,
            "negative_rows": sums.negative_rows,
            "sums": {
                "cost": decimal(sums.cost, MONEY_SCALE),
                "consumed_quantity": decimal(sums.quantity, QUANTITY_SCALE),
                "resource_rate": decimal(sums.rate, MONEY_SCALE),
            },
        })
    }
}

/// The same rows as a file.
pub fn file(wanted: &Wanted<'_>) -> Document {
    document(wanted, FormName::Csv(wanted.api), |texts| csv::wrapping(wanted, texts.form()))
}

/// A document in a form; `wrapping` says what stands around the rows.
fn document(wanted: &Wanted<'_>, form: FormName, wrapping: impl FnOnce(&Texts) -> Wrapping) -> Document {
    let Wanted { options, enrollment, days, is_empty, .. } = *wanted;
    let texts = enrollment.texts(options, form);
    let statement = |month, version| Statement::new(enrollment.bill.clone(), options, month, version);
    let months: Vec<Month> = match days {
        Days::Period(month) => vec![month],
        Days::Range(..) => {
            let listed = (0..options.months).map(|count| options.from.plus(count));
            let is_there =
                |month: &Month| Dataset::UsageDetails.has_data(options, *month) && !days.of_month(*month).is_empty();
            listed.filter(is_there).collect()
        }
    };
    let editions: Vec<_> =
        months.iter().map(|month| (*month, enrollment.edition(Dataset::UsageDetails, *month))).collect();
    let stretches = if is_empty { &[][..] } else { &editions };
    let stretches = stretches.iter().map(|(month, edition)| {
        let statement = statement(*month, edition.version);
        let stretch = match days {
            Days::Period(_) => Stretch::whole(statement),
            Days::Range(..) => Stretch::days(statement, days.of_month(*month)),
        };
        (stretch, texts.dates(*month))
    });
    let fingerprint = |version: &dyn Fn(usize) -> u32| {
        let of_month = |index: usize| statement(editions[index].0, version(index)).fingerprint();
        match (days, form) {
            (Days::Period(_), FormName::Json(3)) => of_month(0),
            (Days::Period(_), _) => draw(of_month(0), form.index() as u64),
            (Days::Range(first, last), _) => {
                let range = draw(draw(form.index() as u64, day_number(first)), day_number(last));
                (0..editions.len()).fold(range, |hash, index| draw(hash, of_month(index)))
            }
        }
    };
    // Links of a range are good for as long as none of its periods is restated.
    let kept = match days {
        Days::Period(_) => editions[0].1.links_from..editions[0].1.version,
        Days::Range(..) => 0..0,
    };
    Document {
        fingerprint: fingerprint(&|index| editions[index].1.version),
        led_on: kept.rev().map(|version| fingerprint(&|_| version)).collect(),
        wrapping: wrapping(&texts),
        rows: Box::new(UsageRows { stretches: stretches.collect(), texts: texts.clone() }),
    }
}

fn day_number(day: chrono::NaiveDate) -> u64 {
    (day - chrono::NaiveDate::default()).num_days() as u64
}

/// Rows of some days.
struct UsageRows {
    texts: Arc<Texts>,
    stretches: Vec<(Stretch, Dates)>,
}

impl Rows for UsageRows {
    fn count(&self) -> u64 {
        self.stretches.iter().map(|(stretch, _)| stretch.rows()).sum()
    }

    fn row_bytes(&self) -> usize {
        if self.texts.form().is_json() { JSON_ROW_BYTES } else { CSV_ROW_BYTES }
    }

    fn write(&self, out: &mut Vec<u8>, rows: Range<u64>, between: &[u8]) {
        let mut begin = 0;
        let mut is_first = true;
        for (stretch, dates) in &self.stretches {
            let mut cursor = Cursor::default();
            let end = begin + stretch.rows();
            for index in rows.start.max(begin)..rows.end.min(end) {
                if !std::mem::take(&mut is_first) {
                    out.extend_from_slice(between);
                }
                self.texts.write(out, &stretch.statement, dates, &stretch.line(&mut cursor, index - begin));
            }
            begin = end;
        }
    }
}

/// Sums over all rows of a statement, in integers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    rows: u64,
    /// In units of 10^-15.
    cost: i128,
    /// In units of 10^-6.
    quantity: i128,
    /// In units of 10^-15.
    rate: i128,
    /// Rows whose cost is below zero.
    negative_rows: u64,
}

impl Sums {
    fn of(statement: &Statement) -> Self {
        statement.lines().fold(Self::default(), |sums, line| Self {
            rows: sums.rows + 1,
            cost: sums.cost + line.cost,
            quantity: sums.quantity + i128::from(line.quantity),
            rate: sums.rate + i128::from(statement.bill.meters()[line.meter].rate),
            negative_rows: sums.negative_rows + u64::from(line.cost < 0),
        })
    }
}
