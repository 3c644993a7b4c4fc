//! In what the columns of two files differ.

use std::fmt;

use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::schema::types::SchemaDescriptor;

use crate::contract::Contract;

/// The columns that a contract has in a file.
pub(crate) fn columns(contract: &Contract) -> Result<SchemaDescriptor, ParquetError> {
    ArrowSchemaConverter::new().convert(&contract.arrow_schema())
}

/// The names of the columns in which a file differs from another; none differ when only their order does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// It lacks these.
    pub(crate) lacking: Vec<String>,
    /// Only it has these.
    pub(crate) more: Vec<String>,
    /// These are of another type.
    pub(crate) changed: Vec<String>,
}

/// In what these columns differ from others; the same ones differ in nothing.
pub(crate) fn difference(columns: &SchemaDescriptor, others: &SchemaDescriptor) -> Option<Difference> {
    let (fields, others) = (columns.root_schema().get_fields(), others.root_schema().get_fields());
    if fields == others {
        return None;
    }
    let mut difference = Difference::default();
    for other in others {
        match fields.iter().find(|field| field.name() == other.name()) {
            None => difference.lacking.push(other.name().to_owned()),
            Some(field) if field != other => difference.changed.push(other.name().to_owned()),
            Some(_) => {}
        }
    }
    let known = |name: &str| others.iter().any(|other| other.name() == name);
    let more = fields.iter().map(|field| field.name()).filter(|name| !known(name));
    difference.more = more.map(str::to_owned).collect();
    Some(difference)
}

/// In words.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("it lacks", &self.lacking), ("it has also", &self.more), ("of another type", &self.changed)];
        let said = parts.iter().filter(|(_, names)| !names.is_empty());
        let said: Vec<_> = said.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
        f.write_str(if said.is_empty() { "they stand in another order" } else { "" })?;
        f.write_str(&said.join("; "))
    }
}
