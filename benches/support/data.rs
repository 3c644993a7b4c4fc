//! The billing period that a bench works on: simulated pages, and the same rows in other forms.

use std::fmt;
use std::path::Path;

use billing_lake::simulator::{self, DataKind, Pages};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How the rows of a period resemble each other, by name.
pub const KINDS: [(&str, DataKind); 3] =
    [("repeating", DataKind::Repeating), ("shuffled", DataKind::Shuffled), ("unique", DataKind::Unique)];

/// Rows of the billing period: 2,000 a day, so that what repeats from day to day does so 29 times; 88 MB.
const ROWS: u64 = 60_000;
/// Rows of a page, as the service sends them.
const PAGE_ROWS: usize = 1_000;

pub const ENROLLMENT: &str = "100";
pub const PERIOD: &str = "2024-11";

/// A billing period as bytes: pages, or NDJSON.
pub struct Period {
    pub pages: Vec<Vec<u8>>,
    pub rows: u64,
}

impl Period {
    /// Pages as the service sends them.
    pub fn new(data: DataKind) -> Self {
        Self::sized(data, ROWS, PAGE_ROWS)
    }

    /// The same rows, in pages of so many.
    pub fn in_pages_of(data: DataKind, page_rows: usize) -> Self {
        Self::sized(data, ROWS, page_rows)
    }

    /// So many rows, in pages as the service sends them.
    pub fn of_rows(data: DataKind, rows: u64) -> Self {
        Self::sized(data, rows, PAGE_ROWS)
    }

    fn sized(data: DataKind, rows: u64, page_rows: usize) -> Self {
        let options = simulator::Options { data, rows_per_month: rows, page_rows, ..simulator::Options::default() };
        let pages = Pages::new(&options, ENROLLMENT, PERIOD).expect("a billing period");
        Self { pages: (1..=pages.count()).filter_map(|number| pages.get(number)).collect(), rows }
    }

    /// The pages of a folder in the order of their names, with so many rows.
    pub fn of_folder(folder: &Path, rows: u64) -> Self {
        let entries = std::fs::read_dir(folder).expect("a folder with pages");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        Self { pages: paths.iter().map(|path| std::fs::read(path).expect("a page")).collect(), rows }
    }

    /// Bytes of all pages.
    pub fn bytes(&self) -> u64 {
        self.pages.iter().map(|page| page.len() as u64).sum()
    }

    /// The same pages, each with a key order of its own that its rows share.
    pub fn reordered(&self) -> Self {
        let mut random = Random(1);
        self.rewritten(|row, page| {
            random.0 = page + 1;
            for last in (1..row.len()).rev() {
                let other = random.below(last + 1);
                row.swap(last, other);
            }
        })
    }

    /// The same pages, with two fields in each row that the contract does not know.
    pub fn with_unknown_fields(&self) -> Self {
        self.rewritten(|row, _| row.extend([("frequency", "\"UsageBased\""), ("invoiceSectionId", "1048576")]))
    }

    /// The rows of each page, one a line.
    pub fn as_lines(&self) -> Self {
        let lines = |page: &Vec<u8>| {
            let mut lines = Vec::with_capacity(page.len());
            for row in Page::read(page).data {
                lines.extend_from_slice(row.get().as_bytes());
                lines.push(b'\n');
            }
            lines
        };
        Self { pages: self.pages.iter().map(lines).collect(), rows: self.rows }
    }

    /// The rows of all pages as the service writes them into one CSV, under its captions.
    pub fn as_csv(&self) -> Self {
        let mut csv = String::from("UsageDetail Report for Billing Period - 202411\r\n\r\n");
        let mut has_captions = false;
        for page in &self.pages {
            for row in Page::read(page).data {
                let Row(row) = serde_json::from_str(row.get()).expect("a row");
                if !std::mem::replace(&mut has_captions, true) {
                    let caption = |(name, _): &(&str, &str)| name[..1].to_ascii_uppercase() + &name[1..];
                    csv.push_str(&row.iter().map(caption).collect::<Vec<_>>().join(","));
                    csv.push_str("\r\n");
                }
                let fields: Vec<_> = row.iter().map(|(name, value)| csv_field(name, value)).collect();
                csv.push_str(&fields.join(","));
                csv.push_str("\r\n");
            }
        }
        Self { pages: vec![csv.into_bytes()], rows: self.rows }
    }

    /// The same pages after `change` had each row, as keys and texts of values, and the number of its page.
    fn rewritten(&self, mut change: impl FnMut(&mut Vec<(&str, &str)>, u64)) -> Self {
        let mut rewrite = |(number, page): (usize, &Vec<u8>)| {
            let page = Page::read(page);
            let mut rows = Vec::new();
            for row in &page.data {
                let mut row: Row<'_> = serde_json::from_str(row.get()).expect("a row");
                change(&mut row.0, number as u64);
                let fields: Vec<_> = row.0.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                rows.push(format!("{{{}}}", fields.join(",")));
            }
            let (id, data, link) = (page.id, rows.join(","), page.next_link);
            format!("{{\"id\":{id},\"data\":[{data}],\"nextLink\":{link}}}").into_bytes()
        };
        Self { pages: self.pages.iter().enumerate().map(&mut rewrite).collect(), rows: self.rows }
    }
}

/// A field of a CSV, from the JSON of its value.
fn csv_field(name: &str, json: &str) -> String {
    let text = match json {
        "null" => String::new(),
        "true" => "True".to_owned(),
        "false" => "False".to_owned(),
        text if text.starts_with('"') => serde_json::from_str(text).expect("a text"),
        number => number.to_owned(),
    };
    let text = if name == "date" { &text[..10] } else { &text };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A page, with its rows as they stand there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(borrow)]
    next_link: &'a RawValue,
}

impl<'a> Page<'a> {
    fn read(page: &'a [u8]) -> Self {
        serde_json::from_slice(page).expect("a page")
    }
}

/// A row's keys and the texts of their values, in their order.
struct Row<'a>(Vec<(&'a str, &'a str)>);

impl<'de> Deserialize<'de> for Row<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Row<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<&str, &RawValue>()? {
                    fields.push((key, value.get()));
                }
                Ok(Row(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// SplitMix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}
