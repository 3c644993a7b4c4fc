//! Faults at endpoints that are no usage pages; those of pages have their own tests beside the rules.

use super::*;
use crate::simulator::Faults;

const SUBMIT: &str = "/v3/enrollments/100/usagedetails/submit?billingPeriod=202401";

async fn playing(rules: &str) -> Simulator {
    Simulator::start(Options { faults: Faults::from_json(rules).unwrap(), ..options(DataKind::Repeating) })
        .await
        .unwrap()
}

fn order(simulator: &Simulator) -> Answered {
    ask(simulator, "POST", SUBMIT, &[KEY, ("Content-Length", "0")])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_wrong_at_each_step() {
    let simulator = playing(include_str!("../../../examples/faults/reports.json")).await;
    let throttled = order(&simulator);
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, None));
    let ordered = order(&simulator).json();
    let poll = ordered["reportUrl"].as_str().unwrap().replace(&simulator.endpoint(), "");
    assert_eq!(get(&simulator, &poll).error().0, 500);
    let without_path = get(&simulator, &poll).json();
    assert_eq!((&without_path["status"], &without_path["blobPath"]), (&Value::from(6), &Value::from("")));
    // What a rule answers does not count as an answer about the order.
    assert_eq!(get(&simulator, &poll).json()["status"], 2);
    let blob = get(&simulator, &poll).json()["blobPath"].as_str().unwrap().to_owned();
    let target = blob.strip_prefix(&simulator.blob_endpoint()).unwrap();
    let fetch = || ask_at(&simulator.blob_endpoint(), "GET", target, &[]);
    let (closed, cut, whole) = (fetch(), fetch(), fetch());
    let length = |answer: &Answered| answer.header("content-length").unwrap().parse::<usize>().unwrap();
    assert_eq!((closed.body.len() + 100, length(&closed)), (whole.body.len(), whole.body.len()));
    assert_eq!((cut.body.len() + 100, length(&cut)), (whole.body.len(), cut.body.len()));
    assert!(whole.body.starts_with(&cut.body));
    assert_eq!(simulator.played(), [1, 1, 1, 1, 1]);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_datasets_fail_while_usage_goes_on() {
    let simulator = playing(include_str!("../../../examples/faults/price-sheet.json")).await;
    let at = |path: &str| get(&simulator, &format!("/v2/enrollments/100/billingPeriods/202401/{path}"));
    for _ in 0..3 {
        let (status, _, message) = at("pricesheet").error();
        assert!(status == 500 && message.starts_with("DB didn't return complete data for MeterInfo"));
    }
    assert_eq!(at("balancesummary").error().0, 401);
    assert!(at("marketplacecharges").body.starts_with(b"UsageDetail Report"));
    assert!(at("marketplacecharges").json().is_array());
    assert_eq!(at("usagedetails").status, 200);
    assert_eq!(simulator.truth()["requests"]["price_sheet/100/202401/1"], 3);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_files_take_rows_and_cuts_as_pages_do() {
    let rules = r#"[{"when": {"dataset": "price_sheet", "version": 2}, "then": {"rows": ["{\"unitPrice\":\"1,5\"}"], "gzip": true}},
                    {"when": {"dataset": "marketplace_charges", "conditional": true}, "then": {"ignore_conditions": true}},
                    {"when": {"dataset": "usage_details_csv"}, "then": {"rows": ["a,b"], "replace": {"Cost,": "Kosten,"}}},
                    {"when": {"dataset": "balance_summary"}, "then": {"restate": "before", "rows": ["1"]}}]"#;
    let simulator = playing(rules).await;
    let at = |version: u8, path: &str| get(&simulator, &format!("/v{version}/enrollments/100/{path}"));
    let packed = at(2, "billingPeriods/202401/pricesheet");
    let mut list = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut list).unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[300]["unitPrice"]), (301, &Value::from("1,5")));
    assert_eq!(at(3, "billingPeriods/202401/pricesheet").json().as_array().unwrap().len(), 300);
    let charges = "/v3/enrollments/100/marketplacecharges";
    assert_eq!(ask(&simulator, "GET", charges, &[KEY, ("If-None-Match", "*")]).status, 200);
    let file = at(3, "usagedetails/download?billingPeriod=202401");
    let text = String::from_utf8(file.body).unwrap();
    assert!(text.ends_with("\r\na,b\r\n") && text.contains(",Kosten,CostCenter,"));
    // An object has no rows to add to.
    let balance = at(2, "billingPeriods/202402/balancesummary").json();
    assert_eq!(balance["adjustmentDetails"].as_array().unwrap().len(), 2);
    let truth = simulator.truth();
    assert_eq!(truth["datasets"]["balance_summary"]["100"]["202402"]["version"], 2);
    assert_eq!(truth["enrollments"]["100"]["202402"]["version"], 1);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_range_is_renewed_and_its_links_lead_back() {
    let rules = r#"[{"when": {"page": 2, "attempt": 1}, "then": {"next_link": "first"}},
                    {"when": {"page": 2, "attempt": 2}, "then": {"restate": "after"}}]"#;
    let simulator = playing(rules).await;
    let first = "/v3/enrollments/100/usagedetailsbycustomdate?startTime=2024-01-05&endTime=2024-02-20";
    let link = |answer: &Answered| answer.json()["nextLink"].as_str().unwrap().replace(&simulator.endpoint(), "");
    let second = link(&get(&simulator, first));
    assert_eq!(link(&get(&simulator, &second)), first);
    let third = link(&get(&simulator, &second));
    assert_eq!(status(&simulator, &third), 400);
    assert_eq!(simulator.truth()["enrollments"]["100"]["202401"]["version"], 2);
    assert_eq!(simulator.requests_of("usage_details/100/2024-01-05..2024-02-20/2"), 2);
    simulator.stop().await;
}
