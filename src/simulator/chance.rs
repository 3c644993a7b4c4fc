//! Chance without a generator's state: every draw is a hash of what it is about, so that any row can be had alone.

/// Spreads the bits of a number (the finaliser of SplitMix64).
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The draw about `item` under `key`.
pub fn draw(key: u64, item: u64) -> u64 {
    mix(key ^ item.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// The draw about a text under `key`.
pub fn draw_text(key: u64, text: &str) -> u64 {
    text.bytes().fold(draw(key, text.len() as u64), |hash, byte| draw(hash, u64::from(byte)))
}

/// A number below `bound` (at least 1), low ones far more often: the cube of an even draw.
pub fn skewed(draw: u64, bound: u64) -> u64 {
    let even = draw >> 43;
    let cube = (even * even * even) >> 42;
    ((u128::from(bound) * u128::from(cube)) >> 21) as u64
}

/// A UUID's text made of a draw.
pub fn uuid(draw: u64) -> String {
    let (high, low) = (mix(draw), mix(!draw));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        low >> 52,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// A random order of `0..size` that needs no table: a Feistel network over the next even power of two, walked until the
/// result falls into the range.
#[derive(Debug, Clone)]
pub struct Permutation {
    key: u64,
    size: u64,
    half_bits: u32,
}

impl Permutation {
    /// The order of `0..size` that belongs to `key`.
    pub fn new(key: u64, size: u64) -> Self {
        let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
        Self { key, size, half_bits: bits.div_ceil(2).max(1) }
    }

    /// The element at `index`, which must be below the size.
    pub fn get(&self, index: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let mut value = index;
        loop {
            let (mut left, mut right) = (value >> self.half_bits, value & mask);
            for round in 0..4 {
                (left, right) = (right, left ^ (draw(self.key ^ round, right) & mask));
            }
            value = (left << self.half_bits) | right;
            if value < self.size {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_gives_every_element_once() {
        for size in [1, 2, 3, 5, 64, 65, 1000, 4097] {
            let permutation = Permutation::new(7, size);
            let mut seen: Vec<u64> = (0..size).map(|index| permutation.get(index)).collect();
            if size > 60 {
                assert_ne!(seen, (0..size).collect::<Vec<_>>());
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..size).collect::<Vec<_>>());
        }
    }

    #[test]
    fn skewed_draws_stay_below_their_bound() {
        assert!((0..10_000).all(|item| skewed(draw(1, item), 7) < 7));
        let low = (0..10_000).filter(|item| skewed(draw(1, *item), 100) < 10).count();
        assert!(low > 4000, "{low}");
    }
}
