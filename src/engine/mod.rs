//! Layer 5: archive, restore, verify, scan: plans in, receipts out.
//!
//! Gets mounted volumes through a [`VolumeSource`] and hands what is proven to be on
//! tape to a [`ReceiptSink`]. Knows neither changer nor catalog nor pools: which volume
//! is next, and what becomes of a receipt, is decided above.
//!
//! Invariants: a receipt leaves the engine only after the drive has confirmed the whole
//! segment; a volume taken from the source is given back to it, whatever happened.

pub mod archive;
pub mod attached;
pub mod dump;
pub mod process;
pub mod rescue;
pub mod restore;
pub mod scan;
pub mod source;
pub mod target;
pub mod verify;

mod content;
mod error;
mod listed;
mod unread;

pub use error::{BoxedError, EngineError};

use std::fmt;

use uuid::Uuid;

use crate::drive::{DriveError, SequentialDevice};
use crate::engine::restore::{Turn, VolumeReads};
use crate::volume::append::AppendPoint;
use crate::volume::label::Label;
use crate::volume::receipt::SegmentReceipt;
use crate::volume::resume::OtherDrive;

/// A labelled volume in a drive, its label read and compared with what was asked for.
pub struct MountedVolume {
    /// The drive it is loaded in.
    pub device: Box<dyn SequentialDevice>,
    /// The label, as read from the tape in this mount.
    pub label: Label,
    /// Where the next segment goes; `None` on a volume mounted for reading, and on one given back
    /// of which that is not certain any more.
    pub append: Option<AppendPoint>,
}

impl fmt::Debug for MountedVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountedVolume")
            .field("device", &self.device.name())
            .field("label", &self.label)
            .field("append", &self.append)
            .finish()
    }
}

/// The state in which a volume is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeEnd {
    /// Usable further: there is room, or it was only read.
    Open,
    /// No further segment fits.
    Full,
    /// Writing failed for a reason that does not speak against the medium. This operation does
    /// not write on it again.
    Unwritable,
    /// Writing or reading failed in a way that speaks against the medium; the reason as
    /// one sentence for people. Never to be called full.
    Suspect(String),
}

/// Where volumes come from: mounts them, and takes them back.
///
/// An operation holds at most one volume of a source at a time. Calls may take minutes, since
/// robots and people move tapes meanwhile.
pub trait VolumeSource: Send {
    /// Mounts a volume to append to; [`MountedVolume::append`] is set. Called again only
    /// after the last one was released, and gives another volume unless that was
    /// [`VolumeEnd::Open`].
    ///
    /// # Errors
    ///
    /// No volume with room can be had, or mounting failed.
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError>;

    /// True if the volume that [`next_for_append`](Self::next_for_append) gave stands there
    /// as a run left it in the same mount, so that what was proved then need not be again.
    fn goes_on(&self) -> bool {
        false
    }

    /// Mounts this volume for reading.
    ///
    /// # Errors
    ///
    /// The volume is not known, not within reach, or mounting failed.
    fn mount(&mut self, volume: Uuid) -> Result<MountedVolume, BoxedError>;

    /// Whether a mount that failed with `error` says nothing of the volume, so that it may be
    /// mounted in a drive that another source has.
    fn is_of_drives(&self, error: &BoxedError) -> bool {
        let _ = error;
        false
    }

    /// The order in which the reads of a volume that was just mounted are carried out, each once,
    /// where more is known by now than when they were planned; `None`: as they are planned.
    /// `device` may be asked, and is not moved.
    fn order(
        &mut self,
        reads: &VolumeReads,
        device: &mut dyn SequentialDevice,
    ) -> Option<Vec<Turn>> {
        let _ = (reads, device);
        None
    }

    /// Brings the volume that was mounted for reading into another drive, since the one that it
    /// is in failed with `error`. Its device then stands for the other drive. Which tape that
    /// is, the caller has to prove anew.
    fn change_drive(&mut self, error: &DriveError) -> OtherDrive {
        let _ = error;
        OtherDrive::None
    }

    /// Takes a volume back and remembers how it ended. It may stay loaded.
    ///
    /// # Errors
    ///
    /// Unloading failed. The volume is taken back nevertheless.
    fn release(&mut self, volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError>;
}

/// Takes what is proven to be on tape.
pub trait ReceiptSink {
    /// Records one confirmed segment. Called in the order in which segments lie on tape,
    /// never before the drive has confirmed the segment's index filemark. Success means
    /// that the record survives a power cut.
    ///
    /// # Errors
    ///
    /// It could not be recorded. The operation stops; the segment is on tape and can be
    /// adopted by a scan.
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError>;

    /// A scan met damage. The segment that has it is recorded behind this.
    fn damaged(&mut self, damage: &scan::Damage) {
        let _ = damage;
    }
}
