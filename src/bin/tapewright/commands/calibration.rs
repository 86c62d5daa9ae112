//! What a foretold time goes by, in words.

use jiff::tz::TimeZone;
use tapewright::jobs::restore::{Calibration, Step};

use crate::output::counted;

/// A step is worth a word where it differs from the data sheet by this share.
const WORTH_TELLING: f64 = 0.05;

const NOTHING_RECORDED: &str =
    "not calibrated: no restore of this library has been recorded yet; data sheet times";

/// What the planned times go by, and where they differ from the data sheet.
pub fn words(calibration: &Calibration) -> String {
    let restores = |count: usize| counted(count as u64, "restore");
    let Some(since) = calibration.since else {
        return match calibration.recorded {
            0 => NOTHING_RECORDED.to_owned(),
            some => format!(
                "not calibrated: too few times to go by in {} of this library; data sheet times",
                restores(some)
            ),
        };
    };
    let date = since.to_zoned(TimeZone::system()).strftime("%Y-%m-%d");
    let mut told = format!(
        "calibrated by {} of this library since {date}: {}",
        restores(calibration.restores),
        deviations(calibration)
    );
    let unknown = unknown(calibration);
    if !unknown.is_empty() {
        told.push_str(&format!("; by data sheet: {}", unknown.join(", ")));
    }
    told
}

/// The factors that matter.
fn deviations(calibration: &Calibration) -> String {
    let several = calibration.generations.len() > 1;
    let factors = calibration.factors.iter();
    let off = factors.filter(|one| (one.factor.factor - 1.0).abs() >= WORTH_TELLING);
    let told: Vec<String> = off
        .map(|one| {
            let generation = one.generation.as_deref().filter(|_| several);
            let of = generation.map_or_else(String::new, |one| format!(" of {one} tapes"));
            format!(
                "{}{of} take {:.2} times",
                noun(one.phase),
                one.factor.factor
            )
        })
        .collect();
    match told.is_empty() {
        true => "it takes what the data sheet says".to_owned(),
        false => format!("{} the data sheet", told.join(", ")),
    }
}

/// Steps of which too little is known for one of the planned tapes at least.
fn unknown(calibration: &Calibration) -> Vec<&'static str> {
    let is_unknown = |step: &Step| {
        let mut generations = calibration.generations.iter();
        generations.any(|generation| calibration.factor(*step, generation).is_none())
    };
    Step::ALL.into_iter().filter(is_unknown).map(noun).collect()
}

fn noun(step: Step) -> &'static str {
    match step {
        Step::Robot => "moves",
        Step::Load => "loads",
        Step::Locate => "locates",
        Step::Read => "reads",
        Step::Rewind => "rewinds",
        Step::Unload => "unloads",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewright::jobs::restore::{Factor, StepFactor};

    fn factor(phase: Step, generation: Option<&str>, factor: f64) -> StepFactor {
        StepFactor {
            phase,
            generation: generation.map(str::to_owned),
            drive: None,
            factor: Factor {
                factor,
                low: factor,
                high: factor,
            },
            samples: 3,
        }
    }

    #[test]
    fn a_plan_says_what_it_goes_by() {
        let nine = Some("LTO-9");
        let all = |load: f64| {
            let step = |step| match step {
                Step::Robot => factor(step, None, 1.0),
                Step::Load => factor(step, nine, load),
                _ => factor(step, nine, 0.97),
            };
            Step::ALL.map(step).to_vec()
        };
        let noon = Some("2026-03-02T12:00:00Z".parse().unwrap());
        for (recorded, since, generations, factors, expected) in [
            (0, None, vec!["LTO-9"], vec![], NOTHING_RECORDED),
            (
                1,
                None,
                vec!["LTO-9"],
                vec![],
                "not calibrated: too few times to go by in 1 restore of this library; data sheet \
                 times",
            ),
            (
                14,
                noon,
                vec!["LTO-9"],
                all(1.3),
                "calibrated by 14 restores of this library since 2026-03-02: loads take 1.30 times \
                 the data sheet",
            ),
            (
                14,
                noon,
                vec!["LTO-9"],
                all(1.04),
                "calibrated by 14 restores of this library since 2026-03-02: it takes what the \
                 data sheet says",
            ),
            (
                14,
                noon,
                vec!["LTO-8", "LTO-9"],
                vec![
                    factor(Step::Robot, None, 2.0),
                    factor(Step::Load, nine, 1.3),
                ],
                "calibrated by 14 restores of this library since 2026-03-02: moves take 2.00 \
                 times, loads of LTO-9 tapes take 1.30 times the data sheet; by data sheet: loads, \
                 locates, reads, rewinds, unloads",
            ),
        ] {
            let calibration = Calibration {
                library: "here".to_owned(),
                restores: recorded,
                recorded,
                since,
                generations: generations.into_iter().map(str::to_owned).collect(),
                factors,
            };
            assert_eq!(words(&calibration), expected);
        }
    }
}
