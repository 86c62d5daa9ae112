//! From patterns to reads: which entries of the catalog a restore takes.
//!
//! The newest version of a path is taken; of a file that was cut into parts, the newest
//! that is whole, since a job that was cut off may have left the beginning of one. What
//! differs from what a person would expect is remarked, never passed over.
//!
//! Memory grows with the objects to restore, by about 500 bytes and three names each.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use catalogs::model::{Condition, Kind};
use catalogs::{Catalog, CatalogError, FindOptions, Hit, Pattern};
use jiff::Timestamp;
use uuid::Uuid;

use super::above;
use super::arrange::{Aim, Arranged, arrange};
use super::chosen::{Chosen, Copies, Member, Parts};
use super::copies;
use super::existing::{self, Found};
use super::first;
use super::lacking;
use super::links::{LinkFinder, plan_links};
use super::names::Names;
use super::past::{self, AsItWas, Deleted, Gone};
use super::resumed;
use super::{Output, RestoreError, RestoreOptions};
use crate::engine::restore::KnownDirectory;
use crate::jobs::find::{condition_sentence, nothing_found};
use crate::jobs::whereabouts::{Pick, Places, TapePlace, outside};
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
    /// The tapes to be fetched.
    pub(super) pick_list: Vec<Pick>,
    /// Directories above them that cost no read.
    pub(super) known: Vec<KnownDirectory>,
    /// Bytes of the files in it.
    pub(super) file_bytes: u64,
    /// What of it is in the target already.
    pub(super) found: Found,
    /// Bytes that they take in the target.
    pub(super) write_bytes: u64,
    /// Objects that will not be what their names promise: older versions, files that were not
    /// whole when they were archived, and what jobs had not archived.
    pub(super) remarks: Problems,
    /// Files in parts that will not be whole, since some of their parts are out of reach.
    pub(super) waiting: Problems,
    /// Objects that match and were deleted since: they are not restored.
    pub(super) deleted: Deleted,
    /// What was asked for by its name and is gone: it is restored as it was last.
    pub(super) as_it_was: Vec<AsItWas>,
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
    output: Output,
    monitor: &dyn Monitor,
) -> Result<Choice, JobError> {
    let chooser = Chooser {
        catalog,
        places,
        as_of: options.as_of,
        names: Names(&options.maps),
        is_alone: !options.alone.is_empty(),
        aim: options.aim(),
    };
    let parts = match output {
        Output::Directory => Parts::ByTheWay,
        Output::Tar => Parts::None,
        Output::File => Parts::All,
    };
    let Asked {
        mut selection,
        deleted,
        as_it_was,
        not_found,
    } = chooser.asked(options, monitor)?;
    if output != Output::File {
        chooser.add_ancestors(&mut selection)?;
    }
    for chosen in selection.values_mut() {
        chosen.settle();
    }
    if output == Output::File {
        has_content(&selection)?;
    }
    let mut remarks = chooser.prefer_whole_versions(&mut selection)?;
    part_ways(&mut selection, &mut remarks);
    lacking::remark(catalog, options, &selection, &mut remarks)?;
    chooser.names.settle(&mut selection)?;
    let finder = LinkFinder { chooser: &chooser };
    let found = match &options.resumed {
        None => existing::look(options, &mut selection)?,
        Some(resumed) => resumed::look(options, resumed, &mut selection, &finder, monitor)?,
    };
    let above = above::apart(&mut selection);
    copies::settle(&mut selection, &chooser.loaded()?);
    let waiting = waiting(&selection, parts);
    let file_bytes = selection.values().map(|chosen| chosen.size_bytes).sum();
    let mut members = plan_links(selection, &finder, &found.earlier.first_names)?;
    // What waits for a tape is written once that is there.
    let write_bytes = members.first.iter().map(Member::data_bytes).sum();
    members.leave_vain(parts);
    let known = above::add(
        above,
        chooser.names,
        &found.keeping(options.existing),
        &mut members,
    );
    for member in members.first.iter_mut().chain(&mut members.spare) {
        member.read.name = chooser.names.of(&member.read.name);
    }
    let pick_list = chooser.pick_list(&members)?;
    Ok(Choice {
        volumes: chooser.by_volume(members.first)?,
        spares: chooser.by_volume(members.spare)?,
        pick_list,
        known,
        file_bytes,
        found,
        write_bytes,
        waiting,
        remarks,
        deleted,
        as_it_was,
        not_found,
    })
}

/// What was asked for.
struct Asked {
    selection: Selection,
    deleted: Deleted,
    as_it_was: Vec<AsItWas>,
    not_found: Vec<ByteText>,
}

/// What is written to stdout has to be a file, by whichever of its names.
fn has_content(selection: &Selection) -> Result<(), JobError> {
    let mut all = selection.iter();
    match (all.next(), all.next()) {
        (Some((path, one)), None) if !matches!(one.kind, Kind::File | Kind::Hardlink) => {
            let first = vec![format!("/{}", String::from_utf8_lossy(path))];
            Err(RestoreError::NotOneFile { first }.into())
        }
        _ => Ok(()),
    }
}

/// Files of which parts are at hand and others are not.
fn waiting(selection: &Selection, parts: Parts) -> Problems {
    let mut waiting = Problems::default();
    for (path, chosen) in selection {
        let tapes = chosen.waits_for();
        if parts == Parts::All || tapes.is_empty() {
            continue;
        }
        let joined = |tapes: BTreeSet<&str>| tapes.into_iter().collect::<Vec<_>>().join(", ");
        let (away, here) = (joined(tapes), joined(chosen.waiting_on()));
        waiting.push(Problem {
            path: ByteText(path.clone()),
            what: format!("parts of it are on {away}; the others are within reach, on {here}"),
        });
    }
    waiting
}

/// What a pattern brought into a selection.
#[derive(Default)]
struct Selected {
    /// Anything, be it for the second time.
    any: bool,
    /// Objects that were left out since they are gone.
    gone: Gone,
    /// The moment of it, where all of it is gone.
    as_it_was: Option<AsItWas>,
}

/// What is known of an object that was asked for by its name.
#[derive(Default)]
struct Itself {
    /// Its versions, if it is gone.
    gone: Vec<Hit>,
    /// The name is none, but a pattern.
    is_glob: bool,
}

impl Itself {
    fn since(&self) -> Option<Timestamp> {
        self.gone.first()?.gone_since
    }
}

/// A pattern without the slashes at its ends.
pub(super) fn bare(pattern: &[u8]) -> &[u8] {
    let name = pattern.strip_prefix(b"/").unwrap_or(pattern);
    name.strip_suffix(b"/").unwrap_or(name)
}

pub(super) fn is_at_or_below(path: &[u8], name: &[u8]) -> bool {
    let rest = path.strip_prefix(name);
    name.is_empty() || rest.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
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

pub(super) struct Chooser<'a> {
    catalog: &'a Catalog,
    places: &'a Places,
    as_of: Option<Timestamp>,
    names: Names<'a>,
    /// Only what a few tapes say of themselves is known.
    is_alone: bool,
    aim: Aim,
}

impl Chooser<'_> {
    /// Selects what was asked for, and tells of what is gone.
    fn asked(&self, options: &RestoreOptions, monitor: &dyn Monitor) -> Result<Asked, JobError> {
        let mut selection = Selection::new();
        let (mut gone, mut as_it_was, mut not_found) = (Gone::default(), Vec::new(), Vec::new());
        for pattern in &options.patterns {
            let selected = self.select(pattern, &mut selection)?;
            gone.extend(selected.gone);
            as_it_was.extend(selected.as_it_was);
            if !selected.any {
                not_found.push(ByteText(pattern.clone()));
            }
        }
        let deleted = gone.told(self.catalog)?;
        past::tell_deleted(monitor, &deleted);
        for was in &as_it_was {
            past::tell_as_it_was(monitor, was);
        }
        if selection.is_empty() {
            let text = |pattern: &Vec<u8>| String::from_utf8_lossy(pattern).into_owned();
            let patterns: Vec<String> = options.patterns.iter().map(text).collect();
            if self.is_alone {
                let as_of = options.as_of;
                return Err(RestoreError::NotOnTapes { patterns, as_of }.into());
            }
            return Err(nothing_found(self.catalog, patterns, options.as_of)?);
        }
        Ok(Asked {
            selection,
            deleted,
            as_it_was,
            not_found,
        })
    }

    /// Adds what matches `pattern`. What is gone is left out, unless it was asked for by
    /// its very name: then it comes back as it was last, a directory with all below it.
    fn select(&self, pattern: &[u8], selection: &mut Selection) -> Result<Selected, JobError> {
        let (mut selected, itself) = self.select_as_of(pattern, self.as_of, selection)?;
        let since = selected.gone.last().max(itself.since());
        if let (false, false, Some(gone_since)) = (selected.any, itself.is_glob, since)
            && let Some(as_of) = past::before(self.catalog, gone_since)?
        {
            let (mut before, _) = self.select_as_of(pattern, Some(as_of), selection)?;
            before.as_it_was = Some(AsItWas {
                path: ByteText(bare(pattern).to_vec()),
                as_of,
                gone_since,
            });
            return Ok(before);
        }
        selected.any |= !itself.gone.is_empty();
        for hit in itself.gone {
            self.take(hit, selection);
        }
        Ok(selected)
    }

    /// Adds what matches `pattern` as of a moment, with other versions of the same content. Where
    /// some part of the catalog that only these are in cannot be read, it goes without them.
    fn select_as_of(
        &self,
        pattern: &[u8],
        as_of: Option<Timestamp>,
        selection: &mut Selection,
    ) -> Result<(Selected, Itself), JobError> {
        let options = FindOptions {
            as_of,
            all_versions: true,
            ..FindOptions::default()
        };
        match self.select_by(pattern, &options, selection) {
            Err(JobError::Catalog(error)) if !matches!(error, CatalogError::Stopped) => {
                let newest = FindOptions {
                    all_versions: false,
                    ..options
                };
                self.select_by(pattern, &newest, selection)
            }
            selected => selected,
        }
    }

    fn select_by(
        &self,
        pattern: &[u8],
        options: &FindOptions,
        selection: &mut Selection,
    ) -> Result<(Selected, Itself), JobError> {
        let name = bare(pattern);
        let (mut selected, mut itself, mut last) =
            (Selected::default(), Itself::default(), Vec::new());
        for hit in self.catalog.find(&Pattern::parse(pattern)?, options)? {
            let hit = hit?;
            let is_first = hit.entry.path != last;
            if is_first {
                last.clone_from(&hit.entry.path);
            }
            itself.is_glob |= !is_at_or_below(&last, name);
            match hit.gone_since {
                None => {
                    selected.any = true;
                    self.take(hit, selection);
                }
                Some(_) if last == name => itself.gone.push(hit),
                Some(since) if is_first => selected.gone.add(since),
                Some(_) => {}
            }
        }
        Ok((selected, itself))
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
                let (parts, others) = chosen.parts_known();
                match self.newest_whole(path)? {
                    Some((older, job)) => {
                        *chosen = older;
                        format!(
                            "of the newest job {parts}, so this is its version of {job}; {others}"
                        )
                    }
                    None if self.is_alone => chosen.parts_here(),
                    None => format!("{parts}, and no older version is whole; {others}"),
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
        let hits = self.exact(path)?;
        let mut jobs: Vec<Uuid> = hits.iter().map(|hit| hit.receipt.receipt.job).collect();
        jobs.dedup();
        for job in jobs {
            let whole = self.version(&hits, job).filter(Chosen::is_whole);
            if let Some(chosen) = whole {
                let mut of_job = hits.iter().filter(|hit| hit.receipt.receipt.job == job);
                let name = of_job.next().map(|hit| hit.job.start.what.name.clone());
                return Ok(Some((chosen, name.unwrap_or_default())));
            }
        }
        Ok(None)
    }

    /// The version of one path that `job` has; `hits` are all versions of it.
    pub(super) fn version(&self, hits: &[Hit], job: Uuid) -> Option<Chosen> {
        let is_own = |hit: &&Hit| hit.receipt.receipt.job == job;
        let mut chosen = Chosen::new(job);
        let own = hits.iter().filter(is_own);
        for hit in own.chain(hits.iter().filter(|hit| !is_own(hit))) {
            self.give(hit.clone(), &mut chosen);
        }
        chosen.settle().then_some(chosen)
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
            let hits = match self.exact(&path) {
                // Nobody asked for it.
                Err(JobError::Catalog(error)) if !matches!(error, CatalogError::Stopped) => {
                    tracing::warn!(%error, "what is known of a directory cannot be read");
                    continue;
                }
                hits => hits?,
            };
            let newest = hits.first().map(|hit| hit.receipt.receipt.job);
            let chosen = newest.and_then(|job| self.version(&hits, job));
            if let Some(mut chosen) = chosen.filter(|one| one.kind == Kind::Directory) {
                chosen.is_above = true;
                selection.insert(path, chosen);
            }
        }
        Ok(())
    }

    /// All versions of exactly this path, newest first.
    pub(super) fn exact(&self, path: &[u8]) -> Result<Vec<Hit>, JobError> {
        let options = FindOptions {
            as_of: self.as_of,
            all_versions: true,
            ..FindOptions::default()
        };
        let mut found = Vec::new();
        // Hits come in directory order: the name itself before all that lies below it.
        for hit in self.catalog.find(&Pattern::tree(path)?, &options)? {
            let hit = hit?;
            if hit.entry.path != path {
                break;
            }
            found.push(hit);
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

    /// Takes a hit in: the first one of a path is of the version that is wanted.
    fn take(&self, hit: Hit, selection: &mut Selection) {
        let chosen = selection
            .entry(hit.entry.path.clone())
            .or_insert_with(|| Chosen::new(hit.receipt.receipt.job));
        self.give(hit, chosen);
    }

    /// A member of the version that is wanted, or of another one that may have the same content.
    fn give(&self, hit: Hit, chosen: &mut Chosen) {
        let is_reachable = self.places.of(&hit.volume.label.what.barcode) != TapePlace::Missing;
        match hit.receipt.receipt.job == chosen.job {
            true => chosen.take(hit, is_reachable),
            false if is_reachable => chosen.take_other(hit),
            false => {}
        }
    }

    /// The tapes out of reach, each with those that would do in its place.
    fn pick_list(&self, members: &Copies) -> Result<Vec<Pick>, JobError> {
        let away = members.first.iter().filter(|member| !member.is_reachable);
        let away: BTreeSet<Uuid> = away.map(|member| member.volume).collect();
        let picks = away.iter().map(|volume| {
            let others = members.instead_of(volume);
            let others = others.difference(&away).map(|other| self.pick(*other));
            Ok(Pick {
                instead: others.collect::<Result<_, JobError>>()?,
                ..self.pick(*volume)?
            })
        });
        let mut picks: Vec<Pick> = picks.collect::<Result<_, JobError>>()?;
        picks.sort_by(|a, b| a.barcode.cmp(&b.barcode));
        Ok(picks)
    }

    fn pick(&self, volume: Uuid) -> Result<Pick, JobError> {
        let volume = catalog::volume(self.catalog, volume)?;
        Ok(Pick {
            barcode: volume.label.what.barcode,
            outside: volume.location.and_then(|(_, location)| outside(location)),
            instead: Vec::new(),
        })
    }

    /// Groups reads by volume, volumes in the order in which the catalog got to know the
    /// segments that are read.
    fn by_volume(&self, members: Vec<Member>) -> Result<Vec<Arranged>, JobError> {
        let mut volumes: BTreeMap<Uuid, Vec<Member>> = BTreeMap::new();
        for member in members {
            volumes.entry(member.volume).or_default().push(member);
        }
        let mut ordered: Vec<Arranged> = Vec::with_capacity(volumes.len());
        for (volume, members) in volumes {
            let segments: HashSet<Uuid> = members.iter().map(|member| member.segment).collect();
            let receipts = self.catalog.receipts_of_volume(&volume)?;
            let read = receipts
                .iter()
                .filter(|r| segments.contains(&r.what.receipt.segment));
            let known_since = read.map(|receipt| receipt.seq).min().unwrap_or(u64::MAX);
            let ends = receipts
                .iter()
                .map(|receipt| receipt.what.receipt.end_block);
            let used_blocks = ends.max().unwrap_or_default();
            let volume = catalog::volume(self.catalog, volume)?;
            let known = (used_blocks, known_since);
            ordered.push(arrange(members, volume, known, self.aim));
        }
        ordered.sort_by_key(|volume| volume.known_since);
        if self.aim == Aim::First {
            first::sort(&mut ordered, self.places);
        }
        Ok(ordered)
    }
}
