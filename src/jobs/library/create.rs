//! Making a library the current one.

use std::path::{Path, PathBuf};

use super::devices::{changer_transport, open_changer, open_exclusive, wait_ready};
use super::lookup::{Misplaced, serial_of};
use super::snapshot::left_over;
use super::{ConfiguredDrive, LibraryConfig};
use crate::changer::ElementKind;
use crate::jobs::{JobError, Site, StateDir};
use crate::scsi::inquiry::TYPE_TAPE;
use crate::transport::attached::{AttachedDevice, attached_devices};
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
/// [`JobError::SimulatedAlready`]; the directory holds something else already, or the numbers
/// make no library.
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
    if let Err(source) = Library::create(&dir, &sim_spec) {
        return Err(match Library::open(&dir) {
            Ok(_) => JobError::SimulatedAlready { dir },
            Err(_) => JobError::Simulator { dir, source },
        });
    }
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

/// Makes a simulated library that exists the current one.
///
/// # Errors
///
/// There is no simulated library in `dir`, or it cannot be read.
#[cfg(feature = "sim")]
pub fn use_simulated(state: &StateDir, dir: &Path) -> Result<LibraryConfig, JobError> {
    let failed = |source| JobError::Simulator {
        dir: dir.to_owned(),
        source,
    };
    let dir = dir.canonicalize().map_err(|source| JobError::Io {
        action: "finding the simulated library",
        path: dir.to_owned(),
        source,
    })?;
    tape_sim::library::Library::open(&dir).map_err(failed)?;
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
pub fn use_simulated(_state: &StateDir, dir: &Path) -> Result<LibraryConfig, JobError> {
    Err(JobError::NoSimulator {
        dir: dir.to_owned(),
    })
}

/// Makes hardware the current library: a changer with drives, or one drive alone.
///
/// Drives are matched to the changer's drive elements by serial number. Without `drives`
/// a changer's drives are found among those of this host by that number.
///
/// # Errors
///
/// A device does not answer or is no drive or changer; a drive is not the changer's
/// ([`JobError::DriveNotInLibrary`]); none of the changer's is found on the host
/// ([`JobError::DriveMissing`]), or one of them twice ([`JobError::Misplaced`]); no drive
/// was given, or several without a changer.
pub fn create_hardware(
    site: Site<'_>,
    changer: Option<&Path>,
    drives: &[PathBuf],
) -> Result<LibraryConfig, JobError> {
    let config = match (changer, drives) {
        (Some(changer), drives) => with_changer(site, changer, drives)?,
        (None, [drive]) => drive_alone(drive)?,
        (None, []) => {
            let what = "a library needs a drive".to_owned();
            return Err(JobError::Request { what });
        }
        (None, _) => {
            let what = "several drives need a changer that serves them".to_owned();
            return Err(JobError::Request { what });
        }
    };
    site.state.set_library(&config)?;
    Ok(config)
}

/// A drive served by hand; the directory of a simulated library stands for its drive 0.
pub(crate) fn device_alone(device: &Path) -> Result<LibraryConfig, JobError> {
    match device.canonicalize() {
        Ok(dir) if dir.is_dir() => Ok(LibraryConfig::SimulatedDrive { dir }),
        _ => drive_alone(device),
    }
}

fn drive_alone(device: &Path) -> Result<LibraryConfig, JobError> {
    let opened = open_exclusive(device)?;
    Ok(LibraryConfig::SingleDrive {
        drive: device.to_owned(),
        serial: opened.identity().serial.clone(),
    })
}

fn with_changer(
    site: Site<'_>,
    device: &Path,
    drives: &[PathBuf],
) -> Result<LibraryConfig, JobError> {
    let mut changer = open_changer(changer_transport(device)?)?;
    wait_ready(&mut changer, site.monitor)?;
    let inventory = changer.inventory().map_err(JobError::Changer)?;
    let told: Vec<Option<String>> = inventory
        .of_kind(ElementKind::Drive)
        .map(|element| element.drive_serial.clone())
        .collect();
    let drives = match drives.is_empty() {
        true => drives_on_host(&told, &attached_devices())?,
        false => drives_as_given(&told, drives, changer.name())?,
    };
    Ok(LibraryConfig::Changer {
        changer: device.to_owned(),
        serial: changer.identity().serial.clone(),
        drives,
    })
}

/// Which of the host's drives sit in a library whose elements tell these serial numbers.
fn drives_on_host(
    told: &[Option<String>],
    attached: &[AttachedDevice],
) -> Result<Vec<ConfiguredDrive>, JobError> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (serial, number) in told.iter().zip(0..) {
        let Some(serial) = serial else {
            missing.push(format!(
                "drive element {number} does not tell its serial number: give its drive \
                 with --drive"
            ));
            continue;
        };
        let of_drive = |device: &&AttachedDevice| {
            device.device_type == TYPE_TAPE && serial_of(device).as_deref() == Some(serial)
        };
        let devices: Vec<&AttachedDevice> = attached.iter().filter(of_drive).collect();
        match devices[..] {
            [] => missing.push(format!(
                "drive {number} (serial number {serial}) is not attached to this host"
            )),
            [only] => found.push(ConfiguredDrive {
                device: only.links.first().unwrap_or(&only.node).clone(),
                serial: serial.clone(),
            }),
            [..] => {
                let nodes = devices.iter().map(|device| device.node.clone()).collect();
                let serial = serial.clone();
                return Err(Misplaced::Ambiguous { serial, nodes }.into());
            }
        }
    }
    for what in &missing {
        tracing::warn!("{what}");
    }
    match found.is_empty() {
        true => Err(JobError::DriveMissing { drives: missing }),
        false => Ok(found),
    }
}

/// The given drives, each of which has to sit in the library.
fn drives_as_given(
    told: &[Option<String>],
    drives: &[PathBuf],
    changer: &str,
) -> Result<Vec<ConfiguredDrive>, JobError> {
    let mut found = Vec::with_capacity(drives.len());
    for drive in drives {
        let opened = open_exclusive(drive)?;
        found.push((drive, opened.identity().serial.clone()));
    }
    let left_over = left_over(told, found.iter().map(|(_, serial)| serial.as_str()));
    let left_over = left_over.map(str::to_owned);
    let known: Vec<String> = told.iter().flatten().cloned().chain(left_over).collect();
    let mut configured: Vec<ConfiguredDrive> = Vec::with_capacity(drives.len());
    for (drive, serial) in found {
        if !known.contains(&serial) {
            return Err(JobError::DriveNotInLibrary {
                drive: drive.clone(),
                serial,
                changer: changer.to_owned(),
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
    Ok(configured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(node: &str, serial: &str, link: Option<&str>) -> AttachedDevice {
        let length = u8::try_from(serial.len()).unwrap();
        AttachedDevice {
            node: PathBuf::from(node),
            device_type: TYPE_TAPE,
            serial_page: Some([&[1, 0x80, 0, length], serial.as_bytes()].concat()),
            links: link.map(PathBuf::from).into_iter().collect(),
            ..AttachedDevice::default()
        }
    }

    #[test]
    fn a_library_is_adopted_by_its_changer_alone() {
        let told = |serials: &[&str]| -> Vec<Option<String>> {
            let some = |serial: &&str| (!serial.is_empty()).then(|| (*serial).to_owned());
            serials.iter().map(some).collect()
        };
        let host = [
            drive("/dev/sg1", "B", None),
            drive("/dev/sg2", "A", Some("/dev/tape/by-id/scsi-A-nst")),
            drive("/dev/sg3", "OTHER", None),
        ];
        let found = drives_on_host(&told(&["A", "B", "", "FAR"]), &host).unwrap();
        let names: Vec<_> = found.iter().map(|drive| drive.device.clone()).collect();
        let expected = ["/dev/tape/by-id/scsi-A-nst", "/dev/sg1"];
        assert_eq!(names, expected.map(PathBuf::from));

        let error = drives_on_host(&told(&["", "FAR"]), &host).unwrap_err();
        let words = error.to_string();
        assert!(
            words.contains("FAR") && words.contains("--drive"),
            "{words}"
        );

        let twice = [drive("/dev/sg1", "A", None), drive("/dev/sg2", "A", None)];
        let error = drives_on_host(&told(&["A"]), &twice).unwrap_err();
        assert!(matches!(error, JobError::Misplaced(_)), "{error}");
    }
}
