//! The record that a restore leaves in the ledger.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use catalogs::Catalog;
use catalogs::model::event::{Event, Restored, RestoredFrom};
use jiff::Timestamp;
use uuid::Uuid;

use super::RestoreOptions;
use super::outlook::{RestoreOutlook, TapeNeed};
use super::summary::{RestoreSummary, Timing};
use crate::error_text::with_causes;
use crate::jobs::who::{host_name, user_name};
use crate::jobs::{ByteText, JobError, Outcome, Problem, Problems, SOFTWARE, Site};
use crate::monitor;

/// Of patterns and volumes only the first are listed: a line of the ledger has its bounds.
const ASKED_MOST: usize = 100;
const ASKED_BYTES: usize = 64 << 10;
const VOLUMES_MOST: usize = 1000;
const PHASES_MOST: usize = 100;
/// What stands for the target of what was written to stdout.
pub(super) const STDOUT: &str = "-";

/// What is known of a restore whichever way it ended.
pub(super) struct Record<'a> {
    pub(super) restore: Uuid,
    pub(super) options: &'a RestoreOptions,
    /// The directory, the file of a tar archive, or [`STDOUT`].
    pub(super) target: &'a Path,
    pub(super) started: Timestamp,
    pub(super) outlook: &'a RestoreOutlook,
    pub(super) timing: &'a Timing,
}

/// What came of it.
pub(super) struct Came {
    pub(super) outcome: Outcome,
    pub(super) objects: u64,
    pub(super) files: u64,
    pub(super) file_bytes: u64,
    pub(super) verified: u64,
    pub(super) problems: Problems,
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
            problems: failure(error),
        }
    }

    pub(super) fn of(done: &RestoreSummary) -> Came {
        Came {
            outcome: done.outcome,
            objects: done.objects,
            files: done.files,
            file_bytes: done.file_bytes,
            verified: done.verified_files,
            problems: problems(done),
        }
    }
}

impl Record<'_> {
    /// Appends the record. The files are there even if the catalog does not take it: that is told.
    pub(super) fn leave(&self, site: Site<'_>, catalog: &Catalog, came: Came) {
        let event = Event::Restored(self.event(came));
        if let Err(error) = catalog.append(site.clock.now(), &event) {
            let causes = with_causes(&error);
            site.monitor.problem(&monitor::Problem {
                path: "catalog".to_owned(),
                what: format!("it has no record of this restore: {causes}"),
            });
        }
    }

    fn event(&self, came: Came) -> Restored {
        let (options, timing) = (self.options, self.timing);
        let mut asked_bytes = 0;
        let asked = options.patterns.iter().take_while(|pattern| {
            asked_bytes += pattern.len();
            asked_bytes <= ASKED_BYTES
        });
        let target = match self.target == Path::new(STDOUT) {
            true => self.target.to_owned(),
            false => absolute(self.target),
        };
        let tapes = &self.outlook.tapes;
        Restored {
            restore: self.restore,
            user: user_name(),
            host: host_name(),
            software: SOFTWARE.to_owned(),
            asked: asked.take(ASKED_MOST).cloned().map(ByteText).collect(),
            asked_total: options.patterns.len() as u64,
            as_of: options.as_of,
            target: ByteText(target.as_os_str().as_bytes().to_vec()),
            started: self.started,
            outcome: came.outcome,
            objects: came.objects,
            files: came.files,
            file_bytes: came.file_bytes,
            verified: came.verified,
            volumes: tapes
                .iter()
                .take(VOLUMES_MOST)
                .enumerate()
                .map(|(number, tape)| self.from(number, tape))
                .collect(),
            volumes_total: tapes.len() as u64,
            planned_s: timing.planned_s.round() as u64,
            real_s: timing.real_s.round() as u64,
            library: Some(self.outlook.calibration.library.clone()),
            problems: came.problems,
        }
    }

    fn from(&self, number: usize, tape: &TapeNeed) -> RestoredFrom {
        let timing = &self.timing.tapes;
        let real = timing.iter().find(|timing| timing.barcode == tape.barcode);
        RestoredFrom {
            volume: tape.volume,
            planned_s: tape.times.total_s.round() as u64,
            real_s: real.map(|timing| timing.real.total_s().round() as u64),
            drive: real.and_then(|timing| timing.drive.clone()),
            phases: real
                .filter(|_| number < PHASES_MOST)
                .map(|timing| Box::new(timing.phases)),
        }
    }
}

/// What a restore did not bring back, by object where it is known, else by tape.
fn problems(done: &RestoreSummary) -> Problems {
    let mut problems = Problems::default();
    for tape in &done.lost_with_tapes {
        problems.push(Problem {
            path: tape.barcode.as_str().into(),
            what: format!("{} objects not restored: {}", tape.objects.len(), tape.why),
        });
    }
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
