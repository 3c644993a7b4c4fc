//! Footers, and files that pretend to have one; see [`crate::fuzzing`].

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;

use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::opening::layout_of;
use super::store::{Store, StoreRun, StoredFile};
use super::{FileState, Lake, LakeError, LakeErrorKind, Layout, Unreadable, digest, footer, layout};
use crate::contract::{Dataset, Slice, Window};

/// Longer inputs say nothing new.
const MAX_INPUT: usize = 256 << 10;

/// An ETag of any bytes is the same when it comes back from a footer, and any text in its place is refused or the same
/// when it is written again.
pub fn etags(data: &[u8]) {
    let state = FileState { etag: Some(data.to_vec()), ..FileState::default() };
    assert_eq!(FileState::from_key_values(&state.to_key_values()), Ok(state.clone()));
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut pairs = state.to_key_values();
    let etag = pairs.iter_mut().find(|pair| pair.key == "billing_lake.etag").expect("the state has an ETag");
    etag.value = Some(text.to_owned());
    is_same_again(FileState::from_key_values(&pairs));
}

/// What was read stays the same when it is written and read again.
fn is_same_again(state: Result<FileState, Unreadable>) {
    if let Ok(state) = state {
        assert_eq!(FileState::from_key_values(&state.to_key_values()), Ok(state));
    }
}

/// A lake's only file, by its first letter: a whole `f`ile; a `t`railer's metadata, to which length and magic are added;
/// a `l`ength that may lie (4 bytes) and metadata; a footer's `k`eys and values, one a line, in a file without columns.
/// Or what stands beside it: `last_run.json` (`r`), `lake.json` (`d`).
///
/// - It gives a state or the right reason, after at most two reads, which ask for no more than the file has.
/// - A state agrees with the file's number of rows, and stays the same when it is written and read again.
/// - `status` tells it on one line, without control characters.
pub fn footer(data: &[u8]) {
    let Some((kind, rest)) = data.split_first().filter(|_| data.len() <= MAX_INPUT) else { return };
    let magic = b"PAR1";
    let bytes = match kind {
        b't' => [magic, rest, &(rest.len() as u32).to_le_bytes(), magic].concat(),
        b'l' => match rest.split_first_chunk::<4>() {
            Some((length, metadata)) => [magic, metadata, length, magic].concat(),
            None => return,
        },
        b'k' => file_with(rest, &slice()),
        _ => rest.to_vec(),
    };
    let side = match kind {
        b'r' => Some((layout::LAST_RUN_FILE, rest.to_vec())),
        b'd' => Some((layout::LAKE_FILE, rest.to_vec())),
        _ => None,
    };
    let store = Arc::new(OneFile::new(bytes, side));
    let state = footer::read(store.as_ref(), &store.file()).expect("memory").expect("the file is there");
    let asked = std::mem::take(&mut *store.asked.lock().expect("one thread"));
    assert!(asked.len() <= 2, "{} reads", asked.len());
    let most = store.bytes.len() as u64 + magic.len() as u64;
    assert!(asked.iter().map(|range| range.end - range.start).sum::<u64>() <= most, "{asked:?} of {most}");
    is_told_as_what_it_is(&store.bytes, &state);
    is_same_again(state.clone());
    let lake = Lake { store, layout: Layout::Hive };
    if let Err(error) = layout_of(lake.store.as_ref()) {
        assert!(*kind == b'd' && error.kind() != LakeErrorKind::Internal, "{error}");
    }
    let files = lake.files(Dataset::UsageDetails).expect("memory");
    assert_eq!(files.iter().map(|file| &file.state).collect::<Vec<_>>(), [&state]);
    let told = crate::cli::holdings_table(&lake).expect("a table");
    let warnings = state.map_or(0, |state| state.warnings.len());
    assert_eq!(told.lines().count(), 2 + warnings, "{told}");
    assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
}

/// A file whose end is none of Parquet, or names more than there is, is told so; any other is read.
fn is_told_as_what_it_is(bytes: &[u8], state: &Result<FileState, Unreadable>) {
    let length = bytes.strip_suffix(b"PAR1").and_then(|rest| rest.last_chunk::<4>());
    let wanted = length.map(|length| u64::from(u32::from_le_bytes(*length)) + 12);
    let (is_read, reason) = match wanted {
        None if bytes.starts_with(b"PAR1") => (false, Unreadable::Truncated),
        None => (false, Unreadable::NotParquet),
        Some(wanted) => (wanted <= bytes.len() as u64, Unreadable::Truncated),
    };
    if is_read {
        assert!(!matches!(state, Err(Unreadable::Truncated | Unreadable::NotParquet)), "{state:?}");
    } else {
        assert_eq!(state, &Err(reason));
    }
}

/// A Parquet file without columns and rows, with these keys and values, and behind them those that say whose file it is
/// and that its footer is whole.
fn file_with(lines: &[u8], slice: &Slice) -> Vec<u8> {
    let schema = Type::group_type_builder("schema").build().expect("a schema without columns");
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::default()).expect("memory");
    for line in String::from_utf8_lossy(lines).split('\n') {
        let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value.to_owned())));
        writer.append_key_value_metadata(KeyValue::new(format!("billing_lake.{key}"), value));
    }
    for (key, value) in [("slice", layout::key(slice)), ("footer_digest", digest::OPEN.to_owned())] {
        writer.append_key_value_metadata(KeyValue::new(format!("billing_lake.{key}"), value));
    }
    let mut bytes = writer.into_inner().expect("memory");
    footer::close(&mut bytes).expect("its digest has a place");
    bytes
}

/// The slice whose file it is.
fn slice() -> Slice {
    Slice {
        dataset: Dataset::UsageDetails,
        enrollment: "100".parse().expect("an enrollment number"),
        window: Window::Period("2024-11".parse().expect("a month")),
    }
}

/// A store of one file in memory, which notes what is read of it.
#[derive(Debug)]
struct OneFile {
    bytes: Vec<u8>,
    /// A small file beside it, by name.
    side: Option<(&'static str, Vec<u8>)>,
    slice: Slice,
    asked: Mutex<Vec<Range<u64>>>,
}

impl OneFile {
    fn new(bytes: Vec<u8>, side: Option<(&'static str, Vec<u8>)>) -> Self {
        OneFile { bytes, side, slice: slice(), asked: Mutex::default() }
    }

    fn file(&self) -> StoredFile {
        let name = format!("{}/data.parquet", layout::partition(&self.slice));
        StoredFile { slice: self.slice.clone(), name, bytes: self.bytes.len() as u64, version: None }
    }
}

impl Store for OneFile {
    fn list(&self, dataset: Dataset) -> Result<Vec<StoredFile>, LakeError> {
        Ok(if dataset == self.slice.dataset { vec![self.file()] } else { Vec::new() })
    }

    fn has(&self, slice: &Slice) -> Result<bool, LakeError> {
        Ok(*slice == self.slice)
    }

    fn read(&self, _: &StoredFile, range: Range<u64>) -> Result<Option<Vec<u8>>, LakeError> {
        let bytes = self.bytes.get(range.start as usize..range.end as usize).expect("a range of the file");
        self.asked.lock().expect("one thread").push(range);
        Ok(Some(bytes.to_vec()))
    }

    fn read_side(&self, name: &str) -> Result<Option<Vec<u8>>, LakeError> {
        Ok(self.side.as_ref().filter(|(side, _)| *side == name).map(|(_, bytes)| bytes.clone()))
    }

    fn put_side(&self, _: &str, _: &[u8]) -> Result<(), LakeError> {
        unreachable!("nothing is written")
    }

    fn drop_side(&self, _: &str) -> Result<(), LakeError> {
        unreachable!("nothing is written")
    }

    fn keep_newest(&self, _: &str, _: usize) -> Result<(), LakeError> {
        unreachable!("nothing is written")
    }

    fn clean(&self) -> Result<Vec<String>, LakeError> {
        unreachable!("nothing is written")
    }

    fn begin_run(&self, _: &str) -> Result<Arc<dyn StoreRun>, LakeError> {
        unreachable!("nothing is written")
    }

    fn place(&self, name: &str) -> String {
        name.to_owned()
    }
}
