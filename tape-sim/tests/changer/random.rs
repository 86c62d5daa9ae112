//! Whatever a host sends, the changer answers and no cartridge gets lost.

use crate::support::{Robot, cdb};
use proptest::prelude::*;
use tape_sim::inventory::{self, Door, Label};
use tape_sim::pages::opcodes::{CHANGER, DRIVE};
use tape_sim::target::{Data, Target};

/// Mostly CDBs that the changer knows, with addresses that are mostly close to real ones.
fn any_cdb() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof![0..4u16, 100..104u16, 1000..1008u16, any::<u16>()];
    let known = (
        0..CHANGER.len(),
        prop::collection::vec(address, 6),
        any::<u8>(),
        0..8u8,
    );
    let known = known.prop_map(|(index, addresses, noise, noisy)| {
        let command = &CHANGER[index];
        let len = command.usage.len();
        let fields: Vec<_> = (2..len - 1)
            .step_by(2)
            .zip(addresses)
            .filter(|(at, _)| at + 2 <= len)
            .collect();
        let mut cdb = cdb(command.opcode(), len, &fields);
        cdb[1] = command.service_action.unwrap_or(noise);
        for (byte, usage) in cdb.iter_mut().zip(command.usage).skip(1) {
            *byte &= usage;
        }
        if noisy == 0 {
            cdb[usize::from(noise) % len] ^= noise;
        }
        cdb
    });
    prop_oneof![4 => known, 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_sequence_of_commands_is_answered(
        commands in prop::collection::vec((any_cdb(), 0..600usize, 0..3u8, 0..20u8), 1..60),
    ) {
        let mut robot = Robot::new();
        let before = cartridges(&robot);
        for (cdb, len, direction, hands) in commands {
            operate(&robot, hands);
            let mut buffer = vec![0xEE; len];
            let completion = match direction {
                0 => robot.changer.execute(&cdb, Data::None),
                1 => robot.changer.execute(&cdb, Data::Out(&buffer)),
                _ => robot.changer.execute(&cdb, Data::In(&mut buffer)),
            };
            prop_assert!(matches!(completion.status, 0 | 2 | 0x18), "{cdb:02X?}");
            prop_assert_eq!(completion.status == 2, completion.sense.len() == 18);
            prop_assert!(completion.transferred_bytes <= len);
            let rest = &buffer[completion.transferred_bytes..];
            prop_assert!(rest.iter().all(|byte| *byte == 0xEE), "{cdb:02X?}");
            prop_assert!(robot.changer.host_error().is_none());
        }
        robot.none(&[0x1E, 0, 0, 0, 0, 0]);
        let _ = inventory::insert_magazine(robot.library.dir(), 0);
        prop_assert_eq!(cartridges(&robot), before);
    }
}

/// What an operator does meanwhile, or tries to: none of it may lose a cartridge.
fn operate(robot: &Robot, what: u8) {
    let dir = robot.library.dir();
    // Refused when it is so already, and while a host prevents it.
    let _ = match what {
        0 => inventory::set_door(dir, Door::MailSlots, true),
        1 => inventory::set_door(dir, Door::MailSlots, false),
        2 => inventory::set_door(dir, Door::Front, true),
        3 => inventory::set_door(dir, Door::Front, false),
        4 => inventory::remove_magazine(dir, 0),
        5 => inventory::insert_magazine(dir, 0),
        6 => robot.library.set_label("SIM001L9", Label::Unreadable),
        7 => robot.library.set_label("SIM001L9", Label::Readable),
        _ => Ok(()),
    };
}

/// Barcodes in the library, ascending.
fn cartridges(robot: &Robot) -> Vec<String> {
    let state = inventory::read(robot.library.dir()).unwrap();
    let mut barcodes: Vec<_> = state
        .contents()
        .map(|(_, held)| held.barcode.clone())
        .collect();
    barcodes.sort();
    barcodes
}

/// Additional sense code of INVALID COMMAND OPERATION CODE.
const UNKNOWN: [u8; 2] = [0x20, 0x00];

#[test]
fn the_table_of_commands_tells_the_truth_for_every_opcode() {
    let mut robot = Robot::new();
    let mut drive = robot.library.drive(0).unwrap();
    drive.execute(&[0; 6], Data::None);
    for opcode in 0..=u8::MAX {
        let targets: [(&mut dyn Target, _); 2] =
            [(&mut robot.changer, CHANGER), (&mut drive, DRIVE)];
        for (target, table) in targets {
            let listed = table.iter().find(|command| command.opcode() == opcode);
            let len = listed.map_or(12, |command| command.usage.len());
            let mut cdb = cdb(opcode, len, &[]);
            cdb[1] = listed
                .and_then(|command| command.service_action)
                .unwrap_or(0);
            let completion = target.execute(&cdb, Data::In(&mut [0; 4096]));
            let unknown = completion.sense.get(12..14) == Some(&UNKNOWN);
            assert_eq!(unknown, listed.is_none(), "opcode {opcode:02X}");
        }
    }
}
