//! A job that was cut off goes on: what of it is on tape, by the catalog.
//!
//! Memory: 48 bytes for each object that is on tape and came from no stream.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use catalogs::model::event::{Receipt, ReceiptRecord};
use catalogs::model::{Condition, Entry, Kind};
use catalogs::{Catalog, Job};
use uuid::Uuid;

use super::streams::{Outputs, lacks_sources, streams_done};
use super::{JobDescription, Source};
use crate::engine::archive::{ArchivePlan, BegunFile, Resume};
use crate::engine::source::{FileState, Known, is_at_or_below};
use crate::jobs::known::{StateKey, state_key};
use crate::jobs::who::host_name;
use crate::jobs::{ByteText, JobError, Outcome, Site, catalog, convert, which};
use crate::volume::member::FileTime;

/// The job to go on with. What of its sources the catalog does not keep has to be in `given`.
pub(super) fn job(
    site: Site<'_>,
    catalog: &Catalog,
    name: &str,
    given: &JobDescription,
) -> Result<Job, JobError> {
    let job = which::newest_job_told(site, catalog, name)?;
    let host = host_name();
    let what = match &job.finish {
        None => format!("job {name} still runs"),
        Some(finish) if finish.what.outcome == Outcome::Complete => {
            format!("job {name} is complete: there is nothing to resume")
        }
        Some(_) if job.start.what.host != host => {
            let of = &job.start.what.host;
            format!("job {name} archives files of host {of}, and this is {host}")
        }
        Some(_) if catalog.retained()?.is_expired(&job.start.what.job) => format!(
            "job {name} is expired, and what is brought to it now would not be offered: `keep \
             {name} --for 10y` or the like offers it again"
        ),
        Some(_) if lacks_sources(&job, given) => format!(
            "job {name} archives what lists name or commands write, which the catalog does not \
             keep: name all its sources as when it began, as in `archive --resume JOB --job FILE`"
        ),
        Some(_) => match built_on(catalog, &job)? {
            None => return Ok(job),
            Some(later) => format!(
                "job {} of changes began after job {name}, and what is brought to job {name} now \
                 would belong to a time before it: archive again with --level incremental, which \
                 passes over what is on tape",
                later.start.what.name
            ),
        },
    };
    Err(JobError::Request { what })
}

/// A later job that tells what changed below the same paths, if there is one: it takes what it
/// does not hold to be as it was before.
fn built_on(catalog: &Catalog, job: &Job) -> Result<Option<Job>, JobError> {
    let meets = |other: &Job| {
        let mine = job.start.what.roots.iter();
        mine.flat_map(|ByteText(mine)| {
            let others = other.start.what.roots.iter();
            others.map(move |ByteText(other)| (mine, other))
        })
        .any(|(mine, other)| is_at_or_below(mine, other) || is_at_or_below(other, mine))
    };
    let counts = |other: &Job| match &other.finish {
        None => true,
        Some(finish) => matches!(finish.what.outcome, Outcome::Complete | Outcome::Partial),
    };
    let jobs = catalog.jobs()?;
    let mut later = jobs.into_iter();
    let found = later
        .by_ref()
        .any(|other| other.start.what.job == job.start.what.job);
    debug_assert!(found, "it is among the jobs");
    Ok(later.find(|other| !other.start.what.level.is_full() && counts(other) && meets(other)))
}

/// The description with which the job began; how it is written is said anew.
pub(super) fn description(given: &JobDescription, job: &Job) -> JobDescription {
    use std::os::unix::ffi::OsStringExt as _;
    let start = &job.start.what;
    let path = |ByteText(root): &ByteText| {
        let path = [b"/".as_slice(), root].concat();
        PathBuf::from(std::ffi::OsString::from_vec(path))
    };
    JobDescription {
        sources: match &given.sources[..] {
            [] => vec![Source::Paths(start.roots.iter().map(path).collect())],
            given => given.to_vec(),
        },
        pool: start.pool.clone(),
        copy_pool: start.copy_pool.clone(),
        name: Some(start.name.clone()),
        excludes: start.excludes.clone(),
        one_file_system: start.one_file_system,
        level: start.level,
        digest: convert::digest_algorithm(start.digest_algorithm),
        base: None,
        ..given.clone()
    }
}

/// The volume of a pool that the first of these jobs wrote last which has any there.
pub(super) fn last_volume(
    catalog: &Catalog,
    jobs: &[Uuid],
    pool: &str,
) -> Result<Option<Uuid>, JobError> {
    for job in jobs {
        if let Some(last) = receipts(catalog, *job, pool)?.last() {
            return Ok(Some(last.receipt.volume));
        }
    }
    Ok(None)
}

/// What the job has on tapes of its pools, the first of which decides what is known.
pub(super) fn state(
    catalog: &Catalog,
    plan: &ArchivePlan,
    pools: &[&str],
) -> Result<Resume, JobError> {
    let job = plan.job.id;
    let mut on_tape = OnTape::default();
    let mut outputs = Outputs::of(&plan.sources);
    let mut segments_before = Vec::new();
    for (at, pool) in pools.iter().enumerate() {
        let receipts = receipts(catalog, job, pool)?;
        let numbers = receipts.iter().map(|record| record.receipt.job_segment);
        segments_before.push(numbers.max().flatten().unwrap_or(0));
        if at > 0 {
            continue;
        }
        for record in &receipts {
            let entries = catalog.entries_in_tape_order(record)?;
            entries.iter().for_each(|entry| outputs.take(entry));
            let is_walked = |entry: &Entry| plan.can_be_read_again(&entry.path);
            on_tape.add(entries, &record.receipt, is_walked);
        }
    }
    let begun = on_tape.take_begun();
    Ok(Resume {
        known: Arc::new(on_tape),
        begun,
        streams: streams_done(catalog, plan, pools[0], &outputs)?,
        segments_before,
    })
}

/// The job's receipts on volumes of this pool that are not given up, in its own order.
fn receipts(catalog: &Catalog, job: Uuid, pool: &str) -> Result<Vec<ReceiptRecord>, JobError> {
    let mut receipts = Vec::new();
    for recorded in catalog.receipts_of_job(&job)? {
        let volume = catalog::volume(catalog, recorded.what.receipt.volume)?;
        if volume.retired.is_none() && volume.label.what.pool == pool {
            receipts.push(recorded.what);
        }
    }
    receipts.sort_by_key(|record| record.receipt.job_segment);
    Ok(receipts)
}

/// What is on tape as it was found.
#[derive(Debug, Default)]
struct OnTape {
    known: HashSet<StateKey>,
    /// Names that it recorded as gone.
    gone: HashSet<StateKey>,
    /// Files of which the last part has not come, by path.
    begun: HashMap<Vec<u8>, BegunFile>,
}

impl OnTape {
    /// Takes in a segment. What is not walked, it leaves aside.
    fn add(&mut self, entries: Vec<Entry>, receipt: &Receipt, is_walked: impl Fn(&Entry) -> bool) {
        // How long a part is, only the sum of its segment tells.
        let others = entries.iter().map(|entry| match entry.part {
            Some(part) if part.last => entry.size_bytes.saturating_sub(part.offset_bytes),
            Some(_) => 0,
            None => entry.size_bytes,
        });
        let open = entries
            .iter()
            .filter(|e| e.part.is_some_and(|part| !part.last));
        let members = entries.iter().filter(|e| e.kind != Kind::Gone).count();
        let certain = open.count() <= 1 && members as u64 == receipt.files;
        let part_bytes = receipt.file_bytes.checked_sub(others.sum());
        for entry in entries.into_iter().filter(is_walked) {
            if entry.kind == Kind::Gone {
                self.gone.insert(gone_key(&entry.path));
                continue;
            }
            let whole = entry.condition == Condition::Whole;
            match entry.part {
                None if whole => {
                    self.known.insert(key(&entry));
                }
                None => {}
                Some(part) if part.last => self.end(&entry, part.number, whole),
                Some(part) => {
                    let bytes = part_bytes.filter(|_| certain && whole);
                    let next = bytes.map(|bytes| part.offset_bytes + bytes);
                    self.go_on(entry, part.number, next);
                }
            }
        }
    }

    /// A part that is not the last. `next`: where the next one starts, if that is certain.
    fn go_on(&mut self, entry: Entry, number: u32, next: Option<u64>) {
        let follows = number == 1 || self.follows(&entry, number);
        let (state, path) = (state_of(&entry), entry.path);
        match next.filter(|_| follows) {
            Some(offset_bytes) => {
                let file = BegunFile {
                    path: path.clone(),
                    state,
                    number: number + 1,
                    offset_bytes,
                };
                self.begun.insert(path, file);
            }
            None => {
                self.begun.remove(&path);
            }
        }
    }

    fn end(&mut self, entry: &Entry, number: u32, whole: bool) {
        if whole && self.follows(entry, number) {
            self.known.insert(key(entry));
        }
        self.begun.remove(&entry.path);
    }

    fn follows(&self, entry: &Entry, number: u32) -> bool {
        let before = self.begun.get(&entry.path);
        let offset_bytes = entry.part.map_or(0, |part| part.offset_bytes);
        before.is_some_and(|file| {
            let next = (file.number, file.offset_bytes, file.state);
            next == (number, offset_bytes, state_of(entry))
        })
    }

    /// The files that have to be ended; the walk leaves them out.
    fn take_begun(&mut self) -> Vec<BegunFile> {
        let mut begun: Vec<BegunFile> = self.begun.values().cloned().collect();
        begun.sort_by(|a, b| a.path.cmp(&b.path));
        begun
    }
}

impl Known for OnTape {
    fn is_known(&self, path: &[u8], state: &FileState) -> bool {
        let FileState {
            size_bytes,
            mtime,
            ctime,
        } = *state;
        let times = [mtime, ctime].map(|time| (time.seconds, time.nanoseconds));
        let key = state_key(0, path, size_bytes, times);
        self.known.contains(&key) || self.begun.contains_key(path)
    }

    fn is_gone(&self, path: &[u8]) -> bool {
        self.gone.contains(&gone_key(path))
    }
}

fn gone_key(path: &[u8]) -> StateKey {
    state_key(0, path, 0, [(0, 0); 2])
}

fn key(entry: &Entry) -> StateKey {
    let times = [entry.mtime, entry.ctime].map(|time| (time.seconds, time.nanoseconds));
    state_key(0, &entry.path, entry.size_bytes, times)
}

fn state_of(entry: &Entry) -> FileState {
    let [mtime, ctime] = [entry.mtime, entry.ctime].map(|time| FileTime {
        seconds: time.seconds,
        nanoseconds: time.nanoseconds,
    });
    FileState {
        size_bytes: entry.size_bytes,
        mtime,
        ctime,
    }
}
