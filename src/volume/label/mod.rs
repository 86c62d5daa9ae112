//! Tape file 0: which volume this is, for programs and for people.

mod foreign;
mod readme;
mod recover;
mod sum;

pub use foreign::describe;
pub use recover::recover_label;
pub use sum::{is_proven_label, label_damage, read_label_damage};

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tar::{END, Event, MemberParser, encode_plain};
use super::{FORMAT, VolumeError};
use crate::drive::{DriveErrorKind, FilemarkReturns, ReadOutcome, SequentialDevice, Written};
use crate::units::BlockAddress;

/// Smallest block size of a volume, in bytes.
pub const MIN_BLOCK_BYTES: u32 = 64 << 10;
/// Largest block size of a volume, in bytes.
pub const MAX_BLOCK_BYTES: u32 = 8 << 20;
/// Block size unless told otherwise: the largest that all common host adapters carry.
pub const DEFAULT_BLOCK_BYTES: u32 = 512 << 10;

const README: &str = "README.txt";
const LABEL: &str = "label.json";
/// `kind` of `label.json`.
const KIND: &str = "tapewright-label";
/// What is said of a label that does not say which volume it is begins so.
pub const DAMAGED_LABEL: &str = "a damaged Tapewright label";
/// A longer `label.json` is none of ours.
const MAX_LABEL_BYTES: usize = 64 << 10;
const START: BlockAddress = BlockAddress(0);

/// True for a block size that the format has: a multiple of 512 from 64 KiB to 8 MiB.
#[must_use]
pub fn is_block_size(bytes: u32) -> bool {
    (MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES).contains(&bytes) && bytes.is_multiple_of(512)
}

/// What the label of a volume says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Format version of the volume.
    pub format: u32,
    /// Identity of the volume.
    pub volume: Uuid,
    /// The cartridge's barcode, or the name the operator gave it.
    pub barcode: String,
    /// Pool the volume belongs to.
    pub pool: String,
    /// Length of every record of the volume, in bytes.
    pub block_bytes: u32,
    /// When it was labelled.
    pub labelled_at: Timestamp,
    /// What labelled it: name and version.
    pub software: String,
}

/// What is at the beginning of a tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nothing.
    Blank,
    /// A volume in a format that this program reads.
    Ours(Label),
    /// A volume of a later format.
    TooNew {
        /// Its version.
        format: u32,
    },
    /// Something else; what it looks like, for people.
    Foreign(String),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Blank => f.write_str("nothing: it is blank"),
            Identity::Ours(label) => {
                let Label {
                    barcode,
                    pool,
                    volume,
                    ..
                } = label;
                write!(f, "volume {barcode} of pool {pool} ({volume})")
            }
            Identity::TooNew { format } => write!(f, "a volume of the later format {format}"),
            Identity::Foreign(what) => f.write_str(what),
        }
    }
}

/// A label that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The block size is none that the format has.
    #[error("block size {0} is not a multiple of 512 from 65536 to 8388608")]
    BlockSize(u32),
    /// The version is not the one that this program writes.
    #[error("format {0} is not the one this program writes")]
    Format(u32),
    /// A text is longer than a label takes.
    #[error("`{field}` has {actual_bytes} bytes, more than {limit_bytes}")]
    TooLong {
        /// Which one.
        field: &'static str,
        /// Its length.
        actual_bytes: usize,
        /// What is allowed.
        limit_bytes: usize,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct LabelJson {
    format: u32,
    kind: String,
    volume: Uuid,
    barcode: String,
    pool: String,
    block_bytes: u32,
    labelled_at: Timestamp,
    software: String,
    /// Over the whole record, see [`sum`]. Labels of earlier versions have none.
    #[serde(default)]
    record_blake3: String,
}

/// What every version of `label.json` has.
#[derive(Debug, Deserialize)]
struct Version {
    format: u32,
    kind: String,
}

/// The one record of a label.
///
/// # Errors
///
/// See [`LabelError`].
pub fn encode_label(label: &Label) -> Result<Vec<u8>, LabelError> {
    if label.format != FORMAT {
        return Err(LabelError::Format(label.format));
    }
    if !is_block_size(label.block_bytes) {
        return Err(LabelError::BlockSize(label.block_bytes));
    }
    let limit_bytes = 255;
    let texts = [
        ("barcode", &label.barcode),
        ("pool", &label.pool),
        ("software", &label.software),
    ];
    if let Some((field, text)) = texts.into_iter().find(|(_, text)| text.len() > limit_bytes) {
        return Err(LabelError::TooLong {
            field,
            actual_bytes: text.len(),
            limit_bytes,
        });
    }
    let mut json = serde_json::to_vec_pretty(&LabelJson {
        format: label.format,
        kind: KIND.to_owned(),
        volume: label.volume,
        barcode: label.barcode.clone(),
        pool: label.pool.clone(),
        block_bytes: label.block_bytes,
        labelled_at: label.labelled_at,
        software: label.software.clone(),
        record_blake3: sum::NONE.to_owned(),
    })
    .expect("a struct of numbers and strings is JSON");
    json.push(b'\n');
    let mtime = label.labelled_at.as_second();
    let mut record = Vec::with_capacity(label.block_bytes as usize);
    encode_plain(&mut record, README, mtime, readme::text(label).as_bytes());
    encode_plain(&mut record, LABEL, mtime, &json);
    record.extend_from_slice(&END);
    // Texts are bounded, so that all of it is far below the smallest block size.
    record.resize(label.block_bytes as usize, 0);
    sum::put(&mut record);
    Ok(record)
}

/// Writes `label` at the beginning of the tape and waits until it is on the medium.
/// **Everything on the tape is gone afterwards**: whether it may be is the caller's business.
///
/// # Errors
///
/// [`VolumeError::Label`] before anything is written; drive errors.
pub fn write_label(device: &mut dyn SequentialDevice, label: &Label) -> Result<(), VolumeError> {
    let record = encode_label(label)?;
    device
        .rewind()
        .map_err(VolumeError::drive("rewinding", START))?;
    let writing = VolumeError::drive("writing the label", START);
    if device.write_block(&record).map_err(writing)? == Written::EndOfPartition {
        return Err(VolumeError::VolumeEnded { block: START });
    }
    let mark = BlockAddress(1);
    let written = device
        .write_filemark(FilemarkReturns::OnMedium)
        .map_err(VolumeError::drive("writing the label's filemark", mark))?;
    match written {
        Written::EndOfPartition => Err(VolumeError::VolumeEnded { block: mark }),
        _ => Ok(()),
    }
}

/// Rewinds and says what is on the tape. Leaves the position behind its first block. A label
/// is known by its beginning, where drive or path carry no more of it: then the volume has
/// longer blocks than can be read here.
///
/// # Errors
///
/// Drive errors: among them [`DriveErrorKind::BlockTooLong`] for a first block that may be
/// part of a volume, and is too long for drive or path to tell.
pub fn identify(device: &mut dyn SequentialDevice) -> Result<Identity, VolumeError> {
    device
        .rewind()
        .map_err(VolumeError::drive("rewinding", START))?;
    let mut record = vec![0; MAX_BLOCK_BYTES as usize];
    match device.read_block(&mut record) {
        Ok(ReadOutcome::EndOfData) => Ok(Identity::Blank),
        Ok(ReadOutcome::Filemark) => Ok(Identity::Foreign(
            "a tape that begins with a filemark".to_owned(),
        )),
        Ok(ReadOutcome::Block { bytes }) => Ok(decode_label(&record[..bytes])),
        Err(error) => match error.kind {
            DriveErrorKind::BlockTooLong { actual_bytes } => {
                if actual_bytes > u64::from(MAX_BLOCK_BYTES) {
                    let what = format!("unknown data, {actual_bytes}-byte blocks");
                    return Ok(Identity::Foreign(what));
                }
                match decode_beginning(&record, actual_bytes) {
                    Identity::Foreign(_) => {
                        Err(VolumeError::drive("reading the label", START)(error))
                    }
                    identity => Ok(identity),
                }
            }
            DriveErrorKind::EndOfDataMissing => {
                let what = "nothing readable: blank, or cut off by a loss of power";
                Ok(Identity::Foreign(what.to_owned()))
            }
            _ => Err(VolumeError::drive("reading the label", START)(error)),
        },
    }
}

/// What the first block of a tape says.
#[must_use]
pub fn decode_label(record: &[u8]) -> Identity {
    decode_beginning(record, record.len() as u64)
}

/// What the first block says, of which `record` is the beginning.
fn decode_beginning(record: &[u8], block_bytes: u64) -> Identity {
    let Some(json) = find_json(record) else {
        return Identity::Foreign(foreign::describe(record));
    };
    let damaged = |what: String| Identity::Foreign(format!("{DAMAGED_LABEL}: {what}"));
    let version: Version = match serde_json::from_slice(json) {
        Ok(version) => version,
        Err(error) => return damaged(error.to_string()),
    };
    if version.kind != KIND {
        return Identity::Foreign(foreign::describe(record));
    }
    if version.format > FORMAT {
        return Identity::TooNew {
            format: version.format,
        };
    }
    let label: LabelJson = match serde_json::from_slice(json) {
        Ok(label) => label,
        Err(error) => return damaged(error.to_string()),
    };
    if u64::from(label.block_bytes) != block_bytes || !is_block_size(label.block_bytes) {
        return damaged(format!(
            "it says {} bytes a block, and has {block_bytes}",
            label.block_bytes
        ));
    }
    Identity::Ours(Label {
        format: label.format,
        volume: label.volume,
        barcode: label.barcode,
        pool: label.pool,
        block_bytes: label.block_bytes,
        labelled_at: label.labelled_at,
        software: label.software,
    })
}

/// The content of `label.json`, if the record is an archive with README and label.
fn find_json(record: &[u8]) -> Option<&[u8]> {
    let mut parser = MemberParser::new();
    let mut input = record;
    let mut names = [README, LABEL].into_iter();
    let mut json = None;
    while let Some(event) = parser.next(&mut input).ok()? {
        match event {
            Event::Member { member, .. } if names.next()?.as_bytes() == member.path => {}
            Event::Data { at_bytes: 0, bytes } => json = Some(bytes),
            Event::MemberEnd => {}
            Event::End => break,
            _ => return None,
        }
    }
    json.filter(|json| names.next().is_none() && json.len() <= MAX_LABEL_BYTES)
}
