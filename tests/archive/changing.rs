//! Two copies at once: while one changes its tape, the other's drive writes what it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tapewright::engine::archive::Outcome;

use crate::case::{Case, noise, on_disk, read_all};
use crate::shelf::{BLOCK_BYTES, Ledger, Shelf};

#[test]
fn the_drive_of_one_copy_writes_while_the_other_changes_its_tape() {
    let mut case = Case::new();
    for number in 0..40 {
        case.file(&format!("{number:02}"), &noise(number, 300_000));
    }
    // All of it fits into the pool, which is a part of what a tape holds.
    case.plan.memory.buffer_bytes = 512 * BLOCK_BYTES as usize;
    case.plan.memory.marks.start = 1;
    let mut first = Shelf::new(4, Some(8 << 20));
    let mut second = Shelf::numbered(5, 1, Some(8 << 30));
    let mut ledger = Ledger::of(&[&first, &second]);

    // The second drive has written nothing when the first tape is full, and all that was framed
    // for it by then before the next tape is there.
    let let_go = Arc::new(AtomicBool::new(false));
    second.held_until = Some(Arc::clone(&let_go));
    let written = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&written);
    let [full, other] = [&first.tapes[0].1, &second.tapes[0].1].map(Arc::clone);
    first.on_release = Some(Box::new(move |tape| {
        if tape > 0 {
            return;
        }
        let_go.store(true, Ordering::Relaxed);
        let framed = full.lock().unwrap().next;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            let now = other.lock().unwrap().next;
            seen.store(now, Ordering::Relaxed);
            // The index and what makes a record are still to come.
            if now + 40 >= framed {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }));
    let report = case
        .run_twice(&mut first, &mut second, &mut ledger)
        .unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert!(report.volumes.len() > 1, "{report:?}");
    let full = first.tapes[0].1.lock().unwrap().next;
    let written = written.load(Ordering::Relaxed);
    assert!(
        full > 60 && written + 40 >= full,
        "{written} of {full} records"
    );
    for shelf in [&first, &second] {
        assert_eq!(
            read_all(shelf, &ledger.of_shelf(shelf)),
            on_disk(case.place.path())
        );
    }
}
