//! Streaming ETL of Azure enterprise billing data into a Parquet lake.
//!
//! The way of the data is the way of the modules: [`contract`] names every field and column, [`source`] brings pages
//! or files as bytes, [`decode`] turns bytes into record batches, [`lake`] publishes record batches as one Parquet file
//! a billing period, [`sync`] decides what is fetched and replaced. [`report`] answers questions about a lake,
//! [`simulator`] plays the API on this machine.
//!
//! [`decode`] is the part that other programs are most likely to use: it does no I/O and has a push interface.

#![deny(unsafe_code)]
#![warn(missing_docs)]

#[doc(hidden)]
pub mod cli;
pub mod contract;
pub mod decode;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod lake;
pub mod report;
pub mod simulator;
pub mod source;
pub mod sync;
