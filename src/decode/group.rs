//! The rows of the row group at work: columns, and the sections that say where each row's values are.
//!
//! A section is a stretch of rows of one layout. In a section without a layout every value is pushed into its column. In one
//! with a layout a row is the number of a template, and templates are the numbers of their spans' texts, which have the
//! codes of the columns; only the values that stand outside of spans are pushed. Templates outlive row groups.

use arrow_array::ArrayRef;
use arrow_schema::ArrowError;

use super::column::{Column, NULL_CODE, Stretch};
use super::dictionary::KnownCodes;
use super::layout::{Field, Layout, Place, Span};
use super::row::Target;
use super::spans::SpanTable;
use super::templates::Templates;

/// Rows of one layout.
struct Section {
    rows: usize,
    coded: Option<Box<Coded>>,
}

/// What the rows of a section with a layout are made of.
pub(super) struct Coded {
    pub(super) layout: Layout,
    pub(super) spans: Vec<SpanTable>,
    pub(super) templates: Templates,
    /// The template of each row.
    rows: Vec<u32>,
}

impl Coded {
    fn new(layout: Layout) -> Self {
        let spans: Vec<_> = layout.spans.iter().map(|span| SpanTable::new(span.fields.len())).collect();
        Coded { templates: Templates::new(spans.len()), layout, spans, rows: Vec::new() }
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
        let ids: Vec<u32> = self.spans.iter_mut().zip(&self.layout.spans).map(of_span).collect();
        self.templates.insert(&ids, row)
    }

    fn truncate(&mut self, rows_here: usize, row: usize) {
        self.rows.truncate(rows_here);
        self.templates.truncate(row);
        self.spans.iter_mut().for_each(|table| table.truncate(row));
    }

    fn bytes(&self) -> usize {
        self.templates.bytes() + self.spans.iter().map(SpanTable::bytes).sum::<usize>()
    }
}

/// Columns and sections.
pub(super) struct Group {
    pub(super) columns: Vec<Column>,
    /// The last one takes the rows to come.
    sections: Vec<Section>,
    rows: usize,
    row_bytes: usize,
}

impl Group {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        let row_bytes = columns.iter().map(Column::row_bytes).sum();
        Group { columns, sections: vec![Section { rows: 0, coded: None }], rows: 0, row_bytes }
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
            coded.templates.close();
        }
        if self.sections.last().is_some_and(|section| section.rows == 0) {
            self.sections.pop();
        }
        self.sections.push(Section { rows: 0, coded: layout.map(|layout| Box::new(Coded::new(layout))) });
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

    /// Bytes that the rows take, here or in the record batch.
    pub(super) fn bytes(&self) -> usize {
        let kept: usize = self.columns.iter().map(Column::kept_bytes).sum();
        self.rows * self.row_bytes + kept + self.table_bytes()
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

    /// Takes all rows as arrays, one a column, and starts anew. The section at work goes on with what it knows, unless
    /// that takes more than `most_bytes`.
    pub(super) fn finish(&mut self, most_bytes: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        let used: Vec<_> = self.sections.iter().map(|section| section.coded.as_deref().map(Used::of)).collect();
        let goes_on = self.knowledge_is_worth_keeping(most_bytes);
        let mut known = KnownCodes::default();
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.iter_mut().enumerate() {
            let stretches = self.sections.iter().zip(&used).map(|(section, used)| match (&section.coded, used) {
                (Some(coded), Some(used)) if let Place::Coded { span, slot } = coded.layout.places[at] => {
                    let code = |ids: &[u32]| coded.spans[span].code(ids[span], slot);
                    let codes = used.templates.iter().filter_map(|template| coded.templates.ids(*template)).map(code);
                    Stretch::Coded { codes: codes.collect(), rows: &used.rows }
                }
                _ => Stretch::Pushed(section.rows),
            });
            let stretches: Vec<_> = stretches.collect();
            let active = self.sections.last().and_then(|section| section.coded.as_deref());
            let coded = active.is_some_and(|coded| coded.layout.places[at] != Place::Pushed);
            arrays.push(column.finish(&stretches, coded && goes_on, &mut known)?);
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
        Ok(arrays)
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

/// The templates that rows of a section use.
struct Used {
    /// In the order of their first use.
    templates: Vec<u32>,
    /// For each row, where in `templates` its template is.
    rows: Vec<u32>,
}

impl Used {
    fn of(coded: &Coded) -> Self {
        let mut place = vec![u32::MAX; coded.templates.len()];
        let mut templates = Vec::new();
        let rows = coded.rows.iter().map(|template| {
            let place = &mut place[*template as usize];
            if *place == u32::MAX {
                *place = templates.len() as u32;
                templates.push(*template);
            }
            *place
        });
        let rows = rows.collect();
        Used { templates, rows }
    }
}
