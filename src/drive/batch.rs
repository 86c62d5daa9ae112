//! Several blocks of one length with one WRITE, in the drive's fixed-block mode (SSC-5 4.2.10,
//! 6.8; scsi-tape facts 2.3, 3.2). On tape they are as if each had been written by itself.
//!
//! Invariant: FIXED is only set while the drive has said itself, in this session and since the
//! last unit attention, that its block length is the one of these blocks. Whatever else is read
//! or written leaves FIXED out, and is of variable length in either mode.
//!
//! Knows nothing of who has several blocks at hand, nor of the time that is saved.

use std::fmt::Arguments;
use std::io::{self, IoSlice};

use super::proof::Place;
use super::{Drive, DriveError, DriveErrorKind, Written, WrittenBlocks, one_by_one};
use crate::scsi::cdb;
use crate::scsi::mode::PAGE_COMPRESSION;
use crate::scsi::sense::{Sense, SenseKey};
use crate::transport::{Data, TransportErrorKind};

/// So much goes with one WRITE at most. What a command costs is small against more.
const MAX_BYTES: usize = 2 << 20;
/// The transport takes a list of so many buffers for certain.
const MAX_BLOCKS: usize = 64;

const REFUSED: &str = "it refuses blocks of a fixed length: each record is sent by itself, which \
                       is slower where records are short";
const TOO_LONG: &str = "the path carries less at once than it says: each record is sent by \
                        itself, which is slower where records are short";

/// What is known of the drive's block length.
#[derive(Debug, Default)]
pub(super) struct FixedBlocks {
    /// The drive has it at so many bytes; `None` is nothing known, or variable.
    set_bytes: Option<usize>,
    /// The drive does not take a fixed length, or the path no several blocks at once.
    refused: bool,
}

impl FixedBlocks {
    /// The drive may have forgotten its mode.
    pub(super) fn forget(&mut self) {
        self.set_bytes = None;
    }
}

impl Drive {
    /// How many blocks go with one WRITE. One by one where a check goes with each, where the
    /// place is counted, and where it is not proven yet that the drive's word can be relied
    /// upon, which is what tells how far a WRITE came that ends early.
    pub(super) fn batch_blocks(&self, block_bytes: usize) -> usize {
        let alone = self.protection.check_bytes() > 0
            || self.is_counted()
            || !self.position_proven
            || self.fixed.refused
            || !(1..=self.max_block_bytes()).contains(&block_bytes);
        if alone {
            return 1;
        }
        let carried = self.transport.max_transfer_bytes().min(MAX_BYTES);
        (carried / block_bytes).clamp(1, MAX_BLOCKS)
    }

    /// Writes as many of `blocks` as go with one WRITE.
    pub(super) fn write_batch(&mut self, blocks: &[&[u8]]) -> Result<WrittenBlocks, DriveError> {
        let bytes = blocks.first().map_or(0, |block| block.len());
        let alike = blocks.iter().all(|block| block.len() == bytes);
        let count = match alike {
            true => blocks.len().min(self.batch_blocks(bytes)),
            false => 1,
        };
        if count < 2 {
            return one_by_one(self, blocks);
        }
        let at = self.known_position(format_args!("writing {count} blocks"))?;
        if !self.fix_blocks(bytes)? {
            return one_by_one(self, blocks);
        }
        let action = format_args!("writing blocks {at} to {}", at + count as u64 - 1);
        self.reckoning.writing(at);
        let parts: Vec<_> = blocks[..count].iter().map(|b| IoSlice::new(b)).collect();
        let write = cdb::write_6_fixed(count as u32);
        let ended = match self.exchange(action, &write, Data::Gather(&parts)) {
            Err(error) if is_too_long(&error) => {
                self.place = Place::At(at);
                let why = is_always_too_long(&error).then_some(TOO_LONG);
                return self.not_begun(action, blocks, why);
            }
            ended => ended?,
        };
        match &ended.sense {
            None => {
                self.carried(action, &ended, count * bytes)?;
                self.after_batch(at, count, Written::Normal)
            }
            Some(sense) if is_refused(sense) => self.not_begun(action, blocks, Some(REFUSED)),
            Some(sense) => self.judge(action, at, count, sense),
        }
    }

    /// Writes blocks one by one behind a WRITE of them that was not begun, which the drive has
    /// to say itself; `why` says so of all that follow.
    fn not_begun(
        &mut self,
        action: Arguments<'_>,
        blocks: &[&[u8]],
        why: Option<&str>,
    ) -> Result<WrittenBlocks, DriveError> {
        let found = self.ask_position(action)?;
        self.agree(action, found.block.0)?;
        if let Some(why) = why {
            self.refuse(why);
        }
        one_by_one(self, blocks)
    }

    /// What a WRITE did that ended with sense data. How far it came the drive has to say: for
    /// a failure, INFORMATION may count blocks of earlier commands too (SSC-5 6.8).
    fn judge(
        &mut self,
        action: Arguments<'_>,
        at: u64,
        count: usize,
        sense: &Sense,
    ) -> Result<WrittenBlocks, DriveError> {
        let overflow = sense.key == SenseKey::VolumeOverflow && !sense.deferred;
        if !overflow && !sense.is_success() {
            return Err(self.failure(action, sense));
        }
        let found = self.ask_position(action)?.block.0;
        let taken = found
            .checked_sub(at)
            .and_then(|taken| usize::try_from(taken).ok())
            .filter(|taken| *taken <= count);
        if overflow {
            let blocks = taken.unwrap_or(0).min(count - 1);
            return self.after_batch(at, blocks, Written::EndOfPartition);
        }
        let rest = match sense.end_of_medium {
            true => sense.information.unwrap_or(0),
            false => 0,
        };
        if taken.is_none_or(|taken| (count - taken) as i64 != rest) {
            let what = format!(
                "the drive says that {rest} of {count} blocks were not written, and that it is \
                 at block {found}, having been at {at}; nobody knows which of them are on the \
                 tape, so nothing more is written"
            );
            return Err(self.error(action, DriveErrorKind::UntrustedPosition, what));
        }
        let blocks = taken.unwrap_or(0);
        let written = match blocks {
            0 => Written::EndOfPartition,
            _ => self.warning(at + blocks as u64 - 1, sense),
        };
        self.after_batch(at, blocks, written)
    }

    fn after_batch(
        &mut self,
        at: u64,
        blocks: usize,
        written: Written,
    ) -> Result<WrittenBlocks, DriveError> {
        self.rewound = false;
        let next = at + blocks as u64;
        self.reckoning.passed_blocks(at, blocks as u64);
        self.reckoning.met_end(next);
        self.place = match written {
            Written::EndOfPartition => Place::Failed,
            _ => Place::At(next),
        };
        Ok(WrittenBlocks { blocks, written })
    }

    /// Sets the drive's block length to `bytes`; false if it does not take that.
    fn fix_blocks(&mut self, bytes: usize) -> Result<bool, DriveError> {
        if self.fixed.set_bytes == Some(bytes) {
            return Ok(true);
        }
        let action = format_args!("setting blocks of {bytes} bytes");
        let wanted = bytes as u32;
        let (mut mode, form) = self.mode_data_or_less(PAGE_COMPRESSION)?;
        if mode.block_bytes != wanted {
            mode.block_bytes = wanted;
            match self.send_mode_in_either_form(action, &mode, form) {
                Err(error) if error.kind == DriveErrorKind::Unsupported => {
                    self.refuse(REFUSED);
                    return Ok(false);
                }
                sent => sent?,
            }
            mode = self.mode_data_or_less(PAGE_COMPRESSION)?.0;
        }
        self.fixed.set_bytes = Some(mode.block_bytes as usize).filter(|bytes| *bytes > 0);
        if mode.block_bytes != wanted {
            self.refuse(REFUSED);
        }
        Ok(mode.block_bytes == wanted)
    }

    /// Gives the drive its variable blocks back, for those who use it after us, if it still
    /// has a fixed length. To be called where nothing is buffered that is still to be confirmed;
    /// what was written does not depend on it.
    pub fn unfix_blocks(&mut self) {
        if self.fixed.set_bytes.take().is_none() {
            return;
        }
        let action = format_args!("setting variable blocks");
        let set = self
            .mode_data_or_less(PAGE_COMPRESSION)
            .and_then(|(mut mode, form)| {
                mode.block_bytes = 0;
                self.send_mode_in_either_form(action, &mode, form)
            });
        if let Err(error) = set {
            tracing::warn!(drive = %self.name, %error, "the drive stays at blocks of one length");
        }
    }

    fn refuse(&mut self, why: &str) {
        self.fixed.refused = true;
        self.notice(why.to_owned());
    }
}

/// The drive does not know such a WRITE, and has not begun it: invalid command, field in the
/// CDB or field in the parameters (SPC: ASC 20h, 24h, 26h). What else it may object to is said
/// of single blocks too.
fn is_refused(sense: &Sense) -> bool {
    sense.key == SenseKey::IllegalRequest
        && !sense.deferred
        && matches!(sense.asc, 0x20 | 0x24 | 0x26)
}

/// The path did not carry so much. Nothing was sent.
fn is_too_long(error: &DriveError) -> bool {
    let source = error.source.as_ref();
    source.is_some_and(|source| source.kind == TransportErrorKind::TooLong)
}

/// So it will be with the next one. A kernel that found no memory may find some then.
fn is_always_too_long(error: &DriveError) -> bool {
    let source = error.source.as_ref();
    let cause = source.and_then(|source| source.source.as_ref());
    cause.is_none_or(|cause| cause.kind() == io::ErrorKind::InvalidInput)
}
