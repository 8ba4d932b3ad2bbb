use std::fmt;

use agent_turbo_knowledge::ContentHash;

/// The sum of SHA-256 hashes, modulo 2^256: the same in whatever order they come, and another one when any of them is
/// missing, changed or counted twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest([u64; 4]);

impl Digest {
    /// A hash of another kind, such as other programs may have written, adds nothing.
    pub(super) fn add(&mut self, hash: &ContentHash) {
        let Some(words) = words(hash.as_str()) else { return };
        let mut carry = false;
        for (sum, word) in self.0.iter_mut().zip(words).rev() {
            let (added, over) = sum.overflowing_add(word);
            let (added, carried) = added.overflowing_add(u64::from(carry));
            *sum = added;
            carry = over || carried;
        }
    }
}

fn words(hex: &str) -> Option<[u64; 4]> {
    let mut words = [0; 4];
    if hex.len() != 64 {
        return None;
    }
    for (index, word) in words.iter_mut().enumerate() {
        *word = u64::from_str_radix(hex.get(16 * index..16 * (index + 1))?, 16).ok()?;
    }
    Some(words)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}
