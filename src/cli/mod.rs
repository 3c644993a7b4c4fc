//! The command line: words in, words out. Results go to standard output, everything else to standard error.

mod args;
mod clean;
mod config_file;
mod demo;
mod keys;
mod output;
mod query;
mod rewrite;
mod schema;
mod schema_args;
mod secrets;
mod settings;
mod show;
mod simulate;
mod simulate_args;
mod terminal;
mod verify;
mod work;

#[cfg(any(test, fuzzing))]
pub(crate) use query::holdings_table;

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use args::{Command, ConfigCommand, Format};
use settings::{Parsed, Refusal, Settings};
use terminal::Terminal;

use crate::sync::{ErrorKind, Interrupt, RunError, RunReport};

/// Exit code of a run that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// Exit code of a run that SIGTERM ended.
const TERMINATED: u8 = 143;
/// How long a run that was interrupted may take to draw up its report.
const TIME_TO_END: Duration = Duration::from_millis(3_500);
/// How long the process waits for its threads.
const LAST_ACTS: Duration = Duration::from_millis(500);

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let Parsed { cli, settings } = match settings::parse(&words) {
        Ok(parsed) => parsed,
        Err(Refusal::Words(error)) => {
            // Help and version are no failure.
            let code = if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 };
            print_briefly(&error);
            return ExitCode::from(code);
        }
        Err(Refusal::Configuration(error)) => return fail(&error),
    };
    let terminal = Terminal::start(cli.quiet, cli.verbose);
    if let Some((path, _)) = &settings.file {
        tracing::info!("settings from {}", output::one_line(&path.to_string_lossy()));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&RunError::new(ErrorKind::Internal, format!("no runtime: {error}"))),
    };
    let code = runtime.block_on(until_interrupted(cli.command, &settings, &terminal));
    terminal.end();
    // A thread that still writes sees its queue closed; what it staged is dropped.
    runtime.shutdown_timeout(LAST_ACTS);
    ExitCode::from(code)
}

/// Does what the command says. At the first SIGINT or SIGTERM it is told to end; it has a few seconds to drop what it
/// staged and to draw up its report. A second signal ends it at once: nothing half-written is visible even then.
async fn until_interrupted(command: Command, settings: &Settings, terminal: &Terminal) -> u8 {
    let interrupt = Interrupt::default();
    let mut signals = Signals::start();
    let mut work = std::pin::pin!(dispatch(command, settings, terminal, &interrupt));
    let code = tokio::select! {
        code = &mut work => return code,
        code = signals.next() => code,
    };
    interrupt.pull();
    tokio::select! {
        _ = &mut work => {}
        _ = tokio::time::sleep(TIME_TO_END) => {
            output::complain("interrupted: not all of it ended in time; nothing half-written is visible, and the next run cleans up");
        }
        _ = signals.next() => output::complain("interrupted twice: the next run cleans up"),
    }
    code
}

/// Prints what is wrong with the command line, or its help. A value that was given is repeated neither at any length nor
/// with characters that could forge what is shown, nor when it may be a key.
fn print_briefly(error: &clap::Error) {
    const LONGEST_LINE: usize = 1_000;
    let text = error.render().to_string();
    let lines: Vec<_> = secrets::shown(error)
        .lines()
        .map(|line| {
            let line = output::one_line(line);
            match line.char_indices().nth(LONGEST_LINE) {
                Some((end, _)) => format!("{}…", &line[..end]),
                None => line,
            }
        })
        .collect();
    if lines.iter().eq(text.lines()) {
        // When it cannot be written there is nobody left to tell.
        let _ = error.print();
    } else {
        lines.iter().for_each(|line| output::complain(line));
    }
}

async fn dispatch(command: Command, settings: &Settings, terminal: &Terminal, interrupt: &Interrupt) -> u8 {
    let done = match command {
        Command::Demo(args) => demo::demo(args, terminal, interrupt).await,
        Command::Sync(args) => work::sync(args, terminal, interrupt).await,
        Command::Plan(args) => work::plan(args, terminal, interrupt).await,
        Command::Convert(args) => work::convert(args, terminal, interrupt).await,
        Command::Periods(args) => query::periods(args, terminal, interrupt).await,
        Command::Status(args) => query::status(&args),
        Command::Clean(args) => clean::clean(&args),
        Command::Verify(args) => verify::verify(args, terminal, interrupt).await,
        Command::Rewrite(args) => rewrite::rewrite(args, terminal, interrupt).await,
        Command::Config(ConfigCommand::Show(args)) => show::show(&args, settings),
        Command::Schema(args) => schema::schema(&args),
        Command::Simulate(args) => simulate::simulate(args, interrupt).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            terminal.end();
            tell(&error);
            error.kind.exit_code()
        }
    }
}

/// SIGINT and SIGTERM, from the beginning on.
struct Signals(Option<(Signal, Signal)>);

impl Signals {
    fn start() -> Self {
        Signals(signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?))).ok())
    }

    /// Waits for the next one, and gives the exit code that belongs to it.
    async fn next(&mut self) -> u8 {
        match &mut self.0 {
            Some((interrupt, terminate)) => tokio::select! {
                _ = interrupt.recv() => INTERRUPTED,
                _ = terminate.recv() => TERMINATED,
            },
            // Without handlers the signals end the process by themselves.
            None => std::future::pending().await,
        }
    }
}

fn fail(error: &RunError) -> ExitCode {
    tell(error);
    ExitCode::from(error.kind.exit_code())
}

/// Tells a failure on standard error.
fn tell(error: &RunError) {
    output::complain(&format!("error: {}", output::one_line(&error.message)));
    if let Some(hint) = &error.hint {
        output::complain(&format!(" hint: {}", output::one_line(hint)));
    }
    if error.kind == ErrorKind::Internal {
        output::complain(" hint: this is a bug; please report it with the message above and the run report");
    }
}

/// Prints a run's report and returns its exit code.
fn conclude(report: &RunReport, format: Format, code_when_unchanged: u8) -> Result<u8, RunError> {
    output::report(report, format)?;
    for slice in &report.slices {
        // That a slice was interrupted is told once, for the run.
        if let Some(error) = slice.error.as_ref().filter(|error| error.kind != ErrorKind::Interrupted) {
            tell(&RunError { message: format!("{}: {}", slice.name(), error.message), ..error.clone() });
        }
    }
    if let Some(error) = &report.error {
        tell(error);
    }
    let code = report.exit_code();
    let unchanged = report.outcome == crate::sync::RunOutcome::Unchanged;
    Ok(if code == 0 && unchanged { code_when_unchanged } else { code })
}
