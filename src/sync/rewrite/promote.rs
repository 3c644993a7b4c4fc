//! The columns that a file lacks, from what it holds: fields that no contract knew when it was written stand in `extra`,
//! tags as text.
//!
//! Nothing reads these values but the decoder: it is given rows of what the file holds of them, under a contract of just
//! these columns. So a value becomes what it would have become had the column been known, a field of a column that the
//! file has stays where it is, and a row takes no more memory than the columns that are made need.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, StringArray};

use super::super::writer::internal;
use super::super::{ErrorKind, RunError};
use crate::contract::{BILLING_MONTH, Contract, ENROLLMENT_NUMBER, Slice, TAGS, TAGS_MAP};
use crate::decode::{Decoder, Form, InvalidText, Options, RowScope};
use crate::lake::FileState;

/// Bytes of rows that are gathered before the decoder is fed.
const PIECE: usize = 256 << 10;

/// Makes columns.
pub(super) struct Promotion {
    decoder: Decoder,
    contract: Arc<Contract>,
    /// The field of the tags, where these stand in the file and are wanted as a map.
    tags: Option<String>,
    /// Whether the months of rows are those of a column that is made.
    makes_months: bool,
}

impl Promotion {
    /// Makes the columns that are `made`, for a file of the slice that is to be of the contract; none when there are none.
    pub(super) fn new(
        contract: &Contract,
        slice: &Slice,
        invalid_text: InvalidText,
        made: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        if !contract.columns().iter().any(|column| made(&column.column)) {
            return None;
        }
        let is_tags = |name: &str| name == TAGS && made(TAGS_MAP);
        let tags = contract.columns().iter().find(|column| is_tags(&column.column) && !made(TAGS));
        let tags = tags.map(|column| column.field.clone());
        let contract = Arc::new(contract.only(|column| made(&column.column) || is_tags(&column.column)));
        let mut options = Options::new(slice.period().map_or(RowScope::OfRow, RowScope::Period));
        options.form = Form::Rows;
        options.invalid_text = invalid_text;
        // A row group ends where the one that is written ends, and is bounded there. Escapes make rows longer than they came.
        (options.group_rows, options.group_bytes) = (usize::MAX, usize::MAX);
        (options.page_bytes, options.max_row_bytes) = (usize::MAX, usize::MAX);
        // There is little in a row to predict, and what is known of rows to come would need a bound of its own.
        options.prediction = false;
        Some(Promotion {
            decoder: Decoder::new(Arc::clone(&contract), slice.enrollment.clone(), options),
            makes_months: slice.period().is_none()
                && contract.month_of().is_some_and(|at| made(&contract.columns()[at].column)),
            contract,
            tags,
        })
    }

    /// Whether the tags of the file are needed.
    pub(super) fn needs_tags(&self) -> bool {
        self.tags.is_some()
    }

    /// The columns of some rows, by name; among them what is left of `extra`.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when a value does not fit into the column that knows it now.
    pub(super) fn columns(
        &mut self,
        extra: &ArrayRef,
        tags: Option<&ArrayRef>,
    ) -> Result<BTreeMap<String, ArrayRef>, RunError> {
        let rows = extra.len();
        let (extra, tags) = (Texts::of(extra)?, tags.map(Texts::of).transpose()?);
        let mut text = Vec::with_capacity(PIECE + 1024);
        for row in 0..rows {
            self.append(extra.at(row), tags.as_ref().and_then(|tags| tags.at(row)), &mut text)?;
            if text.len() >= PIECE {
                self.feed(&text)?;
                text.clear();
            }
        }
        self.feed(&text)?;
        self.decoder.commit().map_err(|error| broken(&error))?;
        if let Some(rejected) = self.decoder.take_rejected().first() {
            let column = rejected.column.as_deref().unwrap_or("its row");
            let message = format!("a value in `extra` does not fit into {column}: {}", rejected.reason);
            return Err(RunError::new(ErrorKind::Data, message));
        }
        let group = self.decoder.finish().map_err(|error| internal(&error))?;
        let group = group.filter(|group| group.rows() == rows);
        let group = group.ok_or_else(|| internal(&"the decoder made other rows than it was given"))?;
        let mut columns = BTreeMap::new();
        for ((name, _), array) in self.contract.file_columns().zip(group.into_columns()) {
            let is_made = match name {
                TAGS => self.tags.is_none(),
                ENROLLMENT_NUMBER => false,
                BILLING_MONTH => self.makes_months,
                _ => true,
            };
            if is_made {
                columns.insert(name.to_owned(), array.map_err(|error| internal(&error))?);
            }
        }
        Ok(columns)
    }

    /// Adds what was counted of all rows.
    pub(super) fn add_to(&self, state: &mut FileState) {
        let summary = self.decoder.summary();
        state.control_totals.extend(summary.control_totals.text);
        state.rounding_residue.extend(summary.control_totals.residue);
        state.rounded_values += summary.rounded_values;
    }

    /// Appends a row of these fields.
    fn append(&self, extra: Option<&str>, tags: Option<&str>, text: &mut Vec<u8>) -> Result<(), RunError> {
        let extra = extra.unwrap_or("{}");
        let fields = extra.strip_suffix('}').ok_or_else(|| broken(&"it is no object"))?;
        text.extend_from_slice(fields.as_bytes());
        if let (Some(field), Some(tags)) = (&self.tags, tags) {
            if fields.len() > 1 {
                text.push(b',');
            }
            serde_json::to_writer(&mut *text, field).map_err(|error| internal(&error))?;
            text.push(b':');
            serde_json::to_writer(&mut *text, tags).map_err(|error| internal(&error))?;
        }
        text.extend_from_slice(b"}\n");
        Ok(())
    }

    fn feed(&mut self, text: &[u8]) -> Result<(), RunError> {
        self.decoder.feed(text).map_err(|error| broken(&error))
    }
}

/// This tool wrote it otherwise.
fn broken(error: &impl ToString) -> RunError {
    RunError::new(ErrorKind::Data, format!("its column `extra` cannot be read: {}", error.to_string()))
}

/// A column of text, row by row.
struct Texts<'a> {
    codes: &'a Int32Array,
    texts: &'a StringArray,
}

impl<'a> Texts<'a> {
    fn of(array: &'a ArrayRef) -> Result<Self, RunError> {
        let coded = array.as_dictionary_opt::<Int32Type>();
        let parts = coded.and_then(|coded| Some((coded.keys(), coded.values().as_string_opt::<i32>()?)));
        let (codes, texts) = parts.ok_or_else(|| internal(&"text comes as codes"))?;
        Ok(Texts { codes, texts })
    }

    fn at(&self, row: usize) -> Option<&'a str> {
        self.codes.is_valid(row).then(|| self.texts.value(self.codes.value(row) as usize))
    }
}
