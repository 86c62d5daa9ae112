//! Names that cannot be made, and metadata that makes no sense: no file is lost by that.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use tapewright::engine::rescue::{Loss, RescueReport, join};
use tapewright::engine::target::{Name, SavedFiles};
use tapewright::monitor::Silent;
use tapewright::volume::tar::END;
use tempfile::TempDir;

use super::{files, options, rescued, rescued_below};
use crate::rig::{Volume, file, noise, part};
use crate::tape::{Object, Tape};

const BLOCK: usize = 512;

/// A member as another program may write it.
struct Foreign {
    name: String,
    typeflag: u8,
    link: String,
    pax: Vec<(&'static str, String)>,
    content: &'static str,
}

fn member(name: &str, typeflag: u8, link: &str, content: &'static str) -> Foreign {
    Foreign {
        name: name.to_owned(),
        typeflag,
        link: link.to_owned(),
        pax: Vec::new(),
        content,
    }
}

fn plain(name: &str, content: &'static str) -> Foreign {
    member(name, b'0', "", content)
}

fn with(mut member: Foreign, key: &'static str, value: &str) -> Foreign {
    member.pax.push((key, value.to_owned()));
    member
}

fn put(archive: &mut Vec<u8>, name: &str, typeflag: u8, link: &str, content: &[u8]) {
    let mut block = [0; BLOCK];
    let size = format!("{:011o}", content.len());
    for (at, text) in [
        (0, name),
        (100, "0000644"),
        (108, "0000000"),
        (116, "0000000"),
        (124, &size),
        (136, "07346545000"),
        (148, "        "),
        (157, link),
        (257, "ustar\x0000"),
    ] {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    block[156] = typeflag;
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend_from_slice(&block);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

fn tape(members: Vec<Foreign>) -> Tape {
    let mut archive = Vec::new();
    for mut one in members {
        if one.name.len() > 100 {
            one.pax.push(("path", std::mem::take(&mut one.name)));
        }
        let mut records = String::new();
        for (key, value) in &one.pax {
            let rest = key.len() + value.len() + 3;
            let bytes = (1..).find(|digits| (rest + digits).to_string().len() == *digits);
            records += &format!("{} {key}={value}\n", rest + bytes.unwrap());
        }
        if !records.is_empty() {
            put(&mut archive, "x", b'x', "", records.as_bytes());
        }
        put(
            &mut archive,
            &one.name,
            one.typeflag,
            &one.link,
            one.content.as_bytes(),
        );
    }
    archive.extend_from_slice(&END);
    let tape = Tape::default();
    let records = archive.chunks(10_240);
    let objects = records.map(|record| Object::Record(record.to_vec()));
    tape.medium().objects.extend(objects);
    tape.medium().objects.push(Object::Filemark);
    tape
}

/// What a name begins with that was saved, and its content.
type Expected = Vec<(String, &'static str)>;

fn own(names: &[(&str, &'static str)]) -> Expected {
    names
        .iter()
        .map(|(name, content)| ((*name).to_owned(), *content))
        .collect()
}

/// What is on the tape, what is saved, and words that the reasons for other names have in turn.
type Case = (&'static str, Vec<Foreign>, Expected, Vec<&'static str>);

fn cases(outside: &Path) -> Vec<Case> {
    let outside = outside.to_str().unwrap();
    let (long, most) = ("n".repeat(3_000), "n".repeat(255));
    let up = "tapewright-renamed/tapewright-up";
    vec![
        (
            "`..` at the beginning and in the middle",
            vec![
                plain("../a", "1"),
                plain("d/../b", "2"),
                plain("../../c", "3"),
            ],
            own(&[
                (&format!("{up}/a"), "1"),
                ("tapewright-renamed/d/tapewright-up/b", "2"),
                (&format!("{up}/tapewright-up/c"), "3"),
            ]),
            vec!["a `..`"; 3],
        ),
        (
            "a component that is too long",
            vec![plain(&long, "1"), plain(&format!("{long}m/f"), "2")],
            own(&[
                (
                    &format!("tapewright-renamed/{}.tapewright-", "n".repeat(200)),
                    "1",
                ),
                (
                    &format!("tapewright-renamed/{}.tapewright-", "n".repeat(200)),
                    "2",
                ),
            ]),
            vec!["longer than 255 bytes"; 2],
        ),
        (
            "no name at all",
            vec![plain("", "1")],
            own(&[("tapewright-renamed/tapewright-no-name", "1")]),
            vec!["no name"],
        ),
        (
            "a parent that came as a symbolic link",
            vec![
                member("l", b'2', outside, ""),
                plain("l/f", "1"),
                member("l/", b'5', "", ""),
            ],
            own(&[("tapewright-renamed/l/f", "1")]),
            vec!["symbolic link"; 2],
        ),
        (
            "parents that came as files, also of other names",
            vec![plain("p", "1"), plain("p/f", "2"), plain("p/f/g", "3")],
            own(&[
                ("p", "1"),
                ("tapewright-renamed/p/f", "2"),
                ("tapewright-renamed-2/p/f/g", "3"),
            ]),
            vec!["a file is where"; 2],
        ),
        (
            "links and files that have the names which a rescue gives",
            vec![
                member("tapewright-renamed", b'2', outside, ""),
                member("tapewright-renamed/tapewright-up", b'2', outside, ""),
                member("Tapewright-Renamed-2", b'2', outside, ""),
                plain(&format!("{up}/a"), "real"),
                plain("../a", "up"),
            ],
            own(&[
                (
                    "tapewright-renamed-3/tapewright-renamed.tapewright-",
                    "real",
                ),
                (&format!("{up}/a"), "up"),
            ]),
            vec!["gives such names"; 4]
                .into_iter()
                .chain(["a `..`"])
                .collect(),
        ),
        (
            "a name that comes twice, and so long that nothing goes behind it",
            vec![
                plain("../a", "1"),
                plain("../a", "2"),
                plain(&most, "3"),
                plain(&most, "4"),
            ],
            own(&[
                (&most, "3"),
                (&format!("{}.restored-1", "n".repeat(244)), "4"),
                (&format!("{up}/a"), "1"),
                (&format!("{up}/a.restored-1"), "2"),
            ]),
            vec!["a `..`"; 2],
        ),
        (
            "metadata that makes no sense",
            vec![
                with(plain("time", "1"), "mtime", "nan"),
                with(plain("owner", "2"), "uid", "-7"),
                with(plain("user", "3"), "uname", &"u".repeat(2_000)),
            ],
            own(&[("time", "1"), ("owner", "2"), ("user", "3")]),
            vec![],
        ),
    ]
}

#[test]
fn a_file_whose_name_or_metadata_cannot_be_is_saved_all_the_same() {
    let dir = TempDir::new().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for (number, (what, members, expected, whys)) in cases(&outside).into_iter().enumerate() {
        let target = dir.path().join(number.to_string());
        let report = rescued(&tape(members), &options(&target));
        assert!(report.is_whole(), "{what}: {report:?}");
        let below = target.join("file-00000");
        let contents: Vec<_> = (files(&below).into_iter())
            .filter(|name| !fs::symlink_metadata(below.join(name)).unwrap().is_symlink())
            .map(|name| (fs::read_to_string(below.join(&name)).unwrap(), name))
            .collect();
        assert_eq!(contents.len(), expected.len(), "{what}: {contents:?}");
        for (name, content) in &expected {
            let is_it = |(there, at): &(String, String)| there == content && at.starts_with(name);
            assert!(contents.iter().any(is_it), "{what}: {name} {contents:?}");
        }
        let told = report.other_names.iter();
        let told: Vec<_> = told.map(|other| other.why.as_str()).collect();
        assert_eq!(told.len(), whys.len(), "{what}: {told:?}");
        let has = |(told, why): (&&str, &&str)| told.contains(why);
        assert!(told.iter().zip(&whys).all(has), "{what}: {told:?}");
        on_record(what, &target, &report);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// Each other name is on record beside that on tape.
fn on_record(what: &str, target: &Path, report: &RescueReport) {
    let record = fs::read_to_string(target.join("rescued.jsonl")).unwrap();
    for other in &report.other_names {
        let text = |bytes: &[u8]| serde_json::Value::from(str::from_utf8(bytes).unwrap());
        let is_it = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["path"] == text(&other.path) && line["as"] == text(&other.name)
        };
        assert!(record.lines().any(is_it), "{what}: {other:?}: {record}");
    }
}

#[test]
fn what_makes_no_sense_is_listed_as_not_set_and_the_rest_is() {
    let dir = TempDir::new().unwrap();
    let members = vec![
        with(plain("time", "1"), "mtime", "nan"),
        with(plain("owner", "2"), "gid", "99999999999"),
        with(plain("acl", "3"), "LIBARCHIVE.xattr.user.a", "?"),
    ];
    let report = rescued(&tape(members), &options(dir.path()));
    let not_set = report.metadata_not_set.iter().flat_map(|not| &not.items);
    let whys: Vec<_> = not_set
        .map(|item| (&item.path[..], item.why.as_str()))
        .collect();
    for (path, key) in [
        ("time", "`mtime`"),
        ("owner", "`gid`"),
        ("acl", "`LIBARCHIVE.xattr.user.a`"),
    ] {
        let is_it = |(of, why): &(&[u8], &str)| *of == path.as_bytes() && why.contains(key);
        assert!(whys.iter().any(is_it), "{path}: {whys:?}");
    }
    let time = fs::metadata(dir.path().join("file-00000/time")).unwrap();
    assert_eq!(time.mtime(), 1_000_000_000, "that of the plain header");
}

#[test]
fn hard_links_find_their_first_name_under_its_other_one() {
    let dir = TempDir::new().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink("nowhere", outside.join("f")).unwrap();
    let members = vec![
        plain("../a", "up"),
        member("../b", b'1', "../a", ""),
        member("here", b'1', "../a", ""),
        member("l", b'2', outside.to_str().unwrap(), ""),
        plain("l/f", "behind"),
        member("l/g", b'1', "l/f", ""),
    ];
    let target = dir.path().join("to");
    let report = rescued(&tape(members), &options(&target));
    assert!(report.is_whole(), "{report:?}");
    let inode = |name: &str| {
        let found = fs::symlink_metadata(target.join("file-00000").join(name));
        found.unwrap().ino()
    };
    let renamed = |name: &str| inode(&format!("tapewright-renamed/{name}"));
    assert_eq!(renamed("tapewright-up/a"), renamed("tapewright-up/b"));
    assert_eq!(renamed("tapewright-up/a"), inode("here"));
    assert_eq!(renamed("l/f"), renamed("l/g"));
}

#[test]
fn a_path_that_is_longer_than_the_system_takes_at_once_is_saved_as_it_is() {
    let path = vec!["d".repeat(200); 30].join("/");
    for up in ["", "../"] {
        let dir = TempDir::new().unwrap();
        let name = format!("{up}{path}");
        let report = rescued(&tape(vec![plain(&name, "deep")]), &options(dir.path()));
        assert!(report.is_whole(), "{report:?}");
        let saved = match report.other_names.first() {
            Some(other) => other.name.clone(),
            None => path.clone().into_bytes(),
        };
        assert_eq!(up.is_empty(), report.other_names.is_empty());
        assert!(up.is_empty() || saved.len() <= 2_048, "{}", saved.len());
        let below = SavedFiles::below(&dir.path().join("file-00000")).unwrap();
        let mut file = below.open(Name::new(&saved).unwrap(), false).unwrap();
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "deep");
        // It goes deeper than a test knows how to remove.
        let removed = std::process::Command::new("rm")
            .arg("-rf")
            .arg(dir.path())
            .status();
        assert!(removed.unwrap().success());
    }
}

#[test]
fn what_is_refused_has_its_true_size() {
    let dir = TempDir::new().unwrap();
    let members = vec![member("strange", b'Z', "", "five!"), plain("good", "good")];
    let report = rescued(&tape(members), &options(dir.path()));
    let [lost] = &report.lost[..] else {
        panic!("{:?}", report.lost)
    };
    assert_eq!((lost.loss, lost.size_bytes), (Loss::NotSaved, 5));
    assert!(files(&dir.path().join("file-00000")).contains("good"));
}

#[test]
fn parts_of_a_file_with_a_long_name_are_saved_and_joined_to_that() {
    let name = "n".repeat(250);
    let whole = noise(3, 200_000);
    let tape = Volume::new("A00001L9").write(&[
        part(&name, &whole, 1, 0..120_000),
        part(&name, &whole, 2, 120_000..200_000),
    ]);
    let dir = TempDir::new().unwrap();
    let reports = rescued_below(dir.path(), &[("A", &tape.tape)]);
    assert_eq!(reports[0].lost_count, 0, "{:?}", reports[0].lost);
    let joins = join(dir.path(), &Silent).unwrap();
    let [joined] = &joins.joined[..] else {
        panic!("{joins:?}")
    };
    let joined = joined.directory.join(str::from_utf8(&joined.name).unwrap());
    assert!(joined.ends_with(Path::new("tapewright-renamed").join(&name)));
    assert!(fs::read(joined).unwrap() == whole);
}

#[test]
fn a_long_name_gives_way_to_what_says_that_its_content_is_another() {
    let mut wrong = file(&"n".repeat(255), b"content");
    wrong.digest = Some(blake3::hash(b"other").into());
    let volume = Volume::new("A00001L9").write(&[wrong]);
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(dir.path()));
    let [lost] = &report.lost[..] else {
        panic!("{:?}", report.lost)
    };
    let kept_as = lost.kept_as.as_deref().map(String::from_utf8_lossy);
    let expected = format!("{}.tapewright-damaged", "n".repeat(236));
    assert_eq!(kept_as.as_deref(), Some(expected.as_str()));
    assert!(dir.path().join("file-00001").join(expected).exists());
}
