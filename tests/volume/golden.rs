//! Volumes as they were first written: one of plain segments by the first version, one with a
//! compressed segment by the first that made those, and one by the first that listed its frames.
//! Their files never change: what reads them today must read them as long as this program exists.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::memory_tape::{MemoryTape, Object};
use crate::support::{BLOCK_BYTES, label, segment_as, write_volume, write_volume_as, written_at};
use crate::zoo;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::index::{Codec, JobPolicy, KeepUntil, decode};
use tapewright::volume::label::{Identity, identify, label_damage};
use tapewright::volume::scan::{Depth, Finding, scan_volume};

/// Each released format has a folder, and each file in it a digest here.
const GOLDEN: [(&str, &str); 13] = [
    (
        "index-with-policy/file-2-index",
        "6dbb8e637311413594fb0cfa3155d52862f1058b7b6df6887acd6e1d63e20119",
    ),
    (
        "label-of-digests/file-0-label",
        "d8776a8431161e9bacb48d5d94d5dd76c41dd2a8ccdf4bd6d9d19f79b019e65f",
    ),
    (
        "label-of-frames/file-0-label",
        "12ba6215d7541181a4f7fb4c5132146b622d9290924bba565f9256a6dffdfba7",
    ),
    (
        "label-with-sum/file-0-label",
        "c32c8632fb19975452222578c75bef997e474139507eddf8323059965b43012f",
    ),
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
    (
        "volume-v2/file-0-label",
        "d345a96d7344cfbb9575c4549efcd7638d2fd605408599a0b83ed088438d08f1",
    ),
    (
        "volume-v2/file-1-segment",
        "a9e508455500de3693babbbac1f8dab9353453da1e829fb3336a3d5574cda4b3",
    ),
    (
        "volume-v2/file-2-index",
        "dffd6ccca0ebb4424244e6b259596ebfb06e57e00694575b17e417fb508c9395",
    ),
    (
        "volume-v4/file-0-label",
        "12ba6215d7541181a4f7fb4c5132146b622d9290924bba565f9256a6dffdfba7",
    ),
    (
        "volume-v4/file-1-segment",
        "2503739007993fe61dcebcf6a4a524129f763157c6910817f019bd4826cb6ba1",
    ),
    (
        "volume-v4/file-2-index",
        "1c4d357ce5b4f817b81ed32b31df0e7f2c5385eb549720fd40c8ec9690f4a013",
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The golden volumes, and how their segments are stored.
const VOLUMES: [(&str, Codec); 3] = [
    ("volume-v1", Codec::Plain),
    ("volume-v2", Codec::Zstd),
    ("volume-v4", Codec::Zstd),
];
const FILES: [&str; 3] = ["file-0-label", "file-1-segment", "file-2-index"];

/// The tape files of a golden volume on a tape.
fn tape(volume: &str) -> MemoryTape {
    let mut objects = Vec::new();
    for name in FILES {
        let records = read(&format!("{volume}/{name}"));
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
    let found = GOLDEN.map(|(name, _)| (name, blake3::hash(&read(name)).to_string()));
    let listed = GOLDEN.map(|(name, digest)| (name, digest.to_owned()));
    assert_eq!(found, listed);
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
fn the_golden_volumes_are_read() {
    for (volume, codec) in VOLUMES {
        is_read(volume, codec);
    }
}

fn is_read(volume: &str, codec: Codec) {
    let mut tape = tape(volume);
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
    let (_, expected) = segment_as(codec, &label(BLOCK_BYTES), &from, &zoo::members(), true);
    assert_eq!(receipts.len(), 1);
    // Where a frame lies depends on the compressor; all members are in the first.
    assert_eq!(receipts[0].files, expected.receipt.files);
    assert_eq!(receipts[0].info.codec, codec);
    let (found, info) = (&receipts[0].info, &expected.receipt.info);
    assert_eq!(
        (found.volume, found.segment, &found.job),
        (info.volume, info.segment, &info.job)
    );
    assert_eq!(found.written_at, written_at());
}

/// What is written today is what was written then: plain segments since the first version,
/// labels since their README tells of the list of frames. What is compressed is left out,
/// since it may change with the compressor; `index.rs` pins the texts in an index.
#[test]
fn labels_and_plain_segments_are_written_as_ever() {
    let mut tape = MemoryTape::new();
    write_volume(&mut tape, &label(BLOCK_BYTES), &[zoo::members()]);
    for (number, name) in [
        (0, "label-of-frames/file-0-label"),
        (1, "volume-v1/file-1-segment"),
    ] {
        assert!(tape.file(number) == read(name), "{name}");
    }
}

/// Writes the label as it is since its README tells of two kinds of digests. Run once, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_label_of_digests() {
    let directory = folder().join("label-of-digests");
    std::fs::create_dir(&directory).expect("it is not there yet");
    let mut tape = MemoryTape::new();
    write_volume(&mut tape, &label(BLOCK_BYTES), &[zoo::members()]);
    std::fs::write(directory.join(FILES[0]), tape.file(0)).unwrap();
}

/// Writes the label as it is since its README tells of the list of frames. Run once, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_label_of_frames() {
    let directory = folder().join("label-of-frames");
    std::fs::create_dir(&directory).expect("it is not there yet");
    let mut tape = MemoryTape::new();
    write_volume(&mut tape, &label(BLOCK_BYTES), &[zoo::members()]);
    std::fs::write(directory.join(FILES[0]), tape.file(0)).unwrap();
}

/// The policy of the run in a golden index.
fn policy() -> JobPolicy {
    JobPolicy {
        pool: Some("photos".to_owned()),
        copy_pool: Some("vault".to_owned()),
        keep: Some(KeepUntil::Moment("2036-01-02T04:00:00Z".parse().unwrap())),
    }
}

#[test]
fn the_golden_index_tells_the_policy_of_its_run() {
    let index = decode(&read("index-with-policy/file-2-index")).unwrap();
    assert_eq!(index.info.job.policy, policy());
    let before = decode(&read("volume-v1/file-2-index")).unwrap();
    assert_eq!(before.info.job.policy, JobPolicy::default());
}

/// Writes an index with the policy of its run. Run once, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_index_with_policy() {
    let directory = folder().join("index-with-policy");
    std::fs::create_dir(&directory).expect("it is not there yet");
    let (bytes, _) = crate::index::with_policy(policy());
    std::fs::write(directory.join(FILES[2]), bytes).unwrap();
}

/// Labels from before have no sum, and nothing is said of them.
#[test]
fn labels_are_judged_by_their_sum_alone() {
    for (name, _) in GOLDEN.iter().filter(|(name, _)| name.ends_with(FILES[0])) {
        assert_eq!(label_damage(&read(name)), None, "{name}");
    }
    let mut bad = read("label-with-sum/file-0-label");
    bad[700] ^= 1;
    assert!(label_damage(&bad).is_some());
}

fn make_compressed(name: &str) {
    let directory = folder().join(name);
    std::fs::create_dir(&directory).expect("it is not there yet");
    let mut tape = MemoryTape::new();
    let segments = [zoo::members()];
    write_volume_as(Codec::Zstd, &mut tape, &label(BLOCK_BYTES), &segments);
    for (number, name) in FILES.iter().enumerate() {
        std::fs::write(directory.join(name), tape.file(number)).unwrap();
    }
}

/// Writes the volume of format 2. Run once, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_volume_v2() {
    make_compressed("volume-v2");
}

/// Segments of format 2 have no list of frames, those of format 4 have one.
#[test]
fn the_golden_indexes_list_frames_since_format_4() {
    for (volume, format, frames) in [("volume-v2", 2, None), ("volume-v4", 4, Some(1))] {
        let index = decode(&read(&format!("{volume}/file-2-index"))).unwrap();
        assert_eq!(index.info.format, format);
        assert_eq!(index.frames.map(|list| list.count()), frames, "{volume}");
    }
}

/// Writes the volume of format 4. Run once, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_volume_v4() {
    make_compressed("volume-v4");
}
