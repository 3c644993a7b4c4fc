//! From a destination to the client of its store. All settings but the place come from the environment.

use std::ffi::OsString;
use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::multipart::MultipartStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use crate::lake::destination::{ObjectPlace, ObjectService};
use crate::lake::{LakeError, told};

/// What a lake needs of the client of a store.
pub(super) trait Objects: ObjectStore + MultipartStore + Debug {}

impl<T: ObjectStore + MultipartStore + Debug> Objects for T {}

/// How requests are repeated that fail by the network, by a status of the store's own trouble (5xx) or throttling: some
/// 40 s in all.
pub(super) fn patience() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(500), max_backoff: Duration::from_secs(20), base: 3.0 };
    RetryConfig { backoff, max_retries: 8, retry_timeout: Duration::from_secs(180) }
}

/// The options of a store's client, from variables: `AWS_ENDPOINT` is the option `aws_endpoint`.
fn options<K: FromStr>(family: &str, variables: &[(String, String)]) -> Vec<(K, String)> {
    let of_family = variables.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    // A part of some MiB has to pass a slow line.
    let defaults = [("timeout", "300s"), ("connect_timeout", "10s")];
    let defaults = defaults.into_iter().map(|(name, value)| (format!("{family}_{name}"), value.to_owned()));
    let set = of_family.filter(|(name, _)| name.starts_with(family)).map(|(name, value)| (name, value.clone()));
    // Names that mean nothing to the client are those of other tools.
    defaults.chain(set).filter_map(|(name, value)| Some((name.parse().ok()?, value))).collect()
}

/// The variables of this process.
pub(super) fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

/// The client of a place's store. Nothing is sent.
pub(super) fn connect(
    place: &ObjectPlace,
    variables: &[(String, String)],
    retry: RetryConfig,
) -> Result<Arc<dyn Objects>, LakeError> {
    // TLS needs one for the process; that there is one already is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built: object_store::Result<Arc<dyn Objects>> = match place.service {
        ObjectService::S3 => {
            let builder = AmazonS3Builder::new().with_url(&place.root).with_retry(retry);
            let set = options("aws", variables);
            let builder = set.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
            builder.build().map(|store| Arc::new(store) as Arc<dyn Objects>)
        }
        ObjectService::Azure => {
            let builder = MicrosoftAzureBuilder::new().with_url(&place.root).with_retry(retry);
            let set = options("azure", variables);
            let mut builder = set.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
            // Azure's machines with an identity of their own name its address so.
            if let Some((_, address)) = variables.iter().find(|(name, _)| name == "MSI_ENDPOINT") {
                builder = builder.with_msi_endpoint(address);
            }
            builder.build().map(|store| Arc::new(store) as Arc<dyn Objects>)
        }
    };
    built.map_err(|error| LakeError::StoreSettings { place: place.to_string(), reason: told::in_one_line(&error) })
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3ConfigKey;

    use super::*;

    fn place(service: ObjectService, root: &str) -> ObjectPlace {
        ObjectPlace { service, root: root.to_owned(), prefix: String::new() }
    }

    fn variables(set: &[(&str, &str)]) -> Vec<(String, String)> {
        set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_are_options_and_others_are_left_alone() {
        let set =
            variables(&[("AWS_ENDPOINT", "http://h"), ("AWS_PAGER", "less"), ("AZURE_STORAGE_ACCOUNT_NAME", "a")]);
        let set = options::<AmazonS3ConfigKey>("aws", &set);
        assert!(set.contains(&(AmazonS3ConfigKey::Endpoint, "http://h".to_owned())));
        assert_eq!(set.len(), 3, "{set:?}");
    }

    #[test]
    fn what_is_missing_is_said_before_anything_is_sent() {
        let azure = place(ObjectService::Azure, "az://lake");
        let error = connect(&azure, &[], patience()).unwrap_err();
        assert!(error.to_string().contains("Account"), "{error}");
        let set = variables(&[("AWS_ENDPOINT", "http://127.0.0.1:9"), ("AWS_ALLOW_HTTP", "perhaps")]);
        let error = connect(&place(ObjectService::S3, "s3://lake"), &set, patience()).unwrap_err();
        assert!(error.to_string().contains("perhaps"), "{error}");
    }
}
