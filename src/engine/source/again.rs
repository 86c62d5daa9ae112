//! Objects of a walk once more, by their archive paths: for what has to be written again.
//!
//! A path is reached as the walk reached it: from its root, through directories alone.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::Remark;
use super::exclude::Excludes;
use super::inode::Inode;
use super::links::Links;
use super::roots::Root;
use super::visit::{Brought, Object, Place, Skip, Visitor, lstat};
use crate::volume::member::{FileTime, Kind};

/// Opens objects again that a walk has brought.
#[derive(Debug)]
pub struct Rereader {
    pub(super) roots: Vec<Root>,
    /// A list names further roots, which are not kept: a path below no root is one of them.
    pub(super) listed: bool,
    pub(super) visitor: Visitor,
}

impl Default for Rereader {
    /// Of no walk.
    fn default() -> Self {
        // What a walk has brought was not excluded.
        let excludes = Excludes::new(&[]).expect("no pattern is malformed");
        Self {
            roots: Vec::new(),
            listed: false,
            visitor: Visitor::new(Arc::new(excludes), HashSet::new()),
        }
    }
}

/// A hard link as the walk brought it.
#[derive(Debug, Clone, Copy)]
pub struct LinkTo<'a> {
    /// Archive path of the object's first name.
    pub first: &'a [u8],
    /// The object's mtime then.
    pub mtime: FileTime,
}

impl Rereader {
    /// The object at `path`, as it is now. With `link`, a hard link to that name if both are
    /// still names of the object that they were.
    ///
    /// # Errors
    ///
    /// Why it is not there, or cannot be archived.
    pub fn object(
        &mut self,
        path: &[u8],
        link: Option<LinkTo<'_>>,
        remarks: &mut Vec<Remark>,
    ) -> Result<Object, Remark> {
        let gone = |what: &str| Remark::problem(path, what);
        let (parent, name) = self.parent(path).map_err(|errno| match errno {
            Errno::NOENT => gone("it vanished before it could be written again"),
            _ => gone("it was replaced before it could be written again"),
        })?;
        let place = Place {
            parent: parent.as_fd(),
            name: &name,
            path,
            device: None,
            descend: true,
            known: None,
        };
        // What is a link is decided here alone: each object may come more than once.
        self.visitor.links = Links::default();
        let object = lstat(&place).and_then(|inode| {
            if let Some(link) = link
                && self.is_linked(&inode, link)
            {
                let kind = Kind::Hardlink(link.first.to_vec());
                let member = self.visitor.member(path, &inode, kind, Vec::new());
                return Ok(Object {
                    member,
                    reader: None,
                });
            }
            self.look(&place, &inode, remarks)
        });
        object.map_err(|skip| {
            let remark = skip.remark;
            remark.unwrap_or_else(|| gone("it is excluded now"))
        })
    }

    fn look(
        &mut self,
        place: &Place<'_>,
        inode: &Inode,
        remarks: &mut Vec<Remark>,
    ) -> Result<Object, Skip> {
        if inode.file_type != FileType::Directory {
            return Object::other(&mut self.visitor, place, inode, remarks);
        }
        let (directory, inode) = self.visitor.open(place, OFlags::DIRECTORY)?;
        let directory = directory.as_fd();
        Ok(Object::directory(
            &mut self.visitor,
            place,
            directory,
            &inode,
            remarks,
        ))
    }

    fn is_linked(&self, inode: &Inode, link: LinkTo<'_>) -> bool {
        let Ok((parent, name)) = self.parent(link.first) else {
            return false;
        };
        let first = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW).map(Inode::from);
        inode.mtime == link.mtime && first.is_ok_and(|first| first.id() == inode.id())
    }

    /// The directory that holds `path`, and its name there.
    fn parent(&self, path: &[u8]) -> Result<(OwnedFd, CString), Errno> {
        let listed = Root {
            path: Path::new("/").join(OsStr::from_bytes(path)),
            descend: false,
        };
        let root = match self.root_of(path) {
            Some(root) => root,
            None if self.listed => &listed,
            None => return Err(Errno::NOENT),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let (above, name) = root.parent_and_name();
        let mut directory = openat(CWD, above, flags, Mode::empty())?;
        let below = &path[root.archive_path().len()..];
        let mut names = below.split(|&byte| byte == b'/').filter(|n| !n.is_empty());
        let mut name = name;
        for next in &mut names {
            let flags = flags | OFlags::NOFOLLOW;
            directory = openat(&directory, &name, flags, Mode::empty())?;
            name = CString::new(next).map_err(|_| Errno::INVAL)?;
        }
        Ok((directory, name))
    }

    /// The innermost root at or above `path`.
    fn root_of(&self, path: &[u8]) -> Option<&Root> {
        let holds = |root: &&Root| {
            let rest = path.strip_prefix(root.archive_path());
            rest.is_some_and(|rest| {
                root.archive_path().is_empty() || rest.is_empty() || rest[0] == b'/'
            })
        };
        let above = self.roots.iter().filter(holds);
        above.max_by_key(|root| root.archive_path().len())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::engine::source::{Selection, Walk};

    /// What a test does to the tree between the walk and the second look.
    type Meddle = fn(&std::path::Path);

    #[test]
    fn an_object_is_found_again_as_it_is_now_and_never_through_a_symbolic_link() {
        let cases: [(&str, Meddle, Result<&str, &str>); 6] = [
            ("d/f", |_| {}, Ok("data")),
            (
                "d/f",
                |at| fs::write(at.join("d/f"), "more").unwrap(),
                Ok("more"),
            ),
            (
                "d/f",
                |at| fs::remove_file(at.join("d/f")).unwrap(),
                Err("vanished"),
            ),
            (
                "d/f",
                |at| fs::remove_dir_all(at.join("d")).unwrap(),
                Err("vanished"),
            ),
            (
                "d/f",
                |at| {
                    fs::rename(at.join("d"), at.join("e")).unwrap();
                    symlink("e", at.join("d")).unwrap();
                },
                Err("replaced"),
            ),
            ("d", |_| {}, Ok("")),
        ];
        for (name, meddle, expected) in cases {
            let place = tempfile::tempdir().unwrap();
            fs::create_dir(place.path().join("d")).unwrap();
            fs::write(place.path().join("d/f"), "data").unwrap();
            let selection = Selection {
                sources: vec![place.path().to_owned()],
                ..Selection::default()
            };
            let mut again = Walk::new(&selection).unwrap().rereader();
            meddle(place.path());
            let path = place.path().join(name);
            let path = &path.as_os_str().as_bytes()[1..];
            let found = again.object(path, None, &mut Vec::new());
            match (found, expected) {
                (Ok(mut object), Ok(data)) => {
                    assert_eq!(object.member.path, path);
                    let mut read = vec![0; object.member.size_bytes as usize];
                    if let Some(reader) = &mut object.reader {
                        reader.read(&mut read);
                    }
                    assert_eq!(read, data.as_bytes());
                }
                (Err(remark), Err(what)) => assert!(remark.what.contains(what), "{remark}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_link_is_a_link_again_only_while_both_names_are_the_same_object() {
        let cases: [(Meddle, bool); 3] = [
            (|_| {}, true),
            (|at| fs::remove_file(at.join("a")).unwrap(), false),
            (
                |at| {
                    fs::remove_file(at.join("a")).unwrap();
                    fs::write(at.join("a"), "other").unwrap();
                },
                false,
            ),
        ];
        for (meddle, linked) in cases {
            let place = tempfile::tempdir().unwrap();
            fs::write(place.path().join("a"), "data").unwrap();
            fs::hard_link(place.path().join("a"), place.path().join("b")).unwrap();
            let selection = Selection {
                sources: vec![place.path().to_owned()],
                ..Selection::default()
            };
            let mut again = Walk::new(&selection).unwrap().rereader();
            let path = |name: &str| place.path().join(name).as_os_str().as_bytes()[1..].to_vec();
            let mut remarks = Vec::new();
            let b = again.object(&path("b"), None, &mut remarks).unwrap();
            meddle(place.path());
            let first = path("a");
            let link = LinkTo {
                first: &first,
                mtime: b.member.mtime,
            };
            let found = again.object(&path("b"), Some(link), &mut remarks).unwrap();
            let kind = found.member.kind;
            assert_eq!(kind == Kind::Hardlink(first.clone()), linked, "{kind:?}");
            assert_eq!(kind == Kind::File, !linked);
        }
    }
}
