//! Columns: which contracts files may have, and in what the columns of two files differ.

use std::sync::Arc;

use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::schema::types::SchemaDescriptor;

use crate::contract::{Contract, Dataset};

/// The contract with this fingerprint, of those that files of the dataset may have: with the map of tags or without.
pub(super) fn contract(dataset: Dataset, fingerprint: &str) -> Option<Arc<Contract>> {
    let plain = Contract::of(dataset);
    let with_map = Arc::new(plain.with_tags_map());
    [plain, with_map].into_iter().find(|contract| contract.fingerprint() == fingerprint)
}

/// The columns that a contract has in a file.
pub(super) fn columns(contract: &Contract) -> Result<SchemaDescriptor, ParquetError> {
    ArrowSchemaConverter::new().convert(&contract.arrow_schema())
}

/// In what these columns differ from others, in words; the same ones differ in nothing.
pub(super) fn difference(columns: &SchemaDescriptor, others: &SchemaDescriptor) -> Option<String> {
    let (fields, others) = (columns.root_schema().get_fields(), others.root_schema().get_fields());
    if fields == others {
        return None;
    }
    let mut lacking = Vec::new();
    let mut changed = Vec::new();
    for other in others {
        match fields.iter().find(|field| field.name() == other.name()) {
            None => lacking.push(other.name()),
            Some(field) if field != other => changed.push(other.name()),
            Some(_) => {}
        }
    }
    let known = |name: &str| others.iter().any(|other| other.name() == name);
    let more: Vec<_> = fields.iter().map(|field| field.name()).filter(|name| !known(name)).collect();
    let parts = [("it lacks", lacking), ("it has also", more), ("of another type", changed)];
    let said = parts.iter().filter(|(_, names)| !names.is_empty());
    let said: Vec<_> = said.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
    Some(if said.is_empty() { "they stand in another order".to_owned() } else { said.join("; ") })
}

#[cfg(test)]
mod tests {
    use parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn what_differs_is_named_by_column() {
        let columns = |fields: &[&str]| {
            let message = format!("message m {{ {}; }}", fields.join("; "));
            SchemaDescriptor::new(Arc::new(parse_message_type(&message).unwrap()))
        };
        let (a, b, c) = ("optional int64 a", "optional binary b (UTF8)", "optional int32 c (DATE)");
        for (own, words) in [
            (&[a, b, c][..], None),
            (&[a, c], Some("it lacks: b")),
            (&[a, b, c, "optional int32 d"], Some("it has also: d")),
            (&[a, "optional binary b", c], Some("of another type: b")),
            (&["required int64 a", b, c], Some("of another type: a")),
            (&[a, c, b], Some("they stand in another order")),
            (&["optional int64 A", b], Some("it lacks: a, c; it has also: A")),
        ] {
            assert_eq!(difference(&columns(own), &columns(&[a, b, c])).as_deref(), words, "{own:?}");
        }
    }
}
