//! What the jobs that a restore takes from had not archived: it is on no tape, and who asks for a
//! directory would not see that it is missing.

use std::collections::{BTreeMap, BTreeSet};

use catalogs::model::Kind;
use catalogs::model::event::Outcome;
use catalogs::{Catalog, Job, Pattern};
use jiff::Timestamp;
use uuid::Uuid;

use super::RestoreOptions;
use super::choose::{Selection, bare, is_at_or_below};
use crate::jobs::ends::end_by_receipts;
use crate::jobs::{ByteText, JobError, Problem, Problems};

/// Remarks on what is missing below what was asked for. Of a file that was asked for by its name
/// nothing can be missing but the file itself, of which others tell.
///
/// # Errors
///
/// The catalog cannot be asked, or a pattern is none.
pub(super) fn remark(
    catalog: &Catalog,
    options: &RestoreOptions,
    selection: &Selection,
    remarks: &mut Problems,
) -> Result<(), JobError> {
    let chosen = selection.values().filter(|chosen| !chosen.is_above);
    let ids: BTreeSet<Uuid> = chosen.map(|chosen| chosen.job).collect();
    let mut lacking: BTreeMap<Uuid, Job> = BTreeMap::new();
    for id in ids {
        if let Some(job) = catalog.job(&id.to_string())?
            && is_lacking(catalog, &job)?
        {
            lacking.insert(id, job);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let patterns = wide(options, selection)?;
    let jobs = catalog.jobs()?;
    for (id, job) in &lacking {
        if is_made_up(job, &jobs, options.as_of) {
            continue;
        }
        let mut of_job = selection.iter().filter(|(_, chosen)| chosen.job == *id);
        let asked = of_job.find_map(|(path, _)| patterns.iter().find(|(_, one)| one.matches(path)));
        let Some((text, _)) = asked else {
            continue;
        };
        let told_before = remarks.total;
        listed(job, &patterns, selection, remarks);
        let is_told = remarks.total > told_before;
        if let Some(what) = in_general(job, is_told) {
            let path = ByteText(bare(text).to_vec());
            remarks.push(Problem { path, what });
        }
    }
    Ok(())
}

/// Patterns that may mean more than one object.
fn wide<'o>(
    options: &'o RestoreOptions,
    selection: &Selection,
) -> Result<Vec<(&'o [u8], Pattern)>, JobError> {
    let is_wide = |pattern: &&Vec<u8>| {
        let itself = selection.get(bare(pattern));
        itself.is_none_or(|one| one.kind == Kind::Directory)
    };
    let parsed = options.patterns.iter().filter(is_wide).map(|pattern| {
        let parsed = Pattern::parse(pattern)?;
        Ok((pattern.as_slice(), parsed))
    });
    parsed.collect()
}

fn outcome(job: &Job) -> Option<Outcome> {
    job.finish.as_ref().map(|finish| finish.what.outcome)
}

/// Whether something may be missing from a job. One of two copies that was written to its end is
/// enough, whatever became of the other.
fn is_lacking(catalog: &Catalog, job: &Job) -> Result<bool, JobError> {
    Ok(match outcome(job) {
        Some(Outcome::Complete) => false,
        Some(Outcome::Partial) => true,
        Some(Outcome::Failed | Outcome::Interrupted) | None => {
            let ended = end_by_receipts(catalog, job.start.what.job)?;
            ended.is_none_or(|end| end.outcome != Outcome::Complete)
        }
    })
}

/// The objects that a job named as missing, as far as they were asked for.
fn listed(job: &Job, patterns: &[(&[u8], Pattern)], selection: &Selection, remarks: &mut Problems) {
    let name = &job.start.what.name;
    let finish = job.finish.iter();
    for problem in finish.flat_map(|finish| &finish.what.problems.listed) {
        let path = bare(&problem.path.0);
        let is_asked = patterns.iter().any(|(_, pattern)| pattern.matches(path));
        let chosen = selection.get(path);
        // What was archived and not whole says so itself, and a later job may have archived it.
        let is_here = chosen.is_some_and(|chosen| chosen.archived >= job.start.time);
        if path.is_empty() || !is_asked || is_here {
            continue;
        }
        let instead = chosen.map_or("", |_| "; this is the version of an older job");
        remarks.push(Problem {
            path: ByteText(path.to_vec()),
            what: format!("job {name} did not archive it: {}{instead}", problem.what),
        });
    }
}

/// What cannot be told by object.
fn in_general(job: &Job, is_told: bool) -> Option<String> {
    let name = &job.start.what.name;
    let by_tapes = match job
        .finish
        .as_ref()
        .is_some_and(|finish| finish.what.from_tapes)
    {
        true => " by what the tapes that were read tell (an index that tells may be bad)",
        false => "",
    };
    let problems = job.finish.as_ref().map(|finish| &finish.what.problems);
    let more = problems.filter(|problems| problems.total > problems.listed.len() as u64);
    match (outcome(job), more) {
        (Some(Outcome::Complete), _) => None,
        (Some(Outcome::Partial), Some(problems)) => Some(format!(
            "job {name}, from which it comes, could not archive {} objects, of which the catalog \
             names the first {}",
            problems.total,
            problems.listed.len()
        )),
        (Some(Outcome::Partial), None) if by_tapes.is_empty() || is_told => None,
        (Some(Outcome::Partial), None) => Some(format!(
            "job {name}, from which it comes, is not whole{by_tapes}"
        )),
        (Some(Outcome::Failed | Outcome::Interrupted) | None, _) => Some(format!(
            "job {name}, from which it comes, did not come to its end{by_tapes}: what it had not \
             archived by then is not here"
        )),
    }
}

/// A job lacks nothing any more if a later one of the same paths came to its end.
fn is_made_up(job: &Job, jobs: &[Job], as_of: Option<Timestamp>) -> bool {
    let start = &job.start;
    jobs.iter().any(|other| {
        let is_above = |root: &ByteText| {
            let mut roots = other.start.what.roots.iter();
            roots.any(|above| is_at_or_below(&root.0, &above.0))
        };
        matches!(outcome(other), Some(Outcome::Complete | Outcome::Partial))
            && other.start.time > start.time
            && as_of.is_none_or(|moment| other.start.time <= moment)
            && start.what.roots.iter().all(is_above)
    })
}
