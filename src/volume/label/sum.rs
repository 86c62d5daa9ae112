//! The sum over a label's whole record: README, label, headers and padding.

use serde_json::{Map, Value};

use super::{MAX_BLOCK_BYTES, START, find_json};
use crate::drive::{ReadOutcome, SequentialDevice};
use crate::volume::VolumeError;

pub(super) const KEY: &str = "record_blake3";
/// What stands in the sum's place while it is taken.
pub(super) const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What a label has besides.
const KEYS: [&str; 8] = [
    "format",
    "kind",
    "volume",
    "barcode",
    "pool",
    "block_bytes",
    "labelled_at",
    "software",
];

/// Puts the sum into a record that has [`NONE`] in its place.
pub(super) fn put(record: &mut [u8]) {
    let sum = blake3::hash(record).to_hex();
    let at = position(record, NONE.as_bytes()).expect("the label has room for its sum");
    record[at..at + sum.len()].copy_from_slice(sum.as_bytes());
}

/// What is wrong with the record of a label that can be read, as a sentence; `None` if it is as
/// it was written, or was written without a sum.
#[must_use]
pub fn label_damage(record: &[u8]) -> Option<String> {
    let json = find_json(record)?;
    let label: Map<String, Value> = serde_json::from_slice(json).ok()?;
    let Some(sum) = label.get(KEY) else {
        let strange = label.keys().find(|key| !KEYS.contains(&key.as_str()))?;
        return Some(format!("it has no sum, but a key `{strange}`"));
    };
    let sum = sum.as_str().filter(|sum| sum.len() == NONE.len());
    let at = sum.and_then(|sum| position(record, sum.as_bytes()));
    let (Some(sum), Some(at)) = (sum, at) else {
        return Some("its sum is none".to_owned());
    };
    let mut blank = record.to_vec();
    blank[at..at + NONE.len()].copy_from_slice(NONE.as_bytes());
    let same = blake3::hash(&blank).to_hex().as_str() == sum;
    (!same).then(|| "a byte of the label or the README is not as it was written".to_owned())
}

/// True for the record of a label that has a sum, and is as it was written.
#[must_use]
pub fn is_proven_label(record: &[u8]) -> bool {
    let label = find_json(record).and_then(|json| serde_json::from_slice(json).ok());
    let has_sum = label.is_some_and(|label: Map<String, Value>| label.contains_key(KEY));
    has_sum && label_damage(record).is_none()
}

/// Reads the label of a volume once more, and says what is wrong with it, as [`label_damage`].
///
/// # Errors
///
/// Drive errors.
pub fn read_label_damage(device: &mut dyn SequentialDevice) -> Result<Option<String>, VolumeError> {
    let reading = || VolumeError::drive("reading the label", START);
    device.rewind().map_err(reading())?;
    let mut record = vec![0; MAX_BLOCK_BYTES as usize];
    match device.read_block(&mut record).map_err(reading())? {
        ReadOutcome::Block { bytes } => Ok(label_damage(&record[..bytes])),
        _ => Ok(None),
    }
}

fn position(record: &[u8], wanted: &[u8]) -> Option<usize> {
    record
        .windows(wanted.len())
        .position(|bytes| bytes == wanted)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::super::{Identity, Label, decode_label, encode_label};
    use super::*;
    use crate::volume::FORMAT;

    #[test]
    fn a_byte_changed_anywhere_in_a_label_is_found() {
        let label = Label {
            format: FORMAT,
            volume: Uuid::from_u128(7),
            barcode: "E00001L9".to_owned(),
            pool: "docs".to_owned(),
            block_bytes: 64 << 10,
            labelled_at: Timestamp::UNIX_EPOCH,
            software: "tapewright test".to_owned(),
        };
        let record = encode_label(&label).unwrap();
        assert_eq!(label_damage(&record), None);
        assert!(is_proven_label(&record));
        assert_eq!(decode_label(&record), Identity::Ours(label));
        let used = record.iter().rposition(|byte| *byte != 0).unwrap();
        for at in (0..=used).chain([used + 1, record.len() - 1]) {
            let mut bad = record.clone();
            bad[at] ^= 0x10;
            let lost = !matches!(decode_label(&bad), Identity::Ours(_));
            assert!(lost || label_damage(&bad).is_some(), "byte {at}");
        }
    }

    #[test]
    fn a_label_without_a_sum_is_not_judged() {
        let json = br#"{"format":1,"kind":"tapewright-label","volume":"x","barcode":"b"}"#;
        let mut record = Vec::new();
        crate::volume::tar::encode_plain(&mut record, super::super::README, 0, b"text");
        crate::volume::tar::encode_plain(&mut record, super::super::LABEL, 0, json);
        record.extend_from_slice(&crate::volume::tar::END);
        assert_eq!(label_damage(&record), None);
        assert!(!is_proven_label(&record));
    }
}
