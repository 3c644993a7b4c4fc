//! The contract in the words of SQL engines: definitions to paste, with every column's type, and views beside them in
//! which amounts can be multiplied.
//!
//! All of it is text; nothing is looked up in a lake. What an engine says in its own way stands in the file of its name.

mod duckdb;
mod narrow;
mod spark;
mod synapse;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::sync::Arc;

use super::dataset::WindowKind;
use super::{ColumnType, Contract};
use narrow::Narrow;

/// An engine that reads a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// DuckDB: views over `read_parquet`.
    DuckDb,
    /// Spark SQL: external tables.
    Spark,
    /// Azure Synapse Analytics, serverless SQL pool: views over `OPENROWSET`.
    Synapse,
}

impl Engine {
    fn dialect(self) -> &'static dyn Dialect {
        match self {
            Engine::DuckDb => &duckdb::DuckDb,
            Engine::Spark => &spark::Spark,
            Engine::Synapse => &synapse::Synapse,
        }
    }
}

/// Definitions of datasets for an engine, one statement after the other.
///
/// `location` is the lake's: an absolute path or a URL. Each dataset is defined under its own name; where it has decimals,
/// a view with `_narrow` behind that name follows.
///
/// ```
/// use billing_lake::contract::{Contract, Dataset, Engine, definitions};
///
/// let text = definitions(Engine::DuckDb, &[Contract::of(Dataset::PriceSheet)], "/srv/lake");
/// assert!(text.contains("read_parquet('/srv/lake/price_sheet/**/*.parquet'"));
/// ```
pub fn definitions(engine: Engine, contracts: &[Arc<Contract>], location: &str) -> String {
    let (dialect, location) = (engine.dialect(), location.trim_end_matches('/'));
    let mut text = dialect.introduction(location);
    for contract in contracts {
        let table = Table::of(contract, location);
        let _ = write!(text, "\n{}", dialect.definition(&table));
        if let Some(view) = narrow::view(dialect, &table) {
            let _ = write!(text, "\n{view}");
        }
    }
    text
}

/// What differs from engine to engine.
trait Dialect {
    /// What stands before all definitions.
    fn introduction(&self, location: &str) -> String;

    /// The statements that define a dataset under its own name.
    fn definition(&self, table: &Table<'_>) -> String;

    /// A name in quotes.
    fn name(&self, name: &str) -> String;

    /// The type of a column.
    fn kind(&self, column: &str, kind: ColumnType) -> String;

    /// The type of decimals with so many digits.
    fn decimal(&self, narrow: Narrow) -> String {
        format!("DECIMAL({},{})", narrow.precision, narrow.scale)
    }

    /// The words that a view begins with.
    fn create_view(&self) -> &'static str {
        "CREATE OR REPLACE VIEW"
    }

    /// What a statement ends with.
    fn end(&self) -> &'static str {
        ";\n"
    }

    /// What becomes of a product of two columns of the contract.
    fn fate_of_products(&self) -> &'static str;

    /// An expression that ends the query, with words around the value of the column, where a value of
    /// the type is expected.
    fn failure(&self, column: &str, around: (&str, &str), narrow: Narrow) -> String;
}

/// A dataset as engines see it.
struct Table<'a> {
    /// The dataset's name.
    name: &'static str,
    /// The lake's location, without a slash at its end.
    location: &'a str,
    /// The columns of the files, in order.
    columns: Vec<(&'a str, ColumnType)>,
    /// The columns that come from the names of folders.
    partitions: &'static [&'static str],
}

impl<'a> Table<'a> {
    fn of(contract: &'a Contract, location: &'a str) -> Self {
        let partitions: &[_] = match contract.dataset().window_kind() {
            WindowKind::Whole => &["enrollment"],
            WindowKind::Period => &["enrollment", "billing_period"],
            WindowKind::Dates => &["enrollment", "date_range"],
        };
        let columns = contract.file_columns().collect();
        Table { name: contract.dataset().name(), location, columns, partitions }
    }
}

/// Lines of a list, indented, with commas.
fn listed(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().map(|item| format!("  {item}")).collect::<Vec<_>>().join(",\n")
}

/// Text in quotes, with a quote in it written twice.
fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

/// The location for Hadoop and Azure, which do not know `az://`: the account stands in it.
fn with_account(location: &str) -> String {
    match location.strip_prefix("az://") {
        None => location.to_owned(),
        Some(rest) => {
            let (container, prefix) = rest
                .split_once('/')
                .map_or((rest, String::new()), |(container, prefix)| (container, format!("/{prefix}")));
            format!("abfss://{container}@<account>.dfs.core.windows.net{prefix}")
        }
    }
}
