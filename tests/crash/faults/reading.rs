//! Faults while tapes are read: a restore brings back what was in the source or names it as
//! missing, a verification takes no good tape for a bad one, and both work once the fault is gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tapewright::jobs::Outcome;
use tapewright::jobs::restore::{RestoreOptions, RestoreSummary, restore};
use tapewright::jobs::verify::{Verdict, verify};
use tapewright::transport::tap::Tap;

use super::{Activity, Ending, WORKLOAD, assert_table};
use crate::bench::{Bench, Place};
use crate::check::below;
use crate::workload::TREES;

/// The tape that all is on.
const TAPE: &str = "SIM001L9";

const RESTORE: Activity = Activity {
    table: "restore.table",
    carry_out: |bench, place, tap| {
        let target = place.dir.join("with-fault");
        match bring_back(place, &target, Some(tap)) {
            Ok(summary) => {
                assert_what_is_there(bench, &target, &summary);
                let failed = summary.failed_tapes.first();
                Ending::new(summary.outcome, failed.map(|tape| &tape.failure))
            }
            Err(error) => {
                let nothing = !target.exists() || below(&target).is_empty();
                assert!(nothing, "an error, and something was restored: {error:?}");
                Ending::of_error(&error)
            }
        }
    },
    assert_sound: |bench, place, _| assert_all_comes_back(bench, place),
    says_what_is_safe: false,
};

const VERIFY: Activity = Activity {
    table: "verify.table",
    carry_out: |_, place, tap| match verify(place.site(Some(tap)), TAPE) {
        Ok(summary) => {
            let failed = summary.failed_tapes.first();
            let mut ending = Ending::new(summary.outcome, failed.map(|tape| &tape.failure));
            for volume in &summary.volumes {
                let (verdict, bad) = (&volume.verdict, volume.problems.total);
                let good = matches!(verdict, Verdict::Good);
                assert_eq!(good, bad == 0, "{summary:?}");
                ending.text = format!("{}, {verdict:?}", ending.text);
            }
            ending
        }
        Err(error) => Ending::of_error(&error),
    },
    assert_sound: |bench, place, _| {
        let summary = verify(place.site(None), TAPE).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert_all_comes_back(bench, place);
    },
    says_what_is_safe: false,
};

#[test]
fn a_restore_with_each_fault_brings_back_what_was_archived_or_names_what_is_missing() {
    assert_table(&RESTORE, &Bench::new(&WORKLOAD, &TREES[..2]));
}

#[test]
fn a_verification_with_each_fault_ends_as_the_table_says_and_spoils_nothing() {
    assert_table(&VERIFY, &Bench::new(&WORKLOAD, &TREES[..2]));
}

fn bring_back(
    place: &Place,
    target: &Path,
    tap: Option<&Tap>,
) -> Result<RestoreSummary, tapewright::jobs::JobError> {
    let options = RestoreOptions {
        patterns: vec![b"/".to_vec()],
        target: target.to_owned(),
        ..RestoreOptions::default()
    };
    restore(place.site(tap), &options)
}

/// What was archived, by name.
fn archived(bench: &Bench) -> BTreeSet<&PathBuf> {
    let roots = TREES[..2].iter().map(|tree| bench.source().join(tree));
    let roots: Vec<PathBuf> = roots.collect();
    let names = bench.model.0.keys();
    names
        .filter(|name| roots.iter().any(|root| name.starts_with(root)))
        .collect()
}

/// Everything below the target is what was in the source, and what is not there is named.
fn assert_what_is_there(bench: &Bench, target: &Path, summary: &RestoreSummary) {
    let lost = summary
        .lost_with_tapes
        .iter()
        .flat_map(|tape| &tape.objects);
    let problems = summary.problems.listed.iter().map(|problem| &problem.path);
    let named: BTreeSet<PathBuf> = lost
        .chain(problems)
        .map(|name| Path::new("/").join(name.to_string()))
        .collect();
    for name in archived(bench) {
        let path = target.join(name.strip_prefix("/").unwrap());
        if named.contains(name) {
            assert_ne!(summary.outcome, Outcome::Complete, "{name:?}: {summary:?}");
            // A directory may have been made on the way to what is below it.
            assert!(
                path.is_dir() || !path.exists(),
                "{name:?} is missing, and there"
            );
            continue;
        }
        let same = bench.model.compare(name, &path);
        same.unwrap_or_else(|error| panic!("{name:?}: {error}: {summary:?}"));
    }
    for path in below(target) {
        let name = Path::new("/").join(path.strip_prefix(target).unwrap());
        let known = archived(bench).iter().any(|known| known.starts_with(&name));
        assert!(known, "{name:?} is left over");
    }
}

/// With the fault gone all is restored.
fn assert_all_comes_back(bench: &Bench, place: &Place) {
    let target = place.dir.join("without-fault");
    let summary = bring_back(place, &target, None).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_what_is_there(bench, &target, &summary);
    fs::remove_dir_all(&target).unwrap();
}
