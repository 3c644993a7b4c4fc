//! A count of a file's rows, to be compared with its state: the writer's of what it wrote, and that of whoever reads a
//! file back.

use std::collections::BTreeMap;
use std::str::FromStr;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type};
use arrow_array::{Array, ArrayRef};
use num_bigint::BigInt;

use crate::contract::{Column, Contract, DECIMAL_SCALE};

use super::FileState;

/// Scale of the sums, and the most digits after the point that a control total may have.
const SCALE: usize = DECIMAL_SCALE as usize;
const MAX_SCALE: usize = 100_000;

/// Rows, and the sum of each decimal column.
#[derive(Debug)]
pub(crate) struct Counted {
    rows: u64,
    sums: Vec<Sum>,
}

#[derive(Debug)]
struct Sum {
    column: usize,
    name: String,
    /// In units of 10^-18; what does not fit into 128 bits spills into `large`.
    small: i128,
    large: BigInt,
}

impl Counted {
    pub(crate) fn new(contract: &Contract) -> Self {
        let totals = contract.columns().iter().map(Column::total).enumerate();
        let sums = totals.filter_map(|(column, name)| Some(Sum { column, name: name?, small: 0, large: BigInt::ZERO }));
        Counted { rows: 0, sums: sums.collect() }
    }

    /// Counts so many rows.
    pub(crate) fn add_rows(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// Adds up the values of a column; nothing is to be added up in one that is not decimal.
    pub(crate) fn add(&mut self, column: usize, array: &ArrayRef) {
        let Some(sum) = self.sums.iter_mut().find(|sum| sum.column == column) else { return };
        if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
            let entries = dictionary.values().as_primitive::<Decimal128Type>();
            let entries = dictionary
                .keys_iter()
                .flatten()
                .filter(|entry| entries.is_valid(*entry))
                .map(|entry| entries.value(entry));
            return entries.for_each(|value| sum.add(value));
        }
        if let Some(lists) = array.as_list_opt::<i32>() {
            let amounts = lists.iter().flatten().flat_map(|list| {
                let values = list.as_struct_opt().and_then(|amounts| amounts.column_by_name("value").cloned());
                values.map(|values| values.as_primitive::<Decimal128Type>().iter().flatten().collect::<Vec<_>>())
            });
            return amounts.flatten().for_each(|value| sum.add(value));
        }
        let values = array.as_primitive::<Decimal128Type>();
        // Slots of nulls hold no defined value.
        if values.null_count() == 0 {
            values.values().iter().for_each(|value| sum.add(*value));
        } else {
            values.iter().flatten().for_each(|value| sum.add(value));
        }
    }

    /// Says what differs from the state that is to be published with the rows: rows, or for a decimal column
    /// `control total - rounding residue`.
    pub(crate) fn compare(&self, state: &FileState) -> Result<(), String> {
        if self.rows != state.rows {
            return Err(format!("{} rows were written, {} were decoded", self.rows, state.rows));
        }
        let known = |name: &String| self.sums.iter().any(|sum| sum.name == *name);
        for name in state.control_totals.keys().chain(state.rounding_residue.keys()) {
            if !known(name) {
                return Err(format!("there is a control total of {name:?}, which is no decimal column"));
            }
        }
        for sum in &self.sums {
            let name = &sum.name;
            let text = state.control_totals.get(name).ok_or_else(|| format!("{name} has no control total"))?;
            let total: Exact = text.parse().map_err(|()| format!("the control total of {name} is {text:?}"))?;
            let residue = decimal_or_zero(&state.rounding_residue, name)?;
            let written = Exact { digits: &sum.large + sum.small, scale: SCALE };
            let scale = total.scale.max(residue.scale).max(SCALE);
            if written.at(scale) != total.at(scale) - residue.at(scale) {
                return Err(format!("{name} adds up to {} units of 10^-{SCALE}, not to {text}", written.digits));
            }
        }
        Ok(())
    }
}

impl Sum {
    #[inline]
    fn add(&mut self, value: i128) {
        match self.small.checked_add(value) {
            Some(sum) => self.small = sum,
            None => {
                self.large += self.small;
                self.small = value;
            }
        }
    }
}

fn decimal_or_zero(texts: &BTreeMap<String, String>, name: &str) -> Result<Exact, String> {
    match texts.get(name) {
        Some(text) => text.parse().map_err(|()| format!("the rounding residue of {name} is {text:?}")),
        None => Ok(Exact { digits: BigInt::ZERO, scale: 0 }),
    }
}

/// `digits / 10^scale`.
#[derive(Debug, PartialEq, Eq)]
struct Exact {
    digits: BigInt,
    scale: usize,
}

impl Exact {
    /// The digits at a scale that is no smaller.
    fn at(&self, scale: usize) -> BigInt {
        &self.digits * BigInt::from(10).pow((scale - self.scale) as u32)
    }
}

/// Plain decimals: digits with an optional sign and point.
impl FromStr for Exact {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > MAX_SCALE {
            return Err(());
        }
        let magnitude: BigInt = format!("{whole}{fraction}").parse().map_err(|_| ())?;
        let digits = if text.starts_with('-') { -magnitude } else { magnitude };
        Ok(Exact { digits, scale: fraction.len() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Decimal128Array, DictionaryArray, Int32Array, new_null_array};

    use crate::contract::{ColumnType, DECIMAL_PRECISION, Dataset};

    use super::*;

    fn counted(cost: Vec<Option<i128>>) -> Counted {
        let contract = Contract::of(Dataset::UsageDetails);
        let schema = contract.arrow_schema();
        let rows = cost.len();
        let cost = Decimal128Array::from(cost).with_precision_and_scale(DECIMAL_PRECISION, DECIMAL_SCALE).unwrap();
        let cost: ArrayRef = Arc::new(cost);
        let mut counted = Counted::new(&contract);
        for (column, field) in schema.fields().iter().enumerate() {
            let nothing = new_null_array(field.data_type(), rows);
            counted.add(column, if field.name() == "cost" { &cost } else { &nothing });
        }
        counted.add_rows(rows);
        counted
    }

    fn state(rows: u64, cost: &str, residue: Option<&str>) -> FileState {
        let mut control_totals: BTreeMap<_, _> = Contract::of(Dataset::UsageDetails)
            .columns()
            .iter()
            .filter(|column| column.kind == ColumnType::Decimal)
            .map(|column| (column.column.clone(), "0".to_owned()))
            .collect();
        control_totals.insert("cost".to_owned(), cost.to_owned());
        let rounding_residue = residue.map(|residue| ("cost".to_owned(), residue.to_owned())).into_iter().collect();
        FileState { rows, control_totals, rounding_residue, ..FileState::default() }
    }

    #[test]
    fn published_sum_and_residue_are_the_sum_of_the_text() {
        let counted = counted(vec![Some(1_500_000_000_000_000_000), None, Some(-2)]);
        assert_eq!(counted.compare(&state(3, "1.499999999999999998", None)), Ok(()));
        assert_eq!(counted.compare(&state(3, "1.4999999999999999984", Some("0.0000000000000000004"))), Ok(()));
        assert!(counted.compare(&state(3, "1.499999999999999997", None)).is_err());
        assert!(counted.compare(&state(2, "1.499999999999999998", None)).is_err());
        assert!(counted.compare(&state(3, "1.5e0", None)).is_err());
    }

    #[test]
    fn a_dictionary_counts_as_its_rows() {
        let contract = Contract::of(Dataset::UsageDetails);
        let cost = contract.columns().iter().position(|column| column.column == "cost").unwrap();
        let entries = Decimal128Array::from(vec![Some(5), None, Some(-2), Some(100)]);
        let entries = entries.with_precision_and_scale(DECIMAL_PRECISION, DECIMAL_SCALE).unwrap();
        let codes = Int32Array::from(vec![Some(0), Some(0), None, Some(1), Some(2)]);
        let array: ArrayRef = Arc::new(DictionaryArray::new(codes, Arc::new(entries)));
        let mut counted = Counted::new(&contract);
        counted.add(cost, &array);
        counted.add_rows(5);
        assert_eq!(counted.compare(&state(5, "0.000000000000000008", None)), Ok(()));
    }

    #[test]
    fn sums_beyond_128_bits_are_exact() {
        let largest = 10_i128.pow(38) - 1;
        let counted = counted(vec![Some(largest); 5]);
        assert_eq!(counted.compare(&state(5, "499999999999999999999.999999999999999995", None)), Ok(()));
        assert!(counted.compare(&state(5, "499999999999999999999.999999999999999994", None)).is_err());
    }

    #[test]
    fn every_decimal_column_needs_its_total() {
        let mut without = state(1, "0", None);
        without.control_totals.remove("cost");
        assert!(counted(vec![Some(0)]).compare(&without).unwrap_err().contains("cost"));
        let mut unknown = state(1, "0", None);
        unknown.control_totals.insert("location".to_owned(), "0".to_owned());
        assert!(counted(vec![Some(0)]).compare(&unknown).is_err());
    }
}
