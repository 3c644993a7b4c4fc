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
    residue: Option<Exact>,
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
        let sum = self.residue.get_or_insert(Exact { digits: BigInt::ZERO, scale: SCALE });
        if sum.scale < lost.scale {
            sum.digits *= BigInt::from(10).pow(lost.scale - sum.scale);
            sum.scale = lost.scale;
        }
        sum.digits += &lost.digits * BigInt::from(10).pow(sum.scale - lost.scale);
    }

    /// The sum of the text as a plain decimal.
    pub(super) fn text(&self) -> String {
        let published = &self.large + self.small;
        match &self.residue {
            None => plain(&published, SCALE),
            Some(residue) => {
                plain(&(published * BigInt::from(10).pow(residue.scale - SCALE) + &residue.digits), residue.scale)
            }
        }
    }

    /// The sum of what rounding took away, when it is not zero.
    pub(super) fn residue(&self) -> Option<String> {
        let residue = self.residue.as_ref().filter(|residue| residue.digits.sign() != Sign::NoSign)?;
        Some(plain(&residue.digits, residue.scale))
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
