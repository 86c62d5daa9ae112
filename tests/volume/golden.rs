//! A volume of format 1 as it was first written. Its files never change: what reads
//! them today must read them as long as this program exists.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::memory_tape::{MemoryTape, Object};
use crate::support::{BLOCK_BYTES, label, segment, write_volume, written_at};
use crate::zoo;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::label::{Identity, identify};
use tapewright::volume::scan::{Depth, Finding, scan_volume};

/// Each released format has a folder, and each file in it a digest here.
const GOLDEN: [(&str, &str); 3] = [
    (
        "volume-v1/file-0-label",
        "8e553c3714251d150d7141bde992e32758cf6fb99e8dedca64c59227256101be",
    ),
    (
        "volume-v1/file-1-segment",
        "cc99e87ccc32e5ae1d8584d84b7f1d72155bf15ca147b040671e189f7b65e226",
    ),
    (
        "volume-v1/file-2-index",
        "cc821b3ebb9fc1eca355cb574e0c64e6599b2a7a943c98941f0398df11dc3eeb",
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The golden tape files on a tape.
fn tape() -> MemoryTape {
    let mut objects = Vec::new();
    for (name, _) in GOLDEN {
        let records = read(name);
        objects.extend(
            records
                .chunks(BLOCK_BYTES as usize)
                .map(|r| Object::Block(r.to_vec())),
        );
        objects.push(Object::Filemark);
    }
    MemoryTape::holding(objects)
}

#[test]
fn golden_files_are_listed_and_unchanged() {
    for (name, digest) in GOLDEN {
        assert_eq!(blake3::hash(&read(name)).to_string(), digest, "{name}");
    }
    let mut found = BTreeSet::new();
    for version in std::fs::read_dir(folder()).unwrap() {
        for file in std::fs::read_dir(version.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            found.insert(
                path.strip_prefix(folder())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    let listed: BTreeSet<String> = GOLDEN.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        found, listed,
        "a golden file is not listed, or a listed one is missing"
    );
}

#[test]
fn the_golden_volume_is_read() {
    let mut tape = tape();
    assert_eq!(
        identify(&mut tape).unwrap(),
        Identity::Ours(label(BLOCK_BYTES))
    );
    let mut receipts = Vec::new();
    let from = AppendPoint::first();
    scan_volume(
        &mut tape,
        &label(BLOCK_BYTES),
        &from,
        Depth::Records,
        &mut |finding| {
            match finding {
                Finding::Segment(receipt) => receipts.push(*receipt),
                other => panic!("{other:?}"),
            }
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    let (_, expected) = segment(&label(BLOCK_BYTES), &from, &zoo::members(), true);
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].files, expected.receipt.files);
    let (found, info) = (&receipts[0].info, &expected.receipt.info);
    assert_eq!(
        (found.volume, found.segment, &found.job),
        (info.volume, info.segment, &info.job)
    );
    assert_eq!(found.written_at, written_at());
}

/// What is written today is what was written then. The index is left out: its compressed
/// member may change with the compressor; `index.rs` pins the texts in it.
#[test]
fn label_and_segment_are_written_as_ever() {
    let mut tape = MemoryTape::new();
    write_volume(&mut tape, &label(BLOCK_BYTES), &[zoo::members()]);
    for (number, (name, _)) in GOLDEN[..2].iter().enumerate() {
        assert!(tape.file(number) == read(name), "{name}");
    }
}
