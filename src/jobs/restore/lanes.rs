//! Which drive reads which tape when. Pure.
//!
//! A tape that lies in a drive is read there, before others. One drive takes the tape last that
//! takes longest to give back: the files are there before that. Of several each that has nothing
//! to do takes the tape that takes longest of those that are left, so that they end at about the
//! same time. The robot moves one tape at a time, in the order in which it is asked.
//!
//! Where the order is settled otherwise, a tape may have to leave the drive that another one needs
//! before it: it goes home, and comes again.

use serde::Serialize;

use super::timeline::TapeTimes;

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

/// By what tapes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    /// As the drives are done with them soonest.
    Free,
    /// In the order in which they are given.
    Given,
}

/// What a tape takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Takes {
    /// By the data sheet.
    pub(super) sheet: TapeTimes,
    /// As is foretold.
    pub(super) times: TapeTimes,
}

impl Takes {
    fn behind(self, other: Takes) -> Takes {
        Takes {
            sheet: self.sheet.behind(&other.sheet),
            times: self.times.behind(&other.times),
        }
    }
}

/// A tape that is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// The drive that it lies in.
    pub(super) loaded: Option<u16>,
    pub(super) takes: Takes,
    /// The same if it has to leave that drive first.
    pub(super) anew: Takes,
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
    pub(super) takes: Takes,
    /// Seconds from the beginning on.
    pub(super) begins_s: f64,
    /// The same until all of it is read.
    pub(super) read_s: f64,
    pub(super) ends_s: f64,
}

/// The drives that are used, so many at most: those that have tapes of the restore in them, then as
/// they come. One drive that takes the tapes as they are given is that of the first, else the first
/// one that none of them lies in.
pub(super) fn chosen(tapes: &[Work], drives: &[u16], most: usize, by: Sequence) -> Vec<u16> {
    let holds = |tape: &Work, drive: u16| tape.loaded == Some(drive);
    let has_tape = |drive| tapes.iter().any(|tape| holds(tape, drive));
    let has_first = |drive| tapes.first().is_some_and(|tape| holds(tape, drive));
    let most = most.min(tapes.len());
    let mut chosen: Vec<u16> = drives.to_vec();
    match by {
        Sequence::Given if most == 1 => {
            chosen.sort_by_key(|&drive| (!has_first(drive), has_tape(drive)));
        }
        _ => chosen.sort_by_key(|&drive| !has_tape(drive)),
    }
    chosen.truncate(most);
    chosen
}

/// The tapes as they are begun, unless a drive has one of them in it.
fn in_sequence(tapes: &[Work], drives: usize, by: Sequence) -> Vec<usize> {
    let mut waiting: Vec<usize> = (0..tapes.len()).collect();
    if by == Sequence::Given {
        return waiting;
    }
    if drives > 1 {
        waiting.sort_by(|&a, &b| {
            let (a, b) = (tapes[a].takes.times.total_s, tapes[b].takes.times.total_s);
            b.total_cmp(&a)
        });
        return waiting;
    }
    waiting.sort_by_key(|&tape| tapes[tape].loaded.is_none());
    let loaded = waiting.iter().filter(|&&tape| tapes[tape].loaded.is_some());
    // Behind a tape that lies in the drive: it would have to leave and come again.
    let free = match loaded.count() {
        all if all == waiting.len() => 0,
        some => some,
    };
    let release_s = |&at: &usize| tapes[waiting[at]].takes.times.release_s();
    let slowest = (free..waiting.len()).max_by(|a, b| release_s(a).total_cmp(&release_s(b)));
    if let Some(slowest) = slowest {
        waiting[slowest..].rotate_left(1);
    }
    waiting
}

/// A drive on its way through the restore.
struct Lane {
    drive: u16,
    /// When it needs the robot, or takes the next tape.
    at_s: f64,
    /// The turn whose tape goes home then.
    holds: Option<usize>,
}

/// Which tape is read when: in the order in which they are begun.
pub(super) fn schedule(tapes: &[Work], drives: &[u16], by: Sequence) -> Vec<Turn> {
    let mut tapes = tapes.to_vec();
    let mut waiting = in_sequence(&tapes, drives.len(), by);
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
            lane.at_s = lane.at_s.max(robot_free_s) + turns[turn].takes.times.return_s;
            robot_free_s = lane.at_s;
            turns[turn].ends_s = lane.at_s;
            continue;
        }
        let tape = waiting.remove(next_for(lane.drive, &waiting, &tapes, drives));
        let takes = makes_room(lane.drive, tape, &waiting, &mut tapes);
        let (loaded, times) = (tapes[tape].loaded, takes.times);
        lane.holds = Some(turns.len());
        turns.push(Turn {
            tape,
            drive: loaded.unwrap_or(lane.drive),
            lane: lane.drive,
            takes,
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

/// What a tape takes in this drive, which another may have to leave for it.
fn makes_room(drive: u16, tape: usize, waiting: &[usize], tapes: &mut [Work]) -> Takes {
    let takes = tapes[tape].takes;
    if tapes[tape].loaded.is_some() {
        return takes;
    }
    let mut waiting = waiting.iter();
    let Some(&other) = waiting.find(|&&other| tapes[other].loaded == Some(drive)) else {
        return takes;
    };
    let other = &mut tapes[other];
    other.loaded = None;
    let takes = takes.behind(other.takes);
    other.takes = other.anew;
    takes
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
        rewound(read_s, 0.0, loaded)
    }

    /// The same, rewound for so long.
    fn rewound(read_s: f64, rewind_s: f64, loaded: Option<u16>) -> Work {
        let takes = |robot_s| {
            let times = TapeTimes {
                robot_s,
                read_s,
                rewind_s,
                unload_s: 5.0,
                return_s: 10.0,
                ..TapeTimes::default()
            };
            let times = times.summed();
            Takes {
                sheet: times,
                times,
            }
        };
        Work {
            loaded,
            takes: takes(if loaded.is_some() { 0.0 } else { 10.0 }),
            anew: takes(10.0),
        }
    }

    /// Number, drive, begin and end of each turn.
    fn turns(tapes: &[Work], drives: &[u16], by: Sequence) -> Vec<(usize, u16, f64, f64)> {
        let turns = schedule(tapes, drives, by).into_iter();
        turns
            .map(|turn| (turn.tape, turn.drive, turn.begins_s, turn.ends_s))
            .collect()
    }

    #[test]
    fn long_tapes_come_first_and_the_robot_moves_one_at_a_time() {
        type Case = (
            &'static str,
            Vec<Work>,
            &'static [u16],
            Vec<(usize, u16, f64, f64)>,
        );
        let cases: [Case; 3] = [
            (
                "the second waits for the robot, which then waits for the first to end",
                vec![tape(100.0, None), tape(300.0, None), tape(50.0, None)],
                &[0, 1],
                vec![(1, 0, 0.0, 325.0), (0, 1, 0.0, 135.0), (2, 1, 135.0, 210.0)],
            ),
            (
                "what is loaded is read where it lies",
                vec![tape(300.0, None), tape(100.0, Some(1))],
                &[0, 1],
                vec![(0, 0, 0.0, 325.0), (1, 1, 0.0, 115.0)],
            ),
            (
                "also in a drive beside those that were chosen",
                vec![tape(100.0, Some(2)), tape(90.0, Some(1))],
                &[1],
                vec![(0, 2, 0.0, 115.0), (1, 1, 115.0, 220.0)],
            ),
        ];
        for (what, tapes, drives, expected) in cases {
            let turns = turns(&tapes, drives, Sequence::Free);
            assert_eq!(turns, expected, "{what}");
        }
    }

    #[test]
    fn one_drive_takes_what_is_loaded_first_and_the_longest_way_back_last() {
        let order = |tapes: &[Work]| -> Vec<usize> {
            let turns = turns(tapes, &[0], Sequence::Free).into_iter();
            turns.map(|(tape, ..)| tape).collect()
        };
        let slow = |loaded| rewound(50.0, 90.0, loaded);
        let quick = |loaded| tape(300.0, loaded);
        let cases: [(&str, Vec<Work>, &[usize]); 5] = [
            ("as given", vec![quick(None), quick(None)], &[0, 1]),
            (
                "the longest way back last",
                vec![quick(None), slow(None), quick(None)],
                &[0, 2, 1],
            ),
            (
                "what is loaded first",
                vec![slow(None), quick(None), quick(Some(0))],
                &[2, 1, 0],
            ),
            (
                "also if its way back is the longest",
                vec![quick(None), slow(Some(0)), quick(None)],
                &[1, 0, 2],
            ),
            (
                "unless all lie in drives",
                vec![slow(Some(0)), quick(Some(1))],
                &[1, 0],
            ),
        ];
        for (what, tapes, expected) in cases {
            assert_eq!(order(&tapes), expected, "{what}");
        }
    }

    #[test]
    fn a_tape_in_the_drive_of_another_one_goes_home_and_comes_again() {
        let tapes = [tape(100.0, None), tape(50.0, Some(0)), tape(50.0, Some(1))];
        let by = Sequence::Given;
        // Away in 15 s, there in 10 s, read, back in 15 s.
        let expected = vec![(0, 0, 0.0, 140.0), (1, 0, 140.0, 215.0)];
        assert_eq!(turns(&tapes[..2], &[0], by), expected);
        let takes = schedule(&tapes[..2], &[0], by)[1].takes;
        assert_eq!(takes, tapes[1].anew);
        // Where another drive is free it stays, and so does what lies elsewhere.
        assert_eq!(chosen(&tapes, &[0, 1, 2], 1, by), [2]);
        let expected = vec![
            (0, 2, 0.0, 125.0),
            (1, 0, 125.0, 190.0),
            (2, 1, 190.0, 255.0),
        ];
        assert_eq!(turns(&tapes, &[2], by), expected);
        // The first has its own.
        assert_eq!(chosen(&tapes[1..], &[0, 1, 2], 1, by), [0]);
    }

    #[test]
    fn drives_with_tapes_of_the_restore_are_used_and_no_more_than_there_are_tapes() {
        let tapes = [tape(1.0, Some(3)), tape(1.0, None)];
        let by = Sequence::Free;
        assert_eq!(chosen(&tapes, &[0, 1, 3], 2, by), [3, 0]);
        assert_eq!(chosen(&tapes, &[0, 1, 3], 9, by), [3, 0]);
        assert_eq!(chosen(&tapes, &[0, 1, 3], 1, by), [3]);
        assert!(chosen(&[], &[0, 1], 1, by).is_empty());
    }
}
