//! ERASE: what lies behind the position is gone.

use super::DriveTarget;
use super::busy::Operation;
use super::protect::Change;
use crate::physics::model::SHORT_ERASE;
use crate::sense::{self, Sense, key};
use crate::target::Reply;

/// ERASE byte 1.
const LONG: u8 = 0x01;
const IMMED: u8 = 0x02;

impl DriveTarget {
    /// ERASE(6) and (16) (SSC-4 §5.2, §5.3): EOD is at the position, which stays. LONG goes over
    /// the rest of the partition, which takes hours; nothing reads behind EOD before or after.
    pub(super) fn erase(&mut self, cdb: &[u8]) -> Reply {
        let place = self.explicit_place(cdb)?;
        if self.go_to(place)?.is_some() {
            return Err(Sense::new(key::BLANK_CHECK, sense::END_OF_DATA).into());
        }
        self.require_writable(Change::Destroy)?;
        self.flush()?;
        let cut = self.tape()?.cut_here();
        cut.map_err(|error| self.write_failure(error))?;
        let duration = if cdb[1] & LONG != 0 {
            let position = self.position_bytes()?;
            let tape = self.tape()?;
            // An object that reaches behind the limit leaves nothing to erase.
            let rest = tape.limit_bytes().saturating_sub(position);
            tape.deck.mechanics().over(rest)
        } else {
            SHORT_ERASE
        };
        self.operate(Operation::Erasing, duration, cdb[1] & IMMED != 0);
        Ok(0)
    }
}
