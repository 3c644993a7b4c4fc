//! Decodes a page of usage details into a record batch, without network or lake.
//!
//! `cargo run --release --example decode -- page.json 2024-11` reads a saved page; without arguments a small one is
//! built in.

use std::error::Error;
use std::fs::File;
use std::io::Read;

use arrow_array::Array;
use billing_lake::contract::{BillingPeriod, Contract, Dataset};
use billing_lake::decode::{Decoder, Options, RowScope};

const PAGE: &str = r#"{"id":"1","data":[
    {"serviceName":"Storage","cost":0.000008294350789,"date":"2024-11-03T00:00:00","consumedQuantity":0.000144},
    {"serviceName":"Storage","cost":"1e-7","date":"2024-11-04","tags":"{  \"env\": \"dev\"}","newField":[1,2]}
],"nextLink":null}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut input, period): (Box<dyn Read>, BillingPeriod) = match (arguments.next(), arguments.next()) {
        (Some(file), Some(period)) => (Box::new(File::open(file)?), period.parse()?),
        _ => (Box::new(PAGE.as_bytes()), "2024-11".parse()?),
    };
    let contract = Contract::of(Dataset::UsageDetails);
    let mut decoder = Decoder::new(contract, "100".parse()?, Options::new(RowScope::Period(period)));

    // Bytes come in pieces of any size, from wherever they come.
    let mut piece = [0; 64 * 1024];
    loop {
        match input.read(&mut piece)? {
            0 => break,
            length => decoder.feed(&piece[..length])?,
        }
    }
    // The page's end: until here its rows could have been rolled back.
    let page = decoder.commit()?;
    println!("{} rows taken, {} rejected, next page: {:?}", page.rows, page.rejected_rows, page.next_link);
    for row in decoder.take_rejected() {
        println!("row {} was rejected: {}", row.row, row.reason);
    }
    // Full row groups are handed over by `take_group` on the way, the rest by `finish`.
    if let Some(group) = decoder.finish()? {
        let batch = group.into_batch()?;
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            println!("{:28} {:32} {} nulls", field.name(), field.data_type().to_string(), column.null_count());
        }
    }
    println!("sum of cost, exactly: {}", decoder.summary().control_totals.text["cost"]);
    Ok(())
}
