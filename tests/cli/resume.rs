//! Jobs that are killed and resumed: nothing that is on tape is read again, nothing is missing,
//! nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::harness::{Place, assert_same_tree, names, random_files, restored};
use crate::random::Random;

const KILLS: u64 = 12;

/// Hears which files of one directory are opened.
struct Opens(OwnedFd);

impl Opens {
    fn of(directory: &Path) -> Self {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify");
        inotify::add_watch(&watch, directory, WatchFlags::OPEN).expect("a watch");
        Self(watch)
    }

    fn names(&self) -> Vec<String> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 1 << 16];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = events.next() {
            let name = event
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            names.extend(name.filter(|name| !name.is_empty()));
        }
        names
    }
}

/// Names of files that a job has whole on tape, each with how often; parts count as one.
fn on_tape(place: &Place, source: &Path, job: &str) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    let pattern = source.to_str().expect("a name");
    for hit in place.json(["find", "--all-versions", "--long", pattern]) {
        let last = hit["part"].is_null() || hit["part"] == 1;
        if hit["job_name"] == job && hit["type"] == "file" && last {
            let path = hit["path"].as_str().expect("a path");
            let name = path.rsplit('/').next().expect("a name");
            *names.entry(name.to_owned()).or_default() += 1;
        }
    }
    names
}

/// Waits until the running job has committed something, or has ended.
fn wait_for_receipt(place: &Place, child: &mut Child) {
    let ledger = place.path("state/catalog/ledger.jsonl");
    let receipts = || {
        let lines = fs::read_to_string(&ledger).expect("a ledger");
        lines.matches("\"type\":\"receipt\"").count()
    };
    let before = receipts();
    while receipts() == before && child.try_wait().expect("a child").is_none() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_killed_job_goes_on_where_its_confirmed_data_ends() {
    let place = Place::with_pool("4GB", 1);
    let source = place.path("data");
    random_files(&source, 31, 150, 100_000);
    // In parts: a segment holds 4 MiB.
    fs::write(source.join("0075-huge"), Random(32).bytes(60_000_000)).expect("a file");
    let archive = |name: &str| {
        let words = ["archive", "--pool", "p", "--segment-size", "4MiB", "--name"];
        let mut command = place.command();
        command.args(words).arg(name).arg(&source);
        command
    };
    let started = Instant::now();
    assert!(
        archive("whole")
            .output()
            .expect("it starts")
            .status
            .success()
    );
    let mut span_us = u64::try_from(started.elapsed().as_micros()).expect("a test takes no ages");
    let all = BTreeSet::from_iter(names(&source));

    let mut random = Random(33);
    let (mut begun, mut killed, mut on_the_way) = (0, 0, 0);
    while killed < KILLS {
        // Of its own also behind a job that ended before its kill: files are told by it.
        begun += 1;
        let name = format!("job {begun}");
        let mut child = archive(&name)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        match killed % 2 {
            0 => thread::sleep(Duration::from_micros(random.below(span_us))),
            // Some of it is committed then, and hardly all.
            _ => wait_for_receipt(&place, &mut child),
        }
        child.kill().expect("a kill, or it had ended");
        if child.wait().expect("it ended").success() {
            span_us = span_us * 9 / 10;
            continue;
        }
        killed += 1;
        let before = match place.run(["find", "**"], [""; 0]).0.status.success() {
            true => on_tape(&place, &source, &name),
            false => BTreeMap::new(),
        };
        let opens = Opens::of(&source);
        let resume = ["archive", "--segment-size", "4MiB", "--resume", &name];
        let resumed = place.run(resume, [""; 0]);
        match resumed.0.status.code() {
            // Killed before it was in the catalog, or behind its end.
            Some(9 | 2) => continue,
            _ => resumed.expect_done(),
        };
        let opened = opens.names();
        let whole = |name: &&String| before.contains_key(*name) && !name.contains("huge");
        let again: Vec<&String> = opened.iter().filter(whole).collect();
        assert!(again.is_empty(), "{name} has read again: {again:?}");
        let opened: BTreeSet<String> = opened.into_iter().collect();
        on_the_way += u64::from(opened.len() < all.len());
        let now = on_tape(&place, &source, &name);
        assert!(now.values().all(|&times| times == 1), "{name}: {now:?}");
        assert!(now.keys().eq(&all), "{name}");
        let target = place.path("back");
        place
            .run(["restore", "--to"], [&target, &source])
            .expect_done();
        assert_same_tree(&source, &restored(&target, &source));
        fs::remove_dir_all(&target).expect("what was restored");
        let again = place.run(["archive", "--resume", &name], [""; 0]);
        assert!(again.expect_exit(2).stderr().contains("nothing to resume"));
    }
    assert!(on_the_way > 0, "some job had less to read than everything");
}
