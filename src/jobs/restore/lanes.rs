//! Which drive reads which tape when, where several share a restore. Pure.
//!
//! A tape that lies in a drive is read there, before others. Each drive that has nothing to do
//! takes the tape that takes longest of those that are left, so that the drives end at about the
//! same time. The robot moves one tape at a time, in the order in which it is asked.

use serde::Serialize;

use super::arrange::Aim;
use super::timeline::TapeTimes;
use crate::jobs::whereabouts::TapePlace;

/// What a drive does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrivePlan {
    /// Its number, counted from 0.
    pub drive: u16,
    /// Barcodes of the tapes that it reads, in their order.
    pub tapes: Vec<String>,
    /// Seconds from the beginning of the restore until the last of them is back in its slot.
    pub seconds: f64,
}

/// A tape that is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// The drive that it lies in.
    pub(super) loaded: Option<u16>,
    pub(super) times: TapeTimes,
}

impl Work {
    pub(super) fn of(place: &TapePlace, times: TapeTimes) -> Work {
        let loaded = match place {
            TapePlace::Drive(number) => Some(*number),
            _ => None,
        };
        Work { loaded, times }
    }
}

/// When a tape is read, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Turn {
    /// Its number among the tapes.
    pub(super) tape: usize,
    /// Where it is read.
    pub(super) drive: u16,
    /// The drive whose turn it is: another, if the tape lies in one that is none of those chosen.
    pub(super) lane: u16,
    /// Seconds from the beginning on.
    pub(super) begins_s: f64,
    /// The same until all of it is read.
    pub(super) read_s: f64,
    pub(super) ends_s: f64,
}

/// The drives that are used, so many at most: those that have tapes of the restore in them, then as
/// they come.
pub(super) fn chosen(tapes: &[Work], drives: &[u16], most: usize) -> Vec<u16> {
    let has_tape = |drive: &u16| tapes.iter().any(|tape| tape.loaded == Some(*drive));
    let mut chosen: Vec<u16> = drives.to_vec();
    chosen.sort_by_key(|drive| !has_tape(drive));
    chosen.truncate(most.min(tapes.len()));
    chosen
}

/// A drive on its way through the restore.
struct Lane {
    drive: u16,
    /// When it needs the robot, or takes the next tape.
    at_s: f64,
    /// The turn whose tape goes home then.
    holds: Option<usize>,
}

/// Which tape is read when: in the order in which they are begun. One drive reads them in the order
/// in which they are given, and so do several where the first files are to be there soon.
pub(super) fn schedule(tapes: &[Work], drives: &[u16], aim: Aim) -> Vec<Turn> {
    let mut waiting: Vec<usize> = (0..tapes.len()).collect();
    if drives.len() > 1 && aim == Aim::Whole {
        waiting.sort_by(|&a, &b| {
            let (a, b) = (tapes[a].times.total_s, tapes[b].times.total_s);
            b.total_cmp(&a)
        });
    }
    let lane = |&drive| Lane {
        drive,
        at_s: 0.0,
        holds: None,
    };
    let mut lanes: Vec<Lane> = drives.iter().map(lane).collect();
    let mut robot_free_s = 0.0_f64;
    let mut turns: Vec<Turn> = Vec::with_capacity(tapes.len());
    loop {
        let is_busy = |lane: &&mut Lane| lane.holds.is_some() || !waiting.is_empty();
        let busy = lanes.iter_mut().filter(is_busy);
        let Some(lane) = busy.min_by(|a, b| a.at_s.total_cmp(&b.at_s)) else {
            return turns;
        };
        if let Some(turn) = lane.holds.take() {
            lane.at_s = lane.at_s.max(robot_free_s) + tapes[turns[turn].tape].times.return_s;
            robot_free_s = lane.at_s;
            turns[turn].ends_s = lane.at_s;
            continue;
        }
        let tape = waiting.remove(next_for(lane.drive, &waiting, tapes, drives));
        let Work { loaded, times } = tapes[tape];
        lane.holds = Some(turns.len());
        turns.push(Turn {
            tape,
            drive: loaded.unwrap_or(lane.drive),
            lane: lane.drive,
            begins_s: lane.at_s,
            read_s: 0.0,
            ends_s: 0.0,
        });
        if times.robot_s > 0.0 {
            lane.at_s = lane.at_s.max(robot_free_s) + times.robot_s;
            robot_free_s = lane.at_s;
        }
        lane.at_s += times.load_s + times.use_s();
        if let Some(turn) = turns.last_mut() {
            turn.read_s = lane.at_s;
        }
        lane.at_s += times.rewind_s + times.unload_s;
    }
}

/// The place among `waiting` of the tape that a drive takes: the one that lies in it, else the
/// first that lies in no other of the drives.
fn next_for(drive: u16, waiting: &[usize], tapes: &[Work], drives: &[u16]) -> usize {
    if drives.len() == 1 {
        return 0;
    }
    let loaded = |at: &usize| tapes[*at].loaded;
    let own = waiting.iter().position(|at| loaded(at) == Some(drive));
    let is_free = |at| loaded(at).is_none_or(|other| !drives.contains(&other));
    own.or_else(|| waiting.iter().position(is_free))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tape that is used for so long; the robot takes 10 s each way.
    fn tape(read_s: f64, loaded: Option<u16>) -> Work {
        let times = TapeTimes {
            robot_s: if loaded.is_some() { 0.0 } else { 10.0 },
            read_s,
            return_s: 10.0,
            total_s: read_s + 20.0,
            ..TapeTimes::default()
        };
        Work { loaded, times }
    }

    #[test]
    fn long_tapes_come_first_and_the_robot_moves_one_at_a_time() {
        type Case = (
            &'static str,
            Vec<Work>,
            &'static [u16],
            Vec<(usize, u16, f64, f64)>,
        );
        let cases: [Case; 4] = [
            (
                "one drive reads in the given order",
                vec![tape(100.0, None), tape(300.0, None)],
                &[1],
                vec![(0, 1, 0.0, 120.0), (1, 1, 120.0, 440.0)],
            ),
            (
                "the second waits for the robot, which then waits for the first to end",
                vec![tape(100.0, None), tape(300.0, None), tape(50.0, None)],
                &[0, 1],
                vec![(1, 0, 0.0, 320.0), (0, 1, 0.0, 130.0), (2, 1, 130.0, 200.0)],
            ),
            (
                "what is loaded is read where it lies",
                vec![tape(300.0, None), tape(100.0, Some(1))],
                &[0, 1],
                vec![(0, 0, 0.0, 320.0), (1, 1, 0.0, 110.0)],
            ),
            (
                "also in a drive beside those that were chosen",
                vec![tape(100.0, Some(2)), tape(90.0, Some(1))],
                &[1],
                vec![(0, 2, 0.0, 110.0), (1, 1, 110.0, 210.0)],
            ),
        ];
        for (what, tapes, drives, expected) in cases {
            let turns = schedule(&tapes, drives, Aim::Whole).into_iter();
            let turns: Vec<_> = turns
                .map(|turn| (turn.tape, turn.drive, turn.begins_s, turn.ends_s))
                .collect();
            assert_eq!(turns, expected, "{what}");
        }
    }

    #[test]
    fn drives_with_tapes_of_the_restore_are_used_and_no_more_than_there_are_tapes() {
        let tapes = [tape(1.0, Some(3)), tape(1.0, None)];
        assert_eq!(chosen(&tapes, &[0, 1, 3], 2), [3, 0]);
        assert_eq!(chosen(&tapes, &[0, 1, 3], 9), [3, 0]);
        assert_eq!(chosen(&tapes, &[0, 1, 3], 1), [3]);
        assert_eq!(chosen(&[], &[0, 1], 1), []);
    }
}
