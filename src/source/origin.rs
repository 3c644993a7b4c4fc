//! Where the key may go: the endpoint, and hosts that the user trusts besides.

use std::net::{Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::error::{SourceError, shown};

/// The endpoint and the further origins that links and redirects may lead to.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    endpoint: Url,
    /// The endpoint's path without its last slash.
    prefix: String,
    trusted: Vec<Url>,
}

impl Origins {
    /// The origins of these texts, if a key may go there.
    ///
    /// # Errors
    /// [`SourceError::Setting`] when the endpoint is no such URL, or one of the hosts is no `HOST` or `HOST:PORT`.
    pub(super) fn new(endpoint: &str, trust_hosts: &[String], allow_http: bool) -> Result<Self, SourceError> {
        let endpoint = endpoint_url(endpoint, allow_http)?;
        let prefix = endpoint.path().trim_end_matches('/').to_owned();
        let trusted = trust_hosts.iter().map(|host| trusted_origin(host)).collect::<Result<_, _>>()?;
        Ok(Origins { endpoint, prefix, trusted })
    }

    pub(super) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// The endpoint's URL with that path of the API, and perhaps parameters.
    pub(super) fn url(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.endpoint.clone();
        url.set_query(query);
        url.set_path(&format!("{}{path}", self.prefix));
        url
    }

    /// A URL of each origin.
    pub(super) fn all(&self) -> impl Iterator<Item = &Url> {
        std::iter::once(&self.endpoint).chain(&self.trusted)
    }

    /// What comes before every path of the API at a URL's origin; none when the key may not go there.
    pub(super) fn prefix_of(&self, url: &Url) -> Option<&str> {
        if url.origin() == self.endpoint.origin() {
            return Some(&self.prefix);
        }
        self.trusted.iter().any(|trusted| trusted.origin() == url.origin()).then_some("")
    }
}

/// The endpoint that a text names, if a key may go there.
fn endpoint_url(text: &str, allow_http: bool) -> Result<Url, SourceError> {
    let refused = |why: &str, hint| Err(SourceError::setting(format!("the endpoint {} {why}", shown(text)), hint));
    const FORM: &str = "write --endpoint as https://host or https://host:port";
    let Ok(url) = Url::parse(text.trim()) else {
        return Err(SourceError::setting("the endpoint is no URL", FORM));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SourceError::setting("the endpoint holds a user name", FORM));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SourceError::setting("the endpoint holds a query or fragment", FORM));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http || is_loopback(&url) => Ok(url),
        "http" => refused("would carry the key without TLS", "use https://, or --allow-http if that is meant"),
        _ => refused("is no http or https URL", FORM),
    }
}

/// The https origin of a host that the user trusts.
fn trusted_origin(host: &str) -> Result<Url, SourceError> {
    let is_plain = !host.is_empty() && !host.contains(['/', '\\', '@', '?', '#', '*', ' ', '%']);
    let url = Url::parse(&format!("https://{host}")).ok().filter(|url| is_plain && url.path() == "/");
    url.ok_or_else(|| {
        SourceError::setting(
            format!("{} is no host to trust", shown(host)),
            "write --trust-host as HOST or HOST:PORT; it is spoken to over https only",
        )
    })
}

/// The host of a URL, and its port if that is not the usual one.
pub(super) fn host_of(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// Whether a URL leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::ErrorKind;

    #[test]
    fn only_hosts_are_trusted() {
        for host in ["consumption.azure.com", "consumption.azure.com:8443", "10.0.0.1", "[::1]:443"] {
            assert!(Origins::new("https://gateway.example", &[host.to_owned()], false).is_ok(), "{host}");
        }
        for host in ["", "https://a.example", "a.example/x", "*.example", "u@a.example", "a.example:x", "a b", "a?b"] {
            let error = Origins::new("https://gateway.example", &[host.to_owned()], false).unwrap_err();
            assert!(error.to_string().contains("is no host to trust"), "{host}: {error}");
        }
    }

    #[test]
    fn the_prefix_is_the_endpoints_alone() {
        let origins = Origins::new("https://g.example/azure/", &["m.example".to_owned()], false).unwrap();
        let prefix = |text: &str| origins.prefix_of(&Url::parse(text).unwrap()).map(str::to_owned);
        assert_eq!(prefix("https://G.example:443/x"), Some("/azure".to_owned()));
        assert_eq!(prefix("https://m.example/x"), Some(String::new()));
        assert_eq!(prefix("http://m.example/x"), None);
        assert_eq!(prefix("https://other.example/x"), None);
        assert_eq!(origins.url("/v3/x").as_str(), "https://g.example/azure/v3/x");
    }

    #[test]
    fn the_key_travels_without_tls_only_on_this_machine() {
        let endpoint = |text: &str, allow_http| endpoint_url(text, allow_http).map(String::from);
        for text in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:9", "https://consumption.azure.com"] {
            assert!(endpoint(text, false).is_ok(), "{text}");
        }
        for text in [
            "http://consumption.azure.com",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "ftp://127.0.0.1",
            "consumption.azure.com",
            "https://user:pass@consumption.azure.com",
            "https://consumption.azure.com/?a=b",
            "",
        ] {
            let error = endpoint(text, false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(!error.to_string().contains("pass"), "{error}");
        }
        assert!(endpoint("http://gateway.example", true).is_ok());
    }
}
