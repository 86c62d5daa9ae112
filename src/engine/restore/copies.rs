//! Which objects of a plan have another copy, and which need it.
//!
//! All first copies are read, then the spare ones of what was lost with these, and then once more
//! the first ones of what came in part from the spare ones alone.

use std::collections::{HashMap, HashSet};

use super::plan::RestorePlan;

/// Which copies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    First,
    Spare,
    FirstAgain,
}

/// A copy that could not be read, or not all of it.
#[derive(Debug)]
struct Tried {
    barcode: String,
    what: String,
}

/// The copies of a plan's objects, by their name in the target.
#[derive(Debug)]
pub(super) struct Copies<'a> {
    /// Objects that have a spare copy that was not turned to.
    spared: HashSet<&'a [u8]>,
    /// Objects whose first copy could not be read, and what was wrong with each that was tried.
    fallen_back: HashMap<&'a [u8], Vec<Tried>>,
    /// Objects of which something came from the spare copy, and the rest may come from the first.
    again: HashSet<&'a [u8]>,
    round: Round,
}

impl<'a> Copies<'a> {
    pub(super) fn of(plan: &'a RestorePlan) -> Self {
        let spares = plan.spares.iter().flat_map(|volume| &volume.reads);
        Self {
            spared: spares.map(|read| read.name.as_slice()).collect(),
            fallen_back: HashMap::new(),
            again: HashSet::new(),
            round: Round::First,
        }
    }

    /// Spares are read from now on.
    pub(super) fn turn_to_spares(&mut self) {
        self.round = Round::Spare;
    }

    /// First copies are read once more from now on.
    pub(super) fn turn_to_first_again(&mut self) {
        self.round = Round::FirstAgain;
    }

    /// True if what comes now is not from the first copy alone.
    pub(super) fn are_others(&self) -> bool {
        self.round != Round::First
    }

    /// True if the object is to be read from the copies that are read now.
    pub(super) fn wants(&self, name: &[u8]) -> bool {
        match self.round {
            Round::First => !self.fallen_back.contains_key(name),
            Round::Spare => self.fallen_back.contains_key(name) && !self.again.contains(name),
            Round::FirstAgain => self.again.contains(name),
        }
    }

    /// Notes that this copy of an object cannot be read; `can_mend`: it came in part, and the first
    /// one was not used for it. False if there is no other copy.
    pub(super) fn falls_back(&mut self, name: &'a [u8], can_mend: bool) -> bool {
        match self.round {
            Round::First => match self.spared.take(name) {
                Some(name) => self.fallen_back.insert(name, Vec::new()).is_none(),
                None => false,
            },
            Round::Spare => can_mend && self.again.insert(name),
            Round::FirstAgain => false,
        }
    }

    /// Notes what was wrong with the copy of an object on this volume, if there is another.
    pub(super) fn tried(&mut self, name: &[u8], barcode: &str, what: &str) {
        let Some(tried) = self.fallen_back.get_mut(name) else {
            return;
        };
        tried.retain(|one| one.barcode != barcode);
        tried.push(Tried {
            barcode: barcode.to_owned(),
            what: what.to_owned(),
        });
    }

    /// What was wrong with all copies of an object; this, on that volume, was the last.
    pub(super) fn all_tried(&mut self, name: &[u8], barcode: &str, what: &str) -> String {
        self.tried(name, barcode, what);
        let said = |one: &Tried| format!("on {}: {}", one.barcode, one.what);
        match self.fallen_back.get(name) {
            Some(tried) => tried.iter().map(said).collect::<Vec<_>>().join("; "),
            None => format!("on {barcode}: {what}"),
        }
    }
}
