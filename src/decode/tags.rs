//! Tags as maps: text such as `{"a": "b",  "c": "d"}`, sometimes without its outer braces, read as far as it can be.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, MapArray, StringArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType};
use arrow_select::take::take;

use super::text;
use super::token::{self, Value};
use crate::contract::ColumnType;

/// What may stand around tags.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The maps of a column of tags: a dictionary of maps with the codes of the texts, and the rows whose text is no map.
/// Null and empty text are null.
pub(super) fn maps_of(tags: &ArrayRef) -> Result<(ArrayRef, u64), ArrowError> {
    let tags = tags.as_dictionary::<Int32Type>();
    let texts = tags.values().as_string::<i32>();
    let mut maps = Maps::default();
    let mut unreadable = vec![false; texts.len()];
    for (at, text) in texts.iter().enumerate() {
        match text.unwrap_or_default().trim_matches(SPACE) {
            "" => maps.push(None),
            text => {
                let pairs = pairs_of(text);
                unreadable[at] = pairs.is_none();
                maps.push(pairs);
            }
        }
    }
    let rows = tags.keys_iter().flatten().filter(|entry| unreadable[*entry]).count() as u64;
    let maps = DictionaryArray::try_new(tags.keys().clone(), Arc::new(maps.finish()?))?;
    Ok((Arc::new(maps), rows))
}

/// The map of each row, one by one.
pub(super) fn spread(maps: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let maps = maps.as_dictionary::<Int32Type>();
    take(maps.values(), maps.keys(), None)
}

type Pairs = Vec<(String, Option<String>)>;

/// The pairs of a text, in the order in which their keys came first; of a key that comes twice the last value. None when
/// the text is no object.
fn pairs_of(text: &str) -> Option<Pairs> {
    // Without its outer braces it is the inside of an object.
    let braced = if text.starts_with('{') { text.to_owned() } else { format!("{{{text}}}") };
    let json = braced.as_bytes();
    let (value, end) = token::value(json, 0, 0).ok()?;
    if end != json.len() || !matches!(value, Value::Nested([b'{', ..])) {
        return None;
    }
    let mut pairs = Pairs::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut scratch = Vec::new();
    let mut at = token::skip_space(json, 1);
    while json.get(at) != Some(&b'}') {
        let (key, value_at) = token::key(json, at).ok()?;
        let key = String::from_utf8_lossy(text::unescape(key, &mut scratch).0).into_owned();
        let (value, end) = token::value(json, value_at, 1).ok()?;
        let value = match value {
            Value::Null => None,
            Value::Text(raw) => Some(String::from_utf8_lossy(text::unescape(raw, &mut scratch).0).into_owned()),
            _ => Some(String::from_utf8_lossy(&json[value_at..end]).into_owned()),
        };
        match places.get(&key) {
            Some(place) => pairs[*place].1 = value,
            None => {
                places.insert(key.clone(), pairs.len());
                pairs.push((key, value));
            }
        }
        at = token::behind_comma(json, end);
    }
    Some(pairs)
}

/// Maps that are put together.
#[derive(Default)]
struct Maps {
    keys: Vec<String>,
    values: Vec<Option<String>>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Maps {
    fn push(&mut self, pairs: Option<Pairs>) {
        self.valid.push(pairs.is_some());
        let pairs = pairs.unwrap_or_default();
        self.lengths.push(pairs.len());
        let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        self.keys.extend(keys);
        self.values.extend(values);
    }

    fn finish(self) -> Result<MapArray, ArrowError> {
        let DataType::Map(entry, ordered) = ColumnType::Map.arrow() else {
            return Err(ArrowError::SchemaError("tags are a map".to_owned()));
        };
        let DataType::Struct(fields) = entry.data_type() else {
            return Err(ArrowError::SchemaError("a map's entry is a struct".to_owned()));
        };
        let columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from_iter_values(self.keys)), Arc::new(StringArray::from(self.values))];
        let entries = StructArray::try_new(fields.clone(), columns, None)?;
        let offsets = OffsetBuffer::<i32>::from_lengths(self.lengths);
        MapArray::try_new(entry, offsets, entries, Some(NullBuffer::from(self.valid)), ordered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Option<Vec<(String, String)>> {
        let pairs = pairs_of(text)?.into_iter();
        Some(pairs.map(|(key, value)| (key, value.unwrap_or_else(|| "(null)".to_owned()))).collect())
    }

    fn owned(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn tags_are_read_with_braces_and_without() {
        let expected = owned(&[("a", "b"), ("A", "d\"e")]);
        assert_eq!(pairs(r#"{  "a": "b",  "A": "d\"e"}"#), expected);
        assert_eq!(pairs(r#""a": "b",  "A": "d\"e""#), expected);
        assert_eq!(pairs("{}"), owned(&[]));
        assert_eq!(
            pairs(r#"{"a":1,"b":{"c":[ 2]},"d":null,"a":true}"#),
            owned(&[("a", "true"), ("b", "{\"c\":[ 2]}"), ("d", "(null)")])
        );
    }

    #[test]
    fn what_is_no_object_is_no_map() {
        for text in ["tag", "[1]", "{\"a\":\"b\"", "{\"a\":\"b\"} x", "\"a\"", "{a:b}", "null"] {
            assert_eq!(pairs(text), None, "{text}");
        }
    }

    #[test]
    fn rows_share_the_maps_of_their_texts() {
        let texts = StringArray::from(vec![" {\"a\":\"b\"}\n", "  ", "no map"]);
        let codes = [Some(0), Some(2), None, Some(0), Some(1), Some(2)].into_iter().collect();
        let tags: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(codes, Arc::new(texts)));
        let (maps, unreadable) = maps_of(&tags).unwrap();
        assert_eq!(unreadable, 2);
        let rows = spread(&maps).unwrap();
        let rows = rows.as_map();
        let valid: Vec<_> = (0..rows.len()).map(|row| rows.is_valid(row)).collect();
        assert_eq!(valid, [true, false, false, true, false, false]);
        assert_eq!(rows.value(3).column(0).as_string::<i32>().value(0), "a");
    }
}
