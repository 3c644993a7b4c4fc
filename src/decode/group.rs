//! The rows of the row group at work: columns, and the sections that say where each row's values are.
//!
//! A section is a stretch of rows of one layout. In a section without a layout every value is pushed into its column. In one
//! with a layout a row is the number of a template, and templates are the numbers of their spans' texts, which have the
//! codes of the columns; only the values that stand outside of spans are pushed. Templates outlive row groups.

use arrow_schema::ArrowError;

use super::column::{Column, NULL_CODE, Stretch};
use super::layout::{Field, Layout, Place, Span};
use super::row::Target;
use super::row_group::{Pending, Used};
use super::spans::{SpanTable, Texts};
use super::templates::Templates;
use super::together;

/// Bytes accounted for a row of templates while it is encoded: in the array of one column, in pages and in the file's buffers.
const ENCODED_ROW_BYTES: usize = 64;
/// The newest rows, by which parents are chosen.
const PARENT_ROWS: usize = 16_384;

/// Rows of one layout.
struct Section {
    rows: usize,
    /// Bytes of a row, besides what is kept of its texts.
    row_bytes: usize,
    coded: Option<Box<Coded>>,
}

/// What the rows of a section with a layout are made of.
pub(super) struct Coded {
    pub(super) layout: Layout,
    pub(super) spans: Vec<SpanTable>,
    pub(super) texts: Texts,
    pub(super) templates: Templates,
    /// The template of each row.
    rows: Vec<u32>,
}

impl Coded {
    fn new(layout: Layout) -> Self {
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
            table.insert_codes(fields[span.fields.clone()].iter().map(code), row, &self.texts)
        };
        let ids: Vec<u32> = self.spans.iter_mut().zip(&self.layout.spans).map(of_span).collect();
        self.templates.insert(&ids, row)
    }

    /// Looks in the newest rows whether for some spans there is a better parent. The sample from which a layout is made says
    /// nothing of spans that were ever new in it.
    pub(super) fn look_for_parents(&mut self, of: impl Fn(usize) -> bool) {
        let newest = &self.rows[self.rows.len().saturating_sub(PARENT_ROWS)..];
        let group = |span: usize| {
            let numbers = newest.iter().filter_map(|template| self.templates.ids(*template)).map(|ids| ids[span]);
            together::Group::new(numbers.collect(), self.spans[span].len())
        };
        let groups: Vec<_> = (0..self.spans.len()).map(group).collect();
        for at in (0..groups.len()).filter(|at| of(*at)) {
            let span = &mut self.layout.spans[at];
            let parent = together::parent(&groups[..at], &groups[at], span.parent);
            if parent == span.parent {
                continue;
            }
            span.parent = parent;
            let table = &mut self.spans[at];
            table.change_parent();
            if let Some(parent) = parent {
                self.templates.all_ids().for_each(|ids| table.remember(Some(ids[parent]), ids[at]));
            }
        }
    }

    fn truncate(&mut self, rows_here: usize, row: usize) {
        self.rows.truncate(rows_here);
        self.templates.truncate(row);
        self.spans.iter_mut().for_each(|table| table.truncate(row));
        self.texts.truncate(&self.spans);
    }

    fn bytes(&self) -> usize {
        self.texts.bytes() + self.templates.bytes() + self.spans.iter().map(SpanTable::bytes).sum::<usize>()
    }
}

/// Columns and sections.
pub(super) struct Group {
    pub(super) columns: Vec<Column>,
    /// The last one takes the rows to come.
    sections: Vec<Section>,
    rows: usize,
}

impl Group {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        let mut group = Group { columns, sections: Vec::new(), rows: 0 };
        group.begin_section(None);
        group
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The section that takes the rows to come, when it has a layout, and the columns.
    #[inline]
    pub(super) fn coded(&mut self) -> Option<(&mut Coded, &mut [Column])> {
        let coded = self.sections.last_mut()?.coded.as_deref_mut()?;
        Some((coded, &mut self.columns))
    }

    /// The place of a column's next value.
    pub(super) fn place(&self, column: usize) -> Place {
        let coded = self.sections.last().and_then(|section| section.coded.as_deref());
        coded.map_or(Place::Pushed, |coded| coded.layout.places[column])
    }

    /// All values of a row are in the columns, and it has that template when the section has a layout.
    #[inline]
    pub(super) fn end_row(&mut self, template: Option<u32>) {
        if let Some(section) = self.sections.last_mut() {
            section.rows += 1;
            if let (Some(coded), Some(template)) = (&mut section.coded, template) {
                coded.rows.push(template);
            }
        }
        self.rows += 1;
    }

    /// Begins a section: its rows have that layout, or none.
    pub(super) fn begin_section(&mut self, layout: Option<Layout>) {
        if let Some(Section { coded: Some(coded), .. }) = self.sections.last_mut() {
            coded.spans.iter_mut().for_each(SpanTable::close);
            coded.texts = Texts::default();
            coded.templates.close();
        }
        if self.sections.last().is_some_and(|section| section.rows == 0) {
            self.sections.pop();
        }
        let is_pushed = |at: usize| layout.as_ref().is_none_or(|layout| layout.places[at] == Place::Pushed);
        let pushed = self.columns.iter().enumerate().filter(|(at, _)| is_pushed(*at));
        let pushed: usize = pushed.map(|(_, column)| column.row_bytes()).sum();
        let row_bytes = if layout.is_some() { size_of::<u32>() + ENCODED_ROW_BYTES + pushed } else { pushed };
        self.sections.push(Section { rows: 0, row_bytes, coded: layout.map(|layout| Box::new(Coded::new(layout))) });
    }

    /// Forgets the rows from `rows` on, the half row behind them, and what came with them.
    pub(super) fn truncate(&mut self, rows: usize) {
        let mut first = 0;
        for section in &mut self.sections {
            section.rows = section.rows.min(rows.saturating_sub(first));
            if let Some(coded) = &mut section.coded {
                coded.truncate(section.rows, rows);
            }
            first += section.rows;
        }
        self.rows = rows;
        for column in 0..self.columns.len() {
            let pushed = self.pushed(column);
            self.columns[column].truncate(pushed, rows);
        }
    }

    /// Forgets the value that the half row at work pushed into a column.
    pub(super) fn take_back(&mut self, column: usize) {
        let pushed = self.pushed(column);
        self.columns[column].truncate(pushed, self.rows);
    }

    /// How many rows pushed a value into that column.
    fn pushed(&self, column: usize) -> usize {
        self.sections.iter().filter(|section| section.pushes(column)).map(|section| section.rows).sum()
    }

    /// All rows stay, and what came with them.
    pub(super) fn settle(&mut self) {
        self.columns.iter_mut().for_each(Column::settle);
        for coded in self.sections.iter_mut().filter_map(|section| section.coded.as_deref_mut()) {
            coded.templates.settle();
            coded.spans.iter_mut().for_each(SpanTable::settle);
        }
    }

    /// Bytes that the rows take, here or while they are encoded.
    pub(super) fn bytes(&self) -> usize {
        let rows: usize = self.sections.iter().map(|section| section.rows * section.row_bytes).sum();
        let kept: usize = self.columns.iter().map(Column::kept_bytes).sum();
        rows + kept + self.table_bytes()
    }

    fn table_bytes(&self) -> usize {
        self.sections.iter().filter_map(|section| section.coded.as_deref()).map(Coded::bytes).sum()
    }

    /// Calls `take` with a decimal column's values of the rows from `first` on, piece by piece.
    pub(super) fn decimals_from(&self, column: usize, first: usize, mut take: impl FnMut(&[i128])) {
        let Column::Decimal(values) = &self.columns[column] else { return };
        let (mut row, mut pushed) = (0, 0);
        for section in &self.sections {
            let skipped = first.saturating_sub(row).min(section.rows);
            match &section.coded {
                Some(coded) if let Place::Coded { span, slot } = coded.layout.places[column] => {
                    for template in &coded.rows[skipped..] {
                        let id = coded.templates.ids(*template).map_or(0, |ids| ids[span]);
                        take(&[values.of_code(coded.spans[span].code(id, slot))]);
                    }
                }
                _ => {
                    take(&values.pushed()[pushed + skipped..pushed + section.rows]);
                    pushed += section.rows;
                }
            }
            row += section.rows;
        }
    }

    /// Takes all rows and starts anew. The section at work goes on with what it knows, unless that takes more than
    /// `most_bytes`.
    pub(super) fn finish(&mut self, most_bytes: usize) -> Result<(Vec<Pending>, Vec<Option<Used>>), ArrowError> {
        let coded = self.sections.iter().map(|section| section.coded.as_deref());
        let (used, ids): (Vec<_>, Vec<_>) = coded.map(|coded| coded.map(use_of).unzip()).unzip();
        let goes_on = self.knowledge_is_worth_keeping(most_bytes);
        let mut pending = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.iter_mut().enumerate() {
            let mut stretches = Vec::new();
            for (number, (section, ids)) in self.sections.iter().zip(&ids).enumerate() {
                match (&section.coded, ids, stretches.last_mut()) {
                    (Some(coded), Some(ids), _) if let Place::Coded { span, slot } = coded.layout.places[at] => {
                        let codes = ids[span].iter().map(|id| coded.spans[span].code(*id, slot)).collect();
                        stretches.push(Stretch::Coded { section: number, span, codes });
                    }
                    (.., Some(Stretch::Pushed(rows))) => *rows += section.rows,
                    _ => stretches.push(Stretch::Pushed(section.rows)),
                }
            }
            let active = self.sections.last().and_then(|section| section.coded.as_deref());
            let coded = active.is_some_and(|coded| coded.layout.places[at] != Place::Pushed);
            pending.push(column.finish(stretches, coded && goes_on)?);
        }
        self.rows = 0;
        if let Some(mut last) = self.sections.pop() {
            self.sections.clear();
            last.rows = 0;
            if let Some(mut coded) = last.coded.take() {
                coded.rows.clear();
                last.coded = Some(if goes_on { coded } else { Box::new(Coded::new(coded.layout)) });
            }
            self.sections.push(last);
        }
        Ok((pending, used))
    }

    /// Is what the section at work knows small enough, and are its dictionaries without needless entries?
    fn knowledge_is_worth_keeping(&self, most_bytes: usize) -> bool {
        let kept = |(at, column): (usize, &Column)| match (self.place(at), column) {
            (Place::Pushed, _) => Some(0),
            (_, Column::Text(text)) if text.is_interning_stopped() => None,
            (_, column) => Some(column.kept_bytes()),
        };
        let kept: Option<usize> = self.columns.iter().enumerate().map(kept).sum();
        kept.is_some_and(|kept| kept + self.table_bytes() <= most_bytes)
    }
}

impl Section {
    /// Are a column's values of these rows pushed?
    fn pushes(&self, column: usize) -> bool {
        self.coded.as_deref().is_none_or(|coded| coded.layout.places[column] == Place::Pushed)
    }
}

/// What the rows of a section use, numbered in the order of first use; and by span, which texts these are.
fn use_of(coded: &Coded) -> (Used, Vec<Vec<u32>>) {
    let mut templates = Numbering::new(coded.templates.len());
    let of_rows = coded.rows.iter().map(|template| templates.number(*template)).collect();
    let texts = coded.spans.iter().enumerate().map(|(span, table)| {
        let mut texts = Numbering::new(table.len());
        let ids = templates.used.iter().filter_map(|template| coded.templates.ids(*template));
        let of_templates: Vec<_> = ids.map(|ids| texts.number(ids[span])).collect();
        (of_templates, texts.used)
    });
    let (texts, ids) = texts.unzip();
    (Used { templates: of_rows, texts }, ids)
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
