//! A page that is broken, huge or of another form ends in an error that names it, or in rejected rows; never in a
//! short period, in rows that come twice, or in memory that grows with the input.

use std::fmt::Write;

use billing_lake::contract::{BillingPeriod, Contract, Dataset};
use billing_lake::decode::{DecodeError, Decoder, Form, InvalidText, Options, RowScope};

use crate::cells::{self, Cells, ENROLLMENT, feed_in_pieces};

fn period() -> BillingPeriod {
    "2018-08".parse().unwrap()
}

fn decoder_with(change: impl FnOnce(&mut Options)) -> Decoder {
    let mut options = Options::new(RowScope::Period(period()));
    change(&mut options);
    Decoder::new(Contract::of(Dataset::UsageDetails), ENROLLMENT.parse().unwrap(), options)
}

fn decoder() -> Decoder {
    decoder_with(|_| {})
}

/// All rows that are left in the decoder.
fn rest(decoder: &mut Decoder) -> Vec<Cells> {
    let mut rows = Vec::new();
    while let Some(group) = decoder.finish().unwrap() {
        rows.extend(cells::rows(&group.into_batch().unwrap(), &Contract::of(Dataset::UsageDetails), None));
    }
    rows
}

/// The product of each row, a short way to tell rows apart.
fn products(rows: &[Cells]) -> Vec<&str> {
    rows.iter().map(|row| row["product"].as_str()).collect()
}

/// Feeds a page in pieces of `size` and ends it; the rows, or the error.
fn read(decoder: &mut Decoder, page: &[u8], size: usize) -> Result<Vec<Cells>, DecodeError> {
    feed_in_pieces(decoder, page, size, &mut Vec::new())?;
    decoder.commit()?;
    Ok(rest(decoder))
}

const PAGE: &str = r#"{"id":"x","data":[{"product":"a\"\u00e9é","cost":-12.50,"date":"2018-08-01T00:00:00",
 "tags":"{}","new":[1,{"b":null}],"accountId":1234},{"product":"b","cost":1e-7},true,{ }],
 "nextLink":"https://x/?a\u0026b","more":{"c":[true,false]}}"#;

#[test]
fn a_page_cut_at_any_byte_is_cut_and_gives_its_rows_once_afterwards() {
    let page = PAGE.as_bytes();
    let whole = read(&mut decoder(), page, page.len()).unwrap();
    assert_eq!(whole.len(), 3);
    for cut in 0..page.len() {
        for size in [1, page.len()] {
            let mut decoder = decoder();
            feed_in_pieces(&mut decoder, &page[..cut], size, &mut Vec::new()).unwrap();
            let error = decoder.commit().unwrap_err();
            assert!(matches!(error, DecodeError::Cut { offset } if offset == cut as u64), "{cut}: {error}");
            assert!(error.is_cut());
            decoder.rollback().unwrap();
            decoder.feed(page).unwrap();
            let summary = decoder.commit().unwrap();
            assert_eq!((summary.rows, summary.rejected_rows), (3, 1));
            assert_eq!(summary.next_link.as_deref(), Some("https://x/?a&b"));
            assert_eq!(decoder.take_rejected().len(), 1);
            assert_eq!(rest(&mut decoder), whole, "{cut}");
            assert_eq!(decoder.summary().control_totals.text["cost"], "-12.4999999");
            assert_eq!(decoder.summary().unknown_envelope_fields["more"], 1);
        }
    }
}

#[test]
fn a_syntax_error_is_placed_alike_in_any_pieces() {
    let wrong = [
        ("", "<html>"),
        ("\u{feff}", "\u{feff}{}"),
        ("{\"data\":[", "\u{feff}]}"),
        ("{", "data:[]}"),
        ("{\"data\" ", "1}"),
        ("{\"data\":[{\"cost\":", "NaN}]}"),
        ("{\"data\":[{\"cost\":-", "Infinity}]}"),
        ("{\"data\":[{\"cost\":0", "1}]}"),
        ("{\"data\":[{\"cost\":1.", "}]}"),
        ("{\"data\":[{\"cost\":1e+", "}]}"),
        ("{\"data\":[{\"cost\":1", "x},{}]}"),
        ("{\"data\":[{\"product\":\"abcdefgh\\u12", "g4\"}]}"),
        ("{\"data\":[{\"product\":\"a", "\n\"}]}"),
        ("{\"data\":[{\"product\":\"", "\\x\"}]}"),
        ("{\"data\":[{\"product\":", "truth}]}"),
        ("{\"data\":[{\"product\" ", "\"a\"}]}"),
        ("{\"data\":[{\"product\":\"a\"", "\"b\":1}]}"),
        ("{\"data\":[{\"product\":\"a\"", "]]}"),
        ("{\"data\":[{\"product\":", "x,\"tags\":[1}]}"),
        ("{\"data\":[{\"new\":{\"a\" ", "1}}]}"),
        ("{\"data\":[{\"product\":\"a\",", "}]}"),
        ("{\"data\":[{},", "]}"),
        ("{\"data\":[{}", "{}]}"),
        ("{\"data\":[{}]", "]}"),
        ("{\"data\":[12", "x]}"),
        ("{\"data\":[],\"a\":{\"b\":", "]}}"),
        ("{\"data\":[],", "}"),
        ("{\"data\":[]} ", "{}"),
    ];
    for (before, behind) in wrong {
        let page = format!("{before}{behind}");
        let offset = before.len() as u64;
        let mut found = Vec::new();
        for size in (1..=page.len()).chain([usize::MAX]) {
            let mut decoder = decoder();
            match read(&mut decoder, page.as_bytes(), size) {
                Err(DecodeError::Syntax { offset, .. }) => found.push(offset),
                other => panic!("{page}: {other:?}"),
            }
        }
        assert!(found.iter().all(|place| *place == offset), "{page}: {found:?} instead of {offset}");
    }
}

#[test]
fn a_byte_order_mark_before_the_page_is_passed_over() {
    let page = "\u{feff} {\"data\":[{\"product\":\"\u{feff}\"}]}".as_bytes();
    for form in [Form::Page, Form::Detect] {
        for size in [1, 2, 3, 4, page.len()] {
            let mut decoder = decoder_with(|options| options.form = form);
            assert_eq!(products(&read(&mut decoder, page, size).unwrap()), ["\u{feff}"]);
            // Each page may have its own.
            assert_eq!(read(&mut decoder, page, size).unwrap().len(), 1);
        }
    }
    for size in [1, 2, 3, 4] {
        assert!(matches!(read(&mut decoder(), &page[..2], size), Err(DecodeError::Cut { offset: 2 })));
        let wrong = [&page[..2], b"{\"data\":[]}"].concat();
        assert!(matches!(read(&mut decoder(), &wrong, size), Err(DecodeError::Syntax { offset: 0, .. })));
    }
}

#[test]
fn an_error_before_the_cut_is_not_taken_for_a_cut() {
    for size in [1, 5, 100] {
        let error = read(&mut decoder(), b"{\"data\":[{\"cost\":NaN,\"product\":\"", size).unwrap_err();
        assert!(matches!(error, DecodeError::Syntax { offset: 17, .. }), "{error}");
    }
}

#[test]
fn a_refused_page_stays_refused_until_it_is_rolled_back() {
    let mut decoder = decoder();
    assert!(decoder.feed(b"{\"data\":[{\"product\":\"a\"}]} x").is_err());
    assert!(decoder.commit().is_err(), "the rows before the error are no page");
    assert!(decoder.feed(b" ").is_err());
    decoder.rollback().unwrap();
    let rows = read(&mut decoder, b"{\"data\":[{\"product\":\"b\"}]}", 3).unwrap();
    assert_eq!(products(&rows), ["b"]);
}

#[test]
fn what_is_no_page_is_named() {
    let pages = [
        ("{\"data\":null}", "`data` is not an array"),
        ("{\"data\":{\"a\":[]}}", "`data` is not an array"),
        ("{\"data\":\"[]\"}", "`data` is not an array"),
        ("{\"id\":\"x\",\"nextLink\":null}", "no `data`"),
        ("{}", "no `data`"),
        ("{\"data\":[],\"Data\":[]}", "two `data` keys"),
        ("{\"data\":[],\"nextLink\":12}", "`nextLink`"),
        ("{\"data\":[],\"nextLink\":[\"a\"]}", "`nextLink`"),
        ("[]", "an object with `data`"),
        (" 12", "an object with `data`"),
        ("null", "an object with `data`"),
        ("\"data\"", "an object with `data`"),
    ];
    for (page, named) in pages {
        for size in [1, 3, page.len()] {
            let error = read(&mut decoder(), page.as_bytes(), size).unwrap_err();
            assert!(matches!(error, DecodeError::Form { .. }), "{page}: {error}");
            assert!(error.to_string().contains(named), "{page}: {error}");
        }
    }
    let mut array = decoder_with(|options| options.form = Form::Array);
    assert!(matches!(read(&mut array, b"{\"data\":[]}", 100), Err(DecodeError::Form { .. })));
    assert!(matches!(read(&mut decoder(), b"", 1), Err(DecodeError::Cut { offset: 0 })));
}

#[test]
fn a_link_or_key_without_end_is_named() {
    let long = "x".repeat(70_000);
    for page in [format!("{{\"data\":[],\"nextLink\":\"{long}\"}}"), format!("{{\"{long}\":1,\"data\":[]}}")] {
        for size in [1_000, page.len()] {
            let error = read(&mut decoder(), page.as_bytes(), size).unwrap_err();
            assert!(matches!(error, DecodeError::Form { .. }), "{error}");
        }
    }
    let page = format!("{{\"other\":\"{long}\",\"data\":[{{\"product\":\"a\"}}]}}");
    for size in [1_000, page.len()] {
        assert_eq!(products(&read(&mut decoder(), page.as_bytes(), size).unwrap()), ["a"]);
    }
}

#[test]
fn deep_nesting_is_refused_alike_in_any_pieces() {
    let deep = "[".repeat(100_000);
    let keys = "{\"a\":".repeat(100_000);
    let prefixes = ["{\"data\":[", "{\"data\":[{\"product\":", "{\"data\":[{\"new\":", "{\"data\":[],\"other\":"];
    for prefix in prefixes {
        for nested in [&deep, &keys] {
            let page = format!("{prefix}{nested}");
            let places: Vec<_> = [1, 16, 4_096, page.len()]
                .map(|size| match read(&mut decoder(), page.as_bytes(), size) {
                    Err(DecodeError::Depth { offset }) => offset,
                    other => panic!("{prefix}: {other:?}"),
                })
                .into();
            assert!(places.iter().all(|place| *place == places[0]), "{prefix}: {places:?}");
        }
    }
    // 64 levels fit: the row is one of them.
    let page = format!("{{\"data\":[{{\"new\":{}{}}}]}}", "[".repeat(63), "]".repeat(63));
    for size in [1, page.len()] {
        assert_eq!(read(&mut decoder(), page.as_bytes(), size).unwrap().len(), 1);
    }
}

#[test]
fn a_row_over_the_bound_is_rejected_alone() {
    let row = |length: usize| {
        let frame = r#"{"product":""}"#.len();
        format!("{{\"product\":\"{}\"}}", "x".repeat(length - frame))
    };
    for length in [5_000, 5_001, 50_000] {
        let page = format!("{{\"data\":[{},   {},{}]}}", row(100), row(length), row(200));
        for size in [1, 100, 4_999, 6_000, page.len()] {
            let mut decoder = decoder_with(|options| options.max_row_bytes = 5_000);
            feed_in_pieces(&mut decoder, page.as_bytes(), size, &mut Vec::new()).unwrap();
            let summary = decoder.commit().unwrap();
            let rejected = decoder.take_rejected();
            if length > 5_000 {
                assert_eq!((summary.rows, summary.rejected_rows), (2, 1));
                assert_eq!((rejected[0].page, rejected[0].row), (1, 1));
                assert!(rejected[0].text.starts_with("{\"product\":\"xxx") && rejected[0].text.len() == 4_096);
                assert!(rejected[0].reason.contains("longer"), "{}", rejected[0].reason);
            } else {
                assert_eq!((summary.rows, summary.rejected_rows), (3, 0));
            }
            assert_eq!(rest(&mut decoder).len() as u64, summary.rows);
        }
    }
}

#[test]
fn an_element_without_end_is_passed_over() {
    for (open, inside, close) in
        [("[", "1,", "1]"), ("\"", "text", "\""), ("{\"tags\":\"", "\\\"", "\"}"), ("1", "0", "")]
    {
        let mut decoder = decoder_with(|options| options.max_row_bytes = 1 << 20);
        decoder.feed(format!("{{\"data\":[{open}").as_bytes()).unwrap();
        let piece = inside.repeat((64 << 10) / inside.len());
        for _ in 0..512 {
            decoder.feed(piece.as_bytes()).unwrap();
        }
        decoder.feed(format!("{close},{{\"product\":\"a\"}}]}}").as_bytes()).unwrap();
        let summary = decoder.commit().unwrap();
        assert_eq!((summary.rows, summary.rejected_rows), (1, 1));
        assert!(decoder.take_rejected()[0].text.len() <= 4_096);
    }
}

#[test]
fn a_lone_row_over_the_bound_is_a_row() {
    let page = format!("{{\"product\":\"{}\"}}\n", "x".repeat(10_000));
    for size in [64, page.len()] {
        let mut decoder = decoder_with(|options| {
            options.form = Form::Detect;
            options.max_row_bytes = 5_000;
        });
        feed_in_pieces(&mut decoder, page.as_bytes(), size, &mut Vec::new()).unwrap();
        let summary = decoder.commit().unwrap();
        assert_eq!((summary.rows, summary.rejected_rows), (0, 1));
    }
}

fn page_of(rows: std::ops::Range<usize>) -> String {
    let mut page = String::from("{\"id\":\"x\",\"data\":[");
    for row in rows.clone() {
        let comma = if row == rows.start { "" } else { "," };
        let _ =
            write!(page, "{comma}{{\"product\":\"p{row}\",\"cost\":{row}.5,\"unitOfMeasure\":\"{} Hours\"}}", row % 7);
    }
    page.push_str("],\"nextLink\":null}");
    page
}

#[test]
fn pages_of_any_number_of_rows_come_whole() {
    let mut decoder = decoder_with(|options| options.group_rows = 60_000);
    let mut batches = Vec::new();
    let mut rows = 0;
    for size in [0, 1, 50_000, 0, 50_000, 1, 0] {
        let page = page_of(rows..rows + size);
        feed_in_pieces(&mut decoder, page.as_bytes(), 16 << 10, &mut batches).unwrap();
        assert_eq!(decoder.commit().unwrap().rows, size as u64);
        cells::take_batches(&mut decoder, &mut batches);
        rows += size;
    }
    batches.extend(decoder.finish().unwrap().map(|group| group.into_batch().unwrap()));
    let contract = Contract::of(Dataset::UsageDetails);
    let found: Vec<_> = batches.iter().flat_map(|batch| cells::rows(batch, &contract, Some("2018-08-01"))).collect();
    assert_eq!(found.len(), rows);
    for (at, row) in found.iter().enumerate() {
        assert_eq!((&row["product"], &row["cost"]), (&format!("p{at}"), &format!("{at}.5")));
    }
    assert_eq!(decoder.summary().pages, 7);
    assert_eq!(decoder.summary().control_totals.text["cost"], format!("{}", 100_002_u64 * 100_002 / 2));
}

#[test]
fn a_page_over_its_bound_is_committed_in_parts_and_cannot_be_rolled_back() {
    let page = page_of(0..10_000);
    let mut decoder = decoder_with(|options| {
        options.page_bytes = 100_000;
        options.group_rows = 1_000;
    });
    let mut batches = Vec::new();
    feed_in_pieces(&mut decoder, &page.as_bytes()[..10_000], 1_024, &mut batches).unwrap();
    decoder.rollback().unwrap();
    feed_in_pieces(&mut decoder, page.as_bytes(), 1_024, &mut batches).unwrap();
    assert!(batches.len() >= 5, "row groups have to come while the page does");
    assert!(matches!(decoder.rollback(), Err(DecodeError::PartlyCommitted)));
    assert_eq!(decoder.commit().unwrap().rows, 10_000);
    cells::take_batches(&mut decoder, &mut batches);
    batches.extend(decoder.finish().unwrap().map(|group| group.into_batch().unwrap()));
    let contract = Contract::of(Dataset::UsageDetails);
    let rows: Vec<_> = batches.iter().flat_map(|batch| cells::rows(batch, &contract, None)).collect();
    assert_eq!(rows.len(), 10_000);
    assert!(rows.iter().enumerate().all(|(at, row)| row["product"] == format!("p{at}")));
    // The next page is one that can be rolled back again.
    decoder.feed(b"{\"data\":[{\"product\":\"a\"}").unwrap();
    decoder.rollback().unwrap();
}

#[test]
fn short_rows_do_not_pile_up_though_their_text_is_small() {
    let page = format!("{{\"data\":[{}]}}", ["{}"; 200_000].join(","));
    let mut decoder = decoder_with(|options| {
        options.page_bytes = 1 << 20;
        options.group_bytes = 2 << 20;
    });
    assert!(page.len() < 1 << 20);
    let mut batches = Vec::new();
    feed_in_pieces(&mut decoder, page.as_bytes(), 16 << 10, &mut batches).unwrap();
    let rows: usize = batches.iter().map(arrow_array::RecordBatch::num_rows).sum();
    assert!(rows > 180_000, "{rows}");
    let mut decoder = decoder_with(|_| ());
    decoder.feed(format!("{{\"data\":[{}", ["1"; 50_000].join(",")).as_bytes()).unwrap();
    decoder.feed(b",1").unwrap();
    assert!(decoder.take_rejected().len() > 10_000);
}

#[test]
fn rejected_rows_of_a_page_without_end_are_handed_over_on_the_way() {
    let mut decoder = decoder_with(|options| options.page_bytes = 10_000);
    decoder.feed(b"{\"data\":[7").unwrap();
    let mut rejected = 0;
    for _ in 0..1_000 {
        decoder.feed(",{\"cost\":\"x\"}".repeat(50).as_bytes()).unwrap();
        let taken = decoder.take_rejected();
        assert!(taken.len() < 2_000, "{} rows are held", taken.len());
        assert!(taken.iter().zip(rejected..).all(|(row, at)| row.row == at));
        rejected += taken.len() as u64;
    }
    decoder.feed(b"]}").unwrap();
    assert_eq!(decoder.commit().unwrap().rejected_rows, 50_001);
    assert_eq!(rejected + decoder.take_rejected().len() as u64, 50_001);
}

#[test]
fn the_form_is_told_by_the_input() {
    let padding = "z".repeat(3_000);
    let inputs = [
        ("{\"data\":[{\"product\":\"a\"},{\"product\":\"b\"}]}", 2),
        ("{\"nextLink\":null,\"data\":[{\"product\":\"a\"}]}\n{\"id\":\"2\",\"data\":[{\"product\":\"b\"}]}", 2),
        ("[{\"product\":\"a\"},{\"product\":\"b\"}]", 2),
        ("[{\"product\":\"a\"}][{\"product\":\"b\"}] {\"data\":[{\"product\":\"c\"}]}", 3),
        ("{\"product\":\"a\"}\n{\"product\":\"b\"}\n", 2),
        ("{\"product\":\"a\"}\r\n{\"product\":\"b\"}", 2),
        ("{\"cost\":1,\"product\":\"a\"}{\"new\":{\"data\":[]},\"product\":\"b\"}", 2),
        ("{\"P\\u0072oduct\":\"a\"}\n{\"PRODUCT\":\"b\"}", 2),
        (&format!("{{\"new\":\"{padding}\",\"product\":\"a\"}}\n{{\"new\":\"{padding}\",\"product\":\"b\"}}"), 2),
        (&format!("{{\"id\":\"{padding}\",\"data\":[{{\"product\":\"a\"}}]}}"), 1),
    ];
    for (input, rows) in inputs {
        for size in (1..80).chain([1_000, 1_024, input.len()]) {
            let mut decoder = decoder_with(|options| options.form = Form::Detect);
            feed_in_pieces(&mut decoder, input.as_bytes(), size, &mut Vec::new()).unwrap();
            assert_eq!(decoder.commit().unwrap().rows, rows as u64, "{input}, in pieces of {size}");
            assert_eq!(products(&rest(&mut decoder)), &["a", "b", "c"][..rows], "{input}");
        }
        // Cut inside a document it is cut; between documents nobody can tell.
        for cut in 0..input.len() {
            let mut decoder = decoder_with(|options| options.form = Form::Detect);
            decoder.feed(&input.as_bytes()[..cut]).unwrap();
            match decoder.commit() {
                Ok(summary) => assert!(summary.rows <= rows as u64 && !input[cut..].starts_with('"')),
                Err(error) => assert!(error.is_cut(), "{input} cut at {cut}: {error}"),
            }
        }
    }
    for (input, offset) in [("{\"product\":\"a\"},{\"product\":\"b\"}", 15), ("{\"new\":x}", 7), ("[{}]]", 4)] {
        for size in [1, 4, input.len()] {
            let mut decoder = decoder_with(|options| options.form = Form::Detect);
            match read(&mut decoder, input.as_bytes(), size) {
                Err(DecodeError::Syntax { offset: found, .. }) => assert_eq!(found, offset, "{input}"),
                other => panic!("{input}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_link_is_that_of_the_last_page_of_an_input() {
    let mut decoder = decoder_with(|options| options.form = Form::Detect);
    decoder.feed(b"{\"data\":[],\"nextLink\":\"https://x/2\"}{\"data\":[]}").unwrap();
    assert_eq!(decoder.commit().unwrap().next_link, None);
}

fn dated(days: &[&str]) -> String {
    let rows: Vec<_> = days.iter().map(|day| format!("{{\"product\":\"p\",\"date\":{day},\"cost\":1}}")).collect();
    format!("{{\"data\":[{}]}}", rows.join(","))
}

#[test]
fn rows_of_other_periods_are_handed_back_and_count_in_nothing() {
    let page =
        dated(&["\"2018-08-31\"", "\"2018-09-01\"", "null", "\"2018-08-01\"", "\"2013-01-01\"", "\"2018-09-30\""]);
    for scope in [None, Some(period())] {
        let mut decoder = decoder_with(|options| options.scope = RowScope::DatedIn(scope));
        assert_eq!(decoder.period(), scope);
        feed_in_pieces(&mut decoder, page.as_bytes(), 10, &mut Vec::new()).unwrap();
        assert!(decoder.take_strays().is_empty(), "the page is not committed");
        let summary = decoder.commit().unwrap();
        assert_eq!((summary.rows, summary.rejected_rows), (2, 2));
        assert_eq!(decoder.period(), Some(period()));
        let strays = decoder.take_strays();
        let strays: Vec<_> =
            strays.iter().map(|(period, row)| (period.to_string(), String::from_utf8_lossy(row))).collect();
        assert_eq!(strays.len(), 2);
        assert_eq!(strays[0], ("2018-09".into(), "{\"product\":\"p\",\"date\":\"2018-09-01\",\"cost\":1}".into()));
        assert!(strays[1].1.contains("2018-09-30"));
        assert!(decoder.take_rejected().iter().all(|row| row.column.as_deref() == Some("date")));
        assert_eq!(decoder.summary().control_totals.text["cost"], "2");
        let contract = Contract::of(Dataset::UsageDetails);
        let batch = decoder.finish().unwrap().unwrap().into_batch().unwrap();
        assert_eq!(cells::rows(&batch, &contract, Some("2018-08-01")).len(), 2);
    }
}

#[test]
fn a_page_that_is_rolled_back_does_not_choose_the_period() {
    let mut decoder = decoder_with(|options| options.scope = RowScope::DatedIn(None));
    decoder.feed(&dated(&["\"2018-09-01\"", "null"]).as_bytes()[..60]).unwrap();
    assert_eq!(decoder.period().map(|period| period.to_string()).as_deref(), Some("2018-09"));
    decoder.rollback().unwrap();
    assert_eq!(decoder.period(), None);
    assert_eq!(read(&mut decoder, dated(&["\"2018-08-01\""]).as_bytes(), 7).unwrap().len(), 1);
    assert_eq!(decoder.period(), Some(period()));
}

/// The number of entries in the dictionary of `product`.
fn entries(batch: &arrow_array::RecordBatch) -> usize {
    use arrow_array::{Array, DictionaryArray, types::Int32Type};
    let column = batch.column_by_name("product").unwrap();
    column.as_any().downcast_ref::<DictionaryArray<Int32Type>>().unwrap().values().len()
}

#[test]
fn strays_rejected_and_rolled_back_rows_leave_nothing_in_a_dictionary() {
    let mut decoder = decoder_with(|options| {
        options.scope = RowScope::DatedIn(Some(period()));
        options.page_bytes = 10_000;
    });
    decoder.feed(b"{\"data\":[{\"product\":\"kept\",\"date\":\"2018-08-01\"}").unwrap();
    for row in 0..20_000 {
        let of = if row % 2 == 0 { "\"date\":\"2018-09-01\"" } else { "\"cost\":\"x\"" };
        decoder.feed(format!(",{{\"product\":\"never {row}\",{of}}}").as_bytes()).unwrap();
        decoder.take_strays();
        decoder.take_rejected();
    }
    decoder.feed(b"]}").unwrap();
    assert_eq!(decoder.commit().unwrap().rows, 1);
    decoder.feed(b"{\"data\":[{\"product\":\"gone\",\"date\":\"2018-08-01\"},").unwrap();
    decoder.rollback().unwrap();
    decoder.feed(b"{\"data\":[{\"product\":\"kept\",\"product\":\"new\",\"date\":\"2018-08-01\"}]}").unwrap();
    decoder.commit().unwrap();
    let batch = decoder.finish().unwrap().unwrap().into_batch().unwrap();
    assert_eq!((batch.num_rows(), entries(&batch)), (2, 2));
}

#[test]
fn a_row_group_with_too_many_distinct_texts_is_whole() {
    const DISTINCT: usize = 40_000;
    for rolled_back_at in [None, Some(0), Some(10_000), Some(16_384), Some(16_385), Some(30_000)] {
        let mut decoder = decoder();
        let mut wanted = Vec::new();
        for (page, texts) in (0..DISTINCT).collect::<Vec<_>>().chunks(10_000).enumerate() {
            // Each text comes at once a second time: looked up or not, it has to be the same.
            let rows: Vec<_> =
                texts.iter().flat_map(|text| [text, text]).map(|at| format!("{{\"product\":\"t{at}\"}}")).collect();
            let json = format!("{{\"data\":[{}]}}", rows.join(","));
            if rolled_back_at.is_some_and(|at| at / 10_000 == page) {
                let cut = rolled_back_at.unwrap() % 10_000 * json.len() / 10_000;
                decoder.feed(&json.as_bytes()[..cut]).unwrap();
                decoder.rollback().unwrap();
            }
            decoder.feed(json.as_bytes()).unwrap();
            decoder.commit().unwrap();
            wanted.extend(texts.iter().flat_map(|text| [format!("t{text}"), format!("t{text}")]));
        }
        let rows = rest(&mut decoder);
        assert_eq!(products(&rows), wanted);
    }
}

#[test]
fn interning_begins_anew_with_each_row_group() {
    let mut decoder = decoder_with(|options| options.group_rows = 20_000);
    let mut batches = Vec::new();
    for page in 0..4 {
        // All distinct in the first and third row group, all the same in the others.
        let rows: Vec<_> =
            (0..20_000).map(|at| format!("{{\"product\":\"t{}\"}}", if page % 2 == 0 { at } else { 7 })).collect();
        decoder.feed(format!("{{\"data\":[{}]}}", rows.join(",")).as_bytes()).unwrap();
        decoder.commit().unwrap();
        cells::take_batches(&mut decoder, &mut batches);
    }
    let shapes: Vec<_> = batches.iter().map(|batch| (batch.num_rows(), entries(batch))).collect();
    assert_eq!(shapes, [(20_000, 20_000), (20_000, 1), (20_000, 20_000), (20_000, 1)]);
}

#[test]
fn text_that_is_no_unicode_is_replaced_or_rejected_in_every_column() {
    let page = b"{\"data\":[{\"product\":\"a\"},{\"product\":\"\xff\"},{\"product\":[\"\xff\"]},{\"new\":\"\xff\"},\
                 {\"n\xff\":1},{\"product\":\"\\ud800\"},{\"product\":\"\xff\",\"product\":\"b\"}]}";
    let mut replacing = decoder();
    let rows = read(&mut replacing, page, 9).unwrap();
    assert_eq!(rows.len(), 7);
    assert_eq!(replacing.summary().replaced_texts, 5, "a text that a later one replaced counts no more");
    assert_eq!(rows[4]["extra"], "{\"n\u{fffd}\":1}");
    let mut strict = decoder_with(|options| options.invalid_text = InvalidText::Reject);
    let rows = read(&mut strict, page, 9).unwrap();
    assert_eq!(products(&rows), ["a", "b"]);
    let columns: Vec<_> = strict.take_rejected().into_iter().map(|row| row.column.unwrap()).collect();
    assert_eq!(columns, ["product", "product", "extra", "extra", "product"]);
}

#[test]
fn unknown_fields_without_end_are_bounded() {
    let fields: String = (0..20_000).map(|at| format!("\"new{at}\":1,")).collect();
    let page = format!("{{\"data\":[{{{fields}\"product\":\"a\"}},{{\"product\":\"b\"}}]}}");
    let mut decoder = decoder();
    assert_eq!(products(&read(&mut decoder, page.as_bytes(), 4_096).unwrap()), ["b"]);
    let rejected = decoder.take_rejected();
    assert_eq!(rejected[0].column.as_deref(), Some("extra"));
    assert!(decoder.summary().unknown_fields.is_empty());

    let fields: String = (0..5_000).map(|at| format!("\"{}{at}\":1,", "n".repeat(1_000))).collect();
    let page = format!("{{\"data\":[{{{fields}\"product\":\"a\"}}]}}");
    assert_eq!(read(&mut decoder, page.as_bytes(), 4_096).unwrap().len(), 1);
    let unknown = decoder.summary().unknown_fields;
    assert!(unknown.len() <= 1_001 && unknown.keys().all(|name| name.len() <= 256));
    assert_eq!(unknown.values().sum::<u64>(), 5_000);
}

#[test]
fn numbers_without_measure_are_rejected_at_once() {
    let numbers = ["1.5e-2147483648", "1e2147483647", "1e99999999999", "\"1e-99999\"", &"1".repeat(5_000)];
    for number in numbers {
        let page = format!("{{\"data\":[{{\"cost\":{number}}},{{\"accountId\":{number}}},{{\"product\":{number}}}]}}");
        let mut decoder = decoder();
        assert_eq!(read(&mut decoder, page.as_bytes(), 64).unwrap().len(), 1, "{number}");
        assert_eq!(decoder.summary().rejected_rows, 2);
    }
}
