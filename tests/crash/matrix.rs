//! Every moment of every workload, or a seeded part of them.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Place};
use crate::changes::Turns;
use crate::check::assert_sound;
use crate::child::{Ended, run};
use crate::points::{Point, all};
use crate::shim;
use crate::workload::{TREES, WORKLOADS, Workload};

/// So long the seeded part of one workload may take.
const PART: Duration = Duration::from_secs(10);
/// One kill in so many is followed by what takes longest: GNU tar, and a new catalog.
const DEEP: usize = 16;

#[test]
fn killed_at_some_moment_a_job_loses_nothing_committed_and_claims_nothing_else() {
    matrix(Some(PART));
}

#[test]
#[ignore = "thousands of kills: docs/testing.md"]
fn killed_at_every_moment_a_job_loses_nothing_committed_and_claims_nothing_else() {
    matrix(None);
}

fn matrix(patience: Option<Duration>) {
    let (mut points, mut failures) = (0, Vec::new());
    let only = env::var("TAPEWRIGHT_CRASH_WORKLOAD").ok();
    let wanted = |workload: &&Workload| only.as_ref().is_none_or(|only| only == workload.name);
    for workload in WORKLOADS.iter().filter(wanted) {
        let (some, failed) = match workload.changes {
            true => kill_changes(workload, patience),
            false => kill_all(workload, patience),
        };
        let name = workload.name;
        println!("{name}: {some} crash points, {} failures", failed.len());
        points += some;
        failures.extend(failed);
    }
    println!("{points} crash points, {} failures", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(points > 0);
}

/// Kills the job of a workload at each point in turn, or at as many as there is patience for.
/// Returns how many there were, and what failed.
fn kill_all(workload: &'static Workload, patience: Option<Duration>) -> (usize, Vec<String>) {
    let bench = Bench::new(workload, &TREES[..1]);
    let shim = shim::compile(&bench.path(""));
    let place = bench.copy("whole");
    let whole = run(&bench, &place, None, &shim);
    assert!(whole.through);
    assert_sound(&bench, &place, &whole, true);
    place.remove();
    kill_each(
        workload,
        &whole,
        patience,
        || (),
        |(), number, point| {
            kill_at(&bench, number, point, |place| {
                let ended = run(&bench, place, Some(point), &shim);
                assert_sound(&bench, place, &ended, number.is_multiple_of(DEEP));
            })
        },
    )
}

/// The same with a tree that changes, which each thread has for itself.
fn kill_changes(workload: &'static Workload, patience: Option<Duration>) -> (usize, Vec<String>) {
    let turns = Turns::new(workload);
    let shim = shim::compile(&turns.bench().path(""));
    let place = turns.bench().copy("whole");
    let whole = turns.run(&place, None, &shim, true);
    assert!(whole.through);
    place.remove();
    let begin = || Turns::new(workload);
    kill_each(workload, &whole, patience, begin, |turns, number, point| {
        kill_at(turns.bench(), number, point, |place| {
            turns.run(place, Some(point), &shim, number.is_multiple_of(DEEP));
        })
    })
}

/// Hands the moments of a job to threads, each with something that it `begin`s with.
fn kill_each<T>(
    workload: &Workload,
    whole: &Ended,
    patience: Option<Duration>,
    begin: impl Fn() -> T + Sync,
    kill: impl Fn(&T, usize, &Point) -> Option<String> + Sync,
) -> (usize, Vec<String>) {
    let mut points = all(whole.commands.len() as u64, &whole.operations);
    if let Ok(only) = env::var("TAPEWRIGHT_CRASH_ONLY") {
        points.retain(|point| point.to_string().contains(&only));
    }
    shuffle(&mut points, seed());

    println!("{}: {} moments", workload.name, points.len());
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let work = || {
        let own = begin();
        let (mut done, mut failed) = (0, Vec::new());
        while patience.is_none_or(|patience| started.elapsed() < patience) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(point) = points.get(number) else {
                break;
            };
            done += 1;
            failed.extend(kill(&own, number, point));
        }
        (done, failed)
    };
    // The jobs that are killed mostly wait.
    let threads = 4 * thread::available_parallelism().map_or(1, usize::from);
    let (mut done, mut failures) = (0, Vec::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (some, failed) = worker.join().unwrap();
            done += some;
            failures.extend(failed);
        }
    });
    (done, failures)
}

/// Does `check` in a place of its own. Returns what failed.
fn kill_at(bench: &Bench, number: usize, point: &Point, check: impl Fn(&Place)) -> Option<String> {
    let place = bench.copy(&format!("point-{number}"));
    let checked = catch_unwind(AssertUnwindSafe(|| check(&place)));
    place.remove();
    let panic = checked.err()?;
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words");
    Some(format!("{}, {point}: {text}", bench.workload.name))
}

/// `TAPEWRIGHT_CRASH_SEED`, or 1: which part is taken, and in which order.
fn seed() -> u64 {
    let given = env::var("TAPEWRIGHT_CRASH_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn shuffle(points: &mut [Point], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for last in (1..points.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        points.swap(last, (state % (last as u64 + 1)) as usize);
    }
}
