//! What comes back of jobs and volumes beside their files: when jobs ended, how long they are kept,
//! where their copies belong, and that a tape is full.

use std::fs;

use catalogs::model::event::{JobFinished, JobStarted};
use catalogs::{Catalog, Kept};
use jiff::Timestamp;
use tape_sim::library::LibrarySpec;
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::copy::{CopyOptions, copy};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::retention::{Keep, KeepFor, keep};
use tapewright::jobs::{Outcome, VolumeState, tapes};
use uuid::Uuid;

use crate::lab::{A, B, C, Lab, noise};

const D: &str = "SIM004L9";

/// Until when a job is kept, if that was said: `None` in it is for ever.
type Until = Option<Option<Timestamp>>;

/// What a catalog knows of a job.
#[derive(Debug, PartialEq)]
struct Facts {
    start: (Timestamp, JobStarted),
    end: (Timestamp, JobFinished),
    until: Until,
    full: Vec<String>,
}

fn until(catalog: &Catalog, job: Uuid) -> Until {
    match catalog.retained().unwrap().job(&job) {
        Some(Kept::Set(set)) => Some(set.until),
        Some(Kept::Expired(_)) => panic!("nothing expired it"),
        None => None,
    }
}

fn facts(lab: &Lab, job: Uuid) -> Facts {
    let catalog = lab.catalog();
    let known = catalog.job(&job.to_string()).unwrap().unwrap();
    let finish = known.finish.unwrap();
    let until = until(&catalog, job);
    drop(catalog);
    let tapes = tapes::list(lab.site()).unwrap().into_iter();
    let full = tapes.filter(|tape| tape.state == VolumeState::Full);
    let mut full: Vec<String> = full.map(|tape| tape.barcode).collect();
    full.sort();
    Facts {
        start: (known.start.time, known.start.what),
        end: (finish.time, finish.what),
        until,
        full,
    }
}

/// When the last segment of a job in a pool was closed.
fn last_closed(lab: &Lab, job: Uuid, pool: &str) -> Timestamp {
    let catalog = lab.catalog();
    let receipts = catalog.receipts_of_job(&job).unwrap();
    let mut of_pool = receipts.into_iter().filter(|recorded| {
        let volume = catalog.volume(&recorded.what.receipt.volume).unwrap();
        volume.unwrap().label.what.pool == pool
    });
    let first = of_pool.next().unwrap();
    let last = of_pool.fold(first, |last, next| {
        match next.what.receipt.job_segment > last.what.receipt.job_segment {
            true => next,
            false => last,
        }
    });
    last.time
}

fn lose_catalog(lab: &Lab) {
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
}

fn ten_years() -> KeepFor {
    "10y".parse().unwrap()
}

/// A lab whose source fills one tape of the pool `docs` and goes on on the other.
fn with_a_source_of_two_tapes() -> Lab {
    let lab = Lab::with(&LibrarySpec {
        capacity_bytes: Some(24 << 20),
        slots: 8,
        cartridges: Some(6),
        ..Lab::small()
    });
    fs::create_dir(lab.path("source")).unwrap();
    for name in ["one", "two", "three"] {
        fs::write(lab.path("source").join(name), noise(7, 10 << 20)).unwrap();
    }
    lab.label(&[A, B], "docs");
    lab
}

#[test]
fn times_and_policies_come_back_in_whatever_order_the_tapes_are_read() {
    let lab = with_a_source_of_two_tapes();
    lab.label(&[C, D], "vault");
    let description = JobDescription {
        copy_pool: Some("vault".to_owned()),
        keep: Some(ten_years()),
        ..JobDescription::of_paths(vec![lab.path("source")], "docs")
    };
    let job = archive(lab.site(), &description).unwrap();
    assert_eq!(job.outcome, Outcome::Complete, "{job:?}");
    let before = facts(&lab, job.job);
    assert_eq!(before.full, [A, C]);
    let closed = last_closed(&lab, job.job, "docs");
    assert!(closed <= before.end.0);

    for order in [[A, B, C, D], [D, C, B, A], [C, A, D, B]] {
        lose_catalog(&lab);
        for (at, barcode) in order.into_iter().enumerate() {
            rebuild(lab.site(), &[barcode.to_owned()]).unwrap();
            let now = facts(&lab, job.job);
            assert_eq!(now.start, before.start, "{order:?}, tape {at}");
            assert_eq!(now.until, before.until, "{order:?}, tape {at}");
            assert!(now.end.0 <= before.end.0, "{order:?}, tape {at}: {now:?}");
            if (order[at], at) == (A, 0) {
                assert_eq!(now.end.1.outcome, Outcome::Interrupted);
                assert_eq!(now.end.0, last_closed(&lab, job.job, "docs"));
            }
        }
        let now = facts(&lab, job.job);
        assert_eq!(now.end.0, closed, "{order:?}");
        let said = JobFinished {
            from_tapes: true,
            ..before.end.1.clone()
        };
        assert_eq!(now.end.1, said, "{order:?}");
        assert_eq!(now.full, before.full, "{order:?}");
        // Once more changes nothing.
        let lines = || {
            let ledger = fs::read_to_string(lab.path("state/catalog/ledger.jsonl")).unwrap();
            let of_places = ["volume_moved", "catalog_rebuilt"];
            let lines = ledger.lines();
            lines
                .filter(|line| !of_places.iter().any(|kind| line.contains(kind)))
                .count()
        };
        let known = lines();
        let again = rebuild(lab.site(), &[]).unwrap();
        assert_eq!((lines(), again.kept_by_tapes), (known, 0), "{order:?}");
        assert_eq!(facts(&lab, job.job), now, "{order:?}");
    }
}

#[test]
fn of_what_tapes_say_the_longest_counts_and_of_what_was_said_here_the_last() {
    let lab = Lab::new();
    fs::create_dir(lab.path("source")).unwrap();
    fs::write(lab.path("source/one"), noise(7, 100_000)).unwrap();
    lab.label(&[A], "docs");
    lab.label(&[B], "vault");
    let description = JobDescription {
        keep: Some("1y".parse().unwrap()),
        ..JobDescription::of_paths(vec![lab.path("source")], "docs")
    };
    let job = archive(lab.site(), &description).unwrap().job;
    let short = until(&lab.catalog(), job);
    let name = [job.to_string()];
    keep(lab.site(), &name, Keep::For(ten_years())).unwrap();
    let long = until(&lab.catalog(), job);
    assert!(short < long && short.is_some());
    let options = CopyOptions {
        job: Some(job.to_string()),
        pool: Some("vault".to_owned()),
        ..CopyOptions::default()
    };
    assert_eq!(
        copy(lab.site(), &options).unwrap().outcome,
        Outcome::Complete
    );

    for (order, first) in [([A, B], short), ([B, A], long)] {
        lose_catalog(&lab);
        let told = rebuild(lab.site(), &[order[0].to_owned()]).unwrap();
        assert_eq!(told.kept_by_tapes, 1);
        let now = facts(&lab, job);
        assert_eq!((now.until, now.start.1.pool.as_str()), (first, "docs"));
        rebuild(lab.site(), &[order[1].to_owned()]).unwrap();
        assert_eq!(until(&lab.catalog(), job), long, "{order:?}");
    }
    let year = Keep::For("2y".parse().unwrap());
    keep(lab.site(), &name, year).unwrap();
    let said = until(&lab.catalog(), job);
    assert!(short < said && said < long);
    rebuild(lab.site(), &[]).unwrap();
    assert_eq!(until(&lab.catalog(), job), said);
}

#[test]
fn a_tape_whose_last_segment_is_cut_off_is_not_full() {
    let lab = with_a_source_of_two_tapes();
    lab.archive(&["source"], "docs").unwrap();
    let state = || {
        let tapes = tapes::list(lab.site()).unwrap();
        let tape = tapes.into_iter().find(|tape| tape.barcode == A);
        tape.unwrap().state
    };
    assert_eq!(state(), VolumeState::Full);
    lab.lose_last_objects(A, 1);
    lose_catalog(&lab);
    let rebuilt = rebuild(lab.site(), &[A.to_owned()]).unwrap();
    assert!(rebuilt.volumes[0].cut_off_at.is_some(), "{rebuilt:?}");
    assert_eq!(state(), VolumeState::Appendable);
}
