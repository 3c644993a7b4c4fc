//! `billing-lake schema`: the contract for people, programs and SQL engines.

use std::sync::Arc;

use super::args::Format;
use super::output;
use super::schema_args::{EngineWord, SchemaArgs};
use crate::contract::{self, Contract, Dataset, Engine};
use crate::lake::Destination;
use crate::sync::{ErrorKind, RunError};

/// Prints the contract of one dataset or of all.
pub(super) fn schema(args: &SchemaArgs) -> Result<u8, RunError> {
    let datasets = args.dataset.map_or(Dataset::ALL.to_vec(), |dataset| vec![dataset]);
    let contracts = datasets.into_iter().map(|dataset| contract_of(dataset, args.tags_map));
    if let Some(engine) = args.engine {
        let location = location(&args.dest)?;
        output::print(&contract::definitions(engine.into(), &contracts.collect::<Vec<_>>(), &location))?;
        return Ok(0);
    }
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

fn contract_of(dataset: Dataset, tags_map: bool) -> Arc<Contract> {
    let contract = Contract::of(dataset);
    if tags_map { Arc::new(contract.with_tags_map()) } else { contract }
}

/// Where the lake is for a program that runs elsewhere: a URL, or a path from the root.
fn location(lake: &Destination) -> Result<String, RunError> {
    let text = lake.to_string();
    if text.contains("://") {
        return Ok(text);
    }
    let path = std::path::absolute(&text).map_err(|error| error.to_string());
    let path = path.and_then(|path| path.into_os_string().into_string().map_err(|_| "it is no UTF-8 text".to_owned()));
    path.map_err(|why| RunError::new(ErrorKind::Usage, format!("the path from the root to {text} is not known: {why}")))
}

impl From<EngineWord> for Engine {
    fn from(word: EngineWord) -> Self {
        match word {
            EngineWord::Duckdb => Engine::DuckDb,
            EngineWord::Spark => Engine::Spark,
            EngineWord::Synapse => Engine::Synapse,
        }
    }
}
