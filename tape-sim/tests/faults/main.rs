//! Faults by script: what a host sees of each, what survives, and that a seed repeats itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod changer;
#[path = "../common/mod.rs"]
mod common;
mod drive;
mod script;

use common::{Bench, REWIND, filemarks, read, write};
use tape_sim::fault::{Effect, FaultScript, Rule};
use tape_sim::target::{Completion, Data};

/// As the common one, with the endings that only faults have.
fn outcome(completion: &Completion) -> String {
    match (
        completion.answered,
        completion.status,
        completion.sense.first(),
    ) {
        (false, ..) => "no answer".to_owned(),
        (_, 0x18, _) => "conflict".to_owned(),
        (_, 2, Some(0x71)) => {
            let sense = &completion.sense;
            format!(
                "deferred {:02X}/{:02X}/{:02X}",
                sense[2], sense[12], sense[13]
            )
        }
        _ => common::outcome(completion),
    }
}

fn run(bench: &mut Bench, cdb: &[u8], data: Data<'_>) -> String {
    outcome(&bench.run(cdb, data))
}

fn none(bench: &mut Bench, cdb: &[u8]) -> String {
    run(bench, cdb, Data::None)
}

fn put(bench: &mut Bench, block: &[u8]) -> String {
    run(bench, &write(false, block.len() as u32), Data::Out(block))
}

fn get(bench: &mut Bench) -> String {
    run(bench, &read(0, 4), Data::In(&mut [0; 4]))
}

/// A rule that fires once.
fn once(effect: Effect) -> Rule {
    Rule {
        times: Some(1),
        ..Rule::new(effect)
    }
}

fn on(command: &str, effect: Effect) -> Rule {
    let mut rule = once(effect);
    rule.when.command = Some(command.to_owned());
    rule
}

fn set(bench: &Bench, rules: &[Rule]) {
    let script = FaultScript::new(0, rules.to_vec());
    bench.library.set_faults(&script).unwrap();
}

/// A tape with blocks `0000` to `0009`, a mark behind them, at BOP.
fn recorded() -> Bench {
    let mut bench = Bench::ready();
    for number in 0..10 {
        assert_eq!(bench.write(format!("{number:04}").as_bytes()), "good");
    }
    assert_eq!(bench.none(&filemarks(1, false)), "good");
    assert_eq!(bench.none(&REWIND), "good");
    bench
}

/// TapeAlert flags that are set; reading clears them.
fn alerts(bench: &mut Bench) -> Vec<u16> {
    let page = bench.reply(&[0x4D, 0, 0x2E, 0, 0, 0, 0, 2, 0, 0], 512);
    let flags = page[4..].chunks(5).filter(|flag| flag[4] == 1);
    flags.map(|flag| u16::from(flag[1])).collect()
}
