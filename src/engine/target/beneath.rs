//! Opening directories beneath another one without ever following a symbolic link.
//!
//! Two ways with one result: `openat2` (Linux 5.6), where the kernel itself keeps the
//! whole path beneath, and for older kernels a walk, component by component.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// How directories are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`.
    OpenAt2,
    /// One `openat` with `O_NOFOLLOW | O_DIRECTORY` per component.
    Walk,
}

/// Longest path given to the kernel at once: `PATH_MAX` is 4096 with its final NUL.
const CHUNK_BYTES: usize = 4095;

const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Resolver {
    /// What this kernel offers. A sandbox that forbids `openat2` counts as a kernel
    /// without it.
    #[must_use]
    pub fn detect() -> Self {
        match open_at2(CWD, b".", OFlags::PATH) {
            Ok(_) => Self::OpenAt2,
            Err(_) => Self::Walk,
        }
    }

    /// Opens the directory `path` beneath `from` with `access` (`O_PATH`, or `O_RDONLY`
    /// as the empty set). `path` is one that [`super::name::Name`] accepted.
    ///
    /// # Errors
    ///
    /// `ENOENT` if a component is missing; `ENOTDIR` if one is something else than a
    /// directory, a symbolic link for one; other errors of the system.
    pub(super) fn open(
        self,
        from: BorrowedFd<'_>,
        path: &[u8],
        access: OFlags,
    ) -> Result<OwnedFd, Errno> {
        let mut pieces = pieces(
            path,
            if self == Self::OpenAt2 {
                CHUNK_BYTES
            } else {
                1
            },
        );
        let first = pieces.next().ok_or(Errno::NOENT)?;
        let mut open = self.open_piece(from, first, access)?;
        for piece in pieces {
            open = self.open_piece(rustix::fd::AsFd::as_fd(&open), piece, access)?;
        }
        Ok(open)
    }

    fn open_piece(
        self,
        from: BorrowedFd<'_>,
        piece: &[u8],
        access: OFlags,
    ) -> Result<OwnedFd, Errno> {
        match self {
            Self::OpenAt2 => match open_at2(from, piece, access) {
                Err(Errno::LOOP | Errno::XDEV) => Err(Errno::NOTDIR),
                result => result,
            },
            Self::Walk => openat(from, piece, DIRECTORY | access, Mode::empty()),
        }
    }
}

/// `openat2` may ask to be repeated when something was renamed meanwhile.
const AGAIN_LIMIT: usize = 100;

fn open_at2(from: BorrowedFd<'_>, path: &[u8], access: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let attempt = || openat2(from, path, DIRECTORY | access, Mode::empty(), resolve);
    (1..AGAIN_LIMIT)
        .map(|_| attempt())
        .find(|result| !matches!(result, Err(Errno::AGAIN | Errno::INTR)))
        .unwrap_or(Err(Errno::AGAIN))
}

/// Cuts `path` at slashes into pieces of at most `limit_bytes`, or of one component where
/// that is longer.
fn pieces(path: &[u8], limit_bytes: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(path).filter(|path| !path.is_empty());
    std::iter::from_fn(move || {
        let path = rest?;
        let cut = if path.len() <= limit_bytes {
            None
        } else {
            let within = path[..=limit_bytes].iter().rposition(|&byte| byte == b'/');
            within.or_else(|| path.iter().position(|&byte| byte == b'/'))
        };
        let (piece, next) = match cut {
            Some(slash) => (&path[..slash], Some(&path[slash + 1..])),
            None => (path, None),
        };
        rest = next;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(path: &str, limit_bytes: usize) -> Vec<String> {
        pieces(path.as_bytes(), limit_bytes)
            .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn paths_are_cut_at_slashes() {
        for (path, limit, expected) in [
            ("", 5, vec![]),
            ("a", 1, vec!["a"]),
            ("a/b/c", 1, vec!["a", "b", "c"]),
            ("a/b/c", 3, vec!["a/b", "c"]),
            ("a/b/c", 5, vec!["a/b/c"]),
            ("long/b/c", 2, vec!["long", "b", "c"]),
            ("long/longer", 3, vec!["long", "longer"]),
        ] {
            assert_eq!(cut(path, limit), expected, "{path} by {limit}");
        }
    }
}
