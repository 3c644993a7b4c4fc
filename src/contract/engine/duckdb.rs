//! DuckDB: views over `read_parquet`.

use super::narrow::Narrow;
use super::{ColumnType, Dialect, Table, listed, quoted};

pub(super) struct DuckDb;

const INTRODUCTION: &str = "\
-- A billing lake in DuckDB: each dataset as a view, with the names of folders as text.
-- DuckDB makes no view of a dataset that has no files; leave out what was never loaded.
";

impl Dialect for DuckDb {
    fn introduction(&self, _: &str) -> String {
        INTRODUCTION.to_owned()
    }

    fn definition(&self, table: &Table<'_>) -> String {
        let columns = table.columns.iter().map(|(column, kind)| {
            let name = self.name(column);
            format!("CAST({name} AS {}) AS {name}", self.kind(column, *kind))
        });
        let partitions = table.partitions.iter().map(|name| self.name(name));
        let types: Vec<_> = table.partitions.iter().map(|name| format!("{}: VARCHAR", quoted(name, '\''))).collect();
        format!(
            "{} {} AS\nSELECT\n{}\nFROM read_parquet({}, hive_partitioning = true, hive_types = {{{}}}){}",
            self.create_view(),
            self.name(table.name),
            listed(columns.chain(partitions)),
            quoted(&format!("{}/{}/**/*.parquet", without_wildcards(table.location), table.name), '\''),
            types.join(", "),
            self.end(),
        )
    }

    fn name(&self, name: &str) -> String {
        quoted(name, '"')
    }

    fn kind(&self, _: &str, kind: ColumnType) -> String {
        kind.sql().to_owned()
    }

    fn fate_of_products(&self) -> &'static str {
        "A product of two DECIMAL(38,18) overflows as soon as it reaches 100."
    }

    fn failure(&self, column: &str, (before, after): (&str, &str), _: Narrow) -> String {
        format!("error({} || {} || {})", quoted(before, '\''), self.name(column), quoted(after, '\''))
    }
}

/// A path in which nothing is a wildcard; a URL may have a query and stays as it is.
fn without_wildcards(location: &str) -> String {
    if !location.starts_with('/') {
        return location.to_owned();
    }
    let letter = |c: char| if matches!(c, '*' | '?' | '[') { format!("[{c}]") } else { c.to_string() };
    location.chars().map(letter).collect()
}
