//! What the values of a column chunk span, to be held against the statistics that readers pass over rows by.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use parquet::file::statistics::Statistics;

/// Nulls, and the smallest and the largest of the values, of one column of a file.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    nulls: u64,
    /// Of numbers, days, instants in microseconds and truth values.
    numbers: Option<(i128, i128)>,
    texts: Option<(Vec<u8>, Vec<u8>)>,
}

/// The columns that stand in a file for a column of the contract, in their order.
pub(super) fn leaves(array: &ArrayRef) -> Vec<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => leaves(array.as_list::<i32>().values()),
        DataType::Struct(_) => array.as_struct().columns().iter().flat_map(leaves).collect(),
        DataType::Map(..) => array.as_map().entries().columns().iter().flat_map(leaves).collect(),
        _ => vec![array.clone()],
    }
}

impl Bounds {
    /// Takes in more values of the column.
    pub(super) fn add(&mut self, array: &dyn Array) {
        self.nulls += array.logical_null_count() as u64;
        match array.data_type() {
            DataType::Decimal128(..) => self.add_numbers::<Decimal128Type>(array),
            DataType::Int64 => self.add_numbers::<Int64Type>(array),
            DataType::Date32 => self.add_numbers::<Date32Type>(array),
            DataType::Timestamp(TimeUnit::Microsecond, _) => self.add_numbers::<TimestampMicrosecondType>(array),
            DataType::Boolean => array.as_boolean().iter().flatten().for_each(|flag| self.add_number(flag.into())),
            DataType::Utf8 => array.as_string::<i32>().iter().flatten().for_each(|text| self.add_text(text)),
            DataType::Dictionary(..) => {
                let coded = array.as_dictionary::<Int32Type>();
                let texts = coded.values().as_string::<i32>();
                let mut used = vec![false; texts.len()];
                coded.keys_iter().flatten().for_each(|code| used[code] = true);
                (0..texts.len()).filter(|code| used[*code]).for_each(|code| self.add_text(texts.value(code)));
            }
            // No contract has columns of another type.
            _ => {}
        }
    }

    fn add_numbers<T: ArrowPrimitiveType<Native: Into<i128>>>(&mut self, array: &dyn Array) {
        array.as_primitive::<T>().iter().flatten().for_each(|value| self.add_number(value.into()));
    }

    fn add_number(&mut self, value: i128) {
        self.numbers = Some(self.numbers.map_or((value, value), |(min, max)| (min.min(value), max.max(value))));
    }

    fn add_text(&mut self, text: &str) {
        let text = text.as_bytes();
        match &mut self.texts {
            None => self.texts = Some((text.to_vec(), text.to_vec())),
            Some((min, _)) if text < min.as_slice() => *min = text.to_vec(),
            Some((_, max)) if text > max.as_slice() => *max = text.to_vec(),
            Some(_) => {}
        }
    }

    /// What statistics say that these values do not bear out. `counts_nulls`: each value is a row of its own, so that
    /// the nulls are those of the file.
    pub(super) fn contradiction(&self, statistics: &Statistics, counts_nulls: bool) -> Option<String> {
        if let Some(nulls) = statistics.null_count_opt().filter(|nulls| counts_nulls && *nulls != self.nulls) {
            return Some(format!("they count {nulls} nulls of {}", self.nulls));
        }
        let stated = (statistics.min_bytes_opt(), statistics.max_bytes_opt());
        let exact = (statistics.min_is_exact(), statistics.max_is_exact());
        if let Some((min, max)) = &self.texts {
            return outside((min.as_slice(), max), stated, exact);
        }
        let stated =
            (stated.0.and_then(|min| number(statistics, min)), stated.1.and_then(|max| number(statistics, max)));
        match self.numbers {
            Some(range) => outside(range, stated, (true, true)),
            None if stated == (None, None) => None,
            None => Some("they name a smallest and a largest value, and there is none".to_owned()),
        }
    }
}

/// Which bound does not hold. One that is exact has to be that of the values.
fn outside<T: PartialOrd>(range: (T, T), stated: (Option<T>, Option<T>), exact: (bool, bool)) -> Option<String> {
    let holds = |bound: Option<T>, value: &T, is_exact: bool, holds: fn(&T, &T) -> bool| {
        bound.is_none_or(|bound| if is_exact { bound == *value } else { holds(&bound, value) })
    };
    let (min, max) = stated;
    if !holds(min, &range.0, exact.0, |bound, value| bound <= value) {
        return Some("their smallest value is not that of the rows".to_owned());
    }
    (!holds(max, &range.1, exact.1, |bound, value| bound >= value))
        .then(|| "their largest value is not that of the rows".to_owned())
}

/// A bound of numbers, as it stands in the footer.
fn number(statistics: &Statistics, bytes: &[u8]) -> Option<i128> {
    match statistics {
        Statistics::Boolean(_) => Some(i128::from(*bytes.first()?)),
        Statistics::Int32(_) => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
        Statistics::Int64(_) => Some(i64::from_le_bytes(bytes.try_into().ok()?).into()),
        Statistics::FixedLenByteArray(_) => Some(i128::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}
