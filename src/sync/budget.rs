//! How the memory of the process is divided among the slices at work.

/// What the process needs besides its slices: code, runtime, connections, buffers of the network.
const BASE: u64 = 64 << 20;
/// The least that a slice works with.
const LEAST_SHARE: u64 = 24 << 20;
/// The least memory that a run can be held to, in bytes.
pub const LEAST_MEMORY: u64 = 64 << 20;
/// The least memory for a lake in an object store, in bytes: its client and the parts of files on their way need some.
pub const LEAST_MEMORY_IN_STORES: u64 = LEAST_MEMORY + (16 << 20);
/// Records larger than this would not make a better file.
const LARGEST_GROUP: u64 = 512 << 20;

/// The shares of the slices at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Slices at work at once.
    pub(crate) slices: usize,
    /// Bytes that the rows of a slice's row group may hold.
    pub(crate) group_bytes: usize,
    /// Bytes of a page after which it is committed in parts.
    pub(crate) page_bytes: usize,
}

/// Divides `memory` bytes among at most `concurrency` slices; fewer when it does not fit, but always one. Of its share each
/// needs `staged` bytes for its file on the way to the store.
pub(crate) fn shares(memory: u64, concurrency: usize, staged: u64) -> Shares {
    let room = memory.saturating_sub(BASE).max(LEAST_SHARE);
    let slices = concurrency.clamp(1, (room / LEAST_SHARE) as usize);
    let share = room / slices as u64 - staged.min(LEAST_SHARE / 2);
    // One row group is encoded, column by column, while the next one is decoded.
    let group_bytes = (share * 3 / 8).min(LARGEST_GROUP) as usize;
    let page_bytes = (share / 4).min(64 << 20) as usize;
    Shares { slices, group_bytes, page_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fit_into_the_budget() {
        for memory in [1 << 20, 64 << 20, 100 << 20, 256 << 20, 8 << 30_u64] {
            for (concurrency, staged) in [(1, 0), (2, 0), (16, 0), (1, 10 << 20), (16, 10 << 20)] {
                let shares = shares(memory, concurrency, staged);
                assert!(shares.slices >= 1 && shares.slices <= concurrency);
                let used = BASE + shares.slices as u64 * (shares.group_bytes as u64 * 2 + staged);
                assert!(used <= memory.max(BASE + LEAST_SHARE), "{memory} {concurrency} {staged} {shares:?}");
            }
        }
    }
}
