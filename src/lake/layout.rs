//! The names of everything in a lake, relative to its destination, with `/` between the parts. Pure.

use crate::contract::{Dataset, Enrollment, Slice, Window, WindowKind};

use super::LakeError;

/// The folder of everything that is no data: never inside a dataset's folder, so that no reader's glob finds it.
pub(super) const OWN_FOLDER: &str = "_billing_lake";
/// The lake's description of itself.
pub(super) const LAKE_FILE: &str = "_billing_lake/lake.json";
/// When each slice was last asked for.
pub(super) const LAST_RUN_FILE: &str = "_billing_lake/last_run.json";
/// One report a run.
pub(super) const REPORTS_FOLDER: &str = "_billing_lake/runs";
/// What runs are writing, one folder a run.
pub(super) const STAGING_FOLDER: &str = "_billing_lake/staging";
/// One lock a slice that was ever published.
pub(super) const LOCKS_FOLDER: &str = "_billing_lake/locks";

/// What runs note about slices for those that come after them, one file a slice.
const NOTES_FOLDER: &str = "_billing_lake/notes";

/// The name of a slice's file where it is replaced under its name.
pub(super) const FIXED_NAME: &str = "data.parquet";

const ENROLLMENT_KEY: &str = "enrollment=";
const PERIOD_KEY: &str = "billing_period=";
const DATES_KEY: &str = "date_range=";
/// What stands for the window where a slice is a whole dataset.
const WHOLE: &str = "all";

/// The partition folder of a slice: `usage_details/enrollment=100/billing_period=2024-11`.
pub(super) fn partition(slice: &Slice) -> String {
    let folder = format!("{}/{ENROLLMENT_KEY}{}", slice.dataset, slice.enrollment.in_path());
    match slice.window {
        Window::Whole => folder,
        Window::Period(period) => format!("{folder}/{PERIOD_KEY}{period}"),
        Window::Dates(dates) => format!("{folder}/{DATES_KEY}{dates}"),
    }
}

/// The last part of [`partition`].
pub(super) fn partition_name(slice: &Slice) -> String {
    match slice.window {
        Window::Whole => format!("{ENROLLMENT_KEY}{}", slice.enrollment.in_path()),
        Window::Period(period) => format!("{PERIOD_KEY}{period}"),
        Window::Dates(dates) => format!("{DATES_KEY}{dates}"),
    }
}

/// Reads back the folder of an enrollment (`enrollment=100`).
pub(super) fn enrollment_of(folder: &str) -> Option<Enrollment> {
    let enrollment = Enrollment::from_path(folder.strip_prefix(ENROLLMENT_KEY)?).ok()?;
    // One enrollment has one folder: a second spelling would be a second copy of its data.
    (format!("{ENROLLMENT_KEY}{}", enrollment.in_path()) == folder).then_some(enrollment)
}

/// Reads back the slice of a partition folder, [`partition`]'s way round.
pub(super) fn slice_of<'a>(folder: &'a str) -> Option<Slice> {
    let mut parts = folder.split('/');
    let dataset: Dataset = parts.next()?.parse().ok()?;
    let enrollment = enrollment_of(parts.next()?)?;
    let last = |key: &str, part: Option<&'a str>| part?.strip_prefix(key);
    let window = match dataset.window_kind() {
        WindowKind::Whole => Window::Whole,
        WindowKind::Period => Window::Period(last(PERIOD_KEY, parts.next())?.parse().ok()?),
        WindowKind::Dates => Window::Dates(last(DATES_KEY, parts.next())?.parse().ok()?),
    };
    let slice = Slice { dataset, enrollment, window };
    (parts.next().is_none() && partition(&slice) == folder).then_some(slice)
}

/// What readers take for data: `*.parquet`, but no hidden files.
pub(super) fn is_data(name: &str) -> bool {
    name.ends_with(".parquet") && !name.starts_with('.')
}

/// A slice in one word: `usage_details/100/2024-11`.
pub(super) fn key(slice: &Slice) -> String {
    let window = match slice.window {
        Window::Whole => WHOLE.to_owned(),
        Window::Period(period) => period.to_string(),
        Window::Dates(dates) => dates.to_string(),
    };
    format!("{}/{}/{window}", slice.dataset, slice.enrollment.in_path())
}

/// The rejected rows of a slice in a run.
pub(super) fn rejected(slice: &Slice, run: &str) -> String {
    format!("{OWN_FOLDER}/rejected/{}/{run}.ndjson", key(slice))
}

/// The report of a run.
pub(super) fn report(run: &str) -> String {
    format!("{REPORTS_FOLDER}/{run}.json")
}

/// The lock that is held while a slice is published.
pub(super) fn lock(slice: &Slice) -> String {
    format!("{LOCKS_FOLDER}/{}.lock", key(slice).replace('/', "."))
}

/// What is noted about a slice.
pub(super) fn note(slice: &Slice) -> String {
    format!("{NOTES_FOLDER}/{}.json", key(slice).replace('/', "."))
}

/// A run's name becomes the name of folders and files.
pub(super) fn check_run_id(run: &str) -> Result<(), LakeError> {
    let fits = (1..=64).contains(&run.len())
        && run.starts_with(|first: char| first.is_ascii_alphanumeric())
        && run.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits { Ok(()) } else { Err(LakeError::RunId { run: run.chars().take(64).collect() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(dataset: Dataset, enrollment: &str, window: &str) -> Slice {
        let window = match dataset.window_kind() {
            WindowKind::Whole => Window::Whole,
            WindowKind::Period => Window::Period(window.parse().unwrap()),
            WindowKind::Dates => Window::Dates(window.parse().unwrap()),
        };
        Slice { dataset, enrollment: enrollment.parse().unwrap(), window }
    }

    #[test]
    fn slices_and_folders_are_the_same_both_ways() {
        for (slice, folder) in [
            (
                slice(Dataset::UsageDetails, "0012345", "2024-11"),
                "usage_details/enrollment=0012345/billing_period=2024-11",
            ),
            (
                slice(Dataset::UsageDetails, "a1:b2_2019-05-31", "202411"),
                "usage_details/enrollment=a1%3Ab2_2019-05-31/billing_period=2024-11",
            ),
            (slice(Dataset::BillingPeriods, "100", ""), "billing_periods/enrollment=100"),
            (
                slice(Dataset::MarketplaceChargesByDate, "100", "2024-11-01_2024-11-07"),
                "marketplace_charges_by_date/enrollment=100/date_range=2024-11-01_2024-11-07",
            ),
        ] {
            assert_eq!(partition(&slice), folder);
            assert_eq!(slice_of(folder), Some(slice.clone()));
            assert!(folder.ends_with(&partition_name(&slice)));
        }
    }

    #[test]
    fn folders_of_others_are_no_slices() {
        for folder in [
            "usage_details",
            "usage_details/enrollment=100",
            "usage_details/enrollment=100/billing_period=202411",
            "usage_details/enrollment=100/billing_period=2024-13",
            "usage_details/enrollment=a:b/billing_period=2024-11",
            "usage_details/enrollment=100/billing_period=2024-11/more",
            "billing_periods/enrollment=100/billing_period=2024-11",
            "usage_details_by_date/enrollment=100/billing_period=2024-11",
            "usage_details_by_date/enrollment=100/date_range=2024-11-07_2024-11-01",
            "usage_details/enrollment=100/date_range=2024-11-01_2024-11-07",
            "_billing_lake/staging",
            "",
        ] {
            assert_eq!(slice_of(folder), None, "{folder}");
        }
    }

    #[test]
    fn run_ids_cannot_leave_their_folder() {
        assert!(check_run_id("20241103T101112Z-3f2a").is_ok());
        for run in ["", ".", "..", "../x", "a/b", ".hidden", "a b", &"x".repeat(65)] {
            assert!(check_run_id(run).is_err(), "{run}");
        }
    }
}
