//! Files with the same content under several paths.
//!
//! A first pass marks digests that may occur twice in a table of two bits each; further passes
//! collect those alone, a share at a time. Digests are as good as random, so they are their own
//! hash.

use super::{FindOptions, Hit, View};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::model::Kind;
use crate::model::event::DigestAlgorithm;
use crate::pattern::Pattern;

/// The table has at most so many places, of two bits: 256 MiB.
const PLACES_MAX: u64 = 1 << 30;
/// So many places for each entry: of eight unique ones, one is taken for a duplicate.
const PLACES_PER_ENTRY: u64 = 8;

/// One content under several paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Digest of the content.
    pub digest: [u8; 32],
    /// How it was made.
    pub algorithm: DigestAlgorithm,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The paths, in directory order.
    pub paths: Vec<Vec<u8>>,
}

impl Catalog {
    /// Contents of at least `least_bytes` that are under several of the paths that `pattern` means,
    /// in their newest versions as `options` have it; in the order of their digests. Files in
    /// parts have no digest of their whole, and do not count; nor does what is gone. Contents with
    /// digests by different algorithms do not meet.
    ///
    /// Memory: `at_once` entries or what has one and the same content, and the table.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read. What else fails comes among the answers.
    pub fn duplicates(
        &self,
        pattern: &Pattern,
        options: &FindOptions,
        least_bytes: u64,
        at_once: u64,
    ) -> Result<Duplicates<'_>, CatalogError> {
        let mut duplicates = Duplicates {
            view: self.view(options)?,
            pattern: pattern.clone(),
            least_bytes,
            table: Table::new(self.entries_at_most()),
            passes: 0,
            pass: 0,
            ready: Vec::new().into_iter(),
        };
        let failed = duplicates.mark_all()?;
        duplicates.passes = duplicates.table.candidates.div_ceil(at_once.max(1));
        duplicates.ready = failed.into_iter();
        Ok(duplicates)
    }
}

/// What stands for a content.
type Content = ([u8; 32], DigestAlgorithm);

type Answer = Result<Duplicate, CatalogError>;

/// See [`Catalog::duplicates`].
pub struct Duplicates<'a> {
    view: View<'a>,
    pattern: Pattern,
    least_bytes: u64,
    table: Table,
    passes: u64,
    pass: u64,
    ready: std::vec::IntoIter<Answer>,
}

impl Duplicates<'_> {
    /// The first pass. What cannot be read is told now, and not again by each pass.
    fn mark_all(&mut self) -> Result<Vec<Answer>, CatalogError> {
        let mut failed = Vec::new();
        let mut last = Vec::new();
        for hit in self.view.search(&self.pattern, &self.pattern.ranges()) {
            match hit {
                Err(error) => failed.push(Err(error)),
                Ok(hit) => {
                    // Copies of one path are one.
                    if let Some((digest, _)) = self.content(&hit)
                        && hit.entry.path != last
                    {
                        self.table.mark(&digest);
                        last = hit.entry.path;
                    }
                }
            }
        }
        Ok(failed)
    }

    fn content(&self, hit: &Hit) -> Option<Content> {
        let entry = &hit.entry;
        let whole = entry.kind == Kind::File && entry.part.is_none();
        let wanted = whole && !hit.gone && entry.size_bytes >= self.least_bytes;
        let digest = entry.digest.filter(|_| wanted)?;
        Some((digest, hit.receipt.receipt.digest_algorithm))
    }

    /// The contents of one share of the digests.
    fn collect_share(&self, pass: u64) -> Result<Vec<Answer>, CatalogError> {
        let share = |digest: &[u8; 32]| {
            // The upper end of the digest, so that shares are in its order.
            let scaled = u128::from(number(digest)) * u128::from(self.passes);
            (scaled >> 64) as u64
        };
        let mut found: Vec<(Content, u64, Vec<u8>)> = Vec::new();
        for hit in self.view.search(&self.pattern, &self.pattern.ranges()) {
            let hit = match hit {
                Ok(hit) => hit,
                Err(CatalogError::Stopped) => return Err(CatalogError::Stopped),
                Err(_) => continue,
            };
            let Some(content) = self.content(&hit) else {
                continue;
            };
            let again = |last: &(Content, u64, Vec<u8>)| last.2 == hit.entry.path;
            if self.table.may_be_twice(&content.0)
                && share(&content.0) == pass
                && !found.last().is_some_and(again)
            {
                found.push((content, hit.entry.size_bytes, hit.entry.path));
            }
        }
        // Stable: paths stay in their order.
        found.sort_by_key(|(content, _, _)| *content);
        let mut groups: Vec<Duplicate> = Vec::new();
        for ((digest, algorithm), size_bytes, path) in found {
            match groups.last_mut() {
                Some(group) if (group.digest, group.algorithm) == (digest, algorithm) => {
                    group.paths.push(path)
                }
                _ => groups.push(Duplicate {
                    digest,
                    algorithm,
                    size_bytes,
                    paths: vec![path],
                }),
            }
        }
        groups.retain(|group| group.paths.len() > 1);
        Ok(groups.into_iter().map(Ok).collect())
    }
}

impl Iterator for Duplicates<'_> {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.ready.next() {
                return Some(answer);
            }
            if self.pass == self.passes {
                return None;
            }
            match self.collect_share(self.pass) {
                Ok(answers) => self.ready = answers.into_iter(),
                Err(error) => {
                    self.pass = self.passes;
                    return Some(Err(error));
                }
            }
            self.pass += 1;
        }
    }
}

/// The first eight bytes of a digest.
fn number(digest: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}

/// Two bits for each place: seen, and seen again.
struct Table {
    bits: Vec<u8>,
    places: u64,
    /// Entries that may have the content of another one.
    candidates: u64,
}

impl Table {
    fn new(entries: u64) -> Table {
        let places = entries.saturating_mul(PLACES_PER_ENTRY);
        let places = places.clamp(64, PLACES_MAX).next_power_of_two();
        Table {
            bits: vec![0; (places / 4) as usize],
            places,
            candidates: 0,
        }
    }

    /// Byte and shift of a digest's place, by its lower end: the upper one makes the shares.
    fn place(&self, digest: &[u8; 32]) -> (usize, u8) {
        let lower = u64::from_be_bytes(*digest.last_chunk().expect("a digest has 32 bytes"));
        let place = lower & (self.places - 1);
        ((place / 4) as usize, (place % 4) as u8 * 2)
    }

    fn mark(&mut self, digest: &[u8; 32]) {
        let (byte, shift) = self.place(digest);
        match self.bits[byte] >> shift & 3 {
            0 => self.bits[byte] |= 1 << shift,
            1 => {
                self.bits[byte] |= 2 << shift;
                self.candidates += 2;
            }
            _ => self.candidates += 1,
        }
    }

    fn may_be_twice(&self, digest: &[u8; 32]) -> bool {
        let (byte, shift) = self.place(digest);
        self.bits[byte] >> shift & 2 != 0
    }
}
