//! `job list` and `job show`, and the names by which all commands take a job.

use std::fs;

use serde_json::Value;

use crate::harness::Place;

const NONE: [&str; 0] = [];

/// Two archives of one name, one of another pool, and a restore to a tar file.
fn with_history() -> (Place, Vec<Value>) {
    let place = Place::with_pool("1GB", 1);
    place
        .run(["tape", "label", "--pool", "vault", "SIM002L9"], NONE)
        .expect_done();
    let source = place.path("data");
    fs::create_dir(&source).expect("a directory");
    fs::write(source.join("letter"), "Dear reader").expect("a write");
    for (pool, name, level) in [
        ("p", "nightly", "full"),
        ("p", "nightly", "incremental"),
        ("vault", "yearly", "full"),
    ] {
        fs::write(source.join("news"), name.repeat(place_count(&place) + 1)).expect("a write");
        let words = ["archive", "--pool", pool, "--name", name, "--level", level];
        place.run(words, [&source]).expect_done();
    }
    let tar = place.path("back.tar");
    place
        .run(["restore", "--as-tar", "--to"], [&tar, &source])
        .expect_done();
    let jobs = place.json(["job", "list"]);
    (place, jobs)
}

fn place_count(place: &Place) -> usize {
    place.json(["job", "list"]).len()
}

fn id(job: &Value) -> &str {
    job["job"].as_str().expect("an identity")
}

#[test]
fn each_archive_and_restore_is_listed_and_shown() {
    let (place, jobs) = with_history();
    let told: Vec<[&Value; 4]> = jobs
        .iter()
        .map(|job| {
            [
                &job["kind"],
                &job["level"],
                &job["pools"][0],
                &job["outcome"],
            ]
        })
        .collect();
    let row = |kind: &str, level: Option<&str>, pool: &str| {
        let level = level.map_or(Value::Null, Value::from);
        [kind.into(), level, pool.into(), Value::from("complete")]
    };
    let expected = [
        row("archive", Some("full"), "p"),
        row("archive", Some("incremental"), "p"),
        row("archive", Some("full"), "vault"),
        row("restore", None, "vault"),
    ];
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told.map(Value::clone), *expected);
    }
    assert_eq!(told.len(), expected.len());
    for (job, field) in [(&jobs[0], "copy_pool"), (&jobs[3], "kept")] {
        assert_eq!(job.get(field), Some(&Value::Null), "{field}");
    }
    let kept = &jobs[0]["kept"];
    assert_eq!(
        (&kept["until"], &kept["held"]),
        (&Value::Null, &false.into())
    );
    for (words, count) in [
        (["--pool", "vault"], 2),
        (["--name", "night"], 2),
        (["--kind", "restore"], 1),
        (["--since", "2999-01-01"], 0),
    ] {
        let found = place.json(["job", "list"].iter().chain(&words));
        assert_eq!(found.len(), count, "{words:?}");
    }
    let unknown = place.run(["job", "list", "--pool", "nope"], NONE);
    let told = unknown.expect_exit(9).stderr();
    assert!(
        told.contains("no pool nope; there is p and vault"),
        "{told}"
    );
    let text = place.run(["job", "list"], NONE).expect_done().stdout();
    for words in ["nightly", "incremental", "for ever", &id(&jobs[0])[..8]] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let archive = &place.json(["job", "show", &id(&jobs[1])[..6]])[0];
    assert_eq!(archive["base"], jobs[0]["job"]);
    assert_eq!(archive["tapes"][0]["barcode"], "SIM001L9");
    let restore = &place.json(["job", "show", &id(&jobs[3])[..6]])[0];
    let target = restore["target"].as_str().expect("a path");
    assert_eq!(target, place.path("back.tar").to_str().expect("a text"));
    for job in &jobs {
        let text = place.run(["job", "show", id(job)], NONE).expect_done();
        assert!(text.stdout().contains(id(job)), "{}", text.stdout());
    }
    let missing = place.run(["job", "show", "nobody"], NONE).expect_exit(9);
    assert!(
        missing.stderr().contains("`job list`"),
        "{}",
        missing.stderr()
    );
}

#[test]
fn a_name_of_several_jobs_is_never_taken_silently() {
    let (place, jobs) = with_history();
    let [first, second] = [0, 1].map(|at| id(&jobs[at]).to_owned());
    for words in [
        &["keep", "nightly", "--for", "10y"][..],
        &["hold", "add", "--job", "nightly", "--reason", "case 7"],
    ] {
        let refused = place.run(words, NONE).expect_exit(2).stderr();
        for words in [&first, &second, "job show"] {
            assert!(refused.contains(words), "{words}: {refused}");
        }
    }
    // Those that go on with what there is take the newest, and say so.
    let resumed = place.run(["archive", "--resume", "nightly"], NONE);
    let told = resumed.expect_exit(2).stderr();
    for words in ["the newest of 2 jobs", &second, "is complete"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let begin = first[..8].to_uppercase();
    place
        .run(["hold", "add", "--reason", "case 7", "--job", &begin], NONE)
        .expect_done();
    let jobs = place.json(["job", "list"]);
    let held: Vec<&Value> = jobs.iter().map(|job| &job["kept"]["held"]).collect();
    assert_eq!(
        held,
        [&true.into(), &false.into(), &false.into(), &Value::Null]
    );
    let tapes = place.run(["tape", "list"], NONE).expect_done().stdout();
    assert!(tapes.contains("appendable, held"), "{tapes}");
    let nobody = place
        .run(["keep", "nobody", "--forever"], NONE)
        .expect_exit(9)
        .stderr();
    assert!(
        nobody.contains("`job list`") && !nobody.contains("tape list"),
        "{nobody}"
    );
}

#[test]
fn what_a_resumed_job_has_said_already_is_refused_with_the_reason() {
    let (place, _) = with_history();
    for flag in [
        ["--digest", "sha256"],
        ["--pool", "p"],
        ["--exclude", "*.tmp"],
    ] {
        let words = ["archive", "--resume", "nightly"].iter().chain(&flag);
        let refused = place.run(words, NONE).expect_exit(2).stderr();
        for words in ["with which it began", flag[0]] {
            assert!(refused.contains(words), "{words}: {refused}");
        }
    }
}
