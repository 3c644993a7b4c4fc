//! How the text of a row divides: spans of values that repeat together, and between them values that are read on their own.
//!
//! A layout is learned from rows ([`Sample`](super::sample::Sample)). It promises nothing about the rows to come: every
//! byte of a row is compared with what was read before, or read.

use std::ops::Range;

use memchr::memmem::Finder;

use super::row::Target;
use super::token;

/// Spans of a layout; what would be in further ones is read value by value. Fuzzers and unit tests get there.
pub(super) const MOST_SPANS: usize = if cfg!(any(test, fuzzing)) { 8 } else { 24 };

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
    /// What belongs to its text before its first value: that field's literal, unless the span before ends with it.
    leading: Vec<u8>,
    /// What belongs to its text behind its last value: the next field's literal, or the row's end. So no text is the
    /// beginning of another one because its last number is.
    trailing: Vec<u8>,
    /// Finds `trailing`; none for that of the row's end, which may stand in a text, too.
    end: Option<Finder<'static>>,
    /// The span before it that tells best which one it is.
    pub(super) parent: Option<usize>,
    /// The spans whose parent it is.
    pub(super) children: Vec<usize>,
}

impl Span {
    /// Reads its text at the start of `rest`: `take` gets each field, and where its value begins, and tells where it ends.
    /// Returns where the text ends; none when `rest` does not fit, or `take` does not.
    #[inline]
    pub(super) fn read(
        &self,
        fields: &[Field],
        rest: &[u8],
        mut take: impl FnMut(&Field, usize) -> Option<usize>,
    ) -> Option<usize> {
        let behind = |at: usize, literal: &[u8]| rest[at..].starts_with(literal).then_some(at + literal.len());
        let mut at = behind(0, &self.leading)?;
        for (slot, field) in fields[self.fields.clone()].iter().enumerate() {
            if slot > 0 {
                at = behind(at, &field.literal)?;
            }
            at = take(field, at)?;
        }
        behind(at, &self.trailing)
    }

    /// Where its text at the start of `rest` ends, if it is one.
    pub(super) fn find_end(&self, fields: &[Field], rest: &[u8]) -> Option<usize> {
        match &self.end {
            Some(end) => end.find(rest).map(|at| at + self.trailing.len()),
            None => self.read(fields, rest, |_, at| token::value(rest, at, 1).ok().map(|(_, end)| end)),
        }
    }
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
            let follows_span = matches!(parts.last(), Some(Part::Span(_)));
            let leading = if follows_span { Vec::new() } else { fields[range.start].literal.clone() };
            let trailing = literal_behind(range.end - 1).clone();
            let end = (range.end < fields.len()).then(|| Finder::new(&trailing).into_owned());
            for (slot, field) in range.clone().enumerate() {
                if let Target::Column(column) = fields[field].target {
                    places[column] = Place::Coded { span: made.len(), slot };
                }
            }
            parts.push(Part::Span(made.len()));
            made.push(Span { fields: range, leading, trailing, end, parent: None, children: Vec::new() });
        }
        if !matches!(parts.last(), Some(Part::Span(_))) {
            parts.push(Part::Literal(tail));
        }
        let filled = |column: usize| fields.iter().any(|field| field.target == Target::Column(column));
        let absent = (0..columns).filter(|column| !filled(*column)).collect();
        Layout { fields, parts, spans: made, places, absent }
    }
    /// Another span, or none, tells which one a span is.
    pub(super) fn set_parent(&mut self, span: usize, parent: Option<usize>) {
        if let Some(before) = std::mem::replace(&mut self.spans[span].parent, parent) {
            self.spans[before].children.retain(|child| *child != span);
        }
        if let Some(parent) = parent {
            self.spans[parent].children.push(span);
        }
    }
}
