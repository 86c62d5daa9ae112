//! Who asks for what is recorded.

use nix::unistd::{Uid, User};

/// Name of the user, or the number of one without.
pub(crate) fn user_name() -> String {
    let id = Uid::effective();
    let user = User::from_uid(id).ok().flatten();
    user.map_or_else(|| id.to_string(), |user| user.name)
}

/// Name of this host; empty if it cannot be read.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
