//! The bytes of a list: see `knowledge_postings` in `V13__postings.sql`.

/// How often a word stands in an entry, up to 15, and roughly how long the entry is, in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note(pub(crate) u8);

impl Note {
    /// `length` in words. Its 16 classes grow by the square root of two each, from 4 words to 724.
    pub(crate) fn new(times: u8, length: u32) -> Self {
        let class = (2.0 * (f64::from(length.max(1)) / 4.0).log2()).round().clamp(0.0, 15.0);
        Self(times.min(15) << 4 | class as u8)
    }

    pub(crate) fn times(self) -> u8 {
        self.0 >> 4
    }

    /// The length that its class stands for, in words.
    pub(crate) fn length(self) -> f64 {
        4.0 * (f64::from(self.0 & 15) / 2.0).exp2()
    }
}

/// A list that grows by ever larger ids.
#[derive(Debug)]
pub(super) struct Packer {
    last: i64,
    pub(super) bytes: Vec<u8>,
    pub(super) entries: usize,
}

impl Packer {
    pub(super) fn new(base: i64) -> Self {
        Self { last: base, bytes: Vec::new(), entries: 0 }
    }

    /// An id that is not larger than the last one is left out.
    pub(super) fn push(&mut self, id: i64, note: Note) {
        let Ok(mut distance) = u64::try_from(id.saturating_sub(self.last)) else { return };
        if distance == 0 {
            return;
        }
        while distance > 0x7f {
            self.bytes.push(distance as u8 | 0x80);
            distance >>= 7;
        }
        self.bytes.extend([distance as u8, note.0]);
        self.last = id;
        self.entries += 1;
    }
}

/// The ids of a list, as their distances from its base, and their notes. Of bytes that are no list it is whatever they say.
#[inline]
pub(crate) fn unpack(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Note)> {
    let mut at = 0_u64;
    std::iter::from_fn(move || {
        let (mut distance, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = bytes.split_first()?;
            bytes = rest;
            distance |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (note, rest) = bytes.split_first()?;
        bytes = rest;
        at = at.checked_add(distance)?;
        Some((at, Note(*note)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_kept_to_a_fifth() {
        for length in 4..724 {
            let kept = Note::new(1, length).length();
            assert!((0.83..1.2).contains(&(kept / f64::from(length))), "{length} became {kept}");
        }
        assert_eq!((Note::new(255, 0).times(), Note::new(3, 1_000_000).times()), (15, 3));
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(base in -5..1_i64 << 40,
                                      ids in proptest::collection::btree_map(1..1_i64 << 40, any::<u8>(), 0..200)) {
            let mut packer = Packer::new(base);
            for (distance, note) in &ids {
                packer.push(base + distance, Note(*note));
            }
            let back: Vec<(i64, u8)> = unpack(&packer.bytes).map(|(at, note)| (at as i64, note.0)).collect();
            prop_assert_eq!(back, ids.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(unpack(&bytes).count() <= bytes.len());
        }
    }
}
