//! From the bytes of a body to the bytes of JSON, while they arrive.

use flate2::{Decompress, FlushDecompress, Status};

use super::body::Encoding;
use super::buffer::Buffer;
use super::error::SourceError;

/// How many bytes of text one answer may unpack to, unless told otherwise: far above any page, and a bound for bombs.
pub const MAX_PAGE_BYTES: u64 = 1 << 30;

/// Unpacks one body: text goes to a sink in blocks of at most 128 KiB (as it came when it is not compressed). An answer
/// that is empty or begins like HTML is refused, and so is one that unpacks to more than a bound; memory stays flat.
pub struct Inflate {
    gzip: Option<(Gunzip, Buffer)>,
    text: TextBound,
}

impl Inflate {
    pub(super) fn new(call: &str, encoding: Encoding) -> Self {
        let gzip = (encoding == Encoding::Gzip).then(|| (Gunzip::new(), Buffer::new()));
        let text = TextBound { call: call.to_owned(), limit: MAX_PAGE_BYTES, produced: 0, begun: false };
        Inflate { gzip, text }
    }

    /// The same with another bound, in bytes of text.
    pub fn with_limit(mut self, limit: u64) -> Self {
        self.text.limit = limit;
        self
    }

    /// The same for a body that need not be JSON, such as an error's.
    pub(super) fn of_any_kind(mut self) -> Self {
        self.text.begun = true;
        self
    }

    /// Bytes of text so far.
    pub fn produced(&self) -> u64 {
        self.text.produced
    }

    /// Takes the next bytes of the body and gives their text to `sink`, whose error ends it: what failed once is not to be
    /// pushed to again.
    ///
    /// # Errors
    /// Corrupt gzip and HTML may be gone next time ([`SourceError::Broken`]); too much text is [`SourceError::Content`].
    pub fn push<E: From<SourceError>>(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((gunzip, buffer)) = &mut self.gzip else {
            self.text.judge(bytes)?;
            return sink(bytes);
        };
        let mut input = bytes;
        loop {
            let (consumed, produced) =
                gunzip.step(input, buffer).map_err(|Corrupt| self.text.broken("the gzip body is corrupt"))?;
            input = &input[consumed..];
            if produced > 0 {
                self.text.judge(&buffer[..produced])?;
                sink(&buffer[..produced])?;
            }
            if input.is_empty() && produced < buffer.len() {
                return Ok(());
            }
        }
    }

    /// The body has ended.
    ///
    /// # Errors
    /// When it ended too early or held nothing ([`SourceError::Broken`]).
    pub fn finish(self) -> Result<(), SourceError> {
        let nothing = self.text.produced == 0 && self.gzip.as_ref().is_none_or(|(gunzip, _)| gunzip.is_unused());
        if !nothing && self.gzip.as_ref().is_some_and(|(gunzip, _)| !gunzip.is_whole()) {
            return Err(self.text.broken("the gzip body ends early"));
        }
        if !self.text.begun {
            return Err(self.text.broken("the answer is empty"));
        }
        Ok(())
    }
}

/// What is asked of an answer's text as it comes: that it stays within a bound and does not begin like HTML.
struct TextBound {
    call: String,
    limit: u64,
    produced: u64,
    begun: bool,
}

impl TextBound {
    fn judge(&mut self, text: &[u8]) -> Result<(), SourceError> {
        self.produced += text.len() as u64;
        if self.produced > self.limit {
            let problem = format!("the answer unpacks to more than {} bytes", self.limit);
            return Err(SourceError::Content { call: self.call.clone(), problem });
        }
        if !self.begun
            && let Some(first) = text.iter().find(|b| !b.is_ascii_whitespace() && !matches!(b, 0xef | 0xbb | 0xbf))
        {
            if *first == b'<' {
                return Err(self.broken("the answer is HTML or XML instead of data"));
            }
            self.begun = true;
        }
        Ok(())
    }

    fn broken(&self, problem: &str) -> SourceError {
        SourceError::Broken { call: self.call.clone(), problem: problem.to_owned() }
    }
}

/// Bytes that are no gzip.
#[derive(Debug)]
pub(super) struct Corrupt;

/// Unpacks gzip of one or several members, with zeros behind them as padding.
pub(super) struct Gunzip {
    state: Decompress,
    place: Place,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Start,
    InMember,
    AfterMember,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Gunzip { state: Decompress::new_gzip(15), place: Place::Start }
    }

    /// Unpacks until `input` is used or `output` is full; gives how many bytes were taken and made. Output that is full
    /// means that more may follow, also without further input.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), Corrupt> {
        let (mut consumed, mut produced) = (0, 0);
        loop {
            if self.place == Place::AfterMember {
                consumed += input[consumed..].iter().take_while(|b| **b == 0).count();
            }
            if self.place != Place::InMember {
                if consumed == input.len() {
                    return Ok((consumed, produced));
                }
                self.state.reset(true);
                self.place = Place::InMember;
            }
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(&input[consumed..], &mut output[produced..], FlushDecompress::None);
            let taken = (self.state.total_in() - before_in) as usize;
            let made = (self.state.total_out() - before_out) as usize;
            consumed += taken;
            produced += made;
            match status.map_err(|_| Corrupt)? {
                Status::StreamEnd => self.place = Place::AfterMember,
                _ if consumed == input.len() || produced == output.len() => return Ok((consumed, produced)),
                _ if taken == 0 && made == 0 => return Err(Corrupt),
                _ => {}
            }
            if produced == output.len() {
                return Ok((consumed, produced));
            }
        }
    }

    /// Whether there was no input yet.
    pub(super) fn is_unused(&self) -> bool {
        self.place == Place::Start
    }

    /// Whether the input could end here.
    pub(super) fn is_whole(&self) -> bool {
        self.place == Place::AfterMember
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::source::ErrorKind;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(mut inflate: Inflate, body: &[u8], chunk: usize) -> Result<Vec<u8>, SourceError> {
        let mut text = Vec::new();
        for bytes in body.chunks(chunk) {
            inflate.push(bytes, &mut |bytes: &[u8]| {
                text.extend_from_slice(bytes);
                Ok::<_, SourceError>(())
            })?;
        }
        inflate.finish().map(|()| text)
    }

    fn gunzip(body: &[u8]) -> Result<Vec<u8>, SourceError> {
        unpack(Inflate::new("GET /x", Encoding::Gzip), body, 1000)
    }

    #[test]
    fn several_members_and_padding_are_one_text() {
        let mut body = gzip(b"[1,");
        body.extend(gzip(b""));
        body.extend(gzip(b"2]"));
        body.extend([0; 512]);
        for chunk in [1, 2, 7, 4096] {
            assert_eq!(unpack(Inflate::new("GET /x", Encoding::Gzip), &body, chunk).unwrap(), b"[1,2]");
        }
    }

    #[test]
    fn a_cut_or_corrupt_body_is_broken_wherever_it_is_cut() {
        let body = gzip(b"[1,2,3,4,5,6,7,8,9]");
        for end in 0..body.len() {
            let error = gunzip(&body[..end]).unwrap_err();
            assert!(error.is_retryable() && error.kind() == ErrorKind::Unavailable, "{error}");
        }
        for at in [0, 1, 2, body.len() - 8, body.len() - 1] {
            let mut corrupt = body.clone();
            corrupt[at] ^= 0xff;
            assert!(matches!(gunzip(&corrupt), Err(SourceError::Broken { .. })), "byte {at}");
        }
        let mut trailed = body.clone();
        trailed.extend(b"rubbish");
        assert!(matches!(gunzip(&trailed), Err(SourceError::Broken { .. })));
        assert!(matches!(gunzip(b"{\"data\":[]}"), Err(SourceError::Broken { .. })));
    }

    #[test]
    fn a_bomb_is_stopped_at_the_bound() {
        let bomb = gzip(&vec![b' '; 8 << 20]);
        let mut largest = 0;
        let mut inflate = Inflate::new("GET /x", Encoding::Gzip).with_limit(1 << 20);
        let error = inflate
            .push(&bomb, &mut |text: &[u8]| {
                largest = largest.max(text.len());
                Ok::<_, SourceError>(())
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "GET /x: the answer unpacks to more than 1048576 bytes");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Data, false));
        assert!(largest <= 128 << 10);
    }

    #[test]
    fn an_answer_that_is_no_json_is_named() {
        for (body, told) in [(&b"\xef\xbb\xbf \r\n<!DOCTYPE html>"[..], "HTML"), (b"", "empty"), (b" \n", "empty")] {
            let plain = unpack(Inflate::new("GET /x", Encoding::Identity), body, 3).unwrap_err();
            let packed = gunzip(&gzip(body)).unwrap_err();
            assert!(plain.to_string().contains(told) && plain.is_retryable(), "{plain}");
            assert_eq!(plain, packed);
        }
        assert!(gunzip(b"").unwrap_err().to_string().contains("empty"));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_text(
            text in proptest::collection::vec(any::<u8>().prop_filter("no HTML", |b| *b != b'<'), 1..2000),
            copies in 1..400usize,
            chunk in 1..5000usize,
        ) {
            let mut text = text.repeat(copies);
            text.insert(0, b'[');
            for (encoding, body) in [(Encoding::Gzip, gzip(&text)), (Encoding::Identity, text.clone())] {
                prop_assert_eq!(&unpack(Inflate::new("GET /x", encoding), &body, chunk).unwrap(), &text);
            }
        }
    }
}
