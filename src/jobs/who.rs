//! Who asks for what is recorded.

use nix::unistd::{Uid, User};

/// Name of the user, or the number of one without.
pub(crate) fn user_name() -> String {
    let id = Uid::effective();
    let user = User::from_uid(id).ok().flatten();
    user.map_or_else(|| id.to_string(), |user| user.name)
}
