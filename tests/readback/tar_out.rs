//! A restore as a tar stream: what GNU tar makes of it, whole tapes and damaged ones.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tapewright::engine::EngineError;
use tapewright::engine::restore::{
    CutFile, HELD_BYTES, OtherVersion, RestoreOutcome, RestoreReport, TarPlan, VolumeReads,
    write_tar,
};
use tapewright::engine::target::TargetOptions;
use tapewright::monitor::Silent;
use tapewright::volume::member::{Extent, FileTime, Kind};

use crate::rig::{Item, Shelf, Volume, file, node, noise, part, plan};

fn plan_of(volumes: &[&Volume], spares: &[&Volume]) -> TarPlan {
    let mut members = plan(Path::new(""), TargetOptions::default(), volumes);
    members.spares = spares.iter().map(|volume| volume.reads()).collect();
    TarPlan {
        members,
        cut_files: Vec::new(),
    }
}

fn written(plan: &TarPlan, volumes: &[&Volume], backwards: bool) -> (RestoreReport, Vec<u8>) {
    let (mut shelf, mut out) = (Shelf::of(volumes), Vec::new());
    shelf.backwards = backwards;
    let report = write_tar(plan, &mut shelf, &mut out, &Silent).unwrap();
    (report, out)
}

/// Has GNU tar extract the stream.
fn extracted(stream: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar")
        .args(["--delay-directory-restore", "-xpf", "-", "-C"])
        .arg(dir.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(stream).unwrap();
    let ended = tar.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.is_empty(), "tar: {said}");
    dir
}

/// Names in the order of the stream, as GNU tar lists them.
fn listed(stream: &[u8]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    fs::write(&archive, stream).unwrap();
    let ended = Command::new("tar")
        .arg("-tf")
        .arg(archive)
        .output()
        .unwrap();
    assert!(ended.status.success());
    let names = String::from_utf8(ended.stdout).unwrap();
    names.lines().map(str::to_owned).collect()
}

fn large() -> Vec<u8> {
    noise(9, HELD_BYTES as usize + 300_001)
}

fn some_of_each() -> Vec<Item> {
    let mut sparse = file("d/sparse", &noise(3, 1024));
    sparse.member.size_bytes = 1 << 20;
    sparse.member.extents = Some(vec![Extent {
        offset_bytes: 512_000,
        length_bytes: 1024,
    }]);
    let mut whole = vec![0; 1 << 20];
    whole[512_000..513_024].copy_from_slice(&noise(3, 1024));
    sparse.digest = Some(blake3::hash(&whole).into());
    let mut private = node("d", Kind::Directory);
    private.member.mode = 0o500;
    vec![
        private,
        file("d/a", b"one"),
        file("empty", b""),
        sparse,
        node("d/link", Kind::Symlink(b"../a".to_vec())),
        node("twin", Kind::Hardlink(b"d/a".to_vec())),
        file("large", &large()),
        node("pipe", Kind::Fifo),
    ]
}

#[test]
fn gnu_tar_makes_of_it_what_was_archived_in_any_order() {
    let volume = Volume::new("A00001L9").write(&some_of_each());
    for backwards in [false, true] {
        let plan = plan_of(&[&volume], &[]);
        let (report, stream) = written(&plan, &[&volume], backwards);
        assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
        assert_eq!((report.objects, report.files, report.verified), (8, 4, 4));
        assert_eq!(stream.len() % 10_240, 0);
        let dir = extracted(&stream);
        let at = |name: &str| dir.path().join(name);
        assert_eq!(fs::read(at("d/a")).unwrap(), b"one");
        assert!(fs::read(at("large")).unwrap() == large());
        let sparse = fs::read(at("d/sparse")).unwrap();
        assert!(sparse.len() == 1 << 20 && sparse[512_000..513_024] == noise(3, 1024));
        let stat = |name: &str| fs::symlink_metadata(at(name)).unwrap();
        assert_eq!(stat("d/a").ino(), stat("twin").ino());
        assert_eq!(fs::read_link(at("d/link")).unwrap(), Path::new("../a"));
        assert_eq!(stat("d").mode() & 0o7777, 0o500);
        for name in ["d", "d/a", "large", "pipe"] {
            let time = (stat(name).mtime(), stat(name).mtime_nsec());
            assert_eq!(time, (1_000_000_000, 123_456_789), "{name}");
        }
        fs::set_permissions(at("d"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
}

#[test]
fn names_are_those_of_the_plan_also_where_links_lead() {
    let items = [file("a", b"1"), node("b", Kind::Hardlink(b"a".to_vec()))];
    let volume = Volume::new("A00001L9").write(&items);
    let mut plan = plan_of(&[&volume], &[]);
    for read in &mut plan.members.volumes[0].reads {
        read.name = [b"new/".as_slice(), &read.path].concat();
    }
    let (_, stream) = written(&plan, &[&volume], false);
    let dir = extracted(&stream);
    assert_eq!(fs::read(dir.path().join("new/b")).unwrap(), b"1");
    assert!(!dir.path().join("a").exists());
    plan.members.volumes[0].reads[0].name = b"../a".to_vec();
    let (report, stream) = written(&plan, &[&volume], false);
    assert_eq!(report.problem_count, 2, "{report:?}");
    assert!(listed(&stream).is_empty());
}

#[test]
fn what_is_not_right_is_left_out_if_small_and_named_in_any_case() {
    let items = [
        file("before", &noise(1, 1000)),
        file("small", &noise(2, 200_000)),
        file("large", &large()),
        file("behind", &noise(3, 1000)),
    ];
    type Spoil = fn(&Volume, u64);
    let spoils: [Spoil; 2] = [
        |volume, block| volume.tape.flip(block, 100),
        |volume, block| {
            volume.tape.medium().bad.insert(block);
        },
    ];
    for spoil in spoils {
        for (name, is_in) in [("small", false), ("large", true)] {
            let volume = Volume::new("A00001L9").write(&items);
            spoil(&volume, volume.block_of(name) + 2);
            let plan = plan_of(&[&volume], &[]);
            let (report, stream) = written(&plan, &[&volume], false);
            assert_eq!(report.outcome, RestoreOutcome::Incomplete, "{report:?}");
            assert_eq!((report.problem_count, report.verified), (1, 3));
            assert_eq!(report.problems[0].path, name);
            let names = listed(&stream);
            let all = ["before", "small", "large", "behind"];
            let expected = all.iter().filter(|one| **one != name || is_in);
            assert!(names.iter().eq(expected), "{names:?}");
            let dir = extracted(&stream);
            if is_in {
                let found = fs::read(dir.path().join(name)).unwrap();
                assert!(found.len() == large().len() && found != large());
            }
            assert_eq!(fs::read(dir.path().join("behind")).unwrap(), noise(3, 1000));

            let other = Volume::new("A00002L9").write(&items);
            let plan = plan_of(&[&volume], &[&other]);
            let (report, stream) = written(&plan, &[&volume, &other], false);
            assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
            assert_eq!(report.from_spares, 1);
            let dir = extracted(&stream);
            let found = fs::read(dir.path().join(name)).unwrap();
            assert!(
                found
                    == items
                        .iter()
                        .find(|item| item.member.path == name.as_bytes())
                        .unwrap()
                        .payload
            );
        }
    }
}

#[test]
fn a_file_in_parts_comes_joined_as_far_as_there_are_parts() {
    let whole = noise(4, 500_000);
    let first = Volume::new("A00001L9").write(&[part("f", &whole, 1, 0..200_192)]);
    let second = Volume::new("A00002L9").write(&[part("f", &whole, 2, 200_192..500_000)]);
    let third = Volume::new("A00003L9").write(&[file("f", &whole)]);
    let cases: &[(&[&[&Volume]], u64)] = &[
        (&[&[&first, &second]], 0),
        (&[&[&first]], 1),
        (&[&[&first], &[&third]], 0),
        (&[&[&third], &[&first, &second]], 0),
    ];
    for &(copies, problems) in cases {
        let mut plan = plan_of(&[], &[]);
        plan.cut_files = vec![CutFile {
            name: b"there/f".to_vec(),
            size_bytes: 500_000,
            copies: copies
                .iter()
                .map(|copy| copy.iter().map(|volume| volume.reads()).collect())
                .collect(),
        }];
        let (report, stream) = written(&plan, &copies.concat(), false);
        assert_eq!(report.problem_count, problems, "{report:?}");
        assert_eq!(listed(&stream), ["there/f"]);
        let dir = extracted(&stream);
        let found = fs::read(dir.path().join("there/f")).unwrap();
        assert_eq!(found.len(), whole.len());
        assert_eq!(found == whole, problems == 0);
        assert!(found[..200_192] == whole[..200_192]);
    }
}

#[test]
fn content_of_an_older_version_comes_with_the_metadata_that_are_wanted() {
    let whole = noise(4, 500_000);
    let volumes = [
        Volume::new("A00001L9").write(&[part("cut", &whole, 1, 0..200_192)]),
        Volume::new("A00002L9").write(&[part("cut", &whole, 2, 200_192..500_000)]),
        Volume::new("A00003L9").write(&[file("small", b"one"), file("large", &large())]),
    ];
    let older = |is_same_state: bool| {
        volumes.each_ref().map(|volume| {
            let mut reads = volume.reads();
            for read in &mut reads.reads {
                read.other = Some(Box::new(OtherVersion {
                    job_name: "older".to_owned(),
                    is_same_state,
                    mode: 0o600,
                    uid: rustix::process::geteuid().as_raw(),
                    gid: rustix::process::getegid().as_raw(),
                    user: String::new(),
                    group: String::new(),
                    mtime: FileTime {
                        seconds: 1_100_000_000,
                        nanoseconds: 0,
                    },
                    ctime: FileTime::default(),
                }));
            }
            reads
        })
    };
    let cases: [(bool, (u32, i64), &[&str]); 2] = [
        (false, (0o600, 1_100_000_000), &["cut", "large", "small"]),
        (true, (0o644, 1_000_000_000), &[]),
    ];
    for (is_same_state, expected, lacking) in cases {
        let [first, second, others]: [VolumeReads; 3] = older(is_same_state);
        let mut plan = plan_of(&[], &[]);
        plan.members.volumes = vec![others];
        plan.cut_files = vec![CutFile {
            name: b"cut".to_vec(),
            size_bytes: 500_000,
            copies: vec![vec![first, second]],
        }];
        let (report, stream) = written(&plan, &volumes.each_ref(), false);
        assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
        let dir = extracted(&stream);
        for name in ["cut", "large", "small"] {
            let found = fs::metadata(dir.path().join(name)).unwrap();
            assert_eq!((found.mode() & 0o7777, found.mtime()), expected, "{name}");
        }
        let told = report.metadata_not_set.items.iter();
        let told = told.map(|one| str::from_utf8(&one.path).unwrap());
        let mut told: Vec<&str> = told.collect();
        told.sort_unstable();
        assert_eq!(told, lacking);
    }
}

/// Takes so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(data.len())
            .ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_takes_no_more_ends_it() {
    let volume = Volume::new("A00001L9").write(&some_of_each());
    let plan = plan_of(&[&volume], &[]);
    for room in [0, 1500, 100_000, HELD_BYTES as usize] {
        let mut shelf = Shelf::of(&[&volume]);
        let ended = write_tar(&plan, &mut shelf, &mut Full(room), &Silent);
        let is_output = matches!(&ended, Err(EngineError::Output { source })
            if source.kind() == io::ErrorKind::BrokenPipe);
        assert!(is_output, "{room}: {ended:?}");
        assert_eq!(shelf.ends.len(), 1, "the tape is given back");
    }
}
