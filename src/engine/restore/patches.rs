//! Files of which some data came and others did not: what is missing may come from the other copy,
//! or from the same one in another drive.

use std::collections::HashMap;

use super::incoming::Partial;
use super::plan::{MemberRead, RestorePlan};
use crate::engine::target::FileWriter;
use crate::volume::index::DigestAlgorithm;

/// So many files are held open at once; of others what has come is forgotten.
const HELD_MOST: usize = 256;

/// A file that is there in part.
pub(super) struct Patch {
    pub(super) writer: FileWriter,
    pub(super) partial: Partial,
    content: Content,
    /// The copy that was read last had to bring what another lacked.
    was_mended: bool,
}

/// By what a copy is known to have the same content.
type Content = (DigestAlgorithm, [u8; 32]);

/// See the module. Files in parts are not among them.
pub(super) struct Patches<'a> {
    /// What the other copies have, by name in the target.
    spares: HashMap<&'a [u8], Content>,
    held: HashMap<&'a [u8], Patch>,
}

/// The content of a read that can be patched: of a whole file, any byte of which may be found.
fn content_of(read: &MemberRead) -> Option<Content> {
    let is_whole = read.part.is_none() && read.may_be_entered();
    let digest = read.digest.filter(|_| is_whole)?;
    Some((read.digest_algorithm, digest))
}

impl<'a> Patches<'a> {
    pub(super) fn of(plan: &'a RestorePlan) -> Self {
        let reads = plan.spares.iter().flat_map(|volume| &volume.reads);
        let spares = reads.filter_map(|read| Some((read.name.as_slice(), content_of(read)?)));
        Self {
            spares: spares.collect(),
            held: HashMap::new(),
        }
    }

    /// True if what this read lacks may come from another copy.
    pub(super) fn has_other_copy(&self, read: &MemberRead) -> bool {
        let content = content_of(read);
        content.is_some() && self.spares.get(read.name.as_slice()) == content.as_ref()
    }

    /// True if what is held of a file came from one copy.
    pub(super) fn can_mend(&self, name: &[u8]) -> bool {
        self.held.get(name).is_some_and(|patch| !patch.was_mended)
    }

    /// Holds what came of a file.
    pub(super) fn put(
        &mut self,
        read: &'a MemberRead,
        writer: FileWriter,
        partial: Partial,
        was_mended: bool,
    ) {
        if let Some(content) = content_of(read).filter(|_| self.held.len() < HELD_MOST) {
            let patch = Patch {
                writer,
                partial,
                content,
                was_mended,
            };
            self.held.insert(&read.name, patch);
        }
    }

    /// True if something is held of a file.
    pub(super) fn holds(&self, name: &[u8]) -> bool {
        self.held.contains_key(name)
    }

    /// What is there of the file that `read` can bring the rest of.
    pub(super) fn take(&mut self, read: &MemberRead) -> Option<Patch> {
        let patch = self.held.remove(read.name.as_slice())?;
        if content_of(read) == Some(patch.content) {
            return Some(patch);
        }
        patch.writer.discard();
        None
    }
}
