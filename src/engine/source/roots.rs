//! The paths a run was asked for, made absolute and proven to exist.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{lstat, stat};

use super::inode::Inode;
use crate::engine::EngineError;

/// One path to archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Absolute path, without empty, `.` and `..` components.
    pub(super) path: PathBuf,
    /// Whether a directory is walked, or archived without what it holds.
    pub(super) descend: bool,
}

impl Root {
    /// The archive path: the absolute path without leading slash; empty for `/`.
    #[must_use]
    pub fn archive_path(&self) -> &[u8] {
        let bytes = self.path.as_os_str().as_bytes();
        bytes.strip_prefix(b"/").unwrap_or(bytes)
    }

    /// The directory it lies in, and its name there. `/` lies in itself.
    pub(super) fn parent_and_name(&self) -> (&Path, CString) {
        let name = self.path.file_name().unwrap_or(OsStr::new("."));
        let name = CString::new(name.as_bytes()).expect("lstat has taken this path");
        (self.path.parent().unwrap_or(Path::new("/")), name)
    }
}

/// Makes `given` absolute against `working_directory` and resolves `.` and `..` by their
/// text alone.
pub(super) fn clean(given: &Path, working_directory: &Path) -> PathBuf {
    let mut path = PathBuf::from("/");
    for component in working_directory.join(given).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    path
}

/// Checks the paths given. Ascending; a path below another one is dropped if it is
/// archived with that: with `one_file_system` it may not be.
///
/// # Errors
///
/// [`EngineError::Root`] for the first path that cannot be looked at, [`EngineError::Plan`]
/// for one within a directory that is `never` archived, [`EngineError::Nothing`] if none
/// was given.
pub(super) fn resolve(
    given: &[PathBuf],
    never: &[PathBuf],
    one_file_system: bool,
) -> Result<Vec<Root>, EngineError> {
    let working_directory = std::env::current_dir().map_err(|source| EngineError::Root {
        path: PathBuf::from("."),
        source,
    })?;
    let never_ids = ids(never);
    let mut paths = Vec::with_capacity(given.len());
    for path in given {
        let failed = |source: io::Error| EngineError::Root {
            path: path.clone(),
            source,
        };
        if path.as_os_str().is_empty() {
            let what = "an empty path means nothing; `.` is the working directory, `/` everything";
            return Err(EngineError::Plan {
                what: what.to_owned(),
            });
        }
        let cleaned = clean(path, &working_directory);
        lstat(&cleaned).map_err(|errno| failed(errno.into()))?;
        let within = cleaned.ancestors().find(|ancestor| {
            stat(*ancestor).is_ok_and(|stat| never_ids.contains(&Inode::from(stat).id()))
        });
        if let Some(within) = within {
            let (path, within) = (path.display(), within.display());
            let what = format!("{path} lies in {within}, which is never archived");
            return Err(EngineError::Plan { what });
        }
        paths.push(cleaned);
    }
    if paths.is_empty() {
        return Err(EngineError::Nothing {
            what: "no path was given to archive".to_owned(),
        });
    }
    // The order of paths by components puts what lies below a path right behind it.
    paths.sort();
    let mut kept = Vec::with_capacity(paths.len());
    let mut above: Vec<PathBuf> = Vec::new();
    for path in paths {
        while above.last().is_some_and(|top| !path.starts_with(top)) {
            above.pop();
        }
        if !above
            .iter()
            .any(|root| is_reached(&path, root, one_file_system))
        {
            above.push(path.clone());
            let descend = true;
            kept.push(Root { path, descend });
        }
    }
    Ok(kept)
}

/// True if a walk from `root` comes to `path`, which lies below it or is the same.
fn is_reached(path: &Path, root: &Path, one_file_system: bool) -> bool {
    let device = |path: &Path| lstat(path).map(|stat| Inode::from(stat).device).ok();
    let on_the_way = path.ancestors().take_while(|step| *step != root);
    !one_file_system || on_the_way.map(device).all(|found| found == device(root))
}

/// Device and inode of each of these paths that exists.
pub(super) fn ids(paths: &[PathBuf]) -> HashSet<(u64, u64)> {
    paths
        .iter()
        .filter_map(|path| stat(path).ok())
        .map(|stat| Inode::from(stat).id())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_by_their_text() {
        for (given, expected) in [
            ("/a/b", "/a/b"),
            ("/a//b/./c/", "/a/b/c"),
            ("/a/../b", "/b"),
            ("/../../a", "/a"),
            ("x", "/work/x"),
            ("./x/..", "/work"),
            ("../x", "/x"),
            ("/", "/"),
        ] {
            assert_eq!(
                clean(Path::new(given), Path::new("/work")),
                Path::new(expected),
                "{given}"
            );
        }
    }

    #[test]
    fn paths_below_others_are_dropped() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        for name in ["a/b/c", "a-x", "d"] {
            std::fs::create_dir_all(place.join(name)).unwrap();
        }
        let given = ["d", "a/b/c", "a-x", "a", "d/."].map(|name| place.join(name));
        let roots = resolve(&given, &[], false).unwrap();
        let expected = ["a", "a-x", "d"].map(|name| Root {
            path: place.join(name),
            descend: true,
        });
        assert_eq!(roots, expected);
    }

    #[test]
    fn a_path_on_another_file_system_is_kept_if_no_walk_gets_there() {
        let given = [
            PathBuf::from("/"),
            PathBuf::from("/proc"),
            PathBuf::from("/proc/self"),
        ];
        let paths = |one_file_system| {
            let roots = resolve(&given, &[], one_file_system).unwrap();
            roots.into_iter().map(|root| root.path).collect::<Vec<_>>()
        };
        assert_eq!(paths(false), given[..1]);
        assert_eq!(paths(true), given[..2]);
    }

    #[test]
    fn a_missing_path_is_named_and_no_path_is_nothing() {
        let missing = PathBuf::from("/there/is/no/such");
        let error = resolve(&[PathBuf::from("/"), missing.clone()], &[], false).unwrap_err();
        assert!(matches!(error, EngineError::Root { path, .. } if path == missing));
        assert!(matches!(
            resolve(&[], &[], false),
            Err(EngineError::Nothing { .. })
        ));
    }

    #[test]
    fn a_path_within_what_is_never_archived_is_refused() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("state/catalog")).unwrap();
        let never = [place.path().join("state"), place.path().join("missing")];
        for inside in ["state", "state/catalog"] {
            let error = resolve(&[place.path().join(inside)], &never, false).unwrap_err();
            assert!(
                matches!(error, EngineError::Plan { .. }),
                "{inside}: {error}"
            );
        }
        assert!(resolve(&[place.path().to_owned()], &never, false).is_ok());
    }
}
