//! A shelf of tapes in memory, drives that fail, and a ledger that checks what it is told.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tapewright::drive::{
    DriveError, DriveErrorKind, FilemarkReturns, Position, ReadOutcome, SequentialDevice, Waiting,
    Written,
};
use tapewright::engine::{BoxedError, MountedVolume, ReceiptSink, VolumeEnd, VolumeSource};
use tapewright::units::BlockAddress;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::label::{Label, write_label};
use tapewright::volume::receipt::SegmentReceipt;
use uuid::Uuid;

use crate::memory_tape::MemoryTape;
use crate::volume;

/// Block size of all tapes here.
pub const BLOCK_BYTES: u32 = 64 << 10;

/// What a drive does wrong, and when.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Writing the object with this address fails.
    pub at: u64,
    pub kind: DriveErrorKind,
}

/// A tape in memory that the test keeps hold of, in a drive that confirms what lies
/// `lag` objects back.
pub struct TestDrive {
    pub tape: Arc<Mutex<MemoryTape>>,
    pub lag: usize,
    pub fault: Option<Fault>,
    /// Does not tell what is left on the tape.
    pub mute: bool,
    /// Confirms nothing from here on, flushed or not.
    pub confirms_before: u64,
    /// Claims after its fault that all is on the medium.
    pub boasts: bool,
    /// Writes nothing before this is up.
    pub held_until: Option<Arc<AtomicBool>>,
}

impl TestDrive {
    pub fn check(&self) -> Result<(), DriveError> {
        let next = self.tape.lock().unwrap().next as u64;
        match self.fault {
            Some(Fault { at, kind }) if next >= at => Err(DriveError {
                drive: "a failing drive".to_owned(),
                action: format!("writing block {next}"),
                kind,
                what: "it broke".to_owned(),
                reaction: None,
                source: None,
            }),
            _ => Ok(()),
        }
    }
}

impl SequentialDevice for TestDrive {
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError> {
        self.check()?;
        if let Some(let_go) = &self.held_until {
            let since = Instant::now();
            while !let_go.load(Ordering::Relaxed) && since.elapsed() < Duration::from_secs(30) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let mut tape = self.tape.lock().unwrap();
        let written = tape.write_block(data);
        tape.on_medium = tape.on_medium.max(tape.next.saturating_sub(self.lag));
        written
    }

    /// With the pool of [`crate::case::Case`]; the blocks are then written one by one.
    fn blocks_at_once(&self, _block_bytes: usize) -> usize {
        3
    }

    fn write_filemark(&mut self, returns: FilemarkReturns) -> Result<Written, DriveError> {
        self.check()?;
        self.tape.lock().unwrap().write_filemark(returns)
    }

    fn synchronize(&mut self) -> Result<(), DriveError> {
        self.check()?;
        self.tape.lock().unwrap().synchronize()
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        self.tape.lock().unwrap().read_block(buffer)
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        self.tape.lock().unwrap().locate(block)
    }

    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        self.tape.lock().unwrap().space_filemarks(count)
    }

    fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
        self.tape.lock().unwrap().locate_end_of_data()
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        self.tape.lock().unwrap().rewind()
    }

    fn position(&mut self) -> Result<Position, DriveError> {
        self.tape.lock().unwrap().position()
    }

    fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError> {
        if self.boasts && self.check().is_err() {
            return Ok(BlockAddress(u64::MAX));
        }
        let confirmed = self.tape.lock().unwrap().first_unconfirmed()?;
        Ok(confirmed.min(BlockAddress(self.confirms_before)))
    }

    fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError> {
        if self.mute {
            return Ok(None);
        }
        self.tape.lock().unwrap().remaining_bytes()
    }

    fn recover(
        &mut self,
        _: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        Ok(())
    }

    fn name(&self) -> &str {
        "a drive in memory"
    }
}

/// A shelf of labelled tapes, used in order.
#[derive(Default)]
pub struct Shelf {
    pub tapes: Vec<(Label, Arc<Mutex<MemoryTape>>)>,
    pub points: Vec<AppendPoint>,
    pub faults: Vec<Option<Fault>>,
    pub lag: usize,
    /// The drive does not tell what is left on a tape.
    pub mute: bool,
    /// The drive confirms nothing from here on.
    pub confirms_before: u64,
    /// The drive claims after its fault that all is on the medium.
    pub boasts: bool,
    /// The drive writes nothing before this is up.
    pub held_until: Option<Arc<AtomicBool>>,
    /// Giving a tape back fails.
    pub keeps_tapes: bool,
    /// Called with the number of each tape that is given back, from 0.
    pub on_release: Option<Box<dyn Fn(usize) + Send>>,
    pub mounted: usize,
    pub released: Vec<VolumeEnd>,
}

impl Shelf {
    /// `count` tapes that hold this much; without limit if `None`.
    pub fn new(count: u32, capacity_bytes: Option<u64>) -> Self {
        Self::numbered(1, count, capacity_bytes)
    }

    /// As [`Shelf::new`], the first tape with this number.
    pub fn numbered(first: u32, count: u32, capacity_bytes: Option<u64>) -> Self {
        let mut shelf = Self {
            lag: 3,
            confirms_before: u64::MAX,
            ..Self::default()
        };
        for number in first..first + count {
            let mut tape = MemoryTape::new();
            tape.capacity_bytes = capacity_bytes;
            let label = volume::label(number, BLOCK_BYTES);
            write_label(&mut tape, &label).unwrap();
            shelf.tapes.push((label, Arc::new(Mutex::new(tape))));
            shelf.points.push(AppendPoint::first());
            shelf.faults.push(None);
        }
        shelf
    }

    pub fn tape(&self, volume: Uuid) -> &Arc<Mutex<MemoryTape>> {
        &self
            .tapes
            .iter()
            .find(|(label, _)| label.volume == volume)
            .unwrap()
            .1
    }
}

impl VolumeSource for Shelf {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        assert_eq!(self.mounted, self.released.len(), "one volume at a time");
        let (label, tape) = self.tapes.get(self.mounted).ok_or("no tape is left")?;
        let append = Some(self.points[self.mounted].clone());
        let fault = self.faults[self.mounted];
        self.mounted += 1;
        let device = Box::new(TestDrive {
            tape: Arc::clone(tape),
            lag: self.lag,
            fault,
            mute: self.mute,
            confirms_before: self.confirms_before,
            boasts: self.boasts,
            held_until: self.held_until.clone(),
        });
        Ok(MountedVolume {
            device,
            label: label.clone(),
            append,
        })
    }

    fn mount(&mut self, _: Uuid) -> Result<MountedVolume, BoxedError> {
        Err("archiving mounts nothing to read".into())
    }

    fn release(&mut self, _: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        self.released.push(end);
        if let Some(on_release) = &self.on_release {
            on_release(self.released.len() - 1);
        }
        if self.keeps_tapes {
            return Err("the tape does not come out".into());
        }
        Ok(())
    }
}

/// Keeps receipts, having checked that each is on the medium and indexed.
pub struct Ledger {
    pub tapes: BTreeMap<Uuid, Arc<Mutex<MemoryTape>>>,
    pub receipts: Vec<SegmentReceipt>,
    pub fail_after: usize,
}

impl Ledger {
    pub fn new(shelf: &Shelf) -> Self {
        Self::of(&[shelf])
    }

    pub fn of(shelves: &[&Shelf]) -> Self {
        let tapes = shelves.iter().flat_map(|shelf| &shelf.tapes);
        let tapes = tapes.map(|(label, tape)| (label.volume, Arc::clone(tape)));
        Self {
            tapes: tapes.collect(),
            receipts: Vec::new(),
            fail_after: usize::MAX,
        }
    }

    /// What was committed on tapes of this shelf.
    pub fn of_shelf(&self, shelf: &Shelf) -> Vec<SegmentReceipt> {
        let on = |receipt: &&SegmentReceipt| {
            let volumes = shelf.tapes.iter().map(|(label, _)| label.volume);
            volumes
                .into_iter()
                .any(|volume| volume == receipt.info.volume)
        };
        self.receipts.iter().filter(on).cloned().collect()
    }
}

impl ReceiptSink for Ledger {
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError> {
        let on_medium = self.tapes[&receipt.info.volume].lock().unwrap().on_medium as u64;
        assert!(
            receipt.end_block.0 <= on_medium,
            "committed before it was confirmed"
        );
        if self.receipts.len() == self.fail_after {
            return Err("the disk is full".into());
        }
        self.receipts.push(receipt);
        Ok(())
    }
}
