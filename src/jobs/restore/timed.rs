//! A source of volumes that notes what mounting, reading and giving back took, step by step.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::metered::{Did, Meter, Metered, SharedMeter, lock};
use super::replan::Layouts;
use crate::clock::seconds_between;
use crate::drive::{DriveError, SequentialDevice};
use crate::engine::restore::{Turn, VolumeReads};
use crate::engine::{BoxedError, MountedVolume, VolumeEnd, VolumeSource};
use crate::jobs::mount::Stopwatch;
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
    fn add(&mut self, more: Spans) {
        self.mount_s += more.mount_s;
        self.read_s += more.read_s;
        self.release_s += more.release_s;
    }

    pub(super) fn total_s(&self) -> f64 {
        self.mount_s + self.read_s + self.release_s
    }
}

/// What a tape took, in all and step by step. What by the data sheet moves, loads and unloads take
/// is not known here.
#[derive(Debug, Clone, Default)]
pub(super) struct Took {
    pub(super) spans: Spans,
    /// How often it was mounted.
    pub(super) mounts: u64,
    pub(super) robot: Did,
    pub(super) load: Did,
    pub(super) locate: Did,
    pub(super) read: Did,
    pub(super) rewind: Did,
    pub(super) unload: Did,
    pub(super) home: Did,
    /// Product name of the drive that took it last.
    pub(super) model: Option<String>,
}

impl Took {
    pub(super) fn add(&mut self, more: Took) {
        self.spans.add(more.spans);
        self.mounts += more.mounts;
        let with = [
            (&mut self.robot, more.robot),
            (&mut self.load, more.load),
            (&mut self.locate, more.locate),
            (&mut self.read, more.read),
            (&mut self.rewind, more.rewind),
            (&mut self.unload, more.unload),
            (&mut self.home, more.home),
        ];
        for (did, more) in with {
            did.add(&more);
        }
        self.model = more.model.or(self.model.take());
    }
}

/// See the module.
pub(super) struct Timed<S> {
    source: S,
    watch: Stopwatch,
    layouts: Layouts,
    /// By mount, in their order.
    took: Vec<(Uuid, Took)>,
    /// The volume that the engine has, and since when.
    lent: Option<(Timestamp, SharedMeter)>,
}

impl<S: VolumeSource> Timed<S> {
    /// `watch` is that of whoever moves the tapes of `source`.
    pub(super) fn new(source: S, watch: Stopwatch, layouts: Layouts) -> Self {
        Self {
            source,
            watch,
            layouts,
            took: Vec::new(),
            lent: None,
        }
    }

    /// The source, and what each volume took, in all of its mounts.
    pub(super) fn finish(self) -> (S, Vec<(Uuid, Took)>) {
        let mut all = Vec::new();
        add_up(&mut all, self.took);
        (self.source, all)
    }

    fn since(&self, begun: Timestamp) -> f64 {
        seconds_between(begun, self.watch.now())
    }

    /// Lends a volume so that what it does is counted.
    fn lend(&mut self, volume: MountedVolume, since: Timestamp) -> MountedVolume {
        let tape = self.layouts.tape_of(volume.label.volume).cloned();
        let meter = Meter::new(tape, u64::from(volume.label.block_bytes));
        let meter = Arc::new(Mutex::new(meter));
        self.lent = Some((since, Arc::clone(&meter)));
        let device = Box::new(Metered {
            device: volume.device,
            meter,
            hand: self.watch.hand(),
        });
        MountedVolume { device, ..volume }
    }
}

/// Adds what volumes took, of which each is in `all` once.
pub(super) fn add_up(all: &mut Vec<(Uuid, Took)>, more: Vec<(Uuid, Took)>) {
    for (volume, took) in more {
        match all.iter_mut().find(|(one, _)| *one == volume) {
            Some((_, known)) => known.add(took),
            None => all.push((volume, took)),
        }
    }
}

fn times(count: u64, seconds: f64) -> Did {
    Did {
        count,
        real_s: seconds,
        ..Did::default()
    }
}

/// Winds the tape back, which an unload would do, too: so it is known what each of them takes.
/// What is wrong with the drive, the unload will say.
fn wind_back(volume: &mut MountedVolume, meter: &SharedMeter, watch: &Stopwatch) -> Did {
    let Some(sheet_s) = lock(meter).rewind_sheet_s() else {
        return Did::default();
    };
    let begun = watch.now();
    match volume.device.rewind() {
        Ok(()) => Did {
            sheet_s,
            ..times(1, seconds_between(begun, watch.now()))
        },
        Err(error) => {
            tracing::warn!(%error, "the tape is not wound back by itself");
            Did::default()
        }
    }
}

impl<S: VolumeSource> VolumeSource for Timed<S> {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        self.source.next_for_append()
    }

    fn mount(&mut self, volume: Uuid) -> Result<MountedVolume, BoxedError> {
        self.watch.take();
        let begun = self.watch.now();
        let mounted = self.source.mount(volume);
        let ready_at = self.watch.now();
        let steps = self.watch.take();
        let mut took = Took {
            spans: Spans {
                mount_s: seconds_between(begun, ready_at),
                ..Spans::default()
            },
            mounts: u64::from(mounted.is_ok()),
            robot: times(steps.moves, steps.moves_s),
            model: steps.model,
            ..Took::default()
        };
        let seated_at = steps.seated_at.filter(|_| mounted.is_ok());
        if let Some(seated_at) = seated_at {
            took.load = times(1, seconds_between(seated_at, ready_at));
        }
        self.took.push((volume, took));
        Ok(self.lend(mounted?, ready_at))
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
        let begun = self.watch.now();
        let came = self.source.change_drive(error);
        if let Some((_, meter)) = &self.lent {
            lock(meter).spent_beside(self.since(begun));
        }
        came
    }

    fn release(&mut self, mut volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        let begun = self.watch.now();
        let lent = self.lent.take();
        let of_use = lent.map(|(since, meter)| {
            let used_s = seconds_between(since, begun);
            let (locate, read) = lock(&meter).take(used_s);
            let rewind = wind_back(&mut volume, &meter, &self.watch);
            (used_s, locate, read, rewind)
        });
        self.watch.take();
        let released = self.source.release(volume, end);
        let steps = self.watch.take();
        let release_s = self.since(begun);
        if let (Some((_, took)), Some((used_s, locate, read, rewind))) =
            (self.took.last_mut(), of_use)
        {
            took.spans.read_s = used_s;
            took.spans.release_s = release_s;
            (took.locate, took.read, took.rewind) = (locate, read, rewind);
            took.unload = times(steps.unloads, steps.unloads_s);
            took.home = times(steps.moves, steps.moves_s);
        }
        released
    }
}
