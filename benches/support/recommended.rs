//! The order of reads that a drive recommends, asked of a simulated drive with a full tape in it.

use std::fs;
use std::ops::ControlFlow;

use tape_sim::cartridge::Cartridge;
use tape_sim::cartridge::partition::file_names;
use tape_sim::cartridge::record::{Kind, Record};
use tape_sim::library::{Library, LibrarySpec};
use tapewright::access_order::{Extent, Geometry, Mechanics, Run, Tape};
use tapewright::changer::{Changer, ElementKind};
use tapewright::drive::{Drive, DriveMode, ReadyWait, SequentialDevice};
use tapewright::transport::sim::SimTransport;
use tapewright::units::BlockAddress;
use tempfile::TempDir;

/// Records of the tape.
pub const BLOCK_BYTES: u64 = 8 << 20;

/// A drive and a tape that is full of zeros, which take no room.
pub struct FullTape {
    pub drive: Drive,
    /// What it holds.
    pub tape_bytes: u64,
    /// Where its peculiarities come from.
    pub seed: u64,
    _dir: TempDir,
}

impl FullTape {
    /// A full LTO-9 tape, and the drive before its second record.
    pub fn new(seed: u32) -> FullTape {
        let dir = tempfile::tempdir().expect("a directory");
        let spec = LibrarySpec {
            drives: 1,
            slots: 2,
            cartridges: Some(1),
            seed: Some(seed),
            ..LibrarySpec::default()
        };
        let library = Library::create(&dir.path().join("library"), &spec).expect("a library");
        let cartridge = library.cartridge("SIM001L9").expect("its first tape");
        fill(&cartridge);
        let changer = SimTransport::changer(library.dir()).expect("a changer");
        let mut changer = Changer::open(Box::new(changer)).expect("a changer that answers");
        let inventory = changer.inventory().expect("an inventory");
        let first = |kind| inventory.of_kind(kind).next().expect("one of each").address;
        changer
            .move_medium(first(ElementKind::Storage), first(ElementKind::Drive))
            .expect("a tape that can be moved");
        let drive = SimTransport::drive(library.dir(), 0).expect("a drive");
        let mut drive = Drive::open(Box::new(drive)).expect("a drive that answers");
        drive
            .wait_ready(&ReadyWait::default(), &mut |_| ControlFlow::Continue(()))
            .expect("a tape that loads");
        drive.set_mode(&DriveMode::default()).expect("a mode");
        drive.locate(BlockAddress(1)).expect("a tape that moves");
        FullTape {
            drive,
            tape_bytes: cartridge.tape_bytes(),
            seed: cartridge.seed(),
            _dir: dir,
        }
    }

    /// The tape as the planner has it once its drive has told where the wraps end.
    pub fn told(&mut self, mechanics: Mechanics) -> Tape {
        let ends = self.drive.wrap_ends().expect("an answer");
        let ends = ends
            .expect("an LTO-9 drive tells where wraps end")
            .into_iter();
        let ends = ends.map(|last| last.0 * BLOCK_BYTES + BLOCK_BYTES / 2);
        let geometry = Geometry::of_written(ends.collect(), mechanics.wraps);
        Tape::with_geometry(mechanics, geometry.expect("ends of wraps ascend"))
    }

    /// In which order the drive would read these runs.
    pub fn recommended(&mut self, runs: &[Run]) -> Vec<usize> {
        let stretch = |run: &Run| {
            let Extent {
                begin_bytes,
                end_bytes,
            } = run.whole;
            let (first, behind) = (begin_bytes / BLOCK_BYTES, end_bytes / BLOCK_BYTES);
            (BlockAddress(first), BlockAddress(behind - 1))
        };
        let stretches: Vec<_> = runs.iter().map(stretch).collect();
        let order = self.drive.recommended_order(&stretches);
        order
            .expect("an answer")
            .expect("a full-height LTO-9 drive recommends an order")
    }
}

/// Fills a blank tape up to its early warning.
fn fill(cartridge: &Cartridge) {
    let (map, _) = file_names(&cartridge.folder, 0);
    let mut bytes = fs::read(&map).expect("the map of a blank tape");
    let mut position_bytes = 0;
    while position_bytes + BLOCK_BYTES < cartridge.info.partitions_bytes[0] {
        let record = Record {
            kind: Kind::Zeros,
            length_bytes: BLOCK_BYTES as u32,
            position_bytes,
            data_bytes: 0,
        };
        bytes.extend_from_slice(&record.encode());
        position_bytes = record.position_end();
    }
    fs::write(map, bytes).expect("room for a map");
}
