//! The rows of a section with a layout, and what is known of rows to come.

use super::column::NULL_CODE;
use super::layout::{Field, Layout, Span};
use super::row::Target;
use super::row_group::Used;
use super::spans::SpanTable;
use super::templates::Templates;
use super::texts::Texts;
use super::together;

/// The newest rows, by which parents are chosen; fewer than a quarter of that say too little. Fuzzers and unit tests come that far
/// with pages that they can write.
const PARENT_ROWS: usize = if cfg!(any(test, fuzzing)) { 16 } else { 16_384 };

/// What the rows of a section with a layout are made of.
///
/// A row is the number of a template, and a template the texts of its spans, which have the codes of the columns.
pub(super) struct Coded {
    pub(super) layout: Layout,
    pub(super) spans: Vec<SpanTable>,
    pub(super) texts: Texts,
    pub(super) templates: Templates,
    /// The template of each row.
    pub(super) rows: Vec<u32>,
}

impl Coded {
    pub(super) fn new(layout: Layout) -> Self {
        let spans: Vec<_> = layout.spans.iter().map(|span| SpanTable::new(span.fields.len())).collect();
        Coded { templates: Templates::new(spans.len()), layout, spans, texts: Texts::default(), rows: Vec::new() }
    }

    /// Keeps a row that was read plainly, as its columns' codes, and returns its template.
    pub(super) fn keep(&mut self, codes: &[i32], row: u32) -> u32 {
        let fields = &self.layout.fields;
        let of_span = |(table, span): (&mut SpanTable, &Span)| {
            let code = |field: &Field| match field.target {
                Target::Column(column) => codes[column],
                Target::Extra => NULL_CODE,
            };
            table.insert_codes(fields[span.fields.clone()].iter().map(code), row)
        };
        let numbers: Vec<u32> = self.spans.iter_mut().zip(&self.layout.spans).map(of_span).collect();
        self.templates.insert(&numbers, row)
    }

    /// Looks in the newest rows, before the row `row` of the row group, whether for some spans there is a better parent. The sample from which a layout is made says
    /// nothing of spans that were ever new in it.
    pub(super) fn look_for_parents(&mut self, row: u32, of: impl Fn(usize) -> bool) {
        let newest = &self.rows[self.rows.len().saturating_sub(PARENT_ROWS)..];
        if newest.len() < PARENT_ROWS / 4 {
            return;
        }
        let group = |span: usize| {
            let numbers = newest.iter().filter_map(|template| self.templates.numbers(*template));
            together::Group::new(numbers.map(|numbers| numbers[span]).collect(), self.spans[span].len())
        };
        let groups: Vec<_> = (0..self.spans.len()).map(group).collect();
        for at in (0..groups.len()).filter(|at| of(*at)) {
            let known = self.layout.spans[at].parent;
            let parent = together::parent(&groups[..at], &groups[at], known);
            if parent == known {
                continue;
            }
            self.layout.set_parent(at, parent);
            let table = &mut self.spans[at];
            table.change_parent();
            if let Some(parent) = parent {
                let known = self.templates.all();
                known.for_each(|(starts, numbers)| table.remember(Some(numbers[parent]), starts[at], row, &self.texts));
            }
        }
    }

    /// Forgets the rows from `rows_here` on, which are those of the row group from `row` on, and what came with them.
    pub(super) fn truncate(&mut self, rows_here: usize, row: usize) {
        self.rows.truncate(rows_here);
        self.templates.truncate(row);
        let end = self.texts.truncate(row);
        self.spans.iter_mut().for_each(|table| table.truncate(row, end));
    }

    /// All rows stay, and what came with them.
    pub(super) fn settle(&mut self) {
        self.texts.settle();
        self.templates.settle();
        self.spans.iter_mut().for_each(SpanTable::settle);
    }

    /// No more rows come: only what the rows are made of is kept.
    pub(super) fn close(&mut self) {
        self.texts = Texts::default();
        self.templates.close();
        self.spans.iter_mut().for_each(SpanTable::close);
    }

    pub(super) fn bytes(&self) -> usize {
        self.texts.bytes() + self.templates.bytes() + self.spans.iter().map(SpanTable::bytes).sum::<usize>()
    }

    /// What the rows use, numbered in the order of first use; and by span, which texts these are.
    pub(super) fn used(&self) -> (Used, Vec<Vec<u32>>) {
        let mut templates = Numbering::new(self.templates.len());
        let of_rows = self.rows.iter().map(|template| templates.number(*template)).collect();
        let texts = self.spans.iter().enumerate().map(|(span, table)| {
            let mut texts = Numbering::new(table.len());
            let ids = templates.used.iter().filter_map(|template| self.templates.numbers(*template));
            let of_templates: Vec<_> = ids.map(|ids| texts.number(ids[span])).collect();
            (of_templates, texts.used)
        });
        let (texts, ids) = texts.unzip();
        (Used { templates: of_rows, texts }, ids)
    }
}

/// Numbers entries of a table in the order of their first use.
struct Numbering {
    numbers: Vec<u32>,
    used: Vec<u32>,
}

impl Numbering {
    fn new(entries: usize) -> Self {
        Numbering { numbers: vec![u32::MAX; entries], used: Vec::new() }
    }

    #[inline]
    fn number(&mut self, entry: u32) -> u32 {
        let number = &mut self.numbers[entry as usize];
        if *number == u32::MAX {
            *number = self.used.len() as u32;
            self.used.push(entry);
        }
        *number
    }
}
