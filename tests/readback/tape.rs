//! A tape in memory, and a drive for it that can be told to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tapewright::drive::{
    DriveError, DriveErrorKind, FilemarkReturns, Position, ReadOutcome, SequentialDevice, Waiting,
    Written,
};
use tapewright::units::{BlockAddress, TapeFile};

/// One logical object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    Record(Vec<u8>),
    Filemark,
}

/// What is on a tape, how it fails, and what was done with it.
#[derive(Debug, Default)]
pub struct Medium {
    pub objects: Vec<Object>,
    /// Blocks that cannot be read.
    pub bad: BTreeSet<u64>,
    /// Blocks that fail, or come otherwise than they are, so many times more.
    pub bad_for_now: BTreeMap<u64, u32>,
    pub garbled: BTreeMap<u64, u32>,
    /// Blocks that the drive has no key for.
    pub encrypted: BTreeSet<u64>,
    /// The drive finds no mark where the data end.
    pub no_end_mark: bool,
    /// The drive fails at this block.
    pub drive_fails_at: Option<u64>,
    /// The drive is reset, once, before it reads this block.
    pub reset_at: Option<u64>,
    /// What lies in the drive once it has recovered from that, if it is another tape.
    pub exchanged_for: Option<Vec<Object>>,
    /// How often the drive tried in vain.
    pub bad_reads: u64,
    pub locates: u64,
    pub reads: u64,
}

/// A tape; clones are the same tape.
#[derive(Debug, Clone, Default)]
pub struct Tape(Arc<Mutex<Medium>>);

impl Tape {
    pub fn medium(&self) -> MutexGuard<'_, Medium> {
        self.0.lock().unwrap()
    }

    pub fn load(&self) -> Box<dyn SequentialDevice> {
        Box::new(LoadedTape {
            tape: self.clone(),
            at: 0,
        })
    }

    /// Another tape with the same on it, undamaged.
    pub fn copy(&self) -> Tape {
        let objects = self.medium().objects.clone();
        Tape(Arc::new(Mutex::new(Medium {
            objects,
            ..Medium::default()
        })))
    }

    /// Changes one byte of a record.
    pub fn flip(&self, block: u64, offset: usize) {
        match &mut self.medium().objects[block as usize] {
            Object::Record(bytes) => bytes[offset] ^= 0x10,
            Object::Filemark => panic!("block {block} is a filemark"),
        }
    }
}

struct LoadedTape {
    tape: Tape,
    at: u64,
}

fn error(kind: DriveErrorKind, action: &str) -> DriveError {
    let (drive, what) = ("memory drive".to_owned(), format!("{kind:?}"));
    DriveError {
        drive,
        action: action.to_owned(),
        kind,
        what,
        reaction: None,
        source: None,
    }
}

impl LoadedTape {
    fn append(&mut self, object: Object) -> Result<Written, DriveError> {
        let mut medium = self.tape.medium();
        medium.objects.truncate(self.at as usize);
        medium.objects.push(object);
        self.at += 1;
        Ok(Written::Normal)
    }
}

impl SequentialDevice for LoadedTape {
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError> {
        self.append(Object::Record(data.to_vec()))
    }

    fn write_filemark(&mut self, _: FilemarkReturns) -> Result<Written, DriveError> {
        self.append(Object::Filemark)
    }

    fn synchronize(&mut self) -> Result<(), DriveError> {
        Ok(())
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let mut medium = self.tape.medium();
        medium.reads += 1;
        if medium.drive_fails_at == Some(self.at) {
            return Err(error(DriveErrorKind::Hardware, "reading"));
        }
        if medium.reset_at == Some(self.at) {
            medium.reset_at = None;
            return Err(error(DriveErrorKind::Reset, "reading"));
        }
        let at = self.at;
        let due = |times: &mut u32| {
            let due = *times > 0;
            *times -= u32::from(due);
            due
        };
        let garbled = medium.garbled.get_mut(&at).is_some_and(due);
        if medium.bad.contains(&at) || medium.bad_for_now.get_mut(&at).is_some_and(due) {
            medium.bad_reads += 1;
            return Err(error(DriveErrorKind::Medium, "reading"));
        }
        let is_record = matches!(medium.objects.get(at as usize), Some(Object::Record(_)));
        if is_record && medium.encrypted.contains(&at) {
            medium.bad_reads += 1;
            return Err(error(DriveErrorKind::Encrypted, "reading"));
        }
        let found = medium.objects.get(self.at as usize);
        self.at += u64::from(found.is_some());
        match found {
            None if medium.no_end_mark => Err(error(DriveErrorKind::EndOfDataMissing, "reading")),
            None => Ok(ReadOutcome::EndOfData),
            Some(Object::Filemark) => Ok(ReadOutcome::Filemark),
            Some(Object::Record(bytes)) if bytes.len() > buffer.len() => {
                let actual_bytes = bytes.len() as u64;
                Err(error(
                    DriveErrorKind::BlockTooLong { actual_bytes },
                    "reading",
                ))
            }
            Some(Object::Record(bytes)) => {
                buffer[..bytes.len()].copy_from_slice(bytes);
                buffer[700] ^= u8::from(garbled);
                Ok(ReadOutcome::Block { bytes: bytes.len() })
            }
        }
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        let mut medium = self.tape.medium();
        medium.locates += 1;
        let end = medium.objects.len() as u64;
        self.at = block.0.min(end);
        if block.0 > end {
            Err(error(DriveErrorKind::EndOfData, "locating"))
        } else {
            Ok(())
        }
    }

    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        let medium = self.tape.medium();
        let marks = medium.objects.iter().enumerate().skip(self.at as usize);
        let mut marks = marks.filter(|(_, object)| **object == Object::Filemark);
        match marks.nth(usize::try_from(count - 1).expect("the code under test spaces forward")) {
            Some((mark, _)) => {
                self.at = mark as u64 + 1;
                Ok(())
            }
            None => {
                self.at = medium.objects.len() as u64;
                Err(error(DriveErrorKind::EndOfData, "spacing"))
            }
        }
    }

    fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
        self.at = self.tape.medium().objects.len() as u64;
        if self.tape.medium().no_end_mark {
            return Err(error(DriveErrorKind::EndOfDataMissing, "locating"));
        }
        self.position()
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        self.at = 0;
        Ok(())
    }

    fn position(&mut self) -> Result<Position, DriveError> {
        let medium = self.tape.medium();
        let before = &medium.objects[..self.at as usize];
        let marks = before
            .iter()
            .filter(|object| **object == Object::Filemark)
            .count();
        Ok(Position {
            partition: 0,
            block: BlockAddress(self.at),
            file: TapeFile(marks as u64),
            beginning: self.at == 0,
            early_warning: false,
        })
    }

    fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError> {
        Ok(BlockAddress(self.at))
    }

    fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError> {
        Ok(None)
    }

    fn recover(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        let waiting = Waiting {
            elapsed: Duration::ZERO,
            what: "becoming ready".to_owned(),
            progress_percent: None,
            remaining: None,
        };
        if onlooker(&waiting).is_break() {
            return Err(error(DriveErrorKind::Cancelled, "waiting"));
        }
        let mut medium = self.tape.medium();
        if let Some(objects) = medium.exchanged_for.take() {
            medium.objects = objects;
        }
        self.at = 0;
        Ok(())
    }

    fn name(&self) -> &str {
        "memory drive"
    }
}
