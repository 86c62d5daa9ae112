//! Restores in several drives at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tape_sim::fault::{Device, Effect, Rule};
use tape_sim::library::LibrarySpec;
use tapewright::changer::ElementKind;
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::library::{status, trace_to};
use tapewright::jobs::restore::{
    Output, RestoreOptions, RestoreOutlook, TapeNeed, TapePlace, plan, plan_as, restore,
    restore_as_tar,
};
use tapewright::jobs::{Outcome, Site};
use tapewright::monitor::{Monitor, Problem};
use tapewright::transport::record::Record;
use tapewright::units::ByteSize;

use crate::lab::{A, B, C, Lab, archive_path, assert_same_tree, fault, noise};

const D: &str = "SIM004L9";

fn lab(drives: u16) -> Lab {
    Lab::with(&LibrarySpec {
        drives,
        slots: 8,
        cartridges: Some(6),
        ..Lab::small()
    })
}

fn options(lab: &Lab, drives: u16) -> RestoreOptions {
    RestoreOptions {
        patterns: vec![archive_path(&lab.path("source"))],
        target: lab.path("target"),
        drives: drives.try_into().ok(),
        ..RestoreOptions::default()
    }
}

fn back(lab: &Lab) -> std::path::PathBuf {
    let source = String::from_utf8(archive_path(&lab.path("source"))).unwrap();
    lab.path("target").join(source)
}

/// Files on four tapes, each of a pool of its own; those of the first take longest.
fn on_four_tapes(lab: &Lab) {
    for (number, tape) in [A, B, C, D].into_iter().enumerate() {
        let pool = format!("pool{number}");
        let place = format!("source/{pool}");
        fs::create_dir_all(lab.path(&place)).unwrap();
        for file in 0..6 - number as u64 {
            let name = lab.path(&format!("{place}/{file}"));
            fs::write(name, noise(file, 7_000_000)).unwrap();
        }
        lab.label(&[tape], &pool);
        lab.archive(&[&place], &pool).unwrap();
    }
}

/// What lies on the four tapes has come back.
fn assert_back_from_four_tapes(lab: &Lab) {
    for number in 0..4 {
        let pool = format!("pool{number}");
        assert_same_tree(&lab.path("source").join(&pool), &back(lab).join(&pool));
    }
}

/// Files with links and directories of all kinds of modes, and two that lie in parts on three
/// tapes.
fn in_parts_on_three_tapes(lab: &Lab) {
    let root = lab.path("source");
    for number in 0..40 {
        let directory = root.join(format!("d{}/e{number}", number % 5));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("file"), noise(number, 300_000)).unwrap();
        fs::hard_link(directory.join("file"), directory.join("link")).unwrap();
        let mode = fs::Permissions::from_mode([0o555, 0o700, 0o751][number as usize % 3]);
        fs::set_permissions(&directory, mode).unwrap();
    }
    for number in 0..2 {
        fs::write(
            root.join(format!("large{number}")),
            noise(90 + number, 62 << 20),
        )
        .unwrap();
    }
    lab.label(&[A, B, C], "docs");
    let job = JobDescription {
        segment_limit: Some(ByteSize(16 << 20)),
        ..crate::lab::of_paths(vec![root], "docs")
    };
    let summary = archive(lab.site(), &job).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let parts = lab.find(b"**/large*");
    let on = |barcode| parts.iter().any(|part| part.barcode == barcode);
    assert!(on(A) && on(B) && on(C), "{parts:?}");
}

#[derive(Clone, Default)]
struct Told {
    phases: Arc<Mutex<Vec<String>>>,
    problems: Arc<Mutex<Vec<String>>>,
    /// Stop once a phase has this in it.
    stop_at: Option<&'static str>,
    stopped: Arc<AtomicBool>,
}

impl Monitor for Told {
    fn phase(&self, what: &str) {
        if self.stop_at.is_some_and(|word| what.contains(word)) {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.phases.lock().unwrap().push(what.to_owned());
    }

    fn problem(&self, problem: &Problem) {
        let line = format!("{}: {}", problem.path, problem.what);
        self.problems.lock().unwrap().push(line);
    }

    fn stop_flag(&self) -> Option<Arc<AtomicBool>> {
        Some(Arc::clone(&self.stopped))
    }
}

fn listens(lab: &mut Lab, stop_at: Option<&'static str>) -> Told {
    let told = Told {
        stop_at,
        ..Told::default()
    };
    lab.monitor = Box::new(told.clone());
    told
}

/// No drive has a tape in it.
fn all_are_home(lab: &Lab) -> bool {
    let shown = status(lab.site()).unwrap();
    shown.drives.iter().all(|drive| drive.cartridge.is_none())
}

#[test]
fn the_plan_shares_tapes_among_drives_the_longest_first() {
    let lab = lab(3);
    on_four_tapes(&lab);
    let planned = |drives| plan(lab.site(), &options(&lab, drives)).unwrap();
    let one = planned(1);
    assert_eq!(one.drives.len(), 1);
    // That with the longest way back comes last, the others as they were written.
    let back_s = |tape: &TapeNeed| tape.times.rewind_s + tape.times.unload_s + tape.times.return_s;
    let (last, others) = one.tapes.split_last().unwrap();
    let others_s = others.iter().map(back_s);
    assert!(others_s.fold(0.0, f64::max) <= back_s(last), "{one:?}");
    assert!(others.is_sorted_by_key(|tape| &tape.barcode), "{one:?}");
    assert_eq!(one.drives[0].tapes.last(), Some(&last.barcode));
    let all = one.more_drives.unwrap();
    assert_eq!(all.drives, 3);
    let two = planned(2);
    let shares: Vec<&[String]> = two.drives.iter().map(|one| &one.tapes[..]).collect();
    assert_eq!(shares.concat().len(), 4);
    assert!(shares.iter().all(|share| share.len() == 2), "{shares:?}");
    let three = planned(9);
    assert_eq!(three.drives.len(), 3, "no more than the library has");
    assert!(three.more_drives.is_none());
    assert_eq!(three.finish.seconds, Some(all.seconds));
    let seconds = |outlook: &RestoreOutlook| outlook.finish.seconds.unwrap();
    assert!(seconds(&two) < 0.6 * seconds(&one));
    assert!(seconds(&three) < seconds(&two));
    for outlook in [&one, &two, &three] {
        let ends = outlook.tapes.iter().filter_map(|tape| tape.ends_s);
        assert_eq!(ends.fold(0.0, f64::max), seconds(outlook));
        let begins: Vec<f64> = outlook
            .tapes
            .iter()
            .filter_map(|tape| tape.begins_s)
            .collect();
        assert!(begins.len() == 4 && begins.is_sorted(), "{begins:?}");
    }
    let totals: Vec<f64> = two.tapes.iter().map(|tape| tape.times.total_s).collect();
    assert!(
        totals.is_sorted_by(|a, b| a >= b),
        "the longest first: {totals:?}"
    );
    lab.take_away(B);
    let without = planned(2);
    assert_eq!(without.tapes[3].place, TapePlace::Missing);
    assert_eq!(
        (without.tapes[3].drive, without.tapes[3].ends_s),
        (None, None)
    );
}

#[test]
fn a_tape_of_the_restore_does_not_make_room_where_another_can() {
    let mut lab = lab(2);
    on_four_tapes(&lab);
    let mut changer = lab.changer();
    let inventory = changer.inventory().unwrap();
    let drives: Vec<_> = inventory.of_kind(ElementKind::Drive).collect();
    for (tape, drive) in [(D, drives[0]), ("SIM006L9", drives[1])] {
        let slot = inventory.find(tape).unwrap().address;
        changer.move_medium(slot, drive.address).unwrap();
    }
    drop(changer);
    let told = listens(&mut lab, None);
    // It takes the tapes in their order, in one drive.
    let options = options(&lab, 1);
    let outlook = plan_as(lab.site(), &options, Output::Tar).unwrap();
    let drives: Vec<_> = outlook.tapes.iter().map(|tape| tape.drive).collect();
    assert_eq!(drives, [Some(1), Some(1), Some(1), Some(0)], "{outlook:?}");
    assert_eq!(outlook.tapes[3].times.robot_s, 0.0);
    restore_as_tar(lab.site(), &options, &mut Vec::new()).unwrap();
    let phases = told.phases.lock().unwrap();
    let moved = |phase: &&String| phase.starts_with("moving") && phase.contains("into drive");
    let moved: Vec<&String> = phases.iter().filter(moved).collect();
    assert_eq!(moved[0], &format!("moving {A} into drive 1"), "{phases:?}");
    assert!(moved.iter().all(|phase| !phase.contains(D)), "{phases:?}");
}

#[test]
fn what_lies_in_parts_on_several_tapes_comes_back_by_several_drives() {
    for drives in [2, 3] {
        let mut lab = lab(3);
        in_parts_on_three_tapes(&lab);
        let told = listens(&mut lab, None);
        let summary = restore(lab.site(), &options(&lab, drives)).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert_eq!((summary.files, summary.verified_files), (42, 42));
        assert_same_tree(&lab.path("source"), &back(&lab));
        assert_eq!(summary.timing.tapes.len(), 3);
        let phases = told.phases.lock().unwrap();
        let at_once =
            |phase: &String| phase.matches(" from ").count() + phase.matches("ing SIM").count();
        let most = phases.iter().map(at_once).max().unwrap();
        assert!(most >= usize::from(drives), "{phases:?}");
        drop(phases);
        assert!(all_are_home(&lab));
    }
}

/// Which drive takes which tape is for the threads to find out, so that there are only bounds.
#[test]
fn several_drives_take_no_longer_than_one() {
    let lab = lab(2);
    on_four_tapes(&lab);
    let took = |target: &str, drives| {
        let options = RestoreOptions {
            target: lab.path(target),
            ..options(&lab, drives)
        };
        let foretold_s = plan(lab.site(), &options).unwrap().finish.seconds.unwrap();
        let begun = lab.library().elapsed().unwrap();
        let summary = restore(lab.site(), &options).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        let took_s = (lab.library().elapsed().unwrap() - begun).as_secs_f64();
        (took_s, foretold_s)
    };
    let (one_s, one_foretold_s) = took("one", 1);
    let (two_s, two_foretold_s) = took("two", 2);
    println!("one {one_s:.0} s, foretold {one_foretold_s:.0}; two {two_s:.0}, {two_foretold_s:.0}");
    assert!((one_s / one_foretold_s - 1.0).abs() < 0.1);
    assert!(two_s > 0.9 * two_foretold_s && two_s < 0.95 * one_s);
}

fn in_drive(drive: u16, effect: Effect, command: &str, nth: u64) -> Rule {
    Rule {
        device: Device::Drive(drive),
        ..fault(effect, command, nth, None)
    }
}

#[test]
fn a_drive_that_fails_leaves_its_tape_to_the_others() {
    // In the middle of a tape, and before it has read one.
    for (command, nth) in [("READ", 60), ("READ", 1), ("LOAD UNLOAD", 1)] {
        let mut lab = lab(2);
        on_four_tapes(&lab);
        lab.set_faults(vec![in_drive(0, Effect::HardwareError, command, nth)]);
        let told = listens(&mut lab, None);
        let summary = restore(lab.site(), &options(&lab, 2)).unwrap();
        let case = format!(
            "{command} {nth}: {summary:?} {:?}",
            told.problems.lock().unwrap()
        );
        assert_eq!(summary.outcome, Outcome::Complete, "{case}");
        assert_eq!((summary.files, summary.verified_files), (18, 18), "{case}");
        assert!(summary.failed_tapes.is_empty(), "{case}");
        assert!(summary.lost_with_tapes.is_empty(), "{case}");
        assert_back_from_four_tapes(&lab);
        assert!(!told.problems.lock().unwrap().is_empty(), "{case}");
    }
}

#[test]
fn a_stop_ends_all_drives_and_the_rest_comes_later() {
    let mut lab = lab(2);
    on_four_tapes(&lab);
    let told = listens(&mut lab, Some("restoring from"));
    let summary = restore(lab.site(), &options(&lab, 2)).unwrap();
    assert_eq!(summary.outcome, Outcome::Interrupted, "{summary:?}");
    assert!(summary.can_resume && summary.files < 18);
    assert!(all_are_home(&lab));
    told.stopped.store(false, Ordering::Relaxed);
    listens(&mut lab, None);
    let id = summary.restore.to_string();
    let mut options = tapewright::jobs::restore::resume(&lab.state, &id).unwrap();
    options.drives = 2.try_into().ok();
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_back_from_four_tapes(&lab);
}

#[test]
fn other_copies_are_read_by_several_drives_too() {
    let lab = lab(2);
    on_four_tapes(&lab);
    lab.label(&["SIM005L9"], "copies");
    for pool in ["pool0", "pool1"] {
        let jobs = lab.catalog().jobs().unwrap();
        let job = jobs.iter().find(|job| job.start.what.pool == pool).unwrap();
        let options = tapewright::jobs::copy::CopyOptions {
            job: Some(job.start.what.job.to_string()),
            pool: Some("copies".to_owned()),
            ..Default::default()
        };
        tapewright::jobs::copy::copy(lab.site(), &options).unwrap();
    }
    // One tape instead of two: it is the one that is read.
    lab.spoil("SIM005L9", 9);
    let summary = restore(lab.site(), &options(&lab, 2)).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_eq!(
        (summary.files, summary.from_other_copies),
        (18, 1),
        "{summary:?}"
    );
    assert_back_from_four_tapes(&lab);
}

#[test]
fn of_a_file_in_parts_what_came_from_one_tape_is_not_read_from_it_again() {
    let lab = lab(2);
    in_parts_on_three_tapes(&lab);
    lab.take_away(B);
    let summary = restore(lab.site(), &options(&lab, 1)).unwrap();
    assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
    assert_eq!(summary.files, 40);
    assert!(summary.can_resume);
    lab.library().insert(0, B, None).unwrap();
    let id = summary.restore.to_string();
    let options = tapewright::jobs::restore::resume(&lab.state, &id).unwrap();
    let path = lab.path("trace");
    let trace = trace_to(&path).unwrap();
    let site = Site {
        trace: Some(&trace),
        ..lab.site()
    };
    let summary = restore(site, &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_same_tree(&lab.path("source"), &back(&lab));
    let lines = fs::read_to_string(&path).unwrap();
    let records = lines
        .lines()
        .map(|line| serde_json::from_str::<Record>(line).unwrap());
    let reads = records.filter(|record| record.cdb.starts_with("08"));
    let read_bytes: usize = reads.map(|record| record.moved_bytes).sum();
    let parts = lab.find(b"**/large*");
    let on_first = parts.iter().filter(|part| part.barcode == A);
    assert!(on_first.count() >= 2, "{parts:?}");
    // Two files of 62 MiB, of which the first tape has 50 or so.
    assert!(read_bytes < 90 << 20, "{read_bytes}");
}
