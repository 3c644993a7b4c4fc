//! One file: its footer, its bytes, its columns, and what is in them.

use std::sync::Arc;

use super::belonging::Belonging;
use super::bounds::{Bounds, leaves};
use super::columns::Columns;
use super::{Finding, VerifiedFile, Watch, shape};
use crate::contract::Contract;
use crate::lake::{Counted, FileReading, FileState, Footer, Lake, Listed, Stop};

/// How often a file is read that is replaced meanwhile.
const READINGS: usize = 3;

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
    let difference = match shape::columns(&than) {
        Ok(others) => shape::difference(columns, &others),
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
    let rows = match Columns::new(&reading, metadata, &contract) {
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
        for (at, group) in columns.metadata().row_groups().iter().enumerate() {
            let of_group = u64::try_from(group.num_rows()).unwrap_or_default();
            for column in 0..self.contract.arrow_schema().fields().len() {
                self.check_column(columns, at, column, (rows, of_group), &mut counted)?;
            }
            counted.add_rows(of_group as usize);
            rows += of_group;
        }
        if rows != state.rows {
            let place = "all of its row groups together".to_owned();
            self.findings.push(Finding::Rows { place, found: rows, stated: state.rows });
        } else if let Err(difference) = counted.compare(state) {
            self.findings.push(Finding::Totals { difference });
        }
        Ok(rows)
    }

    /// Decodes a column of a row group, which begins with the row `first` and has so many.
    fn check_column(
        &mut self,
        columns: &Columns<'_>,
        row_group: usize,
        column: usize,
        (first, stated): (u64, u64),
        counted: &mut Counted,
    ) -> Result<(), Halt> {
        let schema = self.contract.arrow_schema();
        let name = schema.field(column).name();
        let belonging = Belonging::of(self.listed.slice(), name);
        let undecodable = |reason| Finding::Pages { row_group, column: name.clone(), reason };
        let arrays = match columns.arrays(row_group, column) {
            Ok(arrays) => arrays,
            Err(error) => return Ok(self.findings.push(undecodable(error.to_string()))),
        };
        let chunks: Vec<_> = columns.chunks(row_group, column).collect();
        let mut bounds: Vec<Bounds> = chunks.iter().map(|_| Bounds::default()).collect();
        let mut rows = 0;
        for array in arrays {
            let array = match (array, self.reading.stopped()) {
                (_, Some(stop)) => return Err(stop.into()),
                (Ok(array), None) => array,
                (Err(reason), None) => return Ok(self.findings.push(undecodable(reason))),
            };
            counted.add(column, &array);
            bounds.iter_mut().zip(leaves(&array)).for_each(|(bounds, leaf)| bounds.add(&leaf));
            if let Some((column, belonging)) = &belonging
                && let Some((row, found)) = belonging.stranger(&array)
                && !self
                    .findings
                    .iter()
                    .any(|known| matches!(known, Finding::Partition { column: of, .. } if of == column))
            {
                self.findings.push(Finding::Partition { column, row: first + rows + row as u64 + 1, found });
            }
            rows += array.len() as u64;
        }
        if rows != stated {
            let place = format!("column {name} of row group {row_group}");
            self.findings.push(Finding::Rows { place, found: rows, stated });
        }
        for (bounds, chunk) in bounds.iter().zip(&chunks) {
            let contradiction = chunk
                .statistics()
                .and_then(|said| bounds.contradiction(said, chunk.column_descr().max_rep_level() == 0));
            self.findings.extend(contradiction.map(|difference| {
                let column = chunk.column_path().string();
                Finding::Statistics { row_group, column, difference }
            }));
        }
        passed(self.watch, chunks.iter().map(|chunk| chunk.compressed_size().unsigned_abs()).sum())
    }
}
