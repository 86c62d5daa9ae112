//! Hard links, made once everything they may lead to is in place.

use std::collections::HashMap;

use uuid::Uuid;

use super::FirstName;
use super::incoming::Lost;
use super::plan::RestorePlan;

/// A hard link that waits for its first name.
#[derive(Debug, Clone)]
pub(super) struct WaitingLink<'a> {
    /// What it will be called.
    pub name: &'a [u8],
    /// Archive path of the file's first name.
    pub first: Vec<u8>,
    /// The run that archived both.
    pub job: Uuid,
}

/// Which reads of a plan were put in their place, by volume (spares behind the others) and read.
#[derive(Debug)]
pub(super) struct Placed(Vec<Vec<bool>>);

impl Placed {
    pub(super) fn none_of(plan: &RestorePlan) -> Self {
        Self(
            plan.volumes
                .iter()
                .chain(&plan.spares)
                .map(|volume| vec![false; volume.reads.len()])
                .collect(),
        )
    }

    pub(super) fn set(&mut self, volume: usize, read: usize) {
        self.0[volume][read] = true;
    }
}

/// Where first names went: run and archive path to name in the target.
pub(super) struct FirstNames<'a>(HashMap<(Uuid, &'a [u8]), Option<&'a [u8]>>);

impl<'a> FirstNames<'a> {
    /// Finds what was restored of the first names that `links` wait for: in this run, also by other
    /// ways (`came`), or before it.
    pub(super) fn find(
        links: &'a [WaitingLink<'_>],
        plan: &'a RestorePlan,
        placed: &Placed,
        came: &'a [FirstName],
    ) -> Self {
        let mut names: HashMap<(Uuid, &[u8]), Option<&[u8]>> = links
            .iter()
            .map(|link| ((link.job, link.first.as_slice()), None))
            .collect();
        let volumes = plan.volumes.iter().chain(&plan.spares);
        for (volume, placed) in volumes.zip(&placed.0) {
            for (read, _) in volume
                .reads
                .iter()
                .zip(placed)
                .filter(|(_, placed)| **placed)
            {
                if let Some(name) = names.get_mut(&(read.job, read.path.as_slice())) {
                    *name = Some(&read.name);
                }
            }
        }
        for first in came.iter().chain(&plan.resume.first_names) {
            if let Some(name @ None) = names.get_mut(&(first.job, first.path.as_slice())) {
                *name = Some(&first.name);
            }
        }
        Self(names)
    }

    /// The name that a link leads to.
    pub(super) fn of(&self, link: &WaitingLink<'_>) -> Result<&'a [u8], Lost> {
        match self.0.get(&(link.job, link.first.as_slice())) {
            Some(Some(first)) => Ok(first),
            _ => {
                let first = crate::engine::target::shown(&link.first);
                let what = format!("its first name `{first}` was not restored");
                Err(Lost::Content(what))
            }
        }
    }
}
