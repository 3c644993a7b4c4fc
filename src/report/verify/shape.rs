//! Which contracts files may have.

use std::sync::Arc;

use crate::contract::{Contract, Dataset};

/// The contract with this fingerprint, of those that files of the dataset may have: with the map of tags or without.
pub(super) fn contract(dataset: Dataset, fingerprint: &str) -> Option<Arc<Contract>> {
    let plain = Contract::of(dataset);
    let with_map = Arc::new(plain.with_tags_map());
    [plain, with_map].into_iter().find(|contract| contract.fingerprint() == fingerprint)
}
