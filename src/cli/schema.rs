//! `billing-lake schema`: the contract for people and programs.

use std::sync::Arc;

use super::args::{Format, SchemaArgs};
use super::output;
use crate::contract::{self, Contract, Dataset};
use crate::sync::RunError;

/// Prints the contract of one dataset or of all.
pub(super) fn schema(args: &SchemaArgs) -> Result<u8, RunError> {
    let datasets = args.dataset.map_or(Dataset::ALL.to_vec(), |dataset| vec![dataset]);
    let contracts = datasets.into_iter().map(Contract::of);
    match args.format {
        Format::Json => output::json(&contracts.map(|contract| contract::as_json(&contract)).collect::<Vec<_>>())?,
        Format::Ndjson => output::ndjson(contracts.map(|contract| contract::as_json(&contract)))?,
        Format::Markdown => output::print(&contract::as_markdown())?,
        Format::Text => {
            // A dataset of date ranges has the columns of that of billing periods.
            let is_told = |contract: &Arc<Contract>| {
                args.dataset.is_some() || contract.dataset().of_periods() == contract.dataset()
            };
            let tables: Vec<_> = contracts.filter(is_told).map(|contract| contract::as_table(&contract)).collect();
            output::print(&tables.join("\n"))?;
        }
    }
    Ok(0)
}
