//! A source of volumes that notes what mounting, reading and giving back took.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::clock::Clock;
use crate::drive::{DriveError, SequentialDevice};
use crate::engine::restore::{Turn, VolumeReads};
use crate::engine::{BoxedError, MountedVolume, VolumeEnd, VolumeSource};
use crate::volume::resume::OtherDrive;

/// What a tape took, or is to take, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spans {
    /// To the drive, ready and proved by its label.
    pub mount_s: f64,
    /// Locates and reads.
    pub read_s: f64,
    /// Rewind, unload, and home.
    pub release_s: f64,
}

impl Spans {
    pub(super) fn add(&mut self, more: Spans) {
        self.mount_s += more.mount_s;
        self.read_s += more.read_s;
        self.release_s += more.release_s;
    }

    pub(super) fn total_s(&self) -> f64 {
        self.mount_s + self.read_s + self.release_s
    }
}

/// See the module.
pub(super) struct Timed<'a, S> {
    source: S,
    clock: &'a dyn Clock,
    /// By volume, in the order in which they were asked for.
    spans: Vec<(Uuid, Spans)>,
    ready_at: Option<Timestamp>,
}

impl<'a, S: VolumeSource> Timed<'a, S> {
    pub(super) fn new(source: S, clock: &'a dyn Clock) -> Self {
        Self {
            source,
            clock,
            spans: Vec::new(),
            ready_at: None,
        }
    }

    /// The source, and what each volume took.
    pub(super) fn finish(self) -> (S, Vec<(Uuid, Spans)>) {
        (self.source, self.spans)
    }

    fn since(&self, begun: Timestamp) -> f64 {
        seconds_between(begun, self.clock.now())
    }
}

/// Seconds from one moment to another; none where the clock was set back.
pub(super) fn seconds_between(begun: Timestamp, ended: Timestamp) -> f64 {
    ended.duration_since(begun).as_secs_f64().max(0.0)
}

impl<S: VolumeSource> VolumeSource for Timed<'_, S> {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        self.source.next_for_append()
    }

    fn mount(&mut self, volume: Uuid) -> Result<MountedVolume, BoxedError> {
        let begun = self.clock.now();
        let mounted = self.source.mount(volume);
        let mount_s = self.since(begun);
        self.ready_at = Some(self.clock.now());
        let spans = Spans {
            mount_s,
            ..Spans::default()
        };
        self.spans.push((volume, spans));
        mounted
    }

    fn order(
        &mut self,
        reads: &VolumeReads,
        device: &mut dyn SequentialDevice,
    ) -> Option<Vec<Turn>> {
        self.source.order(reads, device)
    }

    fn is_of_drives(&self, error: &BoxedError) -> bool {
        self.source.is_of_drives(error)
    }

    fn change_drive(&mut self, error: &DriveError) -> OtherDrive {
        self.source.change_drive(error)
    }

    fn release(&mut self, volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        let begun = self.clock.now();
        let released = self.source.release(volume, end);
        let release_s = self.since(begun);
        if let (Some((_, spans)), Some(ready_at)) = (self.spans.last_mut(), self.ready_at.take()) {
            spans.read_s = seconds_between(ready_at, begun);
            spans.release_s = release_s;
        }
        released
    }
}
