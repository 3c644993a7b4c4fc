//! Whose a row is: the two columns that repeat in each row what the names of folders say.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int32Type};
use chrono::NaiveDate;

use crate::contract::{BILLING_MONTH, BillingPeriod, Dataset, ENROLLMENT_NUMBER, Slice, Window};

/// Characters of a wrong text that are told.
const MOST_SHOWN: usize = 64;

/// What a column holds in every row of a slice.
pub(super) enum Belonging {
    /// This text.
    Enrollment(String),
    /// A day from the first to the last, or none where rows may have none.
    Month { first: i32, last: i32, may_lack: bool },
}

impl Belonging {
    /// What the slice says about a column; none when it says nothing. See `docs/lake.md`.
    pub(super) fn of(slice: &Slice, column: &str) -> Option<Belonging> {
        if column == ENROLLMENT_NUMBER {
            return Some(Belonging::Enrollment(slice.enrollment.to_string()));
        }
        let (first, last, may_lack) = match slice.window {
            Window::Period(period) => (period.first_day(), period.first_day(), false),
            Window::Dates(dates) => {
                let month = |day: NaiveDate| BillingPeriod::of_day(day.to_epoch_days()).map(BillingPeriod::first_day);
                // The use that is charged within the range may have begun before it.
                let has_begun = slice.dataset == Dataset::MarketplaceChargesByDate;
                (if has_begun { i32::MIN } else { month(dates.from())? }, month(dates.to())?, true)
            }
            // Each row is of a period of its own.
            Window::Whole => return None,
        };
        (column == BILLING_MONTH).then_some(Belonging::Month { first, last, may_lack })
    }

    /// The column.
    pub(super) fn column(&self) -> &'static str {
        match self {
            Belonging::Enrollment(_) => ENROLLMENT_NUMBER,
            Belonging::Month { .. } => BILLING_MONTH,
        }
    }

    /// The first row that does not belong, and what stands there.
    pub(super) fn stranger(&self, array: &ArrayRef) -> Option<(usize, String)> {
        let (row, found) = match self {
            Belonging::Enrollment(number) => {
                let is_other = |text: Option<&str>| text != Some(number);
                let quoted = |text: &str| format!("{:?}", text.chars().take(MOST_SHOWN).collect::<String>());
                let (row, text) = match array.as_dictionary_opt::<Int32Type>() {
                    Some(coded) => {
                        let texts = coded.values().as_string::<i32>();
                        let text_of = |code: Option<usize>| code.map(|code| texts.value(code));
                        coded.keys_iter().map(text_of).enumerate().find(|(_, text)| is_other(*text))?
                    }
                    None => array.as_string::<i32>().iter().enumerate().find(|(_, text)| is_other(*text))?,
                };
                (row, text.map(quoted))
            }
            Belonging::Month { first, last, may_lack } => {
                let is_other = |day: Option<i32>| day.map_or(!may_lack, |day| !(*first..=*last).contains(&day));
                let (row, day) =
                    array.as_primitive::<Date32Type>().iter().enumerate().find(|(_, day)| is_other(*day))?;
                (row, day.map(|day| NaiveDate::from_epoch_days(day).map_or("no day".to_owned(), |day| day.to_string())))
            }
        };
        Some((row, found.unwrap_or_else(|| "nothing".to_owned())))
    }
}
