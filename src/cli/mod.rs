//! The command line: words in, words out. Results go to standard output, everything else to standard error.

mod args;
mod demo;
mod output;
mod query;
mod schema;
mod simulate;
mod terminal;
mod work;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command, Format};
use terminal::Terminal;

use crate::sync::{ErrorKind, RunError, RunReport};

/// Exit code of a run that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// Exit code of a run that SIGTERM ended.
const TERMINATED: u8 = 143;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no failure.
            let code = if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let terminal = Terminal::start(cli.quiet, cli.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&RunError::new(ErrorKind::Internal, format!("no runtime: {error}"))),
    };
    let serves = matches!(cli.command, Command::Simulate(_));
    let code = runtime.block_on(async {
        tokio::select! {
            code = dispatch(cli.command, &terminal) => code,
            code = interruption() => {
                terminal.end();
                if !serves {
                    output::complain("interrupted: what was published stays, nothing half-written is visible; run again to go on");
                }
                code
            }
        }
    });
    terminal.end();
    // A thread that still writes sees its queue closed; what it staged is dropped.
    runtime.shutdown_timeout(std::time::Duration::from_secs(3));
    ExitCode::from(code)
}

/// Reads the command line. A variable of the environment that is empty counts as not set, and so does one that an
/// option on the command line excludes.
fn parse(words: Vec<std::ffi::OsString>) -> Result<Cli, clap::Error> {
    let given = |option: &str| {
        let long = format!("--{option}");
        words.iter().filter_map(|word| word.to_str()).any(|word| word.split('=').next() == Some(&long))
    };
    let counts = |arg: &clap::Arg| {
        let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let is_excluded = match arg.get_id().as_str() {
            "periods" => given("last"),
            "last" => given("periods"),
            _ => false,
        };
        !is_empty && !is_excluded
    };
    let heed = |arg: clap::Arg| if counts(&arg) { arg } else { arg.env(clap::builder::Resettable::Reset) };
    let command = Cli::command().mut_subcommands(|command| command.mut_args(heed));
    command.try_get_matches_from(&words).and_then(|matches| Cli::from_arg_matches(&matches))
}

async fn dispatch(command: Command, terminal: &Terminal) -> u8 {
    let done = match command {
        Command::Demo(args) => demo::demo(args, terminal).await,
        Command::Sync(args) => work::sync(args, terminal).await,
        Command::Plan(args) => work::plan(args, terminal).await,
        Command::Convert(args) => work::convert(args, terminal).await,
        Command::Periods(args) => query::periods(args, terminal).await,
        Command::Status(args) => query::status(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::Simulate(args) => simulate::simulate(args).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            tell(&error);
            error.kind.exit_code()
        }
    }
}

/// Waits for SIGINT or SIGTERM.
async fn interruption() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => INTERRUPTED,
        _ = terminate.recv() => TERMINATED,
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
        if let Some(error) = &slice.error {
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
