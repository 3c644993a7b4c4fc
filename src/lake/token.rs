//! Numbers that nobody else comes up with.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::SystemTime;

/// 64 bits that no other call, process or machine comes up with.
pub(super) fn token() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    hasher.write_u128(now.as_nanos());
    hasher.finish()
}
