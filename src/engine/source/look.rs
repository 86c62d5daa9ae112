//! Looking at leaves ahead of the walk's order, on other threads, and having the last word
//! on them in order.
//!
//! Invariant: what [`Walk::settle`](super::Walk::settle) gives is what the walk by itself
//! would have given, however many threads looked and in whatever order: only the walk
//! decides which of an object's names is the first.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, OFlags};

use super::Remark;
use super::directory::{Listed, split_names};
use super::inode::Inode;
use super::links::Claims;
use super::visit::{Brought, Object, Place, Skip, Visited, Visitor, lstat};
use crate::volume::member::{Kind, Member};

/// Names of one directory that hold no others by its listing, next to each other in order.
#[derive(Debug)]
pub struct Leaves {
    pub(super) directory: Arc<OwnedFd>,
    /// Archive path of the directory.
    pub(super) path: Vec<u8>,
    /// What [`split_names`] reads, the names looked at among them.
    pub(super) names: Vec<u8>,
    /// Where in `names` the next one begins.
    pub(super) at: usize,
}

impl Leaves {
    /// True if all were looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at == self.names.len()
    }
}

/// A leaf that was looked at.
#[derive(Debug)]
pub struct Looked {
    verdict: Verdict,
    /// What could not be archived, and what is missing from the object.
    pub remarks: Vec<Remark>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
enum Verdict {
    /// Nothing to archive.
    Skipped,
    /// An object; with its inode if it has several names.
    Object(Object, Option<Box<Inode>>),
    /// Only the walk itself can tell: somebody else reads the object under another name, or
    /// it is not what the listing said.
    Later(Arc<OwnedFd>, CString, Vec<u8>),
}

/// What a leaf turned out to be, in the order of the walk.
#[derive(Debug)]
pub enum Settled {
    /// Nothing to archive.
    Skipped,
    /// The object that was looked at; what was read of it counts.
    AsLooked(Object),
    /// Another object than was looked at: what was read does not count.
    Instead(Object),
}

impl Looked {
    /// The object, if there is one so far: its data may be read ahead.
    pub fn object(&mut self) -> Option<&mut Object> {
        match &mut self.verdict {
            Verdict::Object(object, _) => Some(object),
            Verdict::Skipped | Verdict::Later(..) => None,
        }
    }
}

/// Looks at leaves; one for each thread.
#[derive(Debug)]
pub struct Looker {
    visitor: Visitor,
    claims: Arc<Claims>,
    path: Vec<u8>,
}

impl Looker {
    /// Looks at the first of `leaves` and takes it off them; `None` if there are no more.
    pub fn look(&mut self, leaves: &mut Leaves) -> Option<Looked> {
        let (listed, name, rest) = split_names(&leaves.names[leaves.at..])?;
        self.path.clear();
        self.path.extend_from_slice(&leaves.path);
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.to_bytes());
        let place = Place {
            parent: leaves.directory.as_fd(),
            name,
            path: &self.path,
            device: None,
            descend: true,
            known: None,
        };
        let mut remarks = Vec::new();
        let (visitor, claims) = (&mut self.visitor, &*self.claims);
        let verdict = match visitor.look(&place, listed, claims, &mut remarks) {
            Ok(Some((object, inode))) => Verdict::Object(object, inode.map(Box::new)),
            Ok(None) => {
                let (directory, name) = (Arc::clone(&leaves.directory), name.to_owned());
                Verdict::Later(directory, name, self.path.clone())
            }
            Err(skip) => {
                remarks.extend(skip.remark);
                Verdict::Skipped
            }
        };
        leaves.at = leaves.names.len() - rest.len();
        Some(Looked { verdict, remarks })
    }

    /// Objects left out by a pattern since the last call.
    pub fn take_excluded(&mut self) -> u64 {
        std::mem::take(&mut self.visitor.excluded)
    }
}

impl Visitor {
    pub(super) fn looker(&self) -> Looker {
        Looker {
            visitor: self.another(),
            claims: self.links.claims(),
            path: Vec::new(),
        }
    }

    /// The object at `place`, with its inode if it has several names; `None` if the walk has
    /// to look for itself.
    fn look(
        &mut self,
        place: &Place<'_>,
        listed: Listed,
        claims: &Claims,
        remarks: &mut Vec<Remark>,
    ) -> Result<Option<(Object, Option<Inode>)>, Skip> {
        if self.excludes.matches(place.path) {
            self.excluded += 1;
            return Err(Skip::unseen(None));
        }
        if listed != Listed::File {
            let inode = lstat(place)?;
            let apart = matches!(inode.file_type, FileType::Directory | FileType::RegularFile);
            if apart || inode.links > 1 {
                return Ok(None);
            }
            self.refuse_never(place, &inode)?;
            return Object::other(self, place, &inode, remarks).map(|object| Some((object, None)));
        }
        // Opened without asking first what it is: the listing said so.
        let (file, inode) = self.open(place, OFlags::empty())?;
        let several = inode.links > 1;
        if inode.file_type != FileType::RegularFile || several && !claims.claim(&inode) {
            return Ok(None);
        }
        let object = self.opened(place, file, &inode, remarks);
        Ok(Some((object, several.then_some(inode))))
    }

    pub(super) fn settle(&mut self, looked: Looked, remarks: &mut Vec<Remark>) -> Settled {
        remarks.extend(looked.remarks);
        match looked.verdict {
            Verdict::Skipped => Settled::Skipped,
            Verdict::Object(object, None) => Settled::AsLooked(object),
            Verdict::Object(mut object, Some(inode)) => {
                let Some(first) = self.links.first_name(&inode) else {
                    self.links.remember(&inode, &object.member.path);
                    return Settled::AsLooked(object);
                };
                object.reader = None;
                object.member = Member {
                    kind: Kind::Hardlink(first),
                    size_bytes: 0,
                    xattrs: Vec::new(),
                    extents: None,
                    ..object.member
                };
                Settled::Instead(object)
            }
            Verdict::Later(directory, name, path) => {
                let place = Place {
                    parent: directory.as_fd(),
                    name: &name,
                    path: &path,
                    device: None,
                    descend: true,
                    known: None,
                };
                match self.visit_included(place, remarks) {
                    Visited::Leaf(object, _) => Settled::Instead(object),
                    Visited::Skipped(_) | Visited::Unchanged(_) => Settled::Skipped,
                    Visited::Directory(..) => {
                        let what = "it became a directory while it was being archived";
                        remarks.push(Remark::problem(&path, what));
                        Settled::Skipped
                    }
                }
            }
        }
    }
}
