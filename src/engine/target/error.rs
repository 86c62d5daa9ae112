//! Why something could not be put beneath the target.

use std::io;

use rustix::io::Errno;

/// What callers branch on. The text of the error is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetErrorKind {
    /// The name leads out of the target, or is none at all.
    UnsafeName,
    /// Something is there already, and the policy is to refuse.
    Exists,
    /// Something other than a directory is where a directory is needed, or a directory
    /// where something else goes. Symbolic links count as what they are: not directories.
    InTheWay,
    /// The file system, or the user's quota, has no room left.
    Full,
    /// The operating system refused for another reason; see the source.
    System,
}

/// An object that could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct TargetError {
    /// The object, relative to the target, as a path for people.
    pub path: String,
    /// What callers branch on.
    pub kind: TargetErrorKind,
    /// What happened, for people, without the path.
    pub what: String,
    /// The operating system's error, if there was one.
    #[source]
    pub source: Option<io::Error>,
}

/// Longest path shown to people, in bytes; a tape may name longer ones.
const SHOWN_BYTES: usize = 1024;

/// A path from a tape in a form for people: lossy, and cut where it is very long.
pub(crate) fn shown(path: &[u8]) -> String {
    if path.len() <= SHOWN_BYTES {
        return String::from_utf8_lossy(path).into_owned();
    }
    let (head, tail) = (
        &path[..SHOWN_BYTES / 2],
        &path[path.len() - SHOWN_BYTES / 4..],
    );
    format!(
        "{}…{}",
        String::from_utf8_lossy(head),
        String::from_utf8_lossy(tail)
    )
}

impl TargetError {
    pub(super) fn unsafe_name(path: &[u8], why: &str) -> Self {
        Self {
            path: shown(path),
            kind: TargetErrorKind::UnsafeName,
            what: format!("refused: {why}"),
            source: None,
        }
    }

    pub(super) fn exists(path: &[u8]) -> Self {
        Self {
            path: shown(path),
            kind: TargetErrorKind::Exists,
            what: "exists already in the target".to_owned(),
            source: None,
        }
    }

    pub(super) fn as_new(path: &[u8]) -> Self {
        Self {
            what: "what is there is as new, or newer".to_owned(),
            ..Self::exists(path)
        }
    }

    pub(super) fn in_the_way(path: &[u8], what: String) -> Self {
        Self {
            path: shown(path),
            kind: TargetErrorKind::InTheWay,
            what,
            source: None,
        }
    }

    /// As [`system`](Self::system) for an error that came through the standard library.
    pub(crate) fn io(path: &[u8], action: &str, error: &io::Error) -> Self {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        Self::system(path, action, errno)
    }

    /// Wraps `errno`, met while `action` (such as "creating the file") on `path`.
    pub(super) fn system(path: &[u8], action: &str, errno: Errno) -> Self {
        let kind = match errno {
            Errno::NOSPC | Errno::DQUOT => TargetErrorKind::Full,
            _ => TargetErrorKind::System,
        };
        let source = io::Error::from(errno);
        Self {
            path: shown(path),
            kind,
            what: format!("{action}: {source}"),
            source: Some(source),
        }
    }
}
