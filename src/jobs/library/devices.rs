//! The devices of a library: opens drives on demand, asks the changer.
//!
//! A drive is claimed by opening it and given up by dropping it.

use std::fs::OpenOptions;
use std::ops::ControlFlow;
use std::path::Path;
#[cfg(feature = "sim")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::lookup::{self, NotOpened, Whereabouts};
use super::snapshot::{Place, Snapshot};
use super::{ConfiguredDrive, LibraryConfig};
use crate::changer::{Changer, ChangerError, ChangerErrorKind, ChangerIdentity, ElementAddress};
use crate::drive::{Drive, DriveErrorKind};
use crate::error_text::with_causes;
use crate::jobs::JobError;
use crate::monitor::Monitor;
use crate::scsi::cdb::carries_payload;
use crate::scsi::inquiry::{TYPE_CHANGER, TYPE_TAPE};
use crate::transport::Transport;
use crate::transport::brief::{Brief, Patience};
use crate::transport::record::Recorder;
use crate::transport::sg::{SgTransport, Sharing};
#[cfg(feature = "sim")]
use crate::transport::sim::SimTransport;
use crate::transport::tap::Tap;

/// A library that was switched on counts its cartridges first.
const LIBRARY_PATIENCE: Duration = Duration::from_secs(1800);

/// For a drive that is only looked at, its questions are few and need no motion.
const LOOK_PATIENCE: Patience = Patience {
    answer: Duration::from_secs(20),
    whole: Duration::from_secs(60),
};

/// A library whose changer, if it has one, is open.
pub(crate) struct Devices {
    nodes: Nodes,
    changer: Option<Changer>,
    trace: Option<Tap>,
    /// Drives are opened for a look, and not for work.
    briefly: bool,
}

/// Where the drives are.
enum Nodes {
    #[cfg(feature = "sim")]
    Simulated {
        dir: PathBuf,
        serials: Vec<String>,
    },
    #[cfg(feature = "sim")]
    SimulatedSingle(PathBuf),
    Changer(Vec<ConfiguredDrive>),
    Single(ConfiguredDrive),
}

impl Devices {
    /// Opens the changer. Claims no drive. What passes to and from the devices goes
    /// through `trace`.
    pub(crate) fn open(config: &LibraryConfig, trace: Option<&Tap>) -> Result<Devices, JobError> {
        let (nodes, changer) = match config {
            LibraryConfig::Simulated { dir } => simulated(dir)?,
            #[cfg(feature = "sim")]
            LibraryConfig::SimulatedDrive { dir } => (Nodes::SimulatedSingle(dir.clone()), None),
            #[cfg(not(feature = "sim"))]
            LibraryConfig::SimulatedDrive { dir } => {
                return Err(JobError::NoSimulator { dir: dir.clone() });
            }
            LibraryConfig::Changer {
                changer,
                serial,
                drives,
            } => (
                Nodes::Changer(drives.clone()),
                Some(lookup::open(
                    (changer, serial),
                    TYPE_CHANGER,
                    Sharing::Shared,
                )?),
            ),
            LibraryConfig::SingleDrive { drive, serial } => {
                let (device, serial) = (drive.clone(), serial.clone());
                (Nodes::Single(ConfiguredDrive { device, serial }), None)
            }
        };
        let changer = match changer {
            Some(transport) => Some(open_changer(traced(transport, trace))?),
            None => None,
        };
        if let Some(changer) = &changer {
            check_changer(changer.identity(), config)?;
        }
        Ok(Devices {
            nodes,
            changer,
            trace: trace.cloned(),
            briefly: false,
        })
    }

    /// From now on a drive is opened to be looked at: one that falls silent is not waited for.
    pub(crate) fn only_look(&mut self) {
        self.briefly = true;
    }

    /// Whether a changer moves the tapes.
    pub(crate) fn has_changer(&self) -> bool {
        self.changer.is_some()
    }

    /// Who the changer is; `None` without one.
    pub(crate) fn changer(&self) -> Option<&ChangerIdentity> {
        self.changer.as_ref().map(Changer::identity)
    }

    /// What is where; `None` without a changer. Waits until the library is ready, which
    /// `monitor` hears of and may stop.
    pub(crate) fn snapshot(&mut self, monitor: &dyn Monitor) -> Result<Option<Snapshot>, JobError> {
        match &mut self.changer {
            Some(changer) => wait_ready(changer, monitor)?,
            None => return Ok(None),
        }
        self.survey(monitor)
    }

    /// As [`snapshot`](Self::snapshot), also of a library whose robot stands still until a
    /// person has seen to it: most tell even then what is where.
    pub(crate) fn look(&mut self, monitor: &dyn Monitor) -> Result<Option<Snapshot>, JobError> {
        use ChangerErrorKind as C;
        let ready = match &mut self.changer {
            Some(changer) => wait_ready(changer, monitor),
            None => return Ok(None),
        };
        let trouble = match ready {
            Err(JobError::Changer(error)) if matches!(error.kind, C::NotReady | C::Unreachable) => {
                Some(error.what)
            }
            ready => ready.map(|()| None)?,
        };
        let snapshot = self.survey(monitor)?;
        Ok(snapshot.map(|found| Snapshot { trouble, ..found }))
    }

    fn survey(&mut self, monitor: &dyn Monitor) -> Result<Option<Snapshot>, JobError> {
        let Some(changer) = &mut self.changer else {
            return Ok(None);
        };
        let inventory = match changer.inventory() {
            // It was ready a moment ago.
            Err(error) if error.kind == ChangerErrorKind::NotReady => {
                wait_ready(changer, monitor)?;
                changer.inventory()
            }
            inventory => inventory,
        };
        let inventory = inventory.map_err(JobError::Changer)?;
        let mut snapshot = Snapshot::of(&inventory);
        if let Nodes::Changer(drives) = &self.nodes {
            snapshot.name_left_over(drives.iter().map(|drive| drive.serial.as_str()));
        }
        Ok(Some(snapshot))
    }

    /// Moves a cartridge between two elements.
    pub(crate) fn move_medium(
        &mut self,
        from: ElementAddress,
        to: ElementAddress,
    ) -> Result<(), ChangerError> {
        let changer = self
            .changer
            .as_mut()
            .expect("only a changer told these addresses");
        changer.move_medium(from, to)
    }

    /// How messages name an element of the library.
    pub(crate) fn element_name(&self, element: ElementAddress) -> String {
        match &self.changer {
            Some(changer) => changer.name_of(element),
            None => format!("element {element}"),
        }
    }

    /// Claims the drive in a drive element, found by its serial number.
    pub(crate) fn open_drive_at(&self, place: &Place) -> Result<Drive, JobError> {
        let drive = self.open_drive(self.transport_at(place)?)?;
        match &self.nodes {
            Nodes::Changer(drives) => same_drive(drive, configured(drives, place)),
            _ => Ok(drive),
        }
    }

    /// How people name the drive in this element; `None` if it is not configured.
    pub(crate) fn drive_name(&self, place: &Place) -> Option<String> {
        match &self.nodes {
            #[cfg(feature = "sim")]
            Nodes::Simulated { dir, serials } => {
                let index = simulated_index(serials, place)?;
                Some(format!(
                    "drive {index} of simulated library {}",
                    dir.display()
                ))
            }
            Nodes::Changer(drives) => configured(drives, place).map(name_now),
            #[cfg(feature = "sim")]
            Nodes::SimulatedSingle(_) => None,
            Nodes::Single(_) => None,
        }
    }

    /// Claims the drive of a library without changer.
    pub(crate) fn open_only_drive(&self) -> Result<Drive, JobError> {
        let transport: Box<dyn Transport> = match &self.nodes {
            #[cfg(feature = "sim")]
            Nodes::SimulatedSingle(dir) => Box::new(SimTransport::drive(dir, 0)?),
            Nodes::Single(drive) => drive_transport(drive)?,
            _ => unreachable!("a library with a changer has drive elements"),
        };
        let drive = self.open_drive(transport)?;
        match &self.nodes {
            Nodes::Single(configured) => same_drive(drive, Some(configured)),
            _ => Ok(drive),
        }
    }

    fn open_drive(&self, transport: Box<dyn Transport>) -> Result<Drive, JobError> {
        let transport = traced(transport, self.trace.as_ref());
        open_drive(match self.briefly {
            true => Box::new(Brief::new(transport, LOOK_PATIENCE)),
            false => transport,
        })
    }

    fn transport_at(&self, place: &Place) -> Result<Box<dyn Transport>, JobError> {
        match &self.nodes {
            #[cfg(feature = "sim")]
            Nodes::Simulated { dir, serials } => {
                let index = simulated_index(serials, place).ok_or_else(|| missing(place))?;
                Ok(Box::new(SimTransport::drive(dir, index)?))
            }
            Nodes::Changer(drives) => {
                drive_transport(configured(drives, place).ok_or_else(|| missing(place))?)
            }
            _ => Err(missing(place)),
        }
    }
}

/// Waits until the library has counted its cartridges, or a person has closed its door.
pub(super) fn wait_ready(changer: &mut Changer, monitor: &dyn Monitor) -> Result<(), JobError> {
    let name = changer.name().to_owned();
    let ready = changer.wait_ready(LIBRARY_PATIENCE, &mut |waiting| {
        let what = format!("waiting for {name}: {}", waiting.what);
        monitor.waiting(&what, waiting.elapsed);
        match monitor.stop_requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    ready.map_err(|error| match error.kind {
        ChangerErrorKind::Cancelled => JobError::Stopped,
        _ => JobError::Changer(error),
    })
}

impl From<NotOpened> for JobError {
    fn from(error: NotOpened) -> JobError {
        match error {
            NotOpened::Misplaced(error) => error.into(),
            NotOpened::Transport(error) => error.into(),
        }
    }
}

fn missing(place: &Place) -> JobError {
    let serial = place.serial.as_deref().unwrap_or("unknown");
    let what = format!(
        "drive {} (serial number {serial}) is not configured",
        place.number
    );
    JobError::DriveMissing { drives: vec![what] }
}

fn configured<'a>(drives: &'a [ConfiguredDrive], place: &Place) -> Option<&'a ConfiguredDrive> {
    drives
        .iter()
        .find(|drive| Some(drive.serial.as_str()) == place.serial.as_deref())
}

/// The way to a configured drive, wherever it is now.
fn drive_transport(drive: &ConfiguredDrive) -> Result<Box<dyn Transport>, JobError> {
    let named = (drive.device.as_path(), drive.serial.as_str());
    Ok(lookup::open(named, TYPE_TAPE, Sharing::Exclusive)?)
}

/// How people name a configured drive, with its present node if it has moved.
fn name_now(drive: &ConfiguredDrive) -> String {
    let name = drive.device.display();
    match lookup::whereabouts(&drive.device, &drive.serial, TYPE_TAPE) {
        Ok(Whereabouts::Moved(node)) => format!("{name}, now {}", node.display()),
        Ok(Whereabouts::AsConfigured) | Err(_) => name.to_string(),
    }
}

/// The drive's own word on who it is, where the kernel had none.
fn same_drive(drive: Drive, configured: Option<&ConfiguredDrive>) -> Result<Drive, JobError> {
    let found = &drive.identity().serial;
    match configured {
        Some(ConfiguredDrive { device, serial }) if !serial.is_empty() && serial != found => {
            Err(lookup::vanished(device, serial, Some(found.clone())).into())
        }
        _ => Ok(drive),
    }
}

fn check_changer(found: &ChangerIdentity, config: &LibraryConfig) -> Result<(), JobError> {
    match config {
        LibraryConfig::Changer {
            changer, serial, ..
        } if !serial.is_empty() && *serial != found.serial => {
            Err(lookup::vanished(changer, serial, Some(found.serial.clone())).into())
        }
        _ => Ok(()),
    }
}

#[cfg(feature = "sim")]
fn simulated_index(serials: &[String], place: &Place) -> Option<u16> {
    let index = serials
        .iter()
        .position(|serial| Some(serial) == place.serial.as_ref())?;
    u16::try_from(index).ok()
}

/// Opens a drive and asks who it is.
pub(super) fn open_drive(transport: Box<dyn Transport>) -> Result<Drive, JobError> {
    Drive::open(transport).map_err(|error| {
        let drives = vec![with_causes(&error)];
        match error.kind {
            DriveErrorKind::Reserved | DriveErrorKind::HeldBy { .. } => {
                JobError::DriveBusy { drives }
            }
            _ => JobError::DriveMissing { drives },
        }
    })
}

/// Claims the drive behind a node, whoever it is, to look at it.
pub(crate) fn open_exclusive(node: &Path) -> Result<Drive, JobError> {
    let transport = Box::new(SgTransport::open(node, Sharing::Exclusive)?);
    open_drive(Box::new(Brief::new(transport, LOOK_PATIENCE)))
}

/// The way to the changer behind a device node.
pub(super) fn changer_transport(device: &Path) -> Result<Box<dyn Transport>, JobError> {
    Ok(Box::new(SgTransport::open(device, Sharing::Shared)?))
}

/// Opens a changer and asks who it is.
pub(super) fn open_changer(transport: Box<dyn Transport>) -> Result<Changer, JobError> {
    Changer::open(transport).map_err(JobError::Changer)
}

/// A tap that appends each command and its answer to the file `path`, without the user's data.
/// Devices share the file: each line names its device.
///
/// # Errors
///
/// The file cannot be opened.
pub fn trace_to(path: &Path) -> Result<Tap, JobError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(|source| JobError::Io {
        action: "opening the command trace",
        path: path.to_owned(),
        source,
    })?;
    let file = Arc::new(file);
    Ok(Tap::new(move |way| {
        Box::new(Recorder::to_writer(way, carries_payload, Arc::clone(&file)))
    }))
}

/// The way to a device, through `trace` if there is one.
fn traced(way: Box<dyn Transport>, trace: Option<&Tap>) -> Box<dyn Transport> {
    match trace {
        None => way,
        Some(tap) => tap.wrap(way),
    }
}

#[cfg(feature = "sim")]
fn simulated(dir: &Path) -> Result<(Nodes, Option<Box<dyn Transport>>), JobError> {
    let failed = |source| JobError::Simulator {
        dir: dir.to_owned(),
        source,
    };
    let library = tape_sim::library::Library::open(dir).map_err(failed)?;
    let serials = (0..library.drive_count())
        .map(|index| library.drive_serial(index))
        .collect();
    let nodes = Nodes::Simulated {
        dir: dir.to_owned(),
        serials,
    };
    Ok((nodes, Some(Box::new(SimTransport::changer(dir)?))))
}

#[cfg(not(feature = "sim"))]
fn simulated(dir: &Path) -> Result<(Nodes, Option<Box<dyn Transport>>), JobError> {
    Err(JobError::NoSimulator {
        dir: dir.to_owned(),
    })
}
