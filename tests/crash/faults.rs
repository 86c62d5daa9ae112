//! Every fault at every kind of command that a job sends. How the job ends, and what its message
//! lacks, is in `faults.table`; what is on tape is judged by the model.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tape_sim::fault::{Device, Effect, FaultScript, Rule};
use tape_sim::library::Library;
use tapewright::jobs::archive::ArchiveSummary;
use tapewright::jobs::{Failure, JobError};
use tapewright::scsi::opcode;
use tapewright::transport::tap::Tap;
use tapewright::transport::{Completion, Data, Transport, TransportError, TransportErrorKind};

use crate::bench::{Bench, Place};
use crate::check::assert_sound;
use crate::child::Ended;
use crate::workload::{TREES, Workload};

const TABLE: &str = "tests/crash/faults.table";

pub static WORKLOAD: Workload = Workload {
    name: "faults",
    tapes: &["SIM001L9", "SIM002L9"],
    copy_tapes: &[],
    capacity_bytes: 24 << 20,
    buffer_bytes: 1 << 20,
    segment_bytes: 1 << 20,
    files: &[0, 1, 100_000, 900_000, 70_000, 800_000, 700_000],
    changes: false,
};

/// What goes wrong with a command.
#[derive(Debug, Clone)]
enum Fault {
    /// The simulator does it, once.
    Device(Effect),
    /// From this command on nothing gets to this device any more.
    Gone,
}

/// The faults that a device may have at a command, by name.
fn faults(changer: bool, command: &str) -> Vec<(&'static str, Fault)> {
    let sense = |key, asc, ascq| Fault::Device(Effect::Sense { key, asc, ascq });
    let device = Fault::Device;
    let medium = match command {
        "WRITE" | "WRITE FILEMARKS" => device(Effect::WriteError),
        "READ" => device(Effect::ReadError { stays: false }),
        _ => sense(3, 0x31, 0),
    };
    let mut faults = vec![
        ("medium error", medium),
        ("hardware error", device(Effect::HardwareError)),
        ("deferred error", device(Effect::DeferredError)),
        ("tape may have changed", sense(6, 0x28, 0)),
        ("mode has changed", sense(6, 0x2A, 1)),
        ("aborted", sense(0xB, 0x4E, 0)),
        ("becoming ready", sense(2, 4, 1)),
        ("reset before", device(Effect::Reset { after: false })),
        ("reset after", device(Effect::Reset { after: true })),
        ("power cut", device(Effect::PowerCut)),
        ("no answer", device(Effect::NoAnswer { executed: false })),
        (
            "no answer, done",
            device(Effect::NoAnswer { executed: true }),
        ),
        ("device gone", Fault::Gone),
    ];
    // The changer has no tape and no buffer.
    if changer {
        faults.retain(|(name, _)| !matches!(*name, "medium error" | "deferred error"));
    }
    if matches!(command, "LOCATE" | "SPACE") {
        let elsewhere = |lie| device(Effect::WrongPosition { object: 1, lie });
        faults.push(("wrong position", elsewhere(false)));
        faults.push(("wrong position, untold", elsewhere(true)));
    }
    faults
}

/// A row of the table.
#[derive(Debug, Clone)]
struct Case {
    changer: bool,
    opcode: u8,
    nth: u64,
    moment: &'static str,
    name: &'static str,
    fault: Fault,
}

impl Case {
    fn row(&self) -> String {
        let device = if self.changer { "changer" } else { "drive" };
        let command = command_name(self.opcode);
        format!("{device} | {} {command} | {}", self.moment, self.name)
    }
}

/// The name of a command, without its length.
fn command_name(opcode: u8) -> &'static str {
    let name = opcode::name(&[opcode]).unwrap_or("unknown");
    name.split('(').next().unwrap()
}

/// The first command of each kind, and one in the middle.
fn cases(bench: &Bench) -> Vec<Case> {
    let counts: Arc<Mutex<BTreeMap<(bool, u8), u64>>> = Arc::default();
    let counted = Arc::clone(&counts);
    let tap = watched(move |changer, opcode| {
        let mut counts = counted.lock().unwrap();
        *counts.entry((changer, opcode)).or_default() += 1;
        false
    });
    let place = bench.copy("counted");
    let summary = place.archive(bench.workload, &bench.source(), &TREES[1..2], Some(&tap));
    summary.unwrap();
    place.remove();
    let mut cases = Vec::new();
    for ((changer, opcode), count) in counts.lock().unwrap().iter() {
        let mut moments = vec![(1, "first"), (count.div_ceil(2), "middle")];
        moments.dedup_by_key(|(nth, _)| *nth);
        for (nth, moment) in moments {
            for (name, fault) in faults(*changer, command_name(*opcode)) {
                cases.push(Case {
                    changer: *changer,
                    opcode: *opcode,
                    nth,
                    moment,
                    name,
                    fault,
                });
            }
        }
    }
    cases
}

/// A tap that asks before each command, of which device and which, whether the device is gone
/// by now.
fn watched(gone: impl Fn(bool, u8) -> bool + Send + Sync + 'static) -> Tap {
    let gone: Arc<Gone> = Arc::new(gone);
    Tap::new(move |way| {
        Box::new(Watched {
            way,
            gone: Arc::clone(&gone),
        })
    })
}

type Gone = dyn Fn(bool, u8) -> bool + Send + Sync;

struct Watched {
    way: Box<dyn Transport>,
    gone: Arc<Gone>,
}

impl Transport for Watched {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let changer = self.way.name().starts_with("changer");
        if (self.gone)(changer, cdb[0]) {
            return Err(TransportError {
                device: self.way.name().to_owned(),
                kind: TransportErrorKind::Failed,
                what: "the device is gone".to_owned(),
                source: None,
            });
        }
        self.way.execute(cdb, data, timeout)
    }

    fn name(&self) -> &str {
        self.way.name()
    }

    fn max_transfer_bytes(&self) -> usize {
        self.way.max_transfer_bytes()
    }
}

/// The tap for a case, and the script of the simulator.
fn arm(case: &Case, place: &Place) -> Tap {
    let library = Library::open(&place.library_dir()).unwrap();
    match &case.fault {
        Fault::Device(effect) => {
            let mut rule = Rule::new(effect.clone());
            rule.device = if case.changer {
                Device::Changer
            } else {
                Device::Drives
            };
            rule.when.command = Some(format!("{:02X}", case.opcode));
            rule.when.nth = Some(case.nth);
            rule.times = Some(1);
            library
                .set_faults(&FaultScript::new(0, vec![rule]))
                .unwrap();
            watched(|_, _| false)
        }
        Fault::Gone => {
            let (of_changer, command, nth) = (case.changer, case.opcode, case.nth);
            let seen = AtomicUsize::new(0);
            watched(move |changer, opcode| {
                if changer != of_changer {
                    return false;
                }
                let due = |seen: usize| seen as u64 >= nth;
                if opcode == command && !due(seen.load(Ordering::Relaxed)) {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                due(seen.load(Ordering::Relaxed))
            })
        }
    }
}

/// How a job ended, for the table, and what it said if it did not do all.
fn ending(result: &Result<ArchiveSummary, JobError>) -> (String, Option<Failure>) {
    match result {
        Ok(summary) => {
            let outcome = format!("{:?}", summary.outcome);
            match &summary.failure {
                None => (outcome, None),
                Some(failure) => {
                    let kind = failure.kind;
                    (format!("{outcome} {kind:?}"), Some(failure.clone()))
                }
            }
        }
        Err(error) => {
            let debug = format!("{error:?}");
            let variant = debug.split([' ', '(']).next().unwrap();
            let failure = Failure::from(error);
            (format!("{variant} {:?}", failure.kind), Some(failure))
        }
    }
}

/// Words of which one has to be in a message: what is safe.
const SAFE: [&str; 3] = ["nothing was written", "confirmed", "left as it is"];

/// What a message lacks: it should name device and tape, and say what is safe and what to do.
fn lacks(case: &Case, failure: &Failure) -> Vec<&'static str> {
    let mut lacks = Vec::new();
    let advice = failure.advice.as_deref();
    let words = format!("{} {}", failure.what, advice.unwrap_or_default());
    let device = if case.changer { "changer" } else { "drive 0" };
    if advice.is_none() {
        lacks.push("what to do");
    }
    if !words.contains(device) {
        lacks.push("device");
    }
    if !case.changer && !words.contains("SIM00") {
        lacks.push("tape");
    }
    if !SAFE.iter().any(|safe| words.contains(safe)) {
        lacks.push("what is safe");
    }
    lacks
}

/// The row of a case, and what is not safe behind it.
fn run(bench: &Bench, number: usize, case: &Case) -> (String, Option<String>) {
    let place = bench.copy(&format!("case-{number}"));
    let tap = arm(case, &place);
    let result = place.archive(bench.workload, &bench.source(), &TREES[1..2], Some(&tap));
    let library = Library::open(&place.library_dir()).unwrap();
    library
        .set_faults(&FaultScript::new(0, Vec::new()))
        .unwrap();
    let (ending, failure) = ending(&result);
    let mut row = format!("{} | {ending}", case.row());
    if let Some(failure) = &failure {
        let lacks = lacks(case, failure);
        if !lacks.is_empty() {
            row = format!("{row} | lacks {}", lacks.join(", "));
        }
    }
    let ended = Ended::alive(ending.starts_with("Complete"));
    let sound = catch_unwind(AssertUnwindSafe(|| {
        assert_sound(bench, &place, &ended, false);
    }));
    place.remove();
    let unsafe_then = sound.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        format!("{row}: {}", text.unwrap_or_else(|| "no words".to_owned()))
    });
    (row, unsafe_then)
}

/// A row, whether or not a segment was confirmed before the drive failed: how far it had come
/// by then depends on the machine, and with it whether the failure is an error or in the summary.
/// Where a drive goes for good in the middle of a job, it depends on the machine also whether
/// all was on tape by then.
fn alike(row: &str) -> String {
    const GONE: &str = "| device gone |";
    match row.find(GONE) {
        Some(at) if row.starts_with("drive | middle ") => row[..at + GONE.len()].to_owned(),
        _ => row.replace("| WriteFailed ", "| Failed "),
    }
}

#[test]
fn each_fault_at_each_command_ends_as_the_table_says_and_loses_nothing_committed() {
    let bench = Bench::new(&WORKLOAD);
    let mut cases = cases(&bench);
    if let Ok(only) = env::var("TAPEWRIGHT_CRASH_ONLY") {
        cases.retain(|case| case.row().contains(&only));
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new((BTreeMap::new(), Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(number) else { break };
            let (row, wrong) = run(&bench, number, case);
            let mut found = found.lock().unwrap();
            found.0.insert(number, row);
            found.1.extend(wrong);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (rows, wrong) = found.into_inner().unwrap();
    println!("{} faults, {} times not safe", rows.len(), wrong.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let table = fs::read_to_string(&path).unwrap_or_default();
    let mut known: BTreeMap<String, String> = table
        .lines()
        .map(|row| (alike(row), row.to_owned()))
        .collect();
    let mut new = Vec::new();
    for row in rows.into_values() {
        if let Entry::Vacant(place) = known.entry(alike(&row)) {
            place.insert(row.clone());
            new.push(row);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if env::var_os("TAPEWRIGHT_NEW_TABLE").is_some() {
        let lines: String = known.into_values().map(|row| row + "\n").collect();
        fs::write(&path, lines).unwrap();
        return;
    }
    assert!(new.is_empty(), "not in {TABLE}:\n{}", new.join("\n"));
}
