//! Data that a table's readers of the present do not see: of versions before, and of commits that never were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde_json::Value;

use crate::contract::Dataset;

use crate::lake::{LakeError, layout};

use super::{DeltaStore, path_in_table};

/// The folder of a table's log.
const LOG: &str = "_delta_log";

/// How old a file is at least that no commit ever named, before it is taken for one whose run died: living runs commit a file
/// soon after they have put it there.
pub(super) const ORPHANS: TimeDelta = TimeDelta::hours(24);

/// Drops the files of a table that were removed from it before `horizon`, and those that no commit named and that were
/// written before `orphans`, and adds their names to `dropped`.
pub(super) fn drop_old(
    store: &DeltaStore,
    dataset: Dataset,
    horizon: DateTime<Utc>,
    orphans: DateTime<Utc>,
    dropped: &mut Vec<String>,
) -> Result<(), LakeError> {
    let objects = list(store, dataset)?;
    let removed = removals(store, dataset, &objects)?;
    // After the listing: what was committed in between is seen here.
    let active: BTreeSet<String> = store.active(dataset)?.into_iter().map(|file| file.path).collect();
    for object in &objects {
        let Some(name) = name_of(store, dataset, object) else { continue };
        let is_data = name.rsplit('/').next().is_some_and(layout::is_data) && !is_of_log(dataset, &name);
        let path = path_in_table(&name);
        let is_old = match removed.get(&path) {
            Some(removed) => *removed < horizon.timestamp_millis(),
            None => object.last_modified < orphans,
        };
        if is_data && is_old && !active.contains(&path) {
            store.files.drop_side(&name)?;
            dropped.push(name);
        }
    }
    Ok(())
}

/// Drops the log of a table.
pub(super) fn drop_log(store: &DeltaStore, dataset: Dataset) -> Result<(), LakeError> {
    let mut names: Vec<_> = list(store, dataset)?.iter().filter_map(|object| name_of(store, dataset, object)).collect();
    names.retain(|name| is_of_log(dataset, name));
    names.iter().try_for_each(|name| store.files.drop_side(name))
}

fn is_of_log(dataset: Dataset, name: &str) -> bool {
    name.strip_prefix(dataset.name()).is_some_and(|rest| rest.starts_with(&format!("/{LOG}/")))
}

/// All objects of a table, its log too; none when there is no folder of it.
fn list(store: &DeltaStore, dataset: Dataset) -> Result<Vec<ObjectMeta>, LakeError> {
    let objects = Arc::clone(&store.ground.objects);
    let key = table_key(store, dataset);
    let listed = store.ground.bridge.wait(async move { objects.list(Some(&key)).try_collect().await });
    match listed {
        Ok(listed) => Ok(listed),
        Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(failure(store, dataset, error)),
    }
}

fn failure(store: &DeltaStore, dataset: Dataset, error: object_store::Error) -> LakeError {
    LakeError::store("look through the table", store.files.place(dataset.name()), error)
}

fn table_key(store: &DeltaStore, dataset: Dataset) -> Path {
    let root = Path::from_url_path(store.ground.root.path()).unwrap_or_default();
    root.join(dataset.name())
}

/// The name in the lake of an object of a table.
fn name_of(store: &DeltaStore, dataset: Dataset, object: &ObjectMeta) -> Option<String> {
    let within = object.location.as_ref().strip_prefix(table_key(store, dataset).as_ref())?;
    Some(format!("{dataset}{within}"))
}

/// The files, as the log writes their names, that commits removed, and when, in milliseconds since 1970: readers of versions
/// before that still see them.
fn removals(store: &DeltaStore, dataset: Dataset, objects: &[ObjectMeta]) -> Result<BTreeMap<String, i64>, LakeError> {
    let mut removed = BTreeMap::new();
    for object in objects {
        let is_commit = name_of(store, dataset, object).is_some_and(|name| is_of_log(dataset, &name))
            && object.location.as_ref().ends_with(".json");
        if !is_commit {
            continue;
        }
        let (objects, key) = (Arc::clone(&store.ground.objects), object.location.clone());
        let text = store.ground.bridge.wait(async move { objects.get(&key).await?.bytes().await });
        let text = text.map_err(|error| failure(store, dataset, error))?;
        let written = object.last_modified.timestamp_millis();
        let actions = serde_json::Deserializer::from_slice(&text).into_iter::<Value>().map_while(Result::ok);
        removed.extend(actions.filter_map(|action| {
            let remove = &action["remove"];
            Some((remove["path"].as_str()?.to_owned(), remove["deletionTimestamp"].as_i64().unwrap_or(written)))
        }));
    }
    Ok(removed)
}
