//! Whether it pays to look at a span's likely text before any other.

/// Looks after which that is judged. Fuzzers and unit tests come that far with pages that they can write.
const ENOUGH: u32 = if cfg!(any(test, fuzzing)) { 2 } else { 64 };

/// How the likely text of a span did since the last judgement.
#[derive(Clone, Copy)]
pub(super) struct Hint {
    /// Is it looked at?
    pub(super) is_used: bool,
    looks: u32,
    right: u32,
}

impl Hint {
    pub(super) fn new() -> Self {
        Hint { is_used: true, looks: 0, right: 0 }
    }

    #[inline]
    pub(super) fn count(&mut self, is_right: bool) {
        self.looks += 1;
        self.right += u32::from(is_right);
    }

    /// Could another way to tell the likely text do better?
    pub(super) fn is_poor(&self) -> bool {
        !self.is_used || self.looks >= ENOUGH && self.right * 10 < self.looks * 9
    }

    /// Judges it: a look that is wrong costs nearly as much as one that is right saves. One that is not used is used again
    /// when it `is_tried`.
    pub(super) fn judge(&mut self, is_tried: bool) {
        let pays = self.looks < ENOUGH || self.right * 4 >= self.looks;
        *self = Hint { is_used: is_tried || self.is_used && pays, ..Hint::new() };
    }
}
