//! Names of owners and groups, asked for once each.

use std::collections::HashMap;

use nix::unistd::{Gid, Group, Uid, User};

/// Remembers the names of numeric owners and groups.
#[derive(Debug, Default)]
pub(super) struct Owners {
    users: Names,
    groups: Names,
}

/// Names by their numbers.
#[derive(Debug, Default)]
struct Names {
    known: HashMap<u32, String>,
    /// Most objects have the owner of the one before.
    last: Option<(u32, String)>,
}

impl Names {
    /// The name of `number`; if it was not asked for before, `ask` tells.
    fn name(&mut self, number: u32, ask: impl FnOnce() -> Option<String>) -> String {
        if let Some((last, name)) = &self.last
            && *last == number
        {
            return name.clone();
        }
        let name = self.known.entry(number);
        let name = name.or_insert_with(|| ask().unwrap_or_default());
        self.last = Some((number, name.clone()));
        name.clone()
    }
}

impl Owners {
    /// The owner's name; empty if the system knows none or cannot be asked.
    pub(super) fn user(&mut self, uid: u32) -> String {
        self.users.name(uid, || {
            let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            user.map(|user| user.name)
        })
    }

    /// The group's name; empty if the system knows none or cannot be asked.
    pub(super) fn group(&mut self, gid: u32) -> String {
        self.groups.name(gid, || {
            let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
            group.map(|group| group.name)
        })
    }
}
