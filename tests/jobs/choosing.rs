//! What a restore takes: which state of a tree, which tapes, which of several copies.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tape_sim::fault::Effect;
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::restore::{
    Output, RestoreOptions, RestoreOutlook, RestoreSummary, TapePlace, plan, plan_as, pour_file,
    restore, restore_as_tar,
};
use tapewright::jobs::{Level, Outcome};
use tapewright::monitor::Monitor;
use tapewright::units::ByteSize;

use crate::lab::{
    A, B, C, Lab, archive_path, assert_same_tree, barcodes_of, fault, noise, plant, tree,
};
use crate::levels::run;

/// What is asked for by its name in the lab.
fn asked(lab: &Lab, name: &str, target: &str) -> RestoreOptions {
    RestoreOptions {
        patterns: vec![archive_path(&lab.path(name))],
        target: lab.path(target),
        ..RestoreOptions::default()
    }
}

/// Where it comes to below the target.
fn back(options: &RestoreOptions, source: &Path) -> PathBuf {
    let path = String::from_utf8(archive_path(source)).unwrap();
    options.target.join(path)
}

fn barcodes(outlook: &RestoreOutlook) -> Vec<&str> {
    let tapes = outlook.tapes.iter();
    tapes.map(|tape| tape.barcode.as_str()).collect()
}

#[test]
fn a_deleted_directory_comes_back_as_it_was_last() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    run(&lab, Level::Full);
    // One file goes before the directory does: it is no part of what was there last.
    fs::remove_file(lab.path("source/photos/two.raw")).unwrap();
    run(&lab, Level::Incremental);
    let kept = lab.path("kept");
    fs::rename(lab.path("source/photos"), &kept).unwrap();
    run(&lab, Level::Incremental);
    fs::write(lab.path("source/later"), "something else").unwrap();
    run(&lab, Level::Incremental);

    let options = asked(&lab, "source/photos", "target");
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_same_tree(&kept, &back(&options, &lab.path("source/photos")));
    let [was] = &summary.as_it_was[..] else {
        panic!("{summary:?}");
    };
    assert!(was.as_of < was.gone_since, "{was:?}");
    assert!(was.path.to_string().ends_with("source/photos"), "{was:?}");
    assert_eq!(summary.deleted.objects, 1, "{summary:?}");
    // The same in a tar archive, and as of the moment that was named.
    let tar = restore_as_tar(lab.site(), &options, &mut Vec::new()).unwrap();
    assert_eq!(
        (tar.files, &tar.as_it_was),
        (summary.files, &summary.as_it_was)
    );
    let named = RestoreOptions {
        as_of: Some(was.as_of),
        target: lab.path("named"),
        ..options
    };
    let summary = restore(lab.site(), &named).unwrap();
    assert!(summary.as_it_was.is_empty(), "{summary:?}");
    assert_same_tree(&kept, &back(&named, &lab.path("source/photos")));
}

#[test]
fn what_was_deleted_in_a_directory_that_is_there_comes_back_as_of_the_moments_that_are_named() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    run(&lab, Level::Full);
    let first = tree(&lab.path("source"));
    fs::remove_dir_all(lab.path("source/photos")).unwrap();
    run(&lab, Level::Incremental);
    let second = tree(&lab.path("source"));
    fs::remove_file(lab.path("source/docs/letter.txt")).unwrap();
    run(&lab, Level::Incremental);

    let options = asked(&lab, "source", "target");
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert!(summary.as_it_was.is_empty(), "{summary:?}");
    let deleted = &summary.deleted;
    let counts: Vec<u64> = deleted.moments.iter().map(|one| one.objects).collect();
    assert_eq!(
        (deleted.objects, &counts[..]),
        (6, &[1, 5][..]),
        "{deleted:?}"
    );
    for (moment, expected) in deleted.moments.iter().zip([second, first]) {
        let options = RestoreOptions {
            as_of: Some(moment.as_of),
            target: lab.path(&format!("as of {}", moment.objects)),
            ..options.clone()
        };
        restore(lab.site(), &options).unwrap();
        let found = tree(&back(&options, &lab.path("source")));
        assert!(found == expected, "{moment:?}");
    }
}

#[test]
fn a_directory_above_costs_no_tape() {
    let lab = Lab::new();
    let source = lab.path("source");
    plant(&source);
    fs::set_permissions(&source, Permissions::from_mode(0o2751)).unwrap();
    lab.label(&[A], "first");
    lab.label(&[B], "second");
    lab.archive(&["source"], "first").unwrap();
    lab.archive(&["source/docs"], "second").unwrap();

    let options = asked(&lab, "source/docs", "target");
    let outlook = plan(lab.site(), &options).unwrap();
    assert_eq!(barcodes(&outlook), [B], "{outlook:?}");
    // It is read where it lies on a tape that is needed anyway.
    let letter = asked(&lab, "source/photos/one.raw", "other");
    let by_the_way = plan(lab.site(), &letter).unwrap();
    assert!(
        barcodes(&by_the_way) == [A] && by_the_way.tapes[0].members > 1,
        "{by_the_way:?}"
    );
    lab.take_away(A);
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_eq!(summary.objects, outlook.objects);
    assert_same_tree(&source.join("docs"), &back(&options, &source.join("docs")));
    let like = |path: &Path| {
        let found = fs::metadata(path).unwrap();
        (found.mode(), found.uid(), found.mtime(), found.mtime_nsec())
    };
    assert_eq!(like(&back(&options, &source)), like(&source));
    // What no catalog knows is told, with the tape that does.
    let told = summary.metadata_not_set.listed.iter();
    let told = told.filter(|one| one.path.to_string().ends_with("source"));
    let told: Vec<&str> = told.map(|one| one.what.as_str()).collect();
    assert!(told.len() == 1 && told[0].contains(A), "{summary:?}");
}

/// A tree in two pools, by a job each; one file changed in between, one got another mode.
fn in_two_jobs(lab: &Lab) {
    let root = lab.path("source");
    fs::create_dir_all(&root).unwrap();
    for number in 0..4 {
        fs::write(root.join(format!("{number}")), noise(number, 3 << 20)).unwrap();
    }
    lab.label(&[A], "first");
    lab.label(&[B], "second");
    lab.archive(&["source"], "first").unwrap();
    fs::write(root.join("0"), "another content").unwrap();
    fs::set_permissions(root.join("1"), Permissions::from_mode(0o640)).unwrap();
    lab.archive(&["source"], "second").unwrap();
}

#[test]
fn what_another_job_has_of_the_same_content_is_a_copy() {
    let lab = Lab::new();
    in_two_jobs(&lab);
    let options = asked(&lab, "source", "target");
    let own = plan(lab.site(), &options).unwrap();
    assert_eq!((barcodes(&own), own.from_other_jobs), (vec![B], 0));
    lab.take_away(B);
    let outlook = plan(lab.site(), &options).unwrap();
    let others = outlook.reads.iter().filter(|read| read.other_job.is_some());
    let on_a = outlook.reads.iter().filter(|read| read.tape == A);
    assert_eq!((others.count(), on_a.count()), (4, 4), "{outlook:?}");
    assert_eq!(outlook.from_other_jobs, 4);
    let summary = restore(lab.site(), &options).unwrap();
    // The file that changed is on the other tape alone.
    assert_eq!(
        (summary.files, summary.verified_files),
        (3, 3),
        "{summary:?}"
    );
    assert_eq!(barcodes_of(&summary.missing_tapes), [B]);
    let target = back(&options, &lab.path("source"));
    for name in ["1", "2", "3"] {
        let (source, found) = (lab.path("source").join(name), target.join(name));
        assert!(
            fs::read(&source).unwrap() == fs::read(&found).unwrap(),
            "{name}"
        );
        let (source, found) = (fs::metadata(source).unwrap(), fs::metadata(found).unwrap());
        let like = |it: &fs::Metadata| (it.mode(), it.mtime(), it.mtime_nsec());
        assert_eq!(like(&source), like(&found), "{name}");
    }
    let told = summary.metadata_not_set.listed.iter();
    let told: Vec<String> = told.map(|one| one.path.to_string()).collect();
    assert!(told.len() == 1 && told[0].ends_with("source/1"), "{told:?}");
    // The same to a pipe and in a tar archive.
    let one = asked(&lab, "source/2", "unused");
    let mut content = Vec::new();
    let poured = pour_file(lab.site(), &one, &mut content).unwrap();
    assert!(poured.report.is_whole && poured.missing_tapes.is_empty());
    assert!(content == fs::read(lab.path("source/2")).unwrap());
    let tar = restore_as_tar(lab.site(), &one, &mut Vec::new()).unwrap();
    assert_eq!((tar.outcome, tar.files), (Outcome::Complete, 1), "{tar:?}");
    assert!(tar.metadata_not_set.listed.is_empty(), "{tar:?}");
    let changed = asked(&lab, "source/1", "unused");
    let tar = restore_as_tar(lab.site(), &changed, &mut Vec::new()).unwrap();
    let told = &tar.metadata_not_set.listed;
    assert!(
        told.len() == 1 && told[0].what.contains("attributes"),
        "{told:?}"
    );
}

#[test]
fn a_bad_record_is_made_up_for_by_another_job() {
    let lab = Lab::new();
    in_two_jobs(&lab);
    let effect = Effect::ReadError { stays: true };
    let mut rule = fault(effect, "READ", 60, Some(1));
    rule.when.barcode = Some(B.to_owned());
    let options = asked(&lab, "source", "target");
    lab.set_faults(vec![rule]);
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let others = summary.from_other_copies;
    assert!((1..=2).contains(&others), "{summary:?}");
    let target = back(&options, &lab.path("source"));
    assert_same_tree(&lab.path("source"), &target);
}

/// Files of so many MiB, by name and seed, on two tapes, of which the first holds less.
fn in_parts(files: &[(&str, u64, usize)]) -> Lab {
    let lab = Lab::new();
    let root = lab.path("source");
    fs::create_dir_all(&root).unwrap();
    for (name, seed, mebibytes) in files {
        fs::write(root.join(name), noise(*seed, mebibytes << 20)).unwrap();
    }
    lab.label(&[A, B], "docs");
    let job = JobDescription {
        segment_limit: Some(ByteSize(16 << 20)),
        ..JobDescription::of_paths(vec![root], "docs")
    };
    archive(lab.site(), &job).unwrap();
    lab
}

#[test]
fn parts_of_a_file_that_cannot_be_whole_are_not_read() {
    let lab = in_parts(&[("first", 1, 30), ("whole", 99, 60)]);
    lab.take_away(A);
    let options = asked(&lab, "source/whole", "target");
    for output in [Output::Directory, Output::Tar] {
        let outlook = plan_as(lab.site(), &options, output).unwrap();
        assert_eq!(barcodes(&outlook), [A], "{outlook:?}");
        assert_eq!(outlook.tapes[0].place, TapePlace::Missing);
        let [waits] = &outlook.waiting.listed[..] else {
            panic!("{outlook:?}");
        };
        // All tapes that it will need, and all bytes that it will have.
        assert!(
            waits.what.contains(A) && waits.what.contains(B),
            "{waits:?}"
        );
        assert!(outlook.room.needed_bytes >= 60 << 20, "{outlook:?}");
    }
    let lacks_a = |summary: &RestoreSummary| {
        assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
        assert_eq!(barcodes_of(&summary.missing_tapes), [A]);
        let lost = summary.lost_with_tapes.len() as u64 + summary.problems.total;
        assert_eq!(lost, 1, "{summary:?}");
        assert!(summary.timing.tapes.iter().all(|tape| tape.barcode == A));
    };
    lacks_a(&restore(lab.site(), &options).unwrap());
    lacks_a(&restore_as_tar(lab.site(), &options, &mut Vec::new()).unwrap());
    // A beginning that is on a tape at hand is something, to who asks for the content alone.
    let outlook = plan_as(lab.site(), &options, Output::File).unwrap();
    assert_eq!(barcodes(&outlook).len(), 2, "{outlook:?}");
}

#[test]
fn all_tapes_of_a_file_in_parts_are_to_be_fetched() {
    let lab = in_parts(&[("whole", 99, 90)]);
    lab.take_away(A);
    lab.take_away(B);
    let options = asked(&lab, "source/whole", "target");
    let outlook = plan(lab.site(), &options).unwrap();
    assert_eq!(barcodes_of(&outlook.pick_list), [A, B], "{outlook:?}");
    assert!(outlook.room.needed_bytes >= 90 << 20, "{outlook:?}");
    // What is told at the end has the same words.
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.missing_tapes, outlook.pick_list);
    // To a pipe the first part ends it, and both are named all the same.
    let poured = pour_file(lab.site(), &options, &mut Vec::new()).unwrap();
    assert_eq!(poured.missing_tapes, outlook.pick_list);
}

/// Wants no more once a file is there.
struct UntilFirst(PathBuf);

impl Monitor for UntilFirst {
    fn stop_requested(&self) -> bool {
        self.0.is_file()
    }
}

#[test]
fn the_first_file_is_there_sooner_where_that_is_asked_for() {
    let (mut first_s, mut finish_s) = (Vec::new(), Vec::new());
    for first_soon in [false, true] {
        let mut lab = Lab::new();
        // What is asked for lies behind something else on the tapes, but for one. The last is full,
        // and takes longest to unload by far; and it has most files.
        let tapes = [(A, "one", 12, 1), (B, "other", 0, 1), (C, "third", 46, 3)];
        for (tape, name, before, files) in tapes {
            let place = |place: &str| {
                let place = lab.path(&format!("{place}/{name}"));
                fs::create_dir_all(&place).unwrap();
                place
            };
            fs::write(place("before").join("file"), noise(7, before << 20)).unwrap();
            for file in 0..files {
                let path = place("source").join(format!("file{file}"));
                fs::write(path, noise(file, 1 << 20)).unwrap();
            }
            lab.label(&[tape], name);
            lab.archive(&[&format!("before/{name}")], name).unwrap();
            lab.archive(&[&format!("source/{name}")], name).unwrap();
        }
        let options = RestoreOptions {
            first_soon,
            ..asked(&lab, "source", "target")
        };
        let outlook = plan(lab.site(), &options).unwrap();
        let first = outlook.first_file.as_ref().unwrap();
        let order = if first_soon { [B, C, A] } else { [A, B, C] };
        assert_eq!(barcodes(&outlook), order, "{outlook:?}");
        assert_eq!(first.tape, order[0]);
        let whole = lab.path("target").join(first.path.to_string());
        first_s.push(first.seconds);
        let finish = &outlook.finish;
        finish_s.push((finish.files_s.unwrap(), finish.seconds.unwrap()));
        let later = outlook
            .first_soon_files_s
            .zip(outlook.first_soon_s)
            .map(|(files_s, drives_s)| (files_s.round(), drives_s.round()));
        // What that is told to cost is what lies between the two plans.
        let expected = first_soon.then(|| {
            let ((files_s, drives_s), (best_files_s, best_s)) = (finish_s[1], finish_s[0]);
            assert!(files_s - best_files_s > 1.0, "{finish_s:?}");
            (
                (files_s - best_files_s).round(),
                (drives_s - best_s).round(),
            )
        });
        assert_eq!(later, expected);
        lab.monitor = Box::new(UntilFirst(whole));
        let summary = restore(lab.site(), &options).unwrap();
        // The file that was foretold to be there first is, and no other.
        assert_eq!(
            (summary.outcome, summary.files),
            (Outcome::Interrupted, 1),
            "{summary:?}"
        );
    }
    assert!(first_s[1] < first_s[0], "{first_s:?}");
}

#[test]
fn a_tape_outside_is_not_waited_for_where_the_first_file_is_to_be_there_soon() {
    let lab = Lab::new();
    for (tape, name) in [(A, "one"), (B, "other")] {
        let place = format!("source/{name}");
        fs::create_dir_all(lab.path(&place)).unwrap();
        fs::write(lab.path(&place).join("file"), noise(7, 1 << 20)).unwrap();
        lab.label(&[tape], name);
        lab.archive(&[&place], name).unwrap();
    }
    lab.take_away(A);
    let options = RestoreOptions {
        first_soon: true,
        ..asked(&lab, "source", "target")
    };
    let outlook = plan(lab.site(), &options).unwrap();
    assert_eq!(barcodes(&outlook), [B, A], "{outlook:?}");
}
