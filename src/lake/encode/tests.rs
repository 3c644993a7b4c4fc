//! What is written is read back by another reader: Parquet's own, for Arrow.

use std::sync::Arc;

use arrow_array::{
    BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::writer::SerializedFileWriter;
use proptest::prelude::*;

use super::*;

const CODECS: [Compression; 4] = [Compression::None, Compression::Snappy, Compression::Zstd(3), Compression::Zstd(19)];

fn schema() -> SchemaRef {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let kinds = [
        ("text", text),
        ("decimal", DataType::Decimal128(38, 18)),
        ("number", DataType::Int64),
        ("date", DataType::Date32),
        ("instant", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("flag", DataType::Boolean),
    ];
    Arc::new(Schema::new(kinds.map(|(name, kind)| Field::new(name, kind, true)).to_vec()))
}

fn written(schema: &Schema, groups: &[Vec<ArrayRef>], compression: Compression) -> Bytes {
    let parquet_schema = ArrowSchemaConverter::new().convert(schema).unwrap();
    let mut encoder = RowGroupEncoder::new(schema, &parquet_schema, &WriteOptions { compression }).unwrap();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), parquet_schema.root_schema_ptr(), file_properties()).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        for (column, array) in columns.iter().enumerate() {
            encoder.encode(column, Arc::clone(array)).unwrap().append_to(&mut group).unwrap();
        }
        encoder.end_row_group();
        group.close().unwrap();
    }
    writer.into_inner().unwrap().into()
}

/// Writes row groups and compares each cell with what is read; returns the metadata.
fn are_read_back(schema: &SchemaRef, groups: &[Vec<ArrayRef>], compression: Compression) -> ParquetMetaData {
    let file = written(schema, groups, compression);
    let options = ArrowReaderOptions::new().with_encoding_stats_as_mask(false);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let metadata = reader.metadata().as_ref().clone();
    let most = groups.iter().map(|columns| columns[0].len()).max().unwrap();
    let mut batches = reader.with_batch_size(most).build().unwrap().map(|batch| batch.unwrap());
    let read: Vec<RecordBatch> = batches.by_ref().collect();
    let read = |column: usize| {
        let pieces: Vec<_> = read.iter().map(|batch| batch.column(column).clone()).collect();
        texts(&pieces)
    };
    for column in 0..schema.fields().len() {
        let expected: Vec<_> = groups.iter().map(|columns| Arc::clone(&columns[column])).collect();
        assert!(texts(&expected) == read(column), "{} as {compression}", schema.field(column).name());
    }
    metadata
}

/// Cells as text, so that it does not matter how a batch holds them.
fn texts(arrays: &[ArrayRef]) -> Vec<Option<String>> {
    let numbers = |array: &ArrayRef| match array.data_type() {
        DataType::Timestamp(..) => arrow_cast::cast(array, &DataType::Int64).unwrap(),
        _ => Arc::clone(array),
    };
    let cast = arrays.iter().map(|array| arrow_cast::cast(&numbers(array), &DataType::Utf8).unwrap());
    cast.flat_map(|array| {
        let strings = array.as_string::<i32>();
        strings.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>()
    })
    .collect()
}

/// How a column's values are drawn.
#[derive(Debug, Clone)]
struct Column {
    seed: u64,
    distinct: u64,
    /// Rows that a value is repeated for.
    run: usize,
    nulls: Nulls,
}

#[derive(Debug, Clone, Copy)]
enum Nulls {
    None,
    All,
    Ends,
    Every(usize),
}

impl Column {
    fn draw(&self, at: usize) -> u64 {
        let mixed = (self.seed ^ at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11
    }

    /// A number below `distinct` for each row.
    fn values(&self, rows: usize) -> impl Iterator<Item = u64> {
        (0..rows).map(|row| self.draw(row / self.run) % self.distinct)
    }

    fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        let valid = |row: usize| match self.nulls {
            Nulls::None => true,
            Nulls::All => false,
            Nulls::Ends => row > rows / 3 && row < rows - 1,
            Nulls::Every(step) => !self.draw(row / 3).is_multiple_of(step as u64),
        };
        (!matches!(self.nulls, Nulls::None)).then(|| (0..rows).map(valid).collect::<Vec<_>>().into())
    }

    /// Text of a dictionary that has each entry twice, unused ones, the empty text, and a null.
    fn text(&self, rows: usize) -> ArrayRef {
        let entry = |at: u64| match at % 7 {
            0 if at == 0 => None,
            1 if at == 1 => Some(String::new()),
            3 => Some(format!("{:ä>1$}", at / 2, (self.draw(at as usize) % 90) as usize)),
            _ => Some(format!("entry {}", at / 2)),
        };
        let entries: StringArray = (0..self.distinct * 2 + 3).map(entry).collect();
        let codes: Vec<_> = self.values(rows).map(|value| value as i32 * 2 + (value as i32 & 1)).collect();
        let codes = Int32Array::new(codes.into(), self.nulls(rows));
        Arc::new(DictionaryArray::new(codes, Arc::new(entries)))
    }

    fn array(&self, at: usize, rows: usize) -> ArrayRef {
        let nulls = self.nulls(rows);
        let signed = |value: u64| if value.is_multiple_of(2) { value as i64 } else { -(value as i64) };
        match at {
            0 => self.text(rows),
            1 => {
                let factor = 10_i128.pow((self.seed % 20) as u32);
                let values: Vec<_> = self.values(rows).map(|value| i128::from(signed(value)) * factor).collect();
                Arc::new(Decimal128Array::new(values.into(), nulls).with_precision_and_scale(38, 18).unwrap())
            }
            2 => Arc::new(Int64Array::new(self.values(rows).map(signed).collect(), nulls)),
            3 => Arc::new(Date32Array::new(self.values(rows).map(|value| value as i32 % 20_000).collect(), nulls)),
            4 => {
                let values = self.values(rows).map(|value| 1_700_000_000_000_000 + signed(value) * 1_000_003);
                Arc::new(TimestampMicrosecondArray::new(values.collect(), nulls).with_timezone("UTC"))
            }
            _ => Arc::new(BooleanArray::new(self.values(rows).map(|value| value % 2 == 1).collect(), nulls)),
        }
    }
}

fn column() -> impl Strategy<Value = Column> {
    let nulls = prop_oneof![
        3 => Just(Nulls::None),
        1 => Just(Nulls::All),
        1 => Just(Nulls::Ends),
        3 => (1_usize..40).prop_map(Nulls::Every),
    ];
    let distinct = prop_oneof![1_u64..5, 1_u64..300, 1_u64..60_000];
    let run = prop_oneof![Just(1_usize), 1_usize..200];
    (any::<u64>(), distinct, run, nulls).prop_map(|(seed, distinct, run, nulls)| Column { seed, distinct, run, nulls })
}

fn row_group() -> impl Strategy<Value = (usize, Vec<Column>)> {
    let rows = prop_oneof![1_usize..20, 1_usize..3_000, 1_usize..40_000];
    (rows, proptest::collection::vec(column(), 6))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn row_groups_of_any_columns_are_read_back(
        groups in proptest::collection::vec(row_group(), 1..4),
        codec in 0..CODECS.len(),
        skipped in 0_usize..20,
    ) {
        let arrays = groups.iter().map(|(rows, columns)| {
            let arrays = columns.iter().enumerate().map(|(at, column)| {
                // A piece of a longer array, whose bits begin anywhere in a byte.
                column.array(at, rows + skipped).slice(skipped, *rows)
            });
            arrays.collect()
        });
        are_read_back(&schema(), &arrays.collect::<Vec<_>>(), CODECS[codec]);
    }
}

#[test]
fn row_groups_of_several_pages_are_read_back() {
    let cases = [(50, Nulls::None), (200_000, Nulls::Ends), (1 << 20, Nulls::Every(5))];
    for (codec, (distinct, nulls)) in CODECS.iter().zip(cases) {
        let rows = PAGE_ROWS * 2 + 77;
        let column = Column { seed: 1, distinct, run: 1, nulls };
        let arrays = (0..6).map(|at| column.array(at, rows)).collect();
        let metadata = are_read_back(&schema(), &[arrays], *codec);
        let pages = |column: usize| {
            let encodings = metadata.row_group(0).column(column).page_encoding_stats().unwrap();
            encodings.last().unwrap().count
        };
        assert!((1..6).all(|column| pages(column) == 3));
    }
}

/// Columns of text, one beside the other.
fn text_columns(columns: &[ArrayRef], compression: Compression) -> ParquetMetaData {
    let field = |at: usize| Field::new(format!("column {at}"), columns[at].data_type().clone(), true);
    let schema = Arc::new(Schema::new((0..columns.len()).map(field).collect::<Vec<_>>()));
    are_read_back(&schema, &[columns.to_vec()], compression)
}

fn text_of(codes: Vec<Option<i32>>, entries: &[&str]) -> ArrayRef {
    Arc::new(DictionaryArray::new(Int32Array::from(codes), Arc::new(StringArray::from(entries.to_vec()))))
}

#[test]
fn entries_that_no_row_uses_are_not_written() {
    let codes = vec![Some(1), None, Some(3), Some(1)];
    let metadata = text_columns(&[text_of(codes, &["a", "b", "zz", "c", "z"])], Compression::None);
    let column = metadata.row_group(0).column(0);
    let statistics = column.statistics().unwrap();
    assert_eq!(statistics.min_bytes_opt(), Some(&b"b"[..]));
    assert_eq!(statistics.max_bytes_opt(), Some(&b"c"[..]));
    assert_eq!(statistics.null_count_opt(), Some(1));
    assert!(column.uncompressed_size() < 70, "{}", column.uncompressed_size());
}

#[test]
fn dictionaries_of_numbers_are_written_with_their_codes_where_that_pays() {
    let dictionary = |codes: Vec<Option<i32>>, entries: ArrayRef| -> ArrayRef {
        Arc::new(DictionaryArray::new(Int32Array::from(codes), entries))
    };
    let decimals = |entries: Vec<i128>| -> ArrayRef {
        Arc::new(Decimal128Array::from(entries).with_precision_and_scale(38, 18).unwrap())
    };
    let few: Vec<_> = (0..60_000).map(|row| (row % 7 != 0).then_some(row % 3 + 1)).collect();
    let many: Vec<_> = (0..60_000).map(|row| Some(row % 40_000)).collect();
    let nulls = || vec![None; 60_000];
    let columns = [
        dictionary(few.clone(), Arc::new(Int64Array::from(vec![i64::MIN, 5, -5, 7, i64::MAX]))),
        dictionary(few, decimals(vec![10_i128.pow(37), 1, -2, 3, -(10_i128.pow(37))])),
        dictionary(many.clone(), Arc::new((0..40_000).map(|id| Some(id * 1_000_003)).collect::<Int64Array>())),
        dictionary(many, decimals((0..40_000).map(|entry| 7 - entry).collect())),
        dictionary(nulls(), Arc::new(Int64Array::from(vec![1]))),
        dictionary(nulls(), decimals(Vec::new())),
    ];
    for compression in CODECS {
        let metadata = text_columns(&columns, compression);
        let columns = metadata.row_group(0).columns();
        let has_dictionary: Vec<_> = columns.iter().map(|column| column.dictionary_page_offset().is_some()).collect();
        assert_eq!(has_dictionary, [true, true, false, false, false, false]);
        let range = |column: usize| {
            let statistics = columns[column].statistics().unwrap();
            (statistics.min_bytes_opt(), statistics.max_bytes_opt(), statistics.null_count_opt())
        };
        assert_eq!(range(0), (Some(&(-5_i64).to_le_bytes()[..]), Some(&7_i64.to_le_bytes()[..]), Some(8_572)));
        assert_eq!(range(1), (Some(&(-2_i128).to_be_bytes()[..]), Some(&3_i128.to_be_bytes()[..]), Some(8_572)));
        assert_eq!(range(3).0, Some(&(7 - 39_999_i128).to_be_bytes()[..]));
        assert_eq!(range(4), (None, None, Some(60_000)));
    }
}

#[test]
fn columns_with_the_same_codes_share_pages_but_not_their_texts_and_nulls() {
    let codes: Vec<_> = (0..5_000).map(|row| Some(row * 7 % 300)).collect();
    let names: Vec<_> = (0..400).map(|entry| format!("name {entry}")).collect();
    let ids: Vec<_> = (0..300).map(|entry| format!("id {entry}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut with_null = codes.clone();
    with_null[4_999] = None;
    let mut other = codes.clone();
    other[4_999] = Some(3);
    let columns = [(&codes, &names), (&codes, &ids), (&with_null, &ids), (&other, &names), (&codes, &names)];
    let columns = columns.map(|(codes, entries)| text_of(codes.clone(), entries));
    for codec in CODECS {
        let metadata = text_columns(&columns, codec);
        let size = |column: usize| metadata.row_group(0).column(column).compressed_size();
        assert_eq!(size(0), size(4));
    }
}

#[test]
fn text_that_does_not_repeat_stands_in_pages_of_a_mebibyte() {
    let texts: Vec<_> = (0..40_000).map(|row| format!("{row:0>100}")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let metadata = text_columns(&[text_of((0..40_000).map(Some).collect(), &texts)], Compression::Snappy);
    let pages = metadata.row_group(0).column(0).page_encoding_stats().unwrap();
    assert_eq!(pages.iter().map(|pages| pages.count).collect::<Vec<_>>(), [4]);
}

#[test]
fn a_column_without_values_has_no_dictionary() {
    let metadata = text_columns(&[text_of(vec![None; 100], &["a"]), text_of(vec![None; 100], &[])], Compression::None);
    for column in metadata.row_group(0).columns() {
        assert_eq!(column.dictionary_page_offset(), None);
        assert_eq!(column.statistics().unwrap().null_count_opt(), Some(100));
        assert_eq!(column.statistics().unwrap().min_bytes_opt(), None);
    }
}

#[test]
fn statistics_follow_the_order_of_the_type() {
    let rows = 3;
    let number = Column { seed: 0, distinct: 1, run: 1, nulls: Nulls::None };
    let mut columns: Vec<_> = (0..6).map(|at| number.array(at, rows)).collect();
    columns[0] = text_of(vec![Some(0), Some(1), Some(1)], &["é", "z"]);
    let decimals = Decimal128Array::from(vec![Some(5), Some(-5), None]);
    columns[1] = Arc::new(decimals.with_precision_and_scale(38, 18).unwrap());
    columns[2] = Arc::new(Int64Array::from(vec![1, -1, 0]));
    let metadata = are_read_back(&schema(), &[columns], Compression::None);
    let range = |column: usize| {
        let statistics = metadata.row_group(0).column(column).statistics().unwrap();
        assert!(statistics.min_is_exact() && statistics.max_is_exact());
        (statistics.min_bytes_opt().unwrap().to_vec(), statistics.max_bytes_opt().unwrap().to_vec())
    };
    assert_eq!(range(0), (b"z".to_vec(), "é".as_bytes().to_vec()));
    assert_eq!(range(1), ((-5_i128).to_be_bytes().to_vec(), 5_i128.to_be_bytes().to_vec()));
    assert_eq!(range(2), ((-1_i64).to_le_bytes().to_vec(), 1_i64.to_le_bytes().to_vec()));
    let orders = metadata.file_metadata().column_orders().unwrap();
    assert_eq!(orders.len(), 6);
}
