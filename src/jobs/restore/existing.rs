//! What of a selection is in the target already, and what becomes of it.

use std::collections::HashSet;

use catalogs::model::Kind;
use serde::{Deserialize, Serialize};

use super::RestoreOptions;
use super::choose::Selection;
use super::chosen::Chosen;
use super::names::Names;
use super::resumed::Earlier;
use crate::engine::target::{Existing, Name, Presence, Present, TargetError};
use crate::error_text::with_causes;
use crate::jobs::error::RestoreError;
use crate::jobs::{ByteText, JobError, Problem, Problems};
use crate::volume::member::FileTime;

/// What is done where something is that would be restored. Directories that are there are
/// used in any case, and nothing ever takes a directory's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExistingPolicy {
    /// Nothing is restored at all.
    #[default]
    Refuse,
    /// It stays, and the archived one is not even read.
    Skip,
    /// It is replaced if the archived one was modified later; else as `Skip`.
    Newer,
    /// It stays, and the restored one gets another name.
    Rename,
    /// It is replaced.
    Overwrite,
}

impl ExistingPolicy {
    /// Whether also what cannot come to its place would be read.
    pub(super) fn reads_all(self) -> bool {
        self != ExistingPolicy::Skip
    }

    /// The same for whatever comes into the target later on.
    pub(super) fn of_target(self) -> Existing {
        match self {
            ExistingPolicy::Refuse | ExistingPolicy::Skip => Existing::Refuse,
            ExistingPolicy::Newer => Existing::Newer,
            ExistingPolicy::Rename => Existing::Rename,
            ExistingPolicy::Overwrite => Existing::Overwrite,
        }
    }
}

/// What was found in the target.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Each object that is there, with what becomes of it.
    pub(super) objects: Problems,
    /// Bytes that are free once what is replaced is gone.
    pub(super) replaced_bytes: u64,
    /// Directories that are there, above objects of the restore or among them.
    pub(super) directories: Vec<Vec<u8>>,
    /// What earlier runs of a restore that goes on have left.
    pub(super) earlier: Earlier,
    /// The first symbolic link of the target that is where a directory is needed.
    pub(super) link: Option<Vec<u8>>,
    /// How many objects such links keep from their places.
    pub(super) behind_links: u64,
    /// Of what is left of the selection nothing is new but directories that are there.
    only_directories: bool,
}

impl Found {
    /// The directories that keep what they have, by their names in the target.
    pub(super) fn keeping(&self, policy: ExistingPolicy) -> HashSet<&[u8]> {
        if policy == ExistingPolicy::Overwrite {
            return HashSet::new();
        }
        let earlier = self.earlier.directories.iter();
        let foreign = earlier.filter(|directory| !directory.is_ours);
        let there = self.directories.iter().map(Vec::as_slice);
        there
            .chain(foreign.map(|directory| directory.name.as_slice()))
            .collect()
    }
}

/// Looks for each object in the target, and takes those out of the selection that are to stay.
pub(super) fn look(options: &RestoreOptions, selection: &mut Selection) -> Result<Found, JobError> {
    let mut present = Present::of(&options.target);
    let mut found = fates(options, selection, &mut present)?;
    // What is left are directories that keep what they have: no tape is worth moving for it.
    let policy = options.existing;
    if found.only_directories && found.objects.total > 0 && policy != ExistingPolicy::Overwrite {
        selection.clear();
    }
    found.directories = directories(options, selection, &mut present)?;
    Ok(found)
}

/// Directories with longer names are not looked for above an object: a tape can name tens of
/// thousands with one path.
pub(super) const ANCESTOR_BYTES: usize = 4096;

/// The names of the directories that `name` is in, from the nearest to the target, which has none.
pub(super) fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let above = |name: &&'_ [u8]| -> Option<usize> {
        let slash = name.iter().rposition(|&byte| byte == b'/');
        (!name.is_empty()).then(|| slash.unwrap_or(0))
    };
    let all = std::iter::successors(Some(name), move |name| Some(&name[..above(name)?]));
    all.skip(1).skip_while(|name| name.len() > ANCESTOR_BYTES)
}

/// The directories of the selection and above it that are in the target.
fn directories(
    options: &RestoreOptions,
    selection: &Selection,
    present: &mut Present,
) -> Result<Vec<Vec<u8>>, JobError> {
    let names = Names(&options.maps);
    let (mut seen, mut there) = (HashSet::new(), Vec::new());
    for (path, chosen) in selection {
        let name = names.of(path);
        let own = (chosen.kind == Kind::Directory).then_some(name.as_slice());
        for directory in own.into_iter().chain(ancestors(&name)) {
            if directory.is_empty() || !seen.insert(directory.to_vec()) {
                break;
            }
            let time = Name::new(directory).and_then(|directory| present.directory(directory));
            if time.map_err(|error| unseen(&error))?.is_some() {
                there.push(directory.to_vec());
            }
        }
    }
    Ok(there)
}

/// An object of the target that cannot be looked at.
pub(super) fn unseen(error: &TargetError) -> RestoreError {
    RestoreError::Unseen {
        what: with_causes(error),
    }
}

/// What becomes of each object; those that are to stay are taken out of the selection.
pub(super) fn fates(
    options: &RestoreOptions,
    selection: &mut Selection,
    present: &mut Present,
) -> Result<Found, JobError> {
    let (policy, names) = (options.existing, Names(&options.maps));
    let mut found = Found {
        only_directories: true,
        ..Found::default()
    };
    let mut failed = None;
    selection.retain(|path, chosen| {
        let name = names.of(path);
        let looked = Name::new(&name).and_then(|name| present.look(name));
        let there = match looked {
            Ok(there) => there,
            Err(error) => {
                failed.get_or_insert_with(|| unseen(&error));
                return true;
            }
        };
        let fate = fate(policy, there, chosen);
        if let Some(what) = fate.told {
            let link = link_of(present, &name, there, chosen);
            let what = match &link {
                Some(link) => format!("{}, {LINK_NOT_FOLLOWED}", of_link(link, &name)),
                None => what.to_owned(),
            };
            found.behind_links += u64::from(link.is_some());
            found.link = found.link.take().or(link);
            let path = ByteText(name);
            found.objects.push(Problem { path, what });
        }
        if let (true, Presence::Other { stored_bytes, .. }) = (fate.is_replaced, there) {
            found.replaced_bytes += stored_bytes;
        }
        found.only_directories &= !fate.is_read || there == Presence::Directory;
        fate.is_read
    });
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(found),
    }
}

/// Why an object whose way leads over a symbolic link is not restored there.
const LINK_NOT_FOLLOWED: &str = "which a restore does not follow";

/// The symbolic link that keeps an object from its place: where a directory above it is needed, or
/// it is one itself.
fn link_of(present: &Present, name: &[u8], there: Presence, chosen: &Chosen) -> Option<Vec<u8>> {
    let keeps = match there {
        Presence::Blocked => true,
        Presence::Other { .. } => chosen.kind == Kind::Directory,
        Presence::Free | Presence::Directory => false,
    };
    let name = Name::new(name).ok().filter(|_| keeps)?;
    present.first_link(name).map(<[u8]>::to_vec)
}

fn of_link(link: &[u8], name: &[u8]) -> String {
    match link == name {
        true => "a symbolic link is there in the place of the directory".to_owned(),
        false => format!(
            "/{} above it is a symbolic link in the target",
            ByteText(link.to_vec())
        ),
    }
}

/// What becomes of one object.
struct Fate {
    /// For people, where something is in its place.
    told: Option<&'static str>,
    is_read: bool,
    is_replaced: bool,
}

fn fate(policy: ExistingPolicy, there: Presence, chosen: &Chosen) -> Fate {
    let read = |told, is_replaced| Fate {
        told,
        is_read: true,
        is_replaced,
    };
    let left = |what| Fate {
        told: Some(what),
        is_read: false,
        is_replaced: false,
    };
    let is_directory = chosen.kind == Kind::Directory;
    let what = match there {
        Presence::Free => return read(None, false),
        Presence::Directory if is_directory => return read(None, false),
        Presence::Directory => "a directory is there",
        Presence::Blocked => "a symbolic link or a file is where a directory is needed",
        Presence::Other { .. } if is_directory => "something else than a directory is there",
        Presence::Other { mtime, .. } => return fate_of_file(policy, mtime, chosen, read, left),
    };
    match policy.reads_all() {
        // The restore lists it among what it could not restore, or renames it.
        true => read(Some(what), false),
        false => left(what),
    }
}

/// What becomes of an object in whose place something is that could be replaced.
fn fate_of_file(
    policy: ExistingPolicy,
    there: FileTime,
    chosen: &Chosen,
    read: impl Fn(Option<&'static str>, bool) -> Fate,
    left: impl Fn(&'static str) -> Fate,
) -> Fate {
    match policy {
        ExistingPolicy::Refuse => read(Some("is there"), false),
        ExistingPolicy::Skip => left("is there, and stays as it is"),
        ExistingPolicy::Newer if chosen.mtime > there => {
            read(Some("is there, and older: replaced"), true)
        }
        ExistingPolicy::Newer => left("is there, and as new or newer: stays as it is"),
        ExistingPolicy::Rename => read(Some("is there: restored under another name"), false),
        ExistingPolicy::Overwrite => read(Some("is there: replaced"), true),
    }
}
