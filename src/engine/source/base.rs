//! What a run that archives changes alone is measured against, as a walk meets it.
//!
//! The base lists the names below a root in *directory order*: by parent directory, then by
//! name, a slash below every other byte. A walk enters directories in the order of these
//! parents, so the two are merged in one pass; held are the children of the directories under
//! way alone, about 150 bytes each and their paths.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::ops::AddAssign;

use rustix::fs::FileType;

use super::inode::Inode;
use crate::engine::BoxedError;
use crate::volume::member::FileTime;

/// Lists what is there according to earlier runs. May be asked several times.
pub trait Base: Sync {
    /// Every name at or below `root` (empty: all), in directory order.
    ///
    /// # Errors
    ///
    /// It cannot be listed.
    fn listing(&self, root: &[u8]) -> Result<Listing, BoxedError>;
}

/// Names in directory order. After an error nothing more is asked for.
pub struct Listing(Box<dyn Iterator<Item = Result<KnownName, BoxedError>> + Send>);

impl Listing {
    /// The names that `names` gives.
    pub fn new(
        names: impl Iterator<Item = Result<KnownName, BoxedError>> + Send + 'static,
    ) -> Self {
        Self(Box::new(names))
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listing")
    }
}

/// A name that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownName {
    /// Archive path.
    pub path: Vec<u8>,
    /// The version that need not be archived again; `None` if any has to be.
    pub version: Option<KnownVersion>,
}

/// A version on tape, as far as it tells whether the object has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownVersion {
    /// What it is.
    pub kind: KnownKind,
    /// Size of a file in bytes.
    pub size_bytes: u64,
    /// Last modification of the data.
    pub mtime: FileTime,
    /// Last change of the inode.
    pub ctime: FileTime,
    /// Inode number, if it was recorded. Not the device's: its number is another one after a
    /// restart of the host.
    pub inode: Option<u64>,
    /// Which runs it is from: the same for names that the same runs archived.
    pub runs: (usize, usize),
}

/// Kinds of objects that are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A further name of the object with this archive path.
    Hardlink(Vec<u8>),
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

impl KnownKind {
    fn is_of(&self, file_type: FileType) -> bool {
        let expected = match self {
            KnownKind::Hardlink(_) => return file_type != FileType::Directory,
            KnownKind::File => FileType::RegularFile,
            KnownKind::Directory => FileType::Directory,
            KnownKind::Symlink => FileType::Symlink,
            KnownKind::CharDevice => FileType::CharacterDevice,
            KnownKind::BlockDevice => FileType::BlockDevice,
            KnownKind::Fifo => FileType::Fifo,
        };
        expected == file_type
    }
}

impl KnownVersion {
    /// Whether an object with this inode is in the state that was archived.
    pub(super) fn is_current(&self, inode: &Inode) -> bool {
        let kind = self.kind.is_of(inode.file_type);
        let size = self.kind != KnownKind::File || self.size_bytes == inode.size_bytes;
        let same_inode = self.inode.is_none_or(|number| number == inode.number);
        kind && size && same_inode && (self.mtime, self.ctime) == (inode.mtime, inode.ctime)
    }
}

/// How a walk and its base compare so far, in objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// On tape in the present state.
    pub unchanged: u64,
    /// Bytes of the files among these.
    pub unchanged_bytes: u64,
    /// There before, in another state, or not whole on tape.
    pub changed: u64,
    /// Not there before.
    pub new: u64,
    /// There before, and not any more.
    pub gone: u64,
    /// Of the unchanged those whose inode number is not known of the version on tape.
    pub without_inode: u64,
}

impl AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.unchanged += other.unchanged;
        self.unchanged_bytes += other.unchanged_bytes;
        self.changed += other.changed;
        self.new += other.new;
        self.gone += other.gone;
        self.without_inode += other.without_inode;
    }
}

/// What became of a name that a directory lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not looked at, or what it holds was not: nothing is known of what lies below.
    #[default]
    Unseen,
    /// It holds nothing: it is no directory.
    Leaf,
    /// A directory that was listed.
    Entered,
}

/// One root's listing while it is merged.
#[derive(Debug)]
pub(super) struct Merge {
    listing: Listing,
    head: Option<KnownName>,
}

impl Merge {
    pub(super) fn new(mut listing: Listing) -> Result<Self, BoxedError> {
        let head = listing.0.next().transpose()?;
        Ok(Self { listing, head })
    }

    /// Takes the next name if `wanted`.
    fn next_if(
        &mut self,
        wanted: impl FnOnce(&KnownName) -> bool,
    ) -> Result<Option<KnownName>, BoxedError> {
        let Some(head) = self.head.take_if(|head| wanted(head)) else {
            return Ok(None);
        };
        self.head = self.listing.0.next().transpose()?;
        Ok(Some(head))
    }

    /// The root itself, if it was there.
    pub(super) fn root(&mut self, root: &[u8]) -> Result<Option<KnownName>, BoxedError> {
        self.next_if(|known| known.path == root)
    }

    /// The next name of a directory that sorts before `directory`, and was not entered.
    pub(super) fn before(&mut self, directory: &[u8]) -> Result<Option<KnownName>, BoxedError> {
        self.next_if(|known| compare_directories(parent(&known.path), directory).is_lt())
    }

    /// The children of `directory`, which is come to.
    pub(super) fn children(&mut self, directory: &[u8]) -> Result<VecDeque<KnownName>, BoxedError> {
        let mut children = VecDeque::new();
        while let Some(known) = self.next_if(|known| {
            // The root of all has itself for a parent, and no name.
            parent(&known.path) == directory && !known.path.is_empty()
        })? {
            children.push_back(known);
        }
        Ok(children)
    }

    /// The next name anywhere below `directory`, which is left.
    pub(super) fn below(&mut self, directory: &[u8]) -> Result<Option<KnownName>, BoxedError> {
        self.next_if(|known| component_below(&known.path, directory).is_some())
    }
}

/// The first component of `path` below `directory`, if it lies there.
pub(super) fn component_below<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    let rest = match directory {
        b"" => path,
        _ => path.strip_prefix(directory)?.strip_prefix(b"/")?,
    };
    rest.split(|&byte| byte == b'/').next()
}

fn parent(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    &path[..slash.unwrap_or(0)]
}

/// Bytewise, a slash below every other byte. No path has a zero byte, which stands for it.
fn compare_directories(a: &[u8], b: &[u8]) -> Ordering {
    let lowered = |&byte: &u8| if byte == b'/' { 0 } else { byte };
    a.iter().map(lowered).cmp(b.iter().map(lowered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> FileTime {
        FileTime {
            seconds,
            nanoseconds: 5,
        }
    }

    fn inode() -> Inode {
        Inode {
            device: 1,
            number: 7,
            file_type: FileType::RegularFile,
            mode: 0o644,
            links: 1,
            uid: 0,
            gid: 0,
            size_bytes: 100,
            sectors: 8,
            mtime: time(10),
            ctime: time(20),
            node: 0,
        }
    }

    #[test]
    fn an_object_is_unchanged_only_if_kind_size_times_and_inode_are_the_same() {
        let version = || KnownVersion {
            kind: KnownKind::File,
            size_bytes: 100,
            mtime: time(10),
            ctime: time(20),
            inode: Some(7),
            runs: (0, 0),
        };
        let directory = Inode {
            file_type: FileType::Directory,
            ..inode()
        };
        let link = Inode {
            file_type: FileType::Symlink,
            ..inode()
        };
        let hard = KnownKind::Hardlink(b"a".to_vec());
        let other = KnownKind::Symlink;
        let (file, dir) = (KnownKind::File, KnownKind::Directory);
        let of = |kind: &KnownKind| KnownVersion {
            kind: kind.clone(),
            ..version()
        };
        let cases: [(&str, KnownVersion, Inode, bool); 15] = [
            ("same", version(), inode(), true),
            (
                "longer",
                version(),
                Inode {
                    size_bytes: 101,
                    ..inode()
                },
                false,
            ),
            (
                "mtime later",
                version(),
                Inode {
                    mtime: time(11),
                    ..inode()
                },
                false,
            ),
            (
                "mtime set back",
                version(),
                Inode {
                    mtime: time(9),
                    ..inode()
                },
                false,
            ),
            (
                "ctime",
                version(),
                Inode {
                    ctime: time(21),
                    ..inode()
                },
                false,
            ),
            (
                "inode",
                version(),
                Inode {
                    number: 8,
                    ..inode()
                },
                false,
            ),
            (
                "device",
                version(),
                Inode {
                    device: 2,
                    ..inode()
                },
                true,
            ),
            (
                "inode not recorded",
                KnownVersion {
                    inode: None,
                    ..version()
                },
                inode(),
                true,
            ),
            (
                "nor the ctime the same",
                KnownVersion {
                    inode: None,
                    ..version()
                },
                Inode {
                    ctime: time(21),
                    ..inode()
                },
                false,
            ),
            ("file, now directory", of(&file), directory, false),
            ("directory, now file", of(&dir), inode(), false),
            (
                "directory",
                of(&dir),
                Inode {
                    size_bytes: 4096,
                    ..directory
                },
                true,
            ),
            ("symlink", of(&other), link, true),
            ("symlink, now file", of(&other), inode(), false),
            ("further name", of(&hard), inode(), true),
        ];
        for (what, version, inode, expected) in cases {
            assert_eq!(version.is_current(&inode), expected, "{what}");
        }
    }

    fn merge(paths: &[&str]) -> Merge {
        let known: Vec<_> = paths
            .iter()
            .map(|path| {
                Ok(KnownName {
                    path: path.as_bytes().to_vec(),
                    version: None,
                })
            })
            .collect();
        Merge::new(Listing::new(known.into_iter())).unwrap()
    }

    fn text(known: Option<KnownName>) -> Option<String> {
        known.map(|known| String::from_utf8(known.path).unwrap())
    }

    #[test]
    fn a_listing_is_taken_as_a_walk_comes_by() {
        let mut merge = merge(&["r", "r/a", "r/b", "r/a/x", "r/a/x/1", "r/b/y", "r/b.d/z"]);
        assert_eq!(text(merge.root(b"r").unwrap()).as_deref(), Some("r"));
        assert_eq!(merge.children(b"r").unwrap().len(), 2);
        // `a` is not entered.
        assert_eq!(
            text(merge.before(b"r/b").unwrap()).as_deref(),
            Some("r/a/x")
        );
        assert_eq!(
            text(merge.before(b"r/b").unwrap()).as_deref(),
            Some("r/a/x/1")
        );
        assert_eq!(merge.before(b"r/b").unwrap(), None);
        assert_eq!(merge.children(b"r/b").unwrap().len(), 1);
        assert_eq!(merge.below(b"r/b").unwrap(), None);
        assert_eq!(text(merge.below(b"r").unwrap()).as_deref(), Some("r/b.d/z"));
        assert_eq!(merge.below(b"r").unwrap(), None);
    }
}
