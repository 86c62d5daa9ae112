//! Gives restored objects their owner, mode, attributes, ACLs and times.
//!
//! The order matters: a change of owner clears set-id bits and capabilities (which are an
//! attribute), so both come after it; the mode comes after attributes, of which users'
//! need write permission, and before the ACL, which is finer; times come last.
//!
//! What cannot be set is noted and never fails the object: its data is what counts.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags, chmodat, chownat,
    fchmod, fchown, fremovexattr, fsetxattr, fstat, futimens, lsetxattr, openat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::notset::NotSet;
use super::owners::OwnerTable;
use crate::volume::member::{Kind, Member};

const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

const SET_ID_BITS: u32 = 0o6000;

/// An object whose metadata is being set, by what the system lets one hold of it.
#[derive(Clone, Copy)]
pub(super) enum Object<'a> {
    /// A regular file or directory, open.
    Open(BorrowedFd<'a>),
    /// Anything else, by its name in an open directory. Symbolic links are not followed.
    Named(BorrowedFd<'a>, &'a [u8]),
}

/// Sets everything `member` says of `object`; `name` is what messages call it.
pub(super) fn apply(
    object: Object<'_>,
    name: &[u8],
    member: &Member,
    owners: &mut OwnerTable,
    not_set: &mut NotSet,
) {
    let owned = set_owner(object, name, owners.of(member), not_set);
    let is_acl = |key: &[u8]| key == ACL_ACCESS || key == ACL_DEFAULT;
    set_xattrs(object, name, member, |key| !is_acl(key), not_set);
    set_mode(object, name, member, owned, not_set);
    drop_inherited_acls(object, member);
    set_xattrs(object, name, member, is_acl, not_set);
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: member.mtime.seconds,
            tv_nsec: i64::from(member.mtime.nanoseconds),
        },
    };
    let result = match object {
        Object::Open(open) => futimens(open, &times),
        Object::Named(directory, last) => {
            utimensat(directory, last, &times, AtFlags::SYMLINK_NOFOLLOW)
        }
    };
    if let Err(errno) = result {
        not_set.add(name, "modification time".to_owned(), errno);
    }
}

/// True if the object now has both its owner and its group.
fn set_owner(
    object: Object<'_>,
    name: &[u8],
    (uid, gid): (u32, u32),
    not_set: &mut NotSet,
) -> bool {
    // The highest number means "leave it" to the system, and is nobody's.
    let user = Some(uid).filter(|&uid| uid != u32::MAX).map(Uid::from_raw);
    let group = Some(gid).filter(|&gid| gid != u32::MAX).map(Gid::from_raw);
    if user.is_none() || group.is_none() {
        not_set.add(
            name,
            format!("owner {uid}:{gid}"),
            "no such number can exist",
        );
    }
    let change = |user, group| match object {
        Object::Open(open) => fchown(open, user, group),
        Object::Named(directory, last) => {
            chownat(directory, last, user, group, AtFlags::SYMLINK_NOFOLLOW)
        }
    };
    let Err(errno) = change(user, group) else {
        return user.is_some() && group.is_some();
    };
    // Whoever may not give files away can still choose among their own groups, and may own it.
    let (has_group, has_owner) = (change(None, group).is_ok(), change(user, None).is_ok());
    let what = match (has_owner, has_group) {
        (true, _) => format!("group {gid}"),
        (false, true) => format!("owner {uid}"),
        (false, false) => format!("owner {uid}:{gid}"),
    };
    not_set.add(name, what, errno);
    false
}

/// Set-id bits are given only where the owner they were meant for was given too:
/// otherwise the file would run as whoever restores it.
fn set_mode(object: Object<'_>, name: &[u8], member: &Member, owned: bool, not_set: &mut NotSet) {
    let wanted = member.mode & 0o7777;
    let guarded = member.kind == Kind::File && !owned;
    let given = if guarded {
        wanted & !SET_ID_BITS
    } else {
        wanted
    };
    let note = |not_set: &mut NotSet, why: &str| {
        not_set.add(name, format!("mode {wanted:04o}"), why);
    };
    if given != wanted {
        note(not_set, "set-id bits are not set without their owner");
    }
    let mode = Mode::from_raw_mode(given);
    match object {
        Object::Open(open) => match fchmod(open, mode) {
            Err(errno) => note(not_set, &errno.to_string()),
            // The system drops the set-group-id bit in silence for strangers to the group.
            Ok(()) if given & SET_ID_BITS != 0 => {
                if fstat(open).is_ok_and(|stat| stat.st_mode & 0o7777 != given) {
                    note(not_set, "the system did not take its set-id bits");
                }
            }
            Ok(()) => {}
        },
        Object::Named(..) if matches!(member.kind, Kind::Symlink(_)) => {}
        Object::Named(directory, last) => {
            if let Err(errno) = chmod_named(directory, last, mode) {
                note(not_set, &errno.to_string());
            }
        }
    }
}

/// `fchmodat` follows symbolic links; going through an `O_PATH` descriptor does not.
fn chmod_named(directory: BorrowedFd<'_>, last: &[u8], mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = openat(directory, last, flags, Mode::empty())?;
    chmodat(
        CWD,
        format!("/proc/self/fd/{}", held.as_raw_fd()),
        mode,
        AtFlags::empty(),
    )
}

/// New objects inherit the default ACL of the directory they are made in; what was
/// archived had its own, or none.
fn drop_inherited_acls(object: Object<'_>, member: &Member) {
    let Object::Open(open) = object else { return };
    for acl in [ACL_ACCESS, ACL_DEFAULT] {
        let applies = acl == ACL_ACCESS || member.kind == Kind::Directory;
        if applies && !member.xattrs.iter().any(|(key, _)| key == acl) {
            // Mostly there is none to remove, or the file system has none at all.
            let _ = fremovexattr(open, acl);
        }
    }
}

fn set_xattrs(
    object: Object<'_>,
    name: &[u8],
    member: &Member,
    wanted: impl Fn(&[u8]) -> bool,
    not_set: &mut NotSet,
) {
    for (key, value) in member.xattrs.iter().filter(|(key, _)| wanted(key)) {
        let result = match object {
            Object::Open(open) => fsetxattr(open, key.as_slice(), value, XattrFlags::empty()),
            Object::Named(directory, last) => {
                let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
                path.extend_from_slice(last);
                lsetxattr(path, key.as_slice(), value, XattrFlags::empty())
            }
        };
        if let Err(errno) = result {
            not_set.add(
                name,
                format!("attribute {}", super::error::shown(key)),
                errno,
            );
        }
    }
}
