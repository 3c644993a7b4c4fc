//! A run on an object store: files appear under their names by the one request that ends their upload.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_schema::SchemaRef;

use crate::contract::Slice;
use crate::lake::store::{Staged, Store, StoreRun, Unkept};
use crate::lake::{LakeError, layout};

use super::RemoteStore;
use super::sign::Sign;
use super::upload::Upload;

/// A run on an object store.
#[derive(Debug)]
pub(super) struct RemoteRun {
    store: Arc<RemoteStore>,
    sign: Arc<Sign>,
    /// Bytes that wait in memory to be put in place.
    waiting: Arc<AtomicU64>,
}

impl RemoteRun {
    pub(super) fn new(store: Arc<RemoteStore>, run: &str) -> Self {
        let sign = Arc::new(Sign::new(Arc::clone(&store), run));
        RemoteRun { store, sign, waiting: Arc::default() }
    }

    fn upload(&self, name: String) -> Upload {
        Upload::new(Arc::clone(&self.store), Arc::clone(&self.sign), Arc::clone(&self.waiting), name)
    }
}

impl StoreRun for RemoteRun {
    fn stage(&self, slice: &Slice, _: &SchemaRef) -> Result<Box<dyn Staged>, LakeError> {
        // A lake that was copied from a disk has other names; one of them is replaced, the others would be read beside it.
        let mut names: Vec<_> = self.store.list_partition(slice)?.into_iter().map(|file| file.name).collect();
        names.sort_unstable();
        let fixed = format!("{}/{}", layout::partition(slice), layout::FIXED_NAME);
        let name = names.first().cloned().unwrap_or(fixed);
        let surplus = names.into_iter().skip(1).collect();
        Ok(Box::new(RemoteStaged { upload: self.upload(name.clone()), store: Arc::clone(&self.store), name, surplus }))
    }

    fn reuses_names(&self) -> bool {
        true
    }

    fn open(&self, name: &str, _: bool) -> Result<Box<dyn Unkept>, LakeError> {
        Ok(Box::new(self.upload(name.to_owned())))
    }

    fn finish(&self) -> Result<(), LakeError> {
        self.sign.end()
    }
}

/// A slice's file on its way.
#[derive(Debug)]
struct RemoteStaged {
    upload: Upload,
    store: Arc<RemoteStore>,
    name: String,
    /// What lies in the partition besides.
    surplus: Vec<String>,
}

impl Write for RemoteStaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.upload.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.upload.flush()
    }
}

impl Staged for RemoteStaged {
    fn failure(&self, source: io::Error) -> LakeError {
        self.upload.failure(source)
    }

    fn seal(&mut self) -> Result<u64, LakeError> {
        self.upload.seal()
    }

    fn publish(self: Box<Self>, _: u64) -> Result<String, LakeError> {
        let RemoteStaged { upload, store, name, surplus } = *self;
        upload.put_in_place()?;
        for name in surplus {
            store.drop_side(&name)?;
        }
        Ok(name)
    }
}

impl Unkept for Upload {
    fn failure(&self, source: io::Error) -> LakeError {
        Upload::failure(self, source)
    }

    fn keep(mut self: Box<Self>) -> Result<(), LakeError> {
        self.seal()?;
        self.put_in_place()
    }
}
