//! Verifying one segment of a mounted volume.

use crate::drive::SequentialDevice;
use crate::engine::target::shown;
use crate::error_text::with_causes;
use crate::monitor::{Monitor, Problem};
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::check::{FaultKind, RecordState, compare};
use crate::volume::failure::{self, ReadFailure};
use crate::volume::index::{Codec, Index, read_index};
use crate::volume::read::{Found, RecordReader};
use crate::volume::scan::Headers;

use super::check::{BadMember, MemberCheck, Piece, Taken};
use super::frames::Unpacked;
use super::report::{BAD_LISTED, BadFile, BadRecord, SegmentReport, SegmentVerdict};
use super::{SegmentPlace, VolumeSegments};

/// What ended the reading of a segment before its end.
pub(super) enum Ended {
    /// Not the medium: drive, transport, or a format beyond this program.
    NotMedium(VolumeError),
    /// The user.
    Stopped,
}

/// Reads and checks one segment. On an early end the report has what was found until
/// then, and its verdict is not to be used.
pub(super) fn verify_segment(
    device: &mut dyn SequentialDevice,
    block_bytes: u32,
    volume: &VolumeSegments,
    place: &SegmentPlace,
    monitor: &dyn Monitor,
) -> (SegmentReport, Option<Ended>) {
    let mut found = Findings {
        report: SegmentReport::new(volume, place.number),
        monitor,
    };
    let index = match read_index(device, block_bytes, place.index_block) {
        Ok(index) => Some(index),
        Err(error) => match failure::judge(&error) {
            ReadFailure::NotMedium => return (found.report, Some(Ended::NotMedium(error))),
            ReadFailure::Record(_) => {
                found.index_damage(with_causes(&error));
                None
            }
        },
    };
    let index = index.filter(|index| match contradiction(index, volume, place) {
        None => true,
        Some(what) => {
            found.index_damage(what);
            false
        }
    });
    let ended = match &index {
        Some(index) => check_records(device, index, &mut found),
        None => read_records(device, block_bytes, place, &mut found),
    };
    (found.report, ended.err())
}

/// What in a readable index shows that it does not belong to this segment.
fn contradiction(index: &Index, volume: &VolumeSegments, place: &SegmentPlace) -> Option<String> {
    let info = &index.info;
    if info.volume != volume.volume {
        return Some(format!(
            "it belongs to volume {} ({})",
            info.barcode, info.volume
        ));
    }
    if info.segment != place.segment {
        return Some(format!("it belongs to segment {}", info.segment));
    }
    (info.first_block != place.first_block).then(|| {
        format!(
            "it says that the segment begins at block {}",
            info.first_block
        )
    })
}

/// Records read behind the last that the index knows, to tell doubled ones from others.
const READ_BEHIND_RECORDS: usize = 64;

/// Every record against its CRC, every member against its line.
fn check_records(
    device: &mut dyn SequentialDevice,
    index: &Index,
    found: &mut Findings<'_>,
) -> Result<(), Ended> {
    let mut reader = RecordReader::new(device, index.info.block_bytes);
    reader.check_against(index);
    let mut check = MemberCheck::new(index, found.monitor);
    let mut frames = (index.info.codec == Codec::Zstd).then(|| Unpacked::new(index));
    let mut states = Vec::new();
    while states.len() < index.crcs.len() + READ_BEHIND_RECORDS {
        if found.monitor.stop_requested() {
            return Err(Ended::Stopped);
        }
        let block = index.info.first_block.plus(states.len() as u64);
        let written = index.crcs.get(states.len());
        let (state, record) = match next_record(&mut reader, block) {
            Ok(Some(bytes)) => {
                let crc = written.copied();
                let crc = crc.unwrap_or_else(|| crc32fast::hash(bytes));
                (RecordState::Crc(crc), Taken::Good(bytes))
            }
            Ok(None) => break,
            Err(VolumeError::WrongCrc { actual, .. }) => {
                let taken = Taken::Doubtful(reader.doubtful(), block.0);
                (RecordState::Crc(actual), taken)
            }
            Err(error) => (damaged(error)?, Taken::Lost(block.0)),
        };
        if written.is_some() {
            found.report.records += 1;
            found.monitor.advance(0, u64::from(index.info.block_bytes));
            let report = &mut |bad| found.bad_member(bad);
            match &mut frames {
                Some(frames) => frames.record(record, &mut check, report),
                None => check.piece(&whole(block, record), report),
            }
        }
        states.push(state);
    }
    for fault in compare(index.info.first_block, &index.crcs, &states) {
        found.bad_record(fault.block, describe(fault.kind));
    }
    if let Some(what) = frames.and_then(|frames| frames.wrong_list()) {
        found.index_damage(what);
    }
    found.report.files_verified = check.finish(&mut |bad| found.bad_member(bad));
    Ok(())
}

/// A record of a plain segment: a piece of the archive.
fn whole(block: BlockAddress, taken: Taken<'_>) -> Piece<'_> {
    Piece {
        block: block.0,
        offset_bytes: 0,
        taken,
    }
}

/// What a record is that could not be read, unless the drive is to blame.
fn damaged(error: VolumeError) -> Result<RecordState, Ended> {
    match failure::judge(&error) {
        ReadFailure::NotMedium => Err(Ended::NotMedium(error)),
        ReadFailure::Record(_) if failure::is_medium(&error) => Ok(RecordState::Unreadable),
        ReadFailure::Record(_) => Ok(RecordState::WrongSize),
    }
}

fn describe(kind: FaultKind) -> String {
    match kind {
        FaultKind::Damaged => "not what was written: its CRC is not the one in the index".into(),
        FaultKind::Unreadable => "the drive cannot read it".into(),
        FaultKind::Lost => "missing: what follows lies one block nearer".into(),
        FaultKind::Doubled => "a record too many: what follows lies one block further".into(),
        FaultKind::Exchanged { with } => format!("exchanged with block {with}"),
    }
}

/// Without an index, all that can be said is whether the drive can read the records, and by their
/// headers which members lack something.
fn read_records(
    device: &mut dyn SequentialDevice,
    block_bytes: u32,
    place: &SegmentPlace,
    found: &mut Findings<'_>,
) -> Result<(), Ended> {
    let mut reader = RecordReader::new(device, block_bytes);
    let mut headers = Headers::new(block_bytes);
    for record in 0..place.records() {
        if found.monitor.stop_requested() {
            return Err(Ended::Stopped);
        }
        let block = place.first_block.plus(record);
        match next_record(&mut reader, block) {
            Ok(Some(bytes)) => {
                found.report.records += 1;
                found.monitor.advance(0, bytes.len() as u64);
                headers.record(block, bytes);
            }
            Ok(None) => {
                found.bad_record(block, "the segment ends here, too early".to_owned());
                break;
            }
            Err(error) => {
                let what = with_causes(&error);
                damaged(error)?;
                headers.lost(block, &what);
                found.bad_record(block, what);
            }
        }
    }
    for path in headers.hurt() {
        found.bad_member(BadMember {
            path: shown(&path),
            what: "a part of it is lost; it is known from its header, since the index of its \
                   segment is damaged, and so those that begin in what is lost are not named"
                .to_owned(),
        });
    }
    Ok(())
}

/// The record at `block`, `None` if there is a filemark or nothing at all.
fn next_record<'r>(
    reader: &'r mut RecordReader<'_>,
    block: BlockAddress,
) -> Result<Option<&'r [u8]>, VolumeError> {
    reader.seek(block)?;
    match reader.next_object()? {
        Found::Record { bytes, .. } => Ok(Some(bytes)),
        Found::Filemark { .. } | Found::EndOfData { .. } => Ok(None),
    }
}

struct Findings<'a> {
    report: SegmentReport,
    monitor: &'a dyn Monitor,
}

impl Findings<'_> {
    fn index_damage(&mut self, what: String) {
        self.report.verdict = SegmentVerdict::Bad;
        self.report.index_damage = Some(what);
    }

    fn bad_record(&mut self, block: BlockAddress, what: String) {
        self.report.verdict = SegmentVerdict::Bad;
        self.report.bad_record_count += 1;
        if self.report.bad_records.len() < BAD_LISTED {
            self.report.bad_records.push(BadRecord { block, what });
        }
    }

    fn bad_member(&mut self, BadMember { path, what }: BadMember) {
        self.report.verdict = SegmentVerdict::Bad;
        self.report.bad_file_count += 1;
        self.monitor.problem(&Problem {
            path: path.clone(),
            what: what.clone(),
        });
        if self.report.bad_files.len() < BAD_LISTED {
            self.report.bad_files.push(BadFile { path, what });
        }
    }
}
