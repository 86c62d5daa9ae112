//! The inventory's files: `inventory.json`, its lock, and the bays made from it.

use super::{Bay, Content, DriveHold, Events, FIRST_SLOT_ADDRESS, Inventory, Layout, Robot};
use crate::error::SimError;
use crate::files::{
    FORMAT_VERSION, adopt_format, lock, read_json, read_json_opt, share_lock, try_lock, write_json,
};
use crate::reservation::Reservations;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Version of `inventory.json`.
const INVENTORY_FILE: &str = "inventory.json";
/// File whose `flock` guards the inventory.
pub const LOCK_FILE: &str = "library.lock";

/// File that each host which has locked the doors holds with a shared `flock`.
const DOOR_LOCK_FILE: &str = "doors.lock";

/// Locks doors, mail slots and magazines of the library at `dir` against the operator, as long
/// as the file is open.
///
/// # Errors
///
/// `Io`.
pub(crate) fn hold_lock(dir: &Path) -> Result<File, SimError> {
    share_lock(&dir.join(DOOR_LOCK_FILE))
}

/// True if any host has locked the doors.
pub(super) fn is_locked(dir: &Path) -> Result<bool, SimError> {
    Ok(try_lock(&dir.join(DOOR_LOCK_FILE))?.is_none())
}

fn drive_dir(dir: &Path, drive: u16) -> PathBuf {
    dir.join("drives").join(drive.to_string())
}

/// `drives/N/bay.json` in the library at `dir`.
#[must_use]
pub fn bay_path(dir: &Path, drive: u16) -> PathBuf {
    drive_dir(dir, drive).join("bay.json")
}

/// Reads what is in drive bay `drive` of the library at `dir`.
///
/// # Errors
///
/// `Io`, `Format`.
pub fn read_bay(dir: &Path, drive: u16) -> Result<Bay, SimError> {
    read_json(&bay_path(dir, drive))
}

/// Reads whether the drive in bay `drive` holds on to its cartridge. A drive that was never
/// opened holds nothing.
///
/// # Errors
///
/// `Io`, `Format`.
pub fn read_hold(dir: &Path, drive: u16) -> Result<DriveHold, SimError> {
    let hold = read_json_opt(&drive_dir(dir, drive).join("state.json"))?;
    Ok(hold.unwrap_or_default())
}

/// Reads the inventory of the library at `dir`. It may be out of date at once, since the lock
/// is not held.
///
/// # Errors
///
/// `Io`, `Format`, `Version`.
pub fn read(dir: &Path) -> Result<Inventory, SimError> {
    let path = dir.join(INVENTORY_FILE);
    let mut inventory: Inventory = read_json(&path)?;
    adopt_format(&path, &mut inventory.format)?;
    match inventory.flaw() {
        Some(detail) => Err(SimError::Format { path, detail }),
        None => Ok(inventory),
    }
}

/// Creates the inventory of a new library in the existing directory `dir`: `inventory.json`,
/// `library.lock`, and `drives/N/bay.json` for each drive. `barcodes[i]` is put into slot `i`;
/// `None` leaves it empty, and so do missing entries.
///
/// # Errors
///
/// `Spec` for a layout or barcodes that make no library, `Io`.
pub fn create(dir: &Path, layout: Layout, barcodes: &[Option<String>]) -> Result<(), SimError> {
    if !layout.is_possible() || barcodes.len() > usize::from(layout.slots) {
        let reason = format!("{layout:?} for {} slots with barcodes", barcodes.len());
        return Err(SimError::Spec { reason });
    }
    let filled = (FIRST_SLOT_ADDRESS..).zip(barcodes);
    let filled = filled.filter_map(|(address, barcode)| Some((address, barcode.as_deref()?)));
    let contents = filled.map(|(address, barcode)| (address, Content::new(barcode)));
    let inventory = Inventory {
        format: FORMAT_VERSION,
        layout,
        contents: contents.collect(),
        drive_moves: vec![0; layout.drives.into()],
        events: Events {
            power_ons: 1,
            ..Events::default()
        },
        reported: Events::default(),
        mail_door_open: false,
        front_door_open: false,
        removed_magazines: BTreeMap::new(),
        exceptions: BTreeMap::new(),
        alerts: 0,
        reservations: Reservations::default(),
        attentions: BTreeMap::new(),
        robot: Robot::default(),
        robot_turns: Vec::new(),
        drive_moved_ns: vec![0; layout.drives.into()],
        changed_ns: BTreeMap::new(),
    };
    if let Some(reason) = inventory.flaw() {
        return Err(SimError::Spec { reason });
    }
    for drive in 0..layout.drives {
        let home = drive_dir(dir, drive);
        std::fs::create_dir_all(&home).map_err(SimError::io(&home))?;
    }
    let _guard = lock(&dir.join(LOCK_FILE))?;
    commit(dir, &inventory)
}

/// Changes the inventory of the library at `dir` under its lock. The change is kept if `change`
/// succeeds, otherwise nothing is written.
///
/// # Errors
///
/// What `change` returns; what `failed` makes of `Io`, `Format`, `Version`.
pub(crate) fn update<T, E>(
    dir: &Path,
    failed: impl Fn(SimError) -> E,
    change: impl FnOnce(&mut Inventory) -> Result<T, E>,
) -> Result<T, E> {
    let _guard = lock(&dir.join(LOCK_FILE)).map_err(&failed)?;
    let mut inventory = read(dir).map_err(&failed)?;
    let before = inventory.clone();
    let result = change(&mut inventory)?;
    if inventory != before {
        commit(dir, &inventory).map_err(&failed)?;
    }
    Ok(result)
}

/// Writes the inventory, then the bays that differ from it.
fn commit(dir: &Path, inventory: &Inventory) -> Result<(), SimError> {
    write_json(&dir.join(INVENTORY_FILE), inventory)?;
    write_bays(dir, inventory)
}

/// Opens the inventory of the library at `dir` for a changer: reads it, and puts right the bays
/// that a killed process left behind.
///
/// # Errors
///
/// `Io`, `Format`, `Version`.
pub(crate) fn open(dir: &Path) -> Result<Inventory, SimError> {
    let _guard = lock(&dir.join(LOCK_FILE))?;
    let inventory = read(dir)?;
    write_bays(dir, &inventory)?;
    Ok(inventory)
}

fn write_bays(dir: &Path, inventory: &Inventory) -> Result<(), SimError> {
    for drive in 0..inventory.layout.drives {
        let path = bay_path(dir, drive);
        let bay = inventory.bay(drive);
        if read_json_opt::<Bay>(&path)? != Some(bay.clone()) {
            write_json(&path, &bay)?;
        }
    }
    Ok(())
}
