//! A full row group, as Arrow arrays that are made one at a time.
//!
//! What repeats stands in it once: for each row the number of its template, for each template the texts of its spans, for
//! each text the values of its columns. A column's array is only made when it is asked for, so that whoever needs one
//! column after the other never has them all in memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arrow_array::types::{Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, BooleanArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray};
use arrow_buffer::{NullBuffer, NullBufferBuilder};
use arrow_schema::{ArrowError, SchemaRef};

use super::column::NULL_CODE;
use super::tags;
use crate::contract::{DECIMAL_PRECISION, DECIMAL_SCALE};

/// The rows of a row group, in the columns of a contract's schema.
#[derive(Debug, Clone)]
pub struct RowGroup {
    schema: SchemaRef,
    rows: usize,
    columns: Vec<Pending>,
    sections: Vec<Option<Used>>,
}

impl RowGroup {
    pub(super) fn new(schema: SchemaRef, rows: usize, columns: Vec<Pending>, sections: Vec<Option<Used>>) -> Self {
        RowGroup { schema, rows, columns, sections }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The schema of its columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The array of a column; none when there is no such column.
    ///
    /// # Errors
    /// Only by a bug, when Arrow refuses the values.
    pub fn column(&self, at: usize) -> Option<Result<ArrayRef, ArrowError>> {
        self.columns.get(at).map(|column| column.array(&self.sections))
    }

    /// The arrays of all columns in their order, each made when it is asked for. What only one column needs is let go
    /// with it. Ids and decimals that repeat come as dictionaries, as text does in the schema.
    ///
    /// # Errors
    /// Only by a bug, when Arrow refuses the values.
    pub fn into_columns(self) -> impl Iterator<Item = Result<ArrayRef, ArrowError>> {
        let RowGroup { columns, sections, rows, .. } = self;
        columns.into_iter().map(move |column| column.shortest_array(&sections, rows))
    }

    /// All columns as a record batch.
    ///
    /// # Errors
    /// Only by a bug, when Arrow refuses the columns.
    pub fn into_batch(self) -> Result<RecordBatch, ArrowError> {
        let schema = Arc::clone(&self.schema);
        let arrays = self.columns.iter().map(|column| column.array(&self.sections));
        RecordBatch::try_new(schema, arrays.collect::<Result<_, _>>()?)
    }
}

impl From<RecordBatch> for RowGroup {
    fn from(batch: RecordBatch) -> Self {
        let rows = batch.num_rows();
        let (schema, arrays, _) = batch.into_parts();
        RowGroup::new(schema, rows, arrays.into_iter().map(Pending::Ready).collect(), Vec::new())
    }
}

/// What the rows of a section with a layout use.
#[derive(Debug, Clone)]
pub(super) struct Used {
    /// Which of the templates each row has.
    pub(super) templates: Vec<u32>,
    /// By span: which of its texts each template has.
    pub(super) texts: Vec<Vec<u32>>,
}

/// A column whose array is to be made.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    Ready(ArrayRef),
    /// Codes into a dictionary.
    Text(Arc<StringArray>, Vec<Piece<i32>>),
    Decimal(Vec<Piece<i128>>),
    Id(Vec<Piece<i64>>),
    Date(Vec<Piece<i32>>),
    Instant(Vec<Piece<i64>>),
    Flag(Vec<Piece<bool>>),
    /// A dictionary of maps.
    Maps(ArrayRef),
}

/// Values of a stretch of rows.
#[derive(Debug, Clone)]
pub(super) struct Piece<N> {
    pub(super) values: Vec<N>,
    /// Which of the values are null, if any.
    pub(super) nulls: Option<NullBuffer>,
    pub(super) of: Of,
}

/// Whose values they are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// One for each row.
    Rows,
    /// One for each text that the rows of a section use in a span.
    Texts { section: usize, span: usize },
    /// One for so many rows.
    All(usize),
}

impl Pending {
    /// The column whose value is the same text in all rows.
    pub(super) fn repeated_text(text: &str, rows: usize) -> Self {
        Pending::Text(Arc::new(StringArray::from_iter_values([text])), vec![Piece::repeated(0, rows)])
    }

    /// The column whose value is the same day in all rows.
    pub(super) fn repeated_day(day: i32, rows: usize) -> Self {
        Pending::Date(vec![Piece::repeated(day, rows)])
    }

    /// Makes the array.
    pub(super) fn array(&self, sections: &[Option<Used>]) -> Result<ArrayRef, ArrowError> {
        match self {
            Pending::Ready(array) => Ok(Arc::clone(array)),
            Pending::Text(entries, pieces) => coded(Arc::clone(entries) as ArrayRef, rows(pieces, sections)),
            Pending::Decimal(pieces) => decimals(rows(pieces, sections)),
            Pending::Id(pieces) => ids(rows(pieces, sections)),
            Pending::Date(pieces) => dates(rows(pieces, sections)),
            Pending::Instant(pieces) => instants(rows(pieces, sections)),
            Pending::Flag(pieces) => flags(rows(pieces, sections)),
            Pending::Maps(maps) => tags::spread(maps),
        }
    }

    /// Makes the array, as a dictionary where values repeat.
    fn shortest_array(&self, sections: &[Option<Used>], rows: usize) -> Result<ArrayRef, ArrowError> {
        match self {
            Pending::Id(pieces) if repeat(pieces, rows) => dictionary(pieces, sections, ids),
            Pending::Decimal(pieces) if repeat(pieces, rows) => dictionary(pieces, sections, decimals),
            Pending::Maps(maps) => Ok(Arc::clone(maps)),
            _ => self.array(sections),
        }
    }
}

/// Are there far fewer values than rows that have them?
fn repeat<N>(pieces: &[Piece<N>], rows: usize) -> bool {
    pieces.iter().map(|piece| piece.values.len()).sum::<usize>() * 2 < rows
}

/// The values of all rows as a dictionary, in the order of their first use; `array` makes an array of its entries.
fn dictionary<N: Copy + Eq + Hash>(
    pieces: &[Piece<N>],
    sections: &[Option<Used>],
    array: fn(Rows<N>) -> Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    let mut known: HashMap<N, i32, foldhash::fast::FixedState> = HashMap::default();
    let mut entries = Vec::new();
    let pieces = pieces.iter().map(|piece| {
        let codes = piece.values.iter().enumerate().map(|(at, value)| match &piece.nulls {
            Some(nulls) if nulls.is_null(at) => NULL_CODE,
            _ => *known.entry(*value).or_insert_with(|| {
                entries.push(*value);
                entries.len() as i32 - 1
            }),
        });
        Piece { values: codes.collect(), nulls: piece.nulls.clone(), of: piece.of }
    });
    let codes = rows(&pieces.collect::<Vec<_>>(), sections);
    coded(array((entries, None))?, codes)
}

/// Values of all rows, and which of them are null, if any.
pub(super) type Rows<N> = (Vec<N>, Option<NullBuffer>);

/// Entries and the codes of all rows.
pub(super) fn coded(entries: ArrayRef, (codes, nulls): Rows<i32>) -> Result<ArrayRef, ArrowError> {
    let codes = PrimitiveArray::<Int32Type>::try_new(codes.into(), nulls)?;
    Ok(Arc::new(DictionaryArray::try_new(codes, entries)?))
}

pub(super) fn decimals((values, nulls): Rows<i128>) -> Result<ArrayRef, ArrowError> {
    let array = PrimitiveArray::<Decimal128Type>::try_new(values.into(), nulls)?;
    Ok(Arc::new(array.with_precision_and_scale(DECIMAL_PRECISION, DECIMAL_SCALE)?))
}

pub(super) fn ids((values, nulls): Rows<i64>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(PrimitiveArray::<Int64Type>::try_new(values.into(), nulls)?))
}

pub(super) fn dates((values, nulls): Rows<i32>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(PrimitiveArray::<Date32Type>::try_new(values.into(), nulls)?))
}

pub(super) fn instants((values, nulls): Rows<i64>) -> Result<ArrayRef, ArrowError> {
    let array = PrimitiveArray::<TimestampMicrosecondType>::try_new(values.into(), nulls)?;
    Ok(Arc::new(array.with_timezone("UTC")))
}

pub(super) fn flags((values, nulls): Rows<bool>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(BooleanArray::new(values.into(), nulls)))
}

/// The values of all rows, from those of their pieces.
fn rows<N: Copy>(pieces: &[Piece<N>], sections: &[Option<Used>]) -> Rows<N> {
    let used = |section: usize| sections[section].as_ref().map_or((&[][..], &[][..]), Used::parts);
    let mut values = Vec::with_capacity(pieces.iter().map(|piece| piece.rows(sections)).sum());
    let mut nulls = pieces.iter().any(|piece| piece.nulls.is_some()).then(|| NullBufferBuilder::new(values.capacity()));
    for piece in pieces {
        match piece.of {
            Of::Rows => values.extend_from_slice(&piece.values),
            Of::All(rows) => values.extend(std::iter::repeat_n(piece.values[0], rows)),
            Of::Texts { section, span } => {
                let (templates, texts) = used(section);
                let of_template: Vec<N> = texts[span].iter().map(|text| piece.values[*text as usize]).collect();
                values.extend(templates.iter().map(|template| of_template[*template as usize]));
            }
        }
        let Some(nulls) = &mut nulls else { continue };
        match (&piece.nulls, piece.of) {
            (None, _) => nulls.append_n_non_nulls(piece.rows(sections)),
            (Some(of_rows), Of::Rows) => nulls.append_buffer(of_rows),
            (Some(of_all), Of::All(rows)) if of_all.is_null(0) => nulls.append_n_nulls(rows),
            (Some(_), Of::All(rows)) => nulls.append_n_non_nulls(rows),
            (Some(of_texts), Of::Texts { section, span }) => {
                let (templates, texts) = used(section);
                let is_valid = |template: &u32| of_texts.is_valid(texts[span][*template as usize] as usize);
                templates.iter().for_each(|template| nulls.append(is_valid(template)));
            }
        }
    }
    (values, nulls.and_then(|mut nulls| nulls.finish()))
}

impl Used {
    fn parts(&self) -> (&[u32], &[Vec<u32>]) {
        (&self.templates, &self.texts)
    }
}

impl<N> Piece<N> {
    fn repeated(value: N, rows: usize) -> Self {
        Piece { values: vec![value], nulls: None, of: Of::All(rows) }
    }

    fn rows(&self, sections: &[Option<Used>]) -> usize {
        match self.of {
            Of::Rows => self.values.len(),
            Of::All(rows) => rows,
            Of::Texts { section, .. } => sections[section].as_ref().map_or(0, |used| used.templates.len()),
        }
    }
}

/// Which of these codes are that of no value, if any.
pub(super) fn nulls_of(codes: &[i32]) -> Option<NullBuffer> {
    codes.contains(&NULL_CODE).then(|| codes.iter().map(|code| *code != NULL_CODE).collect())
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_schema::Schema;

    use super::*;

    /// Two sections with a layout of one span, and pushed values between them.
    fn group(columns: Vec<Pending>) -> RowGroup {
        let used = |templates: &[u32], texts: &[u32]| {
            Some(Used { templates: templates.to_vec(), texts: vec![texts.to_vec()] })
        };
        let sections = vec![used(&[0, 1, 2, 1], &[1, 0, 1]), None, used(&[0, 0], &[0])];
        RowGroup::new(Arc::new(Schema::empty()), 8, columns, sections)
    }

    fn pieces<N: Copy>(of_texts: [Option<N>; 2], pushed: [Option<N>; 2], last: Option<N>, none: N) -> Vec<Piece<N>> {
        let piece = |values: &[Option<N>], of| {
            let nulls = values.iter().any(Option::is_none).then(|| values.iter().map(Option::is_some).collect());
            Piece { values: values.iter().map(|value| value.unwrap_or(none)).collect(), nulls, of }
        };
        vec![
            piece(&of_texts, Of::Texts { section: 0, span: 0 }),
            piece(&pushed, Of::Rows),
            piece(&[last], Of::Texts { section: 2, span: 0 }),
        ]
    }

    #[test]
    fn values_of_texts_and_of_rows_stand_in_the_order_of_the_rows() {
        let some = |value| Some(value);
        let without_nulls = Pending::Id(pieces([some(10), some(20)], [some(30), some(40)], some(50), 0));
        let with_nulls = Pending::Id(pieces([None, some(20)], [some(30), None], None, 0));
        let group = group(vec![without_nulls, with_nulls]);
        let values = |at: usize| {
            let array = group.column(at).unwrap().unwrap();
            array.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
        };
        assert_eq!(values(0), [20, 10, 20, 10, 30, 40, 50, 50].map(Some));
        assert_eq!(values(1), [Some(20), None, Some(20), None, Some(30), None, None, None]);
        assert!(group.column(2).is_none());
    }

    #[test]
    fn ids_and_decimals_that_repeat_are_taken_as_dictionaries_of_what_they_are() {
        let used = |templates: Vec<u32>| Used { templates, texts: vec![vec![1, 0, 2]] };
        let sections = || vec![Some(used([0, 1, 2, 2].repeat(5)))];
        let piece = |of| Piece { values: vec![7, 9, 7], nulls: Some(vec![true, false, true].into()), of };
        let of = Of::Texts { section: 0, span: 0 };
        let columns = || vec![Pending::Id(vec![piece(of)]), Pending::Id(vec![piece(Of::Rows)])];
        let group = || RowGroup::new(Arc::new(Schema::empty()), 20, columns(), sections());
        let taken: Vec<_> = group().into_columns().collect::<Result<_, _>>().unwrap();
        let dictionary = taken[0].as_dictionary::<Int32Type>();
        assert_eq!(dictionary.values().as_primitive::<Int64Type>().values(), &[7]);
        let expected = [None, Some(0), Some(0), Some(0)].repeat(5);
        assert_eq!(dictionary.keys().iter().collect::<Vec<_>>(), expected);
        let asked = group().column(0).unwrap().unwrap();
        let expected: Vec<_> = expected.into_iter().map(|code| code.map(|_| 7)).collect();
        assert_eq!(asked.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), expected);
        assert!(taken[1].as_dictionary_opt::<Int32Type>().is_some(), "three values for twenty rows");

        let few = RowGroup::new(Arc::new(Schema::empty()), 5, columns(), sections());
        let taken: Vec<_> = few.into_columns().collect::<Result<_, _>>().unwrap();
        assert!(taken.iter().all(|array| array.as_primitive_opt::<Int64Type>().is_some()));
    }

    #[test]
    fn every_kind_of_column_is_the_same_whether_it_is_asked_for_or_taken() {
        let entries = Arc::new(StringArray::from_iter_values(["a", "b"]));
        let codes = pieces([Some(0), None], [Some(1), None], Some(0), NULL_CODE);
        let columns = vec![
            Pending::Text(entries, codes),
            Pending::Decimal(pieces([Some(1), None], [Some(-1), None], Some(3), 0)),
            Pending::Date(pieces([Some(1), None], [Some(-1), None], Some(3), 0)),
            Pending::Instant(pieces([Some(1), None], [Some(-1), None], Some(3), 0)),
            Pending::Flag(pieces([Some(true), None], [Some(false), None], Some(true), false)),
            Pending::repeated_text("100", 8),
            Pending::repeated_day(17_836, 8),
        ];
        let group = group(columns);
        let asked: Vec<_> = (0..7).map(|at| group.column(at).unwrap().unwrap()).collect();
        let taken: Vec<_> = group.into_columns().collect::<Result<_, _>>().unwrap();
        assert_eq!(asked, taken, "six values of eight rows are no dictionary");
        let texts = taken[0].as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(texts.into_iter().collect::<Vec<_>>(), [None, a, None, a, b, None, a, a]);
        assert_eq!(taken[4].as_boolean().iter().filter(|flag| *flag == Some(true)).count(), 4);
        assert!(taken.iter().all(|array| array.len() == 8));
        assert_eq!(taken[6].as_primitive::<Date32Type>().values(), &[17_836; 8]);
    }
}
