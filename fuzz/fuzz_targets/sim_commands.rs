//! Any commands from two hosts to the drives and the changer of one simulated library: each is
//! answered with a status that SAM knows, with sense exactly where it says so, no more bytes are
//! moved than there are, and no cartridge is lost.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tape_sim::clock::ManualClock;
use tape_sim::inventory;
use tape_sim::library::{Library, LibrarySpec};
use tape_sim::pages::opcodes::{CHANGER, Command as Known, DRIVE};
use tape_sim::target::{Completion, Data, Nexus, Target, status};
use tempfile::TempDir;

/// More than any list of parameters, and a large block.
const DATA_BYTES_MAX: usize = 64 << 10;
/// Beyond it an input only repeats what a shorter one shows.
const COMMANDS_MAX: usize = 256;
const DRIVES: u16 = 2;

/// One command: mostly one that the unit knows, with fields of any content.
#[derive(Debug, Arbitrary)]
struct Command {
    unit: Unit,
    other_host: bool,
    /// Which of the known commands; one past them sends the fields as they are.
    pick: u8,
    fields: [u8; 16],
    data: DataPhase,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Unit {
    Changer,
    Drive(bool),
}

#[derive(Debug, Arbitrary)]
enum DataPhase {
    None,
    In(u16),
    Out(Vec<u8>),
    /// Bytes of one value: long blocks that cost the fuzzer's input nothing.
    OutFilled(u16, u8),
}

impl Command {
    fn cdb(&self, table: &[Known]) -> Vec<u8> {
        let Some(known) = table.get(usize::from(self.pick) % (table.len() + 1)) else {
            return self.fields.to_vec();
        };
        let mut cdb = known.usage.to_vec();
        for (byte, field) in cdb.iter_mut().zip(self.fields).skip(1) {
            *byte &= field;
        }
        if let Some(action) = known.service_action {
            cdb[1] = cdb[1] & !0x1F | action;
        }
        cdb
    }

    /// Has `execute` carry it out and checks the answer.
    fn run(&self, table: &[Known], mut execute: impl FnMut(Nexus, &[u8], Data<'_>) -> Completion) {
        let cdb = self.cdb(table);
        let host = Nexus(self.other_host.into());
        let mut execute = |data: Data<'_>| execute(host, &cdb, data);
        let (completion, bytes) = match &self.data {
            DataPhase::None => (execute(Data::None), 0),
            DataPhase::In(bytes) => {
                let bytes = usize::from(*bytes);
                let mut buffer = vec![0; bytes];
                (execute(Data::In(&mut buffer)), bytes)
            }
            DataPhase::Out(bytes) => {
                let bytes = &bytes[..bytes.len().min(DATA_BYTES_MAX)];
                (execute(Data::Out(bytes)), bytes.len())
            }
            DataPhase::OutFilled(bytes, value) => {
                let bytes = vec![*value; usize::from(*bytes)];
                (execute(Data::Out(&bytes)), bytes.len())
            }
        };
        check(&cdb, &completion, bytes);
    }
}

fn check(cdb: &[u8], completion: &Completion, bytes: usize) {
    let known = [
        status::GOOD,
        status::CHECK_CONDITION,
        status::RESERVATION_CONFLICT,
    ];
    assert!(completion.answered, "{cdb:02X?}: {completion:?}");
    assert!(
        known.contains(&completion.status),
        "{cdb:02X?}: {completion:?}"
    );
    assert!(
        completion.transferred_bytes <= bytes,
        "{cdb:02X?}: {completion:?}"
    );
    let is_check = completion.status == status::CHECK_CONDITION;
    assert_eq!(
        !completion.sense.is_empty(),
        is_check,
        "{cdb:02X?}: {completion:?}"
    );
}

/// A directory in memory where there is one: the disk would be what limits the fuzzer.
fn memory_dir() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a temporary directory")
}

fn cartridges(library: &Library) -> Vec<String> {
    let state = inventory::read(library.dir()).expect("a sound inventory");
    let mut found: Vec<String> = state
        .contents()
        .map(|(_, content)| content.barcode.clone())
        .collect();
    found.sort();
    found
}

/// MOVE MEDIUM from the first slot to the first drive.
const LOAD_FIRST: [u8; 12] = {
    let [from, to] = [
        inventory::FIRST_SLOT_ADDRESS,
        inventory::FIRST_DRIVE_ADDRESS,
    ];
    let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
    [0xA5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0]
};

/// Puts the attentions of power on and load, and the time that a load takes, behind `target`.
fn settle(target: &mut dyn Target) {
    for _ in 0..32 {
        if target.execute(&[0; 6], Data::None).status == status::GOOD {
            return;
        }
    }
    panic!("not ready after 32 TEST UNIT READY");
}

fuzz_target!(|commands: Vec<Command>| {
    let dir = memory_dir();
    let spec = LibrarySpec {
        drives: DRIVES,
        slots: 4,
        mail_slots: 1,
        cartridges: Some(3),
        capacity_bytes: Some(1 << 20),
        seed: Some(1),
        ..LibrarySpec::default()
    };
    let library = Library::create(&dir.path().join("library"), &spec).expect("a library");
    let before = cartridges(&library);
    let clock = Arc::new(ManualClock::default());
    let mut changer = library
        .changer_with_clock(clock.clone())
        .expect("the changer");
    let mut drives = [0, 1].map(|index| {
        let drive = library.drive_with_clock(index, clock.clone());
        drive.expect("the drive")
    });
    settle(&mut changer);
    let moved = changer.execute(&LOAD_FIRST, Data::None);
    assert_eq!(moved.status, status::GOOD, "{moved:?}");
    settle(&mut drives[0]);
    for command in commands.iter().take(COMMANDS_MAX) {
        match command.unit {
            Unit::Changer => command.run(CHANGER, |host, cdb, data| {
                changer.execute_as(host, cdb, data)
            }),
            Unit::Drive(second) => command.run(DRIVE, |host, cdb, data| {
                drives[usize::from(second)].execute_as(host, cdb, data)
            }),
        }
    }
    assert_eq!(cartridges(&library), before, "a cartridge got lost");
});
