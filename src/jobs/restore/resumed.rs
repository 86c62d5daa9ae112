//! What of a selection earlier runs of the same restore have brought into the target.
//!
//! An object is taken for restored if what is in its place is what was archived: of a file size,
//! time and the digest of its content, which is read for it. So nothing has to be believed of how
//! the earlier run ended. The rest is restored, by the same policy as before. Of a file whose
//! digest nobody knows size and time have to do: it came to its place when it was whole.

use std::collections::{HashMap, HashSet};

use catalogs::model::Kind;
use uuid::Uuid;

use super::RestoreOptions;
use super::choose::Selection;
use super::chosen::Chosen;
use super::existing::{ExistingPolicy, Found, ancestors, unseen};
use super::journal::Resumed;
use super::links::LinkFinder;
use super::names::Names;
use crate::engine::restore::FirstName;
use crate::engine::target::{
    FoundDirectory, Likeness, Name, PartDigest, Presence, Present, TargetError, is_about,
};
use crate::jobs::JobError;
use crate::monitor::Monitor;
use crate::volume::member::FileTime;

/// Names beside one that was taken, that are looked at.
const ASIDE_MOST: u32 = 1000;

/// What is there of the objects of a restore.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// Objects that are there as they were archived.
    pub(super) objects: u64,
    /// Bytes of the files among them.
    pub(super) file_bytes: u64,
    /// First names of hard links among them.
    pub(super) first_names: Vec<FirstName>,
    /// Directories in which something is still restored.
    pub(super) directories: Vec<FoundDirectory>,
}

/// Looks for each object in the target, and takes those out of the selection that are there, or
/// are to stay as they are.
pub(super) fn look(
    options: &RestoreOptions,
    resumed: &Resumed,
    selection: &mut Selection,
    finder: &LinkFinder<'_>,
    monitor: &dyn Monitor,
) -> Result<Found, JobError> {
    monitor.phase("comparing what is there already");
    let mut looker = Looker {
        policy: options.existing,
        names: Names(&options.maps),
        resumed,
        present: Present::of(&options.target),
        monitor,
        first_names: HashMap::new(),
        done: HashSet::new(),
        earlier: Earlier::default(),
    };
    looker.objects(selection)?;
    looker.links(selection, finder)?;
    if monitor.stop_requested() {
        return Err(JobError::Stopped);
    }
    selection.retain(|path, _| !looker.done.contains(path));
    let mut found = super::existing::fates(options, selection, &mut looker.present)?;
    looker.directories(selection)?;
    looker.made(selection)?;
    let (present, restore) = (&looker.present, resumed.restore);
    for directory in &looker.earlier.directories {
        found.replaced_bytes += present.half_done_bytes(&directory.name, restore);
    }
    found.earlier = looker.earlier;
    Ok(found)
}

struct Looker<'a> {
    policy: ExistingPolicy,
    names: Names<'a>,
    resumed: &'a Resumed,
    present: Present,
    monitor: &'a dyn Monitor,
    /// Of each file that hard links lead to, by run and archive path: its name in the target, if
    /// it is there.
    first_names: HashMap<(Uuid, Vec<u8>), Option<Vec<u8>>>,
    /// Archive paths of what is there.
    done: HashSet<Vec<u8>>,
    earlier: Earlier,
}

impl Looker<'_> {
    /// Everything but directories and hard links.
    fn objects(&mut self, selection: &Selection) -> Result<(), JobError> {
        for (path, chosen) in selection {
            if matches!(chosen.kind, Kind::Directory | Kind::Hardlink) {
                continue;
            }
            let there = self.find(&self.names.of(path), chosen)?;
            if there.is_some() {
                self.is_done(path, chosen);
            }
            if chosen.kind == Kind::File {
                self.first_names.insert((chosen.job, path.clone()), there);
            }
        }
        Ok(())
    }

    /// Hard links: the same file as their first name, or, where that is not restored, with its
    /// content.
    fn links(&mut self, selection: &Selection, finder: &LinkFinder<'_>) -> Result<(), JobError> {
        let mut waiting: HashSet<(Uuid, Vec<u8>)> = HashSet::new();
        for (path, chosen) in selection {
            if chosen.kind != Kind::Hardlink {
                continue;
            }
            let key = (chosen.job, chosen.link_target.clone());
            let name = self.names.of(path);
            let first = self.first_names.get(&key).cloned();
            let is_there = match first {
                Some(None) => false,
                Some(Some(first)) => self.is_same_as(&name, &first)?,
                None => {
                    let data = finder.first(&key.1, key.0)?;
                    let there = match &data {
                        Some(data) => self.find(&name, data)?,
                        None => None,
                    };
                    self.first_names.insert(key, there.clone());
                    there.is_some()
                }
            };
            if is_there {
                self.is_done(path, chosen);
            } else {
                waiting.insert((chosen.job, chosen.link_target.clone()));
            }
        }
        let there = self
            .first_names
            .drain()
            .filter(|(key, _)| waiting.contains(key));
        let first_names = there.filter_map(|((job, path), name)| {
            let name = name?;
            Some(FirstName { job, path, name })
        });
        self.earlier.first_names = first_names.collect();
        Ok(())
    }

    /// Where an object is that is as `chosen` was archived: at its name, or at the one that it
    /// got instead.
    fn find(&mut self, name: &[u8], chosen: &Chosen) -> Result<Option<Vec<u8>>, JobError> {
        if self.is(name, chosen)? {
            return Ok(Some(name.to_vec()));
        }
        if self.policy != ExistingPolicy::Rename {
            return Ok(None);
        }
        for number in 1..=ASIDE_MOST {
            let aside = [name, format!(".restored-{number}").as_bytes()].concat();
            let there = Name::new(&aside).and_then(|aside| self.present.look(aside));
            if matches!(there.map_err(|error| unseen(&error))?, Presence::Free) {
                break;
            }
            if self.is(&aside, chosen)? {
                return Ok(Some(aside));
            }
        }
        Ok(None)
    }

    fn is(&mut self, name: &[u8], chosen: &Chosen) -> Result<bool, JobError> {
        let parts: Option<Vec<PartDigest>> = match chosen.is_whole() {
            true => Some(chosen.digests().unwrap_or_default()),
            false => None,
        };
        let like = match (chosen.kind, &parts) {
            (Kind::File, Some(parts)) => Likeness::File {
                size_bytes: chosen.size_bytes,
                mtime: chosen.mtime,
                parts,
            },
            (Kind::Symlink, _) => Likeness::Symlink(&chosen.link_target),
            // Not all of it is on tape.
            (Kind::File | Kind::Directory | Kind::Hardlink, _) => return Ok(false),
            _ => Likeness::Node(chosen.mtime),
        };
        let stops = || self.monitor.stop_requested();
        let is = Name::new(name).and_then(|name| self.present.is(name, like, &stops));
        Ok(is.map_err(|error| unseen(&error))?)
    }

    fn is_same_as(&mut self, name: &[u8], first: &[u8]) -> Result<bool, JobError> {
        let mut is = || -> Result<bool, TargetError> {
            let like = Likeness::SameAs(Name::new(first)?);
            self.present.is(Name::new(name)?, like, &|| false)
        };
        Ok(is().map_err(|error| unseen(&error))?)
    }

    fn is_done(&mut self, path: &[u8], chosen: &Chosen) {
        self.done.insert(path.to_vec());
        self.earlier.objects += 1;
        if chosen.kind == Kind::File {
            self.earlier.file_bytes += chosen.size_bytes;
        }
    }

    /// Directories get their metadata once more only where something comes into them, or where
    /// that was not done.
    fn directories(&mut self, selection: &mut Selection) -> Result<(), JobError> {
        let mut there: HashMap<Vec<u8>, FileTime> = HashMap::new();
        let mut touched: HashSet<Vec<u8>> = HashSet::new();
        for (path, chosen) in selection.iter() {
            let name = self.names.of(path);
            let time = match chosen.kind {
                Kind::Directory => self.directory(&name)?,
                _ => None,
            };
            match time {
                Some(time) => {
                    there.insert(path.clone(), time);
                }
                None => {
                    touched.extend(ancestors(&name).next().map(<[u8]>::to_vec));
                }
            }
        }
        let (names, policy, kept) = (self.names, self.policy, &self.resumed.directories);
        let mut done = 0;
        selection.retain(|path, chosen| {
            let Some(time) = there.get(path) else {
                return true;
            };
            let name = names.of(path);
            let stays = kept.contains(&name) && policy != ExistingPolicy::Overwrite;
            let is_done = stays || !touched.contains(&name) && is_about(*time, chosen.mtime);
            done += u64::from(is_done);
            !is_done
        });
        self.earlier.objects += done;
        Ok(())
    }

    /// The directories above what is left, as far as they are there.
    fn made(&mut self, selection: &Selection) -> Result<(), JobError> {
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        for (path, chosen) in selection {
            let name = self.names.of(path);
            let own = (chosen.kind == Kind::Directory).then_some(name.as_slice());
            for directory in own.into_iter().chain(ancestors(&name)) {
                if !seen.insert(directory.to_vec()) {
                    break;
                }
                // The target itself is nobody's but the user's.
                let is_ours =
                    !directory.is_empty() && !self.resumed.directories.contains(directory);
                if directory.is_empty() || self.directory(directory)?.is_some() {
                    self.earlier.directories.push(FoundDirectory {
                        name: directory.to_vec(),
                        is_ours,
                    });
                }
            }
        }
        Ok(())
    }

    fn directory(&mut self, name: &[u8]) -> Result<Option<FileTime>, JobError> {
        let time = Name::new(name).and_then(|name| self.present.directory(name));
        Ok(time.map_err(|error| unseen(&error))?)
    }
}
