//! A run's sign of life, and the uploads that are to be aborted when it ends without one.
//!
//! Parts of an upload that was never completed cost money until somebody aborts it, and only who knows its id can. So a
//! run that uploads in parts keeps one object in `_billing_lake/staging`, which says what process it is and what it has
//! begun. It is written anew every minute. Azure knows no ids and no aborting: it forgets blocks after a week by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use object_store::PutPayload;
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use crate::lake::store::Store;
use crate::lake::{LakeError, layout};

use super::process::Process;
use super::{RemoteStore, is_missing};

/// How often a sign of life is given.
const BETWEEN_SIGNS: Duration = Duration::from_secs(60);
/// A run on another machine is dead when it gave no sign for so long. Stores refuse clocks that are a quarter of an hour
/// wrong, so this holds by any clock.
const SILENCE: TimeDelta = TimeDelta::minutes(30);

/// What stands in the object.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    process: Process,
    uploads: Vec<Begun>,
}

/// An upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    object: String,
    upload_id: String,
}

/// The sign of a run; there is none before the first upload in parts.
#[derive(Debug)]
pub(super) struct Sign {
    store: Arc<RemoteStore>,
    name: String,
    uploads: Arc<Mutex<Vec<Begun>>>,
    renewal: Mutex<Option<AbortHandle>>,
}

impl Sign {
    pub(super) fn new(store: Arc<RemoteStore>, run: &str) -> Self {
        let name = format!("{}/{run}.json", layout::STAGING_FOLDER);
        Sign { store, name, uploads: Arc::default(), renewal: Mutex::new(None) }
    }

    /// Notes an upload, before its first part.
    pub(super) fn note(&self, object: &str, upload_id: &str) -> Result<(), LakeError> {
        if upload_id.is_empty() {
            return Ok(());
        }
        let said = {
            let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
            uploads.push(Begun { object: object.to_owned(), upload_id: upload_id.to_owned() });
            said(&uploads)
        };
        self.store.put(&self.name, said)?;
        let mut renewal = self.renewal.lock().unwrap_or_else(PoisonError::into_inner);
        if renewal.is_none() {
            *renewal = self.renew();
        }
        Ok(())
    }

    /// Forgets an upload that was completed or aborted. The object says so at its next writing.
    pub(super) fn forget(&self, upload_id: &str) {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).retain(|begun| begun.upload_id != upload_id);
    }

    /// Writes the sign again and again.
    fn renew(&self) -> Option<AbortHandle> {
        let (objects, key, uploads) =
            (Arc::clone(&self.store.objects), self.store.key(&self.name), Arc::clone(&self.uploads));
        self.store.bridge.spawn(async move {
            loop {
                tokio::time::sleep(BETWEEN_SIGNS).await;
                let said = said(&uploads.lock().unwrap_or_else(PoisonError::into_inner));
                if let Err(error) = objects.put_opts(&key, said, Default::default()).await {
                    tracing::debug!(%error, "a sign of life was not written");
                }
            }
        })
    }

    /// Takes the sign back, at the end of the run, unless there is something left for a later one.
    pub(super) fn end(&self) -> Result<(), LakeError> {
        let had_sign = self.stop();
        let is_done = self.uploads.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if had_sign && is_done { self.store.drop_side(&self.name) } else { Ok(()) }
    }

    /// Ends the renewal; whether there was a sign.
    fn stop(&self) -> bool {
        let renewal = self.renewal.lock().unwrap_or_else(PoisonError::into_inner).take();
        renewal.map(|renewal| renewal.abort()).is_some()
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        // What the object says stays true: a later run ends what this one did not.
        self.stop();
    }
}

fn said(uploads: &[Begun]) -> PutPayload {
    let said = Said { process: Process::own(), uploads: uploads.to_vec() };
    PutPayload::from(serde_json::json!(said).to_string().into_bytes())
}

/// Aborts what dead runs began and did not complete, and takes their signs back. Returns the objects that the uploads were
/// for. What cannot be looked at or aborted is left for a later run.
pub(super) fn end_dead_runs(store: &RemoteStore) -> Result<Vec<String>, LakeError> {
    let mut ended = Vec::new();
    for sign in store.list_folder(layout::STAGING_FOLDER)? {
        let Some(name) = store.name(&sign.location) else { continue };
        let Some(said) = store.read_side(&name)? else { continue };
        let silent = Utc::now().signed_duration_since(sign.last_modified) > SILENCE;
        let (is_dead, uploads) = match serde_json::from_slice::<Said>(&said) {
            Ok(said) => (said.process.is_gone().unwrap_or(silent), said.uploads),
            Err(error) => {
                tracing::warn!("{}: not what a run left: {error}", store.place(&name));
                continue;
            }
        };
        if is_dead && abort_all(store, uploads, &mut ended) {
            store.drop_side(&name)?;
        }
    }
    Ok(ended)
}

/// Aborts uploads; whether all of them are gone.
fn abort_all(store: &RemoteStore, uploads: Vec<Begun>, ended: &mut Vec<String>) -> bool {
    let mut all = true;
    for Begun { object, upload_id } in uploads {
        let (objects, key) = (Arc::clone(&store.objects), store.key(&object));
        match store.bridge.wait(async move { objects.abort_multipart(&key, &upload_id).await }) {
            Ok(()) => ended.push(object),
            Err(error) if is_missing(&error) => {}
            Err(error) => {
                all = false;
                tracing::warn!("the upload of a dead run to {} cannot be aborted: {error}", store.place(&object));
            }
        }
    }
    all
}
