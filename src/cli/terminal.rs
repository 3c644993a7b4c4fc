//! What people see while a run goes on: bars on a terminal, log lines elsewhere.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::output::one_line;
use crate::contract::Slice;
use crate::sync::{Progress, SliceOutcome, SliceReport};

/// Standard error, with or without bars.
#[derive(Clone)]
pub(super) struct Terminal {
    bars: Option<Arc<Bars>>,
}

impl Terminal {
    /// Sets logging up, and bars when standard error is a terminal.
    pub(super) fn start(quiet: bool, verbose: u8) -> Self {
        let shows_bars = !quiet && io::stderr().is_terminal();
        let bars = shows_bars.then(|| Arc::new(Bars::default()));
        let level = match (quiet, verbose, shows_bars) {
            (true, ..) | (false, 0, true) => LevelFilter::WARN,
            (false, 0, false) => LevelFilter::INFO,
            (false, 1, _) => LevelFilter::DEBUG,
            (false, ..) => LevelFilter::TRACE,
        };
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let set = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(colour)
            .with_target(false)
            .with_writer(LogWriter(bars.as_ref().map(|bars| bars.multi.clone())))
            .finish();
        // Only a library user that logs by itself could have set it before.
        let _ = tracing::subscriber::set_global_default(set);
        Terminal { bars }
    }

    /// What a run tells its progress to.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        match &self.bars {
            Some(bars) => Arc::clone(bars) as Arc<dyn Progress>,
            None => Arc::new(LogLines),
        }
    }

    /// Takes the bars away.
    pub(super) fn end(&self) {
        if let Some(bars) = &self.bars {
            let _ = bars.multi.clear();
        }
    }
}

/// One log line a slice, and one a wait.
struct LogLines;

impl Progress for LogLines {
    fn planned(&self, slices: usize) {
        tracing::info!("{slices} slices to ask for");
    }

    fn waiting(&self, what: &str, wait: Duration, why: &str) {
        tracing::warn!("waiting {:.1} s before asking again for {what}: {}", wait.as_secs_f64(), one_line(why));
    }

    fn ended(&self, _slice: &Slice, report: &SliceReport) {
        tracing::info!("{}", end_of(report));
    }
}

fn end_of(report: &SliceReport) -> String {
    let name = one_line(&report.name());
    match report.outcome {
        SliceOutcome::Published => format!(
            "{name}: published {} rows from {}, {} pages",
            HumanCount(report.rows),
            HumanBytes(report.bytes_received),
            HumanCount(report.pages)
        ),
        SliceOutcome::Failed => {
            let why = report.error.as_ref().map_or("", |error| error.message.as_str());
            format!("{name}: failed: {}", one_line(why))
        }
        other => format!("{name}: {}", other.as_str()),
    }
}

/// A bar for the run and a line for each slice at work.
#[derive(Default)]
struct Bars {
    multi: MultiProgress,
    run: Mutex<Option<ProgressBar>>,
    slices: Mutex<HashMap<Slice, ProgressBar>>,
}

impl Bars {
    fn style(template: &str) -> ProgressStyle {
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
    }
}

impl Progress for Bars {
    fn planned(&self, slices: usize) {
        let bar = self.multi.add(ProgressBar::new(slices as u64));
        bar.set_style(Bars::style("{bar:30.cyan/dim} {pos}/{len} slices  {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        if let Ok(mut run) = self.run.lock() {
            *run = Some(bar);
        }
    }

    fn started(&self, slice: &Slice) {
        let bar = self.multi.insert(0, ProgressBar::new_spinner());
        bar.set_style(Bars::style("{spinner:.cyan} {prefix}  {msg}"));
        bar.set_prefix(slice.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        if let Ok(mut slices) = self.slices.lock() {
            slices.insert(slice.clone(), bar);
        }
    }

    fn page(&self, slice: &Slice, pages: u64, rows: u64, bytes: u64) {
        let Ok(slices) = self.slices.lock() else { return };
        if let Some(bar) = slices.get(slice) {
            let seconds = bar.elapsed().as_secs_f64().max(0.001);
            bar.set_message(format!(
                "{} pages  {} rows  {}  {}/s",
                HumanCount(pages),
                HumanCount(rows),
                HumanBytes(bytes),
                HumanBytes((bytes as f64 / seconds) as u64)
            ));
        }
    }

    fn waiting(&self, what: &str, wait: Duration, why: &str) {
        let wait =
            if wait.as_secs() == 0 { format!("{:.1} s", wait.as_secs_f64()) } else { HumanDuration(wait).to_string() };
        let _ = self.multi.println(format!("waiting {wait} before asking again for {what}: {}", one_line(why)));
    }

    fn ended(&self, slice: &Slice, report: &SliceReport) {
        if let Ok(mut slices) = self.slices.lock()
            && let Some(bar) = slices.remove(slice)
        {
            bar.finish_and_clear();
        }
        if report.outcome == SliceOutcome::Published {
            let _ = self.multi.println(end_of(report));
        }
        if let Ok(run) = self.run.lock()
            && let Some(bar) = run.as_ref()
        {
            bar.inc(1);
            if bar.length() == Some(bar.position()) {
                bar.finish_and_clear();
            }
        }
    }
}

/// Log lines that do not tear the bars.
struct LogWriter(Option<MultiProgress>);

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self.0.as_ref())
    }
}

struct LineWriter<'a>(Option<&'a MultiProgress>);

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A log that cannot be written, as on a full disk, is no reason to stop the work.
        let _ = match self.0 {
            Some(bars) => bars.suspend(|| io::stderr().write_all(line)),
            None => io::stderr().write_all(line),
        };
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
