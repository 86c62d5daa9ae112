//! Changer and drives through the kernel's sg driver, against whatever is attached.
//!
//! Ignored by default: **moves and overwrites the first cartridge** of the library that
//! `TAPEWRIGHT_TEST_CHANGER` names. Root or the group `tape`, and no other user of it:
//!
//! ```sh
//! TAPEWRIGHT_TEST_CHANGER=/dev/sg4 cargo test --test kernel_devices -- --ignored --nocapture
//! ```
//!
//! A device whose READ POSITION cannot be trusted has to be refused; with any other, what
//! is written has to come back.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tapewright::changer::{Changer, Element, ElementKind};
use tapewright::drive::{
    Drive, DriveErrorKind, DriveMode, FilemarkReturns, ReadOutcome, ReadyWait, SequentialDevice,
};
use tapewright::scsi::cdb;
use tapewright::scsi::inquiry::TYPE_TAPE;
use tapewright::transport::sg::{SgTransport, Sharing, attached_devices};
use tapewright::transport::{Data, Status, Transport, TransportErrorKind};
use tapewright::units::BlockAddress;

const BLOCK: usize = 256 << 10;

fn exclusive(node: &Path) -> Box<SgTransport> {
    Box::new(SgTransport::open(node, Sharing::Exclusive).unwrap())
}

/// The sg node of the drive with this serial number.
fn node_of(serial: &str) -> PathBuf {
    let drives = attached_devices()
        .into_iter()
        .filter(|d| d.device_type == TYPE_TAPE);
    let is_it = |node: &PathBuf| Drive::open(exclusive(node)).unwrap().identity().serial == serial;
    drives
        .map(|device| device.node)
        .find(is_it)
        .expect("the drive's node")
}

fn wait_for_tape(drive: &mut Drive) {
    let wait = ReadyWait {
        notices_within: Duration::from_secs(60),
        ..ReadyWait::default()
    };
    drive
        .wait_ready(&wait, &mut |waiting| {
            println!("  {:?} {}", waiting.elapsed, waiting.what);
            ControlFlow::Continue(())
        })
        .unwrap();
}

#[test]
#[ignore = "moves and overwrites a cartridge of the library in TAPEWRIGHT_TEST_CHANGER"]
fn a_library_behind_the_kernel_works() {
    let path = std::env::var("TAPEWRIGHT_TEST_CHANGER").expect("TAPEWRIGHT_TEST_CHANGER");
    let shared = SgTransport::open(Path::new(&path), Sharing::Shared).unwrap();
    let mut changer = Changer::open(Box::new(shared)).unwrap();
    println!("{:?}", changer.identity());
    let inventory = changer.inventory().unwrap();
    for element in &inventory.elements {
        println!("{} {} {:?}", element.kind, element.address, element.barcode);
    }
    let usable = |element: &&Element| element.full && !element.is_cleaning();
    let slot = inventory
        .of_kind(ElementKind::Storage)
        .find(usable)
        .expect("a cartridge")
        .address;
    let bay = inventory
        .of_kind(ElementKind::Drive)
        .find(|bay| !bay.full)
        .expect("a free drive");
    let node = node_of(
        bay.drive_serial
            .as_deref()
            .expect("the drive's serial number"),
    );
    changer.move_medium(slot, bay.address).unwrap();

    exclusion_works(&node);
    transfer_works(&node);
    let mut drive = Drive::open(exclusive(&node)).unwrap();
    println!(
        "{:?}, blocks up to {}",
        drive.identity(),
        drive.max_block_bytes()
    );
    wait_for_tape(&mut drive);
    println!("{:?}", drive.set_mode(&DriveMode::default()).unwrap());
    println!(
        "{:?}, left: {:?}",
        drive.medium().unwrap(),
        drive.remaining_bytes().unwrap()
    );
    match drive
        .rewind()
        .and_then(|()| drive.write_block(&[1; BLOCK]).map(drop))
    {
        Ok(()) => archive_works(&mut drive),
        Err(error) => {
            println!("refused: {error}");
            assert_eq!(error.kind, DriveErrorKind::UntrustedPosition);
            assert!(error.what.contains("cannot be trusted"));
        }
    }
    drive.unload().unwrap();
    drop(drive);
    changer.move_medium(bay.address, slot).unwrap();
}

/// Neither a second user of the sg node nor one of the tape node gets in.
fn exclusion_works(node: &Path) {
    let held = exclusive(node);
    for sharing in [Sharing::Exclusive, Sharing::Shared] {
        let error = SgTransport::open(node, sharing).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Busy, "{error}");
    }
    let device = Path::new("/sys/class/scsi_generic").join(node.file_name().unwrap());
    let tapes = std::fs::read_dir(device.join("device/scsi_tape"))
        .into_iter()
        .flatten();
    let tape = tapes
        .flatten()
        .map(|tape| tape.file_name())
        .find(|name| name == "nst0");
    if let Some(tape) = tape {
        let error = std::fs::File::open(Path::new("/dev").join(tape)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
        println!("the tape node is held");
    }
    drop(held);
    SgTransport::open(node, Sharing::Shared).unwrap();
}

/// The bare path: one block of each length there and back, and what comes with it.
fn transfer_works(node: &Path) {
    wait_for_tape(&mut Drive::open(exclusive(node)).unwrap());
    let mut path = exclusive(node);
    println!("transfers up to {} bytes", path.max_transfer_bytes());
    let lengths = [1, 513, BLOCK, path.max_transfer_bytes().min(1 << 20)];
    let timeout = Duration::from_secs(60);
    let good = |status: Status| assert_eq!(status, Status::GOOD);
    good(
        path.execute(&cdb::rewind(), Data::None, timeout)
            .unwrap()
            .status,
    );
    for (number, length) in lengths.into_iter().enumerate() {
        let data = vec![number as u8 + 1; length];
        let write = cdb::write_6(length as u32);
        let done = path.execute(&write, Data::Out(&data), timeout).unwrap();
        good(done.status);
        assert_eq!(done.transferred_bytes, length);
    }
    let mark = cdb::write_filemarks_6(1, false);
    good(path.execute(&mark, Data::None, timeout).unwrap().status);
    good(
        path.execute(&cdb::rewind(), Data::None, timeout)
            .unwrap()
            .status,
    );
    drop(path);
    let mut drive = Drive::open(exclusive(node)).unwrap();
    let mut buffer = vec![0; 1 << 20];
    for (number, length) in lengths.into_iter().enumerate() {
        let outcome = drive.read_block(&mut buffer).unwrap();
        assert_eq!(outcome, ReadOutcome::Block { bytes: length });
        assert!(
            buffer[..length]
                .iter()
                .all(|byte| *byte == number as u8 + 1)
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
    path_error_is_typed(&mut drive);
}

/// A block longer than the buffer, and a reply that is an error, through the kernel.
fn path_error_is_typed(drive: &mut Drive) {
    let _ = drive.rewind();
    let error = drive.space_filemarks(5).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::EndOfData, "{error}");
    let _ = drive.rewind();
    let _ = drive.read_block(&mut [0; 4096]).unwrap();
    let error = drive.read_block(&mut [0; 512]).unwrap_err();
    assert_eq!(
        error.kind,
        DriveErrorKind::BlockTooLong { actual_bytes: 513 },
        "{error}"
    );
}

fn archive_works(drive: &mut Drive) {
    drive.write_block(&[2; BLOCK]).unwrap();
    drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(3));
    drive.locate(BlockAddress(1)).unwrap();
    let mut buffer = vec![0; BLOCK];
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::Block { bytes: BLOCK }
    );
    assert!(buffer.iter().all(|byte| *byte == 2));
}
