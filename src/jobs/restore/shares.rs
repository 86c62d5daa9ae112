//! The tapes of a restore shared out among drives, and what more drives would bring.

use std::num::NonZero;

use serde::Serialize;

use super::arrange::{Aim, Arranged};
use super::calibrate::Calibration;
use super::lanes::{DrivePlan, Turn, Work, chosen, schedule};
use super::outlook::TapeNeed;
use super::timeline::TapeTimes;
use crate::jobs::whereabouts::{Places, TapePlace};

/// More drives are worth a word where the restore takes no more than this share of the time.
const WORTH_TELLING: f64 = 0.9;

/// What a restore would take in all drives that its tapes can be shared among.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MoreDrives {
    /// How many they are.
    pub drives: usize,
    /// What the tapes within reach would take, in seconds.
    pub seconds: f64,
}

/// See the module.
pub(super) struct Shares {
    /// For each volume, in their order, when it is read; `None` if it is not within reach.
    pub(super) turns: Vec<Option<Turn>>,
    /// Numbers of the drives that are used.
    used: Vec<u16>,
    /// Until all is read.
    pub(super) files_s: f64,
    /// Until the drives are free again.
    pub(super) seconds: f64,
    pub(super) more: Option<MoreDrives>,
}

impl Shares {
    /// Puts `volumes` in the order in which so many drives at most begin them; those that are not
    /// within reach come last.
    pub(super) fn of(
        volumes: &mut Vec<Arranged>,
        places: &Places,
        most: Option<NonZero<u16>>,
        aim: Aim,
        calibration: &Calibration,
    ) -> Shares {
        let most = most.map_or(1, |most| usize::from(most.get()));
        let at = |volume: &Arranged| places.of(&volume.reads.barcode);
        let within_reach: Vec<usize> = (0..volumes.len())
            .filter(|&one| at(&volumes[one]) != TapePlace::Missing)
            .collect();
        let work = |&one: &usize| {
            let (volume, place) = (&volumes[one], at(&volumes[one]));
            let sheet = TapeTimes::of_sheet(volume, &place, places);
            Work::of(&place, calibration.times(&sheet, &volume.generation))
        };
        let tapes: Vec<Work> = within_reach.iter().map(work).collect();
        let all: &[u16] = match places {
            Places::Known { drives, .. } => drives,
            Places::ByHand => &[0],
        };
        let used = chosen(&tapes, all, most);
        let planned = schedule(&tapes, &used, aim);
        let seconds = ends(&planned);
        let files_s = planned.iter().map(|turn| turn.read_s).fold(0.0, f64::max);
        let possible = chosen(&tapes, all, usize::MAX);
        let more = (possible.len() > used.len()).then(|| MoreDrives {
            drives: possible.len(),
            seconds: ends(&schedule(&tapes, &possible, aim)),
        });
        let rows = std::mem::take(volumes).into_iter();
        let mut rows: Vec<(Arranged, Option<Turn>)> = rows.map(|volume| (volume, None)).collect();
        for turn in planned {
            rows[within_reach[turn.tape]].1 = Some(turn);
        }
        if used.len() > 1 {
            let begins = |turn: &Option<Turn>| turn.map_or(f64::INFINITY, |turn| turn.begins_s);
            rows.sort_by(|(_, a), (_, b)| begins(a).total_cmp(&begins(b)));
        }
        let turns;
        (*volumes, turns) = rows.into_iter().unzip();
        Shares {
            turns,
            used,
            files_s,
            seconds,
            more: more.filter(|more| more.seconds <= seconds * WORTH_TELLING),
        }
    }

    /// What each drive does; `tapes` in the order of the turns.
    pub(super) fn drives(&self, tapes: &[TapeNeed]) -> Vec<DrivePlan> {
        let plan = |&drive: &u16| {
            let turns = tapes.iter().zip(&self.turns);
            let of_drive = turns.filter(|(_, turn)| turn.is_some_and(|turn| turn.lane == drive));
            let (mut barcodes, mut seconds) = (Vec::new(), 0.0_f64);
            for (tape, turn) in of_drive {
                barcodes.push(tape.barcode.clone());
                seconds = seconds.max(turn.map_or(0.0, |turn| turn.ends_s));
            }
            DrivePlan {
                drive,
                tapes: barcodes,
                seconds,
            }
        };
        self.used.iter().map(plan).collect()
    }
}

fn ends(turns: &[Turn]) -> f64 {
    turns.iter().map(|turn| turn.ends_s).fold(0.0, f64::max)
}
