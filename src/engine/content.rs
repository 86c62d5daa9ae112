//! The digest of a file's logical content, made from the pieces that are on tape.
//!
//! Holes count as the zeros that a reader of the file would see, so that a digest does
//! not depend on where the source's file system happened to have holes.

use crate::volume::index::{Digest, DigestAlgorithm, Hasher};

/// Zeros hashed or written at once where a hole is.
pub(super) static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Bytes of hole hashed by one call of [`ContentDigest::advance_to`]: a tape can claim
/// holes of any size, and so can a source, so that the caller must get the chance to stop.
pub(crate) const HOLE_STEP_BYTES: u64 = 64 << 20;

/// Hashes what a member covers of its file, in order.
#[derive(Debug)]
pub(crate) struct ContentDigest {
    hasher: Hasher,
    position_bytes: u64,
}

/// The pieces of a member do not follow one another within what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfOrder;

impl ContentDigest {
    pub(crate) fn new(algorithm: DigestAlgorithm) -> Self {
        Self {
            hasher: algorithm.hasher(),
            position_bytes: 0,
        }
    }

    /// How far into what the member covers the digest has come.
    pub(crate) fn position_bytes(&self) -> u64 {
        self.position_bytes
    }

    /// Hashes the hole up to `offset_bytes`, at most [`HOLE_STEP_BYTES`] of it; true once
    /// it is there.
    pub(crate) fn advance_to(&mut self, offset_bytes: u64) -> Result<bool, OutOfOrder> {
        let missing = offset_bytes
            .checked_sub(self.position_bytes)
            .ok_or(OutOfOrder)?;
        let step = missing.min(HOLE_STEP_BYTES);
        let mut left = step;
        while left > 0 {
            let piece = left.min(ZEROS.len() as u64);
            self.hasher.update(&ZEROS[..piece as usize]);
            left -= piece;
        }
        self.position_bytes += step;
        Ok(step == missing)
    }

    /// Hashes data that lie where the last call ended.
    pub(crate) fn update(&mut self, data: &[u8]) {
        self.hasher.update(data);
        self.position_bytes += data.len() as u64;
    }

    /// The digest of everything so far.
    pub(crate) fn finish(&self) -> Digest {
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_count_as_zeros() {
        let mut content = vec![0_u8; 300_000];
        content[100_000..100_005].copy_from_slice(b"piece");
        for algorithm in [DigestAlgorithm::Blake3, DigestAlgorithm::Sha256] {
            let mut digest = ContentDigest::new(algorithm);
            assert_eq!(digest.advance_to(100_000), Ok(true));
            digest.update(b"piece");
            assert_eq!(digest.advance_to(300_000), Ok(true));
            assert_eq!(digest.advance_to(299_999), Err(OutOfOrder));
            assert_eq!(digest.finish(), algorithm.digest(&content));
        }
    }

    #[test]
    fn a_hole_without_end_can_be_left() {
        let mut digest = ContentDigest::new(DigestAlgorithm::Blake3);
        assert_eq!(digest.advance_to(u64::MAX), Ok(false));
        assert_eq!(digest.position_bytes, HOLE_STEP_BYTES);
    }
}
