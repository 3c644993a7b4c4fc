//! Control totals: exact sums of decimal columns, of what is published and of what the text said.

use std::collections::BTreeMap;

use num_bigint::{BigInt, Sign};

use super::number::Exact;
use crate::contract::DECIMAL_SCALE;

const SCALE: u32 = DECIMAL_SCALE as u32;

/// Exact sums over the accepted rows, by column name.
///
/// For each decimal column: what the file holds (`published`) plus what rounding to 18 decimals took away (`residue`)
/// is the sum of the numbers as the text had them (`text`). All are plain decimals without an exponent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlTotals {
    /// Sums of the text, by column.
    pub text: BTreeMap<String, String>,
    /// Sums of the text less sums of the published values, by column; only those that are not zero.
    pub residue: BTreeMap<String, String>,
}

/// The running sum of one decimal column.
#[derive(Debug, Default, Clone)]
pub(super) struct Sum {
    /// In units of 10^-18; what does not fit into 128 bits spills into `large`.
    small: i128,
    large: BigInt,
    /// What rounding took away, by scale: so that adding costs no power of ten.
    residue: BTreeMap<u32, BigInt>,
}

impl Sum {
    /// Adds published values, in units of 10^-18.
    pub(super) fn add(&mut self, values: &[i128]) {
        for &value in values {
            match self.small.checked_add(value) {
                Some(sum) => self.small = sum,
                None => {
                    self.large += self.small;
                    self.small = value;
                }
            }
        }
    }

    /// Adds what one rounded value lost.
    pub(super) fn add_residue(&mut self, lost: &Exact) {
        *self.residue.entry(lost.scale).or_default() += &lost.digits;
    }

    /// What rounding took away in all, at the scale of its longest text; never below [`SCALE`].
    fn lost(&self) -> Exact {
        let mut sum = Exact { digits: BigInt::ZERO, scale: SCALE };
        for (&scale, digits) in &self.residue {
            sum.digits = sum.digits * BigInt::from(10).pow(scale - sum.scale) + digits;
            sum.scale = scale;
        }
        sum
    }

    /// The sum of the text as a plain decimal.
    pub(super) fn text(&self) -> String {
        let published = &self.large + self.small;
        let lost = self.lost();
        plain(&(published * BigInt::from(10).pow(lost.scale - SCALE) + lost.digits), lost.scale)
    }

    /// The sum of what rounding took away, when it is not zero.
    pub(super) fn residue(&self) -> Option<String> {
        let lost = self.lost();
        (lost.digits.sign() != Sign::NoSign).then(|| plain(&lost.digits, lost.scale))
    }
}

/// `digits / 10^scale` without an exponent and without zeros at the end.
fn plain(digits: &BigInt, scale: u32) -> String {
    let scale = scale as usize;
    let sign = if digits.sign() == Sign::Minus { "-" } else { "" };
    let magnitude = digits.magnitude().to_string();
    let padded = format!("{magnitude:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::super::number::decimal;
    use super::*;

    fn sum(texts: &[&str]) -> Sum {
        let mut sum = Sum::default();
        for text in texts {
            let rounded = decimal(text.as_bytes()).unwrap();
            sum.add(&[rounded.value]);
            if let Some(residue) = &rounded.residue {
                sum.add_residue(residue);
            }
        }
        sum
    }

    #[test]
    fn sums_are_exact_beyond_128_bits() {
        let largest = "99999999999999999999.999999999999999999";
        let sum = sum(&[largest; 5]);
        assert_eq!(sum.text(), "499999999999999999999.999999999999999995");
        assert_eq!(sum.residue(), None);
    }

    #[test]
    fn residues_of_different_scales_add_up() {
        let sum = sum(&["0.0000000000000000015", "1e-25", "-1"]);
        assert_eq!(sum.text(), "-0.9999999999999999984999999");
        assert_eq!(sum.residue(), Some("-0.0000000000000000004999999".to_owned()));
    }
}
