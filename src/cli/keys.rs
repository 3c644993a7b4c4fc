//! Which key each enrollment takes: its own, which the configuration file names, else the key of all.

use std::env::VarError;
use std::fmt;
use std::path::PathBuf;

use super::args::ApiArgs;
use super::secrets::without_keys;
use crate::contract::Enrollment;
use crate::source::ApiKey;
use crate::sync::{ErrorKind, RunError};

/// Holds the key of all enrollments that have none of their own.
pub(super) const KEY_VARIABLE: &str = "BILLING_LAKE_API_KEY";

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A variable of the environment.
    Variable(String),
    /// A file that holds nothing else.
    File(PathBuf),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Variable(name) => write!(f, "environment {name}"),
            KeySource::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl KeySource {
    fn read(&self) -> Result<ApiKey, RunError> {
        match self {
            KeySource::Variable(name) => match std::env::var(name) {
                Ok(text) => Ok(ApiKey::from_text(&text)?),
                Err(VarError::NotPresent) => {
                    Err(RunError::new(ErrorKind::Usage, format!("the variable {name} is not set")))
                }
                Err(VarError::NotUnicode(_)) => {
                    Err(RunError::new(ErrorKind::Usage, format!("the variable {name} holds no key: it is no Unicode")))
                }
            },
            KeySource::File(path) => ApiKey::from_file(path).map_err(|error| {
                let error = RunError::from(error);
                // Somebody may have put the key itself where its file is named.
                RunError { message: without_keys(&error.message), ..error }
            }),
        }
    }
}

/// What a table of the configuration file says about an enrollment.
#[derive(Debug, Clone)]
pub struct OwnKey {
    pub enrollment: Enrollment,
    /// None takes the key of all.
    pub source: Option<KeySource>,
    /// The file and line that says it.
    pub place: String,
}

/// Where an enrollment's key comes from, and the key.
pub(super) struct Found {
    pub(super) source: KeySource,
    pub(super) key: Result<ApiKey, RunError>,
}

/// The key that an enrollment takes; none when nobody names one.
pub(super) fn find(args: &ApiArgs, enrollment: &Enrollment) -> Option<Found> {
    let own = args.own_keys.iter().find(|own| own.enrollment == *enrollment);
    if let Some((own, source)) = own.and_then(|own| Some((own, own.source.clone()?))) {
        let hint = format!("{} names where its key is: the key's text, without \"bearer\"", own.place);
        let key = source.read().map_err(|error| error.with_hint(hint));
        return Some(Found { source, key });
    }
    let source = of_all(args)?;
    Some(Found { key: source.read(), source })
}

/// Where the key of all enrollments without one of their own comes from.
fn of_all(args: &ApiArgs) -> Option<KeySource> {
    match (&args.api_key_file, std::env::var_os(KEY_VARIABLE)) {
        (Some(path), _) => Some(KeySource::File(path.clone())),
        (None, Some(_)) => Some(KeySource::Variable(KEY_VARIABLE.to_owned())),
        (None, None) => None,
    }
}

/// The enrollments, each once and with its key. One without a key is refused before anything is asked for; whether the
/// API takes a key, it says for each enrollment.
pub(super) fn of_enrollments(
    args: &ApiArgs,
    enrollments: &[Enrollment],
) -> Result<Vec<(Enrollment, ApiKey)>, RunError> {
    if enrollments.is_empty() {
        return Err(missing(true, of_all(args).is_none()));
    }
    let mut with_keys: Vec<(Enrollment, ApiKey)> = Vec::new();
    for enrollment in enrollments {
        if with_keys.iter().any(|(known, _)| known == enrollment) {
            continue;
        }
        let Some(found) = find(args, enrollment) else {
            return Err(if args.own_keys.is_empty() { missing(false, true) } else { missing_for(enrollment) });
        };
        let key = found.key.map_err(|error| match args.own_keys.is_empty() {
            true => error,
            false => RunError { message: format!("enrollment {enrollment}: {}", error.message), ..error },
        })?;
        if key.is_in(enrollment.as_str().as_bytes()) {
            return Err(RunError::new(ErrorKind::Usage, "an enrollment number is the text of its API key")
                .with_hint("name the enrollment by its number, and change the key if somebody may have seen it"));
        }
        with_keys.push((enrollment.clone(), key));
    }
    Ok(with_keys)
}

/// What a first run has to be told.
fn missing(enrollment: bool, key: bool) -> RunError {
    const ENROLLMENT: &str = "BILLING_LAKE_ENROLLMENT (or --enrollment) to the enrollment number";
    const KEY: &str = "BILLING_LAKE_API_KEY to its key (Enterprise Portal, Reports, API Access Key), or \
                       BILLING_LAKE_API_KEY_FILE to a file that holds it";
    let (what, settings) = match (enrollment, key) {
        (true, true) => ("no enrollment and no API key", format!("{ENROLLMENT}, and {KEY}")),
        (true, false) => ("no enrollment", ENROLLMENT.to_owned()),
        (false, _) => ("no API key", KEY.to_owned()),
    };
    RunError::new(ErrorKind::Usage, what).with_hint(format!("set {settings}; `billing-lake demo` works without"))
}

/// Others have a key of their own.
fn missing_for(enrollment: &Enrollment) -> RunError {
    RunError::new(ErrorKind::Usage, format!("no API key for enrollment {enrollment}")).with_hint(
        "give its table in [[enrollments]] of the configuration file api_key_env or api_key_file, or set \
         BILLING_LAKE_API_KEY or BILLING_LAKE_API_KEY_FILE, which all take that have none of their own",
    )
}
