//! What devices and the tapes in them can do to a job.

use super::*;

pub(super) fn drive_kinds() -> Vec<DriveErrorKind> {
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

pub(super) fn changer_errors() -> impl Iterator<Item = JobError> {
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

pub(super) fn volume_errors() -> Vec<VolumeError> {
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

pub(super) fn engine_errors() -> Vec<EngineError> {
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
