//! When a restore will be done: what each tape takes. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::arrange::{Arranged, Ways};
use super::calibrate::Calibration;
use crate::access_order::robot_move_s;
use crate::jobs::whereabouts::{Places, TapePlace};

/// What a person takes to load a tape that a drive without changer asks for: an estimate.
const BY_HAND_S: f64 = 60.0;
/// How far data sheet times may be off, as a share: of tapes in a library, and of others.
const UNSURE: f64 = 0.1;
const VERY_UNSURE: f64 = 0.3;
/// No finish is surer than this, in per cent.
const LEAST_PERCENT: f64 = 5.0;

/// What one tape takes, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TapeTimes {
    /// The robot, or a person at a drive without changer, brings it to the drive; and another tape
    /// of the restore goes home before, if that one lies in the drive.
    pub robot_s: f64,
    /// The drive threads it.
    pub load_s: f64,
    /// It is moved to what is to be read.
    pub locate_s: f64,
    /// Of this, what is read on through.
    pub read_on_s: f64,
    /// What is to be read is read.
    pub read_s: f64,
    /// It is rewound.
    pub rewind_s: f64,
    /// The drive lets go of it.
    pub unload_s: f64,
    /// The robot brings it home.
    pub return_s: f64,
    /// All of these.
    pub total_s: f64,
    /// What `locate_s` and `rewind_s` would be in the order of the records on tape.
    pub record_order_s: f64,
}

impl TapeTimes {
    /// By the data sheet, in the order that the volume has.
    pub(super) fn of_sheet(volume: &Arranged, place: &TapePlace, places: &Places) -> TapeTimes {
        TapeTimes::of_ways(volume, Ways::of(&volume.order), place, places)
    }

    /// The same in another order.
    pub(super) fn of_ways(
        volume: &Arranged,
        ways: Ways,
        place: &TapePlace,
        places: &Places,
    ) -> TapeTimes {
        let once = OnceTimes::of(volume, places);
        let (robot_s, load_s) = match (place, places) {
            (TapePlace::Drive(_), Places::Known { .. }) => (0.0, 0.0),
            // The drive lets go of it, wherever it stands, and threads it again.
            (TapePlace::Drive(_), Places::ByHand { .. }) => (0.0, once.unload_s + once.load_s),
            _ => (once.move_s, once.load_s),
        };
        TapeTimes {
            robot_s,
            load_s,
            locate_s: ways.locate_s,
            read_on_s: ways.read_on_s,
            read_s: ways.read_s,
            rewind_s: ways.rewind_s,
            unload_s: once.unload_s,
            return_s: robot_sheet_s(places),
            total_s: 0.0,
            record_order_s: volume.record_order_s,
        }
        .summed()
    }

    /// The same of a tape that has to leave its drive before it is its turn, and comes again.
    pub(super) fn anew(self, once: OnceTimes) -> TapeTimes {
        TapeTimes {
            robot_s: once.move_s,
            load_s: once.load_s,
            ..self
        }
        .summed()
    }

    /// The same behind another tape that has to leave the drive first.
    pub(super) fn behind(self, other: &TapeTimes) -> TapeTimes {
        TapeTimes {
            robot_s: self.robot_s + other.unload_s + other.return_s,
            ..self
        }
        .summed()
    }

    /// Both, one after the other.
    pub(super) fn and(self, other: &TapeTimes) -> TapeTimes {
        TapeTimes {
            robot_s: self.robot_s + other.robot_s,
            load_s: self.load_s + other.load_s,
            locate_s: self.locate_s + other.locate_s,
            read_on_s: self.read_on_s + other.read_on_s,
            read_s: self.read_s + other.read_s,
            rewind_s: self.rewind_s + other.rewind_s,
            unload_s: self.unload_s + other.unload_s,
            return_s: self.return_s + other.return_s,
            total_s: self.total_s + other.total_s,
            record_order_s: self.record_order_s + other.record_order_s,
        }
    }

    /// The same with its total.
    pub(super) fn summed(self) -> TapeTimes {
        TapeTimes {
            total_s: self.mount_s() + self.use_s() + self.release_s(),
            ..self
        }
    }

    /// Until the tape is ready.
    pub(super) fn mount_s(&self) -> f64 {
        self.robot_s + self.load_s
    }

    /// While it is read.
    pub(super) fn use_s(&self) -> f64 {
        self.locate_s + self.read_s
    }

    /// Until it is out of the way.
    pub(super) fn release_s(&self) -> f64 {
        self.rewind_s + self.unload_s + self.return_s
    }
}

/// What a move of the robot takes by the data sheet; none without a changer.
fn robot_sheet_s(places: &Places) -> f64 {
    match places {
        Places::Known { slots, .. } => robot_move_s(*slots),
        Places::ByHand { .. } => 0.0,
    }
}

/// What by the data sheet it takes to do once what a record of a tape counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct OnceTimes {
    /// A move of the robot, or of a person.
    pub(super) move_s: f64,
    pub(super) load_s: f64,
    pub(super) unload_s: f64,
}

impl OnceTimes {
    pub(super) fn of(volume: &Arranged, places: &Places) -> OnceTimes {
        OnceTimes {
            move_s: match places {
                Places::Known { .. } => robot_sheet_s(places),
                Places::ByHand { .. } => BY_HAND_S,
            },
            load_s: volume.tape.mechanics().load_s,
            unload_s: volume.tape.unload_s(volume.used_bytes),
        }
    }
}

/// How sure a foretold finish is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// All tapes are in the library, and of generations whose times are known.
    Likely,
    /// People load the tapes, or the times of a tape are those of another generation.
    Rough,
    /// Tapes are outside: this is when the others will be done.
    Open,
}

/// When a restore will be done: what is within reach, if any of it is, and what is outside, if it
/// is known how long each of those tapes takes to fetch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finish {
    /// The moment when all files of the tapes within reach are there, if it begins now; `None`
    /// where tapes are needed and none of them is within reach.
    pub files_at: Option<Timestamp>,
    /// From now until then, in seconds.
    pub files_s: Option<f64>,
    /// The moment when the drives are free again, their tapes back in their slots; `None` as
    /// `files_at`.
    pub at: Option<Timestamp>,
    /// From now until then, in seconds.
    pub seconds: Option<f64>,
    /// How sure that is.
    pub certainty: Certainty,
    /// What it may be off by, in per cent; unknown where tapes are outside.
    pub percent: Option<u8>,
    /// Seconds from now, if all goes as quickly as it may; unknown as `percent`.
    pub low_s: Option<f64>,
    /// Seconds from now, if all goes as slowly as it may.
    pub high_s: Option<f64>,
    /// The moment when the files of the tapes outside may be there, too, if those are sent for
    /// now; `None` where there are none, or nobody said how long one of them takes.
    pub fetched_at: Option<Timestamp>,
    /// From now until then, in seconds.
    pub fetched_s: Option<f64>,
}

/// A tape of a restore, where it is, and what it takes.
pub(super) type TapeInPlan<'a> = (&'a Arranged, &'a TapePlace, &'a TapeTimes);

impl Finish {
    /// The finish of a restore from these tapes: so many seconds from now the
    /// files are there, and the drives are free.
    pub(super) fn of<'a>(
        now: Timestamp,
        (files_s, seconds): (f64, f64),
        tapes: impl Iterator<Item = TapeInPlan<'a>> + Clone,
        calibration: &Calibration,
    ) -> Finish {
        let mut certainty = Certainty::Likely;
        let (mut needed, mut within_reach) = (0, 0);
        for (volume, place, _) in tapes.clone() {
            needed += 1;
            match place {
                TapePlace::Missing => certainty = Certainty::Open,
                _ => within_reach += 1,
            }
            let is_rough = !volume.is_known || *place == TapePlace::Operator;
            if is_rough && certainty == Certainty::Likely {
                certainty = Certainty::Rough;
            }
        }
        let unsure = match certainty {
            Certainty::Likely => UNSURE,
            Certainty::Rough | Certainty::Open => VERY_UNSURE,
        };
        let (mut all_s, mut low_s, mut high_s) = (0.0, 0.0, 0.0);
        for (volume, _, times) in tapes.clone() {
            let (low, high) = calibration.range(times, &volume.generation, unsure);
            (all_s, low_s, high_s) = (all_s + times.total_s, low_s + low, high_s + high);
        }
        let (low, high) = match all_s > 0.0 {
            true => (low_s / all_s, high_s / all_s),
            false => (1.0 - unsure, 1.0 + unsure),
        };
        let is_open = certainty == Certainty::Open;
        let unless_open = |value: f64| (!is_open).then_some(value);
        let off_percent = 100.0 * (1.0 - low).max(high - 1.0);
        // What was summed up is a hair beside what it was summed up from.
        let percent = (off_percent - 1e-6).ceil().clamp(LEAST_PERCENT, 100.0);
        let at = |seconds: f64| {
            let span = SignedDuration::from_millis((seconds * 1000.0) as i64);
            now.checked_add(span).unwrap_or(Timestamp::MAX)
        };
        let fetched_s = fetched(tapes, files_s);
        let comes = needed == 0 || within_reach > 0;
        let (files_s, seconds) = (comes.then_some(files_s), comes.then_some(seconds));
        Finish {
            fetched_at: fetched_s.map(at),
            fetched_s,
            files_at: files_s.map(at),
            files_s,
            at: seconds.map(at),
            seconds,
            certainty,
            percent: unless_open(percent).map(|percent| percent as u8),
            low_s: seconds.and_then(|seconds| unless_open(seconds * low)),
            high_s: seconds.and_then(|seconds| unless_open(seconds * high)),
        }
    }
}

/// When the files of the tapes outside may be there, too: all are sent for at once, and read by
/// one drive when the last has come, behind those that are here.
fn fetched<'a>(tapes: impl Iterator<Item = TapeInPlan<'a>>, files_s: f64) -> Option<f64> {
    let (mut last_s, mut read_s) = (None, 0.0);
    for (volume, place, times) in tapes {
        if *place == TapePlace::Missing {
            let fetch_s = volume.outside.as_ref().and_then(|place| place.fetch_s)?;
            last_s = last_s.max(Some(fetch_s));
            read_s += times.total_s;
        }
    }
    last_s.map(|last_s| files_s.max(last_s as f64) + read_s)
}
