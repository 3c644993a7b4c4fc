//! Rows read by prediction are those of the plain path: the same record batches, counts, rejected rows and strays.
//!
//! The pages hold enough rows that layouts are learned, judged and dropped as they are for a bill. What the plain path
//! makes of a row is held against serde_json elsewhere (`decode_agrees_with_a_plain_reading`, `docs/fuzzing.md`).

use arrow_array::RecordBatch;
use billing_lake::contract::{BillingPeriod, ColumnType, Contract, Dataset};
use billing_lake::decode::{Decoder, Form, InvalidText, Options, RejectedRow, RowScope, Summary};
use billing_lake::simulator::{self, DataKind, Pages};

/// All that a decoder says.
#[derive(Debug, PartialEq)]
struct Told {
    batches: Vec<RecordBatch>,
    summary: Summary,
    rejected: Vec<RejectedRow>,
    strays: Vec<(BillingPeriod, Vec<u8>)>,
    links: Vec<Option<String>>,
}

/// Row groups of at most so many rows.
fn options(group_rows: usize) -> Options {
    let mut options = Options::new(RowScope::Period("2024-11".parse().unwrap()));
    // Row groups end by rows alone: what the two paths account in bytes differs.
    options.group_bytes = 1 << 30;
    options.group_rows = group_rows;
    options
}

/// Reads pages in pieces; with `twice` half of each page is fed first and rolled back.
fn read(pages: &[Vec<u8>], mut options: Options, piece: usize, twice: bool, prediction: bool) -> Told {
    options.prediction = prediction;
    let mut decoder = Decoder::new(Contract::of(Dataset::UsageDetails), "100".parse().unwrap(), options);
    let mut told =
        Told { batches: vec![], summary: Summary::default(), rejected: vec![], strays: vec![], links: vec![] };
    for page in pages {
        if twice {
            page[..page.len() / 2].chunks(piece).for_each(|piece| decoder.feed(piece).unwrap());
            decoder.rollback().unwrap();
        }
        page.chunks(piece).for_each(|piece| decoder.feed(piece).unwrap());
        told.links.push(decoder.commit().unwrap().next_link);
        told.batches.extend(std::iter::from_fn(|| decoder.take_group()).map(|group| group.into_batch().unwrap()));
        told.rejected.extend(decoder.take_rejected());
        told.strays.extend(decoder.take_strays().iter().map(|(period, row)| (period, row.to_vec())));
    }
    while let Some(group) = decoder.finish().unwrap() {
        told.batches.push(group.into_batch().unwrap());
    }
    told.summary = decoder.summary();
    told
}

/// Reads pages both ways, and says how many rows they gave.
fn same_both_ways(pages: &[Vec<u8>], options: &Options, piece: usize, twice: bool) -> u64 {
    let plain = read(pages, options.clone(), piece, twice, false);
    let predicted = read(pages, options.clone(), piece, twice, true);
    assert_eq!(predicted.summary, plain.summary);
    assert_eq!(predicted.rejected, plain.rejected);
    assert_eq!(predicted.strays, plain.strays);
    assert_eq!(predicted.links, plain.links);
    assert_eq!(predicted.batches.len(), plain.batches.len(), "row groups");
    for (predicted, plain) in predicted.batches.iter().zip(&plain.batches) {
        for (field, (one, other)) in
            plain.schema_ref().fields().iter().zip(predicted.columns().iter().zip(plain.columns()))
        {
            assert!(one == other, "{} differs", field.name());
        }
    }
    plain.summary.rows
}

fn bill(data: DataKind, rows: u64, rows_of_page: usize) -> Vec<Vec<u8>> {
    let options =
        simulator::Options { data, rows_per_month: rows, page_rows: rows_of_page, ..simulator::Options::default() };
    let pages = Pages::new(&options, "100", "2024-11").unwrap();
    (1..=pages.count()).filter_map(|number| pages.get(number)).collect()
}

/// Row groups of the usual size.
const LARGE: usize = 262_144;
const KINDS: [DataKind; 3] = [DataKind::Repeating, DataKind::Shuffled, DataKind::Unique];

#[test]
fn bills_of_every_kind_are_read_the_same() {
    for kind in KINDS {
        let pages = bill(kind, 60_000, 1_000);
        for (piece, group_rows, twice) in [(128 << 10, LARGE, false), (10_007, 7_000, true)] {
            let options = options(group_rows);
            assert_eq!(same_both_ways(&pages, &options, piece, twice), 60_000, "{kind:?}");
        }
    }
}

#[test]
fn kinds_that_follow_each_other_are_read_the_same() {
    // Layouts that fit one kind have to be dropped for the next, in the middle of a row group and of a page.
    let mut pages = Vec::new();
    for kind in [DataKind::Unique, DataKind::Repeating, DataKind::Shuffled, DataKind::Unique, DataKind::Repeating] {
        pages.extend(bill(kind, 30_000, 700));
    }
    for group_rows in [LARGE, 40_000] {
        assert_eq!(same_both_ways(&pages, &options(group_rows), 100_000, true), 150_000);
    }
}

#[test]
fn a_budget_in_bytes_loses_no_row() {
    for kind in KINDS {
        let pages = bill(kind, 30_000, 1_000);
        let rows = |prediction| {
            let mut options = options(LARGE);
            (options.group_bytes, options.page_bytes) = (2 << 20, 300_000);
            let told = read(&pages, options, 65_536, false, prediction);
            let rows: usize = told.batches.iter().map(RecordBatch::num_rows).sum();
            assert!(told.batches.len() > 2 && rows == 30_000, "{kind:?}");
            told.summary
        };
        assert_eq!(rows(true), rows(false), "{kind:?}");
    }
}

#[test]
fn rows_of_several_periods_are_told_apart_the_same() {
    let pages: Vec<_> = bill(DataKind::Repeating, 20_000, 1_000)
        .into_iter()
        .map(|page| {
            let text = String::from_utf8(page).unwrap();
            text.replace("2024-11-17T", "2024-12-17T").replace("2024-11-09T", "no day T").into_bytes()
        })
        .collect();
    for period in [None, Some("2024-11".parse().unwrap()), Some("2024-12".parse().unwrap())] {
        let mut options = options(LARGE);
        options.scope = RowScope::DatedIn(period);
        let rows = same_both_ways(&pages, &options, 128 << 10, true);
        assert!(rows > 0, "{period:?}");
    }
}

/// Numbers below what is asked for, the same for the same seed.
fn random(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

#[test]
fn rows_that_pair_things_at_random_are_read_the_same() {
    // Which resource comes says nothing of the meter, so layouts, parents and followers are others than those of a
    // simulated bill. Numbers stand side by side, and some are the beginnings of others.
    let mut random = random(11);
    let mut pairs: Vec<(u64, u64)> = (0..2_500).map(|_| (random(1_700), random(120))).collect();
    let mut rows = Vec::new();
    for day in 1..=16 {
        let mut order: Vec<usize> = (0..pairs.len()).filter(|_| random(100) > 0).collect();
        (1..order.len()).for_each(|at| order.swap(at, if random(80) > 0 { at } else { at - 1 }));
        if day > 12 {
            (1..order.len()).for_each(|at| order.swap(at, random(at as u64) as usize));
        }
        for at in order {
            let (resource, meter) = pairs[at];
            let (group, account, quantity) = (resource % 90, resource % 13, random(9_999));
            rows.push(format!(
                r#"{{"accountId":{account},"departmentId":{group},"productId":{meter},"consumedServiceId":{},"cost":0.{quantity},"date":"2024-11-{day:02}T00:00:00","meterId":"m-{meter}","resourceRate":{},"instanceId":"/groups/{group}/r{resource}","tags":"{{\"t\":\"{}\"}}","unitOfMeasure":"{}","resourceGroup":"{group}"}}"#,
                meter % 12, meter % 7, resource % 31, meter % 3,
            ));
        }
        for _ in 0..75 {
            let at = random(2_500) as usize;
            pairs[at] = (random(1_700), random(120));
        }
    }
    let page = |rows: &[String]| format!("{{\"data\":[{}]}}", rows.join(",")).into_bytes();
    let pages: Vec<_> = rows.chunks(900).map(page).collect();
    for (piece, group_rows, twice) in [(128 << 10, LARGE, false), (5_003, 9_000, true), (700, LARGE, true)] {
        assert_eq!(same_both_ways(&pages, &options(group_rows), piece, twice), rows.len() as u64);
    }
}

#[test]
fn rows_of_more_spans_than_a_layout_has_are_read_the_same() {
    // No column tells another, so each would be a span of its own.
    let contract = Contract::of(Dataset::UsageDetails);
    let columns = contract.columns().iter().filter(|column| column.kind == ColumnType::Text);
    let fields: Vec<_> = columns.map(|column| column.field.as_str()).collect();
    assert!(fields.len() > 25);
    let mut random = random(5);
    let mut row = |_| {
        let values: Vec<_> = fields.iter().map(|field| format!("\"{field}\":\"v{}\"", random(70))).collect();
        format!("{{{}}}\n", values.join(",")).into_bytes()
    };
    let pages: Vec<Vec<u8>> = (0..20).map(|_| (0..400).flat_map(&mut row).collect()).collect();
    let mut options = options(LARGE);
    options.form = Form::Detect;
    assert_eq!(same_both_ways(&pages, &options, 10_007, true), 8_000);
}

#[test]
fn a_row_that_differs_in_one_byte_is_read_as_it_is() {
    let pages = bill(DataKind::Repeating, 12_000, 1_000);
    let last = pages.last().unwrap();
    let rows_at = 1 + last.windows(8).position(|text| text == b"\"data\":[").unwrap() + 7;
    let end = rows_at + last[rows_at..].windows(3).position(|text| text == b"},{").unwrap() + 1;
    let row = &last[rows_at..end];
    for replacement in [b'7', b'x', b'"', b'}', b'\\', 0xc3, b' ', b','] {
        let mut text = Vec::new();
        for at in 0..row.len() {
            let mut changed = row.to_vec();
            changed[at] = replacement;
            // What is no object any more would end the page.
            if is_object(&changed) {
                text.extend_from_slice(&changed);
                text.push(b'\n');
            }
            text.extend_from_slice(row);
            text.push(b'\n');
        }
        let mut options = options(LARGE);
        options.form = Form::Detect;
        for invalid_text in [InvalidText::Replace, InvalidText::Reject] {
            options.invalid_text = invalid_text;
            let mut pages = pages.clone();
            pages.push(text.clone());
            assert!(same_both_ways(&pages, &options, 4_099, false) >= 12_000 + row.len() as u64);
        }
    }
}

fn is_object(text: &[u8]) -> bool {
    // serde_json looks at keys and structure; text that is no Unicode is the decoder's matter.
    let text = String::from_utf8_lossy(text);
    serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok()
}

#[test]
fn a_row_is_read_the_same_wherever_the_input_is_cut() {
    let pages = bill(DataKind::Repeating, 6_000, 1_000);
    // Every position of some rows is the border of a piece once.
    for piece in (1_400..1_500).step_by(7) {
        assert_eq!(same_both_ways(&pages, &options(LARGE), piece, false), 6_000);
    }
}

#[test]
fn other_forms_of_rows_are_read_the_same() {
    let pages = bill(DataKind::Repeating, 12_000, 1_000);
    type Change = fn(usize, &str) -> String;
    let changes: [(&str, Change); 7] = [
        ("spaced", |_, page| page.replace("\":", "\" : ").replace(",\"", ",\n  \"")),
        ("without a key in every third page", |at, page| {
            if at % 3 == 0 {
                page.replace("\"serviceInfo1\":null,", "").replace("\"serviceInfo1\":\"\",", "")
            } else {
                page.to_owned()
            }
        }),
        ("a new field", |_, page| page.replace(",\"date\":", ",\"newField\":{\"a\":[1,\"}\"]},\"date\":")),
        ("a new field in half of the pages", |at, page| {
            if at > 6 { page.replace(",\"date\":", ",\"newField\":1,\"date\":") } else { page.to_owned() }
        }),
        ("a key twice", |_, page| page.replace(",\"date\":", ",\"offerId\":\"twice\",\"date\":")),
        ("keys in another case", |at, page| {
            if at % 2 == 0 { page.replace("\"offerId\"", "\"OfferID\"") } else { page.to_owned() }
        }),
        ("rounded rates", |_, page| {
            page.replace("\"resourceRate\":", "\"resourceRate\":0.00000000000000000012345e0,\"x\":")
        }),
    ];
    for (name, change) in changes {
        let changed: Vec<_> = pages
            .iter()
            .enumerate()
            .map(|(at, page)| change(at, std::str::from_utf8(page).unwrap()).into_bytes())
            .collect();
        assert!(name != "a new field" || changed[0] != pages[0]);
        assert_eq!(same_both_ways(&changed, &options(5_000), 128 << 10, true), 12_000, "{name}");
    }
}
