//! A dataset's contract, read from `schemas/`, and the Arrow schema that follows from it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::dataset::WindowKind;
use super::{ApiVersion, Dataset};

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

/// The column of a resource's tags, as text.
pub const TAGS: &str = "tags";
/// The column of a resource's tags, as a map.
pub const TAGS_MAP: &str = "tags_map";

/// The type of a column, in the lake's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// A list of amounts that have names.
    NamedAmounts,
    /// Text by text.
    Map,
}

impl ColumnType {
    /// The Arrow type of the column in a record batch.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Text => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            ColumnType::Decimal => decimal(),
            ColumnType::Id => DataType::Int64,
            ColumnType::Date => DataType::Date32,
            ColumnType::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Flag => DataType::Boolean,
            ColumnType::NamedAmounts => {
                DataType::List(Arc::new(Field::new("element", DataType::Struct(amount()), true)))
            }
            ColumnType::Map => {
                let (key, value) =
                    (Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true));
                let entry = DataType::Struct(Fields::from(vec![key, value]));
                DataType::Map(Arc::new(Field::new("key_value", entry, false)), false)
            }
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
            ColumnType::NamedAmounts => "STRUCT(name VARCHAR, value DECIMAL(38,18))[]",
            ColumnType::Map => "MAP(VARCHAR, VARCHAR)",
        }
    }
}

fn decimal() -> DataType {
    DataType::Decimal128(DECIMAL_PRECISION, DECIMAL_SCALE)
}

/// The fields of an amount that has a name.
fn amount() -> Fields {
    Fields::from(vec![Field::new("name", DataType::Utf8, true), Field::new("value", decimal(), true)])
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

impl Column {
    /// The name of the column's control total; none when it holds no money and no quantity.
    pub fn total(&self) -> Option<String> {
        match self.kind {
            ColumnType::Decimal => Some(self.column.clone()),
            ColumnType::NamedAmounts => Some(format!("{}.value", self.column)),
            _ => None,
        }
    }
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
    #[serde(default)]
    enrollment_field: Option<String>,
    #[serde(default)]
    older_captions: BTreeMap<String, String>,
    columns: Vec<Column>,
}

/// The contract of one dataset in one version of the API.
///
/// All versions of a dataset have the same columns: those of its newest version. A version that lacks a field leaves its
/// column null, and the decoder knows a field under the names of all versions.
#[derive(Debug, Clone)]
pub struct Contract {
    dataset: Dataset,
    api_version: ApiVersion,
    title: String,
    source: String,
    month_of: Option<usize>,
    enrollment_field: Option<String>,
    older_captions: Vec<(String, usize)>,
    /// Names of fields in all versions, and their columns.
    names: Vec<(String, usize)>,
    /// Versions that have each column.
    versions: Vec<Vec<ApiVersion>>,
    columns: Vec<Column>,
    arrow: SchemaRef,
    fingerprint: String,
}

/// The files of `schemas/` for one dataset, from version 1 on.
macro_rules! embedded {
    ($dataset:literal) => {
        [
            include_str!(concat!("../../schemas/", $dataset, ".v1.json")),
            include_str!(concat!("../../schemas/", $dataset, ".v2.json")),
            include_str!(concat!("../../schemas/", $dataset, ".v3.json")),
        ]
    };
}

/// The texts of a dataset's files in `schemas/`, from version 1 on. Datasets of date ranges have the rows of those of
/// billing periods.
fn files_of(dataset: Dataset) -> [&'static str; 3] {
    match dataset {
        Dataset::BillingPeriods => embedded!("billing_periods"),
        Dataset::PriceSheet => embedded!("price_sheet"),
        Dataset::BalanceSummary => embedded!("balance_summary"),
        Dataset::MarketplaceCharges | Dataset::MarketplaceChargesByDate => embedded!("marketplace_charges"),
        Dataset::UsageDetails | Dataset::UsageDetailsByDate => embedded!("usage_details"),
    }
}

/// The contracts of each dataset, from version 1 on, read when one of them is asked for.
static CONTRACTS: [OnceLock<[Arc<Contract>; 3]>; Dataset::ALL.len()] = [const { OnceLock::new() }; Dataset::ALL.len()];

fn contracts_of(dataset: Dataset) -> [Arc<Contract>; 3] {
    let files = files_of(dataset).map(|text| -> SchemaFile {
        serde_json::from_str(text).expect("schemas/ was read by the tests of this build")
    });
    ApiVersion::ALL.map(|version| Arc::new(Contract::embedded(dataset, version, &files)))
}

impl Contract {
    /// The contract of a dataset, in the version of the API that is asked for unless told otherwise.
    pub fn of(dataset: Dataset) -> Arc<Contract> {
        Contract::of_version(dataset, dataset.default_version())
    }

    /// The contract of a dataset in one version of the API.
    pub fn of_version(dataset: Dataset, version: ApiVersion) -> Arc<Contract> {
        Arc::clone(&CONTRACTS[dataset as usize].get_or_init(|| contracts_of(dataset))[version as usize])
    }

    /// Reads the files that were embedded when this was compiled.
    fn embedded(dataset: Dataset, version: ApiVersion, files: &[SchemaFile; 3]) -> Contract {
        let [.., newest] = files;
        let file = &files[version as usize];
        debug_assert_eq!(file.api_version, version.to_string());
        debug_assert_eq!(file.dataset, dataset.of_periods().name());
        let columns = newest.columns.clone();
        let place = |name: &str| columns.iter().position(|column| column.column == name);
        let known = |name: &str| place(name).expect("schemas/ names a column of the newest version");
        let mut names: Vec<(String, usize)> = Vec::new();
        let mut versions = vec![Vec::new(); columns.len()];
        for (version, file) in ApiVersion::ALL.into_iter().zip(files) {
            for column in &file.columns {
                let at = known(&column.column);
                if !names.iter().any(|(name, _)| name.eq_ignore_ascii_case(&column.field)) {
                    names.push((column.field.clone(), at));
                }
                if versions[at].last() != Some(&version) {
                    versions[at].push(version);
                }
            }
        }
        let date = |kind| columns.iter().position(|column| column.kind == kind);
        let month_of = match dataset.window_kind() {
            WindowKind::Dates => date(ColumnType::Date).or_else(|| date(ColumnType::Instant)),
            _ => newest.month_of.as_deref().map(known),
        };
        let enrollment_field = files.iter().find_map(|file| file.enrollment_field.clone());
        let older_captions = newest.older_captions.iter().map(|(name, column)| (name.clone(), known(column))).collect();
        let (arrow, fingerprint) = (Arc::new(arrow_schema(&columns)), fingerprint(&columns));
        Contract {
            dataset,
            api_version: version,
            title: file.title.clone(),
            source: file.source.clone(),
            month_of,
            enrollment_field,
            older_captions,
            names,
            versions,
            columns,
            arrow,
            fingerprint,
        }
    }

    /// The same with the column [`TAGS_MAP`] behind the others, for a dataset whose rows have tags.
    pub fn with_tags_map(&self) -> Contract {
        let mut contract = self.clone();
        if let Some(tags) = self.columns.iter().position(|column| column.column == TAGS) {
            contract.columns.push(Column {
                field: self.columns[tags].field.clone(),
                column: TAGS_MAP.to_owned(),
                kind: ColumnType::Map,
                meaning: "The tags as a map, as far as they can be read; values that are no text stand in it as JSON"
                    .to_owned(),
                unit: None,
            });
            contract.versions.push(self.versions[tags].clone());
            contract.arrow = Arc::new(arrow_schema(&contract.columns));
            contract.fingerprint = fingerprint(&contract.columns);
        }
        contract
    }

    /// The same with some of its columns only. It knows no fields but those of these columns.
    pub fn only(&self, keep: impl Fn(&Column) -> bool) -> Contract {
        let kept: Vec<usize> = (0..self.columns.len()).filter(|at| keep(&self.columns[*at])).collect();
        let place = |at: usize| kept.iter().position(|kept| *kept == at);
        let placed = |names: &[(String, usize)]| -> Vec<(String, usize)> {
            names.iter().filter_map(|(name, at)| Some((name.clone(), place(*at)?))).collect()
        };
        let columns: Vec<_> = kept.iter().map(|at| self.columns[*at].clone()).collect();
        Contract {
            month_of: self.month_of.and_then(place),
            older_captions: placed(&self.older_captions),
            names: placed(&self.names),
            versions: kept.iter().map(|at| self.versions[*at].clone()).collect(),
            arrow: Arc::new(arrow_schema(&columns)),
            fingerprint: fingerprint(&columns),
            columns,
            ..self.clone()
        }
    }

    /// The dataset.
    pub fn dataset(&self) -> Dataset {
        self.dataset
    }

    /// The version of the API whose fields these are.
    pub fn api_version(&self) -> ApiVersion {
        self.api_version
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

    /// The names that fields have in any version of the API, each with the place of its column.
    pub fn field_names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.names.iter().map(|(name, column)| (name.as_str(), *column))
    }

    /// The names and types of all columns of a file, in order: [`Contract::columns`], then those of the lake.
    pub fn file_columns(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        named_types(&self.columns)
    }

    /// Captions of the older CSV reports that are no field's name, each with the place of its column.
    pub fn older_captions(&self) -> impl Iterator<Item = (&str, usize)> {
        self.older_captions.iter().map(|(name, column)| (name.as_str(), *column))
    }

    /// The field of older versions that repeats the enrollment number in each row.
    pub fn enrollment_field(&self) -> Option<&str> {
        self.enrollment_field.as_deref()
    }

    /// The versions of the API that have a column's field.
    pub fn versions_of(&self, column: usize) -> &[ApiVersion] {
        &self.versions[column]
    }

    /// The column that a row's own billing month comes from: text with a billing period's id (`YYYYMM`), a day or an
    /// instant; none when all rows of a slice are of the slice's month.
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
    fn versions_agree_on_what_a_column_is() {
        for dataset in Dataset::ALL {
            let of_newest = Contract::of_version(dataset, ApiVersion::V3);
            for text in files_of(dataset) {
                let file: SchemaFile = serde_json::from_str(text).unwrap();
                let places = file.columns.iter().map(|column| {
                    let at = of_newest.columns().iter().position(|newest| newest.column == column.column).unwrap();
                    let newest = &of_newest.columns()[at];
                    assert_eq!((column.kind, &column.unit), (newest.kind, &newest.unit), "{}", column.field);
                    at
                });
                assert!(places.is_sorted(), "{dataset} {}", file.api_version);
            }
            for version in ApiVersion::ALL {
                assert_eq!(Contract::of_version(dataset, version).fingerprint(), of_newest.fingerprint());
            }
        }
    }

    #[test]
    fn a_charge_is_the_cost_in_all_versions_of_usage_details() {
        let contract = Contract::of(Dataset::UsageDetails);
        let column = |field: &str| contract.field_names().find(|(name, _)| *name == field).map(|(_, column)| column);
        assert_eq!(column("extendedCost"), column("cost"));
        let charges = Contract::of(Dataset::MarketplaceCharges);
        assert!(charges.columns().iter().any(|column| column.column == "extended_cost"));
        let flag = charges.columns().len() - 1;
        assert_eq!(charges.versions_of(flag), [ApiVersion::V3]);
    }

    #[test]
    fn the_map_of_tags_stands_behind_the_fields() {
        let contract = Contract::of(Dataset::UsageDetails);
        let with_map = contract.with_tags_map();
        assert_eq!(with_map.columns().last().map(|column| column.column.as_str()), Some(TAGS_MAP));
        assert_ne!(with_map.fingerprint(), contract.fingerprint());
        let without_tags = Contract::of(Dataset::PriceSheet);
        assert_eq!(without_tags.with_tags_map().fingerprint(), without_tags.fingerprint());
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
