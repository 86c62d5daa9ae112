//! Random sequences of commands on a drive and on a tape in memory that has two partitions and
//! moves one object at a time; and random bytes, which must come to an orderly end.

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
        capacity_bytes: Some(2 * CAPACITY),
        buffer_bytes: Some(BUFFER),
        ..small()
    }
}

/// A drive whose tape has two partitions of [`CAPACITY`] each.
fn two_partitions() -> Bench {
    let mut bench = Bench::with(&tiny());
    let equal = bench.change_page(0x11, 0, |page| {
        page[3] = 1;
        page[4] = 0x40 | page[4] & 0x1F;
    });
    assert_eq!(equal, "good");
    assert_eq!(bench.none(&[0x04, 0, 1, 0, 0, 0]), "good");
    bench.block_length(BLOCK_LENGTH);
    bench
}

#[derive(Debug, Clone)]
enum Op {
    Write {
        length: u32,
        byte: u8,
    },
    WriteFixed {
        blocks: u32,
        byte: u8,
    },
    Filemarks {
        count: u32,
        immediate: bool,
    },
    Read {
        length: u32,
        sili: bool,
    },
    ReadFixed {
        blocks: u32,
    },
    SpaceBlocks(i32),
    SpaceFilemarks(i32),
    SpaceEnd,
    Locate(u32),
    LocateFile(u64),
    Rewind,
    Erase,
    ReadAt {
        partition: u8,
        object: u64,
        length: u32,
    },
    WriteAt {
        first: bool,
        partition: u8,
        object: u64,
        byte: u8,
    },
    MarksAt {
        first: bool,
        object: u64,
        count: u32,
    },
    Switch {
        partition: u8,
        object: u64,
    },
    SwitchToEnd(u8),
    Verify {
        length: u32,
    },
    VerifyFixed {
        blocks: u32,
    },
    VerifyMarks(u32),
    AppendOnly(bool),
    Allow {
        what: u8,
        here: bool,
    },
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
        3 => place(),
        2 => (0u8..3, 0u64..20)
            .prop_map(|(partition, object)| Op::Switch { partition, object }),
        1 => (0u8..2).prop_map(Op::SwitchToEnd),
        2 => verify(),
        1 => any::<bool>().prop_map(Op::AppendOnly),
        2 => (0u8..3, any::<bool>()).prop_map(|(what, here)| Op::Allow { what, here }),
        1 => Just(Op::PowerCut),
        1 => Just(Op::Reopen),
    ]
}

/// Commands with an explicit address.
fn place() -> impl Strategy<Value = Op> {
    let write = (any::<bool>(), 0u8..2, 0u64..20, 0u8..4);
    prop_oneof![
        (0u8..3, 0u64..30, 1u32..60_000).prop_map(|(partition, object, length)| Op::ReadAt {
            partition,
            object,
            length
        }),
        write.prop_map(|(first, partition, object, byte)| Op::WriteAt {
            first,
            partition,
            object,
            byte
        }),
        (any::<bool>(), 0u64..20, 0u32..3).prop_map(|(first, object, count)| Op::MarksAt {
            first,
            object,
            count
        }),
    ]
}

fn verify() -> impl Strategy<Value = Op> {
    prop_oneof![
        (1u32..60_000).prop_map(|length| Op::Verify { length }),
        (1u32..6).prop_map(|blocks| Op::VerifyFixed { blocks }),
        (1u32..4).prop_map(Op::VerifyMarks),
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
    partition: u8,
    /// What is recorded in the other partition.
    other: Vec<Object>,
    append_only: bool,
    /// What ALLOW OVERWRITE has allowed: 0 nothing, 1 here, 2 to format.
    allowed: u8,
}

const PROTECTED: &str = "07/5A/02";

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

    /// The buffer may reach the tape at any time: what the drive says of it is believed, unless
    /// that is less than must be there or more than was written. From then on it has to be true.
    fn lets_reach_tape(&mut self, before: usize) {
        if self.at == self.objects.len() && (self.on_tape..=self.at).contains(&before) {
            self.on_tape = before;
        }
    }

    /// May something be written at the position? Asking uses up what was allowed.
    fn may_write(&mut self) -> bool {
        let allowed = std::mem::take(&mut self.allowed);
        let marks_alone = self.objects[self.at..]
            .iter()
            .all(|object| *object == Object::Mark);
        let closing = match self.at.checked_sub(1) {
            None => marks_alone,
            Some(before) => marks_alone && self.objects[before] == Object::Mark,
        };
        !self.append_only || self.at == self.objects.len() || closing || allowed == 1
    }

    /// Goes to `object` of `partition`; false: there are fewer, and the tape is at their end.
    fn go(&mut self, partition: u8, object: u64) -> bool {
        self.flush();
        if partition != self.partition {
            std::mem::swap(&mut self.objects, &mut self.other);
            self.partition = partition;
            self.flush();
        }
        self.locate(object as usize) == "good"
    }

    /// What an explicit address does before a write: `Some` is how the command ends.
    fn begin_at(&mut self, first: bool, partition: u8, object: u64) -> Option<String> {
        let here = (self.partition, self.at as u64) == (partition, object);
        if !first && !here {
            return Some("05/3B/00".to_string());
        }
        if here {
            return None;
        }
        // ALLOW OVERWRITE holds where it was given, and this write is elsewhere.
        self.allowed = 0;
        (!self.go(partition, object)).then(|| "08/00/05".to_string())
    }

    /// Writes `count` times, as WRITE and WRITE FILEMARKS do; `unit`: what the residual counts
    /// for each.
    fn write(&mut self, object: &Object, count: u32, unit: u32) -> String {
        if !self.may_write() {
            return PROTECTED.to_string();
        }
        let done = (0..count).take_while(|_| self.put(object.clone())).count() as u32;
        if done == count {
            return self.after_write();
        }
        format!("0D/00/02 EOM {}", (count - done) * unit)
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
    let block = |length: u32, byte: u8| Object::Block {
        length: length.into(),
        byte,
    };
    match *op {
        Op::Write { length, byte } => {
            let found = bench.write(&vec![byte; length as usize]);
            (found, model.write(&block(length, byte), 1, length))
        }
        Op::WriteFixed { blocks, byte } => {
            let data = vec![byte; (blocks * BLOCK_LENGTH) as usize];
            let found = bench.send(&write(true, blocks), &data);
            (found, model.write(&block(BLOCK_LENGTH, byte), blocks, 1))
        }
        Op::WriteAt {
            first,
            partition,
            object,
            byte,
        } => {
            const LENGTH: u32 = 700;
            let cdb = explicit(0x8A, u8::from(first) << 2, partition, object, LENGTH);
            let found = bench.send(&cdb, &[byte; LENGTH as usize]);
            let ended = model.begin_at(first, partition, object);
            let written = ended.unwrap_or_else(|| model.write(&block(LENGTH, byte), 1, LENGTH));
            (found, written)
        }
        Op::Filemarks { count, immediate } => {
            let found = bench.none(&filemarks(count, immediate));
            (found, write_marks(model, count, immediate, None))
        }
        Op::MarksAt {
            first,
            object,
            count,
        } => {
            let partition = model.partition;
            let flags = u8::from(first) << 2;
            let found = bench.none(&explicit(0x80, flags, partition, object, count));
            (
                found,
                write_marks(model, count, false, Some((first, object))),
            )
        }
        _ => unreachable!("only the writing operations come here"),
    }
}

/// `at`: an explicit address in the current partition, and whether it begins a sequence.
fn write_marks(model: &mut Model, count: u32, immediate: bool, at: Option<(bool, u64)>) -> String {
    if let Some((first, object)) = at {
        let here = model.at as u64 == object;
        if !first && !here {
            return "05/3B/00".to_string();
        }
        let partition = model.partition;
        if count > 0
            && let Some(ended) = model.begin_at(first, partition, object)
        {
            return ended;
        }
    }
    let outcome = match count {
        0 => "good".to_string(),
        _ => model.write(&Object::Mark, count, 1),
    };
    if !immediate && outcome != PROTECTED {
        model.flush();
    }
    outcome
}

fn read_both(bench: &mut Bench, model: &mut Model, op: &Op) -> (String, String) {
    model.allowed = 0;
    if let Op::ReadAt {
        partition,
        object,
        length,
    } = *op
    {
        let cdb = explicit(0x88, 0, partition, object, length);
        let (found, data) = bench.receive(&cdb, length as usize);
        if partition > 1 {
            return (found, "05/24/00".to_string());
        }
        if !model.go(partition, object) {
            return (found, format!("08/00/05 {length}"));
        }
        let start = model.at;
        let (expected, moved) = model.read(length, false);
        compare(model, start, moved, &data, op);
        return (found, expected);
    }
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
    compare(model, start, moved, &data, op);
    (found, expected)
}

/// Compares what was read, beginning with object `start`, with what the model has there.
fn compare(model: &Model, start: usize, moved: u64, data: &[u8], op: &Op) {
    let stored = model.objects[start..]
        .iter()
        .flat_map(|object| match object {
            Object::Block { length, byte } => vec![*byte; *length as usize],
            Object::Mark => Vec::new(),
        });
    let stored: Vec<u8> = stored.take(moved as usize).collect();
    assert_eq!(data.len() as u64, moved, "{op:?}");
    assert!(data == stored, "{op:?} read other bytes");
}

/// Modes, and commands that change or check the recording without data.
fn other_both(bench: &mut Bench, model: &mut Model, op: &Op) -> (String, String) {
    let verify = |flags: u8, length: u32| {
        let [_, a, b, c] = length.to_be_bytes();
        [0x13, flags, a, b, c, 0]
    };
    match *op {
        Op::Verify { length } => {
            model.allowed = 0;
            (bench.none(&verify(0, length)), model.read(length, false).0)
        }
        Op::VerifyFixed { blocks } => {
            model.allowed = 0;
            (bench.none(&verify(1, blocks)), model.read_fixed(blocks).0)
        }
        Op::VerifyMarks(count) => {
            model.allowed = 0;
            (
                bench.none(&verify(8, count)),
                model.space(count as i32, true),
            )
        }
        Op::AppendOnly(on) => {
            let at_bop = (model.partition, model.at) == (0, 0);
            let expected = if model.append_only && !on && !at_bop {
                "05/26/00"
            } else {
                if model.append_only != on {
                    model.allowed = 0;
                }
                model.append_only = on;
                "good"
            };
            (bench.append_only(on), expected.to_string())
        }
        Op::Allow { what, here } => {
            let object = model.at as u64 + u64::from(!here);
            let found = bench.none(&allow_overwrite(what, model.partition, object));
            let expected = match (model.append_only, what, here) {
                (false, _, _) => "05/20/0C",
                (true, 1, false) => "05/3B/00",
                _ => "good",
            };
            model.allowed = if expected == "good" { what } else { 0 };
            (found, expected.to_string())
        }
        Op::Erase => {
            let found = bench.none(&ERASE);
            if std::mem::take(&mut model.allowed) != 2 && model.append_only {
                return (found, PROTECTED.to_string());
            }
            model.flush();
            model.objects.truncate(model.at);
            model.flush();
            (found, "good".to_string())
        }
        _ => unreachable!("the other operations do not come here"),
    }
}

fn both(bench: &mut Bench, model: &mut Model, op: &Op) -> (String, String) {
    match *op {
        Op::Write { .. }
        | Op::WriteFixed { .. }
        | Op::WriteAt { .. }
        | Op::Filemarks { .. }
        | Op::MarksAt { .. } => return write_both(bench, model, op),
        Op::Read { .. } | Op::ReadFixed { .. } | Op::ReadAt { .. } => {
            return read_both(bench, model, op);
        }
        Op::Verify { .. }
        | Op::VerifyFixed { .. }
        | Op::VerifyMarks(_)
        | Op::AppendOnly(_)
        | Op::Allow { .. }
        | Op::Erase => return other_both(bench, model, op),
        _ => {}
    }
    // Every motion withdraws what was allowed; a refused one moves nothing.
    if !matches!(op, Op::Switch { partition: 2.., .. }) {
        model.allowed = 0;
    }
    match *op {
        Op::SpaceBlocks(count) => (bench.none(&space(0, count)), model.space(count, false)),
        Op::SpaceFilemarks(count) => (bench.none(&space(1, count)), model.space(count, true)),
        Op::SpaceEnd => (bench.none(&SPACE_EOD), model.locate(model.objects.len())),
        Op::Locate(object) => (bench.none(&locate10(object)), model.locate(object as usize)),
        Op::LocateFile(file) => (bench.none(&locate16(8, file)), model.locate_file(file)),
        Op::Rewind => (bench.none(&REWIND), model.locate(0)),
        Op::Switch { partition, object } => {
            let mut cdb = locate16(0x02, object);
            cdb[3] = partition;
            let expected = match partition {
                0 | 1 if model.go(partition, object) => "good",
                0 | 1 => "08/00/05",
                _ => "05/24/00",
            };
            (bench.none(&cdb), expected.to_string())
        }
        Op::SwitchToEnd(partition) => {
            let mut cdb = locate16(0x1A, 0);
            cdb[3] = partition;
            model.go(partition, 0);
            (bench.none(&cdb), model.locate(model.objects.len()))
        }
        Op::PowerCut => {
            bench.drive().power_cut().unwrap();
            model.objects.truncate(model.on_tape);
            model.go(0, 0);
            model.append_only = false;
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
        _ => unreachable!("dealt with above"),
    }
}

proptest! {
    #[test]
    fn the_drive_agrees_with_a_tape_in_memory(ops in prop::collection::vec(op(), 1..80)) {
        let mut bench = two_partitions();
        let mut model = Model::default();
        for (number, op) in ops.iter().enumerate() {
            let (found, expected) = both(&mut bench, &mut model, op);
            prop_assert_eq!(found, expected, "operation {} {:?}", number, op);
            let short = bench.reply(&[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], 20);
            prop_assert_eq!(short[1], model.partition, "after {} {:?}", number, op);
            let position = bench.position();
            model.lets_reach_tape(position.on_tape as usize);
            prop_assert_eq!(position, model.position(), "after {} {:?}", number, op);
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
    let mut opcodes: Vec<u8> = commands.map(|command| command.opcode()).collect();
    opcodes.extend(0..=u8::MAX);
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
