//! The document that describes the API.

use super::*;

/// Every `$ref` of a document.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value.as_str().filter(|_| name == "$ref") {
                Some(reference) => vec![reference.to_owned()],
                None => references(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_every_path_and_leads_nowhere_else() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    let answer = ask(&simulator, "GET", "/Swagger/docs/V3", &[]);
    assert_eq!(answer.status, 200);
    let document = answer.json();
    assert_eq!(
        (&document["swagger"], &document["host"]),
        (&Value::from("2.0"), &Value::from(&simulator.endpoint()[7..]))
    );
    let paths = document["paths"].as_object().unwrap();
    // Eleven paths in three versions, and three in two.
    assert_eq!(paths.len(), 11 * 3 + 3 * 2);
    for (path, operations) in paths {
        let target = path.replace("{enrollmentNumber}", "100").replace("{billingPeriod}", "202401");
        let (method, operation) = operations.as_object().unwrap().iter().next().unwrap();
        let answer = ask(&simulator, &method.to_uppercase(), &target, &[KEY, ("Content-Length", "0")]);
        assert!(operation["responses"].get(answer.status.to_string()).is_some(), "{target} {}", answer.status);
        let other = if method == "get" { "POST" } else { "GET" };
        let wrong = ask(&simulator, other, &target, &[KEY, ("Content-Length", "0")]);
        assert_eq!((wrong.status, wrong.header("allow")), (405, Some(method.to_uppercase().as_str())));
    }
    let references = references(&document);
    assert!(references.len() > paths.len());
    for reference in references {
        let name = reference.strip_prefix("#/definitions/").unwrap();
        assert!(document["definitions"].get(name).is_some(), "{reference}");
    }
    let page = ask(&simulator, "GET", "/swagger/ui/index", &[]);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(String::from_utf8(page.body).unwrap().contains("/swagger/docs/v3"));
    assert_eq!(ask(&simulator, "POST", "/swagger/docs/v3", &[("Content-Length", "0")]).status, 405);
    assert_eq!(simulator.counters().requests, 2 * 39);
    simulator.stop().await;
}
