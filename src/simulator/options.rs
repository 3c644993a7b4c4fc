//! What the simulator can be asked to be.

use std::time::Duration;

use super::faults::Faults;
use super::month::Month;
use super::reports::ReportStatus;
use super::tls::Tls;
use super::values::Style;
use super::words::{
    BalanceForm, CsvForm, CsvLanguage, DataKind, Dataset, EtagForm, FlagForm, LastLink, MarketplaceForm, NoData,
    NumberForm, PageEtags, UsageV1,
};

/// What the simulator serves and how. The same options give the same bytes on every machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of all data.
    pub seed: u64,
    /// Enrollment numbers; each has data of its own.
    pub enrollments: Vec<String>,
    /// The oldest billing period.
    pub from: Month,
    /// How many billing periods are listed, at least 1.
    pub months: u32,
    /// Usage rows of a billing period in its first version. 0: listed with a null link, without data.
    pub rows_per_month: u64,
    /// Rows of a page, at least 1; the real service sends 1,000.
    pub page_rows: usize,
    /// The API key that `Authorization: bearer …` must carry.
    pub key: String,
    /// Enrollments that have a key of their own in place of that one.
    pub keys: Vec<(String, String)>,
    /// Enrollments without a key of their own have one as the service makes them (see [`jwt_key`](super::jwt_key)).
    pub jwt_keys: bool,
    /// Enrollments whose keys have another view than `Enterprise`, such as `AccountOwner`, and may read usage only.
    pub views: Vec<(String, String)>,
    /// Enrollments whose keys have expired.
    pub expired: Vec<String>,
    /// How the `ETag` header looks.
    pub etag_form: EtagForm,
    /// The `ETag` of pages 2 and later.
    pub page_etags: PageEtags,
    /// How the rows of a month resemble each other.
    pub data: DataKind,
    /// Whether to answer with gzip when the client asks for it.
    pub gzip: bool,
    /// TCP port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Time added to each answer of the API.
    pub latency: Duration,
    /// One billing period that every enrollment lists with a null usage link and has no data for.
    pub empty: Option<Month>,
    /// Periods that every enrollment lists with a null link for a dataset, and has none of its data for.
    pub null_links: Vec<(Dataset, Month)>,
    /// What goes wrong.
    pub faults: Faults,
    /// Speaks TLS with this certificate instead of plain HTTP.
    pub tls: Option<Tls>,
    /// What links begin with, without a slash at the end, such as `https://consumption.azure.com`. None: with the
    /// `Host` that a request names.
    pub public_base: Option<String>,
    /// What stands in `nextLink` on the last page.
    pub last_link: LastLink,
    /// Whether pages 2 and later answer 304 to their own ETag and to that of page 1; page 1 always does.
    pub page_conditions: bool,
    /// What is answered for a period that is listed without data, and for a range that holds none.
    pub no_data: NoData,
    /// What is answered for a period that is not listed.
    pub unlisted: NoData,
    /// Marketplace charges of a billing period in its first version; 0: none.
    pub marketplace_rows: u64,
    /// Items of a price sheet in its first version; 0: none.
    pub price_sheet_items: u64,
    /// What marketplace charges stand in.
    pub marketplace_form: MarketplaceForm,
    /// What a balance stands in.
    pub balance_form: BalanceForm,
    /// The statuses of an ordered CSV file, the first for the order itself; the last one stays.
    pub report_statuses: Vec<ReportStatus>,
    /// Orders, and questions for files that are not ready, are answered 202.
    pub report_accepted: bool,
    /// How long the address of an ordered file is good, counted from the order.
    pub blob_lifetime: Duration,
    /// TCP port of ordered files on 127.0.0.1; 0 takes a free one.
    pub blob_port: u16,
    /// What addresses of ordered files begin with. None: scheme and host of `public_base` with the port of ordered files.
    pub public_blob_base: Option<String>,
    /// The form of version 1 of usage details.
    pub usage_v1: UsageV1,
    /// JSON writes ids in quotes.
    pub ids_as_text: bool,
    /// How JSON writes flags.
    pub flags: FlagForm,
    /// How JSON writes amounts.
    pub numbers: NumberForm,
    /// Rows have fields that no documentation knows.
    pub extra_fields: bool,
    /// Tags of some resources have line breaks.
    pub line_breaks: bool,
    /// What lines of CSV files look like.
    pub csv_form: CsvForm,
    /// The language of CSV captions.
    pub csv_language: CsvLanguage,
    /// CSV files begin with a byte order mark.
    pub csv_bom: bool,
    /// The last line of a CSV file has an end.
    pub csv_last_line_end: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            enrollments: vec!["100".to_owned()],
            from: Month { year: 2024, month: 1 },
            months: 3,
            rows_per_month: 10_000,
            page_rows: 1000,
            key: "simulated-key".to_owned(),
            keys: Vec::new(),
            jwt_keys: false,
            views: Vec::new(),
            expired: Vec::new(),
            etag_form: EtagForm::Strong,
            page_etags: PageEtags::Absent,
            data: DataKind::Repeating,
            gzip: true,
            port: 0,
            latency: Duration::ZERO,
            empty: None,
            null_links: Vec::new(),
            faults: Faults::default(),
            tls: None,
            public_base: None,
            last_link: LastLink::Null,
            page_conditions: false,
            no_data: NoData::NotFound,
            unlisted: NoData::BadRequest,
            marketplace_rows: 50,
            price_sheet_items: 300,
            marketplace_form: MarketplaceForm::Array,
            balance_form: BalanceForm::ByVersion,
            report_statuses: [1, 2, 3].map(|code| ReportStatus { code, has_path: true }).to_vec(),
            report_accepted: false,
            blob_lifetime: Duration::from_secs(3600),
            blob_port: 0,
            public_blob_base: None,
            usage_v1: UsageV1::Usual,
            ids_as_text: false,
            flags: FlagForm::Documented,
            numbers: NumberForm::Plain,
            extra_fields: false,
            line_breaks: false,
            csv_form: CsvForm::Current,
            csv_language: CsvLanguage::English,
            csv_bom: false,
            csv_last_line_end: true,
        }
    }
}

impl Options {
    /// Rows of a billing period in its first version.
    pub(super) fn rows_of(&self, month: Month) -> u64 {
        if Dataset::UsageDetails.has_data(self, month) { self.rows_per_month } else { 0 }
    }

    /// The listed periods, newest first.
    pub(super) fn listed(&self) -> impl Iterator<Item = Month> + '_ {
        (0..self.months).rev().map(|count| self.from.plus(count))
    }

    /// How JSON shows what no public page pins down.
    pub(super) fn style(&self) -> Style {
        Style { ids_as_text: self.ids_as_text, flags: self.flags, numbers: self.numbers }
    }
}
