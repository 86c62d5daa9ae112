//! What a restore that goes on finds of its earlier runs.

use uuid::Uuid;

use crate::engine::target::FoundDirectory;

/// What a restore is told by, and what earlier runs of it left in the target.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// Identity of the restore, by which what it leaves half done is known later on.
    pub restore: Option<Uuid>,
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
