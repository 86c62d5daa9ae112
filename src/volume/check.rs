//! Compares the records of a segment with the CRCs in its index, and names each fault.
//!
//! A record that differs is damaged; where records are missing, doubled or exchanged, the
//! ones around them show it, since each has its CRC at its place in the list.

use super::VolumeError;
use super::index::{FileLine, Index};
use super::read::{Found, RecordReader};
use crate::drive::{DriveErrorKind, SequentialDevice};
use crate::units::BlockAddress;

/// How far to look for the place where the records match again. Loss of more in a row
/// is reported as damage of each.
const WINDOW_RECORDS: usize = 64;

/// What is the matter with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It is there, but its bytes or its length are not what was written.
    Damaged,
    /// The drive cannot read it.
    Unreadable,
    /// It is not there: what follows is one place nearer.
    Lost,
    /// There is one more before it than was written: what follows is one place further.
    Doubled,
    /// It is in the place of another, and that in its place.
    Exchanged {
        /// The other's address.
        with: BlockAddress,
    },
}

/// A fault, by the address that the record has according to the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFault {
    /// The record.
    pub block: BlockAddress,
    /// What is the matter with it.
    pub kind: FaultKind,
}

impl RecordFault {
    /// The files with bytes in the record. None are hurt by a doubled record itself.
    pub fn files<'a>(&self, index: &'a Index) -> impl Iterator<Item = &'a FileLine> {
        let hurt = self.kind != FaultKind::Doubled;
        index.files_in(self.block).filter(move |_| hurt)
    }
}

/// What was found in a record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordState {
    /// A record with this CRC-32.
    Crc(u32),
    /// A record of another length than the block size.
    WrongSize,
    /// Nothing that the drive can read.
    Unreadable,
}

/// Reads all records of the segment that `index` describes, and compares them with it.
/// Memory: 12 bytes per record.
///
/// # Errors
///
/// Drive errors other than those of the medium, which are findings.
pub fn check_records(
    device: &mut dyn SequentialDevice,
    index: &Index,
) -> Result<Vec<RecordFault>, VolumeError> {
    let first = index.info.first_block;
    // Doubled records make a segment longer; more than this is not worth telling apart.
    let most = index.crcs.len() + WINDOW_RECORDS;
    let mut reader = RecordReader::new(device, index.info.block_bytes);
    reader.check_against(index);
    let mut found = Vec::new();
    reader.seek(first)?;
    while found.len() < most {
        let state = match reader.next_object() {
            Ok(Found::Record { bytes, .. }) => RecordState::Crc(crc32fast::hash(bytes)),
            Ok(Found::Filemark { .. } | Found::EndOfData { .. }) => break,
            Err(VolumeError::WrongCrc { actual, .. }) => RecordState::Crc(actual),
            Err(VolumeError::WrongSize { .. }) => RecordState::WrongSize,
            Err(VolumeError::Drive { source, .. }) if source.kind == DriveErrorKind::Medium => {
                match reader.seek(first.plus(found.len() as u64 + 1)) {
                    Err(VolumeError::UnexpectedEndOfData { .. }) => break,
                    other => other?,
                }
                RecordState::Unreadable
            }
            Err(error) => return Err(error),
        };
        found.push(state);
    }
    Ok(compare(first, &index.crcs, &found))
}

/// Lays what was found beside what was written, and names where they differ.
#[must_use]
pub fn compare(first: BlockAddress, written: &[u32], found: &[RecordState]) -> Vec<RecordFault> {
    let mut faults = Vec::new();
    let mut exchanged = Vec::new();
    let (mut at, mut there) = (0, 0);
    let address = |at: usize| first.plus(at as u64);
    while at < written.len() {
        let same = |ahead: usize, beyond: usize| match found.get(there + beyond) {
            Some(RecordState::Crc(crc)) => written.get(at + ahead) == Some(crc),
            _ => false,
        };
        let kind = match found.get(there) {
            _ if same(0, 0) || exchanged.contains(&at) => None,
            None => Some(FaultKind::Lost),
            Some(RecordState::Unreadable) => Some(FaultKind::Unreadable),
            Some(RecordState::WrongSize) => Some(FaultKind::Damaged),
            Some(RecordState::Crc(_)) => {
                let distances = 1..=WINDOW_RECORDS;
                let swap = distances.clone().find(|&d| same(d, 0) && same(0, d));
                if let Some(distance) = swap {
                    exchanged.push(at + distance);
                    Some(FaultKind::Exchanged {
                        with: address(at + distance),
                    })
                } else if same(1, 1) {
                    Some(FaultKind::Damaged)
                } else if distances.clone().any(|d| same(d, 0)) {
                    Some(FaultKind::Lost)
                } else if distances.clone().any(|d| same(0, d)) {
                    Some(FaultKind::Doubled)
                } else {
                    Some(FaultKind::Damaged)
                }
            }
        };
        faults.extend(kind.map(|kind| RecordFault {
            block: address(at),
            kind,
        }));
        at += usize::from(kind != Some(FaultKind::Doubled));
        there += usize::from(kind != Some(FaultKind::Lost));
    }
    let more = found.len().saturating_sub(there).min(WINDOW_RECORDS);
    let behind = RecordFault {
        block: address(written.len()),
        kind: FaultKind::Doubled,
    };
    faults.extend(std::iter::repeat_n(behind, more));
    faults
}
