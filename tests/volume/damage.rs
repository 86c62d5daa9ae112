//! Damage to a segment's records: each kind is found, and pinned to its files.

use crate::memory_tape::{MemoryTape, Object};
use crate::support::{BLOCK_BYTES, block, file, label, noise, write_volume};
use tapewright::units::BlockAddress;
use tapewright::volume::VolumeError;
use tapewright::volume::check::{FaultKind, RecordFault, check_records};
use tapewright::volume::index::{Index, read_index};
use tapewright::volume::read::RecordReader;

/// A segment of 11 records at blocks 2 to 12: `a` and `b` share record 2, `b` reaches to
/// record 4, `c` to 12.
fn tape() -> (MemoryTape, Index) {
    let members = [("a", 30_000), ("b", 150_000), ("c", 500_000)];
    let members = members
        .iter()
        .map(|&(name, bytes)| (file(name, bytes), noise(bytes, bytes as usize)))
        .collect();
    let mut tape = MemoryTape::new();
    write_volume(&mut tape, &label(BLOCK_BYTES), &[members]);
    let index = read_index(&mut tape, BLOCK_BYTES, block(14)).unwrap();
    assert_eq!(index.info.records, 11);
    (tape, index)
}

fn objects(tape: &mut MemoryTape) -> &mut Vec<Object> {
    &mut tape.objects
}

fn flip(tape: &mut MemoryTape, at: u64) {
    tape.block_mut(block(at))[4711] ^= 0x10;
}

#[test]
fn every_damage_is_named_with_the_files_in_it() {
    use FaultKind::{Damaged, Doubled, Exchanged, Lost, Unreadable};
    type Damage = fn(&mut MemoryTape);
    type Faults = Vec<(u64, FaultKind, &'static str)>;
    let table: Vec<(&str, Damage, Faults)> = vec![
        ("nothing", |_| {}, vec![]),
        ("flipped bit", |t| flip(t, 2), vec![(2, Damaged, "ab")]),
        (
            "flipped bit in the last",
            |t| flip(t, 12),
            vec![(12, Damaged, "c")],
        ),
        (
            "two in a row",
            |t| {
                flip(t, 3);
                flip(t, 4);
            },
            vec![(3, Damaged, "b"), (4, Damaged, "bc")],
        ),
        (
            "zeroed",
            |t| t.block_mut(block(3)).fill(0),
            vec![(3, Damaged, "b")],
        ),
        (
            "short",
            |t| t.block_mut(block(6)).truncate(512),
            vec![(6, Damaged, "c")],
        ),
        (
            "long",
            |t| t.block_mut(block(6)).push(0),
            vec![(6, Damaged, "c")],
        ),
        (
            "unreadable",
            |t| objects(t)[4] = Object::Unreadable,
            vec![(4, Unreadable, "bc")],
        ),
        (
            "lost",
            |t| drop(objects(t).remove(4)),
            vec![(4, Lost, "bc")],
        ),
        (
            "the first lost",
            |t| drop(objects(t).remove(2)),
            vec![(2, Lost, "ab")],
        ),
        (
            "the last lost",
            |t| drop(objects(t).remove(12)),
            vec![(12, Lost, "c")],
        ),
        (
            "three lost",
            |t| drop(objects(t).drain(3..6)),
            vec![(3, Lost, "b"), (4, Lost, "bc"), (5, Lost, "c")],
        ),
        (
            "repeated",
            |t| {
                let again = objects(t)[5].clone();
                objects(t).insert(6, again);
            },
            vec![(6, Doubled, "")],
        ),
        (
            "the last repeated",
            |t| {
                let again = objects(t)[12].clone();
                objects(t).insert(12, again);
            },
            vec![(13, Doubled, "")],
        ),
        (
            "neighbours exchanged",
            |t| objects(t).swap(3, 4),
            vec![(3, Exchanged { with: block(4) }, "b")],
        ),
        (
            "distant exchanged",
            |t| objects(t).swap(2, 9),
            vec![(2, Exchanged { with: block(9) }, "ab")],
        ),
        (
            "lost and flipped",
            |t| {
                flip(t, 10);
                objects(t).remove(4);
            },
            vec![(4, Lost, "bc"), (10, Damaged, "c")],
        ),
    ];
    for (what, damage, expected) in table {
        let (mut tape, index) = tape();
        damage(&mut tape);
        let faults = check_records(&mut tape, &index).unwrap();
        let found: Vec<(u64, FaultKind, String)> = faults
            .iter()
            .map(|fault: &RecordFault| {
                let files = fault
                    .files(&index)
                    .map(|f| String::from_utf8(f.path.clone()).unwrap());
                (fault.block.0, fault.kind, files.collect())
            })
            .collect();
        let expected: Vec<(u64, FaultKind, String)> = expected
            .into_iter()
            .map(|(at, kind, files)| (at, kind, files.to_owned()))
            .collect();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn a_reader_stops_at_the_bad_record_and_can_go_on_behind_it() {
    let (mut tape, index) = tape();
    flip(&mut tape, 3);
    objects(&mut tape)[5] = Object::Unreadable;
    let mut reader = RecordReader::new(&mut tape, BLOCK_BYTES);
    reader.check_against(&index);
    let mut outcome = |name: &str| {
        let line = index
            .files
            .iter()
            .find(|line| line.path == name.as_bytes())
            .unwrap();
        reader.open_member(&line.place);
        let (mut good, mut lost, mut bad) = (0, 0, Vec::<BlockAddress>::new());
        loop {
            let before = reader.rest_bytes();
            match reader.chunk().map(|chunk| chunk.map(<[u8]>::len)) {
                Ok(Some(bytes)) => good += bytes as u64,
                Ok(None) => break,
                Err(VolumeError::WrongCrc { block, .. } | VolumeError::Drive { block, .. }) => {
                    bad.push(block);
                    lost += before - reader.rest_bytes();
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(good + lost, line.place.length_bytes);
        (lost, bad)
    };
    assert_eq!(outcome("a"), (0, vec![]));
    assert_eq!(outcome("b"), (65_536, vec![block(3)]));
    assert_eq!(outcome("c"), (65_536, vec![block(5)]));
}

#[test]
fn neighbouring_members_need_one_motion() {
    let (mut tape, index) = tape();
    let before = tape.motions;
    let mut reader = RecordReader::new(&mut tape, BLOCK_BYTES);
    for line in &index.files {
        reader.open_member(&line.place);
        while reader.chunk().unwrap().is_some() {}
    }
    assert_eq!(tape.motions, before + 1);
}
