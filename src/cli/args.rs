//! The command line's words. What stands here is what `--help` teaches.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::builder::BoolishValueParser;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::keys::OwnKey;
use super::schema_args::SchemaArgs;
use super::simulate_args::{FAULTS, SimulateArgs};
use crate::contract::{ApiVersion, Dataset, Enrollment, WindowKind, day};
use crate::lake::{Compression, Destination, Layout};
use crate::report::SampleSize;
use crate::source::DEFAULT_ENDPOINT;
use crate::sync::{LEAST_MEMORY, MAX_PAGES, MaxRejected, Periods, REPORT_ROWS};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0  everything asked for is in the lake      4  the API is unavailable; run again later
  1  a bug in billing-lake                    5  the data is wrong; the period was not replaced
  2  options, configuration, enrollment       6  the destination cannot be written
  3  the API refused the key                  7  some slices failed, all worth a retry

Retries: 8 attempts a request, with random waits below a bound that doubles from
0.5 s to 30 s. A wait that the API asks for is kept, as long as all waits of a
slice fit into --max-wait; a 429 that names none waits 120 s.";

const VERIFY_EXIT_CODES: &str = "\
Exit codes:
  0  every file is what was written           5  some are not; they are listed
  2  options; there is no lake                6  the lake, or a file of it, cannot be read";

const REWRITE_EXIT_CODES: &str = "\
Exit codes:
  0  every file is as it is wanted            5  some cannot be rewritten; they are left as they are
  2  options; no lake, or one of a newer      6  the destination cannot be read or written
     version                                  7  some failed, all worth a retry";

const EXAMPLES: &str = "\
Examples:
  billing-lake demo                                         see it work, without key or network
  export BILLING_LAKE_API_KEY=…                             the enrollment's API key
  billing-lake periods --enrollment 100                     what the API has
  billing-lake sync --enrollment 100 --last 3               the three newest billing periods
  billing-lake sync --enrollment 100 --periods 2024-01..2024-06 --dest /data/billing
  billing-lake status --dest /data/billing                  what the lake holds
  billing-lake verify --dest /data/billing                  whether it is what was written
  billing-lake convert pages/ --enrollment 100              the same lake from saved pages";

/// Streams Azure enterprise billing data into a Parquet lake.
#[derive(Debug, Parser)]
#[command(name = "billing-lake", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 120)]
#[command(propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// TOML file of settings. Default: billing-lake.toml in the working directory, if there is one.
    #[arg(long, env = "BILLING_LAKE_CONFIG", global = true, value_name = "FILE", display_order = 1000)]
    pub config: Option<PathBuf>,
    /// Log less: only warnings and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 1000)]
    pub quiet: bool,
    /// Log more; twice: everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 1000)]
    pub verbose: u8,
}

impl Command {
    /// How the command reaches the API, if it does.
    pub fn api_mut(&mut self) -> Option<&mut ApiArgs> {
        match self {
            Command::Sync(args) | Command::Plan(args) | Command::Config(ConfigCommand::Show(args)) => {
                Some(&mut args.api)
            }
            Command::Periods(args) => Some(&mut args.api),
            _ => None,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // parsed once
pub enum Command {
    /// Show the whole tool at work: simulator, three syncs and a restatement, without key or network.
    Demo(DemoArgs),
    /// Ask the API what changed, and replace just that.
    #[command(after_help = EXIT_CODES)]
    Sync(SyncArgs),
    /// Say what sync would do, and why; takes the same options.
    Plan(SyncArgs),
    /// List the billing periods that the API has for an enrollment.
    Periods(PeriodsArgs),
    /// List what the lake holds: period, rows, total, when it was fetched and checked, ETag, size.
    Status(StatusArgs),
    /// Read the lake's files back and say which are not what was written: bytes, rows, totals, columns.
    #[command(after_help = VERIFY_EXIT_CODES)]
    Verify(VerifyArgs),
    /// Remove what dead runs left, and old data of Delta tables; every sync does the former too.
    Clean(CleanArgs),
    /// Give the lake's files another shape or codec, each from itself: columns of today's contract, tags as a map, compression.
    ///
    /// sync does the first two by itself, for the datasets that it is about to publish.
    #[command(after_help = REWRITE_EXIT_CODES)]
    Rewrite(RewriteArgs),
    /// Fill the same lake from files: CSV, JSON pages, arrays or NDJSON; plain, gzip or zstd.
    #[command(after_help = EXIT_CODES)]
    Convert(ConvertArgs),
    /// Print the contract: fields, columns, types, meaning; or definitions to paste into DuckDB, Spark or Synapse.
    Schema(SchemaArgs),
    /// Settings: their values, and where each comes from.
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigCommand),
    /// Play the API on 127.0.0.1, from a seed.
    #[command(after_help = FAULTS)]
    Simulate(SimulateArgs),
}

/// What can be asked about settings.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // parsed once
pub enum ConfigCommand {
    /// Print the values that sync would work with, where each comes from, and what the keys say about themselves.
    ///
    /// Takes the options of sync. Nobody is asked, and no key is shown.
    Show(SyncArgs),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
    /// For programs: one JSON document a line.
    Ndjson,
    /// Markdown (schema only).
    Markdown,
}

/// Where the lake is.
#[derive(Debug, Args)]
pub struct LakeArgs {
    /// Where the lake is: a path, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or abfss:// with an account; see docs/stores.md.
    #[arg(long, env = "BILLING_LAKE_DEST", default_value = "./billing-lake", value_name = "URL")]
    pub dest: Destination,
    /// How results are printed to standard output.
    #[arg(long, env = "BILLING_LAKE_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub format: Format,
}

/// How files are written.
#[derive(Debug, Args)]
pub struct WriteArgs {
    /// How a new lake is laid out: hive (partitions in folders) or delta (a Delta table for each dataset). Default: as the lake
    /// is, else hive.
    #[arg(long, env = "BILLING_LAKE_LAYOUT", value_name = "LAYOUT")]
    pub layout: Option<Layout>,
    /// Compression of the Parquet files: snappy, zstd, zstd:LEVEL (1 to 22) or none.
    #[arg(long, env = "BILLING_LAKE_COMPRESSION", default_value = "snappy", value_name = "CODEC")]
    pub compression: Compression,
    /// Memory that the process may hold; fewer slices run at once when it is short.
    #[arg(long, env = "BILLING_LAKE_MEMORY", default_value = "256MiB", value_name = "BYTES", value_parser = memory)]
    pub memory: u64,
    /// Rejected rows that a slice may have: a number, or a percentage such as 0.5%.
    #[arg(long, env = "BILLING_LAKE_MAX_REJECTED", value_name = "N|P%")]
    pub max_rejected: Option<MaxRejected>,
    /// Reject rows with text that is not valid Unicode, instead of replacing it by U+FFFD, and fail slices that look
    /// wrong, instead of warning about them.
    #[arg(long, env = "BILLING_LAKE_STRICT", value_parser = BoolishValueParser::new())]
    pub strict: bool,
    /// Add a column tags_map with the tags as a map, as far as they can be read.
    #[arg(long, env = "BILLING_LAKE_TAGS_MAP", value_parser = BoolishValueParser::new())]
    pub tags_map: bool,
}

/// How the API is reached.
#[derive(Debug, Args)]
pub struct ApiArgs {
    /// The API's address.
    #[arg(long, env = "BILLING_LAKE_ENDPOINT", default_value = DEFAULT_ENDPOINT, value_name = "URL")]
    pub endpoint: String,
    /// File that holds the API key; else it is taken from BILLING_LAKE_API_KEY. Never an option's value.
    #[arg(long, env = "BILLING_LAKE_API_KEY_FILE", value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// PEM file of certificate authorities to trust besides the platform's.
    #[arg(long, env = "BILLING_LAKE_CA_BUNDLE", value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// Send the key over plain http to hosts other than this machine.
    #[arg(long, env = "BILLING_LAKE_ALLOW_HTTP", value_parser = BoolishValueParser::new())]
    pub allow_http: bool,
    /// Further hosts, as HOST or HOST:PORT, that links and redirects may lead to over https, with the key.
    #[arg(long, env = "BILLING_LAKE_TRUST_HOST", value_name = "HOST", value_delimiter = ',')]
    pub trust_host: Vec<String>,
    /// All waits of a slice together, such as 15min or 90s.
    #[arg(long, env = "BILLING_LAKE_MAX_WAIT", default_value = "15min", value_name = "TIME", value_parser = duration)]
    pub max_wait: std::time::Duration,
    /// Requests that may begin within a minute, all slices together. Default: as fast as the API answers.
    #[arg(long, env = "BILLING_LAKE_REQUESTS_PER_MINUTE", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub requests_per_minute: Option<u32>,
    /// Where enrollments have keys of their own, as the configuration file says.
    #[arg(skip)]
    pub own_keys: Vec<OwnKey>,
}

/// How usage details are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ViaWord {
    /// JSON pages; a report where the file in place is large, or where pages tear at each reading.
    Auto,
    /// JSON pages.
    Json,
    /// One CSV, made while the client waits: up to an hour.
    Csv,
    /// A report that is submitted, asked about, and fetched as CSV from another host.
    AsyncCsv,
}

/// When files in place are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecheckWord {
    /// Open periods and those closed within 10 days at every run, older ones once a week.
    Auto,
    /// Every file at every run.
    All,
}

/// Options of `sync` and `plan`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// The enrollment number; may be given several times, or as a list with commas.
    #[arg(long, env = "BILLING_LAKE_ENROLLMENT", value_name = "N", value_delimiter = ',')]
    pub enrollment: Vec<Enrollment>,
    /// Datasets, with commas: billing_periods, price_sheet, balance_summary, marketplace_charges, usage_details, or all.
    #[arg(long, env = "BILLING_LAKE_DATASETS", default_value = "all", value_name = "NAMES", value_parser = datasets)]
    pub datasets: Datasets,
    /// Billing periods: 2024-01..2024-06,2024-09. Default: all that the API lists, newest first.
    #[arg(long, env = "BILLING_LAKE_PERIODS", value_name = "PERIODS", conflicts_with = "last")]
    pub periods: Option<Periods>,
    /// The newest N billing periods.
    #[arg(long, env = "BILLING_LAKE_LAST", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub last: Option<u16>,
    /// The first day of a range of dates, YYYY-MM-DD: usage_details and marketplace_charges of these days go into datasets
    /// of their own, named ..._by_date.
    #[arg(long, env = "BILLING_LAKE_FROM", value_name = "DAY", value_parser = day, requires = "to", conflicts_with_all = ["periods", "last"])]
    pub from: Option<NaiveDate>,
    /// The last day of the range, at most 36 months after the first.
    #[arg(long, env = "BILLING_LAKE_TO", value_name = "DAY", value_parser = day, requires = "from", conflicts_with_all = ["periods", "last"])]
    pub to: Option<NaiveDate>,
    /// Versions of the API by dataset, with commas, such as usage_details=v2. Default: v3 for usage details, v2 for all else.
    #[arg(long, env = "BILLING_LAKE_API_VERSION", value_name = "DATASET=VERSION", value_delimiter = ',', value_parser = api_version)]
    pub api_version: Vec<(Dataset, ApiVersion)>,
    /// When files in place are checked.
    #[arg(long, env = "BILLING_LAKE_RECHECK", default_value = "auto", value_name = "WHEN")]
    pub recheck: RecheckWord,
    /// How usage details are fetched.
    #[arg(long, env = "BILLING_LAKE_VIA", default_value = "auto", value_name = "WAY")]
    pub via: ViaWord,
    /// Rows of the file in place from which on --via auto has a report made instead of asking for pages.
    #[arg(long, env = "BILLING_LAKE_REPORT_ROWS", default_value_t = REPORT_ROWS, value_name = "N")]
    pub report_rows: u64,
    /// Ask without a condition and publish again, also over a file of a newer version.
    #[arg(long, env = "BILLING_LAKE_FORCE", value_parser = BoolishValueParser::new())]
    pub force: bool,
    /// Slices being downloaded at once.
    #[arg(long, env = "BILLING_LAKE_CONCURRENCY", default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Pages that a slice may have: a chain of pages that goes on and on ends there.
    #[arg(long, env = "BILLING_LAKE_MAX_PAGES", default_value_t = MAX_PAGES, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pages: u64,
    /// The exit code of a run that found nothing to publish.
    #[arg(long, env = "BILLING_LAKE_EXIT_CODE_UNCHANGED", default_value_t = 0, value_name = "N")]
    pub exit_code_unchanged: u8,
    #[command(flatten)]
    pub api: ApiArgs,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// Options of `periods`.
#[derive(Debug, Args)]
pub struct PeriodsArgs {
    /// The enrollment number.
    #[arg(long, env = "BILLING_LAKE_ENROLLMENT", value_name = "N")]
    pub enrollment: Option<Enrollment>,
    /// How the list is printed.
    #[arg(long, env = "BILLING_LAKE_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub format: Format,
    #[command(flatten)]
    pub api: ApiArgs,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// Options of `verify`. What leaves files out is said on the command line only, so that no setting that was meant for
/// another command narrows what is looked at.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Datasets, with commas; those of date ranges are named ..._by_date.
    #[arg(long, default_value = "all", value_name = "NAMES", value_parser = all_datasets)]
    pub datasets: Datasets,
    /// Enrollments; may be given several times, or as a list with commas. Default: all.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub enrollment: Vec<Enrollment>,
    /// Billing periods: 2024-01..2024-06,2024-09. Default: all files, also those that are not of one period.
    #[arg(long, value_name = "PERIODS")]
    pub periods: Option<Periods>,
    /// Only so many of these files, drawn by chance: a number, or a percentage such as 10%.
    #[arg(long, value_name = "N|P%")]
    pub sample: Option<SampleSize>,
    /// What the sample is drawn by: the same number draws the same files. Default: another one at each run.
    #[arg(long, value_name = "N", requires = "sample")]
    pub seed: Option<u64>,
    /// Files that are read at the same time.
    #[arg(long, env = "BILLING_LAKE_CONCURRENCY", default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// Options of `rewrite`.
#[derive(Debug, Args)]
pub struct RewriteArgs {
    /// Give the lake another layout, hive or delta, and leave its files as they are. Let no run be at work on the lake
    /// meanwhile; from delta to hive the earlier versions of the tables are lost.
    #[arg(long, value_name = "LAYOUT", conflicts_with_all = ["datasets", "tags_map", "compression", "all"])]
    pub layout: Option<Layout>,
    /// Datasets, with commas; those of date ranges are named ..._by_date.
    #[arg(long, default_value = "all", value_name = "NAMES", value_parser = all_datasets)]
    pub datasets: Datasets,
    /// With a column tags_map, the tags as a map; without this option files lose it.
    #[arg(long, env = "BILLING_LAKE_TAGS_MAP", value_parser = BoolishValueParser::new())]
    pub tags_map: bool,
    /// Compression of the Parquet files: snappy, zstd, zstd:LEVEL (1 to 22) or none. Files in another one are rewritten
    /// too. Default: snappy, for those that are rewritten for another reason.
    #[arg(long, env = "BILLING_LAKE_COMPRESSION", value_name = "CODEC")]
    pub compression: Option<Compression>,
    /// Rewrite all files, whatever they are.
    #[arg(long)]
    pub all: bool,
    /// Memory that the process may hold; fewer files are rewritten at once when it is short.
    #[arg(long, env = "BILLING_LAKE_MEMORY", default_value = "256MiB", value_name = "BYTES", value_parser = memory)]
    pub memory: u64,
    /// Files that are rewritten at the same time.
    #[arg(long, env = "BILLING_LAKE_CONCURRENCY", default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// Options of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Files, folders (their files in the order of their names), or - for standard input.
    #[arg(required = true, value_name = "FILE|DIR|-")]
    pub inputs: Vec<PathBuf>,
    /// The enrollment number that the rows belong to.
    #[arg(long, env = "BILLING_LAKE_ENROLLMENT", value_name = "N")]
    pub enrollment: Enrollment,
    /// The dataset of the rows.
    #[arg(long, default_value = "usage_details", value_name = "NAME")]
    pub dataset: Dataset,
    /// Replace billing periods that are in the lake already.
    #[arg(long, env = "BILLING_LAKE_FORCE", value_parser = BoolishValueParser::new())]
    pub force: bool,
    #[command(flatten)]
    pub write: WriteArgs,
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// Options of `clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// How long Delta tables keep files that their newest version does not need, such as 7d or 12h: earlier versions can be
    /// read so long.
    #[arg(long, env = "BILLING_LAKE_RETENTION", default_value = "7d", value_name = "TIME", value_parser = duration)]
    pub retention: std::time::Duration,
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The folder of the lake; an earlier demo there is replaced.
    #[arg(long, default_value = "./billing-lake-demo", value_name = "DIR")]
    pub dest: PathBuf,
    /// Rows of a billing period, about.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub rows_per_month: u64,
    /// How the results are printed; json: the report of the last sync.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub format: Format,
}

/// The datasets of a run.
#[derive(Debug, Clone)]
pub struct Datasets(pub Vec<Dataset>);

/// Reads `usage_details=v2`.
fn api_version(text: &str) -> Result<(Dataset, ApiVersion), String> {
    let (dataset, version) = text.split_once('=').ok_or("write it as DATASET=VERSION, such as usage_details=v2")?;
    let told = |error: crate::contract::IdentityError| error.to_string();
    Ok((dataset.trim().parse().map_err(told)?, version.trim().parse().map_err(told)?))
}

/// Reads datasets; all are those of billing periods, since ranges of dates are asked for by name.
fn datasets(text: &str) -> Result<Datasets, String> {
    let Datasets(mut datasets) = all_datasets(text)?;
    if text == "all" {
        datasets.retain(|dataset| dataset.window_kind() != WindowKind::Dates);
    }
    Ok(Datasets(datasets))
}

fn all_datasets(text: &str) -> Result<Datasets, String> {
    if text == "all" {
        return Ok(Datasets(Dataset::ALL.to_vec()));
    }
    let read = |name: &str| name.trim().parse().map_err(|error: crate::contract::IdentityError| error.to_string());
    text.split(',').map(read).collect::<Result<_, _>>().map(Datasets)
}

/// Reads a size that a run can be held to.
fn memory(text: &str) -> Result<u64, String> {
    let memory = bytes(text)?;
    if memory >= LEAST_MEMORY {
        return Ok(memory);
    }
    Err(format!("a run needs at least {} MiB: write 256MiB or more for the usual speed", LEAST_MEMORY >> 20))
}

/// Reads 268435456, 256MiB, 2GiB, 500MB.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("write bytes as 256MiB, 2GiB or a plain number".to_owned()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| "write bytes as 256MiB, 2GiB or a plain number")?;
    number.checked_mul(unit).ok_or_else(|| "more bytes than a machine can have".to_owned())
}

/// Reads 90s, 15min, 2h or plain seconds.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "write a time as 90s, 15min, 2h or 7d".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit: u64 = match text[digits..].trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    number.checked_mul(unit).map(std::time::Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn sizes_and_times_are_read() {
        assert_eq!(bytes("256MiB"), Ok(256 << 20));
        assert_eq!(bytes("500 MB"), Ok(500_000_000));
        assert_eq!(bytes("12"), Ok(12));
        assert!(bytes("MiB").is_err() && bytes("99999999999GiB").is_err() && bytes("-1").is_err());
        assert_eq!(duration("15min"), Ok(std::time::Duration::from_secs(900)));
        assert!(duration("soon").is_err());
    }
}
