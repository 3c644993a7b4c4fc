//! The hot path: bytes of JSON in, Arrow arrays out. No I/O, no threads, no async.
//!
//! A [`Decoder`] is fed the bytes of a page in pieces of any size. At the page's end its rows are committed, or rolled
//! back when the page turns out to be broken, so that a page that is asked for again gives its rows once. Rows gather
//! until a [`RowGroup`] is full; then [`Decoder::take_group`] hands it over, to be taken column by column or as one record
//! batch, whose dictionaries are final. Never more than one row group is in memory.
//!
//! ```
//! use billing_lake::contract::{Contract, Dataset};
//! use billing_lake::decode::{Decoder, Options, RowScope};
//!
//! let contract = Contract::of(Dataset::UsageDetails);
//! let scope = RowScope::Period("2024-11".parse()?);
//! let mut decoder = Decoder::new(contract, "100".parse()?, Options::new(scope));
//! for piece in [r#"{"id":"1","data":[{"cost":1.10,"date":"20"#, r#"24-11-03T00:00:00"}],"nextLink":null}"#] {
//!     decoder.feed(piece.as_bytes())?;
//! }
//! let page = decoder.commit()?;
//! assert_eq!((page.rows, page.next_link), (1, None));
//! let batch = decoder.finish()?.expect("a row was committed").into_batch()?;
//! assert_eq!(batch.num_rows(), 1);
//! assert_eq!(decoder.summary().control_totals.text["cost"], "1.1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What each form of a value becomes is said in `docs/values.md`. Rows that do not fit are handed back with their text
//! ([`Decoder::take_rejected`]) and count in nothing else.

mod amounts;
mod births;
mod captions;
mod coded;
mod column;
mod csv;
mod date;
mod decoder;
mod dictionary;
mod envelope;
mod error;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod group;
mod hint;
mod index;
mod input;
mod layout;
mod learn;
mod months;
mod number;
mod options;
mod page;
mod predict;
mod record;
mod row;
mod row_group;
mod sample;
mod sheet;
mod spans;
mod summary;
mod tags;
mod templates;
mod text;
mod texts;
mod together;
mod token;
mod totals;
mod unknown;
mod values;

pub use decoder::Decoder;
pub use error::{DecodeError, RejectedRow};
pub use options::{InvalidText, Options, RowScope};
pub use page::Form;
pub use row_group::RowGroup;
pub use summary::{PageSummary, StrayRows, Summary};
pub use totals::ControlTotals;
