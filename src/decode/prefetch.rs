//! Asks the processor for memory that is about to be compared.
//!
//! Texts of spans lie all over tables of some megabytes, so a comparison mostly waits for memory. `docs/performance.md` has
//! what this saves.

/// Bytes of a cache line.
const LINE: usize = 64;
/// Bytes that are asked for at most: behind them the processor has seen by itself where it goes.
const MOST: usize = 512;

/// Has these bytes brought into the nearest cache. A hint: it changes nothing that can be observed but the time.
#[inline]
pub(super) fn prefetch(bytes: &[u8]) {
    let mut at = 0;
    while at < bytes.len().min(MOST) {
        line(&bytes[at]);
        at += LINE;
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)]
fn line(byte: &u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads and writes nothing for the program and cannot fault; the instruction (SSE) is part of every
    // x86-64 processor; the pointer is that of a live reference.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn line(_byte: &u8) {}
