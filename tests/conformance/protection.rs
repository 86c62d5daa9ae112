//! Logical block protection: what is damaged between host and drive is found.

use std::time::Duration;

use crate::bench::{Bench, pattern, ready};
use tapewright::drive::{
    Drive, DriveErrorKind, DriveMode, FilemarkReturns, ReadOutcome, SequentialDevice,
};
use tapewright::transport::{Completion, Data, Transport, TransportError, join};

const READ: u8 = 0x08;
const WRITE: u8 = 0x0A;
const BLOCK: usize = 64 << 10;
const PROTECTED: DriveMode = DriveMode {
    compression: false,
    early_warning_mb: 0,
    block_protection: true,
};

/// A path that turns over one bit of each block of one length, in one direction.
struct BadPath {
    inner: Box<dyn Transport>,
    command: u8,
    bytes: usize,
}

impl Transport for BadPath {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let hit = |bytes: usize| cdb[0] == self.command && bytes == self.bytes;
        match data {
            Data::Gather(parts) if hit(data.length_bytes()) => {
                let mut bad = join(parts);
                bad[self.bytes / 2] ^= 0x10;
                self.inner.execute(cdb, Data::Out(&bad), timeout)
            }
            Data::In(buffer) if hit(buffer.len()) => {
                let done = self.inner.execute(cdb, Data::In(buffer), timeout)?;
                buffer[self.bytes / 2] ^= 0x10;
                Ok(done)
            }
            data => self.inner.execute(cdb, data, timeout),
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn max_transfer_bytes(&self) -> usize {
        self.inner.max_transfer_bytes()
    }
}

fn protected(mut drive: Drive) -> Drive {
    let mode = drive.set_mode(&PROTECTED).unwrap();
    assert!(mode.block_protection);
    drive.rewind().unwrap();
    drive
}

#[test]
fn protected_blocks_are_the_same_on_tape() {
    let bench = Bench::new();
    let mut drive = bench.ready_drive();
    let unprotected = drive.max_block_bytes();
    drive = protected(drive);
    let longest = drive.max_block_bytes();
    assert_eq!(longest, unprotected - 4);
    let lengths = [1, 4, 5, BLOCK, longest];
    for (seed, length) in (0..).zip(lengths) {
        drive.write_block(&pattern(seed, length)).unwrap();
    }
    drive.write_filemark(FilemarkReturns::OnMedium).unwrap();
    for protection in [true, false] {
        let mode = DriveMode {
            block_protection: protection,
            ..DriveMode::default()
        };
        assert_eq!(drive.set_mode(&mode).unwrap().block_protection, protection);
        drive.rewind().unwrap();
        let mut buffer = vec![0; longest];
        for (seed, length) in (0..).zip(lengths) {
            let block = ReadOutcome::Block { bytes: length };
            assert_eq!(drive.read_block(&mut buffer).unwrap(), block);
            assert!(buffer[..length] == pattern(seed, length), "{length}");
        }
        assert_eq!(
            drive.read_block(&mut buffer).unwrap(),
            ReadOutcome::Filemark
        );
        drive.rewind().unwrap();
        drive.read_block(&mut buffer).unwrap();
        let error = drive.read_block(&mut buffer[..3]).unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::BlockTooLong { actual_bytes: 4 });
    }
}

#[test]
fn a_block_damaged_on_the_way_is_neither_written_nor_read() {
    let bench = Bench::new();
    bench.load();
    let path = |command| {
        let inner = Box::new(bench.drive_transport());
        let bytes = BLOCK + 4;
        protected(ready(Box::new(BadPath {
            inner,
            command,
            bytes,
        })))
    };
    {
        let mut drive = path(WRITE);
        drive.write_block(&pattern(1, 1000)).unwrap();
        let error = drive.write_block(&pattern(2, BLOCK)).unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::BlockCheck);
        assert_eq!(error.action, "writing block 1");
        assert_eq!(drive.locate_end_of_data().unwrap().block.0, 1);
    }
    let mut drive = path(READ);
    drive.locate_end_of_data().unwrap();
    drive.write_block(&pattern(2, BLOCK)).unwrap();
    drive.locate(tapewright::units::BlockAddress(1)).unwrap();
    let error = drive.read_block(&mut vec![0; BLOCK]).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::BlockCheck);
    assert!(error.action.contains("block 1"), "{error}");
}

#[test]
fn a_reset_ends_protection_and_no_check_is_recorded_as_data() {
    let bench = Bench::new();
    bench.load();
    let transport = bench.drive_transport();
    let power = transport.power_switch();
    let mut drive = protected(ready(Box::new(transport)));
    drive.write_block(&pattern(1, 1000)).unwrap();
    drive.synchronize().unwrap();
    assert!(power.cut().unwrap());
    let error = drive.write_block(&pattern(2, 1000)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Reset);
    drive
        .load(&Default::default(), &mut crate::bench::quiet)
        .unwrap();
    drive.locate_end_of_data().unwrap();
    drive.write_block(&pattern(2, 1000)).unwrap();
    drive.rewind().unwrap();
    let mut buffer = vec![0; 2000];
    for seed in [1, 2] {
        let block = ReadOutcome::Block { bytes: 1000 };
        assert_eq!(drive.read_block(&mut buffer).unwrap(), block);
        assert!(buffer[..1000] == pattern(seed, 1000));
    }
}
