//! Pages of dictionary codes.
//!
//! The columns of a bill come in families: what belongs to a meter or to a subscription repeats in the same rows, so
//! such columns have the same codes throughout. Pages are therefore kept until the row group ends, and columns whose
//! codes are equal share them. What is kept for that are buffers of arrays that would have been let go: less than the
//! row group held before.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::{NullBuffer, ScalarBuffer};
use parquet::errors::ParquetError;

use super::chunk::DataPage;
use super::compress::{Compressor, Content};
use super::levels::valid_runs;
use super::{PAGE_ROWS, hybrid, levels};

/// Codes of a column, one for each row.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    /// Not negative where the row is not null, anything where it is.
    pub(super) codes: ScalarBuffer<i32>,
    pub(super) nulls: Option<NullBuffer>,
}

/// Which entries of a dictionary its codes use, in the order of the dictionary.
#[derive(Debug)]
pub(super) enum Used {
    /// So many from the first on.
    First(usize),
    /// These; `codes` has the new code of each entry.
    Some { entries: Vec<usize>, codes: Vec<i32> },
}

/// Code pages of the row group's columns up to now.
#[derive(Debug, Default)]
pub(super) struct KnownPages(Vec<Known>);

#[derive(Debug)]
struct Known {
    codes: Codes,
    used: Arc<Used>,
    pages: Arc<[DataPage]>,
}

impl Codes {
    fn is_same(&self, other: &Codes) -> bool {
        self.codes == other.codes && self.nulls == other.nulls
    }

    /// Looks which of `entries` entries are used.
    fn used(&self, entries: usize) -> Used {
        let mut is_used = vec![false; entries];
        for rows in valid_runs(self.nulls.as_ref(), 0..self.codes.len()) {
            self.codes[rows].iter().for_each(|code| is_used[*code as usize] = true);
        }
        let count = is_used.iter().filter(|used| **used).count();
        if is_used[..count].iter().all(|used| *used) {
            return Used::First(count);
        }
        let mut entries = Vec::with_capacity(count);
        let codes = is_used.iter().enumerate().map(|(entry, used)| {
            let code = entries.len() as i32;
            if *used {
                entries.push(entry);
            }
            code
        });
        let codes = codes.collect();
        Used::Some { entries, codes }
    }
}

impl Used {
    /// How many entries are used.
    pub(super) fn len(&self) -> usize {
        match self {
            Used::First(count) => *count,
            Used::Some { entries, .. } => entries.len(),
        }
    }

    /// The entries that are used.
    pub(super) fn entries(&self) -> impl Iterator<Item = usize> {
        let (first, some) = match self {
            Used::First(count) => (0..*count, &[][..]),
            Used::Some { entries, .. } => (0..0, &entries[..]),
        };
        first.chain(some.iter().copied())
    }
}

impl KnownPages {
    /// Forgets all, at the end of a row group.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Which entries of a dictionary these codes use.
    pub(super) fn used(&self, codes: &Codes, entries: usize) -> Arc<Used> {
        self.find(codes).map_or_else(|| Arc::new(codes.used(entries)), |known| Arc::clone(&known.used))
    }

    fn find(&self, codes: &Codes) -> Option<&Known> {
        self.0.iter().find(|known| known.codes.is_same(codes))
    }

    /// The pages of these codes, of which `used` says what entries they use.
    pub(super) fn pages(
        &mut self,
        codes: Codes,
        used: Arc<Used>,
        compressor: &mut Compressor,
        page: &mut Vec<u8>,
    ) -> Result<Arc<[DataPage]>, ParquetError> {
        if let Some(known) = self.find(&codes) {
            return Ok(Arc::clone(&known.pages));
        }
        let rows = codes.codes.len();
        let pages = (0..rows)
            .step_by(PAGE_ROWS)
            .map(|start| encode(&codes, &used, start..rows.min(start + PAGE_ROWS), compressor, page));
        let pages: Arc<[_]> = pages.collect::<Result<Vec<_>, _>>()?.into();
        self.0.push(Known { codes, used, pages: Arc::clone(&pages) });
        Ok(pages)
    }
}

/// One page, in that width of its codes which makes it smaller.
///
/// Codes of whole bytes let a codec find a sequence of them wherever it was before; narrow ones are shifted against each
/// other. Where nothing repeats, narrow ones are smaller. Whole bytes come first: when they are much smaller than narrow
/// codes are without a codec, something repeats, and narrow ones need no trial.
fn encode(
    codes: &Codes,
    used: &Used,
    rows: Range<usize>,
    compressor: &mut Compressor,
    page: &mut Vec<u8>,
) -> Result<DataPage, ParquetError> {
    let count = rows.len();
    page.clear();
    levels::encode(codes.nulls.as_ref(), rows.clone(), page);
    let values = page.len();
    let gathered;
    let dense = if codes.nulls.is_none() && matches!(used, Used::First(_)) {
        &codes.codes[rows]
    } else {
        gathered = gather(codes, used, rows);
        &gathered[..]
    };
    let narrow = narrowest(used.len());
    let whole_bytes = narrow.next_multiple_of(8);
    let first = if compressor.finds_repetitions() { whole_bytes } else { narrow };
    let mut best = compress(dense, first, values, compressor, page, count)?;
    if first != narrow && best.bytes.len() > (best.uncompressed - values) * narrow as usize / whole_bytes as usize / 2 {
        let other = compress(dense, narrow, values, compressor, page, count)?;
        if other.bytes.len() < best.bytes.len() {
            best = other;
        }
    }
    Ok(best)
}

/// Replaces what stands behind the levels.
fn compress(
    codes: &[i32],
    width: u32,
    values: usize,
    compressor: &mut Compressor,
    page: &mut Vec<u8>,
    rows: usize,
) -> Result<DataPage, ParquetError> {
    page.truncate(values);
    page.push(width as u8);
    hybrid::encode(&hybrid::Codes::new(codes, width), page);
    Ok(DataPage { bytes: compressor.compress(page, Content::Any)?, uncompressed: page.len(), rows })
}

/// The codes of rows that are not null, as codes of the entries that are used.
fn gather(codes: &Codes, used: &Used, rows: Range<usize>) -> Vec<i32> {
    let mut dense = Vec::with_capacity(rows.len());
    for rows in valid_runs(codes.nulls.as_ref(), rows) {
        match used {
            Used::First(_) => dense.extend_from_slice(&codes.codes[rows]),
            Used::Some { codes: new, .. } => dense.extend(codes.codes[rows].iter().map(|code| new[*code as usize])),
        }
    }
    dense
}

/// Bits of the codes of so many entries. One entry would do without any, which is the format's rarest case.
fn narrowest(entries: usize) -> u32 {
    entries.saturating_sub(1).checked_ilog2().map_or(1, |bits| bits + 1)
}
