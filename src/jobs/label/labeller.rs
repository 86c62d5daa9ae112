//! One tape at a time: the checks, the write, the proof, and then the catalog.

use catalogs::Catalog;
use catalogs::model::event::{Event, VolumeLabelled, VolumeRetired};
use uuid::Uuid;

use super::{
    LabelOptions, LabelSummary, LabelledTape, SkippedTape, is_about_the_tape, memory_barcode,
};
use crate::drive::{ChipLabel, Drive, DriveError, SequentialDevice as _};
use crate::jobs::append_check::{check_path, volume_error};
use crate::jobs::mount::{Bay, Listed, Mounter, Purpose, drive_error};
use crate::jobs::rebuild::reinstate;
use crate::jobs::source::lock_volume;
use crate::jobs::{JobError, LabellingError, Outcome, SOFTWARE, Site, catalog, retention};
use crate::monitor::Problem;
use crate::scsi::density::{Density, Generation};
use crate::volume::FORMAT;
use crate::volume::label::{DEFAULT_BLOCK_BYTES, Identity, Label, identify, write_label};

/// What the catalog keeps of a cartridge.
pub(crate) struct Medium {
    pub(crate) serial: Option<String>,
    pub(crate) density: u8,
    pub(crate) generation: String,
    pub(crate) capacity_bytes: u64,
}

/// Asks the cartridge.
pub(crate) fn medium(drive: &mut Drive) -> Result<Medium, DriveError> {
    let info = drive.medium()?;
    let native = info.generation.map(Generation::native_bytes);
    let capacity = drive.capacity_bytes()?;
    // Of a format that came after us the drive knows more than we do.
    let formats = &drive.capabilities().densities;
    let format = formats.iter().find(|format| format.code == info.density);
    let format = format.filter(|_| info.generation.is_none()).cloned();
    let told = format.as_ref().map(Density::capacity_bytes);
    Ok(Medium {
        serial: drive.medium_serial()?,
        density: info.density,
        generation: info
            .generation
            .map(|found| found.to_string())
            .or(format.map(|format| format.name))
            .unwrap_or_default(),
        capacity_bytes: capacity.or(native).or(told).unwrap_or(0),
    })
}

/// Labels one tape after another.
pub(super) struct Labeller<'a> {
    pub(super) site: Site<'a>,
    pub(super) catalog: &'a Catalog,
    pub(super) mounter: Mounter<'a>,
    pub(super) options: &'a LabelOptions,
}

impl<'a> Labeller<'a> {
    pub(super) fn named(&mut self, barcodes: &[String]) -> Result<LabelSummary, JobError> {
        if let Some(typed) = &self.options.erase {
            let [barcode] = barcodes else {
                let what = "erasing goes tape by tape: name the one tape".to_owned();
                return Err(JobError::Request { what });
            };
            if typed != barcode {
                let (barcode, typed) = (barcode.clone(), typed.clone());
                return Err(LabellingError::EraseMismatch { barcode, typed }.into());
            }
        }
        let mut labelled = Vec::new();
        let mut outcome = Outcome::Complete;
        for barcode in barcodes {
            if self.site.monitor.stop_requested() {
                outcome = Outcome::Interrupted;
                break;
            }
            labelled.push(self.one(barcode)?);
        }
        Ok(LabelSummary {
            outcome,
            labelled,
            skipped: Vec::new(),
        })
    }

    pub(super) fn all_blank(&mut self) -> Result<LabelSummary, JobError> {
        if self.options.erase.is_some() {
            let what = "erasing goes tape by tape, not with all blank tapes".to_owned();
            return Err(JobError::Request { what });
        }
        let mut summary = LabelSummary {
            outcome: Outcome::Complete,
            labelled: Vec::new(),
            skipped: Vec::new(),
        };
        for Listed { name, unread } in self.mounter.cartridges()? {
            if self.site.monitor.stop_requested() {
                summary.outcome = Outcome::Interrupted;
                break;
            }
            let skip = |why| SkippedTape {
                barcode: name.clone(),
                why,
            };
            if unread.is_some() {
                let why = "its barcode cannot be read, and a label has to name it".to_owned();
                summary.skipped.push(skip(why));
                continue;
            }
            match self.one(&name) {
                Ok(tape) => summary.labelled.push(tape),
                Err(error) if is_about_the_tape(&error) => {
                    summary.skipped.push(skip(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(summary)
    }

    fn one(&mut self, barcode: &str) -> Result<LabelledTape, JobError> {
        let known = catalog::live_volume(self.catalog, barcode)?;
        if let (Some(known), None) = (&known, &self.options.erase) {
            let label = &known.label.what;
            let what = format!("volume {} of pool {}", label.volume, label.pool);
            return Err(LabellingError::HoldsData {
                barcode: barcode.to_owned(),
                what,
                known: true,
            }
            .into());
        }
        if let Some(known) = &known {
            retention::check_overwrite(self.catalog, known.label.what.volume, barcode)?;
        }
        let _writer = match &known {
            Some(known) => Some(lock_volume(self.site, known.label.what.volume, barcode)?),
            None => None,
        };
        let known = known.map(|known| known.label.what.volume);
        let permission = self.permission();
        let check = |bay: &mut Bay| permission.check(bay, known);
        let mounted = self.mounter.mount_then(barcode, Purpose::Labelling, check);
        let (mut bay, ()) = mounted?;
        let result = self.write(&mut bay, known);
        self.mounter.close(bay, result)
    }

    fn permission(&self) -> Permission<'a> {
        let (catalog, options) = (self.catalog, self.options);
        Permission { catalog, options }
    }

    /// Labels a tape that may be overwritten.
    fn write(&self, bay: &mut Bay, known: Option<Uuid>) -> Result<LabelledTape, JobError> {
        let site = self.site;
        let barcode = bay.barcode.clone();
        let on_drive = |error| drive_error(&barcode, error);
        let label = Label {
            format: FORMAT,
            volume: site.clock.new_id(),
            barcode: barcode.clone(),
            pool: self.options.pool.clone(),
            block_bytes: self.permission().block_bytes(),
            labelled_at: site.clock.now(),
            software: SOFTWARE.to_owned(),
        };
        if let Some(volume) = known {
            // A robot takes its time: a hold may have been placed meanwhile.
            retention::check_overwrite(self.catalog, volume, &barcode)?;
            let reason = format!("labelled anew as {}", label.volume);
            let event = Event::VolumeRetired(VolumeRetired { volume, reason });
            self.catalog.append(site.clock.now(), &event)?;
        }
        site.monitor.phase(&format!("labelling {barcode}"));
        if let Err(error) = self.write_and_read_back(bay, &label) {
            self.reinstate_if_there(bay, known)?;
            return Err(error);
        }
        let medium = medium(&mut bay.drive).map_err(on_drive)?;
        let labelled = VolumeLabelled {
            volume: label.volume,
            barcode: barcode.clone(),
            pool: label.pool.clone(),
            block_bytes: label.block_bytes,
            medium_serial: medium.serial,
            capacity_bytes: medium.capacity_bytes,
            generation: medium.generation.clone(),
            density_code: Some(medium.density),
            replaces: known,
        };
        self.catalog
            .append(label.labelled_at, &Event::VolumeLabelled(labelled))
            .map_err(|source| LabellingError::NotRecorded {
                barcode: barcode.clone(),
                source,
            })?;
        Ok(LabelledTape {
            barcode,
            volume: label.volume,
            pool: label.pool,
            block_bytes: label.block_bytes,
            capacity_bytes: medium.capacity_bytes,
            generation: medium.generation,
            replaces: known,
        })
    }

    /// After a failure: a tape that still has the label of the volume `known` has all of it,
    /// since a write at its beginning ends what follows.
    fn reinstate_if_there(&self, bay: &mut Bay, known: Option<Uuid>) -> Result<(), JobError> {
        let Some(volume) = known else { return Ok(()) };
        match identify(&mut bay.drive) {
            Ok(Identity::Ours(label)) if label.volume == volume => {
                let reason = "labelling it anew failed and left it as it was";
                reinstate(self.site, self.catalog, volume, reason)
            }
            _ => Ok(()),
        }
    }

    fn write_and_read_back(&self, bay: &mut Bay, label: &Label) -> Result<(), JobError> {
        let barcode = || label.barcode.clone();
        let on_volume = |source| JobError::Volume {
            barcode: barcode(),
            source,
        };
        write_label(&mut bay.drive, label).map_err(on_volume)?;
        let what = match identify(&mut bay.drive).map_err(on_volume)? {
            Identity::Ours(found) if found == *label => return self.write_memory(bay, label),
            Identity::Ours(found) => format!("volume {} of pool {}", found.volume, found.pool),
            Identity::Blank => "nothing".to_owned(),
            Identity::TooNew { format } => format!("format {format}"),
            Identity::Foreign(what) => what,
        };
        Err(LabellingError::NotReadBack {
            barcode: barcode(),
            what,
        }
        .into())
    }

    /// The chip is a convenience: a tape whose chip takes nothing is a good volume.
    fn write_memory(&self, bay: &mut Bay, label: &Label) -> Result<(), JobError> {
        let chip = ChipLabel {
            barcode: Some(label.barcode.clone()),
            pool: Some(label.pool.clone()),
            volume: Some(label.volume.to_string()),
        };
        if let Err(error) = bay.drive.write_chip_label(&chip) {
            let (path, what) = (label.barcode.clone(), format!("cartridge memory: {error}"));
            tracing::warn!(barcode = path, what);
            self.site.monitor.problem(&Problem { path, what });
        }
        Ok(())
    }
}

/// What has to be so before a tape is overwritten.
#[derive(Clone, Copy)]
struct Permission<'a> {
    catalog: &'a Catalog,
    options: &'a LabelOptions,
}

impl Permission<'_> {
    /// Whether this tape may be overwritten. Writes nothing.
    fn check(&self, bay: &mut Bay, known: Option<Uuid>) -> Result<(), JobError> {
        let barcode = bay.barcode.clone();
        let on_drive = |error| drive_error(&barcode, error);
        let erase = self.options.erase.is_some();
        let memory = memory_barcode(&mut bay.drive, &barcode)?;
        if let Some(says) = memory.filter(|says| *says != barcode && !erase) {
            return Err(JobError::SwappedBarcode {
                barcode,
                says,
                witness: "cartridge memory",
            });
        }
        if bay.drive.medium().map_err(on_drive)?.write_protected {
            return Err(JobError::WriteProtected { barcode });
        }
        self.check_block_size(&bay.drive)?;
        // Without `--erase`, nothing under a barcode that the catalog knows comes as far as this.
        let identity = identify(&mut bay.drive)
            .map_err(|source| volume_error(&barcode, &bay.drive, source, false));
        let identity = match identity {
            // Writing from the beginning needs neither the key nor the former blocks.
            Err(JobError::EncryptedTape { .. } | JobError::BlocksBeyondPath { .. }) if erase => {
                return Ok(());
            }
            identity => identity.map_err(offer_erase)?,
        };
        let what = match identity {
            Identity::Blank => return Ok(()),
            Identity::Ours(label) => {
                self.check_not_swapped(&barcode, &label, known)?;
                if !erase {
                    check_path(&label, &bay.drive).map_err(offer_erase)?;
                }
                format!("volume {} of pool {}", label.volume, label.pool)
            }
            Identity::TooNew { format } => format!("a volume of format {format}"),
            Identity::Foreign(what) => what,
        };
        match erase {
            true => Ok(()),
            false => Err(LabellingError::HoldsData {
                barcode,
                what,
                known: false,
            }
            .into()),
        }
    }

    /// What the tape format allows was checked before; this drive may carry less.
    fn check_block_size(&self, drive: &Drive) -> Result<(), JobError> {
        let (wanted, carried) = (self.block_bytes(), drive.max_block_bytes());
        if wanted as usize <= carried {
            return Ok(());
        }
        let what = format!(
            "blocks of {wanted} bytes are too long: {} carries {carried}",
            drive.name()
        );
        Err(JobError::Request { what })
    }

    fn block_bytes(&self) -> u32 {
        self.options.block_bytes.unwrap_or(DEFAULT_BLOCK_BYTES)
    }

    /// A typed barcode vouches for what the catalog has under it, not for a volume that the
    /// catalog has under another: that tape carries a wrong sticker.
    fn check_not_swapped(
        &self,
        barcode: &str,
        label: &Label,
        known: Option<Uuid>,
    ) -> Result<(), JobError> {
        if label.barcode == barcode || known == Some(label.volume) {
            return Ok(());
        }
        if self
            .catalog
            .volume(&label.volume)?
            .is_some_and(|volume| volume.retired.is_none())
        {
            let (barcode, says) = (barcode.to_owned(), label.barcode.clone());
            return Err(JobError::SwappedBarcode {
                barcode,
                says,
                witness: "label",
            });
        }
        Ok(())
    }
}

/// Blocks too long for the path can be written over, if what they hold may go.
fn offer_erase(mut error: JobError) -> JobError {
    if let JobError::BlocksBeyondPath { erasable, .. } = &mut error {
        *erasable = true;
    }
    error
}
