//! A small library and words for the changer's commands and their outcomes. Decodes replies by
//! itself, from the standard's tables.

use tape_sim::library::{Library, LibrarySpec};
use tape_sim::smc::ChangerTarget;
use tape_sim::target::{Completion, Data, Target};
use tempfile::TempDir;

pub const TUR: [u8; 6] = [0; 6];
pub const UNLOAD: [u8; 6] = [0x1B, 0, 0, 0, 0, 0];
pub const DRIVE: u16 = 1;
pub const MAIL: u16 = 101;
pub const SLOT: u16 = 1001;

pub struct Robot {
    _dir: TempDir,
    pub library: Library,
    pub changer: ChangerTarget,
}

/// Two drives, two mail slots, six slots: three tapes, two free, a cleaning cartridge.
pub fn small() -> LibrarySpec {
    LibrarySpec {
        slots: 6,
        cartridges: Some(3),
        capacity_bytes: Some(64 << 20),
        seed: Some(0x5EED),
        ..LibrarySpec::default()
    }
}

impl Robot {
    /// A library whose power-on unit attention is still to come.
    pub fn cold(spec: &LibrarySpec) -> Self {
        let dir = TempDir::new().unwrap();
        let library = Library::create(&dir.path().join("library"), spec).unwrap();
        let changer = library.changer().unwrap();
        Self {
            _dir: dir,
            library,
            changer,
        }
    }

    pub fn with(spec: &LibrarySpec) -> Self {
        let mut robot = Self::cold(spec);
        assert_eq!(robot.none(&TUR), "06/29/01");
        robot
    }

    pub fn new() -> Self {
        Self::with(&small())
    }

    pub fn none(&mut self, cdb: &[u8]) -> String {
        outcome(&self.changer.execute(cdb, Data::None))
    }

    /// Outcome and the bytes received.
    pub fn receive(&mut self, cdb: &[u8]) -> (String, Vec<u8>) {
        let mut buffer = vec![0xEE; 1 << 16];
        let completion = self.changer.execute(cdb, Data::In(&mut buffer));
        buffer.truncate(completion.transferred_bytes);
        (outcome(&completion), buffer)
    }

    /// The reply of a command that has to succeed.
    pub fn reply(&mut self, cdb: &[u8]) -> Vec<u8> {
        let (outcome, reply) = self.receive(cdb);
        assert_eq!(outcome, "good", "{cdb:02X?}");
        reply
    }

    pub fn moves(&mut self, source: u16, destination: u16) -> String {
        self.none(&move_medium(0, source, destination))
    }

    /// Barcode and source address of the cartridge at `address`.
    pub fn at(&mut self, address: u16) -> (Option<String>, Option<u16>) {
        let reply = self.reply(&element_status(0x10, address, 1, 0, 255));
        let descriptor = &reply[16..];
        assert_eq!(be16(descriptor), address);
        let tag = String::from_utf8(descriptor[12..44].to_vec()).unwrap();
        let full = descriptor[2] & 1 != 0;
        let source = (descriptor[9] & 0x80 != 0).then(|| be16(&descriptor[10..]));
        (full.then(|| tag.trim_end().to_owned()), source)
    }
}

/// `good`, or key/asc/ascq of fixed sense with its field pointer: `05/24/00 @6.4`.
pub fn outcome(completion: &Completion) -> String {
    if completion.status == 0 {
        assert!(completion.sense.is_empty());
        return "good".to_owned();
    }
    assert_eq!(completion.status, 2, "{completion:?}");
    let sense = &completion.sense;
    assert_eq!((sense[0], sense.len()), (0x70, 18), "{sense:02X?}");
    let mut text = format!("{:02X}/{:02X}/{:02X}", sense[2], sense[12], sense[13]);
    if sense[15] & 0x80 != 0 {
        text += &format!(" @{}", be16(&sense[16..]));
        if sense[15] & 0x08 != 0 {
            text += &format!(".{}", sense[15] & 0x07);
        }
    }
    text
}

pub fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

pub fn be24(bytes: &[u8]) -> usize {
    bytes[..3]
        .iter()
        .fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// A CDB of `len` bytes with numbers of two bytes at the places given.
pub fn cdb(opcode: u8, len: usize, fields: &[(usize, u16)]) -> Vec<u8> {
    let mut cdb = vec![0; len];
    cdb[0] = opcode;
    for (at, value) in fields {
        cdb[*at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
    cdb
}

pub fn move_medium(transport: u16, source: u16, destination: u16) -> Vec<u8> {
    cdb(0xA5, 12, &[(2, transport), (4, source), (6, destination)])
}

pub fn exchange(source: u16, first: u16, second: u16) -> Vec<u8> {
    cdb(0xA6, 12, &[(4, source), (6, first), (8, second)])
}

/// `flags`: VOLTAG 10h and the type; `options`: CURDATA 2, DVCID 1.
pub fn element_status(flags: u8, start: u16, count: u16, options: u8, alloc: u16) -> Vec<u8> {
    let mut cdb = cdb(0xB8, 12, &[(2, start), (4, count), (8, alloc)]);
    cdb[1] = flags;
    cdb[6] = options;
    cdb
}
