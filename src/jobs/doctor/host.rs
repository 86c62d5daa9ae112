//! This machine: state directory, catalog, clock, memory.

use std::path::Path;

use catalogs::{CatalogError, DamagedFile, LostLines, Volume};
use jiff::Timestamp;
use rustix::fs::statfs;

use super::Examination;
use crate::error_text::with_causes;
use crate::jobs::lock::{Lock, NotLocked};
use crate::jobs::{JobError, JobErrorKind, Site, StateDir, catalog};
use crate::units::ByteSize;

const STATE: &str = "state directory";
const CATALOG: &str = "catalog";
const CLOCK: &str = "clock";
const MEMORY: &str = "memory";
const LOCK: &str = "doctor";

/// A catalog grows by some hundred megabytes for each million files.
const ROOM_WANTED_BYTES: u64 = 1 << 30;
const ROOM_NEEDED_BYTES: u64 = 64 << 20;
/// Records under way, hashing and compression, with room to spare.
const MEMORY_WANTED_BYTES: u64 = 512 << 20;
const MEMORY_NEEDED_BYTES: u64 = 128 << 20;
/// Nothing was archived by this software before.
const EARLIEST: &str = "2025-01-01T00:00:00Z";
const DAY_SECONDS: i64 = 86_400;
/// Where much is damaged, the first few tell what happened.
const DAMAGE_TOLD: usize = 5;

/// What the catalog knows that devices have to suit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Volumes {
    /// The longest block of a tape in use; 0 without tapes.
    pub(super) longest_block_bytes: u64,
}

/// Checks the machine, and says what the catalog has.
pub(super) fn examine(site: Site<'_>, found: &mut Examination) -> Volumes {
    state_directory(site, found);
    let (volumes, newest) = examine_catalog(site, found);
    clock(site.clock.now(), newest, found);
    match std::fs::read_to_string("/proc/meminfo")
        .ok()
        .as_deref()
        .and_then(available_bytes)
    {
        Some(bytes) => memory(bytes, found),
        None => found.unknown(MEMORY, "the kernel does not tell how much is free"),
    }
    volumes
}

fn state_directory(site: Site<'_>, found: &mut Examination) {
    let root = site.state.root();
    let shown = root.display();
    if let Err(error) = StateDir::open(root) {
        return found.problem(
            STATE,
            JobErrorKind::Host,
            with_causes(&error),
            "give it to this user, or choose another one with --state",
        );
    }
    match Lock::try_take(&site.state.lock_dir(), LOCK) {
        Err(NotLocked::Held(_)) => found.ok(STATE, format!("{shown} can be written and locked")),
        Err(error) => found.problem(
            STATE,
            JobErrorKind::Host,
            format!("{shown} cannot be written: {}", JobError::from(error)),
            "give it to this user, or choose another one with --state",
        ),
        Ok(held) => {
            match Lock::try_take(&site.state.lock_dir(), LOCK) {
                Err(NotLocked::Held(_)) => {
                    found.ok(STATE, format!("{shown} can be written and locked"));
                }
                _ => found.problem(
                    STATE,
                    JobErrorKind::Host,
                    format!("{shown} is on a file system whose locks hold nobody out"),
                    "choose a directory on a local file system with --state",
                ),
            }
            held.retire();
        }
    }
    file_system(root, found);
}

fn file_system(root: &Path, found: &mut Examination) {
    let Ok(stat) = statfs(root) else {
        found.unknown(STATE, "the kernel does not tell of its file system");
        return;
    };
    // The sign of f_type is the architecture's choice; the magic number is not.
    let magic = stat.f_type as u32;
    match unsuitable(magic) {
        None => found.ok(STATE, "it is on a local file system"),
        Some((name, why)) => found.warn(
            STATE,
            format!("it is on {name}, {why}"),
            "choose a directory on a local disk with --state",
        ),
    }
    let free = stat
        .f_bavail
        .saturating_mul(u64::try_from(stat.f_bsize).unwrap_or(0));
    room(free, found);
}

/// File systems that suit a catalog badly (magic numbers of <linux/magic.h>).
fn unsuitable(magic: u32) -> Option<(&'static str, &'static str)> {
    const FAR: &str = "where locks and durability depend on the server";
    const GONE: &str = "which is empty after the next boot";
    Some(match magic {
        0x6969 => ("NFS", FAR),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => ("a Windows share", FAR),
        0x00C3_6400 => ("CephFS", FAR),
        0x0102_1997 => ("a 9p share", FAR),
        0x6573_5546 => (
            "a FUSE file system",
            "whose locks and durability are its program's",
        ),
        0x0102_1994 | 0x8584_58F6 => ("a memory file system", GONE),
        0x794C_7630 => ("a container's overlay", "which ends with the container"),
        _ => return None,
    })
}

fn room(free_bytes: u64, found: &mut Examination) {
    let what = format!("{} are free on it", ByteSize(free_bytes));
    let cure = "make room, or choose another directory with --state";
    match free_bytes {
        ..ROOM_NEEDED_BYTES => found.problem(STATE, JobErrorKind::Host, what, cure),
        ROOM_NEEDED_BYTES..ROOM_WANTED_BYTES => found.warn(STATE, what, cure),
        _ => found.ok(STATE, what),
    }
}

fn examine_catalog(site: Site<'_>, found: &mut Examination) -> (Volumes, Option<Timestamp>) {
    let mut volumes = Volumes::default();
    if !catalog::exists(site) {
        found.ok(CATALOG, "there is none yet; the first label begins one");
        return (volumes, None);
    }
    let opened = catalog::open_to_examine(site).and_then(|catalog| {
        let live = catalog::live_volumes(&catalog)?;
        let lost = catalog.find_lost_lines()?;
        let unnamed = catalog.unnamed_entry_files()?.len();
        Ok((
            live,
            lost.map(|lost| (lost, unnamed)),
            catalog.check_files()?,
        ))
    });
    let (live, lost, (files, damaged)) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            found.error(CATALOG, &error);
            return (volumes, None);
        }
    };
    match lost {
        None => found.ok(
            CATALOG,
            format!("the ledger is whole; it knows {} tapes", live.len()),
        ),
        Some((lost, unnamed)) => lost_lines(lost, unnamed, found),
    }
    entry_files(files, &damaged, &live, found);
    let blocks = live.iter().map(|volume| volume.label.what.block_bytes);
    volumes.longest_block_bytes = blocks.max().unwrap_or(0).into();
    (volumes, live.iter().map(|volume| volume.label.time).max())
}

/// A ledger that is whole by its own chain, and had more.
fn lost_lines(lost: LostLines, unnamed: usize, found: &mut Examination) {
    let files = match unnamed {
        0 => String::new(),
        1 => "; 1 entry file is named by no line any more".to_owned(),
        count => format!("; {count} entry files are named by no line any more"),
    };
    let error = JobError::Catalog(CatalogError::LinesLost(lost));
    let (kind, cure) = (error.kind(), error.advice().unwrap_or_default());
    found.problem(
        CATALOG,
        kind,
        format!("{}{files}", with_causes(&error)),
        cure,
    );
}

/// Whether the lists of files of all segments are as they were sealed.
fn entry_files(files: u64, damaged: &[DamagedFile], live: &[Volume], found: &mut Examination) {
    if damaged.is_empty() {
        let whole = match files {
            1 => "its one entry file is whole".to_owned(),
            _ => format!("its {files} entry files are whole"),
        };
        return found.ok(CATALOG, whole);
    }
    let barcode = |file: &DamagedFile| {
        let mut labels = live.iter().map(|volume| &volume.label.what);
        let label = labels.find(|label| label.volume == file.volume)?;
        Some(label.barcode.clone())
    };
    for file in damaged.iter().take(DAMAGE_TOLD) {
        let what = with_causes(&file.error);
        match barcode(file) {
            Some(barcode) => {
                let cure = format!("`catalog rebuild {barcode}` writes it anew from the tape");
                found.problem(CATALOG, JobErrorKind::Catalog, what, cure);
            }
            // Nothing brings it back, and no tape that is written needs it.
            None => found.warn(
                CATALOG,
                what,
                "its tape was given up; what it held is not found any more",
            ),
        }
    }
    let more = damaged.get(DAMAGE_TOLD..).unwrap_or_default();
    if more.is_empty() {
        return;
    }
    let count = more.len();
    let what = format!("{count} more of its {files} entry files are missing or damaged");
    match more.iter().any(|file| barcode(file).is_some()) {
        true => {
            let cure = "`catalog rebuild` writes them anew from the tapes";
            found.problem(CATALOG, JobErrorKind::Catalog, what, cure);
        }
        false => found.warn(CATALOG, what, "their tapes were given up"),
    }
}

fn clock(now: Timestamp, newest: Option<Timestamp>, found: &mut Examination) {
    let earliest: Timestamp = EARLIEST.parse().expect("a constant in RFC 3339");
    let cure = "set it, and let the network keep it: timedatectl set-ntp true";
    if now < earliest {
        let what = format!("it says {now:.0}, which is long past");
        found.problem(CLOCK, JobErrorKind::Host, what, cure);
        return;
    }
    match newest {
        Some(newest) if newest.as_second() > now.as_second() + DAY_SECONDS => {
            let what = format!("it says {now:.0}, but a tape was labelled at {newest:.0}");
            found.problem(CLOCK, JobErrorKind::Host, what, cure);
        }
        _ => found.ok(CLOCK, format!("it says {now:.0}")),
    }
}

/// Memory that programs may still take, from `/proc/meminfo`.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn memory(available_bytes: u64, found: &mut Examination) {
    let what = format!("{} are free", ByteSize(available_bytes));
    let cure = "stop other programs: a drive that waits for a swapping machine wears its tape";
    match available_bytes {
        ..MEMORY_NEEDED_BYTES => found.problem(MEMORY, JobErrorKind::Host, what, cure),
        MEMORY_NEEDED_BYTES..MEMORY_WANTED_BYTES => found.warn(MEMORY, what, cure),
        _ => found.ok(MEMORY, what),
    }
}

#[cfg(test)]
mod tests {
    use catalogs::EntriesError;

    use super::super::Verdict;
    use super::*;

    fn verdict(check: impl FnOnce(&mut Examination)) -> Verdict {
        let mut found = Examination::default();
        check(&mut found);
        assert_eq!(found.checks.len(), 1);
        let check = &found.checks[0];
        let needs_cure = check.verdict >= Verdict::Warning;
        assert_eq!(check.cure.is_some(), needs_cure, "{check:?}");
        check.verdict
    }

    #[test]
    fn a_machine_is_judged_by_its_figures() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (name, expected, check) in [
            (
                "room",
                Verdict::Ok,
                Box::new(|f: &mut Examination| room(5 << 30, f)) as Box<dyn Fn(&mut Examination)>,
            ),
            (
                "little room",
                Verdict::Warning,
                Box::new(|f| room(500 << 20, f)),
            ),
            ("no room", Verdict::Problem, Box::new(|f| room(1 << 20, f))),
            ("memory", Verdict::Ok, Box::new(|f| memory(8 << 30, f))),
            (
                "little memory",
                Verdict::Warning,
                Box::new(|f| memory(300 << 20, f)),
            ),
            (
                "no memory",
                Verdict::Problem,
                Box::new(|f| memory(30 << 20, f)),
            ),
            (
                "clock",
                Verdict::Ok,
                Box::new(move |f| clock(at("2026-11-01T00:00:00Z"), None, f)),
            ),
            (
                "empty clock battery",
                Verdict::Problem,
                Box::new(move |f| clock(at("1970-01-02T00:00:00Z"), None, f)),
            ),
            (
                "clock behind the tapes",
                Verdict::Problem,
                Box::new(move |f| {
                    clock(
                        at("2026-11-01T00:00:00Z"),
                        Some(at("2026-11-03T00:00:00Z")),
                        f,
                    )
                }),
            ),
        ] {
            assert_eq!(verdict(check), expected, "{name}");
        }
    }

    #[test]
    fn damage_that_nothing_cures_is_no_problem() {
        let damaged = |count| -> Vec<DamagedFile> {
            let given_up = |_| DamagedFile {
                volume: uuid::Uuid::nil(),
                error: EntriesError::Io {
                    path: "1.entries".into(),
                    source: std::io::ErrorKind::NotFound.into(),
                },
            };
            (0..count).map(given_up).collect()
        };
        for (count, told) in [(1, 1), (DAMAGE_TOLD + 3, DAMAGE_TOLD + 1)] {
            let mut found = Examination::default();
            entry_files(9, &damaged(count), &[], &mut found);
            assert_eq!(found.problems().count(), 0, "{found:?}");
            assert_eq!(found.with(Verdict::Warning).count(), told, "{found:?}");
        }
        assert_eq!(verdict(|f| entry_files(1, &[], &[], f)), Verdict::Ok);
    }

    #[test]
    fn available_memory_is_read_from_meminfo_only() {
        let text = "MemTotal:  100 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(available_bytes(text), Some(2 << 20));
        for broken in [
            "",
            "MemAvailable:",
            "MemAvailable: x kB",
            "MemAvailable: 99999999999999999999 kB",
        ] {
            assert_eq!(available_bytes(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_network_file_system_is_not_local() {
        assert!(unsuitable(0x6969).is_some());
        assert!(unsuitable(0xEF53).is_none(), "ext4");
        assert!(unsuitable(0x5846_5342).is_none(), "XFS");
    }
}
