//! Names of owners and groups, asked for once each.

use std::collections::HashMap;

use nix::unistd::{Gid, Group, Uid, User};

/// Remembers the names of numeric owners and groups.
#[derive(Debug, Default)]
pub(super) struct Owners {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Owners {
    /// The owner's name; empty if the system knows none or cannot be asked.
    pub(super) fn user(&mut self, uid: u32) -> String {
        let name = self.users.entry(uid).or_insert_with(|| {
            User::from_uid(Uid::from_raw(uid))
                .ok()
                .flatten()
                .map_or_else(String::new, |u| u.name)
        });
        name.clone()
    }

    /// The group's name; empty if the system knows none or cannot be asked.
    pub(super) fn group(&mut self, gid: u32) -> String {
        let name = self.groups.entry(gid).or_insert_with(|| {
            Group::from_gid(Gid::from_raw(gid))
                .ok()
                .flatten()
                .map_or_else(String::new, |g| g.name)
        });
        name.clone()
    }
}
