//! Options that are one of a few words.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// An option that is one of a few words: the enum, `FromStr`, `Display` and the list of its words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The words it can be written as.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// How it is written.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
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
    /// A dataset of the API.
    Dataset, "dataset",
    /// Usage details.
    UsageDetails = "usage_details",
    /// Marketplace store charges.
    MarketplaceCharges = "marketplace_charges",
    /// Balance and summary.
    BalanceSummary = "balance_summary",
    /// The price sheet.
    PriceSheet = "price_sheet"
);

words!(
    /// What stands in `nextLink` on the last page.
    LastLink, "last link",
    /// `null`
    Null = "null",
    /// `""`
    Empty = "empty",
    /// No such member.
    Absent = "absent"
);

words!(
    /// What is answered where there are no data.
    NoData, "answer without data",
    /// 200 with an empty page, list or object.
    Empty = "empty",
    /// 200 with the captions of a CSV file, though JSON was asked for.
    Csv = "csv",
    /// 400
    BadRequest = "400",
    /// 404
    NotFound = "404"
);

words!(
    /// What marketplace charges stand in.
    MarketplaceForm, "form of marketplace charges",
    /// A list.
    Array = "array",
    /// Pages with `data` and `nextLink`.
    Object = "object"
);

words!(
    /// What a balance stands in.
    BalanceForm, "form of balances",
    /// An object in versions 1 and 2, a list of one in version 3.
    ByVersion = "by-version",
    /// An object.
    Object = "object",
    /// A list of one.
    Array = "array"
);

words!(
    /// Which of the two documented forms version 1 of usage details has, or the one between them.
    UsageV1, "form of version 1",
    /// `reportId`; rows with `enrollmentNumber` and `extendedCost`.
    Usual = "usual",
    /// The same with `cost` too.
    Preview = "preview",
    /// `id`; rows with `extendedCost`, without `enrollmentNumber`.
    Later = "later"
);

words!(
    /// What lines of a CSV file look like.
    CsvForm, "form of CSV",
    /// A line on the period, an empty one, the captions.
    Current = "current",
    /// The captions at once.
    Bare = "bare",
    /// The older report: other captions, dates as `M/d/yyyy`, a comma at the end of each line.
    Old = "old"
);

words!(
    /// The language of CSV captions.
    CsvLanguage, "language",
    /// `Cost`
    English = "english",
    /// `Coût (Cost)`
    French = "french",
    /// `Kosten (Cost)`
    German = "german"
);

words!(
    /// How JSON shows flags.
    FlagForm, "form of flags",
    /// As the documentation does: `true` in usage details, `"True"` in marketplace charges.
    Documented = "documented",
    /// `true`
    Bare = "bare",
    /// `"True"`
    Text = "text"
);

words!(
    /// How JSON shows numbers that are amounts.
    NumberForm, "form of numbers",
    /// Plain, without padding.
    Plain = "plain",
    /// With 15 digits after the point; usage details stay plain.
    Padded = "padded",
    /// Plain, in quotes.
    Text = "text"
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
    fn words_are_read_back_and_a_wrong_one_lists_the_right_ones() {
        assert_eq!("weak".parse::<EtagForm>().unwrap(), EtagForm::Weak);
        assert_eq!(PageEtags::PerPage.to_string().parse::<PageEtags>().unwrap(), PageEtags::PerPage);
        let error = "random".parse::<DataKind>().unwrap_err().to_string();
        assert!(error.contains("repeating, shuffled, unique"), "{error}");
    }
}
