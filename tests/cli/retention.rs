//! `keep`, `hold` and `expire` as they are typed.

use std::fs;

use jiff::{SignedDuration, Timestamp};

use crate::harness::Place;

const NONE: [&str; 0] = [];

#[test]
fn a_tape_is_freed_by_its_jobs_and_not_while_something_keeps_it() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    fs::create_dir(&source).expect("a directory");
    fs::write(source.join("letter"), "Dear reader").expect("a write");
    let words = ["archive", "--pool", "p", "--name", "one", "--keep", "10y"];
    place.run(words, [&source]).expect_done();
    let erase = ["tape", "label", "--pool", "p", "--erase", "SIM001L9"];
    let refused = place.run(erase, NONE).expect_exit(4).stderr();
    assert!(
        refused.contains("`one`") && refused.contains("expire --dry-run"),
        "{refused}"
    );
    let past = place
        .run(["keep", "one", "--until", "2001-01-31"], NONE)
        .expect_exit(2)
        .stderr();
    for words in ["2001-01-31", "past", "`expire`"] {
        assert!(past.contains(words), "{words}: {past}");
    }
    let unclear = place
        .run(["keep", "one", "--for", "6m"], NONE)
        .expect_exit(2)
        .stderr();
    assert!(unclear.contains("6mo"), "{unclear}");
    let soon = Timestamp::now() + SignedDuration::from_secs(2);
    place
        .run(["keep", "one", "--until", &soon.to_string()], NONE)
        .expect_done();
    let shown = place
        .run(["expire", "--dry-run"], NONE)
        .expect_done()
        .stdout();
    // Jobs of one name are told apart.
    let job = place.json(["job", "list"])[0]["job"].clone();
    let job = &job.as_str().expect("an identity")[..8];
    for words in ["one", "SIM001L9", job, "BEGAN"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let add = ["hold", "add", "--tape", "SIM001L9", "--reason", "case 7"];
    place.run(add, NONE).expect_done();
    let held = place.run(["expire"], NONE).expect_done().stdout();
    assert!(held.contains("no job is due"), "{held}");
    let shown = place
        .run(["expire", "--preview"], NONE)
        .expect_done()
        .stdout();
    assert!(shown.contains("hold: case 7"), "{shown}");
    let refused = place.run(erase, NONE).expect_exit(4).stderr();
    assert!(
        refused.contains("case 7") && refused.contains("hold release"),
        "{refused}"
    );
    let holds = place.json(["hold", "list"]);
    let hold = holds[0]["hold"].as_str().expect("an identity").to_owned();
    assert_eq!((holds.len(), &holds[0]["reason"]), (1, &"case 7".into()));
    place
        .run(["hold", "release", &hold, "--reason", "settled"], NONE)
        .expect_done();
    let mut gone = String::new();
    while !gone.contains("1 job expired; nothing was erased") {
        assert!(
            Timestamp::now() < soon + SignedDuration::from_mins(2),
            "{gone}"
        );
        gone = place.run(["expire"], NONE).expect_done().stdout();
    }
    place.run(["find", "**"], NONE).expect_exit(9);
    place.run(["find", "--expired", "**"], NONE).expect_done();
    let tapes = place.run(["tape", "list"], NONE).expect_done().stdout();
    assert!(tapes.contains("free"), "{tapes}");
    place.run(erase, NONE).expect_done();
    place
        .run(["keep", "none", "--forever"], NONE)
        .expect_exit(9);
    place.run(["keep", "one"], NONE).expect_exit(2);
    assert_gone_with_its_tape(&place, "one");
}

/// What is said of a job whose tape has other content by now.
fn assert_gone_with_its_tape(place: &Place, job: &str) {
    let told = place.run(["verify", job], NONE).expect_exit(9).stderr();
    for words in ["labelled anew", "SIM001L9 on 20", "Its data is gone"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let kept = place.run(["keep", job, "--forever"], NONE).expect_done();
    let kept = kept.stdout();
    assert!(kept.contains("no tape has anything of it"), "{kept}");
    let add = ["hold", "add", "--reason", "case 8", "--job", job];
    let held = place.run(add, NONE).expect_done().stderr();
    assert!(held.contains("nothing that a hold could keep"), "{held}");
}
