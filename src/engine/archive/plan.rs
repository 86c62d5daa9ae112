//! What an archive run is asked to do, and the memory it may use for it.

use std::path::PathBuf;
use std::sync::Arc;

use super::compress::Compression;
use super::gate::Marks;
use crate::engine::source::{
    FileState, Known, Rules, Selection, Source, is_streamed, paths, selection,
};
use crate::volume::index::JobHeader;
use crate::volume::segment::DEFAULT_MEMBERS;

/// One run: what to archive and how. Holds no handles.
#[derive(Debug, Clone)]
pub struct ArchivePlan {
    /// Identity of the run; goes into each segment's index. Its roots are filled in from
    /// `sources`, whatever they are here.
    pub job: JobHeader,
    /// What to archive, in order.
    pub sources: Vec<Source>,
    /// Patterns of what is left out; see [`crate::engine::source::Excludes`].
    pub excludes: Vec<String>,
    /// Do not enter directories on other file systems than their root's.
    pub one_file_system: bool,
    /// Files and directories that are never archived, such as the catalog's own
    /// directory, compared by device and inode. What does not exist is ignored.
    pub never: Vec<PathBuf>,
    /// The most a segment may hold, in bytes of its records, such as
    /// [`DEFAULT_SEGMENT_BYTES`](crate::volume::segment::DEFAULT_SEGMENT_BYTES). Less than
    /// [`minimum_segment_bytes`](crate::volume::segment::minimum_segment_bytes) counts as that.
    pub segment_limit_bytes: u64,
    /// What an earlier run of this job has done; `None` for a new job.
    pub resume: Option<Resume>,
    /// Memory for what is read ahead and written behind.
    pub memory: Memory,
    /// How segments are compressed; `None` stores them as they are.
    pub compression: Option<Compression>,
}

/// Where an earlier run of a job ended.
#[derive(Debug, Clone)]
pub struct Resume {
    /// What is on tape in the state that it has; files in `begun` are among it.
    pub known: Arc<dyn Known>,
    /// Files of which the first parts are on tape, and no more. They are ended first.
    pub begun: Vec<BegunFile>,
    /// Archive paths of streams that are on tape whole: their commands are not run.
    pub streams: Vec<Vec<u8>>,
    /// Segments of the job on volumes of each destination.
    pub segments_before: Vec<u64>,
}

/// A file that was cut, and not written to its end.
#[derive(Debug, Clone)]
pub struct BegunFile {
    /// Its archive path.
    pub path: Vec<u8>,
    /// Its state when it was begun. If that is another now, it is archived anew.
    pub state: FileState,
    /// Number of the first part that is missing.
    pub number: u32,
    /// Where that part starts in the file.
    pub offset_bytes: u64,
}

/// Bounds on the memory between the stages: what is read ahead and half as much for spent
/// buffers, and for each destination the records, and about 750 bytes and two paths for each
/// member of the segment being built and of those not confirmed yet (seldom more than two). Beside
/// the records up to 230 MB, with two destinations 380 MB.
/// Compression takes 4 MiB for each of its threads beside that, 2 MiB for the frame being filled,
/// and what zstd needs at its level: at the default one 2 MB for each thread, at 19 some 20 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes read from the source that wait for framing. At least two chunks are used.
    pub read_ahead_bytes: usize,
    /// Records that wait for the drive, in bytes; at least two records. Fewer are used for a
    /// small volume, and for a drive that does not tell what room is left.
    pub buffer_bytes: usize,
    /// At which fill of the buffer the drive gets records.
    pub marks: Marks,
    /// Members of a segment: their index lines are kept until it is confirmed.
    pub members: u64,
}

impl ArchivePlan {
    /// What is common to all sources.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            excludes: self.excludes.clone(),
            one_file_system: self.one_file_system,
            never: self.never.clone(),
            known: self.resume.as_ref().map(|resume| Arc::clone(&resume.known)),
            streams_done: (self.resume.as_ref())
                .map_or_else(Vec::new, |resume| resume.streams.clone()),
            segment_limit_bytes: self.segment_limit_bytes,
        }
    }

    /// False for what a stream brings: its command has written it once.
    #[must_use]
    pub fn can_be_read_again(&self, path: &[u8]) -> bool {
        !self.sources.iter().any(|source| is_streamed(source, path))
    }

    /// The files and directories that are walked, if there are any.
    #[must_use]
    pub fn walked(&self) -> Option<Selection> {
        Some(selection(paths(&self.sources)?, &self.rules()))
    }

    /// How many sources cannot be counted beforehand: lists and streams.
    #[must_use]
    pub fn uncountable(&self) -> usize {
        let others = self.sources.iter();
        others
            .filter(|source| !matches!(source, Source::Paths(_)))
            .count()
    }

    /// All that will be archived, if it can be counted beforehand.
    pub(super) fn countable(&self) -> Option<Selection> {
        self.walked().filter(|_| self.uncountable() == 0)
    }
}

impl Default for Memory {
    /// 32 MiB of read-ahead, a buffer of 24 MiB and 65,536 members.
    fn default() -> Self {
        Self {
            read_ahead_bytes: 32 << 20,
            buffer_bytes: 24 << 20,
            marks: Marks::default(),
            members: DEFAULT_MEMBERS,
        }
    }
}
