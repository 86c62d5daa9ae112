//! Plans of a library that is not as its data sheet says, and the records that they go by.

use std::fs;
use std::path::PathBuf;

use catalogs::RestoreRun;
use serde_json::Value;
use tape_sim::library::LibrarySpec;
use tapewright::jobs::history::{JobDetail, show};
use tapewright::jobs::restore::{RestoreOptions, Step, plan, restore};
use tapewright::jobs::{Outcome, Site};

use crate::lab::{A, B, C, Lab, archive_path, noise};
use crate::paced::{Pace, Wall};

/// Files on three tapes, with wraps that are long enough for a block to be a place.
fn on_three_tapes() -> (Lab, RestoreOptions) {
    let lab = Lab::with(&LibrarySpec {
        drives: 1,
        slots: 8,
        cartridges: Some(4),
        capacity_bytes: Some(4 << 30),
        ..Lab::small()
    });
    for (tape, pool) in [(A, "first"), (B, "second"), (C, "third")] {
        let place = format!("source/{pool}");
        fs::create_dir_all(lab.path(&place)).unwrap();
        for number in 0..3 {
            let name = format!("{place}/{number}");
            fs::write(lab.path(&name), noise(number, 9_000_000)).unwrap();
        }
        lab.label(&[tape], pool);
        lab.archive(&[&place], pool).unwrap();
    }
    let options = RestoreOptions {
        patterns: vec![archive_path(&lab.path("source"))],
        target: lab.path("first target"),
        ..RestoreOptions::default()
    };
    (lab, options)
}

/// How far a foretold time was off, as a share.
fn off(foretold_s: f64, real_s: f64) -> f64 {
    (foretold_s / real_s - 1.0).abs()
}

#[test]
fn the_second_restore_is_foretold_by_what_the_first_took() {
    let (lab, options) = on_three_tapes();
    let pace = Pace {
        robot: 1.6,
        load: 2.0,
        rewind: 1.3,
        unload: 1.5,
    };
    let (wall, tap) = Wall::of(&lab.library_dir(), pace);
    let site = Site {
        clock: &wall,
        trace: Some(&tap),
        ..lab.site()
    };
    let first_plan = plan(site, &options).unwrap();
    assert_eq!(first_plan.calibration.recorded, 0);
    assert!(first_plan.calibration.factors.is_empty());
    assert_eq!(first_plan.finish.percent, Some(10));
    for tape in &first_plan.tapes {
        assert_eq!(tape.times, tape.sheet);
    }
    let first = restore(site, &options).unwrap();
    assert_eq!(first.outcome, Outcome::Complete, "{first:?}");

    let options = RestoreOptions {
        target: lab.path("second target"),
        ..options
    };
    let second_plan = plan(site, &options).unwrap();
    let calibration = &second_plan.calibration;
    assert_eq!((calibration.recorded, calibration.restores), (1, 1));
    assert!(calibration.since.is_some());
    for (step, expected) in [
        (Step::Robot, pace.robot),
        (Step::Load, pace.load),
        (Step::Rewind, pace.rewind),
        (Step::Unload, pace.unload),
    ] {
        let found = calibration.factor(step, "LTO-9").unwrap();
        let share = found.factor / expected;
        // Robots of the simulator take longer to far slots, and a load has its label read.
        assert!((0.8..1.25).contains(&share), "{step:?}: {calibration:?}");
    }
    // So little is read, and no locate is needed: both are by data sheet.
    for step in [Step::Locate, Step::Read] {
        assert_eq!(calibration.factor(step, "LTO-9"), None);
    }
    let second = restore(site, &options).unwrap();
    let (before, after) = (
        off(first_plan.finish.seconds.unwrap(), first.timing.real_s),
        off(second_plan.finish.seconds.unwrap(), second.timing.real_s),
    );
    assert!(before > 0.2, "{before}");
    assert!(
        after < 0.1 && after < before / 2.0,
        "{after}, before {before}"
    );
    let (low_s, high_s) = (
        second_plan.finish.low_s.unwrap(),
        second_plan.finish.high_s.unwrap(),
    );
    assert!(
        (low_s..=high_s).contains(&second.timing.real_s),
        "{low_s} {high_s}"
    );
    // What is planned by experience is not taken for the data sheet the next time.
    let third_plan = plan(
        site,
        &RestoreOptions {
            target: lab.path("third target"),
            ..options
        },
    )
    .unwrap();
    assert_eq!(third_plan.calibration.restores, 2);
    let again = off(third_plan.finish.seconds.unwrap(), second.timing.real_s);
    assert!(again < 0.1, "{again}");
}

#[test]
fn a_record_has_each_step_planned_and_real_and_is_shown_with_them() {
    let (lab, options) = on_three_tapes();
    let pace = Pace {
        robot: 2.0,
        load: 1.0,
        rewind: 1.0,
        unload: 1.0,
    };
    let (wall, tap) = Wall::of(&lab.library_dir(), pace);
    let site = Site {
        clock: &wall,
        trace: Some(&tap),
        ..lab.site()
    };
    let summary = restore(site, &options).unwrap();
    let line = lab.ledger_lines("restored").pop().unwrap();
    let record: Value = serde_json::from_str::<Value>(&line).unwrap()["event"].take();
    let library = lab.library_dir().canonicalize().unwrap();
    assert_eq!(record["library"], library.to_str().unwrap());
    let volumes = record["volumes"].as_array().unwrap();
    assert_eq!(volumes.len(), 3);
    for (volume, told) in volumes.iter().zip(&summary.timing.tapes) {
        assert!(
            volume["drive"].as_str().unwrap().contains("TD9"),
            "{volume}"
        );
        let phases = &volume["phases"];
        let number = |step: &str, field: &str| phases[step][field].as_u64().unwrap_or(0);
        for step in ["robot", "load", "rewind", "unload", "home"] {
            assert_eq!(number(step, "count"), 1, "{step}: {volume}");
            assert!(number(step, "sheet_ms") > 0, "{step}: {volume}");
            assert!(number(step, "real_ms") > 0, "{step}: {volume}");
            assert_eq!(
                number(step, "planned_ms"),
                number(step, "sheet_ms"),
                "{step}"
            );
        }
        assert!(number("read", "bytes") > 3 * 9_000_000, "{volume}");
        let steps = [
            "robot", "load", "locate", "read", "rewind", "unload", "home",
        ];
        let sum_s = steps
            .map(|step| number(step, "real_ms"))
            .iter()
            .sum::<u64>() as f64
            / 1000.0;
        let real_s = volume["real_s"].as_f64().unwrap();
        assert!(
            (sum_s - real_s).abs() < 5.0,
            "{sum_s} of {real_s}: {volume}"
        );
        let as_told = serde_json::to_value(told.phases).unwrap();
        assert_eq!(*phases, as_told);
    }
    let id = summary.restore.to_string();
    let JobDetail::Restore(detail) = show(lab.site(), &id).unwrap().what else {
        panic!("{id} is no restore");
    };
    assert_eq!(detail.verified_files, 9);
    assert_eq!(detail.timing.len(), 3);
    assert_eq!(detail.timing[0].barcode, A);
    assert_eq!(
        detail.timing[0].phases,
        Some(summary.timing.tapes[0].phases)
    );
}

#[test]
fn a_simulator_that_takes_no_time_calibrates_nothing() {
    let (lab, options) = on_three_tapes();
    let before = plan(lab.site(), &options).unwrap();
    restore(lab.site(), &options).unwrap();
    let options = RestoreOptions {
        target: lab.path("second target"),
        ..options
    };
    let after = plan(lab.site(), &options).unwrap();
    assert_eq!(after.calibration.recorded, 1);
    assert_eq!(
        (after.calibration.restores, after.calibration.since),
        (0, None)
    );
    assert_eq!(after.finish.seconds, before.finish.seconds);
}

#[test]
fn a_record_names_its_target_by_an_absolute_path_and_counts_all_that_is_missing() {
    let (lab, options) = on_three_tapes();
    lab.take_away(B);
    let summary = restore(lab.site(), &options).unwrap();
    let lost: usize = summary
        .lost_with_tapes
        .iter()
        .map(|tape| tape.objects.len())
        .sum();
    assert!(lost > 3, "{summary:?}");
    let relative = RestoreOptions {
        // It cannot be made, and so nothing is.
        target: PathBuf::from("Cargo.toml/below"),
        ..options
    };
    restore(lab.site(), &relative).unwrap_err();
    let records: Vec<Value> = lab
        .ledger_lines("restored")
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].take())
        .collect();
    let missing = summary.missing_objects.max(lost as u64);
    assert_eq!(records[0]["problems"]["total"], missing);
    let catalog = lab.catalog();
    let mut newest = catalog.newest_restores(9).unwrap();
    newest.reverse();
    let newest: Vec<RestoreRun> = newest
        .into_iter()
        .map(|one| RestoreRun::Ended(one.time, one.what))
        .collect();
    assert_eq!(newest, catalog.restore_runs().unwrap());
    let target = std::env::current_dir().unwrap().join("Cargo.toml/below");
    assert_eq!(records[1]["target"], target.to_str().unwrap());
}
