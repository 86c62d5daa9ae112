//! Restoring from a simulated tape beside `mt fsf` and `tar -x` on the same tape: from the command
//! to the first and to the last byte by the drive's clock, processor time and memory.
//!
//! Times are those of the drive's own log of commands (docs/sim-format.md). The *first byte* is
//! there when the READ is answered that brings the record in which the first wanted file begins,
//! the *last* when the one is answered that brings the record in which the last one ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tape_sim::commands;
use tape_sim::library::LibrarySpec;

use super::installation::Installation;
use super::measure::children_cpu_seconds;
use super::tape_server::{self, Rig};

const GIB: u64 = 1 << 30;
const BLOCK_BYTES: u64 = 512 << 10;
const SMALL_FILES: u32 = 4000;
/// Files with a gap before and behind each, and streams beside them, which have no directory.
const NEEDLES: u64 = 3;
const NEEDLE_BYTES: usize = 100_000;

/// What is on the tape, and where.
struct Tape {
    place: Installation,
    library: PathBuf,
    sources: PathBuf,
}

/// One thing to restore.
struct Case {
    name: String,
    /// Archived path, without the leading slash.
    path: String,
    /// A single file: tar may stop behind it.
    single: bool,
    /// What it has to be equal to.
    source: PathBuf,
}

/// Where a case lies.
struct Extent {
    tape_file: u64,
    first_block: u64,
    last_block: u64,
    bytes: u64,
}

/// What one restore took.
struct Took {
    first_s: f64,
    last_s: f64,
    cpu_s: f64,
    peak_bytes: u64,
}

/// Runs all cases, `rounds` times each.
pub fn run(work: &Path, rounds: usize, gap_gib: u64) {
    let tape = Tape::make(work, gap_gib);
    println!(
        "{:<44} {:<11} {:>8} {:>8} {:>6} {:>7} {:>8}   first  last  CPU  ours : its",
        "", "", "first, s", "last, s", "MB/s", "CPU s", "peak MB"
    );
    for case in tape.cases() {
        tape.compare(&case, "in the drive", rounds);
    }
    let last = tape.cases().pop().expect("there are cases");
    tape.compare(&last, "in its slot", rounds);
}

impl Tape {
    /// Archives a filler, a large file, a tree of small ones, and files that lie far apart in one
    /// segment, each by a job of its own. Fillers are zeros, which take no room in the simulator.
    /// The tape is a whole one: a small one has short wraps, which are read through in less time
    /// than any locate takes, as no real one is.
    fn make(work: &Path, gap_gib: u64) -> Tape {
        let sources = work.join("sources");
        let small = sources.join("small");
        fs::create_dir_all(&small).expect("a directory");
        noise(&sources.join("large"), GIB);
        for number in 0..SMALL_FILES {
            let path = small.join(format!("{:02}/{number:04}", number % 40));
            fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
            let bytes = (number as usize * 7919) % 65_536;
            fs::write(path, vec![number as u8; bytes]).expect("a file");
        }
        fs::create_dir(sources.join("tree")).expect("a directory");
        for needle in 1..=NEEDLES {
            let path = sources.join(format!("tree/{needle}"));
            fs::write(path, vec![needle as u8; NEEDLE_BYTES]).expect("a file");
        }
        let spec = LibrarySpec {
            drives: 1,
            slots: 8,
            seed: Some(0x7A9E),
            ..LibrarySpec::default()
        };
        let tape = Tape {
            place: Installation::with(work, spec),
            library: work.join("library"),
            sources,
        };
        tape.archive("before", &[zeros("before", 3 * gap_gib)]);
        for path in ["large", "small"] {
            let path = tape.sources.join(path);
            tape.archive("paths", &[format!("paths = [{path:?}]")]);
        }
        // As in any job of paths, the directories above the files come at the beginning.
        let mut segment = vec![tape.listed("first", "tree")];
        for needle in 1..=NEEDLES {
            segment.push(zeros(&format!("apart/{needle}"), gap_gib));
            segment.push(tape.listed(&format!("list-{needle}"), &format!("tree/{needle}")));
            let path = tape.sources.join(format!("tree/{needle}"));
            let command = format!("cat {}", path.display());
            segment.push(stream(&command, &format!("stream/{needle}")));
        }
        segment.push(zeros("apart/behind", gap_gib));
        tape.archive("apart", &segment);
        tape.archive("behind", &[zeros("behind", gap_gib)]);
        tape
    }

    fn archive(&self, name: &str, sources: &[String]) {
        let job = self.sources.join(format!("{name}.toml"));
        let head = format!("name = {name:?}\npool = \"p\"\ncatalog_copy = \"never\"\n");
        let sources = sources
            .iter()
            .map(|source| format!("[[source]]\n{source}\n"));
        fs::write(&job, head + &sources.collect::<String>()).expect("a job file");
        let status = self.place.command("archive --job").arg(&job).status();
        assert!(status.expect("the program starts").success(), "{job:?}");
    }

    /// A source that is one path, by a file list.
    fn listed(&self, list: &str, path: &str) -> String {
        let list = self.sources.join(list);
        let path = self.sources.join(path);
        fs::write(&list, format!("{}\n", path.display())).expect("a list");
        format!("files_from = {list:?}")
    }

    fn cases(&self) -> Vec<Case> {
        let path = |path: &Path| {
            path.to_str()
                .expect("text")
                .trim_start_matches('/')
                .to_owned()
        };
        let case = |name: &str, of: &str| {
            let source = self.sources.join(of);
            Case {
                name: name.to_owned(),
                path: path(&source),
                single: false,
                source,
            }
        };
        let mut cases = vec![
            case("a file of 1 GiB", "large"),
            case(&format!("{SMALL_FILES} files in a segment"), "small"),
        ];
        for needle in [1, NEEDLES, NEEDLES.div_ceil(2)] {
            let source = self.sources.join(format!("tree/{needle}"));
            let place = format!("{needle}/{} into a segment", NEEDLES + 1);
            cases.push(Case {
                name: format!("a stream {place}"),
                path: format!("stream/{needle}"),
                single: true,
                source: source.clone(),
            });
            cases.push(Case {
                name: format!("a file {place}"),
                path: path(&source),
                single: true,
                source,
            });
        }
        cases
    }

    /// Restores a case with both programs in turn and prints what it took.
    fn compare(&self, case: &Case, start: &str, rounds: usize) {
        let extent = self.extent(case);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(self.restored(case, &extent, start, &mut |target| {
                let mut command = self.place.command("restore");
                command
                    .arg(format!("/{}", case.path))
                    .arg("--to")
                    .arg(target);
                command
            }));
            theirs.push(self.restored(case, &extent, start, &mut |target| {
                let mut command = Command::new("tar");
                let server = std::env::current_exe().expect("this program");
                command
                    .args(["-b", "1024", "-xpf", "localhost:/dev/nst0", "--rsh-command"])
                    .arg(server)
                    .arg("-C")
                    .arg(target)
                    .envs(tape_server::environment(&self.library, extent.tape_file));
                if case.single {
                    command.args(["--occurrence=1", &case.path]);
                }
                command
            }));
        }
        let (ours, theirs) = (Took::middle(&ours), Took::middle(&theirs));
        let name = format!("{}, {start}", case.name);
        ours.print(&name, "tapewright", extent.bytes, None);
        theirs.print("", "mt and tar", extent.bytes, Some(&ours));
    }

    /// One restore into an empty directory, from the same state of drive and robot.
    fn restored(
        &self,
        case: &Case,
        extent: &Extent,
        start: &str,
        command: &mut dyn FnMut(&Path) -> Command,
    ) -> Took {
        let mut rig = Rig::open(&self.library);
        match start {
            "in the drive" => rig.make_ready(),
            _ => rig.put_away(),
        }
        let target = self.sources.join("target");
        if target.exists() {
            fs::remove_dir_all(&target).expect("what the restore before wrote");
        }
        fs::create_dir(&target).expect("a directory");
        commands::begin(&self.library, 0).expect("a log of commands");
        let begun_ns = rig.now_ns();
        let before = children_cpu_seconds();
        let peak_bytes = run_to_its_end(&mut command(&target));
        let cpu_s = children_cpu_seconds() - before;
        let mut diff = Command::new("diff");
        let diff = diff
            .arg("-r")
            .args([&case.source, &target.join(&case.path)]);
        assert!(diff.status().expect("diff runs").success(), "{}", case.name);
        let (first_ns, last_ns) = extent.when_read(&self.library);
        let since_begin_s = |at_ns: u64| (at_ns - begun_ns) as f64 / 1e9;
        Took {
            first_s: since_begin_s(first_ns),
            last_s: since_begin_s(last_ns),
            cpu_s,
            peak_bytes,
        }
    }

    fn extent(&self, case: &Case) -> Extent {
        let mut find = self.place.command("find --json");
        let found = find.arg(format!("/{}", case.path)).stdout(Stdio::piped());
        let found = found.output().expect("the program starts").stdout;
        let found = String::from_utf8(found).expect("JSON is text");
        let hits = found
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let hits: Vec<Value> = hits.filter(|hit: &Value| hit["type"] == "file").collect();
        let number = |hit: &Value, field: &str| hit[field].as_u64().expect("a number");
        // The last byte of a file, its header aside, which takes a few blocks of 512 bytes.
        let last = |hit: &Value| {
            let end = number(hit, "offset_bytes") + number(hit, "size_bytes");
            number(hit, "block") + end.saturating_sub(1) / BLOCK_BYTES
        };
        Extent {
            tape_file: number(&hits[0], "tape_file"),
            first_block: hits
                .iter()
                .map(|hit| number(hit, "block"))
                .min()
                .expect("one"),
            last_block: hits.iter().map(last).max().expect("one"),
            bytes: hits.iter().map(|hit| number(hit, "size_bytes")).sum(),
        }
    }
}

impl Extent {
    /// When its first and its last record had come, by the drive's log.
    fn when_read(&self, library: &Path) -> (u64, u64) {
        let log = commands::read(library, 0).expect("the log of commands");
        let reads = log.iter().filter(|command| {
            let is_read = command.cdb.starts_with("08") || command.cdb.starts_with("88");
            is_read && command.moved_bytes > 0
        });
        let behind = |block: u64| {
            let mut reads = reads.clone();
            let read = reads.find(|read| read.object.is_some_and(|object| object > block));
            read.expect("the record was read").end_ns
        };
        (behind(self.first_block), behind(self.last_block))
    }
}

impl Took {
    /// The medians. Times of the simulator are the same each time.
    fn middle(runs: &[Took]) -> Took {
        let median = |of: fn(&Took) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Took {
            first_s: median(|run| run.first_s),
            last_s: median(|run| run.last_s),
            cpu_s: median(|run| run.cpu_s),
            peak_bytes: runs.iter().map(|run| run.peak_bytes).max().unwrap_or(0),
        }
    }

    fn print(&self, name: &str, program: &str, bytes: u64, ours: Option<&Took>) {
        let ratios = ours.map_or(String::new(), |ours| {
            format!(
                "   {:>5.2} {:>5.2} {:>4.2}",
                ours.first_s / self.first_s,
                ours.last_s / self.last_s,
                ours.cpu_s / self.cpu_s
            )
        });
        // A small file comes with one record.
        let flow_s = self.last_s - self.first_s;
        let mb_s = match flow_s > 0.0 {
            true => format!("{:.0}", bytes as f64 / flow_s / 1e6),
            false => String::new(),
        };
        println!(
            "{name:<44} {program:<11} {:>8.2} {:>8.2} {:>6} {:>7.2} {:>8.0}{ratios}",
            self.first_s,
            self.last_s,
            mb_s,
            self.cpu_s,
            self.peak_bytes as f64 / 1e6,
        );
    }
}

fn stream(command: &str, place: &str) -> String {
    format!("command = {command:?}\nas = {place:?}")
}

fn zeros(place: &str, gib: u64) -> String {
    stream(&format!("head -c {} /dev/zero", gib * GIB), place)
}

/// A file of bytes that no two records have in common.
fn noise(path: &Path, bytes: u64) {
    let random = File::open("/dev/urandom").expect("random bytes");
    let mut file = File::create(path).expect("a file");
    std::io::copy(&mut std::io::Read::take(random, bytes), &mut file).expect("room for it");
}

/// Runs a program, which has to succeed; returns the most memory that it and its child had.
fn run_to_its_end(command: &mut Command) -> u64 {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut peak_bytes = 0;
    loop {
        peak_bytes = peak_bytes.max(resident_peaks(&child));
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            let mut told = String::new();
            let stderr = child.stderr.as_mut().expect("it is a pipe");
            let _ = std::io::Read::read_to_string(stderr, &mut told);
            assert!(status.success(), "{command:?}: {told}");
            return peak_bytes;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The most that a process and its children have had in memory, added.
fn resident_peaks(child: &Child) -> u64 {
    let pid = child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace().map(str::to_owned);
    let peak = |pid: String| {
        let told = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kb.unwrap_or(0) * 1024
    };
    pids.chain([pid.to_string()]).map(peak).sum()
}
