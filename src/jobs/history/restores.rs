//! Restores, each with its runs: those of the ledger, and those that no catalog took.

use std::collections::{HashMap, HashSet};

use catalogs::model::event::{Lost, Phases, Restored, RestoredFrom, RestoredTo, Unread};
use catalogs::{Catalog, RestoreRun};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{JobDetail, JobInfo, JobKind};
use crate::jobs::restore::{can_resume, recorded_in_files, runs};
use crate::jobs::{ByteText, JobError, Outcome, Problems, Site};

/// Barcode and pool of each volume that the catalog knows, retired ones too.
pub(super) type Volumes = HashMap<Uuid, (String, String)>;

/// A tape that a restore needed or turned to, and what it took.
#[derive(Debug, Clone, Serialize)]
pub struct RestoredTape {
    /// Its barcode; of a volume that nobody has told the barcode of, its identity.
    pub barcode: String,
    /// Product name of the drive that read it, where that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
    /// It was not planned: what could not be read of others has another copy on it.
    pub spare: bool,
    /// How often it was mounted; `None` of a run that told of no end, and in older records.
    pub mounts: Option<u64>,
    /// Seconds that it was to take.
    pub planned_s: u64,
    /// Seconds that it took; `None` if the restore did not come to it.
    pub real_s: Option<u64>,
    /// The same in milliseconds; `None` in older records, too.
    pub real_ms: Option<u64>,
    /// Its steps, where they were recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// What could not be read of it and has another copy, which was turned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
}

/// A run of a restore.
#[derive(Debug, Clone, Serialize)]
pub struct RunDetail {
    /// Its identity; `None` in older records.
    pub run: Option<Uuid>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs, or if it was cut off.
    pub ended_at: Option<Timestamp>,
    /// How it ended; `None` while it runs. One that was cut off is interrupted.
    pub outcome: Option<Outcome>,
    /// It never told of an end, and no process carries it out.
    pub cut_off: bool,
    /// Who restored.
    pub user: String,
    /// On which host.
    pub host: String,
    /// Name and version of the software.
    pub software: String,
    /// Objects that it was to bring; `None` of one that ended, which tells what came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_objects: Option<u64>,
    /// Bytes of the files among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_bytes: Option<u64>,
    /// Objects restored; 0 of one that did not tell.
    pub objects: u64,
    /// Bytes of the files among them.
    pub file_bytes: u64,
    /// Files whose content agreed with its digest.
    pub verified_files: u64,
    /// Objects that were there from before; `None` of a first run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_objects: Option<u64>,
    /// Objects that were not in their place at its end; `None` where that is not known.
    pub missing_objects: Option<u64>,
    /// The first of the tapes that it needed, then those that it turned to, with what each took.
    pub timing: Vec<RestoredTape>,
    /// Seconds that it was to take.
    pub planned_s: u64,
    /// Seconds that it took; `None` where it told of no end.
    pub real_s: Option<u64>,
    /// The same in milliseconds; `None` in older records, too.
    pub real_ms: Option<u64>,
    /// What tapes did not give.
    pub lost: Vec<Lost>,
    /// What did not come back for another reason; counts all that did not.
    pub problems: Problems,
    /// What came and is not what its name promises, and what its jobs had not archived.
    pub remarks: Problems,
    /// Metadata of what came that could not be set.
    pub metadata_not_set: Problems,
}

/// What is to be done where not everything came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// It is whole, or runs.
    Nothing,
    /// `restore --resume ID`.
    Resume,
    /// The same command again, with what is there already left as it is.
    Skip,
    /// The same command again.
    Again,
}

/// A restore in detail.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreDetail {
    /// At a glance.
    #[serde(flatten)]
    pub info: JobInfo,
    /// Who restored, the last time.
    pub user: String,
    /// Where to, on which host.
    pub host: String,
    /// Name and version of the software.
    pub software: String,
    /// What was asked for: the first of the patterns.
    pub asked: Vec<ByteText>,
    /// How many patterns there were.
    pub asked_total: u64,
    /// As things were at this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// The directory that was restored below, or the file that a tar archive went to; `-` is
    /// standard output.
    pub target: ByteText,
    /// What the target got, where it is not files in their places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<RestoredTo>,
    /// No catalog was asked: what the tapes say of themselves was all that was known.
    pub from_tapes: bool,
    /// Files whose content agreed with its digest, in all runs.
    pub verified_files: u64,
    /// The first of the tapes that the last run needed, then those that it turned to.
    pub tapes: Vec<String>,
    /// The same with what each took.
    pub timing: Vec<RestoredTape>,
    /// Seconds that the last run was to take.
    pub planned_s: u64,
    /// Seconds that the runs took which told of their end.
    pub real_s: u64,
    /// What tapes did not give in the last run.
    pub lost: Vec<Lost>,
    /// What did not come back in the last run for another reason; counts all that did not.
    pub problems: Problems,
    /// What came in the last run and is not what its name promises, and what its jobs had not
    /// archived.
    pub remarks: Problems,
    /// Metadata of what came in the last run that could not be set.
    pub metadata_not_set: Problems,
    /// Its runs, the first one first.
    pub runs: Vec<RunDetail>,
    /// What is to be done.
    pub next_step: NextStep,
}

/// All restores, in the order in which they began.
pub(super) struct Restores<'a> {
    site: Site<'a>,
    volumes: &'a Volumes,
    restores: Vec<Vec<RestoreRun>>,
}

impl<'a> Restores<'a> {
    /// Those of the catalog, if there is one, and those that no catalog took.
    pub(super) fn of(
        site: Site<'a>,
        catalog: Option<&Catalog>,
        volumes: &'a Volumes,
    ) -> Result<Restores<'a>, JobError> {
        let in_ledger = catalog.map(Catalog::restore_runs).transpose()?;
        let mut all = in_ledger.unwrap_or_default();
        for run in recorded_in_files(site) {
            let id = run.of().run;
            // The catalog may have taken its beginning, and its end no more.
            match all
                .iter_mut()
                .find(|one| id.is_some() && one.of().run == id)
            {
                Some(known) if matches!(known, RestoreRun::Began(_)) => *known = run,
                Some(_) => {}
                None => all.push(run),
            }
        }
        all.sort_by_key(|run| run.of().started);
        let mut places: HashMap<Uuid, usize> = HashMap::new();
        let mut restores: Vec<Vec<RestoreRun>> = Vec::new();
        for run in all {
            let at = *places.entry(run.of().restore).or_insert_with(|| {
                restores.push(Vec::new());
                restores.len() - 1
            });
            restores[at].push(run);
        }
        Ok(Restores {
            site,
            volumes,
            restores,
        })
    }

    /// Their identities.
    pub(super) fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.restores.iter().map(|runs| last(runs).of().restore)
    }

    /// At a glance.
    pub(super) fn infos(&self) -> impl Iterator<Item = JobInfo> {
        self.restores.iter().map(|runs| self.info(runs))
    }

    /// One of them in detail, which is there.
    pub(super) fn detail(&self, restore: Uuid) -> JobDetail {
        let is_meant = |runs: &&Vec<RestoreRun>| last(runs).of().restore == restore;
        let found = self.restores.iter().find(is_meant);
        let detail = self.detail_of(found.expect("it is one of them"));
        JobDetail::Restore(Box::new(detail))
    }

    fn info(&self, all: &[RestoreRun]) -> JobInfo {
        let of = last(all).of();
        let mut pools = HashSet::new();
        for run in all {
            let volumes = run.of().volumes.iter();
            let known = volumes.filter_map(|one| self.volumes.get(&one.volume));
            pools.extend(known.map(|(_, pool)| pool.clone()));
        }
        let mut pools: Vec<String> = pools.into_iter().collect();
        pools.sort();
        let first = of.asked.first();
        let mut name = first.map_or_else(String::new, ByteText::to_string);
        if of.asked_total > 1 {
            name.push_str(&format!(" and {} more", of.asked_total - 1));
        }
        let (objects, file_bytes) = came(all);
        let state = self.state(all, all.len() - 1);
        let is_open = !matches!(state.outcome, None | Some(Outcome::Complete));
        JobInfo {
            job: of.restore,
            kind: JobKind::Restore,
            name,
            level: None,
            started_at: all[0].of().started,
            ended_at: state.ended_at,
            outcome: state.outcome,
            cut_off: state.cut_off,
            run_count: Some(all.len() as u64),
            can_resume: Some(is_open && can_resume(self.site.state, of.restore)),
            pools,
            copy_pool: None,
            objects,
            file_bytes,
            kept: None,
        }
    }

    /// How it stands with one of the runs.
    fn state(&self, all: &[RestoreRun], at: usize) -> State {
        match &all[at] {
            RestoreRun::Ended(time, restored) => State {
                ended_at: Some(*time),
                outcome: Some(restored.outcome),
                cut_off: false,
            },
            RestoreRun::Began(started) => {
                let is_last = at + 1 == all.len();
                let cut_off = !(is_last && runs(self.site.state, started.of.restore));
                State {
                    ended_at: None,
                    outcome: cut_off.then_some(Outcome::Interrupted),
                    cut_off,
                }
            }
        }
    }

    fn run(&self, all: &[RestoreRun], at: usize) -> RunDetail {
        let (run, state) = (&all[at], self.state(all, at));
        let of = run.of();
        let (began, ended) = match run {
            RestoreRun::Began(started) => (Some(started), None),
            RestoreRun::Ended(_, restored) => (None, Some(restored)),
        };
        let listed = |of: fn(&Restored) -> &Problems| ended.map(of).cloned().unwrap_or_default();
        RunDetail {
            run: of.run,
            started_at: of.started,
            ended_at: state.ended_at,
            outcome: state.outcome,
            cut_off: state.cut_off,
            user: of.user.clone(),
            host: of.host.clone(),
            software: of.software.clone(),
            planned_objects: began.map(|began| began.objects),
            planned_bytes: began.map(|began| began.file_bytes),
            objects: ended.map_or(0, |ended| ended.objects),
            file_bytes: ended.map_or(0, |ended| ended.file_bytes),
            verified_files: ended.map_or(0, |ended| ended.verified),
            earlier_objects: of.earlier,
            missing_objects: ended.and_then(|ended| ended.missing),
            timing: of.volumes.iter().map(|from| self.tape(from)).collect(),
            planned_s: of.planned_s,
            real_s: ended.map(|ended| ended.real_s),
            real_ms: ended.and_then(|ended| ended.real_ms),
            lost: ended.map(|ended| ended.lost.clone()).unwrap_or_default(),
            problems: listed(|ended| &ended.problems),
            remarks: listed(|ended| &ended.remarks),
            metadata_not_set: listed(|ended| &ended.metadata_not_set),
        }
    }

    fn tape(&self, from: &RestoredFrom) -> RestoredTape {
        let known = self.volumes.get(&from.volume).map(|(barcode, _)| barcode);
        let barcode = known.or(from.barcode.as_ref());
        RestoredTape {
            barcode: barcode.map_or_else(|| from.volume.to_string(), String::clone),
            drive: from.drive.clone(),
            spare: from.spare,
            mounts: from.mounts,
            planned_s: from.planned_s,
            real_s: from.real_s,
            real_ms: from.real_ms,
            phases: from.phases.as_deref().copied(),
            unread: from.unread.as_deref().cloned(),
        }
    }

    fn detail_of(&self, all: &[RestoreRun]) -> RestoreDetail {
        let (of, info) = (last(all).of(), self.info(all));
        let runs: Vec<RunDetail> = (0..all.len()).map(|at| self.run(all, at)).collect();
        let newest = runs.last().expect("there is one");
        let next_step = match (info.outcome, info.can_resume, of.output, of.from_tapes) {
            (None, ..) => NextStep::Nothing,
            (_, Some(true), ..) => NextStep::Resume,
            (Some(Outcome::Complete), ..) => NextStep::Nothing,
            (_, _, None, true) => NextStep::Skip,
            (_, _, Some(_), _) => NextStep::Again,
            // All came that can come.
            (Some(Outcome::Partial), _, None, false) => NextStep::Nothing,
            (_, _, None, false) => NextStep::Skip,
        };
        RestoreDetail {
            user: of.user.clone(),
            host: of.host.clone(),
            software: of.software.clone(),
            asked: of.asked.clone(),
            asked_total: of.asked_total,
            as_of: of.as_of,
            target: of.target.clone(),
            output: of.output,
            from_tapes: of.from_tapes,
            verified_files: runs.iter().map(|run| run.verified_files).sum(),
            tapes: newest
                .timing
                .iter()
                .map(|tape| tape.barcode.clone())
                .collect(),
            timing: newest.timing.clone(),
            planned_s: newest.planned_s,
            real_s: runs.iter().filter_map(|run| run.real_s).sum(),
            lost: newest.lost.clone(),
            problems: newest.problems.clone(),
            remarks: newest.remarks.clone(),
            metadata_not_set: newest.metadata_not_set.clone(),
            runs,
            next_step,
            info,
        }
    }
}

struct State {
    ended_at: Option<Timestamp>,
    outcome: Option<Outcome>,
    cut_off: bool,
}

/// There is no restore without a run.
fn last(runs: &[RestoreRun]) -> &RestoreRun {
    runs.last().expect("a restore has a run")
}

/// Objects that came, and bytes of the files among them. A run that goes on has looked what was
/// there, also from one that did not tell of it.
fn came(all: &[RestoreRun]) -> (u64, u64) {
    all.iter().fold((0, 0), |(objects, bytes), run| {
        let of = run.of();
        let before = (
            of.earlier.unwrap_or(objects),
            of.earlier_bytes.unwrap_or(bytes),
        );
        match run {
            RestoreRun::Began(_) => before,
            RestoreRun::Ended(_, restored) => (
                before.0.saturating_add(restored.objects),
                before.1.saturating_add(restored.file_bytes),
            ),
        }
    })
}
