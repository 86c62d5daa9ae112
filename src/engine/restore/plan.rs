//! What is to be restored, from where, to where. Holds no handles.

use std::collections::HashSet;
use std::path::PathBuf;

use uuid::Uuid;

use super::resume::Resume;
use crate::engine::target::TargetOptions;
use crate::units::BlockAddress;
use crate::volume::index::{DigestAlgorithm, Place};
use crate::volume::member::{FileTime, Member, Part};

/// Everything one restore does.
///
/// What the planner sees to: directories above a restored object are restored with their
/// metadata only if their own members are among the reads, or they are among the known ones
/// (otherwise they are created with mode 0755). A hard link whose first name is not wanted is
/// planned as a read of the first name's data, restored under the link's name; further links to it
/// follow.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// The directory beneath which everything is put. Created if it does not exist.
    pub target: PathBuf,
    /// How existing objects and owners are treated.
    pub options: TargetOptions,
    /// Volumes in the order in which they are mounted, each at most once.
    pub volumes: Vec<VolumeReads>,
    /// Another copy of some of the objects in `volumes`, each with all its parts: read for those
    /// alone of which the first copy cannot be read, once all volumes are done.
    pub spares: Vec<VolumeReads>,
    /// Directories above what is restored whose own members are on none of these volumes.
    pub known: Vec<KnownDirectory>,
    /// What the restore is told by, and what it goes on with.
    pub resume: Resume,
}

/// What is known of a directory without its member, for which alone no tape is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDirectory {
    /// Where it goes.
    pub name: Vec<u8>,
    /// All of it but its extended attributes.
    pub member: Member,
    /// Barcode of a volume that its member is on, for people.
    pub barcode: String,
}

impl KnownDirectory {
    /// What is not known of it.
    pub(super) const LACKS: &str = "extended attributes and access control lists, if it has any";

    /// Why.
    pub(super) fn why(&self) -> String {
        let barcode = &self.barcode;
        format!("{barcode}, which has them, is needed for nothing else; ask for the directory")
    }
}

/// What is read from one volume.
#[derive(Debug, Clone)]
pub struct VolumeReads {
    /// The volume's identity, as in its label.
    pub volume: Uuid,
    /// Its barcode, for messages.
    pub barcode: String,
    /// Its block size, as in its label.
    pub block_bytes: u32,
    /// The reads, in the order in which they are carried out.
    pub reads: Vec<MemberRead>,
}

/// One member to read, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRead {
    /// Record in which the member's first header block lies.
    pub block: BlockAddress,
    /// Offset of that header in the record.
    pub offset_bytes: u32,
    /// Bytes from the first header to the end of the padding.
    pub length_bytes: u64,
    /// In a compressed segment, and only there: `block` and `offset_bytes` are those of a frame,
    /// and so many bytes of its content come before the member.
    pub skip_bytes: Option<u32>,
    /// Where the index of its segment begins, if there is one.
    pub index: Option<BlockAddress>,
    /// Up to so many records between the read before and this one are read on through, since that
    /// is quicker than a locate; what is nearer than a few is in any case.
    pub read_on_records: u64,
    /// Archive path the member must have on tape; for a part, the whole file's path.
    pub path: Vec<u8>,
    /// Where it goes, relative to the target: bytes without leading slash, empty, `.` or
    /// `..` components. Mostly equal to `path`. All parts of a file share one name.
    pub name: Vec<u8>,
    /// Digest of the logical content (for a part, of the part) from the index; `None`
    /// for what has no data, and where the index is lost: then nothing can be verified.
    pub digest: Option<[u8; 32]>,
    /// How that digest was made.
    pub digest_algorithm: DigestAlgorithm,
    /// Which part of a cut file this is. All parts of the file must be in the plan.
    pub part: Option<Part>,
    /// The run whose version of it is restored: a hard link's first name is one of the same run.
    pub job: Uuid,
    /// What is on tape is another version of it, with the same content.
    pub other: Option<Box<OtherVersion>>,
}

/// What of an object is to be otherwise than on tape, where what is read was archived by another
/// run than the version that is restored. All of that run's but content and extended attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherVersion {
    /// Name of the run that archived what is read, for people.
    pub job_name: String,
    /// Nothing differs: the object had not been changed between both runs. Where it had, the
    /// extended attributes that are wanted are not known.
    pub is_same_state: bool,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Owner's name.
    pub user: String,
    /// Group's name.
    pub group: String,
    /// Last modification.
    pub mtime: FileTime,
    /// Last change of the inode.
    pub ctime: FileTime,
}

impl OtherVersion {
    /// What is not known of the version that is restored.
    const LACKS: &str = "extended attributes and access control lists, if it had any";

    /// Why.
    fn why(&self) -> String {
        format!(
            "its content was read from an older version, of job {}",
            self.job_name
        )
    }
}

impl MemberRead {
    /// Where it is.
    pub(super) fn place(&self) -> Place {
        Place {
            block: self.block,
            offset_bytes: self.offset_bytes,
            length_bytes: self.length_bytes,
            skip_bytes: self.skip_bytes,
        }
    }

    /// The version on tape, if its metadata are not those of the one that is restored.
    fn differing(&self) -> Option<&OtherVersion> {
        self.other.as_deref().filter(|other| !other.is_same_state)
    }

    /// True if it may be read from anywhere in it: in a compressed segment its index has to tell
    /// where frames are, which is known once that was asked.
    pub(super) fn may_be_entered(&self) -> bool {
        self.skip_bytes.is_none() || self.index.is_some()
    }

    /// What is not known of the version that is restored, and why; `None` if all is.
    pub(super) fn lacks(&self) -> Option<(&'static str, String)> {
        let other = self.differing()?;
        Some((OtherVersion::LACKS, other.why()))
    }

    /// Makes of what the header on tape says what it says of the version that is restored.
    pub(super) fn adjust(&self, member: &mut Member) {
        let Some(other) = self.differing() else {
            return;
        };
        (member.mode, member.uid, member.gid) = (other.mode, other.uid, other.gid);
        member.user.clone_from(&other.user);
        member.group.clone_from(&other.group);
        (member.mtime, member.ctime) = (other.mtime, other.ctime);
        member.xattrs.clear();
    }
}

/// One of the reads of a volume, in the order in which they are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Its place in [`VolumeReads::reads`].
    pub read: usize,
    /// As [`MemberRead::read_on_records`], for this order.
    pub read_on_records: u64,
}

impl VolumeReads {
    /// The order of the plan.
    pub(super) fn turns(&self) -> Vec<Turn> {
        let turn = |(read, planned): (usize, &MemberRead)| Turn {
            read,
            read_on_records: planned.read_on_records,
        };
        self.reads.iter().enumerate().map(turn).collect()
    }
}

impl RestorePlan {
    /// Number of objects: a file in parts is one.
    #[must_use]
    pub fn objects(&self) -> u64 {
        let reads = self.volumes.iter().flat_map(|volume| &volume.reads);
        let names: HashSet<&[u8]> = reads.map(|read| read.name.as_slice()).collect();
        names.len() as u64
    }

    /// Number of reads, and bytes of tape they cover.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        self.volumes
            .iter()
            .flat_map(|volume| &volume.reads)
            .fold((0, 0), |(count, bytes), read| {
                (count + 1, read.length_bytes.saturating_add(bytes))
            })
    }
}
