//! How much a walk will bring: objects and bytes, counted by lstat alone.
//!
//! The walk is the one that archives, so that the same rules decide what counts; no file
//! is opened and no attribute read.

use rustix::fd::BorrowedFd;
use rustix::fs::FileType;

use super::Remark;
use super::inode::Inode;
use super::visit::{Brought, Place, Skip, Visitor};
use super::walk::{Selection, Walk};
use crate::engine::EngineError;

/// What a selection holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// Objects of any kind.
    pub files: u64,
    /// Sizes of the regular files in bytes, holes included; a file with several names
    /// counts once.
    pub bytes: u64,
}

/// Counts what a walk of `selection` brings, as far as it can be seen without opening
/// anything but directories; `None` if `stop` said so before the end. Memory as
/// [`Walk`]'s.
///
/// # Errors
///
/// As [`Walk::new`].
pub fn measure(
    selection: &Selection,
    stop: impl Fn() -> bool,
) -> Result<Option<Measure>, EngineError> {
    let mut walk = Walk::new(selection)?;
    let mut sum = Measure::default();
    // The walk that archives says it all again.
    let mut remarks = Vec::new();
    while let Some(Size(bytes)) = walk.bring(&mut remarks) {
        if stop() {
            return Ok(None);
        }
        remarks.clear();
        sum.files += 1;
        sum.bytes = sum.bytes.saturating_add(bytes);
    }
    Ok(Some(sum))
}

/// An object's share of the bytes.
struct Size(u64);

impl Brought for Size {
    fn directory(
        _: &mut Visitor,
        _: &Place<'_>,
        _: BorrowedFd<'_>,
        _: &Inode,
        _: &mut Vec<Remark>,
    ) -> Self {
        Self(0)
    }

    fn other(
        visitor: &mut Visitor,
        place: &Place<'_>,
        inode: &Inode,
        _: &mut Vec<Remark>,
    ) -> Result<Self, Skip> {
        if matches!(inode.file_type, FileType::Socket | FileType::Unknown) {
            return Err(Skip(None));
        }
        if visitor.links.first_name(inode).is_some() {
            return Ok(Self(0));
        }
        visitor.links.remember(inode, b"");
        if visitor.is_known(place.path, inode) {
            return Err(Skip(None));
        }
        let bytes = match inode.file_type {
            FileType::RegularFile => inode.size_bytes,
            _ => 0,
        };
        Ok(Self(bytes))
    }
}
