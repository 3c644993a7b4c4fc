//! The configuration file: its keys, the text of their values, and the lines they stand in. What a value means is the
//! option's business.

use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KeySource, OwnKey};
use super::secrets::without_wrong_number;
use crate::contract::Enrollment;
use crate::sync::{ErrorKind, RunError};

/// The file that is read when no other is named.
pub(super) const USUAL_FILE: &str = "billing-lake.toml";

/// The tables of enrollments.
const TABLES: &str = "enrollments";
/// The key that names enrollments without tables, as the option does.
pub(super) const ENROLLMENT: &str = "enrollment";
const NUMBER: &str = "number";
const KEY_ENV: &str = "api_key_env";
const KEY_FILE: &str = "api_key_file";

/// Whatever is longer is some other file.
const MAX_BYTES: u64 = 1 << 20;
/// How alike a known key must be to be the one that was meant; 1 is the same.
const ALIKE: f64 = 0.75;

/// What stands in a configuration file.
pub(super) struct ConfigFile {
    path: PathBuf,
    /// In the order of their lines.
    entries: Vec<Entry>,
    /// Of enrollments that have a table.
    pub(super) own_keys: Vec<OwnKey>,
}

/// A key with its value.
pub(super) struct Entry {
    pub(super) key: String,
    /// As the option takes it; a list has commas.
    pub(super) text: String,
    /// File and line.
    pub(super) place: String,
}

impl ConfigFile {
    /// The file of that path, or else `billing-lake.toml` in the working directory, if there is one. `known` are the keys
    /// that commands have options for.
    pub(super) fn find(named: Option<&Path>, known: &[String]) -> Result<Option<Self>, RunError> {
        let path = named.unwrap_or(Path::new(USUAL_FILE));
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
        match read {
            Err(error) if named.is_none() && error.kind() == IoErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let message = format!("the configuration file {} cannot be read: {error}", path.display());
                return Err(RunError::new(ErrorKind::Usage, message)
                    .with_hint("--config or BILLING_LAKE_CONFIG names a readable TOML file"));
            }
            Ok(bytes) if bytes as u64 > MAX_BYTES => {
                let message = format!("the configuration file {} is longer than 1 MiB", path.display());
                return Err(RunError::new(ErrorKind::Usage, message));
            }
            Ok(_) => {}
        }
        Reading { path, text: &text, known }.file().map(Some)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// A path of the file: it starts at the file's folder.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        beside(&self.path, path)
    }
}

fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

/// A file that is being read.
struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    known: &'a [String],
}

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

impl Reading<'_> {
    fn file(&self) -> Result<ConfigFile, RunError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let place = self.place(error.span().map_or(0, |span| span.start));
            refused(&place, error.message())
                .with_hint("the file is TOML: each key once, texts in quotes: dest = \"/data/billing-lake\"")
        })?;
        let mut entries = Vec::new();
        let mut own_keys = Vec::new();
        for (key, value) in in_order(table.get_ref()) {
            let (name, place) = (key.get_ref().as_ref(), self.place_of(key));
            if name == TABLES {
                own_keys = self.enrollments(&place, value.get_ref())?;
                let numbers: Vec<_> = own_keys.iter().map(|own| own.enrollment.as_str()).collect();
                entries.push(Entry { key: ENROLLMENT.to_owned(), text: numbers.join(","), place });
                continue;
            }
            if !self.known.iter().any(|known| known == name) {
                return Err(self.unknown(key, self.known.iter().map(String::as_str).chain([TABLES])));
            }
            let text = self.filled(name, &place, value.get_ref())?;
            entries.push(Entry { key: name.to_owned(), text, place });
        }
        let mut of_enrollments = entries.iter().filter(|entry| entry.key == ENROLLMENT);
        if let (Some(_), Some(second)) = (of_enrollments.next(), of_enrollments.next()) {
            let message = format!("`{ENROLLMENT}` and [[{TABLES}]] exclude each other");
            return Err(refused(&second.place, &message).with_hint(format!(
                "give every enrollment a table; one without {KEY_ENV} and {KEY_FILE} takes the key of all"
            )));
        }
        Ok(ConfigFile { path: self.path.to_owned(), entries, own_keys })
    }

    /// The tables of enrollments.
    fn enrollments(&self, place: &str, value: &DeValue<'_>) -> Result<Vec<OwnKey>, RunError> {
        let no_tables = || {
            refused(place, &format!("`{TABLES}` is no list of tables"))
                .with_hint(format!("write [[{TABLES}]] on a line of its own, and {NUMBER} = \"100\" below it"))
        };
        let DeValue::Array(tables) = value else { return Err(no_tables()) };
        let mut own_keys: Vec<OwnKey> = Vec::new();
        for table in tables.iter() {
            let DeValue::Table(keys) = table.get_ref() else { return Err(no_tables()) };
            let own = self.enrollment(&self.place(table.span().start), keys)?;
            if own_keys.iter().any(|known| known.enrollment == own.enrollment) {
                return Err(refused(&own.place, &format!("enrollment {} has two tables", own.enrollment)));
            }
            own_keys.push(own);
        }
        if own_keys.is_empty() { Err(no_tables()) } else { Ok(own_keys) }
    }

    /// One table.
    fn enrollment(&self, place: &str, table: &DeTable<'_>) -> Result<OwnKey, RunError> {
        let (mut number, mut source) = (None, None);
        for (key, value) in in_order(table) {
            let (name, place) = (key.get_ref().as_ref(), self.place_of(key));
            if ![NUMBER, KEY_ENV, KEY_FILE].contains(&name) {
                return Err(self.unknown(key, [NUMBER, KEY_ENV, KEY_FILE].into_iter()));
            }
            let text = self.filled(name, &place, value.get_ref())?;
            if name == NUMBER {
                let read = text.parse::<Enrollment>().map_err(|error| {
                    let message = format!("{NUMBER} = \"{text}\": {error}");
                    refused(&place, &without_wrong_number(&message, &text))
                });
                number = Some(read?);
                continue;
            }
            let new = if name == KEY_ENV { variable(&place, text)? } else { self.key_file(&text) };
            if source.replace((new, place)).is_some() {
                let message = format!("{KEY_ENV} and {KEY_FILE} exclude each other");
                return Err(refused(&self.place_of(key), &message));
            }
        }
        let Some(enrollment) = number else {
            return Err(refused(place, &format!("this table of [[{TABLES}]] has no `{NUMBER}`"))
                .with_hint(format!("write {NUMBER} = \"100\", the enrollment number, into it")));
        };
        let (source, place) = source.map_or((None, place.to_owned()), |(source, place)| (Some(source), place));
        Ok(OwnKey { enrollment, source, place })
    }

    fn key_file(&self, path: &str) -> KeySource {
        KeySource::File(beside(self.path, path))
    }

    /// A value as the option takes it.
    fn filled(&self, name: &str, place: &str, value: &DeValue<'_>) -> Result<String, RunError> {
        match text_of(value) {
            Some(text) if text.is_empty() => {
                Err(refused(place, &format!("`{name}` is empty")).with_hint("leave the key out for its default"))
            }
            Some(text) => Ok(text),
            None => Err(refused(place, &format!("`{name}` is a table"))
                .with_hint("it takes a text, a number, true or false, or a list of these")),
        }
    }

    fn unknown<'k>(&self, key: &Key<'_>, known: impl Iterator<Item = &'k str>) -> RunError {
        let (name, place) = (key.get_ref().as_ref(), self.place_of(key));
        let plain = name.replace('-', "_").to_ascii_lowercase();
        if matches!(plain.replace('_', "").as_str(), "apikey" | "apiaccesskey" | "accesskey" | "key") {
            return refused(&place, &format!("`{name}`: a key never stands in the file")).with_hint(format!(
                "set BILLING_LAKE_API_KEY, or name a file that holds the key with {KEY_FILE}; in a table of \
                 [[{TABLES}]] {KEY_ENV} names a variable of the environment"
            ));
        }
        let likeness = |known: &str| strsim::jaro_winkler(known, &plain);
        let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let error = refused(&place, &format!("there is no key `{name}`"));
        match nearest.filter(|nearest| likeness(nearest) >= ALIKE) {
            Some(nearest) => error.with_hint(format!("did you mean `{nearest}`?")),
            None => error.with_hint("`billing-lake config show` lists the keys; docs/command-line.md explains them"),
        }
    }

    fn place_of(&self, key: &Key<'_>) -> String {
        self.place(key.span().start)
    }

    /// File and line of a byte.
    fn place(&self, at: usize) -> String {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

/// A failure of something in the file.
pub(super) fn refused(place: &str, what: &str) -> RunError {
    RunError::new(ErrorKind::Usage, format!("{place}: {what}"))
}

fn variable(place: &str, name: String) -> Result<KeySource, RunError> {
    let fits = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits {
        return Ok(KeySource::Variable(name));
    }
    // Somebody may have put the key there.
    Err(refused(place, &format!("{KEY_ENV} is no name of a variable"))
        .with_hint("it takes the name of a variable of the environment that holds the key, not the key"))
}

fn in_order<'a, 't>(table: &'t DeTable<'a>) -> Vec<(&'t Key<'a>, &'t Spanned<DeValue<'a>>)> {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    keys
}

/// What the option would be given; none for tables.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let decimal = i128::from_str_radix(number.as_str(), number.radix()).ok();
            Some(decimal.map_or_else(|| number.as_str().to_owned(), |number| number.to_string()))
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(is_so) => Some(is_so.to_string()),
        DeValue::Datetime(date) => Some(date.to_string()),
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(|item| text_of(item.get_ref())).collect();
            texts.map(|texts| texts.join(","))
        }
        DeValue::Table(_) => None,
    }
}
