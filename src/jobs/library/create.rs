//! Making a library the current one.

use std::path::{Path, PathBuf};

use super::devices::{changer_transport, open_changer, open_drive};
use super::snapshot::left_over;
use super::{ConfiguredDrive, LibraryConfig};
use crate::changer::ElementKind;
use crate::jobs::{JobError, StateDir};
use crate::transport::sg::{SgTransport, Sharing};
use crate::units::ByteSize;

/// A simulated library to be made.
#[derive(Debug, Clone)]
pub struct SimulatedSpec {
    /// Its directory: empty, or not there yet.
    pub dir: PathBuf,
    /// Drives.
    pub drives: u16,
    /// Storage slots.
    pub slots: u16,
    /// LTO generation of drives and cartridges: 5 to 9.
    pub generation: u8,
    /// Capacity of each cartridge; `None` is the generation's own.
    pub capacity: Option<ByteSize>,
}

/// Makes a simulated library and makes it the current one.
///
/// # Errors
///
/// The directory holds something already, or the numbers make no library.
#[cfg(feature = "sim")]
pub fn create_simulated(state: &StateDir, spec: &SimulatedSpec) -> Result<LibraryConfig, JobError> {
    use tape_sim::generation::Generation;
    use tape_sim::library::{Library, LibrarySpec};

    let generation = Generation::from_number(spec.generation).ok_or_else(|| {
        let what = format!("LTO-{} is not simulated; 5 to 9 are", spec.generation);
        JobError::Request { what }
    })?;
    let dir = std::path::absolute(&spec.dir).map_err(|source| {
        let (action, path) = ("finding the directory", spec.dir.clone());
        JobError::Io {
            action,
            path,
            source,
        }
    })?;
    let sim_spec = LibrarySpec {
        drives: spec.drives,
        slots: spec.slots,
        generation,
        capacity_bytes: spec.capacity.map(|capacity| capacity.0),
        ..LibrarySpec::default()
    };
    Library::create(&dir, &sim_spec).map_err(|source| JobError::Simulator {
        dir: dir.clone(),
        source,
    })?;
    let config = LibraryConfig::Simulated { dir };
    state.set_library(&config)?;
    Ok(config)
}

/// This build has no simulator.
///
/// # Errors
///
/// Always.
#[cfg(not(feature = "sim"))]
pub fn create_simulated(
    _state: &StateDir,
    spec: &SimulatedSpec,
) -> Result<LibraryConfig, JobError> {
    Err(JobError::NoSimulator {
        dir: spec.dir.clone(),
    })
}

/// Makes hardware the current library: a changer with drives, or one drive alone.
///
/// Drives are matched to the changer's drive elements by serial number.
///
/// # Errors
///
/// A device does not answer or is no drive or changer; a drive is not the changer's
/// ([`JobError::DriveNotInLibrary`]); no drive was given, or several without a changer.
pub fn create_hardware(
    state: &StateDir,
    changer: Option<&Path>,
    drives: &[PathBuf],
) -> Result<LibraryConfig, JobError> {
    let config = match (changer, drives) {
        (Some(changer), [_, ..]) => with_changer(changer, drives)?,
        (None, [drive]) => {
            open_drive(Box::new(SgTransport::open(drive, Sharing::Exclusive)?))?;
            LibraryConfig::SingleDrive {
                drive: drive.clone(),
            }
        }
        (_, []) => {
            let what = "a library needs a drive".to_owned();
            return Err(JobError::Request { what });
        }
        (None, _) => {
            let what = "several drives need a changer that serves them".to_owned();
            return Err(JobError::Request { what });
        }
    };
    state.set_library(&config)?;
    Ok(config)
}

fn with_changer(device: &Path, drives: &[PathBuf]) -> Result<LibraryConfig, JobError> {
    let mut changer = open_changer(changer_transport(device)?)?;
    let inventory = changer.inventory().map_err(JobError::Changer)?;
    let told: Vec<Option<String>> = inventory
        .of_kind(ElementKind::Drive)
        .map(|element| element.drive_serial.clone())
        .collect();
    let mut found = Vec::with_capacity(drives.len());
    for drive in drives {
        let opened = open_drive(Box::new(SgTransport::open(drive, Sharing::Exclusive)?))?;
        found.push((drive, opened.identity().serial.clone()));
    }
    let left_over = left_over(&told, found.iter().map(|(_, serial)| serial.as_str()));
    let left_over = left_over.map(str::to_owned);
    let known: Vec<String> = told.into_iter().flatten().chain(left_over).collect();
    let mut configured: Vec<ConfiguredDrive> = Vec::with_capacity(drives.len());
    for (drive, serial) in found {
        if !known.contains(&serial) {
            let (drive, changer) = (drive.clone(), changer.name().to_owned());
            return Err(JobError::DriveNotInLibrary {
                drive,
                serial,
                changer,
                known,
            });
        }
        if configured.iter().any(|other| other.serial == serial) {
            let what = format!(
                "{} is given twice (serial number {serial})",
                drive.display()
            );
            return Err(JobError::Request { what });
        }
        configured.push(ConfiguredDrive {
            device: drive.clone(),
            serial,
        });
    }
    Ok(LibraryConfig::Changer {
        changer: device.to_owned(),
        drives: configured,
    })
}
