//! A restore's plan: what it foretells, and the record that remains.

use std::fs;

use catalogs::model::event::{Event, VolumeState, VolumeStateChanged};
use tape_sim::fault::Effect;
use tape_sim::library::LibrarySpec;
use tapewright::changer::ElementKind;
use tapewright::jobs::copy::{CopyOptions, copy};
use tapewright::jobs::restore::{
    Certainty, Output, RestoreOptions, TapeNeed, TapePlace, plan, plan_as, restore, restore_as_tar,
};
use tapewright::jobs::{ByteText, Outcome};

use crate::lab::{A, B, C, Lab, archive_path, fault, noise};

/// Two drives, and tapes whose wraps are long enough for a block to be a place.
fn roomy(drives: u16) -> Lab {
    Lab::with(&LibrarySpec {
        drives,
        slots: 8,
        cartridges: Some(4),
        capacity_bytes: Some(4 << 30),
        ..Lab::small()
    })
}

/// Ten files, half of them on one tape and half on another.
fn on_two_tapes(lab: &Lab) -> RestoreOptions {
    for (tape, pool) in [(A, "first"), (B, "second")] {
        let place = format!("source/{pool}");
        fs::create_dir_all(lab.path(&place)).unwrap();
        for number in 0..5 {
            let name = format!("{place}/{number}");
            fs::write(lab.path(&name), noise(number, 9_000_000)).unwrap();
        }
        lab.label(&[tape], pool);
        lab.archive(&[&place], pool).unwrap();
    }
    RestoreOptions {
        patterns: vec![archive_path(&lab.path("source"))],
        target: lab.path("target"),
        ..RestoreOptions::default()
    }
}

#[test]
fn a_restore_takes_as_long_as_foretold() {
    for drives in [1, 2] {
        let lab = roomy(drives);
        let options = on_two_tapes(&lab);
        let outlook = plan(lab.site(), &options).unwrap();
        assert_eq!(outlook.tapes.len(), 2);
        assert_eq!(outlook.finish.certainty, Certainty::Likely);
        let begun = lab.library().elapsed().unwrap();
        let summary = restore(lab.site(), &options).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        let took_s = (lab.library().elapsed().unwrap() - begun).as_secs_f64();
        let foretold_s = outlook.finish.seconds.unwrap();
        let off = took_s / foretold_s - 1.0;
        assert!(
            off.abs() < 0.1,
            "{drives} drives: {took_s} s, foretold {foretold_s}"
        );
        let planned: f64 = outlook.tapes.iter().map(|tape| tape.times.total_s).sum();
        assert!((planned - foretold_s).abs() < 1e-6);
        assert!((outlook.times.total_s - foretold_s).abs() < 1e-6);
        let read_s: f64 = outlook.tapes.iter().map(|tape| tape.times.read_s).sum();
        assert!(read_s > 0.0 && (outlook.times.read_s - read_s).abs() < 1e-6);
        assert_eq!(summary.timing.planned_s, foretold_s);
        // The files are there before the last tape goes home.
        let last = &outlook.tapes[1].times;
        let home_s = last.rewind_s + last.unload_s + last.return_s;
        assert!(home_s > 30.0, "{last:?}");
        assert!((outlook.finish.files_s.unwrap() + home_s - foretold_s).abs() < 1e-6);
        assert!(outlook.finish.files_at < outlook.finish.at);
        assert_eq!(summary.timing.tapes.len(), 2);
    }
}

/// With one drive a tape in it is no gain unless it is read first, and the way back of the last
/// tape is none that files wait for.
#[test]
fn one_drive_reads_what_is_loaded_first_and_the_longest_way_back_last() {
    // Whether there is a directory to restore into, and which tape lies in the drive.
    let cases = [
        (Output::Directory, None),
        (Output::Directory, Some(A)),
        (Output::Directory, Some(B)),
        (Output::Tar, Some(B)),
    ];
    for (output, loaded) in cases {
        let lab = roomy(1);
        let options = on_two_tapes(&lab);
        if let Some(tape) = loaded {
            let mut changer = lab.changer();
            let inventory = changer.inventory().unwrap();
            let slot = inventory.find(tape).unwrap().address;
            let drive = inventory.of_kind(ElementKind::Drive).next().unwrap();
            changer.move_medium(slot, drive.address).unwrap();
        }
        let outlook = plan_as(lab.site(), &options, output).unwrap();
        let case = format!("{output:?} {loaded:?}: {outlook:?}");
        let [first, last] = &outlook.tapes[..] else {
            panic!("{case}");
        };
        match (output, loaded) {
            (Output::Directory, Some(tape)) => {
                assert_eq!((first.barcode.as_str(), first.times.robot_s), (tape, 0.0));
            }
            (Output::Directory, None) => {
                let back_s = |tape: &TapeNeed| {
                    let times = &tape.times;
                    times.rewind_s + times.unload_s + times.return_s
                };
                assert!(back_s(first) <= back_s(last), "{case}");
            }
            // It keeps its order: B goes home for A, and comes again.
            _ => {
                assert_eq!((first.barcode.as_str(), last.barcode.as_str()), (A, B));
                assert!(first.times.robot_s > first.sheet.load_s, "{case}");
                assert!(
                    last.times.robot_s > 0.0 && last.times.load_s > 0.0,
                    "{case}"
                );
            }
        }
        let begun = lab.library().elapsed().unwrap();
        let summary = match output {
            Output::Tar => restore_as_tar(lab.site(), &options, &mut Vec::new()).unwrap(),
            _ => restore(lab.site(), &options).unwrap(),
        };
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        let took_s = (lab.library().elapsed().unwrap() - begun).as_secs_f64();
        let foretold_s = outlook.finish.seconds.unwrap();
        let off = took_s / foretold_s - 1.0;
        assert!(off.abs() < 0.1, "{took_s} s, foretold {foretold_s}: {case}");
    }
}

/// A tape this small is read through sooner than any locate takes: what is saved on a long one is
/// in tests/access_order.rs.
#[test]
fn the_order_is_planned_anew_where_the_drive_tells_the_wraps() {
    let lab = roomy(1);
    let options = on_two_tapes(&lab);
    let restored = |target: &str| {
        let options = RestoreOptions {
            target: lab.path(target),
            ..options.clone()
        };
        let summary = restore(lab.site(), &options).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert_eq!(summary.verified_files, 10);
        summary.timing
    };
    let refused = Effect::Sense {
        key: 5,
        asc: 0x24,
        ascq: 0,
    };
    let wraps = "READ END OF WRAP POSITION";
    lab.set_faults(vec![fault(refused, wraps, 1, None)]);
    for tape in restored("untold").tapes {
        assert_eq!(tape.replanned_read_s, None);
    }
    // A reset behind the question costs no more than the label again.
    let reset = Effect::Reset { after: false };
    lab.set_faults(vec![fault(reset, wraps, 1, Some(1))]);
    for tape in restored("told").tapes {
        let anew_s = tape.replanned_read_s.unwrap();
        assert!((anew_s - tape.planned.read_s).abs() < 0.1, "{tape:?}");
    }
}

#[test]
fn the_plan_names_each_read_and_the_tapes_to_be_fetched() {
    let lab = roomy(2);
    let options = on_two_tapes(&lab);
    lab.take_away(B);
    let outlook = plan(lab.site(), &options).unwrap();
    let [first, second] = &outlook.tapes[..] else {
        panic!("{outlook:?}");
    };
    assert_eq!((&first.place, first.drive), (&TapePlace::Slot(1), Some(0)));
    assert_eq!((&second.place, second.drive), (&TapePlace::Missing, None));
    let picked: Vec<&str> = outlook
        .pick_list
        .iter()
        .map(|p| p.barcode.as_str())
        .collect();
    assert_eq!(picked, [B]);
    assert_eq!(outlook.finish.certainty, Certainty::Open);
    assert_eq!(outlook.finish.percent, None);
    assert_eq!(outlook.finish.seconds, Some(first.times.total_s));
    let members: u64 = outlook.tapes.iter().map(|tape| tape.members).sum();
    assert_eq!(outlook.reads.len() as u64, members);
    let of_first = outlook.reads.iter().filter(|read| read.tape == A);
    assert!(of_first.clone().count() > 1);
    assert!(of_first.is_sorted_by_key(|read| read.block));
}

#[test]
fn copies_are_chosen_for_few_tapes_within_reach_that_are_well() {
    let lab = roomy(2);
    let options = on_two_tapes(&lab);
    lab.label(&[C], "third");
    for summary in ["first", "second"] {
        let job = lab.catalog().jobs().unwrap();
        let job = job
            .iter()
            .find(|job| job.start.what.pool == summary)
            .unwrap();
        let options = CopyOptions {
            job: Some(job.start.what.job.to_string()),
            pool: Some("third".to_owned()),
            ..CopyOptions::default()
        };
        copy(lab.site(), &options).unwrap();
    }
    let needed = || -> Vec<String> {
        let outlook = plan(lab.site(), &options).unwrap();
        let mut needed: Vec<String> = outlook.tapes.into_iter().map(|it| it.barcode).collect();
        needed.sort();
        needed
    };
    assert_eq!(needed(), [C], "one tape instead of two");
    let catalog = lab.catalog();
    let third = catalog.volumes().unwrap().into_iter();
    let third = third
        .map(|volume| volume.label.what)
        .find(|label| label.barcode == C)
        .unwrap();
    let suspect = VolumeStateChanged {
        volume: third.volume,
        state: VolumeState::Suspect,
        reason: "it was read with trouble".to_owned(),
    };
    let now = "2026-11-30T12:00:00Z".parse().unwrap();
    catalog.append(now, &Event::VolumeState(suspect)).unwrap();
    drop(catalog);
    assert_eq!(
        needed(),
        [A, B],
        "two that are well instead of a suspect one"
    );
    lab.take_away(B);
    assert_eq!(
        needed(),
        [A, C],
        "a suspect one within reach instead of one that is away"
    );
}

#[test]
fn every_restore_leaves_a_record() {
    let lab = roomy(2);
    let options = on_two_tapes(&lab);
    let whole = restore(lab.site(), &options).unwrap();
    // Files are in the way now: nothing is begun, and so nothing recorded.
    restore(lab.site(), &options).unwrap_err();
    lab.take_away(B);
    let elsewhere = RestoreOptions {
        target: lab.path("elsewhere"),
        ..options.clone()
    };
    restore(lab.site(), &elsewhere).unwrap();
    let blocked = RestoreOptions {
        target: lab.path("source/first/0/below-a-file"),
        ..options
    };
    restore(lab.site(), &blocked).unwrap_err();

    let lines = lab.ledger_lines("restored");
    let records: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].take())
        .collect();
    let outcomes: Vec<&str> = records
        .iter()
        .map(|one| one["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["complete", "partial", "failed"]);
    let first = &records[0];
    assert_eq!(first["files"], whole.files);
    assert_eq!(first["verified"], 10);
    assert_eq!(first["asked_total"], 1);
    assert_eq!(first["target"], lab.path("target").to_str().unwrap());
    assert_eq!(first["problems"]["total"], 0);
    assert_eq!(first["volumes"].as_array().unwrap().len(), 2);
    assert!(first["planned_s"].as_u64().unwrap() > 100, "{first}");
    assert!(first["volumes"][1]["real_s"].is_u64(), "{first}");
    assert!(!first["user"].as_str().unwrap().is_empty());
    assert_eq!(records[1]["lost"][0]["barcode"], B, "{}", records[1]);
    // The catalog reads on past such lines.
    assert!(!lab.find(b"**/0").is_empty());
}

#[test]
fn a_pattern_that_brings_nothing_is_named_and_the_others_are_restored() {
    let lab = Lab::new();
    crate::lab::plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    fs::remove_dir_all(lab.path("source/photos")).unwrap();
    lab.archive(&["source"], "docs").unwrap();
    let letter = archive_path(&lab.path("source/docs/letter.txt"));
    // Nobody ever archived the one, and what matches the other is gone.
    for (at, lacks) in ["no/such/file", "**/*.raw"].into_iter().enumerate() {
        let options = RestoreOptions {
            patterns: vec![letter.clone(), lacks.as_bytes().to_vec()],
            target: lab.path(&format!("target {at}")),
            ..RestoreOptions::default()
        };
        let told = [ByteText::from(lacks)];
        assert_eq!(plan(lab.site(), &options).unwrap().not_found, told);
        let summary = restore(lab.site(), &options).unwrap();
        assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
        assert_eq!((summary.files, &summary.not_found[..]), (1, &told[..]));
        // There is nothing to go on with.
        assert!(!summary.can_resume);
        let record = lab.ledger_lines("restored").pop().unwrap();
        assert!(
            record.contains(lacks) && record.contains("nothing was found"),
            "{record}"
        );
        // The same object by two patterns is found by both.
        let options = RestoreOptions {
            patterns: vec![letter.clone(), b"**/letter.txt".to_vec()],
            target: lab.path(&format!("twice {at}")),
            ..RestoreOptions::default()
        };
        let summary = restore(lab.site(), &options).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    }
}

#[test]
fn what_lies_below_what_is_a_file_by_now_is_left_out_and_remarked() {
    let lab = roomy(1);
    let x = lab.path("source/x");
    fs::create_dir_all(&x).unwrap();
    fs::write(x.join("y"), "below a directory").unwrap();
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    fs::remove_dir_all(&x).unwrap();
    fs::write(&x, "a file").unwrap();
    lab.archive(&["source"], "docs").unwrap();
    let options = RestoreOptions {
        patterns: vec![archive_path(&x), archive_path(&x.join("y"))],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
    assert!(!summary.can_resume, "{summary:?}");
    assert_eq!((summary.files, summary.problems.total), (1, 0));
    let [remark] = &summary.remarks.listed[..] else {
        panic!("{summary:?}");
    };
    assert!(remark.path.to_string().ends_with("/x/y"), "{remark:?}");
    let path = String::from_utf8(archive_path(&x)).unwrap();
    let back = lab.path("target").join(path);
    assert_eq!(fs::read_to_string(back).unwrap(), "a file");
    // By itself it comes back.
    let options = RestoreOptions {
        patterns: options.patterns[1..].to_vec(),
        target: lab.path("other"),
        ..options
    };
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
}
