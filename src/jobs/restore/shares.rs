//! The tapes of a restore shared out among drives, and what more drives would bring.

use std::num::NonZero;

use serde::Serialize;

use super::arrange::{Aim, Arranged, Ways};
use super::calibrate::Calibration;
use super::lanes::{DrivePlan, Sequence, Takes, Turn, Work, chosen, schedule};
use super::outlook::TapeNeed;
use super::timeline::{OnceTimes, TapeTimes};
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
    /// How much later files and drives come than by the plan that has all of it soonest, if the
    /// first files are to be there soon.
    pub(super) later: Option<Later>,
}

/// Seconds that one plan takes longer than another; below 0 where it is quicker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Later {
    /// Until all is read.
    pub(super) files_s: f64,
    /// Until the drives are free.
    pub(super) seconds: f64,
}

/// How the tapes are to be shared out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// So many drives at most; one if nothing is said.
    pub(super) most: Option<NonZero<u16>>,
    pub(super) aim: Aim,
    /// The tapes are taken in the order in which the catalog got to know them.
    pub(super) is_ordered: bool,
}

impl Wish {
    fn sequence(self, aim: Aim) -> Sequence {
        match aim {
            Aim::Whole if !self.is_ordered => Sequence::Free,
            _ => Sequence::Given,
        }
    }
}

impl Shares {
    /// Puts `volumes` in the order in which so many drives at most begin them; those that are not
    /// within reach come last.
    pub(super) fn of(
        volumes: &mut Vec<Arranged>,
        places: &Places,
        wish: Wish,
        calibration: &Calibration,
    ) -> Shares {
        let Wish { most, aim, .. } = wish;
        let most = most.map_or(1, |most| usize::from(most.get()));
        let at = |volume: &Arranged| places.of(&volume.reads.barcode);
        let within_reach: Vec<usize> = (0..volumes.len())
            .filter(|&one| at(&volumes[one]) != TapePlace::Missing)
            .collect();
        let works = |tapes: &[usize], ways: fn(&Arranged) -> Ways| -> Vec<Work> {
            let tapes = tapes.iter().map(|&one| &volumes[one]);
            let work = |volume| work(volume, ways(volume), places, calibration);
            tapes.map(work).collect()
        };
        let tapes = works(&within_reach, |volume| Ways::of(&volume.order));
        let (all, by) = (places.drives(), wish.sequence(aim));
        let used = chosen(&tapes, all, most, by);
        let planned = schedule(&tapes, &used, by);
        let (files_s, seconds) = (read(&planned), ends(&planned));
        let possible = chosen(&tapes, all, usize::MAX, by);
        let more = (possible.len() > used.len()).then(|| MoreDrives {
            drives: possible.len(),
            seconds: ends(&schedule(&tapes, &possible, by)),
        });
        let later = (aim == Aim::First).then(|| {
            let mut known = within_reach.clone();
            known.sort_by_key(|&one| volumes[one].known_since);
            let tapes = works(&known, |volume| volume.least);
            let by = wish.sequence(Aim::Whole);
            let soonest = schedule(&tapes, &chosen(&tapes, all, most, by), by);
            Later {
                files_s: files_s - read(&soonest),
                seconds: seconds - ends(&soonest),
            }
        });
        let rows = std::mem::take(volumes).into_iter();
        let mut rows: Vec<(Arranged, Option<Turn>)> = rows.map(|volume| (volume, None)).collect();
        for turn in planned {
            rows[within_reach[turn.tape]].1 = Some(turn);
        }
        let begins = |turn: &Option<Turn>| turn.map_or(f64::INFINITY, |turn| turn.begins_s);
        rows.sort_by(|(_, a), (_, b)| begins(a).total_cmp(&begins(b)));
        let turns;
        (*volumes, turns) = rows.into_iter().unzip();
        Shares {
            turns,
            used,
            files_s,
            seconds,
            more: more.filter(|more| more.seconds <= seconds * WORTH_TELLING),
            later,
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

/// A volume in the order with these ways.
fn work(volume: &Arranged, ways: Ways, places: &Places, calibration: &Calibration) -> Work {
    let place = places.of(&volume.reads.barcode);
    let takes = |sheet| Takes {
        sheet,
        times: calibration.times(&sheet, &volume.generation),
    };
    let sheet = TapeTimes::of_ways(volume, ways, &place, places);
    Work {
        loaded: match place {
            TapePlace::Drive(number) => Some(number),
            _ => None,
        },
        takes: takes(sheet),
        anew: takes(sheet.anew(OnceTimes::of(volume, places))),
    }
}

fn read(turns: &[Turn]) -> f64 {
    turns.iter().map(|turn| turn.read_s).fold(0.0, f64::max)
}

fn ends(turns: &[Turn]) -> f64 {
    turns.iter().map(|turn| turn.ends_s).fold(0.0, f64::max)
}
