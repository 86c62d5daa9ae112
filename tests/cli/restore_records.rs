//! Every restore leaves a record, however it ends and wherever its words come from.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tape_sim::fault::{Flaws, Spot, write_flaws};

use crate::harness::{Place, assert_same_tree, random_files, restored};

const NONE: [&str; 0] = [];
/// Long enough to be met half way.
const LARGE: usize = 120 << 20;

/// A job with a large file and a small one on the only tape of a pool.
fn archived() -> (Place, PathBuf) {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source, 71, 1, LARGE);
    fs::write(source.join("small"), "a letter").expect("a file");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    (place, source)
}

/// Nothing is left but the library and its tapes.
fn forget(place: &Place) {
    fs::remove_dir_all(place.path("state")).expect("the state is there");
    place
        .run(["library", "use", "--sim"], [place.path("library")])
        .expect_done();
}

/// Bytes of all files below a path.
fn bytes_below(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .flatten()
            .map(|entry| bytes_below(&entry.path()))
            .sum(),
        // A large file is made in its full length: what is on disk counts.
        Err(_) => fs::metadata(path).map_or(0, |metadata| {
            std::os::unix::fs::MetadataExt::blocks(&metadata) * 512
        }),
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill is there").success());
}

/// A restore that stands still in its middle: so many bytes of it have come.
fn half_way(place: &Place, words: &[String], target: &Path, stdout: bool) -> Child {
    let out = || Stdio::from(File::create(target).expect("a file"));
    let mut command = place.command();
    let mut child = command
        .args(words)
        .stdout(if stdout { out() } else { Stdio::null() })
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    while bytes_below(target) < 8 << 20 {
        assert!(child.try_wait().expect("a child").is_none(), "too quick");
        thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "STOP");
    child
}

fn restores(place: &Place) -> Vec<Value> {
    place.json(["job", "list", "--kind", "restore"])
}

fn show(place: &Place, job: &Value) -> (Value, String) {
    let id = job["job"].as_str().expect("an identity");
    let detail = place.json(["job", "show", id]).remove(0);
    let text = place.run(["job", "show", id], NONE).expect_done().stdout();
    (detail, text)
}

/// What a restore writes to, and the words for it.
fn commands(place: &Place, source: &Path) -> [(&'static str, PathBuf, Vec<String>); 3] {
    let large = source.join("0000");
    let words = |words: &[&str], paths: &[&Path]| {
        let paths = paths.iter().map(|path| path.display().to_string());
        let words = words.iter().map(|word| (*word).to_owned());
        words.chain(paths).collect::<Vec<String>>()
    };
    let [dir, tar, file] = ["back", "back.tar", "back.file"].map(|name| place.path(name));
    [
        (
            "directory",
            dir.clone(),
            words(&["restore", "--to"], &[&dir, source]),
        ),
        (
            "tar",
            tar.clone(),
            words(&["restore", "--as-tar", "--to"], &[&tar, source]),
        ),
        ("file", file, words(&["restore", "--to-stdout"], &[&large])),
    ]
}

#[test]
fn a_restore_that_is_killed_is_shown_as_running_and_then_as_cut_off() {
    let (mut place, mut source) = archived();
    for (from_tapes, without_catalog) in [(false, false), (true, false), (true, true)] {
        if without_catalog {
            forget(&place);
        }
        for (output, target, mut words) in commands(&place, &source) {
            let case = format!("{output}, {from_tapes}, {without_catalog}");
            if from_tapes {
                words.extend(["--from-tape", "SIM001L9"].map(str::to_owned));
            }
            let before = restores(&place).len();
            let mut child = half_way(&place, &words, &target, output == "file");
            let running = restores(&place).pop().expect("it is listed");
            assert_eq!(running["outcome"], Value::Null, "{case}: {running}");
            assert_eq!(running["cut_off"], false, "{case}: {running}");
            let (_, text) = show(&place, &running);
            assert!(text.contains("state         runs"), "{case}: {text}");
            child.kill().expect("a kill");
            child.wait().expect("it ended");

            let listed = restores(&place);
            assert_eq!(listed.len(), before + 1, "{case}");
            let killed = listed.last().expect("it is listed");
            assert_eq!(killed["job"], running["job"], "{case}");
            assert_eq!(killed["outcome"], "interrupted", "{case}: {killed}");
            assert_eq!(killed["cut_off"], true, "{case}: {killed}");
            assert_eq!(killed["ended_at"], Value::Null, "{case}: {killed}");
            let can_resume = output == "directory" && !from_tapes;
            assert_eq!(killed["can_resume"], can_resume, "{case}: {killed}");
            let (detail, text) = show(&place, killed);
            assert_eq!(detail["from_tapes"], from_tapes, "{case}: {detail}");
            assert_eq!(detail["tapes"], serde_json::json!(["SIM001L9"]), "{case}");
            let planned = &detail["runs"][0]["planned_objects"];
            assert!(planned.as_u64() > Some(0), "{case}: {detail}");
            let next = match (output, from_tapes) {
                ("directory", false) => "restore --resume",
                ("directory", true) => "--existing skip",
                _ => "give the same command again",
            };
            for words in ["cut off", "it was to bring", next, "SIM001L9"] {
                assert!(text.contains(words), "{case}: {words}: {text}");
            }
            assert_eq!(
                text.contains("the tapes alone"),
                from_tapes,
                "{case}: {text}"
            );
            if target.is_dir() {
                fs::remove_dir_all(&target).expect("what came");
            } else {
                fs::remove_file(&target).expect("what came");
            }
        }
    }
    // The next one begins with a place of its own.
    (place, source) = archived();
    let (_, target, words) = commands(&place, &source)[0].clone();
    let mut child = half_way(&place, &words, &target, false);
    child.kill().expect("a kill");
    child.wait().expect("it ended");
    let killed = restores(&place).pop().expect("it is listed");
    let id = killed["job"].as_str().expect("an identity");
    place.run(["restore", "--resume", id], NONE).expect_done();
    assert_same_tree(&source, &restored(&target, &source));

    let listed = restores(&place);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let whole = &listed[0];
    assert_eq!(whole["started_at"], killed["started_at"]);
    assert_eq!(whole["outcome"], "complete");
    assert_eq!(
        (&whole["run_count"], &whole["can_resume"]),
        (&2.into(), &false.into())
    );
    let (detail, text) = show(&place, whole);
    let runs = detail["runs"].as_array().expect("runs");
    let states: Vec<(&Value, &Value)> = runs
        .iter()
        .map(|run| (&run["outcome"], &run["cut_off"]))
        .collect();
    let expected = [("interrupted", true), ("complete", false)];
    let expected = expected.map(|(outcome, cut_off)| (outcome.into(), cut_off.into()));
    assert_eq!(
        states,
        expected
            .each_ref()
            .map(|(outcome, cut_off)| (outcome, cut_off))
    );
    let number = |value: &Value| value.as_u64().expect("a number");
    let earlier = number(&runs[1]["earlier_objects"]);
    assert_eq!(
        number(&whole["objects"]),
        earlier + number(&runs[1]["objects"])
    );
    for words in ["run 1: it was to bring", "cut off", "run 2: ", "complete"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("--resume"), "{text}");
}

#[test]
fn a_restore_from_tapes_leaves_its_record_where_there_is_no_catalog_and_it_outlives_a_rebuild() {
    let (place, source) = archived();
    forget(&place);
    let mut ids = Vec::new();
    for (output, target, words) in commands(&place, &source) {
        let out = match output {
            "file" => Stdio::from(File::create(&target).expect("a file")),
            _ => Stdio::null(),
        };
        let mut command = place.command();
        command.args(&words).args(["--from-tape", "SIM001L9"]);
        assert!(command.stdout(out).status().expect("it starts").success());
        assert!(!place.path("state/catalog").exists(), "no catalog is made");
        let listed = restores(&place);
        let last = listed.last().expect("it is listed");
        assert_eq!(last["outcome"], "complete", "{output}: {last}");
        assert!(last["objects"].as_u64() > Some(0), "{output}: {last}");
        ids.push(last["job"].clone());
        let (detail, text) = show(&place, last);
        assert_eq!(detail["from_tapes"], true, "{output}: {detail}");
        assert_eq!(detail["next_step"], "nothing", "{output}: {detail}");
        let place = detail["output"].as_str();
        assert_eq!(place, (output != "directory").then_some(output), "{detail}");
        for words in ["the tapes alone", "SIM001L9", "complete"] {
            assert!(text.contains(words), "{output}: {words}: {text}");
        }
    }
    let broken = place.path("state/restore-records/00000000-0000-4000-8000-000000000000.json");
    fs::write(&broken, "{}").expect("a file that is none of ours");
    place.run(["catalog", "rebuild"], NONE).expect_done();
    let listed = place.run(["job", "list", "--json"], NONE).expect_done();
    let told = listed.stderr();
    assert!(told.contains("00000000-0000-4000-8000"), "{told}");
    assert_eq!(listed.stdout().lines().count(), 1 + ids.len());
    let found: Vec<Value> = restores(&place)
        .iter()
        .map(|restore| restore["job"].clone())
        .collect();
    assert_eq!(found, ids);
    // The volume is known now, and so is its pool.
    assert_eq!(restores(&place)[0]["pools"], serde_json::json!(["p"]));
    show(&place, &restores(&place)[0]);
}

#[test]
fn a_catalog_that_takes_no_record_leaves_it_to_a_file_and_tells() {
    let (place, source) = archived();
    let ledger = place.path("state/catalog/ledger.jsonl");
    let text = fs::read_to_string(&ledger).expect("a ledger");
    fs::write(&ledger, text.replacen("\"seq\":2", "\"seq\":7", 1)).expect("a write");
    let (_, target, words) = commands(&place, &source)[0].clone();
    let alone = ["--from-tape", "SIM001L9"];
    place.run(&words, alone).expect_done();
    assert_same_tree(&source, &restored(&target, &source));
    let records = place.path("state/restore-records");
    assert_eq!(fs::read_dir(records).expect("a directory").count(), 1);
}

#[test]
fn two_signals_leave_a_record_and_the_words_that_go_on_with_it() {
    let (place, source) = archived();
    let (_, target, words) = commands(&place, &source)[0].clone();
    let child = half_way(&place, &words, &target, false);
    let running = restores(&place).pop().expect("it is listed");
    let id = running["job"].as_str().expect("an identity").to_owned();
    // Both wait for it, so that it does not end by the first.
    for name in ["INT", "TERM", "CONT"] {
        signal(&child, name);
    }
    let ended = child.wait_with_output().expect("it ended");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{told}");
    assert!(
        told.contains(&format!("`restore --resume {id}` goes on")),
        "{told}"
    );
    assert_eq!(restores(&place)[0]["cut_off"], true);
}

#[test]
fn a_partial_restore_is_shown_with_what_came_what_is_missing_and_what_to_do() {
    let place = Place::with_pool("1GB", 1);
    place
        .run(["tape", "label", "--pool", "q", "SIM002L9"], NONE)
        .expect_done();
    let source = place.path("data");
    for (pool, count) in [("p", 4), ("q", 30)] {
        let dir = source.join(pool);
        random_files(&dir, 72, count, 1000);
        place.run(["archive", "--pool", pool], [&dir]).expect_done();
    }
    let library = place.path("library");
    let inventory = tape_sim::inventory::read(&library).expect("a library");
    let slot = inventory
        .contents()
        .find(|(_, content)| content.barcode == "SIM002L9");
    tape_sim::inventory::take(&library, slot.expect("it is there").0).expect("a hand takes it");
    let words = ["restore", "--drives", "2", "--first-soon", "--to"];
    place
        .run(words, [&place.path("back"), &source])
        .expect_exit(3);
    let listed = restores(&place);
    let (detail, text) = show(&place, &listed[0]);
    let id = listed[0]["job"].as_str().expect("an identity");
    assert_eq!(listed[0]["can_resume"], true);
    let lost = &detail["lost"][0];
    assert_eq!(lost["barcode"], "SIM002L9", "{detail}");
    let missing = lost["objects"].as_u64().expect("a number");
    assert!(missing >= 30, "{detail}");
    assert_eq!(detail["runs"][0]["missing_objects"], missing, "{detail}");
    assert_eq!(detail["problems"]["total"], missing, "{detail}");
    let came = listed[0]["objects"].as_u64().expect("a number");
    for words in [
        format!("{came} objects came; {missing} objects missing"),
        format!("tape SIM002L9: {missing} objects missing: "),
        "data/q/0003".to_owned(),
        format!("… and {} more", missing - 20),
        format!("tapewright restore --resume {id}"),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
    for words in ["/SIM002L9", "took          0 s", "for reasons of their own"] {
        assert!(!text.contains(words), "{words}: {text}");
    }
    // What was said of drives is kept, too.
    let go_on = ["restore", "--resume", id];
    let plan = place.json([&go_on[..], &["--dry-run"]].concat()).remove(0);
    assert_ne!(plan["first_soon_s"], Value::Null, "{plan}");
    let kept = fs::read_to_string(place.path(&format!("state/restores/{id}.json")));
    assert!(kept.expect("it is kept").contains("\"drives\":2"));
    // Each time tells again what is missing, in one line of the list.
    place.run(go_on, NONE).expect_exit(3);
    let listed = restores(&place);
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0]["objects"], came,
        "what was there is not counted twice"
    );
    let (_, text) = show(&place, &listed[0]);
    for words in ["run 1: ", "run 2: ", "there from before", "--resume"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// A job with a file and its copy: tape SIM001L9 is read first, and cannot read a record.
fn copied(unreadable: u64) -> (Place, PathBuf) {
    let place = Place::with_pool("1GB", 1);
    place
        .run(["tape", "label", "--pool", "q", "SIM002L9"], NONE)
        .expect_done();
    let source = place.path("data");
    random_files(&source, 73, 1, 8 << 20);
    place
        .run(
            ["archive", "--pool", "p", "--copy-pool", "q"],
            [&source.join("0000")],
        )
        .expect_done();
    let mut flaws = Flaws::default();
    flaws.unreadable.push(Spot {
        partition: 0,
        objects: [unreadable, unreadable],
    });
    let folder = tape_sim::cartridge::folder(&place.path("library"), "SIM001L9");
    write_flaws(&folder, &flaws).expect("flaws");
    (place, source)
}

#[test]
fn the_record_names_the_tape_that_another_copy_came_from_and_why() {
    for at in 0..3 {
        // In the middle of the file.
        let (place, source) = copied(5);
        let (case, target, words) = commands(&place, &source)[at].clone();
        let mut command = place.command();
        if case == "file" {
            command.stdout(File::create(&target).expect("a file"));
        }
        let ended = command.args(&words).output().expect("it starts");
        let told = String::from_utf8_lossy(&ended.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{case}: {told}{stderr}");

        let (detail, text) = show(&place, &restores(&place)[0]);
        assert_eq!(detail["outcome"], "complete", "{case}: {detail}");
        assert_eq!(
            detail["tapes"],
            serde_json::json!(["SIM001L9", "SIM002L9"]),
            "{case}"
        );
        let [first, spare] = [0, 1].map(|at| &detail["runs"][0]["timing"][at]);
        assert_eq!(first["spare"], false, "{case}: {first}");
        // The other drive may have tried it, too.
        assert!(first["mounts"].as_u64() > Some(0), "{case}: {first}");
        let unread = &first["unread"];
        assert!(unread["objects"].as_u64() > Some(0), "{case}: {first}");
        let said = unread["why"].as_str().expect("words");
        assert!(said.contains("block 5"), "{case}: {said}");
        assert_eq!(
            (&spare["spare"], &spare["mounts"], &spare["planned_s"]),
            (&true.into(), &1.into(), &0.into()),
            "{case}: {spare}"
        );
        assert!(spare["real_ms"].is_u64(), "{case}: {spare}");
        assert!(spare["drive"].is_string(), "{case}: {spare}");
        for step in ["load", "read"] {
            let count = &spare["phases"][step]["count"];
            assert_eq!(count, 1, "{case}: {step}: {spare}");
        }
        let looked_for = format!("tape SIM001L9: {} object", unread["objects"]);
        for words in ["SIM002L9 (spare)", &looked_for, said] {
            assert!(text.contains(words), "{case}: {words}: {text}");
        }
        if case != "file" {
            for words in [&looked_for, said, "(spare)"] {
                assert!(told.contains(words), "{case}: {words}: {told}");
            }
        }
    }
}

#[test]
fn records_in_files_are_shown_where_the_catalog_cannot_be_read_and_so_is_that() {
    let (place, source) = archived();
    let ledger = place.path("state/catalog/ledger.jsonl");
    let text = fs::read_to_string(&ledger).expect("a ledger");
    fs::write(&ledger, text.replacen("\"seq\":2", "\"seq\":7", 1)).expect("a write");
    let list = ["job", "list", "--json"];
    let code = place.run(list, NONE).0.status.code().expect("a code");
    assert_ne!(code, 0, "nothing is known");
    let (_, _, words) = commands(&place, &source)[0].clone();
    place.run(&words, ["--from-tape", "SIM001L9"]).expect_done();
    let listed = place.run(list, NONE).expect_exit(code);
    let restore: Value = serde_json::from_str(&listed.stdout()).expect("one restore");
    assert_eq!(restore["outcome"], "complete", "{restore}");
    let id = restore["job"].as_str().expect("an identity");
    let shown = place.run(["job", "show", id], NONE).expect_exit(code);
    assert!(shown.stdout().contains(id), "{}", shown.stdout());
    for told in [listed.stderr(), shown.stderr()] {
        assert!(told.contains("ledger"), "{told}");
    }
    // What is none of them may be in the catalog.
    let other = place.run(["job", "show", "data"], NONE).expect_exit(code);
    assert_eq!(other.stdout(), "");
}
