//! Drives that know less: the same suite, and what they are refused for.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use crate::bench::{Bench, Liar, Trace, pattern, quiet, ready};
use crate::drive::CASES;
use crate::rack::Need;
use tapewright::drive::{
    Drive, DriveErrorKind, FilemarkReturns, PositionSource, ReadOutcome, ReadyWait,
    SequentialDevice,
};
use tapewright::scsi::cdb::{self, PositionForm};
use tapewright::scsi::opcode as op;
use tapewright::scsi::position::parse_long;
use tapewright::scsi::sense::{Sense, SenseKey};
use tapewright::transport::record::{Record, Recorder};
use tapewright::transport::{Completion, Data, Status, Transport, TransportError};
use tapewright::units::BlockAddress;

const BLOCK: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(60);
const LOCATES: [u8; 2] = [op::LOCATE_10, op::LOCATE_16];

/// How a poor drive counts the blocks that it spaces over.
#[derive(Clone, Copy, PartialEq)]
enum Spaces {
    /// As the standard says.
    Well,
    /// Over filemarks as if they were blocks, and without saying how far it came.
    OverFilemarks,
    /// Stopping at filemarks, but saying that it came one block further than it did.
    Miscounting,
}

/// What a drive cannot do, or does wrong.
#[derive(Clone)]
struct Poverty {
    unknown: Vec<u8>,
    /// Replaces every answer to READ POSITION.
    position: Option<Vec<u8>>,
    spaces: Spaces,
}

/// A drive whose position is `flags` and zeros, and that knows no LOCATE.
fn lost(flags: u8, spaces: Spaces) -> Poverty {
    let mut position = vec![0; 32];
    position[0] = flags;
    Poverty {
        unknown: LOCATES.to_vec(),
        position: Some(position),
        spaces,
    }
}

/// What the poorest drives lack, which are those of a virtual library.
const RARE: [u8; 9] = [
    op::LOCATE_10,
    op::LOCATE_16,
    op::LOG_SENSE,
    op::READ_ATTRIBUTE,
    op::WRITE_ATTRIBUTE,
    op::REPORT_DENSITY_SUPPORT,
    op::ERASE_6,
    op::SPACE_16,
    op::MAINTENANCE_IN,
];

fn poor_drives() -> [(&'static str, Poverty, PositionSource); 7] {
    use PositionSource::{Counted, Drive};
    let unknown = |unknown: &[u8]| Poverty {
        unknown: unknown.to_vec(),
        position: None,
        spaces: Spaces::Well,
    };
    let poorest = Poverty {
        unknown: RARE.to_vec(),
        ..lost(0x20, Spaces::OverFilemarks)
    };
    [
        ("without LOCATE", unknown(&LOCATES), Drive),
        (
            "without READ POSITION",
            unknown(&[op::READ_POSITION]),
            Counted,
        ),
        ("always at the beginning", lost(0x80, Spaces::Well), Counted),
        ("always at block 0", lost(0x00, Spaces::Well), Counted),
        ("never knowing", lost(0x0C, Spaces::Well), Counted),
        ("miscounting", lost(0x0C, Spaces::Miscounting), Counted),
        ("poorest", poorest, Counted),
    ]
}

struct Poor {
    inner: Box<dyn Transport>,
    poverty: Poverty,
}

fn check(sense: Vec<u8>) -> Completion {
    Completion {
        status: Status::CHECK_CONDITION,
        sense,
        transferred_bytes: 0,
    }
}

impl Poor {
    fn block(&mut self) -> Result<i64, TransportError> {
        let mut data = [0; 32];
        let ask = cdb::read_position(PositionForm::Long);
        self.inner.execute(&ask, Data::In(&mut data), TIMEOUT)?;
        Ok(parse_long(&data).unwrap().block.unwrap().cast_signed())
    }

    /// Moves by objects of any kind; the end of data is told without a count, also where the
    /// motion ends just there.
    fn space_objects(&mut self, count: i64) -> Result<Completion, TransportError> {
        let target = (self.block()? + count).cast_unsigned();
        let done = self
            .inner
            .execute(&cdb::locate_16(target), Data::None, TIMEOUT)?;
        let behind = self
            .inner
            .execute(&cdb::locate_16(target + 1), Data::None, TIMEOUT)?;
        if done.status != Status::GOOD || behind.status != Status::GOOD {
            return Ok(check(Sense::fixed(SenseKey::NoSense, 0x00, 0x05)));
        }
        self.inner
            .execute(&cdb::locate_16(target), Data::None, TIMEOUT)
    }
}

impl Transport for Poor {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        if self.poverty.unknown.contains(&cdb[0]) {
            return Ok(check(Sense::fixed(SenseKey::IllegalRequest, 0x20, 0x00)));
        }
        let spaces_blocks = cdb[0] == op::SPACE_6 && cdb[1] == 0;
        match (data, &self.poverty.position) {
            (Data::In(buffer), Some(position)) if cdb[0] == op::READ_POSITION => {
                let bytes = buffer.len().min(position.len());
                buffer[..bytes].copy_from_slice(&position[..bytes]);
                Ok(Completion {
                    status: Status::GOOD,
                    sense: Vec::new(),
                    transferred_bytes: bytes,
                })
            }
            (_, _) if spaces_blocks && self.poverty.spaces == Spaces::OverFilemarks => {
                let count = i32::from_be_bytes([cdb[2], cdb[3], cdb[4], 0]) >> 8;
                self.space_objects(i64::from(count))
            }
            (data, _) => {
                let mut completion = self.inner.execute(cdb, data, timeout)?;
                let residual = completion.sense.get_mut(6);
                if let (true, Spaces::Miscounting, Some(low)) =
                    (spaces_blocks, self.poverty.spaces, residual)
                {
                    *low -= 1;
                }
                Ok(completion)
            }
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn max_transfer_bytes(&self) -> usize {
        self.inner.max_transfer_bytes()
    }
}

/// A drive that knows none of the commands `unknown`.
pub fn without(inner: Box<dyn Transport>, unknown: &[u8]) -> Box<dyn Transport> {
    let poverty = Poverty {
        unknown: unknown.to_vec(),
        position: None,
        spaces: Spaces::Well,
    };
    poor(inner, &poverty)
}

fn poor(inner: Box<dyn Transport>, poverty: &Poverty) -> Box<Poor> {
    let poverty = poverty.clone();
    Box::new(Poor { inner, poverty })
}

#[test]
fn poor_drives_conform_as_well_and_say_once_what_they_lack() {
    for (who, poverty, source) in poor_drives() {
        for (name, needs, case) in CASES {
            if needs.contains(&Need::Erase) && poverty.unknown.contains(&op::ERASE_6) {
                continue;
            }
            println!("{who}: {name}");
            let bench = Bench::new();
            bench.load();
            let mut drive = ready(poor(Box::new(bench.drive_transport()), &poverty));
            case(&mut drive);
            drive.rewind().unwrap();
            drive.write_block(&pattern(0, BLOCK)).unwrap();
            drive.locate(BlockAddress(0)).unwrap();
            assert_eq!(drive.position_source(), source, "{who}");
            let notices = drive.notices();
            let of_place =
                |notice: &&String| ["position", "LOCATE"].iter().any(|w| notice.contains(w));
            assert_eq!(notices.iter().filter(of_place).count(), 1, "{notices:?}");
            let distinct: HashSet<&String> = notices.iter().collect();
            assert_eq!(distinct.len(), notices.len(), "{notices:?}");
        }
    }
}

#[test]
fn a_session_on_a_tape_that_holds_something_begins_by_counting_it() {
    for (who, poverty, _) in poor_drives() {
        println!("{who}");
        let bench = Bench::new();
        let mut drive = bench.ready_drive();
        for block in 0..12 {
            drive.write_block(&pattern(block, BLOCK)).unwrap();
            if block % 4 == 1 {
                drive.write_filemark(FilemarkReturns::Immediate).unwrap();
            }
        }
        drop(drive);
        // Blocks 0 1, a mark, 3 4 5 6, a mark, 8 9 10 11, a mark, 13 14.
        let fresh = || ready(poor(Box::new(bench.drive_transport()), &poverty));
        let mut buffer = vec![0; BLOCK];
        for (address, number) in [(9, 7), (3, 2), (14, 11), (0, 0)] {
            let mut drive = fresh();
            drive.locate(BlockAddress(address)).unwrap();
            drive.read_block(&mut buffer).unwrap();
            assert!(buffer == pattern(number, BLOCK), "block {address}");
            assert_eq!(drive.position().unwrap().block, BlockAddress(address + 1));
        }
        let mut drive = fresh();
        let end = drive.locate_end_of_data().unwrap();
        assert_eq!((end.block.0, end.file.0), (15, 3));
        drive.space_filemarks(-2).unwrap();
        assert_eq!(drive.position().unwrap().block, BlockAddress(7));
        assert_eq!(
            drive.read_block(&mut buffer).unwrap(),
            ReadOutcome::Filemark
        );
        drop(drive);
        let mut drive = fresh();
        drive.space_filemarks(3).unwrap();
        let found = drive.position().unwrap();
        assert_eq!((found.block.0, found.file.0), (13, 3));
        let error = drive.locate(BlockAddress(16)).unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::EndOfData);
        assert_eq!(drive.position().unwrap().block, BlockAddress(15));
    }
}

#[test]
fn a_drive_that_is_counted_for_confirms_by_filemarks_that_it_waits_for() {
    let bench = Bench::new();
    bench.load();
    let trace = Trace::default();
    let transport = trace.recorder(Box::new(bench.drive_transport()));
    let mut drive = ready(poor(Box::new(transport), &lost(0x0C, Spaces::Well)));
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(0));
    drive.write_filemark(FilemarkReturns::Immediate).unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(2));
    drive.write_block(&pattern(1, BLOCK)).unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(2));
    let marks = trace.records().into_iter().map(|record| record.cdb);
    let marks: Vec<_> = marks.filter(|cdb| cdb.starts_with("10")).collect();
    assert_eq!(marks, ["100000000100"]);
    drive.synchronize().unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(3));
    drive.rewind().unwrap();
    drive.write_block(&pattern(2, BLOCK)).unwrap();
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(0));
}

#[test]
fn a_drive_that_does_not_know_where_it_is_has_to_begin_at_the_beginning() {
    let bench = Bench::new();
    bench.load();
    let inner = Box::new(bench.drive_transport());
    let mut drive = Drive::open(poor(inner, &lost(0x0C, Spaces::Well))).unwrap();
    drive.wait_ready(&ReadyWait::default(), &mut quiet).unwrap();
    let error = drive.position().unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::UntrustedPosition);
    let error = drive.write_block(&pattern(0, BLOCK)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::PositionLost);
    drive.rewind().unwrap();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    drive.wait_ready(&ReadyWait::default(), &mut quiet).unwrap();
    for error in [
        drive.position().map(drop).unwrap_err(),
        drive.write_block(&pattern(0, BLOCK)).map(drop).unwrap_err(),
        drive.first_unconfirmed().map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind, DriveErrorKind::PositionLost, "{error}");
    }
}

/// Whoever says that it is elsewhere than it must be is not counted for: nobody knows then
/// where it is.
#[test]
fn a_drive_that_contradicts_its_own_motions_is_refused() {
    let bench = Bench::new();
    bench.load();
    let about = |cdb: &[u8]| cdb[0] == op::READ_POSITION;
    for at in [1, 500] {
        let mut answer = vec![0; 32];
        answer[14..16].copy_from_slice(&u16::to_be_bytes(at));
        let inner = Box::new(bench.drive_transport());
        let liar = Liar {
            inner,
            about,
            answer,
        };
        let mut drive = Drive::open(Box::new(liar)).unwrap();
        drive.wait_ready(&ReadyWait::default(), &mut quiet).unwrap();
        let error = drive.rewind().unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::UntrustedPosition);
        assert!(error.what.contains("cannot be trusted"), "{error}");
        let error = drive.write_block(&pattern(0, BLOCK)).unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::PositionLost);
    }
}

#[test]
fn a_walk_over_an_unknown_tape_ends_when_the_user_asks_for_it() {
    // How the drive counts, and the command of which a walk over all is made.
    for (spaces, step) in [(Spaces::Well, "1100"), (Spaces::Miscounting, "0800")] {
        let bench = Bench::new();
        let mut drive = bench.ready_drive();
        for block in 0..12 {
            drive.write_block(&pattern(block, BLOCK)).unwrap();
            drive.write_filemark(FilemarkReturns::Immediate).unwrap();
        }
        drop(drive);
        let flag = Arc::new(AtomicBool::new(false));
        let steps = Arc::new(AtomicU32::new(0));
        let (raised, counted) = (flag.clone(), steps.clone());
        let listener = move |record: &Record| {
            if record.cdb.starts_with(step) && counted.fetch_add(1, Relaxed) == 6 {
                raised.store(true, Relaxed);
            }
        };
        let device = poor(Box::new(bench.drive_transport()), &lost(0x0C, spaces));
        let mut drive = ready(Box::new(Recorder::new(
            device,
            cdb::carries_payload,
            listener,
        )));
        drive.stop_walks_on(flag.clone());
        let error = drive.locate_end_of_data().unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::Cancelled, "{step}: {error}");
        assert_eq!(steps.load(Relaxed), 7, "{step}: it went on");
        // The way back is known, and so is the place; nothing else is cut short by the flag.
        let here = drive.position().unwrap().block;
        assert!((1..24).contains(&here.0), "{step}: {here}");
        drive.locate(BlockAddress(0)).unwrap();
        drive.locate(here).unwrap();
        flag.store(false, Relaxed);
        assert_eq!(drive.locate_end_of_data().unwrap().block.0, 24, "{step}");
    }
}
