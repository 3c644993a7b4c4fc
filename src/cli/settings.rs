//! From words to options: what the command line does not give comes from the environment, what that does not give from
//! the configuration file. The file's values become words of the command line, so each option reads its own.

use std::collections::HashSet;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{Resettable, ValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Id, value_parser};

use super::args::Cli;
use super::config_file::{self, ConfigFile, Entry};
use super::secrets::{without_keys, without_wrong_number};
use crate::lake::Destination;
use crate::sync::RunError;

/// What the command line says, and where that comes from.
pub(super) struct Parsed {
    pub(super) cli: Cli,
    pub(super) settings: Settings,
}

/// The settings of the command at hand.
#[derive(Default)]
pub(super) struct Settings {
    /// The configuration file, if one was read, and who named it.
    pub(super) file: Option<(PathBuf, Origin)>,
    /// In the order of `--help`.
    pub(super) values: Vec<Setting>,
}

/// One setting: an option that a variable and a key of the configuration file can give too.
pub(super) struct Setting {
    /// The key in the configuration file.
    pub(super) name: String,
    /// As the option takes it; none when it has no value.
    pub(super) text: Option<String>,
    pub(super) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The command line.
    Option(String),
    /// A variable of the environment.
    Environment(String),
    /// A line of the configuration file.
    File(String),
    Default,
}

/// Why the command line was not taken.
pub(super) enum Refusal {
    /// Its words, or that it asks for help.
    Words(clap::Error),
    /// The configuration file.
    Configuration(RunError),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Refusal::Words(error)
    }
}

impl From<RunError> for Refusal {
    fn from(error: RunError) -> Self {
        // Somebody may have put the key of the API where something else belongs.
        Refusal::Configuration(RunError { message: without_keys(&error.message), ..error })
    }
}

/// Reads the command line, the environment and the configuration file.
pub(super) fn parse(words: &[OsString]) -> Result<Parsed, Refusal> {
    let plain = Cli::command();
    // Whatever is wrong with the words is told when they are read again.
    let glance = of_each(plain.clone(), &without_empty_variable)
        .mut_subcommands(|command| of_each(command, &without_variable))
        .ignore_errors(true)
        .try_get_matches_from(words);
    let Ok(glance) = glance else {
        // Help is given whatever the file says.
        let matches = of_each(plain, &without_empty_variable).try_get_matches_from(words)?;
        return Ok(Parsed { cli: Cli::from_arg_matches(&matches)?, settings: Settings::default() });
    };
    let (path, given) = at_hand(&glance);
    let at_hand = path.iter().try_fold(&plain, |command, name| command.find_subcommand(name)).unwrap_or(&plain);
    let has_settings = at_hand.get_arguments().any(|arg| key(arg).is_some());
    let named = glance.get_one::<PathBuf>("config");
    let file = match has_settings {
        true => ConfigFile::find(named.map(PathBuf::as_path), &keys(&plain))?,
        false => None,
    };
    let sources = Sources::of(at_hand, &given, file.as_ref())?;
    let command = of_each(plain.clone(), &without_empty_variable);
    let command = change(command, &path, &|command| command.mut_args(|arg| sources.heed(arg)));
    let matches = command.try_get_matches_from(sources.words(words)).map_err(|error| sources.blame(error))?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let mut settings = Settings { file: None, values: sources.settings(at_hand, &matches) };
    if let Some(file) = file {
        settings.file = Some((file.path().to_owned(), origin_of_file(&matches)));
        if let Some(api) = cli.command.api_mut() {
            api.own_keys = file.own_keys;
        }
    }
    Ok(Parsed { cli, settings })
}

/// The key of an option in the configuration file: whatever a variable can give, a key can.
fn key(arg: &Arg) -> Option<String> {
    let is_setting = arg.get_env().is_some() && !arg.is_global_set();
    arg.get_long().filter(|_| is_setting).map(|name| name.replace('-', "_"))
}

/// The keys of all commands.
fn keys(command: &Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(key);
    let mut all: Vec<_> = own.chain(command.get_subcommands().flat_map(keys)).collect();
    all.sort();
    all.dedup();
    all
}

/// The names of the command that was called, and what the command line gives it.
fn at_hand(mut matches: &ArgMatches) -> (Vec<String>, HashSet<Id>) {
    let mut path = Vec::new();
    while let Some((name, below)) = matches.subcommand() {
        path.push(name.to_owned());
        matches = below;
    }
    let is_given = |id: &&Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    (path, matches.ids().filter(is_given).cloned().collect())
}

/// Changes the arguments of a command and of all below it.
fn of_each(command: Command, change: &dyn Fn(Arg) -> Arg) -> Command {
    command.mut_args(change).mut_subcommands(|command| of_each(command, change))
}

/// Changes one command below another.
fn change(command: Command, path: &[String], how: &dyn Fn(Command) -> Command) -> Command {
    match path.split_first() {
        None => how(command),
        Some((first, rest)) => command.mut_subcommand(first, |command| change(command, rest, how)),
    }
}

fn without_variable(arg: Arg) -> Arg {
    arg.env(Resettable::Reset)
}

/// A variable that is empty counts as not set.
fn without_empty_variable(arg: Arg) -> Arg {
    if variable_is(&arg, |value| value.is_empty()) { without_variable(arg) } else { arg }
}

fn variable_is(arg: &Arg, wanted: impl Fn(&OsString) -> bool) -> bool {
    arg.get_env().and_then(std::env::var_os).is_some_and(|value| wanted(&value))
}

fn origin_of_file(matches: &ArgMatches) -> Origin {
    match matches.value_source("config") {
        Some(ValueSource::CommandLine) => Origin::Option("--config".to_owned()),
        Some(ValueSource::EnvVariable) => Origin::Environment("BILLING_LAKE_CONFIG".to_owned()),
        _ => Origin::Default,
    }
}

/// Who gives the options of the command at hand: an option excludes what lesser sources say of itself and of its rivals.
struct Sources<'a> {
    by_variable: HashSet<Id>,
    /// In the order of `--help`.
    by_file: Vec<FromFile<'a>>,
}

/// What the file says about an option.
struct FromFile<'a> {
    id: Id,
    entry: &'a Entry,
    /// With its hyphens.
    option: String,
    value: String,
    /// As the command line would say it; nothing for a flag that is false.
    word: Option<String>,
}

impl<'a> Sources<'a> {
    fn of(command: &Command, given: &HashSet<Id>, file: Option<&'a ConfigFile>) -> Result<Self, RunError> {
        let rivals = Rivals::of(command);
        let is_excluded = |id: &Id| given.contains(id) || rivals.of_one(id).any(|rival| given.contains(rival));
        let is_set = |arg: &&Arg| variable_is(arg, |value| !value.is_empty()) && !is_excluded(arg.get_id());
        let by_variable: HashSet<Id> = command.get_arguments().filter(is_set).map(|arg| arg.get_id().clone()).collect();
        let is_decided = |id: &Id| given.contains(id) || by_variable.contains(id);
        let mut by_file: Vec<FromFile<'_>> = Vec::new();
        for (file, arg) in file.iter().flat_map(|file| command.get_arguments().map(move |arg| (file, arg))) {
            let Some(entry) = key(arg).and_then(|key| file.entry(&key)) else { continue };
            if is_decided(arg.get_id()) || rivals.of_one(arg.get_id()).any(is_decided) {
                continue;
            }
            let mut others = by_file.iter().filter(|taken| rivals.of_one(arg.get_id()).any(|id| *id == taken.id));
            if let Some(FromFile { entry: other, .. }) = others.next() {
                let message = format!("`{}` and `{}` ({}) exclude each other", entry.key, other.key, other.place);
                return Err(config_file::refused(&entry.place, &message).with_hint("leave one of them out"));
            }
            by_file.extend(FromFile::of(arg, entry, file)?);
        }
        Ok(Sources { by_variable, by_file })
    }

    /// The argument, with its variable only if that decides.
    fn heed(&self, arg: Arg) -> Arg {
        if self.by_variable.contains(arg.get_id()) { arg } else { without_variable(arg) }
    }

    /// The command line with what the file adds to it.
    fn words(&self, words: &[OsString]) -> Vec<OsString> {
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        let added = self.by_file.iter().filter_map(|taken| taken.word.as_ref()).map(OsString::from);
        words[..end].iter().cloned().chain(added).chain(words[end..].iter().cloned()).collect()
    }

    /// A value of the file that its option does not take is told as one of the file.
    fn blame(&self, error: clap::Error) -> Refusal {
        let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return Refusal::Words(error) };
        let option = arg.split([' ', '=']).next();
        let taken = self.by_file.iter().find(|taken| option == Some(&*taken.option));
        let Some(FromFile { entry, value, .. }) = taken else { return Refusal::Words(error) };
        let why = match (error.source(), error.get(ContextKind::ValidValue)) {
            (Some(why), _) => why.to_string(),
            (None, Some(ContextValue::Strings(words))) => format!("it takes {}", words.join(", ")),
            _ => "its option does not take that".to_owned(),
        };
        not_taken(entry, value, &why).into()
    }

    /// Every setting of the command with its value, and where that comes from.
    fn settings(&self, command: &Command, matches: &ArgMatches) -> Vec<Setting> {
        let mut matches = matches;
        while let Some((_, below)) = matches.subcommand() {
            matches = below;
        }
        let setting = |arg: &Arg| {
            let (name, id) = (key(arg)?, arg.get_id());
            let words = matches.get_raw(id.as_str()).map(|words| words.map(|word| word.to_string_lossy()));
            let origin = match (self.by_file.iter().find(|taken| taken.id == *id), matches.value_source(id.as_str())) {
                (Some(taken), _) => Origin::File(taken.entry.place.clone()),
                (None, Some(ValueSource::CommandLine)) => Origin::Option(format!("--{}", arg.get_long()?)),
                (None, Some(ValueSource::EnvVariable)) => {
                    Origin::Environment(arg.get_env()?.to_string_lossy().into_owned())
                }
                _ => Origin::Default,
            };
            Some(Setting { name, text: words.map(|words| words.collect::<Vec<_>>().join(",")), origin })
        };
        command.get_arguments().filter_map(setting).collect()
    }
}

impl<'a> FromFile<'a> {
    /// What an argument takes from the file, if it takes anything.
    fn of(arg: &Arg, entry: &'a Entry, file: &ConfigFile) -> Result<Option<Self>, RunError> {
        let (Some(long), text) = (arg.get_long(), &entry.text) else { return Ok(None) };
        let (id, option) = (arg.get_id().clone(), format!("--{long}"));
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            let word = match text.as_str() {
                "true" => Some(option.clone()),
                "false" => None,
                _ => return Err(not_taken(entry, text, "it takes true or false")),
            };
            return Ok(Some(FromFile { id, entry, option, value: text.clone(), word }));
        }
        let takes = |other: ValueParser| arg.get_value_parser().type_id() == other.type_id();
        let is_local = takes(value_parser!(PathBuf)) || takes(value_parser!(Destination).into());
        let value = if is_local && !text.contains("://") {
            file.beside(text).to_string_lossy().into_owned()
        } else if entry.key == config_file::ENROLLMENT && arg.get_value_delimiter().is_none() {
            // `periods` shows one; `convert`, which has to be told whose rows they are, does not choose.
            match text.split_once(',') {
                Some(_) if arg.is_required_set() => return Ok(None),
                Some((first, _)) => first.to_owned(),
                None => text.clone(),
            }
        } else {
            text.clone()
        };
        let word = Some(format!("{option}={value}"));
        Ok(Some(FromFile { id, entry, option, value, word }))
    }
}

/// A failure of a value that an option does not take.
fn not_taken(entry: &Entry, value: &str, why: &str) -> RunError {
    let mut message = format!("{}: invalid value '{value}': {why}", entry.key);
    if entry.key == config_file::ENROLLMENT {
        message = without_wrong_number(&message, value);
    }
    config_file::refused(&entry.place, &message)
        .with_hint("a value is written as its option takes it; what takes none is true or false")
}

/// Which arguments of a command exclude each other, whichever of the two says so.
struct Rivals(Vec<(Id, Id)>);

impl Rivals {
    fn of(command: &Command) -> Self {
        let of_arg = |arg| command.get_arg_conflicts_with(arg).into_iter().map(|rival: &Arg| rival.get_id().clone());
        let pairs = command.get_arguments().flat_map(|arg| of_arg(arg).map(|rival| (arg.get_id().clone(), rival)));
        Rivals(pairs.flat_map(|(one, other)| [(one.clone(), other.clone()), (other, one)]).collect())
    }

    fn of_one<'a>(&'a self, id: &'a Id) -> impl Iterator<Item = &'a Id> {
        self.0.iter().filter(move |(one, _)| one == id).map(|(_, other)| other)
    }
}
