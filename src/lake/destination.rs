//! Where a lake lies: a path, or a URL of a store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::LakeError;

/// Where a lake lies: a folder on local disk (a path or a `file://` URL), or a prefix in an object store: `s3://bucket/prefix`,
/// `az://container/prefix`, `abfss://container@account.dfs.core.windows.net/prefix`. Who may write there, and at which
/// address, is told by the variables that the crate `object_store` reads: `AWS_*` and `AZURE_*`.
///
/// ```
/// use billing_lake::lake::Destination;
///
/// let lake: Destination = "file:///srv/billing%20lake".parse()?;
/// assert_eq!(lake.folder(), Some(std::path::Path::new("/srv/billing lake")));
/// let lake: Destination = "s3://bucket/billing/lake/".parse()?;
/// assert_eq!(lake.to_string(), "s3://bucket/billing/lake");
/// assert!("ftp://host/lake".parse::<Destination>().is_err());
/// # Ok::<(), billing_lake::lake::LakeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub(super) place: Place,
}

/// The kinds of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder on local disk.
    Folder(PathBuf),
    /// A prefix in an object store.
    Objects(ObjectPlace),
}

/// A prefix in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectPlace {
    pub service: ObjectService,
    /// The bucket or container as a URL, without a `/` at its end.
    pub root: String,
    /// What all names begin with, without `/` around it; empty for the whole bucket.
    pub prefix: String,
}

/// The services that keep objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectService {
    S3,
    Azure,
}

impl Destination {
    /// The folder of a lake on local disk.
    pub fn local(path: impl Into<PathBuf>) -> Self {
        Destination { place: Place::Folder(path.into()) }
    }

    /// The lake's folder, when it lies on local disk.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(path) => Some(path),
            Place::Objects(_) => None,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(path) => path.display().fmt(f),
            Place::Objects(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectPlace { root, prefix, .. } = self;
        if prefix.is_empty() { f.write_str(root) } else { write!(f, "{root}/{prefix}") }
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
        let service = match scheme.to_ascii_lowercase().as_str() {
            "file" => return Ok(Destination::local(local_path(rest).map_err(refused)?)),
            "s3" | "s3a" => ObjectService::S3,
            "az" | "abfs" | "abfss" => ObjectService::Azure,
            _ => return Err(LakeError::UnsupportedStore { text: shortened(text), scheme: scheme.to_owned() }),
        };
        Ok(Destination { place: Place::Objects(object_place(service, scheme, rest).map_err(refused)?) })
    }
}

/// The path of a `file://` URL.
fn local_path(rest: &str) -> Result<String, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("write file:// and an absolute path, for example file:///srv/lake");
    }
    percent_decoded(path).ok_or("its %-escapes are no UTF-8 text")
}

/// The bucket and the prefix, which is taken as it stands: these URLs know no escapes.
fn object_place(service: ObjectService, scheme: &str, rest: &str) -> Result<ObjectPlace, &'static str> {
    if rest.contains(['?', '#']) {
        return Err("nothing stands behind its path: credentials are taken from the environment");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'$'))
    };
    let fits = match (service, authority.split_once('@')) {
        (_, None) => is_name(authority),
        (ObjectService::Azure, Some((container, account))) => is_name(container) && is_name(account),
        (ObjectService::S3, Some(_)) => {
            return Err("it names a bucket only: credentials are taken from the environment");
        }
    };
    if !fits {
        return Err("it does not begin with the name of a bucket or container");
    }
    let prefix = path.trim_end_matches('/');
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
    if !prefix.is_empty() && !prefix.split('/').all(is_part) {
        return Err("a part of its path is empty, '.' or '..', or holds a control character");
    }
    let root = format!("{}://{authority}", scheme.to_ascii_lowercase());
    Ok(ObjectPlace { service, root, prefix: prefix.to_owned() })
}

/// For messages: not too long, and without what may be credentials.
fn shortened(text: &str) -> String {
    let (place, query) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let shown = match place.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') && rest.contains(':') => format!("{scheme}://…"),
        _ => place.to_owned(),
    };
    let shown: String = shown.chars().take(200).collect();
    if query.is_empty() { shown } else { shown + "?…" }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Undoes `%XX`; none when that gives no UTF-8, or a NUL.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
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
            assert_eq!(text.parse::<Destination>().unwrap().folder(), Some(Path::new(path)), "{text}");
        }
    }

    #[test]
    fn urls_of_object_stores_are_a_bucket_and_a_prefix() {
        for (text, service, root, prefix) in [
            ("s3://bucket", ObjectService::S3, "s3://bucket", ""),
            ("S3://bucket/", ObjectService::S3, "s3://bucket", ""),
            ("s3://my.bucket-1/a/b c/%20/", ObjectService::S3, "s3://my.bucket-1", "a/b c/%20"),
            ("az://container/lake", ObjectService::Azure, "az://container", "lake"),
            (
                "abfss://c@account.dfs.core.windows.net/lake",
                ObjectService::Azure,
                "abfss://c@account.dfs.core.windows.net",
                "lake",
            ),
        ] {
            let place = ObjectPlace { service, root: root.to_owned(), prefix: prefix.to_owned() };
            assert_eq!(text.parse::<Destination>().unwrap().place, Place::Objects(place), "{text}");
        }
    }

    #[test]
    fn stores_that_are_not_known_are_refused_by_name() {
        for text in ["gs://x", "https://account.blob.core.windows.net/c"] {
            let error = text.parse::<Destination>().unwrap_err();
            assert_eq!(error.kind(), LakeErrorKind::Usage);
            assert!(error.to_string().contains("are not supported"), "{error}");
        }
    }

    #[test]
    fn credentials_have_no_place_in_a_url_and_are_not_repeated() {
        for text in ["s3://AKIA:secret@bucket/p", "az://c/p?sig=secret", "https://a:secret@b/c", "s3://b/p#secret"] {
            let error = text.parse::<Destination>().unwrap_err();
            assert_eq!(error.kind(), LakeErrorKind::Usage, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            "file://relative",
            "file:///a%2",
            "file:///a%ff",
            "file:///a%00",
            "a\0b",
            "s3://",
            "s3:///prefix",
            "s3://bucket//prefix",
            "s3://bucket/../other",
            "az://c@/p",
            "az://a b/p",
        ] {
            assert_eq!(text.parse::<Destination>().unwrap_err().kind(), LakeErrorKind::Usage, "{text:?}");
        }
    }
}
