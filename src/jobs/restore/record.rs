//! The record that a restore leaves: in the ledger, or in a file of its own where there is none.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use catalogs::model::event::{
    Event, Lost, RestoreStarted, Restored, RestoredFrom, RestoredTo, Restoring,
};
use catalogs::{Catalog, CatalogError, OpenOptions};
use jiff::Timestamp;
use uuid::Uuid;

use super::outlook::{RestoreOutlook, TapeNeed};
use super::summary::{LostWithTape, RestoreSummary, TapeTiming, Timing};
use super::{Output, RestoreOptions, journal, record_file};
use crate::error_text::with_causes;
use crate::jobs::lock::Lock;
use crate::jobs::who::{host_name, user_name};
use crate::jobs::{ByteText, JobError, Outcome, Problem, Problems, SOFTWARE, Site};
use crate::monitor;

/// Of patterns and volumes only the first are listed: a line of the ledger has its bounds.
const ASKED_MOST: usize = 100;
const ASKED_BYTES: usize = 64 << 10;
const VOLUMES_MOST: usize = 1000;
const PHASES_MOST: usize = 100;
const LOST_MOST: usize = 100;
const LOST_NAMES: usize = 100;
const LOST_BYTES: usize = 64 << 10;
/// So much is listed of each sort of what came and is not all that it should be.
const BESIDE_BYTES: usize = 32 << 10;
/// What stands for the target of what was written to stdout.
pub(super) const STDOUT: &str = "-";

/// A run of a restore that begins.
pub(super) struct Begun<'a> {
    pub(super) restore: Uuid,
    pub(super) options: &'a RestoreOptions,
    pub(super) output: Output,
    /// The directory, the file of a tar archive, or [`STDOUT`].
    pub(super) target: &'a Path,
    pub(super) started: Timestamp,
    /// Who can go on with it has the lock that tells that it runs.
    pub(super) can_resume: bool,
}

/// What came of it.
pub(super) struct Came {
    pub(super) outcome: Outcome,
    pub(super) objects: u64,
    pub(super) files: u64,
    pub(super) file_bytes: u64,
    pub(super) verified: u64,
    /// Objects that are not in their place; `None` where that is not known.
    pub(super) missing: Option<u64>,
    pub(super) lost: Vec<Lost>,
    pub(super) problems: Problems,
    pub(super) remarks: Problems,
    pub(super) metadata_not_set: Problems,
}

impl Came {
    /// Of a restore that ended before anything was read.
    pub(super) fn failed(error: &JobError) -> Came {
        Came {
            outcome: Outcome::Failed,
            objects: 0,
            files: 0,
            file_bytes: 0,
            verified: 0,
            missing: None,
            lost: Vec::new(),
            problems: failure(error),
            remarks: Problems::default(),
            metadata_not_set: Problems::default(),
        }
    }

    pub(super) fn of(done: &RestoreSummary) -> Came {
        Came {
            outcome: done.outcome,
            objects: done.objects,
            files: done.files,
            file_bytes: done.file_bytes,
            verified: done.verified_files,
            missing: Some(done.missing_objects),
            lost: lost(done),
            problems: problems(done),
            remarks: first_of(&done.remarks),
            metadata_not_set: first_of(&done.metadata_not_set),
        }
    }
}

/// The record of a run: that it began, and how it ended.
pub(super) struct Record<'a> {
    site: Site<'a>,
    run: Uuid,
    of: Restoring,
    ledger: Ledger<'a>,
    /// Tells that it runs, where no journal does.
    lock: Option<Lock>,
}

/// The ledger that has the record.
enum Ledger<'a> {
    /// That of the catalog which was asked.
    Asked(&'a Catalog),
    /// That of the state directory, which was not asked.
    Lasting(Box<Catalog>),
    /// There is none, or it takes nothing: a file of its own has it.
    None,
}

impl Ledger<'_> {
    fn of<'a>(site: Site<'_>, asked: &'a Catalog) -> Ledger<'a> {
        if !site.state.is_catalog_brief() {
            return Ledger::Asked(asked);
        }
        let directory = site.state.lasting().catalog_dir();
        if !Catalog::exists(&directory) {
            return Ledger::None;
        }
        match Catalog::open(&directory, OpenOptions::default()) {
            Ok(catalog) => Ledger::Lasting(Box::new(catalog)),
            Err(error) => {
                let causes = with_causes(&error);
                tracing::warn!(causes, "the record of a restore becomes a file");
                Ledger::None
            }
        }
    }

    /// Appends to it, if there is one.
    fn append(&self, time: Timestamp, event: &Event) -> Option<Result<(), CatalogError>> {
        let catalog = match self {
            Ledger::Asked(catalog) => catalog,
            Ledger::Lasting(catalog) => &**catalog,
            Ledger::None => return None,
        };
        Some(catalog.append(time, event).map(drop))
    }
}

impl<'a> Record<'a> {
    /// Records that a run begins, durably: before anything of it is in the target.
    pub(super) fn begin(
        site: Site<'a>,
        asked: &'a Catalog,
        begun: &Begun<'_>,
        outlook: &RestoreOutlook,
    ) -> Record<'a> {
        let run = site.clock.new_id();
        let started = RestoreStarted {
            of: begun.restoring(site, run, outlook),
            objects: outlook.objects,
            file_bytes: outlook.file_bytes,
        };
        let mut record = Record {
            site,
            run,
            of: started.of.clone(),
            ledger: Ledger::of(site, asked),
            lock: match begun.can_resume {
                true => None,
                false => journal::lock(site.state, begun.restore).ok(),
            },
        };
        record.write(&Event::RestoreStarted(started));
        record
    }

    /// Records how it ended. The files are there even if that cannot be recorded: it is told.
    pub(super) fn end(mut self, timing: &Timing, came: Came) {
        let mut of = self.of.clone();
        of.volumes_total = timing.tapes.len() as u64;
        of.volumes = timing.tapes.iter().take(VOLUMES_MOST).map(took).collect();
        let detailed = of.volumes.iter_mut().filter(|from| from.phases.is_some());
        detailed
            .skip(PHASES_MOST)
            .for_each(|from| from.phases = None);
        let unread = of.volumes.iter_mut().filter(|from| from.unread.is_some());
        unread.skip(LOST_MOST).for_each(|from| from.unread = None);
        self.write(&Event::Restored(Restored {
            of,
            outcome: came.outcome,
            objects: came.objects,
            files: came.files,
            file_bytes: came.file_bytes,
            verified: came.verified,
            missing: came.missing,
            real_s: timing.real_s.round() as u64,
            real_ms: Some(ms(timing.real_s)),
            lost: came.lost,
            problems: came.problems,
            remarks: came.remarks,
            metadata_not_set: came.metadata_not_set,
        }));
        self.site.monitor.if_ended(&format!(
            "the restore had come to its end; `job show {}` shows it",
            self.of.restore
        ));
        if let Some(lock) = self.lock {
            lock.retire();
        }
    }

    fn write(&mut self, event: &Event) {
        let (site, time) = (self.site, self.site.clock.now());
        let refused = match self.ledger.append(time, event) {
            Some(Ok(())) => return,
            Some(Err(error)) => Some(with_causes(&error)),
            None => None,
        };
        self.ledger = Ledger::None;
        let what = match record_file::write(site.state, self.run, time, event) {
            Ok(path) => refused.map(|causes| {
                let path = path.display();
                format!("it takes no record of this restore, which is in {path} instead: {causes}")
            }),
            Err(error) => {
                let causes =
                    refused.map_or_else(|| error.to_string(), |why| format!("{why}; {error}"));
                Some(format!("it has no record of this restore: {causes}"))
            }
        };
        if let Some(what) = what {
            let path = "catalog".to_owned();
            site.monitor.problem(&monitor::Problem { path, what });
        }
    }
}

impl Begun<'_> {
    fn restoring(&self, site: Site<'_>, run: Uuid, outlook: &RestoreOutlook) -> Restoring {
        let options = self.options;
        let mut asked_bytes = 0;
        let asked = options.patterns.iter().take_while(|pattern| {
            asked_bytes += pattern.len();
            asked_bytes <= ASKED_BYTES
        });
        let target = match self.target == Path::new(STDOUT) {
            true => self.target.to_owned(),
            false => absolute(self.target),
        };
        let goes_on = options.resumed.is_some();
        let tapes = &outlook.tapes;
        Restoring {
            restore: self.restore,
            run: Some(run),
            user: user_name(),
            host: host_name(),
            software: SOFTWARE.to_owned(),
            asked: asked.take(ASKED_MOST).cloned().map(ByteText).collect(),
            asked_total: options.patterns.len() as u64,
            as_of: options.as_of,
            target: ByteText(target.as_os_str().as_bytes().to_vec()),
            output: match self.output {
                Output::Directory => None,
                Output::Tar => Some(RestoredTo::Tar),
                Output::File => Some(RestoredTo::File),
            },
            from_tapes: site.state.is_catalog_brief(),
            started: self.started,
            earlier: goes_on.then_some(outlook.earlier_objects),
            earlier_bytes: goes_on.then_some(outlook.earlier_file_bytes),
            volumes: tapes.iter().take(VOLUMES_MOST).map(planned).collect(),
            volumes_total: tapes.len() as u64,
            planned_s: outlook.finish.seconds.unwrap_or_default().round() as u64,
            library: Some(outlook.calibration.library.clone()),
        }
    }
}

fn planned(tape: &TapeNeed) -> RestoredFrom {
    RestoredFrom {
        volume: tape.volume,
        barcode: Some(tape.barcode.clone()),
        planned_s: tape.times.total_s.round() as u64,
        ..RestoredFrom::default()
    }
}

/// What came of a tape.
fn took(tape: &TapeTiming) -> RestoredFrom {
    let real_s = tape.was_asked_for.then(|| tape.real.total_s());
    RestoredFrom {
        volume: tape.volume,
        barcode: Some(tape.barcode.clone()),
        planned_s: tape.planned.total_s().round() as u64,
        spare: tape.spare,
        mounts: Some(tape.mounts),
        real_s: real_s.map(|real_s| real_s.round() as u64),
        real_ms: real_s.map(ms),
        drive: tape.drive.clone(),
        phases: tape.was_asked_for.then(|| Box::new(tape.phases)),
        unread: tape.unread.clone().map(Box::new),
    }
}

fn ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

/// What each tape did not give, with the first names of it.
fn lost(done: &RestoreSummary) -> Vec<Lost> {
    let mut room_bytes = LOST_BYTES;
    let lost = |tape: &LostWithTape| {
        let names = tape.objects.iter().take(LOST_NAMES).take_while(|name| {
            let fits = name.0.len() <= room_bytes;
            room_bytes = room_bytes.saturating_sub(name.0.len());
            fits
        });
        Lost {
            barcode: tape.barcode.clone(),
            objects: tape.objects.len() as u64,
            first: names.cloned().collect(),
            why: tape.why.clone(),
        }
    };
    let tapes = done.lost_with_tapes.iter().take(LOST_MOST);
    tapes.map(lost).collect()
}

/// What a restore did not bring back for a reason of its own; counts what tapes did not give, too.
fn problems(done: &RestoreSummary) -> Problems {
    let mut problems = Problems::default();
    for problem in &done.problems.listed {
        problems.push(problem.clone());
    }
    let lost = done.lost_with_tapes.iter();
    let lost: usize = lost.map(|tape| tape.objects.len()).sum();
    // Also those that a restore did not come to before it ended.
    problems.total = (lost as u64 + done.problems.total).max(done.missing_objects);
    for pattern in &done.not_found {
        problems.push(Problem {
            path: pattern.clone(),
            what: "nothing was found for this pattern".to_owned(),
        });
    }
    problems
}

/// All of them counted, and the first ones.
pub(super) fn first_of(all: &Problems) -> Problems {
    let mut room_bytes = BESIDE_BYTES;
    let listed = all.listed.iter().take_while(|one| {
        let bytes = one.path.0.len() + one.what.len();
        let fits = bytes <= room_bytes;
        room_bytes = room_bytes.saturating_sub(bytes);
        fits
    });
    Problems {
        total: all.total,
        listed: listed.cloned().collect(),
    }
}

/// As the journal of a restore has it; what cannot be made absolute is said as it is.
pub(super) fn absolute(target: &Path) -> PathBuf {
    std::path::absolute(target).unwrap_or_else(|_| target.to_owned())
}

fn failure(error: &JobError) -> Problems {
    let mut problems = Problems::default();
    problems.push(Problem {
        path: ByteText(Vec::new()),
        what: with_causes(error),
    });
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_listed_beside_the_first_are_kept_and_all_are_counted() {
        let one = |length| Problem {
            path: ByteText(vec![b'a'; length]),
            what: "owner 1:1".to_owned(),
        };
        for (lengths, total, kept) in [
            (vec![3, 3], 2, 2),
            (vec![3, 3], 70_000, 2),
            (vec![20_000, 20_000, 3], 3, 1),
            (vec![40_000], 1, 0),
            (vec![], 0, 0),
        ] {
            let listed: Vec<Problem> = lengths.into_iter().map(one).collect();
            let first = first_of(&Problems {
                total,
                listed: listed.clone(),
            });
            assert_eq!(first.total, total);
            assert_eq!(first.listed, listed[..kept]);
        }
    }
}
