//! Operations that take hours: told how far they are, never timed out, never misread.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::bench::{Bench, Trace, pattern, ready};
use tape_sim::library::LibrarySpec;
use tapewright::drive::{Drive, DriveErrorKind, ReadOutcome, ReadyWait, SequentialDevice, Waiting};
use tapewright::scsi::cdb;
use tapewright::scsi::opcode as op;
use tapewright::scsi::sense::{Sense, SenseKey};
use tapewright::transport::{Completion, Data, Status, Transport, TransportError};
use tapewright::units::BlockAddress;

const BLOCK: usize = 64 << 10;
const IMMEDIATE: u8 = 0x02;
const LONG: u8 = 0x01;

/// How a drive goes about a long ERASE.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Habit {
    /// NOT READY until it is done.
    NotReady,
    /// Ready meanwhile; REQUEST SENSE alone tells.
    TellsIfAsked,
    /// It knows no IMMED.
    Waits,
    /// It fails half-way.
    Fails,
}

/// A drive that takes a few questions' time for a long ERASE.
struct Slow {
    inner: Box<dyn Transport>,
    habit: Habit,
    questions_left: u16,
}

const QUESTIONS: u16 = 4;

impl Slow {
    fn progress(&self, key: SenseKey, asc: u8, ascq: u8) -> Vec<u8> {
        let mut sense = Sense::fixed(key, asc, ascq);
        let done = (QUESTIONS - self.questions_left) * (u16::MAX / QUESTIONS);
        sense[15] = 0x80;
        sense[16..18].copy_from_slice(&done.to_be_bytes());
        sense
    }
}

fn check(sense: Vec<u8>) -> Completion {
    Completion {
        status: Status::CHECK_CONDITION,
        sense,
        transferred_bytes: 0,
    }
}

impl Transport for Slow {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let long = cdb[0] == op::ERASE_6 && cdb[1] & LONG != 0;
        if long {
            assert!(timeout >= Duration::from_secs(50_000), "{timeout:?}");
        }
        match (cdb[0], data) {
            (op::ERASE_6, _) if long && self.habit == Habit::Waits && cdb[1] & IMMEDIATE != 0 => {
                Ok(check(Sense::fixed(SenseKey::IllegalRequest, 0x24, 0x00)))
            }
            (op::ERASE_6, data) if long => {
                if cdb[1] & IMMEDIATE != 0 {
                    self.questions_left = QUESTIONS;
                }
                self.inner.execute(&cdb::erase(false, false), data, timeout)
            }
            (op::TEST_UNIT_READY, data) if self.questions_left > 0 => match self.habit {
                Habit::TellsIfAsked => self.inner.execute(cdb, data, timeout),
                Habit::Fails if self.questions_left == 2 => {
                    self.questions_left = 0;
                    let mut sense = Sense::fixed(SenseKey::MediumError, 0x51, 0x00);
                    sense[0] = 0x71;
                    Ok(check(sense))
                }
                _ => {
                    self.questions_left -= 1;
                    Ok(check(self.progress(SenseKey::NotReady, 0x04, 0x07)))
                }
            },
            (op::REQUEST_SENSE, Data::In(buffer)) if self.questions_left > 0 => {
                self.questions_left -= 1;
                let sense = self.progress(SenseKey::NoSense, 0x00, 0x18);
                buffer[..sense.len()].copy_from_slice(&sense);
                Ok(Completion {
                    status: Status::GOOD,
                    sense: Vec::new(),
                    transferred_bytes: sense.len(),
                })
            }
            (_, data) => self.inner.execute(cdb, data, timeout),
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn max_transfer_bytes(&self) -> usize {
        self.inner.max_transfer_bytes()
    }
}

/// A drive of this habit behind two of three blocks, and the trace of what it is sent.
fn behind_two_blocks(bench: &Bench, habit: Habit) -> (Drive, Trace) {
    bench.load();
    let trace = Trace::default();
    let slow = Slow {
        inner: Box::new(bench.drive_transport()),
        habit,
        questions_left: 0,
    };
    let mut drive = ready(Box::new(trace.recorder(Box::new(slow))));
    for number in 0..3 {
        drive.write_block(&pattern(number, BLOCK)).unwrap();
    }
    drive.locate(BlockAddress(2)).unwrap();
    trace.clear();
    (drive, trace)
}

#[test]
fn a_long_erase_is_waited_for_and_told() {
    for (habit, told) in [
        (Habit::NotReady, vec![24, 49, 74, 99]),
        (Habit::TellsIfAsked, vec![24, 49, 74, 99]),
        (Habit::Waits, vec![]),
    ] {
        let bench = Bench::new();
        let (mut drive, trace) = behind_two_blocks(&bench, habit);
        let mut heard = Vec::new();
        drive
            .erase_long(&mut |waiting: &Waiting| {
                heard.extend(waiting.progress_percent);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(heard, told, "{habit:?}");
        let erases = if habit == Habit::Waits { 2 } else { 1 };
        assert_eq!(trace.count("ERASE(6)"), erases, "{habit:?}");
        assert_eq!(drive.position().unwrap().block, BlockAddress(2));
        let mut buffer = vec![0; BLOCK];
        assert_eq!(
            drive.read_block(&mut buffer).unwrap(),
            ReadOutcome::EndOfData
        );
        drive.locate(BlockAddress(1)).unwrap();
        drive.read_block(&mut buffer).unwrap();
        assert_eq!(buffer, pattern(1, BLOCK));
    }
}

#[test]
fn stopping_to_wait_for_an_erase_says_that_it_goes_on() {
    let bench = Bench::new();
    let (mut drive, _) = behind_two_blocks(&bench, Habit::NotReady);
    let error = drive
        .erase_long(&mut |_| ControlFlow::Break(()))
        .unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Cancelled);
    assert!(error.what.contains("goes on erasing"), "{error}");
    let error = drive.write_block(&pattern(0, BLOCK)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::PositionLost);
}

#[test]
fn an_erase_that_fails_behind_our_back_fails() {
    let bench = Bench::new();
    let (mut drive, _) = behind_two_blocks(&bench, Habit::Fails);
    let error = drive
        .erase_long(&mut |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Medium, "{error}");
}

/// The simulated drive takes as long for each byte as hardware; this tape has few of them.
#[test]
fn a_simulated_long_erase_leaves_what_is_before_it() {
    let bench = Bench::with_capacity(Some(6_000_000_000));
    let mut drive = bench.ready_drive();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    let mut heard = Vec::new();
    drive
        .erase_long(&mut |waiting| {
            heard.extend(waiting.progress_percent);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(heard.len() > 1 && heard.is_sorted(), "{heard:?}");
    drive.rewind().unwrap();
    let mut buffer = vec![0; BLOCK];
    let block = ReadOutcome::Block { bytes: BLOCK };
    assert_eq!(drive.read_block(&mut buffer).unwrap(), block);
    assert_eq!(
        drive.read_block(&mut buffer).unwrap(),
        ReadOutcome::EndOfData
    );
}

/// Nobody takes the drive for broken, or switches it off, who reads what it is doing.
#[test]
fn the_measuring_of_a_new_cartridge_is_told_in_words() {
    let bench = Bench::with(LibrarySpec {
        factory_new: true,
        ..LibrarySpec::default()
    });
    bench.load();
    let mut drive = Drive::open(Box::new(bench.drive_transport())).unwrap();
    let mut heard = String::new();
    let mut percent = None;
    let error = drive
        .wait_ready(&ReadyWait::default(), &mut |waiting| {
            heard.clone_from(&waiting.what);
            percent = waiting.progress_percent;
            match heard.contains("once in its life") {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
        .unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Cancelled, "{error}");
    assert!(heard.contains("do not unload it"), "{heard}");
    assert!(percent.is_some_and(|percent| percent < 50), "{percent:?}");
}
