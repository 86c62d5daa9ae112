//! Which objects of a plan have another copy, and which need it.

use std::collections::HashSet;

use super::plan::RestorePlan;

/// The copies of a plan's objects, by their name in the target.
#[derive(Debug)]
pub(super) struct Copies<'a> {
    /// Objects that have a spare copy that was not turned to.
    spared: HashSet<&'a [u8]>,
    /// Objects whose first copy could not be read.
    fallen_back: HashSet<&'a [u8]>,
    are_spares: bool,
}

impl<'a> Copies<'a> {
    pub(super) fn of(plan: &'a RestorePlan) -> Self {
        let spares = plan.spares.iter().flat_map(|volume| &volume.reads);
        Self {
            spared: spares.map(|read| read.name.as_slice()).collect(),
            fallen_back: HashSet::new(),
            are_spares: false,
        }
    }

    /// Spares are read from now on.
    pub(super) fn turn_to_spares(&mut self) {
        self.are_spares = true;
        self.spared.clear();
    }

    /// True once spares are read.
    pub(super) fn are_spares(&self) -> bool {
        self.are_spares
    }

    /// True if the object is to be read from the copies that are read now.
    pub(super) fn wants(&self, name: &[u8]) -> bool {
        match self.are_spares {
            true => self.fallen_back.contains(name),
            false => !self.fallen_back.contains(name),
        }
    }

    /// Notes that this copy of an object cannot be read. False if it has no other.
    pub(super) fn falls_back(&mut self, name: &[u8]) -> bool {
        match self.spared.take(name) {
            Some(name) => self.fallen_back.insert(name),
            None => false,
        }
    }
}
