//! Stage 3: one thread per mounted volume writes its records when the [`Gate`] lets it, and
//! learns what is confirmed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel,
};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::gate::{Gate, Marks};
use super::records::{DriveStopped, Records};
use super::stage::{StageTime, spawn, timed};
use crate::drive::DriveErrorKind;
use crate::engine::{EngineError, MountedVolume};
use crate::volume::VolumeError;
use crate::volume::append::{AppendPoint, Room, VolumeAppender};
use crate::volume::segment::ClosedSegment;

/// The drive is asked this often how far it has come, while anything is unconfirmed or the
/// pool has run low.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Records that go to the drive at once are this share of the pool (one of so many) at most:
/// framing fills the others meanwhile.
const POOL_SHARE: usize = 4;

/// A pool is no larger than this share (one of so many) of what the volume takes: the drive
/// warns of the end by what was written, and the pool is still to come then.
const VOLUME_SHARE: u64 = 128;

/// So many records are always pooled; and no more for a drive that does not tell what is left,
/// so that they fit behind its warning.
const RECORDS_MIN: usize = 48;

/// What the drive thread is told, in the order of the tape.
pub(super) enum ToDrive {
    /// Write this record.
    Record(Vec<u8>),
    /// Close the segment whose records have all come.
    Close(Box<ClosedSegment>),
    /// Say at once what room is left behind everything told before.
    Room(SyncSender<RoomLeft>),
}

/// What room is left on a volume.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoomLeft {
    /// `None` if the drive cannot tell.
    pub(super) bytes: Option<u64>,
    /// The most records that may be pooled for it.
    pub(super) records: usize,
}

/// What the thread lets be seen while it runs.
#[derive(Debug, Default)]
struct Signs {
    low: AtomicBool,
    starved_ms: AtomicU64,
}

/// The running drive thread, seen from the framing side. Ends once every sender of
/// [`ToDrive`] is gone, having flushed.
pub(super) struct Drive {
    to_drive: SyncSender<ToDrive>,
    /// Segments as they are confirmed, in order. Closed once the thread is through.
    pub(super) confirmed: Receiver<ClosedSegment>,
    signs: Arc<Signs>,
    thread: JoinHandle<DriveEnd>,
}

/// Whether a drive has warned of the end of its tape.
pub(super) struct Low(Arc<Signs>);

impl Low {
    pub(super) fn is_set(&self) -> bool {
        self.0.low.load(Ordering::Relaxed)
    }
}

/// How the drive thread ended.
pub(super) struct DriveEnd {
    pub(super) volume: MountedVolume,
    pub(super) result: Result<(), VolumeError>,
    /// Segments closed that the drive did not confirm. Without an error in `result` this
    /// is one: the drive flushed, and says otherwise.
    pub(super) unconfirmed: usize,
    pub(super) time: StageTime,
    /// How often the source was too slow for the tape.
    pub(super) pauses: u64,
}

impl Drive {
    /// Hands `volume` to a thread, which first proves that it stands at `point`; all of it, or
    /// that it still does where `goes_on`.
    pub(super) fn start(
        volume: MountedVolume,
        (point, goes_on): (AppendPoint, bool),
        records: usize,
        marks: Marks,
    ) -> Result<(Self, Records), EngineError> {
        let records = records.max(2);
        let (to_drive, orders) = sync_channel(records + 2);
        let (report, confirmed) = channel();
        let (give_back, written) = channel();
        let signs = Arc::new(Signs::default());
        let block_bytes = volume.label.block_bytes as usize;
        let pool = Records::new(to_drive.clone(), written, block_bytes, records);
        let shared = Arc::clone(&signs);
        let thread = spawn("drive", move || {
            let mut worker = Worker::new(orders, give_back, report, records, marks);
            worker.signs = shared;
            worker.block_bytes = block_bytes as u64;
            worker.run(volume, &point, goes_on)
        })?;
        Ok((
            Self {
                to_drive,
                confirmed,
                signs,
                thread,
            },
            pool,
        ))
    }

    /// True once the drive has warned that the end of the tape is near.
    pub(super) fn is_low(&self) -> bool {
        self.signs.low.load(Ordering::Relaxed)
    }

    /// Tells that also once the thread has ended.
    pub(super) fn low(&self) -> Low {
        Low(Arc::clone(&self.signs))
    }

    /// How long the drive waited for records until now.
    pub(super) fn starved(&self) -> Duration {
        Duration::from_millis(self.signs.starved_ms.load(Ordering::Relaxed))
    }

    /// Asks what room is left behind everything told before, and how many records may be
    /// pooled.
    pub(super) fn room(&self) -> Result<RoomLeft, DriveStopped> {
        let (reply, answer) = sync_channel(1);
        self.to_drive
            .send(ToDrive::Room(reply))
            .map_err(|_| DriveStopped)?;
        answer.recv().map_err(|_| DriveStopped)
    }

    /// Closes the segment whose records have all been sent.
    pub(super) fn close(&self, segment: ClosedSegment) -> Result<(), DriveStopped> {
        self.to_drive
            .send(ToDrive::Close(Box::new(segment)))
            .map_err(|_| DriveStopped)
    }

    /// Lets the thread flush and end, once the records' senders are gone as well.
    pub(super) fn finish(self) -> (Receiver<ClosedSegment>, Ending) {
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
    /// Everyone who could give orders is gone.
    closed: bool,
    give_back: Sender<Vec<u8>>,
    report: Sender<ClosedSegment>,
    signs: Arc<Signs>,
    block_bytes: u64,
    /// The most records that are pooled.
    records: usize,
    gate: Gate,
    marks: Marks,
    /// Orders that came and were not carried out, oldest first, and the records among them.
    backlog: VecDeque<ToDrive>,
    waiting: usize,
    /// Closed segments that are not confirmed yet, oldest first.
    pending: Vec<ClosedSegment>,
    polled_at: Instant,
    starved: Duration,
    written: u64,
}

impl Worker {
    fn new(
        orders: Receiver<ToDrive>,
        give_back: Sender<Vec<u8>>,
        report: Sender<ClosedSegment>,
        records: usize,
        marks: Marks,
    ) -> Self {
        Self {
            orders,
            closed: false,
            give_back,
            report,
            signs: Arc::default(),
            block_bytes: 0,
            records,
            gate: Gate::new(records, marks),
            marks,
            backlog: VecDeque::new(),
            waiting: 0,
            pending: Vec::new(),
            polled_at: Instant::now(),
            starved: Duration::ZERO,
            written: 0,
        }
    }

    fn run(mut self, mut volume: MountedVolume, point: &AppendPoint, goes_on: bool) -> DriveEnd {
        let started = Instant::now();
        let (device, label) = (&mut *volume.device, &volume.label);
        let opened = match goes_on {
            false => VolumeAppender::open(device, label, point),
            true => VolumeAppender::go_on(device, label, point),
        };
        let result = opened.and_then(|mut appender| {
            let written = self.write(&mut appender);
            if appender.was_warned() {
                self.note(Room::Low);
            }
            if written.as_ref().is_err_and(session_goes_on) {
                // What the drive still says is confirmed is confirmed; more cannot be done.
                let told = self.poll(&mut appender);
                tracing::debug!(?told, "asked a failing drive what is confirmed");
            }
            written
        });
        let busy = started.elapsed().saturating_sub(self.starved);
        let time = StageTime {
            bytes: self.written * self.block_bytes,
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
            pauses: self.gate.pauses(),
        }
    }

    fn write(&mut self, appender: &mut VolumeAppender<'_>) -> Result<(), VolumeError> {
        loop {
            while !self.closed {
                match self.orders.try_recv() {
                    Ok(order) => self.take(order, appender)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => self.closed = true,
                }
            }
            if self.closed {
                self.gate.open();
            }
            if self.gate.is_open(self.waiting) && !self.backlog.is_empty() {
                self.carry_out(appender)?;
            } else if self.closed {
                break;
            } else {
                self.wait(appender)?;
            }
            if self.polled_at.elapsed() >= POLL_INTERVAL {
                self.poll(appender)?;
            }
        }
        appender.synchronize()?;
        self.poll(appender)
    }

    /// Waits for an order, though not for long.
    fn wait(&mut self, appender: &mut VolumeAppender<'_>) -> Result<(), VolumeError> {
        let received = timed(&mut self.starved, || {
            self.orders.recv_timeout(POLL_INTERVAL)
        });
        let starved_ms = u64::try_from(self.starved.as_millis()).unwrap_or(u64::MAX);
        self.signs.starved_ms.store(starved_ms, Ordering::Relaxed);
        match received {
            Ok(order) => self.take(order, appender)?,
            Err(RecvTimeoutError::Disconnected) => self.closed = true,
            Err(RecvTimeoutError::Timeout) => {}
        }
        Ok(())
    }

    /// Takes an order into the backlog; a question is answered at once.
    fn take(
        &mut self,
        order: ToDrive,
        appender: &mut VolumeAppender<'_>,
    ) -> Result<(), VolumeError> {
        match order {
            ToDrive::Record(_) => self.waiting += 1,
            ToDrive::Close(_) => {}
            ToDrive::Room(reply) => {
                let room = self.room(appender)?;
                // Framing waits for it.
                let _ = reply.send(room);
                return Ok(());
            }
        }
        self.backlog.push_back(order);
        Ok(())
    }

    fn room(&mut self, appender: &mut VolumeAppender<'_>) -> Result<RoomLeft, VolumeError> {
        let bytes = appender.room_bytes()?.map(|bytes| {
            let orders = self.backlog.iter();
            let waiting = orders.map(|order| match order {
                ToDrive::Record(record) => record.len() as u64,
                ToDrive::Close(segment) => segment.segment().index_records.len() as u64,
                ToDrive::Room(_) => 0,
            });
            bytes.saturating_sub(waiting.sum())
        });
        if self.written == 0 && self.backlog.is_empty() {
            let share = bytes.map_or(0, |bytes| bytes / VOLUME_SHARE / self.block_bytes);
            let most = usize::try_from(share)
                .unwrap_or(usize::MAX)
                .max(RECORDS_MIN);
            self.records = self.records.min(most);
            self.gate = Gate::new(self.records, self.marks);
        }
        let records = self.records;
        Ok(RoomLeft { bytes, records })
    }

    /// Carries out the oldest order, with as many records as are best written at once.
    fn carry_out(&mut self, appender: &mut VolumeAppender<'_>) -> Result<(), VolumeError> {
        if let Some(ToDrive::Close(_)) = self.backlog.front() {
            if let Some(ToDrive::Close(mut closed)) = self.backlog.pop_front() {
                self.note(appender.close_segment(closed.segment())?);
                closed.index_taken();
                self.pending.push(*closed);
            }
            return Ok(());
        }
        let records = self.gather(appender.records_at_once());
        let slices: Vec<_> = records.iter().map(Vec::as_slice).collect();
        self.note(appender.write_records(&slices)?);
        self.written += records.len() as u64;
        for record in records {
            // Framing may be gone already; then nobody needs the buffer.
            let _ = self.give_back.send(record);
        }
        Ok(())
    }

    /// The oldest records, up to `most` and never past another order.
    fn gather(&mut self, most: usize) -> Vec<Vec<u8>> {
        let most = most.min(self.records / POOL_SHARE).max(1);
        let mut records = Vec::with_capacity(most.min(self.waiting));
        while records.len() < most {
            match self.backlog.pop_front() {
                Some(ToDrive::Record(record)) => records.push(record),
                Some(other) => {
                    self.backlog.push_front(other);
                    break;
                }
                None => break,
            }
        }
        self.waiting -= records.len();
        records
    }

    fn note(&self, room: Room) {
        if room == Room::Low {
            self.signs.low.store(true, Ordering::Relaxed);
        }
    }

    /// Reports the segments that the drive has confirmed, and tells the gate how much work
    /// the drive has.
    fn poll(&mut self, appender: &mut VolumeAppender<'_>) -> Result<(), VolumeError> {
        self.polled_at = Instant::now();
        let low = !self.closed && self.gate.is_low(self.waiting);
        if self.pending.is_empty() && !low {
            return Ok(());
        }
        let confirmed = appender.confirmed()?;
        let proven = self
            .pending
            .iter()
            .take_while(|closed| closed.end_block() <= confirmed);
        for closed in self.pending.drain(..proven.count()) {
            // Framing listens until this thread has ended.
            let _ = self.report.send(closed);
        }
        let buffered = appender.next_block().0.saturating_sub(confirmed.0);
        self.gate.heard(self.waiting, buffered * self.block_bytes);
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

    #[test]
    fn records_are_gathered_that_wait_already_and_never_past_another_order() {
        let gathered = |pool, most| {
            let (_, orders) = sync_channel(1);
            let mut worker = Worker::new(orders, channel().0, channel().0, pool, Marks::default());
            worker.backlog = (0..4).map(|number| ToDrive::Record(vec![number])).collect();
            worker.backlog.push_back(ToDrive::Room(sync_channel(1).0));
            worker.backlog.push_back(ToDrive::Record(vec![4]));
            worker.waiting = 5;
            let records = worker.gather(most).concat();
            (records, worker.waiting)
        };
        assert_eq!(gathered(48, 8), (vec![0, 1, 2, 3], 1));
        assert_eq!(gathered(48, 3), (vec![0, 1, 2], 2));
        assert_eq!(gathered(8, 8), (vec![0, 1], 3));
        assert_eq!(gathered(2, 0), (vec![0], 4));
    }
}
