//! What to do about an error, and which sort of help it calls for.

use std::io;

use catalogs::model::event::OutsidePlace;
use catalogs::{CatalogError, LedgerError};

use super::device::is_disk_full;
use super::{JobError, JobErrorKind, StateError, device};
use crate::drive::{DriveError, DriveErrorKind};
use crate::engine::EngineError;
use crate::jobs::allocate::ELSEWHERE;
use crate::jobs::library::Misplaced;
use crate::jobs::whereabouts::{ask_to_insert, ask_to_load};
use crate::transport::TransportErrorKind;
use crate::volume::VolumeError;

/// What helps where a command would have to name a tape that has no name.
const UNREAD: &str = "No command takes a tape whose barcode cannot be read: take it out, give it a \
                      readable label with its barcode, let the library read that, and try again.";

/// True if a command in the advice names a tape by its place, as `(slot 7)`: no command takes that.
fn names_a_place(advice: &str) -> bool {
    let quoted = advice.split('`').skip(1).step_by(2);
    quoted.into_iter().any(|command| command.contains('('))
}

/// What brings another catalog in the place of one that cannot be used, in the order of what
/// loses least.
pub(crate) const ANOTHER_CATALOG: &str = "Move the directory `catalog` out of the state \
    directory, and keep it. What loses least comes first: put a copy of the directory from a \
    backup in its place; or `catalog import FILE` takes an export, or `catalog import --from-tape \
    BARCODE` the copy on the tape that was written last. Then `catalog rebuild` adds what the \
    tapes got since; where there is none of these, it reads all from the tapes. Holds, moves and \
    retention times that were set since are on no tape: the ledger that was moved away shows \
    them (docs/guide-operator.md).";

impl JobError {
    /// Which sort of help this calls for.
    pub fn kind(&self) -> JobErrorKind {
        use JobErrorKind as K;
        match self {
            JobError::State(_) | JobError::Io { .. } | JobError::NoSimulator { .. } => K::Host,
            JobError::SimulatedAlready { .. } => K::Host,
            JobError::Request { .. } => K::Request,
            JobError::TooFewDrives { .. } => K::Request,
            JobError::Pattern(_) => K::Request,
            JobError::Stopped => K::Interrupted,
            #[cfg(feature = "sim")]
            JobError::Simulator { .. } => K::Host,
            JobError::DriveNotInLibrary { .. } | JobError::DriveMissing { .. } => K::BadDevice,
            JobError::LoadsNothing { .. } | JobError::NotCleared { .. } => K::BadDevice,
            JobError::Changer(source) | JobError::Move { source, .. } => {
                device::changer_kind(source)
            }
            JobError::Misplaced(_) | JobError::BlocksBeyondPath { .. } => K::BadDevice,
            JobError::DriveBusy { .. } | JobError::LibraryBusy { .. } => K::Busy,
            JobError::TapeBusy { .. } => K::Busy,
            JobError::LibraryFull { .. } | JobError::TapeMissing { .. } => K::NeedsOperator,
            JobError::MailSlots(_) => K::NeedsOperator,
            JobError::Declined { .. } | JobError::NoAppendableVolume { .. } => K::NeedsOperator,
            JobError::Transport(error) => match error.kind {
                TransportErrorKind::Busy => K::Busy,
                _ => K::BadDevice,
            },
            JobError::Drive { source, .. }
            | JobError::NotReady { source, .. }
            | JobError::NotLoaded { source, .. } => drive_kind(source),
            JobError::BarcodeTwice { .. }
            | JobError::ClaimedTwice { .. }
            | JobError::CleaningCartridge { .. }
            | JobError::IncompatibleTape { .. }
            | JobError::WriteProtected { .. }
            | JobError::BlankTape { .. }
            | JobError::ForeignTape { .. }
            | JobError::EncryptedTape { .. }
            | JobError::TooNewTape { .. }
            | JobError::SwappedBarcode { .. }
            | JobError::OtherVolume { .. }
            | JobError::OtherCartridge { .. }
            | JobError::UnknownVolume { .. }
            | JobError::OtherPool { .. } => K::WrongTape,
            JobError::TapeShort { .. }
            | JobError::DamagedTail { .. }
            | JobError::ChipFailed { .. }
            | JobError::SegmentNumber { .. } => K::BadMedium,
            JobError::Volume { source, .. } => volume_kind(source),
            JobError::Labelling(error) => error.kind(),
            JobError::Base(error) => error.kind(),
            JobError::Restore(error) => error.kind(),
            JobError::Retention(error) => error.kind(),
            JobError::Which(error) => error.kind(),
            JobError::NoSuchPool { .. }
            | JobError::NoSuchVolume { .. }
            | JobError::NothingOfJob { .. }
            | JobError::NoCatalog { .. }
            | JobError::NothingFound { .. } => K::NotFound,
            JobError::Catalog(CatalogError::Merging(_)) => K::Busy,
            JobError::Unread(_) | JobError::Catalog(_) | JobError::UnknownContent { .. } => {
                K::Catalog
            }
            JobError::Hook(_) => K::Host,
            JobError::Engine(error) | JobError::WriteFailed { source: error, .. } => {
                engine_kind(error)
            }
        }
    }

    /// What to do next, as a sentence; `None` where the request made no sense and the error says
    /// why, or the user stopped the job.
    pub fn advice(&self) -> Option<String> {
        let words = self
            .tape_advice()
            .or_else(|| self.content_advice())
            .or_else(|| self.site_advice())
            .or_else(|| self.room_advice())
            .or_else(|| self.host_advice())
            .or_else(|| self.device_advice())?;
        Some(match names_a_place(&words) {
            true => UNREAD.to_owned(),
            false => words,
        })
    }

    /// Whether a job that was to write met this before it wrote anything to the tape, and does not
    /// say so itself, since one that reads meets it, too.
    pub fn is_before_writing(&self) -> bool {
        matches!(
            self,
            JobError::NotLoaded { .. }
                | JobError::LoadsNothing { .. }
                | JobError::BlankTape { .. }
                | JobError::ForeignTape { .. }
                | JobError::EncryptedTape { .. }
                | JobError::BlocksBeyondPath { .. }
                | JobError::TooNewTape { .. }
                | JobError::SwappedBarcode { .. }
                | JobError::OtherVolume { .. }
                | JobError::OtherCartridge { .. }
        )
    }

    fn tape_advice(&self) -> Option<String> {
        Some(match self {
            JobError::TapeMissing {
                barcode,
                nameless,
                lost,
                outside,
            } => missing_advice(barcode, nameless, lost.is_some(), outside.as_ref()),
            JobError::BarcodeTwice { barcode } => {
                format!("Remove one of the cartridges with barcode {barcode} from the library.")
            }
            JobError::ClaimedTwice { barcode, .. } => format!(
                "Take them out and find out which was labelled as {barcode}: its chip and its \
                 sticker tell. Put that one back with a readable barcode, without the others, and \
                 try again."
            ),
            JobError::Declined {
                barcode, outside, ..
            } => ask_to_load(barcode, outside.as_ref()),
            JobError::CleaningCartridge { .. } => "Name a data cartridge.".to_owned(),
            JobError::IncompatibleTape { .. } => {
                "Use a tape of a generation that the drive writes, or another drive.".to_owned()
            }
            JobError::WriteProtected { barcode } => format!(
                "If {barcode} is meant to be written, slide its write-protect tab and try again."
            ),
            JobError::SwappedBarcode { says, .. } => {
                format!("Take the cartridge out and compare its sticker with {says}.")
            }
            JobError::OtherCartridge { barcode, .. } => format!(
                "Find out whether this is a copy of {barcode}; only the cartridge that was \
                 labelled is written."
            ),
            JobError::ChipFailed { barcode, .. } => format!(
                "What is on {barcode} can still be read. Clean the drive and try again; if it \
                 stays so, copy what is wanted to another tape and take this one out of use."
            ),
            JobError::OtherVolume { barcode, .. } => format!(
                "Find out which cartridge this is; if the tape is right and the catalog is not, \
                 `catalog rebuild {barcode}`."
            ),
            JobError::Labelling(error) => error.advice(),
            JobError::UnknownVolume { barcode, .. } => {
                format!("`catalog rebuild {barcode}` reads it into the catalog; nothing is lost.")
            }
            JobError::OtherPool { barcode, pool, .. } => {
                format!("Write to pool {pool}, or name a tape other than {barcode}.")
            }
            JobError::TapeShort { barcode, .. }
            | JobError::DamagedTail { barcode, .. }
            | JobError::SegmentNumber { barcode, .. } => format!(
                "Do not write on it. `verify {barcode}` tells which files can still be read; \
                 archive the others again."
            ),
            JobError::WriteFailed {
                barcode,
                suspect: true,
                ..
            } => format!(
                "Label another tape for the pool; `archive --resume JOB` then \
                 writes what is not confirmed. `verify {barcode}` reads what is on this one. If \
                 another tape fails as well, clean the drive."
            ),
            _ => return None,
        })
    }

    /// What to do where the tape holds something else than it should.
    fn content_advice(&self) -> Option<String> {
        Some(match self {
            JobError::BlankTape { barcode } => format!(
                "Label it with `tape label {barcode} --pool NAME`; if it should hold data, do \
                 not: take it out and find out which cartridge this is."
            ),
            JobError::ForeignTape {
                barcode,
                known: true,
                ..
            } => format!(
                "Under {barcode} the catalog knows a volume: find out which cartridge this is, \
                 and what happened to it."
            ),
            JobError::EncryptedTape { known: true, .. } => {
                "Read it with the program and the key that wrote it.".to_owned()
            }
            JobError::EncryptedTape { barcode, .. } => format!(
                "Read it with the program and the key that wrote it; if its content may go, \
                 `tape label {barcode} --pool NAME --erase {barcode}`."
            ),
            JobError::BlocksBeyondPath {
                barcode,
                block_bytes,
                erasable,
                ..
            } => beyond_path_advice(barcode, *block_bytes, *erasable),
            JobError::ForeignTape { barcode, .. } => format!(
                "If its content may go, `tape label {barcode} --pool NAME --erase {barcode}`."
            ),
            JobError::TooNewTape { .. } => "Use a later version of Tapewright.".to_owned(),
            JobError::Unread(unread) => unread.advice(),
            JobError::UnknownContent { barcode, .. } => format!(
                "`catalog rebuild {barcode}` reads them into the catalog. Then verify it again: \
                 it compares each file."
            ),
            _ => return None,
        })
    }

    /// What helps against what a device, a tape or an operation failed with.
    fn device_advice(&self) -> Option<String> {
        let words = match self {
            JobError::Drive { source, .. }
            | JobError::NotReady { source, .. }
            | JobError::NotLoaded { source, .. } => device::of_drive(source),
            JobError::LoadsNothing { .. } => Some(
                "Clean the drive and try again; if it stays so, use another drive, and have this \
                 one seen to.",
            ),
            JobError::NotCleared { .. } => Some(
                "Eject the tape at the drive's panel, and start the job again. If the drive keeps \
                 it, switch the drive off and on, or have it seen to.",
            ),
            JobError::Changer(source) | JobError::Move { source, .. } => device::of_changer(source),
            JobError::Transport(error) => Some(device::of_path(error)),
            JobError::Volume { barcode, source } => return device::of_volume(source, barcode),
            JobError::Engine(error) => return device::of_operation(error),
            JobError::WriteFailed {
                suspect: false,
                source,
                ..
            } => return device::of_operation(source),
            _ => None,
        };
        words.map(str::to_owned)
    }

    /// What helps where this machine or the catalog is in the way.
    fn host_advice(&self) -> Option<String> {
        let words = match self {
            JobError::State(StateError::NoLibrary { .. }) => {
                "Make one: `library create --sim DIR`, or with --changer and --drive. One that is \
                 there already: `library use --sim DIR`, or once more `library create --changer \
                 DEVICE`."
            }
            JobError::State(StateError::NoRoom { .. }) => {
                "Make room there, or keep the state elsewhere: --state DIR."
            }
            JobError::Io { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                "Use another copy of the file; nothing was changed."
            }
            JobError::State(StateError::Io { .. }) | JobError::Io { .. } => {
                "Check rights and room there, and try again."
            }
            JobError::State(StateError::Malformed { .. }) => {
                "Set the library up again: `library use`, or `library create`."
            }
            JobError::State(StateError::TooNew { .. }) => "Use a later version of Tapewright.",
            #[cfg(feature = "sim")]
            JobError::Simulator { .. } => {
                "Check the directory; `library create --sim DIR` makes a simulated library."
            }
            JobError::NoSimulator { .. } => {
                "Use a build with the simulator, or set up another library."
            }
            JobError::NoCatalog { .. } => {
                "Label a tape to begin one; one that was lost comes back from the tapes with \
                 `catalog rebuild`. One that is elsewhere: --state DIR."
            }
            JobError::Catalog(error) if is_disk_full(error) => {
                "Make room there, then run the job again: what is on tape already is found \
                 there, and taken into the catalog."
            }
            JobError::Catalog(CatalogError::LinesLost(_)) => {
                "What is on the tapes is safe, and nothing was written to them. Put back the newer \
                 copy of the directory `catalog` in the state directory, if there is one; else \
                 `catalog rebuild` reads the tapes anew."
            }
            JobError::Catalog(CatalogError::Ledger(LedgerError::Gone { .. })) => {
                "What is on the tapes is safe. Put back a copy of the file, if there is one; else \
                 `catalog rebuild` reads the tapes anew."
            }
            JobError::Catalog(CatalogError::Ledger(LedgerError::Shrunk { .. })) => {
                "Somebody exchanged the catalog meanwhile. Run the command again: it tells what is \
                 missing."
            }
            JobError::Catalog(CatalogError::Merging(_)) => {
                "Nothing was changed. Wait for that process: each job merges at its end."
            }
            JobError::Catalog(CatalogError::Entries(_)) => {
                "`catalog rebuild` writes the entry file anew from its tape."
            }
            JobError::Catalog(CatalogError::Ledger(LedgerError::Altered { .. })) => {
                return Some(format!("What is on the tapes is safe. {ANOTHER_CATALOG}"));
            }
            JobError::Catalog(_) => {
                return Some(format!(
                    "`doctor` examines the catalog. If it cannot be read: {ANOTHER_CATALOG}"
                ));
            }
            _ => return None,
        };
        Some(words.to_owned())
    }

    /// What helps where there is no room in the library or its mail slots, or nothing in them.
    fn room_advice(&self) -> Option<String> {
        Some(match self {
            JobError::LibraryFull { .. } => "Make room: take a tape out of a magazine, or let \
                 `library export BARCODE` put one into a mail slot."
                .to_owned(),
            JobError::MailSlots(error) => error.advice(),
            _ => return None,
        })
    }

    fn site_advice(&self) -> Option<String> {
        Some(match self {
            JobError::SimulatedAlready { dir } => {
                let dir = dir.display();
                format!(
                    "`library use --sim {dir}` makes it the current one; for a new one, name \
                     another directory."
                )
            }
            JobError::DriveNotInLibrary { .. } => {
                "Give the drives of this changer, or the changer of these drives.".to_owned()
            }
            JobError::Misplaced(Misplaced::Vanished { .. }) => {
                "Check power and cable. `library scan` lists what is attached; a device that was \
                 exchanged is taken over with `library create`."
                    .to_owned()
            }
            JobError::Misplaced(Misplaced::Ambiguous { .. }) => {
                "Choose one by its link below /dev/tape/by-path: `library create` with --drive."
                    .to_owned()
            }
            JobError::TooFewDrives { .. } => {
                "Archive to one pool; for the second copy archive once more, to the other pool."
                    .to_owned()
            }
            JobError::DriveMissing { .. } => {
                "Check power, cable and device names; `library status` shows what answers. A drive \
                 that is there and does not answer is switched off and on."
                    .to_owned()
            }
            JobError::DriveBusy { .. }
            | JobError::LibraryBusy { .. }
            | JobError::TapeBusy { .. } => "Wait for it, or stop it, and try again.".to_owned(),
            JobError::NoAppendableVolume { pool, volumes }
                if volumes.iter().any(|volume| volume.contains(ELSEWHERE)) =>
            {
                format!(
                    "Put back what is not in the library, its magazine too, or label a blank tape \
                     for the pool: `tape label BARCODE --pool {pool}`."
                )
            }
            JobError::NoSuchPool { pool, .. } => format!(
                "Check its name. A pool begins with its first tape: `tape label BARCODE --pool \
                 {pool}`."
            ),
            JobError::NoAppendableVolume { pool, .. } => {
                format!("Label a blank tape for it: `tape label BARCODE --pool {pool}`.")
            }
            JobError::NoSuchVolume { .. } => {
                "`tape list` shows the tapes that the catalog knows.".to_owned()
            }
            JobError::Base(error) => error.advice().to_owned(),
            JobError::Restore(error) => error.advice().to_owned(),
            JobError::Retention(error) => error.advice().to_owned(),
            JobError::Which(error) => error.advice().to_owned(),
            JobError::Hook(_) => {
                "The log in the state directory has all it said. Run it by hand, put it right, and \
                 start the job again."
                    .to_owned()
            }
            _ => return self.nothing_advice(),
        })
    }

    /// Where there is nothing of what was asked for.
    fn nothing_advice(&self) -> Option<String> {
        Some(match self {
            JobError::NothingOfJob { ended: None, .. } => {
                "Wait until it has ended, and try again.".to_owned()
            }
            JobError::NothingOfJob { others, .. } if others.is_empty() => {
                "Archive again: nothing can be restored of it.".to_owned()
            }
            JobError::NothingOfJob { .. } => "Archive again: nothing can be restored of it. \
                 `verify` reads another job of this name by its identity."
                .to_owned(),
            JobError::NothingFound {
                as_of: Some(at),
                first_job: Some(first),
                ..
            } if at < first => {
                "Name a later moment with --as-of, or leave it out to have the newest versions."
                    .to_owned()
            }
            JobError::NothingFound { as_of: Some(_), .. } => {
                "`find PATTERN --all-versions` shows each version with its date; without --as-of \
                 the newest is taken."
                    .to_owned()
            }
            JobError::NothingFound { patterns, .. } if patterns.iter().any(|one| is_bare(one)) => {
                "A name without a slash in front is taken from the root of the archive. Put `./` \
                 in front of what is in the working directory, or give the whole path; \
                 `find '**/NAME'` looks for a name everywhere."
                    .to_owned()
            }
            JobError::NothingFound { .. } => {
                "`find '**'` shows what there is; quote globs so that the shell leaves them \
                 alone. What was deleted since comes back with --as-of DATE."
                    .to_owned()
            }
            _ => return None,
        })
    }
}

/// True for a name that may be meant from the working directory: no glob, no slash in front.
fn is_bare(pattern: &str) -> bool {
    !pattern.starts_with('/') && !pattern.contains(['*', '?', '['])
}

fn beyond_path_advice(barcode: &str, block_bytes: u64, erasable: bool) -> String {
    let erase = match erasable {
        true => {
            format!(" If its content may go, `tape label {barcode} --pool NAME --erase {barcode}`.")
        }
        false => String::new(),
    };
    format!(
        "The tape is well: use a drive and a host adapter that carry {block_bytes} bytes at once, \
         or raise the adapter's limit (max_sectors, max_sgl_entries of its driver). `doctor` \
         shows what each drive and its path carry.{erase}"
    )
}

fn drive_kind(error: &DriveError) -> JobErrorKind {
    match error.kind {
        DriveErrorKind::Medium | DriveErrorKind::EndOfDataMissing => JobErrorKind::BadMedium,
        DriveErrorKind::NoMedium => JobErrorKind::NeedsOperator,
        DriveErrorKind::OtherTape => JobErrorKind::WrongTape,
        DriveErrorKind::Cancelled => JobErrorKind::Interrupted,
        DriveErrorKind::Reserved | DriveErrorKind::HeldBy { .. } => JobErrorKind::Busy,
        _ => JobErrorKind::BadDevice,
    }
}

fn volume_kind(error: &VolumeError) -> JobErrorKind {
    match error {
        VolumeError::Drive { source, .. } => drive_kind(source),
        VolumeError::TooNew { .. } | VolumeError::WrongVolume { .. } => JobErrorKind::WrongTape,
        VolumeError::Label(_) => JobErrorKind::Request,
        VolumeError::PositionLost { .. } => JobErrorKind::BadDevice,
        _ => JobErrorKind::BadMedium,
    }
}

fn engine_kind(error: &EngineError) -> JobErrorKind {
    match error {
        EngineError::Root { .. } | EngineError::Nothing { .. } | EngineError::NoTapeFile { .. } => {
            JobErrorKind::NotFound
        }
        EngineError::NoCatalogCopy { .. } => JobErrorKind::NotFound,
        EngineError::CatalogCopiesBad { .. } => JobErrorKind::BadMedium,
        EngineError::Plan { .. } => JobErrorKind::Request,
        EngineError::Target { .. }
        | EngineError::Output { .. }
        | EngineError::Frame { .. }
        | EngineError::Spawn { .. }
        | EngineError::Stage { .. }
        | EngineError::NothingArchived { .. } => JobErrorKind::Host,
        EngineError::Mount { .. }
        | EngineError::NotConfirmed { .. }
        | EngineError::VolumesFail { .. } => JobErrorKind::BadDevice,
        EngineError::WrongVolume { .. } => JobErrorKind::WrongTape,
        EngineError::Volume { source, .. } => volume_kind(source),
        EngineError::Commit { .. } | EngineError::Base { .. } => JobErrorKind::Catalog,
    }
}

/// Where to look for a tape that is not in the library.
fn missing_advice(
    barcode: &str,
    nameless: &[String],
    lost: bool,
    outside: Option<&OutsidePlace>,
) -> String {
    if lost {
        return format!(
            "Open the library and look there; put {barcode} into a mail slot or a free slot, have \
             the library count its cartridges, and try again. `verify {barcode}` shows whether \
             the fall has hurt it."
        );
    }
    let ask = ask_to_insert(barcode, outside);
    match nameless.is_empty() {
        true => ask,
        false => format!(
            "Look at the label of that cartridge. If it is {barcode}: clean or replace the label, \
             let the library read it again, and try again. If not: {ask}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_loses_least_is_advised_first_for_a_ledger_that_was_altered() {
        let ledger = catalogs::LedgerError::Altered {
            path: PathBuf::from("/state/catalog/ledger.jsonl"),
            line: 3,
            at: 400,
            fault: catalogs::LineFault::Sum,
        };
        let advice = JobError::Catalog(ledger.into()).advice().unwrap();
        let at = |words: &str| {
            let found = advice.find(words);
            found.unwrap_or_else(|| panic!("{words} is not in: {advice}"))
        };
        let order = [
            "What is on the tapes is safe",
            "keep it",
            "from a backup",
            "`catalog import FILE`",
            "`catalog import --from-tape BARCODE`",
            "`catalog rebuild`",
            "Holds, moves and retention times that were set since are on no tape",
        ];
        assert!(order.map(at).is_sorted(), "{advice}");
    }
}
