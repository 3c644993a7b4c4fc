//! One file: its footer, its bytes, its columns, and what is in them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::belonging::Belonging;
use super::bounds::{Bounds, leaves};
use super::{Finding, VerifiedFile, Watch, shape};
use crate::contract::Contract;
use crate::lake::{self, Columns, Counted, FileReading, FileState, Footer, Lake, Listed, Stop};

/// How often a file is read that is replaced meanwhile.
const READINGS: usize = 3;

/// Findings of a file after which the rest of it is not decoded.
const MOST_FINDINGS: usize = 20;

/// The watch said so.
pub(super) struct Interrupted;

/// Why a file was not read to its end.
enum Halt {
    Interrupted,
    Stopped(Stop),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Halt::Stopped(stop)
    }
}

/// Verifies what is listed, and anew what was replaced meanwhile; none when that is gone.
pub(super) fn settle(lake: &Lake, listed: &Listed, watch: &dyn Watch) -> Result<Option<VerifiedFile>, Interrupted> {
    let mut listed = listed.clone();
    let unread = |listed: &Listed, error: &dyn std::error::Error| {
        VerifiedFile::new(listed, Finding::Unread { reason: error.to_string() })
    };
    for _ in 0..READINGS {
        let found = match look(lake, &listed, watch) {
            Ok(file) if file.is_right() => return Ok(Some(file)),
            Ok(file) => Some(file),
            Err(Halt::Interrupted) => return Err(Interrupted),
            Err(Halt::Stopped(Stop::Replaced)) => None,
            Err(Halt::Stopped(Stop::Failed(error))) => return Ok(Some(unread(&listed, &error))),
        };
        // Where a store replaces files under one name, parts of two whole ones look like a damaged one.
        let now = match lake.listed(listed.slice().dataset) {
            Ok(files) => files.into_iter().find(|file| file.slice() == listed.slice()),
            Err(error) => return Ok(Some(unread(&listed, &error))),
        };
        match (found, now) {
            (_, None) => return Ok(None),
            (Some(file), Some(now)) if now == listed => return Ok(Some(file)),
            (_, Some(now)) => listed = now,
        }
    }
    Ok(Some(VerifiedFile::new(&listed, Finding::Replaced { readings: READINGS })))
}

/// Reads a file once, from its footer to its rows, as far as what was found lets it be trusted.
fn look(lake: &Lake, listed: &Listed, watch: &dyn Watch) -> Result<VerifiedFile, Halt> {
    let reading = match lake.read_back(listed) {
        Ok(reading) => reading,
        Err(unreadable) => return Ok(VerifiedFile::new(listed, unreadable)),
    };
    let Footer { state, metadata, data_bytes } = match reading.footer()? {
        Ok(footer) => footer,
        Err(unreadable) => return Ok(VerifiedFile::new(listed, unreadable)),
    };
    let found = reading.digest(data_bytes, |bytes| passed(watch, bytes))?;
    if found != state.digest {
        return Ok(VerifiedFile::new(listed, Finding::Digest { found, stated: state.digest }));
    }
    let dataset = listed.slice().dataset;
    let columns = metadata.file_metadata().schema_descr();
    let contract = shape::contract(dataset, &state.contract);
    let than = contract.as_ref().map_or_else(|| Contract::of(dataset), Arc::clone);
    let difference = match lake::shape::columns(&than) {
        Ok(others) => lake::shape::difference(columns, &others).map(|difference| difference.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let Some(contract) = contract else {
        let difference = difference.unwrap_or_else(|| "its footer names another contract".to_owned());
        let than = "this version writes".to_owned();
        return Ok(VerifiedFile::new(listed, Finding::OtherColumns { than, difference }));
    };
    if let Some(difference) = difference {
        return Ok(VerifiedFile::new(listed, Finding::Schema { difference }));
    }
    let mut content = Content { listed, contract: &contract, reading: &reading, watch, findings: Vec::new() };
    let rows = match Columns::new(&reading, metadata) {
        Ok(columns) => content.check(&columns, &state)?,
        Err(error) => {
            content.findings.push(Finding::Schema { difference: error.to_string() });
            0
        }
    };
    let findings = content.findings;
    Ok(VerifiedFile { rows, findings, shape: Some(state.contract), ..VerifiedFile::of(listed) })
}

/// Tells the watch of bytes that were hashed, or decoded: of each byte, half is told at a time.
fn passed(watch: &dyn Watch, bytes: u64) -> Result<(), Halt> {
    watch.passed(bytes / 2);
    if watch.is_interrupted() { Err(Halt::Interrupted) } else { Ok(()) }
}

impl VerifiedFile {
    fn of(listed: &Listed) -> Self {
        VerifiedFile {
            slice: listed.slice().clone(),
            location: listed.location().to_owned(),
            bytes: listed.bytes(),
            rows: 0,
            findings: Vec::new(),
            shape: None,
        }
    }

    fn new(listed: &Listed, finding: impl Into<Finding>) -> Self {
        VerifiedFile { findings: vec![finding.into()], ..VerifiedFile::of(listed) }
    }
}

/// The rows of a file whose bytes and columns are those that were written.
struct Content<'a> {
    listed: &'a Listed,
    contract: &'a Contract,
    reading: &'a FileReading,
    watch: &'a dyn Watch,
    findings: Vec<Finding>,
}

impl Content<'_> {
    /// Decodes everything, and returns the number of rows.
    fn check(&mut self, columns: &Columns<'_>, state: &FileState) -> Result<u64, Halt> {
        let mut counted = Counted::new(self.contract);
        let mut rows = 0;
        for (row_group, group) in columns.metadata().row_groups().iter().enumerate() {
            let of_group = u64::try_from(group.num_rows()).unwrap_or_default();
            for (column, field) in self.contract.arrow_schema().fields().iter().enumerate() {
                if self.findings.len() >= MOST_FINDINGS {
                    return Ok(rows);
                }
                let place = Place { row_group, column, name: field.name(), first_row: rows, rows: of_group };
                let checked = catch_unwind(AssertUnwindSafe(|| self.check_column(columns, place, &mut counted)));
                // Parquet's readers panic over some pages that no sane writer makes.
                if let Err(reason) = checked.unwrap_or_else(|_| Ok(Err("its reader panicked".to_owned())))? {
                    self.findings.push(Finding::Pages { row_group, column: field.name().clone(), reason });
                }
            }
            counted.add_rows(of_group as usize);
            rows += of_group;
        }
        if rows != state.rows {
            let place = "its row groups together".to_owned();
            self.findings.push(Finding::Rows { place, found: rows, stated: state.rows });
        } else if let Err(difference) = counted.compare(state) {
            self.findings.push(Finding::Totals { difference });
        }
        Ok(rows)
    }

    /// Decodes a column of a row group, or says why it cannot be decoded.
    fn check_column(
        &mut self,
        columns: &Columns<'_>,
        place: Place<'_>,
        counted: &mut Counted,
    ) -> Result<Result<(), String>, Halt> {
        let belonging = Belonging::of(self.listed.slice(), place.name);
        let arrays = match columns.arrays(place.row_group, place.column) {
            Ok(arrays) => arrays,
            Err(error) => return self.undecodable(error.to_string()),
        };
        let chunks: Vec<_> = columns.chunks(place.row_group, place.column).collect();
        let mut bounds: Vec<Bounds> = chunks.iter().map(|_| Bounds::default()).collect();
        let mut rows = 0;
        for array in arrays {
            let array = match array {
                Ok(array) => array,
                Err(reason) => return self.undecodable(reason),
            };
            counted.add(place.column, &array);
            bounds.iter_mut().zip(leaves(&array)).for_each(|(bounds, leaf)| bounds.add(&leaf));
            if let Some(belonging) = belonging.as_ref().filter(|belonging| !self.has_stranger(belonging))
                && let Some((row, found)) = belonging.stranger(&array)
            {
                let row = place.first_row + rows + row as u64 + 1;
                self.findings.push(Finding::Partition { column: belonging.column(), row, found });
            }
            rows += array.len() as u64;
        }
        if rows != place.rows {
            let part = format!("column {} of row group {}", place.name, place.row_group);
            self.findings.push(Finding::Rows { place: part, found: rows, stated: place.rows });
        }
        for (bounds, chunk) in bounds.iter().zip(&chunks) {
            let is_flat = chunk.column_descr().max_rep_level() == 0;
            let contradiction = chunk.statistics().and_then(|said| bounds.contradiction(said, is_flat));
            self.findings.extend(contradiction.map(|difference| {
                let column = chunk.column_path().string();
                Finding::Statistics { row_group: place.row_group, column, difference }
            }));
        }
        let bytes = chunks.iter().map(|chunk| chunk.compressed_size().unsigned_abs()).sum();
        passed(self.watch, bytes).map(Ok)
    }

    /// What a reader of Parquet complained of, unless that was the store.
    fn undecodable(&self, reason: String) -> Result<Result<(), String>, Halt> {
        self.reading.stopped().map_or(Ok(Err(reason)), |stop| Err(stop.into()))
    }

    /// Of each column one row that does not belong is told.
    fn has_stranger(&self, belonging: &Belonging) -> bool {
        let is_known =
            |known: &Finding| matches!(known, Finding::Partition { column, .. } if *column == belonging.column());
        self.findings.iter().any(is_known)
    }
}

/// A column of a row group.
#[derive(Clone, Copy)]
struct Place<'a> {
    row_group: usize,
    column: usize,
    name: &'a str,
    /// Rows of the file before the row group.
    first_row: u64,
    /// Rows of the row group.
    rows: u64,
}
