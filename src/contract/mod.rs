//! The data contract: what every dataset, field and column is called, typed and means.
//!
//! The files in `schemas/` are the one source. They are embedded at compile time; from them come the Arrow schema of
//! the record batches, the plan of the decoder, `billing-lake schema`, the definitions for SQL engines and the data
//! dictionary in `docs/`. Next to them stand the words that every other room speaks: [`Enrollment`], [`BillingPeriod`] and [`Slice`].

mod dataset;
mod dictionary;
mod engine;
mod schema;
mod slice;

pub use dataset::{ApiVersion, Dataset, WindowKind};
pub use dictionary::{as_json, as_markdown, as_table};
pub use engine::{Engine, definitions};
pub use schema::{
    BILLING_MONTH, Column, ColumnType, Contract, DECIMAL_PRECISION, DECIMAL_SCALE, ENROLLMENT_NUMBER, EXTRA, TAGS,
    TAGS_MAP,
};
pub use slice::{BillingPeriod, DateRange, Enrollment, IdentityError, Slice, Window, day};
