//! The way on which a slice's rows come, and the form in which they do.

use super::Via;
use crate::contract::{ApiVersion, Dataset};
use crate::decode::Form;
use crate::source;

/// How a slice is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// As JSON, page by page.
    Pages,
    /// As one CSV.
    Csv,
    /// As a report that is submitted.
    Report,
}

impl Route {
    /// The route of a slice of which so many rows are in place.
    pub(super) fn choose(
        via: Via,
        dataset: Dataset,
        version: ApiVersion,
        rows_in_place: Option<u64>,
        report_rows: u64,
    ) -> Self {
        match via {
            _ if dataset.of_periods() != Dataset::UsageDetails => Route::Pages,
            Via::Json => Route::Pages,
            Via::Csv => Route::Csv,
            Via::AsyncCsv => Route::Report,
            Via::Auto
                if Route::may_change(via, dataset, version)
                    && rows_in_place.is_some_and(|rows| rows >= report_rows) =>
            {
                Route::Report
            }
            Via::Auto => Route::Pages,
        }
    }

    /// Whether a report may take the place of pages that tear, and pages that of a report which is not made.
    pub(super) fn may_change(via: Via, dataset: Dataset, version: ApiVersion) -> bool {
        via == Via::Auto && dataset.of_periods() == Dataset::UsageDetails && version > ApiVersion::V1
    }

    /// What is asked for first; of a report the pages, whose ETag tells whether there is anything new.
    pub(super) fn way(self) -> source::Way {
        match self {
            Route::Pages | Route::Report => source::Way::Json,
            Route::Csv => source::Way::Csv,
        }
    }

    /// The form of the rows.
    pub(super) fn form(self, dataset: Dataset) -> Form {
        match (self, dataset.of_periods()) {
            (Route::Csv | Route::Report, _) => Form::Csv,
            (Route::Pages, Dataset::BalanceSummary) => Form::One,
            (Route::Pages, Dataset::MarketplaceCharges | Dataset::PriceSheet) => Form::List,
            (Route::Pages, _) => Form::Page,
        }
    }

    /// As in reports.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Route::Pages => "json",
            Route::Csv => "csv",
            Route::Report => "async-csv",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_are_renewed_by_reports_where_nothing_else_is_said() {
        let choose = |via, rows| Route::choose(via, Dataset::UsageDetailsByDate, ApiVersion::V3, rows, 1_000);
        assert_eq!(choose(Via::Auto, None), Route::Pages);
        assert_eq!(choose(Via::Auto, Some(999)), Route::Pages);
        assert_eq!(choose(Via::Auto, Some(1_000)), Route::Report);
        assert_eq!(choose(Via::Json, Some(1_000)), Route::Pages);
        assert_eq!(choose(Via::Csv, None), Route::Csv);
        assert_eq!(choose(Via::AsyncCsv, None), Route::Report);
        assert_eq!(Route::choose(Via::AsyncCsv, Dataset::PriceSheet, ApiVersion::V3, Some(5_000), 1_000), Route::Pages);
        // Version 1 has no reports.
        assert_eq!(Route::choose(Via::Auto, Dataset::UsageDetails, ApiVersion::V1, Some(5_000), 1_000), Route::Pages);
    }
}
