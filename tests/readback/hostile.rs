//! Tapes and targets that try to lead a restore astray. None gets out of the target.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tapewright::engine::restore::{MemberRead, RestoreOutcome, RestoreReport, restore_into};
use tapewright::engine::target::{Existing, Owners, Resolver, Target, TargetOptions};
use tapewright::monitor::Silent;
use tapewright::volume::member::Kind;

use crate::restored::names_below;
use crate::rig::{Item, Shelf, Volume, file, node, plan};
use crate::tape::Object;

/// A target, something precious beside it, and what happened.
struct Scene {
    root: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("to")).unwrap();
        fs::create_dir_all(root.path().join("precious/inner")).unwrap();
        fs::write(root.path().join("precious/file"), "untouched").unwrap();
        fs::set_permissions(
            root.path().join("precious/file"),
            fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        Self { root }
    }

    fn to(&self) -> PathBuf {
        self.root.path().join("to")
    }

    fn precious(&self) -> PathBuf {
        self.root.path().join("precious")
    }

    /// Everything about everything beside the target.
    fn outside(&self) -> Vec<String> {
        let path = self.precious();
        let mut all: Vec<String> = names_below(&path)
            .into_iter()
            .chain([String::new()])
            .map(|name| {
                let stat = fs::symlink_metadata(path.join(&name)).unwrap();
                let content = fs::read(path.join(&name)).unwrap_or_default();
                let change = (stat.ctime(), stat.ctime_nsec(), stat.nlink(), stat.mode());
                format!("{name} {change:?} {content:?}")
            })
            .collect();
        let beside = fs::read_dir(self.root.path()).unwrap().count();
        all.push(format!("{beside} beside the target"));
        all
    }
}

/// How a case prepares its target and changes what is read.
type Prepare = fn(&Scene, &mut Vec<MemberRead>, &Volume);

struct Case {
    what: &'static str,
    items: fn(&Scene) -> Vec<Item>,
    prepare: Prepare,
    /// Reads that come to nothing, refusing and overwriting.
    lost: [u64; 2],
}

fn nothing(_: &Scene, _: &mut Vec<MemberRead>, _: &Volume) {}

fn path_of(path: &Path) -> Vec<u8> {
    path.to_str().unwrap().as_bytes().to_vec()
}

/// Replaces a text in all headers on tape by one of the same length, and makes the
/// headers' checksums right again.
fn forge(volume: &Volume, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    for object in &mut volume.tape.medium().objects {
        let Object::Record(record) = object else {
            continue;
        };
        for block in record.chunks_mut(512) {
            let found = block
                .windows(from.len())
                .position(|window| window == from.as_bytes());
            let Some(at) = found.filter(|_| &block[257..262] == b"ustar") else {
                continue;
            };
            block[at..at + to.len()].copy_from_slice(to.as_bytes());
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

fn named(name: &'static str) -> impl Fn(&mut Vec<MemberRead>) {
    move |reads| reads[0].name = name.as_bytes().to_vec()
}

const CASES: &[Case] = &[
    Case {
        what: "an index that names a path above the target",
        items: |_| vec![file("f", b"evil")],
        prepare: |_, reads, _| named("../precious/file")(reads),
        lost: [1, 1],
    },
    Case {
        what: "an index that names a path that goes down and up again",
        items: |_| vec![node("d", Kind::Directory), file("f", b"evil")],
        prepare: |_, reads, _| reads[1].name = b"d/../../precious/file".to_vec(),
        lost: [1, 1],
    },
    Case {
        what: "an index that names an absolute path",
        items: |_| vec![file("f", b"evil")],
        prepare: |scene, reads, _| reads[0].name = path_of(&scene.precious().join("file")),
        lost: [1, 1],
    },
    Case {
        what: "an index that names the target itself",
        items: |_| vec![node("d", Kind::Directory), node("e", Kind::Directory)],
        prepare: |_, reads, _| {
            reads[0].name = b".".to_vec();
            reads[1].name = Vec::new();
        },
        lost: [2, 2],
    },
    Case {
        what: "a header with a path above the target",
        items: |_| vec![file("aa/precious/file", b"evil")],
        prepare: |_, reads, volume| {
            forge(volume, "aa/precious/file", "../precious/file");
            reads[0].path = b"../precious/file".to_vec();
        },
        lost: [1, 1],
    },
    Case {
        what: "a header with an absolute path",
        items: |_| vec![file("aetc/passwd", b"evil")],
        prepare: |_, reads, volume| {
            forge(volume, "aetc/passwd", "//tc/passwd");
            reads[0].path = b"//tc/passwd".to_vec();
        },
        lost: [1, 1],
    },
    Case {
        what: "a header with another path than the index",
        items: |_| vec![file("a", b"evil")],
        prepare: |_, reads, _| reads[0].path = b"b".to_vec(),
        lost: [1, 1],
    },
    Case {
        what: "a symbolic link from the tape as a directory",
        items: |scene| {
            let link = Kind::Symlink(path_of(&scene.precious()));
            vec![
                node("l", link),
                file("l/file", b"evil"),
                node("l/inner", Kind::Directory),
            ]
        },
        prepare: nothing,
        lost: [2, 2],
    },
    Case {
        what: "a relative symbolic link from the tape, deeper down",
        items: |_| {
            let link = Kind::Symlink(b"../../precious".to_vec());
            vec![
                node("d/l", link),
                file("d/l/inner/new", b"evil"),
                node("d/l/p", Kind::Fifo),
            ]
        },
        prepare: nothing,
        lost: [2, 2],
    },
    Case {
        what: "a symbolic link that is a directory later",
        items: |scene| {
            let link = Kind::Symlink(path_of(&scene.precious()));
            let mut directory = node("l", Kind::Directory);
            directory.member.mode = 0o777;
            vec![node("l", link), directory, file("l/file", b"evil")]
        },
        prepare: nothing,
        lost: [2, 2],
    },
    Case {
        what: "a directory that is a symbolic link later",
        items: |scene| {
            let link = Kind::Symlink(path_of(&scene.precious()));
            let mut directory = node("l", Kind::Directory);
            directory.member.mode = 0o777;
            vec![
                directory,
                file("l/file", b"fine"),
                node("l", link),
                file("l/new", b"fine"),
            ]
        },
        prepare: nothing,
        lost: [1, 1],
    },
    Case {
        what: "a symbolic link planted in the target as a directory",
        items: |_| vec![file("l/file", b"evil"), node("l/inner", Kind::Directory)],
        prepare: |scene, _, _| symlink(scene.precious(), scene.to().join("l")).unwrap(),
        lost: [2, 2],
    },
    Case {
        what: "a symbolic link planted in the target as a file",
        items: |_| vec![file("f", b"new")],
        prepare: |scene, _, _| {
            symlink(scene.precious().join("file"), scene.to().join("f")).unwrap()
        },
        lost: [1, 0],
    },
    Case {
        what: "a dangling symbolic link planted in the target",
        items: |_| vec![file("f", b"new")],
        prepare: |scene, _, _| symlink(scene.precious().join("new"), scene.to().join("f")).unwrap(),
        lost: [1, 0],
    },
    Case {
        what: "a hard link in the target to a file outside",
        items: |_| vec![file("f", b"new")],
        prepare: |scene, _, _| {
            fs::hard_link(scene.precious().join("file"), scene.to().join("f")).unwrap();
        },
        lost: [1, 0],
    },
    Case {
        what: "a hard link from the tape to a file outside, absolute",
        items: |scene| {
            let file = scene.precious().join("file");
            vec![node(
                "h",
                Kind::Hardlink(path_of(file.strip_prefix("/").unwrap())),
            )]
        },
        prepare: |scene, _, volume| {
            let file = scene.precious().join("file");
            let (from, to) = (
                format!("{}\0", &file.to_str().unwrap()[1..]),
                file.to_str().unwrap(),
            );
            forge(volume, &from, to);
        },
        lost: [1, 1],
    },
    Case {
        what: "a hard link from the tape to a file outside, upwards",
        items: |_| vec![node("h", Kind::Hardlink(b"aa/precious/file".to_vec()))],
        prepare: |_, _, volume| forge(volume, "aa/precious/file", "../precious/file"),
        lost: [1, 1],
    },
    Case {
        what: "a hard link through a symbolic link",
        items: |scene| {
            let link = Kind::Symlink(path_of(&scene.precious()));
            vec![
                node("l", link),
                node("h", Kind::Hardlink(b"l/file".to_vec())),
            ]
        },
        prepare: nothing,
        lost: [1, 1],
    },
    Case {
        what: "a hard link to something that this restore did not bring",
        items: |_| vec![node("h", Kind::Hardlink(b"mine".to_vec()))],
        prepare: |scene, _, _| fs::write(scene.to().join("mine"), "mine").unwrap(),
        lost: [1, 1],
    },
    Case {
        what: "a hard link to a symbolic link, written through",
        items: |scene| {
            let link = Kind::Symlink(path_of(&scene.precious().join("file")));
            vec![
                node("l", link),
                node("h", Kind::Hardlink(b"l".to_vec())),
                file("h", b"evil"),
            ]
        },
        prepare: nothing,
        lost: [1, 0],
    },
    Case {
        what: "the same name again and again",
        items: |_| {
            vec![
                file("f", b"one"),
                file("f", b"two"),
                node("f", Kind::Directory),
            ]
        },
        prepare: nothing,
        lost: [2, 1],
    },
    Case {
        what: "the same hard link again",
        items: |_| {
            let link = || node("h", Kind::Hardlink(b"f".to_vec()));
            vec![file("f", b"one"), link(), link()]
        },
        prepare: nothing,
        lost: [1, 0],
    },
    Case {
        what: "a file as a directory",
        items: |_| vec![file("f", b"one"), file("f/g", b"two")],
        prepare: nothing,
        lost: [1, 1],
    },
    Case {
        what: "a component longer than the file system has",
        items: |_| {
            vec![
                file(&"n".repeat(256), b"x"),
                file(&["d", &"n".repeat(4096)].join("/"), b"x"),
            ]
        },
        prepare: nothing,
        lost: [2, 2],
    },
    Case {
        what: "an index that says another length",
        items: |_| vec![file("f", &[7; 5000]), file("g", &[7; 5000])],
        prepare: |_, reads, _| {
            reads[0].length_bytes += 512;
            reads[1].length_bytes = u64::MAX;
        },
        lost: [2, 2],
    },
    Case {
        what: "places that no tape has",
        items: |_| vec![file("f", b"1"), file("g", b"2"), file("h", b"3")],
        prepare: |_, reads, _| {
            reads[0].block.0 = u64::MAX;
            reads[1].block.0 = 1 << 40;
            reads[2].offset_bytes = u32::MAX;
        },
        lost: [3, 3],
    },
    Case {
        what: "a file of a size that no disk has",
        items: |_| {
            let mut hole = file("hole", b"");
            hole.member.size_bytes = 1 << 62;
            hole.member.extents = Some(Vec::new());
            vec![hole]
        },
        prepare: nothing,
        lost: [1, 1],
    },
];

fn run(case: &Case, resolver: Resolver, existing: Existing) -> (Scene, RestoreReport) {
    let scene = Scene::new();
    let volume = Volume::new("A00001L9").write(&(case.items)(&scene));
    let options = TargetOptions {
        existing,
        owners: Owners::Names,
    };
    let mut plan = plan(&scene.to(), options, &[&volume]);
    (case.prepare)(&scene, &mut plan.volumes[0].reads, &volume);
    let before = scene.outside();
    let target = Target::with_resolver(&plan.target, options, resolver).unwrap();
    let report = restore_into(target, &plan, &mut Shelf::of(&[&volume]), &Silent);
    if case.what.starts_with("a hard link in the target") && existing == Existing::Overwrite {
        // The name in the target is gone: that is what the link count says.
        assert_eq!(
            fs::read(scene.precious().join("file")).unwrap(),
            b"untouched"
        );
    } else {
        assert_eq!(
            scene.outside(),
            before,
            "{} ({resolver:?}, {existing:?})",
            case.what
        );
    }
    (scene, report)
}

/// An ordinary user.
const NOBODY: u32 = 65_534;

/// Has a thread do something that is nobody any more, if root runs the test.
fn as_user<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let work = || {
        if rustix::process::geteuid().is_root() {
            let (user, group) = (
                rustix::process::Uid::from_raw(NOBODY),
                rustix::process::Gid::from_raw(NOBODY),
            );
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(group, group, group).unwrap();
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        }
        work()
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[test]
fn nothing_leads_root_out_of_the_target() {
    if crate::root::is_root() {
        nothing_leads_out_of_the_target();
    }
}

#[test]
fn nothing_leads_a_user_out_of_the_target() {
    as_user(nothing_leads_out_of_the_target);
}

fn nothing_leads_out_of_the_target() {
    for case in CASES {
        for resolver in [Resolver::OpenAt2, Resolver::Walk] {
            use Existing as E;
            for existing in [E::Refuse, E::Newer, E::Rename, E::Overwrite] {
                let (scene, report) = run(case, resolver, existing);
                let what = format!("{} ({resolver:?}, {existing:?}): {report:?}", case.what);
                match existing {
                    E::Refuse => assert_eq!(report.problem_count, case.lost[0], "{what}"),
                    E::Overwrite => assert_eq!(report.problem_count, case.lost[1], "{what}"),
                    E::Newer | E::Rename => {}
                }
                assert!(report.volumes_failed.is_empty(), "{what}");
                let left = names_below(&scene.to());
                let temporary = left.iter().any(|name| name.contains(".tapewright-"));
                assert!(!temporary, "{what}: {left:?}");
            }
        }
    }
}

#[test]
fn a_user_makes_no_devices_and_gives_nothing_away() {
    if !crate::root::is_root() {
        return;
    }
    let mut set_id = file("set-id", b"#!");
    set_id.member.mode = 0o6755;
    set_id.member.uid = 1;
    let device = node("device", Kind::CharDevice(1, 3));
    let volume = Volume::new("A00001L9").write(&[device, set_id, file("plain", b"x")]);
    let scene = Scene::new();
    fs::set_permissions(scene.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(scene.to(), Some(NOBODY), Some(NOBODY)).unwrap();
    let plan = plan(&scene.to(), TargetOptions::default(), &[&volume]);
    let report = as_user(|| {
        let target = Target::open(&plan.target, plan.options).unwrap();
        restore_into(target, &plan, &mut Shelf::of(&[&volume]), &Silent)
    });
    assert_eq!(report.outcome, RestoreOutcome::Incomplete);
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!(report.problems[0].path, "device");
    let not_set: Vec<String> = report
        .metadata_not_set
        .items
        .iter()
        .map(|item| format!("{}: {}", String::from_utf8_lossy(&item.path), item.what))
        .collect();
    assert_eq!(
        not_set,
        ["set-id: owner 1:0", "set-id: mode 6755", "plain: owner 0:0"]
    );
    let stat = fs::metadata(scene.to().join("set-id")).unwrap();
    assert_eq!((stat.uid(), stat.mode() & 0o7777), (NOBODY, 0o755));
}

/// Files in more directories than are kept open, so that each is opened anew for some of them.
fn many_directories() -> Vec<Item> {
    let names = (0..4).flat_map(|round| (0..100).map(move |at| format!("d/{at:02}/f{round}")));
    names.map(|name| file(&name, b"evil")).collect()
}

/// Restores while a directory of the target is a link to what is outside, and is not, by turns,
/// until both was met.
fn restore_while_a_directory_is_swapped(resolver: Resolver) {
    let scene = Scene::new();
    for inside in 0..100 {
        fs::create_dir_all(scene.precious().join(format!("{inside:02}"))).unwrap();
    }
    let volume = Volume::new("A00001L9").write(&many_directories());
    let options = TargetOptions {
        existing: Existing::Overwrite,
        owners: Owners::Names,
    };
    let plan = plan(&scene.to(), options, &[&volume]);
    let (directory, link) = (scene.to().join("d"), scene.to().join("swapped"));
    fs::create_dir(&directory).unwrap();
    symlink(scene.precious(), &link).unwrap();
    let before = scene.outside();
    let (mut came, mut refused, mut rounds) = (0, 0, 0);
    while came == 0 || refused == 0 {
        let report = std::thread::scope(|scope| {
            let restoring = scope.spawn(|| {
                let target = Target::with_resolver(&plan.target, options, resolver).unwrap();
                restore_into(target, &plan, &mut Shelf::of(&[&volume]), &Silent)
            });
            while !restoring.is_finished() {
                let (at, exchange) = (CWD, RenameFlags::EXCHANGE);
                renameat_with(at, &directory, at, &link, exchange).unwrap();
            }
            restoring.join().unwrap()
        });
        assert_eq!(scene.outside(), before, "{resolver:?}: {report:?}");
        came += report.objects;
        refused += report.problem_count;
        rounds += 1;
        assert!(
            rounds < 1000,
            "{resolver:?}: {came} came, {refused} refused"
        );
    }
}

#[test]
fn a_link_that_comes_and_goes_during_the_restore_leads_nowhere() {
    for resolver in [Resolver::OpenAt2, Resolver::Walk] {
        restore_while_a_directory_is_swapped(resolver);
        as_user(|| restore_while_a_directory_is_swapped(resolver));
    }
}
