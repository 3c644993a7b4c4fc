//! From a destination to a lake: which store it is, what the lake says about itself, and how it is laid out.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

#[cfg(feature = "delta")]
use super::delta::{DeltaStore, Ground};
use super::destination::Place;
use super::local::LocalStore;
use super::remote::RemoteStore;
use super::store::Store;
use super::{Destination, Lake, LakeError, layout};

/// The form of the lake as a whole that this version writes, and the newest it reads.
const LAKE_FORMAT: u64 = 1;

/// How a lake is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Folders of hive partitions, each with the one file of its slice.
    #[default]
    Hive,
    /// A Delta table for each dataset: files are never replaced, a log says which are seen. Readers of a version go on with
    /// it, and can ask for earlier ones.
    Delta,
}

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Layout::Hive => "hive",
            Layout::Delta => "delta",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = [Layout::Hive, Layout::Delta].into_iter().find(|layout| layout.name() == text);
        named.ok_or_else(|| format!("{text:?} is neither hive nor delta"))
    }
}

/// `lake.json`.
#[derive(Serialize, Deserialize)]
struct Description {
    format: u64,
    layout: String,
}

/// The store of a lake's files, whatever its layout.
pub(super) enum Base {
    Local(LocalStore),
    Remote(RemoteStore),
}

impl Base {
    pub(super) fn of(destination: &Destination) -> Result<Self, LakeError> {
        Ok(match &destination.place {
            Place::Folder(path) => Base::Local(LocalStore::new(path)),
            Place::Objects(place) => Base::Remote(RemoteStore::new(place)?),
        })
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Base::Local(store) => Arc::new(store.clone()),
            Base::Remote(store) => Arc::new(store.clone()),
        }
    }

    /// The lake of its files in a layout.
    pub(super) fn laid_out(&self, layout: Layout) -> Result<Lake, LakeError> {
        let store: Arc<dyn Store> = match layout {
            Layout::Hive => self.store(),
            #[cfg(feature = "delta")]
            Layout::Delta => Arc::new(self.tables()?),
            #[cfg(not(feature = "delta"))]
            Layout::Delta => return Err(LakeError::WithoutDelta { place: self.store().place("") }),
        };
        Ok(Lake { store, layout })
    }

    #[cfg(feature = "delta")]
    pub(super) fn tables(&self) -> Result<DeltaStore, LakeError> {
        let ground = match self {
            Base::Local(store) => Ground::folder(store.root())?,
            Base::Remote(store) => Ground::objects(store)?,
        };
        DeltaStore::new(self.store(), ground)
    }

    /// The layout of the lake that lies there, if one does that this version can use.
    pub(super) fn layout(&self) -> Result<Option<Layout>, LakeError> {
        layout_of(self.store().as_ref())
    }

    /// Says what the layout is.
    pub(super) fn describe(&self, layout: Layout) -> Result<(), LakeError> {
        let description = Description { format: LAKE_FORMAT, layout: layout.to_string() };
        self.store().put_side(layout::LAKE_FILE, serde_json::json!(description).to_string().as_bytes())
    }
}

/// What the lake of these files says about its layout; none when it says nothing, so there is no lake.
pub(super) fn layout_of(store: &dyn Store) -> Result<Option<Layout>, LakeError> {
    let Some(bytes) = store.read_side(layout::LAKE_FILE)? else { return Ok(None) };
    let place = store.place(layout::LAKE_FILE);
    let Description { format, layout } = match serde_json::from_slice(&bytes) {
        Ok(description) => description,
        Err(error) => return Err(LakeError::DamagedLake { place, reason: error.to_string() }),
    };
    if format > LAKE_FORMAT {
        return Err(LakeError::NewerLake { place, format, known: LAKE_FORMAT });
    }
    match layout.parse() {
        Ok(layout) => Ok(Some(layout)),
        Err(_) => Err(LakeError::UnknownLayout { place, layout }),
    }
}

impl Lake {
    /// Opens a lake to write into it. One that is not there is created, with hive partitions.
    ///
    /// # Errors
    ///
    /// A lake of a newer version is refused ([`LakeErrorKind::Usage`](super::LakeErrorKind::Usage)); a place that cannot be
    /// written is [`LakeErrorKind::Destination`](super::LakeErrorKind::Destination).
    pub fn open(destination: &Destination) -> Result<Lake, LakeError> {
        Lake::open_as(destination, None)
    }

    /// Opens a lake to write into it. One that is not there is created in this layout, else with hive partitions.
    ///
    /// # Errors
    ///
    /// As [`open`](Lake::open); a lake of another layout than the one named is refused too.
    pub fn open_as(destination: &Destination, named: Option<Layout>) -> Result<Lake, LakeError> {
        let base = Base::of(destination)?;
        match (base.layout()?, named) {
            (Some(layout), Some(named)) if layout != named => {
                Err(LakeError::OtherLayout { place: destination.to_string(), layout, named })
            }
            (Some(layout), _) => base.laid_out(layout),
            (None, named) => {
                let layout = named.unwrap_or_default();
                // What cannot be used is not created.
                let lake = base.laid_out(layout)?;
                base.describe(layout)?;
                Ok(lake)
            }
        }
    }

    /// Opens a lake to read from it: creates nothing, and returns none when there is no lake.
    ///
    /// # Errors
    ///
    /// As [`open`](Lake::open).
    pub fn open_existing(destination: &Destination) -> Result<Option<Lake>, LakeError> {
        let base = Base::of(destination)?;
        base.layout()?.map(|layout| base.laid_out(layout)).transpose()
    }

    /// How it is laid out.
    pub fn layout(&self) -> Layout {
        self.layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_the_same_both_ways() {
        for layout in [Layout::Hive, Layout::Delta] {
            assert_eq!(layout.to_string().parse(), Ok(layout));
        }
        assert!("iceberg".parse::<Layout>().is_err());
    }
}
