//! The simulator's side of TLS.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Error;

/// A certificate and its key. They are not printed.
#[derive(Clone)]
pub struct Tls(pub(super) Arc<ServerConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Takes the certificate, with those that lead to its authority after it, and its private key, both as PEM.
    ///
    /// # Errors
    /// [`Error::Tls`] when one of them is no PEM or they do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let unusable = |what: &str, problem: &dyn fmt::Display| Error::Tls { problem: format!("{what}: {problem}") };
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unusable("the certificate", &error))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable("the key", &error))?;
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map(|config| Self(Arc::new(config)))
            .map_err(|error| unusable("certificate and key", &error))
    }
}
