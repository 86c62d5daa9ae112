//! Adds a file to volumes behind what a run wrote there, in segments that are not the run's: a
//! copy of the catalog.
//!
//! The file comes once, in pieces, and nobody knows how long it becomes, so it goes to tape in open
//! parts. What cannot be written is not written again elsewhere.
//!
//! Knows nothing of what is in it.

use std::io;
use std::rc::Rc;

use super::destination::Destination;
use super::placing::{Begun, Work};
use super::plan::Memory;
use super::report::DestinationReport;
use super::shared::{Manner, Shared};
use crate::clock::Clock;
use crate::engine::content::ContentDigest;
use crate::engine::source::{Growing, Pour, ReadEnd, Remark, Unwanted, part_bytes};
use crate::engine::{ReceiptSink, VolumeSource};
use crate::monitor::Monitor;
use crate::volume::index::{Content, JobHeader};
use crate::volume::member::{Condition, FileTime, Kind, Member};
use crate::volume::segment::DEFAULT_SEGMENT_BYTES;

/// What is added. Holds no handles.
#[derive(Debug, Clone)]
pub struct AttachPlan {
    /// The run behind which it comes.
    pub job: JobHeader,
    /// Archive path of the file.
    pub path: Vec<u8>,
    /// When it was made.
    pub made_at: FileTime,
    /// Memory for what is written behind.
    pub memory: Memory,
}

/// What came of it.
#[derive(Debug)]
pub struct AttachReport {
    /// For each source of volumes, in their order.
    pub volumes: Vec<Attached>,
    /// Why the file did not come to its end, if that was it.
    pub failure: Option<io::Error>,
    /// Stopped on request.
    pub stopped: bool,
}

/// What came of it on one volume.
#[derive(Debug)]
pub struct Attached {
    /// What was written and committed, and what ended it.
    pub written: DestinationReport,
    /// All of the file is confirmed and committed.
    pub whole: bool,
}

/// The next piece of the file, at most 1 MiB; `None` behind the last.
pub type NextPiece<'a> = dyn FnMut() -> io::Result<Option<Vec<u8>>> + 'a;

/// Writes the file that `next` brings to the volumes that the sources give. A file that does not
/// come to its end is left on tape without an index: the next append writes over it.
pub fn attach(
    plan: &AttachPlan,
    next: &mut NextPiece<'_>,
    volumes: Vec<&mut dyn VolumeSource>,
    sink: &mut dyn ReceiptSink,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> AttachReport {
    let manner = Manner {
        segment_limit_bytes: DEFAULT_SEGMENT_BYTES,
        memory: plan.memory,
        compression: None,
        content: Content::Catalog,
    };
    let shared = Shared::new(manner, plan.job.clone(), sink, clock, monitor);
    let mut output = Output {
        destinations: (volumes.into_iter())
            .map(|volumes| Destination::new(&shared, volumes, 0))
            .collect(),
        digest: ContentDigest::new(plan.job.digest),
    };
    let (mut came, mut stopped, mut failure) = (false, false, None);
    match output.all(plan, next, monitor) {
        Ok(()) => {
            output.finish();
            came = true;
        }
        Err(Ended::Stopped) => stopped = true,
        Err(Ended::Failed(error)) => failure = Some(error),
        Err(Ended::Unwanted) => {}
    }
    let attached = |mut destination: Destination<'_>| {
        let whole = came && destination.takes() && destination.has_all();
        destination.abandon();
        Attached {
            whole: whole && destination.ended_well(),
            written: destination.report().0,
        }
    };
    AttachReport {
        volumes: output.destinations.into_iter().map(attached).collect(),
        failure,
        stopped,
    }
}

/// Why the file is not read further.
enum Ended {
    Stopped,
    Failed(io::Error),
    /// No volume takes it any more.
    Unwanted,
}

impl From<Unwanted> for Ended {
    fn from(_: Unwanted) -> Self {
        Self::Unwanted
    }
}

struct Output<'a> {
    destinations: Vec<Destination<'a>>,
    /// Of the part under way.
    digest: ContentDigest,
}

impl Output<'_> {
    fn all(
        &mut self,
        plan: &AttachPlan,
        next: &mut NextPiece<'_>,
        monitor: &dyn Monitor,
    ) -> Result<(), Ended> {
        let mut file = Growing::new(member(plan), part_bytes(DEFAULT_SEGMENT_BYTES));
        loop {
            if monitor.stop_requested() {
                return Err(Ended::Stopped);
            }
            match next().map_err(Ended::Failed)? {
                Some(piece) => file.chunk(piece, self)?,
                None => return Ok(file.end(None, ReadEnd::whole(), self)?),
            }
        }
    }

    fn finish(&mut self) {
        for destination in &mut self.destinations {
            if destination.takes() {
                destination.finish(false);
            }
        }
    }

    /// Says whether anyone goes on.
    fn wanted(&self) -> Result<(), Unwanted> {
        match self.destinations.iter().any(Destination::takes) {
            true => Ok(()),
            false => Err(Unwanted),
        }
    }
}

impl Pour for Output<'_> {
    /// A file that only grows has none.
    fn remark(&mut self, _: Remark) -> Result<(), Unwanted> {
        Ok(())
    }

    fn object(&mut self, member: Member, data: Vec<u8>, end: ReadEnd) -> Result<(), Unwanted> {
        self.begin(member)?;
        self.chunk(data, Condition::Whole)?;
        self.end(end)
    }

    fn begin(&mut self, member: Member) -> Result<(), Unwanted> {
        let member = Rc::new(member);
        for destination in &mut self.destinations {
            if destination.takes() {
                let begun = destination.begin(Work::whole(Rc::clone(&member)));
                if let Begun::Refused(what) = begun {
                    tracing::warn!(what, "a part of the catalog's copy is refused");
                    return Err(Unwanted);
                }
            }
        }
        self.digest = ContentDigest::new(self.destinations[0].shared.job.digest);
        self.wanted()
    }

    fn chunk(&mut self, data: Vec<u8>, so_far: Condition) -> Result<(), Unwanted> {
        self.digest.update(&data);
        for destination in &mut self.destinations {
            destination.data(&data, so_far);
        }
        self.wanted()
    }

    fn end(&mut self, end: ReadEnd) -> Result<(), Unwanted> {
        let digest = self.digest.finish();
        for destination in &mut self.destinations {
            destination.end(Some(digest), end.condition);
        }
        self.wanted()
    }
}

/// As private as the catalog: it names every archived file.
fn member(plan: &AttachPlan) -> Member {
    Member {
        path: plan.path.clone(),
        kind: Kind::File,
        size_bytes: 0,
        mode: 0o600,
        uid: 0,
        gid: 0,
        user: String::new(),
        group: String::new(),
        mtime: plan.made_at,
        ctime: plan.made_at,
        xattrs: Vec::new(),
        extents: None,
        part: None,
        inode: None,
    }
}
