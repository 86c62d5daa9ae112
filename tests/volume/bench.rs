//! A drive on a simulated library of its own.

use std::ops::ControlFlow;

use tape_sim::library::{Library, LibrarySpec};
use tapewright::changer::{Changer, ElementKind};
use tapewright::drive::{Drive, DriveMode, ReadyWait, SequentialDevice};
use tapewright::transport::Transport;
use tapewright::transport::sim::SimTransport;
use tempfile::TempDir;

/// A library of one drive with two tapes, of which the first can be loaded.
pub struct Bench {
    directory: TempDir,
}

impl Bench {
    /// `capacity_bytes` of each tape up to early warning.
    pub fn with_capacity(capacity_bytes: Option<u64>) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let spec = LibrarySpec {
            drives: 1,
            slots: 4,
            cartridges: Some(2),
            capacity_bytes,
            ..LibrarySpec::default()
        };
        Library::create(directory.path(), &spec).unwrap();
        Bench { directory }
    }

    /// The drive's time, in nanoseconds.
    pub fn time_ns(&self) -> u64 {
        let hold = tape_sim::inventory::read_hold(self.directory.path(), 0);
        hold.unwrap().time_ns
    }

    /// How often the tape had to stop and come back.
    pub fn backhitches(&self) -> u64 {
        let hold = tape_sim::inventory::read_hold(self.directory.path(), 0);
        hold.unwrap().life.motion.backhitches
    }

    /// The way to the drive.
    pub fn drive_transport(&self) -> SimTransport {
        SimTransport::drive(self.directory.path(), 0).unwrap()
    }

    /// The drive with the first tape, ready, in variable mode, at the beginning.
    pub fn ready_drive(&self) -> Drive {
        let transport = SimTransport::changer(self.directory.path()).unwrap();
        let mut changer = Changer::open(Box::new(transport)).unwrap();
        let inventory = changer.inventory().unwrap();
        let first = |kind| inventory.of_kind(kind).next().unwrap().address;
        let (slot, drive) = (first(ElementKind::Storage), first(ElementKind::Drive));
        changer.move_medium(slot, drive).unwrap();
        ready(Box::new(self.drive_transport()))
    }
}

/// Opens a drive, waits for its tape, sets the mode and rewinds.
pub fn ready(transport: Box<dyn Transport>) -> Drive {
    let mut drive = Drive::open(transport).unwrap();
    drive
        .wait_ready(&ReadyWait::default(), &mut |_| ControlFlow::Continue(()))
        .unwrap();
    drive.set_mode(&DriveMode::default()).unwrap();
    drive.rewind().unwrap();
    drive
}
