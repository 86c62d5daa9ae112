//! What a restore makes of good tapes.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tapewright::engine::restore::restore_into;
use tapewright::engine::restore::{RestoreOutcome, RestorePlan, RestoreReport, restore};
use tapewright::engine::target::{Existing, Owners, Resolver, Target, TargetOptions};
use tapewright::monitor::Silent;
use tapewright::volume::member::{Extent, Kind};
use tempfile::TempDir;

use crate::rig::{Shelf, Volume, file, node, noise, part, plan};

const NEWER: TargetOptions = with(Existing::Newer);
const RENAME: TargetOptions = with(Existing::Rename);

const fn with(existing: Existing) -> TargetOptions {
    TargetOptions {
        existing,
        owners: Owners::Names,
    }
}

const OVERWRITE: TargetOptions = TargetOptions {
    existing: Existing::Overwrite,
    owners: tapewright::engine::target::Owners::Names,
};

fn run(plan: &RestorePlan, volumes: &[&Volume]) -> RestoreReport {
    restore(plan, &mut Shelf::of(volumes), &Silent).unwrap()
}

fn run_with(resolver: Resolver, plan: &RestorePlan, volumes: &[&Volume]) -> RestoreReport {
    let target = Target::with_resolver(&plan.target, plan.options, resolver).unwrap();
    restore_into(target, plan, &mut Shelf::of(volumes), &Silent)
}

fn target() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("to/here");
    (directory, path)
}

/// Everything below `path`, relative to it, sorted.
pub fn names_below(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut left = vec![path.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let name = entry.path();
            names.push(
                name.strip_prefix(path)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            );
            if entry.file_type().unwrap().is_dir() {
                left.push(name);
            }
        }
    }
    names.sort();
    names
}

#[test]
fn a_tree_comes_back_with_either_way_of_opening_directories() {
    let mut directory = node("d/sub", Kind::Directory);
    directory.member.mode = 0o1750;
    let mut locked = node("d", Kind::Directory);
    locked.member.mode = 0o555;
    locked.member.mtime.seconds = -5;
    let volume = Volume::new("A00001L9").write(&[
        locked,
        directory,
        file("d/empty", b""),
        file("d/small", b"hello"),
        file("d/sub/large", &noise(1, 300_000)),
        node("d/link", Kind::Symlink(b"../no/where".to_vec())),
        node("d/fifo", Kind::Fifo),
        node("d/sub/same", Kind::Hardlink(b"d/small".to_vec())),
    ]);
    for resolver in [Resolver::OpenAt2, Resolver::Walk] {
        let (_keep, to) = target();
        let plan = plan(&to, TargetOptions::default(), &[&volume]);
        let report = run_with(resolver, &plan, &[&volume]);
        assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
        assert_eq!((report.objects, report.files, report.verified), (8, 3, 3));
        assert_eq!(report.bytes, 300_005);
        assert_eq!(report.metadata_not_set.count, 0, "{report:?}");
        assert_eq!(
            names_below(&to),
            [
                "d",
                "d/empty",
                "d/fifo",
                "d/link",
                "d/small",
                "d/sub",
                "d/sub/large",
                "d/sub/same"
            ]
        );
        assert_eq!(fs::read(to.join("d/sub/large")).unwrap(), noise(1, 300_000));
        assert_eq!(
            fs::read_link(to.join("d/link")).unwrap(),
            Path::new("../no/where")
        );
        let stat = |name: &str| fs::symlink_metadata(to.join(name)).unwrap();
        assert_eq!(stat("d").permissions().mode() & 0o7777, 0o555);
        assert_eq!(
            (stat("d").mtime(), stat("d").mtime_nsec()),
            (-5, 123_456_789)
        );
        assert_eq!(stat("d/sub").permissions().mode() & 0o7777, 0o1750);
        for name in ["d/sub", "d/small", "d/link", "d/fifo"] {
            let mtime = (stat(name).mtime(), stat(name).mtime_nsec());
            assert_eq!(mtime, (1_000_000_000, 123_456_789), "{name}");
        }
        assert_eq!(stat("d/small").ino(), stat("d/sub/same").ino());
    }
}

#[test]
fn holes_stay_holes_and_count_as_zeros() {
    let mut content = vec![0; 40 << 20];
    content[8 << 20..(8 << 20) + 5].copy_from_slice(b"piece");
    content[20 << 20..(20 << 20) + 100_000].copy_from_slice(&noise(2, 100_000));
    let mut item = file("sparse", &content);
    let pieces = [(8 << 20, 512), (20 << 20, 100_000)];
    item.payload = pieces
        .iter()
        .flat_map(|&(at, len)| content[at..at + len].to_vec())
        .collect();
    item.member.extents = Some(
        pieces
            .iter()
            .map(|&(at, len)| Extent {
                offset_bytes: at as u64,
                length_bytes: len as u64,
            })
            .collect(),
    );
    let mut nothing = file("all-hole", &vec![0; 3 << 20]);
    nothing.payload.clear();
    nothing.member.extents = Some(Vec::new());
    let volume = Volume::new("A00001L9").write(&[item, nothing]);
    let (_keep, to) = target();
    let report = run(&plan(&to, TargetOptions::default(), &[&volume]), &[&volume]);
    assert_eq!(report.verified, 2, "{report:?}");
    assert!(fs::read(to.join("sparse")).unwrap() == content);
    assert!(fs::metadata(to.join("sparse")).unwrap().blocks() * 512 < 1 << 20);
    let all_hole = fs::metadata(to.join("all-hole")).unwrap();
    assert_eq!((all_hole.len(), all_hole.blocks()), (3 << 20, 0));
}

#[test]
fn parts_on_several_volumes_are_joined_in_any_order() {
    let whole = noise(3, 500_000);
    let one = Volume::new("A00001L9").write(&[part("big", &whole, 1, 0..200_000)]);
    let two = Volume::new("A00002L9").write(&[
        part("big", &whole, 2, 200_000..400_001),
        file("after", b"x"),
    ]);
    let three = Volume::new("A00003L9").write(&[part("big", &whole, 3, 400_001..500_000)]);
    for order in [
        [&one, &two, &three],
        [&three, &one, &two],
        [&two, &three, &one],
    ] {
        let (_keep, to) = target();
        let report = run(&plan(&to, TargetOptions::default(), &order), &order);
        assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
        assert_eq!((report.files, report.verified), (2, 2));
        assert!(fs::read(to.join("big")).unwrap() == whole);
    }
}

#[test]
fn a_file_without_all_its_parts_is_not_left_behind() {
    let whole = noise(3, 300_000);
    let one = Volume::new("A00001L9")
        .write(&[part("big", &whole, 1, 0..200_000), file("other", b"fine")]);
    let two = Volume::new("A00002L9").write(&[part("big", &whole, 2, 200_000..300_000)]);
    // The second volume is planned but not on the shelf, or not planned at all.
    for volumes in [vec![&one, &two], vec![&two, &one], vec![&one], vec![&two]] {
        let (_keep, to) = target();
        let plan = plan(&to, TargetOptions::default(), &volumes);
        let report = run(&plan, &[volumes[0]]);
        assert_eq!(report.outcome, RestoreOutcome::Incomplete);
        let alone = report
            .problems
            .iter()
            .map(|problem| problem.path.as_bytes());
        let with_volumes = report.volumes_failed.iter().flat_map(|v| &v.lost);
        let lost: Vec<&[u8]> = alone.chain(with_volumes.map(Vec::as_slice)).collect();
        let times = lost.iter().filter(|name| **name == b"big").count();
        assert_eq!(times, 1, "{report:?}");
        let expected: &[&str] = if volumes[0].label.barcode == "A00001L9" {
            &["other"]
        } else {
            &[]
        };
        assert_eq!(names_below(&to), expected);
    }
}

#[test]
fn a_link_without_its_first_name_gets_the_data() {
    let volume = Volume::new("A00001L9").write(&[
        file("first", b"data"),
        node("second", Kind::Hardlink(b"first".to_vec())),
        node("third", Kind::Hardlink(b"first".to_vec())),
    ]);
    let (_keep, to) = target();
    let mut plan = plan(&to, TargetOptions::default(), &[&volume]);
    let reads = &mut plan.volumes[0].reads;
    reads[0].name = b"second".to_vec();
    reads.remove(1);
    let report = run(&plan, &[&volume]);
    assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
    assert_eq!(names_below(&to), ["second", "third"]);
    let inode = |name| fs::metadata(to.join(name)).unwrap().ino();
    assert_eq!(inode("second"), inode("third"));
}

#[test]
fn a_link_may_be_read_before_its_first_name() {
    let first = Volume::new("A00001L9").write(&[file("first", b"data")]);
    let link = Volume::new("A00002L9").write(&[node("link", Kind::Hardlink(b"first".to_vec()))]);
    let (_keep, to) = target();
    let plan = plan(&to, TargetOptions::default(), &[&link, &first]);
    let report = run(&plan, &[&link, &first]);
    assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
    assert_eq!(fs::read(to.join("link")).unwrap(), b"data");
}

#[test]
fn existing_objects_are_refused_or_replaced_as_asked() {
    let volume = Volume::new("A00001L9").write(&[
        node("d", Kind::Directory),
        file("d/f", b"new"),
        node("d/s", Kind::Symlink(b"new".to_vec())),
        node("d/h", Kind::Hardlink(b"d/f".to_vec())),
        file("d/taken", b"new"),
    ]);
    for options in [TargetOptions::default(), NEWER, OVERWRITE] {
        let (_keep, to) = target();
        fs::create_dir_all(to.join("d/taken")).unwrap();
        fs::set_permissions(to.join("d"), fs::Permissions::from_mode(0o700)).unwrap();
        for name in ["d/f", "d/h"] {
            fs::write(to.join(name), "old").unwrap();
        }
        symlink("old", to.join("d/s")).unwrap();
        let report = run(&plan(&to, options, &[&volume]), &[&volume]);
        assert_eq!(report.outcome, RestoreOutcome::Incomplete);
        let refused: Vec<&str> = report.problems.iter().map(|p| p.path.as_str()).collect();
        let mode = fs::metadata(to.join("d")).unwrap().permissions().mode() & 0o7777;
        let (content, refusals, directory_mode) = match options.existing {
            // What was made just now is newer than what is archived.
            Existing::Refuse | Existing::Newer => {
                ("old", vec!["d/f", "d/s", "d/taken", "d/h"], 0o700)
            }
            Existing::Overwrite => ("new", vec!["d/taken"], 0o755),
            Existing::Rename => unreachable!("has a test of its own"),
        };
        assert_eq!((refused, mode), (refusals, directory_mode));
        assert_eq!(fs::read_to_string(to.join("d/f")).unwrap(), content);
        assert_eq!(fs::read_to_string(to.join("d/h")).unwrap(), content);
        assert_eq!(fs::read_link(to.join("d/s")).unwrap(), Path::new(content));
        assert_eq!(names_below(&to), ["d", "d/f", "d/h", "d/s", "d/taken"]);
    }
}

#[test]
fn only_what_is_older_is_replaced_by_what_is_newer() {
    let archived = file("f", b"").member.mtime;
    for (seconds, nanoseconds, replaced) in
        [(-1, 0, true), (0, -1, true), (0, 0, false), (1, 0, false)]
    {
        let volume = Volume::new("A00001L9")
            .write(&[file("f", b"new"), node("h", Kind::Hardlink(b"f".to_vec()))]);
        let (_keep, to) = target();
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("f"), "old").unwrap();
        let since = Duration::new(
            archived.seconds.checked_add(seconds).unwrap() as u64,
            archived
                .nanoseconds
                .checked_add_signed(nanoseconds)
                .unwrap(),
        );
        let there = fs::File::options().write(true).open(to.join("f")).unwrap();
        there.set_modified(UNIX_EPOCH + since).unwrap();
        let report = run(&plan(&to, NEWER, &[&volume]), &[&volume]);
        let content = if replaced { "new" } else { "old" };
        assert_eq!(
            fs::read_to_string(to.join("f")).unwrap(),
            content,
            "{report:?}"
        );
        // A link never leads to what was there before.
        assert_eq!(to.join("h").exists(), replaced, "{report:?}");
        assert_eq!(report.problem_count, if replaced { 0 } else { 2 });
    }
}

#[test]
fn renamed_objects_stand_beside_what_was_there_and_links_lead_to_them() {
    let volume = Volume::new("A00001L9").write(&[
        node("d", Kind::Directory),
        file("d/f", b"new"),
        file("d/free", b"new"),
        node("d/h", Kind::Hardlink(b"d/f".to_vec())),
        node("d/s", Kind::Symlink(b"new".to_vec())),
        file("d/taken", b"new"),
    ]);
    let (_keep, to) = target();
    fs::create_dir_all(to.join("d/taken")).unwrap();
    fs::set_permissions(to.join("d"), fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["d/f", "d/f.restored-1", "d/s"] {
        fs::write(to.join(name), "old").unwrap();
    }
    let report = run(&plan(&to, RENAME, &[&volume]), &[&volume]);
    assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
    let text = |name: &str| fs::read_to_string(to.join(name)).unwrap();
    for name in ["d/f", "d/f.restored-1", "d/s"] {
        assert_eq!(text(name), "old", "{name}");
    }
    for name in ["d/f.restored-2", "d/free", "d/h", "d/taken.restored-1"] {
        assert_eq!(text(name), "new", "{name}");
    }
    let inode = |name: &str| fs::metadata(to.join(name)).unwrap().ino();
    assert_eq!(inode("d/h"), inode("d/f.restored-2"));
    assert_eq!(
        fs::read_link(to.join("d/s.restored-1")).unwrap(),
        Path::new("new")
    );
    let mode = fs::metadata(to.join("d")).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o700, "a directory that was there keeps its mode");
    let renamed: Vec<(&[u8], &[u8])> = report.renamed.iter().map(|(a, b)| (&**a, &**b)).collect();
    let expected: [(&[u8], &[u8]); 3] = [
        (b"d/f", b"d/f.restored-2"),
        (b"d/s", b"d/s.restored-1"),
        (b"d/taken", b"d/taken.restored-1"),
    ];
    assert_eq!(renamed, expected);
}

#[test]
fn restoring_twice_over_itself_changes_nothing() {
    let volume = Volume::new("A00001L9").write(&[
        file("f", b"data"),
        node("h", Kind::Hardlink(b"f".to_vec())),
        node("s", Kind::Symlink(b"f".to_vec())),
    ]);
    let (_keep, to) = target();
    for _ in 0..2 {
        let report = run(&plan(&to, OVERWRITE, &[&volume]), &[&volume]);
        assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
        assert_eq!(names_below(&to), ["f", "h", "s"]);
    }
}

#[test]
fn any_name_that_a_file_system_has_comes_back() {
    let component = "n".repeat(255);
    let deep = vec![component.as_str(); 20].join("/");
    let mut odd = file("odd", b"1");
    odd.member.path = b"odd/\xff\xfe\x01 \n\\".to_vec();
    let volume = Volume::new("A00001L9").write(&[odd.clone(), file(&deep, b"deep")]);
    for resolver in [Resolver::OpenAt2, Resolver::Walk] {
        let (_keep, to) = target();
        let plan = plan(&to, TargetOptions::default(), &[&volume]);
        let report = run_with(resolver, &plan, &[&volume]);
        assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
        let odd = to.join(std::ffi::OsStr::from_bytes(&odd.member.path));
        assert_eq!(fs::read(odd).unwrap(), b"1");
        // The whole path is longer than the system takes at once.
        let (mut depth, mut at) = (0, rustix::fs::open(&to, DIRECTORY, NO_MODE).unwrap());
        while let Ok(next) = rustix::fs::openat(&at, component.as_str(), DIRECTORY, NO_MODE) {
            (depth, at) = (depth + 1, next);
        }
        assert_eq!(depth, 19);
        let stat = rustix::fs::statat(&at, component.as_str(), rustix::fs::AtFlags::empty());
        assert_eq!(stat.unwrap().st_size, 4);
    }
}

const DIRECTORY: rustix::fs::OFlags = rustix::fs::OFlags::DIRECTORY;
const NO_MODE: rustix::fs::Mode = rustix::fs::Mode::empty();

#[test]
fn members_near_each_other_are_read_in_one_pass() {
    // Each file fills a little more than ten records.
    let items: Vec<_> = (0..40)
        .map(|n| file(&format!("f{n:02}"), &noise(n, 10 * 65_536)))
        .collect();
    let volume = Volume::new("A00001L9").write(&items);
    // Every how manieth is read, what the plan says to read on through, and what that costs.
    for (every, read_on_records, locates) in
        [(1, 0, 1), (2, 0, 1), (6, 0, 1), (10, 0, 4), (10, 100, 1)]
    {
        let (_keep, to) = target();
        let mut plan = plan(&to, TargetOptions::default(), &[&volume]);
        let mut index = 0;
        plan.volumes[0].reads.retain(|_| {
            index += 1;
            index % every == 1 % every
        });
        for read in &mut plan.volumes[0].reads {
            read.read_on_records = read_on_records;
        }
        volume.tape.medium().locates = 0;
        let report = run(&plan, &[&volume]);
        assert_eq!(report.outcome, RestoreOutcome::Complete);
        assert_eq!(report.verified, 40_u64.div_ceil(every as u64));
        assert_eq!(volume.tape.medium().locates, locates, "every {every}");
    }
}

#[test]
fn members_are_read_in_the_order_of_the_plan() {
    let items: Vec<_> = (0..40)
        .map(|n| file(&format!("f{n:02}"), &noise(n, 10 * 65_536)))
        .collect();
    let volume = Volume::new("A00001L9").write(&items);
    let (_keep, to) = target();
    let mut plan = plan(&to, TargetOptions::default(), &[&volume]);
    plan.volumes[0].reads.reverse();
    volume.tape.medium().locates = 0;
    let report = run(&plan, &[&volume]);
    assert_eq!(
        (report.outcome, report.verified),
        (RestoreOutcome::Complete, 40)
    );
    assert_eq!(volume.tape.medium().locates, 40);
}

#[test]
fn members_are_read_in_the_order_that_is_found_once_the_tape_is_mounted() {
    let items: Vec<_> = (0..40)
        .map(|n| file(&format!("f{n:02}"), &noise(n, 10 * 65_536)))
        .collect();
    let volume = Volume::new("A00001L9").write(&items);
    let (_keep, to) = target();
    let plan = plan(&to, TargetOptions::default(), &[&volume]);
    volume.tape.medium().locates = 0;
    let mut shelf = Shelf::of(&[&volume]);
    shelf.backwards = true;
    let report = restore(&plan, &mut shelf, &Silent).unwrap();
    assert_eq!(
        (report.outcome, report.verified),
        (RestoreOutcome::Complete, 40)
    );
    assert_eq!(volume.tape.medium().locates, 40);
}

#[test]
fn small_members_in_one_record_cost_one_read() {
    let items: Vec<_> = (0..50).map(|n| file(&format!("f{n}"), b"tiny")).collect();
    let volume = Volume::new("A00001L9").write(&items);
    let (_keep, to) = target();
    volume.tape.medium().reads = 0;
    run(&plan(&to, TargetOptions::default(), &[&volume]), &[&volume]);
    let records = volume.receipts[0].info.records;
    assert!(volume.tape.medium().reads <= records, "{records} records");
}
