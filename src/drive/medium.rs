//! What the drive knows of the tape in it: format, protection, chip, alerts.

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::cdb;
use crate::scsi::density::{self, Density, Generation};
use crate::scsi::log::{self, LogPage};
use crate::scsi::mam::{self, Attribute, HostField};
use crate::scsi::tape_alert::TapeAlerts;
use crate::transport::Data;

const LOG_BYTES: usize = 16 * 1024;
const MAM_BYTES: usize = 32 * 1024;
const DENSITY_BYTES: usize = 4096;
const NO_PAGE: u8 = 0;

/// The loaded tape, by mode data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediumInfo {
    /// Density code; 0 for a tape that was never written, on some drives.
    pub density: u8,
    /// Medium type code.
    pub medium_type: u8,
    /// Generation, as far as the codes tell.
    pub generation: Option<Generation>,
    /// Cartridge, drive or mode forbids writing.
    pub write_protected: bool,
    /// A write-once cartridge.
    pub worm: bool,
    /// Fixed block length in effect, in bytes; 0 is variable.
    pub block_bytes: u32,
}

/// What the chip in the cartridge says (medium auxiliary memory).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CartridgeMemory {
    /// Serial number of the cartridge itself.
    pub serial: Option<String>,
    /// Manufacturer of the cartridge.
    pub manufacturer: Option<String>,
    /// How often it was loaded.
    pub load_count: Option<u64>,
    /// What an application wrote into it.
    pub label: ChipLabel,
    /// Which application, by its own name.
    pub application: Option<String>,
}

/// The label in the chip: a convenience for people and libraries, never proof.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChipLabel {
    /// Barcode; at most 32 characters are kept.
    pub barcode: Option<String>,
    /// Pool; at most 160 bytes are kept.
    pub pool: Option<String>,
    /// Volume UUID as text.
    pub volume: Option<String>,
}

impl Drive {
    /// Asks for format and protection of the loaded tape.
    ///
    /// # Errors
    ///
    /// [`super::DriveErrorKind::NoMedium`] and other states of the drive; transport failures.
    pub fn medium(&mut self) -> Result<MediumInfo, DriveError> {
        let (mode, _) = self.mode_data_or_less(NO_PAGE)?;
        Ok(MediumInfo {
            density: mode.density,
            medium_type: mode.medium_type,
            generation: Generation::of_medium(mode.density, mode.medium_type),
            write_protected: mode.write_protected,
            worm: Generation::is_worm_type(mode.medium_type),
            block_bytes: mode.block_bytes,
        })
    }

    /// The formats that the drive reads and writes; empty if it does not tell.
    ///
    /// # Errors
    ///
    /// Transport failures.
    pub fn densities(&mut self) -> Result<Vec<Density>, DriveError> {
        let action = format_args!("asking for the drive's formats");
        let mut data = vec![0; DENSITY_BYTES];
        let ask = cdb::report_density_support(false, DENSITY_BYTES as u16);
        match self.command_if_known(action, &ask, Data::In(&mut data))? {
            None => Ok(Vec::new()),
            Some(got) => self.decoded(action, density::parse_densities(&data[..got])),
        }
    }

    /// The TapeAlert flags; empty if the drive has none. Page 12 is asked, which leaves
    /// them set; only a drive without it is asked for page 2E, which clears them.
    ///
    /// # Errors
    ///
    /// Transport failures.
    pub fn tape_alerts(&mut self) -> Result<TapeAlerts, DriveError> {
        for page in [log::PAGE_ALERT_RESPONSE, log::PAGE_TAPE_ALERT] {
            if let Some(found) = self.log_page(page)? {
                return Ok(found.tape_alerts());
            }
        }
        Ok(TapeAlerts::default())
    }

    /// Native bytes that the loaded tape holds when empty, if the drive tells.
    ///
    /// # Errors
    ///
    /// Transport failures.
    pub fn capacity_bytes(&mut self) -> Result<Option<u64>, DriveError> {
        Ok(self
            .log_page(log::PAGE_CAPACITY)?
            .and_then(|page| page.maximum_bytes()))
    }

    /// A log page, taken apart; `None` if the drive does not have it.
    ///
    /// # Errors
    ///
    /// Transport failures; [`super::DriveErrorKind::Malformed`] if another page came.
    pub fn log_page(&mut self, page: u8) -> Result<Option<LogPage>, DriveError> {
        let action = format_args!("reading log page {page:02X}h");
        let mut data = vec![0; LOG_BYTES];
        let ask = cdb::log_sense(page, LOG_BYTES as u16);
        match self.command_if_known(action, &ask, Data::In(&mut data))? {
            None => Ok(None),
            Some(got) => self
                .decoded(action, LogPage::parse(&data[..got], page))
                .map(Some),
        }
    }

    /// Reads the chip in the cartridge; `None` if drive or cartridge has none.
    ///
    /// # Errors
    ///
    /// [`super::DriveErrorKind::Medium`] if the chip is broken; transport failures.
    pub fn cartridge_memory(&mut self) -> Result<Option<CartridgeMemory>, DriveError> {
        let action = format_args!("reading the cartridge memory");
        let mut data = vec![0; MAM_BYTES];
        let ask = cdb::read_attribute(0, MAM_BYTES as u32);
        let Some(got) = self.command_if_known(action, &ask, Data::In(&mut data))? else {
            return Ok(None);
        };
        let attributes = self.decoded(action, mam::parse_attributes(&data[..got]))?;
        let find = |id: u16| attributes.iter().find(|attribute| attribute.id == id);
        let text = |id| {
            find(id)
                .map(Attribute::text)
                .filter(|text| !text.is_empty())
        };
        Ok(Some(CartridgeMemory {
            serial: text(mam::MEDIUM_SERIAL),
            manufacturer: text(mam::MEDIUM_MANUFACTURER),
            load_count: find(mam::LOAD_COUNT).and_then(Attribute::number),
            label: ChipLabel {
                barcode: text(mam::BARCODE),
                pool: text(mam::MEDIA_POOL),
                volume: text(mam::MEDIUM_UUID),
            },
            application: text(mam::APPLICATION_NAME),
        }))
    }

    /// Writes our name and `label` into the chip; a part that is `None` stays.
    /// Returns false if drive or cartridge has no chip.
    ///
    /// # Errors
    ///
    /// [`super::DriveErrorKind::WriteProtected`]; [`super::DriveErrorKind::Medium`] if the
    /// chip is broken; transport failures.
    pub fn write_chip_label(&mut self, label: &ChipLabel) -> Result<bool, DriveError> {
        let action = format_args!("writing the cartridge memory");
        let fields = [
            (HostField::ApplicationVendor, Some("TAPEWRT")),
            (HostField::ApplicationName, Some("Tapewright")),
            (
                HostField::ApplicationVersion,
                Some(env!("CARGO_PKG_VERSION")),
            ),
            (HostField::Barcode, label.barcode.as_deref()),
            (HostField::MediaPool, label.pool.as_deref()),
            (HostField::MediumUuid, label.volume.as_deref()),
        ];
        let attributes: Vec<Attribute> = fields
            .iter()
            .filter_map(|(field, content)| Some(Attribute::host(*field, (*content)?)))
            .collect();
        let list = mam::to_parameters(&attributes);
        let length = u32::try_from(list.len()).expect("six attributes are a few hundred bytes");
        let write = cdb::write_attribute(length);
        Ok(self
            .command_if_known(action, &write, Data::Out(&list))?
            .is_some())
    }

    /// The serial number of the cartridge itself: from the chip, else from the volume
    /// statistics, as where the chip is broken.
    ///
    /// # Errors
    ///
    /// Transport failures.
    pub fn medium_serial(&mut self) -> Result<Option<String>, DriveError> {
        let memory = match self.cartridge_memory() {
            Err(error) if error.kind == DriveErrorKind::Medium => None,
            result => result?,
        };
        if let Some(serial) = memory.and_then(|memory| memory.serial) {
            return Ok(Some(serial));
        }
        let page = self.log_page(log::PAGE_VOLUME_STATISTICS)?;
        Ok(page.and_then(|page| page.volume_serial()))
    }
}
