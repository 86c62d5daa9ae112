//! The catalog at scale, beside the databases of other programs: the same history in each.
//!
//! `cargo bench -p catalogs --bench catalog -- 10m` makes a history of ten million entries in
//! 360 runs, commits it as jobs do, and asks. `1m` (which goes without saying), `10m`, `100m`;
//! `peers` puts it into SQLite and PostgreSQL, too, as it does for 1m unasked. `small` has many
//! small segments, `alone` records one segment at a time instead of two, `compact` merges the
//! files of each run and asks once more, `readers` measures how processes share the catalog and
//! nothing else.
//! `TAPEWRIGHT_BENCH_DIR`: a directory to work in (default: the temporary directory), with room
//! for 60 bytes an entry, and 700 beside peers. `TAPEWRIGHT_BENCH_KEEP`: a directory to make and
//! leave, with the catalog as a state directory has it. Method and results: docs/performance.md.

mod history;
mod peers;
mod readers;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use catalogs::{Catalog, FindOptions, OpenOptions, Pattern, Reading};
use history::{History, RUNS, SEGMENT_BYTES, Segment};
use jiff::Timestamp;
use readers::{ASKER, HOLDER, WRITER};
use uuid::Uuid;

const CRASH: &str = "--crash";
/// Segments that are recorded at a time.
const DRIVES: usize = 2;
const LOOKUPS: u64 = 300;
/// Each is asked so many times.
const ROUNDS: usize = 3;
/// A segment with so many entries shows what encoding takes; smaller ones wait for the disk.
const LARGE: u64 = 10_000;
/// Length of a small segment.
const SMALL_BYTES: u64 = 128 << 20;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, directory, names, ..] = words.as_slice()
        && [CRASH, HOLDER, WRITER, ASKER].contains(&mode.as_str())
    {
        let names = names.parse().expect("a number");
        let history = History {
            names,
            segment_bytes: SEGMENT_BYTES,
        };
        let directory = Path::new(directory);
        return match mode.as_str() {
            HOLDER => readers::hold(directory),
            WRITER => readers::write(directory, &history),
            ASKER => readers::ask_by_turns(directory, &history),
            _ => crash(directory, &history),
        };
    }
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let sizes = [("1m", 1), ("10m", 10), ("100m", 100)];
    let chosen = sizes.iter().find(|(word, _)| has(word));
    let millions = chosen.map_or(1, |(_, millions)| *millions);
    let base =
        std::env::var_os("TAPEWRIGHT_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let work = tempfile::Builder::new()
        .prefix("tapewright-catalog-")
        .tempdir_in(base)
        .expect("a directory to work in");
    let segment_bytes = if has("small") {
        SMALL_BYTES
    } else {
        SEGMENT_BYTES
    };
    let history = History::of(millions * 1_000_000, segment_bytes);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine: {}", load.trim());
    let kept = std::env::var_os("TAPEWRIGHT_BENCH_KEEP").map(PathBuf::from);
    let state = kept.unwrap_or_else(|| work.path().to_owned());
    fs::create_dir_all(&state).expect("a directory");
    let directory = state.join("catalog");
    let drives = if has("alone") { 1 } else { DRIVES };
    let entries = fill(&directory, &history, drives);
    if has("readers") {
        return readers::measure(&directory, &history);
    }
    open_times(&directory, &history);
    forget_peak();
    ask(&directory, &history, entries);
    row("peak memory while asking", &peak());
    if has("compact") {
        compact(&directory);
        open_times(&directory, &history);
        forget_peak();
        ask(&directory, &history, entries);
        row("peak memory while asking", &peak());
    }
    if (millions == 1 && !has("small") && !has("compact")) || has("peers") {
        peers::measure(work.path(), &history);
    }
}

fn row(what: &str, value: &str) {
    println!("{what:<44} {value}");
}

fn options() -> OpenOptions {
    OpenOptions::default()
}

/// Segments as they are recorded, and how long it took.
#[derive(Default)]
struct Filling {
    waiting: Vec<Segment>,
    entries: u64,
    segments: u64,
    spent: Duration,
    of_large: u64,
    spent_on_large: Duration,
    processor_on_large: Duration,
}

impl Filling {
    /// Commits what waits, each segment in a thread, as jobs with so many drives do.
    fn commit(&mut self, catalog: &Catalog, time: Timestamp) {
        let segments = std::mem::take(&mut self.waiting);
        let count = |segment: &Segment| segment.entries.len() as u64;
        let entries: u64 = segments.iter().map(count).sum();
        let large = segments.iter().all(|segment| count(segment) >= LARGE);
        self.entries += entries;
        self.segments += segments.len() as u64;
        let (begun, before) = (Instant::now(), processor_time());
        std::thread::scope(|scope| {
            for segment in segments {
                scope.spawn(move || {
                    let committed = catalog.commit(time, segment.receipt, segment.entries);
                    committed.expect("a receipt");
                });
            }
        });
        let took = begun.elapsed();
        self.spent += took;
        if large {
            self.of_large += entries;
            self.spent_on_large += took;
            self.processor_on_large += processor_time() - before;
        }
    }
}

fn fill(directory: &Path, history: &History, drives: usize) -> u64 {
    let id = Uuid::from_u128(1);
    let catalog = Catalog::create(directory, history::time(0), id, "bench", options());
    let catalog = catalog.expect("a new catalog");
    let mut filling = Filling::default();
    for run in 0..RUNS {
        let time = history::time(run);
        for event in history::before(run) {
            catalog.append(time, &event).expect("an event");
        }
        history.run(run, |segment| {
            filling.waiting.push(segment);
            if filling.waiting.len() == drives {
                filling.commit(&catalog, time);
            }
        });
        filling.commit(&catalog, time);
        let event = history::after(run);
        catalog.append(time, &event).expect("an event");
    }
    let Filling {
        entries, segments, ..
    } = filling;
    println!(
        "{entries} entries of {} names, {segments} segments, {RUNS} runs, {drives} at a time",
        history.names
    );
    let rate = |entries: u64, spent: Duration| {
        let seconds = spent.as_secs_f64();
        let rate = entries as f64 / seconds / 1e6;
        format!("{rate:.2} M entries/s ({seconds:.2} s)")
    };
    row("in, fsync included", &rate(entries, filling.spent));
    let large = rate(filling.of_large, filling.spent_on_large);
    row("of that, segments of 10,000 and more", &large);
    row(
        "the same, by time on processors",
        &rate(filling.of_large, filling.processor_on_large),
    );
    row("peak memory while filling", &peak());
    let begun = Instant::now();
    catalog.rebuild_index().expect("an index");
    catalog.volumes().expect("an index that took in the ledger");
    row("index made anew", &seconds_of(begun.elapsed()));
    drop(catalog);
    let bytes = |name: &str| size(&directory.join(name)) as f64 / entries as f64;
    row(
        "on disk, bytes an entry",
        &format!(
            "{:.1} (entry files {:.1}, ledger {:.2}, index {:.2})",
            size(directory) as f64 / entries as f64,
            bytes("entries"),
            bytes("ledger.jsonl"),
            bytes("index")
        ),
    );
    entries
}

fn compact(directory: &Path) {
    forget_peak();
    let catalog = Catalog::open(directory, options()).expect("a catalog");
    let (begun, before) = (Instant::now(), processor_time());
    let now = || history::time(RUNS);
    let compaction = catalog.compact(&now, &|_| {}).expect("a compaction");
    let (took, on_processors) = (begun.elapsed(), processor_time() - before);
    let written = compaction.merged.iter().map(|job| job.entries_written);
    let written: u64 = written.sum();
    let rate = |time: Duration| written as f64 / time.as_secs_f64() / 1e6;
    println!();
    row(
        "compacted",
        &format!(
            "{} files to {}, {:.1} MB to {:.1} MB; {written} entries written in {:.2} s, \
             {:.2} M entries/s ({:.2} by time on processors)",
            compaction.files_before,
            compaction.files_after,
            compaction.bytes_before as f64 / 1e6,
            compaction.bytes_after.unwrap_or_default() as f64 / 1e6,
            took.as_secs_f64(),
            rate(took),
            rate(on_processors)
        ),
    );
    row("peak memory while compacting", &peak());
}

fn open_times(directory: &Path, history: &History) {
    let mut clean = Vec::new();
    for _ in 0..5 {
        clean.push(open_and_ask(directory, history, options()));
    }
    row("open and first answer", &spread(clean));
    let mut killed = Vec::new();
    for _ in 0..3 {
        let mut child = start(CRASH, directory, history);
        child.kill().expect("a child to kill");
        child.wait().expect("a killed child");
        killed.push(open_and_ask(directory, history, options()));
    }
    row("the same after kill -9", &spread(killed));
}

/// This program once more, in another mode, once it has begun.
fn start(mode: &str, directory: &Path, history: &History) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .arg(mode)
        .arg(directory)
        .arg(history.names.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program again");
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("its word");
    child
}

fn open_and_ask(directory: &Path, history: &History, options: OpenOptions) -> Duration {
    let begun = Instant::now();
    let catalog = Catalog::open(directory, options).expect("a catalog");
    let view = catalog.view(&FindOptions::default()).expect("a view");
    let held = view.entry(&history.path(0)).expect("an answer");
    assert!(held.is_some(), "the first directory is there");
    begun.elapsed()
}

/// Asks, appends and keeps the index open until it is killed.
fn crash(directory: &Path, history: &History) {
    let catalog = Catalog::open(directory, options()).expect("a catalog");
    let mut said = false;
    loop {
        let time = history::time(RUNS);
        catalog.append(time, &history::after(0)).expect("an event");
        let view = catalog.view(&FindOptions::default()).expect("a view");
        view.entry(&history.path(0)).expect("an answer");
        if !said {
            println!("open");
            said = true;
        }
    }
}

fn ask(directory: &Path, history: &History, entries: u64) {
    let catalog = Catalog::open(directory, options()).expect("a catalog");
    let newest = FindOptions::default();
    let all = FindOptions {
        all_versions: true,
        ..newest
    };
    let view = catalog.view(&newest).expect("a view");
    let timed = |question: &dyn Fn(&[u8]) -> usize, salt| {
        let mut found = 0;
        // Where others use the machine, the least of some times is what the question takes.
        let ask = |path: Vec<u8>| {
            let times = (0..ROUNDS).map(|_| {
                let begun = Instant::now();
                found += question(&path);
                begun.elapsed()
            });
            times.min().unwrap_or_default()
        };
        let names = history.some_files(LOOKUPS, salt);
        let times: Vec<Duration> = names.map(ask).collect();
        format!("{}; {} hits", percentiles(times), found / ROUNDS)
    };
    let entry = |path: &[u8]| {
        view.entry(path)
            .expect("an answer")
            .map_or(0, |held| held.len())
    };
    timed(&entry, 3);
    row("one name in a view, newest of 360 runs", &timed(&entry, 3));
    let first = FindOptions {
        as_of: Some(history::time(0)),
        ..newest
    };
    let of_first = catalog.view(&first).expect("a view");
    let entry = |path: &[u8]| {
        of_first
            .entry(path)
            .expect("an answer")
            .map_or(0, |held| held.len())
    };
    timed(&entry, 3);
    row("one name in a view of one run", &timed(&entry, 3));
    let find = |path: &[u8], options: &FindOptions| {
        let pattern = Pattern::tree(path).expect("a name");
        let hits = catalog.find(&pattern, options).expect("an answer");
        hits.inspect(|hit| assert!(hit.is_ok(), "{hit:?}")).count()
    };
    row(
        "find a name, newest",
        &timed(&|path| find(path, &newest), 5),
    );
    row(
        "find a name, all versions",
        &timed(&|path| find(path, &all), 5),
    );
    let list = |path: &[u8]| {
        let directory = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        let children = view.children(&path[..directory]);
        children
            .inspect(|child| assert!(child.is_ok(), "{child:?}"))
            .count()
    };
    row("list a directory with what lies below", &timed(&list, 1));
    let scans = [
        ("substring, rare", Reading::Substring, "holiday-0901.jpg"),
        ("substring, none", Reading::Substring, "no such name"),
        (
            "regular expression, rare",
            Reading::Regex,
            "budget-00[0-3]7[.]csv$",
        ),
        ("glob, rare", Reading::Name, "**/budget-00[0-3]7.csv"),
    ];
    for (what, reading, text) in scans {
        let pattern = Pattern::read(text.as_bytes(), reading, false).expect("a pattern");
        let (begun, before) = (Instant::now(), processor_time());
        let hits = catalog.find(&pattern, &newest).expect("a search");
        let count = hits.inspect(|hit| assert!(hit.is_ok(), "{hit:?}")).count();
        let seconds = begun.elapsed().as_secs_f64();
        let on_processors = (processor_time() - before).as_secs_f64();
        let rate = |seconds: f64| entries as f64 / seconds / 1e6;
        row(
            what,
            &format!(
                "{seconds:.2} s, {:.1} M entries/s ({:.1} by time on processors); {count} hits",
                rate(seconds),
                rate(on_processors)
            ),
        );
    }
}

fn seconds_of(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let [least, .., greatest] = times.as_slice() else {
        return String::new();
    };
    let middle = times[times.len() / 2];
    format!(
        "{} ({}–{})",
        seconds_of(middle),
        seconds_of(*least),
        seconds_of(*greatest)
    )
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    format!("p50 {:.3} ms, p99 {:.3} ms", at(50), at(99))
}

/// Time that the threads of this process have had on processors, to a hundredth of a second.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may hold anything, and ends with a bracket.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The greatest memory of this process so far.
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    format!("{:.0} MB", kib * 1_024.0 / 1e6)
}

fn forget_peak() {
    // Where the kernel does not allow it, the figures that follow are too high.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn size(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !meta.is_dir() {
        return meta.len();
    }
    let children = fs::read_dir(path).into_iter().flatten().flatten();
    children.map(|child| size(&child.path())).sum()
}
