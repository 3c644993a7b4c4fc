//! Lists of amounts that have names, such as the adjustments of a balance: `[{"name": "Promo Credit", "value": 1.1}]`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, ListArray, StringArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType};

use super::column::{Reason, Shared, decimal};
use super::text;
use super::token::{self, Value};
use super::{InvalidText, column};
use crate::contract::{ColumnType, DECIMAL_PRECISION, DECIMAL_SCALE};

const NO_LIST: Reason = "not a list of objects with name and value";

/// A column of such lists. Rows are pushed; nothing of them is ever kept under a code.
#[derive(Default)]
pub(super) struct AmountsColumn {
    names: Vec<Option<String>>,
    values: Vec<Option<i128>>,
    /// Where each row's list ends in these; its validity.
    rows: Vec<(usize, bool)>,
    bytes: usize,
}

impl AmountsColumn {
    /// Appends a list; on an error nothing is appended. Tells whether an element has more than a name and a value.
    pub(super) fn push(&mut self, at: usize, value: Value<'_>, shared: &mut Shared) -> Result<bool, Reason> {
        let (has_more, valid) = match value {
            Value::Null => (false, false),
            Value::Text(text) if text.raw.is_empty() => (false, false),
            Value::Nested(json) if json.first() == Some(&b'[') => match self.elements(at, json, shared) {
                Ok(has_more) => (has_more, true),
                Err(reason) => {
                    self.truncate(self.rows.len());
                    return Err(reason);
                }
            },
            _ => return Err(NO_LIST),
        };
        self.rows.push((self.names.len(), valid));
        Ok(has_more)
    }

    pub(super) fn push_null(&mut self) {
        self.rows.push((self.names.len(), false));
    }

    /// Takes the elements of an array that is valid by the grammar.
    fn elements(&mut self, at: usize, json: &[u8], shared: &mut Shared) -> Result<bool, Reason> {
        let mut has_more = false;
        let mut place = token::skip_space(json, 1);
        while json.get(place) != Some(&b']') {
            let (element, end) = token::value(json, place, 1).map_err(|_| NO_LIST)?;
            let Value::Nested(object) = element else { return Err(NO_LIST) };
            if object.first() != Some(&b'{') {
                return Err(NO_LIST);
            }
            has_more |= self.element(at, object, shared)?;
            place = token::behind_comma(json, end);
        }
        Ok(has_more)
    }

    fn element(&mut self, at: usize, object: &[u8], shared: &mut Shared) -> Result<bool, Reason> {
        let (mut name, mut amount, mut has_more) = (None, None, false);
        let before = (shared.replaced.len(), shared.lost.len());
        let mut place = token::skip_space(object, 1);
        while object.get(place) != Some(&b'}') {
            let (key, value_at) = token::key(object, place).map_err(|_| NO_LIST)?;
            let (value, end) = token::value(object, value_at, 2).map_err(|_| NO_LIST)?;
            let (key, _) = text::unescape(key, &mut shared.scratch);
            // Of a key that comes twice the last one counts, and nothing that the first one said.
            if key.eq_ignore_ascii_case(b"name") {
                shared.replaced.truncate(before.0);
                name = name_of(at, value, shared)?;
            } else if key.eq_ignore_ascii_case(b"value") {
                shared.lost.truncate(before.1);
                amount = decimal(at, value, shared)?;
            } else {
                has_more = true;
            }
            place = token::behind_comma(object, end);
        }
        self.bytes += name.as_ref().map_or(0, String::len) + size_of::<Option<i128>>() + size_of::<Option<String>>();
        self.names.push(name);
        self.values.push(amount);
        Ok(has_more)
    }

    /// The amounts of the lists from row `first` on.
    pub(super) fn values_from(&self, first: usize) -> impl Iterator<Item = i128> {
        let start = first.checked_sub(1).map_or(0, |before| self.rows[before].0);
        self.values[start..].iter().filter_map(|value| *value)
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
        let left = self.rows.last().map_or(0, |(end, _)| *end);
        self.names.truncate(left);
        self.values.truncate(left);
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.bytes
    }

    /// Takes all rows and starts anew.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let taken = std::mem::take(self);
        let lengths = taken.rows.iter().scan(0, |start, (end, _)| Some(end - std::mem::replace(start, *end)));
        let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
        let nulls: NullBuffer = taken.rows.iter().map(|(_, valid)| *valid).collect();
        let DataType::List(element) = ColumnType::NamedAmounts.arrow() else {
            return Err(ArrowError::SchemaError("named amounts are a list".to_owned()));
        };
        let DataType::Struct(fields) = element.data_type() else {
            return Err(ArrowError::SchemaError("a named amount is a struct".to_owned()));
        };
        let values = Decimal128Array::from(taken.values).with_precision_and_scale(DECIMAL_PRECISION, DECIMAL_SCALE)?;
        let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(taken.names)), Arc::new(values)];
        let elements = StructArray::try_new(fields.clone(), columns, None)?;
        Ok(Arc::new(ListArray::try_new(element, offsets, Arc::new(elements), Some(nulls))?))
    }
}

/// A name as text columns take it.
fn name_of(at: usize, value: Value<'_>, shared: &mut Shared) -> Result<Option<String>, Reason> {
    let mut scratch = Vec::new();
    let Some((text, repair)) = column::text_of(value, &mut scratch) else { return Ok(None) };
    if repair == text::Repair::Replaced {
        if shared.invalid_text == InvalidText::Reject {
            return Err(column::NO_UNICODE);
        }
        shared.replaced.push(at);
    }
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}
