//! What a restore that goes on finds of its earlier runs.

use std::collections::HashSet;

use uuid::Uuid;

use super::plan::{MemberRead, RestorePlan};
use crate::engine::target::FoundDirectory;
use crate::volume::index::DigestAlgorithm;

/// A file is worth going on with in its middle from this size on.
pub(super) const KEPT_FROM_BYTES: u64 = 64 << 20;

/// What a restore is told by, and what earlier runs of it left in the target.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// Identity of the restore, by which what it leaves half done is known later on.
    pub restore: Option<Uuid>,
    /// Whether a later run can go on with this one, so that what has come of a large file stays
    /// where that does not come to its end.
    pub keeps: bool,
    /// First names of hard links that are in the target already.
    pub first_names: Vec<FirstName>,
    /// Directories of the target in which something is restored now.
    pub directories: Vec<FoundDirectory>,
}

/// A file in the target that hard links may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstName {
    /// The run that archived it.
    pub job: Uuid,
    /// Its archive path.
    pub path: Vec<u8>,
    /// Its name in the target.
    pub name: Vec<u8>,
}

impl Resume {
    /// By what the temporary file of a read is found again, if it is kept.
    pub(super) fn key_of(&self, read: &MemberRead) -> Option<String> {
        let is_large = read.length_bytes >= KEPT_FROM_BYTES && read.may_be_entered();
        let is_kept = self.keeps && read.digest.is_some() && (is_large || read.part.is_some());
        is_kept.then(|| {
            // Names have no zeros in them.
            let text = [read.job.as_bytes(), read.path.as_slice(), &read.name].join(&0);
            let mut key = DigestAlgorithm::Blake3.digest(&text).to_string();
            key.truncate(32);
            key
        })
    }
}

impl RestorePlan {
    /// Keys of all files that are kept.
    pub(super) fn keys(&self) -> HashSet<String> {
        let volumes = self.volumes.iter().chain(&self.spares);
        let reads = volumes.flat_map(|volume| &volume.reads);
        reads.filter_map(|read| self.resume.key_of(read)).collect()
    }
}
