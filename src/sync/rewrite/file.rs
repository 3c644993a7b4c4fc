//! One file, made anew from itself: read back column by column, written and published as any other.
//!
//! A row group of the new file has the rows of one of the old file, since those were cut by the same bounds; only one
//! that there is no room for, because a run with more memory wrote it, is cut into equal parts. Row groups are never put
//! together: what a small one costs is little, and its columns would have to be in memory at once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::ArrowError;
use parquet::schema::types::TypePtr;

use super::super::interrupt::Interrupt;
use super::super::writer::internal;
use super::super::{ErrorKind, RunError};
use super::promote::Promotion;
use crate::contract::{Contract, EXTRA, Slice, TAGS, TAGS_MAP};
use crate::decode::InvalidText;
use crate::lake::shape;
use crate::lake::{Columns, FileReading, Footer, Lake, LakeError, LakeFile, Listed, Run, Stop, WriteOptions};

/// What to do about a file that cannot be rewritten.
const FETCH: &str = "`billing-lake sync --force --periods …` fetches it again, as long as the API serves it";

/// How often what columns are made of is in memory: as it was read, in the decoder with what finds it there, and made.
const COPIES: usize = 4;

/// How a file is to be.
pub(super) struct Wanted<'a> {
    pub(super) contract: Arc<Contract>,
    pub(super) write: &'a WriteOptions,
    pub(super) invalid_text: InvalidText,
    /// Bytes that the column at work and what is made may take, and as many again what is kept of the old file.
    pub(super) group_bytes: usize,
    pub(super) interrupt: &'a Interrupt,
}

/// A file whose footer was read.
pub(super) struct Opened {
    reading: FileReading,
    footer: Footer,
    /// The columns that are made, not read.
    made: Vec<String>,
}

impl Opened {
    /// Reads the footer, and sees whether all columns can be had.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the file has columns that are not known: its rows would lose them. [`ErrorKind::Data`]
    /// when it cannot be made into one of the contract.
    pub(super) fn new(lake: &Lake, listed: &Listed, wanted: &Wanted<'_>) -> Result<Self, RunError> {
        let reading = lake.read_back(listed).map_err(|error| unfit(&error))?.keeping(wanted.group_bytes);
        let footer = reading.footer().map_err(stopped)?.map_err(|error| unfit(&error))?;
        let columns = shape::columns(&wanted.contract).map_err(|error| internal(&error))?;
        let difference = shape::difference(footer.metadata.file_metadata().schema_descr(), &columns);
        let mut difference = difference.unwrap_or_default();
        // It is made of the tags.
        difference.more.retain(|name| name != TAGS_MAP);
        if !difference.more.is_empty() {
            let unknown = difference.more.join(", ");
            let message = format!("it has columns that this version does not know: {unknown}");
            return Err(RunError::new(ErrorKind::Usage, message)
                .with_hint("update billing-lake; `sync --force` would fetch the file again without them"));
        }
        if !difference.changed.is_empty() {
            return Err(unfit(&format!("columns are of another type: {}", difference.changed.join(", "))));
        }
        let mut made = difference.lacking;
        let is_field = |name: &str| wanted.contract.columns().iter().any(|column| column.column == name);
        if let Some(own) = made.iter().find(|name| !is_field(name)) {
            return Err(unfit(&format!("it lacks the column {own}")));
        }
        // Read back, maps are spread out for each row; made, they stand in memory once for each text.
        if is_field(TAGS_MAP) && !made.iter().any(|name| name == TAGS_MAP) {
            made.push(TAGS_MAP.to_owned());
        }
        Ok(Opened { reading, footer, made })
    }

    /// The footer.
    pub(super) fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Writes and publishes the file of the wanted shape. The old one stays whatever goes wrong.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when the file is not what its footer says, or a value does not fit into the column that knows
    /// it now.
    pub(super) fn rewrite(self, run: &Run, slice: &Slice, wanted: &Wanted<'_>) -> Result<LakeFile, RunError> {
        let Opened { reading, footer: Footer { mut state, metadata, data_bytes }, made } = self;
        let digest = reading.digest(data_bytes, |_| wanted.interrupt.check().map_err(Halt::Failed));
        if digest.map_err(Halt::into_error)? != state.digest {
            return Err(unfit(&"its data is damaged, as its digest tells"));
        }
        let columns = Columns::new(&reading, metadata).map_err(|error| unfit(&error))?;
        let is_made = |name: &str| made.iter().any(|made| made == name);
        let mut promotion = Promotion::new(&wanted.contract, slice, wanted.invalid_text, is_made);
        let rows = Rows { reading: &reading, columns: &columns, wanted };
        let mut file = run.stage(slice, &wanted.contract, wanted.write)?;
        for group in 0..columns.metadata().num_row_groups() {
            for part in rows.parts(group, promotion.as_ref())? {
                let made = promotion.as_mut().map(|promotion| rows.made(promotion, group, &part)).transpose()?;
                let mut failed = None;
                let arrays = rows.arrays(made.unwrap_or_default(), group, &part).map(|array| {
                    array.map_err(|error| {
                        let message = error.to_string();
                        failed = Some(error);
                        ArrowError::ExternalError(message.into())
                    })
                });
                let written = file.write_columns(arrays);
                failed.map_or(Ok(()), Err)?;
                written?;
            }
        }
        if let Some(promotion) = &promotion {
            promotion.add_to(&mut state);
        }
        let staged = file.finish(state).map_err(|error| match error {
            LakeError::Mismatch { difference, .. } => unfit(&difference),
            error => error.into(),
        })?;
        if !reading.is_in_place()? {
            return Err(stopped(Stop::Replaced));
        }
        wanted.interrupt.check()?;
        let state = staged.state().clone();
        let published = run.publish(staged)?;
        Ok(LakeFile { slice: slice.clone(), location: published.location, bytes: published.bytes, state: Ok(state) })
    }
}

/// The rows of a file.
struct Rows<'a> {
    reading: &'a FileReading,
    columns: &'a Columns<'a>,
    wanted: &'a Wanted<'a>,
}

impl Rows<'_> {
    /// The parts of a row group that there is room for.
    fn parts(
        &self,
        group: usize,
        promotion: Option<&Promotion>,
    ) -> Result<impl Iterator<Item = Range<usize>> + use<>, RunError> {
        let rows = self.columns.metadata().row_group(group).num_rows();
        let rows = usize::try_from(rows).map_err(|error| unfit(&error))?;
        let bytes = |column| self.columns.array_bytes(group, column);
        let largest = (0..self.fields().len()).map(bytes).max().unwrap_or_default();
        let made_of = [(EXTRA, promotion.is_some()), (TAGS, promotion.is_some_and(Promotion::needs_tags))];
        let made_of = made_of.into_iter().filter(|(_, is_needed)| *is_needed);
        let made: usize =
            made_of.map(|(name, _)| Ok(bytes(self.place(name)?) * COPIES)).sum::<Result<_, RunError>>()?;
        let parts = (largest + made).div_ceil(self.wanted.group_bytes.max(1)).max(1);
        let part = rows.div_ceil(parts).max(1);
        Ok((0..rows).step_by(part).map(move |start| start..rows.min(start + part)))
    }

    /// The columns that are made for some rows.
    fn made(
        &self,
        promotion: &mut Promotion,
        group: usize,
        rows: &Range<usize>,
    ) -> Result<BTreeMap<String, ArrayRef>, RunError> {
        let extra = self.read(EXTRA, group, rows)?;
        let tags = promotion.needs_tags().then(|| self.read(TAGS, group, rows)).transpose()?;
        promotion.columns(&extra, tags.as_ref()).map_err(|error| match error.kind {
            ErrorKind::Data => unfit(&error),
            _ => error,
        })
    }

    /// The arrays of some rows in the contract's order. What is not made is read when it is asked for.
    fn arrays(
        &self,
        mut made: BTreeMap<String, ArrayRef>,
        group: usize,
        rows: &Range<usize>,
    ) -> impl Iterator<Item = Result<ArrayRef, RunError>> {
        let names = self.wanted.contract.file_columns().map(|(name, _)| name);
        names.map(move |name| made.remove(name).map_or_else(|| self.read(name, group, rows), Ok))
    }

    fn fields(&self) -> &[TypePtr] {
        self.columns.metadata().file_metadata().schema_descr().root_schema().get_fields()
    }

    /// Where a column stands in the file.
    fn place(&self, name: &str) -> Result<usize, RunError> {
        let place = self.fields().iter().position(|field| field.name() == name);
        place.ok_or_else(|| unfit(&format!("it lacks the column {name}")))
    }

    fn read(&self, name: &str, group: usize, rows: &Range<usize>) -> Result<ArrayRef, RunError> {
        self.wanted.interrupt.check()?;
        let read = self.columns.rows(group, self.place(name)?, rows.clone());
        read.map_err(|error| self.reading.stopped().map_or_else(|| unfit(&error), stopped))
    }
}

/// Why the bytes of a file were not read to their end.
enum Halt {
    Stopped(Stop),
    Failed(RunError),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Halt::Stopped(stop)
    }
}

impl Halt {
    fn into_error(self) -> RunError {
        match self {
            Halt::Stopped(stop) => stopped(stop),
            Halt::Failed(error) => error,
        }
    }
}

/// The failure of a file that cannot be made anew from itself.
pub(super) fn unfit(reason: &impl ToString) -> RunError {
    RunError::new(ErrorKind::Data, format!("it cannot be rewritten: {}", reason.to_string())).with_hint(FETCH)
}

fn stopped(stop: Stop) -> RunError {
    match stop {
        Stop::Failed(error) => error.into(),
        Stop::Replaced => {
            let error = RunError::new(ErrorKind::Unavailable, "it was replaced while it was rewritten");
            error.with_hint("another run is at work on the lake: run again")
        }
    }
}
