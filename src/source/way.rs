//! The ways to other machines and to this one: proxies, and whose certificates are believed.

use std::path::Path;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Certificate, Url};

use super::client::ClientOptions;
use super::error::{SourceError, shown};
use super::origin::{Origins, host_of, is_loopback};

/// The HTTP library's clients, one for each way.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    /// To other machines, perhaps through a proxy.
    away: reqwest::Client,
    /// To this machine.
    here: reqwest::Client,
}

impl Ways {
    /// The ways to these origins. Certificates are read here; nothing is sent.
    ///
    /// # Errors
    /// [`SourceError::Setting`] when certificates cannot be read.
    pub(super) fn new(options: &ClientOptions, origins: &Origins) -> Result<Self, SourceError> {
        // The first call of the process decides; that it was made already is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificates = match options.ca_bundle.as_deref().map(certificates_of).transpose()? {
            // TLS will not be spoken, so a machine without a certificate store is no obstacle.
            None if origins.all().all(|url| url.scheme() == "http" && is_loopback(url)) => Certificates::None,
            more => Certificates::Platform(more.unwrap_or_default()),
        };
        let (any_here, any_away) = (origins.all().any(is_loopback), !origins.all().all(is_loopback));
        let away = http_client(options, &certificates, any_away)?;
        let here = if any_here && any_away { http_client(options, &certificates, false)? } else { away.clone() };
        Ok(Ways { away, here })
    }

    /// The one to this URL.
    pub(super) fn to(&self, url: &Url) -> &reqwest::Client {
        if is_loopback(url) { &self.here } else { &self.away }
    }
}

/// Which authorities may vouch for a server.
enum Certificates {
    /// None: TLS is not spoken.
    None,
    /// The platform's, and these.
    Platform(Vec<Certificate>),
}

/// The certificates of a PEM file.
fn certificates_of(path: &Path) -> Result<Vec<Certificate>, SourceError> {
    const HINT: &str = "--ca-bundle names a PEM file with one or more certificates";
    let unusable = |why: String| SourceError::setting(format!("the CA bundle {} {why}", path.display()), HINT);
    let pem = std::fs::read(path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| unusable("is no PEM file".to_owned()))?;
    if certificates.is_empty() { Err(unusable("holds no certificate".to_owned())) } else { Ok(certificates) }
}

/// The HTTP library's client, which obeys the environment's proxies or uses none.
fn http_client(
    options: &ClientOptions,
    certificates: &Certificates,
    proxies: bool,
) -> Result<reqwest::Client, SourceError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false);
    if !proxies {
        builder = builder.no_proxy();
    }
    builder = match certificates {
        Certificates::None => builder.tls_certs_only([]),
        Certificates::Platform(more) => builder.tls_certs_merge(more.iter().cloned()),
    };
    builder.build().map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        SourceError::setting(
            format!("the HTTP client cannot be set up: {}", shown(&cause)),
            "install the platform's certificates (package ca-certificates) or name a PEM file with --ca-bundle",
        )
    })
}

/// The host of a URL in words, with the proxy on the way to it: found as the HTTP library finds it, and without its
/// credentials.
pub(super) fn way_to(url: &Url) -> String {
    let proxy = || Matcher::from_env().intercept(&url.as_str().parse().ok()?)?.uri().authority().cloned();
    match if is_loopback(url) { None } else { proxy() } {
        Some(proxy) => {
            let proxy = proxy.as_str().rsplit('@').next().unwrap_or_default();
            format!("{} through the proxy {}", host_of(url), shown(proxy))
        }
        None => host_of(url),
    }
}
