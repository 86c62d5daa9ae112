//! Owners and groups from a tape, as numbers of this system.

use std::collections::HashMap;

use nix::unistd::{Group, User};

use super::options::Owners;
use crate::volume::member::Member;

/// Names remembered at once; a tape may name any number of them.
const REMEMBERED: usize = 4096;
/// Longest name looked up, in bytes; longer ones are nobody's.
const NAME_BYTES: usize = 256;

/// Finds numbers for names, asking the system once per name.
#[derive(Debug)]
pub(super) struct OwnerTable {
    by_name: bool,
    users: HashMap<String, Option<u32>>,
    groups: HashMap<String, Option<u32>>,
}

impl OwnerTable {
    /// Names count only for root: nobody else may give files away, and the names of
    /// others would only hide whose number was archived.
    pub(super) fn new(owners: Owners, root: bool) -> Self {
        let by_name = root && owners == Owners::Names;
        Self {
            by_name,
            users: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    /// The owner and group that `member` gets here.
    pub(super) fn of(&mut self, member: &Member) -> (u32, u32) {
        if !self.by_name {
            return (member.uid, member.gid);
        }
        let user = look_up(&mut self.users, &member.user, |name| {
            User::from_name(name)
                .ok()
                .flatten()
                .map(|user| user.uid.as_raw())
        });
        let group = look_up(&mut self.groups, &member.group, |name| {
            Group::from_name(name)
                .ok()
                .flatten()
                .map(|group| group.gid.as_raw())
        });
        (user.unwrap_or(member.uid), group.unwrap_or(member.gid))
    }
}

fn look_up(
    known: &mut HashMap<String, Option<u32>>,
    name: &str,
    ask: impl FnOnce(&str) -> Option<u32>,
) -> Option<u32> {
    if name.is_empty() || name.len() > NAME_BYTES || name.contains('\0') {
        return None;
    }
    if let Some(&number) = known.get(name) {
        return number;
    }
    if known.len() == REMEMBERED {
        known.clear();
    }
    let number = ask(name);
    known.insert(name.to_owned(), number);
    number
}
