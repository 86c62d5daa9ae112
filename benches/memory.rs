//! How much memory an archive job takes, whatever the number and size of files.
//!
//! `cargo bench --bench memory` archives ten million tiny files of a made-up file system
//! (mounting it takes root) and one sparse file of 2 TB to a medium that discards data, prints
//! the peak of resident memory, and fails where it is over 300 MB beside the buffer. It takes
//! an hour; `-- tiny` or `-- sparse` runs one of the two.
//! `TAPEWRIGHT_BENCH_SCALE`: run with one of so many of the files and bytes.

mod support {
    pub mod fuse;
    pub mod installation;
}

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use support::fuse::MadeUp;
use support::installation::Installation;
use tape_sim::cartridge::Medium;

const BUFFER_MIB: u64 = 64;
const LIMIT_MB: u64 = 300;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let chosen = |name: &str| {
        let mut words = words
            .iter()
            .filter(|word| !word.starts_with('-'))
            .peekable();
        words.peek().is_none() || words.any(|word| word == name)
    };
    let scale = std::env::var("TAPEWRIGHT_BENCH_SCALE").ok();
    let scale: u64 = scale.and_then(|scale| scale.parse().ok()).unwrap_or(1);
    let work = tempfile::tempdir().expect("a directory to work in");
    if chosen("tiny") {
        let source = work.path().join("tiny");
        let dirs = 10_000 / scale;
        let made_up = MadeUp {
            dirs,
            files: 1000,
            bytes: 100,
            delay: Duration::ZERO,
            servers: 4,
        };
        let mounted = made_up.mount(&source).expect("a file system");
        archive(
            &format!("{dirs},000 files of 100 bytes"),
            &source,
            work.path(),
        );
        drop(mounted);
    }
    if chosen("sparse") {
        let source = work.path().join("sparse");
        let bytes = 2_000_000_000_000 / scale;
        let file = File::create(&source).expect("a file");
        file.set_len(bytes).expect("a file system with large files");
        for piece in 0..1000 {
            let at = bytes / 1000 * piece;
            file.write_all_at(&[7; 100_000], at)
                .expect("room for 100 MB");
        }
        archive(
            &format!("a sparse file of {} GB", bytes / 1_000_000_000),
            &source,
            work.path(),
        );
    }
}

fn archive(name: &str, source: &Path, work: &Path) {
    let place = Installation::create(work, Medium::Discard);
    let started = Instant::now();
    let mut job = place.command(&format!(
        "archive --pool p --catalog-copy never --buffer {BUFFER_MIB}MiB"
    ));
    let mut job = job.arg(source).spawn().expect("it starts");
    let mut peak_kb = 0;
    let status = loop {
        let told = fs::read_to_string(format!("/proc/{}/status", job.id())).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak_kb = kb.unwrap_or(0).max(peak_kb);
        if let Some(status) = job.try_wait().expect("it can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let peak_mb = peak_kb * 1024 / 1_000_000;
    let buffer_mb = BUFFER_MIB * 1024 * 1024 / 1_000_000;
    println!(
        "{name}: {} s, {peak_mb} MB at the most, {buffer_mb} MB of it the buffer",
        started.elapsed().as_secs()
    );
    assert!(status.success(), "{status}");
    assert!(
        peak_mb <= LIMIT_MB + buffer_mb,
        "more than {LIMIT_MB} MB beside the buffer"
    );
}
