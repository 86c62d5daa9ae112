//! Which of several tapes is the one, where no barcode can be read and their labels alone tell.
//!
//! With one such tape its label is compared when it is read. With several, all labels are read
//! before any is taken into the catalog: else the first in the order of slots would win.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::{Rebuild, is_about_all_tapes};
use crate::jobs::append_check::read_label;
use crate::jobs::mount::{Bay, Listed, Mounter, Unread};
use crate::jobs::{JobError, catalog};
use crate::volume::label::Label;

/// Tapes that are not to be read, by name, each with the reason.
pub(super) type Refusals = HashMap<String, JobError>;

/// What a tape without readable barcode says of itself.
#[derive(Debug, Clone)]
struct Claim {
    /// Name of the tape's place.
    name: String,
    barcode: String,
    volume: Uuid,
}

impl Rebuild<'_> {
    /// Reads the labels of the tapes whose barcodes cannot be read, if there are several, and
    /// says which of them are not to be taken for a volume. `tapes` follows a tape that lay in
    /// a drive to its slot.
    ///
    /// # Errors
    ///
    /// What the next tape would meet as well: then too little is known to take any.
    pub(super) fn compare_claims(
        &self,
        mounter: &mut Mounter<'_>,
        tapes: &mut [Listed],
    ) -> Result<Refusals, JobError> {
        let (mut refused, mut claims) = (Refusals::new(), Vec::new());
        let unread = tapes.iter().filter(|tape| tape.unread.is_some());
        if unread.count() < 2 {
            return Ok(refused);
        }
        for tape in tapes {
            let Some(unread) = &tape.unread else { continue };
            if self.site.monitor.stop_requested() {
                return Err(JobError::Stopped);
            }
            let before: HashSet<String> = names(mounter)?;
            let label = self.label_of(mounter, &tape.name, unread);
            // One that lay in a drive went to a slot.
            let mut listed = mounter.cartridges()?;
            listed.retain(|now| now.unread.is_some() && !before.contains(&now.name));
            if let (Some(moved), true) = (listed.pop(), listed.is_empty()) {
                *tape = moved;
            }
            let name = tape.name.clone();
            match label {
                Ok(label) => claims.push(Claim {
                    name,
                    barcode: label.barcode,
                    volume: label.volume,
                }),
                Err(error @ JobError::Stopped) => return Err(error),
                Err(error) if is_about_all_tapes(&error) => return Err(error),
                Err(error) => drop(refused.insert(name, error)),
            }
        }
        for (barcode, claims) in by_barcode(claims) {
            let known = catalog::live_volume(self.catalog, &barcode)?;
            let known = known.map(|known| known.label.what.volume);
            refused.extend(judge(&barcode, &claims, known));
        }
        Ok(refused)
    }

    fn label_of(
        &self,
        mounter: &mut Mounter<'_>,
        name: &str,
        unread: &Unread,
    ) -> Result<Label, JobError> {
        let read = |bay: &mut Bay| read_label(bay, false);
        let (bay, label) = mounter.mount_unread_then(name, unread, read)?;
        mounter.close(bay, Ok(label))
    }
}

fn names(mounter: &mut Mounter<'_>) -> Result<HashSet<String>, JobError> {
    let listed = mounter.cartridges()?.into_iter();
    Ok(listed.map(|tape| tape.name).collect())
}

fn by_barcode(claims: Vec<Claim>) -> BTreeMap<String, Vec<Claim>> {
    let mut groups: BTreeMap<String, Vec<Claim>> = BTreeMap::new();
    for claim in claims {
        groups.entry(claim.barcode.clone()).or_default().push(claim);
    }
    groups
}

/// Of tapes that claim one barcode: those that are not to be read. Tapes with one volume are
/// copies of each other: the first is read. Of different volumes only the one that the catalog
/// knows is read, if it knows one of them.
fn judge(barcode: &str, claims: &[Claim], known: Option<Uuid>) -> Refusals {
    let [first, others @ ..] = claims else {
        return Refusals::new();
    };
    let one_volume = others.iter().all(|claim| claim.volume == first.volume);
    let right = match one_volume {
        true => Some(first),
        false => claims.iter().find(|claim| Some(claim.volume) == known),
    };
    let refused = claims
        .iter()
        .filter(|claim| right.is_none_or(|right| right.name != claim.name));
    let refuse = |claim: &Claim| {
        let error = JobError::ClaimedTwice {
            barcode: barcode.to_owned(),
            places: claims.iter().map(|claim| claim.name.clone()).collect(),
            one_volume,
            read: right.map(|right| right.name.clone()),
        };
        (claim.name.clone(), error)
    };
    refused.map(refuse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tape_is_taken_for_another_because_of_its_place() {
        const A: Uuid = Uuid::from_u128(1);
        const B: Uuid = Uuid::from_u128(2);
        const C: Uuid = Uuid::from_u128(3);
        for (volumes, known, refused) in [
            (&[A][..], None, &[][..]),
            (&[A, A], None, &[1]),
            (&[A, A], Some(A), &[1]),
            (&[A, B], None, &[0, 1]),
            (&[A, B], Some(B), &[0]),
            (&[A, B], Some(C), &[0, 1]),
            (&[A, B, B], Some(B), &[0, 2]),
        ] {
            let name = |index: usize| format!("(slot {index})");
            let claims: Vec<Claim> = volumes
                .iter()
                .enumerate()
                .map(|(index, volume)| Claim {
                    name: name(index),
                    barcode: "X".to_owned(),
                    volume: *volume,
                })
                .collect();
            let refusals = judge("X", &claims, known);
            let mut found: Vec<&String> = refusals.keys().collect();
            found.sort();
            let expected: Vec<String> = refused.iter().map(|index| name(*index)).collect();
            assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{volumes:?}");
            for error in refusals.values() {
                let said = error.to_string();
                assert!(
                    (0..volumes.len()).all(|i| said.contains(&name(i))),
                    "{said}"
                );
            }
        }
    }
}
