//! Orders are whole, never worse than record order, and of few requests the best.

use proptest::prelude::*;

use super::costs::Costs;
use super::*;

const TB: u64 = 1_000_000_000_000;
const MB: u64 = 1_000_000;

fn lto9() -> Tape {
    Tape::new(Mechanics::of("LTO-9", Height::Half).unwrap(), 18 * TB)
}

fn extents(most: usize) -> impl Strategy<Value = Vec<Extent>> {
    let one = (0..18 * TB / MB, 1..2_000u64).prop_map(|(at, length)| Extent {
        begin_bytes: at * MB,
        end_bytes: (at + length) * MB,
    });
    // Some lie at each other's heels.
    let near = (0..200u64, 1..2_000u64).prop_map(|(at, length)| Extent {
        begin_bytes: 9 * TB + at * 100 * MB,
        end_bytes: 9 * TB + (at * 100 + length) * MB,
    });
    proptest::collection::vec(prop_oneof![3 => one, 1 => near], 0..most)
}

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Stays), Just(End::Rewinds)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn each_extent_is_read_once_and_never_later_than_in_record_order(
        extents in extents(90), from in 0..18 * TB, end in ends(),
    ) {
        let tape = lto9();
        let found = best_order(&tape, from, &extents, end);
        let mut read: Vec<usize> = found.legs.iter().map(|leg| leg.extent).collect();
        read.sort_unstable();
        prop_assert_eq!(read, (0..extents.len()).collect::<Vec<_>>());
        let by_record = in_record_order(&tape, from, &extents, end);
        let seconds = |order: &AccessOrder| order.motion_s() + order.read_s();
        prop_assert!(seconds(&found) <= seconds(&by_record) + 1e-3);
        prop_assert!(found.legs.iter().all(|leg| leg.approach_s >= 0.0 && leg.read_s >= 0.0));
    }

    #[test]
    fn the_order_of_few_is_the_best_there_is(
        costs in proptest::collection::vec(0..1000u32, 49),
    ) {
        let costs = costs.into_iter().enumerate().map(|(at, cost)| match at % 8 {
            0 => f32::INFINITY,
            _ => cost as f32,
        });
        let costs = Costs::of_matrix(7, costs.collect());
        let found = costs.of_order(&exact::best_order(&costs));
        prop_assert_eq!(found, tried(&costs, &mut Vec::new()));
    }

    #[test]
    fn the_search_finds_nearly_the_best_order(extents in extents(EXACT_RUNS)) {
        prop_assume!(extents.len() > 1);
        let costs = Costs::of(&lto9(), 0, &extents, End::Stays);
        let best = costs.of_order(&exact::best_order(&costs));
        let record_order: Vec<usize> = (0..extents.len()).collect();
        let found = costs.of_order(&search::good_order(&costs, &record_order));
        prop_assert!(found <= 1.25 * best + 1e-3, "{} instead of {}", found, best);
    }
}

/// The least cost of any order, by trying all.
fn tried(costs: &Costs, taken: &mut Vec<usize>) -> f64 {
    if taken.len() == costs.depot() {
        return costs.of_order(taken);
    }
    let mut least = f64::INFINITY;
    for next in 0..costs.depot() {
        if !taken.contains(&next) {
            taken.push(next);
            least = least.min(tried(costs, taken));
            taken.pop();
        }
    }
    least
}

#[test]
fn the_tape_reads_on_where_that_is_quicker_than_a_locate() {
    let tape = lto9();
    let wrap = 18 * TB / 280;
    for (what, from, to, approach, seconds) in [
        ("the next byte", MB, MB, Approach::ReadOn, 0.0),
        ("a second further", 0, 400 * MB, Approach::ReadOn, 1.0),
        // 4.29 s and 12 of 161 s of the way.
        (
            "twelve seconds further",
            MB,
            4_801 * MB,
            Approach::ReadOn,
            12.0,
        ),
        (
            "thirteen seconds further",
            MB,
            5_201 * MB,
            Approach::Locate,
            12.699,
        ),
        // A turn between costs 2 s, a locate to another wrap and direction 16.
        (
            "over a turn",
            wrap - 200 * MB,
            wrap + 200 * MB,
            Approach::ReadOn,
            3.0,
        ),
        (
            "back in the wrap",
            2_001 * MB,
            MB,
            Approach::Locate,
            15.61 + 3.235,
        ),
        (
            "back to the beginning",
            2_000 * MB,
            0,
            Approach::Locate,
            4.0 + 3.608,
        ),
    ] {
        let (found, took) = tape.approach(from, to);
        assert_eq!(found, approach, "{what}: {took}");
        assert!((took - seconds).abs() < 0.01, "{what}: {took}");
    }
}

#[test]
fn what_lies_in_one_record_is_read_once() {
    let tape = lto9();
    let place = |begin_bytes, end_bytes| Extent {
        begin_bytes,
        end_bytes,
    };
    // Members of one frame begin where it begins; the last reaches beyond it.
    let extents = [
        place(100 * MB, 500 * MB),
        place(100 * MB, 500 * MB),
        place(300 * MB, 900 * MB),
    ];
    let order = best_order(&tape, 0, &extents, End::Stays);
    assert_eq!(
        order.legs.iter().map(|leg| leg.extent).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert!((order.read_s() - 2.0).abs() < 1e-9, "{order:?}");
    assert!((order.motion_s() - 0.25).abs() < 1e-9, "{order:?}");
}

#[test]
fn an_unload_of_lto_9_takes_longer_the_more_is_on_the_tape() {
    let tape = lto9();
    let mechanics = tape.mechanics();
    for (used, thirds) in [
        (0, 0.0),
        (1, 1.0),
        (6 * TB, 1.0),
        (7 * TB, 2.0),
        (18 * TB, 3.0),
    ] {
        let expected = mechanics.unload_s + thirds * 55.0;
        assert_eq!(tape.unload_s(used), expected, "{used}");
    }
}

#[test]
fn the_first_file_is_read_first_where_it_is_to_be_there_soon() {
    let tape = lto9();
    let at = |begin: u64, length: u64| Extent {
        begin_bytes: begin,
        end_bytes: begin + length,
    };
    // What nobody waits for lies on the way, a long file nearer than a short one.
    let extents = [
        at(2 * TB, 500_000 * MB),
        at(9 * TB, MB),
        at(9 * TB + 400_000 * MB, MB),
        at(17 * TB, MB),
        at(TB, MB),
    ];
    let soonest = soonest_order(&tape, MB, &extents, |one| one != 4, End::Rewinds);
    let order: Vec<usize> = soonest.legs.iter().map(|leg| leg.extent).collect();
    let done_s = |order: &AccessOrder, wanted: usize| -> f64 {
        let upto = order.legs.iter().position(|leg| leg.extent == wanted);
        let legs = &order.legs[..=upto.unwrap()];
        legs.iter().map(|leg| leg.approach_s + leg.read_s).sum()
    };
    let first = (0..4).min_by(|a, b| {
        let alone = |one: usize| {
            let only = [extents[one]];
            in_given_order(&tape, MB, &only, End::Stays).total_s()
        };
        alone(*a).total_cmp(&alone(*b))
    });
    assert_eq!(order[0], first.unwrap(), "{order:?}");
    assert_eq!(
        (order[3], order[4]),
        (0, 4),
        "the long one, then what nobody waits for"
    );
    let best = best_order(&tape, MB, &extents, End::Rewinds);
    let mean = |order: &AccessOrder| (0..4).map(|one| done_s(order, one)).sum::<f64>() / 4.0;
    assert!(
        mean(&soonest) < mean(&best),
        "{} {}",
        mean(&soonest),
        mean(&best)
    );
    assert!(soonest.total_s() >= best.total_s());
}

#[test]
fn what_nobody_waits_for_comes_last_also_of_more_than_can_be_searched() {
    let tape = lto9();
    let places = 1..=SEARCHED_RUNS as u64 + 1;
    let extents: Vec<Extent> = places
        .map(|place| Extent {
            begin_bytes: place * 4_000 * MB,
            end_bytes: place * 4_000 * MB + MB,
        })
        .collect();
    assert!(coalesced(&tape, &extents).len() > SEARCHED_RUNS);
    let soonest = soonest_order(&tape, MB, &extents, |one| one % 2 == 0, End::Rewinds);
    let order = soonest.legs.iter().map(|leg| leg.extent);
    let wanted = order.take_while(|one| one % 2 == 0).count();
    assert_eq!(wanted, SEARCHED_RUNS / 2 + 1);
}

#[test]
fn what_nobody_asked_for_does_not_delay_what_was() {
    let tape = lto9();
    let at = |begin_bytes: u64| Extent {
        begin_bytes,
        end_bytes: begin_bytes + MB,
    };
    type Places = &'static [u64];
    // Where lies what nobody asked for, and what was; the order by their numbers.
    let cases: [(&str, Places, Places, Places); 6] = [
        ("4 GB before it", &[TB], &[TB + 4_000 * MB], &[1, 0]),
        ("near before it", &[TB], &[TB + 500 * MB], &[0, 1]),
        ("behind it", &[2 * TB], &[TB], &[1, 0]),
        (
            "one of each",
            &[TB, TB + 4_000 * MB],
            &[TB + 4_010 * MB],
            &[1, 2, 0],
        ),
        ("none", &[], &[TB], &[0]),
        ("nothing else", &[TB, 2 * TB], &[], &[0, 1]),
    ];
    for (what, above, asked, expected) in cases {
        let places = above.iter().chain(asked);
        let extents: Vec<Extent> = places.map(|&place| at(place)).collect();
        let by_record = in_record_order(&tape, MB, &extents, End::Rewinds);
        let is_asked = |extent: usize| extent >= above.len();
        let order = asked_first(&tape, MB, &extents, by_record, is_asked, End::Rewinds);
        let numbers: Vec<u64> = order.legs.iter().map(|leg| leg.extent as u64).collect();
        assert_eq!(numbers, expected, "{what}");
        let order = order.legs.iter().map(|leg| leg.extent);
        let again = follow(&tape, MB, &extents, order, End::Rewinds);
        assert!(again.rewind_s > 0.0, "{what}: with all ways");
    }
}
