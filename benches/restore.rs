//! Restoring from the simulator beside `tar -x` from a file and Bacula: the same tree, in turn, in one run.
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
    pub mod installation;
    pub mod measure;
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::bacula::Bacula;
use support::installation::Installation;
use support::measure::{Program, Spent, compare, size, spend};
use tape_sim::cartridge::Medium;

fn main() {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let base = set("TAPEWRIGHT_BENCH_DIR").unwrap_or_else(std::env::temp_dir);
    let rounds = std::env::var("TAPEWRIGHT_BENCH_ROUNDS").ok();
    let rounds = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let work = tempfile::Builder::new()
        .prefix("tapewright-bench-")
        .tempdir_in(base)
        .expect("a directory to work in");
    let original = set("TAPEWRIGHT_BENCH_SOURCE").unwrap_or_else(|| "/usr".into());
    // A copy: what is restored is compared with it, and /usr changes under a bench.
    let source = work.path().join("source");
    succeed(Command::new("cp").arg("-a").arg(&original).arg(&source));

    let place = Installation::create(work.path(), Medium::Store);
    succeed(place.command("archive --pool p").arg(&source));
    let tar = work.path().join("source.tar");
    succeed(
        Command::new("tar")
            .arg("-cf")
            .arg(&tar)
            .arg("-C")
            .arg(&source)
            .arg("."),
    );

    let amount = size(&source);
    println!(
        "{}: {} objects, {:.2} GB; {rounds} rounds",
        original.display(),
        amount.objects,
        amount.bytes / 1e9
    );
    let target = work.path().join("target");
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
    let bacula = Bacula::prepare(work.path()).inspect_err(|why| {
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
