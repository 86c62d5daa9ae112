//! When a restore will be done: what each tape takes. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::TapePlace;
use super::arrange::Arranged;
use crate::access_order::robot_move_s;
use crate::jobs::mount::Places;

/// What a person takes to load a tape that a drive without changer asks for: an estimate.
const BY_HAND_S: f64 = 60.0;

/// What one tape takes, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TapeTimes {
    /// The robot, or a person at a drive without changer, brings it to the drive.
    pub robot_s: f64,
    /// The drive threads it.
    pub load_s: f64,
    /// It is moved to what is to be read.
    pub locate_s: f64,
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
    pub(super) fn of(volume: &Arranged, place: &TapePlace, places: &Places) -> TapeTimes {
        let robot_s = match places {
            Places::Known { slots, .. } => robot_move_s(*slots),
            Places::ByHand => 0.0,
        };
        let mechanics = volume.tape.mechanics();
        let (bring_s, load_s) = match place {
            TapePlace::Drive(_) => (0.0, 0.0),
            TapePlace::Operator => (BY_HAND_S, mechanics.load_s),
            _ => (robot_s, mechanics.load_s),
        };
        let rewind_s = volume.order.rewind_s;
        let mut times = TapeTimes {
            robot_s: bring_s,
            load_s,
            locate_s: volume.order.motion_s() - rewind_s,
            read_s: volume.order.read_s(),
            rewind_s,
            unload_s: volume.tape.unload_s(volume.used_bytes),
            return_s: robot_s,
            total_s: 0.0,
            record_order_s: volume.record_order_s,
        };
        times.total_s = times.mount_s() + times.use_s() + times.release_s();
        times
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

/// When a restore will be done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finish {
    /// The moment, if it begins now.
    pub at: Timestamp,
    /// From now, in seconds.
    pub seconds: f64,
    /// How sure that is.
    pub certainty: Certainty,
    /// What it may be off by, in per cent; unknown where tapes are outside.
    pub percent: Option<u8>,
}

impl Finish {
    /// The finish, so many seconds from now, of a restore from these tapes, each with its place.
    pub(super) fn of<'a>(
        now: Timestamp,
        seconds: f64,
        tapes: impl Iterator<Item = (&'a Arranged, &'a TapePlace)>,
    ) -> Finish {
        let mut certainty = Certainty::Likely;
        for (volume, place) in tapes {
            if *place == TapePlace::Missing {
                certainty = Certainty::Open;
            }
            let is_rough = !volume.is_known || *place == TapePlace::Operator;
            if is_rough && certainty == Certainty::Likely {
                certainty = Certainty::Rough;
            }
        }
        let span = SignedDuration::from_millis((seconds * 1000.0) as i64);
        Finish {
            at: now.checked_add(span).unwrap_or(Timestamp::MAX),
            seconds,
            certainty,
            percent: match certainty {
                Certainty::Likely => Some(10),
                Certainty::Rough => Some(30),
                Certainty::Open => None,
            },
        }
    }
}
