//! A lake in an object store, S3 or Azure Blob: listing, reading and small objects. Publishing is in [`run`].

mod connect;
mod process;
mod run;
mod sign;
mod upload;

use std::ops::Range;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStoreExt, PutPayload, RetryConfig};

use crate::contract::{Dataset, Slice};

use super::bridge::Bridge;
use super::destination::ObjectPlace;
use super::store::{Store, StoreRun, StoredFile};
use super::{LakeError, layout};

use connect::Objects;
#[cfg(test)]
pub(super) use process::Process;

/// Reads and deletions under way at once.
const AT_ONCE: usize = 16;

/// A lake under a prefix of a bucket or container.
#[derive(Debug, Clone)]
pub(super) struct RemoteStore {
    place: ObjectPlace,
    objects: Arc<dyn Objects>,
    bridge: Arc<Bridge>,
}

impl RemoteStore {
    /// The lake at a place; nothing is sent yet.
    pub(super) fn new(place: &ObjectPlace) -> Result<Self, LakeError> {
        RemoteStore::with(place, &connect::environment(), connect::patience())
    }

    /// The lake at a place that these variables tell how to reach.
    pub(super) fn with(
        place: &ObjectPlace,
        variables: &[(String, String)],
        retry: RetryConfig,
    ) -> Result<Self, LakeError> {
        let objects = connect::connect(place, variables, retry)?;
        let bridge = Bridge::new().map_err(|error| LakeError::StoreSettings {
            place: place.to_string(),
            reason: format!("no thread for its requests: {error}"),
        })?;
        Ok(RemoteStore { place: place.clone(), objects, bridge: Arc::new(bridge) })
    }

    /// Where it lies.
    #[cfg(feature = "delta")]
    pub(super) fn object_place(&self) -> &ObjectPlace {
        &self.place
    }

    /// Its client, and the threads that requests go on in.
    #[cfg(feature = "delta")]
    pub(super) fn client(&self) -> (Arc<dyn object_store::ObjectStore>, Arc<Bridge>) {
        (Arc::clone(&self.objects) as Arc<dyn object_store::ObjectStore>, Arc::clone(&self.bridge))
    }

    /// The key of a name of the lake. Names are made of what no key refuses.
    fn key(&self, name: &str) -> Path {
        let key = if self.place.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.place.prefix) };
        Path::parse(&key).unwrap_or_else(|_| Path::from(key))
    }

    /// The lake's name of a key.
    fn name(&self, key: &Path) -> Option<String> {
        let name = key.as_ref().strip_prefix(self.place.prefix.as_str())?;
        Some(name.trim_start_matches('/').to_owned())
    }

    fn failure(&self, action: &'static str, name: &str, error: object_store::Error) -> LakeError {
        LakeError::store(action, self.place(name), error)
    }

    /// All objects in a folder, and in those below it.
    fn list_folder(&self, folder: &str) -> Result<Vec<ObjectMeta>, LakeError> {
        let (objects, key) = (Arc::clone(&self.objects), self.key(folder));
        let listed = self.bridge.wait(async move { objects.list(Some(&key)).try_collect().await });
        listed.map_err(|error| self.failure("list", folder, error))
    }

    /// Those of the objects that are files of slices.
    fn data(&self, listed: Vec<ObjectMeta>) -> Vec<StoredFile> {
        let stored = listed.into_iter().filter_map(|object| {
            let name = self.name(&object.location)?;
            let (folder, file) = name.rsplit_once('/')?;
            let slice = layout::slice_of(folder).filter(|_| layout::is_data(file))?;
            Some(StoredFile { slice, name, bytes: object.size, version: object.e_tag })
        });
        stored.collect()
    }

    /// The files in the partition folder of a slice.
    fn list_partition(&self, slice: &Slice) -> Result<Vec<StoredFile>, LakeError> {
        Ok(self.data(self.list_folder(&layout::partition(slice))?))
    }

    /// Reads an object or a part of it; none when there is no such object, or not in this version any more.
    fn get(&self, name: &str, options: GetOptions) -> Result<Option<Vec<u8>>, LakeError> {
        let (objects, key) = (Arc::clone(&self.objects), self.key(name));
        let got = self.bridge.wait(async move { objects.get_opts(&key, options).await?.bytes().await });
        match got {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(object_store::Error::Precondition { .. }) => Ok(None),
            Err(error) => Err(self.failure("read", name, error)),
        }
    }

    fn put(&self, name: &str, bytes: PutPayload) -> Result<(), LakeError> {
        let (objects, key) = (Arc::clone(&self.objects), self.key(name));
        let put = self.bridge.wait(async move { objects.put(&key, bytes).await });
        put.map_err(|error| self.failure("write", name, error))?;
        Ok(())
    }
}

/// Whether the object is missing, and not all of its bucket.
fn is_missing(error: &object_store::Error) -> bool {
    const PLACES: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];
    matches!(error, object_store::Error::NotFound { .. })
        && !PLACES.iter().any(|place| error.to_string().contains(place))
}

impl Store for RemoteStore {
    fn list(&self, dataset: Dataset) -> Result<Vec<StoredFile>, LakeError> {
        Ok(self.data(self.list_folder(dataset.name())?))
    }

    fn has(&self, _: &Slice) -> Result<bool, LakeError> {
        Ok(true)
    }

    fn read(&self, file: &StoredFile, range: Range<u64>) -> Result<Option<Vec<u8>>, LakeError> {
        let range = range.start..range.end.min(file.bytes);
        if range.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let options = GetOptions {
            if_match: file.version.clone(),
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        self.get(&file.name, options)
    }

    fn reads_at_once(&self) -> usize {
        AT_ONCE
    }

    fn staged_bytes(&self) -> u64 {
        upload::HELD
    }

    fn read_side(&self, name: &str) -> Result<Option<Vec<u8>>, LakeError> {
        self.get(name, GetOptions::default())
    }

    fn put_side(&self, name: &str, bytes: &[u8]) -> Result<(), LakeError> {
        self.put(name, PutPayload::from(bytes.to_vec()))
    }

    fn drop_side(&self, name: &str) -> Result<(), LakeError> {
        let (objects, key) = (Arc::clone(&self.objects), self.key(name));
        match self.bridge.wait(async move { objects.delete(&key).await }) {
            Err(error) if !is_missing(&error) => Err(self.failure("remove", name, error)),
            _ => Ok(()),
        }
    }

    fn keep_newest(&self, folder: &str, keep: usize) -> Result<(), LakeError> {
        let mut listed = self.list_folder(folder)?;
        listed.sort_unstable_by(|a, b| (b.last_modified, &b.location).cmp(&(a.last_modified, &a.location)));
        for surplus in listed.into_iter().skip(keep) {
            if let Some(name) = self.name(&surplus.location) {
                self.drop_side(&name)?;
            }
        }
        Ok(())
    }

    fn clean(&self) -> Result<Vec<String>, LakeError> {
        sign::end_dead_runs(self)
    }

    fn begin_run(&self, run: &str) -> Result<Arc<dyn StoreRun>, LakeError> {
        self.clean()?;
        Ok(Arc::new(run::RemoteRun::new(Arc::new(self.clone()), run)))
    }

    fn place(&self, name: &str) -> String {
        if name.is_empty() { self.place.to_string() } else { format!("{}/{name}", self.place) }
    }
}
