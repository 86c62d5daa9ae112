//! Our own tapes without a label, an index or a segment: what cannot be sure is named.

use std::fs;

use tapewright::engine::rescue::Doubted;
use tapewright::volume::index::Codec;
use tempfile::TempDir;

use super::{files, lost, options, rescued, volume};
use crate::rig::{BLOCK_BYTES, Volume, file};
use crate::tape::{Object, Tape};

const ALL_OF_SEGMENT_1: [&str; 6] = ["d", "d/a", "d/b", "d/c", "d/d", "d/e"];

struct Case {
    what: &'static str,
    inflict: fn(&Tape),
    /// What is in doubt, and the tape file.
    doubts: &'static [(Doubted, u64)],
    /// Named as lost.
    lost: &'static [&'static str],
    /// The file of segment 2 is proven.
    second_is_sure: bool,
}

/// Has zeros instead of blocks.
fn blank(tape: &Tape, blocks: &[usize]) {
    for block in blocks {
        tape.medium().objects[*block] = Object::Record(vec![0; BLOCK_BYTES as usize]);
    }
}

/// Flips a byte so far behind the first place with these bytes.
fn flip_behind(tape: &Tape, block: u64, wanted: &[u8], by: usize) {
    let at = match &tape.medium().objects[block as usize] {
        Object::Record(bytes) => bytes.windows(wanted.len()).position(|at| at == wanted),
        Object::Filemark => None,
    };
    tape.flip(block, at.unwrap() + by);
}

/// Segment 1 is blocks 2 to 12 and its index 14, segment 2 is 16 and its index 18.
#[rustfmt::skip]
const CASES: [Case; 21] = {
    use Doubted::{Index, Label};
    const ONE: Doubted = Doubted::Segments { first: 1, last: Some(1) };
    const FROM_TWO: Doubted = Doubted::Segments { first: 2, last: None };
    const fn case(
        what: &'static str,
        inflict: fn(&Tape),
        doubts: &'static [(Doubted, u64)],
    ) -> Case {
        Case { what, inflict, doubts, lost: &[], second_is_sure: true }
    }
    const fn unsure(case: Case) -> Case {
        Case { second_is_sure: false, ..case }
    }
    [
        case("nothing", |_| {}, &[]),
        case("the label is zeros", |tape| blank(tape, &[0]), &[(Label, 0)]),
        case("there is no label", |tape| drop(tape.medium().objects.drain(..2)), &[(Label, 0)]),
        case(
            "there is only the filemark of a label",
            |tape| drop(tape.medium().objects.remove(0)),
            &[(Label, 0)],
        ),
        case(
            "the label does not say which volume it is",
            |tape| flip_behind(tape, 0, b"\"kind\":", 0),
            &[(Label, 0)],
        ),
        case("an index is zeros", |tape| blank(tape, &[14]), &[(Index(1), 1)]),
        case(
            "a byte of an index is another",
            |tape| flip_behind(tape, 14, b"files.jsonl.zst", 520),
            &[(Index(1), 1)],
        ),
        case("an index cannot be read", |tape| tape.medium().bad.extend([14]), &[(Index(1), 1)]),
        case(
            "an index is missing",
            |tape| drop(tape.medium().objects.drain(14..16)),
            &[(Index(1), 1)],
        ),
        case(
            "an index is a filemark alone",
            |tape| drop(tape.medium().objects.remove(14)),
            &[(Index(1), 1)],
        ),
        case("an index is that of another volume", |tape| {
            let other = Volume::new("A00002L9").write(&[file("other", b"volume")]);
            let index = other.tape.medium().objects[4].clone();
            tape.medium().objects[14] = index;
        }, &[(Index(1), 1)]),
        case("both filemarks of an index are missing: of two in a file one is read", |tape| {
            tape.medium().objects.remove(17);
            tape.medium().objects.remove(15);
        }, &[(Index(1), 1)]),
        unsure(case(
            "the last index is missing",
            |tape| tape.medium().objects.truncate(18),
            &[(Index(2), 3)],
        )),
        unsure(case(
            "all indexes are zeros",
            |tape| blank(tape, &[14, 18]),
            &[(Index(1), 1), (Index(2), 3)],
        )),
        unsure(case(
            "label and indexes are zeros",
            |tape| blank(tape, &[0, 14, 18]),
            &[(Label, 0), (Index(1), 1), (Index(2), 3)],
        )),
        Case {
            lost: &ALL_OF_SEGMENT_1,
            ..case(
                "a segment is zeros",
                |tape| blank(tape, &(2..13).collect::<Vec<_>>()),
                &[],
            )
        },
        Case {
            lost: &ALL_OF_SEGMENT_1,
            ..case("a segment is missing", |tape| drop(tape.medium().objects.drain(2..14)), &[])
        },
        case(
            "a segment and its index are zeros",
            |tape| blank(tape, &(2..13).chain([14]).collect::<Vec<_>>()),
            &[(ONE, 1)],
        ),
        case(
            "a segment and its index are missing",
            |tape| drop(tape.medium().objects.drain(2..16)),
            &[(ONE, 1)],
        ),
        unsure(case(
            "the last segment and its index are zeros",
            |tape| blank(tape, &[16, 18]),
            &[(FROM_TWO, 3)],
        )),
        case(
            "label and first record of a segment are zeros: what follows is not known as ours",
            |tape| blank(tape, &[0, 2]),
            &[(Label, 0), (Index(1), 1)],
        ),
    ]
};

#[test]
fn a_tape_of_ours_that_lacks_something_is_not_sure_and_the_rest_of_it_is() {
    for case in CASES {
        let what = case.what;
        let volume = volume(Codec::Plain);
        (case.inflict)(&volume.tape);
        let dir = TempDir::new().unwrap();
        let report = rescued(&volume.tape, &options(dir.path()));
        let doubts: Vec<_> = report
            .doubts
            .iter()
            .map(|doubt| (doubt.about, doubt.file.0))
            .collect();
        assert_eq!(doubts, case.doubts, "{what}: {report:?}");
        assert_eq!(lost(&report), case.lost, "{what}");
        let is_whole = case.doubts.is_empty() && case.lost.is_empty();
        assert_eq!(report.is_whole(), is_whole, "{what}: {report:?}");
        let record = fs::read_to_string(dir.path().join("rescued.jsonl")).unwrap();
        let line = record.lines().find(|line| line.contains("\"second\""));
        let is_sure = line.is_some_and(|line| line.contains("\"proof\":\"digest\""));
        assert_eq!(is_sure, case.second_is_sure, "{what}: {record}");
    }
}

#[test]
fn filemarks_that_are_missing_cost_no_proof() {
    // Behind label, segment 1, its index, segment 2; or several of them.
    for marks in [&[1][..], &[13], &[15], &[17], &[15, 13], &[17, 13]] {
        let volume = volume(Codec::Plain);
        for mark in marks {
            volume.tape.medium().objects.remove(*mark);
        }
        let dir = TempDir::new().unwrap();
        let report = rescued(&volume.tape, &options(dir.path()));
        assert!(report.is_whole(), "{marks:?}: {report:?}");
        let record = fs::read_to_string(dir.path().join("rescued.jsonl")).unwrap();
        for name in ["\"d/a\"", "\"d/e\"", "\"second\""] {
            let line = record.lines().find(|line| line.contains(name)).unwrap();
            assert!(line.contains("\"proof\":\"digest\""), "{marks:?}: {line}");
        }
    }
}

#[test]
fn where_nothing_is_saved_nothing_is_left() {
    let strange = Object::Record(b"no archive at all".repeat(1000));
    for objects in [
        vec![],
        vec![strange.clone()],
        vec![strange, Object::Filemark],
    ] {
        let tape = Tape::default();
        tape.medium().objects = objects;
        let dir = TempDir::new().unwrap();
        rescued(&tape, &options(&dir.path().join("to/tape")));
        assert!(!dir.path().join("to").exists(), "{:?}", files(dir.path()));
    }
}
