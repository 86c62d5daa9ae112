//! Restoring from the simulator beside `tar -x` from a file and Bacula: the same tree, in turn, in
//! one run; and beside `mt` and `tar` on the same simulated tape, by the drive's clock.
//!
//! `cargo bench --bench restore -- tape` is the second one (support/beside_tar.rs).
//! `TAPEWRIGHT_BENCH_GAP_GIB`: so much lies between the files of a segment, 4 unless it says
//! otherwise.
//!
//! `cargo bench --bench restore` archives a copy of /usr to a simulated tape that stores its data
//! and to a tar file, and restores all of it from both. Whole processes are timed; each writes
//! into an empty directory, and what was written before has reached the disk. Ours checks
//! record sums and the digest of each file. Method and results: docs/performance.md.
//!
//! `TAPEWRIGHT_BENCH_DIR`: a directory to work in (default: the temporary directory), with
//! room for five times the source. `TAPEWRIGHT_BENCH_SOURCE`: another source than /usr.
//! `TAPEWRIGHT_BENCH_ROUNDS`: rounds, 3 unless it says otherwise.

mod support {
    pub mod bacula;
    pub mod beside_tar;
    pub mod installation;
    pub mod measure;
    pub mod tape_server;
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::bacula::Bacula;
use support::beside_tar;
use support::installation::Installation;
use support::measure::{Program, Spent, compare, size, spend};
use support::tape_server;
use tape_sim::cartridge::Medium;

/// The source, the tape, the tar file, Bacula's volume, and what is restored.
const COPIES: f64 = 5.0;

fn main() {
    if tape_server::is_asked_to_serve() {
        tape_server::serve().expect("tar listens");
        return;
    }
    let base = set("TAPEWRIGHT_BENCH_DIR").unwrap_or_else(std::env::temp_dir);
    let work = tempfile::Builder::new()
        .prefix("tapewright-bench-")
        .tempdir_in(base)
        .expect("a directory to work in");
    let rounds = number("TAPEWRIGHT_BENCH_ROUNDS").unwrap_or(3);
    if std::env::args().any(|word| word == "tape") {
        let gap_gib = number("TAPEWRIGHT_BENCH_GAP_GIB").unwrap_or(4);
        beside_tar::run(work.path(), rounds as usize, gap_gib);
    } else {
        whole_tree(work.path(), rounds as usize);
    }
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A tree from a tape, from a tar file and from Bacula.
fn whole_tree(work: &Path, rounds: usize) {
    let original = set("TAPEWRIGHT_BENCH_SOURCE").unwrap_or_else(|| "/usr".into());
    let amount = size(&original);
    let room = rustix::fs::statvfs(work).expect("a file system");
    let room_bytes = (room.f_bavail * room.f_frsize) as f64;
    assert!(
        room_bytes > amount.bytes * COPIES,
        "{} has {:.1} GB free, and {COPIES} times {:.1} GB are needed: TAPEWRIGHT_BENCH_DIR",
        work.display(),
        room_bytes / 1e9,
        amount.bytes / 1e9
    );
    // A copy: what is restored is compared with it, and /usr changes under a bench.
    let source = work.join("source");
    succeed(Command::new("cp").arg("-a").arg(&original).arg(&source));

    let place = Installation::create(work, Medium::Store);
    succeed(place.command("archive --pool p").arg(&source));
    let tar = work.join("source.tar");
    succeed(
        Command::new("tar")
            .arg("-cf")
            .arg(&tar)
            .arg("-C")
            .arg(&source)
            .arg("."),
    );

    println!(
        "{}: {} objects, {:.2} GB; {rounds} rounds",
        original.display(),
        amount.objects,
        amount.bytes / 1e9
    );
    let target = work.join("target");
    let name = source.to_str().expect("the directory's name is text");
    let map = format!("--map={}=", name.trim_start_matches('/'));
    let mut compared = false;
    let mut ours = || {
        let spent = restored(&target, &mut |target| {
            let mut command = place.command("restore");
            command
                .arg(name.trim_start_matches('/'))
                .arg(&map)
                .arg("--to")
                .arg(target);
            command
        });
        if !std::mem::replace(&mut compared, true) {
            let mut diff = Command::new("diff");
            succeed(
                diff.args(["-r", "--no-dereference"])
                    .args([&source, &target]),
            );
        }
        spent
    };
    let mut theirs = || {
        restored(&target, &mut |target| {
            let mut command = Command::new("tar");
            command.arg("-xpf").arg(&tar).arg("-C").arg(target);
            command
        })
    };
    let bacula = Bacula::prepare(work).inspect_err(|why| {
        println!("Bacula is left out: {why}");
    });
    let mut by_bacula = bacula.as_ref().ok().map(|bacula| {
        succeed(&mut bacula.command("backup", &source));
        || restored(&target, &mut |target| bacula.command("restore", target))
    });
    let mut programs: Vec<Program<'_>> = vec![
        ("tapewright", &mut ours),
        ("tar -xp from a file", &mut theirs),
    ];
    if let Some(by_bacula) = &mut by_bacula {
        programs.push(("Bacula, PostgreSQL, files", by_bacula));
    }
    compare(&mut programs, amount, rounds);
}

/// One run into an empty directory.
fn restored(target: &Path, command: &mut dyn FnMut(&Path) -> Command) -> Spent {
    if target.exists() {
        fs::remove_dir_all(target).expect("what the round before wrote");
    }
    fs::create_dir(target).expect("a directory");
    // What the round before wrote would be written out during this one.
    rustix::fs::sync();
    spend(&mut command(target))
}

fn succeed(command: &mut Command) {
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{command:?}");
}
