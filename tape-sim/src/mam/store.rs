//! The chip's file. Values are hexadecimal digits, so that it can be read and compared.

use super::attribute::{self, Attribute};
use super::{History, Mam};
use crate::error::SimError;
use crate::files::{FORMAT_VERSION, adopt_format, read_json, write_json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of `mam.json`.
const FILE_NAME: &str = "mam.json";

/// `mam.json`.
#[derive(Serialize, Deserialize)]
struct Chip {
    format: u32,
    partitions: u8,
    attributes: Vec<Stored>,
    /// Format 1 kept none.
    #[serde(default)]
    history: History,
}

/// One value: identifier and bytes in hexadecimal digits.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    partition: u8,
    value: String,
}

impl Mam {
    /// Reads `folder/mam.json`.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`.
    pub fn load(folder: &Path) -> Result<Self, SimError> {
        let path = folder.join(FILE_NAME);
        let mut chip: Chip = read_json(&path)?;
        adopt_format(&path, &mut chip.format)?;
        let bad = |detail: String| SimError::Format {
            path: path.clone(),
            detail,
        };
        if chip.partitions == 0 {
            return Err(bad("no partition".to_owned()));
        }
        let mut mam = Self {
            partitions: chip.partitions,
            values: BTreeMap::new(),
            history: chip.history,
        };
        for stored in &chip.attributes {
            let (attribute, value) = stored.decode().ok_or_else(|| {
                bad(format!(
                    "attribute {}: no such attribute or value",
                    stored.id
                ))
            })?;
            if stored.partition >= mam.partitions
                || attribute.home(stored.partition) != stored.partition
            {
                return Err(bad(format!(
                    "attribute {}: partition {}",
                    stored.id, stored.partition
                )));
            }
            mam.values.insert((attribute.id, stored.partition), value);
        }
        Ok(mam)
    }

    /// Replaces `folder/mam.json` atomically.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn save(&self, folder: &Path) -> Result<(), SimError> {
        let stored = |(&(id, partition), value): (&(u16, u8), &Vec<u8>)| Stored {
            id: format!("{id:04X}"),
            partition,
            value: value.iter().map(|byte| format!("{byte:02X}")).collect(),
        };
        let chip = Chip {
            format: FORMAT_VERSION,
            partitions: self.partitions,
            attributes: self.values.iter().map(stored).collect(),
            history: self.history.clone(),
        };
        write_json(&folder.join(FILE_NAME), &chip)
    }
}

impl Stored {
    fn decode(&self) -> Option<(&'static Attribute, Vec<u8>)> {
        let attribute = attribute::find(u16::from_str_radix(&self.id, 16).ok()?)?;
        let digits = self.value.as_bytes();
        let (pairs, []) = digits.as_chunks::<2>() else {
            return None;
        };
        let value: Option<Vec<u8>> = pairs
            .iter()
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let value = value?;
        attribute.takes(value.len()).then_some((attribute, value))
    }
}
