//! Statistics of column chunks: smallest and largest value, number of nulls. They hold bytes of their own, since the
//! file's metadata keeps them until the file ends.

use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// Text is cut to this, since statistics lengthen the footer that every run reads.
const TEXT_BYTES: usize = 64;

/// Of text, which is compared byte by byte.
pub(super) fn of_text(range: Option<(&str, &str)>, nulls: usize) -> Statistics {
    let (min, max) = range.map_or((None, None), |(min, max)| (Some(lower_bound(min)), Some(upper_bound(max))));
    let exact = |bound: &Option<(Vec<u8>, bool)>| bound.as_ref().is_none_or(|(_, exact)| *exact);
    let (min_is_exact, max_is_exact) = (exact(&min), exact(&max));
    let bytes = |bound: Option<(Vec<u8>, bool)>| bound.map(|(bytes, _)| ByteArray::from(bytes));
    let statistics = ValueStatistics::new(bytes(min), bytes(max), None, Some(nulls as u64), false);
    Statistics::ByteArray(statistics.with_min_is_exact(min_is_exact).with_max_is_exact(max_is_exact))
}

/// Of decimals, as signed numbers.
pub(super) fn of_decimals(range: Option<(i128, i128)>, nulls: usize) -> Statistics {
    let bytes = |value: i128| ByteArray::from(value.to_be_bytes().to_vec()).into();
    Statistics::FixedLenByteArray(of_signed(range.map(|(min, max)| (bytes(min), bytes(max))), nulls))
}

/// Of signed numbers: these may stand in the old fields too, which had no order of their own.
pub(super) fn of_signed<T>(range: Option<(T, T)>, nulls: usize) -> ValueStatistics<T> {
    let (min, max) = range.unzip();
    ValueStatistics::new(min, max, None, Some(nulls as u64), false).with_backwards_compatible_min_max(true)
}

/// Of truth values.
pub(super) fn of_booleans(range: Option<(bool, bool)>, nulls: usize) -> Statistics {
    let (min, max) = range.unzip();
    Statistics::Boolean(ValueStatistics::new(min, max, None, Some(nulls as u64), false))
}

/// The text or the beginning of it, and whether it is the text.
fn lower_bound(text: &str) -> (Vec<u8>, bool) {
    let kept = &text[..text.floor_char_boundary(TEXT_BYTES)];
    (kept.as_bytes().to_vec(), kept.len() == text.len())
}

/// The text, or a short one that is larger, and whether it is the text. Characters are made larger from the end until
/// one has a successor of the same length; text that has none is left whole.
fn upper_bound(text: &str) -> (Vec<u8>, bool) {
    if text.len() <= TEXT_BYTES {
        return (text.as_bytes().to_vec(), true);
    }
    let kept = &text[..text.floor_char_boundary(TEXT_BYTES)];
    let larger = kept.char_indices().rev().find_map(|(at, last)| {
        let next = char::from_u32(last as u32 + 1).filter(|next| next.len_utf8() == last.len_utf8())?;
        Some(format!("{}{next}", &kept[..at]))
    });
    larger.map_or_else(|| (text.as_bytes().to_vec(), true), |larger| (larger.into_bytes(), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_64_bytes_is_kept_and_longer_text_bounded() {
        let kept = "x".repeat(64);
        assert_eq!(lower_bound(&kept), (kept.clone().into_bytes(), true));
        assert_eq!(upper_bound(&kept), (kept.clone().into_bytes(), true));
        let long = "x".repeat(65);
        assert_eq!(lower_bound(&long), (kept.into_bytes(), false));
        assert_eq!(upper_bound(&long), (format!("{}y", "x".repeat(63)).into_bytes(), false));
    }

    #[test]
    fn bounds_are_text_between_whole_characters() {
        // 62 + 3 bytes: the last character does not fit.
        let text = format!("{}€", "x".repeat(62));
        assert_eq!(lower_bound(&text), ("x".repeat(62).into_bytes(), false));
        // No successor of the same length: the one before is made larger.
        let text = format!("a{}", "\u{7f}".repeat(70));
        assert_eq!(upper_bound(&text), (b"b".to_vec(), false));
        let text = "\u{10ffff}".repeat(20);
        assert_eq!(upper_bound(&text), (text.clone().into_bytes(), true));
    }

    #[test]
    fn statistics_of_no_value_count_the_nulls() {
        let statistics = of_text(None, 7);
        assert_eq!((statistics.null_count_opt(), statistics.min_bytes_opt()), (Some(7), None));
    }
}
