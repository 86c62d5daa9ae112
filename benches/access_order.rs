//! Orders of reads, judged by the simulator's mechanics instead of the planner's own model.
//!
//! `cargo bench --bench access_order` draws requests of 200 MiB at random places of a full LTO-9
//! tape in a half-height drive, has them ordered, and prints what the locates take on simulated
//! cartridges, whose wraps differ from the mean that the planner knows: beside the order of the
//! records, the best order (up to 12 requests) and the assignment bound (more). Then it asks a
//! full-height drive for the order that it recommends. It fails where a target of
//! docs/performance.md is missed.

use std::process::ExitCode;

use tape_sim::generation::Generation;
use tape_sim::physics::geometry::Geometry;
use tape_sim::physics::medium;
use tape_sim::physics::model::{TapeMechanics, tape_mechanics};
use tape_sim::physics::motion::{locate_s, rewind_s};
use tapewright::access_order::{
    AccessOrder, Approach, End, Extent, Geometry as PlannedGeometry, Height, Mechanics, Tape,
    assignment, best_order, coalesced, in_order_of_runs, in_record_order,
};

use support::recommended::{BLOCK_BYTES, FullTape};

mod support {
    pub mod recommended;
}

const TAPE_BYTES: u64 = 18_000_000_000_000;
const REQUEST_BYTES: u64 = 200 << 20;
/// What a turn takes on a whole tape.
const TURN_S: f64 = 2.0;
/// Of a half-height drive; the simulator's own are full-height.
const HALF_HEIGHT_SPAN_S: f64 = 104.0;

/// Tapes whose drives are asked for an order, and lists for each.
const TAPES_ASKED: u32 = 5;
const LISTS_ASKED: u64 = 2;

/// One size of request list: how many lists, and what is to be reached.
struct Case {
    requests: usize,
    lists: u64,
    /// Most of what the order may take of the best one (of the bound), in the mean.
    mean: f64,
    /// The same for the worst list.
    worst: f64,
    /// Least part of the time in record order that is to be saved.
    saved: f64,
}

const CASES: [Case; 6] = [
    case(4, 200, 1.01, 1.05, 0.0),
    case(8, 200, 1.01, 1.05, 0.0),
    case(12, 200, 1.01, 1.05, 0.5),
    case(32, 40, 1.15, 1.25, 0.0),
    case(128, 20, 1.05, 1.05, 0.65),
    case(512, 10, 1.05, 1.05, 0.0),
];

const fn case(requests: usize, lists: u64, mean: f64, worst: f64, saved: f64) -> Case {
    Case {
        requests,
        lists,
        mean,
        worst,
        saved,
    }
}

/// A cartridge as it is.
struct Truth {
    mechanics: TapeMechanics,
    geometry: Geometry,
    seed: u64,
}

impl Truth {
    fn new(seed: u64) -> Truth {
        let full_height = Truth::full_height(TAPE_BYTES, seed);
        Truth {
            mechanics: TapeMechanics {
                locate_span_s: HALF_HEIGHT_SPAN_S,
                ..full_height.mechanics
            },
            ..full_height
        }
    }

    fn full_height(tape_bytes: u64, seed: u64) -> Truth {
        let format = Generation::Lto9.format();
        Truth {
            mechanics: tape_mechanics(format),
            geometry: Geometry::new(format, tape_bytes, seed),
            seed,
        }
    }

    fn read_on(&self, from: u64, to: u64) -> f64 {
        let (begin, end) = (self.geometry.place(from).wrap, self.geometry.place(to).wrap);
        let seconds = (to - from) as f64 / self.mechanics.native_bytes_s as f64;
        seconds + TURN_S * f64::from(end - begin)
    }

    fn locate(&self, from: u64, to: u64, deviation_s: f64) -> f64 {
        let (a, b) = (self.geometry.place(from), self.geometry.place(to));
        let located = locate_s(&self.mechanics, &self.geometry, a, b, deviation_s);
        match a.wrap == b.wrap && to >= from {
            true => located.min(self.read_on(from, to)),
            false => located,
        }
    }

    /// The quickest way, as whoever knew the cartridge would take it.
    fn best(&self, from: u64, to: u64) -> f64 {
        let located = self.locate(from, to, 0.0);
        match to >= from {
            true => located.min(self.read_on(from, to)),
            false => located,
        }
    }

    /// What an order takes beside the reads, from `at` on: as planned, each locate as long as it is
    /// on average or as it is in this mount.
    fn carry_out(
        &self,
        mut at: u64,
        extents: &[Extent],
        order: &AccessOrder,
        is_mean: bool,
    ) -> f64 {
        let mut sum = 0.0;
        for (number, leg) in order.legs.iter().enumerate() {
            let extent = extents[leg.extent];
            let to = extent.begin_bytes;
            let about = [at, to, number as u64];
            let deviation_s = match is_mean {
                true => 0.0,
                false => medium::locate_deviation_s(self.seed, about),
            };
            sum += match leg.approach {
                Approach::ReadOn if to >= at => self.read_on(at, to),
                Approach::ReadOn => 0.0,
                Approach::Locate => self.locate(at, to, deviation_s),
            };
            at = extent.end_bytes;
        }
        sum
    }

    /// The same in this mount, with the rewind behind it.
    fn with_rewind(&self, at: u64, extents: &[Extent], order: &AccessOrder) -> f64 {
        let last = order.legs.last().expect("requests are read");
        let end = self.geometry.place(extents[last.extent].end_bytes);
        self.carry_out(at, extents, order, false) + rewind_s(&self.mechanics, end)
    }

    /// Costs between requests; the last node is where the tape stands, to which nothing goes back.
    fn costs(&self, extents: &[Extent]) -> Vec<Vec<f64>> {
        let row = |from: u64, own: usize| -> Vec<f64> {
            let cost = |(number, to): (usize, &Extent)| match number == own {
                true => f64::INFINITY,
                false => self.best(from, to.begin_bytes),
            };
            let mut row: Vec<f64> = extents.iter().enumerate().map(cost).collect();
            row.push(if own == extents.len() {
                f64::INFINITY
            } else {
                0.0
            });
            row
        };
        let mut costs: Vec<Vec<f64>> = extents
            .iter()
            .enumerate()
            .map(|(own, extent)| row(extent.end_bytes, own))
            .collect();
        costs.push(row(0, extents.len()));
        costs
    }
}

/// The best order's cost: by dynamic programming, written apart from the planner's.
fn exact(costs: &[Vec<f64>]) -> f64 {
    let n = costs.len() - 1;
    let mut least = vec![vec![f64::INFINITY; n]; 1 << n];
    for first in 0..n {
        least[1 << first][first] = costs[n][first];
    }
    for set in 1..1usize << n {
        for last in 0..n {
            if !least[set][last].is_finite() {
                continue;
            }
            for next in 0..n {
                if set & (1 << next) == 0 {
                    let cost = least[set][last] + costs[last][next];
                    let slot = &mut least[set | 1 << next][next];
                    *slot = slot.min(cost);
                }
            }
        }
    }
    least[(1 << n) - 1]
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min)
}

/// Less than any order costs.
fn bound(costs: &[Vec<f64>]) -> f64 {
    let behind = assignment(costs.len(), |from, to| costs[from][to]);
    let costs = behind.iter().enumerate().map(|(from, &to)| costs[from][to]);
    costs.sum()
}

/// Numbers that do not repeat, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % bound
    }
}

fn requests(count: usize, seed: u64) -> Vec<Extent> {
    let mut dice = Dice(seed);
    let one = |_| {
        let begin_bytes = dice.below(TAPE_BYTES - REQUEST_BYTES);
        Extent {
            begin_bytes,
            end_bytes: begin_bytes + REQUEST_BYTES,
        }
    };
    (0..count).map(one).collect()
}

/// Seconds that this thread has had of a processor: what else runs on the machine does not count.
fn cpu_s() -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").expect("Linux tells");
    let nanoseconds = told
        .split(' ')
        .next()
        .and_then(|text| text.parse::<u64>().ok());
    nanoseconds.expect("its first number is nanoseconds") as f64 / 1e9
}

fn planners_tape() -> Tape {
    Tape::new(mechanics(), TAPE_BYTES)
}

fn mechanics() -> Mechanics {
    Mechanics::of("LTO-9", Height::Half).expect("LTO-9 is known")
}

/// Where the cartridge's wraps end: what a drive tells that is asked for it.
fn told(truth: &Truth) -> Tape {
    let wrap_ends = std::iter::successors(Some(truth.geometry.next_turn(0)), |&end| {
        match truth.geometry.next_turn(end) {
            _ if end == TAPE_BYTES => None,
            u64::MAX => Some(TAPE_BYTES),
            next => Some(next),
        }
    });
    let geometry = PlannedGeometry::of_ends(wrap_ends.collect()).expect("ends of wraps ascend");
    Tape::with_geometry(mechanics(), geometry)
}

/// What a finish may be off: that of all lists together, and that of the worst list.
const FINISH_WITHIN: f64 = 0.1;
/// What reading a request takes.
const REQUEST_S: f64 = REQUEST_BYTES as f64 / 400e6;

/// Prints a line; true if all targets are reached.
fn judge(case: &Case, is_told: bool) -> bool {
    let (mut by_record, mut ours, mut off) = (0.0, 0.0, 0.0f64);
    let (mut foretold, mut least, mut sum, mut worst) = (0.0, 0.0, 0.0f64, 0.0f64);
    let mut planned_s = 0.0f64;
    for list in 0..case.lists {
        let extents = requests(case.requests, list * 1000 + case.requests as u64);
        let truth = Truth::new(list + 1);
        let tape = match is_told {
            true => told(&truth),
            false => planners_tape(),
        };
        let begun_s = cpu_s();
        let order = best_order(&tape, 0, &extents, End::Stays);
        planned_s = planned_s.max(cpu_s() - begun_s);
        let records = in_record_order(&tape, 0, &extents, End::Stays);
        by_record += truth.carry_out(0, &extents, &records, false);
        let took_s = truth.carry_out(0, &extents, &order, false);
        ours += took_s;
        foretold += order.motion_s();
        let read_s = REQUEST_S * extents.len() as f64;
        off = off.max(((took_s + read_s) / order.total_s() - 1.0).abs());
        let mean = truth.carry_out(0, &extents, &order, true);
        let costs = truth.costs(&extents);
        let best = match case.requests <= 12 {
            true => exact(&costs),
            false => bound(&costs),
        };
        least += best;
        sum += mean / best;
        worst = worst.max(mean / best);
    }
    let lists = case.lists as f64;
    let per_request = |seconds: f64| seconds / lists / case.requests as f64;
    let (mean, saved) = (sum / lists, 1.0 - ours / by_record);
    let reached = mean <= case.mean
        && worst <= case.worst
        && saved >= case.saved
        && planned_s < 1.0
        && off <= FINISH_WITHIN;
    println!(
        "{:>4} | {:>6.1} | {:>6.1} | {:>4.0} % | {:>6.1} | {:>3.0} % | {:>6.1} | {:.3} | {:.3} \
         | {:>7.4} | {}",
        case.requests,
        per_request(by_record),
        per_request(ours),
        100.0 * saved,
        per_request(foretold),
        100.0 * off,
        per_request(least),
        mean,
        worst,
        planned_s,
        if reached { "reached" } else { "MISSED" },
    );
    reached
}

/// Asks full-height drives for the orders that they recommend.
fn ask_drives() {
    println!(
        "what a full-height drive recommends, with the rewind, seconds for each request:\n\
         \x20  n | record |   ours | drive's | ours untold | asked s | told, untold by the model: \
         ours, drive's"
    );
    for count in [12, 128, 512] {
        let mut sums = [0.0; 9];
        let mut lists = 0.0;
        for seed in 1..=TAPES_ASKED {
            let mut full = FullTape::new(seed);
            let truth = Truth::full_height(full.tape_bytes, full.seed);
            let mechanics = Mechanics::of("LTO-9", Height::Full).expect("LTO-9 is known");
            let told = full.told(mechanics);
            let untold = Tape::new(mechanics, TAPE_BYTES);
            for list in 0..LISTS_ASKED {
                let extents = blockwise(requests(count, u64::from(seed) * 100 + list));
                let runs = coalesced(&told, &extents);
                let begun_s = cpu_s();
                let asked = full.recommended(&runs);
                let asked_s = cpu_s() - begun_s;
                let by_drive = |tape| {
                    let runs = asked.iter().map(|&run| &runs[run]);
                    in_order_of_runs(tape, BLOCK_BYTES, &extents, runs, End::Rewinds)
                };
                let own = best_order(&told, BLOCK_BYTES, &extents, End::Rewinds);
                let own_untold = best_order(&untold, BLOCK_BYTES, &extents, End::Rewinds);
                let records = in_record_order(&told, BLOCK_BYTES, &extents, End::Rewinds);
                let truly = |order| truth.with_rewind(BLOCK_BYTES, &extents, order);
                let (drive_told, drive_untold) = (by_drive(&told), by_drive(&untold));
                for (sum, one) in sums.iter_mut().zip([
                    truly(&records),
                    truly(&own),
                    truly(&drive_told),
                    truly(&own_untold),
                    asked_s,
                    own.motion_s(),
                    drive_told.motion_s(),
                    own_untold.motion_s(),
                    drive_untold.motion_s(),
                ]) {
                    *sum += one;
                }
                lists += 1.0;
            }
        }
        let [record, own, drive, untold, asked, models @ ..] =
            sums.map(|sum| sum / lists / count as f64);
        println!(
            "{count:>4} | {record:>6.1} | {own:>6.2} | {drive:>7.2} | {untold:>11.2} | {:>7.3} | \
             {models:.2?}",
            asked * count as f64
        );
    }
}

/// Requests that begin and end with records of the tape.
fn blockwise(mut extents: Vec<Extent>) -> Vec<Extent> {
    for extent in &mut extents {
        extent.begin_bytes = (extent.begin_bytes / BLOCK_BYTES).max(1) * BLOCK_BYTES;
        extent.end_bytes = extent.begin_bytes + REQUEST_BYTES;
    }
    extents
}

fn main() -> ExitCode {
    println!(
        "   n | record | ours s | saved  | plan s |   off | best s | mean  | worst | planned | \
         target\n\
         seconds of locates for each request; off: the finish of the worst list; mean and worst: \
         ours by the best (n ≤ 12) or the bound"
    );
    println!("the drive tells where the wraps end:");
    let reached: Vec<bool> = CASES.iter().map(|case| judge(case, true)).collect();
    println!("no more is known than generation and capacity (what is missed here is no failure):");
    for case in &CASES {
        judge(case, false);
    }
    ask_drives();
    for count in [1000, 2000, 4000] {
        let many = requests(count, 7);
        let begun_s = cpu_s();
        let order = best_order(&planners_tape(), 0, &many, End::Stays);
        let planned_s = cpu_s() - begun_s;
        let records = in_record_order(&planners_tape(), 0, &many, End::Stays);
        println!(
            "{count} planned in {planned_s:.2} s: {:.1} s a request by the model, {:.1} s by record",
            order.motion_s() / count as f64,
            records.motion_s() / count as f64
        );
    }
    match reached.iter().all(|&reached| reached) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
