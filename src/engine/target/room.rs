//! Free room below a directory, which need not be there yet.

use std::path::Path;

use rustix::fs::statvfs;

/// Bytes that a user other than root can still write in the file system of `path`, or, where
/// that is not there, of what it would be made in. `None` where the file system does not tell:
/// some count nothing at all.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let named = path
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty())
        .chain([Path::new(".")]);
    let stat = named.map(statvfs).find_map(Result::ok)?;
    (stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_has_the_room_of_what_is_above() {
        let above = tempfile::tempdir().unwrap();
        assert!(free_bytes(&above.path().join("not/there/yet")).is_some());
        assert!(free_bytes(Path::new("not there, and relative")).is_some());
    }
}
