//! Volumes for the engine, out of the library: mounts, checks, takes back. The one that is written
//! next is chosen in `append`.
//!
//! One volume is lent at a time, and only what [`lock_volume`] gave the right to is written. How a
//! volume ended is in the catalog before its tape goes back.

mod append;

use std::collections::{HashMap, HashSet};

use catalogs::Catalog;
use uuid::Uuid;

use super::append_check::{append_point, examine_known_label, read_known_label};
use super::lock::{Lock, NotLocked};
use super::mount::{Bay, Loan, Mounter, Purpose, Return, Stopwatch};
use super::verify::beside::Beside;
use super::{FailedTape, JobError, JobErrorKind, Site, VolumeState, catalog, convert};
use crate::changer::ElementAddress;
use crate::drive::DriveError;
use crate::engine::{BoxedError, MountedVolume, ReceiptSink, VolumeEnd, VolumeSource};
use crate::error_text::with_causes;
use crate::monitor::Problem;
use crate::units::{BlockAddress, ByteSize};
use crate::volume::index::SegmentInfo;
use crate::volume::receipt::SegmentReceipt;
use crate::volume::resume::OtherDrive;
use crate::volume::segment::minimum_segment_bytes;
use append::Misload;

/// The library as a source of volumes.
pub(crate) struct LibrarySource<'a> {
    site: Site<'a>,
    catalog: &'a Catalog,
    mounter: Mounter<'a>,
    /// The pool that is written; `None` where volumes are only read.
    pool: Option<String>,
    /// Volumes that this job does not write again.
    spent: HashSet<Uuid>,
    lent: Option<Lent>,
    /// Tried before the others.
    preferred: Option<Uuid>,
    /// Mounted before the engine asked for it.
    ready: Option<MountedVolume>,
    adopted: u64,
    /// What volumes hold beside the segments that were read, where that is asked for.
    beside: Option<HashMap<Uuid, Beside>>,
    refused: Vec<FailedTape>,
    /// The last tape to be written that was not loaded, if none was loaded since.
    not_loaded: Option<Misload>,
}

/// A volume that the engine has.
struct Lent {
    back: Return,
    /// The drive that it is in.
    element: Option<ElementAddress>,
    /// The right to write it.
    writer: Option<Lock>,
}

impl<'a> LibrarySource<'a> {
    /// A source that writes to `pool`, or only reads.
    pub(crate) fn new(
        site: Site<'a>,
        catalog: &'a Catalog,
        mounter: Mounter<'a>,
        pool: Option<String>,
    ) -> LibrarySource<'a> {
        LibrarySource {
            site,
            catalog,
            mounter,
            pool,
            spent: HashSet::new(),
            lent: None,
            preferred: None,
            ready: None,
            adopted: 0,
            beside: None,
            refused: Vec::new(),
            not_loaded: None,
        }
    }

    /// What notes how long mounting and giving back take.
    pub(crate) fn watch(&self) -> Stopwatch {
        self.mounter.watch()
    }

    /// Has an eye on labels, and on what lies behind the segments that the catalog knows.
    pub(crate) fn looking_beside(mut self) -> Self {
        self.beside = Some(HashMap::new());
        self
    }

    /// What was found so, by volume.
    pub(crate) fn take_beside(&mut self) -> HashMap<Uuid, Beside> {
        self.beside.take().unwrap_or_default()
    }

    /// Gives the library back. Returns the tapes that could not be mounted for reading, or whose
    /// end could not be recorded, each with the reason, which the engine has only as text.
    pub(crate) fn finish(mut self) -> Vec<FailedTape> {
        std::mem::take(&mut self.refused)
    }

    /// Segments of earlier, cut-off jobs that were taken into the catalog.
    pub(crate) fn adopted_segments(&self) -> u64 {
        self.adopted
    }

    /// Mounts the volume that will be written first, `preferred` if that can be, and so takes
    /// into the catalog what a cut-off job has left on it.
    pub(crate) fn prepare(&mut self, preferred: Option<Uuid>) -> Result<(), JobError> {
        self.preferred = preferred;
        self.ready = Some(self.append_next()?);
        Ok(())
    }

    fn mount_for_reading(&mut self, volume: Uuid) -> Result<MountedVolume, JobError> {
        self.take_back();
        let barcode = catalog::volume(self.catalog, volume)?.label.what.barcode;
        let mounted = self.mount_barcode(volume, &barcode);
        if let Err(error) = &mounted {
            tell_nameless(self.site, error);
            // Nothing is wrong with a tape whose mount the user stopped.
            if error.kind() != JobErrorKind::Interrupted {
                self.refused.push(FailedTape::new(barcode, error));
            }
        }
        mounted
    }

    fn mount_barcode(&mut self, volume: Uuid, barcode: &str) -> Result<MountedVolume, JobError> {
        let examining = self.beside.is_some();
        let read = |bay: &mut Bay| match examining {
            true => examine_known_label(bay, volume),
            false => read_known_label(bay, volume).map(|label| (label, None)),
        };
        let (bay, (label, damage)) = self.mounter.mount_then(barcode, Purpose::Volume, read)?;
        if let (Some(beside), Some(_)) = (&mut self.beside, &damage) {
            beside.entry(volume).or_default().label_damage = damage;
        }
        let device = Box::new(self.lend(bay, None));
        Ok(MountedVolume {
            device,
            label,
            append: None,
        })
    }

    fn lend(&mut self, bay: Bay, writer: Option<Lock>) -> Loan {
        let element = bay.element;
        let (loan, back) = Loan::new(bay);
        self.lent = Some(Lent {
            back,
            element,
            writer,
        });
        loan
    }

    /// Unmounts what the engine has dropped. A tape that stays in the drive is in nobody's
    /// way: the next mount brings it home. So that is a problem, and no error.
    fn take_back(&mut self) {
        let Some(lent) = self.lent.take() else { return };
        let Some(bay) = lent.back.take() else { return };
        let path = bay.barcode.clone();
        if let Err(error) = self.mounter.unmount(bay) {
            tracing::warn!(barcode = path, %error, "the tape stays in the drive");
            let advice = error.advice().map(|advice| format!(". {advice}"));
            let (why, advice) = (with_causes(&error), advice.unwrap_or_default());
            let what = format!("giving it back failed: {why}{advice}");
            self.site.monitor.problem(&Problem { path, what });
        }
    }

    fn record_end(&mut self, volume: Uuid, end: VolumeEnd) -> Result<(), JobError> {
        let (state, reason) = match end {
            VolumeEnd::Open => return Ok(()),
            VolumeEnd::Unwritable => {
                self.spent.insert(volume);
                return Ok(());
            }
            VolumeEnd::Full => self.judge_full(volume)?,
            VolumeEnd::Suspect(reason) => (VolumeState::Suspect, reason),
        };
        self.spent.insert(volume);
        catalog::set_state(self.site, self.catalog, volume, state, reason)?;
        Ok(())
    }

    /// Looks behind the known segments of a volume that was read. What is damaged beside them
    /// makes it suspect, too.
    fn look_beside(&mut self, volume: &mut MountedVolume, end: VolumeEnd) -> VolumeEnd {
        let Some(beside) = &mut self.beside else {
            return end;
        };
        let found = beside.entry(volume.label.volume).or_default();
        if !self.site.monitor.stop_requested() {
            match catalog::receipts_of_volume(self.catalog, volume.label.volume) {
                Ok(receipts) => found.look_behind(volume, &append_point(&receipts)),
                Err(error) => tracing::warn!(%error, "not looked behind the known segments"),
            }
        }
        match (end, found.damage().next()) {
            (VolumeEnd::Open, Some(damage)) => VolumeEnd::Suspect(damage),
            (end, _) => end,
        }
    }

    /// Full, if the volume took about what it should; a tape that is at its end far earlier
    /// is worn or damaged, or the drive is.
    fn judge_full(&self, volume: Uuid) -> Result<(VolumeState, String), JobError> {
        let label = catalog::volume(self.catalog, volume)?.label.what;
        let last = self.catalog.last_receipt(&volume)?;
        let blocks = last.map_or(0, |last| last.what.receipt.end_block);
        let used_bytes = blocks.saturating_mul(u64::from(label.block_bytes));
        // On a small tape, what no segment fits into is more than the tenth.
        let spare_bytes = label.capacity_bytes / 10 + 2 * minimum_segment_bytes(label.block_bytes);
        if used_bytes.saturating_add(spare_bytes) >= label.capacity_bytes {
            return Ok((VolumeState::Full, "no further segment fits".to_owned()));
        }
        let (used, capacity) = (ByteSize(used_bytes), ByteSize(label.capacity_bytes));
        let reason = format!("it was full after {used} of {capacity}");
        self.site.monitor.problem(&Problem {
            path: label.barcode,
            what: format!("{reason}; it was marked suspect"),
        });
        Ok((VolumeState::Suspect, reason))
    }
}

impl Drop for LibrarySource<'_> {
    fn drop(&mut self) {
        drop(self.ready.take());
        self.take_back();
    }
}

impl VolumeSource for LibrarySource<'_> {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        Ok(self.append_next()?)
    }

    fn mount(&mut self, volume: Uuid) -> Result<MountedVolume, BoxedError> {
        Ok(self.mount_for_reading(volume)?)
    }

    fn is_of_drives(&self, error: &BoxedError) -> bool {
        error.downcast_ref().is_some_and(JobError::is_of_drives)
    }

    fn change_drive(&mut self, error: &DriveError) -> OtherDrive {
        // Never while writing: what was in the drive's buffer is lost.
        let Some(Lent {
            back, writer: None, ..
        }) = &self.lent
        else {
            return OtherDrive::None;
        };
        back.exchange(|bay| self.mounter.change_drive(bay, error))
    }

    fn release(&mut self, mut volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        let (id, barcode) = (volume.label.volume, volume.label.barcode.clone());
        let end = self.look_beside(&mut volume, end);
        drop(volume);
        if matches!(end, VolumeEnd::Unwritable | VolumeEnd::Suspect(_))
            && let Some(lent) = &self.lent
        {
            self.mounter.shun(lent.element);
        }
        let recorded = self.record_end(id, end);
        self.take_back();
        if let Err(error) = &recorded {
            self.refused.push(FailedTape::new(barcode, error));
        }
        Ok(recorded?)
    }
}

/// Says of a tape that is missing where it may be: that it is missing is all that a summary has.
pub(crate) fn tell_nameless(site: Site<'_>, error: &JobError) {
    let JobError::TapeMissing {
        barcode,
        nameless,
        lost,
        ..
    } = error
    else {
        return;
    };
    if !nameless.is_empty() || lost.is_some() {
        let (path, what) = (barcode.clone(), error.to_string());
        site.monitor.problem(&Problem { path, what });
    }
}

/// The right to write a volume: one process at a time.
pub(crate) fn lock_volume(site: Site<'_>, volume: Uuid, barcode: &str) -> Result<Lock, JobError> {
    Lock::try_take(&site.state.lock_dir(), &format!("volume-{volume}")).map_err(|error| match error
    {
        NotLocked::Held(pid) => JobError::TapeBusy {
            barcode: barcode.to_owned(),
            user: match pid {
                Some(pid) => format!("process {pid} writes it"),
                None => "another process writes it".to_owned(),
            },
        },
        NotLocked::Io(path, source) => JobError::Io {
            action: "locking",
            path,
            source,
        },
    })
}

/// Receipts into the catalog; tells each one onwards.
pub(crate) struct CatalogSink<'a, F: FnMut(&SegmentInfo, BlockAddress)> {
    pub(crate) catalog: &'a Catalog,
    /// Called with each segment that is in the catalog, and the block after it.
    pub(crate) committed: F,
}

impl<F: FnMut(&SegmentInfo, BlockAddress)> ReceiptSink for CatalogSink<'_, F> {
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError> {
        let (info, end_block) = (receipt.info.clone(), receipt.end_block);
        convert::commit(self.catalog, receipt)?;
        (self.committed)(&info, end_block);
        Ok(())
    }
}
