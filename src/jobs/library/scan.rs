//! What tape devices the host has: changers, drives, and which drive sits in which library.
//!
//! Claims no drive and moves nothing. A drive's serial number is what the kernel has read;
//! only where it has not, the drive itself is asked, if nobody uses it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::devices::{changer_transport, open_changer, open_exclusive};
use super::lookup::serial_of;
use crate::changer::{ElementKind, Inventory};
use crate::error_text::with_causes;
use crate::jobs::JobError;
use crate::scsi::density::Generation;
use crate::scsi::inquiry::{TYPE_CHANGER, TYPE_TAPE};
use crate::transport::attached::{AttachedDevice, attached_devices};

/// The tape devices of a host.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LibraryScan {
    /// The changers, by sg number.
    pub changers: Vec<FoundChanger>,
    /// The drives, by sg number.
    pub drives: Vec<FoundDrive>,
}

/// A device of the host.
#[derive(Debug, Clone, Serialize)]
pub struct FoundDevice {
    /// Its sg node.
    pub node: PathBuf,
    /// Its tape or changer node, if the kernel's st or ch driver made one.
    pub other_node: Option<PathBuf>,
    /// Names below `/dev/tape` that outlive a boot, the best first.
    pub links: Vec<PathBuf>,
    /// Vendor name.
    pub vendor: String,
    /// Product name.
    pub product: String,
    /// Firmware revision.
    pub revision: String,
    /// Unit serial number, if the device tells one.
    pub serial: Option<String>,
    /// The kernel's driver that has claimed it beside sg.
    pub driver: Option<String>,
    /// What keeps it from being used, as a sentence.
    pub problem: Option<String>,
}

impl FoundDevice {
    /// The name to configure it by: one that outlives a boot, if it has one.
    #[must_use]
    pub fn best_name(&self) -> &PathBuf {
        self.links.first().unwrap_or(&self.node)
    }
}

/// A changer, and what it says of its library.
#[derive(Debug, Clone, Serialize)]
pub struct FoundChanger {
    /// The device.
    #[serde(flatten)]
    pub device: FoundDevice,
    /// Its drive elements, by address.
    pub drive_elements: Vec<DriveElement>,
    /// Number of storage slots.
    pub slots: usize,
    /// Number of mail slots.
    pub mail_slots: usize,
}

/// A drive element of a changer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriveElement {
    /// Counts from 0.
    pub number: u16,
    /// The element's address.
    pub address: u16,
    /// Serial number of the drive in it, if the library tells.
    pub serial: Option<String>,
}

/// A drive, and where it sits.
#[derive(Debug, Clone, Serialize)]
pub struct FoundDrive {
    /// The device.
    #[serde(flatten)]
    pub device: FoundDevice,
    /// Its generation by its product name, such as `LTO-9`.
    pub generation: Option<String>,
    /// The changer whose library it sits in, by sg node.
    pub changer: Option<PathBuf>,
    /// The drive element that it sits in.
    pub element: Option<DriveElement>,
}

/// Lists the host's changers and drives.
#[must_use]
pub fn scan() -> LibraryScan {
    let attached = attached_devices();
    let of_type = |kind| {
        attached
            .iter()
            .filter(move |device| device.device_type == kind)
    };
    let changers: Vec<FoundChanger> = of_type(TYPE_CHANGER).map(changer).collect();
    let mut drives: Vec<FoundDrive> = of_type(TYPE_TAPE).map(drive).collect();
    place(&mut drives, &changers);
    tell_duplicates(&mut drives);
    LibraryScan { changers, drives }
}

fn found(attached: &AttachedDevice) -> FoundDevice {
    let problem = match (&*attached.state, attached.driver.as_deref()) {
        ("running" | "", Some(driver)) if driver.starts_with("lin_tape") => Some(format!(
            "IBM's lin_tape driver has claimed it: let no program use its IBMtape node \
             meanwhile, or do without: rmmod {driver} && modprobe st"
        )),
        ("running" | "", _) => None,
        (state, _) => Some(format!(
            "the kernel has set it {state}; once it answers again: echo running > \
             /sys/class/scsi_generic/{}/device/state",
            attached.node.file_name().unwrap_or_default().display()
        )),
    };
    FoundDevice {
        node: attached.node.clone(),
        other_node: attached.other_node.clone(),
        links: attached.links.clone(),
        vendor: attached.vendor.clone(),
        product: attached.product.clone(),
        revision: attached.revision.clone(),
        serial: serial_of(attached),
        driver: attached.driver.clone(),
        problem,
    }
}

fn changer(attached: &AttachedDevice) -> FoundChanger {
    let mut found = FoundChanger {
        device: found(attached),
        drive_elements: Vec::new(),
        slots: 0,
        mail_slots: 0,
    };
    let asked = changer_transport(&attached.node)
        .and_then(open_changer)
        .and_then(|mut changer| {
            let inventory = changer.inventory().map_err(JobError::Changer)?;
            Ok((changer.identity().serial.clone(), inventory))
        });
    match asked {
        Ok((serial, inventory)) => {
            if found.device.serial.is_none() && !serial.is_empty() {
                found.device.serial = Some(serial);
            }
            found.drive_elements = drive_elements(&inventory);
            found.slots = inventory.of_kind(ElementKind::Storage).count();
            found.mail_slots = inventory.of_kind(ElementKind::ImportExport).count();
        }
        Err(error) => found.device.problem = Some(with_causes(&error)),
    }
    found
}

/// The drive elements of a library, numbered as its status numbers them.
pub(super) fn drive_elements(inventory: &Inventory) -> Vec<DriveElement> {
    let elements = inventory.of_kind(ElementKind::Drive).zip(0..);
    elements
        .map(|(element, number)| DriveElement {
            number,
            address: element.address.0,
            serial: element.drive_serial.clone(),
        })
        .collect()
}

fn drive(attached: &AttachedDevice) -> FoundDrive {
    let mut device = found(attached);
    if device.serial.is_none() {
        match open_exclusive(&attached.node) {
            Ok(drive) => device.serial = Some(drive.identity().serial.clone()),
            Err(error) => device.problem = Some(with_causes(&error)),
        }
        device.serial = device.serial.filter(|serial| !serial.is_empty());
    }
    FoundDrive {
        generation: Generation::of_product(&device.product).map(|found| found.to_string()),
        device,
        changer: None,
        element: None,
    }
}

/// Finds for each drive the element that tells its serial number.
fn place(drives: &mut [FoundDrive], changers: &[FoundChanger]) {
    for drive in drives {
        let Some(serial) = &drive.device.serial else {
            continue;
        };
        for changer in changers {
            let told = |element: &&DriveElement| element.serial.as_ref() == Some(serial);
            if let Some(element) = changer.drive_elements.iter().find(told) {
                drive.changer = Some(changer.device.node.clone());
                drive.element = Some(element.clone());
            }
        }
    }
}

/// Two nodes with one serial number: two paths to one drive.
fn tell_duplicates(drives: &mut [FoundDrive]) {
    let mut nodes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for drive in &*drives {
        if let Some(serial) = &drive.device.serial {
            let node = drive.device.node.display().to_string();
            nodes.entry(serial.clone()).or_default().push(node);
        }
    }
    for drive in drives {
        let twice = drive.device.serial.as_ref().and_then(|s| nodes.get(s));
        if let Some(twice) = twice.filter(|nodes| nodes.len() > 1) {
            drive.device.problem.get_or_insert(format!(
                "{} have one serial number: two paths to one drive, of which only one may be \
                 used; choose it by its link below /dev/tape/by-path",
                twice.join(" and ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(node: &str, serial: Option<&str>) -> FoundDrive {
        let attached = AttachedDevice {
            node: PathBuf::from(node),
            product: "Ultrium 9-SCSI".to_owned(),
            ..AttachedDevice::default()
        };
        FoundDrive {
            device: FoundDevice {
                serial: serial.map(str::to_owned),
                ..found(&attached)
            },
            generation: None,
            changer: None,
            element: None,
        }
    }

    #[test]
    fn drives_are_placed_in_the_library_that_tells_their_serial_number() {
        let changer = |node: &str, serials: &[&str]| {
            let elements = serials.iter().zip(0..);
            FoundChanger {
                device: drive(node, None).device,
                drive_elements: elements
                    .map(|(serial, number)| DriveElement {
                        number,
                        address: 256 + number,
                        serial: Some((*serial).to_owned()),
                    })
                    .collect(),
                slots: 0,
                mail_slots: 0,
            }
        };
        let changers = [
            changer("/dev/sg8", &["A", "B"]),
            changer("/dev/sg9", &["C"]),
        ];
        let mut drives = [
            drive("/dev/sg0", Some("C")),
            drive("/dev/sg1", Some("B")),
            drive("/dev/sg2", Some("D")),
            drive("/dev/sg3", None),
        ];
        place(&mut drives, &changers);
        let placed: Vec<_> = drives
            .iter()
            .map(|drive| {
                let element = drive.element.as_ref().map(|element| element.number);
                drive.changer.as_deref().zip(element)
            })
            .collect();
        let at = |node: &'static str| std::path::Path::new(node);
        assert_eq!(
            placed,
            [
                Some((at("/dev/sg9"), 0)),
                Some((at("/dev/sg8"), 1)),
                None,
                None
            ]
        );
    }

    #[test]
    fn two_nodes_of_one_drive_are_told() {
        let mut drives = [
            drive("/dev/sg0", Some("A")),
            drive("/dev/sg1", Some("A")),
            drive("/dev/sg2", Some("B")),
        ];
        tell_duplicates(&mut drives);
        for (drive, told) in drives.iter().zip([true, true, false]) {
            assert_eq!(drive.device.problem.is_some(), told, "{:?}", drive.device);
        }
    }

    #[test]
    fn what_the_kernel_has_against_a_device_is_told_with_the_cure() {
        for (state, driver, cure) in [
            ("running", Some("st"), None),
            ("running", None, None),
            (
                "offline",
                Some("st"),
                Some("echo running > /sys/class/scsi_generic/sg4"),
            ),
            ("running", Some("lin_tape"), Some("rmmod lin_tape")),
        ] {
            let device = AttachedDevice {
                node: PathBuf::from("/dev/sg4"),
                state: state.to_owned(),
                driver: driver.map(str::to_owned),
                ..AttachedDevice::default()
            };
            let problem = found(&device).problem;
            match cure {
                None => assert_eq!(problem, None, "{state}"),
                Some(cure) => assert!(problem.is_some_and(|told| told.contains(cure)), "{state}"),
            }
        }
    }
}
