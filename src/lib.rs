//! Streaming ETL of Azure enterprise billing data into Parquet.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod contract;
pub mod decode;
pub mod lake;
pub mod simulator;
pub mod source;
