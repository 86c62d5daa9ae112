//! One operation in several drives at once: what each of them does, as one phase.
//!
//! Bytes count for the whole, and in the lane of their drive, of whose tape the share that is done
//! is told, and how long the rest will take.

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Bottleneck, Monitor, Problem};

/// As often as this the phase is told anew while bytes move.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub struct Lanes<'a> {
    monitor: &'a dyn Monitor,
    state: Mutex<State>,
}

struct State {
    lanes: Vec<Progress>,
    told_at: Instant,
}

/// What is done in one lane.
#[derive(Default)]
struct Progress {
    what: String,
    /// Of a phase with bytes: how many there are and how many are done, and when it began.
    bytes: Option<(u64, u64, Instant)>,
}

impl<'a> Lanes<'a> {
    /// Tells `monitor` of so many lanes.
    pub fn new(monitor: &'a dyn Monitor, lanes: usize) -> Self {
        let state = State {
            lanes: (0..lanes).map(|_| Progress::default()).collect(),
            told_at: Instant::now(),
        };
        Self {
            monitor,
            state: Mutex::new(state),
        }
    }

    /// What hears of one lane.
    pub fn lanes(&self) -> Vec<Lane<'_>> {
        let lanes = self.with(|state| state.lanes.len());
        let lane = |number| Lane {
            lanes: self,
            number,
        };
        (0..lanes).map(lane).collect()
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A lane enters a phase.
    fn enter(&self, lane: usize, progress: Progress) {
        let words = self.with(|state| {
            state.lanes[lane] = progress;
            state.words()
        });
        self.monitor.phase(&words);
    }

    /// Bytes moved in a lane.
    fn add(&self, lane: usize, bytes: u64) {
        let words = self.with(|state| {
            if let Some((_, done, _)) = &mut state.lanes[lane].bytes {
                *done += bytes;
            }
            (state.told_at.elapsed() >= TOLD_EVERY).then(|| state.words())
        });
        if let Some(words) = words {
            self.monitor.phase(&words);
        }
    }
}

impl State {
    fn words(&mut self) -> String {
        self.told_at = Instant::now();
        let busy = self.lanes.iter().filter(|lane| !lane.what.is_empty());
        let words: Vec<String> = busy.map(Progress::words).collect();
        words.join("; ")
    }
}

impl Progress {
    fn words(&self) -> String {
        let mut words = self.what.clone();
        if let Some((all, done, begun)) = self.bytes {
            let percent = done.min(all) * 100 / all.max(1);
            write!(words, " ({percent} %").expect("text takes more text");
            if let Some(left) = time_left(all, done, begun.elapsed()) {
                let minutes = left.as_secs().div_ceil(60);
                write!(words, ", {minutes} min left").expect("text takes more text");
            }
            words.push(')');
        }
        words
    }
}

/// What the rest takes at the pace so far; `None` before there is one.
fn time_left(all: u64, done: u64, elapsed: Duration) -> Option<Duration> {
    let left = all.checked_sub(done)?;
    let seconds = elapsed.as_secs_f64() * left as f64 / done as f64;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Hears of one lane, and tells of all.
pub struct Lane<'l> {
    lanes: &'l Lanes<'l>,
    number: usize,
}

impl Monitor for Lane<'_> {
    fn wants_total(&self) -> bool {
        self.lanes.monitor.wants_total()
    }

    fn expect(&self, files: u64, bytes: u64) {
        self.lanes.monitor.expect(files, bytes);
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.lanes.monitor.advance(files, bytes);
        if bytes > 0 {
            self.lanes.add(self.number, bytes);
        }
    }

    fn phase(&self, what: &str) {
        let what = what.to_owned();
        self.lanes
            .enter(self.number, Progress { what, bytes: None });
    }

    fn phase_of(&self, what: &str, bytes: u64) {
        let progress = Progress {
            what: what.to_owned(),
            bytes: Some((bytes, 0, Instant::now())),
        };
        self.lanes.enter(self.number, progress);
    }

    fn waiting(&self, what: &str, elapsed: Duration) {
        self.lanes.monitor.waiting(what, elapsed);
    }

    fn bottleneck(&self, bottleneck: Bottleneck) {
        self.lanes.monitor.bottleneck(bottleneck);
    }

    fn problem(&self, problem: &Problem) {
        self.lanes.monitor.problem(problem);
    }

    fn notice(&self, notice: &Problem) {
        self.lanes.monitor.notice(notice);
    }

    fn stop_requested(&self) -> bool {
        self.lanes.monitor.stop_requested()
    }

    fn stop_flag(&self) -> Option<Arc<AtomicBool>> {
        self.lanes.monitor.stop_flag()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<(Vec<String>, u64)>);

    impl Monitor for Heard {
        fn phase(&self, what: &str) {
            self.0.lock().unwrap().0.push(what.to_owned());
        }

        fn advance(&self, _: u64, bytes: u64) {
            self.0.lock().unwrap().1 += bytes;
        }
    }

    #[test]
    fn what_all_lanes_do_is_one_phase_and_bytes_count_for_the_whole() {
        let heard = Heard::default();
        let lanes = Lanes::new(&heard, 3);
        let [first, second, _] = &lanes.lanes()[..] else {
            panic!("three lanes");
        };
        first.phase("mounting A");
        second.phase_of("restoring from B", 400);
        second.advance(1, 100);
        second.advance(0, 100);
        first.phase("loading A");
        let (phases, bytes) = &*heard.0.lock().unwrap();
        assert_eq!(*bytes, 200);
        assert_eq!(phases[0], "mounting A");
        assert_eq!(phases[1], "mounting A; restoring from B (0 %)");
        assert!(phases[2].starts_with("loading A; restoring from B (50 %"));
    }

    #[test]
    fn the_rest_takes_as_long_as_the_pace_says() {
        let minute = Duration::from_secs(60);
        assert_eq!(time_left(400, 100, minute), Some(3 * minute));
        assert_eq!(time_left(400, 0, minute), None);
        assert_eq!(time_left(400, 401, minute), None);
    }
}
