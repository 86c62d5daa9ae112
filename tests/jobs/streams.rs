//! Streams that come back from tape: long members in parts, and what came of those that were cut.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tapewright::jobs::Outcome;
use tapewright::jobs::archive::{CommandSource, JobDescription, Source, archive};
use tapewright::jobs::restore::{RestoreOptions, RestoreSummary, restore};
use tapewright::jobs::verify::verify;
use tapewright::units::ByteSize;

use crate::lab::{A, Lab};

/// Half data, half holes, one of them at its end; longer than a part by far.
const SPARSE: &str = "truncate -s 9M sparse
    for at in 0 1 2 3 4 5 6; do
        head -c 524288 /dev/urandom |
            dd of=sparse bs=64K seek=$((at * 16)) conv=notrunc status=none
    done";

fn restored(lab: &Lab, place: &str) -> RestoreSummary {
    let options = RestoreOptions {
        patterns: vec![place.as_bytes().to_vec()],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    restore(lab.site(), &options).unwrap()
}

#[test]
fn a_sparse_member_in_parts_comes_back_with_its_holes_and_its_end() {
    for cut in [false, true] {
        let lab = Lab::new();
        lab.label(&[A], "docs");
        let here = lab.path("").display().to_string();
        let mut plant = Command::new("sh");
        let planted = plant.args(["-ec", SPARSE]).current_dir(&here).status();
        assert!(planted.unwrap().success());
        let whole = fs::read(lab.path("sparse")).unwrap();
        let cut_off = if cut { "| head -c 3000000" } else { "" };
        let job = JobDescription {
            pool: "docs".to_owned(),
            // Parts of 1 MiB.
            segment_limit: Some(ByteSize(4 << 20)),
            sources: vec![Source::Tar(CommandSource {
                command: format!("tar -C {here} -S -cf - sparse {cut_off}"),
                place: "host".to_owned(),
                timeout: None,
            })],
            ..crate::lab::bare_job()
        };
        let summary = archive(lab.site(), &job).unwrap();
        let expected = [Outcome::Complete, Outcome::Partial][usize::from(cut)];
        assert_eq!(summary.outcome, expected, "{summary:?}");
        let parts = lab.find(b"host/sparse").len();
        assert!(parts >= 3, "{parts} parts");
        assert!(verify(lab.site(), A).unwrap().outcome == Outcome::Complete);

        let summary = restored(&lab, "host/sparse");
        assert_eq!(summary.files, 1, "{summary:?}");
        let path = lab.path("target/host/sparse");
        let content = fs::read(&path).unwrap();
        match cut {
            false => assert!(content == whole),
            true => {
                let told = summary
                    .problems
                    .listed
                    .iter()
                    .chain(&summary.remarks.listed);
                let told: Vec<&str> = told.map(|problem| &*problem.what).collect();
                assert!(
                    told.iter().any(|what| what.contains("to its end")),
                    "{told:?}"
                );
                assert!((5 << 20..6 << 20).contains(&content.len()));
                assert!(content == whole[..content.len()]);
            }
        }
        let stored = fs::metadata(&path).unwrap().blocks() * 512;
        assert!(
            stored < content.len() as u64 * 3 / 4,
            "{stored} of {}",
            content.len()
        );
    }
}

/// Writes so many bytes, sleeps until this file is there, and writes some more.
fn sleeper(bytes: u64, until: &std::path::Path) -> String {
    let until = until.display();
    format!("head -c {bytes} /dev/zero; until [ -e {until} ]; do sleep 0.05; done; echo end")
}

#[test]
fn what_the_drive_has_confirmed_is_committed_while_the_source_sleeps() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    let go = lab.path("go");
    let job = JobDescription {
        pool: "docs".to_owned(),
        // Parts of 1 MiB; what comes goes to the drive at once.
        segment_limit: Some(ByteSize(4 << 20)),
        start_at: Some(1),
        resume_at: Some(1),
        sources: vec![Source::Command(CommandSource {
            command: sleeper(12_000_000, &go),
            place: "db/dump".to_owned(),
            timeout: None,
        })],
        ..crate::lab::bare_job()
    };
    let committed = || lab.ledger_lines("receipt").len();
    thread::scope(|scope| {
        let running = scope.spawn(|| archive(lab.site(), &job).unwrap());
        // Ten parts are there, three in each segment: the third is closed by the tenth, and no
        // member comes behind that.
        let deadline = Instant::now() + Duration::from_secs(120);
        while committed() < 3 && Instant::now() < deadline && !running.is_finished() {
            thread::sleep(Duration::from_millis(50));
        }
        let while_asleep = committed();
        fs::write(&go, "").unwrap();
        let summary = running.join().unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert_eq!(while_asleep, 3, "of {}", summary.segments.len());
        assert_eq!(committed(), 4);
    });
    assert_eq!(verify(lab.site(), A).unwrap().outcome, Outcome::Complete);
}
