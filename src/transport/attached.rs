//! The SCSI devices that the kernel has, by what sysfs and `/dev/tape` say of them
//! (scsi-tape facts 1.7).
//!
//! Opens no device, so it disturbs nobody who uses one. VPD pages are handed on as the
//! kernel keeps them: what they say is layer 2's.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows its devices.
pub(super) const SYSFS: &str = "/sys/class";
const DEV: &str = "/dev";
/// Directories below `/dev` with names that outlive a boot, the best first.
const LINK_DIRECTORIES: [&str; 2] = ["tape/by-id", "tape/by-path"];
/// A VPD page is 4 bytes and a length of at most 16 bits.
const PAGE_BYTES_MAX: u64 = 4 + (1 << 16);

/// A device that the sg driver has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttachedDevice {
    /// Its sg node.
    pub node: PathBuf,
    /// Peripheral device type: 01h tape drive, 08h medium changer.
    pub device_type: u8,
    /// Host, channel, target and unit, as the kernel counts: `2:0:1:0`.
    pub address: String,
    /// Vendor name.
    pub vendor: String,
    /// Product name.
    pub product: String,
    /// Firmware revision.
    pub revision: String,
    /// `running`, or why the kernel sends it nothing: `offline`, `blocked`.
    pub state: String,
    /// The driver that has claimed it beside sg: `st`, `ch`, `lin_tape`.
    pub driver: Option<String>,
    /// The no-rewind tape node or the changer node, if st or ch made one.
    pub other_node: Option<PathBuf>,
    /// Links below `/dev/tape` that lead to it, the more lasting ones first.
    pub links: Vec<PathBuf>,
    /// VPD page 80 as the kernel has read it, if it has.
    pub serial_page: Option<Vec<u8>>,
    /// VPD page 83 as the kernel has read it, if it has.
    pub identification_page: Option<Vec<u8>>,
}

/// All devices that the sg driver has, by number. Asks sysfs alone: opens no device.
#[must_use]
pub fn attached_devices() -> Vec<AttachedDevice> {
    attached(Path::new(SYSFS), Path::new(DEV))
}

/// Whether the kernel has the sg driver; `None` where sysfs cannot be seen.
#[must_use]
pub fn sg_driver_loaded() -> Option<bool> {
    let sysfs = Path::new(SYSFS);
    sysfs
        .is_dir()
        .then(|| sysfs.join("scsi_generic").is_dir() || Path::new("/sys/module/sg").is_dir())
}

fn attached(sysfs: &Path, dev: &Path) -> Vec<AttachedDevice> {
    let class = sysfs.join("scsi_generic");
    let links = links_below(dev);
    let mut names = names_in(&class);
    names.retain(|name| is_numbered(name, "sg"));
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
        .into_iter()
        .filter_map(|name| device(&class.join(&name).join("device"), dev, &name, &links))
        .collect()
}

fn device(
    sysfs: &Path,
    dev: &Path,
    name: &str,
    links: &[(PathBuf, String)],
) -> Option<AttachedDevice> {
    let text = |file: &str| {
        let text = fs::read_to_string(sysfs.join(file)).unwrap_or_default();
        text.trim().to_owned()
    };
    let last = |path: PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
    let tapes = names_in(&sysfs.join("scsi_tape"));
    let changers = names_in(&sysfs.join("scsi_changer"));
    let other = (tapes.iter().find(|name| is_numbered(name, "nst"))).or_else(|| changers.first());
    let ours =
        |target: &String| target == name || tapes.contains(target) || changers.contains(target);
    Some(AttachedDevice {
        node: dev.join(name),
        device_type: text("type").parse().ok()?,
        address: fs::canonicalize(sysfs)
            .ok()
            .and_then(last)
            .unwrap_or_default(),
        vendor: text("vendor"),
        product: text("model"),
        revision: text("rev"),
        state: text("state"),
        driver: fs::read_link(sysfs.join("driver")).ok().and_then(last),
        other_node: other.map(|name| dev.join(name)),
        links: links
            .iter()
            .filter(|(_, target)| ours(target))
            .map(|(link, _)| link.clone())
            .collect(),
        serial_page: page(&sysfs.join("vpd_pg80")),
        identification_page: page(&sysfs.join("vpd_pg83")),
    })
}

/// Each link with the name of the node that it leads to.
fn links_below(dev: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for directory in LINK_DIRECTORIES.map(|name| dev.join(name)) {
        let mut names = names_in(&directory);
        names.sort();
        for name in names {
            let link = directory.join(name);
            let target = fs::canonicalize(&link).ok();
            let target = target.as_deref().and_then(Path::file_name);
            if let Some(target) = target.and_then(|name| name.to_str()) {
                found.push((link, target.to_owned()));
            }
        }
    }
    found
}

fn page(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).ok()?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, PAGE_BYTES_MAX), &mut bytes).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// `sg12` for `sg`; not `nst0a` for `nst`.
pub(super) fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
}

/// The names in a directory; none if it is not there.
pub(super) fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A host with a disk, a drive and a changer, as sysfs and udev show them.
    fn host(root: &Path) -> (PathBuf, PathBuf) {
        let (sysfs, dev) = (root.join("class"), root.join("dev"));
        for (name, kind, below, driver) in [
            ("sg10", "8", "scsi_changer/sch0", "ch"),
            ("sg2", "1", "scsi_tape/nst0", "st"),
            ("sg0", "0", "block/sda", "sd"),
        ] {
            let device = sysfs.join("scsi_generic").join(name).join("device");
            fs::create_dir_all(device.join(below)).unwrap();
            fs::write(device.join("type"), format!("{kind}\n")).unwrap();
            fs::write(device.join("model"), "Ultrium 9-SCSI  \n").unwrap();
            symlink(format!("../../drivers/{driver}"), device.join("driver")).unwrap();
        }
        fs::create_dir_all(sysfs.join("scsi_generic/sg2/device/scsi_tape/nst0a")).unwrap();
        fs::write(
            sysfs.join("scsi_generic/sg2/device/vpd_pg80"),
            b"\x01\x80\x00\x02S1",
        )
        .unwrap();
        fs::create_dir_all(dev.join("tape/by-id")).unwrap();
        for (name, node) in [("scsi-3500-nst", "nst0"), ("scsi-3501-changer", "sg10")] {
            fs::write(dev.join(node), "").unwrap();
            symlink(dev.join(node), dev.join("tape/by-id").join(name)).unwrap();
        }
        (sysfs, dev)
    }

    #[test]
    fn attached_devices_are_listed_by_number_with_all_their_names() {
        let root = tempfile::tempdir().unwrap();
        let (sysfs, dev) = host(root.path());
        let found = attached(&sysfs, &dev);
        let shown: Vec<_> = found
            .iter()
            .map(|device| (device.node.clone(), device.device_type))
            .collect();
        assert_eq!(
            shown,
            [("sg0", 0), ("sg2", 1), ("sg10", 8)].map(|(node, kind)| (dev.join(node), kind))
        );
        let drive = &found[1];
        assert_eq!(drive.product, "Ultrium 9-SCSI");
        assert_eq!(drive.driver.as_deref(), Some("st"));
        assert_eq!(drive.other_node, Some(dev.join("nst0")));
        assert_eq!(drive.links, [dev.join("tape/by-id/scsi-3500-nst")]);
        assert_eq!(
            drive.serial_page.as_deref(),
            Some(&b"\x01\x80\x00\x02S1"[..])
        );
        let changer = &found[2];
        assert_eq!(changer.other_node, Some(dev.join("sch0")));
        assert_eq!(changer.links, [dev.join("tape/by-id/scsi-3501-changer")]);
        assert_eq!(changer.serial_page, None);
    }
}
