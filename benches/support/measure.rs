//! Programs side by side in one run: whole processes timed in turn, ratios round by round, in
//! which the machine's own speed drops out.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Kernel ticks per second in `/proc/self/stat`: fixed for programs on Linux.
const TICKS: f64 = 100.0;

/// What one run of one program took.
#[derive(Clone, Copy)]
pub struct Spent {
    pub seconds: f64,
    pub cpu_seconds: f64,
}

/// What each program handles in a round.
#[derive(Clone, Copy)]
pub struct Amount {
    pub objects: f64,
    pub bytes: f64,
}

/// How the table calls a program, and one run of it.
pub type Program<'a> = (&'a str, &'a mut dyn FnMut() -> Spent);

/// Runs all programs in turn, `rounds` times behind one that only warms the page cache, and
/// prints a line for each; each run is told on stderr, so that a bench that is broken off was not
/// in vain. The first of them is the one that ratios are of.
pub fn compare(programs: &mut [Program<'_>], amount: Amount, rounds: usize) {
    println!(
        "{:<26} {:>20} {:>7} {:>9} {:>20} {:>20}",
        "", "seconds", "MB/s", "files/s", "CPU s/GB", "time of ours : its"
    );
    let mut spent = vec![Vec::new(); programs.len()];
    for round in 0..=rounds {
        for (list, (name, run)) in spent.iter_mut().zip(&mut *programs) {
            let one = run();
            let (seconds, cpu) = (one.seconds, one.cpu_seconds);
            eprintln!("round {round} of {rounds}: {name} {seconds:.1} s, {cpu:.1} s of CPU");
            if round > 0 {
                list.push(one);
            }
        }
    }
    for ((name, _), runs) in programs.iter().zip(&spent) {
        let ratios = spent[0].iter().zip(runs);
        let ratios = ratios.map(|(ours, its)| ours.seconds / its.seconds);
        let seconds = Spread::new(runs.iter().map(|run| run.seconds));
        let cpu = Spread::new(runs.iter().map(|run| run.cpu_seconds / amount.bytes * 1e9));
        println!(
            "{name:<26} {seconds:>20} {:>7.0} {:>9.0} {cpu:>20} {:>20}",
            amount.bytes / seconds.middle / 1e6,
            amount.objects / seconds.middle,
            Spread::new(ratios)
        );
    }
}

/// The median, the least and the greatest.
struct Spread {
    middle: f64,
    least: f64,
    greatest: f64,
}

impl Spread {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self {
            middle: values[values.len() / 2],
            least: values[0],
            greatest: values[values.len() - 1],
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!(
            "{:.2} ({:.2}–{:.2})",
            self.middle, self.least, self.greatest
        );
        f.pad(&text)
    }
}

/// Times a whole process, which has to succeed.
pub fn spend(command: &mut Command) -> Spent {
    let (started, before) = (Instant::now(), children_cpu_seconds());
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let seconds = started.elapsed().as_secs_f64();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    Spent {
        seconds,
        cpu_seconds: children_cpu_seconds() - before,
    }
}

/// Time of all children waited for: user and system, theirs included.
pub fn children_cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("this process");
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(13).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().unwrap_or(0.0))
        .sum::<f64>()
        / TICKS
}

/// What lies below a directory, itself included.
pub fn size(source: &Path) -> Amount {
    let (mut objects, mut bytes) = (0, 0);
    let mut ahead = vec![source.to_owned()];
    while let Some(path) = ahead.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        objects += 1;
        if meta.is_file() {
            bytes += meta.len();
        } else if meta.is_dir() {
            let children = fs::read_dir(&path).into_iter().flatten().flatten();
            ahead.extend(children.map(|entry| entry.path()));
        }
    }
    Amount {
        objects: f64::from(objects),
        bytes: bytes as f64,
    }
}
