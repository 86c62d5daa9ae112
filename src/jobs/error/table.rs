//! Every error that a job can end with, and whether it says what to do next.

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::*;
use crate::changer::ChangerErrorKind;
use crate::drive::DriveErrorKind;
use crate::error_text::with_causes;
use crate::transport::TransportErrorKind;
use crate::units::BlockAddress;
use crate::volume::label::LabelError;

const BARCODE: &str = "A00001L9";

fn text() -> String {
    BARCODE.to_owned()
}

fn io_error() -> io::Error {
    io::Error::other("no")
}

fn drive_error(kind: DriveErrorKind) -> DriveError {
    DriveError {
        drive: "drive 0".to_owned(),
        action: "reading block 7".to_owned(),
        kind,
        what: "it failed".to_owned(),
        reaction: None,
        source: None,
    }
}

fn drive_kinds() -> Vec<DriveErrorKind> {
    use DriveErrorKind as K;
    vec![
        K::NoMedium,
        K::NotReady,
        K::WriteProtected,
        K::IncompatibleMedium,
        K::CleaningCartridge,
        K::EndOfData,
        K::EndOfDataMissing,
        K::BeginningOfPartition,
        K::EndOfPartition,
        K::BlockTooLong { actual_bytes: 1 },
        K::BlockCheck,
        K::Medium,
        K::Hardware,
        K::Reset,
        K::Reserved,
        K::HeldBy { key: 1 },
        K::WrongPosition,
        K::PositionLost,
        K::OtherTape,
        K::UntrustedPosition,
        K::Encrypted,
        K::RemovalPrevented,
        K::Interrupted,
        K::BlockLength,
        K::Unsupported,
        K::Malformed,
        K::Transport,
    ]
}

fn nothing_found(as_of: Option<i64>, first_job: Option<i64>) -> JobError {
    let moment = |seconds| Timestamp::from_second(seconds).unwrap();
    JobError::NothingFound {
        patterns: vec![text()],
        as_of: as_of.map(moment),
        first_job: first_job.map(moment),
    }
}

fn changer_errors() -> impl Iterator<Item = JobError> {
    use ChangerErrorKind as K;
    let kinds = [
        K::SourceEmpty,
        K::DestinationFull,
        K::NoSuchElement,
        K::DriveHoldsMedium,
        K::RemovalPrevented,
        K::Unreachable,
        K::NotReady,
        K::InventoryChanged,
        K::Hardware,
        K::Reserved,
        K::Unsupported,
        K::Interrupted,
        K::Malformed,
        K::Transport,
    ];
    let error = |kind| ChangerError {
        changer: "the library".to_owned(),
        action: "moving".to_owned(),
        kind,
        elements: None,
        what: "it failed".to_owned(),
        source: None,
    };
    kinds.into_iter().flat_map(move |kind| {
        let failed_move = JobError::Move {
            barcode: text(),
            now: None,
            source: error(kind),
        };
        [JobError::Changer(error(kind)), failed_move]
    })
}

fn transport_error(kind: TransportErrorKind) -> TransportError {
    TransportError {
        device: "drive 0".to_owned(),
        kind,
        what: "no answer".to_owned(),
        source: None,
    }
}

fn volume_errors() -> Vec<VolumeError> {
    let block = BlockAddress(7);
    let medium = drive_error(DriveErrorKind::Medium);
    vec![
        VolumeError::drive("reading", block)(medium),
        VolumeError::WrongSize {
            block,
            expected_bytes: 1,
            actual_bytes: 2,
        },
        VolumeError::WrongCrc {
            block,
            expected: 1,
            actual: 2,
        },
        VolumeError::UnexpectedFilemark { block },
        VolumeError::UnexpectedEndOfData { block },
        VolumeError::TooNew { format: 9 },
        VolumeError::Label(LabelError::Format(9)),
        VolumeError::WrongVolume {
            expected: Uuid::nil(),
            actual: text(),
        },
        VolumeError::NotAtAppendPoint { what: text() },
        VolumeError::PositionLost {
            expected: block,
            actual: block,
        },
        VolumeError::VolumeEnded { block },
    ]
}

fn engine_errors() -> Vec<EngineError> {
    let (path, barcode) = (PathBuf::from("/x"), text());
    vec![
        EngineError::Root {
            path: path.clone(),
            source: io_error(),
        },
        EngineError::Nothing { what: text() },
        EngineError::NothingArchived { what: text() },
        EngineError::Target {
            path,
            source: io_error(),
        },
        EngineError::NoCatalogCopy { barcode: text() },
        EngineError::CatalogCopiesBad {
            barcode: text(),
            copies: vec![text()],
        },
        EngineError::Output { source: io_error() },
        EngineError::Mount {
            volume: None,
            source: "no".into(),
        },
        EngineError::WrongVolume {
            barcode: barcode.clone(),
            what: text(),
        },
        EngineError::NotConfirmed {
            barcode: barcode.clone(),
            segments: 1,
        },
        EngineError::VolumesFail {
            barcodes: vec![barcode.clone()],
            source: Box::new(EngineError::Stage { stage: "drive" }),
        },
        EngineError::Frame {
            path: vec![],
            source: "no".into(),
        },
        EngineError::Commit {
            barcode,
            number: 1,
            source: "no".into(),
        },
        EngineError::Base {
            source: "no".into(),
        },
        EngineError::Spawn {
            stage: "drive",
            source: io_error(),
        },
        EngineError::Stage { stage: "drive" },
    ]
}

#[test]
fn each_failure_of_a_device_a_tape_or_an_operation_says_what_to_do_next() {
    let transport = [
        TransportErrorKind::Busy,
        TransportErrorKind::NotFound,
        TransportErrorKind::Denied,
        TransportErrorKind::TooLong,
        TransportErrorKind::TimedOut,
        TransportErrorKind::Failed,
    ];
    let drives = drive_kinds().into_iter().map(|kind| JobError::Drive {
        barcode: text(),
        source: drive_error(kind),
    });
    let volumes = volume_errors().into_iter().map(|source| JobError::Volume {
        barcode: text(),
        source,
    });
    let written = [true, false].map(|suspect| JobError::WriteFailed {
        barcode: text(),
        suspect,
        segments: 2,
        source: EngineError::NotConfirmed {
            barcode: text(),
            segments: 1,
        },
    });
    let errors = drives
        .chain(changer_errors())
        .chain(transport.map(|kind| JobError::Transport(transport_error(kind))))
        .chain(volumes)
        .chain(engine_errors().into_iter().map(JobError::Engine))
        .chain(written);
    for error in errors {
        let advice = error.advice();
        assert!(
            advice.is_some_and(|advice| advice.ends_with('.')),
            "{error:?}"
        );
    }
}

#[test]
fn each_refusal_and_each_trouble_of_this_machine_says_what_to_do_next() {
    let (barcode, path) = (text(), PathBuf::from("/x"));
    let source = || drive_error(DriveErrorKind::NotReady);
    let errors = [
        JobError::State(StateError::NoLibrary {
            state: path.clone(),
        }),
        JobError::State(StateError::Malformed {
            path: path.clone(),
            what: text(),
        }),
        JobError::State(StateError::TooNew {
            path: path.clone(),
            format: 9,
        }),
        JobError::Io {
            action: "reading",
            path: path.clone(),
            source: io_error(),
        },
        JobError::NoSimulator { dir: path.clone() },
        JobError::NoCatalog { state: path },
        JobError::Catalog(catalogs::CatalogError::NotAppendable),
        JobError::DriveMissing { drives: vec![] },
        JobError::TooFewDrives {
            needed: 2,
            drives: 1,
        },
        JobError::DriveBusy { drives: vec![] },
        JobError::LibraryBusy { pid: None },
        JobError::LibraryFull {
            barcode: text(),
            drive: text(),
        },
        MailSlotError::Full { left: vec![text()] }.into(),
        MailSlotError::Shut { slots: vec![] }.into(),
        MailSlotError::Empty.into(),
        JobError::UnknownContent {
            barcode: text(),
            segments: 1,
        },
        JobError::ClaimedTwice {
            barcode: text(),
            places: vec![],
            one_volume: true,
            read: None,
        },
        JobError::TapeMissing {
            barcode: text(),
            nameless: vec![],
            lost: None,
        },
        JobError::TapeMissing {
            barcode: text(),
            nameless: vec![text()],
            lost: Some(text()),
        },
        JobError::BarcodeTwice { barcode: text() },
        JobError::TapeBusy {
            barcode: text(),
            user: text(),
        },
        JobError::Declined {
            barcode: text(),
            found: None,
        },
        JobError::NotReady {
            barcode: text(),
            drive: text(),
            source: source(),
        },
        JobError::CleaningCartridge { barcode: text() },
        JobError::IncompatibleTape {
            barcode: text(),
            drive: text(),
            source: source(),
        },
        JobError::NotLoaded {
            barcode: text(),
            source: source(),
        },
        JobError::LoadsNothing {
            drive: text(),
            first: text(),
            second: text(),
            source: source(),
        },
        JobError::NotCleared {
            drive: text(),
            found: text(),
            source: source(),
        },
        JobError::WriteProtected { barcode: text() },
        JobError::BlankTape { barcode: text() },
        JobError::TooNewTape {
            barcode: text(),
            format: 9,
        },
        JobError::SwappedBarcode {
            barcode: text(),
            says: text(),
            witness: "label",
        },
        JobError::UnknownVolume {
            barcode: text(),
            volume: Uuid::nil(),
        },
        JobError::SegmentNumber {
            barcode: text(),
            number: 1,
        },
        JobError::NoSuchPool {
            pool: text(),
            pools: vec![],
        },
        JobError::NoSuchVolume { barcode: text() },
        JobError::Restore(RestoreError::Exists {
            target: PathBuf::from("/back"),
            total: 1,
            first: vec![text()],
        }),
        JobError::Restore(RestoreError::Unseen { what: text() }),
        JobError::Restore(RestoreError::NoSuch {
            id: text(),
            open: vec![text()],
        }),
        JobError::Restore(RestoreError::Several {
            id: text(),
            found: vec![text()],
        }),
        JobError::Restore(RestoreError::Runs {
            restore: Uuid::nil(),
            pid: Some(7),
        }),
        JobError::Restore(RestoreError::Malformed {
            path: text().into(),
            what: text(),
        }),
        JobError::Restore(RestoreError::NotOneFile {
            first: vec![text()],
        }),
        JobError::Restore(RestoreError::NoRoom {
            target: PathBuf::from("/back"),
            free_bytes: 1,
            needed_bytes: 2,
        }),
        JobError::Retention(RetentionError::Held {
            barcode: text(),
            hold: uuid::Uuid::nil(),
            since: Timestamp::UNIX_EPOCH,
            reason: text(),
            by: text(),
        }),
        JobError::Retention(RetentionError::Unexpired {
            barcode: text(),
            job: text(),
            until: None,
        }),
        JobError::Retention(RetentionError::Past {
            job: text(),
            until: Timestamp::UNIX_EPOCH,
        }),
        JobError::Retention(RetentionError::NoSuchHold { name: text() }),
        JobError::Base(BaseError::ClockBehind {
            name: text(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
        }),
        JobError::NothingOfJob {
            name: text(),
            job: Uuid::nil(),
            ended: None,
            others: vec![],
        },
        JobError::NothingOfJob {
            name: text(),
            job: Uuid::nil(),
            ended: Some(Outcome::Failed),
            others: vec![],
        },
        JobError::NothingOfJob {
            name: text(),
            job: Uuid::nil(),
            ended: Some(Outcome::Failed),
            others: vec![text()],
        },
        nothing_found(None, None),
        nothing_found(Some(5), None),
        nothing_found(Some(5), Some(9)),
        JobError::Hook(text()),
        JobError::ChipFailed {
            barcode,
            source: source(),
        },
    ];
    for error in errors {
        let advice = error.advice();
        assert!(
            advice.is_some_and(|advice| advice.ends_with('.')),
            "{error:?}"
        );
    }
}

#[test]
fn where_nothing_is_said_the_error_itself_is_what_to_change_or_the_user_knows() {
    let plan = EngineError::Plan { what: text() };
    for error in [
        JobError::Request { what: text() },
        JobError::Engine(plan),
        JobError::Stopped,
    ] {
        assert_eq!(error.advice(), None, "{error:?}");
    }
}

#[test]
fn no_advice_names_a_command_for_a_tape_that_has_no_barcode() {
    let place = || "(slot 7)".to_owned();
    let source = || drive_error(DriveErrorKind::Encrypted);
    let volumes = volume_errors().into_iter().map(|source| JobError::Volume {
        barcode: place(),
        source,
    });
    let others = [
        JobError::BlankTape { barcode: place() },
        JobError::ForeignTape {
            barcode: place(),
            what: text(),
            known: false,
        },
        JobError::EncryptedTape {
            barcode: place(),
            known: false,
            source: source(),
        },
        JobError::BlocksBeyondPath {
            barcode: place(),
            block_bytes: 2,
            limit_bytes: 1,
            drive: text(),
            erasable: true,
        },
        JobError::UnknownVolume {
            barcode: place(),
            volume: Uuid::nil(),
        },
    ];
    for error in volumes.chain(others) {
        let advice = error.advice().unwrap();
        let mut commands = advice.split('`').skip(1).step_by(2);
        assert!(
            !commands.any(|command| command.contains("slot 7")),
            "{advice}"
        );
    }
}

#[test]
fn a_moment_before_the_first_job_is_told_as_such() {
    let said = |error: JobError| format!("{error} {}", error.advice().unwrap());
    let before = said(nothing_found(Some(5), Some(9)));
    assert!(
        before.contains("the first job began at 1970-01-01T00:00:09Z"),
        "{before}"
    );
    assert!(before.contains("later moment"), "{before}");
    let behind = said(nothing_found(Some(9), Some(5)));
    assert!(behind.contains("as of 1970-01-01T00:00:09Z"), "{behind}");
    assert!(!behind.contains("later moment"), "{behind}");
}

#[test]
fn a_full_disk_is_told_as_such_and_no_damaged_catalog() {
    for (kind, words) in [
        (io::ErrorKind::StorageFull, "Make room"),
        (io::ErrorKind::PermissionDenied, "`doctor` examines"),
    ] {
        let error = JobError::Catalog(catalogs::CatalogError::Directory {
            path: PathBuf::from("/state/catalog"),
            source: kind.into(),
        });
        let advice = error.advice().unwrap();
        assert!(advice.starts_with(words), "{kind}: {advice}");
    }
}

#[test]
fn a_missing_answer_is_told_once() {
    let cause = TransportError {
        source: Some(io_error()),
        ..transport_error(TransportErrorKind::TimedOut)
    };
    let mut error = drive_error(DriveErrorKind::Transport);
    error.what.clone_from(&cause.what);
    error.source = Some(Box::new(cause));
    assert_eq!(
        with_causes(&error),
        "drive 0: reading block 7: no answer: no"
    );
}

#[test]
fn a_failed_write_says_what_became_of_the_tape() {
    let said = |suspect, segments| {
        let source = EngineError::NotConfirmed {
            barcode: text(),
            segments: 1,
        };
        let error = JobError::WriteFailed {
            barcode: text(),
            suspect,
            segments,
            source,
        };
        error.to_string()
    };
    // What is confirmed need not be archived again.
    for suspect in [true, false] {
        let source = EngineError::NotConfirmed {
            barcode: text(),
            segments: 1,
        };
        let error = JobError::WriteFailed {
            barcode: text(),
            suspect,
            segments: 1,
            source,
        };
        let advice = error.advice().unwrap();
        assert!(advice.contains("archive --resume"), "{advice}");
    }
    for (suspect, segments, words) in [
        (true, 3, ["marked suspect", "the 3 segments"]),
        (true, 0, ["marked suspect", "no segment"]),
        (
            false,
            1,
            ["nothing speaks against the tape", "the one segment"],
        ),
    ] {
        let said = said(suspect, segments);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}
