//! From patterns to reads: which entries of the catalog a restore takes.
//!
//! The newest version of a path is taken; of a file that was cut into parts, the newest
//! that is whole, since a job that was cut off may have left the beginning of one. What
//! differs from what a person would expect is remarked, never passed over.
//!
//! Memory grows with the objects to restore, by about 500 bytes and three names each.

use std::collections::{BTreeMap, HashSet};

use catalogs::model::{Condition, Kind};
use catalogs::{Catalog, FindOptions, Hit, Pattern};
use jiff::Timestamp;
use uuid::Uuid;

use super::arrange::{Arranged, arrange};
use super::chosen::{Chosen, Member};
use super::copies;
use super::existing::{self, Found};
use super::links::{LinkFinder, plan_links};
use super::names::Names;
use super::resumed;
use super::{RestoreOptions, TapePlace};
use crate::jobs::find::{condition_sentence, nothing_found};
use crate::jobs::mount::Places;
use crate::jobs::{ByteText, JobError, Problem, Problems, catalog};
use crate::monitor::Monitor;

/// Objects by archive path, in bytewise order.
pub(super) type Selection = BTreeMap<Vec<u8>, Chosen>;

/// What a restore will read.
pub(super) struct Choice {
    /// The volumes in the order in which they are read.
    pub(super) volumes: Vec<Arranged>,
    /// Those with other copies of the same objects, as far as there are such.
    pub(super) spares: Vec<Arranged>,
    /// Bytes of the files in it.
    pub(super) file_bytes: u64,
    /// What of it is in the target already.
    pub(super) found: Found,
    /// Bytes that they take in the target.
    pub(super) write_bytes: u64,
    /// Objects that will not be what their names promise: older versions, files that were not
    /// whole when they were archived.
    pub(super) remarks: Problems,
    /// Objects that match and were deleted since: they are not restored.
    pub(super) deleted: u64,
    /// Patterns for which there is nothing to restore, while there is for others.
    pub(super) not_found: Vec<ByteText>,
}

/// Makes the plan.
///
/// # Errors
///
/// [`JobError::NothingFound`], or what the catalog says.
pub(super) fn plan(
    catalog: &Catalog,
    places: &Places,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<Choice, JobError> {
    let chooser = Chooser {
        catalog,
        places,
        as_of: options.as_of,
        names: Names(&options.maps),
        is_alone: !options.alone.is_empty(),
    };
    let mut selection = Selection::new();
    let (mut deleted, mut not_found) = (0, Vec::new());
    for pattern in &options.patterns {
        let selected = chooser.select(pattern, &mut selection)?;
        deleted += selected.deleted;
        if !selected.any {
            not_found.push(ByteText(pattern.clone()));
        }
    }
    if selection.is_empty() {
        let text = |pattern: &Vec<u8>| String::from_utf8_lossy(pattern).into_owned();
        let patterns = options.patterns.iter().map(text).collect();
        return Err(nothing_found(catalog, patterns, options.as_of)?);
    }
    chooser.add_ancestors(&mut selection)?;
    selection.values_mut().for_each(Chosen::settle);
    let mut remarks = chooser.prefer_whole_versions(&mut selection)?;
    part_ways(&mut selection, &mut remarks);
    chooser.names.settle(&mut selection)?;
    let finder = LinkFinder { chooser: &chooser };
    let found = match &options.resumed {
        None => existing::look(options, &mut selection)?,
        Some(resumed) => resumed::look(options, resumed, &mut selection, &finder, monitor)?,
    };
    copies::settle(&mut selection, &chooser.loaded()?);
    let file_bytes = selection.values().map(|chosen| chosen.size_bytes).sum();
    let mut members = plan_links(selection, &finder, &found.earlier.first_names)?;
    for member in members.first.iter_mut().chain(&mut members.spare) {
        member.read.name = chooser.names.of(&member.read.name);
    }
    let write_bytes = members.first.iter().map(Member::data_bytes).sum();
    Ok(Choice {
        volumes: chooser.by_volume(members.first)?,
        spares: chooser.by_volume(members.spare)?,
        file_bytes,
        found,
        write_bytes,
        remarks,
        deleted,
        not_found,
    })
}

/// What a pattern brought into a selection.
#[derive(Default)]
struct Selected {
    /// Anything, be it for the second time.
    any: bool,
    /// Objects that were left out since they are gone.
    deleted: u64,
}

/// Of what lies below something that is no directory one of both is left out: they were archived
/// at different times, and the newer stays.
fn part_ways(selection: &mut Selection, remarks: &mut Problems) {
    let mut left_out: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (path, chosen) in selection
        .iter()
        .filter(|(_, chosen)| chosen.kind != Kind::Directory)
    {
        let begin = [path.as_slice(), b"/"].concat();
        let below = selection.range(begin.clone()..);
        for (other, lower) in below.take_while(|(other, _)| other.starts_with(&begin)) {
            left_out.push(match lower.archived > chosen.archived {
                true => (path.clone(), other.clone()),
                false => (other.clone(), path.clone()),
            });
        }
    }
    for (path, other) in left_out {
        if selection.remove(&path).is_some() {
            let other = String::from_utf8_lossy(&other).into_owned();
            let what = format!(
                "it is left out: /{other}, which was archived later, has its place or lies below \
                 it; restore it by itself"
            );
            let path = ByteText(path);
            remarks.push(Problem { path, what });
        }
    }
}

/// Which versions of a path are looked up.
#[derive(Clone, Copy)]
pub(super) enum Versions {
    Newest,
    OfJob(Uuid),
    All,
}

pub(super) struct Chooser<'a> {
    catalog: &'a Catalog,
    places: &'a Places,
    as_of: Option<Timestamp>,
    names: Names<'a>,
    /// Only what a few tapes say of themselves is known.
    is_alone: bool,
}

impl Chooser<'_> {
    /// Adds what matches `pattern`. What is gone is left out, unless it was asked for by
    /// its very name.
    fn select(&self, pattern: &[u8], selection: &mut Selection) -> Result<Selected, JobError> {
        let (mut selected, mut last) = (Selected::default(), Vec::new());
        let options = FindOptions {
            as_of: self.as_of,
            ..FindOptions::default()
        };
        let name = pattern.strip_prefix(b"/").unwrap_or(pattern);
        let name = name.strip_suffix(b"/").unwrap_or(name);
        for hit in self.catalog.find(&Pattern::parse(pattern)?, &options)? {
            let hit = hit?;
            if !hit.gone || hit.entry.path == name {
                self.add(hit, selection);
                selected.any = true;
            } else if hit.entry.path != last {
                // Copies of it come next to each other.
                selected.deleted += 1;
                last = hit.entry.path;
            }
        }
        Ok(selected)
    }

    /// Replaces files of which the newest job has only some parts by the newest whole version,
    /// and remarks on these and on files that were not whole when they were archived.
    fn prefer_whole_versions(&self, selection: &mut Selection) -> Result<Problems, JobError> {
        let mut remarks = Problems::default();
        for (path, chosen) in selection {
            let what = if chosen.is_whole() {
                match chosen.condition {
                    Condition::Whole => continue,
                    condition => format!(
                        "{}; it comes back as it is on tape",
                        condition_sentence(condition)
                    ),
                }
            } else {
                match self.newest_whole(path)? {
                    Some((older, job)) => {
                        *chosen = older;
                        format!("the newest job was cut off in it; this is its version of {job}")
                    }
                    None if self.is_alone => chosen.parts_here(),
                    None => "a job was cut off in it, and no older version is whole".to_owned(),
                }
            };
            remarks.push(Problem {
                path: ByteText(path.clone()),
                what,
            });
        }
        Ok(remarks)
    }

    /// The newest version of `path` with all its parts, and the name of the job it is from.
    fn newest_whole(&self, path: &[u8]) -> Result<Option<(Chosen, String)>, JobError> {
        let mut versions: Vec<(Uuid, String, Selection)> = Vec::new();
        for hit in self.exact(path, Versions::All)? {
            let job = hit.receipt.receipt.job;
            if versions.last().is_none_or(|(last, ..)| *last != job) {
                let name = hit.job.start.what.name.clone();
                versions.push((job, name, Selection::new()));
            }
            let (.., version) = versions.last_mut().expect("one was pushed");
            self.add(hit, version);
        }
        let whole = versions.into_iter().find_map(|(_, name, mut version)| {
            let mut chosen = version.remove(path)?;
            chosen.settle();
            chosen.is_whole().then_some((chosen, name))
        });
        Ok(whole)
    }

    /// Directories above what is selected, so that they get their metadata back.
    fn add_ancestors(&self, selection: &mut Selection) -> Result<(), JobError> {
        let mut wanted: HashSet<Vec<u8>> = HashSet::new();
        for whole in selection.keys() {
            let mut path = whole.as_slice();
            while let Some(at) = path.iter().rposition(|&byte| byte == b'/') {
                if self.names.ends_at(path, whole) {
                    break;
                }
                path = &path[..at];
                if path.len() > existing::ANCESTOR_BYTES {
                    continue;
                }
                if selection.contains_key(path) || !wanted.insert(path.to_vec()) {
                    break;
                }
            }
        }
        for path in wanted {
            for hit in self.exact(&path, Versions::Newest)? {
                if hit.entry.kind == Kind::Directory {
                    self.add(hit, selection);
                }
            }
        }
        Ok(())
    }

    /// Versions of exactly this path, newest first.
    pub(super) fn exact(&self, path: &[u8], versions: Versions) -> Result<Vec<Hit>, JobError> {
        let options = FindOptions {
            as_of: self.as_of,
            all_versions: !matches!(versions, Versions::Newest),
            ..FindOptions::default()
        };
        let mut found = Vec::new();
        // Hits come in directory order: the name itself before all that lies below it.
        for hit in self.catalog.find(&Pattern::tree(path)?, &options)? {
            let hit = hit?;
            if hit.entry.path != path {
                break;
            }
            let wanted = match versions {
                Versions::Newest | Versions::All => true,
                Versions::OfJob(job) => hit.receipt.receipt.job == job,
            };
            if wanted {
                found.push(hit);
            }
        }
        Ok(found)
    }

    /// Volumes that are in drives.
    fn loaded(&self) -> Result<HashSet<Uuid>, JobError> {
        let volumes = catalog::live_volumes(self.catalog)?.into_iter();
        let labels = volumes.map(|volume| volume.label.what);
        let in_drives =
            labels.filter(|label| matches!(self.places.of(&label.barcode), TapePlace::Drive(_)));
        Ok(in_drives.map(|label| label.volume).collect())
    }

    /// Takes a hit in; of two copies of an object the one within reach wins.
    pub(super) fn add(&self, hit: Hit, selection: &mut Selection) {
        let reachable = self.places.of(&hit.volume.label.what.barcode) != TapePlace::Missing;
        let chosen = selection
            .entry(hit.entry.path.clone())
            .or_insert_with(|| Chosen::new(hit.receipt.receipt.job));
        chosen.take(hit, reachable);
    }

    /// Groups reads by volume, volumes in the order in which the catalog got to know the
    /// segments that are read.
    fn by_volume(&self, members: Vec<Member>) -> Result<Vec<Arranged>, JobError> {
        let mut volumes: BTreeMap<Uuid, Vec<Member>> = BTreeMap::new();
        for member in members {
            volumes.entry(member.volume).or_default().push(member);
        }
        let mut ordered: Vec<(u64, Arranged)> = Vec::with_capacity(volumes.len());
        for (volume, members) in volumes {
            let segments: HashSet<Uuid> = members.iter().map(|member| member.segment).collect();
            let receipts = self.catalog.receipts_of_volume(&volume)?;
            let read = receipts
                .iter()
                .filter(|r| segments.contains(&r.what.receipt.segment));
            let order = read.map(|receipt| receipt.seq).min().unwrap_or(u64::MAX);
            let ends = receipts
                .iter()
                .map(|receipt| receipt.what.receipt.end_block);
            let used_blocks = ends.max().unwrap_or_default();
            let volume = catalog::volume(self.catalog, volume)?;
            ordered.push((order, arrange(members, volume, used_blocks)));
        }
        ordered.sort_by_key(|(order, _)| *order);
        Ok(ordered.into_iter().map(|(_, arranged)| arranged).collect())
    }
}
