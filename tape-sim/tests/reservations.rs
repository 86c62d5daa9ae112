//! Reservations of drive and changer: which commands of whom pass, who is told of what, and what
//! outlasts power.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::*;
use tape_sim::reservation::Kind;
use tape_sim::smc::ChangerTarget;
use tape_sim::target::{Completion, Data, Nexus};

const A: Nexus = Nexus::HOST;
const B: Nexus = Nexus(1);
const C: Nexus = Nexus(2);
const KEY_A: u64 = 0xA0;
const KEY_B: u64 = 0xB0;

const REGISTER: u8 = 0;
const RESERVE: u8 = 1;
const RELEASE: u8 = 2;
const CLEAR: u8 = 3;
const PREEMPT: u8 = 4;
const REGISTER_ANYHOW: u8 = 6;
const APTPL: u8 = 0x01;
const RESERVE_6: [u8; 6] = [0x16, 0, 0, 0, 0, 0];
const RELEASE_6: [u8; 6] = [0x17, 0, 0, 0, 0, 0];

fn said(completion: &Completion) -> String {
    if completion.status == 0x18 {
        assert!(completion.sense.is_empty());
        return "conflict".to_string();
    }
    outcome(completion)
}

/// PERSISTENT RESERVE OUT: CDB and list.
fn out(action: u8, kind: u8, key: u64, service_key: u64, flags: u8) -> ([u8; 10], [u8; 24]) {
    let mut list = [0; 24];
    list[..8].copy_from_slice(&key.to_be_bytes());
    list[8..16].copy_from_slice(&service_key.to_be_bytes());
    list[20] = flags;
    ([0x5F, action, kind, 0, 0, 0, 0, 0, 24, 0], list)
}

fn persistent_in(action: u8) -> [u8; 10] {
    [0x5E, action, 0, 0, 0, 0, 0, 0, 255, 0]
}

/// A device that initiators send commands to.
trait Shared {
    fn run_as(&mut self, nexus: Nexus, cdb: &[u8], data: Data<'_>) -> Completion;

    fn say(&mut self, nexus: Nexus, cdb: &[u8]) -> String {
        let mut buffer = [0; 512];
        // Most commands take none or the device's data; those with a list get too few bytes.
        said(&self.run_as(nexus, cdb, Data::In(&mut buffer)))
    }

    fn out(&mut self, nexus: Nexus, action: u8, kind: u8, key: u64, service_key: u64) -> String {
        let (cdb, list) = out(action, kind, key, service_key, 0);
        said(&self.run_as(nexus, &cdb, Data::Out(&list)))
    }

    fn ask(&mut self, nexus: Nexus, action: u8) -> Vec<u8> {
        let mut buffer = [0; 255];
        let completion = self.run_as(nexus, &persistent_in(action), Data::In(&mut buffer));
        assert_eq!(said(&completion), "good");
        buffer[..completion.transferred_bytes].to_vec()
    }

    /// Lets initiators hear of the power-on.
    fn greet(&mut self) {
        for nexus in [A, B, C] {
            while self.say(nexus, &TUR).starts_with("06") {}
        }
    }

    fn register_two(&mut self) {
        assert_eq!(self.out(A, REGISTER, 0, 0, KEY_A), "good");
        assert_eq!(self.out(B, REGISTER, 0, 0, KEY_B), "good");
    }
}

impl Shared for Bench {
    fn run_as(&mut self, nexus: Nexus, cdb: &[u8], data: Data<'_>) -> Completion {
        self.drive().execute_as(nexus, cdb, data)
    }
}

impl Shared for ChangerTarget {
    fn run_as(&mut self, nexus: Nexus, cdb: &[u8], data: Data<'_>) -> Completion {
        self.execute_as(nexus, cdb, data)
    }
}

fn shared_drive() -> Bench {
    let mut bench = Bench::ready();
    bench.write(b"one block");
    bench.none(&REWIND);
    bench.greet();
    bench
}

/// What others may do: always, while reading is shared, never.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Class {
    Free,
    Reading,
    Writing,
}

/// A CDB of the drive for each row of the table in docs/sim-drive.md.
fn drive_commands() -> Vec<(Class, Vec<u8>)> {
    use Class::*;
    [
        (Free, &[0x12, 0, 0, 0, 36, 0][..]),
        (Free, &[0x03, 0, 0, 0, 18, 0]),
        (Free, &[0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0]),
        (Free, &[0x4D, 0, 0x40, 0, 0, 0, 0, 0, 64, 0]),
        (Free, &[0x05, 0, 0, 0, 0, 0]),
        (Free, &[0x44, 0, 0, 0, 0, 0, 0, 0, 255, 0]),
        (Free, &[0xA3, 0x0C, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0]),
        (Free, &[0x1E, 0, 0, 0, 0, 0]),
        (Reading, &TUR),
        (Reading, &[0x1A, 0, 0, 0, 12, 0]),
        (Reading, &REWIND),
        (Reading, &[0x08, 2, 0, 1, 0, 0]),
        (Reading, &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (Reading, &[0x2B, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (Reading, &[0x11, 3, 0, 0, 0, 0]),
        (
            Reading,
            &[0x8C, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0],
        ),
        (Reading, &[0xA2, 0x20, 0, 0x20, 0, 0, 0, 0, 0, 255, 0, 0]),
        (Writing, &[0x10, 1, 0, 0, 1, 0]),
        (Writing, &[0x1E, 0, 0, 0, 1, 0]),
        (Writing, &LOAD),
        (Writing, &[0x15, 0x10, 0, 0, 0, 0]),
        (Writing, &[0x0A, 0, 0, 0, 0, 0]),
        (Writing, &ERASE),
    ]
    .map(|(class, cdb)| (class, cdb.to_vec()))
    .to_vec()
}

#[test]
fn each_type_lets_pass_what_its_row_says() {
    for kind in Kind::ALL {
        let shares = matches!(kind as u8, 1 | 5 | 7);
        let admits = kind as u8 >= 5;
        let mut bench = shared_drive();
        bench.register_two();
        assert_eq!(bench.out(A, RESERVE, kind as u8, KEY_A, 0), "good");
        for (class, cdb) in drive_commands() {
            for nexus in [A, B, C] {
                let inside = nexus == A || (nexus == B && admits);
                let passes = inside || class == Class::Free || (shares && class == Class::Reading);
                let found = bench.say(nexus, &cdb);
                let case = format!("{kind:?} {nexus:?} {cdb:02X?}: {found}");
                assert_eq!(found != "conflict", passes, "{case}");
                bench.greet_if_told();
            }
        }
    }
}

impl Bench {
    /// One initiator's MODE SELECT or LOAD may leave the others a unit attention.
    fn greet_if_told(&mut self) {
        for nexus in [A, B, C] {
            while self.say(nexus, &TUR).starts_with("06") {}
        }
    }
}

#[test]
fn a_reserved_drive_is_one_initiators() {
    let mut bench = shared_drive();
    assert_eq!(bench.say(A, &RESERVE_6), "good");
    assert_eq!(bench.say(A, &RESERVE_6), "good");
    for (class, cdb) in drive_commands() {
        let passes = class == Class::Free;
        assert_eq!(bench.say(B, &cdb) != "conflict", passes, "{cdb:02X?}");
        assert_ne!(bench.say(A, &cdb), "conflict", "{cdb:02X?}");
    }
    assert_eq!(bench.say(B, &RESERVE_6), "conflict");
    assert_eq!(bench.say(B, &RELEASE_6), "good", "nothing happens");
    assert_eq!(bench.say(B, &TUR), "conflict");
    assert_eq!(bench.say(A, &persistent_in(0)), "conflict");
    assert_eq!(bench.out(A, REGISTER, 0, 0, KEY_A), "conflict");
    assert_eq!(bench.say(A, &[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "good");
    assert_eq!(bench.say(B, &[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "good");
    assert_eq!(bench.say(A, &TUR), "conflict");
    bench.drive().power_cut().unwrap();
    bench.greet();
    assert_eq!(bench.say(A, &TUR), "good");
    bench.register_two();
    assert_eq!(
        bench.say(A, &RESERVE_6),
        "conflict",
        "the two ways do not mix"
    );
}

#[test]
fn what_is_reserved_is_told_byte_for_byte() {
    let mut bench = shared_drive();
    assert_eq!(bench.ask(C, 2), [0, 8, 1, 0x80, 0xEA, 1, 0, 0]);
    assert_eq!(bench.ask(C, 0), [0; 8]);
    bench.register_two();
    let keys = [
        0, 0, 0, 2, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0xA0, 0, 0, 0, 0, 0, 0, 0, 0xB0,
    ];
    assert_eq!(bench.ask(C, 0), keys);
    assert_eq!(bench.ask(C, 1), [0, 0, 0, 2, 0, 0, 0, 0]);
    bench.out(A, RESERVE, 3, KEY_A, 0);
    let mut held = vec![0, 0, 0, 2, 0, 0, 0, 16];
    held.extend_from_slice(&KEY_A.to_be_bytes());
    held.extend_from_slice(&[0, 0, 0, 0, 0, 3, 0, 0]);
    assert_eq!(bench.ask(C, 1), held);
    let full = bench.ask(C, 3);
    assert_eq!(full.len(), 8 + 2 * 48);
    let (first, second) = full[8..].split_at(48);
    assert_eq!((first[7], first[12], first[13]), (0xA0, 1, 3));
    assert_eq!((second[7], second[12], second[13]), (0xB0, 0, 0));
    assert_eq!(first[18..24], [0, 1, 0, 0, 0, 24]);
    assert_eq!(first[24], 6);
    assert_ne!(
        first[28..36],
        second[28..36],
        "two initiators, two addresses"
    );
    bench.out(A, RELEASE, 3, KEY_A, 0);
    bench.out(B, RESERVE, 8, KEY_B, 0);
    assert_eq!(bench.ask(C, 1)[8..16], [0; 8], "all hold, no one's key");
    assert_eq!(bench.ask(C, 3)[8 + 12], 1);
}

#[test]
fn keys_and_types_have_to_be_right() {
    let mut bench = shared_drive();
    bench.register_two();
    assert_eq!(bench.out(C, RESERVE, 1, 0, 0), "conflict");
    assert_eq!(bench.out(A, RESERVE, 1, KEY_B, 0), "conflict");
    assert_eq!(bench.out(A, REGISTER, 0, KEY_B, 1), "conflict");
    assert_eq!(bench.out(A, RESERVE, 2, KEY_A, 0), "05/24/00");
    assert_eq!(bench.out(A, RESERVE, 0x11, KEY_A, 0), "05/24/00");
    assert_eq!(bench.out(A, 7, 0, KEY_A, 0), "05/24/00");
    let (cdb, list) = out(REGISTER, 0, KEY_A, 1, 0);
    assert_eq!(
        said(&bench.run_as(
            A,
            &[0x5F, 0, 0, 0, 0, 0, 0, 0, 23, 0],
            Data::Out(&list[..23])
        )),
        "05/1A/00"
    );
    for flags in [0x08, 0x04] {
        let mut list = list;
        list[20] = flags;
        assert_eq!(said(&bench.run_as(A, &cdb, Data::Out(&list))), "05/26/00");
    }
    assert_eq!(bench.out(A, RESERVE, 3, KEY_A, 0), "good");
    assert_eq!(
        bench.out(A, RESERVE, 3, KEY_A, 0),
        "good",
        "again is no change"
    );
    assert_eq!(bench.out(A, RESERVE, 1, KEY_A, 0), "conflict");
    assert_eq!(bench.out(B, RESERVE, 3, KEY_B, 0), "conflict");
    assert_eq!(
        bench.out(B, RELEASE, 3, KEY_B, 0),
        "good",
        "nothing happens"
    );
    assert_eq!(bench.say(C, &TUR), "conflict");
    assert_eq!(bench.out(A, RELEASE, 1, KEY_A, 0), "05/26/04");
    assert_eq!(bench.out(A, RELEASE, 3, KEY_A, 0), "good");
    assert_eq!(bench.say(C, &TUR), "good");
    assert_eq!(bench.out(A, PREEMPT, 1, KEY_A, 0), "05/26/00");
    assert_eq!(
        bench.out(A, PREEMPT, 1, KEY_A, 0xC0),
        "conflict",
        "nobody has that key"
    );
}

#[test]
fn whoever_loses_something_is_told() {
    // What is reserved by A, what B does with its key and A's, what A and C hear of it, and
    // whether B holds the unit then.
    let cases = [
        (3, PREEMPT, 3, KEY_A, "06/2A/05", "good", true),
        (3, 5, 3, KEY_A, "06/2A/05", "good", true),
        (6, PREEMPT, 3, KEY_A, "06/2A/05", "06/2A/04", true),
        (8, PREEMPT, 3, 0, "06/2A/05", "06/2A/05", true),
        (3, CLEAR, 0, 0, "06/2A/03", "06/2A/03", false),
        (3, PREEMPT, 3, 0xC0, "good", "06/2A/05", false),
    ];
    for (held, action, kind, target, to_a, to_c, holds) in cases {
        let mut bench = shared_drive();
        bench.register_two();
        bench.out(C, REGISTER, 0, 0, 0xC0);
        assert_eq!(bench.out(A, RESERVE, held, KEY_A, 0), "good");
        assert_eq!(bench.out(B, action, kind, KEY_B, target), "good");
        let case = format!("type {held}, action {action} of {target:X}");
        let heard = |bench: &mut Bench, nexus| {
            let mut sense = [0; 18];
            bench.run_as(nexus, &[0x03, 0, 0, 0, 18, 0], Data::In(&mut sense));
            match sense[2] {
                6 => format!("06/{:02X}/{:02X}", sense[12], sense[13]),
                _ => "good".to_string(),
            }
        };
        assert_eq!(heard(&mut bench, A), to_a, "{case}");
        assert_eq!(heard(&mut bench, C), to_c, "{case}");
        assert_eq!(heard(&mut bench, B), "good", "{case}");
        let holder = bench.ask(B, 1);
        let is_b = holder.len() > 8 && holder[15] == KEY_B as u8;
        assert_eq!(is_b, holds, "{case}");
    }
}

#[test]
fn a_holder_that_leaves_ends_the_reservation() {
    for (kind, to_b, still_held) in [
        (3, "good", false),
        (5, "06/2A/04", false),
        (7, "good", true),
    ] {
        let mut bench = shared_drive();
        bench.register_two();
        bench.out(A, RESERVE, kind, KEY_A, 0);
        assert_eq!(bench.out(A, REGISTER, 0, KEY_A, 0), "good");
        assert_eq!(bench.say(B, &TUR), to_b, "type {kind}");
        assert_eq!(bench.ask(C, 1).len() > 8, still_held, "type {kind}");
        assert_eq!(bench.out(B, REGISTER_ANYHOW, 0, 0, 0), "good");
        assert_eq!(bench.ask(C, 1).len(), 8, "type {kind}");
    }
}

#[test]
fn aptpl_decides_what_outlasts_power() {
    for (flags, outlasts) in [(0, false), (APTPL, true)] {
        let mut bench = shared_drive();
        let (cdb, list) = out(REGISTER_ANYHOW, 0, 0, KEY_A, flags);
        assert_eq!(said(&bench.run_as(A, &cdb, Data::Out(&list))), "good");
        assert_eq!(bench.ask(A, 2)[3], 0x80 | flags);
        bench.out(A, RESERVE, 3, KEY_A, 0);
        bench.close();
        bench.open();
        assert_eq!(
            bench.say(B, &TUR),
            "conflict",
            "giving the drive back is no power cut"
        );
        bench.drive().power_cut().unwrap();
        for nexus in [A, B] {
            bench.say(nexus, &TUR);
        }
        let expected = if outlasts { "conflict" } else { "good" };
        assert_eq!(bench.say(B, &TUR), expected);
        assert_eq!(bench.ask(A, 0)[..4], [0; 4], "the generation starts anew");
        bench.kill();
        bench.open();
        bench.say(B, &TUR);
        assert_eq!(bench.say(B, &TUR), expected);
    }
}

#[test]
fn each_initiator_prevents_removal_for_itself() {
    let mut bench = shared_drive();
    let prevent = |on: u8| [0x1E, 0, 0, 0, on, 0];
    assert_eq!(bench.say(A, &prevent(1)), "good");
    assert_eq!(bench.say(B, &prevent(1)), "good");
    assert_eq!(bench.say(A, &prevent(0)), "good");
    assert_eq!(bench.say(A, &UNLOAD), "05/53/02");
    assert_eq!(bench.say(B, &prevent(0)), "good");
    assert_eq!(bench.say(A, &UNLOAD), "good");
}

#[test]
fn the_changer_is_reserved_through_every_handle() {
    let bench = Bench::cold(&small());
    let mut one = bench.library.changer().unwrap();
    let mut two = bench.library.changer().unwrap();
    one.greet();
    two.greet();
    let status = |flags: u8| [0xB8, 0x12, 0, 0, 0xFF, 0xFF, flags, 0, 2, 0, 0, 0];
    let move_medium = [0xA5, 0, 0, 0, 0x03, 0xE9, 0, 1, 0, 0, 0, 0];
    assert_eq!(one.out(A, REGISTER, 0, 0, KEY_A), "good");
    assert_eq!(two.out(B, REGISTER, 0, 0, KEY_B), "good");
    assert_eq!(one.out(A, RESERVE, 1, KEY_A, 0), "good");
    assert_eq!(two.say(B, &status(0)), "good");
    assert_eq!(two.say(B, &move_medium), "conflict");
    assert_eq!(one.out(A, RELEASE, 1, KEY_A, 0), "good");
    assert_eq!(one.out(A, RESERVE, 3, KEY_A, 0), "good");
    assert_eq!(two.say(B, &status(0)), "conflict");
    assert_eq!(two.say(B, &status(2)), "good");
    assert_eq!(two.out(B, PREEMPT, 3, KEY_B, KEY_A), "good");
    assert_eq!(one.say(A, &TUR), "06/2A/05");
    assert_eq!(one.say(A, &move_medium), "conflict");
    assert_eq!(two.say(B, &move_medium), "good");
}
