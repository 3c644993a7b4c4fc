//! The decoder: pages, their commit and rollback, row groups and what is counted.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::Date32Array;

use super::captions::Captions;
use super::error::{DecodeError, RejectedRow};
use super::input::Input;
use super::months::months_of;
use super::number::Exact;
use super::options::{Options, RowScope};
use super::page::{Form, RowSink};
use super::row::{Row, RowDecoder};
use super::row_group::{Pending, RowGroup};
use super::sheet::{Record, RecordSink};
use super::summary::{PageSummary, StrayRows, Summary};
use super::tags;
use super::token::Stop;
use super::totals::Sum;
use crate::contract::{BillingPeriod, ColumnType, Contract, ENROLLMENT_NUMBER, EXTRA, Enrollment, TAGS};

/// Names of unknown fields that are counted one by one; further ones are counted together.
const UNKNOWN_NAMES: usize = 1_000;
/// Bytes of an unknown field's name that are kept.
const UNKNOWN_NAME_BYTES: usize = 256;
/// Rejected rows of a page that wait for its end.
const PAGE_REJECTED_ROWS: usize = 10_000;
/// The name under which further unknown fields are counted.
const FURTHER_UNKNOWN: &str = "(further names)";

/// Decodes pages of rows into row groups. See the [module](super) for an example.
pub struct Decoder {
    reader: Input,
    rows: Rows,
    /// A part of the page at work is committed.
    partly_committed: bool,
    options: Options,
    groups: VecDeque<RowGroup>,
}

/// What a page counted, until it is committed.
#[derive(Default)]
struct PageCounts {
    /// Elements of the page's rows so far, of every fate.
    received: u64,
    taken: u64,
    rejected: Vec<RejectedRow>,
    rejected_rows: u64,
    lost: Vec<(usize, Exact)>,
    replaced_texts: u64,
    duplicate_keys: u64,
    unknown_fields: BTreeMap<String, u64>,
    unknown_envelope_fields: BTreeMap<String, u64>,
    strays: StrayRows,
}

/// What tells that a row is of the dataset that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownBy {
    /// What stands around it.
    Envelope,
    /// A field that it has.
    Field,
    /// An amount that it has.
    Amount,
}

/// The rows of the row group at work and their counts.
struct Rows {
    contract: Arc<Contract>,
    enrollment: Enrollment,
    decoder: RowDecoder,
    scope: RowScope,
    /// The scope that a rollback returns to.
    committed_scope: RowScope,
    date_column: Option<usize>,
    /// The column of tags, when they are wanted as a map too.
    tags_of_map: Option<usize>,
    max_row_bytes: usize,
    known_by: KnownBy,
    /// Bytes of what is known of rows to come that may outlive a row group.
    most_kept: usize,
    /// Rows that are committed.
    committed: usize,
    /// Bytes that they hold.
    committed_bytes: usize,
    page: PageCounts,
    /// Rows of the page at work that were counted when a part of it was committed.
    parts: (u64, u64),
    rejected: Vec<RejectedRow>,
    strays: StrayRows,
    summary: Summary,
    sums: Vec<Sum>,
}

impl Decoder {
    /// A decoder for rows of `contract`'s dataset in one enrollment.
    pub fn new(contract: Arc<Contract>, enrollment: Enrollment, mut options: Options) -> Self {
        // Offsets into a dictionary's text have 31 bits, and a repair makes three bytes of one: with these bounds the
        // text of a row group, the page at work and one row stay below 2 GiB.
        options.group_bytes = options.group_bytes.min(1 << 30);
        options.page_bytes = options.page_bytes.min(128 << 20);
        options.max_row_bytes = options.max_row_bytes.min(128 << 20);
        let decoder = RowDecoder::new(&contract, &enrollment, options.invalid_text, options.prediction);
        let sums = vec![Sum::default(); contract.columns().len()];
        let rows = Rows {
            date_column: contract.date_column(),
            tags_of_map: tags_of_map(&contract),
            contract,
            enrollment,
            decoder,
            scope: options.scope,
            committed_scope: options.scope,
            max_row_bytes: options.max_row_bytes,
            known_by: match options.form {
                Form::List => KnownBy::Field,
                Form::One => KnownBy::Amount,
                _ => KnownBy::Envelope,
            },
            most_kept: options.group_bytes / 4 * 3,
            committed: 0,
            committed_bytes: 0,
            page: PageCounts::default(),
            parts: (0, 0),
            rejected: Vec::new(),
            strays: StrayRows::default(),
            summary: Summary::default(),
            sums,
        };
        let reader = Input::new(options.form, Captions::of(&rows.contract), options.max_row_bytes);
        Decoder { reader, rows, partly_committed: false, options, groups: VecDeque::new() }
    }

    /// Takes the next bytes of the page at work, in pieces of any size.
    ///
    /// # Errors
    /// When the page is not JSON or not of the expected form. Then [`Decoder::rollback`] is the only way on.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        // Large pieces are cut, so that a huge page is committed in parts on the way.
        for piece in bytes.chunks(self.options.page_bytes.clamp(1, 8 << 20)) {
            self.reader.feed(piece, &mut self.rows)?;
            let unfinished = self.rows.decoder.rows() - self.rows.committed;
            if self.is_page_too_large() && self.rows.can_commit() {
                self.partly_committed = true;
                self.rows.commit();
                self.close_full_group(unfinished)?;
            }
        }
        Ok(())
    }

    /// Whether the page at work takes too much to be kept until its end, as text, as rows or as rejected rows: short
    /// rows take more memory than text.
    fn is_page_too_large(&self) -> bool {
        let most = self.options.page_bytes;
        self.reader.bytes() > most as u64
            || self.rows.decoder.group.bytes().saturating_sub(self.rows.committed_bytes) > most
            || self.rows.page.rejected.len() > PAGE_REJECTED_ROWS
    }

    /// Ends the page and takes its rows for good.
    ///
    /// # Errors
    /// [`DecodeError::Cut`] when the page is not whole; its rows are not taken then.
    pub fn commit(&mut self) -> Result<PageSummary, DecodeError> {
        self.reader.finish(&mut self.rows)?;
        self.rows.commit();
        let (rows, rejected_rows) = std::mem::take(&mut self.rows.parts);
        self.rows.page.received = 0;
        self.rows.summary.pages += 1;
        self.partly_committed = false;
        let next_link = self.reader.take_next_link();
        self.reader.reset();
        self.close_full_group(rows as usize)?;
        Ok(PageSummary { rows, rejected_rows, next_link })
    }

    /// Forgets the page at work, so that it can be fed anew.
    ///
    /// # Errors
    /// [`DecodeError::PartlyCommitted`] when the page was larger than [`Options::page_bytes`]: then the decoder is of
    /// no use any more.
    pub fn rollback(&mut self) -> Result<(), DecodeError> {
        if self.partly_committed {
            return Err(DecodeError::PartlyCommitted);
        }
        self.rows.decoder.group.truncate(self.rows.committed);
        self.rows.page = PageCounts::default();
        self.rows.scope = self.rows.committed_scope;
        self.reader.reset();
        Ok(())
    }

    /// A row group that is full, if there is one. To be asked after each [`Decoder::feed`] and [`Decoder::commit`]
    /// until there is none.
    pub fn take_group(&mut self) -> Option<RowGroup> {
        self.groups.pop_front()
    }

    /// The rows that were rejected in committed pages since the last call.
    pub fn take_rejected(&mut self) -> Vec<RejectedRow> {
        std::mem::take(&mut self.rows.rejected)
    }

    /// Rows of committed pages that are dated in other billing periods, since the last call.
    pub fn take_strays(&mut self) -> StrayRows {
        std::mem::take(&mut self.rows.strays)
    }

    /// The billing period of the rows; none before the first row of [`RowScope::DatedIn`] is seen, and for
    /// [`RowScope::OfRow`].
    pub fn period(&self) -> Option<BillingPeriod> {
        match self.rows.scope {
            RowScope::Period(period) => Some(period),
            RowScope::DatedIn(period) => period,
            RowScope::OfRow => None,
        }
    }

    /// Takes the rest of the committed rows as the last row group; none when there are no rows left. Row groups
    /// that still wait for [`Decoder::take_group`] come first, one a call.
    ///
    /// # Errors
    /// Only by a bug, when Arrow refuses the columns.
    pub fn finish(&mut self) -> Result<Option<RowGroup>, DecodeError> {
        self.rows.decoder.group.truncate(self.rows.committed);
        if self.rows.committed > 0 {
            self.close_group()?;
        }
        Ok(self.take_group())
    }

    /// Rows taken in committed pages so far.
    pub fn rows(&self) -> u64 {
        self.rows.summary.rows
    }

    /// Rows rejected in committed pages so far.
    pub fn rejected_rows(&self) -> u64 {
        self.rows.summary.rejected_rows
    }

    /// What was counted over all committed pages so far.
    pub fn summary(&self) -> Summary {
        let mut summary = self.rows.summary.clone();
        for (at, column) in self.rows.contract.columns().iter().enumerate() {
            let Some(name) = column.total() else { continue };
            let sum = &self.rows.sums[at];
            summary.control_totals.residue.extend(sum.residue().map(|lost| (name.clone(), lost)));
            summary.control_totals.text.insert(name, sum.text());
        }
        summary
    }

    /// Closes the row group when another page of as many rows would not fit.
    fn close_full_group(&mut self, page_rows: usize) -> Result<(), DecodeError> {
        let full = self.rows.committed + page_rows > self.options.group_rows
            || self.rows.decoder.group.bytes() >= self.options.group_bytes;
        if full && self.rows.committed > 0 { self.close_group() } else { Ok(()) }
    }

    fn close_group(&mut self) -> Result<(), DecodeError> {
        let group = self.rows.row_group()?;
        self.groups.push_back(group);
        Ok(())
    }
}

impl Rows {
    /// Is there anything that is not committed yet?
    fn can_commit(&self) -> bool {
        self.decoder.rows() > self.committed || !self.page.rejected.is_empty() || !self.page.strays.is_empty()
    }

    /// Takes the rows and counts of the page, or of a part of it.
    fn commit(&mut self) {
        self.committed_scope = self.scope;
        let page = std::mem::take(&mut self.page);
        self.page.received = page.received;
        let rows = self.decoder.rows();
        for (column, sum) in self.sums.iter_mut().enumerate() {
            self.decoder.group.decimals_from(column, self.committed, |values| sum.add(values));
        }
        self.decoder.group.settle();
        for (column, lost) in &page.lost {
            self.sums[*column].add_residue(lost);
        }
        self.committed = rows;
        self.committed_bytes = self.decoder.group.bytes();
        self.parts.0 += page.taken;
        self.parts.1 += page.rejected_rows;
        let summary = &mut self.summary;
        summary.rows += page.taken;
        summary.rejected_rows += page.rejected_rows;
        summary.rounded_values += page.lost.len() as u64;
        summary.replaced_texts += page.replaced_texts;
        summary.duplicate_keys += page.duplicate_keys;
        for (name, count) in page.unknown_fields {
            count_name(&mut summary.unknown_fields, name, count);
        }
        for (name, count) in page.unknown_envelope_fields {
            count_name(&mut summary.unknown_envelope_fields, name, count);
        }
        self.rejected.extend(page.rejected);
        for (period, row) in page.strays.iter() {
            self.strays.push(period, row);
        }
    }

    fn reject(&mut self, column: Option<usize>, reason: &str, text: &[u8]) {
        self.page.rejected_rows += 1;
        self.page.rejected.push(RejectedRow {
            page: self.summary.pages + 1,
            row: self.page.received - 1,
            column: column.map(|at| self.column_name(at).to_owned()),
            reason: reason.to_owned(),
            text: String::from_utf8_lossy(text).into_owned(),
        });
    }

    /// Does the newest row show that it is of this dataset, where nothing around it does? A balance has amounts.
    #[inline(never)] // answered for few rows, and asked in the hottest place
    fn knows_newest_row(&self) -> bool {
        let is_amount = |at: &usize| self.contract.columns()[*at].kind == ColumnType::Decimal;
        match self.known_by {
            KnownBy::Envelope => true,
            KnownBy::Field => self.decoder.knows_newest_row(|_| true),
            KnownBy::Amount => self.decoder.knows_newest_row(|at| is_amount(&at)),
        }
    }

    /// The name of a column of the decoder, or of one behind them.
    fn column_name(&self, at: usize) -> &str {
        match at.cmp(&self.decoder.extra) {
            Ordering::Less => &self.contract.columns()[at].column,
            Ordering::Equal => EXTRA,
            Ordering::Greater => ENROLLMENT_NUMBER,
        }
    }

    /// Counts a row that stands in the columns, unless it is of another billing period. `as_json` is the row for one
    /// that reads it later.
    fn accept<'a>(&mut self, text: &[u8], as_json: impl FnOnce(&RowDecoder) -> Cow<'a, [u8]>) {
        if let (RowScope::DatedIn(period), Some(date_column)) = (self.scope, self.date_column) {
            let Some(month) = self.decoder.month_of_newest(date_column) else {
                self.decoder.take_back();
                return self.reject(
                    Some(date_column),
                    "a row without a date from 2014-05 on has no billing period",
                    text,
                );
            };
            if period.is_none() {
                self.scope = RowScope::DatedIn(Some(month));
            }
            if period.is_some_and(|period| period != month) {
                self.decoder.take_back();
                return self.page.strays.push(month, &as_json(&self.decoder));
            }
        }
        let page = &mut self.page;
        page.taken += 1;
        page.lost.append(&mut self.decoder.shared.lost);
        page.replaced_texts += self.decoder.shared.replaced.len() as u64;
        page.duplicate_keys += self.decoder.duplicate_keys();
        for name in self.decoder.unknown_fields() {
            count_name(&mut page.unknown_fields, shown_name(name), 1);
        }
    }

    /// The committed rows as a row group. Nothing but committed rows may stand in the columns.
    fn row_group(&mut self) -> Result<RowGroup, DecodeError> {
        let rows = self.committed;
        self.decoder.end_group();
        let (mut columns, sections) = self.decoder.group.finish(self.most_kept)?;
        if let Some(tags) = self.tags_of_map {
            let (maps, unreadable) = tags::maps_of(&columns[tags].array(&sections)?)?;
            columns.insert(self.decoder.extra, Pending::Maps(maps));
            self.summary.unreadable_tags += unreadable;
        }
        columns.push(Pending::repeated_text(self.enrollment.as_str(), rows));
        let month = match (self.scope, self.contract.month_of()) {
            (RowScope::Period(period) | RowScope::DatedIn(Some(period)), _) => {
                Pending::repeated_day(period.first_day(), rows)
            }
            (_, Some(column)) => Pending::Ready(Arc::new(months_of(&columns[column].array(&sections)?))),
            _ => Pending::Ready(Arc::new(Date32Array::new_null(rows))),
        };
        columns.push(month);
        self.committed = 0;
        // What is known of rows to come outlives the row group.
        self.committed_bytes = self.decoder.group.bytes();
        Ok(RowGroup::new(self.contract.arrow_schema(), rows, columns, sections))
    }
}

impl RowSink for Rows {
    fn row(&mut self, input: &[u8]) -> Result<usize, Stop> {
        let (row, end) = self.decoder.row(input)?;
        self.page.received += 1;
        match row {
            _ if end > self.max_row_bytes => {
                if row == Row::Taken {
                    self.decoder.take_back();
                }
                self.reject(None, TOO_LONG, &input[..end.min(4_096)]);
            }
            Row::Taken if self.known_by != KnownBy::Envelope && !self.knows_newest_row() => {
                self.decoder.take_back();
                self.reject(None, "the row has no field of this dataset", &input[..end]);
            }
            Row::Taken => self.accept(&input[..end], |_| Cow::Borrowed(&input[..end])),
            Row::Refused(column, reason) => self.reject(column, reason, &input[..end]),
        }
        Ok(end)
    }

    fn oversized(&mut self, beginning: &[u8]) {
        self.page.received += 1;
        self.reject(None, TOO_LONG, beginning);
    }

    fn is_field(&self, name: &[u8]) -> bool {
        self.decoder.knows(name)
    }

    fn envelope_field(&mut self, name: &[u8]) {
        if !(name.eq_ignore_ascii_case(b"id") || name.eq_ignore_ascii_case(b"reportId")) {
            count_name(&mut self.page.unknown_envelope_fields, shown_name(name), 1);
        }
    }
}

impl RecordSink for Rows {
    fn record(&mut self, record: Record<'_>) {
        self.page.received += 1;
        match self.decoder.record(record) {
            Row::Taken => self.accept(record.text, |decoder| Cow::Owned(decoder.as_json(record))),
            Row::Refused(column, reason) => self.reject(column, reason, record.text),
        }
    }

    fn oversized(&mut self, beginning: &[u8]) {
        RowSink::oversized(self, beginning);
    }
}

/// The column whose text becomes the contract's map.
fn tags_of_map(contract: &Contract) -> Option<usize> {
    let is_wanted = contract.columns().iter().any(|column| column.kind == ColumnType::Map);
    is_wanted.then(|| contract.columns().iter().position(|column| column.column == TAGS)).flatten()
}

const TOO_LONG: &str = "the row is longer than the bound";

/// The name of an unknown field, cut when it is longer than any real one.
fn shown_name(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(UNKNOWN_NAME_BYTES)]).into_owned()
}

fn count_name(counts: &mut BTreeMap<String, u64>, name: String, count: u64) {
    let room = counts.len() < UNKNOWN_NAMES || counts.contains_key(&name);
    *counts.entry(if room { name } else { FURTHER_UNKNOWN.to_owned() }).or_default() += count;
}
