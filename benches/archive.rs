//! Archiving to the simulator beside GNU tar to a file: the same data, in turn, in one run.
//!
//! `cargo bench` prints medians and the ratio pair by pair; the machine's own speed drops
//! out of the ratio. Whole processes are timed, start and final flush included, with a
//! warm page cache. tar writes to a file and flushes nothing; we also digest every file,
//! check-sum every record, write an index and commit to the catalog.
//!
//! `TAPEWRIGHT_BENCH_DIR` names a directory to work in (default: the temporary directory);
//! `TAPEWRIGHT_BENCH_SOURCE` a directory to archive instead of the generated ones.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 5;

struct Case {
    name: String,
    source: PathBuf,
    files: u64,
    bytes: u64,
}

fn main() {
    let base =
        std::env::var_os("TAPEWRIGHT_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let work = tempfile::Builder::new()
        .prefix("tapewright-bench-")
        .tempdir_in(base)
        .expect("a directory to work in");
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9}  ratio of times, ours : tar",
        "", "ours", "tar", "ours", "tar"
    );
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9}  {:>6} {:>6} {:>6}",
        "", "MB/s", "MB/s", "files/s", "files/s", "min", "median", "max"
    );
    for case in cases(work.path()) {
        measure(&case, work.path());
    }
}

fn cases(work: &Path) -> Vec<Case> {
    if let Some(source) = std::env::var_os("TAPEWRIGHT_BENCH_SOURCE") {
        let source = PathBuf::from(source);
        let (files, bytes) = size(&source);
        return vec![Case {
            name: source.display().to_string(),
            source,
            files,
            bytes,
        }];
    }
    [
        ("20,000 files of 4 KiB", 20_000, 4 << 10),
        ("1,000 files of 256 KiB", 1_000, 256 << 10),
        ("4 files of 256 MiB", 4, 256 << 20),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (name, files, bytes))| {
        let source = work.join(format!("source-{number}"));
        generate(&source, files, bytes);
        Case {
            name: name.to_owned(),
            source,
            files: files as u64,
            bytes: (files * bytes) as u64,
        }
    })
    .collect()
}

/// Files of pseudo-random bytes, a hundred to a directory.
fn generate(source: &Path, files: usize, bytes: usize) {
    let mut state = 1_u64;
    let mut content = vec![0_u8; bytes];
    for number in 0..files {
        for chunk in content.chunks_exact_mut(8) {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            chunk.copy_from_slice(&(state ^ (state >> 29)).to_le_bytes());
        }
        let dir = source.join(format!("{:04}", number / 100));
        fs::create_dir_all(&dir).expect("a source directory");
        fs::write(dir.join(format!("{number:06}")), &content).expect("a source file");
    }
}

fn size(source: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    let mut ahead = vec![source.to_owned()];
    while let Some(path) = ahead.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        files += 1;
        if meta.is_file() {
            bytes += meta.len();
        } else if meta.is_dir() {
            let children = fs::read_dir(&path).into_iter().flatten().flatten();
            ahead.extend(children.map(|entry| entry.path()));
        }
    }
    (files, bytes)
}

fn measure(case: &Case, work: &Path) {
    let mut ours = Vec::new();
    let mut tars = Vec::new();
    for round in 0..=ROUNDS {
        let state = work.join("state");
        let ours_seconds = archive(&case.source, &state, &work.join("library"));
        let tar_file = work.join("by.tar");
        let tar_seconds = time(
            Command::new("tar")
                .arg("-cf")
                .arg(&tar_file)
                .arg(&case.source),
        );
        for path in [state, work.join("library")] {
            fs::remove_dir_all(path).expect("what a round made");
        }
        fs::remove_file(tar_file).expect("what a round made");
        // The first round warms the page cache.
        if round > 0 {
            ours.push(ours_seconds);
            tars.push(tar_seconds);
        }
    }
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(&tars)
        .map(|(ours, tar)| ours / tar)
        .collect();
    let (ours, tar) = (median(&mut ours), median(&mut tars));
    let middle = median(&mut ratios);
    println!(
        "{:<34} {:>9.0} {:>9.0} {:>9.0} {:>9.0}  {:>6.2} {:>6.2} {:>6.2}",
        case.name,
        case.bytes as f64 / ours / 1e6,
        case.bytes as f64 / tar / 1e6,
        case.files as f64 / ours,
        case.files as f64 / tar,
        ratios[0],
        middle,
        ratios[ratios.len() - 1]
    );
}

/// A fresh library and label, untimed; then the archive job, timed.
fn archive(source: &Path, state: &Path, library: &Path) -> f64 {
    let command = |words: &[&OsStr]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapewright"));
        command
            .env("TAPEWRIGHT_STATE", state)
            .args(words)
            .stdin(Stdio::null());
        command
    };
    let words = |text: &'static str| text.split(' ').map(OsStr::new).collect::<Vec<_>>();
    let mut create = words("library create --sim");
    create.push(library.as_os_str());
    time(&mut command(&create));
    time(&mut command(&words("tape label SIM001L9 --pool p")));
    let mut archive = words("archive --pool p");
    archive.push(source.as_os_str());
    time(&mut command(&archive))
}

fn time(command: &mut Command) -> f64 {
    let started = Instant::now();
    let output = command.output().expect("the program starts");
    let seconds = started.elapsed().as_secs_f64();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    seconds
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
