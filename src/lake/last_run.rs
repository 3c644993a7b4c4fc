//! When each slice was last asked for. A cache: lost or garbled, it is empty.

use std::collections::BTreeMap;

use crate::contract::Slice;

use super::layout;

/// When each slice was last asked for, by an RFC 3339 instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastRun {
    checked_at: BTreeMap<String, String>,
}

impl LastRun {
    /// When the slice was last asked for; none when that is not known.
    pub fn checked_at(&self, slice: &Slice) -> Option<&str> {
        self.checked_at.get(&layout::key(slice)).map(String::as_str)
    }

    /// Notes that the slice was asked for at that instant (RFC 3339).
    pub fn set_checked_at(&mut self, slice: &Slice, instant: impl Into<String>) {
        self.checked_at.insert(layout::key(slice), instant.into());
    }

    /// Takes over what another one knows.
    pub(super) fn merge(&mut self, other: LastRun) {
        self.checked_at.extend(other.checked_at);
    }

    pub(super) fn from_json(bytes: &[u8]) -> Self {
        LastRun { checked_at: serde_json::from_slice(bytes).unwrap_or_default() }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::Value::from_iter(self.checked_at.clone()).to_string()
    }
}
