//! A partition on disk: an append-only map of objects beside one data file.
//!
//! An object exists when its record is in the map; data beyond the last
//! record is scrap that the next write reuses. Nothing is synced to the host's
//! disk: the death of a process loses nothing that is in the map, the death of
//! the host may. Knows neither position nor buffer.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::record::{Kind, RECORD_BYTES, Record};
use super::seal::{SEAL_BYTES, Seal};
use crate::error::SimError;

/// First bytes of a map file: magic and format version.
const MAP_HEADER: [u8; RECORD_BYTES] = *b"TAPESIM-MAP\0\0\0\0\x02";
/// Format 1 has the same records, of fewer kinds.
const MAP_HEADER_1: [u8; RECORD_BYTES] = *b"TAPESIM-MAP\0\0\0\0\x01";
/// Records read at a time: 64 KiB of map.
const WINDOW_RECORDS: u64 = 4096;

/// An open partition.
#[derive(Debug)]
pub struct Partition {
    map: File,
    data: File,
    /// Tape between BOP and early warning, in bytes.
    capacity_bytes: u64,
    objects: u64,
    /// Object numbers of the filemarks, ascending.
    filemarks: Vec<u64>,
    /// Object number of the first encrypted block.
    first_encrypted: Option<u64>,
    /// Object number of the first plain block behind it.
    first_plain_after: Option<u64>,
    /// The map's header is of format 1, which knows no encrypted blocks.
    old_header: bool,
    last: Option<Record>,
    /// Records last read, and the object number of the first of them.
    window: Vec<Record>,
    window_start: u64,
}

/// Names of the map and the data file of partition `number`.
pub fn file_names(folder: &Path, number: u8) -> (PathBuf, PathBuf) {
    let name = |end: &str| folder.join(format!("p{number}.{end}"));
    (name("map"), name("data"))
}

/// Makes partition `number` of a new cartridge: blank.
///
/// # Errors
///
/// `Io`.
pub fn create(folder: &Path, number: u8) -> Result<(), SimError> {
    let (map, data) = file_names(folder, number);
    std::fs::write(&map, MAP_HEADER).map_err(SimError::io(&map))?;
    std::fs::write(&data, []).map_err(SimError::io(&data))
}

impl Partition {
    /// Opens partition `number` and reads its whole map once.
    ///
    /// # Errors
    ///
    /// `Io`; `Format` for a record that no drive has written.
    pub fn open(folder: &Path, number: u8, capacity_bytes: u64) -> Result<Self, SimError> {
        let (map_path, data_path) = file_names(folder, number);
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
        let map = open(&map_path).map_err(SimError::io(&map_path))?;
        let data = open(&data_path).map_err(SimError::io(&data_path))?;
        let mut partition = Partition {
            map,
            data,
            capacity_bytes,
            objects: 0,
            filemarks: Vec::new(),
            first_encrypted: None,
            first_plain_after: None,
            old_header: false,
            last: None,
            window: Vec::new(),
            window_start: 0,
        };
        partition.scan().map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => SimError::Format {
                path: map_path,
                detail: source.to_string(),
            },
            _ => SimError::Io {
                path: map_path,
                source,
            },
        })?;
        Ok(partition)
    }

    /// Reads all records: counts them, notes the filemarks, checks that they follow each other.
    fn scan(&mut self) -> io::Result<()> {
        let mut header = [0; RECORD_BYTES];
        self.map.read_exact_at(&mut header, 0)?;
        if header != MAP_HEADER && header != MAP_HEADER_1 {
            return Err(corrupt("no map header of version 1 or 2"));
        }
        self.old_header = header == MAP_HEADER_1;
        let records = self.map.metadata()?.len() / RECORD_BYTES as u64 - 1;
        let data_bytes = self.data.metadata()?.len();
        while self.objects < records {
            let count = WINDOW_RECORDS.min(records - self.objects);
            self.read_window(self.objects, count)?;
            for record in mem::take(&mut self.window) {
                let place = (record.position_bytes, record.data_bytes);
                if place != end_of(self.last.as_ref()) || record.data_end() > data_bytes {
                    return Err(corrupt(&format!("object {} is misplaced", self.objects)));
                }
                self.count(record);
            }
        }
        Ok(())
    }

    /// Takes `record` for the last object.
    fn count(&mut self, record: Record) {
        match record.kind {
            Kind::Filemark => self.filemarks.push(self.objects),
            Kind::Encrypted => self.first_encrypted = self.first_encrypted.or(Some(self.objects)),
            Kind::Block | Kind::Zeros if self.first_encrypted.is_some() => {
                self.first_plain_after = self.first_plain_after.or(Some(self.objects));
            }
            Kind::Block | Kind::Zeros => {}
        }
        self.last = Some(record);
        self.objects += 1;
    }

    fn read_window(&mut self, start: u64, count: u64) -> io::Result<()> {
        // At most WINDOW_RECORDS, so the product fits any usize.
        let mut bytes = vec![0; count as usize * RECORD_BYTES];
        self.map.read_exact_at(&mut bytes, map_offset(start))?;
        self.window.clear();
        self.window_start = start;
        let (records, _) = bytes.as_chunks::<RECORD_BYTES>();
        for (record, at) in records.iter().zip(start..) {
            let record = Record::decode(record);
            let record = record.ok_or_else(|| corrupt(&format!("object {at} has a bad record")));
            self.window.push(record?);
        }
        Ok(())
    }

    /// Number of objects: the object number of EOD.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Object numbers of the filemarks, ascending.
    pub fn filemarks(&self) -> &[u64] {
        &self.filemarks
    }

    /// Object numbers of the first encrypted block and of the first plain one behind it.
    pub fn first_encrypted(&self) -> (Option<u64>, Option<u64>) {
        (self.first_encrypted, self.first_plain_after)
    }

    /// Tape between BOP and early warning, in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// Tape position of EOD and the data file offset there, in bytes.
    pub fn end(&self) -> (u64, u64) {
        end_of(self.last.as_ref())
    }

    /// The record of `object`, which is below [`Partition::objects`].
    ///
    /// # Errors
    ///
    /// The host's error, or `InvalidData` if the map has been damaged meanwhile.
    pub fn record(&mut self, object: u64) -> io::Result<Record> {
        let window_end = self.window_start + self.window.len() as u64;
        if !(self.window_start..window_end).contains(&object) {
            let start = object - object % WINDOW_RECORDS;
            self.read_window(
                start,
                WINDOW_RECORDS.min(self.objects.saturating_sub(start)),
            )?;
        }
        let at = object - self.window_start;
        let found = usize::try_from(at).ok().and_then(|at| self.window.get(at));
        found.copied().ok_or_else(|| corrupt("no such object"))
    }

    /// Makes `object` the end of data: it and everything behind is gone.
    ///
    /// # Errors
    ///
    /// The host's error; the end may then be either.
    pub fn truncate(&mut self, object: u64) -> io::Result<()> {
        if object >= self.objects {
            return Ok(());
        }
        let last = match object.checked_sub(1) {
            Some(before) => Some(self.record(before)?),
            None => None,
        };
        self.map.set_len(map_offset(object))?;
        self.objects = object;
        self.last = last;
        self.filemarks
            .truncate(self.filemarks.partition_point(|mark| *mark < object));
        self.first_encrypted = self.first_encrypted.filter(|first| *first < object);
        self.first_plain_after = self.first_plain_after.filter(|first| *first < object);
        self.window.clear();
        self.data.set_len(self.end().1)
    }

    /// Appends records whose data are in the data file already.
    ///
    /// # Errors
    ///
    /// The host's error; then no record counts as appended.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(records.len() * RECORD_BYTES);
        for record in records {
            bytes.extend_from_slice(&record.encode());
        }
        let encrypted = records.iter().any(|record| record.kind == Kind::Encrypted);
        if self.old_header && encrypted {
            self.map.write_all_at(&MAP_HEADER, 0)?;
            self.old_header = false;
        }
        self.map.write_all_at(&bytes, map_offset(self.objects))?;
        for record in records {
            self.count(*record);
        }
        Ok(())
    }

    /// Puts bytes into the data file.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn write_data(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.data.write_all_at(bytes, offset)
    }

    /// Seal of the encrypted block that `record` describes.
    ///
    /// # Errors
    ///
    /// The host's error; `InvalidData` for a seal that no drive has written.
    pub fn read_seal(&self, record: &Record) -> io::Result<Seal> {
        let mut bytes = [0; SEAL_BYTES];
        self.data.read_exact_at(&mut bytes, record.data_bytes)?;
        Seal::decode(&bytes).ok_or_else(|| corrupt("no seal before an encrypted block"))
    }

    /// Fills `out` with the first bytes of the block that `record` describes, encrypted if it
    /// is.
    ///
    /// # Errors
    ///
    /// The host's error.
    pub fn read_data(&self, record: &Record, out: &mut [u8]) -> io::Result<()> {
        if record.kind == Kind::Zeros {
            out.fill(0);
            return Ok(());
        }
        let seal = match record.kind {
            Kind::Encrypted => SEAL_BYTES as u64,
            _ => 0,
        };
        self.data.read_exact_at(out, record.data_bytes + seal)
    }
}

fn map_offset(object: u64) -> u64 {
    (object + 1) * RECORD_BYTES as u64
}

fn end_of(last: Option<&Record>) -> (u64, u64) {
    last.map_or((0, 0), |record| (record.position_end(), record.data_end()))
}

fn corrupt(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}
