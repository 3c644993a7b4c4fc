//! From one layout to the other: files stay where they are, and only what names them is made or dropped.
//!
//! `lake.json` is written between what the old layout needs and what the new one does without, so a lake whose change died in the
//! middle is one of the old layout or one of the new, and changing it again goes on.

#[cfg(feature = "delta")]
use crate::contract::Dataset;

use super::opening::Base;
use super::{Destination, Lake, LakeError, Layout};

impl Lake {
    /// Gives the lake another layout, and returns it. Let no run be at work on it.
    ///
    /// From Delta tables to hive partitions the earlier versions of the tables are lost.
    ///
    /// # Errors
    ///
    /// None is changed when there is no lake, or when the files of a dataset are not one for each slice
    /// ([`LakeErrorKind::Usage`](super::LakeErrorKind::Usage)).
    pub fn change_layout(destination: &Destination, to: Layout) -> Result<Option<Lake>, LakeError> {
        let base = Base::of(destination)?;
        let Some(from) = base.layout()? else { return Ok(None) };
        relay(&base, from, to)?;
        base.laid_out(to).map(Some)
    }
}

#[cfg(not(feature = "delta"))]
fn relay(base: &Base, from: Layout, to: Layout) -> Result<(), LakeError> {
    if from == to { Ok(()) } else { Err(LakeError::WithoutDelta { place: base.store().place("") }) }
}

#[cfg(feature = "delta")]
fn relay(base: &Base, from: Layout, to: Layout) -> Result<(), LakeError> {
    let tables = base.tables()?;
    match (from, to) {
        (Layout::Hive, Layout::Delta) => {
            for dataset in Dataset::ALL {
                tables.refuse_several(dataset)?;
            }
            for dataset in Dataset::ALL {
                tables.adopt(dataset)?;
            }
            base.describe(to)?;
        }
        (Layout::Delta, Layout::Hive) => {
            for dataset in Dataset::ALL {
                tables.refuse_strangers(dataset)?;
            }
            for dataset in Dataset::ALL {
                tables.drop_unseen(dataset)?;
            }
            base.describe(to)?;
        }
        (Layout::Hive, Layout::Hive) | (Layout::Delta, Layout::Delta) => {}
    }
    if to == Layout::Hive {
        // Readers of hive partitions would take the log's own Parquet files for data.
        for dataset in Dataset::ALL {
            tables.drop_log(dataset)?;
        }
    }
    Ok(())
}
