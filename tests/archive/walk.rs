//! The walk over real directories: order, kinds, links, holes, and trees that change.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, XattrFlags, mkdirat, mknodat, openat, setxattr};
use tapewright::engine::EngineError;
use tapewright::engine::source::{self, Object, Remark, Selection, Severity, Walk};
use tapewright::volume::member::{Extent, Kind, Member};
use tempfile::TempDir;

/// A place for a test's files; archive paths below it are shown without it.
struct Tree {
    place: TempDir,
}

impl Tree {
    fn new() -> Self {
        Self {
            place: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn file(&self, name: &str, data: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    fn selection(&self) -> Selection {
        Selection {
            sources: vec![self.place.path().to_owned()],
            ..Selection::default()
        }
    }

    fn relative(&self, path: &[u8]) -> String {
        let root = &self.place.path().as_os_str().as_bytes()[1..];
        let below = path.strip_prefix(root).expect("within the root");
        let below = below.strip_prefix(b"/").unwrap_or(below);
        below.escape_ascii().to_string()
    }
}

/// Extended attributes as a member has them.
type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// What a whole walk brings.
#[derive(Debug, Default)]
struct Found {
    order: Vec<String>,
    members: BTreeMap<String, Member>,
    data: BTreeMap<String, Vec<u8>>,
    remarks: Vec<(String, Severity, String)>,
    excluded: u64,
}

fn walk(tree: &Tree, selection: &Selection) -> Found {
    walk_meddling(tree, selection, |_| {})
}

/// The next object of a walk without a base.
fn next(walk: &mut Walk, remarks: &mut Vec<Remark>) -> Option<Object> {
    walk.next(remarks).map(|found| match found {
        source::Found::Object(object) => object,
        source::Found::Gone(path) => panic!("{} is gone", path.escape_ascii()),
    })
}

/// Walks, and calls `meddle` after each object with its path in the tree.
fn walk_meddling(tree: &Tree, selection: &Selection, mut meddle: impl FnMut(&str)) -> Found {
    let mut walk = Walk::new(selection).unwrap();
    let mut found = Found::default();
    let mut remarks: Vec<Remark> = Vec::new();
    while let Some(object) = next(&mut walk, &mut remarks) {
        let path = tree.relative(&object.member.path);
        if let Some(mut reader) = object.reader {
            let mut data = vec![0; object.member.payload_bytes() as usize];
            assert_eq!(reader.read(&mut data), data.len());
            assert_eq!(reader.read(&mut [0]), 0);
            found.data.insert(path.clone(), data);
        }
        meddle(&path);
        found.order.push(path.clone());
        found.members.insert(path, object.member);
    }
    let remarks = remarks.into_iter();
    found.remarks = remarks
        .map(|r| (tree.relative(&r.path), r.severity, r.what))
        .collect::<Vec<_>>();
    found.excluded = walk.excluded();
    found
}

#[test]
fn entries_come_in_bytewise_order_and_directories_before_their_content() {
    let tree = Tree::new();
    for name in ["b/z", "b/a", "b.c", "b-d", "B", "a/deep/er/x"] {
        tree.file(name, b"");
    }
    fs::create_dir(tree.path("empty")).unwrap();
    let odd = tree.place.path().join(OsStr::from_bytes(b"\xff\xfe\nx"));
    fs::write(odd, b"odd").unwrap();
    let found = walk(&tree, &tree.selection());
    let expected = [
        "",
        "B",
        "a",
        "a/deep",
        "a/deep/er",
        "a/deep/er/x",
        "b",
        "b/a",
        "b/z",
        "b-d",
        "b.c",
        "empty",
        "\\xff\\xfe\\nx",
    ];
    assert_eq!(found.order, expected);
    assert_eq!(found.data["\\xff\\xfe\\nx"], b"odd");
    assert_eq!(found.remarks, []);
}

#[test]
fn metadata_are_those_of_the_inode() {
    let tree = Tree::new();
    tree.file("f", b"data");
    fs::set_permissions(tree.path("f"), fs::Permissions::from_mode(0o4751)).unwrap();
    let found = walk(&tree, &tree.selection());
    let metadata = fs::metadata(tree.path("f")).unwrap();
    let member = &found.members["f"];
    assert_eq!(
        (&member.kind, member.size_bytes, member.mode),
        (&Kind::File, 4, 0o4751)
    );
    assert_eq!((member.uid, member.gid), (metadata.uid(), metadata.gid()));
    let times = [(member.mtime, metadata.mtime(), metadata.mtime_nsec())];
    for (time, seconds, nanoseconds) in
        times
            .into_iter()
            .chain([(member.ctime, metadata.ctime(), metadata.ctime_nsec())])
    {
        assert_eq!(
            (time.seconds, i64::from(time.nanoseconds)),
            (seconds, nanoseconds)
        );
    }
    if metadata.uid() == 0 {
        assert_eq!(
            (member.user.as_str(), member.group.is_empty()),
            ("root", false)
        );
    }
    assert_eq!(found.data["f"], b"data");
}

#[test]
fn symbolic_links_are_archived_and_never_followed() {
    let tree = Tree::new();
    tree.file("outside/secret", b"x");
    tree.file("in/f", b"y");
    symlink("../outside", tree.path("in/dir")).unwrap();
    symlink("nowhere", tree.path("in/dangling")).unwrap();
    symlink("in", tree.path("link")).unwrap();
    let sources = vec![tree.path("in"), tree.path("link")];
    let found = walk(
        &tree,
        &Selection {
            sources,
            ..Selection::default()
        },
    );
    assert_eq!(found.order, ["in", "in/dangling", "in/dir", "in/f", "link"]);
    assert_eq!(
        found.members["in/dir"].kind,
        Kind::Symlink(b"../outside".to_vec())
    );
    assert_eq!(
        found.members["in/dangling"].kind,
        Kind::Symlink(b"nowhere".to_vec())
    );
    assert_eq!(found.members["link"].kind, Kind::Symlink(b"in".to_vec()));
}

#[test]
fn further_names_of_a_file_are_hard_links_to_the_first() {
    let tree = Tree::new();
    tree.file("b/first", b"data");
    tree.file("a/alone", b"one name is within");
    fs::hard_link(tree.path("b/first"), tree.path("b/second")).unwrap();
    fs::hard_link(tree.path("b/first"), tree.path("c")).unwrap();
    let elsewhere = Tree::new();
    fs::hard_link(tree.path("a/alone"), elsewhere.path("other")).unwrap();
    symlink("x", tree.path("s1")).unwrap();
    fs::hard_link(tree.path("s1"), tree.path("s2")).unwrap();
    let found = walk(&tree, &tree.selection());
    let archive_path = |name: &str| tree.path(name).as_os_str().as_bytes()[1..].to_vec();
    for (name, kind) in [
        ("a/alone", Kind::File),
        ("b/first", Kind::File),
        ("b/second", Kind::Hardlink(archive_path("b/first"))),
        ("c", Kind::Hardlink(archive_path("b/first"))),
        ("s1", Kind::Symlink(b"x".to_vec())),
        ("s2", Kind::Hardlink(archive_path("s1"))),
    ] {
        assert_eq!(found.members[name].kind, kind, "{name}");
        assert_eq!(found.data.contains_key(name), kind == Kind::File, "{name}");
    }
    assert_eq!(found.members["c"].size_bytes, 0);
}

#[test]
fn an_object_that_changed_since_its_first_name_is_archived_again() {
    let tree = Tree::new();
    tree.file("a", b"old");
    fs::hard_link(tree.path("a"), tree.path("b")).unwrap();
    let changed = tree.path("a");
    let found = walk_meddling(&tree, &tree.selection(), |path| {
        if path == "a" {
            fs::write(&changed, b"newer").unwrap();
        }
    });
    assert_eq!(found.members["b"].kind, Kind::File);
    assert_eq!(found.data["b"], b"newer");
}

#[test]
fn excluded_objects_are_left_out_with_all_below() {
    let tree = Tree::new();
    for name in [
        "keep/a.o",
        "keep/a.c",
        "cache/x/y",
        "src/cache",
        "src/tmp/z",
        "src/f",
    ] {
        tree.file(name, b"");
    }
    let tmp = format!("{}/src/tmp", tree.place.path().display());
    let excludes = ["*.o", "cache/", &tmp].map(str::to_owned).to_vec();
    let found = walk(
        &tree,
        &Selection {
            excludes,
            ..tree.selection()
        },
    );
    assert_eq!(
        found.order,
        ["", "keep", "keep/a.c", "src", "src/cache", "src/f"]
    );
    assert_eq!((found.excluded, found.remarks), (3, vec![]));
}

#[test]
fn what_is_never_archived_is_known_by_identity() {
    let tree = Tree::new();
    tree.file("state/catalog/ledger", b"");
    tree.file("data", b"");
    symlink("state", tree.path("alias")).unwrap();
    let never = vec![tree.path("alias/catalog"), tree.path("missing")];
    let found = walk(
        &tree,
        &Selection {
            never,
            ..tree.selection()
        },
    );
    assert_eq!(found.order, ["", "alias", "data", "state"]);
    assert!(matches!(&found.remarks[..], [(path, Severity::Note, _)] if path == "state/catalog"));
}

#[test]
fn fifos_are_archived_and_sockets_noted() {
    let tree = Tree::new();
    let place = File::open(tree.place.path()).unwrap();
    mknodat(&place, "fifo", FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path("socket")).unwrap();
    let found = walk(&tree, &tree.selection());
    assert_eq!(found.order, ["", "fifo"]);
    assert_eq!(found.members["fifo"].kind, Kind::Fifo);
    assert!(matches!(&found.remarks[..], [(path, Severity::Note, _)] if path == "socket"));
}

#[test]
fn device_nodes_are_archived_by_number() {
    let tree = Tree::new();
    let place = File::open(tree.place.path()).unwrap();
    for (name, file_type) in [
        ("c", FileType::CharacterDevice),
        ("b", FileType::BlockDevice),
    ] {
        let device = rustix::fs::makedev(259, 70_000);
        if !crate::root::is_root() {
            return;
        }
        mknodat(&place, name, file_type, Mode::RUSR, device).unwrap();
    }
    let found = walk(&tree, &tree.selection());
    assert_eq!(found.members["c"].kind, Kind::CharDevice(259, 70_000));
    assert_eq!(found.members["b"].kind, Kind::BlockDevice(259, 70_000));
}

#[test]
fn extended_attributes_acls_and_capabilities_are_read_as_the_kernel_has_them() {
    let tree = Tree::new();
    tree.file("f", b"");
    fs::create_dir(tree.path("d")).unwrap();
    symlink("x", tree.path("s")).unwrap();
    // user::rw-, user:1000:r--, group::r--, mask::r--, other::--- (acl(5), version 2).
    let entry = |tag: u16, perm: u16, id: u32| {
        [
            &tag.to_le_bytes()[..],
            &perm.to_le_bytes(),
            &id.to_le_bytes(),
        ]
        .concat()
    };
    let none = u32::MAX;
    let entries = [
        (1, 6, none),
        (2, 4, 1000),
        (4, 4, none),
        (16, 4, none),
        (32, 0, none),
    ];
    let acl = entries
        .iter()
        .fold(2_u32.to_le_bytes().to_vec(), |acl, &(tag, perm, id)| {
            [acl, entry(tag, perm, id)].concat()
        });
    // cap_net_bind_service+ep (linux/capability.h, VFS_CAP_REVISION_2).
    let capability = [&[1, 0, 0, 2][..], &[0, 4, 0, 0], &[0; 12]].concat();
    let cases: [(&str, &str, &[u8]); 6] = [
        ("f", "user.empty", b""),
        ("f", "user.comment", b"\0\xffbytes"),
        ("d", "user.comment", b"directory"),
        ("f", "system.posix_acl_access", &acl),
        ("d", "system.posix_acl_default", &acl),
        ("f", "security.capability", &capability),
    ];
    let mut expected: BTreeMap<&str, Xattrs> = BTreeMap::new();
    for (name, attribute, value) in cases {
        match setxattr(tree.path(name), attribute, value, XattrFlags::empty()) {
            Ok(()) => {
                let xattr = (attribute.as_bytes().to_vec(), value.to_vec());
                expected.entry(name).or_default().push(xattr);
            }
            Err(errno) => eprintln!("skipped: {attribute} cannot be set here ({errno})"),
        }
    }
    let trusted = rustix::fs::lsetxattr(
        tree.path("s"),
        "trusted.t",
        b"on a link",
        XattrFlags::empty(),
    );
    match trusted {
        Ok(()) => expected
            .entry("s")
            .or_default()
            .push((b"trusted.t".to_vec(), b"on a link".to_vec())),
        Err(errno) => eprintln!("skipped: attributes of links cannot be set here ({errno})"),
    }
    let found = walk(&tree, &tree.selection());
    for (name, mut xattrs) in expected {
        xattrs.sort();
        let mut actual = found.members[name].xattrs.clone();
        // A security module may have labelled the files.
        actual.retain(|(attribute, _)| attribute != b"security.selinux");
        assert_eq!(actual, xattrs, "{name}");
    }
}

#[test]
fn holes_of_sparse_files_are_found() {
    let tree = Tree::new();
    const MIB: u64 = 1 << 20;
    let sparse = |name: &str, size_bytes: u64, pieces: &[u64]| {
        let file = File::create(tree.path(name)).unwrap();
        file.set_len(size_bytes).unwrap();
        for &at in pieces {
            file.write_all_at(&[7; 65_536], at).unwrap();
        }
        file.sync_all().unwrap();
    };
    sparse("all-hole", 5 * MIB, &[]);
    sparse("middle", 5 * MIB, &[MIB, 3 * MIB]);
    sparse("dense", 65_536, &[0]);
    if fs::metadata(tree.path("all-hole")).unwrap().blocks() > 0 {
        eprintln!("skipped: this file system has no holes");
        return;
    }
    let found = walk(&tree, &tree.selection());
    let piece = |at| Extent {
        offset_bytes: at,
        length_bytes: 65_536,
    };
    assert_eq!(found.members["all-hole"].extents, Some(vec![]));
    assert_eq!(
        found.members["middle"].extents,
        Some(vec![piece(MIB), piece(3 * MIB)])
    );
    assert_eq!(found.members["dense"].extents, None);
    assert_eq!(found.data["middle"], vec![7; 2 * 65_536]);
    assert!(found.data["all-hole"].is_empty());
    assert_eq!(found.members["middle"].size_bytes, 5 * MIB);
}

#[test]
fn objects_that_vanish_or_are_replaced_are_problems_and_the_walk_goes_on() {
    let tree = Tree::new();
    for name in ["a", "gone", "swapped/inner", "z"] {
        tree.file(name, b"");
    }
    let outside = Tree::new();
    outside.file("secret", b"");
    let found = walk_meddling(&tree, &tree.selection(), |path| {
        // By now the root has been listed.
        if path == "a" {
            fs::remove_file(tree.path("gone")).unwrap();
            fs::remove_dir_all(tree.path("swapped")).unwrap();
            symlink(outside.place.path(), tree.path("swapped")).unwrap();
        }
    });
    assert_eq!(found.order, ["", "a", "swapped", "z"]);
    assert!(matches!(found.members["swapped"].kind, Kind::Symlink(_)));
    assert!(
        matches!(&found.remarks[..], [(path, Severity::Problem, what)]
            if path == "gone" && what.contains("vanished"))
    );
}

#[test]
fn unreadable_objects_are_problems() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: the superuser can read everything");
        return;
    }
    let tree = Tree::new();
    tree.file("file", b"");
    tree.file("directory/inner", b"");
    for name in ["file", "directory"] {
        fs::set_permissions(tree.path(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let found = walk(&tree, &tree.selection());
    fs::set_permissions(tree.path("directory"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(found.order, [""]);
    let problems = found
        .remarks
        .iter()
        .filter(|(_, severity, _)| *severity == Severity::Problem);
    assert_eq!(problems.count(), 2);
}

/// Makes `levels` directories within each other, each with a file before and one behind.
fn dig(tree: &Tree, levels: usize) {
    let mut at = File::open(tree.place.path()).unwrap();
    for _ in 0..levels {
        for name in ["a-before", "z-behind"] {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            openat(&at, name, flags, Mode::RUSR | Mode::WUSR).unwrap();
        }
        let name = "m-directory-with-quite-a-long-name";
        mkdirat(&at, name, Mode::RWXU).unwrap();
        at = openat(&at, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
            .unwrap()
            .into();
    }
}

#[test]
fn trees_deeper_than_paths_and_descriptors_are_walked_whole() {
    let tree = Tree::new();
    const LEVELS: usize = 200;
    dig(&tree, LEVELS);
    let found = walk(&tree, &tree.selection());
    assert!(found.order.iter().any(|path| path.len() > 4096));
    assert_eq!(found.remarks, []);
    assert_eq!(found.order.len(), 1 + 3 * LEVELS);
    let behind = found
        .order
        .iter()
        .filter(|path| path.ends_with("z-behind"))
        .count();
    assert_eq!(behind, LEVELS);
}

#[test]
fn a_deep_directory_moved_away_costs_only_what_cannot_be_found_again() {
    let tree = Tree::new();
    const LEVELS: usize = 120;
    dig(&tree, LEVELS);
    let name = "m-directory-with-quite-a-long-name";
    let from = tree.place.path().join(vec![name; 50].join("/"));
    let to = tree.path("moved");
    let mut seen = 0;
    let found = walk_meddling(&tree, &tree.selection(), |path| {
        if path.ends_with(name) {
            seen += 1;
        }
        if seen == LEVELS && !to.exists() {
            fs::rename(&from, &to).unwrap();
        }
    });
    // The directories between the open ends, above the one that was moved, are lost.
    let lost = found
        .remarks
        .iter()
        .filter(|(_, severity, _)| *severity == Severity::Problem);
    let behind = found
        .order
        .iter()
        .filter(|path| path.ends_with("z-behind"))
        .count();
    assert_eq!(behind + lost.count(), LEVELS);
    assert!(behind < LEVELS && found.order.last().unwrap() == "z-behind");
}

#[test]
fn other_file_systems_are_not_entered_if_so_asked() {
    let device = |path: &str| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    if device("/proc").is_none_or(|proc| Some(proc) == device("/")) {
        eprintln!("skipped: no other file system is mounted at /proc");
        return;
    }
    let excludes = ["/[!p]*", "/p[!r]*", "/pr[!o]*", "/proc?*"]
        .map(str::to_owned)
        .to_vec();
    let sources = vec![PathBuf::from("/")];
    let selection = Selection {
        sources,
        excludes,
        one_file_system: true,
        ..Selection::default()
    };
    let mut walk = Walk::new(&selection).unwrap();
    let mut remarks = Vec::new();
    let object = next(&mut walk, &mut remarks).unwrap();
    assert_eq!(
        (object.member.path, object.member.kind),
        (b"proc".to_vec(), Kind::Directory)
    );
    assert!(walk.next(&mut remarks).is_none());
    assert!(matches!(
        &remarks[..],
        [Remark {
            severity: Severity::Note,
            ..
        }]
    ));
}

#[test]
fn relative_sources_are_archived_under_their_absolute_path() {
    let sources = vec![PathBuf::from("src/engine/../engine/source/mod.rs")];
    let mut walk = Walk::new(&Selection {
        sources,
        ..Selection::default()
    })
    .unwrap();
    let object = next(&mut walk, &mut Vec::new()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/source/mod.rs");
    assert_eq!(object.member.path, &path.as_os_str().as_bytes()[1..]);
}

#[test]
fn a_source_that_does_not_exist_is_named() {
    let sources = vec![PathBuf::from("/usr"), PathBuf::from("/no/such/place")];
    let error = Walk::new(&Selection {
        sources,
        ..Selection::default()
    })
    .unwrap_err();
    assert!(error.to_string().contains("/no/such/place"));
    assert!(matches!(error, EngineError::Root { .. }));
}
