//! One object: from a name in an open directory to a member and what it takes to read it.

use std::collections::HashSet;
use std::ffi::CStr;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fstat, major, minor, openat, readlinkat, statat,
};
use rustix::io::Errno;

use super::Remark;
use super::directory::Names;
use super::exclude::Excludes;
use super::file::FileReader;
use super::inode::Inode;
use super::known::{FileState, Known};
use super::links::Links;
use super::owners::Owners;
use super::sparse;
use super::xattrs::{Reach, XattrReader, Xattrs};
use crate::volume::member::{Kind, Member};

/// What a walk brings for each object, and so how closely it looks.
pub(super) trait Brought: Sized {
    /// Looks at an open directory.
    fn directory(
        visitor: &mut Visitor,
        place: &Place<'_>,
        directory: BorrowedFd<'_>,
        inode: &Inode,
        remarks: &mut Vec<Remark>,
    ) -> Self;

    /// Looks at anything else, given what lstat says of it.
    fn other(
        visitor: &mut Visitor,
        place: &Place<'_>,
        inode: &Inode,
        remarks: &mut Vec<Remark>,
    ) -> Result<Self, Skip>;
}

/// An object to archive.
#[derive(Debug)]
pub struct Object {
    /// Its metadata.
    pub member: Member,
    /// Its data, if it is a regular file.
    pub reader: Option<FileReader>,
}

/// A directory that was opened and listed.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) directory: OwnedFd,
    pub(super) inode: Inode,
    pub(super) names: Names,
}

/// What a name turned out to be.
#[derive(Debug)]
pub(super) enum Visited<T> {
    /// Nothing to archive; the reason, if there is one, is among the remarks.
    Skipped,
    /// An object that holds no others.
    Leaf(T),
    /// A directory to go on with.
    Directory(T, Listing),
}

/// Where the walk stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The directory that holds the object, open.
    pub(super) parent: BorrowedFd<'a>,
    /// The object's name there.
    pub(super) name: &'a CStr,
    /// The object's archive path.
    pub(super) path: &'a [u8],
    /// The only device whose directories are entered, if there is one.
    pub(super) device: Option<u64>,
    /// Whether a directory is listed, or taken without what it holds.
    pub(super) descend: bool,
}

/// Looks at objects; knows the rules, and remembers names, links and buffers.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) excludes: Arc<Excludes>,
    pub(super) never: HashSet<(u64, u64)>,
    pub(super) excluded: u64,
    pub(super) links: Links,
    pub(super) owners: Owners,
    pub(super) xattrs: XattrReader,
    pub(super) listing_buffer: Vec<u8>,
    pub(super) known: Option<Arc<dyn Known>>,
}

impl Visitor {
    pub(super) fn new(excludes: Arc<Excludes>, never: HashSet<(u64, u64)>) -> Self {
        Self {
            excludes,
            never,
            excluded: 0,
            links: Links::default(),
            owners: Owners::default(),
            xattrs: XattrReader::new(),
            listing_buffer: Vec::new(),
            known: None,
        }
    }

    /// Another one by the same rules, to which nothing is known.
    pub(super) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.excludes), self.never.clone())
    }

    /// True if the object needs no archiving. Links to it are remembered all the same.
    pub(super) fn is_known(&self, path: &[u8], inode: &Inode) -> bool {
        let size_bytes = match inode.file_type {
            FileType::RegularFile => inode.size_bytes,
            _ => 0,
        };
        self.has(path, inode, size_bytes)
    }

    fn has(&self, path: &[u8], inode: &Inode, size_bytes: u64) -> bool {
        let (mtime, ctime) = (inode.mtime, inode.ctime);
        let state = FileState {
            size_bytes,
            mtime,
            ctime,
        };
        let known = self.known.as_ref();
        known.is_some_and(|known| known.is_known(path, &state))
    }

    /// Looks at one object. A change of the tree meanwhile is a remark, never worse.
    pub(super) fn visit<T: Brought>(
        &mut self,
        place: Place<'_>,
        remarks: &mut Vec<Remark>,
    ) -> Visited<T> {
        if self.excludes.matches(place.path) {
            self.excluded += 1;
            return Visited::Skipped;
        }
        self.visit_included(place, remarks)
    }

    /// As [`visit`](Self::visit), of what no pattern leaves out.
    pub(super) fn visit_included<T: Brought>(
        &mut self,
        place: Place<'_>,
        remarks: &mut Vec<Remark>,
    ) -> Visited<T> {
        let visited = lstat(&place).and_then(|inode| self.examine(&place, &inode, remarks));
        visited.unwrap_or_else(|Skip(remark)| {
            remarks.extend(remark);
            Visited::Skipped
        })
    }

    fn examine<T: Brought>(
        &mut self,
        place: &Place<'_>,
        inode: &Inode,
        remarks: &mut Vec<Remark>,
    ) -> Result<Visited<T>, Skip> {
        self.refuse_never(place, inode)?;
        if inode.file_type == FileType::Directory {
            return self.directory(place, remarks);
        }
        T::other(self, place, inode, remarks).map(Visited::Leaf)
    }

    fn directory<T: Brought>(
        &mut self,
        place: &Place<'_>,
        remarks: &mut Vec<Remark>,
    ) -> Result<Visited<T>, Skip> {
        if self.excludes.matches_directory(place.path) {
            self.excluded += 1;
            return Err(Skip(None));
        }
        let (directory, inode) = self.open(place, OFlags::DIRECTORY)?;
        let brought = T::directory(self, place, directory.as_fd(), &inode, remarks);
        if !place.descend {
            return Ok(Visited::Leaf(brought));
        }
        if place.device.is_some_and(|device| device != inode.device) {
            let what = "what it holds is on another file system and was left out";
            remarks.push(Remark::note(place.path, what));
            return Ok(Visited::Leaf(brought));
        }
        let (names, broken) = Names::list(directory.as_fd(), &mut self.listing_buffer);
        if let Some(errno) = broken {
            let what = format!("it cannot be listed further, entries may be missing: {errno}");
            remarks.push(Remark::problem(place.path, what));
        }
        let listing = Listing {
            directory,
            inode,
            names,
        };
        Ok(Visited::Directory(brought, listing))
    }

    fn file(&mut self, place: &Place<'_>, remarks: &mut Vec<Remark>) -> Result<Object, Skip> {
        let (file, inode) = self.open(place, OFlags::empty())?;
        if inode.file_type != FileType::RegularFile {
            return Err(place.problem("it was replaced while it was being archived"));
        }
        self.links.remember(&inode, place.path);
        Ok(self.opened(place, file, &inode, remarks))
    }

    /// The object that a regular file is, given that it was opened.
    pub(super) fn opened(
        &mut self,
        place: &Place<'_>,
        file: OwnedFd,
        inode: &Inode,
        remarks: &mut Vec<Remark>,
    ) -> Object {
        let xattrs = self
            .xattrs
            .read(Reach::Open(file.as_fd()), place.path, remarks);
        let extents = sparse::extents(file.as_fd(), inode);
        let mut member = self.member(place, inode, Kind::File, xattrs);
        member.size_bytes = inode.size_bytes;
        let reader = Some(FileReader::new(file, *inode, extents.as_deref()));
        member.extents = extents;
        Object { member, reader }
    }

    /// Opens for reading without following a link, waiting for a FIFO's writer, or
    /// touching the access time. What was opened may be another object than was examined.
    pub(super) fn open(&self, place: &Place<'_>, also: OFlags) -> Result<(OwnedFd, Inode), Skip> {
        let flags = OFlags::RDONLY
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC
            | also;
        let open = |flags| openat(place.parent, place.name, flags, Mode::empty());
        // Only the owner and the superuser may leave the access time alone.
        let opened = match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => open(flags),
            opened => opened,
        };
        let opened = opened.map_err(|errno| place.failed("opened", errno))?;
        let inode = fstat(&opened)
            .map_err(|errno| place.failed("examined", errno))?
            .into();
        self.refuse_never(place, &inode)?;
        Ok((opened, inode))
    }

    pub(super) fn refuse_never(&self, place: &Place<'_>, inode: &Inode) -> Result<(), Skip> {
        if self.never.contains(&inode.id()) {
            return Err(place.note("it belongs to the archive itself and was left out"));
        }
        Ok(())
    }

    pub(super) fn member(
        &mut self,
        place: &Place<'_>,
        inode: &Inode,
        kind: Kind,
        xattrs: Xattrs,
    ) -> Member {
        Member {
            path: place.path.to_vec(),
            kind,
            size_bytes: 0,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            user: self.owners.user(inode.uid),
            group: self.owners.group(inode.gid),
            mtime: inode.mtime,
            ctime: inode.ctime,
            xattrs,
            extents: None,
            part: None,
        }
    }
}

impl Brought for Object {
    fn directory(
        visitor: &mut Visitor,
        place: &Place<'_>,
        directory: BorrowedFd<'_>,
        inode: &Inode,
        remarks: &mut Vec<Remark>,
    ) -> Self {
        let reach = Reach::Open(directory);
        let xattrs = visitor.xattrs.read(reach, place.path, remarks);
        let member = visitor.member(place, inode, Kind::Directory, xattrs);
        Self {
            member,
            reader: None,
        }
    }

    fn other(
        visitor: &mut Visitor,
        place: &Place<'_>,
        inode: &Inode,
        remarks: &mut Vec<Remark>,
    ) -> Result<Self, Skip> {
        if let Some(first) = visitor.links.first_name(inode) {
            if visitor.has(place.path, inode, 0) {
                return Err(Skip(None));
            }
            let member = visitor.member(place, inode, Kind::Hardlink(first), Vec::new());
            return Ok(Self {
                member,
                reader: None,
            });
        }
        if visitor.is_known(place.path, inode) {
            visitor.links.remember(inode, place.path);
            return Err(Skip(None));
        }
        let kind = match inode.file_type {
            FileType::RegularFile => return visitor.file(place, remarks),
            FileType::Symlink => Kind::Symlink(
                readlinkat(place.parent, place.name, Vec::new())
                    .map_err(|errno| place.failed("read", errno))?
                    .into_bytes(),
            ),
            FileType::CharacterDevice => Kind::CharDevice(major(inode.node), minor(inode.node)),
            FileType::BlockDevice => Kind::BlockDevice(major(inode.node), minor(inode.node)),
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => return Err(place.note("a socket cannot be archived")),
            _ => return Err(place.problem("objects of its type cannot be archived")),
        };
        let reach = Reach::Named(place.parent, place.name);
        let xattrs = visitor.xattrs.read(reach, place.path, remarks);
        visitor.links.remember(inode, place.path);
        let member = visitor.member(place, inode, kind, xattrs);
        Ok(Self {
            member,
            reader: None,
        })
    }
}

/// Why an object is not archived, if there is more to say than that it was excluded.
pub(super) struct Skip(pub(super) Option<Remark>);

impl Place<'_> {
    fn note(&self, what: &str) -> Skip {
        Skip(Some(Remark::note(self.path, what)))
    }

    fn problem(&self, what: &str) -> Skip {
        Skip(Some(Remark::problem(self.path, what)))
    }

    fn failed(&self, done: &str, errno: Errno) -> Skip {
        let what = match errno {
            Errno::NOENT => "it vanished before it could be archived".to_owned(),
            Errno::LOOP | Errno::NOTDIR => "it was replaced while it was being archived".to_owned(),
            _ => format!("it cannot be {done}: {errno}"),
        };
        Skip(Some(Remark::problem(self.path, what)))
    }
}

pub(super) fn lstat(place: &Place<'_>) -> Result<Inode, Skip> {
    statat(place.parent, place.name, AtFlags::SYMLINK_NOFOLLOW)
        .map(Inode::from)
        .map_err(|errno| place.failed("examined", errno))
}
