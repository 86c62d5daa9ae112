//! Makes the catalog of a state directory from the newest copy on a tape, and reads what lies
//! behind it.

use catalogs::portable::{self, PortableError};
use jiff::Timestamp;
use serde::Serialize;

use crate::engine::attached::{CatalogCopies, CatalogCopy, CatalogCopyReader, FoundCopy};
use crate::engine::{EngineError, MountedVolume};
use crate::error_text::with_causes;
use crate::jobs::append_check::read_label;
use crate::jobs::engine_error::from_engine;
use crate::jobs::error::Failure;
use crate::jobs::mount::{Bay, Mounter, Purpose, lend};
use crate::jobs::portable::{Carried, exists_already, job_error};
use crate::jobs::rebuild::{RebuiltVolume, read_behind};
use crate::jobs::{JobError, JobErrorKind, Outcome, SOFTWARE, Site, VolumeState, catalog};
use crate::monitor::Problem;
use crate::units::{BlockAddress, TapeFile};
use crate::volume::VolumeError;

/// A catalog that was made from a tape.
#[derive(Debug, Clone, Serialize)]
pub struct ImportedCopy {
    /// Complete if it is of the newest copy on the tape, and all that the tape has behind that is
    /// in the catalog now.
    pub outcome: Outcome,
    /// The tape.
    pub barcode: String,
    /// When the copy was written; `None` if nothing tells.
    pub written_at: Option<Timestamp>,
    /// The tape file that it begins in.
    pub tape_file: TapeFile,
    /// What it had.
    #[serde(flatten)]
    pub carried: Carried,
    /// Newer copies on the tape that could not be used, the newest first.
    pub unused_copies: Vec<UnusedCopy>,
    /// What the tape has behind the copy; `None` if it could not be read.
    pub behind: Option<RebuiltVolume>,
    /// Tapes that were not full when the copy was written: jobs may have gone on on them.
    pub may_have_newer: Vec<String>,
    /// What ended it before all of the tape was read, if anything did. The catalog is made.
    pub failure: Option<Failure>,
}

/// A copy of the catalog that could not be used, or what may be one.
#[derive(Debug, Clone, Serialize)]
pub struct UnusedCopy {
    /// The tape file that it begins in.
    pub tape_file: TapeFile,
    /// When it was written; `None` if nothing tells.
    pub written_at: Option<Timestamp>,
    /// Why it was not used, as a sentence without a full stop.
    pub why: String,
    /// Blocks of it that cannot be read or are not as they were written, no more than 16; none are
    /// looked for where reading it met none.
    pub bad_blocks: Vec<BlockAddress>,
}

/// So many bad blocks of a copy are named in a sentence.
const BLOCKS_NAMED: usize = 8;

impl UnusedCopy {
    /// All of it as a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let file = self.tape_file;
        let of = match self.written_at {
            Some(at) => format!("tape file {file}, the copy of {at:.0}"),
            None => format!("tape file {file}"),
        };
        let named = self.bad_blocks.iter().take(BLOCKS_NAMED);
        let mut blocks: Vec<String> = named.map(ToString::to_string).collect();
        match self.bad_blocks.len().saturating_sub(BLOCKS_NAMED) {
            0 => {}
            more => blocks.push(format!("{more} more")),
        }
        match &blocks[..] {
            [] => format!("{of}: {}", self.why),
            blocks => format!("{of}: {} (bad blocks: {})", self.why, blocks.join(", ")),
        }
    }
}

/// Makes the catalog from what `barcode` has of it. There must be none yet.
///
/// # Errors
///
/// There is a catalog, the tape cannot be mounted, has no copy of a catalog or none that can be
/// used ([`EngineError::NoCatalogCopy`], [`EngineError::CatalogCopiesBad`]), or the user stopped
/// it. Nothing was changed then. What goes wrong later is in [`ImportedCopy::failure`].
pub fn import(site: Site<'_>, barcode: &str) -> Result<ImportedCopy, JobError> {
    if catalog::exists(site) {
        return Err(exists_already(&site.state.catalog_dir()));
    }
    let mut mounter = Mounter::open(site)?;
    let read = |bay: &mut Bay| read_label(bay, false);
    let (bay, label) = mounter.mount_then(barcode, Purpose::Volume, read)?;
    let (bay, found) = lend(bay, label.clone(), |mounted| {
        Ok(Search::new(site, &mounted.label.barcode).newest(mounted))
    });
    let made = match found.and_then(|found| found) {
        Ok(made) => made,
        Err(error) => return Err(mounter.give_up(bay, error)),
    };
    let behind = read_behind(site, &mut mounter, (bay, label));
    let (behind, failure) = match behind {
        Ok(mut behind) => {
            // The first that it met: the copy itself, which its own catalog does not know.
            behind.catalog_copies = behind.catalog_copies.saturating_sub(made.copy.segments());
            (Some(behind), None)
        }
        Err(error) => (None, Some(error)),
    };
    let is_bad = |behind: &RebuiltVolume| behind.problems.total > 0;
    let outcome = match &failure {
        Some(error) if error.kind() == JobErrorKind::Interrupted => Outcome::Interrupted,
        Some(_) => Outcome::Failed,
        None if !made.unused.is_empty() => Outcome::Partial,
        None if behind.as_ref().is_some_and(is_bad) => Outcome::Partial,
        None => Outcome::Complete,
    };
    Ok(ImportedCopy {
        outcome,
        barcode: barcode.to_owned(),
        written_at: made.copy.written_at(),
        tape_file: made.copy.tape_file(),
        carried: made.carried,
        unused_copies: made.unused,
        behind,
        may_have_newer: may_have_newer(site, barcode)?,
        failure: failure.as_ref().map(Failure::from),
    })
}

/// A catalog that was made from a copy.
struct Made {
    copy: CatalogCopy,
    carried: Carried,
    unused: Vec<UnusedCopy>,
}

/// The way to the newest copy that can be used.
struct Search<'a> {
    site: Site<'a>,
    barcode: String,
    copies: CatalogCopies,
    unused: Vec<UnusedCopy>,
}

impl<'a> Search<'a> {
    fn new(site: Site<'a>, barcode: &str) -> Self {
        Self {
            site,
            barcode: barcode.to_owned(),
            copies: CatalogCopies::default(),
            unused: Vec::new(),
        }
    }

    fn failed(&self, source: VolumeError) -> JobError {
        let barcode = self.barcode.clone();
        from_engine(EngineError::Volume { barcode, source })
    }

    /// Imports it.
    fn newest(mut self, mounted: &mut MountedVolume) -> Result<Made, JobError> {
        let monitor = self.site.monitor;
        monitor.phase(&format!("looking for the catalog on {}", self.barcode));
        loop {
            if monitor.stop_requested() {
                return Err(JobError::Stopped);
            }
            let found = self.copies.next_copy(mounted, monitor);
            match found.map_err(|error| self.failed(error))? {
                None => return Err(self.none_left()),
                Some(FoundCopy::Unknown { file, why }) => self.pass_over(UnusedCopy {
                    tape_file: file,
                    written_at: None,
                    why,
                    bad_blocks: Vec::new(),
                }),
                Some(FoundCopy::GaveUp { file, why }) => self.unused.push(UnusedCopy {
                    tape_file: file,
                    written_at: None,
                    why: format!("it and what lies before it was not looked at: {why}"),
                    bad_blocks: Vec::new(),
                }),
                Some(FoundCopy::Copy(copy)) => {
                    if let Some(carried) = self.take(mounted, &copy)? {
                        let unused = self.unused;
                        return Ok(Made {
                            copy,
                            carried,
                            unused,
                        });
                    }
                }
            }
        }
    }

    /// Imports the copy, if that can be.
    fn take(
        &mut self,
        mounted: &mut MountedVolume,
        copy: &CatalogCopy,
    ) -> Result<Option<Carried>, JobError> {
        let monitor = self.site.monitor;
        let of = copy.written_at().map_or_else(
            || format!("in tape file {}", copy.tape_file()),
            |at| format!("of {at:.0}"),
        );
        monitor.phase(&format!("reading the copy of the catalog {of}"));
        for what in copy.lost_indexes() {
            monitor.problem(&Problem {
                path: self.barcode.clone(),
                what: format!("{what}; reading the copy of the catalog {of} without it"),
            });
        }
        let (why, bad_blocks) = match copy.fault() {
            Some(fault) => (fault, Vec::new()),
            None => match read(self.site, mounted, copy) {
                Ok(carried) => return Ok(Some(carried)),
                Err(Unread::Drive(error)) => return Err(self.failed(error)),
                Err(Unread::Other(error)) => return Err(error),
                Err(Unread::Damaged(why)) => {
                    monitor.phase(&format!(
                        "looking for the bad blocks in the copy of the catalog {of}"
                    ));
                    let bad = copy.bad_blocks(mounted, monitor);
                    (why, bad.map_err(|error| self.failed(error))?)
                }
                Err(Unread::Unfit(why)) => (why, Vec::new()),
            },
        };
        let lost = copy.lost_indexes().map(|what| format!("; {what}"));
        self.pass_over(UnusedCopy {
            tape_file: copy.tape_file(),
            written_at: copy.written_at(),
            why: format!("{why}{}", lost.collect::<String>()),
            bad_blocks,
        });
        Ok(None)
    }

    fn pass_over(&mut self, unused: UnusedCopy) {
        let told = unused.sentence();
        self.site.monitor.problem(&Problem {
            path: self.barcode.clone(),
            what: format!("{told}; looking for an older copy of the catalog"),
        });
        self.unused.push(unused);
    }

    fn none_left(self) -> JobError {
        let barcode = self.barcode;
        JobError::Engine(match self.unused.is_empty() {
            true => EngineError::NoCatalogCopy { barcode },
            false => EngineError::CatalogCopiesBad {
                barcode,
                copies: self.unused.iter().map(UnusedCopy::sentence).collect(),
            },
        })
    }
}

enum Unread {
    /// Some of it is not on the tape as it was written.
    Damaged(String),
    /// It came as it is on the tape, and is none, has another sum, or is of later software.
    Unfit(String),
    Drive(VolumeError),
    /// What is no fault of the copy.
    Other(JobError),
}

fn read(
    site: Site<'_>,
    mounted: &mut MountedVolume,
    copy: &CatalogCopy,
) -> Result<Carried, Unread> {
    let directory = site.state.catalog_dir();
    let go_on = || !site.monitor.stop_requested();
    let mut reader = CatalogCopyReader::new(mounted, copy, site.monitor);
    let done = portable::import(&directory, SOFTWARE, &mut reader, &go_on);
    if let Some(error) = reader.take_failure() {
        return Err(Unread::Drive(error));
    }
    let is_damaged = reader.is_damaged();
    match done {
        Ok(done) => Ok(Carried {
            events: done.events,
            entries: done.entries,
            left_out: 0,
        }),
        Err(error @ (PortableError::Line { .. } | PortableError::Newer { .. })) => {
            let why = with_causes(&error);
            Err(match is_damaged {
                true => Unread::Damaged(why),
                false => Unread::Unfit(why),
            })
        }
        Err(error) => Err(Unread::Other(job_error(error, &directory, "importing to"))),
    }
}

/// All that was not full and is another tape.
fn may_have_newer(site: Site<'_>, barcode: &str) -> Result<Vec<String>, JobError> {
    let catalog = catalog::open(site)?;
    let mut tapes = catalog::live_volumes(&catalog)?;
    tapes
        .retain(|tape| tape.state == VolumeState::Appendable && tape.label.what.barcode != barcode);
    let mut barcodes: Vec<String> = tapes
        .into_iter()
        .map(|tape| tape.label.what.barcode)
        .collect();
    barcodes.sort();
    Ok(barcodes)
}
