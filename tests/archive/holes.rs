//! A stop that is asked for in a hole of terabytes takes effect at once, and nothing is claimed of
//! the file that was not made sure.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use tapewright::clock::SystemClock;
use tapewright::engine::archive::{Outcome, archive, archive_twice};
use tapewright::volume::index::DigestAlgorithm;
use tapewright::volume::member::Condition;
use tapewright::volume::segment::minimum_segment_bytes;

use crate::case::{Case, noise};
use crate::shelf::{BLOCK_BYTES, Ledger, Shelf};
use crate::trouble::StopAfter;

/// Digesting all of it would take hours.
const FILE_BYTES: u64 = 8 << 40;
const PIECE_BYTES: usize = 1 << 20;

fn plant(case: &Case, pieces: &[u64]) {
    case.file("a", b"whole before");
    let sparse = File::create(case.path("b-sparse")).unwrap();
    sparse.set_len(FILE_BYTES).unwrap();
    for &at in pieces {
        sparse.write_all_at(&noise(at, PIECE_BYTES), at).unwrap();
    }
    case.file("c", b"not reached");
}

#[test]
fn a_stop_in_a_hole_takes_effect_at_once_and_leaves_no_digest() {
    let end = FILE_BYTES - PIECE_BYTES as u64;
    let cases: [(&str, &[u64], bool); 5] = [
        ("behind its data", &[0], false),
        ("between its data", &[0, end], false),
        ("of nothing else", &[], false),
        (
            "of a part",
            &[0, 2 << 20, 4 << 20, 6 << 20, 8 << 20, end],
            true,
        ),
        (
            "behind the data of a part",
            &[0, 2 << 20, 4 << 20, 6 << 20, 8 << 20],
            true,
        ),
    ];
    for (what, pieces, cut) in cases {
        for algorithm in [DigestAlgorithm::Blake3, DigestAlgorithm::Sha256] {
            for twice in [false, true] {
                let mut case = Case::new();
                plant(&case, pieces);
                case.plan.job.digest = algorithm;
                if cut {
                    case.plan.segment_limit_bytes = minimum_segment_bytes(BLOCK_BYTES);
                }
                let mut shelves = [Shelf::new(1, None), Shelf::numbered(2, 1, None)];
                let mut ledger = Ledger::of(&[&shelves[0], &shelves[1]]);
                // What comes before the large hole, and a bit of that.
                let before = pieces.iter().filter(|&&at| at != end).max();
                let before_bytes = before.map_or(0, |at| at + PIECE_BYTES as u64);
                let monitor = StopAfter::new(u64::MAX, before_bytes + 100);
                let started = Instant::now();
                let [first, second] = &mut shelves;
                let (plan, clock) = (&case.plan, &SystemClock);
                let report = match twice {
                    false => archive(plan, None, first, &mut ledger, clock, &monitor),
                    true => archive_twice(plan, None, first, second, &mut ledger, clock, &monitor),
                };
                let report = report.unwrap();
                let name = format!("{what}, {algorithm:?}, twice {twice}: {report:?}");
                assert!(started.elapsed() < Duration::from_secs(8), "{name}");
                assert_eq!(report.outcome, Outcome::Interrupted, "{name}");
                assert_eq!(report.unconfirmed.files, 0, "{name}");
                let problems = report.problems.first.iter().map(ToString::to_string);
                let problems: Vec<String> = problems.collect();
                // Alone, a file in parts may end with the part before the hole.
                let ends_before = problems[0].contains("stopped on request behind its first");
                let in_hole = problems[0].contains("/b-sparse: stopped on request in a hole");
                assert!(in_hole || ends_before && cut && !twice, "{name}");
                for shelf in &shelves {
                    let receipts = ledger.of_shelf(shelf);
                    assert!(receipts.iter().all(|receipt| !receipt.info.job_ends));
                    let lines = receipts.iter().flat_map(|receipt| &receipt.files);
                    for line in lines.filter(|line| line.path.ends_with(b"b-sparse")) {
                        let whole = line.condition == Condition::Whole;
                        assert_eq!(whole, line.digest.is_some(), "{name}: {line:?}");
                    }
                }
                let lines = ledger.receipts.iter().flat_map(|receipt| &receipt.files);
                let left = lines
                    .clone()
                    .filter(|line| line.condition == Condition::Unreadable);
                let copies = if twice { 2 } else { 1 };
                assert_eq!(left.count(), if ends_before { 0 } else { copies }, "{name}");
                let not_reached = lines.clone().any(|line| line.path.ends_with(b"/c"));
                assert!(!not_reached, "{name}");
                let before = lines.filter(|line| line.path.ends_with(b"/a"));
                assert_eq!(before.count(), copies, "{name}");
            }
        }
    }
}
