//! VERIFY: reads without sending (SSC-4 §5.5). Comparing bytes (BYTCMP) is what no LTO drive does.
//!
//! The length counts as in READ, or filemarks with VBF; with VTE all up to EOD is verified. With
//! IMMED the command ends at once, and what it finds is told as a deferred error.

use super::DriveTarget;
use super::address::length_field;
use super::transfer::{Transfer, filemark_met, nothing_recorded};
use crate::cartridge::record::Kind;
use crate::sense::Sense;
use crate::target::{Refusal, Reply};

/// VERIFY byte 1.
const IMMED: u8 = 0x04;
const BY_FILEMARKS: u8 = 0x08;
const TO_END: u8 = 0x20;

/// How far to verify.
enum Extent {
    Blocks(Transfer),
    Filemarks(u32),
    EndOfData,
}

impl DriveTarget {
    /// VERIFY(6) and (16).
    pub(super) fn verify(&mut self, cdb: &[u8]) -> Reply {
        let length = length_field(cdb).1;
        let extent = match (cdb[1] & TO_END != 0, cdb[1] & BY_FILEMARKS != 0) {
            (true, true) => return Err(Sense::invalid_cdb_field(1, Some(5)).into()),
            (true, false) => Extent::EndOfData,
            (false, true) => Extent::Filemarks(length),
            (false, false) => Extent::Blocks(self.transfer(cdb)?),
        };
        let place = self.explicit_place(cdb)?;
        if !matches!(extent, Extent::EndOfData) && length == 0 {
            return Ok(0);
        }
        let verified = self.go_and_verify(place, &extent, length);
        match verified {
            Err(Refusal::Check { sense, .. }) if cdb[1] & IMMED != 0 => {
                self.deferred = Some(Sense {
                    deferred: true,
                    ..sense
                });
                Ok(0)
            }
            other => other.map(|()| 0),
        }
    }

    fn go_and_verify(
        &mut self,
        place: Option<super::address::Place>,
        extent: &Extent,
        length: u32,
    ) -> Result<(), Refusal> {
        if self.go_to(place)?.is_some() {
            return Err(nothing_recorded(i64::from(length)).into());
        }
        match extent {
            Extent::Blocks(transfer) => self.verify_blocks(transfer),
            Extent::Filemarks(count) => self.verify_marks(Some(*count)),
            Extent::EndOfData => self.verify_marks(None),
        }?;
        self.warn_after_read(0).map(drop)
    }

    fn verify_blocks(&mut self, transfer: &Transfer) -> Result<(), Refusal> {
        for done in 0..transfer.blocks {
            let residual = transfer.residual(done);
            let verified = self.verify_object();
            let Some(length) = verified.map_err(|refusal| transfer.ended(refusal, done))? else {
                return Err(nothing_recorded(residual).into());
            };
            let wrong = match length {
                None => return Err(filemark_met(residual).into()),
                Some(bytes) => i64::from(bytes) - transfer.block_bytes as i64,
            };
            if wrong != 0 {
                let told = if transfer.fixed { residual } else { -wrong };
                return Err(Sense::none().with_ili().with_information(told).into());
            }
        }
        Ok(())
    }

    /// Verifies up to and over `count` filemarks, or up to EOD.
    fn verify_marks(&mut self, count: Option<u32>) -> Result<(), Refusal> {
        let mut left = count.unwrap_or(u32::MAX);
        while left > 0 {
            match (self.verify_object()?, count) {
                (None, None) => break,
                (None, Some(_)) => return Err(nothing_recorded(i64::from(left)).into()),
                (Some(None), Some(_)) => left -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the object at the position and steps over it: `None` at EOD, `Some(None)` for a
    /// filemark, else the block's length in bytes.
    fn verify_object(&mut self) -> Result<Option<Option<u32>>, Refusal> {
        let Some(record) = self.next_object()? else {
            return Ok(None);
        };
        if record.kind == Kind::Filemark {
            self.tape()?.step();
            return Ok(Some(None));
        }
        // Bounded: a record's length has 24 bits.
        let mut bytes = vec![0; record.length_bytes as usize];
        let length = self.take_block(&record, &mut bytes)?;
        Ok(Some(Some(length as u32)))
    }
}
