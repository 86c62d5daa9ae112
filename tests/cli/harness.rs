//! A user's place: state directory, simulated library, source and target, and the program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Everything one test works in; goes away with it.
pub struct Place {
    dir: TempDir,
}

impl Place {
    /// An empty place without a library.
    pub fn empty() -> Self {
        Self {
            dir: TempDir::with_prefix("tapewright-test-").expect("a temporary directory"),
        }
    }

    /// A place with a simulated library: two drives, eight slots, tapes of `capacity`.
    pub fn with_library(capacity: &str) -> Self {
        let place = Self::empty();
        let library = place.path("library");
        place
            .run(
                [
                    "library",
                    "create",
                    "--slots",
                    "8",
                    "--capacity",
                    capacity,
                    "--sim",
                ],
                [library],
            )
            .expect_done();
        place
    }

    /// A place with a library and tapes `SIM001L9` to `SIM00nL9` labelled for pool `p`.
    pub fn with_pool(capacity: &str, tapes: usize) -> Self {
        let place = Self::with_library(capacity);
        let barcodes: Vec<String> = (1..=tapes).map(|n| format!("SIM00{n}L9")).collect();
        place
            .run(["tape", "label", "--pool", "p"], barcodes)
            .expect_done();
        place
    }

    /// A path in this place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with this place's state directory, not yet started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapewright"));
        command
            .env("TAPEWRIGHT_STATE", self.path("state"))
            .stdin(Stdio::null());
        command
    }

    /// Runs the program with `words` and then `more` words.
    pub fn run<W, M>(&self, words: W, more: M) -> Ran
    where
        W: IntoIterator<Item: AsRef<OsStr>>,
        M: IntoIterator<Item: AsRef<OsStr>>,
    {
        let output = self
            .command()
            .args(words)
            .args(more)
            .output()
            .expect("the program starts");
        Ran(output)
    }

    /// Runs the program with `--json` and parses each line of its output.
    pub fn json<W: IntoIterator<Item: AsRef<OsStr>>>(&self, words: W) -> Vec<Value> {
        let ran = self.run(words, ["--json"]).expect_done();
        ran.stdout()
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect()
    }
}

/// What a run left behind.
pub struct Ran(pub Output);

impl Ran {
    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Fails the test unless the exit code was 0.
    #[track_caller]
    pub fn expect_done(self) -> Self {
        self.expect_exit(0)
    }

    /// Fails the test unless the exit code was `code`.
    #[track_caller]
    pub fn expect_exit(self, code: i32) -> Self {
        assert_eq!(
            self.0.status.code(),
            Some(code),
            "\nstdout: {}\nstderr: {}",
            self.stdout(),
            self.stderr()
        );
        self
    }
}

/// Fails unless both trees are equal for rsync: content, owners, modes, times, hard links,
/// devices, ACLs, extended attributes, and nothing more on either side.
#[track_caller]
pub fn assert_same_tree(left: &Path, right: &Path) {
    let with_slash = |path: &Path| format!("{}/", path.display());
    let output = Command::new("rsync")
        .args(["-naHAXi", "--checksum", "--delete"])
        .args([with_slash(left), with_slash(right)])
        .output()
        .expect("rsync is installed (tests/run installs it)");
    let differences = String::from_utf8_lossy(&output.stdout);
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rsync: {trouble}");
    assert!(
        differences.is_empty(),
        "rsync finds differences:\n{differences}"
    );
}

/// Where a restore to `target` puts what was archived from `source`.
pub fn restored(target: &Path, source: &Path) -> PathBuf {
    target.join(source.strip_prefix("/").expect("test sources are absolute"))
}

/// Names of what is in a directory.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name().into_string();
        name.expect("UTF-8")
    };
    entries.map(name).collect()
}

/// Writes `count` files of `bytes` random bytes each below `dir`, named by number.
pub fn random_files(dir: &Path, seed: u64, count: usize, bytes: usize) {
    let mut random = crate::random::Random(seed);
    fs::create_dir_all(dir).expect("a directory");
    for number in 0..count {
        fs::write(dir.join(format!("{number:04}")), random.bytes(bytes)).expect("a file");
    }
}
