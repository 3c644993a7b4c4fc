//! Usage details as CSV: at once, and ordered.

use std::time::Duration;

use super::*;
use crate::simulator::{CsvForm, CsvLanguage, Dataset, Month, Pages, ReportStatus};

const DOWNLOAD: &str = "/v3/enrollments/100/usagedetails/download?billingPeriod=202401";
const SUBMIT: &str = "/v3/enrollments/100/usagedetails/submit?billingPeriod=202401";

/// The captions of a recorded file.
const CAPTIONS: &str = "AccountId,AccountName,AccountOwnerEmail,AdditionalInfo,ConsumedQuantity,ConsumedService,\
    ConsumedServiceId,Cost,CostCenter,Date,DepartmentId,DepartmentName,InstanceId,MeterCategory,MeterId,MeterName,\
    MeterRegion,MeterSubCategory,Product,ProductId,ResourceGroup,ResourceLocation,ResourceLocationId,ResourceRate,\
    ServiceAdministratorId,ServiceInfo1,ServiceInfo2,StoreServiceIdentifier,SubscriptionGuid,SubscriptionId,\
    SubscriptionName,Tags,UnitOfMeasure,PartNumber,ResourceGuid,OfferId,ChargesBilledSeparately,Location,ServiceName,\
    ServiceTier";

/// The lines of a file as RFC 4180 reads them.
fn lines(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut cell, mut in_quotes) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if in_quotes && characters.peek() == Some(&'"') => cell.push(characters.next().unwrap()),
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => cell.push(character),
            ',' => line.push(std::mem::take(&mut cell)),
            '\r' => assert_eq!(characters.peek(), Some(&'\n')),
            '\n' => {
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            _ => cell.push(character),
        }
    }
    assert!(!in_quotes);
    if !line.is_empty() {
        line.push(cell);
        lines.push(line);
    }
    lines
}

fn text(answer: &Answered) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_the_rows_of_the_pages_in_their_order() {
    for data in KINDS {
        let simulator = Simulator::start(Options { line_breaks: true, ..options(data) }).await.unwrap();
        let answer = get(&simulator, DOWNLOAD);
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        let file = text(&answer);
        let begin = format!("UsageDetail Report for Billing Period - 202401\r\n\r\n{CAPTIONS}\r\n");
        assert!(file.starts_with(&begin) && file.ends_with("\r\n"), "{}", &file[..100]);
        assert!(data == DataKind::Unique || file.contains(",\r\n  "));
        let lines = lines(&file[begin.len() - CAPTIONS.len() - 2..]);
        let pages = Pages::new(&Options { line_breaks: true, ..options(data) }, "100", "202401").unwrap();
        let pages: Vec<Value> = (1..=3).map(|number| exact(&pages.get(number).unwrap())).collect();
        let rows: Vec<&Value> = pages.iter().flat_map(|page| page["data"].as_array().unwrap()).collect();
        assert_eq!(lines.len(), rows.len() + 1);
        for (line, row) in lines[1..].iter().zip(rows) {
            assert_eq!(line.len(), 40);
            for (caption, cell) in lines[0].iter().zip(line) {
                let name = caption[..1].to_lowercase() + &caption[1..];
                let value = match &row[&name] {
                    Value::Null => String::new(),
                    Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
                    Value::String(text) if name == "date" => text[..10].to_owned(),
                    Value::String(text) => text.clone(),
                    value => panic!("{value}"),
                };
                assert_eq!(*cell, value, "{caption}");
            }
        }
        let place = lines[0].iter().position(|caption| caption == "Cost").unwrap();
        let cost = |line: &Vec<String>| {
            let (whole, fraction) = line[place].split_once('.').unwrap_or((&line[place], ""));
            format!("{whole}{fraction:0<15}").parse::<i128>().unwrap()
        };
        let truth =
            simulator.truth()["enrollments"]["100"]["202401"]["sums"]["cost"].as_str().unwrap().replace('.', "");
        assert_eq!(lines[1..].iter().map(cost).sum::<i128>(), truth.parse::<i128>().unwrap());
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_comes_while_it_is_made_and_a_condition_saves_it() {
    let simulator = Simulator::start(Options { rows_per_month: 15_000, ..Options::default() }).await.unwrap();
    let answer = get(&simulator, DOWNLOAD);
    assert_eq!((answer.header("transfer-encoding"), answer.header("content-length")), (Some("chunked"), None));
    assert_eq!(lines(&text(&answer)).len(), 15_003);
    assert_eq!(simulator.counters().body_bytes, answer.body.len() as u64);
    let packed = ask(&simulator, "GET", DOWNLOAD, &[KEY, ("Accept-Encoding", "gzip")]);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == answer.body);
    let etag = answer.header("etag").unwrap();
    assert_eq!(ask(&simulator, "GET", DOWNLOAD, &[KEY, ("If-None-Match", etag)]).status, 304);
    assert_ne!(Some(etag), get(&simulator, &usage("202401")).header("etag"));
    // The other host tells the length of what it keeps.
    let order = ask(&simulator, "POST", SUBMIT, &[KEY, ("Content-Length", "0")]).json();
    let poll = order["reportUrl"].as_str().unwrap().replace(&simulator.endpoint(), "");
    assert_eq!(get(&simulator, &poll).json()["status"], 2);
    let blob = get(&simulator, &poll).json()["blobPath"].as_str().unwrap().to_owned();
    let kept = ask_at(&simulator.blob_endpoint(), "GET", blob.strip_prefix(&simulator.blob_endpoint()).unwrap(), &[]);
    assert_eq!(kept.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert!(kept.body == answer.body);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_in_each_language_and_form() {
    let begins = [
        (
            CsvLanguage::French,
            CsvForm::Current,
            "Rapport UsageDetail pour la période de facturation - 202401\r\n\r\nID du compte (AccountId),Nom du compte (AccountName),",
        ),
        (
            CsvLanguage::German,
            CsvForm::Current,
            "UsageDetail-Bericht für den Abrechnungszeitraum - 202401\r\n\r\nKonto-ID (AccountId),",
        ),
        (CsvLanguage::English, CsvForm::Bare, "AccountId,AccountName,"),
        (
            CsvLanguage::English,
            CsvForm::Old,
            "\"Usage Data Extract\",\r\n\"\",\r\nAccountOwnerId,Account Name,ServiceAdministratorId,SubscriptionId,SubscriptionGuid,Subscription Name,Date,Month,Day,Year,Product,Meter ID,Meter Category,Meter Sub-Category,Meter Region,Meter Name,Consumed Quantity,ResourceRate,ExtendedCost,Resource Location,Consumed Service,Instance ID,ServiceInfo1,ServiceInfo2,AdditionalInfo,Tags,Store Service Identifier,Department Name,Cost Center,Unit Of Measure,Resource Group,\r\n",
        ),
    ];
    for (csv_language, csv_form, begin) in begins {
        let forms =
            Options { csv_language, csv_form, csv_bom: true, csv_last_line_end: false, ..options(DataKind::Repeating) };
        let simulator = Simulator::start(forms).await.unwrap();
        let file = text(&get(&simulator, DOWNLOAD));
        let file = file.strip_prefix('\u{feff}').unwrap();
        assert!(file.starts_with(begin), "{}", &file[..300]);
        assert!(!file.ends_with('\n'));
        let lines = lines(file);
        let head = lines.iter().position(|line| line.len() > 3).unwrap();
        assert_eq!(lines.len() - head - 1, 2500);
        for line in &lines[head + 1..] {
            assert_eq!(line.len(), lines[head].len());
            if csv_form == CsvForm::Old {
                assert_eq!(line.last().unwrap(), "");
                assert_eq!(line[6], format!("{}/{}/{}", line[7], line[8], line[9]));
            }
        }
        let second = text(&get(&simulator, &DOWNLOAD.replace("v3", "v2")));
        assert!(csv_form == CsvForm::Old || !second.contains("ServiceTier") && second.contains("UnitOfMeasure"));
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_file_is_polled_and_fetched_from_another_host() {
    let statuses = ["1", "2", "6-", "6"].map(|status| status.parse::<ReportStatus>().unwrap()).to_vec();
    let simulator =
        Simulator::start(Options { report_statuses: statuses, report_accepted: true, ..options(DataKind::Repeating) })
            .await
            .unwrap();
    let order = ask(&simulator, "POST", SUBMIT, &[KEY, ("Content-Length", "0")]);
    assert_eq!(order.status, 202);
    let order = order.json();
    assert_eq!((&order["status"], &order["blobPath"]), (&Value::from(1), &Value::from("")));
    assert_eq!(
        (order["startDate"].as_str(), order["endDate"].as_str()),
        (Some("2024-01-01T00:00:00"), Some("2024-01-31T00:00:00"))
    );
    assert!(order["requestedOn"].as_str().is_some_and(|at| at.len() == 28 && at.ends_with('Z')));
    // What was ordered is what comes, whatever happens meanwhile.
    let file = get(&simulator, DOWNLOAD).body;
    simulator.restate("100", "2024-01").unwrap();
    let poll = order["reportUrl"].as_str().unwrap().replace(&simulator.endpoint(), "");
    let polled: Vec<_> = (0..4).map(|_| get(&simulator, &poll)).collect();
    assert_eq!(polled.iter().map(|answer| answer.status).collect::<Vec<_>>(), [202, 202, 200, 200]);
    let polled: Vec<Value> = polled.iter().map(Answered::json).collect();
    assert_eq!(polled.iter().map(|answer| answer["status"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 6, 6, 6]);
    assert_eq!(polled[1]["blobPath"], "");
    let blob = polled[2]["blobPath"].as_str().unwrap();
    let target = blob.strip_prefix(&simulator.blob_endpoint()).unwrap();
    assert_ne!(simulator.blob_endpoint(), simulator.endpoint());
    let blobs = |target: &str, headers: &[(&str, &str)]| ask_at(&simulator.blob_endpoint(), "GET", target, headers);
    let answer = blobs(target, &[("Accept-Encoding", "gzip")]);
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.header("content-encoding")),
        (200, Some("application/octet-stream"), None)
    );
    assert!(answer.body == file);

    // A key must never come here.
    let with_key = blobs(target, &[KEY]);
    assert_eq!((with_key.status, with_key.header("x-ms-error-code")), (400, Some("InvalidAuthenticationInfo")));
    for (wrong, status) in [
        (target.replacen("sig=", "sig=x", 1), 403),
        (target.split('?').next().unwrap().to_owned(), 403),
        (target.replace("/usagedetails/", "/usagedetails/0"), 404),
        ("/v3/enrollments/100/usagedetails".to_owned(), 404),
    ] {
        let answer = blobs(&wrong, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/xml")), "{wrong}");
        assert!(text(&answer).contains("<Error><Code>"));
    }
    let counters = simulator.counters();
    assert_eq!((counters.blob_requests, counters.keys_sent_to_blobs), (6, 1));
    let truth = simulator.truth();
    assert_eq!(truth["counters"]["keys_sent_to_blobs"], 1);
    for (what, count) in
        [("report_submit/100/202401/1", 1), ("report_poll/100/202401/1", 4), ("report_blob/100/202401/1", 4)]
    {
        assert_eq!(truth["requests"][what], count, "{what}");
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_expires_and_an_order_may_fail() {
    let fast = Options { blob_lifetime: Duration::ZERO, report_statuses: Vec::new(), ..options(DataKind::Repeating) };
    let simulator = Simulator::start(fast).await.unwrap();
    let order = ask(&simulator, "POST", SUBMIT, &[KEY, ("Content-Length", "0")]).json();
    let target = order["blobPath"].as_str().unwrap().strip_prefix(&simulator.blob_endpoint()).unwrap().to_owned();
    let answer = ask_at(&simulator.blob_endpoint(), "GET", &target, &[]);
    assert_eq!((answer.status, answer.header("x-ms-error-code")), (403, Some("AuthenticationFailed")));
    assert!(text(&answer).contains("Signed expiry time ["));
    simulator.stop().await;

    let empty = (Dataset::UsageDetails, Month { year: 2024, month: 2 });
    let failing = Options {
        report_statuses: vec!["2".parse().unwrap(), "4".parse().unwrap()],
        null_links: vec![empty],
        ..options(DataKind::Repeating)
    };
    let simulator = Simulator::start(failing).await.unwrap();
    let order = ask(&simulator, "POST", SUBMIT, &[KEY, ("Content-Length", "0")]).json();
    let poll = order["reportUrl"].as_str().unwrap().replace(&simulator.endpoint(), "");
    for _ in 0..3 {
        let polled = get(&simulator, &poll).json();
        assert_eq!((&polled["status"], &polled["blobPath"]), (&Value::from(4), &Value::from("")));
    }
    simulator.stop().await;

    let simulator =
        Simulator::start(Options { null_links: vec![empty], ..options(DataKind::Repeating) }).await.unwrap();
    let order = ask(&simulator, "POST", &SUBMIT.replace("202401", "202402"), &[KEY, ("Content-Length", "0")]).json();
    let poll = order["reportUrl"].as_str().unwrap().replace(&simulator.endpoint(), "");
    assert_eq!(get(&simulator, &poll).json()["status"], 2);
    assert_eq!(get(&simulator, &poll).json()["status"], 5);
    for (method, target, status) in [
        ("GET", SUBMIT.to_owned(), 405),
        ("POST", DOWNLOAD.to_owned(), 405),
        ("POST", SUBMIT.replace("202401", "2024-01"), 400),
        ("POST", SUBMIT.replace("/100/", "/999/"), 400),
        ("GET", poll.replace("/100/", "/200/"), 404),
        ("GET", format!("{poll}0"), 404),
    ] {
        assert_eq!(ask(&simulator, method, &target, &[KEY, ("Content-Length", "0")]).error().0, status, "{target}");
    }
    assert_eq!(ask(&simulator, "POST", SUBMIT, &[("Content-Length", "0")]).status, 401);
    assert_eq!(ask(&simulator, "GET", &poll, &[]).status, 401);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_begin_with_what_the_options_say() {
    for (public_base, public_blob_base, begin) in [
        (Some("http://consumption.azure.com:443/x"), None, None),
        (
            Some("http://consumption.azure.com"),
            Some("https://blobs.example.com:8443"),
            Some("https://blobs.example.com:8443"),
        ),
        (None, Some("https://blobs.example.com"), Some("https://blobs.example.com")),
    ] {
        let (public_base, public_blob_base) = (public_base.map(str::to_owned), public_blob_base.map(str::to_owned));
        let report_statuses = Vec::new();
        let options = Options {
            public_base: public_base.clone(),
            public_blob_base,
            report_statuses,
            ..options(DataKind::Repeating)
        };
        let simulator = Simulator::start(options).await.unwrap();
        let order = ask(&simulator, "POST", SUBMIT, &[KEY, ("Content-Length", "0")]).json();
        let (report, blob) = (order["reportUrl"].as_str().unwrap(), order["blobPath"].as_str().unwrap());
        assert!(report.starts_with(&public_base.unwrap_or(simulator.endpoint())), "{report}");
        let port = simulator.blob_endpoint().rsplit_once(':').unwrap().1.to_owned();
        let expected = begin.map_or_else(|| format!("http://consumption.azure.com:{port}"), str::to_owned);
        assert!(blob.starts_with(&format!("{expected}/usagedetails/")), "{blob}");
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_a_port_is_answered_under_it() {
    let simulator = Simulator::start(options(DataKind::Repeating)).await.unwrap();
    for host in ["consumption.azure.com", "consumption.azure.com:443", "CONSUMPTION.azure.com:8080"] {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{}: {}\r\n\r\n",
            usage("202401"),
            KEY.0,
            KEY.1
        );
        let mut stream = TcpStream::connect(simulator.endpoint().trim_start_matches("http://")).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let link =
            format!("\"nextLink\":\"http://{host}/v3/enrollments/100/billingPeriods/202401/usagedetails?skiptoken=");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&link));
    }
    simulator.stop().await;
}
