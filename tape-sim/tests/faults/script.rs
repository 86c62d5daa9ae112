//! When rules are due: counts, chance, and scripts that make no sense.

use crate::common::{Bench, REWIND, TUR, locate10, small};
use crate::{get, none, on, set};
use proptest::prelude::*;
use tape_sim::fault::{Device, Effect, FaultScript, Rule};
use tape_sim::library::Library;

#[test]
fn occasions_are_counted_over_processes() {
    let mut bench = Bench::ready();
    let mut rule = on("00", Effect::BecomingReady);
    rule.when.nth = Some(3);
    rule.times = Some(2);
    rule.device = Device::Drive(0);
    set(&bench, &[rule]);
    let mut told = Vec::new();
    for _ in 0..6 {
        told.push(none(&mut bench, &TUR));
        bench.close();
        bench.open();
    }
    assert_eq!(
        told,
        ["good", "good", "02/04/01", "02/04/01", "good", "good"]
    );
    set(&bench, &[on("00", Effect::BecomingReady)]);
    assert_eq!(
        none(&mut bench, &TUR),
        "02/04/01",
        "a new script begins anew"
    );
    bench
        .library
        .add_fault(on("00", Effect::HardwareError))
        .unwrap();
    assert_eq!(none(&mut bench, &TUR), "04/44/00", "the old rule is spent");
}

/// Which of 40 blocks cannot be read.
fn bad_blocks(seed: u64, probability: f64) -> Vec<u64> {
    let mut bench = Bench::ready();
    for _ in 0..40 {
        assert_eq!(bench.write(b"data"), "good");
    }
    assert_eq!(bench.none(&REWIND), "good");
    let mut rule = Rule::new(Effect::ReadError { stays: false });
    rule.when.probability = Some(probability);
    let script = FaultScript::new(seed, vec![rule]);
    bench.library.set_faults(&script).unwrap();
    let mut bad = Vec::new();
    for object in 0..40 {
        if get(&mut bench) != "good" {
            bad.push(object);
            assert_eq!(none(&mut bench, &locate10(object as u32)), "good");
            let again = get(&mut bench);
            assert_eq!(again, "03/11/00 4", "chance is a matter of the place");
        }
    }
    bad
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn a_seed_repeats_itself(seed in any::<u64>(), percent in 5..60u32) {
        let probability = f64::from(percent) / 100.0;
        let bad = bad_blocks(seed, probability);
        prop_assert_eq!(&bad, &bad_blocks(seed, probability));
        // More chance hits at least the same blocks.
        let more = bad_blocks(seed, probability + 0.3);
        prop_assert!(bad.iter().all(|object| more.contains(object)));
    }
}

#[test]
fn chance_comes_about_as_often_as_the_rule_says() {
    let hits: usize = (0..10).map(|seed| bad_blocks(seed, 0.25).len()).sum();
    assert!((70..130).contains(&hits), "{hits} of 400");
}

#[test]
fn rules_that_make_no_sense_are_refused_by_name() {
    let dir = tempfile::TempDir::new().unwrap();
    let library = Library::create(&dir.path().join("library"), &small()).unwrap();
    let bad = [
        r#"{"effect": {"kind": "robot_drop"}, "device": "drives"}"#,
        r#"{"effect": {"kind": "write_error"}, "device": "changer"}"#,
        r#"{"effect": {"kind": "reserved"}, "when": {"command": "WRIGHT"}}"#,
        r#"{"effect": {"kind": "reserved"}, "when": {"probability": 1.5}}"#,
        r#"{"effect": {"kind": "reserved"}, "when": {"objects": [4, 3]}}"#,
        r#"{"effect": {"kind": "alert", "flag": 65}}"#,
        r#"{"effect": {"kind": "sense", "key": 16, "asc": 0, "ascq": 0}}"#,
    ];
    for text in bad {
        let rule = Rule {
            id: "my rule".to_owned(),
            ..serde_json::from_str(text).unwrap()
        };
        let error = library.add_fault(rule).unwrap_err();
        assert!(error.to_string().contains("my rule"), "{error}");
    }
    for text in [
        r#"{"effect": {"kind": "gremlins"}}"#,
        r#"{"effect": {"kind": "reserved"}, "wen": {}}"#,
        r#"{"effect": {"kind": "reserved"}, "when": {"nht": 3}}"#,
        r#"{"device": "changer"}"#,
    ] {
        assert!(serde_json::from_str::<Rule>(text).is_err(), "{text}");
    }
    assert_eq!(library.faults().unwrap(), FaultScript::default());
}

#[test]
fn every_example_of_the_manual_is_a_script() {
    let manual = include_str!("../../../docs/sim-faults.md");
    let examples: Vec<_> = manual
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() > 3);
    let dir = tempfile::TempDir::new().unwrap();
    let library = Library::create(&dir.path().join("library"), &small()).unwrap();
    for example in examples {
        let script: FaultScript = serde_json::from_str(example).unwrap();
        library.set_faults(&script).unwrap();
        assert_eq!(library.faults().unwrap().rules.len(), script.rules.len());
    }
    let kinds: Vec<_> = manual
        .lines()
        .filter_map(|line| {
            let kind = line.strip_prefix("| `{\"kind\": ")?;
            let rule = format!(
                "{{\"effect\": {{\"kind\": {}}}",
                kind.split('`').next().unwrap()
            );
            Some(
                serde_json::from_str::<Rule>(&rule)
                    .unwrap_or_else(|wrong| panic!("{rule}: {wrong}")),
            )
        })
        .collect();
    assert_eq!(kinds.len(), 20, "each effect has its example");
}
