//! Archiving: a source goes to tape, receipts come out.
//!
//! Stages on bounded channels (docs/data-path.md). The *scanner* thread walks the source and
//! has *readers* look at small files ahead; the calling thread *frames*: tar members, digests,
//! record cutting and CRCs, where compression is wanted with worker threads beside it that
//! compress; a *drive* thread per volume writes records, when the *gate* lets it, and learns
//! what is confirmed. Memory is bounded by [`Memory`], whatever the number or size of files.
//! For a monitor that wants a total one more thread counts the source.
//!
//! Invariants: a receipt is committed only after the drive has confirmed its segment, in the
//! order of the tape; a file is cut into parts only where no segment takes it whole; a
//! failure loses nothing that was confirmed before, and what was not is read from the source
//! and written again (`docs/archive.md`).
//!
//! Knows neither the catalog nor how volumes are chosen.

mod ahead;
mod attach;
mod batch;
mod compress;
mod content;
mod copy;
mod destination;
mod drive;
mod gate;
mod pace;
mod parts;
mod payload;
mod pending;
mod placing;
mod plan;
mod readers;
mod records;
mod repeat;
mod report;
mod run;
mod scanner;
mod shared;
mod stage;
mod total;
mod volume;

pub use attach::{AttachPlan, AttachReport, Attached, attach};
pub use compress::Compression;
pub use copy::{CopyPlan, CopyReport, CopySegment, copy};
pub use gate::{Gate, Marks, Percent};
pub use plan::{ArchivePlan, BegunFile, Memory, Resume};
pub use report::{
    ArchiveReport, DestinationReport, FailedVolume, Outcome, REMARKS_KEPT, Remarks, Timings,
    Unconfirmed, VolumeShare,
};
pub use run::{archive, archive_twice};
pub use stage::StageTime;
