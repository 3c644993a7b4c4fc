//! The promises of billing-lake, each proved by a module of its name.

mod broken_pages_are_named;
mod cells;
mod decode_agrees_with_a_plain_reading;
mod decode_takes_golden_pages;
mod oracle;
