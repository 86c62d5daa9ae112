//! Every error that a job can end with, and whether it says what to do next.

mod devices;
mod refusals;

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
use devices::{changer_errors, drive_kinds, engine_errors, volume_errors};
use refusals::{of_requests, of_tapes, of_this_machine};

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

fn nothing_found(as_of: Option<i64>, first_job: Option<i64>) -> JobError {
    let moment = |seconds| Timestamp::from_second(seconds).unwrap();
    JobError::NothingFound {
        patterns: vec![text()],
        as_of: as_of.map(moment),
        first_job: first_job.map(moment),
    }
}

fn transport_error(kind: TransportErrorKind) -> TransportError {
    TransportError {
        device: "drive 0".to_owned(),
        kind,
        what: "no answer".to_owned(),
        source: None,
    }
}

fn assert_advise(errors: impl Iterator<Item = JobError>) {
    for error in errors {
        let advice = error.advice();
        assert!(
            advice.is_some_and(|advice| advice.ends_with('.')),
            "{error:?}"
        );
    }
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
    assert_advise(errors);
}

#[test]
fn each_refusal_and_each_trouble_of_this_machine_says_what_to_do_next() {
    let errors = of_this_machine().into_iter().chain(of_tapes());
    assert_advise(errors.chain(of_requests()));
}

#[test]
fn no_error_is_left_out_of_the_tables() {
    let tables = [
        include_str!("mod.rs"),
        include_str!("devices.rs"),
        include_str!("refusals.rs"),
    ]
    .concat();
    for (name, source) in [
        ("JobError", include_str!("../mod.rs")),
        ("BaseError", include_str!("../base.rs")),
        ("MailSlotError", include_str!("../mail_slots.rs")),
        ("RestoreError", include_str!("../restore.rs")),
        ("RetentionError", include_str!("../retention.rs")),
    ] {
        let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        let variants = body.lines().filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let end = line.find(|c: char| !c.is_ascii_alphanumeric())?;
            line.starts_with(|c: char| c.is_ascii_uppercase())
                .then(|| &line[..end])
        });
        let variants: Vec<&str> = variants.collect();
        assert!(!variants.is_empty(), "{name}");
        for variant in variants {
            let variant = format!("{name}::{variant}");
            assert!(tables.contains(&variant), "{variant}");
        }
    }
}

#[test]
fn where_nothing_is_said_the_error_itself_is_what_to_change_or_the_user_knows() {
    let plan = EngineError::Plan { what: text() };
    for error in [
        JobError::Request { what: text() },
        JobError::Pattern(catalogs::PatternError::NotUtf8 { pattern: vec![] }),
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
