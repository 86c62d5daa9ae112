//! One object: from a name in an open directory to a member and what it takes to read it.

use std::collections::{HashSet, VecDeque};
use std::ffi::CStr;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fstat, major, minor, openat, readlinkat, statat,
};
use rustix::io::Errno;

use super::Remark;
use super::base::{Compared, Fate, KnownKind, KnownName, KnownVersion};
use super::directory::Names;
use super::exclude::Excludes;
use super::file::FileReader;
use super::inode::Inode;
use super::known::{FileState, Known};
use super::links::{Links, Met};
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

    /// A further name of an object that was archived after this name had been passed over.
    fn further(visitor: &mut Visitor, further: Further) -> Self;

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
    /// All its names are there.
    pub(super) whole: bool,
}

/// A name of an object with hard links, to be archived as one.
#[derive(Debug)]
pub(super) struct Further {
    pub(super) path: Vec<u8>,
    inode: Inode,
    /// The name that was archived with the data.
    first: Vec<u8>,
}

/// What a name turned out to be.
#[derive(Debug)]
pub(super) enum Visited<T> {
    /// Nothing to archive; the reason, if there is one, is among the remarks.
    Skipped(Fate),
    /// An object that holds no others, or none that are looked at.
    Leaf(T, Fate),
    /// The same, on tape in its present state: of an earlier run, or of this one.
    Unchanged(Fate),
    /// A directory to go on with; itself only if it is to be archived.
    Directory(Option<T>, Listing),
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
    /// What the base has of it.
    pub(super) known: Option<&'a KnownName>,
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
    /// What the run has on tape already.
    pub(super) done: Option<Arc<dyn Known>>,
    /// There is a base.
    pub(super) compares: bool,
    pub(super) compared: Compared,
    /// To be brought before the walk goes on.
    pub(super) further: VecDeque<Further>,
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
            done: None,
            compares: false,
            compared: Compared::default(),
            further: VecDeque::new(),
        }
    }

    /// Another one by the same rules, to which nothing is known.
    pub(super) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.excludes), self.never.clone())
    }

    /// True if the run has this on tape already. Links to it are remembered all the same.
    fn is_done(&mut self, path: &[u8], inode: &Inode) -> bool {
        if self.done.is_none() {
            return false;
        }
        if self.links.is_further(inode) {
            return self.has(path, inode, 0) && self.links.first_name(inode).is_some();
        }
        let size_bytes = match inode.file_type {
            FileType::RegularFile => inode.size_bytes,
            _ => 0,
        };
        let done = self.has(path, inode, size_bytes);
        if done && inode.file_type != FileType::Directory {
            self.links.remember(inode, path);
        }
        done
    }

    /// `size_bytes`: of the data that come with this name.
    fn has(&self, path: &[u8], inode: &Inode, size_bytes: u64) -> bool {
        let (mtime, ctime) = (inode.mtime, inode.ctime);
        let state = FileState {
            size_bytes,
            mtime,
            ctime,
        };
        let done = self.done.as_ref();
        done.is_some_and(|done| done.is_known(path, &state))
    }

    /// Looks at one object. A change of the tree meanwhile is a remark, never worse.
    pub(super) fn visit<T: Brought>(
        &mut self,
        place: Place<'_>,
        remarks: &mut Vec<Remark>,
    ) -> Visited<T> {
        if self.excludes.matches(place.path) {
            self.excluded += 1;
            return Visited::Skipped(Fate::Unseen);
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
        visited.unwrap_or_else(|skip| {
            remarks.extend(skip.remark);
            Visited::Skipped(skip.fate)
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
        if !self.compares {
            return Ok(match self.is_done(place.path, inode) {
                true => Visited::Unchanged(Fate::Leaf),
                false => Visited::Leaf(T::other(self, place, inode, remarks)?, Fate::Leaf),
            });
        }
        let current = place.current(inode);
        let mut again = match self.links.meet(inode, place.path, current) {
            Met::Unchanged => {
                self.pass_over(inode, current);
                return Ok(Visited::Unchanged(Fate::Leaf));
            }
            Met::Changed(again) => again,
        };
        if self.is_done(place.path, inode) {
            self.links.count_met(inode, again.len());
            again.retain(|name| !self.has(name, inode, 0));
            self.bring_again(again, place.path, inode);
            return Ok(Visited::Unchanged(Fate::Leaf));
        }
        let brought = T::other(self, place, inode, remarks)?;
        self.count(place);
        self.links.count_met(inode, again.len());
        self.bring_again(again, place.path, inode);
        Ok(Visited::Leaf(brought, Fate::Leaf))
    }

    /// Counts an object that is to be archived.
    fn count(&mut self, place: &Place<'_>) {
        match place.known {
            // The file system's root has no name, and is never archived itself.
            _ if !self.compares || place.path.is_empty() => {}
            Some(_) => self.compared.changed += 1,
            None => self.compared.new += 1,
        }
    }

    /// Counts an object that is on tape in its present state.
    fn pass_over(&mut self, inode: &Inode, current: Option<&KnownVersion>) {
        self.compared.unchanged += 1;
        let Some(version) = current else { return };
        self.compared.without_inode += u64::from(version.inode.is_none());
        if version.kind == KnownKind::File {
            self.compared.unchanged_bytes += inode.size_bytes;
        }
    }

    /// Names that were passed over, and are to be archived after all as names of `first`.
    fn bring_again(&mut self, names: Vec<Vec<u8>>, first: &[u8], inode: &Inode) {
        if !names.is_empty() && inode.file_type == FileType::RegularFile {
            let bytes = &mut self.compared.unchanged_bytes;
            *bytes = bytes.saturating_sub(inode.size_bytes);
        }
        for path in names {
            self.compared.unchanged -= 1;
            self.compared.changed += 1;
            self.further.push_back(Further {
                path,
                inode: *inode,
                first: first.to_vec(),
            });
        }
    }

    fn directory<T: Brought>(
        &mut self,
        place: &Place<'_>,
        remarks: &mut Vec<Remark>,
    ) -> Result<Visited<T>, Skip> {
        if self.excludes.matches_directory(place.path) {
            self.excluded += 1;
            return Err(Skip::unseen(None));
        }
        let (directory, inode) = self.open(place, OFlags::DIRECTORY)?;
        let current = place.current(&inode);
        let brought = if current.is_some() {
            self.pass_over(&inode, current);
            None
        } else if self.is_done(place.path, &inode) {
            None
        } else {
            self.count(place);
            let directory = directory.as_fd();
            Some(T::directory(self, place, directory, &inode, remarks))
        };
        let beyond = place.device.is_some_and(|device| device != inode.device);
        if place.descend && beyond {
            let what = "what it holds is on another file system and was left out";
            remarks.push(Remark::note(place.path, what));
        }
        if beyond || !place.descend {
            return Ok(match brought {
                Some(brought) => Visited::Leaf(brought, Fate::Unseen),
                None => Visited::Unchanged(Fate::Unseen),
            });
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
            whole: broken.is_none(),
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
        let mut member = self.member(place.path, inode, Kind::File, xattrs);
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
        path: &[u8],
        inode: &Inode,
        kind: Kind,
        xattrs: Xattrs,
    ) -> Member {
        Member {
            path: path.to_vec(),
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
            inode: Some(inode.number),
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
        let member = visitor.member(place.path, inode, Kind::Directory, xattrs);
        Self {
            member,
            reader: None,
        }
    }

    fn further(visitor: &mut Visitor, further: Further) -> Self {
        let Further { path, inode, first } = further;
        Self {
            member: visitor.member(&path, &inode, Kind::Hardlink(first), Vec::new()),
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
            let member = visitor.member(place.path, inode, Kind::Hardlink(first), Vec::new());
            return Ok(Self {
                member,
                reader: None,
            });
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
            FileType::Socket => return Err(place.note("a socket cannot be archived").leaf()),
            _ => {
                let skip = place.problem("objects of its type cannot be archived");
                return Err(skip.leaf());
            }
        };
        let reach = Reach::Named(place.parent, place.name);
        let xattrs = visitor.xattrs.read(reach, place.path, remarks);
        visitor.links.remember(inode, place.path);
        let member = visitor.member(place.path, inode, kind, xattrs);
        Ok(Self {
            member,
            reader: None,
        })
    }
}

/// An object that is not archived.
pub(super) struct Skip {
    /// Why, if there is more to say than that it was excluded.
    pub(super) remark: Option<Remark>,
    fate: Fate,
}

impl Skip {
    /// Nothing is known of what lies at or below it.
    pub(super) fn unseen(remark: Option<Remark>) -> Self {
        let fate = Fate::Unseen;
        Self { remark, fate }
    }

    /// It is something that is never archived, and holds nothing.
    pub(super) fn silent_leaf() -> Self {
        Self::unseen(None).leaf()
    }

    fn leaf(self) -> Self {
        let fate = Fate::Leaf;
        Self { fate, ..self }
    }
}

impl Place<'_> {
    /// The version on tape, if it is the present state.
    fn current(&self, inode: &Inode) -> Option<&KnownVersion> {
        let version = self.known.and_then(|known| known.version.as_ref());
        version.filter(|version| version.is_current(inode))
    }

    fn note(&self, what: &str) -> Skip {
        Skip::unseen(Some(Remark::note(self.path, what)))
    }

    fn problem(&self, what: &str) -> Skip {
        Skip::unseen(Some(Remark::problem(self.path, what)))
    }

    fn failed(&self, done: &str, errno: Errno) -> Skip {
        let what = match errno {
            Errno::NOENT => "it vanished before it could be archived".to_owned(),
            Errno::LOOP | Errno::NOTDIR => "it was replaced while it was being archived".to_owned(),
            _ => format!("it cannot be {done}: {errno}"),
        };
        Skip::unseen(Some(Remark::problem(self.path, what)))
    }
}

pub(super) fn lstat(place: &Place<'_>) -> Result<Inode, Skip> {
    statat(place.parent, place.name, AtFlags::SYMLINK_NOFOLLOW)
        .map(Inode::from)
        .map_err(|errno| place.failed("examined", errno))
}
