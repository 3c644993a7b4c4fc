//! A dataset's contract, read from `schemas/`, and the Arrow schema that follows from it.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Dataset;

/// Digits of a decimal column.
pub const DECIMAL_PRECISION: u8 = 38;
/// Digits after the point of a decimal column.
pub const DECIMAL_SCALE: i8 = 18;
/// The column of unknown fields, as JSON text.
pub const EXTRA: &str = "extra";
/// The column that holds the true enrollment number.
pub const ENROLLMENT_NUMBER: &str = "enrollment_number";
/// The column that holds the first day of the billing period.
pub const BILLING_MONTH: &str = "billing_month";

/// The type of a column, in the lake's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Text as sent.
    Text,
    /// `DECIMAL(38,18)` from the digits of the text, never through a float.
    Decimal,
    /// A 64-bit signed id.
    Id,
    /// A day.
    Date,
    /// An instant in UTC, in microseconds.
    Instant,
    /// True or false.
    Flag,
}

impl ColumnType {
    /// The Arrow type of the column in a record batch.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Text => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            ColumnType::Decimal => DataType::Decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
            ColumnType::Id => DataType::Int64,
            ColumnType::Date => DataType::Date32,
            ColumnType::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Flag => DataType::Boolean,
        }
    }

    /// The type as SQL engines name it.
    pub fn sql(self) -> &'static str {
        match self {
            ColumnType::Text => "VARCHAR",
            ColumnType::Decimal => "DECIMAL(38,18)",
            ColumnType::Id => "BIGINT",
            ColumnType::Date => "DATE",
            ColumnType::Instant => "TIMESTAMP WITH TIME ZONE",
            ColumnType::Flag => "BOOLEAN",
        }
    }
}

/// One field of the service and the column it becomes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The field's name in JSON; matched without case.
    pub field: String,
    /// The column's name in the lake.
    pub column: String,
    /// The column's type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// What it means.
    pub meaning: String,
    /// What it counts in, when it counts something.
    #[serde(default)]
    pub unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    dataset: String,
    api_version: String,
    title: String,
    source: String,
    #[serde(default)]
    month_of: Option<String>,
    columns: Vec<Column>,
}

/// The contract of one dataset in one version of the API.
#[derive(Debug)]
pub struct Contract {
    dataset: Dataset,
    api_version: String,
    title: String,
    source: String,
    month_of: Option<usize>,
    columns: Vec<Column>,
    arrow: SchemaRef,
    fingerprint: String,
}

static USAGE_DETAILS_V3: LazyLock<Arc<Contract>> =
    LazyLock::new(|| Contract::embedded(include_str!("../../schemas/usage_details.v3.json")));
static BILLING_PERIODS_V2: LazyLock<Arc<Contract>> =
    LazyLock::new(|| Contract::embedded(include_str!("../../schemas/billing_periods.v2.json")));

impl Contract {
    /// The contract of a dataset, in the newest version of the API that is supported.
    pub fn of(dataset: Dataset) -> Arc<Contract> {
        match dataset {
            Dataset::UsageDetails => Arc::clone(&USAGE_DETAILS_V3),
            Dataset::BillingPeriods => Arc::clone(&BILLING_PERIODS_V2),
        }
    }

    /// Reads one of the files that were embedded when this was compiled.
    fn embedded(text: &str) -> Arc<Contract> {
        let file: SchemaFile = serde_json::from_str(text).expect("schemas/ was read by the tests of this build");
        let dataset = file.dataset.parse().expect("schemas/ names a dataset");
        let month_of = file
            .month_of
            .map(|name| file.columns.iter().position(|column| column.column == name).expect("month_of names a column"));
        let arrow = Arc::new(arrow_schema(&file.columns));
        let fingerprint = fingerprint(&file.columns);
        Arc::new(Contract {
            dataset,
            api_version: file.api_version,
            title: file.title,
            source: file.source,
            month_of,
            columns: file.columns,
            arrow,
            fingerprint,
        })
    }

    /// The dataset.
    pub fn dataset(&self) -> Dataset {
        self.dataset
    }

    /// The version of the API whose fields these are, for example `v3`.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// The dataset in one sentence.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where the facts come from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The columns that come from fields, in the contract's order.
    ///
    /// In a record batch [`EXTRA`], [`ENROLLMENT_NUMBER`] and [`BILLING_MONTH`] follow them.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The text column with a billing period's id (`YYYYMM`) that a row's own billing month comes from;
    /// none when all rows of a slice are of the slice's month.
    pub fn month_of(&self) -> Option<usize> {
        self.month_of
    }

    /// The first column of type `date`, by which rows that come without a billing period find theirs.
    pub fn date_column(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.kind == ColumnType::Date)
    }

    /// The schema of the record batches, and of the Parquet file: the columns, then `extra`, `enrollment_number`
    /// and `billing_month`. All are nullable.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::clone(&self.arrow)
    }

    /// A fingerprint of the names and types of all columns in their order, as 16 hexadecimal digits.
    ///
    /// It stands in each file's footer: files with another one have another shape.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// The columns that every dataset has after its own.
pub(super) const OWN_COLUMNS: [(&str, ColumnType, &str); 3] = [
    (EXTRA, ColumnType::Text, "Fields that this contract does not know, as JSON text; null when there are none"),
    (ENROLLMENT_NUMBER, ColumnType::Text, "Number of the enrollment, as text (the folder's name loses leading zeros)"),
    (BILLING_MONTH, ColumnType::Date, "First day of the billing period"),
];

fn named_types(columns: &[Column]) -> impl Iterator<Item = (&str, ColumnType)> {
    let own = OWN_COLUMNS.iter().map(|(name, kind, _)| (*name, *kind));
    columns.iter().map(|column| (column.column.as_str(), column.kind)).chain(own)
}

fn arrow_schema(columns: &[Column]) -> Schema {
    Schema::new(named_types(columns).map(|(name, kind)| Field::new(name, kind.arrow(), true)).collect::<Vec<_>>())
}

fn fingerprint(columns: &[Column]) -> String {
    let mut hash = Sha256::new();
    for (name, kind) in named_types(columns) {
        hash.update(format!("{name}:{}\n", kind.sql()));
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dataset_has_a_contract_and_its_own_name_in_it() {
        for dataset in Dataset::ALL {
            assert_eq!(Contract::of(dataset).dataset(), dataset);
        }
    }

    #[test]
    fn columns_are_the_fields_in_snake_case() {
        for dataset in Dataset::ALL {
            for Column { field, column, .. } in Contract::of(dataset).columns() {
                let mut snake = String::new();
                for letter in field.chars() {
                    if letter.is_ascii_uppercase() {
                        snake.push('_');
                    }
                    snake.push(letter.to_ascii_lowercase());
                }
                assert_eq!(column, &snake);
            }
        }
    }

    #[test]
    fn usage_details_have_forty_columns_and_three_of_the_lake() {
        let contract = Contract::of(Dataset::UsageDetails);
        assert_eq!(contract.columns().len(), 40);
        let schema = contract.arrow_schema();
        assert_eq!(schema.fields().len(), 43);
        let last: Vec<_> = schema.fields()[40..].iter().map(|field| field.name().as_str()).collect();
        assert_eq!(last, [EXTRA, ENROLLMENT_NUMBER, BILLING_MONTH]);
        assert_eq!(contract.date_column().map(|at| contract.columns()[at].field.as_str()), Some("date"));
    }
}
