//! What the history of a library says of the times of data sheets (`docs/restore.md`,
//! "Calibration"). Pure.
//!
//! Records are evidence, never trusted: what they say may be anything, and a plan stays sensible.

use std::collections::{BTreeMap, HashMap};

use catalogs::model::event::{Phase, Phases, Recorded, Restored};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::timeline::TapeTimes;

/// So many restores are looked at, and of each phase so many samples: older ones say less of what
/// the library is today.
pub(super) const RESTORES_MOST: usize = 100;
const SAMPLES_MOST: usize = 60;
/// From so many samples on there is a factor.
const SAMPLES_LEAST: usize = 3;
/// Ratios beyond these are no times of hardware: of a simulator, say, that takes no time.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 0.2..=5.0;
/// A plan never takes more or less than this many times the data sheet.
const FACTORS: (f64, f64) = (0.5, 3.0);
/// A range is never narrower than this either way.
const LEAST_SPREAD: f64 = 0.03;
/// The samples at these places of a hundred make the range.
const QUANTILES: (f64, f64) = (0.1, 0.9);
/// What takes less by the data sheet measures the host as much as the tape.
const LEAST_SHEET_S: f64 = 1.0;
const LEAST_STREAM_S: f64 = 10.0;

/// A kind of step whose times are calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The robot, or a person at a drive without changer, moves the tape, there or back.
    Robot,
    /// The drive threads it, and its label is proved.
    Load,
    /// It is moved to what is to be read.
    Locate,
    /// It is read.
    Read,
    /// It is rewound.
    Rewind,
    /// The drive lets go of it.
    Unload,
}

impl Step {
    /// All of them, in the order in which they come.
    pub const ALL: [Step; 6] = [
        Step::Robot,
        Step::Load,
        Step::Locate,
        Step::Read,
        Step::Rewind,
        Step::Unload,
    ];

    fn least_sheet_s(self) -> f64 {
        match self {
            Step::Locate | Step::Read => LEAST_STREAM_S,
            _ => LEAST_SHEET_S,
        }
    }
}

/// How many times the data sheet something takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Factor {
    /// The median.
    pub factor: f64,
    /// Hardly less.
    pub low: f64,
    /// Hardly more.
    pub high: f64,
}

/// The factor of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepFactor {
    /// The step.
    pub phase: Step,
    /// Generation of the tapes; `None` of the robot, which takes all alike.
    pub generation: Option<String>,
    /// Model of the drives; `None` of the robot, and where the records do not say.
    pub drive: Option<String>,
    /// What it takes.
    #[serde(flatten)]
    pub factor: Factor,
    /// From so many samples.
    pub samples: usize,
}

/// What the history of a library says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The library.
    pub library: String,
    /// Restores that gave samples for the factors.
    pub restores: usize,
    /// Restores of this library that were looked at.
    pub recorded: usize,
    /// When the oldest began that gave samples.
    pub since: Option<Timestamp>,
    /// Generations of the tapes that are planned, each once.
    pub generations: Vec<String>,
    /// What is known of their steps; the data sheet holds for others.
    pub factors: Vec<StepFactor>,
}

/// A sample's step, and the generation of its tape where that matters.
type Key = (Step, Option<String>);

/// Samples of one library, newest first.
#[derive(Default)]
struct Samples {
    ratios: BTreeMap<Key, Vec<(usize, f64)>>,
    /// The model that has read tapes of a generation last.
    models: HashMap<String, Option<String>>,
}

impl Calibration {
    /// What `records`, the newest first, say of tapes of `generations` in `library`.
    /// `generation_of` is that of a volume, if it is known.
    pub(super) fn of(
        library: String,
        records: &[Recorded<Restored>],
        generation_of: impl Fn(Uuid) -> Option<String>,
        mut generations: Vec<String>,
    ) -> Calibration {
        generations.sort();
        generations.dedup();
        let of_library = |record: &&Recorded<Restored>| {
            record.what.of.library.as_deref() == Some(library.as_str())
        };
        let records: Vec<&Restored> = records
            .iter()
            .filter(of_library)
            .take(RESTORES_MOST)
            .map(|record| &record.what)
            .collect();
        let mut samples = Samples::default();
        for (number, record) in records.iter().enumerate() {
            for from in &record.of.volumes {
                if let Some(phases) = &from.phases {
                    let generation = generation_of(from.volume);
                    samples.take_in(number, phases, generation, from.drive.as_ref());
                }
            }
        }
        let mut used: Vec<usize> = Vec::new();
        let mut factors = Vec::new();
        for ((phase, generation), found) in samples.ratios {
            let wanted = |generation: &String| generations.contains(generation);
            let ratios: Vec<f64> = found.iter().map(|(_, ratio)| *ratio).collect();
            let Some(factor) =
                factor_of(&ratios).filter(|_| generation.as_ref().is_none_or(wanted))
            else {
                continue;
            };
            used.extend(found.iter().map(|(number, _)| *number));
            let model = generation.as_ref().and_then(|one| samples.models.get(one));
            factors.push(StepFactor {
                phase,
                drive: model.cloned().flatten(),
                generation,
                factor,
                samples: ratios.len(),
            });
        }
        used.sort_unstable();
        used.dedup();
        Calibration {
            library,
            restores: used.len(),
            recorded: records.len(),
            since: used.iter().map(|number| records[*number].of.started).min(),
            generations,
            factors,
        }
    }

    /// What is known of a step with tapes of a generation.
    #[must_use]
    pub fn factor(&self, step: Step, generation: &str) -> Option<Factor> {
        let is_it = |one: &&StepFactor| {
            let generation_of = one.generation.as_deref();
            one.phase == step && generation_of.is_none_or(|one| one == generation)
        };
        self.factors.iter().find(is_it).map(|one| one.factor)
    }

    /// What a tape takes that by the data sheet takes `sheet`.
    pub(super) fn times(&self, sheet: &TapeTimes, generation: &str) -> TapeTimes {
        let by = |step| self.factor(step, generation).map_or(1.0, |one| one.factor);
        let read_on_s = sheet.read_on_s * by(Step::Read);
        let locate_s = (sheet.locate_s - sheet.read_on_s) * by(Step::Locate) + read_on_s;
        let rewind_s = sheet.rewind_s * by(Step::Rewind);
        let motion_s = sheet.locate_s + sheet.rewind_s;
        let record_order_s = match motion_s > 0.0 {
            true => sheet.record_order_s * (locate_s + rewind_s) / motion_s,
            false => sheet.record_order_s,
        };
        TapeTimes {
            robot_s: sheet.robot_s * by(Step::Robot),
            load_s: sheet.load_s * by(Step::Load),
            locate_s,
            read_on_s,
            read_s: sheet.read_s * by(Step::Read),
            rewind_s,
            unload_s: sheet.unload_s * by(Step::Unload),
            return_s: sheet.return_s * by(Step::Robot),
            total_s: 0.0,
            record_order_s,
        }
        .summed()
    }

    /// The least and the most seconds of what takes `times`; a step that is not calibrated may be
    /// off by the share `unsure`.
    pub(super) fn range(&self, times: &TapeTimes, generation: &str, unsure: f64) -> (f64, f64) {
        let mut range = (0.0, 0.0);
        for step in Step::ALL {
            let seconds = match step {
                Step::Robot => times.robot_s + times.return_s,
                Step::Load => times.load_s,
                Step::Locate => times.locate_s - times.read_on_s,
                Step::Read => times.read_s + times.read_on_s,
                Step::Rewind => times.rewind_s,
                Step::Unload => times.unload_s,
            };
            let (low, high) = match self.factor(step, generation) {
                Some(one) => (one.low / one.factor, one.high / one.factor),
                None => (1.0 - unsure, 1.0 + unsure),
            };
            range.0 += seconds * low;
            range.1 += seconds * high;
        }
        range
    }
}

impl Samples {
    fn take_in(
        &mut self,
        number: usize,
        phases: &Phases,
        generation: Option<String>,
        model: Option<&String>,
    ) {
        for phase in [&phases.robot, &phases.home] {
            self.sample(number, (Step::Robot, None), phase);
        }
        let Some(generation) = generation else { return };
        let last = self.models.entry(generation.clone());
        if last.or_insert_with(|| model.cloned()).as_ref() != model {
            return;
        }
        for (step, phase) in [
            (Step::Load, &phases.load),
            (Step::Locate, &phases.locate),
            (Step::Read, &phases.read),
            (Step::Rewind, &phases.rewind),
            (Step::Unload, &phases.unload),
        ] {
            self.sample(number, (step, Some(generation.clone())), phase);
        }
    }

    fn sample(&mut self, number: usize, key: Key, phase: &Phase) {
        let seconds = |ms: u64| ms as f64 / 1000.0;
        let sheet_s = seconds(phase.sheet_ms);
        let ratio = seconds(phase.real_ms) / sheet_s;
        if phase.count == 0 || sheet_s < key.0.least_sheet_s() || !PLAUSIBLE.contains(&ratio) {
            return;
        }
        let ratios = self.ratios.entry(key).or_default();
        if ratios.len() < SAMPLES_MOST {
            ratios.push((number, ratio));
        }
    }
}

/// The factor that these ratios of real to foretold time make; `None` if they are too few. What no
/// hardware takes does not count.
pub(super) fn factor_of(ratios: &[f64]) -> Option<Factor> {
    let plausible = ratios.iter().filter(|ratio| PLAUSIBLE.contains(*ratio));
    let mut ratios: Vec<f64> = plausible.copied().collect();
    if ratios.len() < SAMPLES_LEAST {
        return None;
    }
    ratios.sort_by(f64::total_cmp);
    let last = (ratios.len() - 1) as f64;
    let at = |share: f64| {
        let place = share * last;
        let (below, above) = (
            ratios[place.floor() as usize],
            ratios[place.ceil() as usize],
        );
        below + (above - below) * place.fract()
    };
    let clamped = |ratio: f64| ratio.clamp(FACTORS.0, FACTORS.1);
    let factor = clamped(at(0.5));
    Some(Factor {
        factor,
        low: clamped(at(QUANTILES.0)).min(factor * (1.0 - LEAST_SPREAD)),
        high: clamped(at(QUANTILES.1)).max(factor * (1.0 + LEAST_SPREAD)),
    })
}

#[cfg(test)]
mod tests;
