//! Any page, in any pieces, gives the cells, counts and totals of a plain reading.

use std::collections::BTreeMap;

use billing_lake::contract::{Contract, Dataset};
use billing_lake::decode::{Decoder, Form, InvalidText, Options, RowScope, Summary};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::cells::{self, Cells, ENROLLMENT};
use crate::oracle::{self, BILLING_PERIODS, Exact, FieldOf, Kind, Reading, USAGE_DETAILS};

/// Bytes of JSON.
type Json = Vec<u8>;

fn json(text: &str) -> Json {
    text.as_bytes().to_vec()
}

fn bracketed(open: &str, items: &[Json], close: &str) -> Json {
    [open.as_bytes(), &items.join(&b','), close.as_bytes()].concat()
}

const NUMBERS: [&str; 40] = [
    "0",
    "-0",
    "0.0",
    "-0.00",
    "7",
    "12",
    "-12",
    "12.0",
    "12.50",
    "-12.5",
    "1e3",
    "1E+3",
    "120e-1",
    "1e-7",
    "-1E-7",
    "1.000000000000000",
    "0.000000000000000001",
    "0.0000000000000000005",
    "-0.0000000000000000015",
    "0.0000000000000000025",
    "0.00000000000000000150000001",
    "1.2345678901234567890123456",
    "1.10000000000000000000000000",
    "123456789012345678",
    "1234567890123456789",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999",
    "100000000000000000000",
    "99999999999999999999.999999999999999999",
    "99999999999999999999.9999999999999999995",
    "99999999999999999999.9999999999999999994",
    "1234567890123456789012345678901234567890",
    "1E400",
    "1e-300",
    "0e400",
    "0.1e1",
    "9.99e19",
];

const DATES: [&str; 26] = [
    "2018-08-01",
    "2018-08-01T00:00:00",
    "2018-08-01T00:00:00Z",
    "2018-08-01T23:59:59.9999999",
    "2017-04-27T23:01:43.799Z",
    "2018-08-01T00:30:00+02:00",
    "2018-07-31T23:30:00-01:00",
    "2020-02-29",
    "1900-01-01",
    "9999-12-31T23:59:59.999999Z",
    "8/1/2018",
    "08/01/2018",
    "2018-02-31",
    "2019-02-29",
    "2018-13-01",
    "2018-00-10",
    "0001-01-01",
    "10000-01-01",
    "9999-12-31T23:30:00-02:00",
    "2018-08-01T25:00:00",
    "2018-08-01T",
    "2018-8-1",
    "2018-08-01x",
    "201808",
    "today",
    "2018-08-01T12:00:00.1+00:00",
];

const WORDS: [&str; 14] =
    ["true", "false", "True", "FALSE", "1", "0", "NaN", "Infinity", "+1", "007", "1,5", "0x10", " 1", "-"];

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(&NUMBERS[..]).prop_map(str::to_owned),
        2 => "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?",
        3 => "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,15})?",
    ]
}

/// Bytes that are no UTF-8.
const INVALID: [&[u8]; 6] = [b"\xff", b"\xe2\x82", b"\xc3(", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\x80"];

/// Characters of a string as JSON may write them; now and then what is no Unicode.
fn characters() -> impl Strategy<Value = Json> {
    let one = prop_oneof![
        20 => "[ -!#-\\[\\]-~]{1,12}".prop_map(|text| json(&text)),
        4 => any::<char>().prop_filter("the mark of the plain reading", |c| *c != '\u{f8ff}').prop_map(|character| {
            let quoted = serde_json::to_string(&character).unwrap();
            json(&quoted[1..quoted.len() - 1])
        }),
        4 => select(&[r#"\""#, r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t", r"\u0000", r"\u00e9", r"\uD83d\uDe00"][..])
            .prop_map(json),
        1 => select(&[r"\ud83d", r"\ude00", r"\ud83d\ud83d\ude00", r"\ud83d\n", r"\ufffd", "\u{fffd}"][..]).prop_map(json),
        1 => select(&INVALID[..])
            .prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(one, 0..4).prop_map(|parts| parts.concat())
}

fn quoted(inside: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    inside.prop_map(|inside| [b"\"", &inside[..], b"\""].concat())
}

fn space() -> impl Strategy<Value = Json> {
    prop_oneof![9 => Just(""), 1 => select(&[" ", "\n", "\t", "\r\n", "   "][..])].prop_map(json)
}

/// Any value.
fn value() -> impl Strategy<Value = Json> {
    let simple = prop_oneof![
        Just(json("null")),
        select(&["true", "false"][..]).prop_map(json),
        number().prop_map(|text| json(&text)),
        quoted(number().prop_map(|text| json(&text))),
        quoted(select(&WORDS[..]).prop_map(json)),
        quoted(select(&DATES[..]).prop_map(json)),
        quoted(characters()),
        Just(json("\"\"")),
    ];
    simple.prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec((space(), inner.clone(), space()), 0..4).prop_map(|items| {
                let items: Vec<_> =
                    items.into_iter().map(|(before, item, after)| [before, item, after].concat()).collect();
                bracketed("[", &items, "]")
            }),
            prop::collection::vec((quoted(characters()), space(), inner), 0..4).prop_map(|fields| {
                let fields: Vec<_> =
                    fields.into_iter().map(|(key, space, value)| [&key[..], b":", &space, &value].concat()).collect();
                bracketed("{", &fields, "}")
            }),
        ]
    })
}

/// A value that mostly fits the type.
fn value_of(kind: Kind) -> BoxedStrategy<Json> {
    let fits = match kind {
        Kind::Text => prop_oneof![
            2 => quoted(characters()),
            1 => quoted(select(&["a", "b", "ab", "", "é"][..]).prop_map(json)),
        ]
        .boxed(),
        Kind::Decimal => {
            let usual = "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,22})?".prop_map(|text| json(&text));
            prop_oneof![3 => usual.clone(), 1 => quoted(usual), 1 => number().prop_map(|text| json(&text))].boxed()
        }
        Kind::Id => "-?(0|[1-9][0-9]{0,17})".prop_map(|text| json(&text)).boxed(),
        Kind::Date | Kind::Instant => quoted(select(&DATES[..10]).prop_map(json)).boxed(),
        Kind::Flag => select(&["true", "false", "\"True\"", "\"false\"", "0", "\"1\""][..]).prop_map(json).boxed(),
    };
    prop_oneof![30 => fits, 2 => Just(json("null")), 1 => Just(json("\"\"")), 2 => value()].boxed()
}

/// Fields that the contract does not know.
const UNKNOWN: [&str; 10] = ["new", "newer", "New", "n\\u0065w", "costs", "extra", "", "\\ud800", "a\\\"b", "\u{e9}"];

/// A key as it may be spelled.
fn spelled(name: &'static str) -> impl Strategy<Value = Json> {
    (0..12_u8).prop_map(move |spelling| {
        json(&match spelling {
            0 => format!("\"{}\"", name.to_ascii_lowercase()),
            1 => format!("\"{}\"", name.to_ascii_uppercase()),
            2 => format!("\"\\u{:04x}{}\"", u32::from(name.as_bytes()[0]), &name[1..]),
            _ => format!("\"{name}\""),
        })
    })
}

fn field(fields: &'static [FieldOf]) -> impl Strategy<Value = Json> {
    let known = select(fields).prop_flat_map(|(name, _, kind)| (spelled(name), value_of(kind)));
    let unknown = (quoted(select(&UNKNOWN[..]).prop_map(json)), value()).boxed();
    let pair = prop_oneof![12 => known, 1 => unknown];
    (pair, [space(), space(), space(), space()])
        .prop_map(|((key, value), [a, b, c, d])| [&a[..], &key, &b, b":", &c, &value, &d].concat())
}

/// A row with any fields in any order, some of them more than once.
fn any_row(fields: &'static [FieldOf]) -> impl Strategy<Value = Json> {
    prop::collection::vec(field(fields), 0..10).prop_map(|fields| bracketed("{", &fields, "}"))
}

/// A row as the service writes it: all fields in order, few of their values new.
fn usual_row(fields: &'static [FieldOf]) -> impl Strategy<Value = Json> {
    let changes = prop::collection::vec((any::<Index>(), any::<Index>()), 0..3);
    let values: Vec<_> = fields.iter().map(|(_, _, kind)| value_of(*kind)).collect();
    (0..3_u8, changes, prop::option::weighted(0.3, (any::<Index>(), values))).prop_map(
        move |(variant, changes, different)| {
            let mut row: Vec<_> = fields
                .iter()
                .enumerate()
                .map(|(at, (name, _, kind))| {
                    let value = match kind {
                        Kind::Text => format!("\"{} {}\"", name, usize::from(variant) * (at % 3)),
                        Kind::Decimal => format!("{variant}.{at}"),
                        Kind::Id => format!("1{variant}0{at}"),
                        Kind::Date | Kind::Instant => format!("\"2018-08-0{}T00:00:00\"", variant + 1),
                        Kind::Flag => "true".to_owned(),
                    };
                    (json(&format!("\"{name}\":")), json(&value))
                })
                .collect();
            if let Some((at, values)) = different {
                let at = at.index(values.len());
                row[at].1 = values[at].clone();
            }
            for (from, to) in changes {
                let (from, to) = (from.index(row.len()), to.index(row.len()));
                row.swap(from, to);
            }
            let fields: Vec<_> = row.into_iter().map(|(key, value)| [key, value].concat()).collect();
            bracketed("{", &fields, "}")
        },
    )
}

fn row(fields: &'static [FieldOf]) -> impl Strategy<Value = Json> {
    prop_oneof![20 => any_row(fields), 20 => usual_row(fields), 1 => value()]
}

const LINKS: [&str; 4] =
    ["null", "\"\"", "\"https://consumption.azure.com/v3/x?token=a%2B\\u0026b\"", "\"https:\\/\\/x\\/\u{e9}\""];

/// A page with its envelope's fields in any order.
fn page(fields: &'static [FieldOf], rows: std::ops::Range<usize>) -> impl Strategy<Value = Json> {
    let rows = prop::collection::vec((space(), row(fields), space()), rows).prop_map(|rows| {
        let rows: Vec<_> = rows.into_iter().map(|(before, row, after)| [before, row, after].concat()).collect();
        bracketed("[", &rows, "]")
    });
    let data =
        (select(&["\"data\"", "\"Data\"", "\"d\\u0061ta\""][..]), rows).prop_map(|(key, rows)| (json(key), rows));
    let link = select(&LINKS[..]).prop_map(|link| (json("\"nextLink\""), json(link)));
    let others = select(&["\"id\"", "\"count\"", "\"re\\\"st\""][..]).prop_flat_map(|key| (Just(json(key)), value()));
    let around = (prop::option::of(link), prop::collection::vec(others, 0..3));
    let envelope = (data, around).prop_map(|(data, (link, others))| {
        let mut fields = vec![data];
        fields.extend(link);
        fields.extend(others);
        fields
    });
    (envelope.prop_shuffle(), space(), space(), space()).prop_map(|(fields, before, between, after)| {
        let fields: Vec<_> =
            fields.into_iter().map(|(key, value)| [&key[..], b":", &between, &value].concat()).collect();
        [&before[..], b"{", &between, &fields.join(&[&between[..], b","].concat()[..]), b"}", &after].concat()
    })
}

/// How a page reaches the decoder.
#[derive(Debug, Clone)]
struct Delivery {
    /// Where it is cut into pieces.
    cuts: Vec<Index>,
    /// Or all pieces have this size.
    size: Option<usize>,
    /// Before, its beginning up to here came and was rolled back.
    broken_off: Option<Index>,
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let cuts = prop::collection::vec(any::<Index>(), 0..6);
    let size = prop::option::weighted(0.3, 1..50_usize);
    (cuts, size, prop::option::weighted(0.4, any::<Index>())).prop_map(|(cuts, size, broken_off)| Delivery {
        cuts,
        size,
        broken_off,
    })
}

impl Delivery {
    fn pieces<'a>(&self, page: &'a [u8]) -> Vec<&'a [u8]> {
        if let Some(size) = self.size {
            return page.chunks(size).collect();
        }
        let mut borders: Vec<_> = self.cuts.iter().map(|cut| cut.index(page.len() + 1)).collect();
        borders.extend([0, page.len()]);
        borders.sort_unstable();
        borders.windows(2).map(|border| &page[border[0]..border[1]]).collect()
    }
}

/// Everything that a decoder said about some pages.
#[derive(Debug, Default)]
struct Told {
    rows: Vec<Cells>,
    rejected: Vec<(u64, u64, Option<String>, String)>,
    links: Vec<Option<String>>,
    summary: Summary,
    batches: Vec<usize>,
}

fn options(dataset: Dataset, strict: bool) -> Options {
    let mut options = Options::new(match dataset {
        Dataset::UsageDetails => RowScope::Period("2018-08".parse().unwrap()),
        _ => RowScope::OfRow,
    });
    options.invalid_text = if strict { InvalidText::Reject } else { InvalidText::Replace };
    options
}

fn decode(dataset: Dataset, options: Options, pages: &[(Json, Delivery)]) -> Told {
    let contract = Contract::of(dataset);
    let mut decoder = Decoder::new(Contract::of(dataset), ENROLLMENT.parse().unwrap(), options);
    let mut told = Told::default();
    let mut batches = Vec::new();
    for (page, delivery) in pages {
        if let Some(cut) = &delivery.broken_off {
            for piece in delivery.pieces(&page[..cut.index(page.len())]) {
                decoder.feed(piece).unwrap();
            }
            decoder.rollback().unwrap();
        }
        for piece in delivery.pieces(page) {
            decoder.feed(piece).unwrap();
            cells::take_batches(&mut decoder, &mut batches);
        }
        let before = told.rejected.len();
        let summary = decoder.commit().unwrap();
        cells::take_batches(&mut decoder, &mut batches);
        told.links.push(summary.next_link);
        told.rejected.extend(decoder.take_rejected().into_iter().map(|row| (row.page, row.row, row.column, row.text)));
        assert_eq!(summary.rejected_rows, (told.rejected.len() - before) as u64);
    }
    batches.extend(decoder.finish().unwrap().map(|group| group.into_batch().unwrap()));
    let month = (dataset == Dataset::UsageDetails).then_some("2018-08-01");
    for batch in &batches {
        told.batches.push(batch.num_rows());
        told.rows.extend(cells::rows(batch, &contract, month));
    }
    told.summary = decoder.summary();
    told
}

fn agree(told: &Told, readings: &[Reading]) {
    let rows: Vec<_> = readings.iter().flat_map(|reading| &reading.rows).collect();
    for (at, (found, wanted)) in told.rows.iter().zip(&rows).enumerate() {
        assert_eq!(&found, wanted, "row {at}");
    }
    assert_eq!(told.rows.len(), rows.len());
    let refused: Vec<_> = readings
        .iter()
        .zip(1_u64..)
        .flat_map(|(reading, page)| reading.refused.iter().map(move |refusal| (page, refusal)))
        .collect();
    assert_eq!(told.rejected.len(), refused.len());
    for ((page, row, column, text), (wanted_page, refusal)) in told.rejected.iter().zip(refused) {
        assert_eq!((*page, *row, text), (wanted_page, refusal.row, &refusal.text));
        match column {
            Some(column) => assert!(refusal.columns.contains(column), "{column}: {refusal:?}"),
            None => assert!(refusal.columns.is_empty(), "{refusal:?}"),
        }
    }
    let links: Vec<_> = readings.iter().map(|reading| reading.next_link.clone()).collect();
    assert_eq!(told.links, links);
    let total = |count: fn(&Reading) -> u64| readings.iter().map(count).sum::<u64>();
    let summary = &told.summary;
    assert_eq!(summary.pages, readings.len() as u64);
    assert_eq!(summary.rows, rows.len() as u64);
    assert_eq!(summary.rejected_rows, told.rejected.len() as u64);
    assert_eq!(summary.rounded_values, total(|reading| reading.rounded_values));
    assert_eq!(summary.replaced_texts, total(|reading| reading.replaced_texts));
    assert_eq!(summary.duplicate_keys, total(|reading| reading.duplicate_keys));
    let mut unknown = BTreeMap::new();
    for (name, count) in readings.iter().flat_map(|reading| &reading.unknown_fields) {
        *unknown.entry(name.clone()).or_default() += count;
    }
    assert_eq!(summary.unknown_fields, unknown);
    let mut around = BTreeMap::new();
    for (name, count) in readings.iter().flat_map(|reading| &reading.unknown_envelope_fields) {
        *around.entry(name.clone()).or_default() += count;
    }
    assert_eq!(summary.unknown_envelope_fields, around);
    let sums = |of: fn(&Reading) -> &BTreeMap<String, Exact>| {
        let mut sums: BTreeMap<String, Exact> = BTreeMap::new();
        for (column, sum) in readings.iter().flat_map(of) {
            sums.entry(column.clone()).or_default().add(sum);
        }
        sums
    };
    let as_text = |sums: BTreeMap<String, Exact>| -> BTreeMap<String, String> {
        sums.into_iter().map(|(column, sum)| (column, sum.to_string())).collect()
    };
    assert_eq!(summary.control_totals.text, as_text(sums(|reading| &reading.text_sums)));
    let mut lost = sums(|reading| &reading.lost_sums);
    lost.retain(|_, sum| !sum.is_zero());
    assert_eq!(summary.control_totals.residue, as_text(lost));
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn usage_pages_in_any_pieces(
        pages in prop::collection::vec((page(&USAGE_DETAILS, 0..12), delivery()), 1..5),
        group_rows in 1..20_usize,
        group_bytes in select(&[600_usize, 3_000, 64 << 20][..]),
        strict in any::<bool>(),
    ) {
        let mut options = options(Dataset::UsageDetails, strict);
        options.group_rows = group_rows;
        options.group_bytes = group_bytes;
        let told = decode(Dataset::UsageDetails, options, &pages);
        let readings: Vec<_> =
            pages.iter().map(|(page, _)| oracle::read_page(page, &USAGE_DETAILS, strict)).collect();
        agree(&told, &readings);
        // A row group holds whole pages: it closes when it is full, and one page may carry it beyond.
        prop_assert!(told.batches.iter().all(|rows| (1..group_rows + 12).contains(rows)), "{:?}", told.batches);
    }

    #[test]
    fn billing_periods_in_any_pieces(
        pages in prop::collection::vec((page(&BILLING_PERIODS, 0..8), delivery()), 1..3),
        strict in any::<bool>(),
    ) {
        let told = decode(Dataset::BillingPeriods, options(Dataset::BillingPeriods, strict), &pages);
        let readings: Vec<_> =
            pages.iter().map(|(page, _)| oracle::read_page(page, &BILLING_PERIODS, strict)).collect();
        agree(&told, &readings);
    }

    /// A page over the bound is committed in parts: the same rows, only the rollback is gone.
    #[test]
    fn pages_that_are_committed_in_parts(
        pages in prop::collection::vec((page(&USAGE_DETAILS, 0..12), delivery()), 1..4),
        page_bytes in 1..2_000_usize,
        group_rows in 1..8_usize,
    ) {
        let mut options = options(Dataset::UsageDetails, false);
        options.page_bytes = page_bytes;
        options.group_rows = group_rows;
        let pages: Vec<_> =
            pages.into_iter().map(|(page, delivery)| (page, Delivery { broken_off: None, ..delivery })).collect();
        let told = decode(Dataset::UsageDetails, options, &pages);
        let readings: Vec<_> =
            pages.iter().map(|(page, _)| oracle::read_page(page, &USAGE_DETAILS, false)).collect();
        agree(&told, &readings);
    }

    /// What is told apart by itself is read as what it is.
    #[test]
    fn a_page_whose_form_is_detected(page in page(&USAGE_DETAILS, 0..6), delivery in delivery()) {
        let mut options = options(Dataset::UsageDetails, false);
        options.form = Form::Detect;
        let told = decode(Dataset::UsageDetails, options, &[(page.clone(), delivery)]);
        agree(&told, &[oracle::read_page(&page, &USAGE_DETAILS, false)]);
    }
}

proptest! {
    #![proptest_config(cases(40))]

    /// Two pieces, cut at every byte of a small page.
    #[test]
    fn small_pages_cut_at_every_byte(page in page(&USAGE_DETAILS, 0..3), strict in any::<bool>()) {
        let reading = oracle::read_page(&page, &USAGE_DETAILS, strict);
        for cut in 0..=page.len() {
            let contract = Contract::of(Dataset::UsageDetails);
            let options = options(Dataset::UsageDetails, strict);
            let mut decoder = Decoder::new(contract, ENROLLMENT.parse().unwrap(), options);
            decoder.feed(&page[..cut]).unwrap();
            decoder.feed(&page[cut..]).unwrap();
            let summary = decoder.commit().unwrap();
            prop_assert_eq!(summary.rows, reading.rows.len() as u64);
            prop_assert_eq!(&summary.next_link, &reading.next_link);
            let rows = decoder.finish().unwrap().map(|group| group.into_batch().unwrap());
            let rows = rows.map(|batch| cells::rows(&batch, &Contract::of(Dataset::UsageDetails), Some("2018-08-01")));
            prop_assert_eq!(rows.unwrap_or_default(), reading.rows.clone());
        }
    }
}
