//! Restores that are killed and resumed: all comes back, nothing half done stays behind.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Place, assert_same_tree, names, random_files, restored};
use crate::random::Random;

const KILLS: u64 = 15;

/// The ids of restores that can be gone on with.
fn ids(place: &Place) -> Vec<String> {
    let restores = place.path("state/restores");
    if !restores.exists() {
        return Vec::new();
    }
    let names = names(&restores).into_iter();
    let id = |name: String| name.strip_suffix(".json").map(str::to_owned);
    names.filter_map(id).collect()
}

/// Names below `dir` of what is half done.
fn half_done(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let count = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("an entry");
        let begins = entry
            .file_name()
            .to_string_lossy()
            .starts_with(".tapewright-");
        u64::from(begins) + half_done(&entry.path())
    };
    entries.map(count).sum()
}

#[test]
fn a_killed_restore_goes_on_and_leaves_nothing_half_done() {
    let place = Place::with_pool("4GB", 1);
    let source = place.path("data");
    random_files(&source, 41, 60, 300_000);
    random_files(&source.join("deep/er"), 42, 60, 100_000);
    fs::hard_link(source.join("0000"), source.join("deep/twin")).expect("a link");
    place
        .run(
            ["archive", "--pool", "p", "--segment-size", "4MiB"],
            [&source],
        )
        .expect_done();
    let target = place.path("back");
    let begin = || {
        let mut command = place.command();
        command.args(["restore", "--to"]).args([&target, &source]);
        command
    };
    let started = Instant::now();
    assert!(begin().output().expect("it starts").status.success());
    let mut span_us = u64::try_from(started.elapsed().as_micros()).expect("a test takes no ages");
    assert!(ids(&place).is_empty(), "a whole restore is not kept");

    let recorded = || place.json(["job", "list", "--kind", "restore"]).len();
    let mut random = Random(43);
    let (mut killed, mut on_the_way, mut left) = (0, 0, 0);
    while killed < KILLS {
        fs::remove_dir_all(&target).expect("what was restored");
        let known = recorded();
        let mut child = begin().stdout(Stdio::null()).spawn().expect("it starts");
        thread::sleep(Duration::from_micros(random.below(span_us)));
        child.kill().expect("a kill, or it had ended");
        if child.wait().expect("it ended").success() {
            span_us = span_us * 9 / 10;
            continue;
        }
        killed += 1;
        left += half_done(&target);
        let is_recorded = recorded() > known;
        assert!(
            is_recorded || !target.exists(),
            "kill {killed} left no record"
        );
        let id = match &ids(&place)[..] {
            [] => {
                // Before it began, or behind its end.
                match target.exists() {
                    true => assert_same_tree(&source, &restored(&target, &source)),
                    false => drop(begin().output().expect("it starts")),
                }
                continue;
            }
            [id] => id.clone(),
            several => panic!("{several:?}"),
        };
        let summary = &place.json(["restore", "--resume", &id[..6]])[0];
        assert_eq!(summary["restore"], id.as_str());
        let earlier = summary["earlier_objects"].as_u64().expect("a number");
        on_the_way += u64::from(earlier > 0);
        assert_same_tree(&source, &restored(&target, &source));
        assert_eq!(half_done(&target), 0, "after kill {killed}");
        assert!(recorded() <= known + 1, "it is one restore, gone on with");
        place
            .run(["restore", "--resume", &id], [""; 0])
            .expect_exit(9);
    }
    assert!(
        on_the_way > 0,
        "some restore had less to read than everything"
    );
    assert!(left > 0, "some kill left something half done");
}

/// Bytes that the files half done below `dir` take.
fn half_done_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let bytes = |entry: fs::DirEntry| {
        let is_half_done = entry
            .file_name()
            .to_string_lossy()
            .starts_with(".tapewright-");
        let own = match (is_half_done, entry.metadata()) {
            (true, Ok(metadata)) => metadata.blocks() * 512,
            _ => 0,
        };
        own + half_done_bytes(&entry.path())
    };
    entries.flatten().map(bytes).sum()
}

/// Bytes that were read from tape.
fn read_bytes(trace: &Path) -> u64 {
    let text = fs::read_to_string(trace).expect("a trace");
    let records = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON"));
    let reads = records.filter(|record| {
        let cdb = record["cdb"].as_str().expect("bytes");
        cdb.starts_with("08") || cdb.starts_with("88")
    });
    reads
        .map(|record| record["moved_bytes"].as_u64().expect("a number"))
        .sum()
}

#[test]
fn a_killed_restore_goes_on_in_the_middle_of_a_large_file() {
    const LARGE: u64 = 400 << 20;
    let place = Place::with_pool("1GB", 2);
    let source = place.path("data");
    random_files(&source, 45, 3, 100_000);
    let large = Random(46).bytes(LARGE as usize);
    fs::write(source.join("large"), &large).expect("a file");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    for (number, goes_wrong) in [false, true].into_iter().enumerate() {
        let target = place.path(&format!("back{number}"));
        kill_half_done(&place, &source, &target, LARGE / 2);
        if goes_wrong {
            // What is there is not what was written: a power cut does such things.
            spoil_half_done(&target, 4711);
        }
        let id = ids(&place).pop().expect("it is to be gone on with");
        let trace = place.path(&format!("trace{number}"));
        place
            .run(["restore", "--resume", &id, "--trace"], [&trace])
            .expect_done();
        assert_same_tree(&source, &restored(&target, &source));
        assert_eq!(half_done(&target), 0);
        let read = read_bytes(&trace);
        println!("{read} bytes read of {LARGE}");
        assert_eq!(read > LARGE, goes_wrong, "{read} bytes read from tape");
        assert!(
            goes_wrong || read < LARGE * 6 / 10,
            "{read} bytes read from tape"
        );
    }
}

/// Kills a restore once so many bytes of a large file have come.
fn kill_half_done(place: &Place, source: &Path, target: &Path, bytes: u64) {
    let mut child = place
        .command()
        .args(["restore", "--to"])
        .args([target, source])
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    while half_done_bytes(target) < bytes {
        assert!(child.try_wait().expect("a child").is_none(), "too quick");
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("a kill");
    child.wait().expect("it ended");
}

#[test]
fn what_is_in_a_hole_of_a_large_file_does_not_survive_going_on() {
    const PIECE: u64 = 150 << 20;
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    fs::create_dir_all(&source).expect("a directory");
    let file = fs::File::create(source.join("large")).expect("a file");
    let bytes = Random(47).bytes(2 * PIECE as usize);
    let (first, second) = bytes.split_at(PIECE as usize);
    file.write_all_at(first, 0).expect("data");
    file.write_all_at(second, 2 * PIECE).expect("data");
    file.set_len(4 * PIECE).expect("a hole at the end");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    kill_half_done(&place, &source, &target, PIECE + PIECE / 2);
    spoil_half_done(&target, PIECE + 4711);
    let id = ids(&place).pop().expect("it is to be gone on with");
    let trace = place.path("trace");
    place
        .run(["restore", "--resume", &id, "--trace"], [&trace])
        .expect_done();
    assert_same_tree(&source, &restored(&target, &source));
    let read = read_bytes(&trace);
    assert!(read < PIECE, "{read} bytes read from tape");
}

/// Spoils what is half done of the large file below `dir`.
fn spoil_half_done(dir: &Path, at_bytes: u64) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            spoil_half_done(&path, at_bytes);
        } else if entry
            .file_name()
            .to_string_lossy()
            .starts_with(".tapewright-")
        {
            let file = fs::File::options().write(true).open(path).expect("a file");
            file.write_all_at(b"something else", at_bytes)
                .expect("it takes it");
        }
    }
}

#[test]
fn a_restore_tells_its_id_and_how_to_go_on() {
    let place = Place::with_pool("1GB", 2);
    let source = place.path("data");
    random_files(&source, 44, 2, 1000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    let whole = place
        .run(["restore", "--to"], [&target, &source])
        .expect_done();
    assert!(whole.stdout().contains("id of this restore: "));
    fs::remove_dir_all(&target).expect("what was restored");
    let library = place.path("library");
    let inventory = tape_sim::inventory::read(&library).expect("a library");
    let slot = inventory
        .contents()
        .find(|(_, content)| content.barcode == "SIM001L9");
    let (slot, _) = slot.expect("it is there");
    tape_sim::inventory::take(&library, slot).expect("a hand takes it");
    let ran = place
        .run(["restore", "--to"], [&target, &source])
        .expect_exit(3);
    let said = ran.stdout();
    let go_on = said.lines().last().expect("a line");
    let words = go_on.split_once(": tapewright ").expect("a command").1;
    let again = place.run(words.split(' '), [""; 0]).expect_exit(3);
    assert!(again.stdout().contains(words), "{}", again.stdout());
    let dry = place.run(words.split(' '), ["--dry-run"]).expect_done();
    assert!(dry.stdout().contains("to be fetched"), "{}", dry.stdout());
    // What was asked for is taken from the record, and nothing beside.
    place.run(words.split(' '), ["--to", "x"]).expect_exit(2);
    place.run(words.split(' '), ["/x"]).expect_exit(2);
    // To stdout leaves a record, too, and nothing to go on with.
    let kept = ids(&place).len();
    place
        .run(["restore", "--to-stdout"], [source.join("0000")])
        .expect_exit(3);
    let ledger = fs::read_to_string(place.path("state/catalog/ledger.jsonl")).expect("a ledger");
    let last = ledger.lines().last().expect("a line");
    assert!(
        last.contains("\"restored\"") && last.contains("\"target\":\"-\""),
        "{last}"
    );
    assert_eq!(ids(&place).len(), kept);
}
