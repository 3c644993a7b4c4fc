//! Usage details: rows, pages, ETags, restatements.

use std::io::Read;
use std::net::TcpStream;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::simulator::{EtagForm, Month, PageEtags, Pages, page, write_pages};

/// The documented order of a usage detail's fields, written out again.
const ORDER: &str = "serviceName, serviceTier, location, chargesBilledSeparately, partNumber, resourceGuid, offerId, cost, \
    accountId, productId, resourceLocationId, consumedServiceId, departmentId, accountOwnerEmail, accountName, \
    serviceAdministratorId, subscriptionId, subscriptionGuid, subscriptionName, date, product, meterId, meterCategory, \
    meterSubCategory, meterRegion, meterName, consumedQuantity, resourceRate, resourceLocation, consumedService, \
    instanceId, serviceInfo1, serviceInfo2, additionalInfo, tags, storeServiceIdentifier, departmentName, costCenter, \
    unitOfMeasure, resourceGroup";

/// Top-level names of each row, and its scalar texts, cut out of a page without a JSON reader: the simulator writes no
/// nested values, and a quote inside a text is always escaped.
fn raw_rows(body: &[u8]) -> Vec<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).unwrap();
    let data = &text[text.find(":[").unwrap() + 2..text.rfind("],\"nextLink\":").unwrap()];
    let mut rows = Vec::new();
    let mut row: Vec<(String, String)> = Vec::new();
    let (mut token, mut name, mut in_text, mut escaped) = (String::new(), String::new(), false, false);
    for character in data.chars() {
        match character {
            _ if in_text => {
                in_text = escaped || character != '"';
                escaped = !escaped && character == '\\';
                token.push(character);
                continue;
            }
            ':' => name = std::mem::take(&mut token).trim_matches('"').to_owned(),
            ',' | '}' if !name.is_empty() => row.push((std::mem::take(&mut name), std::mem::take(&mut token))),
            ',' | '{' => {}
            _ => {
                in_text = character == '"';
                token.push(character);
            }
        }
        if character == '}' {
            rows.push(std::mem::take(&mut row));
        }
    }
    rows
}

/// The digits of a plain decimal as an integer of `scale` fraction digits.
fn integer(text: &str, scale: usize) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= scale && !fraction.ends_with('0'), "{text}");
    assert!(text.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)), "{text}");
    assert!(text == "0" || !text.starts_with("-0") || fraction.bytes().any(|byte| byte != b'0'), "{text}");
    format!("{whole}{fraction:0<scale$}").parse().unwrap()
}

#[test]
fn a_row_has_the_documented_fields_in_order_and_is_as_long_as_a_real_one() {
    let order: Vec<&str> = ORDER.split(", ").collect();
    assert_eq!(order.len(), 40);
    for (data, rows_per_month) in KINDS.into_iter().flat_map(|data| [(data, 2500), (data, 200_000)]) {
        let body = page(&Options { rows_per_month, ..options(data) }, "100", "2024-01", 1);
        assert!(!body.contains(&b'\n'));
        let parsed: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(parsed["data"].as_array().unwrap().len(), 1000);
        for row in raw_rows(&body) {
            assert_eq!(row.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), order);
        }
        let row_bytes = body.len() / 1000;

        assert!((1350..=1500).contains(&row_bytes), "{data}: {row_bytes}");
    }
}

#[test]
fn values_have_the_forms_of_real_ones() {
    let mut seen = std::collections::BTreeMap::<(String, &str), u32>::new();
    let larger = Options { rows_per_month: 20_000, ..Options::default() };
    for number in 1..=3 {
        let body = page(&larger, "100", "2024-01", number);
        for (name, text) in raw_rows(&body).into_iter().flatten() {
            let form = match text.as_bytes() {
                b"null" => "null",
                b"true" | b"false" => "flag",
                b"\"\"" => "empty",
                [b'"', ..] if text.contains("\\u") => "escaped",
                [b'"', ..] if !text.is_ascii() => "raw",
                [b'"', ..] => "text",
                _ => {
                    integer(&text, 15);
                    "number"
                }
            };
            *seen.entry((name, form)).or_default() += 1;
        }
    }
    let count = |name: &str, form: &'static str| seen.get(&(name.to_owned(), form)).copied().unwrap_or_default();
    for name in ["cost", "consumedQuantity", "resourceRate", "accountId", "productId", "resourceLocationId"] {
        assert_eq!(count(name, "number"), 3000, "{name}");
    }
    assert_eq!(count("chargesBilledSeparately", "flag"), 3000);
    for (name, form) in [
        ("tags", "empty"),
        ("tags", "null"),
        ("tags", "escaped"),
        ("tags", "raw"),
        ("additionalInfo", "escaped"),
        ("additionalInfo", "raw"),
        ("serviceInfo1", "null"),
        ("serviceInfo1", "empty"),
        ("costCenter", "null"),
        ("meterRegion", "empty"),
    ] {
        assert!(count(name, form) > 0, "{name} {form}: {seen:?}");
    }
}

#[test]
fn every_tag_and_info_text_is_json_unless_it_lacks_its_braces() {
    for data in KINDS {
        let body: Value = serde_json::from_slice(&page(&options(data), "100", "2024-01", 1)).unwrap();
        for row in body["data"].as_array().unwrap() {
            for name in ["tags", "additionalInfo"] {
                let text = row[name].as_str().unwrap_or_default();
                let text = if text.starts_with('"') { format!("{{{text}}}") } else { text.to_owned() };
                assert!(text.is_empty() || serde_json::from_str::<Value>(&text).is_ok(), "{text}");
            }
        }
    }
}

#[test]
fn unique_rows_share_no_resource_tags_or_info() {
    let pages = Pages::new(&options(DataKind::Unique), "100", "2024-01").unwrap();
    let mut seen: [std::collections::HashSet<String>; 3] = Default::default();
    for number in 1..=3 {
        let body: Value = serde_json::from_slice(&pages.get(number).unwrap()).unwrap();
        for row in body["data"].as_array().unwrap() {
            for (name, seen) in ["instanceId", "tags", "additionalInfo"].iter().zip(&mut seen) {
                assert!(seen.insert(row[name].as_str().unwrap().to_owned()), "{}", row[name]);
            }
        }
    }
    assert!(pages.get(0).is_none() && pages.get(4).is_none());
}

#[test]
fn the_same_options_give_the_same_bytes_and_other_ones_others() {
    for data in KINDS {
        let body = page(&options(data), "100", "202401", 2);
        // A page does not depend on which others were rendered before it.
        let pages = Pages::new(&options(data), "100", "2024-01").unwrap();
        assert!(pages.get(3).is_some() && pages.get(1).is_some());
        assert_eq!(pages.get(2).unwrap(), body);
        assert_ne!(page(&Options { seed: 2, ..options(data) }, "100", "202401", 2), body);
        assert_ne!(page(&options(data), "200", "202401", 2), body);
        assert_ne!(page(&options(data), "100", "202402", 2), body);
    }
    assert!(page(&options(DataKind::Repeating), "100", "202413", 1).is_empty());
}

/// Benches, and figures that were published, are about these bytes.
#[test]
fn the_bytes_of_version_3_stay_what_they_are() {
    for (data, expected) in [
        (DataKind::Repeating, "f7d86bb9a54645f668fd1ee9457ea0ec874c0c177e9c91b7d5435c3e7ac69ff2"),
        (DataKind::Shuffled, "dfc12d25476a4d879e474b7c6b78d0c637a19f5c570b4193cae8bf094dcc0c50"),
        (DataKind::Unique, "24b559c97a5f995124ae9acea1be5b00d506dc421c8ad0e3fd0b1478bb5183b8"),
    ] {
        let body = page(&Options { rows_per_month: 12_345, data, ..Options::default() }, "100", "202401", 2);
        let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, expected, "{data}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_truth_is_the_sum_of_the_pages_as_served() {
    for data in KINDS {
        let simulator = Simulator::start(Options { months: 2, ..options(data) }).await.unwrap();
        simulator.restate("100", "2024-02").unwrap();
        let truth = simulator.truth();
        for period in ["202401", "202402"] {
            let (mut cost, mut quantity, mut rate, mut negative, mut rows) = (0, 0, 0, 0, 0);
            let pages = follow(&simulator, &usage(period));
            let mut target = usage(period);
            for page in &pages {
                for row in raw_rows(&get(&simulator, &target).body) {
                    let number =
                        |name: &str, scale| integer(&row.iter().find(|(key, _)| key == name).unwrap().1, scale);
                    cost += number("cost", 15);
                    quantity += number("consumedQuantity", 6);
                    rate += number("resourceRate", 15);
                    negative += u64::from(number("cost", 15) < 0);
                    rows += 1u64;
                }
                target = page["nextLink"].as_str().unwrap_or_default().replace(&simulator.endpoint(), "");
            }
            let told = &truth["enrollments"]["100"][period];
            let sum = |name: &str, scale| integer(told["sums"][name].as_str().unwrap(), scale);
            assert_eq!(
                (cost, quantity, rate),
                (sum("cost", 15), sum("consumed_quantity", 6), sum("resource_rate", 15))
            );
            assert_eq!(told["negative_rows"], negative);
            assert_eq!((&told["rows"], &told["pages"]), (&Value::from(rows), &Value::from(pages.len())));
        }
        assert_eq!(truth["rows_in_all"], 2500 + 2503);
        assert_eq!(get(&simulator, "/_TRUTH").json()["enrollments"], truth["enrollments"]);
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restatement_changes_exactly_one_period() {
    let options = Options { enrollments: vec!["100".into(), "200".into()], ..options(DataKind::Repeating) };
    let simulator = Simulator::start(options).await.unwrap();
    let (before, old) = (simulator.truth(), follow(&simulator, &usage("202402")));
    let second_page = old[0]["nextLink"].as_str().unwrap().replace(&simulator.endpoint(), "");

    let answer = ask(&simulator, "POST", "/_restate?enrollment=100&period=2024-02", &[]);
    assert_eq!((answer.status, &answer.json()["version"]), (200, &Value::from(2)));
    let after = simulator.truth();
    for (enrollment, period) in ["100", "200"].iter().flat_map(|e| ["202401", "202402", "202403"].map(|p| (e, p))) {
        let (old, new) = (&before["enrollments"][enrollment][period], &after["enrollments"][enrollment][period]);
        let restated = *enrollment == "100" && period == "202402";
        assert_eq!(old == new, !restated, "{enrollment} {period}");
        assert_eq!(old["etag"] == new["etag"], !restated);
    }
    let new = follow(&simulator, &usage("202402"));
    assert_ne!(old[0]["data"], new[0]["data"]);
    assert_eq!(get(&simulator, &second_page).error().0, 400);

    assert!(simulator.restate("300", "202402").unwrap_err().to_string().contains("100, 200"));
    assert!(simulator.restate("100", "202501").is_err() && simulator.restate("100", "x").is_err());
    assert_eq!(ask(&simulator, "POST", "/_restate?enrollment=100&period=1", &[]).error().0, 400);
    assert_eq!(ask(&simulator, "GET", "/_restate?enrollment=100&period=202402", &[]).error().0, 405);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etags_take_each_form_and_a_matching_condition_gives_304() {
    for (form, page_etags) in [
        (EtagForm::Strong, PageEtags::Absent),
        (EtagForm::Weak, PageEtags::Same),
        (EtagForm::Bare, PageEtags::PerPage),
        (EtagForm::None, PageEtags::Same),
    ] {
        let options = Options { etag_form: form, page_etags, ..options(DataKind::Repeating) };
        let simulator = Simulator::start(options).await.unwrap();
        let first = get(&simulator, &usage("202401"));
        let next = first.json()["nextLink"].as_str().unwrap().replace(&simulator.endpoint(), "");
        let second = get(&simulator, &next);
        let etag = first.header("etag").map(str::to_owned);
        assert_eq!(simulator.truth()["enrollments"]["100"]["202401"]["etag"].as_str(), etag.as_deref());
        let Some(etag) = etag else {
            assert_eq!((form, second.header("etag")), (EtagForm::None, None));
            assert_eq!(ask(&simulator, "GET", &usage("202401"), &[KEY, ("If-None-Match", "*")]).status, 200);
            continue;
        };
        match form {
            EtagForm::Strong => assert!(etag.starts_with('"') && etag.ends_with('"')),
            EtagForm::Weak => assert!(etag.starts_with("W/\"") && etag.ends_with('"')),
            _ => assert!(!etag.contains('"')),
        }
        match page_etags {
            PageEtags::Absent => assert_eq!(second.header("etag"), None),
            PageEtags::Same => assert_eq!(second.header("etag"), Some(etag.as_str())),
            PageEtags::PerPage => assert_ne!(second.header("etag"), Some(etag.as_str())),
        }
        let condition = |target: &str, value: &str| ask(&simulator, "GET", target, &[KEY, ("If-None-Match", value)]);
        for value in [etag.clone(), "*".to_owned(), format!("\"x\", {etag}")] {
            let answer = condition(&usage("202401"), &value);
            assert_eq!((answer.status, answer.body.len(), answer.header("etag")), (304, 0, Some(etag.as_str())));
        }
        for value in ["x".to_owned(), format!("{etag}x"), etag.trim_start_matches("W/\"").to_owned() + "\""] {
            assert_eq!(condition(&usage("202401"), &value).status, 200, "{value}");
        }
        assert_eq!(condition(&next, &etag).status, 200);
        assert_eq!(condition(&usage("202402"), &etag).status, 200);
        simulator.restate("100", "202401").unwrap();
        assert_eq!(condition(&usage("202401"), &etag).status, 200);
        assert_eq!(simulator.counters().not_modified, 3);
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn billing_periods_are_listed_newest_first() {
    let empty = Some(Month { year: 2024, month: 2 });
    let simulator = Simulator::start(Options { empty, ..options(DataKind::Repeating) }).await.unwrap();
    let answer = get(&simulator, "/v2/enrollments/100/billingperiods");
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert!(text.starts_with(
        r#"[{"billingPeriodId":"202403","billingStart":"2024-03-01T00:00:00Z","billingEnd":"2024-03-31T11:59:59Z","balanceSummary":"/v1/enrollments/100/billingperiods/202403/balancesummary","usageDetails":"/v1/enrollments/100/billingperiods/202403/usagedetails","marketplaceCharges":"/v1/enrollments/100/billingperiods/202403/marketplacecharges","priceSheet":"/v1/enrollments/100/billingperiods/202403/pricesheet"}"#
    ));
    let periods = answer.json();
    assert_eq!(periods.as_array().unwrap().len(), 3);
    assert!(periods[1]["usageDetails"].is_null());
    assert_eq!(get(&simulator, &usage("202402")).error().0, 404);
    assert_eq!(simulator.truth()["enrollments"]["100"]["202402"]["rows"], 0);
    assert!(simulator.restate("100", "202402").is_err());
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_gets_the_documented_error() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    let periods = "/v2/enrollments/100/billingperiods";
    for headers in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", "Basic simulated-key")]] {
        let (status, code, message) = ask(&simulator, "GET", periods, headers).error();
        assert_eq!((status, code.as_str()), (401, "401"));
        assert!(message.contains("API key"));
    }
    assert_eq!(ask(&simulator, "GET", periods, &[("authorization", "BEARER simulated-key")]).status, 200);
    let link = get(&simulator, &usage("202401")).json()["nextLink"].as_str().unwrap().to_owned();
    let token = link.rsplit_once('=').unwrap().1.to_owned();
    assert!(token.ends_with("%3D"), "{token}");
    for (target, status) in [
        ("/v3/enrollments/999/usagedetails".to_owned(), 400),
        ("/v2/enrollments/999/billingperiods".to_owned(), 400),
        (usage("202404"), 400),
        (usage("2024-01"), 400),
        (usage("garbage"), 400),
        (usage("202401") + "?skiptoken=garbage", 400),
        (usage("202401") + "?skiptoken=" + &token.replace("%3D", "="), 400),
        (usage("202402") + "?skiptoken=" + &token, 400),
        ("/v3/enrollments/100/prices".to_owned(), 404),
        ("/".to_owned(), 404),
    ] {
        let (answered, code, _) = get(&simulator, &target).error();
        assert_eq!((answered, code), (status, status.to_string()), "{target}");
    }
    let counters = simulator.counters();
    assert_eq!((counters.requests, counters.pages_served, counters.unauthorized, counters.errors), (15, 1, 3, 10));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_period_is_the_default_and_path_words_have_no_case() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    let newest = get(&simulator, "/v3/enrollments/100/usagedetails").body;
    assert_eq!(newest, get(&simulator, "/V3/ENROLLMENTS/100/billingperiods/202403/UsageDetails").body);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_carries_the_same_text_and_only_where_it_is_allowed() {
    for gzip in [true, false] {
        let simulator = Simulator::start(Options { gzip, ..options(DataKind::Repeating) }).await.unwrap();
        let plain = get(&simulator, &usage("202401"));
        let packed = ask(&simulator, "GET", &usage("202401"), &[KEY, ("Accept-Encoding", "br, gzip")]);
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(packed.header("content-encoding"), gzip.then_some("gzip"));
        let mut body = Vec::new();
        match gzip {
            true => drop(flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut body).unwrap()),
            false => body = packed.body.clone(),
        }
        assert!(body == plain.body);
        assert_eq!(simulator.counters().body_bytes, (plain.body.len() + packed.body.len()) as u64);
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn written_pages_are_those_that_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(options(DataKind::Shuffled)).await.unwrap();
    let port = simulator.endpoint().rsplit_once(':').unwrap().1.parse().unwrap();
    let options = Options { port, ..options(DataKind::Shuffled) };
    assert_eq!(write_pages(&options, "100", "202401", folder.path()).unwrap(), 3);
    let last = std::fs::read(folder.path().join("page-00003.json")).unwrap();
    assert_eq!(std::fs::read(folder.path().join("page-00001.json")).unwrap(), get(&simulator, &usage("202401")).body);
    assert_eq!(serde_json::from_slice::<Value>(&last).unwrap(), follow(&simulator, &usage("202401"))[2]);
    assert!(write_pages(&options, "100", "x", folder.path()).is_err());
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_simulator_is_gone_and_a_senseless_one_does_not_start() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    let host = simulator.endpoint().trim_start_matches("http://").to_owned();
    simulator.stop().await;
    assert!(TcpStream::connect(host).is_err());
    for senseless in [
        Options { enrollments: Vec::new(), ..Options::default() },
        Options { months: 0, ..Options::default() },
        Options { page_rows: 0, ..Options::default() },
    ] {
        assert!(Simulator::start(senseless).await.is_err());
    }
}
