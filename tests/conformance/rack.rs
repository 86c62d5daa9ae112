//! The library that a case runs on: simulated in this process, or one behind the kernel.
//!
//! What a device has to have for a case, and the proof that it lacks it, is here too. A
//! lack is only what the driver itself says in a typed error; anything else is a failure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tapewright::changer::{
    Changer, ChangerError, ChangerErrorKind, Element, ElementAddress, ElementKind, Inventory,
};
use tapewright::drive::{
    Drive, DriveError, DriveErrorKind, DriveMode, ReadyWait, SequentialDevice,
};
use tapewright::scsi::cdb::{self, ElementRequest};
use tapewright::scsi::elements::parse_elements;
use tapewright::scsi::inquiry::TYPE_TAPE;
use tapewright::transport::attached::attached_devices;
use tapewright::transport::sg::{SgTransport, Sharing};
use tapewright::transport::sim::SimTransport;
use tapewright::transport::{Data, Transport};

use crate::bench::{Bench, NOWHERE, quiet, ready};

/// What not every device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// ERASE.
    Erase,
    /// Compression that can be switched.
    Compression,
    /// A drive keeps its tape from the robot until it is unloaded.
    Hold,
    /// READ ELEMENT STATUS returns as many bytes as it announces. What is cut off is the
    /// end of the last descriptor: a drive's serial number.
    WholeReports,
    /// Sense data of its own for an element that is not there.
    ElementErrors,
}

impl Need {
    pub fn name(self) -> &'static str {
        match self {
            Need::Erase => "ERASE",
            Need::Compression => "compression to switch",
            Need::Hold => "a hold on the loaded tape",
            Need::WholeReports => "whole element reports",
            Need::ElementErrors => "a word for missing elements",
        }
    }
}

/// A library with at least two data cartridges, an empty slot and a free drive.
pub enum Rack {
    Simulated(Bench),
    Attached {
        changer: PathBuf,
        as_found: Inventory,
    },
}

impl Rack {
    pub fn simulated() -> Rack {
        Rack::Simulated(Bench::new())
    }

    /// The library of the changer that has this node.
    pub fn attached(node: &Path) -> Rack {
        let transport = SgTransport::open(node, Sharing::Shared).unwrap();
        let mut changer = Changer::open(Box::new(transport)).unwrap();
        let as_found = changer.inventory().unwrap();
        Rack::Attached {
            changer: node.to_owned(),
            as_found,
        }
    }

    pub fn changer_transport(&self) -> Box<dyn Transport> {
        match self {
            Rack::Simulated(bench) => Box::new(SimTransport::changer(bench.path()).unwrap()),
            Rack::Attached { changer, .. } => {
                Box::new(SgTransport::open(changer, Sharing::Shared).unwrap())
            }
        }
    }

    pub fn changer(&self) -> Changer {
        Changer::open(self.changer_transport()).unwrap()
    }

    /// The drive in `bay`, which is the only one of a simulated library.
    pub fn drive_transport(&self, bay: &Element) -> Box<dyn Transport> {
        match self {
            Rack::Simulated(bench) => Box::new(bench.drive_transport()),
            Rack::Attached { .. } => exclusive(&self.node(bay)),
        }
    }

    /// The sg node of the drive in `bay`.
    pub fn node(&self, bay: &Element) -> PathBuf {
        let serial = bay.drive_serial.as_deref().expect("a drive serial number");
        let is_it =
            |node: &PathBuf| Drive::open(exclusive(node)).unwrap().identity().serial == serial;
        attached_devices()
            .into_iter()
            .filter(|device| device.device_type == TYPE_TAPE)
            .map(|device| device.node)
            .find(is_it)
            .expect("the node of a drive that the library names")
    }

    /// Puts a tape into the first drive and returns its bay.
    pub fn load(&self) -> Element {
        let mut changer = self.changer();
        let inventory = changer.inventory().unwrap();
        let (slot, bay) = (tapes(&inventory)[0], first_bay(&inventory));
        changer.move_medium(slot, bay.address).unwrap();
        bay
    }

    /// The drive in `bay` with its tape ready, in variable mode, at the beginning.
    pub fn ready_drive(&self, bay: &Element) -> Drive {
        ready(self.drive_transport(bay))
    }

    /// Puts everything back to where it was found.
    pub fn tidy(&self) {
        let Rack::Attached { as_found, .. } = self else {
            return;
        };
        let mut changer = self.changer();
        let now = changer.inventory().unwrap();
        for bay in now.of_kind(ElementKind::Drive).filter(|bay| bay.full) {
            let mut drive = Drive::open(self.drive_transport(bay)).unwrap();
            wait_for_tape(&mut drive);
            drive.unload().unwrap();
        }
        for element in now.elements.iter().filter(|element| element.full) {
            let home = as_found.find(element.barcode.as_deref().expect("a barcode"));
            let home = home.expect("a cartridge that was here before").address;
            if home != element.address {
                changer.move_medium(element.address, home).unwrap();
            }
        }
    }

    /// What this library and its first drive lack.
    pub fn lacks(&self) -> Vec<Need> {
        let bay = self.load();
        let mut lacks = self.drive_lacks(&bay);
        lacks.extend(self.changer_lacks(&bay));
        self.tidy();
        lacks
    }

    fn drive_lacks(&self, bay: &Element) -> Vec<Need> {
        let mut lacks = Vec::new();
        let mut drive = Drive::open(self.drive_transport(bay)).unwrap();
        wait_for_tape(&mut drive);
        drive.set_mode(&DriveMode::default()).unwrap();
        let kind = |error: DriveError| error.kind;
        drive.rewind().unwrap();
        drive.write_block(&[0; 512]).unwrap();
        drive.rewind().unwrap();
        match drive.erase_short().map_err(kind) {
            Ok(()) => {}
            Err(DriveErrorKind::Unsupported) => lacks.push(Need::Erase),
            Err(kind) => panic!("erasing: {kind:?}"),
        }
        let compressing = DriveMode {
            compression: true,
            ..DriveMode::default()
        };
        match drive.set_mode(&compressing).map_err(kind) {
            Ok(_) => drive.set_mode(&DriveMode::default()).map(drop).unwrap(),
            Err(DriveErrorKind::Unsupported) => lacks.push(Need::Compression),
            Err(kind) => panic!("compressing: {kind:?}"),
        }
        lacks
    }

    fn changer_lacks(&self, bay: &Element) -> Vec<Need> {
        let mut lacks = Vec::new();
        let mut changer = self.changer();
        let inventory = changer.inventory().unwrap();
        let kind = |error: ChangerError| error.kind;
        let taken = changer.move_medium(bay.address, empty_slots(&inventory)[0]);
        match taken.map_err(kind) {
            Ok(()) => lacks.push(Need::Hold),
            Err(ChangerErrorKind::DriveHoldsMedium) => {}
            Err(kind) => panic!("taking a loaded tape: {kind:?}"),
        }
        let nowhere = changer.move_medium(tapes(&inventory)[0], NOWHERE);
        match nowhere.map_err(kind) {
            Err(ChangerErrorKind::NoSuchElement) => {}
            Err(ChangerErrorKind::Unsupported) => lacks.push(Need::ElementErrors),
            other => panic!("moving to nowhere: {other:?}"),
        }
        drop(changer);
        if !self.reports_are_whole(bay.address.0) {
            lacks.push(Need::WholeReports);
        }
        lacks
    }

    /// Asks past the driver, which makes the best of a report that is cut.
    fn reports_are_whole(&self, drive_address: u16) -> bool {
        let mut data = vec![0; 1024];
        let ask = cdb::read_element_status(&ElementRequest {
            kind: 4,
            start: drive_address,
            count: 1,
            volume_tags: true,
            device_ids: true,
            allocation_bytes: 1024,
        });
        let done = self
            .changer_transport()
            .execute(&ask, Data::In(&mut data), Duration::from_secs(60))
            .unwrap();
        let status = parse_elements(&data[..done.transferred_bytes]).unwrap();
        status.report_bytes == done.transferred_bytes
    }
}

pub fn exclusive(node: &Path) -> Box<dyn Transport> {
    Box::new(SgTransport::open(node, Sharing::Exclusive).unwrap())
}

pub fn wait_for_tape(drive: &mut Drive) {
    let wait = ReadyWait {
        notices_within: Duration::from_secs(60),
        ..ReadyWait::default()
    };
    drive.wait_ready(&wait, &mut quiet).unwrap();
}

/// The first free bay of a drive that has a serial number.
pub fn first_bay(inventory: &Inventory) -> Element {
    let mut bays = inventory.of_kind(ElementKind::Drive);
    let usable = |bay: &&Element| !bay.full && bay.drive_serial.is_some();
    bays.find(usable).expect("a free drive").clone()
}

/// The slots with a data cartridge.
pub fn tapes(inventory: &Inventory) -> Vec<ElementAddress> {
    let slots = inventory.of_kind(ElementKind::Storage);
    slots
        .filter(|slot| slot.full && !slot.is_cleaning())
        .map(|slot| slot.address)
        .collect()
}

/// The slots with nothing in them.
pub fn empty_slots(inventory: &Inventory) -> Vec<ElementAddress> {
    let slots = inventory.of_kind(ElementKind::Storage);
    slots
        .filter(|slot| !slot.full)
        .map(|slot| slot.address)
        .collect()
}
