//! A library in virtual time whose clock the jobs see, and whose devices take more for some of
//! their steps than the simulator's physics have it: hardware that is not as the data sheet says.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tape_sim::library::Library;
use tape_sim::smc::ChangerTarget;
use tape_sim::ssc::DriveTarget;
use tape_sim::target::{self, Target};
use tapewright::clock::{Clock, Hand, SystemClock};
use tapewright::transport::tap::Tap;
use tapewright::transport::{Completion, Data, Status, Transport, TransportError};
use uuid::Uuid;

/// How many times their time some steps take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub robot: f64,
    pub load: f64,
    pub rewind: f64,
    pub unload: f64,
}

const TEST_UNIT_READY: u8 = 0x00;
const REWIND: u8 = 0x01;
const LOAD_UNLOAD: u8 = 0x1B;
const MOVE_MEDIUM: u8 = 0xA5;

/// The time that all devices share.
#[derive(Debug, Default)]
struct Time {
    /// How far the latest device has come by its own time.
    seen: Duration,
    now_s: f64,
    /// A tape was moved, and no drive has been ready since.
    loading: bool,
}

/// The clock of such a library.
#[derive(Clone)]
pub struct Wall(Arc<Mutex<Time>>);

impl Wall {
    /// For the library in `dir`, and the tap that moves it on.
    pub fn of(dir: &Path, pace: Pace) -> (Wall, Tap) {
        let seen = Library::open(dir).unwrap().elapsed().unwrap();
        let wall = Wall(Arc::new(Mutex::new(Time {
            seen,
            ..Time::default()
        })));
        let (shared, dir) = (wall.clone(), dir.to_owned());
        let tap = Tap::new(move |way| Box::new(Way::beside(&*way, &dir, pace, shared.clone())));
        (wall, tap)
    }

    /// A device has come so far with a command that ended well or not.
    fn come_to(&self, elapsed: Duration, opcode: u8, is_good: bool, pace: &Pace) {
        let mut time = self.0.lock().unwrap();
        let took = elapsed.saturating_sub(time.seen);
        let times = match opcode {
            MOVE_MEDIUM => pace.robot,
            // A drive that loads is asked this and that until it is ready.
            _ if time.loading => pace.load,
            REWIND => pace.rewind,
            LOAD_UNLOAD => pace.unload,
            _ => 1.0,
        };
        time.seen += took;
        time.now_s += took.as_secs_f64() * times;
        time.loading = match opcode {
            MOVE_MEDIUM => true,
            TEST_UNIT_READY => time.loading && !is_good,
            _ => time.loading,
        };
    }

    fn moment(&self) -> Timestamp {
        let since = SignedDuration::from_secs_f64(self.0.lock().unwrap().now_s);
        "2026-11-01T08:00:00Z".parse::<Timestamp>().unwrap() + since
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        self.moment()
    }

    fn new_id(&self) -> Uuid {
        SystemClock.new_id()
    }

    fn hand(&self) -> Hand {
        let wall = self.clone();
        Arc::new(move || wall.moment())
    }
}

enum Unit {
    Drive(PathBuf, u16, Option<Box<DriveTarget>>),
    Changer(Box<ChangerTarget>),
}

/// The way to a device, which tells the clock what each command took.
struct Way {
    unit: Unit,
    name: String,
    max_transfer_bytes: usize,
    pace: Pace,
    wall: Wall,
}

impl Way {
    /// The same device as that of `way`, which is to be given up.
    fn beside(way: &dyn Transport, dir: &Path, pace: Pace, wall: Wall) -> Way {
        let name = way.name().to_owned();
        let number = name.strip_prefix("drive ");
        let number = number.and_then(|rest| rest.split(' ').next()?.parse().ok());
        let unit = match number {
            Some(number) => Unit::Drive(dir.to_owned(), number, None),
            None => Unit::Changer(Box::new(Library::open(dir).unwrap().changer().unwrap())),
        };
        Way {
            unit,
            name,
            max_transfer_bytes: way.max_transfer_bytes(),
            pace,
            wall,
        }
    }
}

impl Transport for Way {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        _: Duration,
    ) -> Result<Completion, TransportError> {
        let data = match data {
            Data::None => target::Data::None,
            Data::In(buffer) => target::Data::In(buffer),
            Data::Out(bytes) => target::Data::Out(bytes),
            Data::Gather(parts) => target::Data::Blocks(parts),
        };
        let (done, elapsed) = match &mut self.unit {
            Unit::Drive(dir, number, drive) => {
                // The first way to it had it until now.
                let drive = drive.get_or_insert_with(|| {
                    Box::new(Library::open(dir).unwrap().drive(*number).unwrap())
                });
                (drive.execute(cdb, data), drive.elapsed())
            }
            Unit::Changer(changer) => (changer.execute(cdb, data), changer.elapsed()),
        };
        assert!(done.answered);
        let is_good = done.status == target::status::GOOD;
        self.wall.come_to(elapsed, cdb[0], is_good, &self.pace);
        Ok(Completion {
            status: Status(done.status),
            sense: done.sense,
            transferred_bytes: done.transferred_bytes,
        })
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn max_transfer_bytes(&self) -> usize {
        self.max_transfer_bytes
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Unit::Drive(_, _, drive) = &mut self.unit
            && let Some(drive) = drive.take()
        {
            drive.close().unwrap();
        }
    }
}
