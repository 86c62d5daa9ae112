//! Reads records by their block address, checked against the CRCs of an index.
//!
//! Keeps one record, and in compressed segments one frame: a member that begins where the one
//! before ended needs no motion and no second read.

use std::sync::Arc;

use super::VolumeError;
use super::frames::{FrameError, FrameReader};
use super::index::{Index, Place, read_index};
use crate::drive::{DriveErrorKind, ReadOutcome, SequentialDevice};
use crate::error_text::with_causes;
use crate::units::BlockAddress;

/// What lies at a block address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record.
    Record {
        /// Its address.
        block: BlockAddress,
        /// Its bytes: as many as the block size.
        bytes: &'a [u8],
    },
    /// A filemark.
    Filemark {
        /// Its address.
        block: BlockAddress,
    },
    /// The end of data.
    EndOfData {
        /// Its address.
        block: BlockAddress,
    },
}

/// The same, without its bytes.
enum Object {
    Record(BlockAddress),
    Filemark(BlockAddress),
    EndOfData(BlockAddress),
}

impl Object {
    fn block(&self) -> BlockAddress {
        match *self {
            Object::Record(block) | Object::Filemark(block) | Object::EndOfData(block) => block,
        }
    }
}

/// The part of a member that is still to be read.
#[derive(Debug, Clone, Copy)]
struct Rest {
    block: BlockAddress,
    offset: usize,
    bytes: u64,
    /// In a compressed segment: `block` and `offset` are those of a frame, of whose content so
    /// much comes before.
    skip: Option<usize>,
}

/// The frames of a compressed segment, and the one that was read last.
struct Unpacker {
    frames: FrameReader,
    /// The frame whose content is held: where it was asked for, counted in bytes from the
    /// beginning of the tape as if filemarks were records.
    held: Option<u64>,
    content: Vec<u8>,
}

/// CRCs of the records from an address on.
#[derive(Debug, Clone)]
pub struct Checks {
    first: BlockAddress,
    crcs: Arc<[u32]>,
}

impl Checks {
    /// Those that this index has of its segment.
    #[must_use]
    pub fn of(index: &Index) -> Self {
        Self {
            first: index.info.first_block,
            crcs: index.crcs.as_slice().into(),
        }
    }

    /// The CRC of the record that was written at `block`, if that is known.
    #[must_use]
    pub fn written(&self, block: BlockAddress) -> Option<u32> {
        let record = block.0.checked_sub(self.first.0)?;
        self.crcs.get(usize::try_from(record).ok()?).copied()
    }
}

/// Bytes of a member that have come: [`RecordReader::bytes`] has them.
#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    from: usize,
    length: usize,
    framed: bool,
}

/// Reads the records of a volume.
pub struct RecordReader<'a> {
    device: &'a mut dyn SequentialDevice,
    record: Vec<u8>,
    /// The address of the record in `record`, if it is good.
    held: Option<BlockAddress>,
    /// What the next read finds; `None` if unknown.
    next: Option<BlockAddress>,
    checks: Option<Checks>,
    rest: Rest,
    /// Made for the first member of a compressed segment.
    unpacker: Option<Box<Unpacker>>,
}

impl<'a> RecordReader<'a> {
    /// A reader of a volume with records of `block_bytes`. Moves nothing yet.
    #[must_use]
    pub fn new(device: &'a mut dyn SequentialDevice, block_bytes: u32) -> Self {
        Self {
            device,
            record: vec![0; block_bytes as usize],
            held: None,
            next: None,
            checks: None,
            rest: Rest {
                block: BlockAddress(0),
                offset: 0,
                bytes: 0,
                skip: None,
            },
            unpacker: None,
        }
    }

    /// The record that the next read finds, if that is known.
    #[must_use]
    pub fn next_block(&self) -> Option<BlockAddress> {
        self.next
    }

    /// From now on, records of this index's segment are checked against their CRCs.
    pub fn check_against(&mut self, index: &Index) {
        self.check(Some(Checks::of(index)));
    }

    /// From now on, records that have a CRC in `checks` are compared with that, and no others.
    pub fn check(&mut self, checks: Option<Checks>) {
        // What is held was not compared.
        self.held = None;
        self.unpacker = None;
        self.checks = checks;
    }

    /// Reads the index that begins at `at`; where the tape stands is not known afterwards.
    ///
    /// # Errors
    ///
    /// As [`read_index`].
    pub fn read_index(&mut self, at: BlockAddress) -> Result<Index, VolumeError> {
        self.next = None;
        self.held = None;
        self.unpacker = None;
        let block_bytes = u32::try_from(self.record.len()).expect("it was given as such");
        read_index(self.device, block_bytes, at)
    }

    /// Moves to `block`, unless the next read is there anyway.
    ///
    /// # Errors
    ///
    /// Drive errors, [`VolumeError::UnexpectedEndOfData`].
    pub fn seek(&mut self, block: BlockAddress) -> Result<(), VolumeError> {
        if self.next == Some(block) {
            return Ok(());
        }
        self.next = None;
        self.device
            .locate(block)
            .map_err(|error| match error.kind {
                DriveErrorKind::EndOfData | DriveErrorKind::EndOfDataMissing => {
                    VolumeError::UnexpectedEndOfData { block }
                }
                _ => VolumeError::drive("moving to a block", block)(error),
            })?;
        self.next = Some(block);
        Ok(())
    }

    /// Reads the next object. A record that is not as it was written, or not there, is read
    /// again, if the device thinks it worth that.
    ///
    /// # Errors
    ///
    /// [`VolumeError::WrongSize`] and [`VolumeError::WrongCrc`], which leave the reader behind
    /// the record; after any error [`seek`](Self::seek) first, so that the device knows where it
    /// is.
    pub fn next_object(&mut self) -> Result<Found<'_>, VolumeError> {
        let mut doubted = false;
        let object = loop {
            let read = self.object(true);
            let (block, what) = match &read {
                Ok(Object::Filemark(block) | Object::EndOfData(block))
                    if self.written_crc(*block).is_some() =>
                {
                    (*block, "no record is where one was written".to_owned())
                }
                Err(
                    error @ (VolumeError::WrongSize { block, .. }
                    | VolumeError::WrongCrc { block, .. }),
                ) => (*block, with_causes(error)),
                _ => break read?,
            };
            let asked = self.device.is_doubted(block, &what);
            doubted = asked.map_err(VolumeError::drive("reading a record again", block))?;
            // Whoever was asked may have moved, and follows the position from the next locate on.
            self.next = None;
            if !doubted {
                break read?;
            }
            self.seek(block)?;
        };
        if doubted {
            self.device.is_as_written(object.block());
        }
        Ok(match object {
            Object::Record(block) => Found::Record {
                block,
                bytes: &self.record,
            },
            Object::Filemark(block) => Found::Filemark { block },
            Object::EndOfData(block) => Found::EndOfData { block },
        })
    }

    /// Passes the next object, which is not wanted: what cannot be read is not read again.
    ///
    /// # Errors
    ///
    /// As [`next_object`](Self::next_object).
    pub fn pass_object(&mut self) -> Result<(), VolumeError> {
        self.object(false).map(drop)
    }

    /// What was read from `block` on is not what belongs there. True if it is to be opened and
    /// read anew.
    ///
    /// # Errors
    ///
    /// Drive errors.
    pub fn is_doubted(&mut self, block: BlockAddress, what: &str) -> Result<bool, VolumeError> {
        self.next = None;
        self.held = None;
        self.unpacker = None;
        let doubted = self.device.is_doubted(block, what);
        doubted.map_err(VolumeError::drive("reading a block again", block))
    }

    /// What was doubted at `block` came as it was written.
    pub fn is_as_written(&mut self, block: BlockAddress) {
        self.device.is_as_written(block);
    }

    /// The record whose CRC was wrong, behind [`VolumeError::WrongCrc`].
    #[must_use]
    pub fn doubtful(&self) -> &[u8] {
        &self.record
    }

    /// Reads the next object, once; a record is then in `record`.
    fn object(&mut self, wanted: bool) -> Result<Object, VolumeError> {
        let block = match self.next {
            Some(block) => block,
            None => {
                let asking = VolumeError::drive("asking the position", BlockAddress(0));
                self.device.position().map_err(asking)?.block
            }
        };
        self.next = None;
        self.held = None;
        let expected_bytes = self.record.len() as u64;
        let wrong_size = |actual_bytes| VolumeError::WrongSize {
            block,
            expected_bytes,
            actual_bytes,
        };
        let read = match wanted {
            true => self.device.read_block(&mut self.record),
            false => self.device.pass_block(&mut self.record),
        };
        let outcome = match read {
            Ok(outcome) => outcome,
            Err(error) => {
                return match error.kind {
                    DriveErrorKind::BlockTooLong { actual_bytes } => {
                        self.next = Some(block.plus(1));
                        Err(wrong_size(actual_bytes))
                    }
                    DriveErrorKind::EndOfDataMissing => Ok(Object::EndOfData(block)),
                    _ => Err(VolumeError::drive("reading a record", block)(error)),
                };
            }
        };
        if outcome == ReadOutcome::EndOfData {
            self.next = Some(block);
            return Ok(Object::EndOfData(block));
        }
        self.next = Some(block.plus(1));
        match outcome {
            ReadOutcome::Block { bytes } if bytes as u64 != expected_bytes => {
                Err(wrong_size(bytes as u64))
            }
            ReadOutcome::Block { .. } => {
                self.compare(block)?;
                self.held = Some(block);
                Ok(Object::Record(block))
            }
            _ => Ok(Object::Filemark(block)),
        }
    }

    /// Prepares to read the bytes of a member with [`chunk`](Self::chunk). Moves nothing yet.
    pub fn open_member(&mut self, place: &Place) {
        let (offset, block_bytes) = (place.offset_bytes as usize, self.record.len());
        self.rest = Rest {
            block: place.block.plus((offset / block_bytes) as u64),
            offset: offset % block_bytes,
            bytes: place.length_bytes,
            skip: place.skip_bytes.map(|skip| skip as usize),
        };
    }

    /// Bytes of the member that [`chunk`](Self::chunk) has not given yet.
    #[must_use]
    pub fn rest_bytes(&self) -> u64 {
        self.rest.bytes
    }

    /// The next bytes of the member (to the end of a record or frame at most); `None` at its
    /// end.
    ///
    /// # Errors
    ///
    /// As [`next_object`](Self::next_object); and [`VolumeError::UnexpectedFilemark`],
    /// [`VolumeError::UnexpectedEndOfData`] if it ends too early. After an error the
    /// next call goes on behind the bad record; [`rest_bytes`](Self::rest_bytes) before
    /// and after shows how much of the member was in it. In a compressed segment also
    /// [`VolumeError::Frame`], and after any error nothing more comes of the member.
    pub fn chunk(&mut self) -> Result<Option<&[u8]>, VolumeError> {
        let chunk = self.next_chunk()?;
        Ok(chunk.map(|chunk| self.bytes(&chunk)))
    }

    /// The bytes of a chunk, until something else is read.
    #[must_use]
    pub fn bytes(&self, chunk: &Chunk) -> &[u8] {
        let bytes = match &self.unpacker {
            Some(unpacker) if chunk.framed => &unpacker.content,
            _ => &self.record,
        };
        &bytes[chunk.from..chunk.from + chunk.length]
    }

    /// Has the next bytes of the member come, as [`chunk`](Self::chunk) does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, VolumeError> {
        let Rest {
            block,
            offset,
            bytes,
            skip,
        } = self.rest;
        if bytes == 0 {
            return Ok(None);
        }
        if let Some(skip) = skip {
            return self.frame_chunk(skip).map(Some);
        }
        let length = ((self.record.len() - offset) as u64).min(bytes);
        self.rest = Rest {
            block: block.plus(1),
            offset: 0,
            bytes: bytes - length,
            skip,
        };
        self.hold(block)?;
        Ok(Some(Chunk {
            from: offset,
            length: length as usize,
            framed: false,
        }))
    }

    /// Bytes that the next chunk has of a member in a segment that is not compressed: to the end
    /// of their record, or of the member.
    #[must_use]
    pub fn chunk_bytes(&self) -> u64 {
        ((self.record.len() - self.rest.offset) as u64).min(self.rest.bytes)
    }

    /// Leaves the bytes out that the next chunk would have, in a segment that is not compressed.
    pub fn leave_out(&mut self) {
        self.rest.bytes -= self.chunk_bytes();
        self.rest.block = self.rest.block.plus(1);
        self.rest.offset = 0;
    }

    /// Where the bytes of the member are that have not come yet.
    #[must_use]
    pub fn rest(&self) -> Place {
        Place {
            block: self.rest.block,
            offset_bytes: self.rest.offset as u32,
            length_bytes: self.rest.bytes,
            skip_bytes: self.rest.skip.map(|skip| skip as u32),
        }
    }

    /// The next bytes of a member in a compressed segment, behind `skip` bytes of the frame.
    fn frame_chunk(&mut self, skip: usize) -> Result<Chunk, VolumeError> {
        let Rest {
            block,
            offset,
            bytes,
            ..
        } = self.rest;
        // Nothing more comes after an error.
        self.rest.bytes = 0;
        let mut unpacker = self.unpacker.take().unwrap_or_default();
        let unpacked = self.unpack(&mut unpacker, block, offset);
        let unpacker = self.unpacker.insert(unpacker);
        unpacked?;
        let Some(content) = unpacker.content.get(skip..).filter(|c| !c.is_empty()) else {
            let source = FrameError::TooShort;
            return Err(VolumeError::Frame { block, source });
        };
        let length = (content.len() as u64).min(bytes);
        self.rest.bytes = bytes - length;
        if length == content.len() as u64 {
            let (end, block_bytes) = (unpacker.frames.position(), self.record.len() as u64);
            self.rest.block = BlockAddress(end / block_bytes);
            self.rest.offset = (end % block_bytes) as usize;
            self.rest.skip = Some(0);
        } else {
            self.rest.skip = Some(skip + length as usize);
        }
        Ok(Chunk {
            from: skip,
            length: length as usize,
            framed: true,
        })
    }

    /// Makes the unpacker hold the frame at this place.
    fn unpack(
        &mut self,
        unpacker: &mut Unpacker,
        block: BlockAddress,
        offset: usize,
    ) -> Result<(), VolumeError> {
        let block_bytes = self.record.len() as u64;
        let at = block.0.saturating_mul(block_bytes);
        let at = at.saturating_add(offset as u64);
        if unpacker.held == Some(at) {
            return Ok(());
        }
        unpacker.held = None;
        if unpacker.frames.position() != at {
            unpacker.frames.restart(at);
        }
        let mut doubted = false;
        loop {
            match unpacker.frames.next_frame() {
                Ok(Some(frame)) => {
                    if doubted {
                        self.device.is_as_written(block);
                    }
                    unpacker.held = Some(at);
                    unpacker.content.clear();
                    unpacker.content.extend_from_slice(frame.content);
                    return Ok(());
                }
                Ok(None) => {}
                Err(source) => {
                    let error = VolumeError::Frame { block, source };
                    doubted = self.is_doubted(block, &with_causes(&error))?;
                    if !doubted {
                        return Err(error);
                    }
                    unpacker.frames.restart(at);
                }
            }
            let from = unpacker.frames.fed_to();
            self.hold(BlockAddress(from / block_bytes))?;
            let offset = (from % block_bytes) as usize;
            unpacker.frames.feed(&self.record[offset..]);
        }
    }

    /// Makes the record at `block` the one that is held.
    fn hold(&mut self, block: BlockAddress) -> Result<(), VolumeError> {
        if self.held == Some(block) {
            return Ok(());
        }
        self.seek(block)?;
        match self.next_object()? {
            Found::Record { .. } => Ok(()),
            Found::Filemark { block } => Err(VolumeError::UnexpectedFilemark { block }),
            Found::EndOfData { block } => Err(VolumeError::UnexpectedEndOfData { block }),
        }
    }

    /// The CRC of the record that was written at `block`, if that is known.
    fn written_crc(&self, block: BlockAddress) -> Option<u32> {
        self.checks.as_ref()?.written(block)
    }

    fn compare(&self, block: BlockAddress) -> Result<(), VolumeError> {
        let Some(expected) = self.written_crc(block) else {
            return Ok(());
        };
        let actual = crc32fast::hash(&self.record);
        if actual == expected {
            return Ok(());
        }
        Err(VolumeError::WrongCrc {
            block,
            expected,
            actual,
        })
    }
}

impl Default for Unpacker {
    fn default() -> Self {
        Self {
            frames: FrameReader::new(0),
            held: None,
            content: Vec::new(),
        }
    }
}
