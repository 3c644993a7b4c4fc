//! Numbers and dates against a plain reading; see [`crate::fuzzing`].

use super::totals::Sum;
use super::{date, number, token};
use crate::fuzzing::plain::{self, Number};

/// Lines of an input that are read; more say nothing new.
const MOST_LINES: usize = 16;

/// Reads each line as a number, into a decimal and into an id, and sums the decimals.
///
/// - Whether it is a number is what serde_json says.
/// - It is refused when it has more than 1,024 characters, an exponent beyond 10,000, or does not fit; never otherwise.
/// - The decimal is the nearest of 18 decimals, of two the even one; with the residue it is the text's number.
/// - The sum and its residue are exact.
pub fn decimals(data: &[u8]) {
    let mut sum = Sum::default();
    let (mut text_sum, mut lost_sum) = (Number::default(), Number::default());
    for line in data.split(|byte| *byte == b'\n').take(MOST_LINES) {
        let text = std::str::from_utf8(line);
        let is_number = text.is_ok_and(plain::is_number);
        assert_eq!(token::is_number(line), is_number, "the grammar of numbers");
        let Some(text) = text.ok().filter(|_| is_number) else { continue };
        let expected = Number::read(text);
        assert_eq!(number::id(line).ok(), expected.as_ref().and_then(Number::id), "the id {text}");
        let units = expected.as_ref().and_then(Number::units);
        let decimal = number::decimal(line);
        assert_eq!(decimal.as_ref().ok().map(|decimal| decimal.value.into()), units, "the decimal {text}");
        let (Ok(decimal), Some(number), Some(units)) = (decimal, expected, units) else { continue };
        let lost = number.minus(&Number::of_units(&units));
        assert_eq!(decimal.residue.is_some(), !lost.is_zero(), "whether {text} is rounded");
        sum.add(&[decimal.value]);
        if let Some(residue) = &decimal.residue {
            sum.add_residue(residue);
        }
        text_sum = text_sum.plus(&number);
        lost_sum = lost_sum.plus(&lost);
    }
    assert_eq!(sum.text(), text_sum.to_string(), "the sum");
    let residue = Some(lost_sum.to_string()).filter(|_| !lost_sum.is_zero());
    assert_eq!(sum.residue(), residue, "the residue");
}

/// Reads a date: the instant, and the UTC day, are those that chrono finds in the same text once it is written out in
/// full; whatever has another form, or lies outside of the years 1900 to 9999, is refused.
pub fn dates(data: &[u8]) {
    let expected = std::str::from_utf8(data).ok().and_then(plain::instant);
    assert_eq!(date::instant(data).ok(), expected.map(|instant| instant.and_utc().timestamp_micros()), "the instant");
    assert_eq!(date::day(data).ok(), expected.map(|instant| instant.date().to_epoch_days()), "the day");
}
