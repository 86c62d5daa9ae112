//! Digests of what is archived, and the functions that make them.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

/// By which function a run digests what it archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DigestAlgorithm {
    /// BLAKE3.
    #[default]
    Blake3,
    /// SHA-256 (FIPS 180-4), where a policy asks for it.
    Sha256,
}

/// A text that names no such function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `blake3` or `sha256`")]
pub struct NoDigestAlgorithm(String);

impl DigestAlgorithm {
    const ALL: [Self; 2] = [Self::Blake3, Self::Sha256];

    /// Its name in `segment.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }

    /// The digest of `data`.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> Digest {
        match self {
            Self::Blake3 => blake3::hash(data).into(),
            Self::Sha256 => Digest(sha2::Sha256::digest(data).into()),
        }
    }

    /// For data that come in pieces.
    #[must_use]
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Blake3 => Hasher::Blake3(blake3::Hasher::new()),
            Self::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
        }
    }
}

impl FromStr for DigestAlgorithm {
    type Err = NoDigestAlgorithm;

    fn from_str(text: &str) -> Result<Self, NoDigestAlgorithm> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| NoDigestAlgorithm(text.to_owned()))
    }
}

/// A digest of which not all data have come.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub enum Hasher {
    /// Of BLAKE3.
    Blake3(blake3::Hasher),
    /// Of SHA-256.
    Sha256(sha2::Sha256),
}

impl Hasher {
    /// Takes the data that follow.
    pub fn update(&mut self, data: &[u8]) {
        match self {
            Self::Blake3(hasher) => drop(hasher.update(data)),
            Self::Sha256(hasher) => hasher.update(data),
        }
    }

    /// The digest of all data so far.
    #[must_use]
    pub fn finish(&self) -> Digest {
        match self {
            Self::Blake3(hasher) => hasher.finalize().into(),
            Self::Sha256(hasher) => Digest(hasher.clone().finalize().into()),
        }
    }
}

/// A digest by the function of its run; shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Its digits.
    #[must_use]
    pub fn to_hex(self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.to_hex();
        f.write_str(str::from_utf8(&digits).expect("digits are ASCII"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a digest of 64 hexadecimal digits")]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let hash = blake3::Hash::from_hex(text).map_err(|_| NotADigest)?;
        if lower {
            Ok(hash.into())
        } else {
            Err(NotADigest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "abc", by the vectors of BLAKE3 and of FIPS 180-4.
    #[test]
    fn each_name_stands_for_its_function_in_one_piece_and_in_many() {
        let cases = [
            (
                "blake3",
                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            ),
            (
                "sha256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ];
        for (name, expected) in cases {
            let algorithm: DigestAlgorithm = name.parse().unwrap();
            assert_eq!(algorithm.name(), name);
            assert_eq!(algorithm.digest(b"abc").to_string(), expected);
            let mut hasher = algorithm.hasher();
            hasher.update(b"a");
            let before = hasher.finish();
            hasher.update(b"bc");
            assert_eq!((before, hasher.finish().to_string()), {
                (algorithm.digest(b"a"), expected.to_owned())
            });
        }
        assert!("sha1".parse::<DigestAlgorithm>().is_err());
    }
}
