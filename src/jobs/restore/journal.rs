//! What a restore was asked for, kept until all of it has come, so that it can be gone on with.
//!
//! One file for each in the state directory, durable before a tape moves. `docs/restore.md` has its
//! fields.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::num::NonZero;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ExistingPolicy, Mapping, Owners, RestoreError, RestoreOptions};
use crate::error_text::with_causes;
use crate::jobs::lock::{Lock, NotLocked};
use crate::jobs::{ByteText, JobError, Site, StateDir, state, which};
use crate::monitor::Problem;

const FORMAT: u32 = 1;
const KIND: &str = "tapewright-restore";
/// The largest file that is read: names of some million directories.
const FILE_BYTES: u64 = 256 << 20;

/// A restore that is gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Its identity.
    pub restore: Uuid,
    /// Directories of the target that were there before it began.
    pub(super) directories: HashSet<Vec<u8>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    format: u32,
    kind: String,
    restore: Uuid,
    started: Timestamp,
    asked: Vec<ByteText>,
    target: ByteText,
    maps: Vec<ByteText>,
    as_of: Timestamp,
    existing: ExistingPolicy,
    numeric_owner: bool,
    ignore_room: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drives: Option<NonZero<u16>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    first_soon: bool,
    directories: Vec<ByteText>,
}

/// The right to go on with a restore: nobody else does meanwhile.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    lock: Lock,
}

impl Claim {
    /// Has it from now on. `None` if there can be no locks, which is told when the restore begins.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Runs`] if another process carries it out; [`RestoreError::NoSuch`] if one
    /// has brought the rest meanwhile.
    pub(super) fn take(site: Site<'_>, restore: Uuid) -> Result<Option<Claim>, JobError> {
        let path = file(site.state, restore);
        let lock = match lock(site.state, restore) {
            Ok(lock) => lock,
            Err(NotLocked::Held(pid)) => return Err(RestoreError::Runs { restore, pid }.into()),
            Err(NotLocked::Io(..)) => return Ok(None),
        };
        if path.exists() {
            return Ok(Some(Claim { path, lock }));
        }
        lock.retire();
        Err(RestoreError::NoSuch {
            id: restore.to_string(),
            open: open_restores(site.state)?
                .iter()
                .map(Uuid::to_string)
                .collect(),
        }
        .into())
    }
}

/// Who looks whether a restore runs has its lock for a moment.
const PATIENCE: Duration = Duration::from_millis(200);

/// The lock of who carries out a restore.
pub(super) fn lock(state: &StateDir, restore: Uuid) -> Result<Lock, NotLocked> {
    Lock::take(&state.lock_dir(), &lock_name(restore), PATIENCE)
}

fn lock_name(restore: Uuid) -> String {
    format!("restore-{restore}")
}

/// Whether a process carries out the restore.
pub(crate) fn runs(state: &StateDir, restore: Uuid) -> bool {
    Lock::is_held(&state.lock_dir(), &lock_name(restore))
}

/// Whether [`resume`] can go on with the restore.
pub(crate) fn can_resume(state: &StateDir, restore: Uuid) -> bool {
    file(state, restore).exists()
}

/// The file of a restore that runs. Nobody else goes on with it meanwhile.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    lock: Lock,
}

impl Journal {
    /// Keeps what is asked for, unless it is kept already. `None` if that is not possible: the
    /// restore is worth more than its continuation, so that is told and no error.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Runs`] if another process carries it out.
    pub(super) fn begin(
        site: Site<'_>,
        restore: Uuid,
        started: Timestamp,
        options: &RestoreOptions,
        directories: &[Vec<u8>],
    ) -> Result<Option<Journal>, JobError> {
        let path = file(site.state, restore);
        let kept = match lock(site.state, restore) {
            Err(NotLocked::Held(pid)) => return Err(RestoreError::Runs { restore, pid }.into()),
            Err(NotLocked::Io(_, error)) => Err(error),
            Ok(lock) if options.resumed.is_some() => Ok(lock),
            Ok(lock) => keep(&path, restore, started, options, directories).map(|()| lock),
        };
        match kept {
            Ok(lock) => Ok(Some(Journal { path, lock })),
            Err(error) => {
                site.monitor.problem(&Problem {
                    path: path.display().to_string(),
                    what: format!(
                        "this restore cannot be gone on with later, since what it was asked for \
                         cannot be kept: {error}"
                    ),
                });
                Ok(None)
            }
        }
    }

    /// That of a restore that is gone on with.
    pub(super) fn of(claim: Claim) -> Journal {
        let Claim { path, lock } = claim;
        Journal { path, lock }
    }

    /// The restore ended; `is_whole`: there is nothing to go on with.
    pub(super) fn end(self, is_whole: bool) {
        if !is_whole {
            // Who goes on with it asks for the same lock.
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a restore's file stays behind");
        }
        self.lock.retire();
    }
}

fn keep(
    path: &Path,
    restore: Uuid,
    started: Timestamp,
    options: &RestoreOptions,
    directories: &[Vec<u8>],
) -> io::Result<()> {
    let texts = |all: &[Vec<u8>]| all.iter().cloned().map(ByteText).collect();
    let target = std::path::absolute(&options.target)?;
    let kept = Kept {
        format: FORMAT,
        kind: KIND.to_owned(),
        restore,
        started,
        asked: texts(&options.patterns),
        target: ByteText(target.into_os_string().into_vec()),
        maps: options
            .maps
            .iter()
            .map(|map| ByteText(map.text()))
            .collect(),
        as_of: options.as_of.unwrap_or(started),
        existing: options.existing,
        numeric_owner: options.owners == Owners::Numbers,
        ignore_room: options.ignore_room,
        drives: options.drives,
        first_soon: options.first_soon,
        directories: texts(directories),
    };
    state::keep(path, &kept)
}

fn file(state: &StateDir, restore: Uuid) -> PathBuf {
    state.restores_dir().join(format!("{restore}.json"))
}

/// What the restore was asked for whose identity begins with `id`.
///
/// # Errors
///
/// [`RestoreError::NoSuch`] and [`RestoreError::Several`]; what is wrong with its file.
pub fn resume(state: &StateDir, id: &str) -> Result<RestoreOptions, JobError> {
    let open = open_restores(state)?;
    let found = which::beginning_with(id, open.iter().copied());
    let shown = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect();
    match found[..] {
        [restore] => read(&file(state, restore)),
        [] => Err(RestoreError::NoSuch {
            id: id.to_owned(),
            open: shown(&open),
        }
        .into()),
        _ => Err(RestoreError::Several {
            id: id.to_owned(),
            found: shown(&found),
        }
        .into()),
    }
}

/// The restores that can be gone on with.
fn open_restores(state: &StateDir) -> Result<Vec<Uuid>, JobError> {
    let path = state.restores_dir();
    let names: io::Result<Vec<OsString>> = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
    };
    let names = names.map_err(|source| JobError::Io {
        action: "reading",
        path,
        source,
    })?;
    let id = |name: &OsString| name.to_str()?.strip_suffix(".json")?.parse().ok();
    let mut ids: Vec<Uuid> = names.iter().filter_map(id).collect();
    ids.sort_unstable();
    Ok(ids)
}

fn read(path: &Path) -> Result<RestoreOptions, JobError> {
    let io = |source| JobError::Io {
        action: "reading",
        path: path.to_owned(),
        source,
    };
    let malformed = |what: String| RestoreError::Malformed {
        path: path.to_owned(),
        what,
    };
    let length = fs::metadata(path).map_err(io)?.len();
    if length > FILE_BYTES {
        return Err(malformed(format!("it has {length} bytes")).into());
    }
    let text = fs::read(path).map_err(io)?;
    let kept: Kept =
        serde_json::from_slice(&text).map_err(|error| malformed(with_causes(&error)))?;
    if (kept.format, kept.kind.as_str()) != (FORMAT, KIND) {
        let what = format!("it is `{}` of format {}", kept.kind, kept.format);
        return Err(malformed(what).into());
    }
    let bytes = |all: Vec<ByteText>| all.into_iter().map(|ByteText(text)| text);
    let target = OsString::from_vec(kept.target.0);
    let maps: Result<_, _> = bytes(kept.maps).map(|map| Mapping::parse(&map)).collect();
    Ok(RestoreOptions {
        patterns: bytes(kept.asked).collect(),
        target: PathBuf::from(target),
        maps: maps?,
        as_of: Some(kept.as_of),
        ignore_room: kept.ignore_room,
        existing: kept.existing,
        owners: match kept.numeric_owner {
            true => Owners::Numbers,
            false => Owners::Names,
        },
        alone: Vec::new(),
        drives: kept.drives,
        first_soon: kept.first_soon,
        resumed: Some(Resumed {
            restore: kept.restore,
            directories: bytes(kept.directories).collect(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> RestoreOptions {
        RestoreOptions {
            patterns: vec![b"home/\xff".to_vec(), b"etc/**".to_vec()],
            target: PathBuf::from("/back/\u{e4}"),
            maps: vec![Mapping::parse(b"/home/ana=ana=now").unwrap()],
            as_of: None,
            ignore_room: true,
            existing: ExistingPolicy::Newer,
            owners: Owners::Numbers,
            drives: NonZero::new(3),
            first_soon: true,
            ..RestoreOptions::default()
        }
    }

    #[test]
    fn what_was_asked_for_comes_back_by_the_beginning_of_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let started: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let ids = ["aaaab0", "aaaac0"].map(|begin| {
            let id = format!("{begin}00-0000-4000-8000-000000000000");
            id.parse::<Uuid>().unwrap()
        });
        let there = [b"back/\xfe".to_vec()];
        for id in ids {
            keep(&file(&state, id), id, started, &options(), &there).unwrap();
        }
        fs::write(state.restores_dir().join("other.json"), "{}").unwrap();
        let expected = RestoreOptions {
            as_of: Some(started),
            resumed: Some(Resumed {
                restore: ids[0],
                directories: there.into_iter().collect(),
            }),
            ..options()
        };
        for id in ["AAAAB", "aaaab000-0000", "aaaab0000000"] {
            let found = resume(&state, id).unwrap();
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{id}");
        }
        for (id, words) in [
            ("aaaa", "several"),
            ("aaa", "no restore"),
            ("b", "no restore"),
        ] {
            let error = resume(&state, id).unwrap_err().to_string();
            assert!(error.contains(words), "{id}: {error}");
            assert!(error.contains(&ids[1].to_string()), "{id}: {error}");
        }
    }

    #[test]
    fn a_file_of_an_older_version_is_read_and_one_that_is_none_of_ours_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let id = Uuid::from_u128(7);
        keep(
            &file(&state, id),
            id,
            Timestamp::UNIX_EPOCH,
            &options(),
            &[],
        )
        .unwrap();
        let text = fs::read_to_string(file(&state, id)).unwrap();
        // From before these two were kept.
        let older = text.replace("\"drives\":3,\"first_soon\":true,", "");
        assert_ne!(older, text);
        fs::write(file(&state, id), older).unwrap();
        let read = resume(&state, "00000000").unwrap();
        assert_eq!((read.drives, read.first_soon), (None, false));
        for text in [
            "",
            "{}",
            &text.replace("\"format\":1", "\"format\":2"),
            &text.replace(KIND, "tapewright-library"),
        ] {
            fs::write(file(&state, id), text).unwrap();
            let error = resume(&state, "00000000").unwrap_err().to_string();
            assert!(error.contains(&id.to_string()), "{text}: {error}");
        }
    }
}
