//! A file system of a few megabytes, mounted for a test. Only root may.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Memory, mounted on a directory until this is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `size` as `mount` takes it, such as `1m`, on the directory `path`; `None` for another user
    /// than root who is excused.
    #[track_caller]
    pub fn mount(path: &Path, size: &str) -> Option<Self> {
        if !crate::root::is_root() {
            return None;
        }
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(path)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "no mount");
        Some(Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
