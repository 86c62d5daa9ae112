//! What an ordinary user gets back, by the same zoo as root: what differs then is what the restore
//! lists, and nothing else, as rsync and getfattr see it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::Value;

use crate::harness::{Place, Ran};
use crate::menagerie;
use crate::root::is_root;
use crate::zoo;

/// An ordinary user: some of the menagerie is this one's.
const USER: u32 = 65_534;

/// An ordinary user with a place: another one than root, where root runs the test.
struct User {
    place: Place,
    is_other: bool,
}

impl User {
    /// Gives all that is in the place to the user, and the program to call.
    fn of(place: Place) -> User {
        let is_other = rustix::process::geteuid().is_root();
        let user = User { place, is_other };
        if is_other {
            let root = user.place.path("");
            fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("a mode");
            chown(&root, Some(USER), Some(USER)).expect("an owner");
            // The user may not be let to where it was built.
            fs::copy(env!("CARGO_BIN_EXE_tapewright"), user.program()).expect("a copy");
        }
        user
    }

    fn program(&self) -> PathBuf {
        self.place.path("tapewright")
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.place.path(""))
            .env("TAPEWRIGHT_STATE", self.place.path("state"))
            .stdin(Stdio::null());
        if self.is_other {
            command.uid(USER).gid(USER);
        }
        command
    }

    fn run<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Ran {
        let program = match self.is_other {
            true => self.program(),
            false => env!("CARGO_BIN_EXE_tapewright").into(),
        };
        Ran(self
            .command(&program)
            .args(words)
            .output()
            .expect("it starts"))
    }

    /// Fails unless the record of a restore has what its summary lists under `field`, and tells it.
    #[track_caller]
    fn assert_recorded(&self, summary: &Value, field: &str, heading: &str) {
        let id = summary["restore"].as_str().expect("an identity");
        let record = json(&self.run(["job", "show", id, "--json"]));
        let run = &record["runs"][0];
        let (said, all) = (&run[field], &summary[field]);
        assert_eq!(said["total"], all["total"], "{said}");
        let [said, all] = [said, all].map(|of| of["listed"].as_array().expect("a list"));
        assert!(!said.is_empty() && all.starts_with(said), "{said:?}");
        assert_eq!(&record[field], &run[field], "of the last run");
        let text = self.run(["job", "show", id]).expect_done().stdout();
        let heading = format!("{heading} ({}):", summary[field]["total"]);
        assert!(text.contains(&heading), "{heading}: {text}");
    }

    /// Archives `tree`, and what was said of it.
    fn archive(&self, tree: &Path) -> Value {
        let words = [OsStr::new("archive"), "--json".as_ref(), "--pool".as_ref()];
        let words = words.into_iter().chain(["p".as_ref(), tree.as_os_str()]);
        json(&self.run(words))
    }

    /// Restores `tree` as `copy` in the place, and what was said of it in JSON and in words.
    fn restore(&self, tree: &Path, copy: &str) -> (Ran, Value) {
        let map = |copy: &str| {
            let map = [tree.as_os_str().as_bytes(), b"=", copy.as_bytes()].concat();
            OsString::from_vec(map)
        };
        let words = |copy| {
            let to: [&OsStr; 4] = [
                "restore".as_ref(),
                "--to".as_ref(),
                ".".as_ref(),
                "--map".as_ref(),
            ];
            to.map(OsStr::to_owned)
                .into_iter()
                .chain([map(copy), tree.into()])
        };
        let told = self.run(words("in words"));
        let json_too = self.run(words(copy).chain(["--json".into()]));
        assert_eq!(told.0.status.code(), json_too.0.status.code());
        let summary = json(&json_too);
        (told, summary)
    }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout()).unwrap_or_else(|_| panic!("{}", ran.stderr()))
}

/// What is otherwise: an object, by its path below the tree, and what of it, in the words of a
/// restore.
type Differences = BTreeSet<(Vec<u8>, String)>;

/// Fails unless both are the same, and names what only one of them has.
#[track_caller]
fn assert_same(left: &Differences, right: &Differences, what: &str) {
    let only = |one: &Differences, other: &Differences| -> Vec<String> {
        let only = one.difference(other);
        only.map(|(path, what)| format!("{}: {what}", path.escape_ascii()))
            .collect()
    };
    let apart = [only(left, right), only(right, left)];
    assert!(left == right, "{what}: {apart:#?}");
}

/// What a list of a restore says of the copy `copy`.
fn listed(list: &Value, copy: &str, word: impl Fn(&str) -> String) -> Differences {
    let all = list["listed"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(list["total"], all.len(), "all are listed");
    let below = format!("{copy}/").into_bytes();
    let one = |one: &Value| {
        let path = match &one["path"] {
            Value::String(text) => text.clone().into_bytes(),
            bytes => base64::engine::general_purpose::STANDARD
                .decode(bytes["base64"].as_str().expect("bytes"))
                .expect("base64"),
        };
        let path = match path.strip_prefix(below.as_slice()) {
            Some(path) => path.to_vec(),
            None if path == copy.as_bytes() => Vec::new(),
            None => panic!("{one} is not in {copy}"),
        };
        (path, word(one["what"].as_str().expect("words")))
    };
    all.iter().map(one).collect()
}

/// How `copy` differs from `tree`.
fn differences(tree: &Path, copy: &Path) -> Differences {
    let slash = |path: &Path| format!("{}/", path.display());
    let output = Command::new("rsync")
        .args(["-naHAXc", "--delete", "--numeric-ids", "--modify-window=-1"])
        .args(["--out-format=%i %n", &slash(tree), &slash(copy)])
        .output()
        .expect("rsync is installed (tests/run installs it)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rsync: {said}");
    let mut all = Differences::new();
    for line in output.stdout.split(|&byte| byte == b'\n') {
        let Some((item, path)) = line.split_at_checked(12) else {
            continue;
        };
        let path = unescaped(path);
        let path = path.strip_suffix(b"/").unwrap_or(&path);
        let path = match path {
            b"." => &[][..],
            path => path,
        };
        let [left, right] = [tree, copy].map(|root| root.join(OsStr::from_bytes(path)));
        for what in words(item, &left, &right) {
            all.insert((path.to_vec(), what));
        }
    }
    all
}

/// What an item of rsync says, in the words of a restore.
fn words(item: &[u8], left: &Path, right: &Path) -> Vec<String> {
    if item.ends_with(b"+++++++++ ") {
        return vec!["missing".to_owned()];
    }
    let archived =
        fs::symlink_metadata(left).unwrap_or_else(|_| panic!("{} is new", right.display()));
    let has = |letter| item[2..].contains(&letter);
    let mut words = Vec::new();
    match (has(b'o'), has(b'g')) {
        (true, true) => words.push(format!("owner {}:{}", archived.uid(), archived.gid())),
        (true, false) => words.push(format!("owner {}", archived.uid())),
        (false, true) => words.push(format!("group {}", archived.gid())),
        (false, false) => {}
    }
    if has(b'p') {
        words.push(format!("mode {:04o}", archived.mode() & 0o7777));
    }
    if has(b't') || has(b'T') {
        words.push("modification time".to_owned());
    }
    if has(b'c') || has(b's') {
        words.push("content".to_owned());
    }
    if has(b'a') || has(b'x') {
        let [left, right] = [left, right].map(xattrs);
        let other = |(key, value): &(&String, &String)| right.get(*key) != Some(*value);
        let lost = left.iter().filter(other);
        words.extend(lost.map(|(key, _)| format!("attribute {key}")));
        let new = right.keys().filter(|key| !left.contains_key(*key));
        words.extend(new.map(|key| format!("new attribute {key}")));
    }
    assert!(!words.is_empty(), "{}", String::from_utf8_lossy(item));
    words
}

/// All extended attributes, access control lists among them, as getfattr shows them.
fn xattrs(path: &Path) -> BTreeMap<String, String> {
    let output = Command::new("getfattr")
        .args(["-h", "-d", "-m", "-", "-e", "hex", "--absolute-names"])
        .arg(path)
        .output()
        .expect("getfattr is installed (tests/run installs it)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = pairs.filter_map(|line| line.split_once('=').or(Some((line, ""))));
    let pairs = pairs.filter(|(key, _)| !key.is_empty());
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// rsync writes what cannot be printed as `\#` and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.strip_prefix(b"#").and_then(|digits| digits.get(..3));
        let octal = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(escaped) if byte == b'\\' => {
                bytes.push(escaped);
                rest = &behind[4..];
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    bytes
}

/// Each object by that one of its names that comes first: which of them carries what all have is
/// not the same for all programs.
fn by_first_names(differences: Differences, tree: &Path) -> Differences {
    let mut first: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
    let mut name_of = BTreeMap::new();
    for path in below(tree) {
        let stat = fs::symlink_metadata(tree.join(OsStr::from_bytes(&path))).expect("it is there");
        let first = first
            .entry((stat.dev(), stat.ino()))
            .or_insert_with(|| path.clone());
        name_of.insert(path, first.clone());
    }
    let named = |(path, what)| (name_of.get(&path).cloned().unwrap_or(path), what);
    differences.into_iter().map(named).collect()
}

/// All paths below a directory and its own, the least first.
fn below(tree: &Path) -> BTreeSet<Vec<u8>> {
    let output = Command::new("find")
        .arg(tree)
        .args(["-printf", "%P\\0"])
        .output()
        .expect("find is installed");
    let paths = output.stdout.split(|&byte| byte == 0);
    let paths: BTreeSet<Vec<u8>> = paths.map(<[u8]>::to_vec).collect();
    paths
}

/// The reason goes: it is the system's.
fn without_reason(what: &str) -> String {
    let (what, _) = what.split_once(": ").expect("a reason");
    what.to_owned()
}

/// What of the zoo of root differs for a user, but for owners that are root's.
const LOST: &[(&str, &[&str])] = &[
    ("menagerie/plain/block", &["missing"]),
    ("menagerie/plain/char", &["missing"]),
    (
        "menagerie/plain/capable",
        &["owner 5:6", "attribute security.capability"],
    ),
    ("menagerie/plain/dangling", &["owner 99:98"]),
    ("menagerie/plain/hard", &["owner 1234:5678"]),
    ("menagerie/plain/large", &["owner 0:0", "mode 4755"]),
    (
        "menagerie/plain/later",
        &["owner 3000000:4000000", "attribute trusted.note"],
    ),
    (
        "menagerie/plain/latin-\\xe4\\n name",
        &["owner 0:0", "mode 2711"],
    ),
    (
        "menagerie/plain/of-another-group",
        &["group 9", "mode 4755"],
    ),
    ("menagerie/plain/of-the-user", &[]),
    ("menagerie/plain/pipe", &["owner 97:96"]),
    ("menagerie/plain/set-id", &["owner 7:8", "mode 6755"]),
    (
        "menagerie/plain/soft",
        &["owner 0:0", "attribute trusted.onlink"],
    ),
    (
        "menagerie/deep/group",
        &["owner 0:0", "attribute trusted.note"],
    ),
    ("menagerie/deep/locked", &["owner 11:12"]),
    ("zoo/attributes", &["owner 0:0", "mode 4771"]),
    (
        "zoo/capable",
        &["owner 0:0", "attribute security.capability"],
    ),
    ("zoo/given away", &["owner 3000000:4000000"]),
    ("zoo/loop", &["missing"]),
    ("zoo/null", &["missing"]),
];

#[test]
fn what_root_archived_comes_back_to_a_user_but_for_what_the_restore_lists() {
    if !is_root() {
        return;
    }
    let place = Place::with_pool("2GB", 1);
    let tree = place.path("tree");
    fs::create_dir_all(tree.join("menagerie")).expect("a directory");
    menagerie::make(&tree.join("menagerie"), None);
    zoo::make(&tree.join("zoo"));
    // Two times nine gigabytes of zeros to compare tell nothing of a user.
    fs::remove_file(tree.join("zoo/sparse, over 8 GiB")).expect("it is there");
    place.run(["archive", "--pool", "p"], [&tree]).expect_done();
    for name in ["state", "library"] {
        let owner = format!("{USER}:{USER}");
        let mut chown = Command::new("chown");
        let chown = chown.args(["-R", &owner]).arg(place.path(name));
        assert!(chown.status().expect("it starts").success());
    }
    let user = User::of(place);
    let (told, summary) = user.restore(&tree, "copy");
    let told = told.expect_exit(7);

    let missing = listed(&summary["problems"], "copy", |_| "missing".to_owned());
    user.assert_recorded(&summary, "metadata_not_set", "metadata that was not set");
    let mut said = listed(&summary["metadata_not_set"], "copy", without_reason);
    let in_words = format!("metadata that was not set ({})", said.len());
    for words in [in_words.as_str(), "objects not restored (5)"] {
        assert!(told.stdout().contains(words), "{words}: {}", told.stdout());
    }
    assert!(told.stderr().contains("plain/block"), "{}", told.stderr());
    said.extend(missing);
    let said = by_first_names(said, &tree);
    let found = by_first_names(differences(&tree, &user.place.path("copy")), &tree);
    assert_same(&said, &found, "what is listed, and what differs");

    let special: BTreeMap<&str, &[&str]> = LOST.iter().copied().collect();
    let all = below(&tree).into_iter().map(|path| (path, String::new()));
    let expected = by_first_names(all.collect(), &tree)
        .into_iter()
        .flat_map(|(path, _)| {
            let words = special
                .get(path.escape_ascii().to_string().as_str())
                .copied();
            let words = words.unwrap_or(&["owner 0:0"]).iter();
            words.map(move |word| (path.clone(), (*word).to_owned()))
        });
    let expected: Differences = expected.collect();
    assert_same(&found, &expected, "what differs, and what has to");
}

#[test]
fn what_a_user_archived_comes_back_to_him_identical_but_for_what_he_could_not_read() {
    let user = User::of(Place::empty());
    let library = [
        "library",
        "create",
        "--slots",
        "2",
        "--capacity",
        "1GB",
        "--sim",
        "library",
    ];
    user.run(library).expect_done();
    user.run(["tape", "label", "--pool", "p", "SIM001L9"])
        .expect_done();
    let tree = user.place.path("tree");
    fs::create_dir(&tree).expect("a directory");
    if user.is_other {
        chown(&tree, Some(USER), Some(USER)).expect("an owner");
    }
    menagerie::make(&tree, Some(USER));
    let archived = user.archive(&tree);
    assert_eq!(archived["outcome"], "partial", "{archived}");
    let unread = archived["problems"]["listed"].as_array().expect("a list");
    let unread: BTreeSet<&str> = unread
        .iter()
        .map(|one| one["path"].as_str().expect("text"))
        .collect();
    let named = ["deep/closed", "plain/nothing"].map(|name| tree.join(name));
    let named = named.each_ref().map(|path| path.to_str().expect("UTF-8"));
    assert_eq!(unread, named.map(|path| &path[1..]).into());

    let (told, summary) = user.restore(&tree, "copy");
    told.expect_exit(7);
    assert_eq!(summary["metadata_not_set"]["total"], 0, "{summary}");
    assert_eq!(summary["problems"]["total"], 0, "{summary}");
    let heading = "not archived, or restored otherwise than their names promise";
    user.assert_recorded(&summary, "remarks", heading);
    let never_archived = summary["remarks"]["listed"].as_array().expect("a list");
    let never_archived: BTreeSet<&str> = never_archived
        .iter()
        .map(|one| one["path"].as_str().expect("text"))
        .collect();
    assert_eq!(never_archived, unread);
    for path in named {
        // rsync runs as who runs the test, and has to see them.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("a mode");
    }
    let missing = ["deep/closed", "deep/closed/in", "plain/nothing"];
    let missing = missing.map(|path| (path.as_bytes().to_vec(), "missing".to_owned()));
    let copy = user.place.path("copy");
    let found = differences(&tree, &copy);
    assert_same(&found, &missing.into(), "what differs, and what has to");
}
