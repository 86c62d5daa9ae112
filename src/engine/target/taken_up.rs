//! A target in which an earlier run of the same restore was broken off.

use std::collections::HashSet;

use uuid::Uuid;

use super::Target;
use super::place::Temporaries;
use crate::monitor::{Monitor, Problem};

/// A directory that was in the target when a restore was gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDirectory {
    /// Its name, relative to the target.
    pub name: Vec<u8>,
    /// An earlier run of this restore made it, so that it gets the archived metadata.
    pub is_ours: bool,
}

impl Target {
    /// From now on everything is made under temporary names that tell of this restore, and
    /// `directories` are what earlier runs of it left: in these, objects that were half done are
    /// removed, but for files that are kept for `keys`. What cannot be removed is told, and is in
    /// nobody's way.
    pub fn take_up(
        &mut self,
        restore: Uuid,
        directories: &[FoundDirectory],
        keys: &HashSet<String>,
        monitor: &dyn Monitor,
    ) {
        self.temporaries = Temporaries::of(restore.simple());
        let kept = keys.iter().map(|key| self.temporaries.kept_name(key));
        let kept: HashSet<Vec<u8>> = kept.collect();
        for FoundDirectory { name, is_ours } in directories {
            let opened = match is_ours {
                true => self.directories.adopt(name),
                false => self.directories.open(name),
            };
            // One that cannot be opened any more is met again by what goes there.
            let Ok(directory) = opened else { continue };
            if let Err(errno) = self.temporaries.clear(&directory, &kept) {
                monitor.notice(&Problem {
                    path: super::shown(name),
                    what: format!("what was left there half done cannot be removed: {errno}"),
                });
            }
        }
    }
}
