//! Choices of whoever restores.

/// What happens to an object that is already where a restored one goes.
///
/// Directories that exist are used in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It stays as it is, and the restored one is a problem in the report. Directories
    /// that were there before keep their owner, mode, times and attributes.
    #[default]
    Refuse,
    /// As `Overwrite` if the restored one was modified later, else as `Refuse`. Directories
    /// keep what they have.
    Newer,
    /// It stays as it is, and the restored one gets the first name that is free of its own with
    /// `.restored-1`, `.restored-2` and so on behind it. Directories keep what they have.
    Rename,
    /// It is replaced, in one step, once the restored one is whole. A directory is never
    /// replaced by anything else. Directories get the archived metadata.
    Overwrite,
}

/// By what owner and group are given to restored objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owners {
    /// By name if this system knows the name, otherwise by number.
    #[default]
    Names,
    /// By number.
    Numbers,
}

/// How a restore treats its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TargetOptions {
    /// What happens to objects that are already there.
    pub existing: Existing,
    /// By what owners are given.
    pub owners: Owners,
}
