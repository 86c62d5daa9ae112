//! What is where, from the changer's inventory and the catalog. Moves no tape.

use catalogs::Catalog;
use serde::Serialize;
use uuid::Uuid;

use super::LibraryConfig;
use super::devices::Devices;
use super::lost::{LostTape, is_unseen, lost_tapes};
use super::snapshot::{Place, Snapshot};
use crate::jobs::{JobError, Site, VolumeState, catalog};

/// A library at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct LibraryStatus {
    /// Where the devices are.
    pub library: LibraryConfig,
    /// Vendor, product and revision of the changer; `None` without a changer.
    pub changer: Option<String>,
    /// Why the library moves no tape now, as it says it; `None` if it would.
    pub problem: Option<String>,
    /// The drives, in the order of their elements.
    pub drives: Vec<DriveStatus>,
    /// The storage slots, in the order of their elements.
    pub slots: Vec<SlotStatus>,
    /// The import/export slots, in the order of their elements.
    pub mail_slots: Vec<SlotStatus>,
    /// The robot's hands, in the order of their elements. A cartridge is in one only if a move
    /// failed.
    pub robots: Vec<SlotStatus>,
    /// Tapes that the robot lost in a move, and that are in none of these places.
    pub lost_tapes: Vec<LostTape>,
}

/// A drive and what is in it.
#[derive(Debug, Clone, Serialize)]
pub struct DriveStatus {
    /// Counts from 0.
    pub number: u16,
    /// Its device, as people name it; `None` if it is in the changer but not configured.
    pub device: Option<String>,
    /// Unit serial number, if known.
    pub serial: Option<String>,
    /// The cartridge in it.
    pub cartridge: Option<CartridgeStatus>,
    /// What is wrong with it, such as its being in use by another process.
    pub problem: Option<String>,
}

/// A slot and what is in it.
#[derive(Debug, Clone, Serialize)]
pub struct SlotStatus {
    /// Counts from 1.
    pub number: u16,
    /// The cartridge in it.
    pub cartridge: Option<CartridgeStatus>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// A cartridge as the changer sees it, with what the catalog knows of it.
#[derive(Debug, Clone, Serialize)]
pub struct CartridgeStatus {
    /// Its barcode, if it has one that could be read.
    pub barcode: Option<String>,
    /// What it is for.
    pub kind: CartridgeKind,
    /// The volume the catalog knows under this barcode.
    pub volume: Option<KnownVolume>,
    /// The slot it was taken from, for a cartridge in a drive.
    pub home_slot: Option<u16>,
}

/// What a cartridge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CartridgeKind {
    /// Data, as far as barcode and changer tell.
    Data,
    /// Cleaning a drive.
    Cleaning,
}

/// A volume of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownVolume {
    /// Its identity.
    pub volume: Uuid,
    /// Its pool.
    pub pool: String,
    /// What may be done with it.
    pub state: VolumeState,
}

/// Says what is where. Moves no tape, claims no drive.
///
/// Works without a catalog: volumes are then not named.
///
/// # Errors
///
/// No library is set up, the changer does not answer, or the catalog is damaged.
pub fn status(site: Site<'_>) -> Result<LibraryStatus, JobError> {
    let library = site.state.library()?;
    let mut devices = Devices::open(&library, site.trace)?;
    let catalog = match catalog::exists(site) {
        true => Some(catalog::open(site)?),
        false => None,
    };
    let snapshot = devices.look(site.monitor)?.unwrap_or_default();
    let look = Look {
        catalog: catalog.as_deref(),
        snapshot: &snapshot,
    };
    let mut drives = Vec::with_capacity(snapshot.drives.len());
    for place in &snapshot.drives {
        let device = devices.drive_name(place);
        let problem = match &device {
            None => Some("not configured".to_owned()),
            Some(_) => place.problem.clone(),
        };
        drives.push(DriveStatus {
            number: place.number,
            device,
            serial: place.serial.clone(),
            cartridge: look.cartridge(place)?,
            problem,
        });
    }
    drives.extend(only_drive(&library));
    let changer = devices.changer().map(|id| {
        format!(
            "{} {} {}",
            id.vendor.trim(),
            id.product.trim(),
            id.revision.trim()
        )
    });
    let (slots, mail_slots, robots) = (
        look.slots(&snapshot.slots)?,
        look.slots(&snapshot.mail_slots)?,
        look.slots(&snapshot.robots)?,
    );
    let mut lost = lost_tapes(site.state);
    lost.retain(|lost| is_unseen(&snapshot)(&lost));
    Ok(LibraryStatus {
        lost_tapes: lost,
        library,
        changer,
        problem: snapshot.trouble,
        drives,
        slots,
        mail_slots,
        robots,
    })
}

/// The drive of a library without changer: what is in it only loading it would tell.
fn only_drive(library: &LibraryConfig) -> Option<DriveStatus> {
    let device = match library {
        LibraryConfig::SingleDrive { drive, .. } => drive.display().to_string(),
        LibraryConfig::SimulatedDrive { dir } => {
            format!("drive 0 of simulated library {}", dir.display())
        }
        LibraryConfig::Simulated { .. } | LibraryConfig::Changer { .. } => return None,
    };
    let (serial, cartridge, problem) = (None, None, None);
    Some(DriveStatus {
        number: 0,
        device: Some(device),
        serial,
        cartridge,
        problem,
    })
}

/// A snapshot, seen with the catalog beside it.
struct Look<'a> {
    catalog: Option<&'a Catalog>,
    snapshot: &'a Snapshot,
}

impl Look<'_> {
    fn slots(&self, places: &[Place]) -> Result<Vec<SlotStatus>, JobError> {
        let slot = |place: &Place| {
            let (number, problem) = (place.number, place.problem.clone());
            Ok(SlotStatus {
                number,
                cartridge: self.cartridge(place)?,
                problem,
            })
        };
        places.iter().map(slot).collect()
    }

    fn cartridge(&self, place: &Place) -> Result<Option<CartridgeStatus>, JobError> {
        let Some(cartridge) = &place.cartridge else {
            return Ok(None);
        };
        let volume = match (self.catalog, &cartridge.barcode) {
            (Some(catalog), Some(barcode)) => catalog::live_volume(catalog, barcode)?,
            _ => None,
        };
        let home = self
            .snapshot
            .slots
            .iter()
            .find(|slot| Some(slot.address) == cartridge.source);
        Ok(Some(CartridgeStatus {
            barcode: cartridge.barcode.clone(),
            kind: cartridge.kind,
            volume: volume.map(|known| KnownVolume {
                state: known.state,
                volume: known.label.what.volume,
                pool: known.label.what.pool,
            }),
            home_slot: home.map(|slot| slot.number),
        }))
    }
}
