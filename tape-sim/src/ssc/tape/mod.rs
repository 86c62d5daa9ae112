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
use crate::cartridge::{Cartridge, KEPT_BYTES, MB, partition_warning_zone_bytes};
use crate::error::SimError;
use crate::generation::Generation;
use crate::physics::deck::Deck;

/// Without a buffer size of its own a drive has its model's, but no more than this part of the
/// cartridge.
const BUFFERS_ON_A_TAPE: u64 = 8;
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
    /// Objects that each had when the tape was loaded.
    objects_at_load: Vec<u64>,
    buffer: Buffer,
    /// The same as mechanics: what moves, and how long it takes.
    pub deck: Deck,
    /// Up to where the host has read since the last motion, in bytes of the whole tape.
    read_bytes: u64,
    partition: usize,
    object: u64,
    /// The medium will not take this object.
    bad_object: Option<u64>,
    /// Written since the last filemark or motion, in bytes: what a medium that discards goes by.
    file_bytes: u64,
}

impl Tape {
    /// Opens the tape of `cartridge` at BOP of partition 0, in a drive of `generation` with a
    /// buffer of `buffer_bytes`.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`.
    pub fn open(
        cartridge: Cartridge,
        generation: Generation,
        buffer_bytes: Option<u64>,
    ) -> Result<Self, SimError> {
        let partitions = cartridge.open_partitions()?;
        let capacity: u64 = cartridge.info.partitions_bytes.iter().sum();
        let of_model = generation.model().buffer_bytes;
        let buffer = buffer_bytes.unwrap_or(of_model.min(capacity / BUFFERS_ON_A_TAPE));
        // Only tapes are threaded.
        let format = cartridge.format().unwrap_or(generation.format());
        let deck = Deck::new(format, cartridge.tape_bytes(), buffer, cartridge.seed());
        Ok(Tape {
            deck,
            read_bytes: 0,
            cartridge,
            objects_at_load: partitions.iter().map(Partition::objects).collect(),
            partitions,
            buffer: Buffer::new(buffer),
            partition: 0,
            object: 0,
            bad_object: None,
            file_bytes: 0,
        })
    }

    /// The partitions.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// How many of the objects that `partition` had when the tape was loaded it still has.
    pub fn objects_at_load(&self, partition: u8) -> u64 {
        let number = usize::from(partition);
        let then = self.objects_at_load.get(number).copied();
        let now = self.partitions.get(number).map(Partition::objects);
        then.unwrap_or_default().min(now.unwrap_or_default())
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

    /// Where `object` of `partition` begins, in bytes from the beginning of the first partition;
    /// `None` for EOD and behind.
    /// Nothing may be buffered.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn place_bytes(&mut self, partition: u8, object: u64) -> io::Result<Option<u64>> {
        match self.partitions.get_mut(usize::from(partition)) {
            Some(found) if object < found.objects() => {
                let before = &self.cartridge.info.partitions_bytes[..usize::from(partition)];
                Ok(Some(
                    before.iter().sum::<u64>() + found.record(object)?.position_bytes,
                ))
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
    pub fn write_block(&mut self, bytes: &[u8]) -> Result<(), WriteStop> {
        self.file_bytes = self.file_bytes.saturating_add(bytes.len() as u64);
        let discarded = !self.cartridge.info.medium.stores() && self.file_bytes > KEPT_BYTES;
        let kind = if discarded || is_zero(bytes) {
            Kind::Zeros
        } else {
            Kind::Block
        };
        self.write_object(kind, bytes.len(), bytes)
    }

    /// Writes one encrypted block at the position: `stored` is its seal and its ciphertext. On
    /// tape it takes what the plain block would.
    ///
    /// # Errors
    ///
    /// As [`Tape::write_block`].
    pub fn write_sealed(&mut self, stored: &[u8]) -> Result<(), WriteStop> {
        let length = stored.len() - SEAL_BYTES;
        self.write_object(Kind::Encrypted, length, stored)
    }

    fn write_object(&mut self, kind: Kind, length: usize, stored: &[u8]) -> Result<(), WriteStop> {
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
        self.buffer.push(record);
        self.object += 1;
        Ok(self.stream(length as u64 + OBJECT_OVERHEAD_BYTES)?)
    }

    /// Writes up to `count` filemarks; returns how many fitted.
    ///
    /// # Errors
    ///
    /// The host's error: the position is unknown.
    pub fn write_filemarks(&mut self, count: u32) -> io::Result<u32> {
        let start = self.position_bytes()?;
        let room = self.limit_bytes().saturating_sub(start) / OBJECT_OVERHEAD_BYTES;
        let fitting = u64::from(count).min(room) as u32;
        if fitting > 0 {
            self.cut_here()?;
        }
        self.file_bytes = 0;
        let mut added_bytes = 0;
        for number in 1..=fitting {
            let (position_bytes, data_bytes) = self.end();
            let record = Record {
                kind: Kind::Filemark,
                length_bytes: 0,
                position_bytes,
                data_bytes,
            };
            self.buffer.push(record);
            self.object += 1;
            added_bytes += OBJECT_OVERHEAD_BYTES;
            // Not after each: a full buffer would let them leave one by one.
            if number == fitting || (number as usize).is_multiple_of(DRAIN_RECORDS) {
                self.stream(added_bytes)?;
                added_bytes = 0;
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
            self.deck.lose_buffer();
            self.object = self.end_object();
        }
        self.bad_object = None;
    }

    /// Lets the write of the object at the position fail, unless one before it will.
    pub fn spoil_next_write(&mut self) {
        if self.bad_object.is_none_or(|bad| bad > self.object) {
            self.bad_object = Some(self.object);
        }
    }

    /// Lets the write of the oldest object that waits fail, or else of the next.
    pub fn spoil_oldest_write(&mut self) {
        self.bad_object = Some(self.object - self.buffer.objects());
    }

    /// Lets the tape take what the host has just brought, `added_bytes` of tape, and waits until
    /// the buffer holds the rest.
    fn stream(&mut self, added_bytes: u64) -> io::Result<()> {
        let end = self.offset_bytes() + self.end().0;
        let fitting = self.buffer.fitting_bytes();
        self.deck.write(
            end.saturating_sub(self.buffer.tape_bytes()),
            added_bytes,
            fitting,
        );
        self.drain(self.buffer.written(self.deck.waiting_bytes()))
    }

    /// Lets all buffered objects reach the tape, and waits for it.
    ///
    /// # Errors
    ///
    /// The host's error; what could not leave stays in the buffer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.deck.flush();
        self.drain(self.buffer.objects() as usize)
    }

    /// Lets the buffered objects reach the tape that the medium takes; what it does not take is
    /// gone, and with nobody left to hear of it that is no failure.
    ///
    /// # Errors
    ///
    /// The host's error; what could not leave stays in the buffer.
    pub fn flush_what_goes(&mut self) -> io::Result<()> {
        let spoiled = self.bad_object.is_some();
        match self.flush() {
            Err(_) if spoiled && self.bad_object.is_none() => Ok(()),
            flushed => flushed,
        }
    }

    /// Lets objects reach the tape that it has taken until `now_ns` of the drive's time.
    ///
    /// # Errors
    ///
    /// As [`Tape::flush`].
    pub fn catch_up(&mut self, now_ns: u64) -> io::Result<()> {
        self.deck.catch_up(now_ns);
        self.drain(self.buffer.written(self.deck.waiting_bytes()))
    }

    /// Where the current partition begins, in bytes from the beginning of the first.
    fn offset_bytes(&self) -> u64 {
        let before = &self.cartridge.info.partitions_bytes[..self.partition];
        before.iter().sum()
    }

    /// Where the position is on the tape, in bytes from the beginning of the first partition.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn absolute_bytes(&mut self) -> io::Result<u64> {
        Ok(self.offset_bytes() + self.position_bytes()?)
    }

    /// Does `motion`, and takes the time for it.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn travel<T>(&mut self, motion: impl FnOnce(&mut Tape) -> io::Result<T>) -> io::Result<T> {
        self.flush()?;
        let from = self.absolute_bytes()?;
        let moved = motion(self)?;
        let to = self.absolute_bytes()?;
        self.deck.travel(from, to);
        self.read_bytes = 0;
        self.file_bytes = 0;
        Ok(moved)
    }

    /// How many thirds of the tape have been begun to be written.
    pub fn written_thirds(&self) -> u32 {
        let written: u64 = self.partitions.iter().map(|part| part.end().0).sum();
        let thirds = u128::from(written) * 3;
        thirds
            .div_ceil(u128::from(self.cartridge.tape_bytes().max(1)))
            .min(3) as u32
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
        let record = self.current_mut().record(object)?;
        let from = self.offset_bytes() + record.position_bytes;
        let length = u64::from(record.length_bytes) + OBJECT_OVERHEAD_BYTES;
        // Asked for again after a refusal, it is in the drive already.
        if self.read_bytes < from + length {
            self.read_bytes = from + length;
            self.deck.read(from, length);
        }
        Ok(Some(record))
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
