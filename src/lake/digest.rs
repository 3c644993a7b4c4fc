//! Digests, as they stand in footers: of a file's data, and of the footer's metadata itself.

use memchr::memmem;
use sha2::{Digest, Sha256};

/// What stands in the place of the metadata's digest while that is taken. A value that covers itself cannot be written
/// at once: the metadata is hashed with this in it, and the digest, which has the same length, takes its place.
pub(super) const OPEN: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// `sha256:` and the hash in hexadecimal.
pub(super) fn in_words(hash: Sha256) -> String {
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// The digest of metadata in which `stated` stands for its own; none when that stands nowhere in it.
pub(super) fn of_metadata(metadata: &[u8], stated: &str) -> Option<String> {
    let at = memmem::rfind(metadata, stated.as_bytes())?;
    let hash = Sha256::new().chain_update(&metadata[..at]).chain_update(OPEN);
    Some(in_words(hash.chain_update(&metadata[at + stated.len()..])))
}

/// Puts its digest into metadata that was written with [`OPEN`] in its place, which must be the last such text in it.
pub(super) fn close(metadata: &mut [u8]) -> Option<()> {
    let digest = of_metadata(metadata, OPEN)?;
    let at = memmem::rfind(metadata, OPEN.as_bytes())?;
    metadata[at..at + digest.len()].copy_from_slice(digest.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_holds_its_own_digest_and_any_other_byte_breaks_it() {
        let mut metadata = format!("before {OPEN} between {OPEN} behind").into_bytes();
        close(&mut metadata).unwrap();
        let text = String::from_utf8(metadata.clone()).unwrap();
        let stated = text.rsplit(' ').nth(1).unwrap().to_owned();
        assert_eq!(of_metadata(&metadata, &stated), Some(stated.clone()));
        assert!(text.starts_with(&format!("before {OPEN} between sha256:")));
        for at in 0..metadata.len() {
            metadata[at] ^= 1;
            assert_ne!(of_metadata(&metadata, &stated), Some(stated.clone()), "byte {at}");
            metadata[at] ^= 1;
        }
        assert_eq!(of_metadata(&metadata, "sha256:other"), None);
        assert_eq!(close(&mut b"nothing".to_vec()), None);
    }
}
