//! Directories above what was asked for: they get their metadata back, and never cost a tape.
//!
//! Their members are read where they lie on tapes that are read anyway. Else what the catalog
//! knows of the version that is wanted has to do: mode, owner and times. An older version is not
//! taken, since it may let more people in.

use std::collections::HashSet;

use super::choose::Selection;
use super::chosen::{Chosen, Copies, Member};
use super::copies::Tapes;
use super::names::Names;
use crate::engine::restore::KnownDirectory;

/// Takes the directories that nobody asked for out of a selection.
pub(super) fn apart(selection: &mut Selection) -> Vec<Chosen> {
    let all = std::mem::take(selection).into_iter();
    let (above, asked): (Selection, Selection) = all.partition(|(_, chosen)| chosen.is_above);
    *selection = asked;
    above.into_values().collect()
}

/// Adds the members of those that lie within reach on the tapes that `members` are on, but for
/// those that are in the target and keep what they have. Gives back what is known of the others.
pub(super) fn add(
    above: Vec<Chosen>,
    names: Names<'_>,
    keeping: &HashSet<&[u8]>,
    members: &mut Copies,
) -> Vec<KnownDirectory> {
    let tapes: Tapes = members.first.iter().map(|member| member.volume).collect();
    let mut known = Vec::new();
    for mut chosen in above {
        let name = names.of(chosen.known().0.path.as_slice());
        if keeping.contains(name.as_slice()) {
            continue;
        }
        if chosen.pick_within(&tapes) {
            // Another copy of it is worth no tape either.
            let own = chosen.into_members().first.into_iter();
            members.first.extend(own.map(|member| Member {
                is_above: true,
                ..member
            }));
            continue;
        }
        let (member, barcode) = chosen.known();
        known.push(KnownDirectory {
            name,
            barcode: barcode.to_owned(),
            member,
        });
    }
    known
}
