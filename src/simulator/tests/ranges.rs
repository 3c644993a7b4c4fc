//! Ranges of days, and what is answered where there is nothing.

use super::*;
use crate::simulator::{Dataset, Month, NoData};

fn range(path: &str, start: &str, end: &str) -> String {
    format!("/v3/enrollments/100/{path}bycustomdate?startTime={start}&endTime={end}")
}

fn days(pages: &[Value], name: &str) -> Vec<String> {
    let rows = pages.iter().flat_map(|page| page["data"].as_array().or(page.as_array()).unwrap());
    rows.map(|row| row[name].as_str().unwrap()[..10].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_has_exactly_the_rows_of_its_days() {
    for data in KINDS {
        let simulator = Simulator::start(options(data)).await.unwrap();
        let all: Vec<Value> =
            ["202401", "202402", "202403"].iter().flat_map(|p| follow(&simulator, &usage(p))).collect();
        for (start, end, pages) in [
            ("2024-01-30", "2024-02-03", 1),
            ("2024-02-29", "2024-02-29", 1),
            ("2023-12-01", "2024-01-31", 3),
            ("2024-01-01", "2024-03-31", 8),
            ("2024-02-10T23:59:59.9Z", "2024-03-05T00%3A00%3A00%2B00%3A00", 3),
        ] {
            let read = follow(&simulator, &range("usagedetails", start, end));
            assert_eq!(read.len(), pages);
            let mut expected: Vec<&Value> = all.iter().flat_map(|page| page["data"].as_array().unwrap()).collect();
            expected.retain(|row| (&start[..10]..=&end[..10]).contains(&&row["date"].as_str().unwrap()[..10]));
            let mut rows: Vec<&Value> = read.iter().flat_map(|page| page["data"].as_array().unwrap()).collect();
            if data == DataKind::Shuffled {
                let text = |row: &&Value| row.to_string();
                rows.sort_by_cached_key(text);
                expected.sort_by_cached_key(text);
            }
            assert!(rows == expected, "{data} {start} {end}");
        }
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_a_range_keep_it_and_its_etag_is_its_own() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    let whole = get(&simulator, &range("usagedetails", "2024-01-01", "2024-01-31"));
    let link = whole.json()["nextLink"].as_str().unwrap().replace(&simulator.endpoint(), "");
    assert!(link.starts_with(&format!("{}&skiptoken=", range("usagedetails", "2024-01-01", "2024-01-31"))), "{link}");
    // Names have no case, and an instant is its day.
    let other = "/v3/enrollments/100/UsageDetailsByCustomDate?ENDTIME=2024-01-31T12:00:00Z&starttime=2024-01-01";
    assert_eq!(get(&simulator, other).body, whole.body);
    let etag = whole.header("etag").unwrap();
    assert_ne!(Some(etag), get(&simulator, &usage("202401")).header("etag"));
    assert_ne!(Some(etag), get(&simulator, &range("usagedetails", "2024-01-01", "2024-01-30")).header("etag"));
    let condition = |target: &str| ask(&simulator, "GET", target, &[KEY, ("If-None-Match", etag)]).status;
    assert_eq!(condition(&range("usagedetails", "2024-01-01", "2024-01-31")), 304);
    simulator.restate("100", "2024-02").unwrap();
    assert_eq!(condition(&range("usagedetails", "2024-01-01", "2024-01-31")), 304);
    simulator.restate("100", "2024-01").unwrap();
    assert_eq!(condition(&range("usagedetails", "2024-01-01", "2024-01-31")), 200);
    assert_eq!(status(&simulator, &link), 400);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marketplace_charges_are_cut_by_the_day_they_begin() {
    for version in [2, 3] {
        let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
        let at = |path: &str| get(&simulator, &format!("/v{version}/enrollments/100/{path}")).json();
        let all = [at("billingPeriods/202401/marketplacecharges"), at("billingPeriods/202402/marketplacecharges")];
        let mut expected = days(&all, "usageStartDate");
        expected.retain(|day| ("2024-01-17".."2024-02-09").contains(&day.as_str()));
        let read = at("marketplacechargesbycustomdate?startTime=2024-01-17&endTime=2024-02-08");
        assert!(expected.len() > 20);
        assert_eq!(days(&[read], "usageStartDate"), expected);
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_range_is_refused() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    for path in ["usagedetails", "marketplacecharges"] {
        for (start, end) in [
            ("", "2024-01-31"),
            ("2024-01-31", "2024-01-30"),
            ("yesterday", "2024-01-30"),
            ("2024-13-01", "2024-01-30"),
            ("2021-01-01", "2024-01-31"),
        ] {
            assert_eq!(get(&simulator, &range(path, start, end)).error().0, 400, "{path} {start} {end}");
        }
        assert_eq!(status(&simulator, &format!("/v3/enrollments/100/{path}bycustomdate")), 400);
        assert_eq!(status(&simulator, &range(path, "2021-01-31", "2024-01-31")), 200);
        assert_eq!(status(&simulator, &range(path, "2020-01-01", "2020-12-31")), 404);
    }
    let file = "/v3/enrollments/100/usagedetails/download";
    assert_eq!(status(&simulator, &format!("{file}?startTime=2024-01-05&endTime=2024-02-05")), 200);
    assert_eq!(status(&simulator, &format!("{file}?startTime=2024-01-05&endTime=2024-02-06")), 400);
    assert_eq!(status(&simulator, file), 400);
    assert_eq!(
        status(&simulator, &format!("{file}?billingPeriod=202401&startTime=2024-01-05&endTime=2024-01-06")),
        400
    );
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_in_each_way_that_is_left_open() {
    let null_links = vec![
        (Dataset::MarketplaceCharges, Month { year: 2024, month: 2 }),
        (Dataset::UsageDetails, Month { year: 2024, month: 2 }),
    ];
    for (no_data, unlisted, statuses) in [
        (NoData::NotFound, NoData::BadRequest, (404, 400)),
        (NoData::BadRequest, NoData::NotFound, (400, 404)),
        (NoData::Empty, NoData::Empty, (200, 200)),
        (NoData::Csv, NoData::NotFound, (200, 404)),
    ] {
        let null_links = null_links.clone();
        let options = Options { no_data, unlisted, null_links, ..options(DataKind::Repeating) };
        let simulator = Simulator::start(options).await.unwrap();
        let periods = get(&simulator, "/v2/enrollments/100/billingperiods").json();
        assert!(periods[1]["usageDetails"].is_null() && periods[1]["marketplaceCharges"].is_null());
        assert!(periods[1]["priceSheet"].is_string() && periods[0]["marketplaceCharges"].is_string());
        for path in ["usagedetails", "marketplacecharges"] {
            let at = |period: &str| get(&simulator, &format!("/v3/enrollments/100/billingPeriods/{period}/{path}"));
            let empty = at("202402");
            assert_eq!((empty.status, at("202412").status), statuses);
            match no_data {
                NoData::Empty if path == "usagedetails" => assert_eq!(empty.json()["data"], Value::Array(Vec::new())),
                NoData::Empty => assert_eq!(empty.body, b"[]"),
                NoData::Csv => {
                    assert!(empty.body.starts_with(b"UsageDetail Report for Billing Period - 202402\r\n\r\nAcc"))
                }
                _ => assert_eq!(empty.error().0, statuses.0),
            }
        }
        assert_eq!(status(&simulator, "/v2/enrollments/100/billingPeriods/202412/balancesummary"), statuses.1);
        simulator.stop().await;
    }
}
