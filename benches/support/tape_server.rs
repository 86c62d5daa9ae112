//! The simulated drive as GNU tar's remote tape: what the kernel's st driver, `mt` and `mtx` would
//! send to it, sent by this program, which tar starts in place of a remote shell.
//!
//! tar speaks its rmt protocol over two pipes (`O` opens, `R` reads a record, `C` closes), and so
//! decides itself what is read and when it is enough, as it does on /dev/nst0. Each `R` is one READ
//! of variable length, as st sends it where no block length is set.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use tape_sim::inventory::{self, ElementType, Inventory};
use tape_sim::library::Library;
use tape_sim::sense::key;
use tape_sim::ssc::DriveTarget;
use tape_sim::target::{Completion, Data, Target, status};

/// Set for the server alone: the library, and how many filemarks `mt fsf` spaces over.
const LIBRARY: &str = "TAPEWRIGHT_BENCH_SERVED_LIBRARY";
const FILES: &str = "TAPEWRIGHT_BENCH_SERVED_FILE";
/// Commands that find the drive busy before it is given up.
const PATIENCE: u32 = 1000;
const FILEMARK: u8 = 0x80;

/// The environment of a tar whose remote tape stands behind `file` filemarks of the first tape.
pub fn environment(library: &Path, file: u64) -> [(&'static str, String); 2] {
    let library = library.to_str().expect("the directory's name is text");
    [(LIBRARY, library.to_owned()), (FILES, file.to_string())]
}

/// True in the program that tar has started: it is to [`serve`].
pub fn is_asked_to_serve() -> bool {
    std::env::var_os(LIBRARY).is_some()
}

/// Brings the tape, goes to the tape file, and serves tar until it is done.
pub fn serve() -> io::Result<()> {
    let library = PathBuf::from(std::env::var_os(LIBRARY).expect("it was looked for"));
    let files = std::env::var(FILES).ok();
    let files: u32 = files.and_then(|files| files.parse().ok()).expect("a count");
    let mut rig = Rig::open(&library);
    rig.load();
    let mut drive = rig.drive();
    drive.open();
    drive.good(&[0x11, 0x01, 0, (files >> 8) as u8, files as u8, 0]);
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let mut block = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            break;
        }
        match (line.as_bytes()[0], line[1..].trim_end()) {
            (b'O', _) => {
                // The flags of open(2).
                from.read_line(&mut line)?;
                drive.open();
                to.write_all(b"A3\n")?;
            }
            (b'R', bytes) => {
                block.resize(bytes.parse().expect("tar sends a length"), 0);
                let read = drive.read(&mut block);
                to.write_all(format!("A{read}\n").as_bytes())?;
                to.write_all(&block[..read])?;
            }
            (b'C', _) => {
                to.write_all(b"A0\n")?;
                to.flush()?;
                break;
            }
            _ => to.write_all(b"E22\nnot served here\n")?,
        }
        to.flush()?;
    }
    drive.close();
    Ok(())
}

/// Drive 0 and the robot of a library, and its first tape.
pub struct Rig {
    library: Library,
}

impl Rig {
    pub fn open(library: &Path) -> Rig {
        let library = Library::open(library).expect("the library");
        Rig { library }
    }

    /// How far the time of robot and drive has come: nothing of what follows is earlier.
    pub fn now_ns(&self) -> u64 {
        let hold = inventory::read_hold(self.library.dir(), 0).expect("the drive's state");
        hold.time_ns.max(self.inventory().robot().time_ns)
    }

    /// What `mtx load` does, if the tape is not in the drive.
    pub fn load(&mut self) {
        let (slot, drive) = self.places();
        self.bring(slot, drive);
    }

    /// The tape is in the drive and rewound.
    pub fn make_ready(&mut self) {
        self.load();
        let mut drive = self.drive();
        drive.open();
        drive.good(&[0x01, 0, 0, 0, 0, 0]);
        drive.close();
    }

    /// The tape is in its slot.
    pub fn put_away(&mut self) {
        let (slot, drive) = self.places();
        if self.inventory().content(drive).is_none() {
            return;
        }
        let mut loaded = self.drive();
        loaded.open();
        loaded.good(&[0x1B, 0, 0, 0, 0, 0]);
        loaded.close();
        self.bring(drive, slot);
    }

    /// The first slot, where a library is made with its first tape, and the first drive.
    fn places(&self) -> (u16, u16) {
        let layout = self.inventory().layout();
        let first = |kind| layout.range(kind).0;
        (
            first(ElementType::Storage),
            first(ElementType::DataTransfer),
        )
    }

    fn bring(&self, from: u16, to: u16) {
        if self.inventory().content(from).is_none() {
            return;
        }
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        let mut changer = self.library.changer().expect("the robot");
        good(
            |cdb| changer.execute(cdb, Data::None),
            &[0xA5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0],
        );
    }

    fn inventory(&self) -> Inventory {
        inventory::read(self.library.dir()).expect("the inventory")
    }

    fn drive(&self) -> StDrive {
        StDrive(self.library.drive(0).expect("drive 0 is free"))
    }
}

/// The drive as st uses it.
struct StDrive(DriveTarget);

impl StDrive {
    /// What an open(2) sends: whether the drive is ready, its limits and its mode.
    fn open(&mut self) {
        self.good(&[0; 6]);
        let mut reply = [0; 12];
        self.0
            .execute(&[0x05, 0, 0, 0, 0, 0], Data::In(&mut reply[..6]));
        self.0
            .execute(&[0x1A, 0, 0, 0, 12, 0], Data::In(&mut reply));
    }

    fn good(&mut self, cdb: &[u8]) {
        good(|cdb| self.0.execute(cdb, Data::None), cdb);
    }

    /// Bytes of the next block; none at a filemark.
    fn read(&mut self, block: &mut [u8]) -> usize {
        let [_, a, b, c] = (block.len() as u32).to_be_bytes();
        let ended = self.0.execute(&[0x08, 0, a, b, c, 0], Data::In(block));
        if ended.status != status::GOOD {
            assert!(ended.sense[2] & FILEMARK != 0, "READ: {:02X?}", ended.sense);
        }
        ended.transferred_bytes
    }

    fn close(self) {
        self.0.close().expect("the drive is given back");
    }
}

/// Sends a command until it ends well: unit attentions are heard, and a busy device waited for.
fn good(mut execute: impl FnMut(&[u8]) -> Completion, cdb: &[u8]) {
    for _ in 0..PATIENCE {
        let ended = execute(cdb);
        if ended.status == status::GOOD {
            return;
        }
        let why = ended.sense.get(2).map_or(0, |byte| byte & 0x0F);
        let waits = [key::NOT_READY, key::UNIT_ATTENTION].contains(&why);
        assert!(waits, "{cdb:02X?}: {:02X?}", ended.sense);
    }
    panic!("{cdb:02X?}: the device does not become ready");
}
