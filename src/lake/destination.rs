//! Where a lake lies: a path, or a URL of a store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::LakeError;

/// Where a lake lies: a folder on local disk, given as a path or as a `file://` URL.
///
/// ```
/// use billing_lake::lake::Destination;
///
/// let lake: Destination = "file:///srv/billing%20lake".parse()?;
/// assert_eq!(lake.path(), std::path::Path::new("/srv/billing lake"));
/// assert!("s3://bucket/prefix".parse::<Destination>().is_err());
/// # Ok::<(), billing_lake::lake::LakeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    path: PathBuf,
}

impl Destination {
    /// The folder of a lake on local disk.
    pub fn local(path: impl Into<PathBuf>) -> Self {
        Destination { path: path.into() }
    }

    /// The lake's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl FromStr for Destination {
    type Err = LakeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |reason| LakeError::NotADestination { text: shortened(text), reason };
        if text.is_empty() {
            return Err(refused("it is empty"));
        }
        if text.contains('\0') {
            return Err(refused("a path holds no NUL"));
        }
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Destination::local(text));
        };
        if !scheme.eq_ignore_ascii_case("file") {
            return Err(LakeError::UnsupportedStore { text: shortened(text), scheme: scheme.to_ascii_lowercase() });
        }
        let path = rest.strip_prefix("localhost").unwrap_or(rest);
        if !path.starts_with('/') {
            return Err(refused("write file:// and an absolute path, for example file:///srv/lake"));
        }
        let path = percent_decoded(path).ok_or_else(|| refused("its %-escapes are no UTF-8 text"))?;
        Ok(Destination::local(path))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Undoes `%XX`; none when that gives no UTF-8, or a NUL.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            let byte = u8::from_str_radix(digits, 16).ok().filter(|byte| *byte != 0)?;
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::LakeErrorKind;
    use super::*;

    #[test]
    fn paths_and_file_urls_are_local() {
        for (text, path) in [
            ("./lake", "./lake"),
            ("/srv/lake", "/srv/lake"),
            ("a:b", "a:b"),
            ("file:///srv/lake", "/srv/lake"),
            ("FILE://localhost/srv/a%20b", "/srv/a b"),
        ] {
            assert_eq!(text.parse::<Destination>().unwrap().path(), Path::new(path), "{text}");
        }
    }

    #[test]
    fn stores_that_are_not_written_yet_are_refused_by_name() {
        for text in ["s3://b/p", "az://c/p", "abfss://c@a.dfs.core.windows.net/p", "gs://x"] {
            let error = text.parse::<Destination>().unwrap_err();
            assert_eq!(error.kind(), LakeErrorKind::Usage);
            assert!(error.to_string().contains("not yet supported in this version"), "{error}");
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in ["", "file://relative", "file:///a%2", "file:///a%ff", "file:///a%00", "a\0b"] {
            assert_eq!(text.parse::<Destination>().unwrap_err().kind(), LakeErrorKind::Usage, "{text:?}");
        }
    }
}
