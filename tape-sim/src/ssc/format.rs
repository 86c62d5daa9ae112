//! FORMAT MEDIUM and SET CAPACITY: a blank tape, divided or shortened.

use std::time::Duration;

use super::DriveTarget;
use super::busy::Operation;
use super::protect::Change;
use super::tape::Tape;
use crate::cartridge::layout::{Division, divide};
use crate::physics::model::FORMATTING;
use crate::sense::{self, Sense};
use crate::target::{Refusal, Reply, be16};

/// Byte 1 of both commands.
const IMMED: u8 = 0x01;
/// FORMAT MEDIUM byte 2 (SSC-4 table 44).
const FORMAT: u8 = 0x0F;
const ONE_PARTITION: u8 = 0;
const AS_PLANNED: u8 = 1;
const BLANK_THEN_AS_PLANNED: u8 = 2;

impl DriveTarget {
    /// FORMAT MEDIUM (SSC-4 §7.2).
    pub(super) fn format_medium(&mut self, cdb: &[u8]) -> Reply {
        self.require_beginning()?;
        let division = match cdb[2] & FORMAT {
            ONE_PARTITION => Division::Equal { count: 1 },
            AS_PLANNED | BLANK_THEN_AS_PLANNED => match &self.state.modes.partition_plan {
                Some(plan) => plan.division.clone(),
                None => return Err(Sense::illegal(sense::PARAMETER_VALUE).into()),
            },
            _ => return Err(Sense::invalid_cdb_field(2, Some(3)).into()),
        };
        let cartridge = &self.tape()?.cartridge;
        let (usable, proportion) = (cartridge.usable_bytes(), cartridge.info.proportion);
        let partitions = cartridge
            .format()
            .and_then(|format| divide(format, usable, &division));
        // The plan was made for another medium.
        let partitions = partitions.ok_or(Sense::illegal(sense::PARAMETER_VALUE))?;
        // A format that is measured on its first load is measured again.
        let duration = FORMATTING + self.tape()?.cartridge.optimization();
        self.reformat(cdb, partitions, proportion, duration)
    }

    /// SET CAPACITY (SSC-4 §7.10): one partition on a part of the tape.
    pub(super) fn set_capacity(&mut self, cdb: &[u8]) -> Reply {
        self.require_beginning()?;
        let proportion = be16(cdb, 3);
        let cartridge = &mut self.tape()?.cartridge;
        let before = std::mem::replace(&mut cartridge.info.proportion, proportion);
        let usable = cartridge.usable_bytes();
        cartridge.info.proportion = before;
        self.reformat(cdb, vec![usable], proportion, FORMATTING)
    }

    /// 05/3B/0C unless the tape is at BOP of partition 0.
    fn require_beginning(&mut self) -> Result<(), Refusal> {
        let tape = self.tape()?;
        if (tape.partition(), tape.object()) == (0, 0) {
            return Ok(());
        }
        Err(Sense::illegal(sense::POSITION_PAST_BEGINNING).into())
    }

    fn reformat(
        &mut self,
        cdb: &[u8],
        partitions_bytes: Vec<u64>,
        proportion: u16,
        duration: Duration,
    ) -> Reply {
        self.require_writable(Change::Destroy)?;
        self.state.modes.partition_plan = None;
        let Some(tape) = self.tape.take() else {
            return Err(Sense::not_ready(sense::MEDIUM_NOT_PRESENT).into());
        };
        // At BOP with nothing recorded nothing is buffered, and recordings are to go.
        let mut cartridge = tape.cartridge;
        let made = cartridge.reformat(partitions_bytes, proportion);
        let opened = made.and_then(|()| Tape::open(cartridge, self.generation, self.buffer_bytes));
        match opened {
            Ok(tape) => self.tape = Some(tape),
            Err(error) => {
                self.state.enter(super::state::Phase::Unreadable);
                return Err(self.host_failure(error));
            }
        }
        self.operate(Operation::Formatting, duration, cdb[1] & IMMED != 0);
        Ok(0)
    }
}
