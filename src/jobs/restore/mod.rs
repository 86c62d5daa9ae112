//! The restore job: what the catalog knows, back into a directory.
//!
//! Plan, show, carry out: [`prepare`] makes the plan, from which [`Prepared::restore`] does not
//! depart. `docs/restore.md` says what is in it.

mod above;
mod alone;
mod arrange;
mod calibrate;
mod choose;
mod chosen;
mod copies;
mod drives;
mod existing;
mod first;
mod found;
mod history;
mod journal;
mod lacking;
mod lanes;
mod links;
mod metered;
mod names;
mod outlook;
mod past;
mod pour;
mod record;
mod record_file;
mod replan;
mod resumed;
mod room;
mod shares;
mod summary;
mod tar;
mod timed;
mod timeline;

use std::ffi::OsStr;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use jiff::Timestamp;
use uuid::Uuid;

pub use alone::{FromTapes, TapesAlone};
use arrange::{Aim, Arranged};
pub use calibrate::{Calibration, Factor, Step, StepFactor};
use choose::Choice;
use drives::{Done, InDrives};
use journal::{Claim, Journal};
pub use journal::{Resumed, resume};
pub(crate) use journal::{can_resume, runs};
pub use lanes::DrivePlan;
use record::{Begun, Came, Record};
pub(crate) use record_file::read_all as recorded_in_files;
use replan::Layouts;
pub use room::Room;
pub use shares::MoreDrives;
use shares::{Shares, Wish};
use summary::{Real, summarise};

use super::catalog::Opened;
pub use super::error::RestoreError;
use super::error::{Under, told};
use super::mount::Mounter;
use super::rebuild::RebuiltVolume;
pub use super::whereabouts::{Pick, TapePlace};
use super::{JobError, Site, catalog};
use crate::clock::seconds_between;
use crate::engine::restore::{RestorePlan, Resume};
pub use crate::engine::target::Owners;
use crate::engine::target::TargetOptions;
use crate::monitor::Problem;
pub use catalogs::model::event::Unread;
pub use existing::ExistingPolicy;
pub use first::FirstFile;
pub use names::Mapping;
pub use outlook::{PlannedRead, RestoreOutlook, TapeNeed};
pub use past::{AsItWas, Deleted, Moment};
pub use pour::{Poured, pour_file};
pub use summary::{LostWithTape, RestoreSummary, TapeTiming, Timing};
pub use tar::restore_as_tar;
pub use timed::Spans;
pub use timeline::{Certainty, Finish, TapeTimes};

/// So many objects that are there already are named where they keep a restore from beginning.
const NAMED: usize = 10;

/// What is said of a pattern that brought nothing while others did.
const NOT_FOUND: &str = "nothing was found for it; the rest of what was asked for is restored";

/// What to restore, and where to.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Paths (a directory means all below it) or globs with `**`, as bytes.
    pub patterns: Vec<Vec<u8>>,
    /// The directory to restore below; made if it is not there.
    pub target: PathBuf,
    /// What goes elsewhere below the target than to its own path.
    pub maps: Vec<Mapping>,
    /// As things were at this time; `None` is now.
    pub as_of: Option<Timestamp>,
    /// Begin even if the target's file system seems to have too little room.
    pub ignore_room: bool,
    /// What to do where something is already.
    pub existing: ExistingPolicy,
    /// By what owners are given.
    pub owners: Owners,
    /// The tapes whose own indexes are all that is known ([`TapesAlone::volumes`]); empty where
    /// the catalog is asked.
    pub alone: Vec<RebuiltVolume>,
    /// The most drives that read at the same time; `None` is one, since others may want theirs.
    pub drives: Option<NonZero<u16>>,
    /// The first files are to be there soon, even if all together take longer for it.
    pub first_soon: bool,
    /// The restore that is gone on with ([`resume`]); `None` where one begins.
    pub resumed: Option<Resumed>,
}

impl RestoreOptions {
    fn aim(&self) -> Aim {
        match self.first_soon {
            true => Aim::First,
            false => Aim::Whole,
        }
    }
}

/// What becomes of what is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// It is put below the target.
    Directory,
    /// It becomes one tar archive ([`restore_as_tar`]).
    Tar,
    /// It is one file, whose content is written out ([`pour_file`]).
    File,
}

impl Output {
    /// What of `options` counts where there is no directory to restore into.
    fn options(self, options: &RestoreOptions) -> RestoreOptions {
        let options = options.clone();
        match self {
            Output::Directory => options,
            Output::Tar | Output::File => RestoreOptions {
                target: PathBuf::new(),
                existing: ExistingPolicy::Overwrite,
                drives: None,
                ..options
            },
        }
    }
}

/// Says what a restore would do, each read named. Moves no tape and writes nothing.
///
/// # Errors
///
/// Nothing matches, or catalog or library cannot be asked.
pub fn plan(site: Site<'_>, options: &RestoreOptions) -> Result<RestoreOutlook, JobError> {
    plan_as(site, options, Output::Directory)
}

/// As [`plan`], also of what is not restored into a directory.
///
/// # Errors
///
/// As [`plan`], and more than one object was named for [`Output::File`].
pub fn plan_as(
    site: Site<'_>,
    options: &RestoreOptions,
    output: Output,
) -> Result<RestoreOutlook, JobError> {
    let options = output.options(options);
    let prepared = make(site, &options, output)?;
    if output == Output::File {
        pour::the_one(&prepared.choice.volumes)?;
    }
    Ok(prepared.outlook.with_reads(&prepared.choice))
}

/// Restores what matches. A tape that cannot be had is named, and the rest is restored.
///
/// # Errors
///
/// As [`prepare`] and [`Prepared::restore`].
pub fn restore(site: Site<'_>, options: &RestoreOptions) -> Result<RestoreSummary, JobError> {
    prepare(site, options)?.restore()
}

/// A restore that is planned and has not begun.
pub struct Prepared<'a> {
    site: Site<'a>,
    options: &'a RestoreOptions,
    catalog: Opened<'a>,
    mounter: Mounter<'a>,
    choice: Choice,
    outlook: RestoreOutlook,
    /// The right to go on with a restore, had since before the target was looked at.
    claim: Option<Claim>,
}

/// Makes the plan, and sees whether it can be carried out. Moves no tape and writes nothing.
///
/// # Errors
///
/// Nothing matches, catalog or library cannot be asked, or what [`RestoreError`] names.
pub fn prepare<'a>(site: Site<'a>, options: &'a RestoreOptions) -> Result<Prepared<'a>, JobError> {
    let claim = match &options.resumed {
        Some(resumed) => Claim::take(site, resumed.restore)?,
        None => None,
    };
    let prepared = Prepared {
        claim,
        ..make(site, options, Output::Directory)?
    };
    let found = &prepared.choice.found;
    if let Some(link) = found.link.as_ref().filter(|_| options.existing.reads_all()) {
        return Err(JobError::from(RestoreError::LinkInTheWay {
            link: options.target.join(OsStr::from_bytes(link)),
            objects: found.behind_links,
        }));
    }
    let existing = &prepared.outlook.existing;
    if options.existing == ExistingPolicy::Refuse && existing.total > 0 {
        let first = existing.listed.iter().take(NAMED);
        return Err(JobError::from(RestoreError::Exists {
            target: options.target.clone(),
            total: existing.total,
            first: first.map(|one| format!("/{}", one.path)).collect(),
        }));
    }
    if !options.ignore_room {
        prepared.outlook.room.check(&options.target)?;
    }
    Ok(prepared)
}

fn make<'a>(
    site: Site<'a>,
    options: &'a RestoreOptions,
    output: Output,
) -> Result<Prepared<'a>, JobError> {
    let catalog = catalog::open(site)?;
    let mut mounter = Mounter::open(site)?;
    let just_read = options.alone.last().map(|volume| volume.barcode.as_str());
    let places = mounter.places()?.just_read(just_read);
    let choice = choose::plan(&catalog, &places, options, output, site.monitor);
    let mut choice = choice.map_err(|error| told(&catalog, Under::Restore, error))?;
    for pattern in &choice.not_found {
        let what = NOT_FOUND.to_owned();
        let path = pattern.to_string();
        site.monitor.problem(&Problem { path, what });
    }
    let room = Room::of(&choice, &options.target);
    let calibration = history::calibration(site, &catalog, &choice.volumes)?;
    let wish = Wish {
        most: options.drives,
        aim: options.aim(),
        is_ordered: output != Output::Directory,
    };
    let shares = Shares::of(&mut choice.volumes, &places, wish, &calibration);
    let volumes = choice.volumes.iter();
    mounter.wants(volumes.map(|volume| volume.reads.barcode.clone()));
    let now = site.clock.now();
    let outlook = RestoreOutlook::of(&choice, &shares, &places, room, now, calibration);
    let outlook = outlook.of_tapes_alone(&options.alone);
    Ok(Prepared {
        site,
        options,
        catalog,
        mounter,
        choice,
        outlook,
        claim: None,
    })
}

impl Prepared<'_> {
    /// What it will do; its reads are not listed.
    #[must_use]
    pub fn outlook(&self) -> &RestoreOutlook {
        &self.outlook
    }

    /// Carries the plan out. That it began and how it ended is recorded, in the catalog where there
    /// is one.
    ///
    /// # Errors
    ///
    /// The target cannot be used. What went wrong with single objects or tapes is in the
    /// summary.
    pub fn restore(mut self) -> Result<RestoreSummary, JobError> {
        let (site, options, catalog) = (self.site, self.options, self.catalog);
        let started = site.clock.now();
        let (restore, journal) = begin(site, options, started, &self.choice, self.claim)?;
        let begun = Begun {
            restore,
            options,
            output: Output::Directory,
            target: &options.target,
            started,
            can_resume: journal.is_some(),
        };
        let record = Record::begin(site, &catalog, &begun, &self.outlook);
        let arranged = self
            .choice
            .volumes
            .iter_mut()
            .chain(&mut self.choice.spares);
        let layouts = Layouts::of(arranged, options.aim());
        let plan = plan_of(options, self.choice, restore, journal.is_some());
        let in_drives = InDrives {
            site,
            catalog: &catalog,
            mounter: self.mounter,
            layouts,
            drives: self.outlook.drives.len(),
        };
        let done = in_drives.carry_out(&plan).unwrap_or_else(Done::failed);
        let real_s = seconds_between(started, site.clock.now());
        let fallen_back = done.report.as_ref().map(|report| &report.fallen_back[..]);
        let real = Real {
            took: &done.took,
            anew: &done.anew,
            fallen_back: fallen_back.unwrap_or_default(),
        };
        let timing = Timing::of(&self.outlook, real_s, &real);
        let refused = done.refused;
        let ended = done.report.map(|report| RestoreSummary {
            can_resume: journal.is_some(),
            ..summarise(restore, report, &self.outlook, timing.clone(), refused)
        });
        let ended = ended.map(RestoreSummary::settled);
        record.end(&timing, ended.as_ref().map_or_else(Came::failed, Came::of));
        if let Some(journal) = journal {
            journal.end(ended.as_ref().is_ok_and(|done| !done.can_resume));
        }
        ended
    }
}

/// What the engine is to do.
fn plan_of(options: &RestoreOptions, choice: Choice, restore: Uuid, keeps: bool) -> RestorePlan {
    let reads = |volumes: Vec<Arranged>| {
        let volumes = volumes.into_iter();
        volumes.map(|volume| volume.reads).collect()
    };
    let earlier = choice.found.earlier;
    RestorePlan {
        target: options.target.clone(),
        options: TargetOptions {
            existing: options.existing.of_target(),
            owners: options.owners,
        },
        volumes: reads(choice.volumes),
        spares: reads(choice.spares),
        known: choice.known,
        resume: Resume {
            restore: Some(restore),
            keeps,
            first_names: earlier.first_names,
            directories: earlier.directories,
        },
    }
}

/// The identity of a restore that begins now, or goes on; and its journal, unless it is one from
/// the tapes alone, which cannot be gone on with.
fn begin(
    site: Site<'_>,
    options: &RestoreOptions,
    started: Timestamp,
    choice: &Choice,
    claim: Option<Claim>,
) -> Result<(Uuid, Option<Journal>), JobError> {
    let restore = match &options.resumed {
        Some(resumed) => resumed.restore,
        None => site.clock.new_id(),
    };
    let journal = match claim {
        _ if site.state.is_catalog_brief() => None,
        Some(claim) => Some(Journal::of(claim)),
        None => Journal::begin(site, restore, started, options, &choice.found.directories)?,
    };
    if journal.is_none() {
        site.monitor.if_ended(
            "files that are whole stay; the same command with `--existing skip` brings the rest",
        );
        return Ok((restore, None));
    }
    site.monitor.if_ended(&format!(
        "files that are whole stay; `restore --resume {restore}` goes on with it"
    ));
    // Whoever kills it would not be told at its end.
    site.monitor.notice(&Problem {
        path: format!("restore {restore}"),
        what: "`restore --resume ID` goes on with it, should it be stopped".to_owned(),
    });
    Ok((restore, journal))
}
