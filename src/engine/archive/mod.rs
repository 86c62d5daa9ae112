//! Archiving: a source goes to tape, receipts come out.
//!
//! Stages on bounded channels. The *scanner* thread walks and reads the source; the
//! calling thread *frames*: tar members, digests, record cutting and CRCs, where compression
//! is wanted with worker threads beside it that compress; a *drive*
//! thread per volume writes records and learns what is confirmed. Memory is bounded by
//! [`Memory`], whatever the number or size of files. For a monitor that wants a total one
//! more thread counts the source.
//!
//! Invariants: a receipt is committed only after the drive has confirmed its segment, in the
//! order of the tape; a file is cut into parts only where no segment takes it whole; a
//! failure loses nothing that was confirmed before.
//!
//! Knows neither the catalog nor how volumes are chosen.

mod ahead;
mod compress;
mod content;
mod drive;
mod output;
mod parts;
mod payload;
mod plan;
mod records;
mod report;
mod run;
mod scanner;
mod stage;
mod total;
mod volume;

pub use compress::Compression;
pub use plan::{ArchivePlan, Memory};
pub use report::{
    ArchiveReport, Outcome, REMARKS_KEPT, Remarks, Timings, Unconfirmed, VolumeShare,
};
pub use run::archive;
pub use stage::StageTime;
