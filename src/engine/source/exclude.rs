//! Patterns of what is left out, matched against archive paths as bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::engine::EngineError;

/// A set of exclude patterns.
///
/// | pattern | matches |
/// |---|---|
/// | `*.o` (no slash) | any object of that name, at any depth |
/// | `/var/cache/*` (leading slash) | the absolute path |
/// | `target/debug` (slash within) | a path that ends in these components |
/// | `cache/` (trailing slash) | as without it, but directories alone |
///
/// `*` and `?` stay within a component, `**` crosses them, `[a-z]` and `{a,b}` work, `\`
/// takes the next character as it is. `?` stands for one byte. What an excluded directory
/// holds is never looked at.
#[derive(Debug)]
pub struct Excludes {
    any: Patterns,
    directories: Patterns,
}

#[derive(Debug)]
struct Patterns {
    names: GlobSet,
    paths: GlobSet,
}

impl Patterns {
    fn matches(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        let hit = |set: &GlobSet, text: &[u8]| {
            !set.is_empty() && set.is_match_candidate(&Candidate::new(OsStr::from_bytes(text)))
        };
        hit(&self.names, name) || hit(&self.paths, path)
    }
}

impl Excludes {
    /// Compiles `patterns`.
    ///
    /// # Errors
    ///
    /// [`EngineError::Plan`] names the first pattern that is malformed or empty.
    pub fn new(patterns: &[String]) -> Result<Self, EngineError> {
        let mut sets: [GlobSetBuilder; 4] = std::array::from_fn(|_| GlobSetBuilder::new());
        for pattern in patterns {
            let (kept, directory) = match pattern.strip_suffix('/') {
                Some(kept) => (kept, true),
                None => (pattern.as_str(), false),
            };
            let (glob, by_path) = compile(kept).map_err(|what| EngineError::Plan {
                what: format!("exclude pattern `{pattern}` is malformed: {what}"),
            })?;
            sets[2 * usize::from(directory) + usize::from(by_path)].add(glob);
        }
        let [names, paths, directory_names, directory_paths] = sets.map(|set| {
            set.build().map_err(|error| EngineError::Plan {
                what: format!("the exclude patterns are too complex: {error}"),
            })
        });
        Ok(Self {
            any: Patterns {
                names: names?,
                paths: paths?,
            },
            directories: Patterns {
                names: directory_names?,
                paths: directory_paths?,
            },
        })
    }

    /// True if any object with this archive path is left out.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        self.any.matches(path)
    }

    /// True if a directory with this archive path is left out by a pattern that ends in
    /// a slash.
    #[must_use]
    pub fn matches_directory(&self, path: &[u8]) -> bool {
        self.directories.matches(path)
    }
}

/// The glob, and whether it is about whole paths.
fn compile(pattern: &str) -> Result<(Glob, bool), String> {
    let by_path = pattern.contains('/');
    let text = match pattern.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None if by_path && !pattern.starts_with("**/") => format!("**/{pattern}"),
        None => pattern.to_owned(),
    };
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let glob = GlobBuilder::new(&text)
        .literal_separator(true)
        .backslash_escape(true)
        .build();
    glob.map(|glob| (glob, by_path))
        .map_err(|error| error.kind().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> Result<Excludes, EngineError> {
        Excludes::new(
            &patterns
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_pattern_matches_by_name_by_path_or_by_its_last_components() {
        let cases: [(&str, &[u8], bool); 18] = [
            ("*.o", b"home/a/x.o", true),
            ("*.o", b"home/x.o/y", false),
            ("core", b"core", true),
            ("core", b"home/score", false),
            ("?", b"home/\xff", true),
            ("*\u{e9}*", "home/caf\u{e9}.txt".as_bytes(), true),
            ("*.bak", b"home/\xff\xfe.bak", true),
            ("/var/cache/*", b"var/cache/x", true),
            ("/var/cache/*", b"var/cache/x/y", false),
            ("/var/cache/**", b"var/cache/x/y", true),
            ("/var/cache/**", b"var/cache", false),
            ("/var/cache", b"srv/var/cache", false),
            ("target/debug", b"home/p/target/debug", true),
            ("target/debug", b"target/debug", true),
            ("target/debug", b"home/mytarget/debug", false),
            ("**/a/**/z", b"x/a/b/c/z", true),
            ("{a,b}.txt", b"x/b.txt", true),
            ("\\*", b"x/y", false),
        ];
        for (pattern, path, expected) in cases {
            let excludes = set(&[pattern]).unwrap();
            let shown = String::from_utf8_lossy(path);
            assert_eq!(excludes.matches(path), expected, "{pattern} {shown}");
            assert!(!excludes.matches_directory(path), "{pattern} {shown}");
        }
    }

    #[test]
    fn a_trailing_slash_restricts_a_pattern_to_directories() {
        let excludes = set(&["cache/", "/tmp/x/"]).unwrap();
        assert!(!excludes.matches(b"home/cache") && excludes.matches_directory(b"home/cache"));
        assert!(!excludes.matches(b"tmp/x") && excludes.matches_directory(b"tmp/x"));
        assert!(!excludes.matches_directory(b"home/tmp/x"));
    }

    #[test]
    fn malformed_patterns_are_named() {
        for pattern in ["[a", "", "/", "{a"] {
            let error = set(&["*.o", pattern]).unwrap_err();
            assert!(matches!(&error, EngineError::Plan { what } if what.contains(pattern)));
        }
    }
}
