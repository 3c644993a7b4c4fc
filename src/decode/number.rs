//! Numbers from their text: exact decimals of scale 18 and 64-bit ids, never through a float.

use num_bigint::BigInt;

use crate::contract::DECIMAL_SCALE;

/// Characters that a number may have.
const MAX_LENGTH: usize = 1_024;
/// The largest exponent, of either sign, that is read.
const MAX_EXPONENT: u32 = 10_000;
/// One more than the largest value of 38 digits.
const LIMIT: u128 = 10_u128.pow(38);
const SCALE: usize = DECIMAL_SCALE as usize;

const POWERS: [u64; SCALE + 1] = {
    let mut powers = [1_u64; SCALE + 1];
    let mut at = 1;
    while at <= SCALE {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// An exact decimal of any size: `digits / 10^scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact {
    pub(super) digits: BigInt,
    pub(super) scale: u32,
}

/// A decimal of scale 18 and what rounding took from the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rounded {
    pub(super) value: i128,
    /// The text's value less `value`; none when the text has no more than 18 significant decimals.
    pub(super) residue: Option<Exact>,
}

/// Reads a JSON number as a decimal of 20 digits before and 18 after the point, rounding half to even.
///
/// `text` must be a number by JSON's grammar. The error is the reason why it does not fit.
pub(super) fn decimal(text: &[u8]) -> Result<Rounded, &'static str> {
    match short_decimal(text) {
        Some(value) => Ok(Rounded { value, residue: None }),
        None => long_decimal(text),
    }
}

/// Reads the number at `at` when it is a plain one: at most 18 digits, no exponent, and something behind it. Returns it
/// and where it ends; none says nothing about what stands there.
#[inline]
pub(super) fn plain_decimal(input: &[u8], at: usize) -> Option<(i128, usize)> {
    let negative = *input.get(at)? == b'-';
    let start = at + usize::from(negative);
    let mut number = 0_u64;
    let mut end = start;
    let whole = digits(input, &mut end, &mut number)?;
    let leading_zero = whole > 1 && input[start] == b'0';
    let mut decimals = 0;
    if *input.get(end)? == b'.' {
        end += 1;
        decimals = digits(input, &mut end, &mut number)?;
        if decimals == 0 {
            return None;
        }
    }
    if whole == 0 || leading_zero || whole + decimals > SCALE || matches!(*input.get(end)?, b'e' | b'E') {
        return None;
    }
    let value = i128::from(number) * i128::from(POWERS[SCALE - decimals]);
    Some((if negative { -value } else { value }, end))
}

/// Reads digits from `end` on, into `number` behind those that are there, and moves `end` behind them. Returns how many
/// there were; none when there are too many.
#[inline]
fn digits(input: &[u8], end: &mut usize, number: &mut u64) -> Option<usize> {
    let start = *end;
    while let Some(word) = input.get(*end..*end + 8).and_then(|word| word.first_chunk()) {
        let (value, count) = leading_digits(u64::from_le_bytes(*word));
        *number = number.wrapping_mul(POWERS[count]).wrapping_add(value);
        *end += count;
        if count < 8 {
            let count = *end - start;
            return (count <= SCALE).then_some(count);
        }
    }
    while let Some(digit) = input.get(*end).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        *number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        *end += 1;
    }
    let count = *end - start;
    (count <= SCALE).then_some(count)
}

/// The value and number of the digits that eight characters begin with; the first one is the lowest byte.
#[inline]
fn leading_digits(characters: u64) -> (u64, usize) {
    let digits = characters ^ 0x3030_3030_3030_3030;
    // The highest bit of each byte that is no digit; those behind the first such byte may be wrong.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // Zeros in front, then pairs of digits, of pairs, and of those are put together, side by side.
    let digits = digits << (64 - 8 * count);
    let pairs = (digits * 10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    ((fours * 10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF, count)
}

/// The common case: at most 18 digits in all, no exponent.
fn short_decimal(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    if digits.len() > SCALE + 1 {
        return None;
    }
    let mut number = 0_u64;
    let mut decimals = 0;
    let mut after_point = false;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                number = number * 10 + u64::from(byte - b'0');
                decimals += usize::from(after_point);
            }
            b'.' => after_point = true,
            _ => return None,
        }
    }
    let value = i128::from(number) * i128::from(POWERS[SCALE - decimals]);
    Some(if negative { -value } else { value })
}

/// The parts of a number's text.
struct Parts {
    negative: bool,
    /// All digits, without leading zeros.
    digits: Vec<u8>,
    /// The number is `digits × 10^exponent`.
    exponent: i32,
}

fn parts(text: &[u8]) -> Result<Parts, &'static str> {
    if text.len() > MAX_LENGTH {
        return Err("a number of more than 1,024 characters");
    }
    let (negative, rest) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let (mantissa, written) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&rest[..at], exponent(&rest[at + 1..])?),
        None => (rest, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let decimals = point.map_or(0, |at| mantissa.len() - at - 1);
    let digits = mantissa.iter().filter(|byte| byte.is_ascii_digit()).copied();
    let mut digits: Vec<u8> = digits.skip_while(|byte| *byte == b'0').collect();
    // Zeros at the end carry no value: without them a padded text is not taken for one that has to be rounded.
    let mut exponent = written - decimals as i32;
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    Ok(Parts { negative, digits, exponent })
}

fn exponent(text: &[u8]) -> Result<i32, &'static str> {
    let too_far = "an exponent beyond 10,000";
    let text = std::str::from_utf8(text).map_err(|_| too_far)?;
    let exponent: i32 = text.parse().map_err(|_| too_far)?;
    if exponent.unsigned_abs() > MAX_EXPONENT { Err(too_far) } else { Ok(exponent) }
}

fn magnitude(digits: &[u8]) -> u128 {
    digits.iter().fold(0, |number, byte| number * 10 + u128::from(byte - b'0'))
}

fn long_decimal(text: &[u8]) -> Result<Rounded, &'static str> {
    let too_large = "a number of more than 20 digits before the point";
    let Parts { negative, digits, exponent } = parts(text)?;
    let signed = |magnitude: u128| {
        let value = magnitude as i128; // below 10^38, so it fits
        if negative { -value } else { value }
    };
    if digits.is_empty() {
        return Ok(Rounded { value: 0, residue: None });
    }
    let shift = exponent + SCALE as i32;
    if digits.len() as i32 + shift > 38 {
        return Err(too_large);
    }
    if shift >= 0 {
        let value = magnitude(&digits) * 10_u128.pow(shift as u32);
        return Ok(Rounded { value: signed(value), residue: None });
    }
    // `dropped` digits go; the number may be so small that there are fewer digits than that.
    let dropped = shift.unsigned_abs() as usize;
    let kept = digits.len().saturating_sub(dropped);
    let mut value = magnitude(&digits[..kept]);
    let leading_zeros = dropped.saturating_sub(digits.len());
    let half = if leading_zeros > 0 {
        std::cmp::Ordering::Less
    } else {
        // The last digit is not zero, so more digits than one 5 are more than a half.
        digits[kept]
            .cmp(&b'5')
            .then_with(|| if digits.len() - kept > 1 { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Equal })
    };
    if half.is_gt() || (half.is_eq() && value % 2 == 1) {
        value += 1;
    }
    if value >= LIMIT {
        return Err(too_large);
    }
    let value = signed(value);
    let scale = exponent.unsigned_abs();
    let text_digits = BigInt::parse_bytes(&digits, 10).unwrap_or_default();
    let text_value = if negative { -text_digits } else { text_digits };
    // Most of what is that long rounds to nothing, and powers of ten are dear.
    let published =
        if value == 0 { BigInt::ZERO } else { BigInt::from(value) * BigInt::from(10).pow(scale - SCALE as u32) };
    Ok(Rounded { value, residue: Some(Exact { digits: text_value - published, scale }) })
}

/// Reads a JSON number as a 64-bit id; `12.0` and `1e3` are integral too.
///
/// `text` must be a number by JSON's grammar. The error is the reason why it does not fit.
pub(super) fn id(text: &[u8]) -> Result<i64, &'static str> {
    let short = text.len() <= 18 && text.iter().all(u8::is_ascii_digit);
    if short {
        return Ok(text.iter().fold(0, |number, byte| number * 10 + i64::from(byte - b'0')));
    }
    let Parts { negative, digits, exponent } = parts(text)?;
    if digits.is_empty() {
        return Ok(0);
    }
    if exponent < 0 {
        return Err("an id with a fraction");
    }
    if digits.len() as i32 + exponent > 19 {
        return Err("an id beyond 64 bits");
    }
    let magnitude = magnitude(&digits) as i128 * 10_i128.pow(exponent as u32);
    i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| "an id beyond 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> i128 {
        let rounded = decimal(text.as_bytes()).unwrap();
        assert_eq!(rounded.residue, None, "{text}");
        rounded.value
    }

    fn residue(text: &str) -> (i128, String, u32) {
        let Rounded { value, residue } = decimal(text.as_bytes()).unwrap();
        let residue = residue.unwrap();
        (value, residue.digits.to_string(), residue.scale)
    }

    #[test]
    fn decimals_are_exact() {
        const ONE: i128 = 1_000_000_000_000_000_000;
        assert_eq!(value("0"), 0);
        assert_eq!(value("-0"), 0);
        assert_eq!(value("-0.0"), 0);
        assert_eq!(value("12.50"), 12 * ONE + ONE / 2);
        assert_eq!(value("1e-7"), ONE / 10_000_000);
        assert_eq!(value("0.000000000000000001"), 1);
        assert_eq!(value("-99999999999999999999.999999999999999999"), -(10_i128.pow(38) - 1));
        assert_eq!(value("1.000000000000000000000000"), ONE);
        assert_eq!(value("123456789012345678"), 123_456_789_012_345_678 * ONE);
        assert_eq!(value("1e19"), 10 * ONE * ONE);
        assert_eq!(value("0e9999"), 0);
    }

    #[test]
    fn more_than_eighteen_decimals_round_half_to_even_and_leave_a_residue() {
        assert_eq!(residue("0.0000000000000000005"), (0, "5".into(), 19));
        assert_eq!(residue("0.0000000000000000015"), (2, "-5".into(), 19));
        assert_eq!(residue("0.00000000000000000051"), (1, "-49".into(), 20));
        assert_eq!(residue("-0.0000000000000000025"), (-2, "-5".into(), 19));
        assert_eq!(residue("1e-30"), (0, "1".into(), 30));
        assert_eq!(residue("0.9999999999999999999"), (1_000_000_000_000_000_000, "-1".into(), 19));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in ["100000000000000000000", "1e20", "1E400", "99999999999999999999.9999999999999999995", "1e10001"] {
            assert!(decimal(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["1.5e-2147483648", "1e2147483647", "1e-99999999999"] {
            assert!(decimal(text.as_bytes()).is_err(), "{text}");
            assert!(id(text.as_bytes()).is_err(), "{text}");
        }
        assert!(decimal("1".repeat(1_025).as_bytes()).is_err());
    }

    #[test]
    fn plain_decimals_are_what_the_careful_reading_says() {
        let numbers = ["0", "7", "1234567", "12345678", "123456789", "1234567890123456", "123456789012345678"];
        for number in numbers {
            for point in 0..number.len() {
                for sign in ["", "-"] {
                    let text = match point {
                        0 => format!("{sign}{number}"),
                        at => format!("{sign}{}.{}", &number[..at], &number[at..]),
                    };
                    for behind in
                        [",", "}", ",\"key\":123456789012", "]}               ", " \u{ff}", "/0000000", ":1111111"]
                    {
                        let input = format!("{text}{behind}");
                        let expected = Some((value(&text), text.len()));
                        assert_eq!(plain_decimal(input.as_bytes(), 0), expected, "{input}");
                    }
                    for not_plain in ["e1", "E-1 ", "0123456789012345678,", ".5,", ""] {
                        let input = format!("{text}{not_plain}");
                        let read = plain_decimal(input.as_bytes(), 0);
                        assert!(read.is_none() || not_plain == ".5," && read.unwrap().1 < input.len(), "{input}");
                    }
                }
            }
        }
        for text in ["-,", "01,", "00.5,", "-00,", ".5,", "1.,", "1.e5,", "", "-", "1234567890123456789,", "x,"] {
            assert_eq!(plain_decimal(text.as_bytes(), 0), None, "{text}");
        }
    }

    #[test]
    fn leading_digits_end_at_whatever_is_none() {
        for count in 0..=8 {
            for other in 0..=u8::MAX {
                let mut characters = *b"98765432";
                if other.is_ascii_digit() || count == 8 {
                    continue;
                }
                characters[count] = other;
                let expected = std::str::from_utf8(&characters[..count]).unwrap().parse().unwrap_or(0);
                assert_eq!(leading_digits(u64::from_le_bytes(characters)), (expected, count), "{characters:?}");
            }
        }
        assert_eq!(leading_digits(u64::from_le_bytes(*b"98765432")), (98_765_432, 8));
        assert_eq!(leading_digits(u64::from_le_bytes(*b"00000009")), (9, 8));
    }

    #[test]
    fn ids_are_integral_and_fit_into_64_bits() {
        let read = |text: &str| id(text.as_bytes());
        assert_eq!(read("12.0"), Ok(12));
        assert_eq!(read("1e3"), Ok(1_000));
        assert_eq!(read("-0"), Ok(0));
        assert_eq!(read("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(read("-9223372036854775808"), Ok(i64::MIN));
        for text in ["9223372036854775808", "-9223372036854775809", "1.5", "1e-1", "1e30"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
