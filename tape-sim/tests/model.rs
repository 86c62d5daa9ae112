//! Random sequences of commands on a drive and on a tape in memory that moves one object at a
//! time; and random bytes, which must come to an orderly end.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::*;
use proptest::prelude::*;
use tape_sim::library::LibrarySpec;
use tape_sim::pages::opcodes;
use tape_sim::target::{Data, Target};

const CAPACITY: u64 = MIB;
const LIMIT: u64 = MIB + MIB / 16;
const BUFFER: u64 = 100_000;
const OVERHEAD: u64 = 4;
const BLOCK_LENGTH: u32 = 5000;

fn tiny() -> LibrarySpec {
    LibrarySpec {
        slots: 1,
        capacity_bytes: Some(CAPACITY),
        buffer_bytes: Some(BUFFER),
        ..small()
    }
}

#[derive(Debug, Clone)]
enum Op {
    Write { length: u32, byte: u8 },
    WriteFixed { blocks: u32, byte: u8 },
    Filemarks { count: u32, immediate: bool },
    Read { length: u32, sili: bool },
    ReadFixed { blocks: u32 },
    SpaceBlocks(i32),
    SpaceFilemarks(i32),
    SpaceEnd,
    Locate(u32),
    LocateFile(u64),
    Rewind,
    Erase,
    PowerCut,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1u32..60_000, 0u8..4).prop_map(|(length, byte)| Op::Write { length, byte }),
        3 => (1u32..40, 0u8..4).prop_map(|(blocks, byte)| Op::WriteFixed { blocks, byte }),
        4 => (0u32..4, any::<bool>())
            .prop_map(|(count, immediate)| Op::Filemarks { count, immediate }),
        4 => (1u32..60_000, any::<bool>()).prop_map(|(length, sili)| Op::Read { length, sili }),
        3 => (1u32..6).prop_map(|blocks| Op::ReadFixed { blocks }),
        4 => (-12i32..12).prop_map(Op::SpaceBlocks),
        4 => (-4i32..4).prop_map(Op::SpaceFilemarks),
        3 => Just(Op::SpaceEnd),
        3 => (0u32..40).prop_map(Op::Locate),
        2 => (0u64..8).prop_map(Op::LocateFile),
        1 => Just(Op::Rewind),
        1 => Just(Op::Erase),
        1 => Just(Op::PowerCut),
        1 => Just(Op::Reopen),
    ]
}

#[derive(Debug, Clone, PartialEq)]
enum Object {
    Block { length: u64, byte: u8 },
    Mark,
}

impl Object {
    fn cost(&self) -> u64 {
        self.length() + OVERHEAD
    }

    fn length(&self) -> u64 {
        match self {
            Object::Block { length, .. } => *length,
            Object::Mark => 0,
        }
    }
}

/// The tape as one would explain it: objects in a row and a place between two of them.
#[derive(Debug, Default)]
struct Model {
    objects: Vec<Object>,
    at: usize,
    /// Objects that have left the buffer.
    on_tape: usize,
}

impl Model {
    fn used(&self, objects: usize) -> u64 {
        self.objects[..objects].iter().map(Object::cost).sum()
    }

    /// Puts an object at the position, unless there is no room.
    fn put(&mut self, object: Object) -> bool {
        if self.used(self.at) + object.cost() > LIMIT {
            return false;
        }
        self.objects.truncate(self.at);
        self.on_tape = self.on_tape.min(self.at);
        self.objects.push(object);
        self.at += 1;
        let waiting = |model: &Self| model.used(model.at) - model.used(model.on_tape);
        while waiting(self) > BUFFER {
            self.on_tape += 1;
        }
        true
    }

    fn flush(&mut self) {
        self.on_tape = self.objects.len();
    }

    fn after_write(&self) -> String {
        let warning = self.used(self.at) >= CAPACITY;
        if warning { "00/00/02 EOM 0" } else { "good" }.to_string()
    }

    /// Reads one object into `want` bytes: the byte and count moved, or why not.
    fn read(&mut self, want: u32, sili: bool) -> (String, u64) {
        self.flush();
        let want = u64::from(want);
        let Some(object) = self.objects.get(self.at).cloned() else {
            return (format!("08/00/05 {want}"), 0);
        };
        self.at += 1;
        match object {
            Object::Mark => (format!("00/00/01 FM {want}"), 0),
            Object::Block { length, .. } if length == want || sili && length < want => {
                ("good".to_string(), length)
            }
            Object::Block { length, .. } => {
                let residual = want as i64 - length as i64;
                (format!("00/00/00 ILI {residual}"), length.min(want))
            }
        }
    }

    fn read_fixed(&mut self, blocks: u32) -> (String, u64) {
        self.flush();
        for done in 0..blocks {
            let left = blocks - done;
            let moved = u64::from(done * BLOCK_LENGTH);
            match self.objects.get(self.at).map(Object::length) {
                None => return (format!("08/00/05 {left}"), moved),
                Some(0) => {
                    self.at += 1;
                    return (format!("00/00/01 FM {left}"), moved);
                }
                Some(length) if length != u64::from(BLOCK_LENGTH) => {
                    self.at += 1;
                    return (format!("00/00/00 ILI {left}"), moved);
                }
                Some(_) => self.at += 1,
            }
        }
        ("good".to_string(), u64::from(blocks * BLOCK_LENGTH))
    }

    /// Steps over `count` objects, one at a time; `marks`: only marks count, and none halts.
    fn space(&mut self, count: i32, marks: bool) -> String {
        self.flush();
        let mut left = count.unsigned_abs();
        while left > 0 {
            let over = if count > 0 {
                self.objects.get(self.at)
            } else {
                self.at.checked_sub(1).map(|before| &self.objects[before])
            };
            let Some(over) = over.cloned() else {
                let end = if count > 0 {
                    "08/00/05"
                } else {
                    "00/00/04 EOM"
                };
                return format!("{end} {left}");
            };
            self.at = if count > 0 { self.at + 1 } else { self.at - 1 };
            match (over, marks) {
                (Object::Mark, false) => return format!("00/00/01 FM {left}"),
                (Object::Block { .. }, true) => {}
                _ => left -= 1,
            }
        }
        "good".to_string()
    }

    fn locate(&mut self, object: usize) -> String {
        self.flush();
        self.at = object.min(self.objects.len());
        if object > self.at { "08/00/05" } else { "good" }.to_string()
    }

    fn locate_file(&mut self, file: u64) -> String {
        self.locate(0);
        if self.space(file as i32, true) == "good" {
            "good"
        } else {
            "08/00/05"
        }
        .to_string()
    }

    fn position(&self) -> Position {
        let used = self.used(self.at);
        let bop = if self.at == 0 { 0x80 } else { 0 };
        let eop = if used >= CAPACITY { 0x40 } else { 0 };
        let buffered = &self.objects[self.on_tape..];
        let marks = self.objects[..self.at]
            .iter()
            .filter(|object| **object == Object::Mark);
        Position {
            flags: bop | eop,
            object: self.at as u64,
            file: marks.count() as u64,
            on_tape: (self.at - buffered.len()) as u64,
            buffered_objects: buffered.len() as u64,
            buffered_bytes: buffered.iter().map(Object::length).sum(),
        }
    }
}

fn write_both(bench: &mut Bench, model: &mut Model, op: &Op) -> (String, String) {
    match *op {
        Op::Write { length, byte } => {
            let found = bench.write(&vec![byte; length as usize]);
            let object = Object::Block {
                length: length.into(),
                byte,
            };
            let expected = if model.put(object) {
                model.after_write()
            } else {
                format!("0D/00/02 EOM {length}")
            };
            (found, expected)
        }
        Op::WriteFixed { blocks, byte } => {
            let data = vec![byte; (blocks * BLOCK_LENGTH) as usize];
            let found = bench.send(&write(true, blocks), &data);
            let object = Object::Block {
                length: BLOCK_LENGTH.into(),
                byte,
            };
            let done = (0..blocks)
                .take_while(|_| model.put(object.clone()))
                .count() as u32;
            let expected = if done == blocks {
                model.after_write()
            } else {
                format!("0D/00/02 EOM {}", blocks - done)
            };
            (found, expected)
        }
        Op::Filemarks { count, immediate } => {
            let found = bench.none(&filemarks(count, immediate));
            let done = (0..count).take_while(|_| model.put(Object::Mark)).count() as u32;
            if !immediate {
                model.flush();
            }
            let expected = if done < count {
                format!("0D/00/02 EOM {}", count - done)
            } else if count == 0 {
                "good".to_string()
            } else {
                model.after_write()
            };
            (found, expected)
        }
        _ => unreachable!("only the writing operations come here"),
    }
}

fn read_both(bench: &mut Bench, model: &mut Model, op: &Op) -> (String, String) {
    let start = model.at;
    let ((found, data), (expected, moved)) = match *op {
        // The block length is set, so SILI hides short blocks only.
        Op::Read { length, sili } => (
            bench.receive(&read(if sili { 2 } else { 0 }, length), length as usize),
            model.read(length, sili),
        ),
        Op::ReadFixed { blocks } => (
            bench.receive(&read(1, blocks), (blocks * BLOCK_LENGTH) as usize),
            model.read_fixed(blocks),
        ),
        _ => unreachable!("only the reading operations come here"),
    };
    let stored = model.objects[start..]
        .iter()
        .flat_map(|object| match object {
            Object::Block { length, byte } => vec![*byte; *length as usize],
            Object::Mark => Vec::new(),
        });
    let stored: Vec<u8> = stored.take(moved as usize).collect();
    assert_eq!(data.len() as u64, moved, "{op:?}");
    assert!(data == stored, "{op:?} read other bytes");
    (found, expected)
}

fn both(bench: &mut Bench, model: &mut Model, op: &Op) -> (String, String) {
    match *op {
        Op::Write { .. } | Op::WriteFixed { .. } | Op::Filemarks { .. } => {
            write_both(bench, model, op)
        }
        Op::Read { .. } | Op::ReadFixed { .. } => read_both(bench, model, op),
        Op::SpaceBlocks(count) => (bench.none(&space(0, count)), model.space(count, false)),
        Op::SpaceFilemarks(count) => (bench.none(&space(1, count)), model.space(count, true)),
        Op::SpaceEnd => (bench.none(&SPACE_EOD), model.locate(model.objects.len())),
        Op::Locate(object) => (bench.none(&locate10(object)), model.locate(object as usize)),
        Op::LocateFile(file) => (bench.none(&locate16(8, file)), model.locate_file(file)),
        Op::Rewind => (bench.none(&REWIND), model.locate(0)),
        Op::Erase => {
            let found = bench.none(&ERASE);
            model.flush();
            model.objects.truncate(model.at);
            model.flush();
            (found, "good".to_string())
        }
        Op::PowerCut => {
            bench.drive().power_cut().unwrap();
            model.objects.truncate(model.on_tape);
            model.at = 0;
            let found = bench.none(&TUR);
            bench.block_length(BLOCK_LENGTH);
            (found, "06/29/01".to_string())
        }
        Op::Reopen => {
            bench.close();
            bench.open();
            model.flush();
            (bench.none(&TUR), "good".to_string())
        }
    }
}

proptest! {
    #[test]
    fn the_drive_agrees_with_a_tape_in_memory(ops in prop::collection::vec(op(), 1..80)) {
        let mut bench = Bench::with(&tiny());
        bench.block_length(BLOCK_LENGTH);
        let mut model = Model::default();
        for (number, op) in ops.iter().enumerate() {
            let (found, expected) = both(&mut bench, &mut model, op);
            prop_assert_eq!(found, expected, "operation {} {:?}", number, op);
            prop_assert_eq!(bench.position(), model.position(), "after {} {:?}", number, op);
        }
    }

}

proptest! {
    // One command may write a quarter of a million filemarks: fewer cases, less time.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_cdb_panics(cdbs in prop::collection::vec(cdb(), 1..60)) {
        let mut bench = Bench::cold(&tiny());
        let mut changer = bench.library.changer().unwrap();
        changer.execute(&TUR, Data::None);
        changer.execute(&[0xA5, 0, 0, 0, 0x03, 0xE9, 0, 1, 0, 0, 0, 0], Data::None);
        bench.settle();
        for (cdb, direction, bytes) in cdbs {
            for target in [bench.drive() as &mut dyn Target, &mut changer] {
                let mut buffer = bytes.clone();
                let data = match direction {
                    0 => Data::None,
                    1 => Data::In(&mut buffer),
                    _ => Data::Out(&bytes),
                };
                let completion = target.execute(&cdb, data);
                prop_assert!(completion.transferred_bytes <= bytes.len());
                prop_assert!(matches!(completion.status, 0 | 2 | 0x18));
                prop_assert_eq!(completion.status != 2, completion.sense.is_empty());
            }
        }
    }
}

/// Bytes that look like a CDB often enough: a known opcode and few bits beyond.
fn cdb() -> impl Strategy<Value = (Vec<u8>, u8, Vec<u8>)> {
    let commands = opcodes::DRIVE.iter().chain(opcodes::CHANGER);
    let opcodes: Vec<u8> = commands.map(|command| command.opcode()).collect();
    let known = (
        prop::sample::select(opcodes),
        prop::collection::vec(sparse(), 15),
    )
        .prop_map(|(opcode, mut rest)| {
            let len = [6, 10, 10, 12, 16, 12, 12, 12][usize::from(opcode >> 5)];
            rest.insert(0, opcode);
            rest.truncate(len);
            rest
        });
    let any_bytes = prop::collection::vec(any::<u8>(), 0..20);
    let bytes = prop_oneof![4 => known, 1 => any_bytes];
    let data = prop::collection::vec(sparse(), 0..300);
    (bytes, 0u8..3, data)
}

fn sparse() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0u8), 2 => 0u8..32, 1 => any::<u8>()]
}
