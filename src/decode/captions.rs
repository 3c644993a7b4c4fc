//! The line of captions in a CSV: which column each field of a record belongs to, in any language and age of the report.

use std::collections::HashMap;

use super::csv::{self, Field};
use crate::contract::{ApiVersion, ColumnType, Contract};

/// The only id that the older report has.
const SUBSCRIPTION_ID: &str = "subscription_id";

/// What a field of a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A column of the contract.
    Column(usize),
    /// The enrollment number, which has to be that of the slice.
    Enrollment,
    /// A part of the date that older reports repeat.
    Part(DatePart),
    /// A field that the contract does not know.
    Extra,
    /// Behind a comma at the line's end: nothing.
    Nothing,
}

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatePart {
    Month,
    Day,
    Year,
}

/// All captions that a contract knows.
pub(super) struct Captions {
    names: HashMap<String, Use>,
    /// Columns without which a table is not one of this dataset, with their fields' names.
    needed: Vec<(usize, String)>,
    /// The columns of the report of the contract's version, and how many of them the older report has.
    of_version: Vec<usize>,
    in_older: usize,
}

/// The captions of one table.
#[derive(Debug)]
pub(super) struct Header {
    /// What each field is for, and its name.
    pub(super) uses: Vec<(Use, String)>,
    /// It is an older report, which repeats parts of the date and writes it month first.
    pub(super) is_older: bool,
}

impl Header {
    /// Fields that a record has at least: there may be nothing behind a last comma.
    pub(super) fn width(&self) -> usize {
        let nothing = self.uses.iter().rev().take_while(|(known, _)| *known == Use::Nothing).count();
        self.uses.len() - nothing
    }
}

/// What a line is, as far as captions go.
#[derive(Debug)]
pub(super) enum Line {
    Captions(Header),
    /// Captions that cannot be used, and why.
    Wrong(String),
    Other,
}

impl Captions {
    pub(super) fn of(contract: &Contract) -> Self {
        let parts = [("month", DatePart::Month), ("day", DatePart::Day), ("year", DatePart::Year)];
        let mut names: HashMap<String, Use> =
            parts.into_iter().map(|(name, part)| (name.to_owned(), Use::Part(part))).collect();
        names.extend(contract.enrollment_field().map(|name| (key(name), Use::Enrollment)));
        let columns = contract.older_captions().chain(contract.field_names());
        names.extend(columns.map(|(name, column)| (key(name), Use::Column(column))));
        let columns = contract.columns();
        let date = contract.date_column();
        let cost = columns.iter().position(|column| column.column == "cost");
        let needed = date.into_iter().chain(cost).map(|at| (at, columns[at].field.clone())).collect();
        let is_in =
            |at: &usize, version| columns[*at].kind != ColumnType::Map && contract.versions_of(*at).contains(&version);
        let of_version = (0..columns.len()).filter(|at| is_in(at, contract.api_version())).collect();
        // It has no ids but that of the subscription.
        let is_id = |at: &usize| columns[*at].kind == ColumnType::Id && columns[*at].column != SUBSCRIPTION_ID;
        let in_older = (0..columns.len()).filter(|at| is_in(at, ApiVersion::V2) && !is_id(at)).count();
        Captions { names, needed, of_version, in_older }
    }

    /// Whether these are exactly the captions of a report of the contract's version, so that none can be missing at their
    /// end; or those of the older report up to the comma behind them.
    pub(super) fn are_all_in(&self, header: &Header) -> bool {
        let mut columns: Vec<_> = header
            .uses
            .iter()
            .filter_map(|(known, _)| if let Use::Column(column) = known { Some(*column) } else { None })
            .collect();
        if header.is_older {
            let ends = header.uses.last().is_some_and(|(known, _)| *known == Use::Nothing);
            return ends && columns.len() == self.in_older;
        }
        columns.sort_unstable();
        columns.len() == header.uses.len() && self.of_version == columns
    }

    /// Looks at the fields of a line: captions are known names, most of them.
    pub(super) fn read(&self, record: &[u8], fields: &[Field]) -> Line {
        let mut scratch = Vec::new();
        let names: Vec<_> = fields.iter().map(|field| caption(csv::plain(record, *field, &mut scratch))).collect();
        let find = |name: &String| match self.names.get(&key(name)) {
            _ if name.is_empty() => Use::Nothing,
            Some(known) => *known,
            None => Use::Extra,
        };
        let uses: Vec<_> = names.iter().map(find).collect();
        let count = |test: fn(&Use) -> bool| uses.iter().filter(|known| test(known)).count();
        let known = count(|known| matches!(known, Use::Column(_)));
        if known < 2 || known < count(|known| *known == Use::Extra) {
            return Line::Other;
        }
        for (at, known) in uses.iter().enumerate() {
            let is_said_before = || names[..at].iter().any(|name| !name.is_empty() && key(name) == key(&names[at]));
            if !matches!(known, Use::Nothing) && is_said_before() {
                return Line::Wrong(format!("two captions are {}", names[at]));
            }
            if matches!(known, Use::Column(_)) && uses[..at].contains(known) {
                return Line::Wrong(format!("two captions stand for the column of {}", names[at]));
            }
        }
        if let Some((_, field)) = self.needed.iter().find(|(column, _)| !uses.contains(&Use::Column(*column))) {
            return Line::Wrong(format!("no caption is {field}"));
        }
        let parts = count(|known| matches!(known, Use::Part(_)));
        let is_older = parts == 3;
        let settle = |known: Use| if matches!(known, Use::Part(_)) && !is_older { Use::Extra } else { known };
        let uses = uses.into_iter().map(settle).zip(names).collect();
        Line::Captions(Header { uses, is_older })
    }
}

/// The name in a caption: what stands in its last brackets, where it is `Local caption (EnglishName)`.
fn caption(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let inner = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, name)| name.trim());
    inner.filter(|name| !name.is_empty()).unwrap_or(text).to_owned()
}

/// A name as it is compared: without case, spaces and hyphens.
fn key(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Dataset;

    fn read(line: &str) -> Line {
        let contract = Contract::of(Dataset::UsageDetails);
        let mut fields = Vec::new();
        csv::record(line.as_bytes(), &mut fields);
        Captions::of(&contract).read(line.as_bytes(), &fields)
    }

    fn columns(line: &str) -> Vec<String> {
        let contract = Contract::of(Dataset::UsageDetails);
        let Line::Captions(header) = read(line) else { panic!("{line}: {:?}", read(line)) };
        let name = |(known, name): &(Use, String)| match known {
            Use::Column(at) => contract.columns()[*at].column.clone(),
            other => format!("{other:?} {name}"),
        };
        header.uses.iter().map(name).collect()
    }

    #[test]
    fn captions_are_read_in_any_language_and_age() {
        assert_eq!(columns("AccountId,Cost,Date"), ["account_id", "cost", "date"]);
        assert_eq!(columns("Date (Date),Coût (Cost),Nom (du compte) (AccountName)"), ["date", "cost", "account_name"]);
        assert_eq!(
            columns("AccountOwnerId,Account Name,Date,Month,Day,Year,Meter Sub-Category,ExtendedCost,Meter ID,"),
            [
                "account_owner_email",
                "account_name",
                "date",
                "Part(Month) Month",
                "Part(Day) Day",
                "Part(Year) Year",
                "meter_sub_category",
                "cost",
                "meter_id",
                "Nothing ",
            ]
        );
        assert_eq!(columns("Cost,Date,Day,New One"), ["cost", "date", "Extra Day", "Extra New One"]);
        assert_eq!(columns("Cost,Date,,-"), ["cost", "date", "Nothing ", "Extra -"]);
    }

    #[test]
    fn other_lines_are_no_captions() {
        for line in ["UsageDetail Report for Billing Period - 201904", "", "\"Usage Data Extract\",", "a,b,Cost,c"] {
            assert!(matches!(read(line), Line::Other), "{line}");
        }
    }

    #[test]
    fn captions_that_lack_money_or_day_or_say_a_thing_twice_are_wrong() {
        for (line, told) in [
            ("AccountId,AccountName,Date", "no caption is cost"),
            ("AccountId,Cost,Product", "no caption is date"),
            ("Cost,Date,cost", "two captions are cost"),
            ("Cost,Date,ExtendedCost", "two captions stand for the column of ExtendedCost"),
        ] {
            match read(line) {
                Line::Wrong(why) => assert_eq!(why, told),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
