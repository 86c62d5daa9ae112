//! Stage 3: one thread per mounted volume writes its records and learns what is confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::records::{DriveStopped, Records};
use super::stage::{StageTime, spawn, timed};
use crate::drive::DriveErrorKind;
use crate::engine::{EngineError, MountedVolume};
use crate::volume::VolumeError;
use crate::volume::append::{AppendPoint, Room, VolumeAppender};
use crate::volume::receipt::SegmentReceipt;
use crate::volume::segment::FinishedSegment;

/// The drive is asked this often how far it has come, while anything is unconfirmed.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Records that go to the drive at once are this share of the pool (one of so many) at most:
/// framing fills the others meanwhile.
const POOL_SHARE: usize = 4;

/// What the drive thread is told, in the order of the tape.
pub(super) enum ToDrive {
    /// Write this record.
    Record(Vec<u8>),
    /// Close the segment whose records have all come.
    Close(Box<FinishedSegment>),
    /// Say what room is left behind everything told before; `None` if the drive cannot.
    Room(SyncSender<Option<u64>>),
}

/// The running drive thread, seen from the framing side. Ends once every sender of
/// [`ToDrive`] is gone, having flushed.
pub(super) struct Drive {
    to_drive: SyncSender<ToDrive>,
    /// Segments as they are confirmed, in order. Closed once the thread is through.
    pub(super) confirmed: Receiver<SegmentReceipt>,
    low: Arc<AtomicBool>,
    thread: JoinHandle<DriveEnd>,
}

/// How the drive thread ended.
pub(super) struct DriveEnd {
    pub(super) volume: MountedVolume,
    pub(super) result: Result<(), VolumeError>,
    /// Segments closed that the drive did not confirm. Without an error in `result` this
    /// is one: the drive flushed, and says otherwise.
    pub(super) unconfirmed: usize,
    pub(super) time: StageTime,
}

impl Drive {
    /// Hands `volume` to a thread, which first proves that it stands at `point`.
    pub(super) fn start(
        volume: MountedVolume,
        point: AppendPoint,
        records: usize,
    ) -> Result<(Self, Records), EngineError> {
        let (to_drive, orders) = sync_channel(records + 2);
        let (report, confirmed) = channel();
        let (give_back, written) = channel();
        let low = Arc::new(AtomicBool::new(false));
        let block_bytes = volume.label.block_bytes as usize;
        let pool = Records::new(to_drive.clone(), written, block_bytes, records);
        let shared_low = Arc::clone(&low);
        let thread = spawn("drive", move || {
            let worker = Worker {
                orders,
                give_back,
                report,
                low: shared_low,
                records_at_once: records / POOL_SHARE,
                put_back: None,
                pending: Vec::new(),
                polled_at: Instant::now(),
                starved: Duration::ZERO,
            };
            worker.run(volume, &point)
        })?;
        Ok((
            Self {
                to_drive,
                confirmed,
                low,
                thread,
            },
            pool,
        ))
    }

    /// True once the drive has warned that the end of the tape is near.
    pub(super) fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    /// Waits until everything told before is written, and asks what room is left; `None` if
    /// the drive cannot tell.
    pub(super) fn room_bytes(&self) -> Result<Option<u64>, DriveStopped> {
        let (reply, answer) = sync_channel(1);
        self.to_drive
            .send(ToDrive::Room(reply))
            .map_err(|_| DriveStopped)?;
        answer.recv().map_err(|_| DriveStopped)
    }

    /// Closes the segment whose records have all been sent.
    pub(super) fn close(&self, segment: FinishedSegment) -> Result<(), DriveStopped> {
        self.to_drive
            .send(ToDrive::Close(Box::new(segment)))
            .map_err(|_| DriveStopped)
    }

    /// Lets the thread flush and end, once the records' senders are gone as well.
    pub(super) fn finish(self) -> (Receiver<SegmentReceipt>, Ending) {
        (self.confirmed, Ending(self.thread))
    }
}

/// A drive thread on its way to its end.
pub(super) struct Ending(JoinHandle<DriveEnd>);

impl Ending {
    /// Waits for the thread.
    pub(super) fn join(self) -> Result<DriveEnd, EngineError> {
        self.0
            .join()
            .map_err(|_| EngineError::Stage { stage: "drive" })
    }
}

/// What the thread itself holds.
struct Worker {
    orders: Receiver<ToDrive>,
    give_back: Sender<Vec<u8>>,
    report: Sender<SegmentReceipt>,
    low: Arc<AtomicBool>,
    /// Records that are held back at most while others could be filled.
    records_at_once: usize,
    /// An order that came while records were gathered: the next one.
    put_back: Option<ToDrive>,
    /// Closed segments that are not confirmed yet, oldest first.
    pending: Vec<SegmentReceipt>,
    polled_at: Instant,
    starved: Duration,
}

impl Worker {
    fn run(mut self, mut volume: MountedVolume, point: &AppendPoint) -> DriveEnd {
        let started = Instant::now();
        let opened = VolumeAppender::open(&mut *volume.device, &volume.label, point);
        let result = opened.and_then(|mut appender| {
            let written = self.write(&mut appender);
            if written.as_ref().is_err_and(session_goes_on) {
                // What the drive still says is confirmed is confirmed; more cannot be done.
                let told = self.poll(&mut appender);
                tracing::debug!(?told, "asked a failing drive what is confirmed");
            }
            written
        });
        let busy = started.elapsed().saturating_sub(self.starved);
        let time = StageTime {
            busy,
            starved: self.starved,
            blocked: Duration::ZERO,
        };
        let unconfirmed = self.pending.len();
        DriveEnd {
            volume,
            result,
            unconfirmed,
            time,
        }
    }

    fn write(&mut self, appender: &mut VolumeAppender<'_>) -> Result<(), VolumeError> {
        while let Some(order) = self.next_order(appender)? {
            match order {
                ToDrive::Record(record) => {
                    let records = self.gather(record, appender.records_at_once());
                    let slices: Vec<_> = records.iter().map(Vec::as_slice).collect();
                    self.note(appender.write_records(&slices)?);
                    for record in records {
                        // Framing may be gone already; then nobody needs the buffer.
                        let _ = self.give_back.send(record);
                    }
                }
                ToDrive::Close(segment) => {
                    self.note(appender.close_segment(&segment)?);
                    self.pending.push(segment.receipt);
                }
                ToDrive::Room(reply) => {
                    let room = appender.room_bytes()?;
                    let _ = reply.send(room);
                }
            }
            if !self.pending.is_empty() && self.polled_at.elapsed() >= POLL_INTERVAL {
                self.poll(appender)?;
            }
        }
        appender.synchronize()?;
        self.poll(appender)
    }

    /// `first` and the records that wait behind it already, up to `most`.
    fn gather(&mut self, first: Vec<u8>, most: usize) -> Vec<Vec<u8>> {
        let mut records = vec![first];
        while records.len() < most.min(self.records_at_once) {
            match self.orders.try_recv() {
                Ok(ToDrive::Record(record)) => records.push(record),
                Ok(other) => {
                    self.put_back = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        records
    }

    /// The next order, or `None` once no more will come.
    fn next_order(
        &mut self,
        appender: &mut VolumeAppender<'_>,
    ) -> Result<Option<ToDrive>, VolumeError> {
        if let Some(order) = self.put_back.take().or_else(|| self.orders.try_recv().ok()) {
            return Ok(Some(order));
        }
        loop {
            match timed(&mut self.starved, || {
                self.orders.recv_timeout(POLL_INTERVAL)
            }) {
                Ok(order) => return Ok(Some(order)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if self.pending.is_empty() => {}
                Err(RecvTimeoutError::Timeout) => self.poll(appender)?,
            }
        }
    }

    fn note(&self, room: Room) {
        if room == Room::Low {
            self.low.store(true, Ordering::Relaxed);
        }
    }

    /// Reports the segments that the drive has confirmed.
    fn poll(&mut self, appender: &mut VolumeAppender<'_>) -> Result<(), VolumeError> {
        self.polled_at = Instant::now();
        if self.pending.is_empty() {
            return Ok(());
        }
        let confirmed = appender.confirmed()?;
        let proven = self
            .pending
            .iter()
            .take_while(|receipt| receipt.end_block <= confirmed);
        for receipt in self.pending.drain(..proven.count()) {
            // Framing listens until this thread has ended.
            let _ = self.report.send(receipt);
        }
        Ok(())
    }
}

/// True for failures behind which the drive's word on what is confirmed still counts. After
/// any other it is about another session, or the drive was just found to say what is not so.
fn session_goes_on(error: &VolumeError) -> bool {
    use DriveErrorKind::{EndOfPartition, Hardware, Medium};
    match error {
        VolumeError::VolumeEnded { .. } => true,
        VolumeError::Drive { source, .. } => {
            matches!(source.kind, Medium | Hardware | EndOfPartition)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(orders: Receiver<ToDrive>, records_at_once: usize) -> Worker {
        Worker {
            orders,
            give_back: channel().0,
            report: channel().0,
            low: Arc::default(),
            records_at_once,
            put_back: None,
            pending: Vec::new(),
            polled_at: Instant::now(),
            starved: Duration::ZERO,
        }
    }

    #[test]
    fn records_are_gathered_that_wait_already_and_never_past_another_order() {
        let gathered = |records_at_once, most| {
            let (to_drive, orders) = sync_channel(8);
            for number in 1..4 {
                to_drive.send(ToDrive::Record(vec![number])).unwrap();
            }
            to_drive.send(ToDrive::Room(sync_channel(1).0)).unwrap();
            to_drive.send(ToDrive::Record(vec![4])).unwrap();
            let mut worker = worker(orders, records_at_once);
            let records = worker.gather(vec![0], most).concat();
            (records, matches!(worker.put_back, Some(ToDrive::Room(_))))
        };
        assert_eq!(gathered(12, 8), (vec![0, 1, 2, 3], true));
        assert_eq!(gathered(12, 3), (vec![0, 1, 2], false));
        assert_eq!(gathered(2, 8), (vec![0, 1], false));
        assert_eq!(gathered(0, 1), (vec![0], false));
        let (_to_drive, orders) = sync_channel(1);
        assert_eq!(worker(orders, 12).gather(vec![0], 8).len(), 1, "no waiting");
    }
}
