use sha2::{Digest, Sha256};

/// A link of a chain: SHA-256.
pub(super) type Hash = [u8; 32];

/// What the first link of a chain is chained to: SHA-256 of the chain's name.
pub(super) fn origin(chain: &str) -> Hash {
    Sha256::digest(chain).into()
}

/// The link at `position`: SHA-256 of the previous one, the position as 8 bytes (big end first), and the digest of the
/// action, which the database computes (`action_digest`).
pub(super) fn link(previous: &[u8], position: i64, digest: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(previous)
        .chain_update(position.to_be_bytes())
        .chain_update(digest)
        .finalize()
        .into()
}

/// In hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
