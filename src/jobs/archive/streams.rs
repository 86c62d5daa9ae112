//! The lists, commands and tar streams of a job that goes on: given again, since the catalog keeps
//! none of them, and not run again where all that they brought is on tape.

use std::collections::{BTreeSet, HashMap};

use catalogs::model::{Condition, Entry, FileTime};
use catalogs::{Catalog, Job};
use uuid::Uuid;

use super::summary::COMMANDS_MAX;
use super::{CommandEnded, JobDescription, Source};
use crate::engine::archive::ArchivePlan;
use crate::jobs::{ByteText, JobError, catalog};

/// True if the job had sources that only its description tells, and none are given.
pub(super) fn lacks_sources(job: &Job, given: &JobDescription) -> bool {
    let start = &job.start.what;
    given.has_only_paths() && (start.more_sources || start.roots.is_empty())
}

/// Makes sure that sources which cover these archive paths are those of the job, as far as the
/// catalog can tell: they may have been given again.
pub(super) fn check_sources(before: &Job, roots: &[Vec<u8>]) -> Result<(), JobError> {
    let start = &before.start.what;
    let began: BTreeSet<&[u8]> = start.roots.iter().map(|ByteText(root)| &root[..]).collect();
    let given: BTreeSet<&[u8]> = roots.iter().map(Vec::as_slice).collect();
    let missing = named(began.difference(&given));
    let new = named(given.difference(&began));
    let what = match (missing.is_empty(), new.is_empty()) {
        (true, true) => return Ok(()),
        (false, true) => format!("its {missing} is missing"),
        (true, false) => format!("{new} was not among them"),
        (false, false) => format!("its {missing} is missing, and {new} was not among them"),
    };
    let what = format!(
        "these are not the sources of job {}: {what}. Name them as when it began; what is new \
         belongs to a job of its own",
        start.name
    );
    Err(JobError::Request { what })
}

fn named<'a, 'b: 'a>(paths: impl Iterator<Item = &'a &'b [u8]>) -> String {
    let texts = paths.map(|path| format!("/{}", String::from_utf8_lossy(path)));
    texts.collect::<Vec<_>>().join(", ")
}

/// Places of the streams that need not come again. Of a command's one file the entries tell, of a
/// tar stream its record at the end of the job, as long as no tape with any of it is given up.
pub(super) fn streams_done(
    catalog: &Catalog,
    plan: &ArchivePlan,
    pool: &str,
    outputs: &Outputs,
) -> Result<Vec<Vec<u8>>, JobError> {
    let job = catalog.job(&plan.job.id.to_string())?;
    let ended = job.and_then(|job| job.finish).map(|finish| finish.what);
    let commands = ended.map(|finish| finish.commands).unwrap_or_default();
    let all_kept = !any_given_up(catalog, plan.job.id, pool)?;
    let is_recorded = |place: &[u8]| {
        let mut whole = commands.iter().filter(|end| end.complete);
        all_kept && whole.any(|end| end.place.0 == place)
    };
    let places = plan.sources.iter().filter_map(|source| {
        let (place, done) = match source {
            Source::Command(one) => {
                let place = one.archive_path();
                (place, outputs.has_whole(place))
            }
            Source::Tar(one) => {
                let place = one.archive_path();
                (place, is_recorded(place))
            }
            Source::Paths(_) | Source::List(_) => return None,
        };
        done.then(|| place.to_vec())
    });
    Ok(places.collect())
}

/// Adds how the commands ended that were not run this time.
pub(super) fn keep_commands(commands: &mut Vec<CommandEnded>, before: &Job) {
    let earlier = before
        .finish
        .iter()
        .flat_map(|finish| &finish.what.commands);
    for end in earlier {
        if commands.len() < COMMANDS_MAX && commands.iter().all(|new| new.place != end.place) {
            // What it said was recorded then.
            commands.push(CommandEnded {
                stderr: String::new(),
                ..end.clone()
            });
        }
    }
}

/// True if a volume of the pool with segments of the job was given up.
fn any_given_up(catalog: &Catalog, job: Uuid, pool: &str) -> Result<bool, JobError> {
    for recorded in catalog.receipts_of_job(&job)? {
        let volume = catalog::volume(catalog, recorded.what.receipt.volume)?;
        if volume.retired.is_some() && volume.label.what.pool == pool {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How far the output of each command came, by its place.
#[derive(Debug, Default)]
pub(super) struct Outputs(HashMap<Vec<u8>, Output>);

/// A file in the order in which its parts came.
#[derive(Debug, Default)]
struct Output {
    /// Of the part behind the last one that followed the others.
    next_number: u32,
    /// Of one run of the command: when it began.
    mtime: FileTime,
    is_whole: bool,
}

impl Outputs {
    pub(super) fn of(sources: &[Source]) -> Self {
        let commands = sources.iter().filter_map(|source| match source {
            Source::Command(one) => Some((one.archive_path().to_vec(), Output::default())),
            _ => None,
        });
        Self(commands.collect())
    }

    /// Takes in what is on tape, in its order.
    pub(super) fn take(&mut self, entry: &Entry) {
        let Some(output) = self.0.get_mut(&entry.path) else {
            return;
        };
        let (number, last) = entry
            .part
            .map_or((1, true), |part| (part.number, part.last));
        let follows = (number, entry.mtime) == (output.next_number, output.mtime);
        let is_whole = entry.condition == Condition::Whole && (number == 1 || follows);
        output.next_number = if is_whole { number + 1 } else { 0 };
        output.mtime = entry.mtime;
        output.is_whole |= is_whole && last;
    }

    fn has_whole(&self, place: &[u8]) -> bool {
        self.0.get(place).is_some_and(|output| output.is_whole)
    }
}
