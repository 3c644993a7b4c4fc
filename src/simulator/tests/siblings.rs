//! Marketplace charges, balances and price sheets: sums, conditions, sizes.

use flate2::read::GzDecoder;

use super::*;
use crate::simulator::{BalanceForm, Dataset, EtagForm, MarketplaceForm};

const NAMES: [(&str, Dataset); 3] = [
    ("marketplacecharges", Dataset::MarketplaceCharges),
    ("balancesummary", Dataset::BalanceSummary),
    ("pricesheet", Dataset::PriceSheet),
];

fn at(version: u8, path: &str) -> String {
    format!("/v{version}/enrollments/100/billingPeriods/202402/{path}")
}

/// The number of a plain decimal in units of 10^-15, as a sum over rows.
fn sum(rows: &Value, name: &str) -> i128 {
    let number = |row: &Value| {
        let text = row[name].to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        format!("{whole}{fraction:0<15}").parse::<i128>().unwrap()
    };
    rows.as_array().unwrap().iter().map(number).sum()
}

/// The same of the truth's text.
fn told(value: &Value) -> i128 {
    let text = value.as_str().unwrap();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<15}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_truth_is_the_sum_of_what_is_served() {
    let options = Options { price_sheet_items: 5000, marketplace_rows: 333, ..options(DataKind::Repeating) };
    let simulator = Simulator::start(options).await.unwrap();
    for (path, dataset) in NAMES {
        for restated in [false, true] {
            if restated {
                simulator.restate_dataset(dataset, "100", "2024-02").unwrap();
            }
            let truth = simulator.truth()["datasets"][dataset.to_string()]["100"]["202402"].clone();
            for version in [2, 3] {
                let answer = get(&simulator, &at(version, path));
                assert_eq!(answer.header("etag"), truth["etags"][format!("v{version}")].as_str());
                let mut rows = exact(&answer.body);
                if rows.is_object() {
                    rows = Value::Array(vec![rows]);
                }
                let truth =
                    if dataset == Dataset::MarketplaceCharges && version == 2 { &truth["usage_based"] } else { &truth };
                assert_eq!(truth["rows"], rows.as_array().unwrap().len());
                for (column, value) in truth["sums"].as_object().unwrap() {
                    let mut words = column.split('_');
                    let first = words.next().unwrap().to_owned();
                    let name = words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..]);
                    let unquoted = |row: &Value| Value::from(row[&name].as_str().unwrap());
                    let sum: i128 = rows.as_array().unwrap().iter().map(|row| told(&unquoted(row))).sum();
                    assert_eq!(sum, told(value), "{path} {column}");
                }
            }
        }
        assert_eq!(simulator.truth()["datasets"][dataset.to_string()]["100"]["202402"]["version"], 2);
    }
    assert_eq!(simulator.truth()["enrollments"]["100"]["202402"]["version"], 1);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_gzip_hold_for_each_dataset() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    for (path, dataset) in NAMES {
        let plain = get(&simulator, &at(3, path));
        let etag = plain.header("etag").unwrap();
        let ask = |target: &str, more: (&str, &str)| ask(&simulator, "GET", target, &[KEY, more]);
        assert_eq!(ask(&at(3, path), ("If-None-Match", etag)).status, 304);
        assert_eq!(ask(&at(2, path), ("If-None-Match", etag)).status, 200);
        let packed = ask(&at(3, path), ("Accept-Encoding", "gzip"));
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain.body);
        let target = format!("/_restate?enrollment=100&period=202402&dataset={dataset}");
        let restated = super::ask(&simulator, "POST", &target, &[]);
        assert_eq!((restated.status, &restated.json()["dataset"]), (200, &Value::from(dataset.to_string())));
        assert_eq!(ask(&at(3, path), ("If-None-Match", etag)).status, 200);
        assert_eq!(get(&simulator, &at(1, path).replace("billingPeriods/202402/", "")).status, 200);
    }
    assert_eq!(super::ask(&simulator, "POST", "/_restate?enrollment=100&period=202402&dataset=x", &[]).status, 400);
    simulator.stop().await;
    let without = Options { etag_form: EtagForm::None, ..options(DataKind::Repeating) };
    let simulator = Simulator::start(without).await.unwrap();
    assert_eq!(get(&simulator, &at(3, "pricesheet")).header("etag"), None);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_adds_up_and_begins_where_the_month_before_ended() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    let mut ended = None;
    for period in ["202401", "202402", "202403"] {
        let body = get(&simulator, &format!("/v3/enrollments/100/billingPeriods/{period}/balancesummary")).json();
        let cents = |name: &str| sum(&body, name);
        assert_eq!(cents("totalOverage"), cents("serviceOverage") + cents("chargesBilledSeparately"));
        assert_eq!(cents("totalUsage"), cents("utilized") + cents("totalOverage"));
        let come = cents("beginningBalance") + cents("newPurchases") + cents("adjustments");
        assert_eq!(cents("endingBalance"), come - cents("utilized"));
        let details = |name: &str| sum(&body[0][name], "value");
        assert_eq!(
            (details("newPurchasesDetails"), details("adjustmentDetails")),
            (cents("newPurchases"), cents("adjustments"))
        );
        assert!(ended.is_none_or(|ended| ended == cents("beginningBalance")));
        ended = Some(cents("endingBalance"));
        // Usage and its invoice differ by what is cut from each meter and subscription.
        let truth = simulator.truth();
        let usage = told(&truth["enrollments"]["100"][period]["sums"]["cost"]);
        let difference = usage - cents("totalUsage");
        assert!(difference != 0 && difference.abs() < 25_000_000_000_000_000, "{difference}");
        let charges = told(&truth["datasets"]["marketplace_charges"]["100"][period]["sums"]["extended_cost"]);
        assert_eq!(cents("azureMarketplaceServiceCharges"), charges / 10_000_000_000_000 * 10_000_000_000_000);
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_objects_take_the_other_form() {
    let other = Options {
        balance_form: BalanceForm::Array,
        marketplace_form: MarketplaceForm::Object,
        page_rows: 20,
        ..options(DataKind::Repeating)
    };
    let simulator = Simulator::start(other).await.unwrap();
    assert_eq!(get(&simulator, &at(2, "balancesummary")).json().as_array().unwrap().len(), 1);
    let pages = follow(&simulator, &at(3, "marketplacecharges"));
    assert_eq!(pages.iter().map(|page| page["data"].as_array().unwrap().len()).collect::<Vec<_>>(), [20, 20, 10]);
    simulator.stop().await;
    let object = Options { balance_form: BalanceForm::Object, ..options(DataKind::Repeating) };
    let simulator = Simulator::start(object).await.unwrap();
    assert!(get(&simulator, &at(3, "balancesummary")).json().is_object());
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_sheet_of_any_size_is_one_list() {
    let large = Options { price_sheet_items: 60_000, ..options(DataKind::Repeating) };
    let simulator = Simulator::start(large).await.unwrap();
    let answer = get(&simulator, &at(3, "pricesheet"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let items = answer.json();
    let items = items.as_array().unwrap();
    assert_eq!(items.len(), 60_000);
    let ids: std::collections::HashSet<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    let meters: std::collections::HashSet<&str> = items.iter().map(|item| item["meterId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 60_000);
    assert!(meters.len() < 5000, "{}", meters.len());
    let packed = ask(&simulator, "GET", &at(3, "pricesheet"), &[KEY, ("Accept-Encoding", "gzip")]);
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == answer.body);
    assert_eq!(simulator.counters().others_served, 2);
    simulator.stop().await;
}
