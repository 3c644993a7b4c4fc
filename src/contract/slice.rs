//! What names a slice: dataset, enrollment, and billing period or range of dates. Names are checked here, before a path or URL is built.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

use super::Dataset;

/// A name that was refused.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum IdentityError {
    /// An enrollment holds letters, digits, `-`, `_` and `:`, 1 to 64 of them.
    #[error("{text:?} is no enrollment number: it takes 1 to 64 letters, digits, '-', '_' or ':'")]
    Enrollment {
        /// The text, cut to 64 characters.
        text: String,
    },
    /// A billing period is `YYYYMM` or `YYYY-MM`, a real month from 2014-05.
    #[error("{text:?} is no billing period: write YYYY-MM or YYYYMM, from 2014-05 (where the service's data begins)")]
    BillingPeriod {
        /// The text, cut to 64 characters.
        text: String,
    },
    /// There is no dataset of that name.
    #[error("{text:?} is no dataset: there are {}", dataset_names())]
    Dataset {
        /// The text, cut to 64 characters.
        text: String,
    },
    /// There is no such version of the API.
    #[error("{text:?} is no version of the API: there are v1, v2 and v3")]
    ApiVersion {
        /// The text, cut to 64 characters.
        text: String,
    },
    /// A day is `YYYY-MM-DD`.
    #[error("{text:?} is no day: write YYYY-MM-DD")]
    Day {
        /// The text, cut to 64 characters.
        text: String,
    },
    /// The API serves ranges of at most 36 months, from 2014-05-01 on.
    #[error("{from} to {to} is no range of dates that the API serves: {why}")]
    DateRange {
        /// The first day.
        from: NaiveDate,
        /// The last day.
        to: NaiveDate,
        /// What is wrong with it.
        why: &'static str,
    },
}

fn dataset_names() -> String {
    Dataset::ALL.map(Dataset::name).join(", ")
}

/// The number of an enterprise enrollment: 1 to 64 letters, digits, `-`, `_` or `:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Enrollment(String);

impl Enrollment {
    /// The number as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as it stands in a path: `:` becomes `%3A`, everything else stays.
    pub fn in_path(&self) -> String {
        self.0.replace(':', "%3A")
    }

    /// Reads back what [`Enrollment::in_path`] wrote.
    pub fn from_path(text: &str) -> Result<Self, IdentityError> {
        text.replace("%3A", ":").parse()
    }
}

impl FromStr for Enrollment {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':'));
        if fits {
            Ok(Enrollment(text.to_owned()))
        } else {
            Err(IdentityError::Enrollment { text: text.chars().take(64).collect() })
        }
    }
}

impl fmt::Display for Enrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A billing period: a calendar month from May 2014, where the service's data begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BillingPeriod {
    year: u16,
    month: u8,
}

impl BillingPeriod {
    /// The month of that year, or none when it is no month or before 2014-05.
    pub fn new(year: i32, month: u32) -> Option<Self> {
        let year = u16::try_from(year).ok().filter(|year| *year <= 9999)?;
        let month = u8::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
        ((year, month) >= (2014, 5)).then_some(BillingPeriod { year, month })
    }

    /// The billing period that a day lies in, or none before 2014-05. Days count from 1970-01-01.
    pub fn of_day(days: i32) -> Option<Self> {
        let date = NaiveDate::from_epoch_days(days)?;
        BillingPeriod::new(date.year(), date.month())
    }

    /// The id that the service uses: `YYYYMM`.
    pub fn id(self) -> String {
        format!("{:04}{:02}", self.year, self.month)
    }

    /// The first day, as days from 1970-01-01.
    pub fn first_day(self) -> i32 {
        self.first_date().to_epoch_days()
    }

    /// The last day, as days from 1970-01-01.
    pub fn last_day(self) -> i32 {
        let next = self.first_date().checked_add_months(chrono::Months::new(1));
        next.map_or(i32::MAX, |next| next.to_epoch_days() - 1)
    }

    fn first_date(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(i32::from(self.year), u32::from(self.month), 1).unwrap_or(NaiveDate::MIN)
    }
}

impl FromStr for BillingPeriod {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || IdentityError::BillingPeriod { text: text.chars().take(64).collect() };
        let digits = match text.len() {
            6 => text.to_owned(),
            7 if text.as_bytes()[4] == b'-' => text.replacen('-', "", 1),
            _ => return Err(refused()),
        };
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        let number: u32 = digits.parse().map_err(|_| refused())?;
        BillingPeriod::new((number / 100) as i32, number % 100).ok_or_else(refused)
    }
}

/// As in the lake's folders: `YYYY-MM`.
impl fmt::Display for BillingPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// Months that a range of dates may have.
const MOST_MONTHS: u32 = 36;

/// A range of days, inclusive on both ends, as the API serves it: at most 36 months, from May 2014 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DateRange {
    from: NaiveDate,
    to: NaiveDate,
}

impl DateRange {
    /// The days from `from` to `to`.
    ///
    /// # Errors
    /// [`IdentityError::DateRange`] when it ends before it begins, is longer than 36 months, or begins before 2014-05-01.
    pub fn new(from: NaiveDate, to: NaiveDate) -> Result<Self, IdentityError> {
        let refused = |why| Err(IdentityError::DateRange { from, to, why });
        if to < from {
            return refused("it ends before it begins");
        }
        if BillingPeriod::new(from.year(), from.month()).is_none() || to.year() > 9999 {
            return refused("the service's data begins on 2014-05-01");
        }
        let range = DateRange { from, to };
        if range.is_longer_than(MOST_MONTHS) { refused("it is longer than 36 months") } else { Ok(range) }
    }

    /// The first day.
    pub fn from(self) -> NaiveDate {
        self.from
    }

    /// The last day.
    pub fn to(self) -> NaiveDate {
        self.to
    }

    /// Whether it has more days than so many months from its first day on.
    pub fn is_longer_than(self, months: u32) -> bool {
        self.from.checked_add_months(chrono::Months::new(months)).is_some_and(|end| self.to >= end)
    }
}

/// Reads a day: `YYYY-MM-DD`.
///
/// # Errors
/// [`IdentityError::Day`]
pub fn day(text: &str) -> Result<NaiveDate, IdentityError> {
    let is_plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let day = is_plain.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten();
    day.ok_or_else(|| IdentityError::Day { text: text.chars().take(64).collect() })
}

/// As in the lake's folders: `2024-11-01_2024-11-07`.
impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.from, self.to)
    }
}

impl FromStr for DateRange {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('_').unwrap_or((text, ""));
        DateRange::new(day(from)?, day(to)?)
    }
}

/// Which of an enrollment's rows a slice holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// All that there are.
    Whole,
    /// Those of a billing period.
    Period(BillingPeriod),
    /// Those of a range of dates.
    Dates(DateRange),
}

/// The unit of everything: one HTTP resource with one ETag, one Parquet file, one line of the run report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slice {
    /// The dataset.
    pub dataset: Dataset,
    /// The enrollment.
    pub enrollment: Enrollment,
    /// Which of the enrollment's rows.
    pub window: Window,
}

impl Slice {
    /// The billing period; none for a dataset that has other windows.
    pub fn period(&self) -> Option<BillingPeriod> {
        match self.window {
            Window::Period(period) => Some(period),
            Window::Whole | Window::Dates(_) => None,
        }
    }

    /// The range of dates; none for a dataset that has other windows.
    pub fn dates(&self) -> Option<DateRange> {
        match self.window {
            Window::Dates(dates) => Some(dates),
            Window::Whole | Window::Period(_) => None,
        }
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dataset, self.enrollment)?;
        match self.window {
            Window::Whole => Ok(()),
            Window::Period(period) => write!(f, " {period}"),
            Window::Dates(dates) => write!(f, " {dates}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_billing_period_are_read() {
        let period: BillingPeriod = "202411".parse().unwrap();
        assert_eq!(period, "2024-11".parse().unwrap());
        assert_eq!(period.to_string(), "2024-11");
        assert_eq!(period.id(), "202411");
        assert_eq!((period.first_day(), period.last_day()), (20028, 20057));
        assert_eq!(BillingPeriod::of_day(20057), Some(period));
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in
            ["201713", "999999", "201404", "2024-1", "2024_11", "", "20241", "2024-11-01", "２０２４１１", "+20241"]
        {
            assert!(text.parse::<BillingPeriod>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_of_dates_has_at_most_36_months() {
        let range: DateRange = "2024-11-01_2024-11-07".parse().unwrap();
        assert_eq!(range.to_string(), "2024-11-01_2024-11-07");
        assert!("2021-01-01_2023-12-31".parse::<DateRange>().is_ok());
        for text in [
            "2021-01-01_2024-01-01",
            "2024-11-07_2024-11-01",
            "2014-04-30_2014-05-01",
            "2024-11-01",
            "2024-11-01_2024-11-31",
            "2024-1-1_2024-11-07",
            "+024-11-01_2024-11-07",
        ] {
            assert!(text.parse::<DateRange>().is_err(), "{text}");
        }
        let month: DateRange = "2024-02-01_2024-02-29".parse().unwrap();
        assert!(!month.is_longer_than(1));
        assert!("2024-02-01_2024-03-01".parse::<DateRange>().unwrap().is_longer_than(1));
    }

    #[test]
    fn an_enrollment_cannot_leave_its_folder() {
        for text in ["", "../x", "a/b", "%2e", "a b", "a\"b", &"9".repeat(65)] {
            assert!(text.parse::<Enrollment>().is_err(), "{text}");
        }
        let mca: Enrollment = "a1:b2".parse().unwrap();
        assert_eq!(mca.in_path(), "a1%3Ab2");
        assert_eq!(Enrollment::from_path("a1%3Ab2"), Ok(mca));
    }
}
