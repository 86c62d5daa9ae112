//! Where a device is now: node numbers change between boots, serial numbers do not.
//!
//! Looks at what the kernel says of its devices, and opens none.

use std::path::{Path, PathBuf};

use crate::scsi::inquiry;
use crate::transport::attached::{AttachedDevice, attached_devices};
use crate::transport::sg::{SgTransport, Sharing, resolve};
use crate::transport::{Transport, TransportError};

/// A configured device that is not where it was, and cannot be told from what is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// No device of the host has its serial number.
    #[error(
        "{} (serial number {serial}) is not attached to this host any more{}",
        device.display(), instead(.found)
    )]
    Vanished {
        /// The device as configured.
        device: PathBuf,
        /// Its serial number.
        serial: String,
        /// Serial number of what has its name now.
        found: Option<String>,
    },
    /// Several nodes lead to it, or two devices claim its number.
    #[error(
        "serial number {serial} is on {} nodes: {}; which of them to use is not guessed",
        nodes.len(), shown(.nodes)
    )]
    Ambiguous {
        /// The serial number.
        serial: String,
        /// The nodes.
        nodes: Vec<PathBuf>,
    },
}

fn instead(found: &Option<String>) -> String {
    found.as_ref().map_or_else(String::new, |serial| {
        format!("; its name is that of the device with serial number {serial} now")
    })
}

fn shown(nodes: &[PathBuf]) -> String {
    let nodes: Vec<String> = nodes
        .iter()
        .map(|node| node.display().to_string())
        .collect();
    nodes.join(", ")
}

/// Where a configured device is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Where it was, as far as can be told without opening it.
    AsConfigured,
    /// At another node.
    Moved(PathBuf),
}

/// The unit serial number of an attached device, if the kernel has read it.
pub(crate) fn serial_of(device: &AttachedDevice) -> Option<String> {
    let serial = inquiry::parse_serial(device.serial_page.as_deref()?).ok()?;
    (!serial.is_empty()).then_some(serial)
}

/// Finds the device with `serial` among `attached`, where `here` is the sg node that the
/// configured name leads to now.
pub(crate) fn find(
    (configured, serial): (&Path, &str),
    here: Option<&Path>,
    attached: &[AttachedDevice],
) -> Result<Whereabouts, Misplaced> {
    if serial.is_empty() || attached.is_empty() {
        return Ok(Whereabouts::AsConfigured);
    }
    let nodes: Vec<PathBuf> = attached
        .iter()
        .filter(|device| serial_of(device).as_deref() == Some(serial))
        .map(|device| device.node.clone())
        .collect();
    let at = |node: &Path| attached.iter().find(|device| device.node == node);
    let by_path = configured.starts_with("/dev/tape/by-path");
    match &nodes[..] {
        // A path was chosen by name, which outlives a boot.
        [_, _, ..] if by_path && here.is_some_and(|here| nodes.iter().any(|n| n == here)) => {
            Ok(Whereabouts::AsConfigured)
        }
        [_, _, ..] => Err(Misplaced::Ambiguous {
            serial: serial.to_owned(),
            nodes,
        }),
        [only] if Some(only.as_path()) == here => Ok(Whereabouts::AsConfigured),
        [only] => Ok(Whereabouts::Moved(only.clone())),
        [] => {
            let found = here.and_then(at);
            match found.map(serial_of) {
                // Its own reply will tell.
                Some(None) => Ok(Whereabouts::AsConfigured),
                Some(found) => Err(vanished(configured, serial, found)),
                None => Err(vanished(configured, serial, None)),
            }
        }
    }
}

/// The error for a device that is not there, or another one.
pub(crate) fn vanished(device: &Path, serial: &str, found: Option<String>) -> Misplaced {
    Misplaced::Vanished {
        device: device.to_owned(),
        serial: serial.to_owned(),
        found,
    }
}

/// Where the device `configured` of type `device_type` is now, by its serial number.
pub(crate) fn whereabouts(
    configured: &Path,
    serial: &str,
    device_type: u8,
) -> Result<Whereabouts, Misplaced> {
    let mut attached = attached_devices();
    attached.retain(|device| device.device_type == device_type);
    let here = resolve(configured).ok();
    find((configured, serial), here.as_deref(), &attached)
}

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Opens the device `configured`, wherever it is now. Messages name both places.
pub(crate) fn open(
    (configured, serial): (&Path, &str),
    device_type: u8,
    sharing: Sharing,
) -> Result<Box<dyn Transport>, NotOpened> {
    match whereabouts(configured, serial, device_type)? {
        Whereabouts::AsConfigured => Ok(Box::new(SgTransport::open(configured, sharing)?)),
        Whereabouts::Moved(node) => {
            let name = format!("{}, now {}", configured.display(), node.display());
            tracing::warn!(serial, "a device has moved: {name}");
            Ok(Box::new(SgTransport::open_named(name, &node, sharing)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(node: &str, serial: Option<&str>) -> AttachedDevice {
        let page = |serial: &str| {
            let length = u8::try_from(serial.len()).unwrap();
            [&[1, 0x80, 0, length], serial.as_bytes()].concat()
        };
        AttachedDevice {
            node: PathBuf::from(node),
            device_type: 1,
            serial_page: serial.map(page),
            ..AttachedDevice::default()
        }
    }

    #[test]
    fn a_device_is_found_by_its_serial_number_or_not_at_all() {
        let (sg1, sg2) = (Path::new("/dev/sg1"), Path::new("/dev/sg2"));
        let attached = |serials: &[Option<&str>]| -> Vec<AttachedDevice> {
            let nodes = serials.iter().zip(1..);
            nodes
                .map(|(serial, number)| device(&format!("/dev/sg{number}"), *serial))
                .collect()
        };
        let moved = |node: &Path| Ok(Whereabouts::Moved(node.to_owned()));
        let here = Ok(Whereabouts::AsConfigured);
        let gone = |found: Option<&str>| Err(vanished(sg1, "A", found.map(str::to_owned)));
        let twice = Err(Misplaced::Ambiguous {
            serial: "A".to_owned(),
            nodes: vec![sg1.to_owned(), sg2.to_owned()],
        });
        for (name, serials, at, expected) in [
            (
                "where it was",
                &[Some("A"), Some("B")][..],
                Some(sg1),
                here.clone(),
            ),
            (
                "numbers changed",
                &[Some("B"), Some("A")],
                Some(sg1),
                moved(sg2),
            ),
            (
                "its node is gone",
                &[Some("B"), Some("A")],
                None,
                moved(sg2),
            ),
            (
                "another one is there",
                &[Some("B")],
                Some(sg1),
                gone(Some("B")),
            ),
            ("nothing has its name", &[Some("B")], None, gone(None)),
            (
                "the kernel has not read it",
                &[None, Some("B")],
                Some(sg1),
                here.clone(),
            ),
            (
                "two paths",
                &[Some("A"), Some("A")],
                Some(sg1),
                twice.clone(),
            ),
            ("sysfs cannot be seen", &[], Some(sg1), here.clone()),
        ] {
            let found = find((sg1, "A"), at, &attached(serials));
            assert_eq!(found, expected, "{name}");
        }
        let two_paths = attached(&[Some("A"), Some("A")]);
        let by_path = Path::new("/dev/tape/by-path/pci-0000-nst");
        let found = find((by_path, "A"), Some(sg2), &two_paths);
        assert_eq!(found, here, "a path chosen by name");
        let found = find((sg1, ""), Some(sg1), &two_paths);
        assert_eq!(found, here, "no serial number is known");
    }
}
