//! What another read gives as it was written is no damage.

use std::sync::Mutex;

use tapewright::engine::restore::{RestoreOutcome, restore};
use tapewright::engine::target::TargetOptions;
use tapewright::engine::verify::{SegmentVerdict, verify};
use tapewright::monitor::{Monitor, Problem, Silent};
use tapewright::volume::index::Codec;

use crate::rig::{Item, Shelf, Volume, file, noise, plan, verify_plan};
use crate::tape::Medium;

/// Hears notices, and nothing else may be told.
#[derive(Default)]
struct Notices(Mutex<Vec<String>>);

impl Monitor for Notices {
    fn notice(&self, notice: &Problem) {
        let what = format!("{}: {}", notice.path, notice.what);
        self.0.lock().unwrap().push(what);
    }

    fn problem(&self, problem: &Problem) {
        panic!("{problem:?}");
    }
}

fn items() -> [Item; 3] {
    [
        file("a", &noise(1, 300_000)),
        file("b", b"in one block"),
        file("c", &noise(2, 300_000)),
    ]
}

fn volume(codec: Codec) -> Volume {
    Volume::new("A00001L9").write_as(codec, &items())
}

/// What goes wrong with a block a number of times.
type Trouble = fn(&mut Medium, u64, u32) -> Option<u32>;

const TROUBLES: [Trouble; 2] = [
    |medium, block, times| medium.bad_for_now.insert(block, times),
    |medium, block, times| medium.garbled.insert(block, times),
];

#[test]
fn a_record_or_index_that_comes_at_last_is_told_and_no_damage() {
    for codec in [Codec::Plain, Codec::Zstd] {
        let index = volume(codec).receipts[0].info.index_block.0;
        for (number, trouble) in TROUBLES.iter().enumerate() {
            for (block, times) in [(2, 1), (4, 2), (6, 1), (index, 2)] {
                let case = format!("{codec:?} {number} {block} {times}");
                let volume = volume(codec);
                trouble(&mut volume.tape.medium(), block, times);
                let notices = Notices::default();
                let mut shelf = Shelf::of(&[&volume]);
                let report = verify(&verify_plan(&[&volume]), &mut shelf, &notices);
                assert_eq!(report.segments[0].verdict, SegmentVerdict::Good, "{case}");
                assert_eq!(report.segments[0].files_verified, 3, "{case}");
                one(&notices, block, times, &case);
            }
        }
    }
}

#[test]
fn a_file_whose_bytes_come_at_last_is_restored_whole() {
    for codec in [Codec::Plain, Codec::Zstd] {
        for (number, trouble) in TROUBLES.iter().enumerate() {
            for (block, times) in [(4, 1), (6, 2)] {
                let case = format!("{codec:?} {number} {block} {times}");
                let volume = volume(codec);
                trouble(&mut volume.tape.medium(), block, times);
                let notices = Notices::default();
                let mut shelf = Shelf::of(&[&volume]);
                let directory = tempfile::tempdir().unwrap();
                let plan = plan(directory.path(), TargetOptions::default(), &[&volume]);
                let report = restore(&plan, &mut shelf, &notices).unwrap();
                assert_eq!(
                    report.outcome,
                    RestoreOutcome::Complete,
                    "{case}: {report:?}"
                );
                assert_eq!(report.verified, 3, "{case}");
                assert_eq!(notices.0.lock().unwrap().len(), 1, "{case}");
                for item in items() {
                    let name = String::from_utf8(item.member.path).unwrap();
                    let back = std::fs::read(directory.path().join(name)).unwrap();
                    assert!(back == item.payload, "{case}");
                }
            }
        }
    }
}

#[test]
fn behind_a_record_that_stays_wrong_others_are_read_again_as_before() {
    for trouble in TROUBLES {
        let volume = volume(Codec::Plain);
        volume.tape.medium().garbled.insert(2, u32::MAX);
        trouble(&mut volume.tape.medium(), 6, 1);
        let mut shelf = Shelf::of(&[&volume]);
        let report = verify(&verify_plan(&[&volume]), &mut shelf, &Silent);
        let bad: Vec<u64> = report.segments[0]
            .bad_records
            .iter()
            .map(|record| record.block.0)
            .collect();
        assert_eq!(bad, [2]);
    }
}

/// The one notice: tape, block and attempt.
fn one(notices: &Notices, block: u64, times: u32, case: &str) {
    let heard = notices.0.lock().unwrap();
    assert_eq!(heard.len(), 1, "{case}: {heard:?}");
    let attempt = format!("attempt {}", times + 1);
    for words in ["A00001L9", &format!("block {block} "), &attempt] {
        assert!(heard[0].contains(words), "{case}, {words}: {heard:?}");
    }
}

#[test]
fn what_is_passed_on_the_way_is_not_read_again() {
    let mut items = items().to_vec();
    items.push(file("d", b"behind the others"));
    let volume = Volume::new("A00001L9").write(&items);
    let (wanted, bad) = ([&b"b"[..], b"d"], volume.block_of("c") + 2);
    volume.tape.medium().bad.insert(bad);
    let directory = tempfile::tempdir().unwrap();
    let mut plan = plan(directory.path(), TargetOptions::default(), &[&volume]);
    let is_wanted = |path: &[u8]| wanted.contains(&path);
    plan.volumes[0].reads.retain(|read| is_wanted(&read.path));
    let mut shelf = Shelf::of(&[&volume]);
    let report = restore(&plan, &mut shelf, &Notices::default()).unwrap();
    assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
    assert_eq!(report.files, 2, "{report:?}");
    assert_eq!(volume.tape.medium().bad_reads, 1);
}

#[test]
fn where_reading_again_helps_nowhere_it_ends() {
    let volume = volume(Codec::Plain);
    let blocks = volume.receipts[0].info.records;
    let blocks = 2..2 + blocks;
    let count = blocks.clone().count() as u64;
    volume.tape.medium().bad.extend(blocks);
    let mut shelf = Shelf::of(&[&volume]);
    let report = verify(
        &verify_plan(&[&volume]),
        &mut shelf,
        &tapewright::monitor::Silent,
    );
    assert_eq!(report.segments[0].verdict, SegmentVerdict::Bad);
    // Three times each of eight, then once.
    assert!(count > 8);
    assert_eq!(volume.tape.medium().bad_reads, 3 * 8 + count - 8);
}
