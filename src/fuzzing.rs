//! What fuzzers run: each target is a function of bytes that panics when a promise is broken. See `docs/fuzzing.md`.
//!
//! Compiled for tests and fuzzers only. A target compares what the program does with a second reading that shares no
//! code with it, wherever there can be one; the words before each say what it promises. Without a fuzzer, a test runs
//! every target over its corpus and over mutations of it.

mod bills;
mod pages;
pub(crate) mod plain;
mod sheet;

pub use crate::decode::fuzzing::{dates, decimals};
pub use crate::lake::fuzzing::{etags, footer};
pub use crate::source::fuzzing::{headers, inflate, links, periods};
pub use bills::bills;
pub use pages::decoder;
pub use sheet::csv;

#[cfg(test)]
mod tests;
