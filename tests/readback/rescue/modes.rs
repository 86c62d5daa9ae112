//! Modes that forbid what a rescue does, to root and to who is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use rustix::process::{Gid, Uid, geteuid};
use tapewright::engine::rescue::{RescueReport, join};
use tapewright::monitor::Silent;
use tapewright::volume::member::Kind;
use tempfile::TempDir;

use super::{files, rescued_below};
use crate::rig::{Item, Volume, file, node, noise, part};

const NOBODY: u32 = 65_534;

/// Does `work` as a user without any right, whom `dir` is given.
fn as_nobody(dir: &Path, work: impl FnOnce() + Send) {
    chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    std::thread::scope(|scope| {
        let work = || {
            let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(group, group, group).unwrap();
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            work();
        };
        scope.spawn(work).join().unwrap();
    });
}

fn with_mode(mut item: Item, mode: u32) -> Item {
    item.member.mode = mode;
    item
}

/// What could not be set, a line each.
fn not_set(report: &RescueReport) -> Vec<String> {
    let items = report.metadata_not_set.iter().flat_map(|not| &not.items);
    let line = |path: &[u8], what: &str| format!("{}: {what}", String::from_utf8_lossy(path));
    items.map(|item| line(&item.path, &item.what)).collect()
}

/// Root may do all of it; others may not where the modes are in the way.
#[test]
fn what_its_mode_forbids_is_joined_and_set_aside_all_the_same() {
    for mode in [0o444, 0o000] {
        let dir = TempDir::new().unwrap();
        joined_and_set_aside(dir.path(), mode);
        if geteuid().is_root() {
            let dir = TempDir::new().unwrap();
            as_nobody(dir.path(), || joined_and_set_aside(dir.path(), mode));
        }
    }
}

fn joined_and_set_aside(dir: &Path, mode: u32) {
    let whole = noise(7, 200_000);
    let folder = || with_mode(node("d", Kind::Directory), 0o555);
    let volume = Volume::new("A00001L9")
        .write(&[
            folder(),
            with_mode(part("d/big", &whole, 1, 0..100_000), mode),
        ])
        .write(&[
            folder(),
            with_mode(part("d/big", &whole, 2, 100_000..200_000), mode),
        ])
        .write(&[
            folder(),
            with_mode(file("d/changed", &noise(1, 200_000)), mode),
        ]);
    let block = volume.block_of("d/changed");
    volume.tape.flip(block + 1, 100);
    let reports = rescued_below(dir, &[("one", &volume.tape)]);
    let kept_as = reports[0].lost[0].kept_as.as_deref();
    assert_eq!(
        kept_as,
        Some(&b"d/changed.tapewright-damaged"[..]),
        "{reports:?}"
    );
    let joins = join(dir, &Silent).unwrap();
    assert_eq!(joins.joined.len(), 1, "{mode:o}: {joins:?}");
    let saved = files(dir).into_iter().filter(|name| name.contains("/d/"));
    let expected = [
        "one/file-00001/d/big",
        "one/file-00005/d/changed.tapewright-damaged",
    ];
    assert_eq!(saved.collect::<Vec<_>>(), expected, "{mode:o}");

    let mode_of = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let path = dir.join("one/file-00001/d/big");
    assert_eq!(mode_of(&path), mode, "the mode that it was archived with");
    for number in [1, 3, 5] {
        let folder = dir.join(format!("one/file-{number:05}/d"));
        assert_eq!(mode_of(&folder), 0o555, "{number}");
        let modified = fs::metadata(&folder).unwrap().modified().unwrap();
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(since.subsec_nanos(), 123_456_789, "{number}");
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(fs::read(&path).unwrap() == whole, "{mode:o}");
}

#[test]
fn what_only_root_may_set_is_listed_for_others() {
    let saved = |dir: &Path| {
        let mut set_id = with_mode(file("set-id", b"#!"), 0o6755);
        set_id.member.uid = 1;
        let mut roots = with_mode(file("roots", b"root's"), 0o600);
        (roots.member.uid, roots.member.gid) = (0, 0);
        let items = [set_id, roots, node("null", Kind::CharDevice(1, 3))];
        let volume = Volume::new("A00001L9").write(&items);
        let mut reports = rescued_below(dir, &[("one", &volume.tape)]);
        let report = reports.remove(0);
        let lost: Vec<_> = super::lost(&report);
        (not_set(&report), lost)
    };
    let unprivileged = |dir: &Path| {
        let (not_set, lost) = saved(dir);
        let expected = ["set-id: owner 1", "set-id: mode 6755", "roots: owner 0:0"];
        let of_segment: Vec<_> = not_set
            .iter()
            .filter(|line| line.starts_with("set-id") || line.starts_with("roots"))
            .collect();
        assert_eq!(of_segment, expected, "{not_set:?}");
        assert_eq!(lost, ["null"], "a device");
    };
    let dir = TempDir::new().unwrap();
    if geteuid().is_root() {
        as_nobody(dir.path(), || unprivileged(dir.path()));
        let dir = TempDir::new().unwrap();
        assert_eq!(saved(dir.path()), (vec![], vec![]));
    } else {
        unprivileged(dir.path());
    }
}
