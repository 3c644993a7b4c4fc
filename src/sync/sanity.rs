//! What only looks wrong: a slice that is whole and proved, and yet unlike what a bill is. Warned about before it is
//! published, or refused under `--strict`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int32Type};

use crate::contract::{BillingPeriod, Contract};
use crate::decode::{DecodeError, RowGroup};

/// The column of charges in a dataset that has one.
const COST: &str = "cost";

/// The column of the currency in a dataset that has one.
const CURRENCY: &str = "currency_code";

/// Currencies that are told by name.
const CURRENCIES_TOLD: usize = 5;

/// Days after its end in which a period's last days may still be on their way.
const DAYS_ON_THEIR_WAY: i32 = 3;

/// With fewer days than these a period tells nothing about those that are missing.
const DAYS_TO_JUDGE: usize = 14;

/// What was seen of a slice's rows.
#[derive(Debug)]
pub(super) struct Seen {
    cost: Option<usize>,
    date: Option<usize>,
    currency: Option<usize>,
    /// Currencies of rows so far, up to one more than are told.
    currencies: BTreeSet<String>,
    rows: u64,
    costs: bool,
    /// Each day of the period with rows: bit 0 is the first.
    days: u32,
}

/// What a slice is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) period: Option<BillingPeriod>,
    /// Rows of the file in place, if there is one that says it.
    pub(super) rows_in_place: Option<u64>,
    /// Today in UTC, as days from 1970-01-01.
    pub(super) today: i32,
}

impl Seen {
    pub(super) fn new(contract: &Contract) -> Self {
        let place = |name: &str| contract.columns().iter().position(|column| column.column == name);
        Seen {
            cost: place(COST),
            date: contract.date_column(),
            currency: place(CURRENCY),
            currencies: BTreeSet::new(),
            rows: 0,
            costs: false,
            days: 0,
        }
    }

    /// Looks at a row group of the contract's schema, whose rows belong to that period.
    pub(super) fn add(&mut self, group: &RowGroup, period: Option<BillingPeriod>) -> Result<(), DecodeError> {
        self.rows += group.rows() as u64;
        if let Some(costs) = self.cost.filter(|_| !self.costs).and_then(|cost| group.column(cost)).transpose()? {
            let costs = costs.as_primitive::<Decimal128Type>();
            self.costs = costs.iter().flatten().any(|cost| cost != 0);
        }
        if let (Some(dates), Some(period)) = (self.date.and_then(|date| group.column(date)).transpose()?, period) {
            let dates = dates.as_primitive::<Date32Type>();
            let (first, last) = (period.first_day(), period.last_day());
            for day in dates.iter().flatten().filter(|day| (first..=last).contains(day)) {
                self.days |= 1_u32.checked_shl((day - first) as u32).unwrap_or(0);
            }
        }
        if let Some(codes) = self.currency.and_then(|currency| group.column(currency)).transpose()? {
            let codes = codes.as_dictionary::<Int32Type>();
            let names = codes.values().as_string::<i32>();
            let used: BTreeSet<usize> = codes.keys_iter().flatten().collect();
            let named = used.into_iter().map(|entry| names.value(entry)).filter(|name| !name.is_empty());
            for name in named {
                if self.currencies.len() <= CURRENCIES_TOLD {
                    self.currencies.insert(name.to_owned());
                }
            }
        }
        Ok(())
    }

    /// What somebody should look at, in words.
    pub(super) fn warnings(&self, expected: &Expected) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(before) = expected.rows_in_place.filter(|before| self.rows.saturating_mul(2) < *before) {
            warnings.push(format!("rows fell by more than half: {} now, {before} in the file in place", self.rows));
        }
        if self.cost.is_some() && self.rows > 0 && !self.costs {
            warnings.push(format!("no row has a cost other than zero, of {}", self.rows));
        }
        if self.currencies.len() > 1 {
            let told: Vec<_> = self.currencies.iter().take(CURRENCIES_TOLD).map(String::as_str).collect();
            let more = if self.currencies.len() > CURRENCIES_TOLD { " and others" } else { "" };
            warnings.push(format!("rows are in several currencies: {}{more}", told.join(", ")));
        }
        if let (Some(_), Some(period)) = (self.date, expected.period) {
            let missing = self.missing_days(period, expected.today);
            if !missing.is_empty() {
                warnings.push(format!(
                    "no rows for {}",
                    missing.iter().map(in_words(period)).collect::<Vec<_>>().join(", ")
                ));
            }
        }
        warnings
    }

    /// Days of the period, from 1 on, that have no rows though most of those before the last one seen have.
    fn missing_days(&self, period: BillingPeriod, today: i32) -> Vec<RangeInclusive<i32>> {
        let has_rows = |day: i32| self.days & (1 << (day - 1)) != 0;
        let newest = (u32::BITS - self.days.leading_zeros()) as i32;
        let present = self.days.count_ones() as usize;
        if present < DAYS_TO_JUDGE || present * 4 < newest as usize * 3 {
            return Vec::new();
        }
        let is_complete = today > period.last_day().saturating_add(DAYS_ON_THEIR_WAY);
        let last = if is_complete { period.last_day() - period.first_day() + 1 } else { newest };
        let mut missing: Vec<RangeInclusive<i32>> = Vec::new();
        for day in (1..=last).filter(|day| !has_rows(*day)) {
            match missing.last_mut() {
                Some(range) if *range.end() == day - 1 => *range = *range.start()..=day,
                _ => missing.push(day..=day),
            }
        }
        missing
    }
}

/// Days of a period as dates.
fn in_words(period: BillingPeriod) -> impl Fn(&RangeInclusive<i32>) -> String {
    move |days| {
        if days.start() == days.end() {
            format!("{period}-{:02}", days.start())
        } else {
            format!("{period}-{:02} to {period}-{:02}", days.start(), days.end())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Array, ArrayRef, Date32Array, Decimal128Array, DictionaryArray, RecordBatch, new_null_array};

    use super::*;
    use crate::contract::{DECIMAL_PRECISION, DECIMAL_SCALE, Dataset};

    fn november() -> BillingPeriod {
        "2024-11".parse().unwrap()
    }

    /// What was seen of rows with these days of 2024-11 and costs.
    fn seen(days: impl IntoIterator<Item = i32>, cost: i128) -> Seen {
        let contract = Contract::of(Dataset::UsageDetails);
        let schema = contract.arrow_schema();
        let days: Vec<_> = days.into_iter().map(|day| november().first_day() + day - 1).collect();
        let rows = days.len();
        let costs = Decimal128Array::from(vec![cost; rows]);
        let costs: ArrayRef = Arc::new(costs.with_precision_and_scale(DECIMAL_PRECISION, DECIMAL_SCALE).unwrap());
        let dates: ArrayRef = Arc::new(Date32Array::from(days));
        let columns = schema.fields().iter().map(|field| match field.name().as_str() {
            "cost" => Arc::clone(&costs),
            "date" => Arc::clone(&dates),
            _ => new_null_array(field.data_type(), rows),
        });
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
        let mut seen = Seen::new(&contract);
        seen.add(&batch.into(), Some(november())).unwrap();
        seen
    }

    fn warnings(seen: &Seen, rows_in_place: Option<u64>, days_after_its_end: i32) -> Vec<String> {
        let today = november().last_day() + days_after_its_end;
        seen.warnings(&Expected { period: Some(november()), rows_in_place, today })
    }

    #[test]
    fn a_bill_as_it_should_be_gives_no_warning() {
        assert_eq!(warnings(&seen(1..=30, 7), Some(60), 100), [""; 0]);
        assert_eq!(warnings(&seen(1..=20, 7), None, -9), [""; 0]);
        assert_eq!(warnings(&seen([], 0), None, 100), [""; 0]);
        // Little use now and then.
        assert_eq!(warnings(&seen([2, 3, 9, 20, 28], 7), None, 100), [""; 0]);
        assert_eq!(warnings(&seen((1..=30).step_by(2), 7), None, 100), [""; 0]);
    }

    #[test]
    fn rows_that_fell_by_more_than_half_are_told() {
        let told = ["rows fell by more than half: 30 now, 61 in the file in place"];
        assert_eq!(warnings(&seen(1..=30, 7), Some(61), 100), told);
        assert_eq!(
            warnings(&seen([], 7), Some(1), 100),
            ["rows fell by more than half: 0 now, 1 in the file in place"]
        );
    }

    #[test]
    fn costs_that_are_all_zero_are_told() {
        assert_eq!(warnings(&seen(1..=30, 0), None, 100), ["no row has a cost other than zero, of 30"]);
    }

    #[test]
    fn currencies_that_are_mixed_are_told() {
        let contract = Contract::of(Dataset::PriceSheet);
        let mut seen = Seen::new(&contract);
        let mut add = |codes: &[Option<&str>]| {
            let codes: ArrayRef = Arc::new(codes.iter().copied().collect::<DictionaryArray<Int32Type>>());
            let schema = contract.arrow_schema();
            let columns = schema.fields().iter().map(|field| match field.name().as_str() {
                CURRENCY => Arc::clone(&codes),
                _ => new_null_array(field.data_type(), codes.len()),
            });
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
            seen.add(&batch.into(), Some(november())).unwrap();
            warnings(&seen, None, 100)
        };
        assert_eq!(add(&[Some("EUR"), None, Some(""), Some("EUR")]), [""; 0]);
        assert_eq!(add(&[Some("USD")]), ["rows are in several currencies: EUR, USD"]);
        let told = "rows are in several currencies: A, B, C, D, EUR and others";
        assert_eq!(add(&["A", "B", "C", "D"].map(Some)), [told]);
    }

    #[test]
    fn days_that_are_missing_are_told() {
        let days = (1..=28).filter(|day| !matches!(day, 5 | 9 | 10));
        assert_eq!(
            warnings(&seen(days.clone(), 7), None, 4),
            ["no rows for 2024-11-05, 2024-11-09 to 2024-11-10, 2024-11-29 to 2024-11-30"]
        );
        // The last days may still be on their way.
        assert_eq!(warnings(&seen(days, 7), None, 3), ["no rows for 2024-11-05, 2024-11-09 to 2024-11-10"]);
        assert_eq!(warnings(&seen(2..=30, 7), None, 3), ["no rows for 2024-11-01"]);
        assert_eq!(warnings(&seen(1..=15, 7), None, 30), ["no rows for 2024-11-16 to 2024-11-30"]);
    }
}
