//! The decoder against the plain reading: pages in any form, in any pieces, rolled back anywhere.
//!
//! An input is eight characters of settings (see [`Settings::read`]) and the pages. Three control characters that no JSON
//! holds stand for what happens to the bytes around them: [`NEXT_PAGE`], [`NEXT_PIECE`] and [`ROLLBACK`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::plain::{self, Cell, ENROLLMENT, Line, Number, Page, Wrong};
use super::sheet;
use crate::contract::{BILLING_MONTH, BillingPeriod, Contract, Dataset, ENROLLMENT_NUMBER};
use crate::decode::{DecodeError, Decoder, Form, InvalidText, Options, RejectedRow, RowGroup, RowScope};

/// Ends a page: it is committed, or rolled back when it is refused.
pub(super) const NEXT_PAGE: u8 = 0x1e;
/// Ends a piece of a page.
pub(super) const NEXT_PIECE: u8 = 0x1f;
/// What came of the page so far is rolled back, and the page begins anew.
pub(super) const ROLLBACK: u8 = 0x1d;

/// Longer inputs say nothing new: 60 KiB is less than any bound of the envelope.
const MAX_INPUT: usize = 60 << 10;
const PERIOD: &str = "2018-08";

/// How pages are read and cut.
struct Settings {
    dataset: Dataset,
    options: Options,
    /// Bytes of a piece; nothing when only the input cuts.
    piece: usize,
    is_page_bounded: bool,
    is_row_bounded: bool,
}

impl Settings {
    /// With prediction as said. By place: form (`p`age, `a`rray, `r`ows, `c`sv, `d`etect); scope (`p`eriod, `n`ewest unknown: that of the first row,
    /// dated in a `s`et one, `b`illing periods); `s`trict; rows, bytes of a row group; bytes of a page, of a row; bytes
    /// of a piece. Where a number belongs, `0` is "as by default" and anything else a small one.
    fn read(text: &[u8; 8], predicts: bool) -> Settings {
        let small = |place: usize, unit: usize| usize::from(text[place].wrapping_sub(b'0')) * unit;
        let period: BillingPeriod = PERIOD.parse().expect("a billing period");
        let scope = match text[1] {
            b'n' => RowScope::DatedIn(None),
            b's' => RowScope::DatedIn(Some(period)),
            b'b' => RowScope::OfRow,
            _ => RowScope::Period(period),
        };
        let mut options = Options::new(scope);
        options.prediction = predicts;
        options.form = match text[0] {
            b'a' => Form::Array,
            b'r' => Form::Rows,
            b'c' => Form::Csv,
            b'd' => Form::Detect,
            _ => Form::Page,
        };
        options.invalid_text = if text[2] == b's' { InvalidText::Reject } else { InvalidText::Replace };
        for (value, place, unit) in [
            (&mut options.group_rows, 3, 1),
            (&mut options.group_bytes, 4, 64),
            (&mut options.page_bytes, 5, 16),
            (&mut options.max_row_bytes, 6, 16),
        ] {
            if small(place, unit) > 0 {
                *value = small(place, unit);
            }
        }
        Settings {
            dataset: if text[1] == b'b' { Dataset::BillingPeriods } else { Dataset::UsageDetails },
            options,
            piece: small(7, 1),
            is_page_bounded: small(5, 1) > 0,
            is_row_bounded: small(6, 1) > 0,
        }
    }

    fn decoder(&self) -> Decoder {
        Decoder::new(
            Contract::of(self.dataset),
            ENROLLMENT.parse().expect("an enrollment number"),
            self.options.clone(),
        )
    }

    /// The pieces in which bytes reach the decoder.
    fn pieces<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let size = if self.piece == 0 { usize::MAX } else { self.piece };
        bytes.split(|byte| *byte == NEXT_PIECE).flat_map(move |part| part.chunks(size))
    }
}

/// Decodes pages and compares everything that comes out with the plain reading.
///
/// - A page is taken when it is JSON of its form, and refused otherwise, for the same fault at the same byte however it is
///   cut; one that only lacks its end is told as cut, one with a fault before its end never.
/// - What was fed before a rollback leaves nothing.
/// - Cells, links, counts, rejected rows and their texts, rows of other periods: all are those of the plain reading.
/// - Control totals are the exact sums of the text; with the residue they are the sums of the cells.
pub fn decoder(data: &[u8]) {
    let Some((settings, input)) = data.split_first_chunk::<8>() else { return };
    check(settings, input, true);
}

/// As [`decoder`], with prediction or without.
pub(super) fn check(settings: &[u8; 8], input: &[u8], predicts: bool) {
    let is_usable = input.len() <= MAX_INPUT && memchr::memmem::find(input, "\u{f8ff}".as_bytes()).is_none();
    if !is_usable {
        return;
    }
    let settings = Settings::read(settings, predicts);
    // Rows are measured in bytes, which the plain reading knows of valid text only.
    let repaired = String::from_utf8_lossy(input);
    let input = if settings.is_row_bounded { repaired.as_bytes() } else { input };
    let mut told = Told::default();
    let mut expected = Expected::new(&settings);
    let mut decoder = settings.decoder();
    for page in input.split(|byte| *byte == NEXT_PAGE) {
        let mut attempts: Vec<&[u8]> = page.split(|byte| *byte == ROLLBACK).collect();
        let last = attempts.pop().unwrap_or_default();
        for attempt in attempts {
            // What is wrong with it does not matter.
            let _ = told.feed(&mut decoder, &settings, attempt);
            if !rolled_back(&mut decoder, &settings) {
                return;
            }
        }
        let whole: Vec<u8> = last.iter().copied().filter(|byte| *byte != NEXT_PIECE).collect();
        let form = settings.options.form;
        let is_csv = form == Form::Csv || (form == Form::Detect && begins_as_csv(&whole));
        // Reports have usage details.
        if is_csv && settings.dataset != Dataset::UsageDetails {
            return;
        }
        let outcome = told.feed(&mut decoder, &settings, last).and_then(|()| told.commit(&mut decoder));
        let contract = Contract::of(settings.dataset);
        let reading = match is_csv {
            true => sheet::read(&whole, contract.columns(), settings.options.max_row_bytes),
            false => plain::read_page(&whole, form, contract.columns()),
        };
        match (outcome, reading) {
            (Ok(()), Ok(page)) => expected.take(page),
            // Nothing is said about what nests that deep, nor about the inside of a row over the bound.
            (Ok(()), Err(Wrong::Deep)) => return,
            (Ok(()), Err(_)) if settings.is_row_bounded && !is_csv => return,
            (Ok(()), Err(wrong)) => panic!("a page was taken that is none: {wrong:?}"),
            (Err(error), reading) => {
                match (&error, reading.err()) {
                    (DecodeError::Cut { .. }, Some(Wrong::Cut)) | (DecodeError::Form { .. }, Some(Wrong::Form))
                        if is_csv => {}
                    (_, wrong) if is_csv => panic!("a report was refused: {error}, {wrong:?}"),
                    (_, wrong) => refused_rightly(&error, wrong, &settings),
                }
                assert!(decoder.feed(b" ").is_err() && decoder.commit().is_err(), "a broken page went on");
                if !settings.is_row_bounded {
                    let mut other = settings.decoder();
                    let other = other.feed(&whole).and_then(|()| other.commit());
                    assert_eq!(other.map_err(|error| fault(&error)), Err(fault(&error)), "in one piece");
                }
                if !rolled_back(&mut decoder, &settings) {
                    return;
                }
            }
        }
    }
    told.finish(decoder);
    expected.agree(&told);
}

/// Whether a page that may have any form begins as JSON cannot.
fn begins_as_csv(page: &[u8]) -> bool {
    let text = page.strip_prefix("\u{feff}".as_bytes()).unwrap_or(page).trim_ascii_start();
    let json = b"{[<-0123456789";
    let word = text.split(|byte| !byte.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_literal = [&b"null"[..], b"true", b"false"].contains(&word);
    text.first().is_some_and(|first| !json.contains(first) && *first > b' ' && *first != 0x7f) && !is_literal
}

/// What is wrong, and where.
fn fault(error: &DecodeError) -> String {
    match error {
        DecodeError::Syntax { offset, .. } => format!("no JSON at byte {offset}"),
        other => other.to_string(),
    }
}

/// Rolls back; says whether the decoder is still of use.
fn rolled_back(decoder: &mut Decoder, settings: &Settings) -> bool {
    match decoder.rollback() {
        Ok(()) => true,
        Err(DecodeError::PartlyCommitted) if settings.is_page_bounded => false,
        Err(error) => panic!("no rollback: {error}"),
    }
}

/// A page that was refused is wrong, and told as what it is.
fn refused_rightly(error: &DecodeError, wrong: Option<Wrong>, settings: &Settings) {
    // While it is not known what an object is, it is held like a row.
    let may_be_held = settings.is_row_bounded && settings.options.form == Form::Detect;
    match (error, wrong) {
        (_, Some(Wrong::Deep)) => {}
        // The inside of a row over the bound is not looked at, so its end may be taken for elsewhere.
        (_, Some(_)) if settings.is_row_bounded => {}
        (DecodeError::Form { .. }, None) if may_be_held => {}
        (_, None) => panic!("a page was refused: {error}"),
        (DecodeError::Cut { .. }, Some(wrong)) => {
            assert!(matches!(wrong, Wrong::Cut | Wrong::Syntax { at_end: true }), "told as cut: {wrong:?}");
        }
        (DecodeError::Syntax { .. }, Some(wrong)) => {
            assert!(matches!(wrong, Wrong::Syntax { .. } | Wrong::Form), "told as syntax: {wrong:?}");
        }
        (DecodeError::Form { .. }, Some(_)) => {}
        (other, Some(_)) => panic!("{other}"),
    }
}

/// The row group as a record batch; taken column by column it has to be the same.
fn batch_of(group: RowGroup) -> RecordBatch {
    let arrays = (0..).map_while(|at| group.column(at)).collect::<Result<_, _>>().expect("columns make arrays");
    let batch = RecordBatch::try_new(Arc::clone(group.schema()), arrays).expect("columns make a record batch");
    let mut taken = group.into_columns();
    for array in batch.columns() {
        let taken = taken.next().expect("as many columns").expect("columns make arrays");
        if taken.data_type() == array.data_type() {
            assert_eq!(&taken, array);
            continue;
        }
        let dictionary = taken.as_dictionary::<Int32Type>();
        assert_eq!((dictionary.values().data_type(), dictionary.len()), (array.data_type(), array.len()));
        for row in 0..array.len() {
            let entry = dictionary.key(row).map(|entry| dictionary.values().slice(entry, 1));
            let value = array.is_valid(row).then(|| array.slice(row, 1));
            assert_eq!(entry, value, "row {row}");
        }
    }
    assert!(taken.next().is_none());
    batch
}

/// What a decoder said.
#[derive(Default)]
struct Told {
    batches: Vec<RecordBatch>,
    rejected: Vec<RejectedRow>,
    strays: Vec<(BillingPeriod, Vec<u8>)>,
    links: Vec<Option<String>>,
    rows_of_pages: Vec<(u64, u64)>,
    summary: crate::decode::Summary,
    period: Option<BillingPeriod>,
}

impl Told {
    fn feed(&mut self, decoder: &mut Decoder, settings: &Settings, bytes: &[u8]) -> Result<(), DecodeError> {
        for piece in settings.pieces(bytes) {
            decoder.feed(piece)?;
            self.take_groups(decoder);
        }
        Ok(())
    }

    fn take_groups(&mut self, decoder: &mut Decoder) {
        while let Some(group) = decoder.take_group() {
            self.batches.push(batch_of(group));
        }
    }

    fn commit(&mut self, decoder: &mut Decoder) -> Result<(), DecodeError> {
        let page = decoder.commit()?;
        self.take_groups(decoder);
        self.rejected.extend(decoder.take_rejected());
        self.strays.extend(decoder.take_strays().iter().map(|(period, row)| (period, row.to_vec())));
        self.links.push(page.next_link);
        self.rows_of_pages.push((page.rows, page.rejected_rows));
        Ok(())
    }

    fn finish(&mut self, mut decoder: Decoder) {
        self.period = decoder.period();
        while let Some(group) = decoder.finish().expect("columns make a row group") {
            self.batches.push(batch_of(group));
        }
        self.summary = decoder.summary();
        assert_eq!((decoder.rows(), decoder.rejected_rows()), (self.summary.rows, self.summary.rejected_rows));
    }
}

/// A row that is not among the cells.
struct Refused {
    page: u64,
    row: u64,
    columns: Vec<String>,
    text: String,
    is_too_long: bool,
}

/// What the plain reading makes of all pages that are right.
struct Expected<'a> {
    settings: &'a Settings,
    contract: std::sync::Arc<Contract>,
    scope: RowScope,
    rows: Vec<BTreeMap<String, Cell>>,
    refused: Vec<Refused>,
    /// With whether they came as JSON, and are as they came.
    strays: Vec<(BillingPeriod, String, bool)>,
    links: Vec<Option<String>>,
    rows_of_pages: Vec<(u64, u64)>,
    sums: BTreeMap<String, Number>,
    lost: BTreeMap<String, Number>,
    rounded_values: u64,
    replaced_texts: u64,
    duplicate_keys: u64,
    unknown_fields: BTreeMap<String, u64>,
    around: BTreeMap<String, u64>,
}

impl<'a> Expected<'a> {
    fn new(settings: &'a Settings) -> Self {
        let contract = Contract::of(settings.dataset);
        let decimals = contract.columns().iter().filter(|column| column.kind == crate::contract::ColumnType::Decimal);
        let sums: BTreeMap<_, _> = decimals.map(|column| (column.column.clone(), Number::default())).collect();
        Expected {
            settings,
            contract,
            scope: settings.options.scope,
            rows: Vec::new(),
            refused: Vec::new(),
            strays: Vec::new(),
            links: Vec::new(),
            rows_of_pages: Vec::new(),
            lost: sums.clone(),
            sums,
            rounded_values: 0,
            replaced_texts: 0,
            duplicate_keys: 0,
            unknown_fields: BTreeMap::new(),
            around: BTreeMap::new(),
        }
    }

    fn take(&mut self, page: Page) {
        let before = (self.rows.len(), self.refused.len());
        for (row, line) in (0..).zip(&page.rows) {
            if let Err(columns) = self.take_row(line) {
                let is_too_long = line.text.len() > self.settings.options.max_row_bytes;
                let page = self.links.len() as u64 + 1;
                self.refused.push(Refused { page, row, columns, text: plain::unmarked(&line.text), is_too_long });
            }
        }
        self.links.push(page.next_link);
        self.rows_of_pages.push(((self.rows.len() - before.0) as u64, (self.refused.len() - before.1) as u64));
        for (name, count) in page.around {
            *self.around.entry(name).or_default() += count;
        }
    }

    /// The error names the columns that refuse the row.
    fn take_row(&mut self, line: &Line) -> Result<(), Vec<String>> {
        if line.text.len() > self.settings.options.max_row_bytes {
            return Err(Vec::new());
        }
        let strict = self.settings.options.invalid_text == InvalidText::Reject;
        let text = line.row.as_ref().ok_or_else(Vec::new)?;
        let mut refused = line.refused.clone();
        let row = plain::read_row(text, self.contract.columns(), strict).map_err(|more| refused.extend(more));
        let Some(row) = row.ok().filter(|_| refused.is_empty()) else { return Err(Vec::from_iter(refused)) };
        if let RowScope::DatedIn(wanted) = self.scope {
            let month = match row.cells.get("date") {
                Some(Cell::Date(day)) => BillingPeriod::of_day(*day),
                _ => None,
            };
            let Some(month) = month else { return Err(vec!["date".to_owned()]) };
            if wanted.is_some_and(|wanted| wanted != month) {
                self.strays.push((month, text.clone(), line.is_json));
                return Ok(());
            }
            self.scope = RowScope::DatedIn(Some(month));
        }
        for (column, number, lost) in row.numbers {
            let add = |sum: &mut Number, number: &Number| *sum = sum.plus(number);
            add(self.sums.entry(column.clone()).or_default(), &number);
            add(self.lost.entry(column).or_default(), &lost);
            self.rounded_values += u64::from(!lost.is_zero());
        }
        self.replaced_texts += row.replaced_texts;
        self.duplicate_keys += row.duplicate_keys;
        for name in row.unknown_fields {
            *self.unknown_fields.entry(name).or_default() += 1;
        }
        self.rows.push(row.cells);
        Ok(())
    }

    /// The billing month of a row, as days from 1970-01-01.
    fn month(&self, row: &BTreeMap<String, Cell>) -> Option<i32> {
        let period = match (self.scope, row.get("billing_period_id")) {
            (RowScope::Period(period) | RowScope::DatedIn(Some(period)), _) => Some(period),
            (RowScope::OfRow, Some(Cell::Text(id))) => id.parse().ok(),
            _ => None,
        };
        period.map(BillingPeriod::first_day)
    }

    fn agree(&self, told: &Told) {
        let rows: Vec<_> = told.batches.iter().flat_map(|batch| rows(batch, &self.contract)).collect();
        assert!(told.batches.iter().all(|batch| batch.num_rows() > 0), "a record batch without rows");
        for (at, (found, wanted)) in rows.iter().zip(&self.rows).enumerate() {
            let mut wanted = wanted.clone();
            wanted.extend(self.month(&wanted).map(|day| (BILLING_MONTH.to_owned(), Cell::Date(day))));
            wanted.insert(ENROLLMENT_NUMBER.to_owned(), Cell::Text(ENROLLMENT.to_owned()));
            assert_eq!(found, &wanted, "row {at}");
        }
        assert_eq!(rows.len(), self.rows.len(), "rows");
        self.agree_on_rejected(&told.rejected);
        assert_eq!(told.strays.len(), self.strays.len(), "rows of other periods");
        for ((period, row), (of, wanted, is_json)) in told.strays.iter().zip(&self.strays) {
            let row = plain::marked(row);
            assert_eq!(period, of, "the period of {row}");
            assert!(!is_json || row == *wanted, "a row of another period: {row}, {wanted}");
            assert_eq!(plain::members(&row), plain::members(wanted), "what a row of another period says");
        }
        assert_eq!(told.links, self.links, "links");
        assert_eq!(told.rows_of_pages, self.rows_of_pages, "rows of pages");
        if let RowScope::Period(period) | RowScope::DatedIn(Some(period)) = self.scope {
            assert_eq!(told.period, Some(period));
        }
        let summary = &told.summary;
        assert_eq!(summary.pages, self.links.len() as u64, "pages");
        assert_eq!(summary.rows, self.rows.len() as u64, "rows counted");
        assert_eq!(summary.rejected_rows, self.refused.len() as u64, "rejected rows counted");
        assert_eq!(summary.rounded_values, self.rounded_values, "rounded values");
        assert_eq!(summary.replaced_texts, self.replaced_texts, "replaced texts");
        assert_eq!(summary.duplicate_keys, self.duplicate_keys, "duplicate keys");
        // Beyond a thousand names they are counted together.
        if self.unknown_fields.len() < 1_000 && self.around.len() < 1_000 {
            assert_eq!(summary.unknown_fields, self.unknown_fields, "unknown fields");
            assert_eq!(summary.unknown_envelope_fields, self.around, "unknown fields of the envelope");
        }
        let sums = |sums: &BTreeMap<String, Number>| -> BTreeMap<String, String> {
            sums.iter().map(|(column, sum)| (column.clone(), sum.to_string())).collect()
        };
        assert_eq!(summary.control_totals.text, sums(&self.sums), "control totals");
        let mut lost = self.lost.clone();
        lost.retain(|_, sum| !sum.is_zero());
        assert_eq!(summary.control_totals.residue, sums(&lost), "residues");
        for (column, sum) in &self.sums {
            let published = rows.iter().filter_map(|row| match row.get(column) {
                Some(Cell::Decimal(units)) => Some(Number::of_units(&(*units).into())),
                _ => None,
            });
            let published = published.fold(Number::default(), |sum, number| sum.plus(&number));
            let text = published.plus(&self.lost[column]);
            assert_eq!(text.to_string(), sum.to_string(), "cells and residue of {column}");
        }
    }

    fn agree_on_rejected(&self, rejected: &[RejectedRow]) {
        assert_eq!(rejected.len(), self.refused.len(), "rejected rows");
        for (found, wanted) in rejected.iter().zip(&self.refused) {
            assert_eq!((found.page, found.row), (wanted.page, wanted.row), "place of a rejected row");
            if wanted.is_too_long {
                assert!(wanted.text.starts_with(found.text.trim_end_matches('\u{fffd}')), "the row's beginning");
            } else {
                assert_eq!(found.text, wanted.text, "text of a rejected row");
            }
            match &found.column {
                Some(column) => assert!(wanted.columns.contains(column), "{column} is to blame: {:?}", wanted.columns),
                None => assert_eq!(wanted.columns, [""; 0], "no column is to blame"),
            }
        }
    }
}

/// The rows of a record batch: their cells that are not null.
fn rows(batch: &RecordBatch, contract: &Contract) -> Vec<BTreeMap<String, Cell>> {
    assert_eq!(batch.schema(), contract.arrow_schema());
    let cells = |at: usize| {
        let columns = batch.schema_ref().fields().iter().zip(batch.columns()).filter(move |(_, column)| {
            // A null in a dictionary's entries would be one too.
            column.is_valid(at)
        });
        columns.map(move |(field, column)| (field.name().clone(), cell(column, at))).collect()
    };
    (0..batch.num_rows()).map(cells).collect()
}

fn cell(column: &dyn Array, at: usize) -> Cell {
    match column.data_type() {
        DataType::Dictionary(..) => {
            let texts = column.as_dictionary::<Int32Type>();
            let entry = texts.keys().value(at) as usize;
            Cell::Text(texts.values().as_string::<i32>().value(entry).to_owned())
        }
        DataType::Decimal128(38, 18) => Cell::Decimal(column.as_primitive::<Decimal128Type>().value(at)),
        DataType::Int64 => Cell::Id(column.as_primitive::<Int64Type>().value(at)),
        DataType::Date32 => Cell::Date(column.as_primitive::<Date32Type>().value(at)),
        DataType::Timestamp(..) => Cell::Instant(column.as_primitive::<TimestampMicrosecondType>().value(at)),
        DataType::Boolean => Cell::Flag(column.as_boolean().value(at)),
        other => panic!("a column of type {other}"),
    }
}
