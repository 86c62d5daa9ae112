//! Where the drive is: by its own word, and by the commands it carried out.
//!
//! [`Place`] follows the position by the commands sent. The drive's word is compared with it
//! whenever it is asked for, and after the first read or write of a session in any case: a
//! device whose READ POSITION does not follow could never confirm what is on tape. Where that
//! is certain to be the drive's ignorance, the place is counted instead.

use std::fmt::{self, Arguments};

use super::reckoning::Reckoning;
use super::{Drive, DriveError, DriveErrorKind, Position, SequentialDevice, Written};
use crate::scsi::cdb::{self, PositionForm};
use crate::scsi::position::{self, LONG_BYTES, LongPosition};
use crate::transport::Data;
use crate::units::{BlockAddress, TapeFile};

/// Who says where the tape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionSource {
    /// The drive, by READ POSITION.
    Drive,
    /// We: by counting from the beginning of the tape, since the drive does not know.
    Counted,
}

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
    pub(super) fn after_write(
        &mut self,
        at: u64,
        written: Written,
        filemark: bool,
    ) -> Result<Written, DriveError> {
        if written == Written::EndOfPartition {
            self.place = Place::Failed;
            return Ok(written);
        }
        self.place = Place::At(at + 1);
        let action = format_args!("checking the position after writing object {at}");
        let kept = self.reckoning.wrote(at, filemark);
        self.mark_kept(action, kept)?;
        self.prove_position(action, at)?;
        Ok(written)
    }

    /// Follows the position over an object that was read.
    pub(super) fn after_read(&mut self, filemark: bool) -> Result<(), DriveError> {
        let Place::At(at) = self.place else {
            return Ok(());
        };
        let action = format_args!("checking the position after reading object {at}");
        self.place = Place::At(at + 1);
        if filemark {
            let kept = self.reckoning.passed_mark(at);
            self.mark_kept(action, kept)?;
        } else {
            self.reckoning.passed_blocks(at, 1);
        }
        match self.rewound {
            true => self.prove_position(action, at),
            false => Ok(()),
        }
    }

    /// Proves once per session that the drive's word follows what was read or written, here
    /// the object `at`. A drive that stays at the beginning does not know where it is.
    fn prove_position(&mut self, action: Arguments<'_>, at: u64) -> Result<(), DriveError> {
        let first = std::mem::take(&mut self.rewound) && at == 0;
        if self.position_proven || self.is_counted() {
            return Ok(());
        }
        let place = self.place;
        match self.ask_position(action) {
            Ok(found) if first && found.block.0 == 0 => {
                self.count_instead("its READ POSITION stays at block 0");
            }
            Ok(found) => {
                self.agree(action, found.block.0)?;
                self.position_proven = true;
            }
            Err(error) if first && is_ignorance(&error) => {
                self.place = place;
                self.count_instead("it does not know where it is");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// From now on the place is counted.
    pub(super) fn count_instead(&mut self, why: &str) {
        self.source = PositionSource::Counted;
        self.notice(format!(
            "{why}: its position is counted from the beginning of the tape, moves are slower, \
             and each filemark is waited for"
        ));
    }

    /// Who says where the tape is.
    #[must_use]
    pub fn position_source(&self) -> PositionSource {
        self.source
    }

    /// The tape is about to move. If nothing was known of it, it may be another tape.
    pub(super) fn moving(&mut self) {
        self.forget_if_lost();
        self.place = Place::Moved;
        self.rewound = false;
    }

    /// Behind a failure that lost the place nothing learnt before is relied upon.
    pub(super) fn forget_if_lost(&mut self) {
        if self.place == Place::Lost {
            self.reckoning = Reckoning::default();
        }
    }

    /// Another tape may be in the drive.
    pub(super) fn new_session(&mut self) {
        self.protection.forget();
        self.fixed.forget();
        self.place = Place::Lost;
        self.position_proven = false;
        self.rewound = false;
        self.reckoning = Reckoning::default();
    }

    /// The place as it was counted.
    pub(super) fn counted_position(
        &mut self,
        action: Arguments<'_>,
    ) -> Result<Position, DriveError> {
        let Place::At(at) = self.place else {
            let what = "the drive does not know where it is, and after a failure counting has \
                        to begin anew: rewind, or move to a block, first"
                .to_owned();
            return Err(self.error_in_place(action, DriveErrorKind::PositionLost, what));
        };
        Ok(Position {
            partition: 0,
            block: BlockAddress(at),
            file: TapeFile(self.reckoning.marks_before(at) as u64),
            beginning: at == 0,
            early_warning: self.reckoning.is_warned_at(at),
        })
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
                Err(self.error_in_place(action, DriveErrorKind::PositionLost, what))
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

/// True for what a drive answers that does not know its position.
pub(super) fn is_ignorance(error: &DriveError) -> bool {
    matches!(
        error.kind,
        DriveErrorKind::Unsupported | DriveErrorKind::UntrustedPosition
    )
}
