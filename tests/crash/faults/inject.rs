//! Faults put in at one command of a job: by the simulator, or by a device that is gone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tape_sim::fault::{Device, Effect, FaultScript, Rule};
use tape_sim::library::Library;
use tapewright::scsi::opcode;
use tapewright::transport::tap::Tap;
use tapewright::transport::{Completion, Data, Transport, TransportError, TransportErrorKind};

use super::Activity;
use crate::bench::{Bench, Place};

/// What goes wrong with a command.
#[derive(Debug, Clone)]
pub enum Fault {
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
pub struct Case {
    pub changer: bool,
    opcode: u8,
    nth: u64,
    moment: &'static str,
    name: &'static str,
    fault: Fault,
}

impl Case {
    pub fn row(&self) -> String {
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

/// The first command of each kind that an activity sends, and one in the middle.
pub fn cases(bench: &Bench, activity: &Activity) -> Vec<Case> {
    let counts: Arc<Mutex<BTreeMap<(bool, u8), u64>>> = Arc::default();
    let counted = Arc::clone(&counts);
    let tap = watched(move |changer, opcode| {
        let mut counts = counted.lock().unwrap();
        *counts.entry((changer, opcode)).or_default() += 1;
        false
    });
    let place = bench.copy("counted");
    let ending = (activity.carry_out)(bench, &place, &tap);
    assert!(ending.complete, "{}: {:?}", ending.text, ending.failure);
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

    /// A device that is gone is tried for minutes. Each fault here ends by itself or never: nothing
    /// comes of waiting for it.
    fn pause(&mut self, _: Duration) {}

    fn name(&self) -> &str {
        self.way.name()
    }

    fn max_transfer_bytes(&self) -> usize {
        self.way.max_transfer_bytes()
    }
}

/// The tap for a case, and the script of the simulator.
pub fn arm(case: &Case, place: &Place) -> Tap {
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
