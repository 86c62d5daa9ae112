//! What keeps a restore from beginning.

use std::path::PathBuf;

use jiff::Timestamp;
use uuid::Uuid;

use super::JobErrorKind;
use super::words::list;
use crate::units::ByteSize;

/// A restore was refused before a tape was moved, and nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Objects are there already that would be restored, and nothing was said of such.
    #[error(
        "{total} of the objects to restore are in {} already: {}; no tape was moved and nothing \
         written",
        target.display(), list(first, "")
    )]
    Exists {
        /// The directory to restore below.
        target: PathBuf,
        /// How many there are.
        total: u64,
        /// The first of them.
        first: Vec<String>,
    },
    /// A symbolic link of the target is where a directory is needed.
    #[error(
        "{} is a symbolic link, where a directory is needed: a restore follows no link below its \
         target, and {objects} of the objects to restore cannot get to their places; no tape was \
         moved and nothing written",
        link.display()
    )]
    LinkInTheWay {
        /// The first such link.
        link: PathBuf,
        /// How many objects all of them keep from their places.
        objects: u64,
    },
    /// Of what was asked for nothing is on the tapes that are all that is known.
    #[error(
        "nothing on the tapes that were read matches {}{}",
        list(patterns, "an empty list"),
        as_of.map_or_else(String::new, |at| format!(" as of {at:.0}"))
    )]
    NotOnTapes {
        /// What was asked for.
        patterns: Vec<String>,
        /// The moment that was asked for; `None` is now.
        as_of: Option<Timestamp>,
    },
    /// The content of one file was asked for, and there are more, or none is a file.
    #[error(
        "{}; one file can be written to stdout; no tape was moved",
        several(first)
    )]
    NotOneFile {
        /// The first two, or the one that is no file.
        first: Vec<String>,
    },
    /// It cannot be seen what is in the target.
    #[error("the target cannot be looked through: {what}; no tape was moved")]
    Unseen {
        /// The first object, and why.
        what: String,
    },
    /// No restore that can be gone on with has such an identity.
    #[error(
        "no restore that can be gone on with has an id that begins with `{id}` (four characters at \
         the least); of those that can there is {}",
        list(open, "none")
    )]
    NoSuch {
        /// What was given.
        id: String,
        /// Identities of the restores that can be gone on with.
        open: Vec<String>,
    },
    /// The beginning of an identity is that of several restores.
    #[error("the ids of several restores begin with `{id}`: {}", list(found, ""))]
    Several {
        /// What was given.
        id: String,
        /// Their identities.
        found: Vec<String>,
    },
    /// Another process carries this restore out.
    #[error("restore {restore} is being carried out{}", super::words::pid_text(*pid))]
    Runs {
        /// The restore.
        restore: Uuid,
        /// The process, if it is known.
        pid: Option<u32>,
    },
    /// What a restore was asked for cannot be read.
    #[error("{} does not say what a restore was asked for: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The target's file system cannot hold it.
    #[error(
        "{} has room for {}, and {} are to be restored; no tape was moved",
        target.display(), ByteSize(*free_bytes), ByteSize(*needed_bytes)
    )]
    NoRoom {
        /// The directory to restore below.
        target: PathBuf,
        /// Bytes that can still be written there.
        free_bytes: u64,
        /// Bytes that the restored files will take.
        needed_bytes: u64,
    },
}

impl RestoreError {
    pub(super) fn kind(&self) -> JobErrorKind {
        match self {
            RestoreError::Exists { .. }
            | RestoreError::LinkInTheWay { .. }
            | RestoreError::NotOneFile { .. }
            | RestoreError::Several { .. } => JobErrorKind::Request,
            RestoreError::NoSuch { .. } | RestoreError::NotOnTapes { .. } => JobErrorKind::NotFound,
            RestoreError::Runs { .. } => JobErrorKind::Busy,
            RestoreError::Unseen { .. }
            | RestoreError::NoRoom { .. }
            | RestoreError::Malformed { .. } => JobErrorKind::Host,
        }
    }

    pub(super) fn advice(&self) -> &'static str {
        match self {
            RestoreError::Exists { .. } => {
                "Say what is to become of them: --existing skip leaves them and restores the \
                 others, newer replaces those that are older than the archived ones, rename \
                 restores beside them, overwrite replaces them. Or restore below another directory \
                 with --to. To go on with a restore that was broken off: `restore --resume ID`."
            }
            RestoreError::LinkInTheWay { .. } => {
                "Restore below the directory that the link leads to, with --to, and --map OLD=NEW \
                 where the paths differ. Or remove the link. With --existing skip these objects \
                 are left out, and the others restored."
            }
            RestoreError::NotOnTapes { .. } => {
                "`restore --from-tape TAPE '**' --to DIR --dry-run` lists what is there; quote \
                 globs so that the shell leaves them alone. Other tapes may have it: name them \
                 with a --from-tape of their own."
            }
            RestoreError::NotOneFile { .. } => {
                "Name one file, or restore them below a directory with --to."
            }
            RestoreError::NoSuch { .. } => {
                "A restore tells its id at its end, and the catalog's ledger has it. One \
                 that brought everything back is not kept, nor one --from-tape: that is begun \
                 again, with --existing skip."
            }
            RestoreError::Several { .. } => "Give more of the id.",
            RestoreError::Runs { .. } => "Wait for it to end.",
            RestoreError::Malformed { .. } => {
                "Ask for the restore anew, with --existing skip: what is there is then left."
            }
            RestoreError::Unseen { .. } => {
                "Check rights there, or restore below another directory with --to."
            }
            RestoreError::NoRoom { .. } => {
                "Make room there, restore below another directory with --to, or restore less at a \
                 time. If the file system compresses and may hold it all the same: --ignore-room."
            }
        }
    }
}

fn several(first: &[String]) -> String {
    match first {
        [] => "nothing is left to be written".to_owned(),
        [one] => format!("{one} is no regular file, and has no content"),
        _ => format!(
            "what was asked for is more than one object, such as {}",
            list(first, "")
        ),
    }
}
