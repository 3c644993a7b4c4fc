//! Every dataset, in every version of the API, on every way and in every form that the service may choose: the same rows,
//! with the sums that the simulator counts.

use billing_lake::contract::{Contract, Dataset};
use billing_lake::simulator::{
    self, BalanceForm, CsvForm, CsvLanguage, EtagForm, FlagForm, LastLink, MarketplaceForm, NoData, NumberForm,
    Options, PageEtags, UsageV1,
};
use serde_json::Value;

use super::program::{Ended, Program};
use super::published::{Place, Table, units};
use super::simulated_api::Api;

const PERIODS: [(&str, &str); 2] = [("2024-02", "202402"), ("2024-01", "202401")];

/// Two billing periods with everything, of three pages of usage each.
fn small() -> Options {
    Options { months: 2, rows_per_month: 250, page_rows: 100, line_breaks: true, ..Options::default() }
}

/// `sync` of all datasets.
fn sync(api: &Api, place: &Place) -> Program {
    Program::sync(&api.endpoint(), &place.dest()).with(["--datasets", "all", "--recheck", "all"])
}

fn table(place: &Place, dataset: &str, period: &str) -> Table {
    place.table(&format!("{dataset}/enrollment=100/billing_period={period}/"))
}

/// `dataset period outcome` of each slice.
fn slices(ended: &Ended) -> Vec<String> {
    let report = ended.report();
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |slice: &Value| {
        let window = if slice["date_range"].is_null() { &slice["billing_period"] } else { &slice["date_range"] };
        format!("{} {} {}", word(&slice["dataset"]), word(window), word(&slice["outcome"]))
    };
    report["slices"].as_array().unwrap().iter().map(line).collect()
}

/// All files hold the rows and sums that are served; marketplace charges of versions 1 and 2 those for usage only.
#[track_caller]
fn is_the_truth(api: &Api, place: &Place, only_usage_based: bool) {
    let truth = api.whole_truth();
    for (period, id) in PERIODS {
        for dataset in ["usage_details", "marketplace_charges", "price_sheet"] {
            let served = match dataset {
                "usage_details" => &truth["enrollments"]["100"][id],
                "marketplace_charges" if only_usage_based => &truth["datasets"][dataset]["100"][id]["usage_based"],
                _ => &truth["datasets"][dataset]["100"][id],
            };
            let file = table(place, dataset, period);
            assert_eq!(file.rows() as u64, served["rows"].as_u64().unwrap(), "{dataset} {period}");
            let sums = served["sums"].as_object().unwrap();
            assert!(sums.len() > 1, "{sums:?}");
            for (column, sum) in sums {
                assert_eq!(file.sum(column), units(sum.as_str().unwrap()), "{dataset} {period} {column}");
            }
        }
        let file = table(place, "balance_summary", period);
        assert_eq!((file.rows(), file.texts("billing_period_id")), (1, vec![id.to_owned()]));
        let (total, used) = (file.sum("total_usage"), file.sum("utilized"));
        assert_eq!(total, used + file.sum("total_overage"));
        assert!(total != 0 && !file.texts("adjustment_details").is_empty());
    }
    assert_eq!(place.table("billing_periods/enrollment=100/").rows(), 2);
}

#[test]
fn everything_is_fetched_newest_first_and_then_found_unchanged() {
    let (api, place) = (Api::start(small()), Place::new());
    let ended = sync(&api, &place).ends_with(0);
    let expected: Vec<_> = ["billing_periods -".to_owned()]
        .into_iter()
        .chain(PERIODS.iter().flat_map(|(period, _)| {
            ["price_sheet", "balance_summary", "marketplace_charges", "usage_details"]
                .map(|name| format!("{name} {period}"))
        }))
        .map(|slice| slice + " published")
        .collect();
    assert_eq!(slices(&ended), expected);
    is_the_truth(&api, &place, true);

    let before = (place.data(), api.counters().pages_served);
    let ended = sync(&api, &place).ends_with(0);
    assert_eq!(ended.report()["outcome"], "unchanged");
    assert_eq!(
        slices(&ended),
        expected.iter().map(|slice| slice.replace("published", "unchanged")).collect::<Vec<_>>()
    );
    assert!(place.data() == before.0);
    assert_eq!(api.counters().pages_served, before.1);
}

#[test]
fn every_version_fills_the_same_columns() {
    for version in ["v1", "v2", "v3"] {
        for usage_v1 in [UsageV1::Usual, UsageV1::Preview, UsageV1::Later] {
            if version != "v1" && usage_v1 != UsageV1::Usual {
                continue;
            }
            let (api, place) = (Api::start(Options { usage_v1, ..small() }), Place::new());
            let names = ["billing_periods", "price_sheet", "balance_summary", "marketplace_charges", "usage_details"];
            let versions = names.map(|name| format!("{name}={version}")).join(",");
            let ended = sync(&api, &place).with(["--api-version", &versions]).ends_with(0);
            assert!(ended.report()["slices"].as_array().unwrap().iter().all(|slice| slice["api_version"] == version));
            is_the_truth(&api, &place, version != "v3");
            let usage = table(&place, "usage_details", "2024-01");
            assert_eq!(usage.footer("contract").as_deref(), Some(Contract::of(Dataset::UsageDetails).fingerprint()));
            assert_eq!(usage.distinct("offer_id") == ["null"], version != "v3");
            assert_eq!(usage.distinct("extra"), ["null"], "{usage_v1}");
            let prices = table(&place, "price_sheet", "2024-01");
            assert_eq!(prices.distinct("meter_id") == ["null"], version == "v1");
            assert_eq!(prices.distinct("offer_id") == ["null"], version != "v3");
            let charges = table(&place, "marketplace_charges", "2024-01");
            assert_eq!(charges.distinct("is_recurring_charge") == ["null"], version != "v3");
        }
    }
}

#[test]
fn the_same_period_on_any_way_gives_the_same_rows() {
    let large = || Options { rows_per_month: 2_500, page_rows: 1_000, ..small() };
    let json = {
        let (api, place) = (Api::start(large()), Place::new());
        Program::sync(&api.endpoint(), &place.dest()).with(["--last", "1", "--via", "json"]).ends_with(0);
        place
    };
    for (csv_form, csv_language, csv_bom, csv_last_line_end) in [
        (CsvForm::Current, CsvLanguage::English, false, true),
        (CsvForm::Current, CsvLanguage::French, true, false),
        (CsvForm::Bare, CsvLanguage::German, true, true),
        (CsvForm::Old, CsvLanguage::English, false, true),
    ] {
        for via in ["csv", "async-csv"] {
            let options = Options { csv_form, csv_language, csv_bom, csv_last_line_end, ..large() };
            let (api, place) = (Api::start(options), Place::new());
            let sync = || {
                Program::sync(&api.endpoint(), &place.dest()).with(["--last", "1", "--via", via, "--recheck", "all"])
            };
            let ended = sync().ends_with(0);
            assert_eq!(ended.slice()["via"], via);
            let (one, other) = (json.period("2024-02"), place.period("2024-02"));
            for column in Contract::of(Dataset::UsageDetails).columns() {
                let name = column.column.as_str();
                let texts = |table: &Table| -> Vec<String> {
                    table
                        .texts(name)
                        .into_iter()
                        .map(|text| if text == "null" { String::new() } else { text })
                        .collect()
                };
                if csv_form == CsvForm::Old && !OLD_COLUMNS.contains(&name) {
                    assert_eq!(other.distinct(name), ["null"], "{name}");
                } else {
                    assert_eq!(texts(&one), texts(&other), "{name} as {csv_form} in {csv_language} by {via}");
                }
            }
            assert!(other.texts("tags").iter().any(|tags| tags.contains('\n')));
            assert_eq!(one.footer("control_totals"), other.footer("control_totals"));
            assert_eq!(sync().ends_with(0).slice()["outcome"], "unchanged");
            assert_eq!(api.counters().keys_sent_to_blobs, 0);
        }
    }
}

/// Columns that the older CSV report has.
const OLD_COLUMNS: [&str; 28] = [
    "account_owner_email",
    "account_name",
    "service_administrator_id",
    "subscription_id",
    "subscription_guid",
    "subscription_name",
    "date",
    "product",
    "meter_id",
    "meter_category",
    "meter_sub_category",
    "meter_region",
    "meter_name",
    "consumed_quantity",
    "resource_rate",
    "cost",
    "resource_location",
    "consumed_service",
    "instance_id",
    "service_info1",
    "service_info2",
    "additional_info",
    "tags",
    "store_service_identifier",
    "department_name",
    "cost_center",
    "unit_of_measure",
    "resource_group",
];

#[test]
fn what_no_page_specifies_is_survived() {
    let forms: Vec<(&str, Options)> = vec![
        ("weak ETags", Options { etag_form: EtagForm::Weak, ..small() }),
        ("bare ETags", Options { etag_form: EtagForm::Bare, ..small() }),
        ("no ETags", Options { etag_form: EtagForm::None, ..small() }),
        ("ETags of pages as of the first", Options { page_etags: PageEtags::Same, page_conditions: true, ..small() }),
        ("ETags of each page", Options { page_etags: PageEtags::PerPage, page_conditions: true, ..small() }),
        ("an empty last link", Options { last_link: LastLink::Empty, ..small() }),
        ("no last link", Options { last_link: LastLink::Absent, ..small() }),
        ("marketplace charges as an object", Options { marketplace_form: MarketplaceForm::Object, ..small() }),
        ("balances as objects", Options { balance_form: BalanceForm::Object, ..small() }),
        ("balances as arrays", Options { balance_form: BalanceForm::Array, ..small() }),
        ("ids as text", Options { ids_as_text: true, ..small() }),
        ("bare flags", Options { flags: FlagForm::Bare, ..small() }),
        ("flags as text", Options { flags: FlagForm::Text, ..small() }),
        ("padded numbers", Options { numbers: NumberForm::Padded, ..small() }),
        ("numbers as text", Options { numbers: NumberForm::Text, ..small() }),
        ("fields that nobody knows", Options { extra_fields: true, ..small() }),
        ("no gzip", Options { gzip: false, ..small() }),
    ];
    for (what, options) in forms {
        for version in ["v2", "v3"] {
            let (api, place) = (Api::start(options.clone()), Place::new());
            let versions = format!("marketplace_charges={version},balance_summary={version},price_sheet={version}");
            let run = || sync(&api, &place).with(["--api-version", &versions]);
            let ended = run().run();
            assert_eq!(ended.code, 0, "{what}: {}", ended.err);
            is_the_truth(&api, &place, version != "v3");
            let again = run().ends_with(0).report();
            // Without an ETag nobody can ask whether pages changed; what is one answer is compared.
            let published = again["totals"]["slices"]["published"].as_u64();
            let expected = if options.etag_form == EtagForm::None { Some(2) } else { None };
            assert_eq!(published, expected, "{what}: {again}");
        }
    }
}

#[test]
fn a_period_without_data_is_told_by_its_link_whatever_the_service_answers_for_it() {
    for no_data in [NoData::Empty, NoData::Csv, NoData::BadRequest, NoData::NotFound] {
        let month = "2024-01".parse().unwrap();
        let null_links = vec![(simulator::Dataset::PriceSheet, month), (simulator::Dataset::UsageDetails, month)];
        let (api, place) = (Api::start(Options { no_data, null_links, ..small() }), Place::new());
        let told = slices(&sync(&api, &place).ends_with(0));
        assert!(told.contains(&"price_sheet 2024-01 no_data".to_owned()), "{told:?}");
        assert!(told.contains(&"usage_details 2024-01 no_data".to_owned()), "{told:?}");
        assert!(told.contains(&"marketplace_charges 2024-01 published".to_owned()), "{told:?}");
    }
}

#[test]
fn a_range_of_dates_is_a_dataset_of_its_own() {
    let (api, place) = (Api::start(small()), Place::new());
    let range = |via| sync(&api, &place).with(["--from", "2024-01-20", "--to", "2024-02-10", "--via", via]);
    let ended = range("json").ends_with(0);
    let names = ["marketplace_charges_by_date", "usage_details_by_date"];
    assert_eq!(slices(&ended), names.map(|name| format!("{name} 2024-01-20_2024-02-10 published")));
    let folder = |name: &str| format!("{name}/enrollment=100/date_range=2024-01-20_2024-02-10/");
    let usage = place.table(&folder(names[1]));
    assert!(usage.rows() > 50);
    for (date, month) in usage.texts("date").iter().zip(usage.texts("billing_month")) {
        assert!(("2024-01-20"..="2024-02-10").contains(&date.as_str()), "{date}");
        assert_eq!(month, format!("{}-01", &date[..7]));
    }
    let charges = place.table(&folder(names[0]));
    assert!(charges.rows() > 0);
    for (start, month) in charges.texts("usage_start_date").iter().zip(charges.texts("billing_month")) {
        assert_eq!(month, format!("{}-01", &start[..7]));
    }
    assert_eq!(range("json").ends_with(0).report()["outcome"], "unchanged");

    // Its rows are those of the periods that lie in it.
    sync(&api, &place).ends_with(0);
    let rows = |table: &Table| table.texts("date").into_iter().zip(table.texts("instance_id")).collect::<Vec<_>>();
    let lies_in = |date: &String| ("2024-01-20"..="2024-02-10").contains(&date.as_str());
    let mut of_periods: Vec<_> = PERIODS.iter().flat_map(|(period, _)| rows(&place.period(period))).collect();
    of_periods.retain(|(date, _)| lies_in(date));
    let mut of_range = rows(&usage);
    of_range.sort();
    of_periods.sort();
    assert_eq!(of_range, of_periods);

    // As a report, and into the same files: the pages' ETag is theirs.
    assert_eq!(range("async-csv").ends_with(0).report()["outcome"], "unchanged");
    let (csv, place) = (Api::start(small()), Place::new());
    sync(&csv, &place).with(["--from", "2024-02-01", "--to", "2024-02-29", "--via", "csv"]).ends_with(0);
    let month = place.table("usage_details_by_date/enrollment=100/date_range=2024-02-01_2024-02-29/");
    assert_eq!(month.sum("cost"), units(csv.truth("100", "202402")["sums"]["cost"].as_str().unwrap()));
}

#[test]
fn ranges_that_cannot_be_are_refused_before_anything_is_asked() {
    let (api, place) = (Api::start(small()), Place::new());
    for (arguments, words) in [
        (vec!["--from", "2024-02-10", "--to", "2024-01-20"], "ends before it begins"),
        (vec!["--from", "2021-01-01", "--to", "2024-01-01"], "longer than 36 months"),
        (vec!["--from", "2014-04-30", "--to", "2014-05-02"], "2014-05-01"),
        (vec!["--from", "2024-02-30", "--to", "2024-03-01"], "is no day"),
        (vec!["--from", "2024-02-01"], "--to"),
        (vec!["--from", "2024-02-01", "--to", "2024-03-01", "--last", "1"], "cannot be used with"),
        (vec!["--from", "2024-02-01", "--to", "2024-03-15", "--via", "csv"], "may have one month"),
        (vec!["--from", "2024-02-01", "--to", "2024-02-02", "--datasets", "price_sheet"], "served by date"),
        (vec!["--datasets", "usage_details_by_date"], "takes a range of dates"),
        (vec!["--via", "csv", "--api-version", "usage_details=v1"], "version 1 of usage details"),
        (vec!["--api-version", "usage_details=v4"], "no version of the API"),
    ] {
        let ended = Program::sync(&api.endpoint(), &place.dest()).with(arguments.clone()).run();
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
        ended.says(&[words]);
    }
    assert_eq!(api.counters().requests, 0);
}

#[test]
fn a_key_of_a_narrow_view_reads_usage_and_fails_the_rest() {
    let views = vec![("100".to_owned(), "DepartmentAdmin".to_owned())];
    let (api, place) = (Api::start(Options { views, ..small() }), Place::new());
    let ended = sync(&api, &place).ends_with(3);
    ended.says(&["Report type and report view are not compatible", "leave it out with --datasets"]);
    let told = slices(&ended);
    assert_eq!(told.iter().filter(|slice| slice.ends_with("failed")).count(), 6, "{told:?}");
    for (period, id) in PERIODS {
        let cost = table(&place, "usage_details", period).sum("cost");
        assert_eq!(cost, units(api.truth("100", id)["sums"]["cost"].as_str().unwrap()));
    }
    assert_eq!(ended.report()["outcome"], "partial");
}

#[test]
fn version_1_has_no_reports_however_large_its_file_is() {
    let (api, place) = (Api::start(small()), Place::new());
    let sync = || {
        Program::sync(&api.endpoint(), &place.dest()).with(["--last", "1", "--recheck", "all", "--report-rows", "10"])
    };
    sync().ends_with(0);
    let ended = sync().with(["--api-version", "usage_details=v1"]).ends_with(0);
    assert_eq!((&ended.slice()["via"], &ended.slice()["outcome"]), (&"json".into(), &"published".into()));
    is_usage(&api, &place);
}

/// The newest period's usage is what is served.
#[track_caller]
fn is_usage(api: &Api, place: &Place) {
    let cost = units(api.truth("100", "202402")["sums"]["cost"].as_str().unwrap());
    assert_eq!(place.period("2024-02").sum("cost"), cost);
}
