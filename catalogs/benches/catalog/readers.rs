//! How several processes share the catalog: what a reader waits for where another process has
//! the index, commits, or asks by turns, and what an answer costs by each way of sharing.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use catalogs::{Catalog, FindOptions, OpenOptions};

use crate::history::{self, History, RUNS};
use crate::{LOOKUPS, open_and_ask, options, percentiles, row, seconds_of, spread, start};

/// Asks once and keeps the index.
pub const HOLDER: &str = "--holder";
/// Commits a small segment each second.
pub const WRITER: &str = "--writer";
/// Opens the index, asks once and gives it back, without rest.
pub const ASKER: &str = "--asker";

const OPENS: usize = 5;
/// So long a reader opens and asks beside another process.
const BESIDE: Duration = Duration::from_secs(10);
/// What a reader waited for the index before this was measured.
const LONG: Duration = Duration::from_secs(5);

/// Measures all of it on a catalog that nobody else uses.
pub fn measure(directory: &Path, history: &History) {
    let open = |options| open_and_ask(directory, history, options);
    let opens = |options: OpenOptions| spread((0..OPENS).map(|_| open(options)).collect());
    let waiting = |index_wait| OpenOptions {
        index_wait,
        ..options()
    };
    let memory = OpenOptions {
        memory_index: true,
        ..options()
    };
    println!();
    row("open and first answer, index on disk", &opens(options()));
    row("the same, index made in memory", &opens(memory));
    let holder = start(HOLDER, directory, history);
    let at_once = opens(waiting(Duration::ZERO));
    row("beside one that holds the index, at once", &at_once);
    row("the same, waiting as by default", &opens(options()));
    row("the same, waiting 5 s", &seconds_of(open(waiting(LONG))));
    end(holder);
    for (what, mode) in [
        ("beside a writer that commits each second", WRITER),
        ("beside a reader that asks without rest", ASKER),
    ] {
        let other = start(mode, directory, history);
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < BESIDE {
            times.push(open(options()));
            sleep(Duration::from_millis(20));
        }
        end(other);
        let longest = times.iter().max().copied().unwrap_or_default();
        let longest = seconds_of(longest);
        row(what, &format!("{}, longest {longest}", percentiles(times)));
    }
    let over_socket = over_socket(directory, history);
    row("a name, of the holder over a socket", &over_socket);
    let own = in_process(directory, history);
    row("a name, of an index of one's own", &own);
}

fn end(mut child: Child) {
    child.kill().expect("a child to kill");
    child.wait().expect("a killed child");
}

/// Commits until it is killed.
pub fn write(directory: &Path, history: &History) {
    let catalog = Catalog::open(directory, options()).expect("a catalog");
    println!("open");
    for number in 0.. {
        let segment = history.small_segment(number);
        let committed = catalog.commit(history::time(RUNS), segment.receipt, segment.entries);
        committed.expect("a receipt");
        sleep(Duration::from_secs(1));
    }
}

/// Keeps the index until it is killed.
pub fn hold(directory: &Path) {
    let catalog = Catalog::open(directory, options()).expect("a catalog");
    catalog.volumes().expect("an answer");
    println!("open");
    loop {
        sleep(BESIDE);
    }
}

/// Asks until it is killed.
pub fn ask_by_turns(directory: &Path, history: &History) {
    println!("open");
    loop {
        open_and_ask(directory, history, options());
    }
}

/// A name is asked of a thread that has the catalog: its length and itself there, a count back.
fn over_socket(directory: &Path, history: &History) -> String {
    let path = directory.join("bench.socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let catalog = Catalog::open(directory, options()).expect("a catalog");
    let times = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a reader");
            let view = catalog.view(&FindOptions::default()).expect("a view");
            let mut length = [0; 4];
            while stream.read_exact(&mut length).is_ok() {
                let mut name = vec![0; u32::from_le_bytes(length) as usize];
                stream.read_exact(&mut name).expect("a name");
                let held = view.entry(&name).expect("an answer");
                let count = held.map_or(0, |held| held.len() as u64);
                stream.write_all(&count.to_le_bytes()).expect("a reader");
            }
        });
        let mut stream = UnixStream::connect(&path).expect("a holder");
        let times = timed(history, |name| {
            let length = u32::try_from(name.len()).expect("a name");
            stream.write_all(&length.to_le_bytes()).expect("a holder");
            stream.write_all(name).expect("a holder");
            let mut count = [0; 8];
            stream.read_exact(&mut count).expect("an answer");
        });
        drop(stream);
        times
    });
    std::fs::remove_file(&path).expect("a socket");
    percentiles(times)
}

fn in_process(directory: &Path, history: &History) -> String {
    let catalog = Catalog::open(directory, options()).expect("a catalog");
    let view = catalog.view(&FindOptions::default()).expect("a view");
    let times = timed(history, |name| {
        view.entry(name).expect("an answer");
    });
    percentiles(times)
}

/// Each of some names twice; the second time counts.
fn timed(history: &History, mut ask: impl FnMut(&[u8])) -> Vec<Duration> {
    let names = history.some_files(LOOKUPS, 3);
    names
        .map(|name| {
            ask(&name);
            let begun = Instant::now();
            ask(&name);
            begun.elapsed()
        })
        .collect()
}
