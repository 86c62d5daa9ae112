//! Volumes in memory with segments of given members, and plans to read them back.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;

use jiff::Timestamp;
use tapewright::drive::SequentialDevice;
use tapewright::engine::restore::{MemberRead, RestorePlan, Resume, Turn, VolumeReads};
use tapewright::engine::target::TargetOptions;
use tapewright::engine::verify::{SegmentPlace, VerifyPlan, VolumeSegments};
use tapewright::engine::{BoxedError, MountedVolume, VolumeEnd, VolumeSource};
use tapewright::volume::append::AppendPoint;
use tapewright::volume::frames::Effort;
use tapewright::volume::index::{Codec, Content, Digest, DigestAlgorithm, JobHeader};
use tapewright::volume::label::{Label, write_label};
use tapewright::volume::member::{Condition, FileTime, Kind, Member, Part};
use tapewright::volume::receipt::SegmentReceipt;
use tapewright::volume::segment::{
    InPlace, RecordSink, SegmentBuilder, SegmentLimits, SegmentStart,
};
use uuid::Uuid;

use crate::tape::{Object, Tape};
use crate::volume;

pub use crate::noise::noise;

pub const BLOCK_BYTES: u32 = 65_536;

/// A member and the data that follow its header on tape.
#[derive(Debug, Clone)]
pub struct Item {
    pub member: Member,
    pub payload: Vec<u8>,
    pub digest: Option<Digest>,
}

/// The metadata all test members share.
pub fn member(path: &str, kind: Kind) -> Member {
    Member {
        path: path.as_bytes().to_vec(),
        kind,
        size_bytes: 0,
        mode: 0o755,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        user: String::new(),
        group: String::new(),
        mtime: FileTime {
            seconds: 1_000_000_000,
            nanoseconds: 123_456_789,
        },
        ctime: FileTime::default(),
        xattrs: Vec::new(),
        extents: None,
        part: None,
        inode: None,
    }
}

/// A file with its right digest.
pub fn file(path: &str, content: &[u8]) -> Item {
    let mut member = member(path, Kind::File);
    member.size_bytes = content.len() as u64;
    member.mode = 0o644;
    Item {
        member,
        payload: content.to_vec(),
        digest: Some(blake3::hash(content).into()),
    }
}

/// A part of a file with its right digest.
pub fn part(path: &str, whole: &[u8], number: u32, range: std::ops::Range<usize>) -> Item {
    let mut item = file(path, &whole[range.clone()]);
    item.member.size_bytes = whole.len() as u64;
    item.member.part = Some(Part {
        number,
        offset_bytes: range.start as u64,
        length_bytes: range.len() as u64,
        last: range.end == whole.len(),
        open: false,
    });
    item
}

/// Anything without data.
pub fn node(path: &str, kind: Kind) -> Item {
    Item {
        member: member(path, kind),
        payload: Vec::new(),
        digest: None,
    }
}

/// A volume and what was written to it.
#[derive(Debug, Clone)]
pub struct Volume {
    pub tape: Tape,
    pub label: Label,
    pub receipts: Vec<SegmentReceipt>,
    /// How the digests of its files are made.
    pub digest: DigestAlgorithm,
}

struct Records<'a>(&'a Tape);

impl RecordSink for Records<'_> {
    type Error = Infallible;

    fn take(&mut self, record: Vec<u8>) -> Result<Vec<u8>, Infallible> {
        self.0.medium().objects.push(Object::Record(record));
        Ok(Vec::new())
    }
}

impl Volume {
    pub fn new(barcode: &str) -> Self {
        let label = Label {
            volume: Uuid::new_v4(),
            barcode: barcode.to_owned(),
            ..volume::label(1, BLOCK_BYTES)
        };
        let tape = Tape::default();
        write_label(tape.load().as_mut(), &label).unwrap();
        Self {
            tape,
            label,
            receipts: Vec::new(),
            digest: DigestAlgorithm::Blake3,
        }
    }

    /// The same with digests of files without holes made so.
    pub fn digested_by(self, digest: DigestAlgorithm) -> Self {
        Self { digest, ..self }
    }

    pub fn next(&self) -> AppendPoint {
        self.receipts
            .last()
            .map_or_else(AppendPoint::first, AppendPoint::behind)
    }

    /// Appends a segment of `items`.
    pub fn write(self, items: &[Item]) -> Self {
        self.write_as(Codec::Plain, items)
    }

    /// Appends a segment of `items`, stored in that way.
    pub fn write_as(mut self, codec: Codec, items: &[Item]) -> Self {
        let job = JobHeader {
            digest: self.digest,
            ..volume::job()
        };
        let start = SegmentStart {
            label: &self.label,
            at: &self.next(),
            segment: Uuid::new_v4(),
            job: &job,
            content: Content::Files,
            job_segment: 1,
            open_parts: false,
            limits: SegmentLimits {
                segment_bytes: 1 << 40,
                members: 100_000,
                volume_room_bytes: u64::MAX,
            },
        };
        let records = Records(&self.tape);
        let mut builder = match codec {
            Codec::Plain => SegmentBuilder::new(&start, records),
            Codec::Zstd => {
                let compressor = Box::new(InPlace::new(Effort::default()));
                SegmentBuilder::compressed(&start, records, compressor)
            }
        };
        for item in items {
            builder.begin(&item.member).unwrap();
            builder.data(&item.payload).unwrap();
            let digest = match self.digest {
                DigestAlgorithm::Blake3 => item.digest,
                other => item.digest.map(|_| other.digest(&item.payload)),
            };
            builder.end(digest, Condition::Whole).unwrap();
        }
        let finished = builder.finish(Timestamp::UNIX_EPOCH, true).unwrap();
        let mut medium = self.tape.medium();
        medium.objects.push(Object::Filemark);
        for record in finished.index_records.chunks(BLOCK_BYTES as usize) {
            medium.objects.push(Object::Record(record.to_vec()));
        }
        medium.objects.push(Object::Filemark);
        drop(medium);
        self.receipts.push(finished.receipt);
        self
    }

    /// Everything on the volume, each under its own path.
    pub fn reads(&self) -> VolumeReads {
        let lines = self.receipts.iter().flat_map(|receipt| {
            let index = receipt.info.index_block;
            receipt.files.iter().map(move |line| (index, line))
        });
        VolumeReads {
            volume: self.label.volume,
            barcode: self.label.barcode.clone(),
            block_bytes: BLOCK_BYTES,
            reads: lines
                .map(|(index, line)| MemberRead {
                    index: Some(index),
                    skip_bytes: line.place.skip_bytes,
                    block: line.place.block,
                    offset_bytes: line.place.offset_bytes,
                    length_bytes: line.place.length_bytes,
                    path: line.path.clone(),
                    name: line.path.clone(),
                    digest: line.digest.map(|digest| digest.0),
                    digest_algorithm: self.digest,
                    part: line.part,
                    job: volume::job().id,
                    read_on_records: 0,
                    other: None,
                })
                .collect(),
        }
    }

    pub fn segments(&self) -> VolumeSegments {
        VolumeSegments {
            volume: self.label.volume,
            barcode: self.label.barcode.clone(),
            segments: self
                .receipts
                .iter()
                .map(|receipt| SegmentPlace {
                    number: receipt.info.number,
                    segment: receipt.info.segment,
                    first_block: receipt.info.first_block,
                    index_block: receipt.info.index_block,
                })
                .collect(),
        }
    }

    pub fn mounted(&self) -> MountedVolume {
        MountedVolume {
            device: self.tape.load(),
            label: self.label.clone(),
            append: None,
        }
    }

    /// Address of the record in which the data of `path` begin.
    pub fn block_of(&self, path: &str) -> u64 {
        let mut lines = self.receipts.iter().flat_map(|receipt| &receipt.files);
        lines
            .find(|line| line.path == path.as_bytes())
            .unwrap()
            .place
            .block
            .0
    }
}

/// A plan for everything on `volumes`.
pub fn plan(target: &Path, options: TargetOptions, volumes: &[&Volume]) -> RestorePlan {
    let volumes = volumes.iter().map(|volume| volume.reads()).collect();
    RestorePlan {
        target: target.to_owned(),
        options,
        volumes,
        spares: Vec::new(),
        known: Vec::new(),
        resume: Resume::default(),
    }
}

pub fn verify_plan(volumes: &[&Volume]) -> VerifyPlan {
    VerifyPlan {
        volumes: volumes.iter().map(|volume| volume.segments()).collect(),
    }
}

/// Mounts volumes from memory, and remembers how they were given back.
#[derive(Debug, Default)]
pub struct Shelf {
    volumes: HashMap<Uuid, Volume>,
    pub ends: Vec<(String, VolumeEnd)>,
    /// Has reads carried out from the last to the first, whatever was planned.
    pub backwards: bool,
}

impl Shelf {
    pub fn of(volumes: &[&Volume]) -> Self {
        let volumes = volumes
            .iter()
            .map(|volume| (volume.label.volume, (*volume).clone()));
        Self {
            volumes: volumes.collect(),
            ends: Vec::new(),
            backwards: false,
        }
    }
}

impl VolumeSource for Shelf {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        Err("this shelf is for reading".into())
    }

    fn mount(&mut self, volume: Uuid) -> Result<MountedVolume, BoxedError> {
        Ok(self
            .volumes
            .get(&volume)
            .ok_or("not on the shelf")?
            .mounted())
    }

    fn order(
        &mut self,
        reads: &VolumeReads,
        _device: &mut dyn SequentialDevice,
    ) -> Option<Vec<Turn>> {
        let turn = |read| Turn {
            read,
            read_on_records: 0,
        };
        let backwards = (0..reads.reads.len()).rev().map(turn);
        self.backwards.then(|| backwards.collect())
    }

    fn release(&mut self, volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        self.ends.push((volume.label.barcode, end));
        Ok(())
    }
}

/// A volume with two segments, of which the first is blocks 2 to 12.
pub fn two_segments(codec: Codec, digest: DigestAlgorithm) -> Volume {
    let first = [
        node("d", Kind::Directory),
        // Ends in block 4.
        file("d/a", &noise(1, 150_000)),
        file("d/b", b"in block 4"),
        // Blocks 4 to 10.
        file("d/c", &noise(2, 400_000)),
        file("d/d", b"in block 10"),
        // Blocks 10 to 12.
        file("d/e", &noise(3, 100_000)),
    ];
    Volume::new("A00001L9")
        .digested_by(digest)
        .write_as(codec, &first)
        .write_as(codec, &[file("second", b"segment")])
}
