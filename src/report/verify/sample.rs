//! Some of a lake's files, drawn by chance and drawn again by the same seed.

use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::lake::Listed;

/// How many files a sample has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleSize {
    /// So many.
    Files(usize),
    /// So many in a hundred, rounded up.
    Percent(f64),
}

/// A sample of the files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// How many.
    pub size: SampleSize,
    /// Which ones: the same seed draws the same slices, also of a lake that has got more since, as far as they fit.
    pub seed: u64,
}

impl FromStr for SampleSize {
    type Err = String;

    /// Reads `25` or `0.5%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let size = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().filter(|p| *p > 0.0 && *p <= 100.0).map(SampleSize::Percent),
            None => text.parse().ok().filter(|files| *files > 0).map(SampleSize::Files),
        };
        size.ok_or_else(|| format!("{text:?} is neither a number of files nor a percentage such as 10%"))
    }
}

impl SampleSize {
    fn of(self, files: usize) -> usize {
        match self {
            SampleSize::Files(count) => count.min(files),
            SampleSize::Percent(percent) => ((files as f64 * percent / 100.0).ceil() as usize).min(files),
        }
    }
}

impl Sample {
    /// Draws the files, which keep their order.
    pub(super) fn draw(&self, files: Vec<Listed>) -> Vec<Listed> {
        let mut lots: Vec<_> = files.iter().map(|file| self.lot(file)).collect();
        lots.sort_unstable();
        match lots.get(self.size.of(files.len())) {
            Some(beyond) => files.into_iter().filter(|file| self.lot(file) < *beyond).collect(),
            None => files,
        }
    }

    /// A number by chance; the smallest ones are drawn.
    fn lot(&self, file: &Listed) -> [u8; 32] {
        let hash = Sha256::new().chain_update(self.seed.to_le_bytes());
        hash.chain_update(file.slice().to_string()).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_files_or_a_percentage() {
        for (text, of_144, of_1) in [("1", 1, 1), ("200", 144, 1), ("10%", 15, 1), ("0.1%", 1, 1), ("100%", 144, 1)] {
            let size: SampleSize = text.parse().unwrap();
            assert_eq!((size.of(144), size.of(1), size.of(0)), (of_144, of_1, 0), "{text}");
        }
        for text in ["", "0", "-1", "0%", "101%", "NaN%", "many", "%"] {
            assert!(text.parse::<SampleSize>().is_err(), "{text}");
        }
    }
}
