//! Which sg node belongs to a device that people name otherwise (scsi-tape facts 1.7).
//!
//! Looks at names and at sysfs only; opens nothing.

use std::io;
use std::path::{Path, PathBuf};

use super::attached::{SYSFS, is_numbered, names_in, sg_driver_loaded};
use super::sg_failure::{in_container, nothing_there};
use super::{TransportError, TransportErrorKind};

/// The sg node behind `path`: an sg node itself, a tape or changer node (`/dev/nst0`,
/// `/dev/st0`, `/dev/sch0`), or a link to one of these (`/dev/tape/by-id/…`).
///
/// # Errors
///
/// [`TransportErrorKind::NotFound`] with the cure; [`TransportErrorKind::Denied`].
pub fn resolve(path: &Path) -> Result<PathBuf, TransportError> {
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
    names_in(&tapes)
        .into_iter()
        .find(|name| is_numbered(name, "nst"))
        .map(|name| sg.with_file_name(name))
}

fn sg_of(sysfs: &Path, node: &Path) -> Result<PathBuf, String> {
    let name = node
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if is_numbered(name, "sg") {
        return Ok(node.to_owned());
    }
    if name.starts_with("IBMtape") || name.starts_with("IBMchanger") {
        return Err(format!(
            "{name} is of IBM's lin_tape driver, which is not used: give the device's sg node \
             (`library scan` lists it), and let no program use {name} meanwhile; to do without \
             lin_tape: rmmod lin_tape && modprobe st"
        ));
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

fn cannot_find(path: &Path, source: io::Error) -> TransportError {
    let (kind, what) = match source.kind() {
        io::ErrorKind::PermissionDenied => (
            TransportErrorKind::Denied,
            "this user may not look there".to_owned(),
        ),
        io::ErrorKind::NotFound => (
            TransportErrorKind::NotFound,
            nothing_there(sg_driver_loaded(), in_container()),
        ),
        _ => (
            TransportErrorKind::NotFound,
            "the device cannot be found".to_owned(),
        ),
    };
    TransportError {
        device: path.display().to_string(),
        kind,
        what,
        source: Some(source),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let told = sg_of(sysfs.path(), Path::new("/dev/IBMtape0n")).unwrap_err();
        assert!(told.contains("rmmod lin_tape"), "{told}");
    }

    #[test]
    fn a_missing_device_is_not_found() {
        let error = resolve(Path::new("/nowhere/nst0")).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::NotFound);
    }
}
