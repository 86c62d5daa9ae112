//! Which processes have a device node open, by what `/proc` shows to this user.
//!
//! For messages only: a process that is not seen, since it is another user's, may hold a
//! device all the same.

use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::attached::{is_numbered, names_in};

/// A process that has a device open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its name, as the kernel has it: at most 15 characters.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.command, self.pid)
    }
}

/// The other processes that have one of these nodes open, under whatever name.
#[must_use]
pub fn holders(nodes: &[PathBuf]) -> Vec<Holder> {
    let device = |node: &PathBuf| {
        let metadata = fs::metadata(node).ok()?;
        let kind = metadata.file_type();
        (kind.is_char_device() || kind.is_block_device()).then(|| metadata.rdev())
    };
    let wanted: Vec<u64> = nodes.iter().filter_map(device).collect();
    let own = std::process::id();
    let mut found: Vec<Holder> = names_in(Path::new("/proc"))
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .filter(|pid| *pid != own && has_open(*pid, &wanted))
        .map(|pid| Holder {
            pid,
            command: command_of(pid),
        })
        .collect();
    found.sort_by_key(|holder| holder.pid);
    found
}

/// The nodes under which programs may have the device of an sg node open: itself, and all
/// that st or ch made for it.
pub(super) fn nodes_of(sysfs: &Path, sg: &Path) -> Vec<PathBuf> {
    let Some(name) = sg.file_name() else {
        return Vec::new();
    };
    let device = sysfs.join("scsi_generic").join(name).join("device");
    let others = ["scsi_tape", "scsi_changer"]
        .into_iter()
        .flat_map(|class| names_in(&device.join(class)));
    let mut nodes: Vec<PathBuf> = others.map(|name| sg.with_file_name(name)).collect();
    nodes.sort();
    nodes.insert(0, sg.to_owned());
    nodes
}

fn has_open(pid: u32, wanted: &[u64]) -> bool {
    let directory = PathBuf::from(format!("/proc/{pid}/fd"));
    names_in(&directory)
        .into_iter()
        .filter(|name| is_numbered(name, ""))
        .any(|name| {
            let file = directory.join(name);
            // Only what the link names as a device is asked: a stat on a dead network file
            // system would wait for it.
            let in_dev = fs::read_link(&file).is_ok_and(|target| target.starts_with("/dev"));
            in_dev && fs::metadata(&file).is_ok_and(|metadata| wanted.contains(&metadata.rdev()))
        })
}

fn command_of(pid: u32) -> String {
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match command.trim() {
        "" => "a program".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_has_the_device_open_is_named() {
        let mut child = Command::new("sleep")
            .arg("600")
            .stdin(fs::File::open("/dev/full").unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let found = holders(&[PathBuf::from("/dev/full"), PathBuf::from("/dev/nowhere")]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            found.iter().any(|holder| holder.pid == child.id()),
            "{found:?}"
        );
    }

    #[test]
    fn a_drive_is_held_under_any_of_its_names() {
        let sysfs = tempfile::tempdir().unwrap();
        let device = sysfs.path().join("scsi_generic/sg3/device/scsi_tape");
        for name in ["st0", "nst0", "nst0l"] {
            fs::create_dir_all(device.join(name)).unwrap();
        }
        let nodes = nodes_of(sysfs.path(), Path::new("/dev/sg3"));
        let expected = ["sg3", "nst0", "nst0l", "st0"].map(|name| Path::new("/dev").join(name));
        assert_eq!(nodes, expected);
    }
}
