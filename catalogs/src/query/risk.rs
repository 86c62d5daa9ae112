//! What would be lost with some volumes: versions that have no other good copy.

use uuid::Uuid;

use super::group::Groups;
use super::{FindOptions, Hit};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::model::Entry;
use crate::model::event::VolumeState;
use crate::pattern::Pattern;

/// A version of a path that would be lost, wholly or in part.
#[derive(Debug, Clone)]
pub struct Loss {
    /// Its entries that are on no other good volume: all of one job.
    pub entries: Vec<Hit>,
    /// It is the newest version of its path.
    pub newest: bool,
}

impl Catalog {
    /// What would be lost of what `pattern` means if `volumes` were lost, in directory order, the
    /// newest version of a path first. A copy elsewhere is an entry of the same path with the same
    /// content, whichever job wrote it, on a volume that is neither retired nor suspect.
    ///
    /// Memory: the entries of one path.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn at_risk(&self, volumes: &[Uuid], pattern: &Pattern) -> Result<AtRisk, CatalogError> {
        let options = FindOptions {
            all_versions: true,
            ..FindOptions::default()
        };
        let hits = self.find(pattern, &options)?;
        Ok(AtRisk {
            volumes: volumes.to_vec(),
            groups: Groups::new(hits),
            ready: Vec::new().into_iter(),
        })
    }
}

/// See [`Catalog::at_risk`].
#[derive(Debug)]
pub struct AtRisk {
    volumes: Vec<Uuid>,
    groups: Groups,
    ready: std::vec::IntoIter<Loss>,
}

impl AtRisk {
    /// The versions of one path, the newest first, that would be lost.
    fn losses(&self, held: Vec<Hit>) -> Vec<Loss> {
        let is_lost = |hit: &Hit| self.volumes.contains(&hit.volume.label.what.volume);
        let is_good = |hit: &Hit| !is_lost(hit) && hit.volume.state != VolumeState::Suspect;
        let (lost, others): (Vec<Hit>, Vec<Hit>) = held.into_iter().partition(is_lost);
        let newest = lost.iter().chain(&others).map(|hit| hit.job.order()).max();
        let mut losses: Vec<Loss> = Vec::new();
        for hit in lost {
            let again = |other: &Hit| is_good(other) && same_content(other, &hit);
            if others.iter().any(again) {
                continue;
            }
            match losses.last_mut() {
                Some(loss) if loss.entries[0].job.order() == hit.job.order() => {
                    loss.entries.push(hit);
                }
                _ => losses.push(Loss {
                    newest: Some(hit.job.order()) == newest,
                    entries: vec![hit],
                }),
            }
        }
        losses
    }
}

impl Iterator for AtRisk {
    type Item = Result<Loss, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(loss) = self.ready.next() {
                return Some(Ok(loss));
            }
            match self.groups.next()? {
                Err(error) => return Some(Err(error)),
                Ok(held) => self.ready = self.losses(held).into_iter(),
            }
        }
    }
}

/// Whether one entry does for the other: of files by digest, of others by what they are.
fn same_content(a: &Hit, b: &Hit) -> bool {
    let algorithm = |hit: &Hit| hit.receipt.receipt.digest_algorithm;
    let comparable = algorithm(a) == algorithm(b);
    let (a, b) = (&a.entry, &b.entry);
    let part = |entry: &Entry| entry.part.map(|part| (part.number, part.offset_bytes));
    a.kind == b.kind
        && a.size_bytes == b.size_bytes
        && part(a) == part(b)
        && match (a.digest, b.digest) {
            (Some(a), Some(b)) => comparable && a == b,
            (None, None) => {
                (a.mtime, &a.link_target, a.device) == (b.mtime, &b.link_target, b.device)
            }
            _ => false,
        }
}
