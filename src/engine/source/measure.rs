//! How much a walk will bring: objects and bytes, seen by lstat alone.
//!
//! The walk is the one that archives, so that the same rules decide what counts; no file
//! is opened and no attribute read.

use rustix::fd::BorrowedFd;
use rustix::fs::FileType;

use super::Remark;
use super::base::{Base, Compared};
use super::inode::Inode;
use super::visit::{Brought, Further, Place, Skip, Visitor};
use super::walk::{Found, Selection, Walk};
use crate::engine::EngineError;

/// What a walk would archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// Objects of any kind.
    pub files: u64,
    /// Sizes of the regular files in bytes, holes included; a file with several names
    /// counts once.
    pub bytes: u64,
    /// How the walk compares with its base.
    pub compared: Compared,
}

/// What a survey comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// An object that would be archived, with its share of the bytes.
    Object(&'a [u8], u64),
    /// A name of the base that is gone.
    Gone(&'a [u8]),
    /// Something could not be looked at.
    Remark(&'a Remark),
}

/// Counts what a walk of `selection` brings, as far as it can be seen without opening
/// anything but directories; `None` if `stop` said so before the end. Memory as
/// [`Walk`]'s.
///
/// # Errors
///
/// As [`Walk::new`] and [`Walk::measure_against`].
pub fn measure(
    selection: &Selection,
    base: Option<&dyn Base>,
    stop: impl Fn() -> bool,
) -> Result<Option<Measure>, EngineError> {
    survey(selection, base, stop, &mut |_| {})
}

/// As [`measure`], and tells each object and each name that is gone.
///
/// # Errors
///
/// As [`measure`].
pub fn survey(
    selection: &Selection,
    base: Option<&dyn Base>,
    stop: impl Fn() -> bool,
    each: &mut dyn FnMut(Seen<'_>),
) -> Result<Option<Measure>, EngineError> {
    let mut walk = Walk::new(selection)?;
    if let Some(base) = base {
        walk.measure_against(base)?;
    }
    let mut sum = Measure::default();
    let mut remarks = Vec::new();
    loop {
        let found = walk.bring(&mut remarks);
        for remark in remarks.drain(..) {
            each(Seen::Remark(&remark));
        }
        match found {
            None => break,
            Some(Found::Gone(path)) => each(Seen::Gone(&path)),
            Some(Found::Object(Glance { path, bytes })) => {
                sum.files += 1;
                sum.bytes = sum.bytes.saturating_add(bytes);
                each(Seen::Object(&path, bytes));
            }
        }
        if stop() {
            return Ok(None);
        }
    }
    if let Some(error) = walk.failure() {
        return Err(error);
    }
    sum.compared = walk.compared();
    Ok(Some(sum))
}

/// An object's name and its share of the bytes.
struct Glance {
    path: Vec<u8>,
    bytes: u64,
}

impl Brought for Glance {
    fn directory(
        _: &mut Visitor,
        place: &Place<'_>,
        _: BorrowedFd<'_>,
        _: &Inode,
        _: &mut Vec<Remark>,
    ) -> Self {
        let path = place.path.to_vec();
        Self { path, bytes: 0 }
    }

    fn further(_: &mut Visitor, further: Further) -> Self {
        let path = further.path;
        Self { path, bytes: 0 }
    }

    fn other(
        visitor: &mut Visitor,
        place: &Place<'_>,
        inode: &Inode,
        _: &mut Vec<Remark>,
    ) -> Result<Self, Skip> {
        if matches!(inode.file_type, FileType::Socket | FileType::Unknown) {
            return Err(Skip::silent_leaf());
        }
        let path = place.path.to_vec();
        if visitor.links.first_name(inode).is_some() {
            return Ok(Self { path, bytes: 0 });
        }
        visitor.links.remember(inode, place.path);
        let bytes = match inode.file_type {
            FileType::RegularFile => inode.size_bytes,
            _ => 0,
        };
        Ok(Self { path, bytes })
    }
}
