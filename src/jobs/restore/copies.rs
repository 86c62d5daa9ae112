//! Which copy of each object is read: those for which fewest tapes are mounted. Pure.
//!
//! Of each object only the best copies are left to choose from: whole ones; of these the
//! nearest; of these such as have all metadata; of these such as are on no suspect tape. Among
//! them those come first for which no tape is mounted: what a drive holds already, it gives.
//! Then tapes are taken one after another, each time those that complete most objects for each
//! mount, so that copies on tapes that are needed anyway cost nothing. Where that leaves a
//! choice, those of fewest tapes are taken, then the job and the pool that come first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use uuid::Uuid;

use super::choose::Selection;

/// The tapes that hold one copy of an object.
pub(super) type Tapes = BTreeSet<Uuid>;

/// Picks a copy for each object of `selection`. `loaded`: volumes that are in drives.
pub(super) fn settle(selection: &mut Selection, loaded: &HashSet<Uuid>) {
    let mut objects: BTreeMap<Vec<Tapes>, u64> = BTreeMap::new();
    for chosen in selection.values() {
        *objects.entry(chosen.copies()).or_default() += 1;
    }
    let picks = fewest(&objects, loaded);
    for chosen in selection.values_mut() {
        if let Some(&copy) = picks.get(&chosen.copies()) {
            chosen.pick(copy);
        }
    }
}

/// For each set of copies which of them to read; `objects` counts those that have it.
fn fewest(
    objects: &BTreeMap<Vec<Tapes>, u64>,
    loaded: &HashSet<Uuid>,
) -> BTreeMap<Vec<Tapes>, usize> {
    let mut open: Vec<(&Vec<Tapes>, u64)> =
        objects.iter().map(|(all, count)| (all, *count)).collect();
    let mut picks = BTreeMap::new();
    let mut used = Tapes::new();
    // Where there is one copy, there is no choice.
    for (copies, _) in &open {
        if let [only] = &copies[..] {
            used.extend(only);
        }
    }
    loop {
        open.retain(|(copies, _)| {
            let at_hand = copies.iter().position(|copy| copy.is_subset(&used));
            if let Some(copy) = at_hand {
                picks.insert((*copies).clone(), copy);
            }
            at_hand.is_none() && !copies.is_empty()
        });
        let candidates = open
            .iter()
            .flat_map(|(copies, _)| copies.iter().enumerate());
        let best = candidates.max_by(|(a_at, a), (b_at, b)| {
            let worth = |at: usize, copy: &Tapes| {
                let new: Vec<&Uuid> = copy.difference(&used).collect();
                let with: Tapes = used.union(copy).copied().collect();
                let done = open
                    .iter()
                    .filter(|(copies, _)| copies.iter().any(|c| c.is_subset(&with)));
                let objects: u64 = done.map(|(_, count)| count).sum();
                let mounts = new.iter().filter(|volume| !loaded.contains(volume)).count();
                (objects, mounts as u64, Reverse(new.len()), Reverse(at))
            };
            let ((a_objects, a_mounts, a_few, a_at), (b_objects, b_mounts, b_few, b_at)) =
                (worth(*a_at, a), worth(*b_at, b));
            // What needs no mount, then more objects for each mount.
            let (a_worth, b_worth) = (a_objects * b_mounts, b_objects * a_mounts);
            let (a_free, b_free) = (a_mounts == 0, b_mounts == 0);
            (a_free, a_worth, a_few, a_at).cmp(&(b_free, b_worth, b_few, b_at))
        });
        let Some((_, best)) = best else {
            return picks;
        };
        used.extend(best);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tapes(numbers: &[u128]) -> Tapes {
        numbers.iter().copied().map(Uuid::from_u128).collect()
    }

    #[test]
    fn copies_are_taken_so_that_few_tapes_are_needed() {
        type Case = (
            &'static str,
            Vec<(Vec<Tapes>, u64)>,
            &'static [u128],
            Vec<usize>,
        );
        let cases: [Case; 9] = [
            (
                "one tape with copies of all instead of two",
                vec![
                    (vec![tapes(&[1]), tapes(&[3])], 5),
                    (vec![tapes(&[2]), tapes(&[3])], 5),
                ],
                &[],
                vec![1, 1],
            ),
            (
                "the first pool where nothing speaks for another",
                vec![(vec![tapes(&[1]), tapes(&[3])], 5)],
                &[],
                vec![0],
            ),
            (
                "a tape that is loaded",
                vec![(vec![tapes(&[1]), tapes(&[3])], 5)],
                &[3],
                vec![1],
            ),
            (
                "a tape that is loaded and gives all, not the pool that comes first",
                vec![
                    (vec![tapes(&[1]), tapes(&[3])], 5),
                    (vec![tapes(&[2]), tapes(&[3])], 5),
                ],
                &[3],
                vec![1, 1],
            ),
            (
                "two tapes that are loaded instead of one that is not",
                vec![(vec![tapes(&[1, 2]), tapes(&[3])], 1)],
                &[1, 2],
                vec![0],
            ),
            (
                "a loaded tape gives what it has, another one the rest",
                vec![
                    (vec![tapes(&[1]), tapes(&[3])], 1),
                    (vec![tapes(&[2]), tapes(&[3])], 100),
                ],
                &[1],
                vec![0, 0],
            ),
            (
                "a tape that is needed anyway",
                vec![
                    (vec![tapes(&[3])], 1),
                    (vec![tapes(&[1]), tapes(&[3])], 100),
                ],
                &[1],
                vec![0, 1],
            ),
            (
                "a file on one tape rather than in parts on two",
                vec![(vec![tapes(&[1, 2]), tapes(&[3])], 1)],
                &[],
                vec![1],
            ),
            (
                "objects without a whole copy are left alone",
                vec![(Vec::new(), 3), (vec![tapes(&[1])], 1)],
                &[],
                vec![0],
            ),
        ];
        for (what, objects, loaded, expected) in cases {
            let loaded = loaded.iter().copied().map(Uuid::from_u128).collect();
            let asked: Vec<Vec<Tapes>> = objects.iter().map(|(copies, _)| copies.clone()).collect();
            let picks = fewest(&objects.into_iter().collect(), &loaded);
            let found: Vec<usize> = asked.iter().filter_map(|c| picks.get(c).copied()).collect();
            assert_eq!(found, expected, "{what}");
        }
    }
}
