//! Restores that are killed and resumed: all comes back, nothing half done stays behind.

use std::fs;
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

    let mut random = Random(43);
    let (mut killed, mut on_the_way, mut left) = (0, 0, 0);
    while killed < KILLS {
        fs::remove_dir_all(&target).expect("what was restored");
        let mut child = begin().stdout(Stdio::null()).spawn().expect("it starts");
        thread::sleep(Duration::from_micros(random.below(span_us)));
        child.kill().expect("a kill, or it had ended");
        if child.wait().expect("it ended").success() {
            span_us = span_us * 9 / 10;
            continue;
        }
        killed += 1;
        left += half_done(&target);
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
