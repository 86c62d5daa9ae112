//! A device that answers anything: no call of the driver panics, and each ends. What goes over a
//! tape block by block ends when the tape does, here after [`TAPE_COMMANDS`]; every other call
//! after a few commands, whatever the replies.
#![no_main]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tapewright::changer::{Changer, ElementAddress};
use tapewright::drive::{Drive, DriveMode, FilemarkReturns, ReadyWait, SequentialDevice};
use tapewright::transport::{
    Completion, Data, Status, Transport, TransportError, TransportErrorKind,
};
use tapewright::units::BlockAddress;

/// The longest tape: behind so many commands of one call the device is gone.
const TAPE_COMMANDS: usize = 2_000;
/// A call that does not go over a tape sends fewer.
const CALL_COMMANDS: usize = 400;
const CALLS_MAX: usize = 64;

#[derive(Debug, Clone, Arbitrary)]
struct Reply {
    status: StatusByte,
    sense: Vec<u8>,
    data: Vec<u8>,
    /// Claims to have moved as much as was asked for.
    fills: bool,
}

/// Without BUSY and TASK SET FULL, on which the driver waits.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum StatusByte {
    Good,
    CheckCondition,
    Conflict,
    Aborted,
}

#[derive(Debug, Arbitrary)]
struct Session {
    replies: Vec<Reply>,
    calls: Vec<u8>,
}

/// Gives the replies in turn, again and again.
struct Device {
    replies: Vec<Reply>,
    next: usize,
    /// Commands of the call that goes on.
    sent: Arc<AtomicUsize>,
}

impl Transport for Device {
    fn execute(
        &mut self,
        _cdb: &[u8],
        data: Data<'_>,
        _timeout: Duration,
    ) -> Result<Completion, TransportError> {
        if self.sent.fetch_add(1, Ordering::Relaxed) >= TAPE_COMMANDS {
            return Err(TransportError {
                device: self.name().to_owned(),
                kind: TransportErrorKind::Failed,
                what: "the tape is at its end".to_owned(),
                source: None,
            });
        }
        let reply = &self.replies[self.next];
        self.next = (self.next + 1) % self.replies.len();
        let moved = match data {
            Data::None => 0,
            Data::In(buffer) => {
                let bytes = reply.data.len().min(buffer.len());
                buffer[..bytes].copy_from_slice(&reply.data[..bytes]);
                if reply.fills { buffer.len() } else { bytes }
            }
            sent @ (Data::Out(_) | Data::Gather(_)) => sent.length_bytes(),
        };
        Ok(Completion {
            status: Status(match reply.status {
                StatusByte::Good => 0x00,
                StatusByte::CheckCondition => 0x02,
                StatusByte::Conflict => 0x18,
                StatusByte::Aborted => 0x40,
            }),
            sense: reply.sense.clone(),
            transferred_bytes: moved,
        })
    }

    fn name(&self) -> &str {
        "a device that answers anything"
    }

    fn max_transfer_bytes(&self) -> usize {
        1 << 20
    }
}

fuzz_target!(|session: Session| {
    if session.replies.is_empty() {
        return;
    }
    let sent = Arc::new(AtomicUsize::new(0));
    let device = || {
        Box::new(Device {
            replies: session.replies.clone(),
            next: 0,
            sent: Arc::clone(&sent),
        })
    };
    if let Ok(mut drive) = Drive::open(device()) {
        for call in session.calls.iter().take(CALLS_MAX) {
            sent.store(0, Ordering::Relaxed);
            let goes_over_tape = call_drive(&mut drive, *call);
            let sent = sent.load(Ordering::Relaxed);
            assert!(
                goes_over_tape || sent < CALL_COMMANDS,
                "call {call}: {sent} commands"
            );
        }
    }
    sent.store(0, Ordering::Relaxed);
    if let Ok(mut changer) = Changer::open(device()) {
        for call in session.calls.iter().take(CALLS_MAX) {
            sent.store(0, Ordering::Relaxed);
            call_changer(&mut changer, *call);
            assert!(sent.load(Ordering::Relaxed) < CALL_COMMANDS);
        }
    }
});

fn call_changer(changer: &mut Changer, call: u8) {
    match call % 4 {
        0 => drop(changer.inventory()),
        1 => drop(changer.prevent_removal(call > 127)),
        2 => drop(changer.wait_ready(Duration::ZERO, &mut |_| ControlFlow::Continue(()))),
        _ => drop(changer.move_medium(ElementAddress(1), ElementAddress(2))),
    }
}

/// True for calls that may go over the tape block by block.
fn call_drive(drive: &mut Drive, call: u8) -> bool {
    let mut block = [0; 4096];
    let at = u64::from(call);
    match call % 25 {
        0 => drop(drive.rewind()),
        1 => drop(drive.write_block(&block)),
        2 => drop(drive.read_block(&mut block)),
        3 => drop(drive.write_filemark(FilemarkReturns::Immediate)),
        4 => drop(drive.write_filemark(FilemarkReturns::OnMedium)),
        5 => drop(drive.locate(BlockAddress(at / 25))),
        6 => drop(drive.space_filemarks(1)),
        7 => drop(drive.space_filemarks(-1)),
        8 => drop(drive.locate_end_of_data()),
        9 => drop(drive.position()),
        10 => drop(drive.first_unconfirmed()),
        11 => drop(drive.remaining_bytes()),
        12 => drop(drive.synchronize()),
        13 => drop(drive.medium()),
        14 => drop(drive.densities()),
        15 => drop(drive.cartridge_memory()),
        16 => drop(drive.tape_alerts()),
        17 => drop(drive.set_mode(&DriveMode {
            block_protection: call > 127,
            ..DriveMode::default()
        })),
        18 => drop(drive.capacity_bytes()),
        19 => drop(drive.health()),
        20 => drop(drive.volume_statistics()),
        21 => drop(drive.encryption_status()),
        22 => drop(drive.reservation()),
        23 => drop(drive.write_blocks(&[&block[..]; 4])),
        _ => {
            let wait = ReadyWait {
                patience: Duration::ZERO,
                notices_within: Duration::ZERO,
                ..ReadyWait::default()
            };
            drop(drive.wait_ready(&wait, &mut |_| ControlFlow::Continue(())));
        }
    }
    (5..=8).contains(&(call % 25))
}
