//! Hard links whose first name is not part of the restore.
//!
//! A hard link's data is where its first name is. If that name is restored too, from the
//! same job, the link's own member does. Otherwise the first name's data is read and
//! restored under the link's name, and further links to it follow that one.

use std::collections::{HashMap, HashSet};

use catalogs::model::Kind;
use catalogs::model::path::check_path;
use uuid::Uuid;

use super::choose::{Chooser, Selection};
use super::chosen::{Chosen, Copies};
use crate::engine::restore::FirstName;
use crate::jobs::JobError;

/// Looks up what a link points to.
pub(super) struct LinkFinder<'a> {
    pub(super) chooser: &'a Chooser<'a>,
}

impl LinkFinder<'_> {
    /// The file `first`, as `job` archived it.
    pub(super) fn first(&self, first: &[u8], job: Uuid) -> Result<Option<Chosen>, JobError> {
        if check_path(first).is_err() {
            // No tape of ours says so: nothing has such a name.
            return Ok(None);
        }
        let hits = self.chooser.exact(first)?;
        let first = self.chooser.version(&hits, job);
        Ok(first.filter(|chosen| chosen.kind != Kind::Hardlink))
    }
}

/// The members to read for a selection. `there`: first names that are in the target already.
pub(super) fn plan_links(
    selection: Selection,
    finder: &LinkFinder<'_>,
    there: &[FirstName],
) -> Result<Copies, JobError> {
    let job_of: HashMap<Vec<u8>, Uuid> = selection
        .values()
        .filter(|chosen| chosen.kind == Kind::Hardlink)
        .filter_map(|link| selection.get_key_value(&link.link_target))
        .filter(|(_, first)| first.kind != Kind::Hardlink)
        .map(|(path, first)| (path.clone(), first.job))
        .collect();
    let there = there.iter().map(|first| (first.job, first.path.clone()));
    let mut standing_in: HashSet<(Uuid, Vec<u8>)> = there.collect();
    let mut members = Copies::default();
    for (path, chosen) in selection {
        let first_is_there = job_of.get(&chosen.link_target) == Some(&chosen.job);
        let key = (chosen.job, chosen.link_target.clone());
        if chosen.kind != Kind::Hardlink || first_is_there || standing_in.contains(&key) {
            members.extend(chosen.into_members());
            continue;
        }
        let Some(data) = finder.first(&key.1, key.0)? else {
            // The link's own member will be reported: its first name is nowhere.
            members.extend(chosen.into_members());
            continue;
        };
        let mut data = data.into_members();
        for member in data.first.iter_mut().chain(&mut data.spare) {
            member.read.name.clone_from(&path);
        }
        members.extend(data);
        standing_in.insert(key);
    }
    Ok(members)
}
