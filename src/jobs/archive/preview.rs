//! What an archive job would do, without a tape.

use serde::Serialize;

use super::base::{self, BaseJob};
use super::summary::Changes;
use super::{JobDescription, check_pool, never, plan};
use crate::engine::source::{Base, Measure, Seen, Severity, survey};
use crate::jobs::{ByteText, JobError, Level, Problem, Problems, Site, catalog};

/// What a job would archive.
#[derive(Debug, Clone, Serialize)]
pub struct ArchivePreview {
    /// What of the trees it would archive.
    pub level: Level,
    /// What it would be measured against, if not full.
    pub base: Option<BaseJob>,
    /// How the trees compare with that; `None` if it would be full.
    pub changes: Option<Changes>,
    /// Objects that would be archived, of any kind.
    pub objects: u64,
    /// Bytes of the files among them.
    pub file_bytes: u64,
    /// Lists and commands, of which nothing is known before they are read.
    pub uncounted_sources: u64,
    /// What cannot be looked at.
    pub problems: Problems,
}

/// One name of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "would", rename_all = "snake_case")]
pub enum Previewed {
    /// It would be archived.
    Archive {
        /// Archive path.
        path: ByteText,
        /// Bytes of the file; a further name of it has none.
        bytes: u64,
    },
    /// It would be recorded as not there any more.
    Delete {
        /// Archive path.
        path: ByteText,
    },
}

/// Says what [`archive`](super::archive) would do, and tells each object onwards. Touches no
/// tape, opens no file, runs no command and changes nothing.
///
/// # Errors
///
/// As [`archive`](super::archive) before it touches a tape.
pub fn preview(
    site: Site<'_>,
    job: &JobDescription,
    each: &mut dyn FnMut(Previewed),
) -> Result<ArchivePreview, JobError> {
    let never = never(site)?;
    let catalog = catalog::open(site)?;
    check_pool(&catalog, &job.pool)?;
    let mut plan = plan(site, job, site.clock.new_id(), never)?;
    let basis = base::find(&catalog, job, &mut plan.job)?;
    if let Some(notice) = basis.announcement() {
        site.monitor.notice(&notice);
    }
    let against = basis.listed(&catalog);
    let against = against.as_ref().map(|base| base as &dyn Base);
    let mut problems = Problems::default();
    let stop = || site.monitor.stop_requested();
    let mut each = |seen: Seen<'_>| match seen {
        Seen::Object(path, bytes) => each(Previewed::Archive {
            path: ByteText(path.to_vec()),
            bytes,
        }),
        Seen::Gone(path) => each(Previewed::Delete {
            path: ByteText(path.to_vec()),
        }),
        Seen::Remark(remark) if remark.severity == Severity::Problem => problems.push(Problem {
            path: ByteText(remark.path.clone()),
            what: remark.what.clone(),
        }),
        Seen::Remark(_) => {}
    };
    let measured = match plan.walked() {
        None => Measure::default(),
        Some(walked) => survey(&walked, against, stop, &mut each)
            .map_err(JobError::Engine)?
            .ok_or(JobError::Stopped)?,
    };
    Ok(ArchivePreview {
        level: basis.level(),
        base: basis.job(),
        changes: basis.job().map(|_| Changes::new(measured.compared)),
        objects: measured.files,
        file_bytes: measured.bytes,
        uncounted_sources: plan.uncountable() as u64,
        problems,
    })
}
