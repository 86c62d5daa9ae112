//! The kernel's objects of an attached library: a TCMU backstore per unit, and one `tcm_loop`
//! adapter with a target per unit. All of it is made and removed in configfs.
//!
//! Every name is made from the library's path, so what is attached is found again by any process
//! without a record of ours. Each step is skipped if it has been done, so an attachment that was
//! interrupted can be completed, or removed from any state.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::AttachError;
use crate::library::fnv;

const CONFIGFS: &str = "/sys/kernel/config";
/// Block size that `hw_max_sectors` counts in, bytes.
const SECTOR_BYTES: u32 = 512;
/// Largest transfer, 1 MiB: `tcm_loop` takes 256 pieces of a page.
pub const MAX_TRANSFER_BYTES: u32 = 1 << 20;
/// Data area of a unit: a few of the largest transfers at a time.
const DATA_AREA_MIB: u32 = 16;
/// Attributes of a backstore. A tape command takes hours: no time limit. Reservations and reset
/// notices are for the simulator. The kernels that lack one of the last three do without.
const ATTRIBUTES: [(&str, &str, bool); 4] = [
    ("cmd_time_out", "0", true),
    ("pgr_support", "0", false),
    ("alua_support", "0", false),
    ("tmr_notification", "1", false),
];
/// NAA 5 with an OUI that is locally administered, as the units have it.
const NAA_PREFIX: &str = "naa.5025453";

/// Where a library's objects are in the kernel.
#[derive(Debug, Clone)]
pub struct Attachment {
    host_adapter: u32,
    backstores: PathBuf,
    adapter: PathBuf,
    /// Name of the initiator port.
    initiator: String,
}

/// A backstore of one unit.
#[derive(Debug, Clone)]
pub struct Backstore {
    folder: PathBuf,
    /// Prefix of the UIO device's name.
    pub uio_name: String,
}

/// `changer` for unit 0, `drive0` for unit 1 and so on.
fn unit_name(unit: u16) -> String {
    match unit.checked_sub(1) {
        None => "changer".to_string(),
        Some(drive) => format!("drive{drive}"),
    }
}

impl Attachment {
    /// The names for the library in `dir`, a canonical path.
    pub fn new(dir: &Path) -> Self {
        let hash = fnv(dir.as_os_str().as_encoded_bytes());
        // The kernel takes 32 bits, and shows them signed.
        let host_adapter = (hash >> 32) as u32 & 0x7FFF_FFFF;
        let port = hash & 0xF_FFFF_FFFE;
        let name = |port: u64| format!("{NAA_PREFIX}{port:09x}");
        let target = Path::new(CONFIGFS).join("target");
        Attachment {
            host_adapter,
            backstores: target.join("core").join(format!("user_{host_adapter}")),
            adapter: target.join("loopback").join(name(port)),
            initiator: name(port | 1),
        }
    }

    /// Checks that the kernel can do it and that we may.
    ///
    /// # Errors
    ///
    /// `NotRoot`, `NoConfigfs`, `NoModule`.
    pub fn check_kernel() -> Result<(), AttachError> {
        if !rustix::process::geteuid().is_root() {
            return Err(AttachError::NotRoot);
        }
        let configfs = Path::new(CONFIGFS);
        let mounted = fs::read_dir(configfs).is_ok_and(|mut entries| entries.next().is_some());
        if !mounted {
            return Err(AttachError::NoConfigfs {
                path: configfs.to_path_buf(),
            });
        }
        let core = configfs.join("target").join("core");
        if let Err(source) = fs::metadata(core) {
            let module = "target_core_user";
            return Err(AttachError::NoModule { module, source });
        }
        Ok(())
    }

    /// True if the kernel has anything of the library.
    pub fn exists(&self) -> bool {
        self.backstores.exists() || self.adapter.exists()
    }

    /// The backstore of `unit`, which takes `max_transfer_bytes` at a time, and whether it was
    /// there already.
    ///
    /// # Errors
    ///
    /// `NoModule`, `Kernel`.
    pub fn backstore(
        &self,
        unit: u16,
        max_transfer_bytes: u32,
    ) -> Result<(Backstore, bool), AttachError> {
        make(&self.backstores).map_err(missing("target_core_user"))?;
        let backstore = self.named_backstore(&unit_name(unit));
        if is_enabled(&backstore.folder) {
            // A `detach` that came half way has blocked it.
            write(&backstore.folder.join("action/block_dev"), "0")?;
            return Ok((backstore, true));
        }
        make(&backstore.folder).map_err(AttachError::kernel(&backstore.folder))?;
        // Without a size the kernel computes one so large that it gives its own sense data in
        // descriptor format.
        let control = format!(
            "dev_config=tape-sim,dev_size={},nl_reply_supported=-1,hw_block_size={SECTOR_BYTES},\
             hw_max_sectors={},max_data_area_mb={DATA_AREA_MIB}",
            2 * SECTOR_BYTES,
            (max_transfer_bytes / SECTOR_BYTES).max(1),
        );
        write(&backstore.folder.join("control"), &control)?;
        for (attribute, value, required) in ATTRIBUTES {
            let path = backstore.folder.join("attrib").join(attribute);
            match write(&path, value) {
                Err(AttachError::Kernel { source, .. }) if !required && is_absent(&source) => {}
                other => other?,
            }
        }
        write(&backstore.folder.join("enable"), "1")?;
        Ok((backstore, false))
    }

    fn named_backstore(&self, name: &str) -> Backstore {
        Backstore {
            folder: self.backstores.join(name),
            uio_name: format!("tcm-user/{}/{name}/", self.host_adapter),
        }
    }

    /// Shows `unit` to the kernel's SCSI layer, which asks it who it is: it must be served.
    /// Returns its address as `HOST:CHANNEL:TARGET:LUN`.
    ///
    /// # Errors
    ///
    /// `NoModule`, `Kernel`.
    pub fn show(&self, unit: u16) -> Result<String, AttachError> {
        if let Some(fabric) = self.adapter.parent() {
            make(fabric).map_err(missing("tcm_loop"))?;
        }
        // A target group each: LUNs that came one after the other to a common one would give
        // those before them a unit attention, which st passes over and mtx does not.
        let group = self.adapter.join(format!("tpgt_{}", unit + 1));
        for folder in [&self.adapter, &group] {
            make(folder).map_err(AttachError::kernel(folder))?;
        }
        let nexus = group.join("nexus");
        if fs::read_to_string(&nexus).is_err() {
            write(&nexus, &self.initiator)?;
        }
        let lun = group.join("lun/lun_0");
        make(&lun).map_err(AttachError::kernel(&lun))?;
        let link = lun.join("unit");
        match symlink(self.backstores.join(unit_name(unit)), &link) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => other.map_err(AttachError::kernel(&link))?,
        }
        let address = group.join("address");
        let text = fs::read_to_string(&address).map_err(AttachError::kernel(&address))?;
        Ok(format!("{}:0", text.trim()))
    }

    /// Fails every command that waits for a server that is gone, and those to come.
    ///
    /// # Errors
    ///
    /// `Kernel`.
    pub fn fail_commands(&self) -> Result<(), AttachError> {
        for folder in folders(&self.backstores)? {
            let action = folder.join("action");
            // 2: with an error, not with a request to repeat.
            for (file, value) in [("block_dev", "1"), ("reset_ring", "2")] {
                match write(&action.join(file), value) {
                    // An attachment that was interrupted may have no ring yet.
                    Err(_) if !is_enabled(&folder) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Takes the units away from the kernel's SCSI layer: their nodes disappear. Waits for
    /// commands under way.
    ///
    /// # Errors
    ///
    /// `Kernel`.
    pub fn hide(&self) -> Result<(), AttachError> {
        for group in folders(&self.adapter)? {
            if !named(&group, "tpgt_") {
                continue;
            }
            for lun in folders(&group.join("lun"))? {
                for link in entries(&lun)? {
                    if link.is_symlink() {
                        fs::remove_file(&link).map_err(AttachError::kernel(&link))?;
                    }
                }
                unmake(&lun)?;
            }
            // Refused for a device that somebody has deleted in sysfs; then it goes with the
            // group.
            let _ = write(&group.join("nexus"), "NULL");
            unmake(&group)?;
        }
        unmake(&self.adapter)?;
        if let Some(fabric) = self.adapter.parent() {
            // It keeps the module in use; refused as long as it holds another adapter.
            let _ = fs::remove_dir(fabric);
        }
        Ok(())
    }

    /// Removes the backstores, which nobody serves or shows.
    ///
    /// # Errors
    ///
    /// `Kernel`.
    pub fn remove(&self) -> Result<(), AttachError> {
        for folder in folders(&self.backstores)? {
            unmake(&folder)?;
        }
        unmake(&self.backstores)
    }
}

fn named(folder: &Path, prefix: &str) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(prefix))
}

fn is_enabled(backstore: &Path) -> bool {
    fs::read_to_string(backstore.join("enable")).is_ok_and(|enabled| enabled.trim() == "1")
}

/// What opening a file says that this kernel does not have; configfs does not let one make files.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidInput
    )
}

fn missing(module: &'static str) -> impl FnOnce(io::Error) -> AttachError {
    move |source| AttachError::NoModule { module, source }
}

fn write(path: &Path, value: &str) -> Result<(), AttachError> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))
        .map_err(AttachError::kernel(path))
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn unmake(folder: &Path) -> Result<(), AttachError> {
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.map_err(AttachError::kernel(folder)),
    }
}

/// What is in `folder`; nothing if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, AttachError> {
    let wrap = || AttachError::kernel(folder);
    let list = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(wrap())?,
    };
    list.map(|entry| entry.map(|entry| entry.path()).map_err(wrap()))
        .collect()
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, AttachError> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_dir() && !path.is_symlink());
    Ok(found)
}
