//! Which sg node belongs to a device that people name otherwise (scsi-tape facts 1.7).
//!
//! Looks at names and at sysfs only; opens nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{TransportError, TransportErrorKind};

/// Where the kernel shows its devices.
const SYSFS: &str = "/sys/class";

/// The sg node behind `path`: an sg node itself, a tape or changer node (`/dev/nst0`,
/// `/dev/st0`, `/dev/sch0`), or a link to one of these (`/dev/tape/by-id/…`).
///
/// # Errors
///
/// [`TransportErrorKind::NotFound`] with the cure; [`TransportErrorKind::Denied`].
pub(super) fn resolve(path: &Path) -> Result<PathBuf, TransportError> {
    let node = path
        .canonicalize()
        .map_err(|source| cannot_find(path, source))?;
    sg_of(Path::new(SYSFS), &node).map_err(|what| TransportError {
        device: path.display().to_string(),
        kind: TransportErrorKind::NotFound,
        what,
        source: None,
    })
}

/// The no-rewind tape node of the drive behind an sg node, if the st driver has it.
pub(super) fn tape_node_of(sg: &Path) -> Option<PathBuf> {
    let tapes = Path::new(SYSFS)
        .join("scsi_generic")
        .join(sg.file_name()?)
        .join("device/scsi_tape");
    let plain = |name: &String| {
        name.strip_prefix("nst")
            .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
    };
    names_in(&tapes)
        .into_iter()
        .find(plain)
        .map(|name| sg.with_file_name(name))
}

/// A device that the sg driver has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedDevice {
    /// Its sg node.
    pub node: PathBuf,
    /// Peripheral device type: 01h tape drive, 08h medium changer.
    pub device_type: u8,
}

/// All devices that the sg driver has, by number. Asks sysfs alone: opens no device.
#[must_use]
pub fn attached_devices() -> Vec<AttachedDevice> {
    attached(Path::new(SYSFS))
}

fn attached(sysfs: &Path) -> Vec<AttachedDevice> {
    let class = sysfs.join("scsi_generic");
    let mut names = names_in(&class);
    names.retain(|name| is_numbered(name, "sg"));
    names.sort_by_key(|name| (name.len(), name.clone()));
    let device = |name: String| {
        let text = fs::read_to_string(class.join(&name).join("device/type")).ok()?;
        let device_type = text.trim().parse().ok()?;
        Some(AttachedDevice {
            node: Path::new("/dev").join(name),
            device_type,
        })
    };
    names.into_iter().filter_map(device).collect()
}

fn sg_of(sysfs: &Path, node: &Path) -> Result<PathBuf, String> {
    let name = node
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if is_numbered(name, "sg") {
        return Ok(node.to_owned());
    }
    let class = if name.starts_with("sch") {
        "scsi_changer"
    } else if name.starts_with("nst") || name.starts_with("st") {
        "scsi_tape"
    } else {
        return Err(format!(
            "{} is neither a tape drive nor a changer; give a path such as /dev/sg1, \
             /dev/nst0, /dev/sch0 or one below /dev/tape/by-id",
            node.display()
        ));
    };
    let device = sysfs.join(class).join(name).join("device/scsi_generic");
    match names_in(&device)
        .into_iter()
        .find(|name| is_numbered(name, "sg"))
    {
        Some(sg) => Ok(node.with_file_name(sg)),
        None => Err(format!(
            "the kernel has no sg node for it; load the sg driver: modprobe sg \
             (looked in {})",
            device.display()
        )),
    }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
}

fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn cannot_find(path: &Path, source: io::Error) -> TransportError {
    let (kind, what) = match source.kind() {
        io::ErrorKind::PermissionDenied => {
            (TransportErrorKind::Denied, "this user may not look there")
        }
        io::ErrorKind::NotFound => (
            TransportErrorKind::NotFound,
            "there is no such device; `lsscsi -g` lists those that the kernel knows; if \
             there are no sg nodes at all, load the driver: modprobe sg",
        ),
        _ => (TransportErrorKind::NotFound, "the device cannot be found"),
    };
    TransportError {
        device: path.display().to_string(),
        kind,
        what: what.to_owned(),
        source: Some(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tape_and_changer_nodes_lead_to_their_sg_node() {
        let sysfs = tempfile::tempdir().unwrap();
        for below in [
            "scsi_tape/nst0/device/scsi_generic/sg3",
            "scsi_tape/st0/device/scsi_generic/sg3",
            "scsi_changer/sch0/device/scsi_generic/sg4",
            "scsi_tape/nst1/device",
        ] {
            fs::create_dir_all(sysfs.path().join(below)).unwrap();
        }
        for (node, sg) in [
            ("/dev/sg7", Some("/dev/sg7")),
            ("/dev/nst0", Some("/dev/sg3")),
            ("/dev/st0", Some("/dev/sg3")),
            ("/dev/sch0", Some("/dev/sg4")),
            ("/dev/nst1", None),
            ("/dev/sda", None),
        ] {
            let found = sg_of(sysfs.path(), Path::new(node));
            assert_eq!(
                found.as_deref().ok(),
                sg.map(Path::new),
                "{node}: {found:?}"
            );
        }
        let told = sg_of(sysfs.path(), Path::new("/dev/nst1")).unwrap_err();
        assert!(told.contains("modprobe sg"), "{told}");
    }

    #[test]
    fn attached_devices_are_listed_by_number() {
        let sysfs = tempfile::tempdir().unwrap();
        for (name, device_type) in [("sg10", "8"), ("sg2", "1"), ("sg0", "0")] {
            let device = sysfs.path().join("scsi_generic").join(name).join("device");
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("type"), format!("{device_type}\n")).unwrap();
        }
        let found: Vec<_> = attached(sysfs.path())
            .into_iter()
            .map(|device| (device.node, device.device_type))
            .collect();
        let expected = [("/dev/sg0", 0), ("/dev/sg2", 1), ("/dev/sg10", 8)];
        assert_eq!(
            found,
            expected.map(|(node, kind)| (PathBuf::from(node), kind))
        );
    }

    #[test]
    fn a_missing_device_is_not_found() {
        let error = resolve(Path::new("/nowhere/nst0")).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::NotFound);
    }
}
