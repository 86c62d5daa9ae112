//! The library: is there one, does its changer answer, does each of its drives.

use std::path::Path;

use super::host::Volumes;
use super::{Examination, Verdict, drive};
use crate::drive::Drive;
use crate::jobs::library::{
    Devices, FoundDevice, FoundDrive, LibraryConfig, LibraryScan, Place, open_exclusive, scan,
};
use crate::jobs::lock::{CHANGER_LOCK, Lock, NotLocked};
use crate::jobs::state::StateError;
use crate::jobs::{JobError, JobErrorKind, Site};

const LIBRARY: &str = "library";

/// Whether the library is played by this program, so that the kernel has no part in it.
pub(super) fn is_simulated(site: Site<'_>) -> bool {
    matches!(
        site.state.library(),
        Ok(LibraryConfig::Simulated { .. } | LibraryConfig::SimulatedDrive { .. })
    )
}

/// Checks the library and its drives; where none is set up, all that the host has.
pub(super) fn examine(site: Site<'_>, volumes: Volumes, found: &mut Examination) {
    let config = match site.state.library() {
        Ok(config) => config,
        Err(StateError::NoLibrary { .. }) => {
            let scan = scan();
            no_library(&scan, found);
            on_host(&scan, found);
            for drive in &scan.drives {
                let about = drive.device.node.display().to_string();
                one(open_exclusive(&drive.device.node), &about, volumes, found);
            }
            return;
        }
        Err(error) => return found.error(LIBRARY, &error.into()),
    };
    if !is_simulated(site) {
        on_host(&scan(), found);
    }
    if let Err(error) = configured(site, &config, volumes, found) {
        found.error(LIBRARY, &error);
    }
}

/// What to set up, as a command to be typed.
fn no_library(scan: &LibraryScan, found: &mut Examination) {
    let command = match (&scan.changers[..], &scan.drives[..]) {
        ([changer, ..], _) => format!("--changer {}", changer.device.best_name().display()),
        ([], [drive, ..]) => format!("--drive {}", drive.device.best_name().display()),
        ([], []) => "--sim DIR".to_owned(),
    };
    found.warn(
        LIBRARY,
        "none is set up",
        format!("tapewright library create {command}"),
    );
}

/// The host's changers and drives, as far as they can be judged without opening a drive.
fn on_host(scan: &LibraryScan, found: &mut Examination) {
    if scan.changers.is_empty() && scan.drives.is_empty() {
        found.problem(
            LIBRARY,
            JobErrorKind::BadDevice,
            "the kernel has no tape drive and no changer",
            "check power and cables; have the adapter look again: \
             echo '- - -' | tee /sys/class/scsi_host/host*/scan",
        );
    }
    for changer in &scan.changers {
        let about = changer.device.node.display().to_string();
        if let Some(problem) = &changer.device.problem {
            found.problem(&about, JobErrorKind::BadDevice, problem.clone(), "");
            continue;
        }
        found.ok(
            &about,
            format!(
                "changer {}: {} drives, {} slots, {} mail slots",
                described(&changer.device),
                changer.drive_elements.len(),
                changer.slots,
                changer.mail_slots
            ),
        );
        for element in &changer.drive_elements {
            let number = element.number;
            let Some(serial) = &element.serial else {
                found.note(
                    &about,
                    Verdict::Warning,
                    format!("it does not tell which drive is in its drive element {number}"),
                );
                continue;
            };
            let attached = |drive: &FoundDrive| drive.device.serial.as_ref() == Some(serial);
            if !scan.drives.iter().any(attached) {
                found.warn(
                    &about,
                    format!("its drive {number} (serial number {serial}) is not on this host"),
                    "if it should be, check its power, cable and zoning",
                );
            }
        }
    }
    for drive in &scan.drives {
        names(drive, found);
    }
}

fn names(drive: &FoundDrive, found: &mut Examination) {
    let about = drive.device.node.display().to_string();
    if let Some(problem) = &drive.device.problem {
        found.note(&about, Verdict::Warning, problem.clone());
    }
    match (drive.device.links.first(), &drive.device.serial) {
        (Some(link), _) => found.ok(&about, format!("its lasting name is {}", link.display())),
        (None, Some(_)) => found.ok(
            &about,
            "it has no link below /dev/tape, and is found by its serial number",
        ),
        (None, None) => found.warn(
            &about,
            "it has neither a link below /dev/tape nor a serial number, and its node may change",
            "udevadm trigger --subsystem-match=scsi_tape",
        ),
    }
}

fn described(device: &FoundDevice) -> String {
    let serial = device.serial.as_deref().unwrap_or("none");
    format!(
        "{} {}, firmware {}, serial number {serial}",
        device.vendor, device.product, device.revision
    )
}

fn configured(
    site: Site<'_>,
    config: &LibraryConfig,
    volumes: Volumes,
    found: &mut Examination,
) -> Result<(), JobError> {
    let mut devices = Devices::open(config, site.trace)?;
    devices.only_look();
    let Some(snapshot) = devices.look(site.monitor)? else {
        one(devices.open_only_drive(), "drive", volumes, found);
        return Ok(());
    };
    found.ok(
        LIBRARY,
        format!(
            "its changer answers: {} drives, {} slots, {} mail slots",
            snapshot.drives.len(),
            snapshot.slots.len(),
            snapshot.mail_slots.len()
        ),
    );
    if let Some(trouble) = &snapshot.trouble {
        found.problem(
            LIBRARY,
            JobErrorKind::NeedsOperator,
            format!("it moves no tape: {trouble}"),
            "look at its display; close its doors, put its magazines back",
        );
    }
    if let Some(hand) = snapshot.full_hand() {
        let (barcode, name) = (hand.barcode_text(), devices.element_name(hand.address));
        let cure = format!(
            "the next command that mounts a tape, such as `verify {barcode}`, puts it into a slot; \
             if the library refuses that, take it out at its display"
        );
        found.warn(LIBRARY, format!("{barcode} was left in {name}"), cure);
    }
    for place in snapshot.places() {
        if let Some(problem) = &place.problem {
            let what = format!("{}: {problem}", devices.element_name(place.address));
            found.warn(LIBRARY, what, "look at the library's display");
        }
    }
    let mut usable = 0;
    for place in &snapshot.drives {
        let about = name_of(place);
        if devices.drive_name(place).is_none() {
            found.warn(
                &about,
                "it is in the library, but not configured",
                "if it is attached to this host, `library create --changer DEVICE` finds it",
            );
            continue;
        }
        usable += 1;
        let examine = || one(devices.open_drive_at(place), &about, volumes, found);
        if let Err(pid) = at_rest(&site.state.lock_dir(), examine) {
            let who = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
            let what = format!("not examined: a job{who} is about to use a drive");
            found.warn(&about, what, "run doctor again when it has its tape");
        }
    }
    if usable == 0 {
        found.problem(
            LIBRARY,
            JobErrorKind::BadDevice,
            "none of its drives is configured",
            "`library scan` shows what is attached; `library create --changer DEVICE` takes it \
             over",
        );
    }
    Ok(())
}

/// Does it while no job is about to use a drive; else says whose process is. A job that wants
/// one waits for the end of this alone, and finds no drive taken.
fn at_rest(locks: &Path, look: impl FnOnce()) -> Result<(), Option<u32>> {
    let moving = Lock::try_take(locks, CHANGER_LOCK);
    if let Err(NotLocked::Held(pid)) = moving {
        return Err(pid);
    }
    look();
    Ok(())
}

fn name_of(place: &Place) -> String {
    let serial = place.serial.as_deref().unwrap_or("unknown");
    format!("drive {} (serial number {serial})", place.number)
}

fn one(opened: Result<Drive, JobError>, about: &str, volumes: Volumes, found: &mut Examination) {
    match opened {
        Ok(mut opened) => drive::examine(&mut opened, about, volumes, found),
        Err(error) => found.error(about, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_wait_for_the_examination_of_one_drive_only() {
        let locks = tempfile::tempdir().unwrap();
        let taken = || Lock::try_take(locks.path(), CHANGER_LOCK).is_err();
        for _ in 0..2 {
            let mut looked = false;
            let done = at_rest(locks.path(), || looked = taken());
            assert_eq!((done, looked), (Ok(()), true));
            assert!(!taken());
        }
        let job = Lock::try_take(locks.path(), CHANGER_LOCK).unwrap();
        let looked = at_rest(locks.path(), || panic!("a job is about to use a drive"));
        assert_eq!(looked, Err(Some(std::process::id())));
        drop(job);
    }
}
