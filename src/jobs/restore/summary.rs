//! How a restore went.

use std::collections::{BTreeMap, HashMap};

use catalogs::model::event::{Phase, Phases, Unread};
use serde::Serialize;
use uuid::Uuid;

use super::lanes::DrivePlan;
use super::metered::Did;
use super::outlook::{RestoreOutlook, SpareTape, TapeNeed};
use super::past::{AsItWas, Deleted};
use super::timed::{Spans, Took};
use super::timeline::{Finish, OnceTimes, TapeTimes};
use crate::engine::restore::{self as engine, FallenBack, RestoreReport};
use crate::jobs::convert::not_set;
use crate::jobs::rebuild::RebuiltVolume;
use crate::jobs::whereabouts::Pick;
use crate::jobs::{ByteText, FailedTape, JobError, Outcome, Problem, Problems};

/// How a restore went.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreSummary {
    /// Identity of the restore.
    pub restore: Uuid,
    /// Not everything is there, and the restore can be gone on with by its identity.
    pub can_resume: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Objects restored, of any kind.
    pub objects: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of those files.
    pub file_bytes: u64,
    /// Files whose content was compared with its digest.
    pub verified_files: u64,
    /// Objects that are not in their place, for whatever reason: also those that it did not come to
    /// before it ended.
    pub missing_objects: u64,
    /// Objects that earlier runs of this restore had brought, as they were archived.
    pub earlier_objects: u64,
    /// Bytes of the files among them.
    pub earlier_file_bytes: u64,
    /// Objects that came from another copy, since the first could not be read.
    pub from_other_copies: u64,
    /// Objects that were to be read as other jobs archived them, with the same content.
    pub from_other_jobs: u64,
    /// The tapes that were needed, those of other copies apart.
    pub tapes: Vec<TapeNeed>,
    /// The drives that were to be used, each with its tapes.
    pub drives: Vec<DrivePlan>,
    /// When it was to be done, as foretold at its beginning.
    pub finish: Finish,
    /// What it took.
    pub timing: Timing,
    /// Tapes that someone has to bring.
    pub missing_tapes: Vec<Pick>,
    /// Tapes that are there and could not be read, or not to their end.
    pub failed_tapes: Vec<FailedTape>,
    /// All objects that were not restored because of these or of missing tapes.
    pub lost_with_tapes: Vec<LostWithTape>,
    /// Objects that are not what their names promise, see [`RestoreOutlook::remarks`].
    pub remarks: Problems,
    /// Patterns for which there was nothing to restore.
    pub not_found: Vec<ByteText>,
    /// Objects that matched and were left out, since they had been deleted.
    pub deleted: Deleted,
    /// What was restored as it was last, since it is gone.
    pub as_it_was: Vec<AsItWas>,
    /// Objects that were in the target already, each with what was to become of it.
    pub existing: Problems,
    /// Objects that were restored under another name, since theirs was taken.
    pub renamed: Problems,
    /// Objects that were not restored for a reason of their own.
    pub problems: Problems,
    /// Metadata that could not be set, for lack of privilege for example.
    pub metadata_not_set: Problems,
    /// The tapes whose own indexes were all that was known, if it was so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<RebuiltVolume>,
}

impl RestoreSummary {
    /// What has come whole is not to be gone on with.
    pub(super) fn settled(mut self) -> Self {
        let ended = matches!(self.outcome, Outcome::Complete | Outcome::Partial);
        let is_whole = ended && self.problems.total == 0 && self.lost_with_tapes.is_empty();
        self.can_resume &= !is_whole;
        self
    }
}

/// Planned times beside real ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timing {
    /// Seconds that the tapes within reach were to take.
    pub planned_s: f64,
    /// Seconds that the restore took.
    pub real_s: f64,
    /// The same for each tape: the planned ones, then those that were turned to.
    pub tapes: Vec<TapeTiming>,
}

/// Planned times of a tape beside real ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TapeTiming {
    /// The volume.
    pub volume: Uuid,
    /// Its barcode.
    pub barcode: String,
    /// It was not planned: what could not be read of others has another copy on it.
    pub spare: bool,
    /// How often it was mounted.
    pub mounts: u64,
    /// The restore came to it, though it may not have been mounted.
    #[serde(skip)]
    pub(super) was_asked_for: bool,
    /// What it was to take; nothing, if it was not planned.
    pub planned: Spans,
    /// What locates and reads were to take, in seconds, when their order was planned anew after the
    /// mount; `None` where it was not.
    pub replanned_read_s: Option<f64>,
    /// What it took.
    pub real: Spans,
    /// Product name of the drive that read it.
    pub drive: Option<String>,
    /// Its steps, planned and real.
    pub phases: Phases,
    /// What could not be read of it and has another copy, which was turned to.
    pub unread: Option<Unread>,
}

/// What was not restored because of one tape.
#[derive(Debug, Clone, Serialize)]
pub struct LostWithTape {
    /// Its barcode.
    pub barcode: String,
    /// What happened to it, as a sentence without a final full stop.
    pub why: String,
    /// The names of the objects, in the order of the plan; a file in parts once.
    pub objects: Vec<ByteText>,
}

impl Timing {
    /// Puts what each volume took beside what it was to take.
    pub(super) fn of(outlook: &RestoreOutlook, real_s: f64, real: &Real<'_>) -> Timing {
        let planned = outlook.tapes.iter().map(|tape| real.planned(tape));
        let mut tapes: Vec<TapeTiming> = planned.collect();
        for (volume, took) in real.took {
            let is_planned = tapes.iter().any(|tape| tape.volume == *volume);
            let spare = outlook.spares.iter().find(|one| one.volume == *volume);
            if let Some(spare) = spare.filter(|_| !is_planned) {
                tapes.push(real.spare(spare, took));
            }
        }
        Timing {
            planned_s: outlook.finish.seconds.unwrap_or_default(),
            real_s,
            tapes,
        }
    }
}

/// What came of the tapes of a restore.
pub(super) struct Real<'a> {
    /// What each volume took that was asked for.
    pub(super) took: &'a [(Uuid, Took)],
    /// Seconds that locates and reads were to take by the order that was found after the mount.
    pub(super) anew: &'a HashMap<Uuid, f64>,
    /// What could not be read, and has another copy.
    pub(super) fallen_back: &'a [FallenBack],
}

impl Real<'_> {
    fn planned(&self, tape: &TapeNeed) -> TapeTiming {
        let mut real = self.took.iter();
        let took = real.find(|(volume, _)| *volume == tape.volume);
        let took = took.map(|(_, took)| took);
        let timing = self.tape(tape.volume, &tape.barcode, took);
        TapeTiming {
            planned: Spans {
                mount_s: tape.times.mount_s(),
                read_s: tape.times.use_s(),
                release_s: tape.times.release_s(),
            },
            phases: phases(&tape.times, tape.once, took.unwrap_or(&Took::default())),
            ..timing
        }
    }

    fn spare(&self, tape: &SpareTape, took: &Took) -> TapeTiming {
        TapeTiming {
            spare: true,
            phases: phases(&TapeTimes::default(), tape.once, took),
            ..self.tape(tape.volume, &tape.barcode, Some(took))
        }
    }

    /// Without what the plan says.
    fn tape(&self, volume: Uuid, barcode: &str, took: Option<&Took>) -> TapeTiming {
        let mut fallen_back = self.fallen_back.iter();
        let unread = fallen_back.find(|one| one.volume == volume);
        TapeTiming {
            volume,
            barcode: barcode.to_owned(),
            spare: false,
            mounts: took.map_or(0, |took| took.mounts),
            was_asked_for: took.is_some(),
            planned: Spans::default(),
            replanned_read_s: self.anew.get(&volume).copied(),
            real: took.map(|took| took.spans).unwrap_or_default(),
            drive: took.and_then(|took| took.model.clone()),
            phases: Phases::default(),
            unread: unread.map(|one| Unread {
                objects: one.objects,
                why: one.what.clone(),
            }),
        }
    }
}

/// The steps of a tape, as they were planned and as they were done.
fn phases(times: &TapeTimes, once: OnceTimes, took: &Took) -> Phases {
    let ms = |seconds: f64| (seconds * 1000.0).round() as u64;
    let phase = |planned_s: f64, did: &Did| Phase {
        planned_ms: ms(planned_s),
        count: did.count,
        sheet_ms: ms(did.sheet_s),
        real_ms: ms(did.real_s),
        bytes: did.bytes,
    };
    let counted = |planned_s: f64, did: &Did, once_s: f64| {
        let sheet_s = once_s * did.count as f64;
        phase(planned_s, &Did { sheet_s, ..*did })
    };
    Phases {
        robot: counted(times.robot_s, &took.robot, once.move_s),
        load: counted(times.load_s, &took.load, once.load_s),
        locate: phase(times.locate_s - times.read_on_s, &took.locate),
        read: phase(times.read_s + times.read_on_s, &took.read),
        rewind: phase(times.rewind_s, &took.rewind),
        unload: counted(times.unload_s, &took.unload, once.unload_s),
        home: counted(times.return_s, &took.home, once.move_s),
    }
}

/// Sums up `restore`; `tapes` are those that the library did not give or take back, with the
/// reasons.
pub(super) fn summarise(
    restore: Uuid,
    report: RestoreReport,
    outlook: &RestoreOutlook,
    timing: Timing,
    mut tapes: Vec<FailedTape>,
) -> RestoreSummary {
    let mut problems = Problems::default();
    for problem in report.problems {
        problems.push(Problem {
            path: problem.path.as_str().into(),
            what: problem.what,
        });
    }
    problems.total = report.problem_count;
    let mut lost_with_tapes = Vec::new();
    for failure in report.volumes_failed {
        if !failure.lost.is_empty() {
            lost_with_tapes.push(LostWithTape {
                barcode: failure.barcode.clone(),
                why: failure.what,
                objects: failure.lost.into_iter().map(ByteText).collect(),
            });
        }
        // Of a tape that could not be mounted or given back the source has the reason.
        if let Some(error) = failure.error {
            tapes.push(FailedTape::new(failure.barcode, &JobError::Engine(error)));
        }
    }
    let (mut missing_tapes, failed_tapes) = FailedTape::sort(tapes);
    as_planned(&mut missing_tapes, &outlook.pick_list);
    let outcome = match report.outcome {
        engine::RestoreOutcome::Complete
            if outlook.remarks.total > 0 || !outlook.not_found.is_empty() =>
        {
            Outcome::Partial
        }
        engine::RestoreOutcome::Complete => Outcome::Complete,
        engine::RestoreOutcome::Incomplete => Outcome::Partial,
        engine::RestoreOutcome::TargetFull => Outcome::Failed,
        engine::RestoreOutcome::Stopped => Outcome::Interrupted,
    };
    RestoreSummary {
        restore,
        can_resume: false,
        outcome,
        objects: report.objects,
        files: report.files,
        file_bytes: report.bytes,
        verified_files: report.verified,
        missing_objects: report.missing,
        earlier_objects: outlook.earlier_objects,
        earlier_file_bytes: outlook.earlier_file_bytes,
        from_other_copies: report.from_spares,
        from_other_jobs: outlook.from_other_jobs,
        tapes: outlook.tapes.clone(),
        drives: outlook.drives.clone(),
        finish: outlook.finish.clone(),
        timing,
        missing_tapes,
        failed_tapes,
        lost_with_tapes,
        remarks: outlook.remarks.clone(),
        not_found: outlook.not_found.clone(),
        deleted: outlook.deleted.clone(),
        as_it_was: outlook.as_it_was.clone(),
        existing: outlook.existing.clone(),
        renamed: renamed(report.renamed),
        problems,
        metadata_not_set: not_set([report.metadata_not_set]),
        alone: outlook.alone.clone(),
    }
}

/// Says of tapes that were missing what the pick list says of them.
pub(super) fn as_planned(missing: &mut [Pick], pick_list: &[Pick]) {
    for tape in missing {
        let mut planned = pick_list.iter();
        if let Some(pick) = planned.find(|pick| pick.barcode == tape.barcode) {
            tape.clone_from(pick);
        }
    }
}

fn renamed(names: BTreeMap<Vec<u8>, Vec<u8>>) -> Problems {
    let mut renamed = Problems::default();
    for (name, instead) in names {
        renamed.push(Problem {
            path: ByteText(name),
            what: format!("restored as /{}", ByteText(instead)),
        });
    }
    renamed
}
