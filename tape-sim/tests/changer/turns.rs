//! Hosts that are at different times: each has the robot when it was free in that host's time.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{DRIVE, Robot, SLOT, TUR, UNLOAD, move_medium, small};
use tape_sim::clock::ManualClock;
use tape_sim::library::LibrarySpec;
use tape_sim::smc::ChangerTarget;
use tape_sim::ssc::DriveTarget;
use tape_sim::target::{Data, Target};
use tape_sim::timeline::Timing;

const MINUTE: Duration = Duration::from_secs(60);

/// A host with a drive of its own, and a way of its own to the robot.
struct Host {
    changer: ChangerTarget,
    drive: DriveTarget,
    at: u16,
    /// What it would have waited by.
    clock: ManualClock,
}

impl Host {
    fn new(robot: &Robot, number: u16) -> Host {
        let clock = ManualClock::default();
        let changer = robot.library.changer_with_clock(Arc::new(clock.clone()));
        let drive = robot
            .library
            .drive_with_clock(number, Arc::new(clock.clone()));
        Host {
            changer: changer.unwrap(),
            drive: drive.unwrap(),
            at: DRIVE + number,
            clock,
        }
    }

    fn moves(&mut self, source: u16, destination: u16) -> Duration {
        let moved = move_medium(0, source, destination);
        assert_eq!(self.changer.execute(&moved, Data::None).status, 0);
        self.changer.elapsed()
    }

    /// Brings a tape into the drive, and waits for it.
    fn mounts(&mut self, slot: u16) {
        self.moves(slot, self.at);
        let mut tries = 0;
        while self.drive.execute(&TUR, Data::None).status != 0 {
            tries += 1;
            assert!(tries < 60, "the drive does not become ready");
            self.clock.advance(Duration::from_secs(1));
        }
    }

    /// Uses the tape for so long, and brings it back.
    fn uses(&mut self, slot: u16, duration: Duration) {
        self.drive.host_spends(duration);
        assert_eq!(self.drive.execute(&UNLOAD, Data::None).status, 0);
        self.moves(self.at, slot);
    }

    fn elapsed(&self) -> Duration {
        self.changer.elapsed().max(self.drive.elapsed())
    }
}

/// Two hosts that begin at the same time.
fn two(robot: &Robot) -> (Host, Host) {
    (Host::new(robot, 0), Host::new(robot, 1))
}

#[test]
fn the_order_in_which_the_simulator_hears_of_moves_does_not_count() {
    let mut seen = Vec::new();
    for short_first in [true, false] {
        let robot = Robot::new();
        let (mut long, mut short) = two(&robot);
        long.mounts(SLOT);
        short.mounts(SLOT + 1);
        match short_first {
            true => {
                short.uses(SLOT + 1, MINUTE);
                long.uses(SLOT, 20 * MINUTE);
            }
            false => {
                long.uses(SLOT, 20 * MINUTE);
                short.uses(SLOT + 1, MINUTE);
            }
        }
        assert!(short.elapsed() < 4 * MINUTE, "{:?}", short.elapsed());
        assert!(long.elapsed() > 20 * MINUTE);
        seen.push((long.elapsed(), short.elapsed()));
        for host in [long, short] {
            assert_eq!(host.clock.slept(), Duration::ZERO);
        }
    }
    let [(long, short), (long_again, short_again)] = seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(short, short_again);
    // All that differs is where the robot stood.
    let way = long.abs_diff(long_again);
    assert!(way <= Duration::from_secs(8), "{way:?}");
}

#[test]
fn two_drives_are_done_sooner_than_one_and_nobody_waits() {
    let slots = [SLOT, SLOT + 1, SLOT + 2];
    let alone = {
        let robot = Robot::new();
        let mut host = Host::new(&robot, 0);
        for slot in slots {
            host.mounts(slot);
            host.uses(slot, 10 * MINUTE);
        }
        assert_eq!(host.clock.slept(), Duration::ZERO);
        robot.library.elapsed().unwrap()
    };
    let robot = Robot::new();
    let (mut first, mut second) = two(&robot);
    // One host's commands are all heard of before the other's first.
    for slot in &slots[..2] {
        first.mounts(*slot);
        first.uses(*slot, 10 * MINUTE);
    }
    second.mounts(slots[2]);
    second.uses(slots[2], 10 * MINUTE);
    let together = robot.library.elapsed().unwrap();
    assert!(together < alone * 7 / 10, "{together:?}, alone {alone:?}");
    assert!(second.elapsed() < first.elapsed() * 7 / 10);
    for host in [first, second] {
        assert_eq!(host.clock.slept(), Duration::ZERO);
    }
}

#[test]
fn a_tape_is_taken_no_earlier_than_it_came_and_put_no_earlier_than_there_was_room() {
    let robot = Robot::new();
    let (mut late, mut early) = two(&robot);
    late.mounts(SLOT);
    late.uses(SLOT, 20 * MINUTE);
    let home = late.elapsed();
    // The tape that came home, though its host is long before that.
    assert!(early.elapsed() < MINUTE);
    assert!(early.moves(SLOT, early.at) > home);

    let robot = Robot::new();
    let (mut late, mut early) = two(&robot);
    late.mounts(SLOT);
    late.drive.host_spends(20 * MINUTE);
    late.drive.execute(&UNLOAD, Data::None);
    let left = late.moves(late.at, SLOT + 3);
    // Into the drive that it has left.
    assert!(early.moves(SLOT + 1, late.at) > left);
}

#[test]
fn the_robot_does_one_thing_at_a_time() {
    let robot = Robot::new();
    let (mut busy, mut other) = two(&robot);
    busy.mounts(SLOT);
    let loaded = busy.changer.elapsed();
    busy.uses(SLOT, Duration::ZERO);
    let home = busy.elapsed();
    // Two grips and a sixth of the way.
    let fetched = home - Duration::from_secs(8) - Duration::from_secs(8) / 6;
    let mut ends = Vec::new();
    for turn in 0..8 {
        ends.push(other.moves(SLOT + 1 + turn % 2 * 2, SLOT + 1 + (turn + 1) % 2 * 2));
    }
    assert!(ends[0] > loaded + Duration::from_secs(8) && ends[0] < fetched);
    assert!(ends.is_sorted() && ends[7] > home);
    for end in &ends {
        let is_behind = *end >= home + Duration::from_secs(8);
        assert!(
            *end <= fetched || is_behind,
            "{fetched:?} {home:?} {ends:?}"
        );
    }
}

#[test]
fn a_host_that_comes_later_is_later() {
    let robot = Robot::new();
    let mut first = Host::new(&robot, 0);
    first.mounts(SLOT);
    first.uses(SLOT, 10 * MINUTE);
    let mut next = Host::new(&robot, 1);
    assert!(next.moves(SLOT + 1, next.at) > first.elapsed());
}

#[test]
fn what_is_long_past_cannot_be_changed_any_more() {
    let robot = Robot::new();
    let (mut busy, mut other) = two(&robot);
    let mut ends = Vec::new();
    for turn in 0..70 {
        busy.mounts(SLOT + turn % 2);
        busy.uses(SLOT + turn % 2, MINUTE);
        ends.push(busy.elapsed());
    }
    let moved = other.moves(SLOT + 2, other.at);
    // 140 turns, of which 64 are kept.
    assert!(moved > ends[35] && moved < ends[45], "{moved:?} {ends:?}");
}

/// In real time, too: a device that was not used is behind the others, and has only stood still.
#[test]
fn a_device_that_stood_still_is_not_waited_for() {
    let robot = Robot::with(&LibrarySpec {
        timing: Timing::Real { speedup: 1 },
        ..small()
    });
    let mut first = Host::new(&robot, 0);
    first.mounts(SLOT);
    // The robot is told of nothing meanwhile, and neither is the other drive.
    let Host { mut drive, at, .. } = first;
    drive.host_spends(60 * MINUTE);
    assert_eq!(drive.execute(&UNLOAD, Data::None).status, 0);
    let waited = Duration::from_secs(90);
    let mut second = Host::new(&robot, 1);
    second.moves(at, SLOT);
    assert!(second.changer.elapsed() > 60 * MINUTE);
    assert!(second.clock.slept() < waited, "{:?}", second.clock.slept());
    second.mounts(SLOT + 1);
    assert!(second.drive.elapsed() > 60 * MINUTE);
    assert!(second.clock.slept() < waited, "{:?}", second.clock.slept());
}
