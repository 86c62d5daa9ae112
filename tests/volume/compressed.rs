//! Compressed segments: frames as the format has them, and what a hostile or damaged tape can
//! do with them.

use std::ops::ControlFlow;

use crate::memory_tape::{MemoryTape, Object};
use crate::support::{
    self, BLOCK_BYTES, UNLIMITED, add, block, builder_as, file, label, noise, segment_as,
    write_volume_as,
};
use proptest::prelude::*;
use tapewright::volume::VolumeError;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::frames::{
    Effort, FRAME_BYTES, FrameEncoder, FrameError, FrameReader, MAX_STORED_BYTES,
};
use tapewright::volume::index::{Codec, FileLine, Index, Place, read_index};
use tapewright::volume::member::{Condition, Member};
use tapewright::volume::read::RecordReader;
use tapewright::volume::receipt::SegmentReceipt;
use tapewright::volume::scan::{Depth, Finding, scan_volume};
use tapewright::volume::segment::{SegmentError, SegmentLimits, minimum_segment_bytes};
use tapewright::volume::tar::{Event, MemberParser};

fn text(bytes: usize) -> Vec<u8> {
    let lines = (0_u64..).flat_map(|n| format!("line {n} of a text that shrinks\n").into_bytes());
    lines.take(bytes).collect()
}

fn frame(effort: Effort, content: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    FrameEncoder::new(effort).encode(content, &mut stored);
    stored
}

fn effort(level: i32, probe: bool) -> Effort {
    Effort { level, probe }
}

/// All frames in the bytes, fed in pieces of that length, with what ended it.
fn frames_in(bytes: &[u8], piece: usize) -> (Vec<u8>, Option<FrameError>) {
    let (mut reader, mut content) = (FrameReader::new(0), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.feed(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => content.extend_from_slice(frame.content),
                Ok(None) => break,
                Err(error) => return (content, Some(error)),
            }
        }
    }
    (content, None)
}

#[test]
fn every_frame_is_one_of_the_format() {
    let sizes = [
        1,
        2,
        255,
        256,
        257,
        511,
        512,
        65_535,
        65_791,
        65_792,
        131_073,
        FRAME_BYTES,
    ];
    for size in sizes {
        for content in [vec![0; size], text(size), noise(3, size)] {
            for effort in [effort(1, false), effort(3, true), effort(19, false)] {
                if effort.level > 3 && size > 70_000 {
                    continue;
                }
                let stored = frame(effort, &content);
                assert!(stored.len() <= MAX_STORED_BYTES, "{size}");
                let (found, error) = frames_in(&stored, 40_000);
                assert_eq!(error, None, "{size} {effort:?}");
                assert!(found == content, "{size} {effort:?}");
            }
        }
    }
}

#[test]
fn what_does_not_shrink_is_stored_and_text_is_not() {
    let auto = Effort::default();
    let stored = frame(auto, &noise(1, FRAME_BYTES));
    assert!(stored.len() < FRAME_BYTES + 64, "{}", stored.len());
    let shrunk = frame(auto, &text(FRAME_BYTES));
    assert!(shrunk.len() < FRAME_BYTES / 4, "{}", shrunk.len());
}

#[test]
fn hostile_frames_are_refused_before_memory_is_taken() {
    use FrameError::{Damaged, NoFrame, TooLarge, Unsupported};
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let with = |rest: &[u8]| [&magic, rest].concat();
    // A single segment with a checksum; its size in one, two, four or eight bytes.
    let claims = |descriptor: u8, size: &[u8]| with(&[&[descriptor], size].concat());
    let bomb = |size: u32| {
        let blocks = [[3, 0, 0x10, 0], [2, 0, 0x10, 0]].concat();
        [claims(0xa4, &size.to_le_bytes()), blocks, vec![0; 4]].concat()
    };
    let mut damaged = frame(Effort::default(), &text(5_000));
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let mut checksum_of_other = frame(Effort::default(), &noise(1, 5_000));
    checksum_of_other[3_000] ^= 1;
    let cases = [
        ("no magic", vec![0; 100], NoFrame),
        ("no checksum", claims(0x20, &[5]), Unsupported),
        ("a window of its own", claims(0x04, &[5]), Unsupported),
        ("a dictionary", claims(0x25, &[5]), Unsupported),
        ("a reserved bit", claims(0x2c, &[5]), Unsupported),
        ("no content", claims(0x24, &[0]), TooLarge),
        (
            "a little too much content",
            claims(0xa4, &(FRAME_BYTES as u32 + 1).to_le_bytes()),
            TooLarge,
        ),
        (
            "endless content",
            claims(0xe4, &u64::MAX.to_le_bytes()),
            TooLarge,
        ),
        ("more content than it says", bomb(1), Damaged),
        (
            "less content than it says",
            bomb(FRAME_BYTES as u32),
            Damaged,
        ),
        (
            "a reserved block",
            [claims(0x24, &[5]), vec![7, 0, 0]].concat(),
            Damaged,
        ),
        (
            "a block beyond all bounds",
            [claims(0x24, &[5]), vec![0xfd, 0xff, 0xff]].concat(),
            TooLarge,
        ),
        (
            "blocks without end",
            [claims(0x24, &[5]), [2, 0, 0, 0].repeat(300_000)].concat(),
            TooLarge,
        ),
        ("a wrong checksum", damaged, Damaged),
        ("another content", checksum_of_other, Damaged),
    ];
    for (what, bytes, expected) in cases {
        for piece in [1, 7, 1 << 20] {
            if piece < 100 && bytes.len() > 10_000 {
                continue;
            }
            assert_eq!(frames_in(&bytes, piece).1, Some(expected), "{what}");
        }
    }
}

#[test]
fn a_frame_is_found_among_other_bytes() {
    let content = text(3_000);
    let stored = frame(Effort::default(), &content);
    // A magic alone, a cut frame, then the frame.
    let bytes = [
        &noise(1, 777),
        &stored[..4],
        &stored[..20],
        &noise(2, 99),
        &stored,
    ]
    .concat();
    let at = (bytes.len() - stored.len()) as u64;
    let mut reader = FrameReader::new(0);
    for piece in bytes.chunks(50) {
        reader.feed(piece);
        if let Some(found) = reader.find(false) {
            assert_eq!((found.at, found.content), (at, &content[..]));
            return;
        }
    }
    let found = reader.find(true).expect("it is there");
    assert_eq!((found.at, found.content), (at, &content[..]));
}

/// Reads a member from its place alone.
fn read_member(reader: &mut RecordReader<'_>, place: &Place) -> Result<(Member, Vec<u8>), String> {
    reader.open_member(place);
    let (mut parser, mut member, mut data) = (MemberParser::new(), None, Vec::new());
    while let Some(mut chunk) = reader.chunk().map_err(|error| error.to_string())? {
        while let Some(event) = parser.next(&mut chunk).map_err(|error| error.to_string())? {
            match event {
                Event::Member { member: found, .. } => member = Some(*found),
                Event::Data { bytes, .. } => data.extend_from_slice(bytes),
                Event::MemberEnd => {}
                other => return Err(format!("{other:?}")),
            }
        }
    }
    member
        .map(|member| (member, data))
        .ok_or("no member".to_owned())
}

/// Files of all sizes, some of text and some of noise, over some frames.
fn members() -> Vec<(Member, Vec<u8>)> {
    let sizes = [
        0, 100, 600_000, 7, 3_000_000, 1, 20_000, 20_000, 900_000, 40_000, 0, 1_500_000,
    ];
    let file = |(number, &size): (usize, &usize)| {
        let data = match number % 3 {
            0 => text(size),
            _ => noise(number as u64, size),
        };
        (file(&format!("d/{number:02}"), size as u64), data)
    };
    sizes.iter().enumerate().map(file).collect()
}

fn tape() -> (MemoryTape, Index) {
    let mut tape = MemoryTape::new();
    let written = write_volume_as(Codec::Zstd, &mut tape, &label(BLOCK_BYTES), &[members()]);
    let at = written[0].receipt.info.index_block;
    let index = read_index(&mut tape, BLOCK_BYTES, at).unwrap();
    assert_eq!(index.files, written[0].receipt.files);
    assert_eq!(index.info, written[0].receipt.info);
    (tape, index)
}

#[test]
fn a_bad_record_costs_only_the_files_in_its_frames() {
    let (good, index) = tape();
    let frames: std::collections::BTreeSet<_> = index
        .files
        .iter()
        .map(|line| (line.place.block, line.place.offset_bytes))
        .collect();
    assert!(frames.len() >= 3, "{frames:?}");
    for record in 0..index.info.records {
        let bad = index.info.first_block.plus(record);
        let mut tape = good.clone();
        tape.objects[bad.0 as usize] = Object::Unreadable;
        let named: Vec<&[u8]> = index.files_in(bad).map(|line| &line.path[..]).collect();
        let mut reader = RecordReader::new(&mut tape, BLOCK_BYTES);
        let mut lost = 0;
        for (line, expected) in index.files.iter().zip(members()) {
            match read_member(&mut reader, &line.place) {
                Ok(found) => assert!(found == expected, "record {record}"),
                Err(_) => {
                    lost += 1;
                    assert!(named.contains(&&line.path[..]), "record {record}");
                }
            }
        }
        let filler = record + 1 == index.info.records;
        assert!(
            filler || (1..members().len()).contains(&lost),
            "record {record}: {lost}"
        );
    }
}

fn salvaged(tape: &mut MemoryTape) -> (SegmentReceipt, usize) {
    let (mut found, mut damage) = (None, 0);
    scan_volume(
        tape,
        &label(BLOCK_BYTES),
        &AppendPoint::first(),
        Depth::Indexes,
        &mut |finding| {
            match finding {
                Finding::Segment(receipt) => found = Some(*receipt),
                Finding::Damage { .. } => damage += 1,
                Finding::Incomplete { what, .. } => panic!("{what}"),
            }
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    (found.expect("the segment is complete"), damage)
}

#[test]
fn a_lost_index_is_replaced_whatever_record_is_lost_with_it() {
    let (mut good, index) = tape();
    good.block_mut(index.info.index_block)[2000] ^= 1;
    let from_headers = |line: &FileLine| FileLine {
        digest: None,
        ..line.clone()
    };
    let expected: Vec<FileLine> = index.files.iter().map(from_headers).collect();
    let (receipt, damage) = salvaged(&mut good.clone());
    assert_eq!((receipt.files, damage), (expected.clone(), 1));
    let (found, info) = (&receipt.info, &index.info);
    assert_eq!(
        (found.segment, found.codec, found.tar_bytes, found.records),
        (info.segment, Codec::Zstd, info.tar_bytes, info.records)
    );
    for record in 0..info.records {
        let bad = info.first_block.plus(record);
        let mut tape = good.clone();
        tape.objects[bad.0 as usize] = Object::Unreadable;
        let (receipt, _) = salvaged(&mut tape);
        let whole: Vec<&FileLine> = receipt
            .files
            .iter()
            .filter(|line| line.condition == Condition::Whole)
            .collect();
        // What is called whole is where it was, and is whole; only what has bytes in the
        // frames of the record is missing.
        for line in &whole {
            assert!(expected.contains(line), "record {record}: {line:?}");
        }
        let hurt: Vec<&FileLine> = index.files_in(bad).collect();
        for line in expected.iter().filter(|line| !whole.contains(line)) {
            let named = hurt.iter().any(|hurt| hurt.path == line.path);
            assert!(named, "record {record}: {:?}", line.path.escape_ascii());
        }
    }
}

#[test]
fn a_place_that_is_none_is_an_error() {
    let (mut tape, index) = tape();
    let place = index.files[3].place;
    let mut reader = RecordReader::new(&mut tape, BLOCK_BYTES);
    let mut outcome = |place: Place| {
        reader.open_member(&place);
        let first = reader.chunk().map(|chunk| chunk.map(<[u8]>::len));
        assert!(first.is_err() || reader.rest_bytes() < place.length_bytes);
        first.err()
    };
    assert!(outcome(place).is_none());
    let beside = Place {
        offset_bytes: place.offset_bytes + 1,
        ..place
    };
    let beyond = Place {
        skip_bytes: Some(FRAME_BYTES as u32),
        ..index.files.last().unwrap().place
    };
    let far = Place {
        block: block(u64::MAX),
        ..place
    };
    assert!(matches!(outcome(beside), Some(VolumeError::Frame { .. })));
    assert!(matches!(outcome(beyond), Some(VolumeError::Frame { .. })));
    assert!(outcome(far).is_some());
}

/// Whatever is put in, a segment keeps to its limits, and an empty one takes something.
#[test]
fn a_compressed_segment_keeps_to_its_limits() {
    let label = label(BLOCK_BYTES);
    for room_bytes in [minimum_segment_bytes(BLOCK_BYTES), 4 << 20, 20 << 20] {
        let limits = SegmentLimits {
            segment_bytes: room_bytes,
            volume_room_bytes: room_bytes,
            ..UNLIMITED
        };
        let mut records = support::Records::default();
        let at = AppendPoint::first();
        let mut builder = builder_as(Codec::Zstd, &label, &at, limits, &mut records);
        let mut number = 0;
        loop {
            number += 1;
            let probe = file(&format!("f{number}"), 1 << 30);
            let Some(room) = builder.room_bytes(&probe).unwrap() else {
                break;
            };
            if room == 0 {
                break;
            }
            // Half of the room each time, then all that is left of it.
            let size = if number < 9 { room / 2 } else { room };
            add(
                &mut builder,
                &file(&format!("f{number}"), size),
                &noise(number, size as usize),
            );
            let more = file("more", 1 << 40);
            assert!(matches!(
                builder.begin(&more),
                Err(SegmentError::NoRoom { .. })
            ));
        }
        assert!(number > 1, "{room_bytes}");
        let finished = builder.finish(support::written_at(), true).unwrap();
        let bytes = (records.0.len() + 2) * BLOCK_BYTES as usize + finished.index_records.len();
        assert!(bytes as u64 <= room_bytes, "{bytes} of {room_bytes}");
        assert!(
            records
                .0
                .iter()
                .all(|record| record.len() == BLOCK_BYTES as usize)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_goes_in_comes_out(
        sizes in prop::collection::vec((0_usize..700_000, 0_u64..3), 1..12),
        block_records in 1_u32..9,
    ) {
        let label = label(block_records * 64 * 1024);
        let members: Vec<(Member, Vec<u8>)> = sizes
            .iter()
            .enumerate()
            .map(|(number, &(size, kind))| {
                let data = match kind {
                    0 => vec![0; size],
                    1 => text(size),
                    _ => noise(number as u64, size),
                };
                (file(&format!("f/{number}"), size as u64), data)
            })
            .collect();
        let mut tape = MemoryTape::new();
        let written =
            write_volume_as(Codec::Zstd, &mut tape, &label, std::slice::from_ref(&members));
        let at = written[0].receipt.info.index_block;
        let index = read_index(&mut tape, label.block_bytes, at).unwrap();
        let mut reader = RecordReader::new(&mut tape, label.block_bytes);
        reader.check_against(&index);
        for (line, expected) in index.files.iter().zip(&members).rev() {
            let found = read_member(&mut reader, &line.place);
            prop_assert!(found.as_ref() == Ok(expected));
        }
        let (_, again) =
            segment_as(Codec::Zstd, &label, &AppendPoint::first(), &members, true);
        prop_assert_eq!(&again.receipt, &written[0].receipt);
    }
}

/// How many megabytes a second one thread compresses, for the curious.
#[test]
#[ignore = "tells speeds, asserts nothing"]
fn what_compressing_costs() {
    for (what, content) in [
        ("text", text(FRAME_BYTES)),
        ("noise", noise(1, FRAME_BYTES)),
    ] {
        for effort in [effort(3, true), effort(3, false), effort(1, false)] {
            let mut encoder = FrameEncoder::new(effort);
            let mut stored = Vec::new();
            let started = std::time::Instant::now();
            for _ in 0..200 {
                encoder.encode(&content, &mut stored);
            }
            let speed = 200.0 / started.elapsed().as_secs_f64();
            println!(
                "{what} {effort:?}: {speed:.0} MiB/s, {} bytes",
                stored.len()
            );
        }
    }
}
