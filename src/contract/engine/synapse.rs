//! Azure Synapse Analytics, serverless SQL pool: views over `OPENROWSET`.
//!
//! Not external tables: those know no columns of folders, and open every file for a filter on one. What is said here
//! follows the service's pages "How to use OPENROWSET" (types by Parquet's types, names bound with their case), "Create and
//! use views" (partitioned views) and "Best practices" (collation, sizes of text).

use super::narrow::Narrow;
use super::{ColumnType, Dialect, Table, listed, quoted, with_account};
use crate::contract::{ENROLLMENT_NUMBER, EXTRA, TAGS};

pub(super) struct Synapse;

/// The name of the data source.
const SOURCE: &str = "billing_lake";
/// Text of Parquet files is UTF-8, and only with this collation files are skipped by it.
const COLLATION: &str = "Latin1_General_100_BIN2_UTF8";
/// Where the lake lies when Synapse cannot read its location.
const ELSEWHERE: &str = "https://<account>.dfs.core.windows.net/<container>/<folder>";

const INTRODUCTION: &str = "\
-- A billing lake in Synapse serverless SQL: each dataset as a view, with the names of folders as text.
-- Run it in a database of your own, not in master; the data source wants a CREDENTIAL unless the storage is public or
-- opens for whoever asks. In the view's [enrollment] a ':' reads %3A, as the folder has it: [enrollment_number] is exact.
-- A text longer than its varchar ends the query with an error. Shorten the types of texts that you know to be short.
";

impl Dialect for Synapse {
    fn introduction(&self, location: &str) -> String {
        let location = url(location);
        let mut text = INTRODUCTION.to_owned();
        if location == ELSEWHERE {
            text += "-- Synapse reads Azure storage only. Copy the lake's folders there, and put their address here.\n";
        } else if location.contains("<account>") {
            text += "-- Put the storage account's name where <account> stands.\n";
        }
        text += &format!(
            "CREATE EXTERNAL DATA SOURCE {} WITH (LOCATION = {}){}",
            self.name(SOURCE),
            quoted(&location, '\''),
            self.end()
        );
        text
    }

    fn definition(&self, table: &Table<'_>) -> String {
        let columns =
            table.columns.iter().map(|(name, kind)| format!("{} {}", self.name(name), self.kind(name, *kind)));
        let files = table.partitions.iter().map(|name| format!("{name}=*/")).collect::<String>();
        let partitions = table.partitions.iter().enumerate();
        let partitions = partitions.map(|(at, name)| format!("[lake].filepath({}) AS {}", at + 1, self.name(name)));
        format!(
            "{} {} AS\nSELECT\n{}\nFROM OPENROWSET(BULK {}, DATA_SOURCE = {}, FORMAT = 'PARQUET')\nWITH (\n{}\n) AS [lake]{}",
            self.create_view(),
            self.name(table.name),
            listed(std::iter::once("[lake].*".to_owned()).chain(partitions)),
            quoted(&format!("{}/{files}*.parquet", table.name), '\''),
            quoted(SOURCE, '\''),
            listed(columns),
            self.end(),
        )
    }

    fn name(&self, name: &str) -> String {
        format!("[{}]", name.replace(']', "]]"))
    }

    fn kind(&self, column: &str, kind: ColumnType) -> String {
        let text = |size: &str| format!("varchar({size}) COLLATE {COLLATION}");
        match kind {
            // An enrollment has at most 64 ASCII letters.
            ColumnType::Text if column == ENROLLMENT_NUMBER => text("64"),
            // JSON as sent, of any length.
            ColumnType::Text if [TAGS, "additional_info", EXTRA].contains(&column) => text("max"),
            ColumnType::Text => text("8000"),
            ColumnType::Decimal => "decimal(38,18)".to_owned(),
            ColumnType::Id => "bigint".to_owned(),
            ColumnType::Date => "date".to_owned(),
            ColumnType::Instant => "datetime2".to_owned(),
            ColumnType::Flag => "bit".to_owned(),
            // Lists and maps come as JSON.
            ColumnType::NamedAmounts | ColumnType::Map => text("max"),
        }
    }

    fn decimal(&self, narrow: Narrow) -> String {
        format!("decimal({},{})", narrow.precision, narrow.scale)
    }

    fn create_view(&self) -> &'static str {
        "CREATE OR ALTER VIEW"
    }

    /// A view is alone in its batch.
    fn end(&self) -> &'static str {
        ";\nGO\n"
    }

    fn fate_of_products(&self) -> &'static str {
        "A product of two decimal(38,18) is rounded to 6 decimals."
    }

    /// An expression cannot throw. A conversion that fails repeats the text that it was given.
    fn failure(&self, column: &str, (before, after): (&str, &str), narrow: Narrow) -> String {
        let text = format!("CONCAT({}, {}, {})", quoted(before, '\''), self.name(column), quoted(after, '\''));
        format!("CAST(CAST({text} AS int) AS {})", self.decimal(narrow))
    }
}

/// The location as Synapse names it.
fn url(location: &str) -> String {
    let location = with_account(location);
    let is_azure = ["abfss://", "abfs://", "https://", "wasbs://"].iter().any(|scheme| location.starts_with(scheme));
    if is_azure { location } else { ELSEWHERE.to_owned() }
}
