//! The billing month of each row, where rows name their own.

use arrow_array::types::{Date32Type, Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Date32Array, DictionaryArray, PrimitiveArray, StringArray};

use crate::contract::BillingPeriod;

const MICROS_A_DAY: i64 = 86_400_000_000;

/// First days of the billing periods that a column tells: by a period's id, a day or an instant. Null where there is no
/// such period.
pub(super) fn months_of(column: &ArrayRef) -> Date32Array {
    let any = column.as_any();
    if let Some(days) = any.downcast_ref::<PrimitiveArray<Date32Type>>() {
        return days.iter().map(|day| first_day(day?)).collect();
    }
    if let Some(instants) = any.downcast_ref::<PrimitiveArray<TimestampMicrosecondType>>() {
        return instants.iter().map(|micros| first_day(day_of(micros?)?)).collect();
    }
    let ids = any.downcast_ref::<DictionaryArray<Int32Type>>().and_then(|ids| ids.downcast_dict::<StringArray>());
    match ids {
        Some(ids) => ids.into_iter().map(|id| Some(id?.parse::<BillingPeriod>().ok()?.first_day())).collect(),
        None => Date32Array::new_null(column.len()),
    }
}

/// The UTC day of an instant in microseconds.
fn day_of(micros: i64) -> Option<i32> {
    i32::try_from(micros.div_euclid(MICROS_A_DAY)).ok()
}

fn first_day(day: i32) -> Option<i32> {
    BillingPeriod::of_day(day).map(BillingPeriod::first_day)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int32Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn ids_days_and_instants_tell_the_month() {
        let march = "2024-03".parse::<BillingPeriod>().unwrap().first_day();
        let ids = StringArray::from(vec!["202403", "201713"]);
        let ids: ArrayRef =
            Arc::new(DictionaryArray::new(Int32Array::from(vec![Some(0), Some(1), None]), Arc::new(ids)));
        assert_eq!(months_of(&ids), Date32Array::from(vec![Some(march), None, None]));
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(march + 30), Some(0), None]));
        assert_eq!(months_of(&days), Date32Array::from(vec![Some(march), None, None]));
        let last = i64::from(march + 31) * MICROS_A_DAY - 1;
        let instants: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(last), None]).with_timezone("UTC"));
        assert_eq!(months_of(&instants), Date32Array::from(vec![Some(march), None]));
    }
}
