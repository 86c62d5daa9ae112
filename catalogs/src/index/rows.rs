//! Keys and values of the index: `docs/catalog.md`, "Index".
//!
//! Numbers are big-endian, in keys so that they sort. Pure: no store, no I/O.

use blake3::Hash;
use uuid::Uuid;

use crate::entries::{FilterPlace, FramePlace, Outline, short_from, short_key};
use crate::ledger::scan::Tip;
use crate::model::path::KeyRange;

/// Version of the index's layout. Another one is not read but rebuilt.
pub(super) const LAYOUT: u32 = 3;

pub(super) const WATERMARK: &[u8] = b"m";
/// Above every key.
pub(super) const END: &[u8] = &[0xff];

const NO_LINE: u64 = u64::MAX;

/// How far the index has come, and a checksum of all other rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watermark {
    pub(super) tip: Tip,
    pub(super) checksum: u64,
}

impl Watermark {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = LAYOUT.to_be_bytes().to_vec();
        out.extend_from_slice(&self.tip.seq.to_be_bytes());
        out.extend_from_slice(&self.tip.end.to_be_bytes());
        out.extend_from_slice(self.tip.sum.as_bytes());
        out.extend_from_slice(&self.checksum.to_be_bytes());
        out
    }

    pub(super) fn decode(value: &[u8]) -> Option<Watermark> {
        let mut fields = Fields(value);
        let layout = u32::from_be_bytes(fields.take()?);
        let (seq, end) = (fields.u64()?, fields.u64()?);
        let sum = Hash::from_bytes(fields.take()?);
        let checksum = fields.u64()?;
        let known = layout == LAYOUT && fields.0.is_empty();
        known.then_some(Watermark {
            tip: Tip { seq, end, sum },
            checksum,
        })
    }
}

/// Ledger lines about a volume, each by its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct VolumeRow {
    pub(crate) label: Option<u64>,
    pub(crate) retirement: Option<u64>,
    pub(crate) state: Option<u64>,
    pub(crate) location: Option<u64>,
    pub(crate) verification: Option<u64>,
}

impl VolumeRow {
    pub(super) fn key(volume: &Uuid) -> Vec<u8> {
        [b"v", volume.as_bytes().as_slice()].concat()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        [
            self.label,
            self.retirement,
            self.state,
            self.location,
            self.verification,
        ]
        .iter()
        .flat_map(|at| at.unwrap_or(NO_LINE).to_be_bytes())
        .collect()
    }

    pub(super) fn decode(value: &[u8]) -> Option<VolumeRow> {
        let mut fields = Fields(value);
        let row = VolumeRow {
            label: fields.line()?,
            retirement: fields.line()?,
            state: fields.line()?,
            location: fields.line()?,
            verification: fields.line()?,
        };
        fields.0.is_empty().then_some(row)
    }
}

/// Ledger lines about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobRow {
    pub(crate) seq: u64,
    pub(crate) start: u64,
    pub(crate) finish: Option<u64>,
}

impl JobRow {
    pub(super) fn key(job: &Uuid) -> Vec<u8> {
        [b"j", job.as_bytes().as_slice()].concat()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        [self.seq, self.start, self.finish.unwrap_or(NO_LINE)]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    pub(super) fn decode(value: &[u8]) -> Option<JobRow> {
        let mut fields = Fields(value);
        let row = JobRow {
            seq: fields.u64()?,
            start: fields.u64()?,
            finish: fields.line()?,
        };
        fields.0.is_empty().then_some(row)
    }
}

/// A receipt: what a question needs before it reads the ledger line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceiptRow {
    pub(crate) seq: u64,
    /// Offset of the ledger line.
    pub(crate) line: u64,
    pub(crate) segment: Uuid,
    pub(crate) segment_number: u32,
    pub(crate) job: Uuid,
    pub(crate) volume: Uuid,
    /// What the footer of its own entry file says, as long as that counts; `None` if it could not
    /// be read, and then the file is searched from its first block on.
    pub(crate) outline: Option<RowOutline>,
}

/// What can be told of the names in an entry file without it, and where it tells more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowOutline {
    /// Order keys of the first and the last name, cut short.
    first: Vec<u8>,
    last: Vec<u8>,
    /// Where the blocks are told.
    pub(crate) frame: FramePlace,
    pub(crate) filter: Option<FilterPlace>,
}

impl RowOutline {
    pub(super) fn new(outline: &Outline) -> RowOutline {
        RowOutline {
            first: short_key(&outline.first_path),
            last: short_key(&outline.last_path),
            frame: outline.frame,
            filter: outline.filter,
        }
    }

    /// Key of the outline of the file that was merged by line `seq`.
    pub(super) fn key_of_merged(seq: u64) -> Vec<u8> {
        [b"f", seq.to_be_bytes().as_slice()].concat()
    }

    /// Undoes [`RowOutline::encode`].
    pub(super) fn of_merged(value: &[u8]) -> Option<RowOutline> {
        RowOutline::decode(Fields(value))
    }

    /// Whether names of the file may lie in `range`, by the first and the last of them.
    pub(crate) fn reaches(&self, range: &KeyRange) -> bool {
        short_from(range) <= self.last.as_slice() && !range.ends_before(&self.first)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.frame.encode());
        let place = self
            .filter
            .map_or((NO_LINE, 0), |place| (place.at, place.lines));
        out.extend_from_slice(&place.0.to_be_bytes());
        out.extend_from_slice(&place.1.to_be_bytes());
        // Cut short below 2^16.
        out.extend_from_slice(&(self.first.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.first);
        out.extend_from_slice(&self.last);
    }

    fn decode(mut fields: Fields<'_>) -> Option<RowOutline> {
        let frame = FramePlace::decode(fields.take::<{ FramePlace::BYTES }>()?)?;
        let at = fields.line()?;
        let lines = u32::from_be_bytes(fields.take()?);
        let filter = match at {
            None => None,
            Some(at) => Some(FilterPlace::new(at, lines)?),
        };
        let first = usize::from(u16::from_be_bytes(fields.take()?));
        let (first, last) = fields.0.split_at_checked(first)?;
        Some(RowOutline {
            first: first.to_vec(),
            last: last.to_vec(),
            frame,
            filter,
        })
    }
}

impl ReceiptRow {
    pub(super) fn key(seq: u64) -> Vec<u8> {
        [b"r", seq.to_be_bytes().as_slice()].concat()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.line.to_be_bytes().to_vec();
        out.extend_from_slice(self.segment.as_bytes());
        out.extend_from_slice(&self.segment_number.to_be_bytes());
        out.extend_from_slice(self.job.as_bytes());
        out.extend_from_slice(self.volume.as_bytes());
        out.push(u8::from(self.outline.is_some()));
        if let Some(outline) = &self.outline {
            outline.encode(&mut out);
        }
        out
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<ReceiptRow> {
        let seq = Fields(key.strip_prefix(b"r")?).u64()?;
        let mut fields = Fields(value);
        let mut row = ReceiptRow {
            seq,
            line: fields.u64()?,
            segment: fields.uuid()?,
            segment_number: u32::from_be_bytes(fields.take()?),
            job: fields.uuid()?,
            volume: fields.uuid()?,
            outline: None,
        };
        match fields.take()? {
            [1] => row.outline = Some(RowOutline::decode(fields)?),
            [0] if fields.0.is_empty() => {}
            _ => return None,
        }
        Some(row)
    }

    /// Key by which the segment is found: its value is `seq`.
    pub(super) fn segment_key(volume: &Uuid, segment: &Uuid) -> Vec<u8> {
        [b"s", volume.as_bytes().as_slice(), segment.as_bytes()].concat()
    }

    /// Key by which the receipts of a volume are listed in the order of its segments.
    pub(super) fn volume_key(&self) -> Vec<u8> {
        let mut key = ReceiptRow::volume_prefix(&self.volume);
        key.extend_from_slice(&self.segment_number.to_be_bytes());
        key.extend_from_slice(&self.seq.to_be_bytes());
        key
    }

    pub(super) fn volume_prefix(volume: &Uuid) -> Vec<u8> {
        [b"V", volume.as_bytes().as_slice()].concat()
    }
}

/// Keys starting with this lead to the volumes with a barcode; the label's line follows.
pub(super) fn barcode_prefix(barcode: &str) -> Vec<u8> {
    let digest = blake3::hash(barcode.as_bytes());
    [b"b", digest.as_bytes().as_slice()].concat()
}

/// One past the keys that start with `prefix`.
pub(super) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    END.to_vec()
}

/// A row's share of the checksum.
pub(super) fn row_sum(key: &[u8], value: &[u8]) -> u64 {
    let mut digest = blake3::Hasher::new();
    digest.update(&(key.len() as u32).to_be_bytes());
    digest.update(key);
    digest.update(value);
    let digest = digest.finalize();
    Fields(digest.as_bytes())
        .u64()
        .expect("a digest has 32 bytes")
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid::from_bytes)
    }

    fn line(&mut self) -> Option<Option<u64>> {
        self.u64().map(|at| (at != NO_LINE).then_some(at))
    }
}
