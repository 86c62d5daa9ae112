//! What is to be restored, from where, to where. Holds no handles.

use std::collections::HashSet;
use std::path::PathBuf;

use uuid::Uuid;

use super::resume::Resume;
use crate::engine::target::TargetOptions;
use crate::units::BlockAddress;
use crate::volume::index::DigestAlgorithm;
use crate::volume::member::Part;

/// Everything one restore does.
///
/// What the planner sees to: directories above a restored object are restored with their
/// metadata only if their own members are among the reads (otherwise they are created
/// with mode 0700). A hard link whose first name is not wanted is planned as a read of
/// the first name's data, restored under the link's name; further links to it follow.
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
    /// What the restore is told by, and what it goes on with.
    pub resume: Resume,
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
    /// The run that archived it: a hard link's first name is one of the same run.
    pub job: Uuid,
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
