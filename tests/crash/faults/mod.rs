//! Every fault at every kind of command that an activity sends. How it ends, and what its message
//! lacks, is in a table of its own; what is on tape, or was brought back, is judged by the model.

mod inject;
mod reading;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tape_sim::fault::FaultScript;
use tape_sim::library::Library;
use tapewright::jobs::{Failure, JobError, Outcome};
use tapewright::transport::tap::Tap;

use crate::bench::{Bench, Place};
use crate::check::assert_sound;
use crate::child::Ended;
use crate::workload::{TREES, Workload};
use inject::{Case, arm, cases};

pub static WORKLOAD: Workload = Workload {
    name: "faults",
    tapes: &["SIM001L9", "SIM002L9"],
    copy_tapes: &[],
    capacity_bytes: 24 << 20,
    buffer_bytes: 1 << 20,
    segment_bytes: 1 << 20,
    files: &[0, 1, 100_000, 900_000, 70_000, 800_000, 700_000],
    changes: false,
    copies_catalog: false,
};

/// What faults are put into.
pub struct Activity {
    /// File beside this one.
    table: &'static str,
    carry_out: fn(&Bench, &Place, &Tap) -> Ending,
    /// Fails where something is lost or claimed wrongly; by then the fault is gone.
    assert_sound: fn(&Bench, &Place, &Ending),
    /// A message has to say what is safe.
    says_what_is_safe: bool,
}

/// How an activity ended.
#[derive(Debug)]
pub struct Ending {
    /// For the table.
    text: String,
    /// It did all, and says so.
    complete: bool,
    /// What it said if it did not.
    failure: Option<Failure>,
}

impl Ending {
    fn new(outcome: Outcome, failure: Option<&Failure>) -> Self {
        let outcome_text = format!("{outcome:?}");
        Self {
            text: match failure {
                None => outcome_text,
                Some(failure) => format!("{outcome_text} {:?}", failure.kind),
            },
            complete: outcome == Outcome::Complete,
            failure: failure.cloned(),
        }
    }

    fn of_error(error: &JobError) -> Self {
        let debug = format!("{error:?}");
        let variant = debug.split([' ', '(']).next().unwrap();
        let failure = Failure::from(error);
        Self {
            text: format!("{variant} {:?}", failure.kind),
            complete: false,
            failure: Some(failure),
        }
    }
}

const ARCHIVE: Activity = Activity {
    table: "archive.table",
    carry_out: |bench, place, tap| {
        let source = bench.source();
        match place.archive(bench.workload, &source, &TREES[1..2], Some(tap)) {
            Ok(summary) => Ending::new(summary.outcome, summary.failure.as_ref()),
            Err(error) => Ending::of_error(&error),
        }
    },
    assert_sound: |bench, place, ending| {
        assert_sound(bench, place, &Ended::alive(ending.complete), false);
    },
    says_what_is_safe: true,
};

/// Words of which one has to be in a message: what is safe.
const SAFE: [&str; 3] = ["nothing was written", "confirmed", "left as it is"];

/// What a message lacks: it should name device and tape, and say what is safe and what to do.
fn lacks(activity: &Activity, case: &Case, failure: &Failure) -> Vec<&'static str> {
    let mut lacks = Vec::new();
    let advice = failure.advice.as_deref();
    let words = format!("{} {}", failure.what, advice.unwrap_or_default());
    let device = if case.changer { "changer" } else { "drive 0" };
    if advice.is_none() {
        lacks.push("what to do");
    }
    if !words.contains(device) {
        lacks.push("device");
    }
    if !case.changer && !words.contains("SIM00") {
        lacks.push("tape");
    }
    if activity.says_what_is_safe && !SAFE.iter().any(|safe| words.contains(safe)) {
        lacks.push("what is safe");
    }
    lacks
}

/// The row of a case, and what is not safe behind it.
fn run(activity: &Activity, bench: &Bench, number: usize, case: &Case) -> (String, Option<String>) {
    let place = bench.copy(&format!("case-{number}"));
    let mut row = case.row();
    let sound = catch_unwind(AssertUnwindSafe(|| {
        let ending = (activity.carry_out)(bench, &place, &arm(case, &place));
        row = format!("{row} | {}", ending.text);
        if let Some(failure) = &ending.failure {
            let lacks = lacks(activity, case, failure);
            if !lacks.is_empty() {
                row = format!("{row} | lacks {}", lacks.join(", "));
            }
        }
        let library = Library::open(&place.library_dir()).unwrap();
        library
            .set_faults(&FaultScript::new(0, Vec::new()))
            .unwrap();
        (activity.assert_sound)(bench, &place, &ending);
    }));
    place.remove();
    let unsafe_then = sound.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        format!("{row}: {}", text.unwrap_or_else(|| "no words".to_owned()))
    });
    (row, unsafe_then)
}

/// A row, whether or not a segment was confirmed before the drive failed: how far it had come
/// by then depends on the machine, and with it whether the failure is an error or in the summary.
/// Where a drive goes for good in the middle of a job, it depends on the machine also whether
/// all was on tape by then.
fn alike(row: &str) -> String {
    const GONE: &str = "| device gone |";
    match row.find(GONE) {
        Some(at) if row.starts_with("drive | middle ") => row[..at + GONE.len()].to_owned(),
        _ => row.replace("| WriteFailed ", "| Failed "),
    }
}

#[test]
fn each_fault_at_each_command_ends_as_the_table_says_and_loses_nothing_committed() {
    assert_table(&ARCHIVE, &Bench::new(&WORKLOAD, &TREES[..1]));
}

/// Each fault ends as the activity's table says, and nothing is unsafe behind it.
fn assert_table(activity: &Activity, bench: &Bench) {
    let mut cases = cases(bench, activity);
    if let Ok(only) = env::var("TAPEWRIGHT_CRASH_ONLY") {
        cases.retain(|case| case.row().contains(&only));
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new((BTreeMap::new(), Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(number) else { break };
            let (row, wrong) = run(activity, bench, number, case);
            let mut found = found.lock().unwrap();
            found.0.insert(number, row);
            found.1.extend(wrong);
        }
    };
    // Mostly they wait: for drives that do not answer, or are not ready.
    let threads = 8 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (rows, wrong) = found.into_inner().unwrap();
    println!("{} faults, {} times not safe", rows.len(), wrong.len());
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/faults");
    let path = tables.join(activity.table);
    let table = fs::read_to_string(&path).unwrap_or_default();
    let mut known: BTreeMap<String, String> = table
        .lines()
        .map(|row| (alike(row), row.to_owned()))
        .collect();
    let mut new = Vec::new();
    for row in rows.into_values() {
        if let Entry::Vacant(place) = known.entry(alike(&row)) {
            place.insert(row.clone());
            new.push(row);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if env::var_os("TAPEWRIGHT_NEW_TABLE").is_some() {
        let lines: String = known.into_values().map(|row| row + "\n").collect();
        fs::write(&path, lines).unwrap();
        return;
    }
    let table = activity.table;
    assert!(new.is_empty(), "not in {table}:\n{}", new.join("\n"));
}
