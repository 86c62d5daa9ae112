//! May the medium be changed? Write protection, WORM, append-only mode and the exceptions that
//! ALLOW OVERWRITE makes from it.

use super::DriveTarget;
use super::tape::Tape;
use crate::generation::Access;
use crate::mam::id;
use crate::pages::alert;
use crate::sense::{self, Sense, key};
use crate::target::{Refusal, Reply, be64};

/// What a command is about to do to the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Objects are written at the position; it becomes the end of data.
    Append,
    /// Recorded objects are destroyed: ERASE, FORMAT MEDIUM, SET CAPACITY.
    Destroy,
}

/// The drive's allow_overwrite variable. Any change of position withdraws it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overwrite {
    /// Append-only mode has no exception.
    No,
    /// One writing command at the position at which it was given.
    Here,
    /// One command that erases or formats.
    Format,
}

/// ALLOW OVERWRITE byte 2.
const ALLOW_NOTHING: u8 = 0;
const ALLOW_HERE: u8 = 1;
const ALLOW_FORMAT: u8 = 2;

impl DriveTarget {
    /// ALLOW OVERWRITE (SSC-4 §7.1). A refusal withdraws what was allowed before.
    pub(super) fn allow_overwrite(&mut self, cdb: &[u8]) -> Reply {
        self.overwrite = Overwrite::No;
        if !self.state.modes.append_only {
            return Err(Sense::illegal(sense::ILLEGAL_WHEN_NOT_APPENDING).into());
        }
        let tape = self.tape()?;
        let here = (tape.partition(), tape.object()) == (cdb[3], be64(cdb, 4));
        self.overwrite = match cdb[2] {
            ALLOW_NOTHING => Overwrite::No,
            ALLOW_HERE if !here => return Err(Sense::illegal(sense::SEQUENTIAL_POSITIONING).into()),
            ALLOW_HERE => Overwrite::Here,
            ALLOW_FORMAT => Overwrite::Format,
            _ => return Err(Sense::invalid_cdb_field(2, Some(3)).into()),
        };
        Ok(0)
    }

    /// Checks that the medium may be changed at the position, and notes that it is.
    ///
    /// # Errors
    ///
    /// DATA PROTECT: 27/00 by tab or mode, 30/05 for a format that is only read, 30/0C for WORM,
    /// 30/0D for WORM that has been tampered with, 5A/02 in append-only mode.
    pub(super) fn require_writable(&mut self, change: Change) -> Result<(), Refusal> {
        let protect = |code| Err(Sense::new(key::DATA_PROTECT, code).into());
        let Some(tape) = &self.tape else {
            return Err(Sense::not_ready(sense::MEDIUM_NOT_PRESENT).into());
        };
        let cartridge = &tape.cartridge;
        if self.access(cartridge) != Access::ReadWrite {
            self.state.raise(alert::READ_ONLY_FORMAT);
            return protect(sense::CANNOT_WRITE_INCOMPATIBLE);
        }
        if cartridge.info.write_protected || self.state.modes.software_write_protect {
            self.state.raise(alert::WRITE_PROTECT);
            return protect(sense::WRITE_PROTECTED);
        }
        if cartridge.is_worm() {
            if cartridge.info.worm_suspect {
                self.state.raise(alert::WORM_INTEGRITY);
                return protect(sense::WORM_INTEGRITY);
            }
            if change == Change::Destroy || !(at_end(tape) || among_last_marks(tape)) {
                self.state.raise(alert::WORM_OVERWRITE);
                return protect(sense::WORM_OVERWRITE);
            }
        }
        let appends = self.state.modes.append_only;
        let allowed = match change {
            Change::Append => {
                at_end(tape)
                    || among_last_marks(tape)
                    || only_marks_on(tape)
                    || self.overwrite == Overwrite::Here
            }
            Change::Destroy => self.overwrite == Overwrite::Format,
        };
        self.overwrite = Overwrite::No;
        if appends && !allowed {
            self.state.raise(alert::WRITE_PROTECT);
            return protect(sense::OPERATOR_WRITE_PROTECT);
        }
        self.note_change()
    }

    /// Changes the volume change reference, once per load (scsi MAM attribute 0009h).
    fn note_change(&mut self) -> Result<(), Refusal> {
        if self.state.session.changed {
            return Ok(());
        }
        let cartridge = &mut self.tape()?.cartridge;
        let count = cartridge.info.partitions_bytes.len() as u8;
        for partition in 0..count {
            let reference = cartridge.mam.number(partition, id::VOLUME_CHANGE_REFERENCE);
            // Zero and all ones mean "not valid".
            let next = reference % u64::from(u32::MAX - 1) + 1;
            cartridge
                .mam
                .set_number(partition, id::VOLUME_CHANGE_REFERENCE, next);
        }
        let saved = cartridge.save_mam();
        saved.map_err(|error| self.host_failure(error))?;
        self.state.session.changed = true;
        Ok(())
    }
}

fn at_end(tape: &Tape) -> bool {
    tape.object() == tape.end_object()
}

/// Nothing but filemarks from here to the end of data, and one just before: the first of the
/// marks that close the recording stays.
fn among_last_marks(tape: &Tape) -> bool {
    tape.only_filemarks_follow() && tape.filemark_precedes()
}

/// Nothing but filemarks in the whole partition, and the tape at its beginning.
fn only_marks_on(tape: &Tape) -> bool {
    tape.object() == 0 && tape.only_filemarks_follow()
}
