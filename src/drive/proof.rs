//! Where the drive is: by its own word, and by the commands it carried out.
//!
//! [`Place`] follows the position by the commands sent. The drive's word is compared with it
//! whenever it is asked for, and after the first write of a session in any case: a device
//! whose READ POSITION does not follow its writes could never confirm what is on tape.

use std::fmt::{self, Arguments};

use super::{Drive, DriveError, DriveErrorKind, Position, SequentialDevice, Written};
use crate::scsi::cdb::{self, PositionForm};
use crate::scsi::position::{self, LONG_BYTES, LongPosition};
use crate::transport::Data;
use crate::units::{BlockAddress, TapeFile};

/// What is known of the position without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Address of the next object, from the drive's own words and the commands since.
    At(u64),
    /// Moved as the caller wanted; to be asked for.
    Moved,
    /// Where the tape ended or a command failed on medium or hardware: to be asked for. The
    /// session goes on, so what the drive says is confirmed still counts from its beginning.
    Failed,
    /// Nothing: no motion yet, or a failure behind which the drive's word may be about
    /// another session, or is known to be wrong.
    Lost,
}

impl Place {
    /// One object further on.
    pub(super) fn after_object(self) -> Place {
        match self {
            Place::At(at) => Place::At(at + 1),
            other => other,
        }
    }
}

impl fmt::Display for Place {
    /// Names the object about to be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::At(block) => write!(f, "block {block}"),
            _ => f.write_str("the next block"),
        }
    }
}

impl Drive {
    /// Follows the position, and proves once per session that the drive does as well.
    pub(super) fn after_write(&mut self, at: u64, written: Written) -> Result<Written, DriveError> {
        if written == Written::EndOfPartition {
            self.place = Place::Failed;
            return Ok(written);
        }
        self.place = Place::At(at + 1);
        if !self.position_proven {
            let action = format_args!("checking the position after writing object {at}");
            let found = self.ask_position(action)?;
            self.agree(action, found.block.0)?;
            self.position_proven = true;
        }
        Ok(written)
    }

    /// Where a write would begin. After a failure nothing is written until the caller
    /// asked or moved: a reset may have left the drive at the label.
    pub(super) fn known_position(&mut self, action: Arguments<'_>) -> Result<u64, DriveError> {
        match self.place {
            Place::At(next) => Ok(next),
            Place::Moved => Ok(self.position()?.block.0),
            Place::Failed | Place::Lost => {
                let what = "the position is not known since the session began or a command \
                            failed; ask for it or move to a block first"
                    .to_owned();
                let place = self.place;
                let error = self.error(action, DriveErrorKind::PositionLost, what);
                self.place = place;
                Err(error)
            }
        }
    }

    /// The drive's own word on where it is.
    pub(super) fn ask_position(&mut self, action: Arguments<'_>) -> Result<Position, DriveError> {
        let mut data = [0; LONG_BYTES];
        let ask = cdb::read_position(PositionForm::Long);
        let got = self.command(action, &ask, Data::In(&mut data))?;
        let found = self.decoded(action, position::parse_long(&data[..got]))?;
        match found {
            LongPosition {
                block: Some(block),
                file: Some(file),
                ..
            } => Ok(Position {
                partition: u8::try_from(found.partition).unwrap_or(u8::MAX),
                block: BlockAddress(block),
                file: TapeFile(file),
                beginning: found.beginning,
                early_warning: found.early_warning,
            }),
            _ => Err(self.unknown_position(action)),
        }
    }

    /// Compares the drive's word with the commands sent.
    pub(super) fn agree(&mut self, action: Arguments<'_>, said: u64) -> Result<(), DriveError> {
        match self.place {
            Place::At(counted) if counted != said => {
                let what = format!(
                    "the drive says block {said}, but {counted} is what follows from the \
                     commands it carried out; its READ POSITION cannot be trusted, so \
                     nothing is archived with it"
                );
                Err(self.error(action, DriveErrorKind::UntrustedPosition, what))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn unknown_position(&mut self, action: Arguments<'_>) -> DriveError {
        let what = "the drive does not know where it is".to_owned();
        self.error(action, DriveErrorKind::UntrustedPosition, what)
    }
}
