//! Several handles on one library at the same time, and what a killed process leaves behind.

use crate::support::{DRIVE, MAIL, Robot, SLOT, move_medium};
use std::collections::BTreeSet;
use tape_sim::inventory;
use tape_sim::target::{Data, Target};

#[test]
fn racing_handles_never_lose_or_double_a_cartridge() {
    let robot = Robot::new();
    let before = barcodes(&robot);
    let places = [SLOT, SLOT + 1, SLOT + 3, DRIVE, DRIVE + 1, MAIL];
    std::thread::scope(|scope| {
        for worker in 0..4usize {
            let mut changer = robot.library.changer().unwrap();
            scope.spawn(move || {
                for turn in 0..60usize {
                    let source = places[(worker + turn) % places.len()];
                    let destination = places[(worker * 3 + turn * 5 + 1) % places.len()];
                    let moved = changer.execute(&move_medium(0, source, destination), Data::None);
                    if moved.status != 0 {
                        assert_eq!(moved.sense[2], 5, "{:02X?}", moved.sense);
                    }
                }
            });
        }
    });
    assert_eq!(barcodes(&robot), before);
    let state = inventory::read(robot.library.dir()).unwrap();
    for drive in 0..2 {
        let bay = inventory::read_bay(robot.library.dir(), drive).unwrap();
        let content = state
            .content(DRIVE + drive)
            .map(|content| content.barcode.clone());
        assert_eq!(bay.barcode, content, "drive {drive}");
    }
}

fn barcodes(robot: &Robot) -> BTreeSet<String> {
    let state = inventory::read(robot.library.dir()).unwrap();
    let barcodes: Vec<_> = state
        .contents()
        .map(|(_, held)| held.barcode.clone())
        .collect();
    let distinct: BTreeSet<_> = barcodes.iter().cloned().collect();
    assert_eq!(distinct.len(), barcodes.len(), "{barcodes:?}");
    distinct
}

#[test]
fn a_bay_left_behind_by_a_killed_process_is_put_right() {
    let mut robot = Robot::new();
    let dir = robot.library.dir().to_owned();
    let bay_path = inventory::bay_path(&dir, 0);
    let stale = std::fs::read(&bay_path).unwrap();
    assert_eq!(robot.moves(SLOT, DRIVE), "good");
    // Killed after inventory.json was replaced and before bay.json was.
    std::fs::write(&bay_path, stale).unwrap();
    let _next = robot.library.changer().unwrap();
    let bay = inventory::read_bay(&dir, 0).unwrap();
    assert_eq!((bay.moves, bay.barcode.as_deref()), (1, Some("SIM001L9")));
    assert!(bay.time_ns > 0, "the drive learns when");
}

#[test]
fn elements_survive_the_process() {
    let mut robot = Robot::new();
    assert_eq!(robot.moves(SLOT, DRIVE + 1), "good");
    let library = tape_sim::library::Library::open(robot.library.dir()).unwrap();
    robot.changer = library.changer().unwrap();
    assert_eq!(
        robot.at(DRIVE + 1),
        (Some("SIM001L9".to_owned()), Some(SLOT))
    );
    assert_eq!(robot.at(SLOT), (None, None));
}
