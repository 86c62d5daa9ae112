//! A small simulated library and its drive, for the tests of what drives do.

use std::ops::ControlFlow;
use std::path::Path;

use tape_sim::library::{Library, LibrarySpec};
use tapewright::changer::{Changer, ElementKind};
use tapewright::drive::{Drive, DriveMode, ReadyWait, SequentialDevice, Waiting};
use tapewright::transport::Transport;
use tapewright::transport::sim::SimTransport;
use tempfile::TempDir;

/// A library of one drive and four slots with two tapes, in a directory of its own.
pub struct Bench {
    pub directory: TempDir,
}

impl Bench {
    /// `capacity_bytes` of each tape up to early warning.
    pub fn with_capacity(capacity_bytes: Option<u64>) -> Bench {
        Bench::with(LibrarySpec {
            capacity_bytes,
            ..LibrarySpec::default()
        })
    }

    /// What is said of drives, slots and cartridges does not count.
    pub fn with(rest: LibrarySpec) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let spec = LibrarySpec {
            drives: 1,
            slots: 4,
            mail_slots: 1,
            cartridges: Some(2),
            ..rest
        };
        Library::create(directory.path(), &spec).unwrap();
        Bench { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn changer(&self) -> Changer {
        Changer::open(Box::new(SimTransport::changer(self.path()).unwrap())).unwrap()
    }

    /// Puts the first tape into the drive.
    pub fn load(&self) {
        let mut changer = self.changer();
        let inventory = changer.inventory().unwrap();
        let first = |kind| inventory.of_kind(kind).next().unwrap().address;
        let (slot, drive) = (first(ElementKind::Storage), first(ElementKind::Drive));
        changer.move_medium(slot, drive).unwrap();
    }

    pub fn drive_transport(&self) -> SimTransport {
        SimTransport::drive(self.path(), 0).unwrap()
    }

    /// The drive with the first tape, ready, in variable mode, at the beginning.
    pub fn ready_drive(&self) -> Drive {
        self.load();
        ready(Box::new(self.drive_transport()))
    }
}

/// Opens a drive, waits for its tape, sets the mode and rewinds.
pub fn ready(transport: Box<dyn Transport>) -> Drive {
    let mut drive = Drive::open(transport).unwrap();
    drive.wait_ready(&ReadyWait::default(), &mut quiet).unwrap();
    drive.set_mode(&DriveMode::default()).unwrap();
    drive.rewind().unwrap();
    drive
}

pub fn quiet(_: &Waiting) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
