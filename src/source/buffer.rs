//! A buffer for blocks of text, at an address where reading into it is fast.

use std::ops::{Deref, DerefMut};

/// Bytes of a block. Half of a usual second-level cache, so that a block is still there when it is decoded.
pub(super) const BLOCK_BYTES: usize = 128 << 10;

const PAGE: usize = 4096;

/// One cache line after a page's start. Large allocations begin 16 bytes after one, and there the kernel's copy is up to
/// three times slower on some processors.
const OFFSET: usize = 64;

/// A block of [`BLOCK_BYTES`] zeros that begins 64 bytes after a page's start.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        let bytes = vec![0; BLOCK_BYTES + PAGE];
        let start = (PAGE + OFFSET - bytes.as_ptr() as usize % PAGE) % PAGE;
        Buffer { bytes, start }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + BLOCK_BYTES]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + BLOCK_BYTES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_one_cache_line_after_a_page() {
        for _ in 0..20 {
            let buffer = Buffer::new();
            assert_eq!((buffer.as_ptr() as usize % PAGE, buffer.len()), (OFFSET, BLOCK_BYTES));
        }
    }
}
