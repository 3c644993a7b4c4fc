//! Pages that were downloaded before: a file, a folder of them, or standard input; plain, gzip or zstd.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::vec;

use super::buffer::Buffer;
use super::error::{ErrorKind, SourceError, shown};
use super::inflate::Gunzip;

/// The path that names standard input.
pub const STANDARD_INPUT: &str = "-";

/// The files behind one path, opened one after the other.
#[derive(Debug)]
pub struct Inputs {
    paths: vec::IntoIter<PathBuf>,
    bytes: Option<u64>,
}

impl Inputs {
    /// The file of that path; or the regular files directly in that folder, in the order of their names and without hidden
    /// ones; or standard input for [`STANDARD_INPUT`].
    ///
    /// # Errors
    /// [`SourceError::File`] of kind usage when there is nothing to read.
    pub fn open(path: &Path) -> Result<Inputs, SourceError> {
        if path.as_os_str() == STANDARD_INPUT {
            return Ok(Inputs { paths: vec![path.to_owned()].into_iter(), bytes: None });
        }
        let unreadable = |error: io::Error| file_error(path, format!("cannot be read: {error}"), ErrorKind::Usage);
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_dir() {
            let bytes = metadata.is_file().then_some(metadata.len());
            return Ok(Inputs { paths: vec![path.to_owned()].into_iter(), bytes });
        }
        let mut paths = Vec::new();
        let mut bytes = 0;
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            // Through symbolic links, as a file that is named is opened; one that leads nowhere is told when it is opened.
            match fs::metadata(entry.path()) {
                _ if hidden => {}
                Ok(metadata) if metadata.is_file() => {
                    bytes += metadata.len();
                    paths.push(entry.path());
                }
                Ok(_) => {}
                Err(_) => paths.push(entry.path()),
            }
        }
        if paths.is_empty() {
            return Err(file_error(
                path,
                "holds no file (folders in it are not looked into)".to_owned(),
                ErrorKind::Usage,
            ));
        }
        paths.sort();
        Ok(Inputs { paths: paths.into_iter(), bytes: Some(bytes) })
    }

    /// The size of all files on disk, in bytes; none when it is not known.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }
}

impl Iterator for Inputs {
    type Item = Result<Input, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let path = self.paths.next()?;
        if path.as_os_str() == STANDARD_INPUT {
            return Some(Input::new("standard input".to_owned(), Box::new(io::stdin())));
        }
        let opened = File::open(&path)
            .map_err(|error| file_error(&path, format!("cannot be opened: {error}"), ErrorKind::Usage))
            .and_then(|file| Input::new(path_text(&path), Box::new(file)));
        Some(opened)
    }
}

/// One file's text, block by block.
pub struct Input {
    name: String,
    form: Form,
}

enum Form {
    Plain(Blocks),
    Gzip { blocks: Blocks, gunzip: Gunzip, text: Buffer },
    Zstd { decoder: zstd::stream::read::Decoder<'static, Blocks>, text: Buffer },
}

impl Input {
    fn new(name: String, reader: Box<dyn Read + Send>) -> Result<Input, SourceError> {
        let mut blocks = Blocks { reader, buffer: Buffer::new(), start: 0, end: 0, total: 0 };
        let form = (|| {
            blocks.fill_to(4)?;
            Ok(match *blocks.unread() {
                [0x1f, 0x8b, ..] => Form::Gzip { blocks, gunzip: Gunzip::new(), text: Buffer::new() },
                // A frame of data, or one to skip, which some tools write first.
                [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                    Form::Zstd { decoder: zstd::stream::read::Decoder::with_buffer(blocks)?, text: Buffer::new() }
                }
                _ => Form::Plain(blocks),
            })
        })();
        match form {
            Ok(form) => Ok(Input { name, form }),
            Err(error) => Err(unread(&name, error)),
        }
    }

    /// The file's path, or `standard input`, fit to be shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes of the file were read so far; of a compressed file, compressed ones.
    pub fn position(&self) -> u64 {
        match &self.form {
            Form::Plain(blocks) | Form::Gzip { blocks, .. } => blocks.total,
            Form::Zstd { decoder, .. } => decoder.get_ref().total,
        }
    }

    /// The next block of text, at most 128 KiB and never empty; none at the end.
    ///
    /// # Errors
    /// [`SourceError::File`] of kind data when gzip or zstd is corrupt or ends early, or reading fails.
    pub fn chunk(&mut self) -> Result<Option<&[u8]>, SourceError> {
        let name = &self.name;
        match &mut self.form {
            Form::Plain(blocks) => blocks.next_block().map_err(|error| unread(name, error)),
            Form::Gzip { blocks, gunzip, text } => {
                let made = read_gzip(blocks, gunzip, text).map_err(|error| unread(name, error))?;
                Ok((made > 0).then(|| &text[..made]))
            }
            Form::Zstd { decoder, text } => {
                let made = read_uninterrupted(decoder, text).map_err(|error| unread(name, error))?;
                Ok((made > 0).then(|| &text[..made]))
            }
        }
    }
}

/// A file's own bytes, read in blocks.
struct Blocks {
    reader: Box<dyn Read + Send>,
    buffer: Buffer,
    start: usize,
    end: usize,
    total: u64,
}

impl Blocks {
    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads until that many bytes are there or the input ends: pipes give what they have.
    fn fill_to(&mut self, bytes: usize) -> io::Result<()> {
        while self.end < bytes {
            match read_uninterrupted(&mut self.reader, &mut self.buffer[self.end..])? {
                0 => break,
                read => {
                    self.end += read;
                    self.total += read as u64;
                }
            }
        }
        Ok(())
    }

    fn next_block(&mut self) -> io::Result<Option<&[u8]>> {
        self.fill_buf()?;
        let block = self.start..self.end;
        self.start = self.end;
        Ok((!block.is_empty()).then(|| &self.buffer[block]))
    }
}

impl BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.fill_to(1)?;
        }
        Ok(self.unread())
    }

    fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }
}

impl Read for Blocks {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(to)?;
        self.consume(read);
        Ok(read)
    }
}

fn read_uninterrupted(reader: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(to) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Unpacks the next text; none at the end.
fn read_gzip(blocks: &mut Blocks, gunzip: &mut Gunzip, text: &mut [u8]) -> io::Result<usize> {
    loop {
        let input = blocks.fill_buf()?;
        let ended = input.is_empty();
        let (taken, made) = gunzip
            .step(input, text)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the gzip data is corrupt"))?;
        blocks.consume(taken);
        if made > 0 {
            return Ok(made);
        }
        if ended {
            return if gunzip.is_whole() { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

fn unread(name: &str, error: io::Error) -> SourceError {
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the compressed data ends early".to_owned(),
        io::ErrorKind::InvalidData => error.to_string(),
        _ => format!("cannot be read to its end: {error}"),
    };
    SourceError::File { name: name.to_owned(), problem, kind: ErrorKind::Data }
}

fn file_error(path: &Path, problem: String, kind: ErrorKind) -> SourceError {
    SourceError::File { name: path_text(path), problem, kind }
}

fn path_text(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::source::buffer::BLOCK_BYTES;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(text, 1).unwrap()
    }

    /// A reader that gives a byte, then two, then three …, as pipes may.
    struct Drops(io::Cursor<Vec<u8>>, usize);

    impl Read for Drops {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            let most = self.1.min(to.len());
            self.0.read(&mut to[..most])
        }
    }

    fn read(content: Vec<u8>) -> Result<Vec<u8>, SourceError> {
        let mut input = Input::new("x".to_owned(), Box::new(Drops(io::Cursor::new(content), 0)))?;
        let mut text = Vec::new();
        while let Some(block) = input.chunk()? {
            assert!(!block.is_empty() && block.len() <= BLOCK_BYTES);
            text.extend_from_slice(block);
        }
        Ok(text)
    }

    #[test]
    fn plain_gzip_and_zstd_are_told_apart_by_their_first_bytes() {
        let text: Vec<u8> = (0..400_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        for content in [text.clone(), gzip(&text), zstd(&text)] {
            assert!(read(content).unwrap() == text);
        }
        assert_eq!(read([gzip(b"[1,"), gzip(b"2]")].concat()).unwrap(), b"[1,2]");
        assert_eq!(read([zstd(b"[1,"), zstd(b"2]")].concat()).unwrap(), b"[1,2]");
        for short in [&b""[..], b"[", b"[]", b"\x1f", b"\x28\xb5"] {
            assert_eq!(read(short.to_vec()).unwrap(), short);
        }
        assert_eq!(read(gzip(b"")).unwrap(), b"");
    }

    #[test]
    fn a_cut_or_corrupt_file_is_named() {
        for whole in [gzip(b"{\"data\":[1,2,3]}"), zstd(b"{\"data\":[1,2,3]}")] {
            for end in 4..whole.len() {
                let error = read(whole[..end].to_vec()).unwrap_err();
                assert_eq!(error.to_string(), "x: the compressed data ends early", "{end}");
                assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Data, false));
            }
            let mut corrupt = whole.clone();
            corrupt[6..].fill(0xff);
            assert_eq!(read(corrupt).unwrap_err().kind(), ErrorKind::Data);
        }
    }

    #[test]
    fn a_folder_is_its_files_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("b.json", &b"[2]"[..]), ("a.json.gz", &gzip(b"[1]")), (".hidden", b"x"), ("C", b"[0]")]
        {
            fs::write(folder.path().join(name), content).unwrap();
        }
        fs::create_dir(folder.path().join("deeper")).unwrap();
        fs::write(folder.path().join("deeper/d.json"), b"x").unwrap();
        let mut read = Vec::new();
        for input in Inputs::open(folder.path()).unwrap() {
            let mut input = input.unwrap();
            let name = input.name().rsplit('/').next().unwrap().to_owned();
            let text = input.chunk().unwrap().unwrap().to_vec();
            assert!(input.position() >= 3);
            read.push((name, String::from_utf8(text).unwrap()));
        }
        let expected = [("C", "[0]"), ("a.json.gz", "[1]"), ("b.json", "[2]")];
        assert_eq!(read, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn nothing_to_read_is_a_usage_error() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("none")] {
            let error = Inputs::open(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().starts_with(&path_text(&path)), "{error}");
        }
        let file = folder.path().join("a.json");
        fs::write(&file, "[]").unwrap();
        assert_eq!(Inputs::open(&file).unwrap().bytes(), Some(2));
        assert_eq!(Inputs::open(STANDARD_INPUT.as_ref()).unwrap().bytes(), None);
    }
}
