//! What every drive has to do for us: one suite for the simulator and for hardware.

use crate::batch::several_blocks_are_as_single_ones;
use crate::bench::{Bench, pattern, quiet, ready};
use crate::rack::{Need, Rack};
use tapewright::drive::{
    ChipLabel, Drive, DriveErrorKind, DriveMode, FilemarkReturns, ReadOutcome, ReadyWait,
    SequentialDevice, Written,
};
use tapewright::units::{BlockAddress, TapeFile};

const BLOCK: usize = 64 << 10;

pub type Case = (&'static str, &'static [Need], fn(&mut Drive));

/// Each case gets a ready drive at the beginning of a tape that it may overwrite.
pub const CASES: [Case; 16] = [
    ("it says who it is", &[], it_says_who_it_is),
    (
        "blocks of all lengths come back",
        &[],
        blocks_of_all_lengths_come_back,
    ),
    (
        "several blocks are on tape as single ones",
        &[],
        several_blocks_are_as_single_ones,
    ),
    (
        "a block longer than the buffer is an error",
        &[],
        a_long_block_is_an_error,
    ),
    (
        "a block that cannot be carried is not sent",
        &[],
        a_bad_length_is_not_sent,
    ),
    (
        "filemarks separate and count tape files",
        &[],
        filemarks_count_tape_files,
    ),
    (
        "spacing stops at both ends",
        &[],
        spacing_stops_at_both_ends,
    ),
    ("locating is proved", &[], locating_is_proved),
    (
        "writing ends the tape behind it",
        &[],
        writing_ends_the_tape_behind_it,
    ),
    (
        "erasing ends the tape here",
        &[Need::Erase],
        erasing_ends_the_tape_here,
    ),
    (
        "synchronizing confirms all",
        &[],
        synchronizing_confirms_all,
    ),
    (
        "nothing is confirmed before it was written",
        &[],
        confirmed_never_runs_ahead,
    ),
    (
        "a synchronous filemark confirms itself",
        &[],
        a_synchronous_filemark_confirms_itself,
    ),
    (
        "the mode is set and told",
        &[Need::Compression],
        the_mode_is_set_and_told,
    ),
    (
        "the medium and what is left on it are told",
        &[],
        the_medium_is_told,
    ),
    ("the chip keeps a label", &[], the_chip_keeps_a_label),
];

#[test]
fn the_simulated_drive_conforms() {
    assert_eq!(Rack::simulated().lacks(), []);
    for (name, _, case) in CASES {
        println!("{name}");
        let bench = Bench::new();
        case(&mut bench.ready_drive());
    }
}

fn it_says_who_it_is(drive: &mut Drive) {
    let identity = drive.identity();
    assert!(
        !identity.vendor.is_empty() && !identity.serial.is_empty(),
        "{identity:?}"
    );
    assert!(drive.max_block_bytes() >= 256 << 10);
    drive.tape_alerts().unwrap();
    drive.medium_serial().unwrap();
}

fn blocks_of_all_lengths_come_back(drive: &mut Drive) {
    let longest = drive.max_block_bytes().min(1 << 20);
    let lengths = [
        1,
        2,
        511,
        512,
        513,
        4095,
        BLOCK,
        BLOCK + 1,
        256 << 10,
        longest,
    ];
    for (number, length) in lengths.into_iter().enumerate() {
        let data = pattern(number as u64, length);
        assert_eq!(drive.write_block(&data).unwrap(), Written::Normal);
    }
    drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
    drive.rewind().unwrap();
    let mut buffer = vec![0; longest];
    for (number, length) in lengths.into_iter().enumerate() {
        let outcome = drive.read_block(&mut buffer).unwrap();
        assert_eq!(outcome, ReadOutcome::Block { bytes: length });
        assert!(
            buffer[..length] == pattern(number as u64, length),
            "block {number}"
        );
    }
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::Filemark
    );
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::EndOfData
    );
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::EndOfData
    );
    assert_eq!(
        drive.position().unwrap().block,
        BlockAddress(lengths.len() as u64 + 1)
    );
}

fn a_long_block_is_an_error(drive: &mut Drive) {
    drive.write_block(&pattern(1, 5000)).unwrap();
    drive.write_block(&pattern(2, 300)).unwrap();
    drive.rewind().unwrap();
    let mut buffer = [0; 512];
    let error = drive.read_block(&mut buffer).unwrap_err();
    assert_eq!(
        error.kind,
        DriveErrorKind::BlockTooLong { actual_bytes: 5000 }
    );
    assert_eq!(drive.position().unwrap().block, BlockAddress(1));
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::Block { bytes: 300 }
    );
    assert_eq!(buffer[..300], pattern(2, 300)[..]);
}

fn a_bad_length_is_not_sent(drive: &mut Drive) {
    let long = vec![0; drive.max_block_bytes() + 1];
    for data in [&[][..], &long] {
        assert_eq!(
            drive.write_block(data).unwrap_err().kind,
            DriveErrorKind::BlockLength
        );
    }
    let error = drive.read_block(&mut []).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::BlockLength);
    assert!(drive.position().unwrap().beginning);
}

fn filemarks_count_tape_files(drive: &mut Drive) {
    for file in 0..4u64 {
        for block in 0..=file {
            drive
                .write_block(&pattern(file * 10 + block, BLOCK))
                .unwrap();
        }
        drive.write_filemark(FilemarkReturns::Immediate).unwrap();
    }
    let end = drive.position().unwrap();
    assert_eq!((end.block, end.file), (BlockAddress(14), TapeFile(4)));
    drive.rewind().unwrap();
    drive.space_filemarks(2).unwrap();
    let position = drive.position().unwrap();
    assert_eq!(
        (position.block, position.file),
        (BlockAddress(5), TapeFile(2))
    );
    let mut buffer = vec![0; BLOCK];
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::Block { bytes: BLOCK }
    );
    assert!(buffer == pattern(20, BLOCK));
    drive.space_filemarks(-1).unwrap();
    let position = drive.position().unwrap();
    assert_eq!(
        (position.block, position.file),
        (BlockAddress(4), TapeFile(1))
    );
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::Filemark
    );
}

fn spacing_stops_at_both_ends(drive: &mut Drive) {
    drive.write_block(&pattern(1, BLOCK)).unwrap();
    drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
    drive.write_block(&pattern(2, BLOCK)).unwrap();
    drive.rewind().unwrap();
    assert_eq!(
        drive.space_filemarks(2).unwrap_err().kind,
        DriveErrorKind::EndOfData
    );
    assert_eq!(drive.position().unwrap().block, BlockAddress(3));
    let error = drive.space_filemarks(-2).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::BeginningOfPartition);
    assert!(drive.position().unwrap().beginning);
    assert_eq!(drive.locate_end_of_data().unwrap().block, BlockAddress(3));
}

fn locating_is_proved(drive: &mut Drive) {
    for block in 0..20 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
    }
    let mut buffer = vec![0; BLOCK];
    for block in [13, 0, 19, 7] {
        drive.locate(BlockAddress(block)).unwrap();
        assert_eq!(
            drive.read_block(&mut buffer).unwrap(),
            ReadOutcome::Block { bytes: BLOCK }
        );
        assert!(buffer == pattern(block, BLOCK), "block {block}");
    }
    let error = drive.locate(BlockAddress(1000)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::EndOfData);
    assert_eq!(drive.position().unwrap().block, BlockAddress(20));
    drive.locate(BlockAddress(20)).unwrap();
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::EndOfData
    );
}

fn writing_ends_the_tape_behind_it(drive: &mut Drive) {
    for block in 0..10 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
    }
    drive.locate(BlockAddress(4)).unwrap();
    drive.write_block(&pattern(99, BLOCK)).unwrap();
    assert_eq!(drive.locate_end_of_data().unwrap().block, BlockAddress(5));
    drive.locate(BlockAddress(4)).unwrap();
    let mut buffer = vec![0; BLOCK];
    drive.read_block(&mut buffer).unwrap();
    assert!(buffer == pattern(99, BLOCK));
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::EndOfData
    );
}

fn erasing_ends_the_tape_here(drive: &mut Drive) {
    for block in 0..6 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
    }
    drive.locate(BlockAddress(2)).unwrap();
    drive.erase_short().unwrap();
    assert_eq!(drive.locate_end_of_data().unwrap().block, BlockAddress(2));
}

fn synchronizing_confirms_all(drive: &mut Drive) {
    for block in 0..50 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
    }
    drive.write_filemark(FilemarkReturns::Immediate).unwrap();
    drive.synchronize().unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(51));
}

fn confirmed_never_runs_ahead(drive: &mut Drive) {
    let mut confirmed = BlockAddress(0);
    for block in 0..50u64 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
        let now = drive.first_unconfirmed().unwrap();
        assert!(
            now >= confirmed && now <= BlockAddress(block + 1),
            "{now} after {block}"
        );
        confirmed = now;
    }
}

fn a_synchronous_filemark_confirms_itself(drive: &mut Drive) {
    drive.write_block(&pattern(1, BLOCK)).unwrap();
    drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(2));
}

fn the_mode_is_set_and_told(drive: &mut Drive) {
    for compression in [true, false] {
        let mode = DriveMode {
            compression,
            ..DriveMode::default()
        };
        let effect = drive.set_mode(&mode).unwrap();
        assert!(effect.compression.is_none_or(|on| on == compression));
    }
    let mode = DriveMode {
        early_warning_mb: 100,
        ..DriveMode::default()
    };
    let effect = drive.set_mode(&mode).unwrap();
    assert!(
        effect.early_warning_mb.is_none_or(|mb| mb >= 100),
        "{effect:?}"
    );
    drive.set_mode(&DriveMode::default()).unwrap();
}

fn the_medium_is_told(drive: &mut Drive) {
    let medium = drive.medium().unwrap();
    assert_eq!(medium.block_bytes, 0);
    assert!(!medium.write_protected && !medium.worm);
    let (Some(generation), Some(left)) = (medium.generation, drive.remaining_bytes().unwrap())
    else {
        return;
    };
    assert!(
        left <= generation.native_bytes() + (1 << 30),
        "{left} of {generation}"
    );
}

fn the_chip_keeps_a_label(drive: &mut Drive) {
    let label = ChipLabel {
        barcode: Some("TST001L9".to_owned()),
        pool: Some("scratch".to_owned()),
        volume: Some("8c3f6a58-3d1c-4f3a-9b92-2f1f0a3c7a01".to_owned()),
    };
    if !drive.write_chip_label(&label).unwrap() {
        return;
    }
    let memory = drive.cartridge_memory().unwrap().unwrap();
    assert_eq!(memory.label, label);
    assert_eq!(memory.application.as_deref(), Some("Tapewright"));
}

/// What a test can only arrange with a simulated tape.
#[test]
fn the_simulated_tape_ends_with_warnings_and_then_for_good() {
    let bench = Bench::with_capacity(Some(24 << 20));
    let mut drive = bench.ready_drive();
    let mode = DriveMode {
        early_warning_mb: 8,
        ..DriveMode::default()
    };
    assert_eq!(drive.set_mode(&mode).unwrap().early_warning_mb, Some(8));
    let before = drive.remaining_bytes().unwrap().unwrap();
    let mut seen = vec![Written::Normal];
    let mut accepted = 0;
    loop {
        let written = drive.write_block(&pattern(accepted, BLOCK)).unwrap();
        if seen.last() != Some(&written) {
            seen.push(written);
        }
        if written == Written::EndOfPartition {
            break;
        }
        accepted += 1;
        assert!(accepted < 2000, "the tape never ends");
    }
    seen.dedup();
    assert_eq!(
        seen.iter()
            .filter(|w| **w != Written::Normal)
            .collect::<Vec<_>>(),
        [
            &Written::ProgrammableEarlyWarning,
            &Written::EarlyWarning,
            &Written::EndOfPartition
        ]
    );
    assert!(before <= accepted * BLOCK as u64);
    drive.synchronize().unwrap();
    assert_eq!(drive.remaining_bytes().unwrap(), Some(0));
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(accepted));
    assert!(drive.position().unwrap().early_warning);
    drive.locate(BlockAddress(accepted - 1)).unwrap();
    let mut buffer = vec![0; BLOCK];
    drive.read_block(&mut buffer).unwrap();
    assert!(buffer == pattern(accepted - 1, BLOCK));
}

#[test]
fn an_unloaded_drive_has_no_medium_and_loads_again() {
    let bench = Bench::new();
    let mut drive = bench.ready_drive();
    drive.prevent_removal(true).unwrap();
    assert_eq!(
        drive.unload().unwrap_err().kind,
        DriveErrorKind::RemovalPrevented
    );
    drive.prevent_removal(false).unwrap();
    drive.unload().unwrap();
    let error = drive.write_block(&[0; 512]).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::PositionLost);
    let error = drive.read_block(&mut [0; 512]).unwrap_err();
    assert!(
        matches!(
            error.kind,
            DriveErrorKind::NoMedium | DriveErrorKind::NotReady
        ),
        "{error}"
    );
    drive.load(&ReadyWait::default(), &mut quiet).unwrap();
    drive.rewind().unwrap();
}

#[test]
fn an_empty_drive_is_reported_at_once() {
    let bench = Bench::new();
    let mut drive = Drive::open(Box::new(bench.drive_transport())).unwrap();
    let error = drive
        .wait_ready(&ReadyWait::default(), &mut quiet)
        .unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::NoMedium);
}

#[test]
fn a_drive_in_use_names_its_user() {
    let bench = Bench::new();
    let _first = bench.drive_transport();
    let error = tapewright::transport::sim::SimTransport::drive(bench.path(), 0)
        .err()
        .unwrap();
    assert_eq!(error.kind, tapewright::transport::TransportErrorKind::Busy);
    assert!(
        error.what.contains(&std::process::id().to_string()),
        "{error}"
    );
}

#[test]
fn what_was_written_survives_closing_the_drive() {
    let bench = Bench::new();
    let mut drive = bench.ready_drive();
    drive.write_block(&pattern(1, BLOCK)).unwrap();
    drop(drive);
    let mut drive = ready(Box::new(bench.drive_transport()));
    let mut buffer = vec![0; BLOCK];
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::Block { bytes: BLOCK }
    );
}
