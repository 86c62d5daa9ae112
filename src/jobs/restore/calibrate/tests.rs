//! Factors against a model of their own, and plans that stay sensible whatever was recorded.

use catalogs::model::event::{Outcome, RestoredFrom, Restoring};
use catalogs::model::problem::Problems;
use proptest::prelude::*;

use super::*;
use crate::jobs::ByteText;

const HERE: &str = "here";
const NINE: &str = "LTO-9";

/// What that share of the samples does not exceed, between neighbours as far as it lies there.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() as f64 - 1.0);
    for (at, pair) in sorted.windows(2).enumerate() {
        if place <= at as f64 + 1.0 {
            return pair[0] + (pair[1] - pair[0]) * (place - at as f64);
        }
    }
    sorted[sorted.len() - 1]
}

fn model(ratios: &[f64]) -> Option<(f64, f64, f64)> {
    let mut kept = Vec::new();
    for &ratio in ratios {
        if ratio.is_finite() && (0.2..=5.0).contains(&ratio) {
            kept.push(ratio);
        }
    }
    if kept.len() < 3 {
        return None;
    }
    kept.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let bounded = |ratio: f64| ratio.clamp(0.5, 3.0);
    let middle = bounded(quantile(&kept, 0.5));
    let (low, high) = (bounded(quantile(&kept, 0.1)), bounded(quantile(&kept, 0.9)));
    Some((low.min(middle * 0.97), middle, high.max(middle * 1.03)))
}

/// Ratios of hardware, and others that none has.
fn any_ratio() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.3..4.0_f64,
        1 => prop::num::f64::ANY,
        1 => prop::sample::select(vec![0.0, -1.0, f64::NAN, f64::INFINITY, 0.2, 5.0, 1e300]),
    ]
}

/// Times of a data sheet, not summed up.
fn sheet(record_order_s: f64) -> TapeTimes {
    TapeTimes {
        robot_s: 20.0,
        load_s: 17.0,
        locate_s: 90.0,
        read_on_s: 10.0,
        read_s: 300.0,
        rewind_s: 60.0,
        unload_s: 85.0,
        return_s: 20.0,
        total_s: 0.0,
        record_order_s,
    }
}

proptest! {
    #[test]
    fn a_factor_is_what_the_model_says_and_within_bounds(
        ratios in proptest::collection::vec(any_ratio(), 0..80),
    ) {
        let found = factor_of(&ratios);
        let expected = model(&ratios);
        prop_assert_eq!(found.is_some(), expected.is_some());
        let (Some(found), Some((low, middle, high))) = (found, expected) else { return Ok(()) };
        prop_assert!((found.factor - middle).abs() < 1e-9);
        prop_assert!((found.low - low).abs() < 1e-9 && (found.high - high).abs() < 1e-9);
        prop_assert!((0.5..=3.0).contains(&found.factor));
        prop_assert!(0.0 < found.low && found.low < found.factor && found.factor < found.high);
    }

    #[test]
    fn a_factor_grows_with_its_samples_and_does_not_heed_their_order(
        ratios in proptest::collection::vec(0.3..4.0_f64, 3..60),
        more in 1.0..1.2_f64,
    ) {
        let found = factor_of(&ratios).unwrap();
        let slower: Vec<f64> = ratios.iter().map(|ratio| ratio * more).collect();
        let slower = factor_of(&slower).unwrap();
        prop_assert!(slower.factor >= found.factor && slower.high >= found.high - 1e-12);
        let backwards: Vec<f64> = ratios.iter().rev().copied().collect();
        prop_assert_eq!(factor_of(&backwards), Some(found));
    }

    #[test]
    fn a_few_outliers_do_not_move_a_factor_out_of_what_the_others_say(
        ratios in proptest::collection::vec(0.9..1.1_f64, 10..50),
        outliers in proptest::collection::vec(any_ratio(), 0..5),
    ) {
        let all: Vec<f64> = ratios.iter().chain(&outliers).copied().collect();
        let found = factor_of(&all).unwrap().factor;
        prop_assert!((0.9..=1.1).contains(&found), "{}", found);
    }
}

fn phase(sheet_ms: u64, real_ms: u64) -> Phase {
    Phase {
        planned_ms: sheet_ms,
        count: 1,
        sheet_ms,
        real_ms,
        bytes: 0,
    }
}

/// A tape whose loads took so long, in a drive of this model.
fn loaded(volume: u128, model: &str, load: Phase) -> RestoredFrom {
    let load = Phases {
        load,
        ..Phases::default()
    };
    RestoredFrom {
        volume: Uuid::from_u128(volume),
        real_s: Some(0),
        drive: Some(model.to_owned()),
        phases: Some(Box::new(load)),
        ..RestoredFrom::default()
    }
}

fn record(day: i64, library: Option<&str>, volumes: Vec<RestoredFrom>) -> Recorded<Restored> {
    let started = Timestamp::from_second(day * 86_400).unwrap();
    Recorded {
        seq: 1,
        time: started,
        what: Restored {
            of: Restoring {
                restore: Uuid::nil(),
                run: None,
                user: String::new(),
                host: String::new(),
                software: String::new(),
                asked: Vec::new(),
                asked_total: 0,
                as_of: None,
                target: ByteText::from("/"),
                output: None,
                from_tapes: false,
                started,
                earlier: None,
                earlier_bytes: None,
                volumes_total: volumes.len() as u64,
                volumes,
                planned_s: 0,
                library: library.map(str::to_owned),
            },
            outcome: Outcome::Complete,
            objects: 0,
            files: 0,
            file_bytes: 0,
            verified: 0,
            missing: None,
            real_s: 0,
            real_ms: None,
            lost: Vec::new(),
            problems: Problems::default(),
            remarks: Problems::default(),
            metadata_not_set: Problems::default(),
        },
    }
}

/// What is known of loads; volumes above 100 are of an older generation.
fn calibrated(records: &[Recorded<Restored>]) -> Calibration {
    let generation = |volume: Uuid| match volume.as_u128() {
        0 => None,
        1..=100 => Some(NINE.to_owned()),
        _ => Some("LTO-8".to_owned()),
    };
    Calibration::of(HERE.to_owned(), records, generation, vec![NINE.to_owned()])
}

#[test]
fn only_this_library_this_generation_and_the_drives_of_today_count() {
    let slow = phase(17_000, 34_000);
    let quick = phase(17_000, 17_000);
    let three = |model: &str, load| (1..=3).map(|volume| loaded(volume, model, load)).collect();
    let ours = || three("TD9", slow);
    // Records, and what they come to: factor, samples, restores.
    type Case = (
        &'static str,
        Vec<Recorded<Restored>>,
        Option<(f64, usize, usize)>,
    );
    let cases: [Case; 8] = [
        ("nothing", vec![], None),
        (
            "ours",
            vec![record(9, Some(HERE), ours())],
            Some((2.0, 3, 1)),
        ),
        (
            "another library",
            vec![record(9, Some("there"), ours())],
            None,
        ),
        ("a record of before", vec![record(9, None, ours())], None),
        (
            "two libraries",
            vec![
                record(9, Some("there"), three("TD9", quick)),
                record(8, Some(HERE), ours()),
            ],
            Some((2.0, 3, 1)),
        ),
        (
            "tapes of another generation, and unknown ones",
            vec![record(
                9,
                Some(HERE),
                vec![
                    loaded(101, "TD9", slow),
                    loaded(102, "TD9", slow),
                    loaded(0, "TD9", slow),
                ],
            )],
            None,
        ),
        (
            "drives that were exchanged since",
            vec![
                record(9, Some(HERE), three("TD10", quick)),
                record(8, Some(HERE), ours()),
            ],
            Some((1.0, 3, 1)),
        ),
        (
            "several restores, of which two tapes each",
            vec![
                record(
                    9,
                    Some(HERE),
                    vec![loaded(1, "TD9", slow), loaded(2, "TD9", slow)],
                ),
                record(
                    7,
                    Some(HERE),
                    vec![loaded(1, "TD9", slow), loaded(2, "TD9", quick)],
                ),
            ],
            Some((2.0, 4, 2)),
        ),
    ];
    for (what, records, expected) in cases {
        let found = calibrated(&records);
        let load = found.factors.iter().find(|one| one.phase == Step::Load);
        let told = load.map(|one| (one.factor.factor, one.samples, found.restores));
        assert_eq!(told, expected, "{what}");
        assert_eq!(found.since.is_some(), expected.is_some(), "{what}");
    }
}

#[test]
fn the_newest_samples_count_and_no_more_of_them_than_make_sense() {
    let of = |day: i64, real_ms| {
        record(
            day,
            Some(HERE),
            vec![loaded(1, "TD9", phase(17_000, real_ms))],
        )
    };
    // Newest first: sixty that took twice the time, then as many that took what they should.
    let newest = (0..60).map(|day| of(500 - day, 34_000));
    let older = (60..200).map(|day| of(500 - day, 17_000));
    let found = calibrated(&newest.chain(older).collect::<Vec<_>>());
    let load = &found.factors[0];
    assert_eq!((load.factor.factor, load.samples), (2.0, 60));
    assert_eq!(found.recorded, 100);
    let since = Timestamp::from_second(441 * 86_400).unwrap();
    assert_eq!((found.restores, found.since), (60, Some(since)));
}

#[test]
fn a_hostile_history_leaves_the_plan_sensible() {
    let most = u64::MAX;
    let odd = [
        phase(0, 0),
        phase(0, most),
        phase(most, 0),
        phase(most, most),
        phase(1, most),
        phase(17_000, 1),
        phase(17_000, most),
        Phase {
            count: 0,
            ..phase(17_000, 20_000)
        },
    ];
    let sheet = sheet(200.0).summed();
    for one in odd {
        let phases = Phases {
            robot: one,
            load: one,
            locate: one,
            read: one,
            rewind: one,
            unload: one,
            home: one,
        };
        let volumes = (1..=9)
            .map(|volume| RestoredFrom {
                phases: Some(Box::new(phases)),
                ..loaded(volume, "TD9", one)
            })
            .collect();
        let found = calibrated(&[record(9, Some(HERE), volumes)]);
        let times = found.times(&sheet, NINE);
        let share = times.total_s / sheet.total_s;
        assert!((0.5..=3.0).contains(&share), "{one:?}: {times:?}");
        let (low, high) = found.range(&times, NINE, 0.1);
        assert!(
            low > 0.0 && low < times.total_s && times.total_s < high,
            "{one:?}"
        );
        assert!(high < 10.0 * sheet.total_s, "{one:?}");
    }
}

#[test]
fn times_are_those_of_the_sheet_by_their_factors_and_so_is_the_range() {
    let slow = |ratio: u64| phase(20_000, 20_000 * ratio);
    let phases = Phases {
        robot: slow(2),
        home: slow(2),
        read: slow(3),
        rewind: phase(20_000, 10_000),
        ..Phases::default()
    };
    let volumes = (1..=3)
        .map(|volume| RestoredFrom {
            phases: Some(Box::new(phases)),
            ..loaded(volume, "TD9", Phase::default())
        })
        .collect();
    let found = calibrated(&[record(9, Some(HERE), volumes)]);
    let sheet = sheet(300.0);
    let times = found.times(&sheet, NINE);
    let expected = TapeTimes {
        robot_s: 40.0,
        load_s: 17.0,
        // Eighty by the sheet, and ten read on through.
        locate_s: 110.0,
        read_on_s: 30.0,
        read_s: 900.0,
        rewind_s: 30.0,
        unload_s: 85.0,
        return_s: 40.0,
        total_s: 1222.0,
        record_order_s: 300.0 * 140.0 / 150.0,
    };
    assert_eq!(times, expected);
    // Samples that agree leave 3 % either way, clamped where the factor is at its bound.
    let (low, high) = found.range(&times, NINE, 0.1);
    let sure = 80.0 + 930.0 + 30.0;
    let unsure = 17.0 + 80.0 + 85.0;
    assert!((low - (sure * 0.97 + unsure * 0.9)).abs() < 1e-6, "{low}");
    assert!((high - (sure * 1.03 + unsure * 1.1)).abs() < 1e-6, "{high}");
    assert_eq!(found.times(&sheet, "LTO-8").load_s, 17.0);
}
