//! Scanning a volume: from its indexes, without them, and with a tail that was cut off.

use std::ops::ControlFlow;

use crate::memory_tape::{MemoryTape, Object};
use crate::support::{BLOCK_BYTES, block, file, label, noise, segment_id, write_volume};
use crate::zoo;
use tapewright::units::BlockAddress;
use tapewright::volume::VolumeError;
use tapewright::volume::append::{AppendPoint, VolumeAppender};
use tapewright::volume::index::{FileLine, IndexError};
use tapewright::volume::label::{Label, recover_label};
use tapewright::volume::member::{Condition, Member};
use tapewright::volume::receipt::SegmentReceipt;
use tapewright::volume::scan::{Depth, Finding, scan_volume};

/// Three segments: the zoo, a large file, small ones.
fn tape() -> (MemoryTape, Vec<SegmentReceipt>) {
    let small = |n: u64| (file(&format!("small/{n}"), 20_000), noise(n, 20_000));
    let large: Vec<(Member, Vec<u8>)> = vec![
        (file("large", 400_000), noise(1, 400_000)),
        (file("behind", 100), noise(2, 100)),
    ];
    let mut tape = MemoryTape::new();
    let segments = [zoo::members(), large, (0..20).map(small).collect()];
    let written = write_volume(&mut tape, &label(BLOCK_BYTES), &segments);
    (
        tape,
        written
            .into_iter()
            .map(|finished| finished.receipt)
            .collect(),
    )
}

#[derive(Debug, Default)]
struct Scanned {
    segments: Vec<SegmentReceipt>,
    damage: Vec<u64>,
    /// What was said of each.
    said: Vec<String>,
    incomplete: Vec<u64>,
    next: Option<AppendPoint>,
}

fn scan_from(tape: &mut MemoryTape, from: &AppendPoint, depth: Depth) -> Scanned {
    let mut scanned = Scanned::default();
    let next = scan_volume(tape, &label(BLOCK_BYTES), from, depth, &mut |finding| {
        match finding {
            Finding::Segment(receipt) => scanned.segments.push(*receipt),
            Finding::Damage { block, what } => {
                scanned.damage.push(block.0);
                scanned.said.push(what);
            }
            Finding::Incomplete { first_block, .. } => scanned.incomplete.push(first_block.0),
        }
        ControlFlow::Continue(())
    });
    scanned.next = Some(next.unwrap());
    scanned
}

fn scan(tape: &mut MemoryTape, depth: Depth) -> Scanned {
    scan_from(tape, &AppendPoint::first(), depth)
}

#[test]
fn scanning_gives_the_receipts_that_writing_gave() {
    let (mut tape, receipts) = tape();
    for depth in [Depth::Indexes, Depth::Records] {
        let scanned = scan(&mut tape, depth);
        assert_eq!(scanned.segments, receipts);
        assert_eq!((scanned.damage, scanned.incomplete), (vec![], vec![]));
        let next = scanned.next.unwrap();
        assert_eq!(next, AppendPoint::behind(&receipts[2]));
        VolumeAppender::open(&mut tape, &label(BLOCK_BYTES), &next).unwrap();
    }
    let behind_first = AppendPoint::behind(&receipts[0]);
    let later = scan_from(&mut tape, &behind_first, Depth::Records);
    assert_eq!(later.segments, receipts[1..]);
}

#[test]
fn a_volume_without_segments_is_no_problem() {
    let mut tape = MemoryTape::new();
    write_volume(&mut tape, &label(BLOCK_BYTES), &[]);
    let scanned = scan(&mut tape, Depth::Indexes);
    assert!(scanned.segments.is_empty() && scanned.incomplete.is_empty());
    assert_eq!(scanned.next, Some(AppendPoint::first()));
}

/// A line as the headers alone give it.
fn from_headers(line: &FileLine) -> FileLine {
    FileLine {
        digest: None,
        condition: Condition::Whole,
        ..line.clone()
    }
}

#[test]
fn a_damaged_index_is_replaced_by_the_headers_of_its_segment() {
    // Which numbers in the run its neighbours tell: of two in a row the second one's alone.
    let cases: [(&[usize], &[u64]); 4] = [
        (&[0, 1], &[0, 2]),
        (&[0], &[1]),
        (&[1], &[2]),
        (&[0, 1, 2], &[0, 0, 0]),
    ];
    for ((numbers, job_segments), unreadable) in cases
        .into_iter()
        .flat_map(|case| [(case, false), (case, true)])
    {
        let (mut tape, receipts) = tape();
        for &number in numbers {
            let at = receipts[number].info.index_block;
            if unreadable {
                tape.objects[at.0 as usize] = Object::Unreadable;
            } else {
                tape.block_mut(at)[2000] ^= 1;
            }
        }
        let scanned = scan(&mut tape, Depth::Indexes);
        let damaged = numbers
            .iter()
            .map(|&number| receipts[number].info.index_block.0);
        assert_eq!(scanned.damage, damaged.collect::<Vec<_>>());
        assert_eq!(scanned.segments.len(), 3);
        for (number, receipt) in receipts.iter().enumerate() {
            if !numbers.contains(&number) {
                assert_eq!(scanned.segments[number], *receipt);
            }
        }
        for (&number, &job_segment) in numbers.iter().zip(job_segments) {
            let (salvaged, receipt) = (&scanned.segments[number], &receipts[number]);
            assert!(salvaged.salvaged);
            assert_eq!(salvaged.info.job_segment, job_segment, "{numbers:?}");
            let known = salvaged.info.job == receipt.info.job;
            assert_eq!(
                known,
                numbers.len() < 3,
                "the run, from a segment beside it"
            );
            if !known {
                // What is known all the same: where it is, and that it came behind the label.
                let name = format!("unnamed-{}-1", receipt.info.barcode);
                let since = label(BLOCK_BYTES).labelled_at;
                let found = &salvaged.info.job;
                assert_eq!((&found.name, found.started_at), (&name, since));
                assert!(scanned.said[0].contains(&name), "{:?}", scanned.said);
            }
            let expected: Vec<FileLine> = receipt.files.iter().map(from_headers).collect();
            assert_eq!(salvaged.files, expected);
            assert_eq!(salvaged.end_block, receipt.end_block);
            let (found, info) = (&salvaged.info, &receipt.info);
            assert_eq!((found.segment, found.job.id), (info.segment, info.job.id));
            assert_eq!(
                (found.files, found.file_bytes),
                (info.files, info.file_bytes)
            );
            assert_eq!(
                (found.first_block, found.records),
                (info.first_block, info.records)
            );
            assert_eq!(found.previous_indexes, info.previous_indexes);
        }
        let next = scanned.next.unwrap();
        assert_eq!(next, AppendPoint::behind(&receipts[2]));
    }
}

#[test]
fn salvage_loses_only_the_files_in_bad_records() {
    let (mut good, receipts) = tape();
    let first = receipts[2].info.first_block;
    // 20 files of 20 KB: records of 64 KiB hold the ends and headers of several.
    for bad in 0..receipts[2].info.records {
        let mut tape = good.clone();
        tape.block_mut(receipts[2].info.index_block)[2000] ^= 1;
        tape.objects[first.plus(bad).0 as usize] = Object::Unreadable;
        let scanned = scan(&mut tape, Depth::Indexes);
        assert!(scanned.damage.contains(&first.plus(bad).0));
        let salvaged = &scanned.segments[2];
        let untouched: Vec<FileLine> = receipts[2]
            .files
            .iter()
            .filter(|line| {
                let records =
                    line.place.block.0..line.place.block.0 + line.place.records(BLOCK_BYTES);
                !records.contains(&first.plus(bad).0)
            })
            .map(from_headers)
            .collect();
        let whole: Vec<FileLine> = salvaged
            .files
            .iter()
            .filter(|line| line.condition == Condition::Whole)
            .cloned()
            .collect();
        assert_eq!(whole, untouched, "record {bad}");
        // Files whose header survived are named even though their data did not.
        let hurt = salvaged.files.len() - whole.len();
        assert!(hurt <= 1, "{hurt} files");
    }
    assert_eq!(scan(&mut good, Depth::Indexes).segments, receipts);
}

#[test]
fn a_large_files_bad_record_hurts_no_other() {
    let (mut tape, receipts) = tape();
    tape.block_mut(receipts[1].info.index_block)[2000] ^= 1;
    let inside = receipts[1].info.first_block.plus(3);
    tape.objects[inside.0 as usize] = Object::Unreadable;
    let scanned = scan(&mut tape, Depth::Indexes);
    let conditions: Vec<Condition> = scanned.segments[1]
        .files
        .iter()
        .map(|line| line.condition)
        .collect();
    assert_eq!(conditions, [Condition::Unreadable, Condition::Whole]);
}

#[test]
fn only_complete_segments_of_the_tail_are_adopted() {
    let (whole, receipts) = tape();
    let confirmed = AppendPoint::behind(&receipts[0]);
    let ends: Vec<u64> = receipts.iter().map(|receipt| receipt.end_block.0).collect();
    for length in ends[0]..=ends[2] {
        let mut tape = MemoryTape::holding(whole.objects[..length as usize].to_vec());
        tape.no_end_mark = length % 2 == 0;
        let scanned = scan_from(&mut tape, &confirmed, Depth::Records);
        let complete = ends[1..].iter().filter(|end| **end <= length).count();
        assert_eq!(scanned.segments, receipts[1..=complete], "{length} objects");
        let cut = !ends.contains(&length);
        let expected = if cut { vec![ends[complete]] } else { vec![] };
        assert_eq!(scanned.incomplete, expected, "{length} objects");
        let next = scanned.next.unwrap();
        assert_eq!(next, AppendPoint::behind(&receipts[complete]));
        VolumeAppender::open(&mut tape, &label(BLOCK_BYTES), &next).unwrap();
    }
}

#[test]
fn damage_in_a_tail_hides_no_segment_behind_it() {
    let (whole, receipts) = tape();
    let confirmed = AppendPoint::behind(&receipts[0]);
    let (record, index) = (
        receipts[1].info.first_block.plus(3),
        receipts[1].info.index_block,
    );
    for (at, unreadable) in [record, index]
        .into_iter()
        .flat_map(|at| [(at, false), (at, true)])
    {
        let mut tape = whole.clone();
        if unreadable {
            tape.objects[at.0 as usize] = Object::Unreadable;
        } else {
            tape.block_mut(at)[2000] ^= 1;
        }
        let scanned = scan_from(&mut tape, &confirmed, Depth::Records);
        assert_eq!(scanned.damage, [at.0]);
        assert!(scanned.incomplete.is_empty());
        let [hurt, behind] = &scanned.segments[..] else {
            panic!("{} segments", scanned.segments.len());
        };
        assert_eq!(hurt.salvaged, at == index);
        assert_eq!(hurt.end_block, receipts[1].end_block);
        assert_eq!(*behind, receipts[2]);
        assert_eq!(scanned.next, Some(AppendPoint::behind(&receipts[2])));
    }
}

/// Makes the index at `at` one of a later format, with right digests.
fn make_later(tape: &mut MemoryTape, at: BlockAddress) {
    fn find(within: &[u8], wanted: &[u8]) -> usize {
        let mut windows = within.windows(wanted.len());
        windows.position(|bytes| bytes == wanted).unwrap()
    }
    let record = tape.block_mut(at);
    let json = 512..find(record, b"\n}\n") + 3;
    let before = blake3::hash(&record[json.clone()]).to_hex();
    let format = find(record, b"\"format\": 1") + 10;
    record[format] = b'9';
    let after = blake3::hash(&record[json]).to_hex();
    let sum = find(record, before.as_bytes());
    record[sum..sum + after.len()].copy_from_slice(after.as_bytes());
}

#[test]
fn an_index_of_a_later_format_is_not_taken_for_damage() {
    for depth in [Depth::Indexes, Depth::Records] {
        let (mut tape, receipts) = tape();
        make_later(&mut tape, receipts[1].info.index_block);
        let each = &mut |_| ControlFlow::Continue(());
        let from = AppendPoint::first();
        let error = scan_volume(&mut tape, &label(BLOCK_BYTES), &from, depth, each).unwrap_err();
        let later = |source: &IndexError| matches!(source, IndexError::TooNew { .. });
        assert!(
            matches!(&error, VolumeError::Index { source, .. } if later(source)),
            "{error:?}"
        );
    }
}

#[test]
fn a_segment_that_is_all_damage_is_listed_up_to_a_bound() {
    let mut tape = MemoryTape::new();
    write_volume(&mut tape, &label(BLOCK_BYTES), &[]);
    tape.objects.extend(vec![Object::Unreadable; 3000]);
    tape.objects.push(Object::Filemark);
    tape.objects
        .push(Object::Block(vec![0; BLOCK_BYTES as usize]));
    tape.objects.push(Object::Filemark);
    // Its one record is there, so that the scan finds where the segment begins.
    tape.objects[2] = Object::Block(vec![0; BLOCK_BYTES as usize]);
    let mut places = 0;
    let mut last = String::new();
    let (from, label) = (AppendPoint::first(), label(BLOCK_BYTES));
    scan_volume(&mut tape, &label, &from, Depth::Indexes, &mut |finding| {
        if let Finding::Damage { what, .. } = finding {
            places += 1;
            last = what;
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!((1_000..1_010).contains(&places), "{places} places");
    assert!(last.contains("further places"), "{last}");
}

#[test]
fn what_a_lost_label_said_is_in_the_first_and_the_last_index() {
    let (whole, receipts) = tape();
    let written = label(BLOCK_BYTES);
    let spoils: [&[u64]; 3] = [&[0], &[0, 2, 3], &[0, 2, receipts[0].info.index_block.0]];
    for spoilt in spoils {
        let mut tape = whole.clone();
        for &at in spoilt {
            tape.objects[at as usize] = Object::Unreadable;
        }
        let found = recover_label(&mut tape).unwrap().unwrap();
        let told = |label: &Label| {
            let Label { barcode, pool, .. } = label.clone();
            (label.volume, barcode, pool, label.block_bytes)
        };
        assert_eq!(told(&found), told(&written), "{spoilt:?}");
    }
    let mut empty = MemoryTape::new();
    assert_eq!(recover_label(&mut empty).unwrap(), None);
    let mut foreign = MemoryTape::holding(vec![Object::Block(vec![7; 10_240]); 9]);
    assert_eq!(recover_label(&mut foreign).unwrap(), None);
}

#[test]
fn segments_of_another_volume_are_refused() {
    let (mut tape, _) = tape();
    let mut other = label(BLOCK_BYTES);
    other.volume = segment_id(99);
    let from = AppendPoint::first();
    let each = &mut |_| ControlFlow::Continue(());
    let error = scan_volume(&mut tape, &other, &from, Depth::Indexes, each).unwrap_err();
    assert!(matches!(error, VolumeError::WrongVolume { .. }), "{error}");
}

#[test]
fn a_scan_stops_when_told_to() {
    let (mut tape, receipts) = tape();
    let mut seen = 0;
    let from = AppendPoint::first();
    let next = scan_volume(
        &mut tape,
        &label(BLOCK_BYTES),
        &from,
        Depth::Indexes,
        &mut |_| {
            seen += 1;
            ControlFlow::Break(())
        },
    );
    assert_eq!(
        (seen, next.unwrap()),
        (1, AppendPoint::behind(&receipts[0]))
    );
    assert_eq!(receipts[0].info.first_block, block(2));
}
