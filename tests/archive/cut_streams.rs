//! Tar streams that end early, or claim more than they bring: on tape is what came, and no more.

use std::fs;

use tapewright::engine::archive::Outcome;
use tapewright::volume::index::FileLine;
use tapewright::volume::member::{Condition, Kind};

use crate::case::{Case, noise};
use crate::streams::{Ran, run_case, shell, tar};

/// Segments of this size have parts of a quarter of it.
const SEGMENT_BYTES: u64 = 16 << 20;
const PART_BYTES: usize = 4 << 20;

/// A ustar header of a file that claims this size.
fn header(name: &str, size_bytes: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put =
        |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size_bytes:011o}\0"));
    put(136, "00000001000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Archives a stream of these bytes; also says how many bytes the segments take on tape.
fn run_stream(stream: &[u8]) -> (Ran, u64) {
    let mut case = Case::new();
    case.file("stream", stream);
    case.plan.sources = vec![tar(format!("cat {}", case.path("stream").display()))];
    case.plan.segment_limit_bytes = SEGMENT_BYTES;
    let ran = run_case(&case).unwrap();
    let lengths = ran.lines.values().map(|line| line.place.length_bytes);
    let stored = lengths.sum();
    (ran, stored)
}

#[test]
fn a_member_that_ends_early_has_the_size_that_came() {
    let most = (8 << 30) - 1;
    let cases: [(u64, usize, usize); 9] = [
        (most, 0, 1),
        (most, 100, 1),
        (most, 1_000_000, 1),
        (most, PART_BYTES, 1),
        (most, PART_BYTES + 1, 2),
        (most, 2 * PART_BYTES, 2),
        (most, 2 * PART_BYTES + 5, 3),
        (1000, 300, 1),
        (300_000, 299_999, 1),
    ];
    for (claimed, came, members) in cases {
        let data = noise(3, came);
        let stream = [
            header("first", 512),
            noise(4, 512),
            header("big", claimed),
            data.clone(),
        ];
        let (ran, stored) = run_stream(&stream.concat());
        assert_eq!(ran.report.outcome, Outcome::Partial, "{claimed} {came}");
        let problems = ran.problems();
        assert!(
            problems.contains("/host/big: the stream ended in it"),
            "{problems}"
        );
        assert!(ran.files[&b"host/big"[..]] == data, "{claimed} {came}");
        assert!(ran.files[&b"host/first"[..]] == noise(4, 512));
        assert!(
            stored < came as u64 + (64 << 10),
            "{claimed} {came}: {stored} bytes on tape"
        );

        let lines = ran.lines.values().filter(|line| line.path == b"host/big");
        let mut lines: Vec<_> = lines.collect();
        lines.sort_by_key(|line| line.part.map(|part| part.number));
        assert_eq!(lines.len(), members, "{claimed} {came}");
        let (last, before) = lines.split_last().unwrap();
        assert_eq!(last.condition, Condition::Unreadable, "{claimed} {came}");
        assert_eq!(last.size_bytes, came as u64, "{claimed} {came}");
        assert!(last.part.is_none_or(|part| part.last && part.open));
        assert_eq!(last.part.is_some(), members > 1, "{claimed} {came}");
        let goes_on = |line: &&FileLine| {
            line.condition == Condition::Whole && line.part.is_some_and(|part| !part.last)
        };
        assert!(before.iter().all(goes_on), "{claimed} {came}");
    }
}

#[test]
fn a_long_member_is_in_parts_and_the_next_one_whole() {
    let long = noise(5, 2 * PART_BYTES + 1000);
    let short = noise(6, PART_BYTES);
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("long"), &long).unwrap();
    fs::write(place.path().join("short"), &short).unwrap();
    let mut case = Case::new();
    case.plan.segment_limit_bytes = SEGMENT_BYTES;
    case.plan.sources = vec![tar(format!(
        "tar -C {} -cf - long short",
        place.path().display()
    ))];
    let ran = run_case(&case).unwrap();
    ran.expect_complete();
    assert!(ran.files[&b"host/long"[..]] == long);
    assert!(ran.files[&b"host/short"[..]] == short);
    let parts = ran.lines.values().filter(|line| line.part.is_some());
    let names: Vec<_> = parts
        .map(|line| (&line.path[..], line.size_bytes))
        .collect();
    let sizes = [PART_BYTES, 2 * PART_BYTES, long.len()];
    assert_eq!(names, sizes.map(|size| (&b"host/long"[..], size as u64)));
}

/// A file of 32 MiB: 512 KiB of data in each MiB, but for a hole of 5 MiB at its end.
const SPARSE: &str = "truncate -s 32M sparse
    for at in $(seq 0 26); do
        head -c 524288 /dev/urandom |
            dd of=sparse bs=64K seek=$((at * 16)) conv=notrunc status=none
    done";

#[test]
fn a_sparse_member_in_parts_keeps_its_holes_and_its_end() {
    let place = tempfile::tempdir().unwrap();
    shell(SPARSE, place.path());
    let whole = fs::read(place.path().join("sparse")).unwrap();
    for format in ["gnu", "pax"] {
        let command = format!(
            "tar -C {} -S --format={format} -cf - sparse",
            place.path().display()
        );
        // All of it, and all but its last piece and a bit of the one before.
        for (command, came) in [
            (command.clone(), whole.len()),
            (format!("{command} | head -c {}", 26 * (512 << 10)), 0),
        ] {
            let mut case = Case::new();
            case.plan.segment_limit_bytes = SEGMENT_BYTES;
            case.plan.sources = vec![tar(command.clone())];
            let ran = run_case(&case).unwrap();
            let content = &ran.files[&b"host/sparse"[..]];
            let numbers = ran
                .lines
                .values()
                .filter_map(|line| Some(line.part?.number));
            assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3, 4], "{command}");
            let stored: u64 = ran.lines.values().map(|line| line.place.length_bytes).sum();
            assert!(stored < 15 << 20, "{command}: {stored}");
            if came > 0 {
                ran.expect_complete();
                assert!(*content == whole, "{command}");
            } else {
                assert_eq!(ran.report.outcome, Outcome::Partial, "{command}");
                let end = content.len();
                assert!((25 << 20..26 << 20).contains(&end), "{command}: {end}");
                assert!(*content == whole[..end], "{command}");
            }
            assert!(ran.lines.values().all(|line| line.kind == Kind::File));
        }
    }
}
