//! Explicit addresses: the 16-byte forms of READ, WRITE and their kin say in the CDB where on the
//! tape they mean (SSC-4 §4.2.17, explicit address mode); the 6-byte forms mean the position.
//!
//! A write sequence begins with FCS. The commands behind it must name the position that the one
//! before left, so that one that got lost on the way is noticed instead of leaving a hole.

use super::DriveTarget;
use super::tape::Halt;
use crate::sense::{self, Sense};
use crate::target::{Refusal, be24, be64};

/// First command of a sequence, byte 1 of the writing commands.
const FIRST_OF_SEQUENCE: u8 = 0x04;
const PARTITION_AT: usize = 3;
const OBJECT_AT: usize = 4;
/// Length field of the 6-byte and of the 16-byte forms.
const LENGTH_AT: usize = 2;
const LENGTH_16_AT: usize = 12;

/// A place on the tape that a CDB names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: u8,
    pub(super) object: u64,
}

fn is_explicit(cdb: &[u8]) -> bool {
    cdb.len() == 16
}

/// Offset and value of the transfer length, verification length or count.
pub(super) fn length_field(cdb: &[u8]) -> (usize, u32) {
    let at = if is_explicit(cdb) {
        LENGTH_16_AT
    } else {
        LENGTH_AT
    };
    (at, be24(cdb, at))
}

impl DriveTarget {
    /// The place that a 16-byte form names; `None` for a 6-byte form.
    ///
    /// # Errors
    ///
    /// 05/24/00 for a partition that the tape does not have; 05/3B/00 for a write that
    /// neither begins a sequence nor goes on where the tape stands.
    pub(super) fn explicit_place(&mut self, cdb: &[u8]) -> Result<Option<Place>, Refusal> {
        if !is_explicit(cdb) {
            return Ok(None);
        }
        let place = Place {
            partition: cdb[PARTITION_AT],
            object: be64(cdb, OBJECT_AT),
        };
        let tape = self.tape()?;
        if usize::from(place.partition) >= tape.partitions().len() {
            return Err(Sense::invalid_cdb_field(PARTITION_AT, None).into());
        }
        let here = Place {
            partition: tape.partition(),
            object: tape.object(),
        };
        let writes = matches!(cdb[0], 0x80 | 0x8A | 0x93);
        if writes && cdb[1] & FIRST_OF_SEQUENCE == 0 && place != here {
            return Err(Sense::illegal(sense::SEQUENTIAL_POSITIONING).into());
        }
        Ok(Some(place))
    }

    /// Moves to `place`, if one is named and the tape is not there. `Some`: the recording ends
    /// before it, and the tape stands at its end.
    pub(super) fn go_to(&mut self, place: Option<Place>) -> Result<Option<Halt>, Refusal> {
        let Some(Place { partition, object }) = place else {
            return Ok(None);
        };
        let tape = self.tape()?;
        if (tape.partition(), tape.object()) == (partition, object) {
            return Ok(None);
        }
        self.move_tape(|tape| tape.locate_object(partition, object))
    }
}
