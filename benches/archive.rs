//! Archiving to the simulator beside GNU tar: the same data, in turn, in one run.
//!
//! `cargo bench --bench archive` prints, for each case and each program, medians with the
//! least and the greatest: seconds, MB/s, files/s, CPU seconds per GB, and the ratio of times
//! round by round, in which the machine's own speed drops out. Whole processes are timed,
//! start and final flush included, with a warm page cache. The library's medium discards data
//! (a second time the cases that fit are written to one that stores it). Method and results:
//! docs/performance.md.
//!
//! `cargo bench --bench archive -- usr slow` runs the cases whose names hold one of these words.
//! `TAPEWRIGHT_BENCH_DIR`: a directory to work in (default: the temporary directory), with
//! room for 12 GB. `TAPEWRIGHT_BENCH_SOURCE`: a directory to archive instead of the cases.
//! `TAPEWRIGHT_BENCH_ROUNDS`: rounds, 5 unless it says otherwise.

mod support {
    pub mod bacula;
    pub mod fuse;
    pub mod installation;
    pub mod measure;
}

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::bacula::Bacula;
use support::fuse::MadeUp;
use support::installation::Installation;
use support::measure::{Program, Spent, compare, size, spend};
use tape_sim::cartridge::Medium;

const DIGEST: &str = "--digest-stdin";

struct Case {
    name: &'static str,
    source: PathBuf,
    /// Kept while the case runs.
    _mounted: Option<support::fuse::Mounted>,
    medium: Medium,
    peers: &'static [Peer],
    /// Bacula is measured, too, if it is installed.
    bacula: bool,
    rounds: usize,
}

/// A program beside us: how the table calls it, and its shell command (`$1` is the source).
type Peer = (&'static str, &'static str);

const TAR: Peer = ("tar to /dev/zero", "tar -cf /dev/zero \"$1\"");
const TAR_PINNED: Peer = (
    "tar | cat on one core",
    "taskset -c 0 sh -c 'tar -cf - \"$1\" | cat > /dev/null' sh \"$1\"",
);
const TAR_PAX: Peer = (
    "tar --xattrs --acls -S",
    "tar --format=pax --xattrs --acls --sparse -cf /dev/zero \"$1\"",
);
const TAR_DIGEST: Peer = ("tar | b3sum", "tar -cf - \"$1\" | \"$2\" --digest-stdin");
const TAR_FILE: Peer = (
    "tar to a file",
    "tar -cf \"$3/by.tar\" \"$1\"; rm \"$3/by.tar\"",
);

const ALL: &[Peer] = &[TAR, TAR_PINNED, TAR_PAX, TAR_DIGEST];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == DIGEST) {
        return digest_stdin();
    }
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let base =
        std::env::var_os("TAPEWRIGHT_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let work = tempfile::Builder::new()
        .prefix("tapewright-bench-")
        .tempdir_in(base)
        .expect("a directory to work in");
    for (name, medium, make) in cases() {
        let chosen = words.is_empty() || words.iter().any(|word| name.contains(word));
        if !chosen {
            continue;
        }
        match make(name, work.path(), medium) {
            Ok(case) => measure(&case, work.path()),
            Err(error) => println!("\n{name}: left out: {error}"),
        }
    }
}

type Make = fn(&'static str, &Path, Medium) -> io::Result<Case>;

fn cases() -> Vec<(&'static str, Medium, Make)> {
    if std::env::var_os("TAPEWRIGHT_BENCH_SOURCE").is_some() {
        return vec![("TAPEWRIGHT_BENCH_SOURCE", Medium::Discard, given)];
    }
    vec![
        ("ten large files of 1 GiB", Medium::Discard, large),
        ("200,000 small files of 4 KiB", Medium::Discard, small),
        ("a copy of /usr", Medium::Discard, usr),
        (
            "10,000 files of 4 KiB, slow: 1 ms an operation",
            Medium::Discard,
            slow,
        ),
        ("large files, data stored", Medium::Store, large),
        ("small files, data stored", Medium::Store, small),
    ]
}

fn case(name: &'static str, source: PathBuf, medium: Medium) -> Case {
    let rounds = std::env::var("TAPEWRIGHT_BENCH_ROUNDS").ok();
    Case {
        name,
        source,
        _mounted: None,
        medium,
        peers: if medium.stores() { &[TAR_FILE] } else { ALL },
        bacula: !medium.stores(),
        rounds: rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(5),
    }
}

fn given(name: &'static str, _: &Path, medium: Medium) -> io::Result<Case> {
    let source = std::env::var_os("TAPEWRIGHT_BENCH_SOURCE").unwrap_or_default();
    Ok(case(name, PathBuf::from(source), medium))
}

fn large(name: &'static str, work: &Path, medium: Medium) -> io::Result<Case> {
    let source = work.join("large");
    if !source.exists() {
        generate(&source, 10, 1 << 30)?;
    }
    Ok(case(name, source, medium))
}

fn small(name: &'static str, work: &Path, medium: Medium) -> io::Result<Case> {
    let source = work.join("small");
    if !source.exists() {
        generate(&source, 200_000, 4 << 10)?;
    }
    Ok(case(name, source, medium))
}

fn usr(name: &'static str, work: &Path, medium: Medium) -> io::Result<Case> {
    let source = work.join("usr");
    let copied = Command::new("cp")
        .arg("-a")
        .arg("/usr")
        .arg(&source)
        .status()?;
    if !copied.success() {
        return Err(io::Error::other("/usr could not be copied"));
    }
    Ok(case(name, source, medium))
}

fn slow(name: &'static str, work: &Path, medium: Medium) -> io::Result<Case> {
    let source = work.join("slow");
    let made_up = MadeUp {
        dirs: 100,
        files: 100,
        bytes: 4 << 10,
        delay: Duration::from_millis(1),
        servers: 128,
    };
    let mounted = made_up.mount(&source)?;
    Ok(Case {
        _mounted: Some(mounted),
        peers: &[TAR],
        bacula: false,
        rounds: 3,
        ..case(name, source, medium)
    })
}

/// Files of pseudo-random bytes, a hundred to a directory.
fn generate(source: &Path, files: usize, bytes: usize) -> io::Result<()> {
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
        fs::create_dir_all(&dir)?;
        fs::write(dir.join(format!("{number:06}")), &content)?;
    }
    Ok(())
}

fn measure(case: &Case, work: &Path) {
    let amount = size(&case.source);
    let medium = if case.medium.stores() {
        "stores"
    } else {
        "discards"
    };
    println!(
        "\n{}: {} objects, {:.2} GB; {} rounds, the medium {medium}",
        case.name,
        amount.objects,
        amount.bytes / 1e9,
        case.rounds
    );
    let mut ours = || archive(case, work);
    let mut programs: Vec<Program<'_>> = vec![("tapewright", &mut ours)];
    let peers = case.peers;
    let mut closures: Vec<_> = peers
        .iter()
        .map(|peer| move || run_peer(peer, case, work))
        .collect();
    for (peer, closure) in peers.iter().zip(&mut closures) {
        programs.push((peer.0, closure));
    }
    let bacula = case.bacula.then(|| Bacula::prepare(work));
    if let Some(Err(why)) = &bacula {
        println!("Bacula is left out: {why}");
    }
    let bacula = bacula.and_then(Result::ok);
    let mut backup = bacula
        .as_ref()
        .map(|bacula| || back_up(bacula, &case.source));
    if let Some(backup) = &mut backup {
        programs.push(("Bacula, PostgreSQL, files", backup));
    }
    compare(&mut programs, amount, case.rounds);
}

/// A fresh library and label, untimed; then the archive job, timed.
fn archive(case: &Case, work: &Path) -> Spent {
    let place = Installation::create(work, case.medium);
    spend(
        place
            .command("archive --pool p --catalog-copy never")
            .arg(&case.source),
    )
}

/// Bacula tells the kernel to forget what it has read; the next round is to find it in memory again.
fn back_up(bacula: &Bacula, source: &Path) -> Spent {
    let spent = spend(&mut bacula.command("backup", source));
    spend(Command::new("sh").args(["-c", TAR.1, "sh"]).arg(source));
    spent
}

fn run_peer(peer: &Peer, case: &Case, work: &Path) -> Spent {
    let own = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new("sh");
    command
        .args(["-c", peer.1, "sh"])
        .args([&case.source, &own, work]);
    spend(&mut command)
}

/// What `b3sum` does with its standard input, so that the comparison needs no further program.
fn digest_stdin() {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = io::stdin()
            .lock()
            .read(&mut buffer)
            .expect("the standard input");
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    println!("{}", hasher.finalize());
}
