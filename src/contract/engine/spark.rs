//! Spark SQL: external tables in the session's catalog.

use super::narrow::Narrow;
use super::{ColumnType, Dialect, Table, listed, quoted, with_account};

pub(super) struct Spark;

const INTRODUCTION: &str = "\
-- A billing lake in Spark SQL: each dataset as an external table, with the names of folders as text.
-- Run the MSCK REPAIR TABLE of a dataset again after each sync: it finds new folders and forgets what was listed before.
";

impl Dialect for Spark {
    fn introduction(&self, location: &str) -> String {
        let location = with_account(location);
        let account = if location.contains("<account>") {
            "-- Put the storage account's name where <account> stands.\n"
        } else {
            ""
        };
        format!("{INTRODUCTION}{account}")
    }

    fn definition(&self, table: &Table<'_>) -> String {
        let columns =
            table.columns.iter().map(|(name, kind)| format!("{} {}", self.name(name), self.kind(name, *kind)));
        let partitions: Vec<_> = table.partitions.iter().map(|name| self.name(name)).collect();
        let name = self.name(table.name);
        format!(
            "CREATE TABLE {name} (\n{}\n)\nUSING parquet\nPARTITIONED BY ({})\nLOCATION {}{end}MSCK REPAIR TABLE {name}{end}",
            listed(columns.chain(partitions.iter().map(|name| format!("{name} STRING")))),
            partitions.join(", "),
            literal(&format!("{}/{}", url(table.location), table.name)),
            end = self.end(),
        )
    }

    fn name(&self, name: &str) -> String {
        quoted(name, '`')
    }

    fn kind(&self, _: &str, kind: ColumnType) -> String {
        let kind = match kind {
            ColumnType::Text => "STRING",
            ColumnType::Decimal | ColumnType::Id | ColumnType::Date | ColumnType::Flag => kind.sql(),
            ColumnType::Instant => "TIMESTAMP",
            ColumnType::NamedAmounts => "ARRAY<STRUCT<`name`: STRING, `value`: DECIMAL(38,18)>>",
            ColumnType::Map => "MAP<STRING, STRING>",
        };
        kind.to_owned()
    }

    fn fate_of_products(&self) -> &'static str {
        "A product of two DECIMAL(38,18) is rounded to 6 decimals."
    }

    fn failure(&self, column: &str, (before, after): (&str, &str), _: Narrow) -> String {
        format!("raise_error({} || {} || {})", literal(before), self.name(column), literal(after))
    }
}

/// Text in quotes: a backslash escapes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The location as Hadoop names it. A path alone would be one of the session's default file system.
fn url(location: &str) -> String {
    if location.starts_with('/') || location.is_empty() {
        return format!("file://{location}");
    }
    match location.strip_prefix("s3://") {
        Some(rest) => format!("s3a://{rest}"),
        None => with_account(location),
    }
}
