//! A slice's Parquet file while it is written: row groups in, column by column, with a count and a hash of its own.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use crate::contract::{Contract, Slice};

use super::control::Counted;
use super::encode::{RowGroupEncoder, WriteOptions, file_properties};
use super::store::Staged;
use super::{FileState, LakeError, digest, footer, layout};

/// Bytes that go to the staged file at once: Parquet's writer hands over 8 KiB at a time.
const BUFFER_BYTES: usize = 128 << 10;

/// A slice's file while it is written; nobody sees it. Dropping it removes it.
#[derive(Debug)]
pub struct SliceFile {
    slice: Slice,
    contract: Arc<Contract>,
    writer: SerializedFileWriter<Hashing>,
    encoder: RowGroupEncoder,
    counted: Counted,
}

/// A finished file, ready to be published. Dropping it removes it.
#[derive(Debug)]
pub struct StagedFile {
    pub(super) staged: Box<dyn Staged>,
    bytes: u64,
    pub(super) state: FileState,
}

/// Why a row group cannot be written.
enum WriteError {
    Parquet(ParquetError),
    /// The arrays are not those of the contract.
    Mismatch(String),
}

impl From<ParquetError> for WriteError {
    fn from(error: ParquetError) -> Self {
        WriteError::Parquet(error)
    }
}

impl StagedFile {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The state in its footer.
    pub fn state(&self) -> &FileState {
        &self.state
    }
}

impl SliceFile {
    /// A file that begins with so many bytes that mean nothing.
    pub(super) fn new(
        slice: &Slice,
        contract: &Arc<Contract>,
        options: &WriteOptions,
        salt: usize,
        staged: Box<dyn Staged>,
    ) -> Result<Self, LakeError> {
        let encode = |source| LakeError::Encode { slice: Box::new(slice.clone()), source };
        let schema = contract.arrow_schema();
        let parquet_schema = ArrowSchemaConverter::new().convert(&schema).map_err(encode)?;
        let encoder = RowGroupEncoder::new(&schema, &parquet_schema, options).map_err(encode)?;
        let staged = Some(BufWriter::with_capacity(BUFFER_BYTES, staged));
        let sink = Hashing { staged, hash: Sha256::new(), footer: None };
        let mut writer =
            SerializedFileWriter::new(sink, parquet_schema.root_schema_ptr(), file_properties()).map_err(encode)?;
        writer.write_all(&vec![0; salt]).map_err(|error| encode(error.into()))?;
        let counted = Counted::new(contract);
        Ok(SliceFile { slice: slice.clone(), contract: Arc::clone(contract), writer, encoder, counted })
    }

    /// Writes a batch of the contract's schema as one row group, as [`SliceFile::write_columns`] does.
    pub fn write(&mut self, batch: RecordBatch) -> Result<(), LakeError> {
        let (schema, arrays, _) = batch.into_parts();
        if schema.fields() != self.contract.arrow_schema().fields() {
            return Err(self.mismatch("a record batch has another schema than the contract".to_owned()));
        }
        self.write_columns(arrays.into_iter().map(Ok))
    }

    /// Writes the arrays of the contract's columns, in their order, as one row group; any may be a dictionary of its
    /// values, with 32-bit codes. Each is asked for when its turn comes
    /// and let go as soon as it is encoded, so that no two need be in memory; arrays without rows leave nothing.
    ///
    /// After an error the file is lost: drop it.
    pub fn write_columns(
        &mut self,
        arrays: impl IntoIterator<Item = Result<ArrayRef, ArrowError>>,
    ) -> Result<(), LakeError> {
        let mut arrays = arrays.into_iter().peekable();
        let is_empty = |array: &Result<ArrayRef, ArrowError>| matches!(array, Ok(array) if array.is_empty());
        if arrays.peek().is_some_and(is_empty) && arrays.all(|array| is_empty(&array)) {
            return Ok(());
        }
        match self.write_row_group(arrays) {
            Ok(()) => Ok(()),
            Err(WriteError::Parquet(error)) => Err(self.failure(error)),
            Err(WriteError::Mismatch(difference)) => Err(self.mismatch(difference)),
        }
    }

    fn write_row_group(
        &mut self,
        mut arrays: impl Iterator<Item = Result<ArrayRef, ArrowError>>,
    ) -> Result<(), WriteError> {
        let schema = self.contract.arrow_schema();
        let mut group = self.writer.next_row_group()?;
        let mut rows = None;
        for (column, field) in schema.fields().iter().enumerate() {
            let array = arrays.next().transpose().map_err(ParquetError::from)?;
            let array = array.filter(|array| is_of(array.data_type(), field.data_type()));
            let array = array.filter(|array| *rows.get_or_insert(array.len()) == array.len());
            let Some(array) = array else {
                return Err(WriteError::Mismatch(format!(
                    "the array of {} is not of the contract's kind",
                    field.name()
                )));
            };
            self.counted.add(column, &array);
            self.encoder.encode(column, array)?.append_to(&mut group)?;
        }
        if arrays.next().is_some() {
            return Err(WriteError::Mismatch("there are more arrays than the contract has columns".to_owned()));
        }
        self.encoder.end_row_group();
        group.close()?;
        self.counted.add_rows(rows.unwrap_or_default());
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes_written(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    /// Writes the footer with the state in it, and returns the file when all of it would survive a loss of power.
    ///
    /// # Errors
    ///
    /// [`LakeError::Mismatch`] when rows or sums differ from those in `state`: the file is removed.
    pub fn finish(mut self, mut state: FileState) -> Result<StagedFile, LakeError> {
        self.counted.compare(&state).map_err(|difference| self.mismatch(difference))?;
        self.writer.flush().map_err(|error| self.failure(error.into()))?;
        state.contract = self.contract.fingerprint().to_owned();
        state.tool_version = env!("CARGO_PKG_VERSION").to_owned();
        state.slice = layout::key(&self.slice);
        state.digest = self.writer.inner_mut().begin_footer();
        for pair in state.to_key_values() {
            self.writer.append_key_value_metadata(pair);
        }
        let metadata = self.writer.finish().map_err(|error| self.failure(error))?;
        if u64::try_from(metadata.file_metadata().num_rows()) != Ok(state.rows) {
            let written = metadata.file_metadata().num_rows();
            return Err(self.mismatch(format!("the footer says {written} rows, {} were decoded", state.rows)));
        }
        let sink = self.writer.inner_mut();
        let (Some(mut staged), Some(mut footer)) = (sink.staged.take(), sink.footer.take()) else {
            return Err(self.mismatch("it was finished before".to_owned()));
        };
        if footer::close(&mut footer).is_none() {
            return Err(self.mismatch("its footer has no place for its own digest".to_owned()));
        }
        if let Err(error) = staged.write_all(&footer) {
            return Err(staged.get_ref().failure(error));
        }
        let mut staged = match staged.into_inner() {
            Ok(staged) => staged,
            Err(error) => {
                let (error, staged) = error.into_parts();
                return Err(staged.get_ref().failure(error));
            }
        };
        let bytes = staged.seal()?;
        Ok(StagedFile { staged, bytes, state })
    }

    fn mismatch(&self, difference: String) -> LakeError {
        LakeError::Mismatch { slice: Box::new(self.slice.clone()), difference }
    }

    /// A failure of the store below the Parquet writer is one of the destination.
    fn failure(&self, error: ParquetError) -> LakeError {
        match error {
            ParquetError::External(source) => match (source.downcast::<io::Error>(), &self.writer.inner().staged) {
                (Ok(source), Some(staged)) => staged.get_ref().failure(*source),
                (Ok(source), None) => self.encode(ParquetError::External(source)),
                (Err(source), _) => self.encode(ParquetError::External(source)),
            },
            error => self.encode(error),
        }
    }

    fn encode(&self, source: ParquetError) -> LakeError {
        LakeError::Encode { slice: Box::new(self.slice.clone()), source }
    }
}

/// Does an array of that type hold values of a column's type?
fn is_of(array: &DataType, column: &DataType) -> bool {
    array == column
        || matches!(array, DataType::Dictionary(codes, values) if **codes == DataType::Int32 && **values == *column)
}

/// Hashes what passes through to the staged file, up to the footer.
#[derive(Debug)]
struct Hashing {
    /// None once the file is finished.
    staged: Option<BufWriter<Box<dyn Staged>>>,
    hash: Sha256,
    /// The footer, which is held back until it has its own digest in it.
    footer: Option<Vec<u8>>,
}

impl Hashing {
    /// Holds back what follows, and gives the digest of what passed.
    fn begin_footer(&mut self) -> String {
        self.footer = Some(Vec::new());
        digest::in_words(self.hash.clone())
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(footer) = &mut self.footer {
            footer.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let staged = self.staged.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let written = staged.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.staged.as_mut().map_or(Ok(()), |staged| staged.flush())
    }
}
