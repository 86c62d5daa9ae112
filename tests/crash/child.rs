//! The job that is killed: this test's program once more, as a process of its own. It ends by
//! SIGKILL, so that nothing of it runs afterwards: no destructor, no handling of errors.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use tapewright::jobs::Outcome;
use tapewright::scsi::opcode;
use tapewright::transport::tap::Tap;
use tapewright::transport::{Completion, Data, Transport, TransportError};

use crate::bench::{Bench, Place};
use crate::points::Point;
use crate::workload::{TREES, Workload};

/// A drive is asked what is on tape four times a second. Each filemark takes longer than that, so
/// that segments are committed while others are being written.
const PAUSE: Duration = Duration::from_millis(260);

const ORDER: &str = "TAPEWRIGHT_CRASH_ORDER";

/// What the child is to do.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    workload: String,
    dir: PathBuf,
    source: PathBuf,
    point: Option<Point>,
}

/// How a child ended, and what it had done.
#[derive(Debug)]
pub struct Ended {
    /// The job has said that all is done.
    pub through: bool,
    /// The commands that it sent, by name.
    pub commands: Vec<String>,
    /// What it did to the catalog: operations, one a line.
    pub operations: Vec<String>,
    /// So much of the ledger fsync had confirmed.
    pub ledger_bytes: u64,
}

impl Ended {
    /// A job that was not killed, and did all or not.
    pub fn alive(through: bool) -> Ended {
        Ended {
            through,
            commands: Vec::new(),
            operations: Vec::new(),
            ledger_bytes: 0,
        }
    }
}

/// Runs the job of a bench in `place` in a process that is killed at `point`.
pub fn run(bench: &Bench, place: &Place, point: Option<&Point>, shim: &Path) -> Ended {
    let order = Order {
        workload: bench.workload.name.to_owned(),
        dir: place.dir.clone(),
        source: bench.source(),
        point: point.cloned(),
    };
    let log = place.dir.join("operations");
    let (at, when) = match point {
        Some(Point::Catalog { nth, when }) => (*nth, when.as_str()),
        _ => (0, ""),
    };
    let output = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child::the_job_to_be_killed"])
        .env(ORDER, serde_json::to_string(&order).unwrap())
        .env("LD_PRELOAD", shim)
        .env("CRASH_CATALOG", place.state.catalog_dir())
        .env("CRASH_AT", at.to_string())
        .env("CRASH_WHEN", when)
        .env("CRASH_LOG", &log)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let killed = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9);
    assert!(killed || output.status.success(), "the job: {output:?}");
    let lines = |path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (confirmed, operations): (Vec<_>, Vec<_>) = lines(log)
        .into_iter()
        .partition(|line| line.starts_with("confirmed"));
    let length = |line: &String| line.split(' ').nth(1).unwrap().parse().unwrap();
    Ended {
        through: place.dir.join("commands").exists(),
        commands: lines(place.dir.join("commands")),
        operations,
        ledger_bytes: confirmed.last().map_or(0, length),
    }
}

/// Not a test, but the job of [`run`].
#[test]
#[ignore = "the job that the others kill"]
fn the_job_to_be_killed() {
    let Ok(order) = env::var(ORDER) else { return };
    let order: Order = serde_json::from_str(&order).unwrap();
    let place = Place::open(&order.dir);
    let killer = Arc::new(Killer {
        point: order.point,
        turn: Mutex::default(),
    });
    let tapped = Arc::clone(&killer);
    let tap = Tap::new(move |way| tapped.between(way));
    let workload = Workload::of(&order.workload);
    let summary = place.archive(workload, &order.source, &TREES[1..2], Some(&tap));
    let summary = summary.unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let commands = killer.turn().commands.join("\n");
    fs::write(order.dir.join("commands"), commands).unwrap();
}

/// Counts the commands to all devices, and ends the process at the chosen one.
struct Killer {
    point: Option<Point>,
    turn: Mutex<Turn>,
}

/// Held for the length of a command: behind the last one no other passes.
#[derive(Default)]
struct Turn {
    commands: Vec<String>,
    ways: Vec<Way>,
}

/// The way to a device; `None` once it is closed.
type Way = Arc<Mutex<Option<Box<dyn Transport>>>>;

impl Killer {
    fn between(self: &Arc<Self>, way: Box<dyn Transport>) -> Box<dyn Transport> {
        let name = way.name().to_owned();
        let max_transfer_bytes = way.max_transfer_bytes();
        let way = Arc::new(Mutex::new(Some(way)));
        self.turn().ways.push(Arc::clone(&way));
        Box::new(Mortal {
            name,
            max_transfer_bytes,
            way,
            killer: Arc::clone(self),
        })
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, count: usize, behind: bool) -> bool {
        matches!(&self.point, Some(Point::Command { nth, after, .. })
            if *nth == count as u64 && *after == behind)
    }

    /// The end. A host that dies leaves the drive to itself: what it has taken reaches the
    /// tape, as when a device is closed. If the drive loses its power too, it does not.
    fn kill(&self, turn: &Turn) -> ! {
        let flush = matches!(
            self.point,
            Some(Point::Command {
                power_cut: false,
                ..
            })
        );
        if flush {
            for way in &turn.ways {
                drop(way.lock().unwrap().take());
            }
        }
        kill_process(getpid(), Signal::KILL).unwrap();
        unreachable!("nobody survives that");
    }
}

/// The way to a device on which a job may die.
struct Mortal {
    name: String,
    max_transfer_bytes: usize,
    way: Way,
    killer: Arc<Killer>,
}

impl Transport for Mortal {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let mut turn = self.killer.turn();
        let name = opcode::name(cdb).unwrap_or("unknown");
        turn.commands.push(name.to_owned());
        let count = turn.commands.len();
        if self.killer.is_due(count, false) {
            self.killer.kill(&turn);
        }
        if name.starts_with("WRITE FILEMARKS") {
            thread::sleep(PAUSE);
        }
        let answer = {
            let mut way = self.way.lock().unwrap();
            let way = way.as_mut().expect("only death closes it early");
            way.execute(cdb, data, timeout)
        };
        if self.killer.is_due(count, true) {
            self.killer.kill(&turn);
        }
        answer
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn max_transfer_bytes(&self) -> usize {
        self.max_transfer_bytes
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let mut turn = self.killer.turn();
        turn.ways.retain(|way| !Arc::ptr_eq(way, &self.way));
        drop(self.way.lock().unwrap().take());
    }
}
