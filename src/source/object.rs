//! Members of JSON objects, found without regard to case.

use serde_json::{Map, Value};

/// The member of that name: exactly so, else without case.
pub(super) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}
