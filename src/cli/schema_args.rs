//! The words of `schema`.

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::args::Format;
use crate::contract::Dataset;
use crate::lake::Destination;

/// The engines that definitions are printed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineWord {
    /// Views over read_parquet.
    Duckdb,
    /// Spark SQL: external tables and views.
    Spark,
    /// Azure Synapse Analytics, serverless SQL pool: views over OPENROWSET.
    Synapse,
}

/// Options of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The dataset; default all.
    pub dataset: Option<Dataset>,
    /// How it is printed.
    #[arg(long, env = "BILLING_LAKE_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub format: Format,
    /// Print definitions to paste into this engine: every column's type, the names of folders as text, and views in which
    /// amounts can be multiplied.
    #[arg(long, value_name = "ENGINE", conflicts_with = "format")]
    pub engine: Option<EngineWord>,
    /// Where the lake is that the definitions are for; nothing is looked up there.
    #[arg(long, env = "BILLING_LAKE_DEST", default_value = "./billing-lake", value_name = "URL")]
    pub dest: Destination,
    /// The lake's files have a column tags_map.
    #[arg(long, env = "BILLING_LAKE_TAGS_MAP", value_parser = BoolishValueParser::new())]
    pub tags_map: bool,
}
