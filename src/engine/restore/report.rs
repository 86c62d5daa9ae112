//! What a restore did, and what it could not do.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::engine::EngineError;
use crate::engine::target::{NotSet, shown};
use crate::error_text::with_causes;
use crate::monitor::{Monitor, Problem};

use super::plan::VolumeReads;

/// Problems listed by name in a report; further ones are only counted.
pub const PROBLEMS_LISTED: usize = 10_000;

/// How a restore ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// Every read of the plan was restored, its data verified where it had a digest.
    Complete,
    /// It went through to its end; what is missing is in the report.
    Incomplete,
    /// The target has no room left. What was restored until then is whole.
    TargetFull,
    /// The user asked to stop. What was restored until then is whole.
    Stopped,
}

/// A volume that could not be read at all, or not to its end, for other reasons than
/// single bad records.
#[derive(Debug)]
pub struct VolumeFailure {
    /// The volume.
    pub volume: Uuid,
    /// Its barcode.
    pub barcode: String,
    /// What happened, as one sentence for people.
    pub what: String,
    /// The same as an error; `None` where the volume source has it, which could not mount the
    /// volume or take it back.
    pub error: Option<EngineError>,
    /// Names of all objects that were not restored because of it, in the order of the plan;
    /// a file in parts once.
    pub lost: Vec<Vec<u8>>,
}

impl VolumeFailure {
    /// A volume that the source could not mount or take back.
    pub(super) fn of_source(reads: &VolumeReads, what: String) -> Self {
        Self {
            volume: reads.volume,
            barcode: reads.barcode.clone(),
            what,
            error: None,
            lost: Vec::new(),
        }
    }

    /// A volume that was mounted, and is not as planned or failed while it was read.
    pub(super) fn mounted(reads: &VolumeReads, error: EngineError) -> Self {
        let what = with_causes(&error);
        Self {
            error: Some(error),
            ..Self::of_source(reads, what)
        }
    }
}

/// A volume whose copies of objects could not be read, so that others were turned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallenBack {
    /// The volume.
    pub volume: Uuid,
    /// So many objects.
    pub objects: u64,
    /// Why the first of them could not be read.
    pub what: String,
}

/// What a restore did.
#[derive(Debug)]
pub struct RestoreReport {
    /// How it ended.
    pub outcome: RestoreOutcome,
    /// Objects put in their place, of any kind.
    pub objects: u64,
    /// Regular files among them.
    pub files: u64,
    /// Logical bytes of those files (holes count).
    pub bytes: u64,
    /// Files whose digest agreed with the index.
    pub verified: u64,
    /// Objects that came from another copy, since the first could not be read.
    pub from_spares: u64,
    /// The volumes whose copies could not be read, in the order in which that was found.
    pub fallen_back: Vec<FallenBack>,
    /// Objects of the plan that are not in their place, for whatever reason: also those that were
    /// not come to before the restore ended.
    pub missing: u64,
    /// Names that were taken, and those of the restored objects instead.
    pub renamed: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Objects that were not restored for a reason of their own, at most [`PROBLEMS_LISTED`]
    /// of them; the log has all.
    pub problems: Vec<Problem>,
    /// All of those objects, listed or not.
    pub problem_count: u64,
    /// Volumes that failed; what was lost with them is named here, not in `problems`.
    pub volumes_failed: Vec<VolumeFailure>,
    /// Restored objects that could not be given all of their metadata.
    pub metadata_not_set: NotSet,
}

impl RestoreReport {
    /// Nothing done yet.
    pub(super) fn new() -> Self {
        Self {
            outcome: RestoreOutcome::Complete,
            objects: 0,
            files: 0,
            bytes: 0,
            verified: 0,
            from_spares: 0,
            fallen_back: Vec::new(),
            missing: 0,
            renamed: BTreeMap::new(),
            problems: Vec::new(),
            problem_count: 0,
            volumes_failed: Vec::new(),
            metadata_not_set: NotSet::default(),
        }
    }

    /// What is missing of the `planned` objects is counted, and keeps it from being complete.
    pub(super) fn settled(mut self, planned: u64) -> Self {
        self.missing = planned.saturating_sub(self.objects);
        let mut failures = self.volumes_failed.iter();
        let is_whole = self.problem_count == 0 && failures.all(|failure| failure.lost.is_empty());
        if self.outcome == RestoreOutcome::Complete && !is_whole {
            self.outcome = RestoreOutcome::Incomplete;
        }
        self
    }

    /// Counts an object that is in its place; a file with its size.
    pub(super) fn count(&mut self, file_bytes: Option<u64>, verified: bool, monitor: &dyn Monitor) {
        self.objects += 1;
        self.files += u64::from(file_bytes.is_some());
        self.bytes = self.bytes.saturating_add(file_bytes.unwrap_or(0));
        self.verified += u64::from(verified);
        monitor.advance(1, 0);
    }

    /// Notes an object that was not restored.
    pub(super) fn problem(&mut self, name: &[u8], what: String, monitor: &dyn Monitor) {
        let problem = Problem {
            path: shown(name),
            what,
        };
        tracing::warn!(path = problem.path, what = problem.what, "not restored");
        monitor.problem(&problem);
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_LISTED {
            self.problems.push(problem);
        }
    }

    /// Tells of an object whose copy on `volume` cannot be read: it is not lost yet.
    pub(super) fn falls_back(
        &mut self,
        volume: Uuid,
        name: &[u8],
        what: &str,
        monitor: &dyn Monitor,
    ) {
        self.fell_back(volume, 1, what);
        let (path, what) = (shown(name), format!("{what}; its other copy will be read"));
        tracing::warn!(path, what, "the first copy cannot be read");
        monitor.notice(&Problem { path, what });
    }

    /// Notes that other copies were turned to for so many objects on `volume`.
    pub(super) fn fell_back(&mut self, volume: Uuid, objects: u64, what: &str) {
        let known = self.fallen_back.iter_mut().find(|one| one.volume == volume);
        match known {
            Some(known) => known.objects += objects,
            None if objects > 0 => self.fallen_back.push(FallenBack {
                volume,
                objects,
                what: what.to_owned(),
            }),
            None => {}
        }
    }

    /// Notes a volume that failed. Who watches hears of the volume; the log, of each object.
    pub(super) fn volume_failed(&mut self, failure: VolumeFailure, monitor: &dyn Monitor) {
        for name in &failure.lost {
            let (path, barcode) = (shown(name), &failure.barcode);
            tracing::warn!(path, barcode, "not restored, since the tape failed");
        }
        monitor.problem(&Problem {
            path: format!("volume {}", failure.barcode),
            what: failure.what.clone(),
        });
        self.volumes_failed.push(failure);
    }
}
