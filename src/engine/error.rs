//! Why an operation of the engine could not be carried out.
//!
//! Problems with single files are no errors: they are in the operation's report.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use crate::units::TapeFile;
use crate::volume::VolumeError;

/// An error of a layer above, handed through unchanged.
pub type BoxedError = Box<dyn Error + Send + Sync + 'static>;

/// What stopped an operation.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A path to archive cannot be looked at. No volume was touched.
    #[error("cannot archive {}", path.display())]
    Root {
        /// The path as given.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A plan that makes no sense, such as a malformed pattern. No volume was touched.
    #[error("{what}")]
    Plan {
        /// What is wrong with it, as one sentence without a final full stop.
        what: String,
    },
    /// The operation found nothing at all to do.
    #[error("nothing to do: {what}")]
    Nothing {
        /// Why nothing was left.
        what: String,
    },
    /// There was something to archive, and nothing of it could be.
    #[error("nothing could be archived: {what}")]
    NothingArchived {
        /// How many problems there were, and the first.
        what: String,
    },
    /// The place restored files go to cannot be used.
    #[error("cannot restore into {}", path.display())]
    Target {
        /// The target directory or a path in it.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The data of a tape ends before the tape file asked for.
    #[error("tape {barcode} has no tape file {file}: its data ends before it")]
    NoTapeFile {
        /// The tape's barcode.
        barcode: String,
        /// The tape file; 0 is the label.
        file: TapeFile,
    },
    /// A tape has no copy of the catalog.
    #[error("tape {barcode} has no copy of the catalog")]
    NoCatalogCopy {
        /// The tape's barcode.
        barcode: String,
    },
    /// Copies of the catalog are on a tape, or may be, and none of them can be used.
    #[error("no copy of the catalog on tape {barcode} can be used: {}", copies.join("; "))]
    CatalogCopiesBad {
        /// The tape's barcode.
        barcode: String,
        /// What is wrong with each, the newest first.
        copies: Vec<String>,
    },
    /// What was read could not be handed on.
    #[error("cannot write the output")]
    Output {
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A volume could not be mounted or given back.
    #[error("cannot mount or give back {}", which(*volume))]
    Mount {
        /// The volume asked for; `None` if any to append to.
        volume: Option<Uuid>,
        /// The volume source's reason.
        #[source]
        source: BoxedError,
    },
    /// Another volume was mounted than asked for, or one without an append point.
    #[error("volume {barcode} was mounted, but {what}")]
    WrongVolume {
        /// Barcode on the label that was read.
        barcode: String,
        /// What was expected.
        what: String,
    },
    /// Reading or writing a volume failed.
    #[error("volume {barcode}")]
    Volume {
        /// The volume's barcode.
        barcode: String,
        /// What happened there.
        #[source]
        source: VolumeError,
    },
    /// The drive flushed without an error and yet does not say that all is on the medium.
    /// What it does not confirm is not committed.
    #[error("volume {barcode}: the drive does not confirm its last {segments} segments")]
    NotConfirmed {
        /// The volume's barcode.
        barcode: String,
        /// Segments written and not confirmed.
        segments: usize,
    },
    /// Volumes failed one after another, with nothing committed between. The drive may be at
    /// fault.
    #[error("writing failed on {} one after another", barcodes.join(" and "))]
    VolumesFail {
        /// Their barcodes, in order.
        barcodes: Vec<String>,
        /// What the last one failed with.
        #[source]
        source: Box<EngineError>,
    },
    /// A member could not be framed although it should fit; a defect of this program.
    #[error("cannot frame /{}", String::from_utf8_lossy(path))]
    Frame {
        /// The member's archive path.
        path: Vec<u8>,
        /// What the segment has against it.
        #[source]
        source: BoxedError,
    },
    /// A confirmed segment could not be recorded; it is on tape and can be adopted.
    #[error("segment {number} of volume {barcode} is on tape but could not be recorded")]
    Commit {
        /// The volume's barcode.
        barcode: String,
        /// Number of the segment on that volume.
        number: u64,
        /// The sink's reason.
        #[source]
        source: BoxedError,
    },
    /// What a run that archives changes alone is measured against could not be read. What it
    /// wrote before is right.
    #[error("what is on tape already could not be looked up")]
    Base {
        /// The reason of whoever was asked.
        #[source]
        source: BoxedError,
    },
    /// A thread of the operation could not be started.
    #[error("cannot start the {stage} thread")]
    Spawn {
        /// Which one.
        stage: &'static str,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A thread of the operation ended without a result; a defect of this program.
    #[error("the {stage} ended unexpectedly")]
    Stage {
        /// Which one.
        stage: &'static str,
    },
}

fn which(volume: Option<Uuid>) -> String {
    volume.map_or_else(
        || "the next volume".to_owned(),
        |volume| format!("volume {volume}"),
    )
}
