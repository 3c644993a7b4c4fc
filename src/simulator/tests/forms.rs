//! Each dataset and version against its documented sample: names, their order, and the form of each value.

use super::*;
use crate::simulator::{FlagForm, LastLink, NumberForm, UsageV1};

/// The documented samples, typed in by hand: a value stands for its form.
const USAGE_V1: &str = r#"{"enrollmentNumber":"string","accountId":0,"productId":0,"resourceLocationId":0,"consumedServiceId":0,
    "departmentId":0,"accountOwnerEmail":"string","accountName":"string","serviceAdministratorId":"string","subscriptionId":0,
    "subscriptionGuid":"string","subscriptionName":"string","date":"2017-04-27T23:01:43.799Z","product":"string",
    "meterId":"string","meterCategory":"string","meterSubCategory":"string","meterRegion":"string","meterName":"string",
    "consumedQuantity":0,"resourceRate":0,"extendedCost":0,"resourceLocation":"string","consumedService":"string",
    "instanceId":"string","serviceInfo1":"string","serviceInfo2":"string","additionalInfo":"string","tags":"string",
    "storeServiceIdentifier":"string","departmentName":"string","costCenter":"string","unitOfMeasure":"string",
    "resourceGroup":"string"}"#;
const USAGE_V3: &str = r#"{"serviceName":"Storage","serviceTier":"Premium Page Blobs","location":"US West",
    "chargesBilledSeparately":false,"partNumber":"ABC-12345","resourceGuid":"00000000-0000-0000-0000-000000000000",
    "offerId":"MS-AZR-0003P","cost":1,"accountId":123456,"productId":1234,"resourceLocationId":12,"consumedServiceId":1,
    "departmentId":3456,"accountOwnerEmail":"account@example.com","accountName":"Account Name",
    "serviceAdministratorId":"123","subscriptionId":0,"subscriptionGuid":"00000000-0000-0000-0000-000000000000",
    "subscriptionName":"Subscription Name","date":"2018-08-01T00:00:00","product":"Locally Redundant","meterId":"0",
    "meterCategory":"Storage","meterSubCategory":"Locally Redundant","meterRegion":"California","meterName":"P10 (Units)",
    "consumedQuantity":1,"resourceRate":1,"resourceLocation":"uswest","consumedService":"Microsoft.Compute",
    "instanceId":"Id","serviceInfo1":"string","serviceInfo2":"string","additionalInfo":"string","tags":"string",
    "storeServiceIdentifier":"string","departmentName":"Department Name","costCenter":"1234","unitOfMeasure":"Units",
    "resourceGroup":"ResourceGroup"}"#;
const MARKETPLACE: &str = r#"{"id":"id","subscriptionGuid":"00000000-0000-0000-0000-000000000000","subscriptionName":"subName",
    "meterId":"2core","usageStartDate":"2015-09-17T00:00:00Z","usageEndDate":"2015-09-17T23:59:59Z",
    "offerName":"Virtual LoadMaster (VLM) for Azure","resourceGroup":"Res group","instanceId":"id",
    "additionalInfo":"{\"ImageType\":null,\"ServiceType\":\"Medium\"}","tags":"","orderNumber":"order","unitOfMeasure":"",
    "costCenter":"100","accountId":100,"accountName":"Account Name","accountOwnerId":"account@example.com",
    "departmentId":101,"departmentName":"Department 1","publisherName":"Publisher 1","planName":"Plan name",
    "consumedQuantity":1.15,"resourceRate":0.1,"extendedCost":1.11,"isRecurringCharge":"False"}"#;
const PRICE_SHEET: &str = r#"{"offerId":"MS-AZR-0017P","id":"enrollments/100/billingperiods/201601/products/343/pricesheets",
    "billingPeriodId":"201704","meterId":"dc210ecb-97e8-4522-8134-2385494233c0","meterName":"A1 VM",
    "unitOfMeasure":"100 Hours","includedQuantity":0,"partNumber":"N7H-00015","unitPrice":0.00,"currencyCode":"USD"}"#;
const BALANCE: &str = r#"{"id":"enrollments/100/billingperiods/201507/balancesummaries","billingPeriodId":201507,"currencyCode":"USD",
    "beginningBalance":0,"endingBalance":1.1,"newPurchases":1,"adjustments":1.1,"utilized":1.1,"serviceOverage":1,
    "chargesBilledSeparately":1,"totalOverage":1,"totalUsage":1.1,"azureMarketplaceServiceCharges":1,
    "newPurchasesDetails":[{"name":"","value":1}],"adjustmentDetails":[{"name":"Promo Credit","value":1.1},{"name":"SIE Credit","value":1.0}]}"#;

/// Names in their order and what kind of value each has; texts that are dates with the letters that stand in them.
fn shape(json: &str) -> Vec<(String, String)> {
    let kind = |value: &Value| match value {
        Value::String(text) if text.len() >= 19 && text.as_bytes()[10] == b'T' && text.as_bytes()[4] == b'-' => {
            text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
        }
        Value::String(_) => "text".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::Bool(_) => "flag".to_owned(),
        Value::Array(details) => {
            assert!(details.iter().all(|detail| detail["name"].is_string() && detail["value"].is_number()));
            "list".to_owned()
        }
        value => value.to_string(),
    };
    let object: Value = serde_json::from_str(json).unwrap();
    let object = object.as_object().unwrap();
    let mut names: Vec<(usize, &String)> =
        object.keys().map(|name| (json.find(&format!("\"{name}\":")).unwrap(), name)).collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| (name.clone(), kind(&object[name]))).collect()
}

/// The text of each row of a page or list.
fn rows(body: &[u8]) -> Vec<String> {
    use serde_json::value::RawValue;
    let raw = |text: &str| {
        let rows: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
        rows.iter().map(|row| row.get().to_owned()).collect()
    };
    let text = std::str::from_utf8(body).unwrap();
    match text.as_bytes()[0] {
        b'[' => raw(text),
        _ => raw(&text[text.find(":[").unwrap() + 1..=text.rfind(']').unwrap()]),
    }
}

/// Every row has the sample's shape, but for what may be null or without a zone.
fn is_like(body: &[u8], sample: &str) {
    let sample = shape(sample);
    let rows = rows(body);
    assert!(!rows.is_empty());
    for row in rows {
        let shape = shape(&row);
        let names = |shape: &[(String, String)]| shape.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&shape), names(&sample), "{row}");
        for ((name, kind), (_, expected)) in shape.iter().zip(&sample) {
            let may_be_null = ["serviceInfo1", "additionalInfo", "tags", "storeServiceIdentifier", "costCenter"];
            let is_null = kind == "null" && may_be_null.contains(&name.as_str());
            assert!(kind == expected || is_null || *expected == format!("{kind}Z"), "{name}: {kind} {expected}");
        }
    }
}

fn without(sample: &str, names: &[&str]) -> String {
    let mut sample = sample.to_owned();
    for name in names {
        let start = sample.find(&format!("\"{name}\":")).unwrap();
        let length = sample[start..].find([',', '}']).unwrap();
        let is_last = sample.as_bytes()[start + length] == b'}';
        if is_last {
            let comma = sample[..start].rfind(',').unwrap();
            sample.replace_range(comma..start + length, "");
        } else {
            sample.replace_range(start..=start + length, "");
        }
    }
    sample
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_every_dataset_looks_like_its_sample() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    let body = |version: u8, path: &str| {
        let answer = get(&simulator, &format!("/v{version}/enrollments/100/billingPeriods/202401/{path}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json; charset=utf-8")));
        answer.body
    };
    is_like(&body(1, "usagedetails"), USAGE_V1);
    is_like(&body(2, "usagedetails"), &without(USAGE_V1, &["enrollmentNumber"]).replace("extendedCost", "Cost"));
    is_like(&body(3, "usagedetails"), USAGE_V3);
    for version in [1, 2] {
        is_like(&body(version, "marketplacecharges"), &without(MARKETPLACE, &["isRecurringCharge"]));
    }
    is_like(&body(3, "marketplacecharges"), MARKETPLACE);
    is_like(&body(1, "pricesheet"), &without(PRICE_SHEET, &["offerId", "meterId"]));
    is_like(&body(2, "pricesheet"), &without(PRICE_SHEET, &["offerId"]));
    is_like(&body(3, "pricesheet"), PRICE_SHEET);
    for version in [1, 2] {
        let object = body(version, "balancesummary");
        is_like(&[b"[", &object[..], b"]"].concat(), BALANCE);
    }
    is_like(&body(3, "balancesummary"), BALANCE);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_has_two_more_forms_and_its_own_envelope() {
    let preview = USAGE_V1.replace("\"accountId\"", "\"cost\":0,\"accountId\"");
    let later = without(USAGE_V1, &["enrollmentNumber"]);
    for (usage_v1, id, sample) in [
        (UsageV1::Usual, "reportId", USAGE_V1),
        (UsageV1::Preview, "reportId", &preview),
        (UsageV1::Later, "id", &later),
    ] {
        let simulator = Simulator::start(Options { usage_v1, ..options(DataKind::Repeating) }).await.unwrap();
        let first = "/v1/enrollments/100/billingPeriods/202401/usagedetails";
        let answer = get(&simulator, first);
        is_like(&answer.body, sample);
        let page = answer.json();
        let id = page[id].as_str().unwrap();
        assert_eq!(id, "enrollments/100/billingperiods/202401/usagedetails");
        assert!(page["nextLink"].as_str().unwrap().contains("/v1/enrollments/100/"));
        for row in page["data"].as_array().unwrap() {
            assert!(usage_v1 == UsageV1::Later || row["enrollmentNumber"] == "100");
            assert!(usage_v1 != UsageV1::Preview || row["cost"] == row["extendedCost"]);
        }
        assert_eq!(follow(&simulator, first).len(), 3);
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_versions_tell_the_same_rows() {
    let simulator = Simulator::start(options(DataKind::Unique)).await.unwrap();
    let rows = |version: u8| {
        let pages = follow(&simulator, &format!("/v{version}/enrollments/100/billingPeriods/202401/usagedetails"));
        pages.into_iter().flat_map(|page| page["data"].as_array().unwrap().clone()).collect::<Vec<_>>()
    };
    let (first, second, third) = (rows(1), rows(2), rows(3));
    assert_eq!((first.len(), second.len(), third.len()), (2500, 2500, 2500));
    for ((first, second), third) in first.iter().zip(&second).zip(&third) {
        assert_eq!((&first["extendedCost"], &second["Cost"]), (&third["cost"], &third["cost"]));
        let day = |row: &Value| row["date"].as_str().unwrap()[..10].to_owned();
        assert_eq!((day(first), day(second)), (day(third), day(third)));
        for name in ["instanceId", "tags", "meterId", "consumedQuantity", "resourceRate", "accountId", "resourceGroup"]
        {
            assert_eq!((&first[name], &second[name]), (&third[name], &third[name]), "{name}");
        }
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_take_every_form_that_is_left_open() {
    let options = Options {
        ids_as_text: true,
        flags: FlagForm::Text,
        numbers: NumberForm::Text,
        extra_fields: true,
        last_link: LastLink::Empty,
        ..options(DataKind::Repeating)
    };
    let simulator = Simulator::start(options.clone()).await.unwrap();
    let at = |path: &str| get(&simulator, &format!("/v3/enrollments/100/billingPeriods/202401/{path}")).json();
    let usage = &at("usagedetails")["data"][0];
    assert!(usage["accountId"].is_string() && usage["cost"].is_string() && usage["resourceRate"].is_string());
    assert!(["True", "False"].contains(&usage["chargesBilledSeparately"].as_str().unwrap()));
    assert!(usage["pricing"].is_object() && usage["benefitId"].is_null() && usage.get("benefitId").is_some());
    let (balance, item) = (&at("balancesummary")[0], &at("pricesheet")[0]);
    assert!(balance["billingPeriodId"] == "202401" && balance["totalUsage"].is_string());
    assert!(item["unitPrice"].is_string() && item["pricing"].is_object());
    simulator.stop().await;

    let padded = Options { numbers: NumberForm::Padded, flags: FlagForm::Bare, last_link: LastLink::Absent, ..options };
    let simulator = Simulator::start(Options { page_rows: 5000, ..padded }).await.unwrap();
    let at = |path: &str| get(&simulator, &format!("/v3/enrollments/100/billingPeriods/202401/{path}"));
    let sheet = String::from_utf8(at("pricesheet").body).unwrap();
    assert!(sheet.contains(r#""includedQuantity":0.000000000000000,"#), "{sheet}");
    let charges = at("marketplacecharges").json();
    assert!(charges[0]["isRecurringCharge"].is_boolean());
    let page = at("usagedetails").json();
    assert!(page.get("nextLink").is_none() && page["data"][0]["chargesBilledSeparately"].is_boolean());
    simulator.stop().await;
}
