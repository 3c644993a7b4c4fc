//! The rows of the row group at work: columns, and the sections that say where each row's values are.
//!
//! A section is a stretch of rows of one layout. In a section without a layout every value is pushed into its column. In one
//! with a layout a row is the number of a template, and templates are the numbers of their spans' texts, which have the
//! codes of the columns; only the values that stand outside of spans are pushed. Templates outlive row groups.

use arrow_schema::ArrowError;

use super::coded::Coded;
use super::column::{Column, Stretch};
use super::layout::{Layout, Place};
use super::row_group::{Pending, Used};

/// Bytes accounted for a row of templates while it is encoded: in the array of one column, in pages and in the file's buffers.
const ENCODED_ROW_BYTES: usize = 64;

/// Rows of one layout.
struct Section {
    rows: usize,
    /// Bytes of a row, besides what is kept of its texts.
    row_bytes: usize,
    coded: Option<Box<Coded>>,
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
            coded.close();
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
        self.sections.iter_mut().filter_map(|section| section.coded.as_deref_mut()).for_each(Coded::settle);
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
        let values = match &self.columns[column] {
            Column::Decimal(values) => values,
            Column::Amounts(amounts) => return amounts.values_from(first).for_each(|value| take(&[value])),
            _ => return,
        };
        let (mut row, mut pushed) = (0, 0);
        for section in &self.sections {
            let skipped = first.saturating_sub(row).min(section.rows);
            match &section.coded {
                Some(coded) if let Place::Coded { span, slot } = coded.layout.places[column] => {
                    for template in &coded.rows[skipped..] {
                        let id = coded.templates.numbers(*template).map_or(0, |numbers| numbers[span]);
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
        let (used, ids): (Vec<_>, Vec<_>) = coded.map(|coded| coded.map(Coded::used).unzip()).unzip();
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
