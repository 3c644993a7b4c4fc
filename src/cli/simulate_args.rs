//! The words of `simulate`: what the simulator is asked to be.

use std::path::PathBuf;

use clap::Args;

use crate::contract::Enrollment;
use crate::simulator::{
    BalanceForm, CsvForm, CsvLanguage, DataKind, Dataset as SimulatedDataset, EtagForm, FlagForm, LastLink,
    MarketplaceForm, Month, NoData, NumberForm, PageEtags, ReportStatus, UsageV1,
};

pub const FAULTS: &str = r#"Faults, such as the first request of page 3 of each period answered 503, and one in ten answers cut:
  [{"when": {"page": 3, "attempt": 1}, "then": {"status": 503, "headers": {"Retry-After": "1"}}},
   {"when": {"share": 0.1}, "then": {"close_at": -100}}]
The whole format is in docs/simulator.md; examples/faults/ holds files to begin with."#;

/// Options of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// What the data is made from: the same seed gives the same data.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Enrollments, with commas.
    #[arg(long, default_value = "100", value_delimiter = ',', value_name = "N")]
    pub enrollments: Vec<Enrollment>,
    /// The first billing period.
    #[arg(long, default_value = "2024-01", value_name = "YYYY-MM")]
    pub from: Month,
    /// So many billing periods.
    #[arg(long, default_value_t = 12)]
    pub months: u32,
    /// Rows of a billing period, about.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub rows_per_month: u64,
    /// Rows of a page.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub page_rows: usize,
    /// Marketplace charges of a billing period.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub marketplace_rows: u64,
    /// Items of a price sheet.
    #[arg(long, default_value_t = 300, value_name = "N")]
    pub price_sheet_items: u64,
    /// A billing period that is listed without a dataset, such as price_sheet=2024-02. May be repeated.
    #[arg(long, value_name = "DATASET=YYYY-MM", value_parser = null_link)]
    pub null_link: Vec<(SimulatedDataset, Month)>,
    /// The API key that is taken, or that of one enrollment: 100=KEY. May be repeated.
    #[arg(long, default_value = "simulated-key", value_name = "[N=]KEY")]
    pub key: Vec<String>,
    /// Make a key for each enrollment as the service does: a JSON web token with its claims.
    #[arg(long)]
    pub jwt_keys: bool,
    /// The view of an enrollment's key, such as 100=AccountOwner: it reads usage only. May be repeated.
    #[arg(long, value_name = "N=VIEW", value_parser = of_enrollment)]
    pub view: Vec<(String, String)>,
    /// Enrollments whose keys have expired, with commas.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub expired: Vec<Enrollment>,
    /// Form of ETags: strong, weak, bare or none.
    #[arg(long, default_value = "strong", value_name = "FORM")]
    pub etag: EtagForm,
    /// ETags of the pages after the first: absent, same or per-page.
    #[arg(long, default_value = "absent", value_name = "WHICH")]
    pub page_etags: PageEtags,
    /// Pages after the first answer 304, too, to their own ETag or that of the first.
    #[arg(long)]
    pub page_conditions: bool,
    /// nextLink of the last page: null, empty or absent.
    #[arg(long, default_value = "null", value_name = "WHAT")]
    pub last_link: LastLink,
    /// Answer for a billing period without data: empty, csv, 400 or 404.
    #[arg(long, default_value = "404", value_name = "WHAT")]
    pub no_data: NoData,
    /// Answer for a billing period that is not listed: empty, csv, 400 or 404.
    #[arg(long, default_value = "400", value_name = "WHAT")]
    pub unlisted: NoData,
    /// Form of version 1 of usage details: usual, preview or later.
    #[arg(long, default_value = "usual", value_name = "FORM")]
    pub usage_v1: UsageV1,
    /// Marketplace charges stand in an array, or in an object with pages.
    #[arg(long, default_value = "array", value_name = "FORM")]
    pub marketplace_form: MarketplaceForm,
    /// A balance is an object, an array of one, or by-version: an array in version 3 only.
    #[arg(long, default_value = "by-version", value_name = "FORM")]
    pub balance_form: BalanceForm,
    /// JSON has ids in quotes.
    #[arg(long)]
    pub ids_as_text: bool,
    /// Flags in JSON: documented (bare in usage details, text in marketplace charges), bare or text.
    #[arg(long, default_value = "documented", value_name = "FORM")]
    pub flags: FlagForm,
    /// Amounts in JSON: plain, padded (15 decimals; usage details stay plain) or text.
    #[arg(long, default_value = "plain", value_name = "FORM")]
    pub numbers: NumberForm,
    /// Rows have fields that no documentation knows.
    #[arg(long)]
    pub extra_fields: bool,
    /// Tags of some resources have line breaks.
    #[arg(long)]
    pub line_breaks: bool,
    /// CSV: current, bare (captions at once) or old (the report that was before).
    #[arg(long, default_value = "current", value_name = "FORM")]
    pub csv_form: CsvForm,
    /// Language of CSV captions: english, french or german.
    #[arg(long, default_value = "english", value_name = "LANGUAGE")]
    pub csv_language: CsvLanguage,
    /// CSV begins with a byte order mark.
    #[arg(long)]
    pub csv_bom: bool,
    /// The last line of CSV has no end.
    #[arg(long)]
    pub csv_no_last_line_end: bool,
    /// What an ordered report goes through, one answer each; 6- is 6 without a path.
    #[arg(long, default_value = "1,2,3", value_delimiter = ',', value_name = "STATUS")]
    pub report_statuses: Vec<ReportStatus>,
    /// Reports that are not done are answered 202 in the place of 200.
    #[arg(long)]
    pub report_accepted: bool,
    /// Seconds that the address of a report is good, from the order on.
    #[arg(long, default_value_t = 3_600, value_name = "S")]
    pub blob_lifetime: u64,
    /// The port of reports on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pub blob_port: u16,
    /// What addresses of reports begin with. Default: as --public-base, with the port of reports.
    #[arg(long, value_name = "URL", value_parser = public_base)]
    pub public_blob_base: Option<String>,
    /// Kind of data: repeating, shuffled or unique.
    #[arg(long, default_value = "repeating", value_name = "KIND")]
    pub data: DataKind,
    /// Never answer with gzip.
    #[arg(long)]
    pub no_gzip: bool,
    /// Milliseconds that each answer waits.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub latency: u64,
    /// JSON file of rules that say which answers go wrong, and how.
    #[arg(long, value_name = "FILE", conflicts_with = "write_pages")]
    pub faults: Option<PathBuf>,
    /// Speak TLS with this certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// What nextLinks begin with. Default: the host that each request names.
    #[arg(long, value_name = "URL", value_parser = public_base)]
    pub public_base: Option<String>,
    /// Write the pages of all billing periods into this folder, and end.
    #[arg(long, value_name = "DIR")]
    pub write_pages: Option<PathBuf>,
}

/// Reads a dataset and a billing period.
fn null_link(text: &str) -> Result<(SimulatedDataset, Month), String> {
    let (dataset, month) = text.split_once('=').ok_or("write a dataset and a month as price_sheet=2024-02")?;
    let told = |error: crate::simulator::Error| error.to_string();
    Ok((dataset.parse().map_err(told)?, month.parse().map_err(told)?))
}

/// Reads what belongs to an enrollment.
fn of_enrollment(text: &str) -> Result<(String, String), String> {
    let (enrollment, what) = text.split_once('=').ok_or("write the enrollment before it, as 100=AccountOwner")?;
    Ok((enrollment.to_owned(), what.to_owned()))
}

/// Reads the beginning of links.
fn public_base(text: &str) -> Result<String, String> {
    let is_url = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"\\".contains(&byte));
    if is_url && is_plain {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err("write a URL without query as https://host or http://host:port".to_owned())
}
