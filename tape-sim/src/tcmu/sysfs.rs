//! What the kernel shows of attached devices in sysfs: the UIO device of a backstore, and the
//! nodes that its drivers have made. Reads only.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::AttachError;
use super::config::Backstore;
use super::daemon::Nodes;

const SYSFS: &str = "/sys/class";
/// Devices and nodes appear at once, unless udev has to load a driver first.
const TURNS: u32 = 100;
const TURN: Duration = Duration::from_millis(30);

/// Opens the UIO device of `backstore`; returns it with the size of its map in bytes.
///
/// # Errors
///
/// `Kernel`: there is none, or another process has it.
pub fn open_uio(backstore: &Backstore) -> Result<(File, usize), AttachError> {
    let class = Path::new(SYSFS).join("uio");
    let mut refused = AttachError::Kernel {
        path: class.clone(),
        source: ErrorKind::NotFound.into(),
    };
    for _ in 0..TURNS {
        for folder in list(&class) {
            let name = read(&folder.join("name"));
            if !name.starts_with(&backstore.uio_name) {
                continue;
            }
            let size = folder.join("maps/map0/size");
            let bytes = usize::from_str_radix(read(&size).trim_start_matches("0x"), 16)
                .map_err(|_| AttachError::kernel(&size)(ErrorKind::InvalidData.into()))?;
            let node = Path::new("/dev").join(folder.file_name().unwrap_or_default());
            match File::options().read(true).write(true).open(&node) {
                Ok(device) => return Ok((device, bytes)),
                Err(error) => {
                    let waits = error.kind() == ErrorKind::NotFound
                        || error.raw_os_error() == Some(Errno::BUSY.raw_os_error());
                    refused = AttachError::kernel(&node)(error);
                    if !waits {
                        return Err(refused);
                    }
                }
            }
        }
        thread::sleep(TURN);
    }
    Err(refused)
}

/// The nodes of the unit at `address` (`HOST:CHANNEL:TARGET:LUN`); waits a while for those that are
/// missing.
pub fn nodes(address: &str, is_changer: bool) -> Nodes {
    let device = Path::new(SYSFS)
        .join("scsi_device")
        .join(address)
        .join("device");
    let (class, prefix) = if is_changer {
        ("scsi_changer", "sch")
    } else {
        ("scsi_tape", "nst")
    };
    let mut found = Nodes {
        address: address.to_string(),
        generic: None,
        driver: None,
    };
    for _ in 0..TURNS {
        found.generic = node(&device.join("scsi_generic"), "sg");
        found.driver = node(&device.join(class), prefix);
        if found.generic.is_some() && found.driver.is_some() {
            break;
        }
        thread::sleep(TURN);
    }
    found
}

/// The node below `class` whose name is `prefix` and a number.
fn node(class: &Path, prefix: &str) -> Option<PathBuf> {
    list(class).into_iter().find_map(|path| {
        let name = path.file_name()?.to_str()?;
        let number = name.strip_prefix(prefix)?;
        number.parse::<u32>().ok()?;
        Some(Path::new("/dev").join(name))
    })
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn read(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_string()
}
