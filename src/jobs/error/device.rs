//! What helps against the failures of drives, robots, the ways to them, and tapes.
//!
//! Where a device said what happened, the table of sense data knows best; else the sort of
//! failure decides. Each has a next step, save a wish of the user to stop.

use std::error::Error;
use std::io;

use crate::changer::{ChangerError, ChangerErrorKind};
use crate::drive::{DriveError, DriveErrorKind};
use crate::engine::EngineError;
use crate::error_text::is_caused_by;
use crate::jobs::{JobError, JobErrorKind};
use crate::transport::{TransportError, TransportErrorKind};
use crate::volume::VolumeError;

const SAME_PLACE: &str = "Try again: the place is looked for anew. If it stays so, try another \
                          drive, then another tape.";
const PATH: &str = "Check power, cable and adapter, and what `dmesg` says; then try again. \
                    `doctor` examines the way to the device.";
const ROOM: &str = "Make room on that disk, then start the job again.";
const RESET: &str = "Find out who reset or changed the device. Then start the job again: it finds \
                     its place on the tape and checks it first.";
const RESERVED: &str =
    "Another host uses the device: stop its program, or let it release the device.";
const FIRMWARE: &str = "Try another device or its latest firmware; `doctor` says what this one \
                        lacks.";
const LEAVE: &str = "Use another drive, and have this one seen to.";
const NEXT_TAPE: &str = "Label another tape for the pool; `archive --resume JOB` goes on there.";
const DEFECT: &str = "This is a defect of Tapewright: report it with the log, \
                      `log/tapewright.log` in the state directory.";

impl JobError {
    /// What a drive failed with, where that alone is the matter.
    pub(in crate::jobs) fn drive_failure(&self) -> Option<&DriveError> {
        match self {
            JobError::Drive { source, .. }
            | JobError::NotReady { source, .. }
            | JobError::NotLoaded { source, .. }
            | JobError::NotCleared { source, .. }
            | JobError::ChipFailed { source, .. } => Some(source),
            JobError::Volume {
                source: VolumeError::Drive { source, .. },
                ..
            } => Some(source),
            _ => None,
        }
    }

    /// Whether drives failed or are not to be had, so that another may mount the same tape.
    pub(in crate::jobs) fn is_of_drives(&self) -> bool {
        match self {
            JobError::DriveMissing { .. } | JobError::DriveBusy { .. } => true,
            _ => self
                .drive_failure()
                .is_some_and(|error| error.calls_for_other_drive() || error.is_interruption()),
        }
    }
}

/// True if a disk of this machine had no room left.
pub(super) fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    is_caused_by(error, io::ErrorKind::StorageFull)
}

/// What helps against a drive's failure.
pub(super) fn of_drive(error: &DriveError) -> Option<&'static str> {
    use DriveErrorKind as K;
    let own = match error.kind {
        K::Reserved | K::HeldBy { .. } => Some(RESERVED),
        K::UntrustedPosition => {
            Some("Do not write with this drive; use another one, and have this one seen to.")
        }
        K::Transport if is_disk_full(error) => Some(ROOM),
        _ => None,
    };
    let told = || error.reaction.and_then(|reaction| reaction.advice());
    own.or_else(told).or_else(|| of_drive_kind(error.kind))
}

fn of_drive_kind(kind: DriveErrorKind) -> Option<&'static str> {
    use DriveErrorKind as K;
    Some(match kind {
        K::NoMedium => "Put the tape into the drive and try again.",
        K::NotReady => "Look at the drive: its panel says what it wants. Then try again.",
        K::WriteProtected => "If it is meant to be written, slide its write-protect tab.",
        K::IncompatibleMedium => "Use a drive that knows tapes of this generation.",
        K::CleaningCartridge => "Take the cleaning cartridge out and put the tape in.",
        K::EndOfData | K::EndOfDataMissing | K::BeginningOfPartition => {
            "Verify the tape: less is on it than there should be. What it lacks is on other \
             tapes, or to be archived again."
        }
        K::EndOfPartition => NEXT_TAPE,
        K::BlockTooLong { .. } | K::BlockLength => {
            "Use a drive and an adapter that carry blocks of the tape's size; `doctor` says what \
             passes."
        }
        K::BlockCheck | K::Interrupted | K::Transport => PATH,
        K::Medium => {
            "Clean the drive and try again; if it stays so, try the tape in another drive, and \
             then take it out of use."
        }
        K::Hardware => LEAVE,
        K::Reset => RESET,
        K::Reserved | K::HeldBy { .. } => RESERVED,
        K::WrongPosition => {
            "The drive goes elsewhere than it is sent, which says nothing of the tape: use another \
             drive, and have this one seen to."
        }
        K::PositionLost | K::UntrustedPosition => SAME_PLACE,
        K::OtherTape => "Find out who changed the tape in the drive, and start the job again.",
        K::Encrypted => "Set the key that the tape was written with.",
        K::RemovalPrevented => {
            "Find out which host prevents the removal; switching the drive off and on ends it."
        }
        K::Unsupported | K::Malformed => FIRMWARE,
        // The user knows why.
        K::Cancelled => return None,
    })
}

/// What helps against a robot's failure.
pub(super) fn of_changer(error: &ChangerError) -> Option<&'static str> {
    use ChangerErrorKind as K;
    Some(match error.kind {
        K::SourceEmpty | K::DestinationFull | K::NoSuchElement | K::InventoryChanged => {
            "Somebody else moves the library's tapes. `library status` shows where they are; try \
             again."
        }
        K::DriveHoldsMedium | K::RemovalPrevented => {
            "Stop the program that keeps the drive's tape, or unload it at the library's panel, \
             and try again."
        }
        K::Unreachable => {
            "Close the library's doors and mail slots, put its magazines back, and try again."
        }
        K::NotReady => "Look at the library's panel: most often a door is open. Then try again.",
        K::Hardware => {
            "Look at the library's panel, and where `library status` shows the tape. One that is \
             in the robot's hand is put into a slot by the next command that mounts a tape."
        }
        K::Reserved => RESERVED,
        K::Unsupported | K::Malformed => FIRMWARE,
        K::Interrupted | K::Transport => {
            "`library status` shows where the tape is; try again. If it happens again, check the \
             library's cable and power, and what `dmesg` says."
        }
        K::Cancelled => return None,
    })
}

/// Which sort of help a robot's failure calls for.
pub(super) fn changer_kind(error: &ChangerError) -> JobErrorKind {
    use ChangerErrorKind as C;
    match error.kind {
        C::Reserved | C::SourceEmpty | C::DestinationFull | C::InventoryChanged => {
            JobErrorKind::Busy
        }
        C::Unreachable | C::NotReady | C::RemovalPrevented => JobErrorKind::NeedsOperator,
        C::Cancelled => JobErrorKind::Interrupted,
        C::NoSuchElement
        | C::DriveHoldsMedium
        | C::Hardware
        | C::Unsupported
        | C::Interrupted
        | C::Malformed
        | C::Transport => JobErrorKind::BadDevice,
    }
}

/// What helps where a device cannot be reached.
pub(super) fn of_path(error: &TransportError) -> &'static str {
    use TransportErrorKind as K;
    match error.kind {
        K::Busy => "Wait for it, or stop it, and try again.",
        K::NotFound => "Check power and cable; `library scan` lists what is attached.",
        K::Denied => "`doctor` says which command gives you the right to use it.",
        K::TooLong => {
            "Use smaller blocks, or an adapter that carries more; `doctor` says what \
                       passes."
        }
        K::TimedOut | K::Failed => PATH,
    }
}

/// What helps where the volume on the tape `barcode` is not as it should be.
pub(super) fn of_volume(error: &VolumeError, barcode: &str) -> Option<String> {
    Some(match error {
        VolumeError::Drive { source, .. } => return of_drive(source).map(str::to_owned),
        VolumeError::TooNew { .. } => "Use a later version of Tapewright.".to_owned(),
        VolumeError::Label(_) => "Change what the message names, and try again.".to_owned(),
        VolumeError::WrongVolume { .. } => {
            format!("Find out which cartridge this is: compare its sticker with {barcode}.")
        }
        VolumeError::PositionLost { .. } => format!(
            "Use another drive, and have this one seen to. `verify {barcode}` tells what is on \
             the tape."
        ),
        VolumeError::VolumeEnded { .. } => NEXT_TAPE.to_owned(),
        VolumeError::NotAtAppendPoint { .. }
        | VolumeError::WrongSize { .. }
        | VolumeError::WrongCrc { .. }
        | VolumeError::UnexpectedFilemark { .. }
        | VolumeError::UnexpectedEndOfData { .. }
        | VolumeError::Index { .. }
        | VolumeError::Frame { .. }
        | VolumeError::Tar { .. } => format!(
            "`verify {barcode}` tells which files can be read; take the others from another \
             copy, or archive them again."
        ),
    })
}

/// What helps where an operation failed as a whole.
pub(super) fn of_operation(error: &EngineError) -> Option<String> {
    let words = match error {
        EngineError::Volume { barcode, source } => return of_volume(source, barcode),
        EngineError::WrongVolume { barcode, .. } => {
            return Some(format!(
                "Find out which cartridge this is; if the tape is right and the catalog is not, \
                 `catalog rebuild {barcode}`."
            ));
        }
        EngineError::Commit { barcode, .. } => {
            return Some(format!(
                "Cure the catalog (`doctor` looks at it), then `catalog rebuild {barcode}` takes \
                 the segment in."
            ));
        }
        EngineError::Base { .. } => {
            "Cure the catalog: `doctor` names the tapes that bring a damaged entry file back with \
             `catalog rebuild`. `--level full` does without."
        }
        EngineError::NoTapeFile { barcode, .. } => {
            return Some(format!(
                "Tape file 0 is the label; `tape show {barcode}` lists those of the segments, \
                 and behind each is its index."
            ));
        }
        EngineError::NoCatalogCopy { barcode } | EngineError::CatalogCopiesBad { barcode, .. } => {
            return Some(format!(
                "Another tape may have one: `catalog import --from-tape BARCODE`. Or read the \
                 tapes themselves: `catalog rebuild {barcode}` this one, `catalog rebuild` all \
                 that are in the library."
            ));
        }
        // What is wrong with the request is all there is to say.
        EngineError::Plan { .. } => return None,
        EngineError::Root { .. } => "Name files and directories that exist and may be read.",
        EngineError::NothingArchived { .. } => {
            "Put right what it names, and run the job again; nothing was written."
        }
        EngineError::Nothing { .. } => "Name something else, or leave less out.",
        EngineError::Target { .. } => "Check its rights and its room, or name another directory.",
        EngineError::Output { .. } => "Check rights and room where the output goes.",
        EngineError::Mount { .. } => "Look at `library status`, and try again.",
        EngineError::NotConfirmed { .. } => {
            "Go on with `archive --resume JOB`. If it happens again, use another \
             drive."
        }
        EngineError::VolumesFail { .. } => {
            "Clean the drive, and look at it with `doctor`, before another tape is written: it \
             may be at fault, and the tapes well. What was confirmed is in the catalog and safe."
        }
        EngineError::Frame { .. } | EngineError::Stage { .. } => DEFECT,
        EngineError::Spawn { .. } => "Free memory or end processes on this machine; try again.",
    };
    Some(words.to_owned())
}
