//! Who may read what.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

fn with(simulator: &Simulator, key: &str, target: &str) -> Answered {
    ask(simulator, "GET", target, &[("Authorization", &format!("bearer {key}"))])
}

#[tokio::test(flavor = "multi_thread")]
async fn each_enrollment_may_have_its_own_key() {
    let numbers = ["100", "200", "300"].map(str::to_owned);
    let keys = vec![("200".to_owned(), "two".to_owned()), ("300".to_owned(), "three".to_owned())];
    let options = Options {
        enrollments: numbers.to_vec(),
        keys,
        expired: vec!["300".to_owned()],
        ..options(DataKind::Repeating)
    };
    let simulator = Simulator::start(options).await.unwrap();
    let list = |number: &str| format!("/v2/enrollments/{number}/billingperiods");
    for (key, number, status) in [
        ("simulated-key", "100", 200),
        ("two", "200", 200),
        ("two", "100", 401),
        ("simulated-key", "200", 401),
        ("three", "300", 401),
        ("four", "100", 401),
        ("two", "999", 400),
    ] {
        assert_eq!(with(&simulator, key, &list(number)).status, status, "{key} {number}");
    }
    let (_, _, message) = with(&simulator, "two", &list("100")).error();
    assert!(message.starts_with("Access denied at Enrollment level with EnrollmentNumber 100."), "{message}");
    assert_eq!(simulator.key("200").as_deref(), Some("two"));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_view_reads_usage_only() {
    let views = vec![("100".to_owned(), "AccountOwner".to_owned())];
    let simulator = Simulator::start(Options { views, ..options(DataKind::Repeating) }).await.unwrap();
    let at = |path: &str| get(&simulator, &format!("/v2/enrollments/100/{path}"));
    for path in ["billingperiods", "usagedetails", "usagedetails/download?billingPeriod=202401"] {
        assert_eq!(at(path).status, 200, "{path}");
    }
    for (path, report) in [
        ("pricesheet", "PriceSheet"),
        ("balancesummary", "BalanceSummary"),
        ("marketplacecharges", "MarketplaceCharge"),
    ] {
        let message =
            format!("Report type and report view are not compatible. Report Type: {report}, Report View: AccountOwner");
        assert_eq!(at(path).error(), (401, "401".to_owned(), message));
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_can_look_like_the_services_own() {
    let options = Options {
        enrollments: vec!["100".to_owned(), "200".to_owned()],
        jwt_keys: true,
        views: vec![("200".to_owned(), "DepartmentAdmin".to_owned())],
        expired: vec!["200".to_owned()],
        ..options(DataKind::Repeating)
    };
    let simulator = Simulator::start(options).await.unwrap();
    let claims = |number: &str| {
        let key = simulator.key(number).unwrap();
        let part = key.split('.').nth(1).unwrap().to_owned();
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let now = chrono::Utc::now().timestamp();
    let (good, bad) = (claims("100"), claims("200"));
    assert_eq!((&good["EnrollmentNumber"], &good["ReportView"]), (&Value::from("100"), &Value::from("Enterprise")));
    assert_eq!((&bad["EnrollmentNumber"], &bad["ReportView"]), (&Value::from("200"), &Value::from("DepartmentAdmin")));
    assert!(good["exp"].as_i64().unwrap() > now && bad["exp"].as_i64().unwrap() < now);
    assert!(bad["DepartmentId"].as_str().is_some_and(|id| !id.is_empty()) && good["DepartmentId"] == "");
    assert_eq!(with(&simulator, &simulator.key("100").unwrap(), "/v2/enrollments/100/billingperiods").status, 200);
    assert_eq!(with(&simulator, &simulator.key("200").unwrap(), "/v2/enrollments/200/billingperiods").status, 401);
    assert_eq!(get(&simulator, "/v2/enrollments/100/billingperiods").status, 401);
    simulator.stop().await;
}
