//! One restore while it runs: volume after volume, then links and directories.

use crate::drive::DriveError;
use crate::engine::target::TargetErrorKind;
use crate::engine::{EngineError, MountedVolume, VolumeEnd, VolumeSource};
use crate::error_text::with_causes;
use crate::monitor::Monitor;
use crate::volume::failure::is_cancelled;
use crate::volume::read::RecordReader;
use crate::volume::resume::ResumingReader;

use super::FirstName;
use super::copies::Copies;
use super::incoming::Lost;
use super::links::{FirstNames, Placed};
use super::pass::Pass;
use super::plan::{MemberRead, RestorePlan, VolumeReads};
use super::read::{Destination, Done, Failed};
use super::report::{RestoreOutcome, RestoreReport, VolumeFailure};

/// See the module.
pub(super) struct Run<'a, D> {
    plan: &'a RestorePlan,
    monitor: &'a dyn Monitor,
    destination: D,
    placed: Placed,
    copies: Copies<'a>,
    report: RestoreReport,
    /// Set when the run cannot or must not go on.
    ending: Option<RestoreOutcome>,
}

impl<'a, D: Destination<'a>> Run<'a, D> {
    pub(super) fn new(destination: D, plan: &'a RestorePlan, monitor: &'a dyn Monitor) -> Self {
        let (files, bytes) = plan.totals();
        monitor.expect(files, bytes);
        Self {
            plan,
            monitor,
            destination,
            placed: Placed::none_of(plan),
            copies: Copies::of(plan),
            report: RestoreReport::new(),
            ending: None,
        }
    }

    /// Reads all volumes, and those with other copies of what was lost.
    pub(super) fn volumes(&mut self, volumes: &mut dyn VolumeSource) {
        let plan = self.plan;
        for (number, reads) in plan.volumes.iter().enumerate() {
            if self.is_ending() {
                break;
            }
            self.volume(number, reads, volumes);
        }
        self.turn_to_spares();
        for (number, reads) in (plan.volumes.len()..).zip(&plan.spares) {
            if !self.is_ending() && self.wants(reads) {
                self.volume(number, reads, volumes);
            }
        }
    }

    /// True once nothing more is to be read.
    fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// From now on what is lost is lost, and of volumes those reads are carried out that bring
    /// what was lost before.
    fn turn_to_spares(&mut self) {
        self.copies.turn_to_spares();
        let copies = &self.copies;
        for volume in &self.plan.spares {
            self.destination
                .restart(&volume.reads, &|name| copies.wants(name));
        }
    }

    /// True if a spare volume has a copy of what was lost.
    fn wants(&self, reads: &VolumeReads) -> bool {
        reads.reads.iter().any(|read| self.copies.wants(&read.name))
    }

    /// Mounts a volume and carries out its reads.
    fn volume(&mut self, number: usize, reads: &'a VolumeReads, volumes: &mut dyn VolumeSource) {
        self.monitor.phase(&format!("mounting {}", reads.barcode));
        let mut mounted = match volumes.mount(reads.volume) {
            Ok(mounted) => mounted,
            // Stopped while it was mounted, most likely: the next is not even tried.
            Err(_) if self.monitor.stop_requested() => {
                self.ending = Some(RestoreOutcome::Stopped);
                return;
            }
            Err(error) => {
                let what = format!("cannot be mounted: {}", with_causes(&*error));
                let failure = VolumeFailure::of_source(reads, what);
                return self.volume_failed(failure, reads.reads.iter());
            }
        };
        let end = match mismatch(&mounted, reads) {
            Some(error) => {
                let failure = VolumeFailure::mounted(reads, error);
                self.volume_failed(failure, reads.reads.iter());
                VolumeEnd::Open
            }
            None => {
                self.monitor
                    .phase(&format!("restoring from {}", reads.barcode));
                self.read_volume(number, reads, &mut mounted, volumes)
            }
        };
        if let Err(error) = volumes.release(mounted, end) {
            let what = format!("cannot be given back: {}", with_causes(&*error));
            let failure = VolumeFailure::of_source(reads, what);
            self.volume_failed(failure, [].iter());
        }
    }

    /// Notes a volume that failed, and names what the reads `left` would have restored.
    fn volume_failed(
        &mut self,
        mut failure: VolumeFailure,
        left: impl Iterator<Item = &'a MemberRead>,
    ) {
        for read in left {
            if !self.copies.wants(&read.name) {
                continue;
            }
            if read.part.is_some() && !self.destination.lose(&read.name) {
                continue;
            }
            if self.copies.falls_back(&read.name) {
                continue;
            }
            failure.lost.push(read.name.clone());
        }
        self.report.volume_failed(failure, self.monitor);
    }

    fn read_volume(
        &mut self,
        number: usize,
        reads: &'a VolumeReads,
        mounted: &mut MountedVolume,
        volumes: &mut dyn VolumeSource,
    ) -> VolumeEnd {
        let (device, label) = (mounted.device.as_mut(), &mounted.label);
        let mut device = ResumingReader::new(device, label, self.monitor);
        let turns = volumes.order(reads, &mut device);
        let turns = turns.unwrap_or_else(|| reads.turns());
        let mut change = |error: &DriveError| volumes.change_drive(error);
        let mut device = device.or_elsewhere(&mut change);
        let reader = RecordReader::new(&mut device, reads.block_bytes);
        let mut pass = Pass::new(reader, reads.block_bytes);
        for (done, turn) in turns.iter().enumerate() {
            let read = &reads.reads[turn.read];
            if self.ending.is_none() && self.monitor.stop_requested() {
                self.ending = Some(RestoreOutcome::Stopped);
            }
            if self.is_ending() {
                break;
            }
            if !self.copies.wants(&read.name) {
                continue;
            }
            pass.may_read_on(turn.read_on_records);
            match self.destination.read(&mut pass, read) {
                Ok(Done::Placed {
                    file_bytes,
                    verified,
                }) => {
                    self.placed.set(number, turn.read);
                    self.report.from_spares += u64::from(self.copies.are_spares());
                    self.report.count(file_bytes, verified, self.monitor);
                }
                Ok(Done::Later | Done::LostBefore) => {}
                Err(Failed::Object(Lost::Content(what) | Lost::Doubt(what)))
                    if self.copies.falls_back(&read.name) =>
                {
                    self.destination.lose(&read.name);
                    self.report.falls_back(&read.name, &what, self.monitor);
                }
                Err(Failed::Object(lost)) => self.lost(&read.name, lost),
                Err(Failed::Volume(error)) if is_cancelled(&error) => {
                    self.lost(&read.name, Lost::Stopped);
                }
                Err(Failed::Volume(error)) => {
                    let barcode = reads.barcode.clone();
                    let error = EngineError::Volume {
                        barcode,
                        source: error,
                    };
                    let failure = VolumeFailure::mounted(reads, error);
                    let left = turns[done..].iter().map(|turn| &reads.reads[turn.read]);
                    self.volume_failed(failure, left);
                    break;
                }
            }
        }
        match pass.first_medium_error() {
            Some(block) => VolumeEnd::Suspect(format!("block {block} cannot be read")),
            None => VolumeEnd::Open,
        }
    }

    /// Notes an object that was not restored, and whether anything more can be.
    fn lost(&mut self, name: &[u8], lost: Lost) {
        self.destination.lose(name);
        let what = match lost {
            Lost::Content(what) | Lost::Doubt(what) => what,
            Lost::Target(error) => {
                if error.kind == TargetErrorKind::Full {
                    self.ending = Some(RestoreOutcome::TargetFull);
                }
                error.what
            }
            Lost::Stopped => {
                self.ending = Some(RestoreOutcome::Stopped);
                "stopped before its end".to_owned()
            }
        };
        self.report.problem(name, what, self.monitor);
    }

    /// Destination and report, for what is written between volumes and links; `None` once
    /// nothing more is to be.
    pub(super) fn between(&mut self) -> Option<(&mut D, &mut RestoreReport)> {
        let goes_on = !self.is_ending();
        goes_on.then_some((&mut self.destination, &mut self.report))
    }

    /// It was stopped in between.
    pub(super) fn stopped(&mut self) {
        self.ending = Some(RestoreOutcome::Stopped);
    }

    /// Makes the links, also to what `came` in between, and gives back the destination, and how
    /// it went so far.
    pub(super) fn finish(mut self, came: &[FirstName]) -> (D, RestoreReport) {
        for name in self.destination.unfinished() {
            let what = "not all of its parts were restored".to_owned();
            self.report.problem(name, what, self.monitor);
        }
        let links = self.destination.links();
        let first_names = FirstNames::find(&links, self.plan, &self.placed, came);
        for (number, link) in links.iter().enumerate() {
            let linked = first_names
                .of(link)
                .and_then(|first| self.destination.link(number, link, first));
            match linked {
                Ok(()) => self.report.count(None, false, self.monitor),
                Err(lost) => self.lost(link.name, lost),
            }
        }
        self.report.outcome = self.ending.unwrap_or(RestoreOutcome::Complete);
        (self.destination, self.report)
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
