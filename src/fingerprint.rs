//! Short hashes of files, used to notice that a stored result belongs to an older version.

use sha2::{Digest, Sha256};

/// The first 8 bytes of the SHA-256 of some parts, one after the other, in hexadecimal.
pub fn fingerprint<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut text = Sha256::new();
    parts.into_iter().for_each(|part| text.update(part));
    text.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
