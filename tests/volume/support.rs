//! What the tests of the volume layer share.

use crate::{volume, zoo};
use jiff::Timestamp;
use tapewright::drive::SequentialDevice;
use tapewright::units::BlockAddress;
use tapewright::volume::append::{AppendPoint, VolumeAppender};
use tapewright::volume::frames::Effort;
use tapewright::volume::index::{Codec, Content, Digest, JobHeader};
use tapewright::volume::label::{Label, write_label};
use tapewright::volume::member::{Condition, Kind, Member};
use tapewright::volume::segment::{
    DEFAULT_MEMBERS, FinishedSegment, InPlace, RecordSink, SegmentBuilder, SegmentLimits,
    SegmentStart,
};
use uuid::Uuid;

pub const BLOCK_BYTES: u32 = 64 << 10;

pub fn label(block_bytes: u32) -> Label {
    volume::label(1, block_bytes)
}

pub fn job() -> JobHeader {
    JobHeader {
        roots: vec![b"srv/data".to_vec(), b"srv/caf\xe9".to_vec()],
        ..volume::job()
    }
}

pub fn written_at() -> Timestamp {
    "2026-01-02T05:00:00Z".parse().unwrap()
}

/// Identity of the test segment with this number.
pub fn segment_id(number: u64) -> Uuid {
    Uuid::from_u128(0xc000_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

pub const UNLIMITED: SegmentLimits = SegmentLimits {
    segment_bytes: 1 << 40,
    members: DEFAULT_MEMBERS,
    volume_room_bytes: u64::MAX,
};

/// Keeps the records.
#[derive(Debug, Default)]
pub struct Records(pub Vec<Vec<u8>>);

impl RecordSink for Records {
    type Error = std::convert::Infallible;

    fn take(&mut self, record: Vec<u8>) -> Result<Vec<u8>, Self::Error> {
        self.0.push(record);
        Ok(Vec::new())
    }
}

pub fn builder<S: RecordSink>(
    label: &Label,
    at: &AppendPoint,
    limits: SegmentLimits,
    sink: S,
) -> SegmentBuilder<S> {
    builder_as(Codec::Plain, label, at, limits, sink)
}

pub fn builder_as<S: RecordSink>(
    codec: Codec,
    label: &Label,
    at: &AppendPoint,
    limits: SegmentLimits,
    sink: S,
) -> SegmentBuilder<S> {
    let start = SegmentStart {
        label,
        at,
        segment: segment_id(at.next_number),
        job: &job(),
        content: Content::Files,
        job_segment: at.next_number,
        open_parts: false,
        limits,
    };
    match codec {
        Codec::Plain => SegmentBuilder::new(&start, sink),
        Codec::Zstd => {
            let compressor = Box::new(InPlace::new(Effort::default()));
            SegmentBuilder::compressed(&start, sink, compressor)
        }
    }
}

/// Adds a member whose payload is `data`.
pub fn add<S: RecordSink>(builder: &mut SegmentBuilder<S>, member: &Member, data: &[u8]) {
    builder.begin(member).unwrap();
    builder.data(data).unwrap();
    let digest = (member.kind == Kind::File).then(|| digest(member, data));
    builder.end(digest, Condition::Whole).unwrap();
}

/// The digest of what the member covers, holes as zeros.
pub fn digest(member: &Member, payload: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut at = 0;
    let mut rest = payload;
    for extent in member.extents.iter().flatten() {
        hash_zeros(&mut hasher, extent.offset_bytes - at);
        let (piece, later) = rest.split_at(extent.length_bytes as usize);
        hasher.update(piece);
        rest = later;
        at = extent.offset_bytes + extent.length_bytes;
    }
    hasher.update(rest);
    hash_zeros(&mut hasher, member.covered_bytes() - at - rest.len() as u64);
    hasher.finalize().into()
}

fn hash_zeros(hasher: &mut blake3::Hasher, mut bytes: u64) {
    // A hole of gigabytes is no test of the hash.
    bytes = bytes.min(1 << 20);
    hasher.update(&vec![0; bytes as usize]);
}

/// A segment with these members, and its records.
pub fn segment(
    label: &Label,
    at: &AppendPoint,
    members: &[(Member, Vec<u8>)],
    job_ends: bool,
) -> (Vec<Vec<u8>>, FinishedSegment) {
    segment_as(Codec::Plain, label, at, members, job_ends)
}

pub fn segment_as(
    codec: Codec,
    label: &Label,
    at: &AppendPoint,
    members: &[(Member, Vec<u8>)],
    job_ends: bool,
) -> (Vec<Vec<u8>>, FinishedSegment) {
    let mut records = Records::default();
    let mut builder = builder_as(codec, label, at, UNLIMITED, &mut records);
    for (member, data) in members {
        add(&mut builder, member, data);
    }
    builder.set_job_problems(Some(0));
    let finished = builder.finish(written_at(), job_ends).unwrap();
    (records.0, finished)
}

/// Labels the tape and writes segments with these members. Returns them.
pub fn write_volume(
    device: &mut dyn SequentialDevice,
    label: &Label,
    segments: &[Vec<(Member, Vec<u8>)>],
) -> Vec<FinishedSegment> {
    write_volume_as(Codec::Plain, device, label, segments)
}

pub fn write_volume_as(
    codec: Codec,
    device: &mut dyn SequentialDevice,
    label: &Label,
    segments: &[Vec<(Member, Vec<u8>)>],
) -> Vec<FinishedSegment> {
    write_label(device, label).unwrap();
    let mut point = AppendPoint::first();
    let mut written = Vec::new();
    for (index, members) in segments.iter().enumerate() {
        let ends = index + 1 == segments.len();
        let (records, finished) = segment_as(codec, label, &point, members, ends);
        let mut appender = VolumeAppender::open(device, label, &point).unwrap();
        for record in &records {
            let _room = appender.write_records(&[record]).unwrap();
        }
        let _room = appender.close_segment(&finished).unwrap();
        appender.synchronize().unwrap();
        assert_eq!(appender.confirmed().unwrap(), finished.receipt.end_block);
        point = finished.next.clone();
        written.push(finished);
    }
    written
}

/// `bytes` bytes that do not repeat, different for each seed.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

/// An ordinary file.
pub fn file(path: &str, size_bytes: u64) -> Member {
    zoo::file(path.as_bytes(), size_bytes)
}

/// The address `n`.
pub fn block(n: u64) -> BlockAddress {
    BlockAddress(n)
}
