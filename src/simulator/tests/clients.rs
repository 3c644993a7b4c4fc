//! How other clients of the API call it: written by hand after what public scripts and connectors do, in
//! `foreign_clients.json`. A target that begins with `$` is what that member of the answer before says.

use super::*;

/// The target of a step, and the host it is asked at.
fn target(simulator: &Simulator, text: &str, before: &Value) -> (String, String) {
    let Some(member) = text.strip_prefix('$') else { return (simulator.endpoint(), text.to_owned()) };
    let url = before[member].as_str().unwrap();
    if let Some(target) = url.strip_prefix(&simulator.blob_endpoint()) {
        return (simulator.blob_endpoint(), target.to_owned());
    }
    let (_, rest) = url.split_once("://").unwrap();
    (simulator.endpoint(), rest[rest.find('/').unwrap()..].to_owned())
}

fn has_form(answer: &Answered, form: &str) -> bool {
    let unpacked = || {
        let mut unpacked = Vec::new();
        match answer.header("content-encoding") {
            Some("gzip") => drop(flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut unpacked).unwrap()),
            _ => unpacked.clone_from(&answer.body),
        }
        unpacked
    };
    let json = || serde_json::from_slice::<Value>(&unpacked()).unwrap();
    let first_of_page = || json()["data"][0].clone();
    match form {
        "usage page, version 1" => first_of_page()["extendedCost"].is_number() && json()["reportId"].is_string(),
        "usage page, version 2" => first_of_page()["Cost"].is_number() && json()["id"].is_string(),
        "usage page, version 3" => first_of_page()["cost"].is_number() && first_of_page()["serviceTier"].is_string(),
        "list" => json().as_array().is_some_and(|items| items[0].is_object()),
        "object" => json()["totalUsage"].is_number(),
        "error" => json()["error"]["code"].as_str() == Some(answer.status.to_string().as_str()),
        "xml" => answer.body.starts_with("\u{feff}<?xml".as_bytes()),
        "csv" => {
            answer.header("content-type") == Some("application/octet-stream")
                && unpacked().starts_with(b"UsageDetail Report for ")
        }
        _ => {
            let status = form.strip_prefix("order, status ").unwrap().parse::<u64>().unwrap();
            json()["status"] == status
                && json()["blobPath"].as_str().is_some_and(|path| path.is_empty() != (status == 3))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_clients_are_answered_as_they_expect() {
    let simulator = Simulator::start(Options { rows_per_month: 1500, ..Options::default() }).await.unwrap();
    let clients: Value = serde_json::from_str(include_str!("foreign_clients.json")).unwrap();
    for client in clients.as_array().unwrap() {
        let mut before = Value::Null;
        for step in client["steps"].as_array().unwrap() {
            let text = |name: &str| step[name].as_str().unwrap();
            let (endpoint, target) = target(&simulator, text("target"), &before);
            let headers: Vec<(&str, &str)> = step["headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
                .collect();
            let answer = ask_at(&endpoint, text("method"), &target, &headers);
            assert_eq!(answer.status, step["status"], "{}: {target}", client["client"]);
            assert!(has_form(&answer, text("form")), "{}: {target} is no {}", client["client"], step["form"]);
            before = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        }
    }
    assert_eq!(simulator.counters().keys_sent_to_blobs, 1);
    simulator.stop().await;
}
