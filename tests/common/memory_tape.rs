//! A tape in memory behind the device trait: no commands, no timing, just objects.

use std::ops::ControlFlow;

use tapewright::drive::{
    DriveError, DriveErrorKind, FilemarkReturns, Position, ReadOutcome, SequentialDevice, Waiting,
    Written,
};
use tapewright::units::{BlockAddress, TapeFile};

/// What lies at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    Block(Vec<u8>),
    Filemark,
    /// A block that the drive cannot read.
    Unreadable,
}

/// The tape and its drive.
#[derive(Debug, Clone, Default)]
pub struct MemoryTape {
    pub objects: Vec<Object>,
    pub next: usize,
    /// Native bytes until early warning; nothing is known if `None`.
    pub capacity_bytes: Option<u64>,
    /// Objects that fit behind early warning.
    pub behind_warning: u64,
    /// Objects on the medium; the others are in the buffer.
    pub on_medium: usize,
    /// Calls that moved the tape.
    pub motions: u64,
    /// Says after the next filemark that it is one object too far.
    pub lose_position: bool,
    slip: u64,
    /// The drive finds no end-of-data mark: a loss of power kept it from writing one.
    pub no_end_mark: bool,
}

impl MemoryTape {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(bytes: u64) -> Self {
        Self {
            capacity_bytes: Some(bytes),
            ..Self::default()
        }
    }

    /// A tape with these objects.
    pub fn holding(objects: Vec<Object>) -> Self {
        let on_medium = objects.len();
        Self {
            objects,
            on_medium,
            ..Self::default()
        }
    }

    /// The bytes of a tape file.
    pub fn file(&self, number: usize) -> Vec<u8> {
        let files = self.objects.split(|object| *object == Object::Filemark);
        files
            .skip(number)
            .take(1)
            .flatten()
            .flat_map(|object| match object {
                Object::Block(bytes) => bytes.clone(),
                _ => Vec::new(),
            })
            .collect()
    }

    /// The block at an address, to damage it.
    pub fn block_mut(&mut self, at: BlockAddress) -> &mut Vec<u8> {
        match &mut self.objects[at.0 as usize] {
            Object::Block(bytes) => bytes,
            other => panic!("{other:?} at {at}"),
        }
    }

    fn error(&self, kind: DriveErrorKind) -> DriveError {
        DriveError {
            drive: self.name().to_owned(),
            action: format!("at object {}", self.next),
            kind,
            what: format!("{kind:?}"),
            reaction: None,
            source: None,
        }
    }

    fn end(&self) -> DriveErrorKind {
        if self.no_end_mark {
            DriveErrorKind::EndOfDataMissing
        } else {
            DriveErrorKind::EndOfData
        }
    }

    fn used_bytes(&self) -> u64 {
        let bytes = |object: &Object| match object {
            Object::Block(bytes) => bytes.len() as u64,
            _ => 0,
        };
        self.objects[..self.next.min(self.objects.len())]
            .iter()
            .map(bytes)
            .sum()
    }

    fn write(&mut self, object: Object) -> Written {
        let bytes = if let Object::Block(bytes) = &object {
            bytes.len() as u64
        } else {
            0
        };
        let used = self.used_bytes() + bytes;
        let over = self
            .capacity_bytes
            .map_or(0, |capacity| used.saturating_sub(capacity));
        if over > self.behind_warning {
            return Written::EndOfPartition;
        }
        self.objects.truncate(self.next);
        self.on_medium = self.on_medium.min(self.next);
        self.objects.push(object);
        self.next += 1;
        if over > 0 {
            Written::EarlyWarning
        } else {
            Written::Normal
        }
    }
}

impl SequentialDevice for MemoryTape {
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError> {
        Ok(self.write(Object::Block(data.to_vec())))
    }

    fn write_filemark(&mut self, returns: FilemarkReturns) -> Result<Written, DriveError> {
        let written = self.write(Object::Filemark);
        if returns == FilemarkReturns::OnMedium {
            self.on_medium = self.next;
        }
        if std::mem::take(&mut self.lose_position) {
            self.slip = 1;
        }
        Ok(written)
    }

    fn synchronize(&mut self) -> Result<(), DriveError> {
        self.on_medium = self.objects.len();
        Ok(())
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let Some(object) = self.objects.get(self.next) else {
            if self.no_end_mark {
                return Err(self.error(self.end()));
            }
            return Ok(ReadOutcome::EndOfData);
        };
        match object {
            Object::Unreadable => Err(self.error(DriveErrorKind::Medium)),
            Object::Filemark => {
                self.next += 1;
                Ok(ReadOutcome::Filemark)
            }
            Object::Block(bytes) if bytes.len() > buffer.len() => {
                let actual_bytes = bytes.len() as u64;
                self.next += 1;
                Err(self.error(DriveErrorKind::BlockTooLong { actual_bytes }))
            }
            Object::Block(bytes) => {
                let bytes = bytes.clone();
                buffer[..bytes.len()].copy_from_slice(&bytes);
                self.next += 1;
                Ok(ReadOutcome::Block { bytes: bytes.len() })
            }
        }
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        self.motions += 1;
        self.next = (block.0 as usize).min(self.objects.len());
        if self.next as u64 != block.0 {
            return Err(self.error(self.end()));
        }
        Ok(())
    }

    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        self.motions += 1;
        for _ in 0..count {
            let Some(at) = self.objects[self.next..]
                .iter()
                .position(|o| *o == Object::Filemark)
            else {
                self.next = self.objects.len();
                return Err(self.error(self.end()));
            };
            self.next += at + 1;
        }
        for _ in count..0 {
            let before = &self.objects[..self.next];
            let Some(at) = before.iter().rposition(|o| *o == Object::Filemark) else {
                self.next = 0;
                return Err(self.error(self.end()));
            };
            self.next = at;
        }
        Ok(())
    }

    fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
        self.motions += 1;
        self.next = self.objects.len();
        self.position()
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        self.motions += 1;
        self.next = 0;
        Ok(())
    }

    fn position(&mut self) -> Result<Position, DriveError> {
        let marks = self.objects[..self.next]
            .iter()
            .filter(|o| **o == Object::Filemark)
            .count();
        Ok(Position {
            partition: 0,
            block: BlockAddress(self.next as u64 + self.slip),
            file: TapeFile(marks as u64),
            beginning: self.next == 0,
            early_warning: false,
        })
    }

    fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError> {
        Ok(BlockAddress(self.on_medium as u64))
    }

    fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError> {
        Ok(self
            .capacity_bytes
            .map(|capacity| capacity.saturating_sub(self.used_bytes())))
    }

    fn recover(
        &mut self,
        _: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        Ok(())
    }

    fn name(&self) -> &str {
        "a tape in memory"
    }
}
