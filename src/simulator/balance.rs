//! Balance and summary: one object a period, which adds up with usage and marketplace charges as an invoice does.
//!
//! Version `n` of a balance counts version `n` of usage and of marketplace charges, whether these have come to it or not.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Value as Json, json};

use super::bill::Statement;
use super::chance::draw;
use super::dataset::{Names, Serve, Wanted};
use super::document::{Document, Rows, Wrapping};
use super::enrollment::Enrollment;
use super::marketplace::Charges;
use super::month::Month;
use super::options::Options;
use super::values::{Style, Syntax, Value, decimal, write_text};
use super::words::{BalanceForm, Dataset};

/// Fraction digits of what stands in an invoice.
const INVOICE_SCALE: u32 = 2;

/// A cent in units of 10^-15.
const CENT: i128 = 10_000_000_000_000;

/// The dataset.
pub struct Balance;

impl Serve for Balance {
    fn names(&self) -> &'static Names {
        &Names { path: "balancesummary", link: "balanceSummary", report: "BalanceSummary" }
    }

    fn fields(&self, _: &Options, _: u8) -> Vec<String> {
        let head = ["id", "billingPeriodId", "currencyCode"];
        let details = ["newPurchasesDetails", "adjustmentDetails"];
        let numbers = Worked::default().members().map(|(name, _)| name);
        head.into_iter().chain(numbers).chain(details).map(str::to_owned).collect()
    }

    fn has_rows(&self, _: &Options) -> bool {
        true
    }

    fn document(&self, wanted: &Wanted<'_>) -> Document {
        let Wanted { options, enrollment, api, days, is_empty } = *wanted;
        let month = Month::of(days.first());
        let version = enrollment.edition(Dataset::BalanceSummary, month).version;
        let of_month = draw(enrollment.bill.key() ^ 0x6261_6C61, u64::from(month.year) * 12 + u64::from(month.month));
        let is_array = match options.balance_form {
            BalanceForm::ByVersion => api == 3,
            BalanceForm::Object => false,
            BalanceForm::Array => true,
        };
        let (number, currency) = (enrollment.number.clone(), enrollment.currency());
        let figures = (!is_empty).then(|| Figures::new(options, enrollment, month, version));
        let (style, extra_fields) = (options.style(), options.extra_fields);
        Document {
            rows: Box::new(Summary { figures, number, month, currency, style, extra_fields }),
            fingerprint: draw(draw(of_month, version.into()), u64::from(api)),
            led_on: Vec::new(),
            wrapping: if is_array { Wrapping::List } else { Wrapping::Object },
        }
    }

    fn sums(&self, options: &Options, enrollment: &Enrollment, month: Month, version: u32) -> Json {
        let has_data = Dataset::BalanceSummary.has_data(options, month);
        let figures = has_data.then(|| Figures::new(options, enrollment, month, version).worked_out());
        let members = figures.iter().flat_map(Worked::members);
        let sums: Map<String, Json> =
            members.map(|(name, cents)| (snake_case(name), json!(decimal(cents, INVOICE_SCALE)))).collect();
        json!({"rows": u64::from(has_data), "sums": sums})
    }
}

fn snake_case(name: &str) -> String {
    let split =
        |letter: char| if letter.is_uppercase() { format!("_{}", letter.to_lowercase()) } else { letter.into() };
    name.chars().map(split).collect()
}

/// What the figures are worked out from.
struct Figures {
    statement: Statement,
    beginning: i128,
    ending: i128,
    new_purchases: i128,
    charges: Option<Charges>,
}

/// The figures, in cents.
#[derive(Default)]
struct Worked {
    beginning: i128,
    ending: i128,
    new_purchases: i128,
    adjustments: i128,
    utilized: i128,
    service_overage: i128,
    separately: i128,
    marketplace: i128,
}

impl Figures {
    fn new(options: &Options, enrollment: &Enrollment, month: Month, version: u32) -> Self {
        let key = enrollment.bill.key();
        let months = u64::from(month.year) * 12 + u64::from(month.month);
        // One month's end is the next one's beginning.
        let balance = |months: u64| i128::from(10_000_000 + draw(key ^ 0x6265_6769, months) % 40_000_000);
        let bought = draw(key ^ 0x626F_7567, months);
        let statement = Statement::new(enrollment.bill.clone(), options, month, version);
        let has_charges = Dataset::MarketplaceCharges.has_data(options, month);
        Self {
            statement,
            beginning: balance(months),
            ending: balance(months + 1),
            new_purchases: if bought & 3 == 0 { i128::from((bought >> 8) % 20_000_000) } else { 0 },
            charges: has_charges.then(|| Charges::new(options, enrollment, month, version)),
        }
    }

    /// Adds up all of the month's rows.
    fn worked_out(&self) -> Worked {
        let Self { beginning, ending, new_purchases, .. } = *self;
        let (usage, separately) = self.invoiced();
        let utilized = usage.min(beginning + new_purchases);
        Worked {
            beginning,
            ending,
            new_purchases,
            adjustments: ending - (beginning + new_purchases - utilized),
            utilized,
            service_overage: usage - utilized,
            separately,
            marketplace: self.charges.as_ref().map_or(0, Charges::total) / CENT,
        }
    }

    /// What usage costs by invoice, within the commitment and billed separately: summed by meter and subscription, and
    /// only then cut to cents.
    fn invoiced(&self) -> (i128, i128) {
        let bill = &self.statement.bill;
        let mut sums = HashMap::<(usize, usize), i128>::new();
        for line in self.statement.lines() {
            *sums.entry((line.meter, bill.subscription_of(line.resource))).or_default() += line.cost;
        }
        sums.into_iter().fold((0, 0), |(within, separately), ((meter, _), sum)| {
            match bill.meters()[meter].is_billed_separately() {
                false => (within + sum / CENT, separately),
                true => (within, separately + sum / CENT),
            }
        })
    }
}

impl Worked {
    /// The numbers in wire order.
    fn members(&self) -> [(&'static str, i128); 10] {
        let total_overage = self.service_overage + self.separately;
        [
            ("beginningBalance", self.beginning),
            ("endingBalance", self.ending),
            ("newPurchases", self.new_purchases),
            ("adjustments", self.adjustments),
            ("utilized", self.utilized),
            ("serviceOverage", self.service_overage),
            ("chargesBilledSeparately", self.separately),
            ("totalOverage", total_overage),
            ("totalUsage", self.utilized + total_overage),
            ("azureMarketplaceServiceCharges", self.marketplace),
        ]
    }
}

/// The object as the only row.
struct Summary {
    figures: Option<Figures>,
    number: String,
    month: Month,
    currency: &'static str,
    style: Style,
    extra_fields: bool,
}

impl Rows for Summary {
    fn count(&self) -> u64 {
        u64::from(self.figures.is_some())
    }

    fn row_bytes(&self) -> usize {
        1024
    }

    fn write(&self, out: &mut Vec<u8>, rows: Range<u64>, _: &[u8]) {
        let Some(figures) = self.figures.as_ref().filter(|_| !rows.is_empty()) else { return };
        let worked = figures.worked_out();
        let Self { number, month, .. } = self;
        let syntax = Syntax::Json(self.style);
        let period = u64::from(month.year) * 100 + u64::from(month.month);
        let head = [
            ("id", Value::Text(format!("enrollments/{number}/billingperiods/{month}/balancesummaries"))),
            ("billingPeriodId", Value::Id(period)),
            ("currencyCode", self.currency.into()),
        ];
        let numbers = worked.members().map(|(name, cents)| (name, Value::Number(cents, INVOICE_SCALE)));
        let extra = self.extra_fields.then_some(("isEstimated", Value::Flag(true)));
        for (index, (name, value)) in head.into_iter().chain(numbers).chain(extra).enumerate() {
            syntax.begin(out, name, index == 0);
            syntax.write(out, &value);
        }
        let bought = [("", worked.new_purchases)];
        let bought = if worked.new_purchases == 0 { &[][..] } else { &bought };
        self.details(out, "newPurchasesDetails", bought);
        let promotion = worked.adjustments / 3;
        let adjusted = [("Promo Credit", promotion), ("SIE Credit", worked.adjustments - promotion)];
        self.details(out, "adjustmentDetails", &adjusted);
        syntax.end(out);
    }
}

impl Summary {
    fn details(&self, out: &mut Vec<u8>, name: &str, details: &[(&str, i128)]) {
        Syntax::Json(self.style).begin(out, name, false);
        out.push(b'[');
        for (index, (name, cents)) in details.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
            write_text(out, name, false);
            out.extend_from_slice(b",\"value\":");
            self.style.write(out, &Value::Number(*cents, INVOICE_SCALE));
            out.push(b'}');
        }
        out.push(b']');
    }
}
