//! What the simulator can be asked to be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Error;
use super::faults::Faults;
use super::tls::Tls;

/// What the simulator serves and how. The same options give the same bytes on every machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of all data.
    pub seed: u64,
    /// Enrollment numbers; each has data of its own.
    pub enrollments: Vec<String>,
    /// The oldest billing period.
    pub from: Month,
    /// How many billing periods are listed, at least 1.
    pub months: u32,
    /// Usage rows of a billing period in its first version. 0: listed with a null link, without data.
    pub rows_per_month: u64,
    /// Rows of a page, at least 1; the real service sends 1,000.
    pub page_rows: usize,
    /// The API key that `Authorization: bearer …` must carry.
    pub key: String,
    /// How the `ETag` header looks.
    pub etag_form: EtagForm,
    /// The `ETag` of pages 2 and later.
    pub page_etags: PageEtags,
    /// How the rows of a month resemble each other.
    pub data: DataKind,
    /// Whether to answer with gzip when the client asks for it.
    pub gzip: bool,
    /// TCP port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Time added to each answer of the API.
    pub latency: Duration,
    /// One billing period that every enrollment lists with a null usage link and has no data for.
    pub empty: Option<Month>,
    /// What goes wrong.
    pub faults: Faults,
    /// Speaks TLS with this certificate instead of plain HTTP.
    pub tls: Option<Tls>,
    /// What links begin with, without a slash at the end, such as `https://consumption.azure.com`. None: with the
    /// `Host` that a request names.
    pub public_base: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            enrollments: vec!["100".to_owned()],
            from: Month { year: 2024, month: 1 },
            months: 3,
            rows_per_month: 10_000,
            page_rows: 1000,
            key: "simulated-key".to_owned(),
            etag_form: EtagForm::Strong,
            page_etags: PageEtags::Absent,
            data: DataKind::Repeating,
            gzip: true,
            port: 0,
            latency: Duration::ZERO,
            empty: None,
            faults: Faults::default(),
            tls: None,
            public_base: None,
        }
    }
}

impl Options {
    /// Rows of a billing period in its first version.
    pub(super) fn rows_of(&self, month: Month) -> u64 {
        if self.empty == Some(month) { 0 } else { self.rows_per_month }
    }
}

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

/// An option that is one of a few words: the enum, `FromStr`, `Display` and the list of its words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The words it can be written as.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(Error::Word { what: $what, text: text.to_owned(), words: Self::WORDS.join(", ") }),
                }
            }
        }
    };
}

words!(
    /// The form of the `ETag` header, which no public page specifies.
    EtagForm, "ETag form",
    /// `"token"`
    Strong = "strong",
    /// `W/"token"`
    Weak = "weak",
    /// `token`, without quotes
    Bare = "bare",
    /// No header, and never a 304.
    None = "none"
);

words!(
    /// The `ETag` of pages 2 and later, which no public page specifies.
    PageEtags, "page ETag rule",
    /// No header.
    Absent = "absent",
    /// That of page 1.
    Same = "same",
    /// One of their own for each page.
    PerPage = "per-page"
);

words!(
    /// How the rows of a month resemble each other.
    DataKind, "kind of data",
    /// As real bills: each day lists nearly the same resources and meters again, in nearly the same order.
    Repeating = "repeating",
    /// The rows of `Repeating` in random order.
    Shuffled = "shuffled",
    /// Each row has a resource id, tags and additional info of its own.
    Unique = "unique"
);

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

    #[test]
    fn words_are_read_back_and_a_wrong_one_lists_the_right_ones() {
        assert_eq!("weak".parse::<EtagForm>().unwrap(), EtagForm::Weak);
        assert_eq!(PageEtags::PerPage.to_string().parse::<PageEtags>().unwrap(), PageEtags::PerPage);
        let error = "random".parse::<DataKind>().unwrap_err().to_string();
        assert!(error.contains("repeating, shuffled, unique"), "{error}");
    }
}
