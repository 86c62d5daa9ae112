//! A bench for drive tests: a small library, a drive, a clock that stands still, and words for
//! commands and their outcomes. Decodes sense by itself, from the standard's table.
#![allow(dead_code, reason = "each test file uses its own part of the bench")]
#![allow(clippy::unwrap_used, reason = "a bench that fails fails its test")]

use std::fs;
use std::sync::Arc;

use tape_sim::clock::ManualClock;
use tape_sim::library::{Library, LibrarySpec};
use tape_sim::ssc::DriveTarget;
use tape_sim::target::{Completion, Data, Target};
use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;
/// The bench's first cartridge.
pub const TAPE: &str = "SIM001L9";

pub struct Bench {
    pub dir: TempDir,
    pub library: Library,
    pub clock: ManualClock,
    drive: Option<DriveTarget>,
}

/// One drive, eight slots, cartridges of 64 MiB.
pub fn small() -> LibrarySpec {
    LibrarySpec {
        drives: 1,
        slots: 8,
        capacity_bytes: Some(64 * MIB),
        seed: Some(0x5EED),
        ..LibrarySpec::default()
    }
}

impl Bench {
    /// A powered drive without a cartridge; its first unit attention is still to come.
    pub fn cold(spec: &LibrarySpec) -> Self {
        let dir = TempDir::new().unwrap();
        let library = Library::create(&dir.path().join("library"), spec).unwrap();
        let mut bench = Bench {
            dir,
            library,
            clock: ManualClock::default(),
            drive: None,
        };
        bench.open();
        bench
    }

    /// A drive with a blank cartridge, ready and without unit attentions.
    pub fn ready() -> Self {
        Self::with(&small())
    }

    pub fn with(spec: &LibrarySpec) -> Self {
        let mut bench = Self::cold(spec);
        bench.put(Some(TAPE));
        bench.settle();
        bench
    }

    /// Drive 0 of a library that is there, with the clock of the system.
    pub fn over(library: Library) -> Self {
        let drive = library.drive(0).unwrap();
        Bench {
            dir: TempDir::new().unwrap(),
            library,
            clock: ManualClock::default(),
            drive: Some(drive),
        }
    }

    /// Plays the robot: the drive sees no more of it than this file.
    pub fn put(&self, barcode: Option<&str>) {
        let path = self.library.dir().join("drives/0/bay.json");
        let text = fs::read_to_string(&path).unwrap();
        let mut bay: serde_json::Value = serde_json::from_str(&text).unwrap();
        bay["moves"] = (bay["moves"].as_u64().unwrap() + 1).into();
        bay["barcode"] = barcode.into();
        let beside = path.with_extension("test");
        fs::write(&beside, bay.to_string()).unwrap();
        fs::rename(&beside, &path).unwrap();
    }

    /// Sets a field of `cartridge.json`.
    pub fn edit(&self, barcode: &str, field: &str, value: serde_json::Value) {
        let path = self
            .library
            .dir()
            .join("cartridges")
            .join(barcode)
            .join("cartridge.json");
        let mut info: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        info[field] = value;
        fs::write(&path, info.to_string()).unwrap();
    }

    /// Polls until TEST UNIT READY is good.
    pub fn settle(&mut self) {
        for _ in 0..100 {
            if self.none(&TUR) == "good" {
                return;
            }
        }
        panic!("the drive does not become ready");
    }

    /// Polls while TEST UNIT READY says `busy`; the answer that is another.
    pub fn poll(&mut self, busy: &str) -> String {
        for _ in 0..1000 {
            let answer = self.none(&TUR);
            if answer != busy {
                return answer;
            }
        }
        panic!("the drive says {busy} for ever");
    }

    pub fn open(&mut self) {
        let clock = Arc::new(self.clock.clone());
        self.drive = Some(self.library.drive_with_clock(0, clock).unwrap());
    }

    pub fn drive(&mut self) -> &mut DriveTarget {
        self.drive.as_mut().unwrap()
    }

    /// The process ends without a word.
    pub fn drop_drive(&mut self) {
        self.drive = None;
    }

    /// The process is killed: not even destructors run. Its locks go with it.
    pub fn kill(&mut self) {
        let lock = self.library.dir().join("drives/0/lock");
        std::mem::forget(self.drive.take());
        // A forgotten handle keeps the flock of the old file; a dead process would not.
        fs::remove_file(lock).unwrap();
    }

    pub fn close(&mut self) {
        self.drive.take().unwrap().close().unwrap();
    }

    pub fn run(&mut self, cdb: &[u8], data: Data<'_>) -> Completion {
        self.drive().execute(cdb, data)
    }

    pub fn none(&mut self, cdb: &[u8]) -> String {
        outcome(&self.run(cdb, Data::None))
    }

    pub fn send(&mut self, cdb: &[u8], data: &[u8]) -> String {
        outcome(&self.run(cdb, Data::Out(data)))
    }

    /// Outcome and the bytes received.
    pub fn receive(&mut self, cdb: &[u8], len: usize) -> (String, Vec<u8>) {
        let mut buffer = vec![0xEE; len];
        let completion = self.run(cdb, Data::In(&mut buffer));
        buffer.truncate(completion.transferred_bytes);
        (outcome(&completion), buffer)
    }

    /// The reply of a command that has to succeed.
    pub fn reply(&mut self, cdb: &[u8], len: usize) -> Vec<u8> {
        let (outcome, reply) = self.receive(cdb, len);
        assert_eq!(outcome, "good", "{cdb:02X?}");
        reply
    }

    /// Writes one block in variable mode.
    pub fn write(&mut self, block: &[u8]) -> String {
        self.send(&write(false, block.len() as u32), block)
    }

    /// Reads one block in variable mode.
    pub fn read(&mut self, len: u32) -> (String, Vec<u8>) {
        self.receive(&read(0, len), len as usize)
    }

    /// Sets the block length of fixed mode.
    pub fn block_length(&mut self, bytes: u32) {
        let [_, a, b, c] = bytes.to_be_bytes();
        let list = [0, 0, 0x10, 8, 0, 0, 0, 0, 0, a, b, c];
        assert_eq!(self.send(&[0x15, 0x10, 0, 0, 12, 0], &list), "good");
    }

    /// Sets PEWS, in MB.
    pub fn pews(&mut self, mb: u16) {
        let set = |page: &mut [u8]| page[6..8].copy_from_slice(&mb.to_be_bytes());
        assert_eq!(self.change_page(0x10, 1, set), "good");
    }

    /// Sets WRITE MODE to append-only, or back.
    pub fn append_only(&mut self, on: bool) -> String {
        self.change_page(0x10, 1, |page| page[5] = u8::from(on) << 4)
    }

    /// Reads a mode page, lets `change` alter it and sends it back.
    pub fn change_page(&mut self, code: u8, subpage: u8, change: impl FnOnce(&mut [u8])) -> String {
        let sense = [0x5A, 0x08, code, subpage, 0, 0, 0, 0, 255, 0];
        let mut list = self.reply(&sense, 255);
        list[..3].fill(0);
        list[8] &= 0x7F;
        change(&mut list[8..]);
        let len = list.len() as u8;
        self.send(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, len, 0], &list)
    }

    pub fn position(&mut self) -> Position {
        let long = self.reply(&[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], 32);
        let extended = self.reply(&[0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0], 32);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b));
        Position {
            flags: long[0],
            object: number(&long[8..16]),
            file: number(&long[16..24]),
            on_tape: number(&extended[16..24]),
            buffered_objects: number(&extended[5..8]),
            buffered_bytes: number(&extended[24..32]),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Position {
    pub flags: u8,
    pub object: u64,
    pub file: u64,
    pub on_tape: u64,
    pub buffered_objects: u64,
    pub buffered_bytes: u64,
}

/// `good`, or key/asc/ascq with the flags and INFORMATION of fixed sense: `00/00/01 FM 1`.
pub fn outcome(completion: &Completion) -> String {
    if completion.status == 0 {
        assert!(completion.sense.is_empty());
        return "good".to_string();
    }
    assert_eq!(completion.status, 2, "{completion:?}");
    let sense = &completion.sense;
    assert_eq!(sense[0] & 0x7F, 0x70, "{sense:02X?}");
    let mut text = format!(
        "{:02X}/{:02X}/{:02X}",
        sense[2] & 0x0F,
        sense[12],
        sense[13]
    );
    for (mask, name) in [(0x80, " FM"), (0x40, " EOM"), (0x20, " ILI")] {
        if sense[2] & mask != 0 {
            text += name;
        }
    }
    if sense[0] & 0x80 != 0 {
        let information = i32::from_be_bytes(sense[3..7].try_into().unwrap());
        text += &format!(" {information}");
    }
    text
}

pub const TUR: [u8; 6] = [0; 6];
pub const REWIND: [u8; 6] = [1, 0, 0, 0, 0, 0];
pub const LOAD: [u8; 6] = [0x1B, 0, 0, 0, 1, 0];
pub const UNLOAD: [u8; 6] = [0x1B, 0, 0, 0, 0, 0];
pub const ERASE: [u8; 6] = [0x19, 0, 0, 0, 0, 0];
pub const SPACE_EOD: [u8; 6] = [0x11, 3, 0, 0, 0, 0];

fn six(opcode: u8, flags: u8, length: u32) -> [u8; 6] {
    let [_, a, b, c] = length.to_be_bytes();
    [opcode, flags, a, b, c, 0]
}

pub fn write(fixed: bool, length: u32) -> [u8; 6] {
    six(0x0A, u8::from(fixed), length)
}

/// `flags`: 1 FIXED, 2 SILI.
pub fn read(flags: u8, length: u32) -> [u8; 6] {
    six(0x08, flags, length)
}

pub fn filemarks(count: u32, immediate: bool) -> [u8; 6] {
    six(0x10, u8::from(immediate), count)
}

/// `code`: 0 blocks, 1 filemarks.
pub fn space(code: u8, count: i32) -> [u8; 6] {
    six(0x11, code, count.cast_unsigned() & 0xFF_FFFF)
}

pub fn space16(code: u8, count: i64) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..2].copy_from_slice(&[0x91, code]);
    cdb[4..12].copy_from_slice(&count.to_be_bytes());
    cdb
}

pub fn locate10(object: u32) -> [u8; 10] {
    let [a, b, c, d] = object.to_be_bytes();
    [0x2B, 0, 0, a, b, c, d, 0, 0, 0]
}

/// `kind`: 0 object, 8 file, 18h end of data.
pub fn locate16(kind: u8, target: u64) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..2].copy_from_slice(&[0x92, kind]);
    cdb[4..12].copy_from_slice(&target.to_be_bytes());
    cdb
}

/// The 16-byte forms with an explicit address: 88h reads, 8Ah writes, 80h writes filemarks.
pub fn explicit(opcode: u8, flags: u8, partition: u8, object: u64, length: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..4].copy_from_slice(&[opcode, flags, 0, partition]);
    cdb[4..12].copy_from_slice(&object.to_be_bytes());
    cdb[12..15].copy_from_slice(&length.to_be_bytes()[1..]);
    cdb
}

/// ALLOW OVERWRITE: 0 nothing, 1 here, 2 format.
pub fn allow_overwrite(what: u8, partition: u8, object: u64) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..4].copy_from_slice(&[0x82, 0, what, partition]);
    cdb[4..12].copy_from_slice(&object.to_be_bytes());
    cdb
}
