//! One restore while it runs: volume after volume, in one drive or in several at once, then links
//! and directories.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::FirstName;
use super::copies::Copies;
use super::crew::{Crew, Held};
use super::incoming::Lost;
use super::links::{FirstNames, Placed};
use super::pass::Pass;
use super::plan::{MemberRead, RestorePlan, VolumeReads};
use super::read::{Destination, Done, Failed};
use super::report::{RestoreOutcome, RestoreReport, VolumeFailure};
use crate::drive::DriveError;
use crate::engine::target::TargetErrorKind;
use crate::engine::{EngineError, MountedVolume, VolumeEnd, VolumeSource};
use crate::error_text::with_causes;
use crate::monitor::{Monitor, Problem};
use crate::volume::VolumeError;
use crate::volume::failure::{is_cancelled, is_of_drive};
use crate::volume::read::RecordReader;
use crate::volume::resume::ResumingReader;

/// See the module. Drives share it.
pub(super) struct Run<'a> {
    plan: &'a RestorePlan,
    monitor: &'a dyn Monitor,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    placed: Placed,
    copies: Copies<'a>,
    report: RestoreReport,
    /// Set when the run cannot or must not go on.
    ending: Option<RestoreOutcome>,
}

impl<'a> Run<'a> {
    pub(super) fn new(plan: &'a RestorePlan, monitor: &'a dyn Monitor) -> Self {
        let (files, bytes) = plan.totals();
        monitor.expect(files + plan.known.len() as u64, bytes);
        Self {
            plan,
            monitor,
            state: Mutex::new(State {
                placed: Placed::none_of(plan),
                copies: Copies::of(plan),
                report: RestoreReport::new(),
                ending: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of the whole.
    pub(super) fn monitor(&self) -> &'a dyn Monitor {
        self.monitor
    }

    /// The volumes of the plan, for so many drives.
    pub(super) fn volumes(&self, drives: usize) -> Crew {
        Crew::new(drives, 0..self.plan.volumes.len())
    }

    /// The volumes with other copies. From now on what is lost is lost, and of volumes those reads
    /// are carried out that bring what was lost before.
    pub(super) fn spares(&self, drives: usize, destination: &mut dyn Destination<'a>) -> Crew {
        let mut state = self.state();
        state.copies.turn_to_spares();
        for volume in &self.plan.spares {
            destination.restart(&volume.reads, &|name| state.copies.wants(name));
        }
        let first = self.plan.volumes.len();
        Crew::new(drives, first..first + self.plan.spares.len())
    }

    /// The volumes of the plan once more, for what came in part from other copies.
    pub(super) fn volumes_again(&self, drives: usize) -> Crew {
        self.state().copies.turn_to_first_again();
        self.volumes(drives)
    }

    /// The volume of this number; spares come behind the others.
    fn volume(&self, number: usize) -> &'a VolumeReads {
        let (volumes, spares) = (&self.plan.volumes, &self.plan.spares);
        match number.checked_sub(volumes.len()) {
            None => &volumes[number],
            Some(spare) => &spares[spare],
        }
    }

    /// True if something of a volume is still to be read.
    fn wants(&self, reads: &VolumeReads) -> bool {
        let copies = &self.state().copies;
        reads.reads.iter().any(|read| copies.wants(&read.name))
    }

    /// True once nothing more is to be read.
    pub(super) fn is_ending(&self) -> bool {
        self.state().ending.is_some()
    }

    /// It was stopped.
    pub(super) fn stopped(&self) {
        self.state().ending.get_or_insert(RestoreOutcome::Stopped);
    }

    /// How it went so far.
    pub(super) fn report(&mut self) -> &mut RestoreReport {
        let state = self.state.get_mut();
        &mut state.unwrap_or_else(PoisonError::into_inner).report
    }

    /// Notes an object that was not restored, and whether anything more can be.
    fn lost(&self, name: &[u8], lost: Lost) {
        let mut state = self.state();
        let what = match lost {
            Lost::Content(what) | Lost::Doubt(what) => what,
            Lost::Target(error) => {
                if error.kind == TargetErrorKind::Full {
                    state.ending = Some(RestoreOutcome::TargetFull);
                }
                error.what
            }
            Lost::Stopped => {
                state.ending.get_or_insert(RestoreOutcome::Stopped);
                "stopped before its end".to_owned()
            }
        };
        state.report.problem(name, what, self.monitor);
    }

    /// Makes the links, also to what `came` by other ways, and says how it went.
    pub(super) fn finish(
        self,
        destination: &mut dyn Destination<'a>,
        came: &[FirstName],
    ) -> RestoreReport {
        for name in destination.unfinished() {
            let what = "not all of its parts were restored".to_owned();
            self.state().report.problem(name, what, self.monitor);
        }
        let links = destination.links();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first_names = FirstNames::find(&links, self.plan, &state.placed, came);
        drop(state);
        for (number, link) in links.iter().enumerate() {
            let linked = first_names
                .of(link)
                .and_then(|first| destination.link(number, link, first));
            match linked {
                Ok(()) => self.state().report.count(None, false, self.monitor),
                Err(lost) => {
                    destination.lose(link.name, false);
                    self.lost(link.name, lost);
                }
            }
        }
        let state = self.state.into_inner();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        RestoreReport {
            outcome: state.ending.unwrap_or(RestoreOutcome::Complete),
            ..state.report
        }
    }
}

/// One drive at work for a run.
pub(super) struct Reader<'r, 'a, D: ?Sized> {
    pub(super) run: &'r Run<'a>,
    pub(super) destination: &'r mut D,
    /// Hears of this drive.
    pub(super) monitor: &'r dyn Monitor,
}

/// What of a volume was not read, since the drive failed.
struct Failure {
    error: VolumeError,
    /// Numbers of the reads that are left, in their order.
    left: Vec<usize>,
}

impl<'a, D: Destination<'a> + ?Sized> Reader<'_, 'a, D> {
    /// Reads volumes until none is left, or this drive fails and others go on.
    pub(super) fn work(&mut self, crew: &Crew, volumes: &mut dyn VolumeSource) {
        while let Some(mut held) = crew.next() {
            if self.run.is_ending() {
                return;
            }
            let reads = self.run.volume(held.task.volume);
            if self.run.wants(reads) && !self.volume(&mut held, reads, volumes) {
                return;
            }
        }
    }

    /// Mounts a volume and carries out its reads. False if this drive is not to be used again.
    fn volume(
        &mut self,
        held: &mut Held<'_>,
        reads: &'a VolumeReads,
        volumes: &mut dyn VolumeSource,
    ) -> bool {
        self.monitor.phase(&format!("mounting {}", reads.barcode));
        let mut mounted = match volumes.mount(reads.volume) {
            Ok(mounted) => mounted,
            // Stopped while it was mounted, most likely: the next is not even tried.
            Err(_) if self.monitor.stop_requested() => {
                self.run.stopped();
                return false;
            }
            Err(error) => {
                let what = format!("cannot be mounted: {}", with_causes(&*error));
                let left = (0..reads.reads.len()).filter(|&read| held.task.has(read));
                let left: Vec<usize> = left.collect();
                if volumes.is_of_drives(&error) && self.pass_on(held, reads, &left, &what) {
                    return false;
                }
                let failure = VolumeFailure::of_source(reads, what);
                self.volume_failed(failure, reads, &left);
                return true;
            }
        };
        let (end, failure) = match mismatch(&mounted, reads) {
            Some(error) => {
                let failure = VolumeFailure::mounted(reads, error);
                let left = (0..reads.reads.len()).filter(|&read| held.task.has(read));
                self.volume_failed(failure, reads, &left.collect::<Vec<_>>());
                (VolumeEnd::Open, None)
            }
            None => self.read_volume(held, reads, &mut mounted, volumes),
        };
        if let Err(error) = volumes.release(mounted, end) {
            let what = format!("cannot be given back: {}", with_causes(&*error));
            let failure = VolumeFailure::of_source(reads, what);
            self.volume_failed(failure, reads, &[]);
        }
        let Some(Failure { error, left }) = failure else {
            return true;
        };
        // Only now it is out of the drive.
        let is_of_drive = is_of_drive(&error);
        let barcode = reads.barcode.clone();
        let error = EngineError::Volume {
            barcode,
            source: error,
        };
        if is_of_drive && self.pass_on(held, reads, &left, &with_causes(&error)) {
            return false;
        }
        self.volume_failed(VolumeFailure::mounted(reads, error), reads, &left);
        true
    }

    /// Gives what is left of a volume to the other drives, if there are such.
    fn pass_on(
        &self,
        held: &mut Held<'_>,
        reads: &VolumeReads,
        left: &[usize],
        what: &str,
    ) -> bool {
        let passed_on = held.pass_on(left.iter().copied().collect::<HashSet<_>>());
        if passed_on {
            let what = format!("{what}; another drive of this restore goes on with it");
            tracing::warn!(barcode = reads.barcode, "{what}");
            self.monitor.problem(&Problem {
                path: format!("volume {}", reads.barcode),
                what,
            });
        }
        passed_on
    }

    /// Notes a volume that failed, and names what the reads `left` would have restored.
    fn volume_failed(
        &mut self,
        mut failure: VolumeFailure,
        reads: &'a VolumeReads,
        left: &[usize],
    ) {
        let mut fell_back = 0;
        for read in left.iter().map(|&read| &reads.reads[read]) {
            if !self.run.state().copies.wants(&read.name) {
                continue;
            }
            let is_new = self.destination.lose(&read.name, true);
            if read.part.is_some() && !is_new {
                continue;
            }
            match self.falls_back(&read.name, &reads.barcode, &failure.what) {
                true => fell_back += 1,
                false => failure.lost.push(read.name.clone()),
            }
        }
        let mut state = self.run.state();
        let (volume, what) = (reads.volume, failure.what.as_str());
        state.report.fell_back(volume, fell_back, what);
        state.report.volume_failed(failure, self.run.monitor);
    }

    /// Notes that the copy of an object on this volume cannot be read, for that reason. False if it
    /// has no other.
    fn falls_back(&self, name: &'a [u8], barcode: &str, what: &str) -> bool {
        let can_mend = self.destination.can_mend(name);
        let copies = &mut self.run.state().copies;
        let falls_back = copies.falls_back(name, can_mend);
        if falls_back {
            copies.tried(name, barcode, what);
        }
        falls_back
    }

    fn read_volume(
        &mut self,
        held: &Held<'_>,
        reads: &'a VolumeReads,
        mounted: &mut MountedVolume,
        volumes: &mut dyn VolumeSource,
    ) -> (VolumeEnd, Option<Failure>) {
        let (device, label) = (mounted.device.as_mut(), &mounted.label);
        let mut device = ResumingReader::new(device, label, self.monitor);
        let turns = volumes.order(reads, &mut device);
        let mut turns = turns.unwrap_or_else(|| reads.turns());
        turns.retain(|turn| held.task.has(turn.read));
        let bytes = turns.iter().map(|turn| reads.reads[turn.read].length_bytes);
        let what = format!("restoring from {}", reads.barcode);
        self.monitor
            .phase_of(&what, bytes.fold(0, u64::saturating_add));
        let mut change = |error: &DriveError| volumes.change_drive(error);
        let mut device = device.or_elsewhere(&mut change);
        let reader = RecordReader::new(&mut device, reads.block_bytes);
        let mut pass = Pass::new(reader, reads.block_bytes);
        let mut failure = None;
        for (done, turn) in turns.iter().enumerate() {
            if self.monitor.stop_requested() {
                self.run.stopped();
            }
            if self.run.is_ending() {
                break;
            }
            let read = &reads.reads[turn.read];
            if !self.run.state().copies.wants(&read.name) {
                continue;
            }
            pass.may_read_on(turn.read_on_records);
            if let Err(error) = self.carry_out(held.task.volume, turn.read, read, &mut pass) {
                let left = turns[done..].iter().map(|turn| turn.read).collect();
                failure = Some(Failure { error, left });
                break;
            }
        }
        let damage = pass.damage().map(str::to_owned);
        let end = damage.map_or(VolumeEnd::Open, VolumeEnd::Suspect);
        (end, failure)
    }

    /// Carries out one read.
    ///
    /// # Errors
    ///
    /// The volume cannot be read on.
    fn carry_out(
        &mut self,
        volume: usize,
        number: usize,
        read: &'a MemberRead,
        pass: &mut Pass<'_>,
    ) -> Result<(), VolumeError> {
        match self.destination.read(pass, read) {
            Ok(Done::Placed {
                file_bytes,
                verified,
            }) => {
                let mut state = self.run.state();
                state.placed.set(volume, number);
                state.report.from_spares += u64::from(state.copies.are_others());
                state.report.count(file_bytes, verified, self.monitor);
            }
            Ok(Done::Later | Done::LostBefore) => {}
            Err(Failed::Object(Lost::Content(what) | Lost::Doubt(what))) => {
                let VolumeReads {
                    volume, barcode, ..
                } = self.run.volume(volume);
                if self.falls_back(&read.name, barcode, &what) {
                    self.destination.lose(&read.name, true);
                    let what = format!("on {barcode}: {what}");
                    let mut state = self.run.state();
                    state
                        .report
                        .falls_back(*volume, &read.name, &what, self.monitor);
                } else {
                    let mut state = self.run.state();
                    let what = state.copies.all_tried(&read.name, barcode, &what);
                    drop(state);
                    self.lost(&read.name, Lost::Content(what));
                }
            }
            Err(Failed::Object(lost)) => self.lost(&read.name, lost),
            Err(Failed::Volume(error)) if is_cancelled(&error) => {
                self.lost(&read.name, Lost::Stopped);
            }
            Err(Failed::Volume(error)) => return Err(error),
        }
        Ok(())
    }

    fn lost(&mut self, name: &[u8], lost: Lost) {
        self.destination.lose(name, lost.goes_on());
        self.run.lost(name, lost);
    }
}

/// What of the mounted volume is not as the plan says.
pub(super) fn mismatch(mounted: &MountedVolume, reads: &VolumeReads) -> Option<EngineError> {
    let label = &mounted.label;
    let what = if label.volume != reads.volume {
        format!("volume {} was expected", reads.volume)
    } else if label.block_bytes != reads.block_bytes {
        format!(
            "its block size is {}, the plan says {}",
            label.block_bytes, reads.block_bytes
        )
    } else {
        return None;
    };
    let barcode = label.barcode.clone();
    Some(EngineError::WrongVolume { barcode, what })
}
