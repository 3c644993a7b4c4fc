//! `billing-lake config show`: every setting, where it comes from, and what the keys say about themselves.

use std::path::Path;

use chrono::Utc;
use serde::Serialize;

use super::args::{Format, SyncArgs};
use super::keys::{self, KEY_VARIABLE, KeySource};
use super::output;
use super::secrets::{without_credentials, without_keys};
use super::settings::{Origin, Setting, Settings};
use crate::contract::Enrollment;
use crate::source::KeyClaims;
use crate::sync::RunError;

/// What stands for a secret that is set.
const MASK: &str = "(set)";

#[derive(Serialize)]
struct Shown {
    file: Option<FileLine>,
    settings: Vec<SettingLine>,
    enrollments: Vec<EnrollmentLine>,
}

#[derive(Serialize)]
struct FileLine {
    path: String,
    #[serde(flatten)]
    from: From,
}

#[derive(Serialize)]
struct SettingLine {
    name: String,
    value: Option<String>,
    #[serde(flatten)]
    from: From,
}

/// Where something comes from: `option`, `environment`, `file` or `default`, and which.
#[derive(Serialize)]
struct From {
    from: &'static str,
    #[serde(rename = "where")]
    place: Option<String>,
}

#[derive(Serialize)]
struct EnrollmentLine {
    enrollment: String,
    /// Where its key comes from.
    key: Option<From>,
    claims: Option<ClaimsLine>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct ClaimsLine {
    enrollment: Option<String>,
    view: Option<String>,
    expires: Option<String>,
}

/// Prints the settings; nobody is asked.
pub(super) fn show(args: &SyncArgs, settings: &Settings) -> Result<u8, RunError> {
    let mut numbers: Vec<&Enrollment> = Vec::new();
    for enrollment in &args.enrollment {
        if !numbers.contains(&enrollment) {
            numbers.push(enrollment);
        }
    }
    let shown = Shown {
        file: settings.file.as_ref().map(|(path, origin)| FileLine { path: path_text(path), from: From::new(origin) }),
        settings: settings.values.iter().map(SettingLine::new).chain([of_key()]).collect(),
        enrollments: numbers.into_iter().map(|enrollment| EnrollmentLine::new(args, enrollment)).collect(),
    };
    match args.lake.format {
        Format::Json => output::json(&shown)?,
        Format::Ndjson => {
            output::ndjson(&shown.settings)?;
            output::ndjson(&shown.enrollments)?;
        }
        Format::Markdown => return Err(output::no_markdown()),
        Format::Text => output::print(&text(&shown))?,
    }
    Ok(0)
}

/// The key of all enrollments is a setting that no option and no key of the file can give.
fn of_key() -> SettingLine {
    let is_set = std::env::var_os(KEY_VARIABLE).is_some();
    let origin = if is_set { Origin::Environment(KEY_VARIABLE.to_owned()) } else { Origin::Default };
    SettingLine { name: "api_key".to_owned(), value: is_set.then(|| MASK.to_owned()), from: From::new(&origin) }
}

impl SettingLine {
    fn new(setting: &Setting) -> Self {
        let value = setting.text.as_deref().map(|text| without_keys(&without_credentials(text)));
        SettingLine { name: setting.name.clone(), value, from: From::new(&setting.origin) }
    }
}

impl From {
    fn new(origin: &Origin) -> Self {
        let (from, place) = match origin {
            Origin::Option(name) => ("option", Some(name.clone())),
            Origin::Environment(name) => ("environment", Some(name.clone())),
            Origin::File(place) => ("file", Some(place.clone())),
            Origin::Default => ("default", None),
        };
        From { from, place }
    }

    fn of_key(source: &KeySource) -> Self {
        match source {
            KeySource::Variable(name) => From { from: "environment", place: Some(name.clone()) },
            KeySource::File(path) => From { from: "file", place: Some(path_text(path)) },
        }
    }

    fn in_words(&self) -> String {
        [Some(self.from), self.place.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl EnrollmentLine {
    fn new(args: &SyncArgs, enrollment: &Enrollment) -> Self {
        let found = keys::find(&args.api, enrollment);
        let from = found.as_ref().map(|found| From::of_key(&found.source));
        let (claims, warnings) = match found.map(|found| found.key) {
            None => (None, vec!["it has no API key".to_owned()]),
            Some(Err(error)) => (None, vec![error.message]),
            Some(Ok(key)) => (key.claims(), key.warnings(enrollment, Utc::now())),
        };
        EnrollmentLine {
            enrollment: without_keys(enrollment.as_str()),
            key: from,
            claims: claims.map(ClaimsLine::new),
            warnings,
        }
    }
}

impl ClaimsLine {
    fn new(claims: KeyClaims) -> Self {
        let stamp = |end: chrono::DateTime<Utc>| end.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        ClaimsLine { enrollment: claims.enrollment, view: claims.view, expires: claims.expires.map(stamp) }
    }

    fn in_words(&self) -> String {
        let day = self.expires.as_ref().map(|end| end.chars().take(10).collect::<String>());
        let claims = [("enrollment", &self.enrollment), ("view", &self.view), ("expires", &day)];
        let said = claims.into_iter().filter_map(|(name, said)| Some(format!("{name} {}", said.as_ref()?)));
        said.collect::<Vec<_>>().join(", ")
    }
}

fn text(shown: &Shown) -> String {
    let mut text = match &shown.file {
        Some(file) => {
            let named_by = file.from.place.as_deref().unwrap_or("in the working directory");
            format!("configuration file: {} ({named_by})\n\n", output::one_line(&file.path))
        }
        None => "configuration file: none\n\n".to_owned(),
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let settings = shown.settings.iter();
    let rows = settings.map(|line| vec![line.name.clone(), or_none(line.value.clone()), line.from.in_words()]);
    text += &output::table(&["setting", "value", "from"], &rows.collect::<Vec<_>>());
    if !shown.enrollments.is_empty() {
        let rows = shown.enrollments.iter().map(|line| {
            let says = line.claims.as_ref().map(ClaimsLine::in_words);
            vec![line.enrollment.clone(), or_none(line.key.as_ref().map(From::in_words)), or_none(says)]
        });
        text += "\n";
        text += &output::table(&["enrollment", "key from", "the key says"], &rows.collect::<Vec<_>>());
    }
    for line in &shown.enrollments {
        text += &line.warnings.iter().map(|words| output::warning(&line.enrollment, words)).collect::<String>();
    }
    text
}

fn path_text(path: &Path) -> String {
    without_keys(&path.display().to_string())
}
