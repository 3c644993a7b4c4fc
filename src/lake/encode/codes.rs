//! Pages of dictionary codes.
//!
//! The columns of a bill come in families: what belongs to a meter or to a subscription repeats in the same rows, so
//! such columns have the same codes throughout. Pages are therefore kept until the row group ends, as they were before
//! and after the codec, and columns whose pages are equal share what the codec made of them.

use std::ops::Range;

use arrow_buffer::{NullBuffer, ScalarBuffer};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;

use super::chunk::{ChunkWriter, DataPage};
use super::compress::Content;
use super::hybrid::{self, Integers, SHORTEST_RUN};
use super::levels::valid_runs;
use super::{PAGE_ROWS, PageEncoder};

/// Codes of so many bits are never widened: several stand in a byte, so that most sequences of them are whole bytes.
const HALF_BYTE: u32 = 4;
/// The shortest run in pages that a codec compresses: it finds shorter repetitions by itself, a run is in the way of longer
/// ones, and readers take a page of few long pieces faster.
const SHORTEST_RUN_UNDER_CODEC: usize = 256;

/// Codes of a column, one for each row.
#[derive(Debug)]
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
    /// Levels and codes, packed.
    page: Box<[u8]>,
    /// The page of the same rows as it stands in the file.
    written: DataPage,
}

/// Whether rows come again and again in nearly the same order, as far as the code pages up to now tell.
#[derive(Debug, Default)]
pub(super) struct Repetition {
    uncompressed: usize,
    compressed: usize,
}

impl Repetition {
    fn add(&mut self, uncompressed: usize, compressed: usize) {
        self.uncompressed += uncompressed;
        self.compressed += compressed;
    }

    /// A codec finds most of the codes again.
    pub(super) fn is_seen(&self) -> bool {
        self.compressed * 2 < self.uncompressed
    }
}

impl Codes {
    /// Looks which of `entries` entries are used.
    pub(super) fn used(&self, entries: usize) -> Used {
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

    fn find(&self, page: &[u8], rows: usize) -> Option<DataPage> {
        let known = self.0.iter().find(|known| known.written.rows == rows && *known.page == *page);
        known.map(|known| known.written.clone())
    }
}

/// Writes the pages of a column's codes, of which `used` says what entries they use.
pub(super) fn write(
    codes: &Codes,
    used: &Used,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<(), ParquetError> {
    let rows = codes.codes.len();
    (0..rows).step_by(PAGE_ROWS).try_for_each(|start| {
        let page = encode(codes, used, start..rows.min(start + PAGE_ROWS), pages)?;
        chunk.write_data(page, Encoding::RLE_DICTIONARY)
    })
}

/// One page, in that width of its codes which makes it smaller.
///
/// Codes of whole bytes let a codec find a sequence of them wherever it was before; narrow ones are shifted against each
/// other. Where nothing repeats, narrow ones are smaller. Whole bytes come first: when they shrink to less than half of
/// what narrow ones take without a codec, something repeats, and narrow ones are not tried.
fn encode(codes: &Codes, used: &Used, rows: Range<usize>, pages: &mut PageEncoder) -> Result<DataPage, ParquetError> {
    let gathered;
    let dense = match (&codes.nulls, used) {
        (None, Used::First(_)) => &codes.codes[rows.clone()],
        _ => {
            gathered = gather(codes, used, rows.clone());
            &gathered[..]
        }
    };
    let levels = pages.begin(codes.nulls.as_ref(), rows.clone()).len();
    let narrow = narrowest(used.len());
    let compresses = pages.compressor.finds_repetitions();
    let wide = if !compresses || narrow <= HALF_BYTE { narrow } else { narrow.next_multiple_of(8) };
    let shortest_run = if compresses { SHORTEST_RUN_UNDER_CODEC } else { SHORTEST_RUN };
    append(dense, wide, levels, shortest_run, &mut pages.page);
    if let Some(written) = pages.known.find(&pages.page, rows.len()) {
        return Ok(written);
    }
    let whole_bytes = pages.finish(rows.len(), Content::Codes)?;
    let page = Box::from(&pages.page[..]);
    let uncoded = (whole_bytes.uncompressed - levels) * narrow as usize / wide as usize;
    pages.repetition.add(uncoded, whole_bytes.bytes.len());
    let written = if narrow == wide || whole_bytes.bytes.len() < uncoded / 2 {
        whole_bytes
    } else {
        append(dense, narrow, levels, shortest_run, &mut pages.page);
        let bits = pages.finish(rows.len(), Content::Codes)?;
        if bits.bytes.len() < whole_bytes.bytes.len() { bits } else { whole_bytes }
    };
    pages.known.0.push(Known { page, written: written.clone() });
    Ok(written)
}

/// Appends codes to the levels, in place of what stands behind them.
fn append(codes: &[i32], width: u32, levels: usize, shortest_run: usize, page: &mut Vec<u8>) {
    page.truncate(levels);
    page.push(width as u8);
    hybrid::encode(&Integers::new(codes, width), shortest_run, page);
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
