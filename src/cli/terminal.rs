//! What people see while a run goes on: bars on a terminal, log lines elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::output::one_line;
use crate::contract::Slice;
use crate::sync::{Progress, RunError, SliceOutcome, SliceReport, SoFar, Wait};

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
        // What libraries take for an error may be none, such as a table that is not there yet.
        let of_libraries = if level == LevelFilter::TRACE { level } else { LevelFilter::OFF };
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(colour)
            .with_target(false)
            .with_writer(LogWriter(bars.as_ref().map(|bars| bars.multi.clone())))
            .with_filter(Targets::new().with_target(env!("CARGO_CRATE_NAME"), level).with_default(of_libraries));
        let set = tracing_subscriber::registry().with(lines);
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

    /// A bar of so many bytes, which shows nothing where there are no bars.
    pub(super) fn bar_of_bytes(&self, bytes: u64) -> ProgressBar {
        let Some(bars) = &self.bars else { return ProgressBar::hidden() };
        let bar = bars.multi.add(ProgressBar::new(bytes));
        bar.set_style(Bars::style("{bar:30.cyan/dim} {binary_bytes}/{binary_total_bytes}  {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        *locked(&bars.run) = Some(bar.clone());
        bar
    }

    /// Takes the bars away.
    pub(super) fn end(&self) {
        if let Some(bars) = &self.bars {
            for (_, line) in locked(&bars.slices).drain() {
                line.bar.finish_and_clear();
            }
            if let Some(bar) = locked(&bars.run).take() {
                bar.finish_and_clear();
            }
            let _ = bars.multi.clear();
        }
    }
}

/// One log line a slice, and one a wait.
struct LogLines;

impl Progress for LogLines {
    fn rewriting(&self, files: usize) {
        tracing::info!("{files} files to rewrite, as far as they need it");
    }

    fn rewrote(&self, slice: &Slice, done: Result<u64, &RunError>) {
        match done {
            Ok(rows) => tracing::info!("{slice}: rewritten with {} rows", HumanCount(rows)),
            Err(error) => tracing::warn!("{slice}: {}", one_line(&error.message)),
        }
    }

    fn planned(&self, slices: usize) {
        tracing::info!("{slices} slices to ask for");
    }

    fn waiting(&self, wait: &Wait<'_>) {
        let words = wait_in_words(wait);
        if wait.expected { tracing::info!("{words}") } else { tracing::warn!("{words}") }
    }

    fn ended(&self, _slice: &Slice, report: &SliceReport) {
        tracing::info!("{}", end_of(report));
        // Of a file that stays in place they were told when it was published.
        if report.outcome == SliceOutcome::Published {
            for warning in &report.warnings {
                tracing::warn!("{}: {}", one_line(&report.name()), one_line(warning));
            }
        }
    }
}

fn wait_in_words(wait: &Wait<'_>) -> String {
    let why = one_line(wait.why);
    let time = seconds(wait.time);
    match wait.asked {
        true => format!("waiting {time}: the API asked for it ({why})"),
        false => format!("waiting {time} before asking again for {}: {why}", wait.path),
    }
}

/// Tenths below ten seconds, whole ones above.
fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
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

/// Waits that are told in a line of their own, not only on the slice's line.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// A bar for the run and a line for each slice at work.
#[derive(Default)]
struct Bars {
    multi: MultiProgress,
    run: Mutex<Option<ProgressBar>>,
    slices: Mutex<HashMap<Slice, SliceBar>>,
}

/// The line of a slice.
struct SliceBar {
    bar: ProgressBar,
    state: Arc<Mutex<SliceState>>,
}

/// What the line of a slice says, worked out anew at each tick.
struct SliceState {
    begun: Instant,
    so_far: Option<SoFar>,
    /// Until when it waits, and whether the API asked for that.
    waiting: Option<(Instant, bool)>,
}

impl SliceState {
    fn in_words(&self, now: Instant) -> String {
        let mut words = match &self.so_far {
            None => "asking".to_owned(),
            Some(so_far) => {
                let seconds = now.duration_since(self.begun).as_secs_f64().max(0.001);
                format!(
                    "{} pages  {} rows  {}  {}/s",
                    HumanCount(so_far.pages),
                    HumanCount(so_far.rows),
                    HumanBytes(so_far.bytes),
                    HumanBytes((so_far.bytes as f64 / seconds) as u64)
                )
            }
        };
        match self.so_far.map_or(0, |so_far| so_far.retries) {
            0 => {}
            1 => words += "  1 retry",
            retries => words += &format!("  {} retries", HumanCount(retries)),
        }
        if let Some((until, asked)) = self.waiting.filter(|(until, _)| *until > now) {
            let left = seconds(until - now);
            words +=
                &if asked { format!("  waiting {left}: the API asked for it") } else { format!("  waiting {left}") };
        }
        words
    }
}

/// A panic while a lock was held has been reported already; what the locks guard is whole between any two statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bars {
    /// A bar for so many slices, or files.
    fn begin(&self, count: usize, of: &str) {
        let bar = self.multi.add(ProgressBar::new(count as u64));
        bar.set_style(Bars::style(&format!("{{bar:30.cyan/dim}} {{pos}}/{{len}} {of}  {{elapsed}}")));
        bar.enable_steady_tick(Duration::from_millis(200));
        *locked(&self.run) = Some(bar);
    }

    /// One of them is done.
    fn step(&self) {
        if let Some(bar) = locked(&self.run).as_ref() {
            bar.inc(1);
            if bar.length() == Some(bar.position()) {
                bar.finish_and_clear();
            }
        }
    }

    fn style(template: &str) -> ProgressStyle {
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
    }
}

impl SliceBar {
    fn new(slice: &Slice, multi: &MultiProgress) -> Self {
        let state = Arc::new(Mutex::new(SliceState { begun: Instant::now(), so_far: None, waiting: None }));
        let shown = Arc::clone(&state);
        let words = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            // A line that cannot be written is drawn again at the next tick.
            let _ = out.write_str(&locked(&shown).in_words(Instant::now()));
        };
        let bar = multi.insert(0, ProgressBar::new_spinner());
        bar.set_style(Bars::style("{spinner:.cyan} {prefix}  {words}").with_key("words", words));
        bar.set_prefix(slice.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        SliceBar { bar, state }
    }
}

impl Progress for Bars {
    fn rewriting(&self, files: usize) {
        self.begin(files, "files rewritten");
    }

    fn rewrote(&self, _slice: &Slice, _done: Result<u64, &RunError>) {
        self.step();
    }

    fn passed_over(&self, _slice: &Slice) {
        self.step();
    }

    fn planned(&self, slices: usize) {
        self.begin(slices, "slices");
    }

    fn started(&self, slice: &Slice) {
        locked(&self.slices).insert(slice.clone(), SliceBar::new(slice, &self.multi));
    }

    fn page(&self, slice: &Slice, so_far: &SoFar) {
        if let Some(line) = locked(&self.slices).get(slice) {
            locked(&line.state).so_far = Some(*so_far);
        }
    }

    fn waiting(&self, wait: &Wait<'_>) {
        let slices = locked(&self.slices);
        let line = wait.slice.and_then(|slice| slices.get(slice));
        if let Some(line) = line {
            locked(&line.state).waiting = Instant::now().checked_add(wait.time).map(|until| (until, wait.asked));
        }
        if line.is_none() || (wait.time >= LONG_WAIT && !wait.expected) {
            let _ = self.multi.println(wait_in_words(wait));
        }
    }

    fn ended(&self, slice: &Slice, report: &SliceReport) {
        if let Some(line) = locked(&self.slices).remove(slice) {
            line.bar.finish_and_clear();
        }
        if report.outcome == SliceOutcome::Published {
            let _ = self.multi.println(end_of(report));
        }
        self.step();
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
