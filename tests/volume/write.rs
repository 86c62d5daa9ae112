//! Writing a volume and reading it back, on a tape in memory.

use crate::memory_tape::{MemoryTape, Object};
use crate::support::{
    self, BLOCK_BYTES, Records, UNLIMITED, add, block, builder, builder_as, file, label, noise,
    segment, write_volume, write_volume_as,
};
use crate::zoo;
use tapewright::drive::{FilemarkReturns, SequentialDevice};
use tapewright::volume::VolumeError;
use tapewright::volume::append::{AppendPoint, Room, VolumeAppender};
use tapewright::volume::index::{Codec, read_index};
use tapewright::volume::label::{Identity, identify, write_label};
use tapewright::volume::member::Kind;
use tapewright::volume::read::RecordReader;
use tapewright::volume::segment::{
    ClosedSegment, RecordSink, SegmentError, SegmentLimits, minimum_segment_bytes,
};
use tapewright::volume::tar::{Event, MemberParser};

#[test]
fn every_member_comes_back_from_its_place_alone() {
    for codec in [Codec::Plain, Codec::Zstd] {
        every_member_comes_back(codec);
    }
}

fn every_member_comes_back(codec: Codec) {
    let label = label(BLOCK_BYTES);
    let mut tape = MemoryTape::new();
    let big = (file("zoo/big", 3_000_000), noise(9, 3_000_000));
    let segments = vec![zoo::members(), vec![big, (file("zoo/next", 0), vec![])]];
    let written = write_volume_as(codec, &mut tape, &label, &segments);
    for (finished, members) in written.iter().zip(&segments) {
        let info = &finished.receipt.info;
        let index = read_index(&mut tape, BLOCK_BYTES, info.index_block).unwrap();
        assert_eq!(index.info, *info);
        assert_eq!(index.files, finished.receipt.files);
        let mut reader = RecordReader::new(&mut tape, BLOCK_BYTES);
        reader.check_against(&index);
        for (line, (member, data)) in index.files.iter().zip(members) {
            assert_eq!(line.path, member.path);
            reader.open_member(&line.place);
            let mut parser = MemberParser::new();
            let (mut found, mut found_data, mut ended) = (None, Vec::new(), false);
            while let Some(mut chunk) = reader.chunk().unwrap() {
                while let Some(event) = parser.next(&mut chunk).unwrap() {
                    match event {
                        Event::Member {
                            member,
                            offset: 0,
                            length_bytes,
                        } => {
                            assert_eq!(length_bytes, line.place.length_bytes);
                            found = Some(member);
                        }
                        Event::Data { bytes, .. } => found_data.extend_from_slice(bytes),
                        Event::MemberEnd => ended = true,
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!(found.as_deref(), Some(member));
            assert!(
                ended && found_data == *data,
                "{}",
                member.path.escape_ascii()
            );
        }
    }
}

#[test]
fn appending_moves_nowhere_but_behind_the_proven_last_index() {
    let good = label(BLOCK_BYTES);
    let mut tape = MemoryTape::new();
    let written = write_volume(&mut tape, &good, &[vec![(file("a", 9), noise(1, 9))]]);
    let point = written[0].next.clone();
    let mut other = good.clone();
    other.volume = support::segment_id(77);
    let mut pool = good.clone();
    pool.pool = "other".to_owned();
    let another = |change: fn(&mut AppendPoint)| {
        let mut point = point.clone();
        change(&mut point);
        point
    };
    let table = [
        ("another volume", other, point.clone()),
        ("another pool", pool, point.clone()),
        ("no index known", good.clone(), AppendPoint::first()),
        (
            "another segment",
            good.clone(),
            another(|p| p.last_segment = Some(support::segment_id(9))),
        ),
        (
            "another number",
            good.clone(),
            another(|p| p.next_number = 3),
        ),
        (
            "another place",
            good.clone(),
            another(|p| p.previous_indexes[0] = block(2)),
        ),
        (
            "another end",
            good.clone(),
            another(|p| p.next_block = block(99)),
        ),
        (
            "no identity",
            good.clone(),
            another(|p| p.last_segment = None),
        ),
    ];
    let before = tape.objects.clone();
    for (what, label, point) in table {
        let refused = VolumeAppender::open(&mut tape, &label, &point);
        // A point before the last index is provable: what lies behind is an unconfirmed tail.
        assert_eq!(refused.is_err(), what != "no index known", "{what}");
        assert_eq!(tape.objects, before, "{what}");
    }
    let appender = VolumeAppender::open(&mut tape, &good, &point).unwrap();
    assert_eq!(appender.next_block(), point.next_block);
}

#[test]
fn a_segment_is_confirmed_when_its_last_filemark_is_on_the_medium() {
    let label = label(BLOCK_BYTES);
    let mut tape = MemoryTape::new();
    write_label(&mut tape, &label).unwrap();
    let point = AppendPoint::first();
    let (records, finished) = segment(&label, &point, &[(file("a", 9), noise(1, 9))], true);
    let mut appender = VolumeAppender::open(&mut tape, &label, &point).unwrap();
    for record in &records {
        assert_eq!(appender.write_records(&[record]).unwrap(), Room::Ample);
    }
    assert_eq!(appender.close_segment(&finished).unwrap(), Room::Ample);
    assert!(appender.confirmed().unwrap() < finished.receipt.end_block);
    appender.synchronize().unwrap();
    assert_eq!(appender.confirmed().unwrap(), finished.receipt.end_block);
    assert_eq!(finished.receipt.end_block, finished.next.next_block);
}

#[test]
fn a_packed_segment_becomes_the_same_receipt_as_one_that_is_not() {
    let label = label(BLOCK_BYTES);
    for codec in [Codec::Plain, Codec::Zstd] {
        let finish = || {
            let at = AppendPoint::first();
            let mut builder = builder_as(codec, &label, &at, UNLIMITED, Records::default());
            for (member, data) in zoo::members() {
                add(&mut builder, &member, &data);
            }
            assert!(builder.gone(b"a/name that is gone"));
            builder.set_job_problems(Some(3));
            builder.finish(support::written_at(), true).unwrap()
        };
        for taken in [false, true] {
            let (mut plain, mut packed) = (
                ClosedSegment::new(finish()),
                ClosedSegment::packed(finish()),
            );
            assert!(packed.segment().receipt.files.is_empty());
            assert_eq!(packed.end_block(), plain.end_block());
            if taken {
                plain.index_taken();
                packed.index_taken();
            }
            let whole = finish().receipt;
            assert!(!whole.files.is_empty() && !whole.gone.is_empty());
            assert_eq!(plain.into_receipt().unwrap(), whole, "{codec:?}");
            assert_eq!(packed.into_receipt().unwrap(), whole, "{codec:?}");
        }
    }
}

#[test]
fn a_filemark_that_ends_elsewhere_than_expected_stops_the_run() {
    let label = label(BLOCK_BYTES);
    let mut tape = MemoryTape::new();
    write_label(&mut tape, &label).unwrap();
    let point = AppendPoint::first();
    let (records, finished) = segment(&label, &point, &[], true);
    tape.lose_position = true;
    let mut appender = VolumeAppender::open(&mut tape, &label, &point).unwrap();
    let _room = appender.write_records(&[&records[0]]).unwrap();
    let error = appender.close_segment(&finished).unwrap_err();
    assert!(matches!(error, VolumeError::PositionLost { .. }), "{error}");
}

/// Fills a volume as an engine does: asks for room, cuts, and starts segments until full.
///
/// Asserts that the early-warning zone is never entered.
pub fn fill(
    device: &mut dyn SequentialDevice,
    block_bytes: u32,
    file_bytes: u64,
    segment_bytes: u64,
) {
    struct Tape<'a, 'b>(&'a mut VolumeAppender<'b>);
    impl RecordSink for Tape<'_, '_> {
        type Error = VolumeError;
        fn take(&mut self, record: Vec<u8>) -> Result<Vec<u8>, VolumeError> {
            assert_eq!(
                self.0.write_records(&[&record])?,
                Room::Ample,
                "in the early-warning zone"
            );
            Ok(record)
        }
    }
    let label = label(block_bytes);
    write_label(device, &label).unwrap();
    let mut point = AppendPoint::first();
    let zeros = vec![0; 1 << 20];
    for name in 0_u64.. {
        let mut appender = VolumeAppender::open(device, &label, &point).unwrap();
        let room = appender.room_bytes().unwrap().unwrap();
        if room < minimum_segment_bytes(block_bytes) {
            break;
        }
        let limits = SegmentLimits {
            segment_bytes,
            members: 1000,
            volume_room_bytes: room,
        };
        let mut builder = builder(&label, &point, limits, Tape(&mut appender));
        let mut number = name * 1_000_000;
        while let Some(room) = builder
            .room_bytes(&file(&format!("f{number}"), file_bytes))
            .unwrap()
        {
            let member = file(&format!("f{number}"), room.min(file_bytes));
            builder.begin(&member).unwrap();
            while builder.missing_bytes() > 0 {
                let length = builder.missing_bytes().min(zeros.len() as u64);
                builder.data(&zeros[..length as usize]).unwrap();
            }
            builder
                .end(Some(support::digest(&member, &[])), Default::default())
                .unwrap();
            number += 1;
        }
        let finished = builder.finish(support::written_at(), false).unwrap();
        assert_eq!(appender.close_segment(&finished).unwrap(), Room::Ample);
        appender.synchronize().unwrap();
        point = finished.next;
    }
}

#[test]
fn segments_and_indexes_end_before_early_warning() {
    for (capacity_mib, block_bytes, file_bytes, segment_bytes) in [
        (64, 512 << 10, 100 << 20, 1 << 40),
        (64, 512 << 10, 5000, 8 << 20),
        (64, 512 << 10, 3 << 20, 16 << 20),
        (64, 64 << 10, 1, 1 << 40),
        (64, 8 << 20, 1 << 20, 1 << 40),
        (9, 64 << 10, 0, 4 << 20),
    ] {
        let capacity_bytes = capacity_mib << 20;
        let mut tape = MemoryTape::with_capacity(capacity_bytes);
        fill(&mut tape, block_bytes, file_bytes, segment_bytes);
        let left = tape.remaining_bytes().unwrap().unwrap();
        let unused = minimum_segment_bytes(block_bytes) + (1 << 20) + 5 * u64::from(block_bytes);
        assert!(left < unused, "{left} bytes of {capacity_mib} MiB are left");
    }
}

#[test]
fn a_member_that_does_not_fit_leaves_the_segment_as_it_was() {
    let label = label(BLOCK_BYTES);
    let point = AppendPoint::first();
    let limits = SegmentLimits {
        segment_bytes: 2 << 20,
        ..support::UNLIMITED
    };
    let mut builder = builder(&label, &point, limits, support::Records::default());
    let large = file("large", 3 << 20);
    let room = builder.room_bytes(&large).unwrap().unwrap();
    match builder.begin(&large) {
        Err(SegmentError::NoRoom {
            needed_bytes,
            room_bytes,
        }) => {
            assert_eq!((needed_bytes, room_bytes), (3 << 20, Some(room)));
        }
        other => panic!("{other:?}"),
    }
    let bad = zoo::object("../evil", Kind::Fifo);
    assert!(matches!(builder.begin(&bad), Err(SegmentError::Member(_))));
    let fits = file("large", room);
    add(&mut builder, &fits, &noise(1, room as usize));
    assert_eq!(builder.room_bytes(&file("x", 0)).unwrap(), None);
    let finished = builder.finish(support::written_at(), true).unwrap();
    assert_eq!(finished.receipt.info.records, 32);
    assert_eq!(finished.receipt.info.files, 1);
}

#[test]
fn tapes_are_told_apart_by_their_first_block() {
    let ours = label(BLOCK_BYTES);
    let mut labelled = MemoryTape::new();
    write_label(&mut labelled, &ours).unwrap();
    let record = labelled.file(0);
    let retold = |from: &str, to: &str| {
        let text = String::from_utf8(record.clone()).unwrap();
        // Same length, so that the archive stays whole.
        assert_eq!(from.len(), to.len());
        text.replace(from, to).into_bytes()
    };
    let mut tar = retold("README.txt", "etc/passwd");
    let sum: u32 = tar[..512]
        .iter()
        .enumerate()
        .map(|(at, &byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(byte)
            }
        })
        .sum();
    tar[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    let mut ltfs = b"VOL1E01001L             LTFS".to_vec();
    ltfs.resize(80, b' ');
    let foreign = |what: &str| Identity::Foreign(what.to_owned());
    let table = [
        (record.clone(), Identity::Ours(ours)),
        (
            retold("\"format\": 1", "\"format\": 2"),
            Identity::TooNew { format: 2 },
        ),
        (tar, foreign("a tar archive starting with `etc/passwd`")),
        (ltfs, foreign("an LTFS volume, serial `E01001`")),
        (noise(1, 64512), foreign("unknown data, 64512-byte blocks")),
        (vec![0; 10240], foreign("zeros, 10240-byte blocks")),
        (
            b"070701".repeat(100),
            foreign("a cpio archive, 600-byte blocks"),
        ),
        (
            noise(1, 9 << 20),
            foreign("unknown data, 9437184-byte blocks"),
        ),
        (
            retold("\"block_bytes\": 65536", "\"block_bytes\": 65024"),
            foreign("a damaged Tapewright label: it says 65024 bytes a block, and has 65536"),
        ),
    ];
    for (block, identity) in table {
        let mut tape = MemoryTape::holding(vec![Object::Block(block)]);
        assert_eq!(identify(&mut tape).unwrap(), identity);
    }
    assert_eq!(identify(&mut MemoryTape::new()).unwrap(), Identity::Blank);
    let mut marked = MemoryTape::new();
    marked.write_filemark(FilemarkReturns::OnMedium).unwrap();
    assert_eq!(
        identify(&mut marked).unwrap(),
        foreign("a tape that begins with a filemark")
    );
}
