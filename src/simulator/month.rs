//! A billing period is a calendar month.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

use super::Error;

/// A calendar month, which is what a billing period is. Reads `2024-01` and `202401`, prints `202401`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// 2014 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
}

impl Month {
    /// The number of days, 28 to 31.
    pub fn days(self) -> u32 {
        let leap = self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// The month `count` months later.
    pub fn plus(self, count: u32) -> Self {
        let months = u32::from(self.year) * 12 + u32::from(self.month) - 1 + count;
        Self { year: (months / 12) as u16, month: (months % 12 + 1) as u8 }
    }

    /// A day of the month, counted from 0; the last one when there are not so many.
    pub(super) fn day(self, day: u32) -> NaiveDate {
        let day = day.min(self.days() - 1) + 1;
        NaiveDate::from_ymd_opt(i32::from(self.year), u32::from(self.month), day).unwrap_or_default()
    }

    /// The month of a day.
    pub(super) fn of(day: NaiveDate) -> Self {
        Self { year: u16::try_from(day.year()).unwrap_or_default(), month: day.month() as u8 }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Month { text: text.to_owned() };
        let (year, month) = match text.len() {
            6 if text.is_ascii() => text.split_at(4),
            7 => text.split_once('-').ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(wrong());
        }
        let (year, month) = (year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?);
        let parsed = Self { year, month };
        // Data begins in May 2014.
        if !(1..=12).contains(&month) || parsed < (Self { year: 2014, month: 5 }) {
            return Err(wrong());
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_in_both_forms_and_nothing_else() {
        let month = Month { year: 2024, month: 2 };
        assert_eq!("2024-02".parse::<Month>().unwrap(), month);
        assert_eq!("202402".parse::<Month>().unwrap(), month);
        assert_eq!(month.to_string(), "202402");
        assert_eq!(month.days(), 29);
        assert_eq!(month.plus(11), Month { year: 2025, month: 1 });
        for wrong in ["", "2024", "202413", "2024-00", "201404", "2024/02", "+02402", "2024-2", "20240é", "２024"] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }
}
