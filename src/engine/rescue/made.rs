//! Directories that were made for what may come, and go again if nothing does.

use std::io;
use std::path::{Path, PathBuf};

/// The directories that were made for one, from it upwards. Those in which nothing is go when this
/// is dropped.
#[derive(Debug)]
pub(super) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a directory and what is missing above it.
    pub(super) fn directory(path: &Path) -> io::Result<Self> {
        let missing = path.ancestors().take_while(|above| {
            !above.as_os_str().is_empty() && std::fs::symlink_metadata(above).is_err()
        });
        let made = Self(missing.map(Path::to_owned).collect());
        std::fs::create_dir_all(path)?;
        Ok(made)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for directory in &self.0 {
            if std::fs::remove_dir(directory).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_goes_up_to_what_has_something_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        drop(Made::directory(&deep).unwrap());
        assert!(!dir.path().join("a").exists());
        assert!(dir.path().exists(), "it was there before");

        let made = Made::directory(&deep).unwrap();
        std::fs::write(dir.path().join("a/mine"), "").unwrap();
        drop(made);
        assert!(!dir.path().join("a/b").exists());
        assert!(dir.path().join("a/mine").exists());
    }
}
