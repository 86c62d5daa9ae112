//! What this machine, the tapes that are there, and what was asked for can keep a job from.

use super::*;

pub(super) fn of_this_machine() -> Vec<JobError> {
    let path = PathBuf::from("/x");
    vec![
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
        JobError::NoCatalog {
            state: path.clone(),
        },
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
        JobError::MailSlots(MailSlotError::Full { left: vec![text()] }),
        JobError::MailSlots(MailSlotError::Shut { slots: vec![] }),
        JobError::MailSlots(MailSlotError::Empty),
        JobError::Simulator {
            dir: path.clone(),
            source: tape_sim::error::SimError::Io {
                path: path.clone(),
                source: io_error(),
            },
        },
        JobError::Misplaced(Misplaced::Ambiguous {
            serial: text(),
            nodes: vec![],
        }),
        JobError::SimulatedAlready { dir: path.clone() },
        JobError::DriveNotInLibrary {
            drive: path,
            serial: text(),
            changer: text(),
            known: vec![],
        },
    ]
}

pub(super) fn of_tapes() -> Vec<JobError> {
    let source = || drive_error(DriveErrorKind::NotReady);
    vec![
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
            outside: None,
        },
        JobError::TapeMissing {
            barcode: text(),
            nameless: vec![text()],
            lost: Some(text()),
            outside: None,
        },
        JobError::Unread(Box::new(UnreadError {
            under: super::super::unread::Under::Restore,
            jobs: vec![text()],
            tapes: vec![text()],
            before: None,
            source: catalogs::CatalogError::NotAppendable,
        })),
        JobError::BarcodeTwice { barcode: text() },
        JobError::TapeBusy {
            barcode: text(),
            user: text(),
        },
        JobError::Declined {
            barcode: text(),
            found: None,
            outside: None,
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
        JobError::ChipFailed {
            barcode: text(),
            source: source(),
        },
        JobError::BlankTape { barcode: text() },
        JobError::ForeignTape {
            barcode: text(),
            what: text(),
            known: false,
        },
        JobError::EncryptedTape {
            barcode: text(),
            known: false,
            source: source(),
        },
        JobError::BlocksBeyondPath {
            barcode: text(),
            block_bytes: 2,
            limit_bytes: 1,
            drive: text(),
            erasable: true,
        },
        JobError::OtherVolume {
            barcode: text(),
            on_tape: Uuid::nil(),
            in_catalog: Uuid::nil(),
        },
        JobError::OtherCartridge {
            barcode: text(),
            what: "serial number",
            found: text(),
            expected: text(),
        },
        JobError::OtherPool {
            barcode: text(),
            pool: text(),
            wanted: text(),
        },
        JobError::TapeShort {
            barcode: text(),
            end_of_data: 1,
            expected: 2,
        },
        JobError::DamagedTail {
            barcode: text(),
            places: 1,
            first: text(),
        },
        JobError::Labelling(LabellingError::EraseMismatch {
            barcode: text(),
            typed: text(),
        }),
    ]
}

pub(super) fn of_requests() -> Vec<JobError> {
    vec![
        JobError::NoAppendableVolume {
            pool: text(),
            volumes: vec![],
        },
        JobError::Which(WhichError::NoSuchJob { name: text() }),
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
        JobError::Restore(RestoreError::LinkInTheWay {
            link: PathBuf::from("/back/link"),
            objects: 1,
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
        JobError::Restore(RestoreError::NotOnTapes {
            patterns: vec![text()],
            as_of: None,
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
    ]
}
