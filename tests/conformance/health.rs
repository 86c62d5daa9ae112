//! What a drive tells of itself and its volume.

use crate::bench::{Bench, Liar, pattern};
use tapewright::drive::{Drive, DriveErrorKind, FilemarkReturns, SequentialDevice};

const BLOCK: usize = 1 << 20;
const BLOCKS: u64 = 5;

#[test]
fn what_was_written_and_read_is_counted() {
    let bench = Bench::new();
    let mut drive = bench.ready_drive();
    let moved = |drive: &mut Drive| {
        let counters = drive.health().unwrap().counters;
        let traffic = counters.traffic.unwrap();
        (
            traffic.host_written_bytes.unwrap(),
            traffic.host_read_bytes.unwrap(),
            counters.write_errors.unwrap().processed_bytes.unwrap(),
        )
    };
    let before = moved(&mut drive);
    for number in 0..BLOCKS {
        drive.write_block(&pattern(number, BLOCK)).unwrap();
    }
    drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
    drive.rewind().unwrap();
    drive.read_block(&mut vec![0; BLOCK]).unwrap();
    let after = moved(&mut drive);
    assert_eq!(after.0 - before.0, BLOCKS * BLOCK as u64);
    assert_eq!(after.1 - before.1, BLOCK as u64);
    assert_eq!(after.2 - before.2, BLOCKS * BLOCK as u64);

    let health = drive.health().unwrap();
    assert_eq!(health.counters.cleaning_wanted(), Some(false));
    assert_eq!(health.hard_errors, []);
    assert!(health.counters.life.unwrap().loads.unwrap() >= 1);
    let volume = drive.volume_statistics().unwrap().unwrap();
    assert_eq!(volume.serial, drive.medium_serial().unwrap());
    assert_eq!(volume.counters.mounts, Some(1));
    assert_eq!(volume.counters.mount_written_bytes, Some(5_000_000));
    assert_eq!(volume.worm, Some(false));
    let partition = volume.partitions[0];
    let left = partition.capacity_bytes.unwrap() - partition.used_bytes.unwrap();
    // Each of the three is rounded down to whole megabytes.
    assert!(left.abs_diff(partition.remaining_bytes.unwrap()) <= 1_000_000);
}

#[test]
fn a_drive_without_a_volume_tells_of_itself_alone() {
    let bench = Bench::new();
    let mut drive = Drive::open(Box::new(bench.drive_transport())).unwrap();
    assert_eq!(drive.volume_statistics().unwrap(), None);
    assert!(drive.health().unwrap().counters.life.is_some());
}

#[test]
fn pages_that_promise_more_than_they_carry_are_read_as_far_as_they_go() {
    const LOG_SENSE: u8 = 0x4D;
    let bench = Bench::new();
    bench.load();
    let lie = |page: u8| {
        let mut answer = vec![page, 0, 0xFF, 0xFF, 0, 5, 0x40, 8];
        answer.extend(vec![0; 7]);
        answer.extend(vec![0xFF; 1 << 20]);
        answer
    };
    let liar = |page| {
        let inner = Box::new(bench.drive_transport());
        let about = |cdb: &[u8]| cdb[0] == LOG_SENSE;
        let answer = lie(page);
        Drive::open(Box::new(Liar {
            inner,
            about,
            answer,
        }))
        .unwrap()
    };
    let mut drive = liar(0x17);
    drive.volume_statistics().unwrap();
    // Every other page is not the one asked for.
    let error = drive.health().unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Malformed);
}
