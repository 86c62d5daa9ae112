//! The record that a restore leaves in the ledger.

use std::os::unix::ffi::OsStrExt;

use catalogs::Catalog;
use catalogs::model::event::{Event, Restored, RestoredFrom};
use jiff::Timestamp;

use super::RestoreOptions;
use super::outlook::{RestoreOutlook, TapeNeed};
use super::summary::{RestoreSummary, Timing};
use crate::error_text::with_causes;
use crate::jobs::who::user_name;
use crate::jobs::{ByteText, JobError, Outcome, Problem, Problems, SOFTWARE, Site};
use crate::monitor;

/// Of patterns and volumes only the first are listed: a line of the ledger has its bounds.
const ASKED_MOST: usize = 100;
const ASKED_BYTES: usize = 64 << 10;
const VOLUMES_MOST: usize = 1000;

/// What is known of a restore whichever way it ended.
pub(super) struct Record<'a> {
    pub(super) options: &'a RestoreOptions,
    pub(super) started: Timestamp,
    pub(super) outlook: &'a RestoreOutlook,
    pub(super) timing: &'a Timing,
}

impl Record<'_> {
    /// Appends the record. The files are there even if the catalog does not take it: that is told.
    pub(super) fn leave(
        &self,
        site: Site<'_>,
        catalog: &Catalog,
        ended: Result<&RestoreSummary, &JobError>,
    ) {
        let event = Event::Restored(self.event(site, ended));
        if let Err(error) = catalog.append(site.clock.now(), &event) {
            let causes = with_causes(&error);
            site.monitor.problem(&monitor::Problem {
                path: "catalog".to_owned(),
                what: format!("it has no record of this restore: {causes}"),
            });
        }
    }

    fn event(&self, site: Site<'_>, ended: Result<&RestoreSummary, &JobError>) -> Restored {
        let (options, timing) = (self.options, self.timing);
        let mut asked_bytes = 0;
        let asked = options.patterns.iter().take_while(|pattern| {
            asked_bytes += pattern.len();
            asked_bytes <= ASKED_BYTES
        });
        let tapes = &self.outlook.tapes;
        let counts = ended.map_or((0, 0, 0, 0), |done| {
            (
                done.objects,
                done.files,
                done.file_bytes,
                done.verified_files,
            )
        });
        let (objects, files, file_bytes, verified) = counts;
        Restored {
            restore: site.clock.new_id(),
            user: user_name(),
            host: host_name(),
            software: SOFTWARE.to_owned(),
            asked: asked.take(ASKED_MOST).cloned().map(ByteText).collect(),
            asked_total: options.patterns.len() as u64,
            as_of: options.as_of,
            target: ByteText(options.target.as_os_str().as_bytes().to_vec()),
            started: self.started,
            outcome: ended.map_or(Outcome::Failed, |done| done.outcome),
            objects,
            files,
            file_bytes,
            verified,
            volumes: tapes
                .iter()
                .take(VOLUMES_MOST)
                .map(|tape| self.from(tape))
                .collect(),
            volumes_total: tapes.len() as u64,
            planned_s: timing.planned_s.round() as u64,
            real_s: timing.real_s.round() as u64,
            problems: match ended {
                Ok(done) => problems(done),
                Err(error) => failure(error),
            },
        }
    }

    fn from(&self, tape: &TapeNeed) -> RestoredFrom {
        let timing = &self.timing.tapes;
        let real = timing.iter().find(|timing| timing.barcode == tape.barcode);
        RestoredFrom {
            volume: tape.volume,
            planned_s: tape.times.total_s.round() as u64,
            real_s: real.map(|timing| timing.real.total_s().round() as u64),
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
    problems.total = done.lost_with_tapes.len() as u64 + done.problems.total;
    problems
}

fn failure(error: &JobError) -> Problems {
    let mut problems = Problems::default();
    problems.push(Problem {
        path: ByteText(Vec::new()),
        what: with_causes(error),
    });
    problems
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
