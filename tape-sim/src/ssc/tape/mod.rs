//! The loaded tape: partitions, the position on them and the write buffer before them.
//!
//! Speaks of blocks and filemarks, not of CDBs and sense. Invariants: while
//! objects are buffered the position is the end of data, behind the youngest of
//! them; everything that moves elsewhere or reads flushes first.

mod motion;

use std::io;

pub use motion::Halt;

use super::buffer::Buffer;
use crate::cartridge::partition::Partition;
use crate::cartridge::record::{Kind, OBJECT_OVERHEAD_BYTES, Record};
use crate::cartridge::seal::{SEAL_BYTES, Seal};
use crate::cartridge::{Cartridge, MB, partition_warning_zone_bytes};
use crate::error::SimError;

/// Buffer of a drive that was given none: this, or an eighth of a smaller cartridge.
const DEFAULT_BUFFER_BYTES: u64 = 64 << 20;
/// Records that leave the buffer in one write.
const DRAIN_RECORDS: usize = 4096;

/// Why nothing more was written.
#[derive(Debug)]
pub enum WriteStop {
    /// The end of the partition.
    Full,
    /// The host's file system.
    Host(io::Error),
}

impl From<io::Error> for WriteStop {
    fn from(error: io::Error) -> Self {
        WriteStop::Host(error)
    }
}

/// A tape in the drive.
#[derive(Debug)]
pub struct Tape {
    /// The cartridge it belongs to.
    pub cartridge: Cartridge,
    partitions: Vec<Partition>,
    buffer: Buffer,
    partition: usize,
    object: u64,
    /// The medium will not take this object.
    bad_object: Option<u64>,
}

impl Tape {
    /// Opens the tape of `cartridge` at BOP of partition 0.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`.
    pub fn open(cartridge: Cartridge, buffer_bytes: Option<u64>) -> Result<Self, SimError> {
        let partitions = cartridge.open_partitions()?;
        let capacity: u64 = cartridge.info.partitions_bytes.iter().sum();
        let buffer = buffer_bytes.unwrap_or(DEFAULT_BUFFER_BYTES.min(capacity / 8));
        Ok(Tape {
            cartridge,
            partitions,
            buffer: Buffer::new(buffer),
            partition: 0,
            object: 0,
            bad_object: None,
        })
    }

    /// The partitions.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// What has not reached the tape yet.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Current partition.
    pub fn partition(&self) -> u8 {
        // At most four partitions.
        self.partition as u8
    }

    /// Object number of the position: the next object to be read or written.
    pub fn object(&self) -> u64 {
        self.object
    }

    /// Filemarks before the position.
    pub fn file(&self) -> u64 {
        let recorded = self.current().filemarks();
        let before = recorded.partition_point(|mark| *mark < self.object);
        before as u64 + self.buffer.filemarks()
    }

    /// Nothing but filemarks from the position to EOD; true at EOD itself.
    pub fn only_filemarks_follow(&self) -> bool {
        let marks = self.current().filemarks();
        let before = marks.partition_point(|mark| *mark < self.object);
        // What is buffered lies before the position.
        (marks.len() - before) as u64 == self.current().objects().saturating_sub(self.object)
    }

    /// The object before the position is a filemark; only known where nothing is buffered.
    pub fn filemark_precedes(&self) -> bool {
        let before = self.object.checked_sub(1);
        before.is_some_and(|object| self.current().filemarks().binary_search(&object).is_ok())
    }

    /// Object number of EOD, buffered objects included.
    pub fn end_object(&self) -> u64 {
        self.current().objects() + self.buffer.objects()
    }

    fn current(&self) -> &Partition {
        &self.partitions[self.partition]
    }

    fn current_mut(&mut self) -> &mut Partition {
        &mut self.partitions[self.partition]
    }

    /// Tape and data file position of EOD, buffered objects included.
    fn end(&self) -> (u64, u64) {
        match self.buffer.last() {
            Some(last) => (last.position_end(), last.data_end()),
            None => self.current().end(),
        }
    }

    /// Position in bytes of tape from BOP.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn position_bytes(&mut self) -> io::Result<u64> {
        if self.object == self.end_object() {
            return Ok(self.end().0);
        }
        let object = self.object;
        Ok(self.current_mut().record(object)?.position_bytes)
    }

    /// Where `object` of `partition` begins, in bytes of tape from BOP; `None` for EOD and behind.
    /// Nothing may be buffered.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn place_bytes(&mut self, partition: u8, object: u64) -> io::Result<Option<u64>> {
        match self.partitions.get_mut(usize::from(partition)) {
            Some(found) if object < found.objects() => {
                Ok(Some(found.record(object)?.position_bytes))
            }
            _ => Ok(None),
        }
    }

    /// Where early warning begins in the current partition, in bytes from BOP.
    pub fn early_warning_bytes(&self) -> u64 {
        self.current().capacity_bytes()
    }

    /// Where programmable early warning begins, `pews_mb` before early warning.
    pub fn programmable_warning_bytes(&self, pews_mb: u16) -> u64 {
        self.early_warning_bytes()
            .saturating_sub(u64::from(pews_mb) * MB)
    }

    /// Where the current partition ends, in bytes from BOP.
    pub fn limit_bytes(&self) -> u64 {
        let capacity = self.early_warning_bytes();
        let tape = self.cartridge.usable_bytes();
        let format = self.cartridge.format();
        let zone = format.map_or(0, |format| {
            partition_warning_zone_bytes(format, tape, capacity)
        });
        capacity + zone
    }

    /// Writes one block of 1 to 2²⁴ − 1 bytes at the position; EOD is behind it.
    ///
    /// # Errors
    ///
    /// `Full`: nothing was written. `Host`: the position is unknown.
    pub fn write_block(&mut self, bytes: &[u8], now_ms: u64) -> Result<(), WriteStop> {
        let kind = if is_zero(bytes) {
            Kind::Zeros
        } else {
            Kind::Block
        };
        self.write_object(kind, bytes.len(), bytes, now_ms)
    }

    /// Writes one encrypted block at the position: `stored` is its seal and its ciphertext. On
    /// tape it takes what the plain block would.
    ///
    /// # Errors
    ///
    /// As [`Tape::write_block`].
    pub fn write_sealed(&mut self, stored: &[u8], now_ms: u64) -> Result<(), WriteStop> {
        let length = stored.len() - SEAL_BYTES;
        self.write_object(Kind::Encrypted, length, stored, now_ms)
    }

    fn write_object(
        &mut self,
        kind: Kind,
        length: usize,
        stored: &[u8],
        now_ms: u64,
    ) -> Result<(), WriteStop> {
        let start = self.position_bytes()?;
        if start + length as u64 + OBJECT_OVERHEAD_BYTES > self.limit_bytes() {
            return Err(WriteStop::Full);
        }
        self.cut_here()?;
        let (position_bytes, data_bytes) = self.end();
        if kind != Kind::Zeros {
            self.current().write_data(data_bytes, stored)?;
        }
        let record = Record {
            kind,
            // A transfer length has 24 bits.
            length_bytes: length as u32,
            position_bytes,
            data_bytes,
        };
        self.buffer.push(now_ms, record);
        self.object += 1;
        Ok(self.drain(self.buffer.excess())?)
    }

    /// Writes up to `count` filemarks; returns how many fitted.
    ///
    /// # Errors
    ///
    /// The host's error: the position is unknown.
    pub fn write_filemarks(&mut self, count: u32, now_ms: u64) -> io::Result<u32> {
        let start = self.position_bytes()?;
        let room = self.limit_bytes().saturating_sub(start) / OBJECT_OVERHEAD_BYTES;
        let fitting = u64::from(count).min(room) as u32;
        if fitting > 0 {
            self.cut_here()?;
        }
        for number in 1..=fitting {
            let (position_bytes, data_bytes) = self.end();
            let record = Record {
                kind: Kind::Filemark,
                length_bytes: 0,
                position_bytes,
                data_bytes,
            };
            self.buffer.push(now_ms, record);
            self.object += 1;
            // Not after each: a full buffer would let them leave one by one.
            if number == fitting || (number as usize).is_multiple_of(DRAIN_RECORDS) {
                self.drain(self.buffer.excess())?;
            }
        }
        Ok(fitting)
    }

    /// Makes the position the end of data, as the first write at a position does.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn cut_here(&mut self) -> io::Result<()> {
        if self.object < self.end_object() {
            self.flush()?;
            let object = self.object;
            self.current_mut().truncate(object)?;
        }
        Ok(())
    }

    /// Lets the oldest `count` objects reach the tape.
    fn drain(&mut self, mut count: usize) -> io::Result<()> {
        let recorded = self.current().objects();
        let good = self.bad_object.map(|bad| bad.saturating_sub(recorded));
        // Buffered objects fit memory, and so usize.
        let met = good.map(|good| good as usize).filter(|good| *good < count);
        count = met.unwrap_or(count);
        while count > 0 {
            let records = self.buffer.oldest(count.min(DRAIN_RECORDS));
            self.current_mut().append(&records)?;
            self.buffer.remove(records.len());
            count -= records.len();
        }
        if met.is_some() {
            self.lose_buffer();
            return Err(io::Error::other("the medium does not take this object"));
        }
        Ok(())
    }

    /// What has not reached the tape is gone; the position is behind what has.
    pub fn lose_buffer(&mut self) {
        if self.buffer.objects() > 0 {
            self.buffer.clear();
            self.object = self.end_object();
        }
        self.bad_object = None;
    }

    /// Lets the write of the object at the position fail, or of the oldest one that waits.
    pub fn spoil_next_write(&mut self, oldest: bool) {
        let next = self.object - if oldest { self.buffer.objects() } else { 0 };
        self.bad_object = Some(next);
    }

    /// Lets all buffered objects reach the tape.
    ///
    /// # Errors
    ///
    /// The host's error; what could not leave stays in the buffer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.drain(self.buffer.objects() as usize)
    }

    /// Lets objects that came at `before_ms` or earlier reach the tape.
    ///
    /// # Errors
    ///
    /// As [`Tape::flush`].
    pub fn drain_older(&mut self, before_ms: u64) -> io::Result<()> {
        self.drain(self.buffer.waiting_since(before_ms))
    }

    /// The object at the position, which stays; `None` at EOD. Flushes.
    ///
    /// # Errors
    ///
    /// The host's error; the position is unchanged.
    pub fn next_object(&mut self) -> io::Result<Option<Record>> {
        self.flush()?;
        let object = self.object;
        if object >= self.end_object() {
            return Ok(None);
        }
        self.current_mut().record(object).map(Some)
    }

    /// Seal of the encrypted block that `record` describes.
    ///
    /// # Errors
    ///
    /// As [`Partition::read_seal`].
    pub fn read_seal(&self, record: &Record) -> io::Result<Seal> {
        self.current().read_seal(record)
    }

    /// Fills `out` with the first bytes of the block that `record` describes, encrypted if it
    /// is.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn read_data(&self, record: &Record, out: &mut [u8]) -> io::Result<()> {
        self.current().read_data(record, out)
    }

    /// Steps over the object at the position.
    pub fn step(&mut self) {
        debug_assert!(self.object < self.end_object());
        self.object += 1;
    }
}

/// True if all bytes are zero: the first is, and each equals the next.
fn is_zero(bytes: &[u8]) -> bool {
    match bytes {
        [0, rest @ ..] => rest == &bytes[..rest.len()],
        _ => false,
    }
}
