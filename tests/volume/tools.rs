//! What other people's programs make of our tape files: the promise that a tape can be
//! read without this one.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{ffi, fs, io::Write};

use crate::memory_tape::MemoryTape;
use crate::support::{BLOCK_BYTES, file, label, noise, write_volume_as};
use crate::zoo;
use tapewright::volume::index::Codec;
use tapewright::volume::member::{Kind, Member};
use tempfile::TempDir;

/// What ran: exit code, and what it said on stdout and stderr.
struct Ran(i32, String, String);

fn run(directory: &Path, program: &str, arguments: &[&str]) -> Ran {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran(
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

const CODECS: [Codec; 2] = [Codec::Plain, Codec::Zstd];

/// The tape files of a volume with one segment, on disk: label, segment, index.
fn tape_files(codec: Codec, members: Vec<(Member, Vec<u8>)>) -> (TempDir, [PathBuf; 3]) {
    let mut tape = MemoryTape::new();
    write_volume_as(codec, &mut tape, &label(BLOCK_BYTES), &[members]);
    let directory = TempDir::new().unwrap();
    let files = [0, 1, 2].map(|number| {
        let path = directory.path().join(format!("file-{number}"));
        fs::write(&path, tape.file(number)).unwrap();
        path
    });
    (directory, files)
}

/// What GNU tar says of names that are not UTF-8: it reads them well, but does not know the
/// keyword that tells bsdtar about them.
const UNKNOWN_KEYWORD: &str = "tar: Ignoring unknown extended header keyword 'hdrcharset'";
/// What it says of files from before 1970 and from the future, when it extracts them.
const TIMES: [&str; 2] = ["implausibly old time stamp", "in the future"];

fn unexpected(stderr: &str) -> Vec<&str> {
    let expected =
        |line: &&str| *line != UNKNOWN_KEYWORD && !TIMES.iter().any(|time| line.contains(time));
    stderr.lines().filter(expected).collect()
}

#[test]
fn gnu_tar_and_bsdtar_list_every_tape_file_without_complaint() {
    let (directory, files) = tape_files(Codec::Plain, zoo::members());
    for path in files {
        let archive = path.to_str().unwrap();
        for program in ["tar", "bsdtar"] {
            let Ran(code, listed, stderr) = run(directory.path(), program, &["-tvf", archive]);
            assert_eq!(
                (code, unexpected(&stderr)),
                (0, vec![]),
                "{program} {archive}"
            );
            assert!(!listed.is_empty());
        }
    }
    let segment = directory.path().join("file-1");
    let Ran(_, names, _) = run(
        directory.path(),
        "bsdtar",
        &["-tf", segment.to_str().unwrap()],
    );
    assert_eq!(names.lines().count(), zoo::members().len());
}

#[test]
fn gnu_tar_extracts_everything_as_it_was() {
    let arguments = [
        "--xattrs",
        "--xattrs-include='*'",
        "--acls",
        "--numeric-owner",
        "-xpf",
    ];
    for codec in CODECS {
        extract_and_compare(codec, "tar", &arguments);
    }
}

#[test]
fn bsdtar_extracts_everything_as_it_was() {
    let arguments = ["--numeric-owner", "--acls", "--xattrs", "-xpf"];
    for codec in CODECS {
        extract_and_compare(codec, "bsdtar", &arguments);
    }
}

fn extract_and_compare(codec: Codec, program: &str, arguments: &[&str]) {
    let members: Vec<(Member, Vec<u8>)> = zoo::members()
        .into_iter()
        // Only root makes devices.
        .filter(|(m, _)| {
            is_root() || !matches!(m.kind, Kind::CharDevice(..) | Kind::BlockDevice(..))
        })
        .collect();
    let (directory, [_, segment, _]) = tape_files(codec, members.clone());
    let target = directory.path().join("out");
    fs::create_dir(&target).unwrap();
    // As from a tape: `dd`, and what stands between it and `tar`, which may close before the
    // padding has come that frames do not have.
    let (failing, unpack) = match codec {
        Codec::Plain => ("+o", ""),
        Codec::Zstd => ("-o", "zstd -dc |"),
    };
    let (segment, arguments) = (segment.display(), arguments.join(" "));
    let script = format!(
        "set {failing} pipefail; dd if={segment} bs={BLOCK_BYTES} status=none | {unpack} \
         {program} {arguments} -"
    );
    let Ran(code, _, stderr) = run(&target, "bash", &["-c", &script]);
    assert_eq!((code, unexpected(&stderr)), (0, vec![]), "{program}");
    for (member, data) in &members {
        compare(program, &target, member, data);
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn on_disk(target: &Path, member: &Member) -> PathBuf {
    let mut name = member.path.clone();
    if let Some(part) = member.part {
        name.extend_from_slice(format!(".tapewright-part-{:04}", part.number).as_bytes());
    }
    target.join(ffi::OsString::from_vec(name))
}

fn compare(program: &str, target: &Path, member: &Member, data: &[u8]) {
    let path = on_disk(target, member);
    let what = member.path.escape_ascii().to_string();
    let found = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
    match &member.kind {
        Kind::File => compare_content(&path, member, data),
        Kind::Symlink(link) => {
            assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_bytes(), link);
            return;
        }
        Kind::Hardlink(first) => {
            let first = target.join(ffi::OsStr::from_bytes(first));
            assert_eq!(found.ino(), fs::metadata(first).unwrap().ino(), "{what}");
            return;
        }
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            assert_eq!((found.rdev() >> 8 & 0xfff) as u32, *major, "{what}");
            assert_eq!(
                (found.rdev() & 0xff | found.rdev() >> 12 & 0xf_ff00) as u32,
                *minor
            );
        }
        Kind::Directory => assert!(found.is_dir(), "{what}"),
        Kind::Fifo => assert_eq!(found.mode() & 0o170_000, 0o010_000, "{what}"),
    }
    assert_eq!(found.mode() & 0o7777, member.mode, "{what}");
    if is_root() {
        assert_eq!(
            (found.uid(), found.gid()),
            (member.uid, member.gid),
            "{what}"
        );
    }
    if member.kind == Kind::File {
        let time = (found.mtime(), found.mtime_nsec() as u32);
        let expected = (member.mtime.seconds, member.mtime.nanoseconds);
        // libarchive 3.6 adds the fraction of a negative time instead of taking it off.
        let wrong_fraction = (expected.0 + 1, expected.1);
        let known = program == "bsdtar" && expected.0 < 0 && time == wrong_fraction;
        assert!(
            time == expected || known,
            "{what}: {time:?} instead of {expected:?}"
        );
    }
    for (name, value) in &member.xattrs {
        // libarchive takes keywords as they are, where GNU tar and we write `%3D` for `=`.
        if program == "bsdtar" && name.contains(&b'=') {
            continue;
        }
        let name = ffi::OsStr::from_bytes(name);
        let mut found = vec![0; 1024];
        let length = rustix::fs::getxattr(&path, name, &mut found[..]).unwrap();
        assert_eq!(found[..length], value[..], "{what} {name:?}");
    }
}

fn compare_content(path: &Path, member: &Member, data: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::open(path).unwrap();
    let found = file.metadata().unwrap();
    assert_eq!(found.len(), member.covered_bytes(), "{path:?}");
    let Some(extents) = &member.extents else {
        assert_eq!(fs::read(path).unwrap(), data, "{path:?}");
        return;
    };
    let mut at = 0;
    for extent in extents {
        let mut piece = vec![0; extent.length_bytes as usize];
        file.read_exact_at(&mut piece, extent.offset_bytes).unwrap();
        assert_eq!(piece, data[at..at + piece.len()], "{path:?}");
        at += piece.len();
    }
    // Holes read as zeros and take no room.
    let held = found.blocks() * 512;
    assert!(held <= 64 << 10, "{path:?} takes {held} bytes");
}

/// The commands in the label's README, without the tape drive: `dd` from a file.
#[test]
fn the_readme_alone_is_enough() {
    for codec in CODECS {
        readme_alone_is_enough(codec);
    }
}

fn readme_alone_is_enough(codec: Codec) {
    let cut = noise(5, 200_000);
    let part = |number, offset: usize, length: usize| {
        let member = zoo::part("d/cut file", number, offset as u64, length as u64, 200_000);
        (member, cut[offset..offset + length].to_vec())
    };
    let members = vec![
        (zoo::object("d", Kind::Directory), vec![]),
        (file("d/before", 700), noise(3, 700)),
        part(1, 0, 90_000),
        part(2, 90_000, 100_000),
        part(3, 190_000, 10_000),
        (file("d/after", 70_000), noise(4, 70_000)),
    ];
    let (directory, [label, segment, index]) = tape_files(codec, members);
    let here = directory.path();
    let read = "set -e; dd if=\"$1\" bs=65536 count=1 | tar -xf -; cat README.txt";
    let Ran(code, readme, _) = run(here, "sh", &["-c", read, "sh", label.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(
        readme.contains("E01001L9") && readme.contains("bs=65536"),
        "{readme}"
    );
    assert!(!readme.contains('@') && readme.is_ascii(), "{readme}");
    assert!(readme.lines().all(|line| line.len() <= 80), "{readme}");

    let segment = segment.to_str().unwrap();
    // The commands behind `mt`, as printed, with the drive replaced by a tape file.
    let extract = command(
        &readme,
        "dd if=/dev/nst0 bs=65536 | zstd -dcf |\n",
        "\n    do",
    );
    let extract = extract.replace("/dev/nst0", segment);
    let join = command(&readme, "find . -name", "HOW TO FIND");
    let script = format!("set -e; mkdir out; cd out; {extract}\n{join}");
    let Ran(code, _, stderr) = run(here, "sh", &["-c", &script]);
    assert_eq!(code, 0, "{stderr}");
    let names: Vec<String> = {
        let entries = fs::read_dir(here.join("out/d")).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names, ["after", "before", "cut file"]);
    assert_eq!(fs::read(here.join("out/d/cut file")).unwrap(), cut);
    let times =
        ["after", "cut file"].map(|n| fs::metadata(here.join("out/d").join(n)).unwrap().mtime());
    assert_eq!(times[0], times[1]);

    let check = command(
        &readme,
        "dd if=/dev/nst0 bs=65536 | tar -xf -\n    cd",
        "\n\n",
    );
    let check = check.replace("/dev/nst0", index.to_str().unwrap());
    let script = format!("set -e; {check}; cat files.jsonl");
    let Ran(code, found, stderr) = run(here, "sh", &["-c", &script]);
    assert_eq!(code, 0, "{stderr}");
    let lines: Vec<serde_json::Value> = found
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 6);
    let after = lines.iter().find(|line| line["path"] == "d/after").unwrap();
    one_file(here, &readme, segment, after);
}

/// Restores one file by its line in the index, as the README says.
fn one_file(here: &Path, readme: &str, segment: &str, line: &serde_json::Value) {
    let number = |key: &str| line[key].as_u64().unwrap();
    // Segment 1 starts at block 2, so that is where our file on disk starts.
    let skip = format!("bs=65536 skip={}", number("block") - 2);
    let (start, skip_in_frame) = match line["skip"].as_u64() {
        None => ("dd if=/dev/nst0 bs=65536 | tail -c +1025 | head", 0),
        Some(skip) => ("dd if=/dev/nst0 bs=65536 | tail -c +1025 | zstd", skip),
    };
    let command = command(readme, start, "\n\n")
        .replace("/dev/nst0", segment)
        .replace("bs=65536", &skip)
        .replace("+1025", &format!("+{}", number("offset") + 1))
        .replace("+2049", &format!("+{}", skip_in_frame + 1))
        .replace("9216", &number("length").to_string());
    let script = format!("mkdir one; cd one; {command}");
    let Ran(code, _, stderr) = run(here, "sh", &["-c", &script]);
    assert_eq!(code, 0, "{stderr}");
    let content = fs::read(here.join("one/d/after")).unwrap();
    assert_eq!(content, noise(4, 70_000));
    assert_eq!(line["digest"], blake3::hash(&content).to_hex().as_str());
    assert_eq!(fs::read_dir(here.join("one/d")).unwrap().count(), 1);
}

/// The part of the README from `start` to before `end`.
fn command(readme: &str, start: &str, end: &str) -> String {
    let from = readme.find(start).unwrap_or_else(|| panic!("no {start:?}"));
    let length = readme[from..]
        .find(end)
        .unwrap_or_else(|| panic!("no {end:?}"));
    readme[from..from + length].to_owned()
}

#[test]
fn crc32_of_records_is_that_of_gzip() {
    let (directory, [_, segment, index]) =
        tape_files(Codec::Zstd, vec![(file("a", 100_000), noise(1, 100_000))]);
    let index = index.to_str().unwrap();
    let arguments = ["-xf", index, "--strip-components=1"];
    assert_eq!(run(directory.path(), "tar", &arguments).0, 0);
    let crcs = fs::read(directory.path().join("blocks.crc32")).unwrap();
    let records = fs::read(segment).unwrap();
    assert_eq!(crcs.len(), 4 * records.len() / BLOCK_BYTES as usize);
    for (crc, record) in crcs.chunks(4).zip(records.chunks(BLOCK_BYTES as usize)) {
        let path = directory.path().join("record");
        fs::File::create(&path).unwrap().write_all(record).unwrap();
        // gzip's trailer (RFC 1952): CRC-32, then length, least significant byte first.
        let gzip = Command::new("gzip")
            .args(["-c", path.to_str().unwrap()])
            .output()
            .unwrap();
        let trailer = &gzip.stdout[gzip.stdout.len() - 8..];
        let little: Vec<u8> = crc.iter().rev().copied().collect();
        assert_eq!(trailer[..4], little);
    }
}
