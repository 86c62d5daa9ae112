//! Layer 3: a tape drive as a sequential-access device with typed outcomes.
//!
//! [`SequentialDevice`] is all that the tape format above needs; [`Drive`] implements
//! it with SCSI commands over a [`crate::transport::Transport`]. Knows neither the
//! changer nor what the blocks mean.

mod access_order;
mod batch;
mod capability;
mod command;
mod device;
mod encryption;
mod erase;
mod error;
mod health;
mod layout;
mod medium;
mod mode;
mod proof;
mod protection;
mod ready;
mod reckoning;
mod reserve;
mod sequential;
mod unready;
mod walk;

pub use capability::Capabilities;
pub use device::{Drive, DriveIdentity};
pub use error::{DriveError, DriveErrorKind};
pub use health::{Health, HealthCounters};
pub use medium::{CartridgeMemory, ChipLabel, MediumInfo};
pub use mode::{DriveMode, ModeInEffect};
pub use proof::PositionSource;
pub use ready::{ReadyWait, Waiting};
pub use unready::Unready;

use std::ops::ControlFlow;

use crate::units::{BlockAddress, TapeFile};

/// How a write went. In every case but the last the data was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Accepted, far from the end.
    Normal,
    /// Accepted; the write crossed the programmable early warning (SSC: 00/07).
    ProgrammableEarlyWarning,
    /// Accepted; the position is within the early-warning zone (SSC: 00/02, key 0).
    EarlyWarning,
    /// **Not** written: no room is left before the end of the partition (key D).
    EndOfPartition,
}

/// How a write of several blocks went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenBlocks {
    /// How many were accepted, from the first on.
    pub blocks: usize,
    /// How the last of them went; [`Written::EndOfPartition`]: the one behind them was not
    /// written.
    pub written: Written,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// One block of `bytes` bytes, now at the start of the buffer. Position: after it.
    Block {
        /// Length of the block.
        bytes: usize,
    },
    /// A filemark. Position: after it.
    Filemark,
    /// End of data; position unchanged.
    EndOfData,
}

/// When a filemark write returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilemarkReturns {
    /// At once; the mark is in the drive's buffer (IMMED = 1).
    Immediate,
    /// When the mark and all before it are on the medium (IMMED = 0).
    OnMedium,
}

/// Where the next read or write happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Partition number.
    pub partition: u8,
    /// Logical object that will be read or written next.
    pub block: BlockAddress,
    /// Filemarks before it.
    pub file: TapeFile,
    /// At the beginning of the partition.
    pub beginning: bool,
    /// Between early warning and the end of the partition.
    pub early_warning: bool,
}

/// A drive with a loaded tape, as the tape format sees it.
///
/// After any error the position is unknown unless the method says otherwise; call
/// [`position`](Self::position) or [`locate`](Self::locate) before going on. A write
/// before that is refused ([`DriveErrorKind::PositionLost`]). Writes are never repeated
/// automatically: a repeat could write a block twice.
pub trait SequentialDevice: Send {
    /// Writes `data` as one block at the current position; what lay behind is gone.
    ///
    /// Durable only once [`first_unconfirmed`](Self::first_unconfirmed) has passed it.
    ///
    /// # Errors
    ///
    /// Medium, hardware, protection and transport failures; position unknown.
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError>;

    /// How many blocks of `block_bytes` each are best handed to
    /// [`write_blocks`](Self::write_blocks) at once; 1 where each goes by itself anyway. May
    /// change with what a session shows.
    fn blocks_at_once(&self, _block_bytes: usize) -> usize {
        1
    }

    /// Writes blocks of one length, in order, with as few commands as the device has for it.
    /// On tape they are as if [`write_block`](Self::write_block) had written each.
    ///
    /// May accept fewer than it is given: the rest is the caller's to hand over again. None is
    /// accepted only at the end of the partition.
    ///
    /// # Errors
    ///
    /// As [`write_block`](Self::write_block); some of the blocks may have been written.
    fn write_blocks(&mut self, blocks: &[&[u8]]) -> Result<WrittenBlocks, DriveError> {
        one_by_one(self, blocks)
    }

    /// Writes one filemark. With [`FilemarkReturns::OnMedium`] success proves that all
    /// objects before and including the mark are on the medium.
    ///
    /// # Errors
    ///
    /// As [`write_block`](Self::write_block).
    fn write_filemark(&mut self, returns: FilemarkReturns) -> Result<Written, DriveError>;

    /// Moves everything buffered to the medium and waits for it.
    ///
    /// # Errors
    ///
    /// As [`write_block`](Self::write_block): what was not confirmed is lost.
    fn synchronize(&mut self) -> Result<(), DriveError>;

    /// Reads the next block into the front of `buffer`.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::BlockTooLong`] if the block exceeds `buffer`, or what drive and path
    /// carry (position: after it; its beginning may be in `buffer`); medium and transport
    /// failures.
    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError>;

    /// As [`read_block`](Self::read_block) for what is only passed on the way: what cannot be read
    /// is not worth another try.
    ///
    /// # Errors
    ///
    /// As [`read_block`](Self::read_block).
    fn pass_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        self.read_block(buffer)
    }

    /// Moves to logical object `block` and proves by READ POSITION that it got there; a
    /// drive that does not know its place is moved by counting. Repeatable.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::EndOfData`] if the tape ends before it (position: end of data).
    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError>;

    /// The reader says that what it got from `block` on is not what belongs there. True if it is
    /// worth locating and reading it again, maybe in another drive.
    ///
    /// # Errors
    ///
    /// As [`locate`](Self::locate).
    fn is_doubted(&mut self, _block: BlockAddress, _what: &str) -> Result<bool, DriveError> {
        Ok(false)
    }

    /// The reader says that what it had doubted came as it was written.
    fn is_as_written(&mut self, _block: BlockAddress) {}

    /// Moves behind `count` filemarks forward (`count` > 0), or before them backward.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::EndOfData`] if there are fewer (position: end of data).
    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError>;

    /// Moves to the end of data and says where that is.
    ///
    /// # Errors
    ///
    /// Medium and transport failures.
    fn locate_end_of_data(&mut self) -> Result<Position, DriveError>;

    /// Moves to the beginning of the partition. Repeatable.
    ///
    /// # Errors
    ///
    /// Medium and transport failures.
    fn rewind(&mut self) -> Result<(), DriveError>;

    /// Asks where the next read or write happens. Moves nothing.
    ///
    /// # Errors
    ///
    /// Transport failures, or a drive that does not know.
    fn position(&mut self) -> Result<Position, DriveError>;

    /// Every object before this address is on the medium (READ POSITION, extended form:
    /// the next object to move from buffer to medium).
    ///
    /// # Errors
    ///
    /// As [`position`](Self::position). [`DriveErrorKind::PositionLost`] after any error but
    /// those of medium, hardware and end of partition: behind those alone the session goes
    /// on, and the drive's word is still about what was written in it.
    fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError>;

    /// Native bytes left before early warning, if the drive tells.
    ///
    /// # Errors
    ///
    /// Transport failures; a drive without the log page gives `Ok(None)`.
    fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError>;

    /// For each wrap of the tape that is written to its end, from the first on, the last block in
    /// it, if the drive tells. Moves nothing. What was written since the load may be missing.
    ///
    /// # Errors
    ///
    /// Transport failures and resets. What cannot be understood is not told.
    fn wrap_ends(&mut self) -> Result<Option<Vec<BlockAddress>>, DriveError> {
        Ok(None)
    }

    /// In which order the drive would read these stretches of the tape, first and last block each,
    /// from where the tape stands: their places in the list, each once. `None` if it does not say.
    /// Moves nothing.
    ///
    /// # Errors
    ///
    /// Transport failures and resets. What cannot be understood is not told.
    fn recommended_order(
        &mut self,
        stretches: &[(BlockAddress, BlockAddress)],
    ) -> Result<Option<Vec<usize>>, DriveError> {
        let _ = stretches;
        Ok(None)
    }

    /// Brings the drive back into use after a failure behind which its state may be gone:
    /// waits until it answers and is ready, loading the tape if need be. The position is then
    /// unknown, and the tape may be another one. What it was set to is gone: whoever has set
    /// it does so again, as one who lends a drive does here. `onlooker` hears what the drive
    /// says while it is waited for, and may break off.
    ///
    /// # Errors
    ///
    /// As [`Drive::wait_ready`]; it was then waited for as long as makes sense.
    fn recover(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError>;

    /// How messages name this device and the tape in it.
    fn name(&self) -> &str;
}

/// Writes blocks each by itself, up to the first that gives a warning.
fn one_by_one<D: SequentialDevice + ?Sized>(
    device: &mut D,
    blocks: &[&[u8]],
) -> Result<WrittenBlocks, DriveError> {
    for (block, before) in blocks.iter().zip(0..) {
        let written = device.write_block(block)?;
        if written != Written::Normal {
            let taken = usize::from(written != Written::EndOfPartition);
            let blocks = before + taken;
            return Ok(WrittenBlocks { blocks, written });
        }
    }
    Ok(WrittenBlocks {
        blocks: blocks.len(),
        written: Written::Normal,
    })
}
