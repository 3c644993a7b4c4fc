//! Which days a request is about: a billing period, or a range.

use std::fmt;

use chrono::{DateTime, Months, NaiveDate, NaiveDateTime};

use super::month::Month;

/// The days of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// Those of a billing period.
    Period(Month),
    /// From the first to the last, both counted in.
    Range(NaiveDate, NaiveDate),
}

impl Days {
    /// Reads both ends of a range of at most so many months; the error says what is wrong.
    pub fn range(start: Option<&str>, end: Option<&str>, months: u32) -> Result<Self, String> {
        let read = |name: &str, text: Option<&str>| {
            let text = text.ok_or_else(|| format!("The parameter {name} is missing."))?;
            day(text).ok_or_else(|| format!("The parameter {name} is no date."))
        };
        let (start, end) = (read("startTime", start)?, read("endTime", end)?);
        if end < start {
            return Err("The endTime is before the startTime.".to_owned());
        }
        // The day that begins the month after is let through: many clients add months to their first day.
        if start.checked_add_months(Months::new(months)).is_some_and(|most| end > most) {
            return Err(format!("The range is longer than {months} months."));
        }
        Ok(Self::Range(start, end))
    }

    /// The first day.
    pub fn first(self) -> NaiveDate {
        match self {
            Self::Period(month) => month.day(0),
            Self::Range(first, _) => first,
        }
    }

    /// The last day.
    pub fn last(self) -> NaiveDate {
        match self {
            Self::Period(month) => month.day(u32::MAX),
            Self::Range(_, last) => last,
        }
    }

    /// Which of a month's days are among them, counted from 0.
    pub fn of_month(self, month: Month) -> std::ops::Range<u32> {
        let number = |day: NaiveDate| (day - month.day(0)).num_days().clamp(0, i64::from(month.days())) as u32;
        let after_last = self.last().succ_opt().unwrap_or(NaiveDate::MAX);
        number(self.first())..number(after_last)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Period(month) => month.fmt(f),
            Self::Range(first, last) => write!(f, "{first}..{last}"),
        }
    }
}

/// The UTC day of `2024-01-31`, `2024-01-31T23:59:59`, with a fraction, `Z` or an offset.
fn day(text: &str) -> Option<NaiveDate> {
    let is_date = |text: &str| {
        text.len() == 10 && text.bytes().enumerate().all(|(at, byte)| (at == 4 || at == 7) != byte.is_ascii_digit())
    };
    if !text.get(..10).is_some_and(is_date) {
        return None;
    }
    if text.len() == 10 {
        return NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    }
    let zoned = DateTime::parse_from_rfc3339(text).map(|instant| instant.naive_utc());
    zoned.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")).ok().map(|instant| instant.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_instants_are_days_and_nothing_else_is() {
        for (text, expected) in [
            ("2024-01-31", Some("2024-01-31")),
            ("2024-01-31T23:59:59", Some("2024-01-31")),
            ("2024-01-31T23:59:59.999Z", Some("2024-01-31")),
            ("2024-01-31T23:30:00-02:00", Some("2024-02-01")),
            ("2024-02-30", None),
            ("2024-1-31", None),
            ("+024-01-31", None),
            ("01/31/2024", None),
            ("2024-01-31T", None),
            ("2024-01-31 morning", None),
            ("", None),
            ("\u{e9}024-01-31", None),
        ] {
            assert_eq!(day(text).map(|day| day.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn ranges_have_an_end_and_a_most() {
        let range = |start, end, months| Days::range(Some(start), Some(end), months);
        assert!(range("2024-01-01", "2024-01-31", 1).is_ok() && range("2024-01-31", "2024-02-29", 1).is_ok());
        assert!(range("2024-01-01", "2024-02-01", 1).is_ok() && range("2024-01-01", "2024-02-02", 1).is_err());
        assert!(range("2021-01-01", "2023-12-31", 36).is_ok() && range("2021-01-01", "2024-01-02", 36).is_err());
        assert!(range("2024-01-02", "2024-01-01", 1).is_err());
        assert!(Days::range(None, Some("2024-01-01"), 1).is_err());
    }

    #[test]
    fn a_month_has_its_days_of_a_range() {
        let january = Month { year: 2024, month: 1 };
        let range = |start, end| Days::range(Some(start), Some(end), 36).unwrap().of_month(january);
        assert_eq!(range("2023-12-15", "2024-01-03"), 0..3);
        assert_eq!(range("2024-01-31", "2024-02-29"), 30..31);
        assert_eq!(range("2023-01-31", "2024-02-29"), 0..31);
        assert!(range("2023-01-31", "2023-12-31").is_empty() && range("2024-02-01", "2024-02-29").is_empty());
        assert_eq!(Days::Period(january).of_month(january), 0..31);
    }
}
