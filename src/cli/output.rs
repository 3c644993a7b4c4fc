//! Tables and reports on standard output.

use std::collections::BTreeMap;
use std::io::{self, Write};

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::args::Format;
use crate::source::misleads;
use crate::sync::{ErrorKind, RunError, RunOutcome, RunReport, SliceOutcome, SliceReport};

/// Text for one line of a terminal: what could forge what is shown stands there as an escape.
pub(super) fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if misleads(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Writes a line to standard error. When that cannot be written there is nobody left to tell.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes to standard output. A reader that went away is no failure.
pub(super) fn print(text: &str) -> Result<(), RunError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(RunError::new(ErrorKind::Destination, format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// The same JSON with escapes for what could forge what a terminal shows: JSON itself escapes only the oldest of it.
fn harmless(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut text, c| {
        if c != '\n' && misleads(c) {
            text += &format!("\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
        text
    })
}

/// Prints a value as one JSON document.
pub(super) fn json(value: &impl Serialize) -> Result<(), RunError> {
    let text = serde_json::to_string_pretty(value);
    print(&(harmless(&text.map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))?) + "\n"))
}

/// Prints each value as a JSON document on a line of its own.
pub(super) fn ndjson<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<(), RunError> {
    for value in values {
        let text = serde_json::to_string(&value);
        print(&(harmless(&text.map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))?) + "\n"))?;
    }
    Ok(())
}

/// A table with a line of headings; columns whose heading begins with a space are aligned to the right.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let width = |at: usize| {
        rows.iter().map(|row| row[at].chars().count()).chain([headings[at].trim().chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.enumerate().map(|(at, cell)| {
            let width = widths[at];
            if headings[at].starts_with(' ') { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut headings.iter().map(|heading| heading.trim()));
    for row in &rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

/// A line about what somebody should look at.
pub(super) fn warning(name: &str, words: &str) -> String {
    format!("warning: {}: {}\n", one_line(name), one_line(words))
}

/// Prints a run's report.
pub(super) fn report(report: &RunReport, format: Format) -> Result<(), RunError> {
    match format {
        Format::Json => json(report),
        Format::Ndjson => {
            ndjson(&report.slices)?;
            // A failure outside of any slice has a line of its own, else it would be lost.
            ndjson(report.error.as_ref().map(|error| OfRun { run_id: &report.run_id, outcome: report.outcome, error }))
        }
        Format::Markdown => Err(no_markdown()),
        // What went wrong is told on standard error.
        Format::Text if report.slices.is_empty() && report.error.is_some() => Ok(()),
        Format::Text => print(&report_text(report)),
    }
}

/// The last line of a report a slice a line, when the run failed outside of any slice.
#[derive(Serialize)]
struct OfRun<'a> {
    run_id: &'a str,
    outcome: RunOutcome,
    error: &'a RunError,
}

/// There is Markdown of the schema only.
pub(super) fn no_markdown() -> RunError {
    RunError::new(ErrorKind::Usage, "--format markdown is for the schema command only")
}

fn report_text(report: &RunReport) -> String {
    let rows: Vec<_> = report.slices.iter().map(slice_line).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        text += &table(&["dataset", "enrollment", "period", "outcome", " rows", " cost", " file", "why"], &rows);
    }
    for slice in &report.slices {
        for words in &slice.warnings {
            text += &warning(&slice.name(), words);
        }
        if !slice.unknown_fields.is_empty() {
            let names: Vec<_> = slice.unknown_fields.keys().map(String::as_str).collect();
            text += &format!(
                "note: {}: unknown fields are kept in `extra`: {}\n",
                slice.name(),
                one_line(&names.join(", "))
            );
        }
    }
    text += &notes(report);
    let outcome = match report.outcome {
        RunOutcome::Ok => "ok",
        RunOutcome::Unchanged => "unchanged",
        RunOutcome::Partial => "partial",
        RunOutcome::Failed => "failed",
    };
    let counts: Vec<_> = report.totals.slices.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    let counts = if counts.is_empty() { "no slices".to_owned() } else { counts.join(", ") };
    text += &format!("{outcome}: {counts}; {} received\n", HumanBytes(report.totals.bytes_received));
    text
}

/// What was done to values, where something was.
fn notes(report: &RunReport) -> String {
    let mut text = String::new();
    for slice in report.slices.iter().filter(|slice| slice.outcome == SliceOutcome::Published) {
        let done = [
            (slice.rounded_values, "values rounded to 18 decimals"),
            (slice.replaced_texts, "texts with invalid Unicode replaced"),
            (slice.duplicate_keys, "keys that came twice in a row, the last one taken"),
            (slice.unreadable_tags, "rows whose tags cannot be read as a map"),
        ];
        for (count, what) in done.into_iter().filter(|(count, _)| *count > 0) {
            text += &format!("note: {}: {what}: {}\n", one_line(&slice.name()), HumanCount(count));
        }
    }
    text
}

fn slice_line(slice: &SliceReport) -> Vec<String> {
    let holds_rows = slice.file.is_some() && slice.outcome != SliceOutcome::Failed;
    let shown = |text: String| if holds_rows { text } else { String::new() };
    vec![
        slice.dataset.to_owned(),
        slice.enrollment.clone(),
        slice.window().to_owned(),
        slice.outcome.as_str().to_owned(),
        shown(HumanCount(slice.rows).to_string()),
        shown(total(&slice.control_totals).unwrap_or_default()),
        shown(HumanBytes(slice.file_bytes).to_string()),
        slice.why.clone().unwrap_or_default(),
    ]
}

/// The total that people look for: what the rows cost.
pub(super) fn total(control_totals: &BTreeMap<String, String>) -> Option<String> {
    ["cost", "extended_cost"].iter().find_map(|name| control_totals.get(*name).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_do_not_reach_the_terminal() {
        assert_eq!(one_line("a\u{1b}[31mb\nc\u{202e}"), "a\\u{1b}[31mb\\nc\\u{202e}");
    }

    #[test]
    fn tables_align_numbers_to_the_right() {
        let text = table(&["name", " rows"], &[vec!["a".into(), "1".into()], vec!["long".into(), "1,000".into()]]);
        assert_eq!(text, "name   rows\na         1\nlong  1,000\n");
    }
}
