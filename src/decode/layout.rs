//! How the text of a row divides: spans of values that repeat together, and between them values that are read on their own.
//!
//! A layout is learned from rows ([`Sample`](super::sample::Sample)). It promises nothing about the rows to come: every
//! byte of a row is compared with what was read before, or read.

use std::ops::Range;

use memchr::memmem::Finder;

use super::row::Target;

/// Spans of a layout; more columns than that are put together.
pub(super) const MOST_SPANS: usize = 24;

/// A field of a row, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) target: Target,
    /// Everything between the value before it, or the row's beginning, and its own value; with its key.
    pub(super) literal: Vec<u8>,
    /// Where in `literal` the key's opening quote stands.
    pub(super) key_at: usize,
}

/// A part of a row's text.
pub(super) enum Part {
    /// The span of that number.
    Span(usize),
    /// The value of that field.
    Value(usize),
    /// Text that is always the same, between two values.
    Literal(Vec<u8>),
}

/// Fields side by side whose values repeat together.
pub(super) struct Span {
    pub(super) fields: Range<usize>,
    /// What belongs to its text behind its last value: the literal of a value that follows, or the row's end.
    pub(super) trailing: Vec<u8>,
    /// What ends it, to be found in the text, and whether that belongs to it.
    pub(super) end: Option<(Finder<'static>, bool)>,
    /// The span before it that tells best which one it is.
    pub(super) parent: Option<usize>,
}

/// Where the value of a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Pushed row by row.
    Pushed,
    /// The code at `slot` of the span.
    Coded { span: usize, slot: usize },
}

/// How the text of a row divides.
pub(super) struct Layout {
    pub(super) fields: Vec<Field>,
    pub(super) parts: Vec<Part>,
    pub(super) spans: Vec<Span>,
    /// The place of each column, and behind them that of the column of unknown fields.
    pub(super) places: Vec<Place>,
    /// Columns that no field of the layout fills.
    pub(super) absent: Vec<usize>,
}

impl Layout {
    /// Divides rows of these fields, with `tail` behind the last value, into the spans given; what is in none is a value of
    /// its own. `columns` is how many columns the contract has.
    pub(super) fn new(fields: Vec<Field>, tail: Vec<u8>, spans: Vec<Range<usize>>, columns: usize) -> Self {
        let literal_behind = |field: usize| fields.get(field + 1).map_or(&tail, |next| &next.literal);
        let mut parts = Vec::new();
        let mut made: Vec<Span> = Vec::new();
        let mut places = vec![Place::Pushed; columns + 1];
        let mut at = 0;
        while at < fields.len() {
            let Some(range) = spans.get(made.len()).filter(|range| range.start == at).cloned() else {
                let follows_span = matches!(parts.last(), Some(Part::Span(_)));
                if !follows_span {
                    parts.push(Part::Literal(fields[at].literal.clone()));
                }
                parts.push(Part::Value(at));
                at += 1;
                continue;
            };
            at = range.end;
            let last = range.end - 1;
            let before_span = spans.get(made.len() + 1).is_some_and(|next| next.start == range.end);
            let behind = literal_behind(last);
            let end = (range.end < fields.len()).then(|| (Finder::new(behind).into_owned(), !before_span));
            for (slot, field) in range.clone().enumerate() {
                if let Target::Column(column) = fields[field].target {
                    places[column] = Place::Coded { span: made.len(), slot };
                }
            }
            parts.push(Part::Span(made.len()));
            let trailing = if before_span { Vec::new() } else { behind.clone() };
            made.push(Span { fields: range, trailing, end, parent: None });
        }
        if !matches!(parts.last(), Some(Part::Span(_))) {
            parts.push(Part::Literal(tail));
        }
        let filled = |column: usize| fields.iter().any(|field| field.target == Target::Column(column));
        let absent = (0..columns).filter(|column| !filled(*column)).collect();
        Layout { fields, parts, spans: made, places, absent }
    }
}
