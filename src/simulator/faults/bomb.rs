//! Gzip that unpacks to far more than it is, made of one packed block that is sent again and again.

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Text of a block; unpacking needs no more of the past than 32 KiB.
const BLOCK_BYTES: usize = 1 << 20;

/// The pieces of a gzip body, one after the other. Its memory does not grow with what it unpacks to.
#[derive(Debug)]
pub struct Bomb {
    pieces: Vec<(Bytes, u64)>,
}

impl Bomb {
    /// Unpacks to `bytes` zeros.
    pub fn of_zeros(bytes: u64) -> Self {
        let block = vec![0; BLOCK_BYTES];
        let rest = vec![0; (bytes % BLOCK_BYTES as u64) as usize];
        Self::pack(&[], &block, bytes / BLOCK_BYTES as u64, &rest)
    }

    /// Unpacks to a page of one row many times, of about `bytes` bytes.
    pub fn of_rows(row: &[u8], bytes: u64) -> Self {
        let mut block = Vec::with_capacity(BLOCK_BYTES + row.len() + 1);
        while block.len() < BLOCK_BYTES {
            block.push(b',');
            block.extend_from_slice(row);
        }
        let before = [b"{\"data\":[", row].concat();
        Self::pack(&before, &block, bytes / block.len() as u64, b"],\"nextLink\":null}")
    }

    /// A full flush after each part leaves no reference into the parts before, so that packed parts can be repeated.
    fn pack(before: &[u8], block: &[u8], blocks: u64, after: &[u8]) -> Self {
        let (mut all, mut crc_of_block) = (Crc::new(), Crc::new());
        let mut packer = Compress::new(Compression::best(), false);
        let mut head = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        all.update(before);
        head.extend(deflate(&mut packer, before, FlushCompress::Full));
        crc_of_block.update(block);
        let packed = deflate(&mut packer, block, FlushCompress::Full);
        for _ in 0..blocks {
            all.combine(&crc_of_block);
        }
        all.update(after);
        let mut tail = deflate(&mut packer, after, FlushCompress::Finish);
        tail.extend(all.sum().to_le_bytes());
        // The format wants the length without what is above 32 bits.
        let bytes = before.len() as u64 + block.len() as u64 * blocks + after.len() as u64;
        tail.extend((bytes as u32).to_le_bytes());
        Self { pieces: vec![(tail.into(), 1), (packed.into(), blocks), (head.into(), 1)] }
    }
}

impl Iterator for Bomb {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            let (piece, left) = self.pieces.last_mut()?;
            if *left > 0 {
                *left -= 1;
                return Some(piece.clone());
            }
            self.pieces.pop();
        }
    }
}

fn deflate(packer: &mut Compress, text: &[u8], flush: FlushCompress) -> Vec<u8> {
    // More than packing can make of it, so that one call is enough.
    let mut out = Vec::with_capacity(text.len() + text.len() / 8 + 1024);
    let status = packer.compress_vec(text, &mut out, flush);
    debug_assert!(matches!(status, Ok(Status::Ok | Status::StreamEnd)));
    out
}
