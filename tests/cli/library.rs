//! Choosing a library, and looking at the host's devices.

use tape_sim::inventory::{self, Door, Label};
use tape_sim::library::Library;

use crate::harness::Place;

#[test]
fn a_simulated_library_is_used_again() {
    let place = Place::with_library("64MiB");
    let (first, second) = (place.path("library"), place.path("second"));
    let create = ["library", "create", "--slots", "3", "--sim"];
    place.run(create, [&second]).expect_done();
    let current = || place.json(["library", "status"])[0]["library"]["dir"].clone();
    assert_eq!(current(), second.to_str().unwrap());
    place
        .run(["library", "use", "--sim"], [&first])
        .expect_done();
    assert_eq!(current(), first.to_str().unwrap());
    let again = place.run(create, [&second]).expect_exit(1);
    let advice = format!("`library use --sim {}`", second.display());
    assert!(again.stderr().contains(&advice), "{}", again.stderr());
    // What is no library does not become one, and the choice stays.
    place
        .run(["library", "use", "--sim"], [place.path("nowhere")])
        .expect_exit(1);
    place
        .run(["library", "use", "--sim"], [place.path("state")])
        .expect_exit(1);
    assert_eq!(current(), first.to_str().unwrap());
}

#[test]
fn a_drive_that_is_not_there_is_told_with_a_cure() {
    let place = Place::empty();
    let ran = place
        .run(
            ["library", "create", "--drive", "/dev/nowhere/nst7"],
            [""; 0],
        )
        .expect_exit(6);
    let words = ran.stderr();
    let cures = ["modprobe sg", "--device=", "library scan", "mount -t sysfs"];
    assert!(cures.iter().any(|cure| words.contains(cure)), "{words}");
}

/// Lets the simulated library fail.
fn fault(place: &Place, rule: &str) {
    let library = Library::open(&place.path("library")).expect("a library");
    let rule = serde_json::from_str(rule).expect("a rule");
    library.add_fault(rule).expect("a fault");
}

#[test]
fn a_library_in_trouble_says_in_words_what_is_wrong_and_what_to_do() {
    let place = Place::with_library("64MiB");
    let dir = place.path("library");
    let says = |words: &[&str]| {
        let shown = place.run(["library", "status"], [""; 0]).expect_done();
        let shown = shown.stdout();
        for word in words {
            assert!(shown.contains(word), "{word}: {shown}");
        }
    };
    let label = |barcode: &str, exit: i32, words: &[&str]| {
        let ran = place.run(["tape", "label", barcode, "--pool", "p"], [""; 0]);
        let told = ran.expect_exit(exit).stderr();
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    };

    let library = Library::open(&dir).expect("a library");
    library
        .set_label("SIM003L9", Label::Unreadable)
        .expect("a sticker that came off");
    says(&["its label cannot be read"]);
    label("SIM003L9", 3, &["slot 3", "cannot be read"]);
    let slot = &place.json(["library", "status"])[0]["slots"][2];
    let problem = slot["problem"].as_str().expect("words");
    assert!(problem.contains("label cannot be read"), "{slot}");

    inventory::set_door(&dir, Door::Front, true).expect("a door");
    says(&["no tape can be moved", "a door may be open", "SIM001L9"]);
    label("SIM001L9", 3, &["door"]);
    inventory::set_door(&dir, Door::Front, false).expect("a door");

    let drop = r#"{"device": "changer", "times": 1,
                   "effect": {"kind": "robot_drop", "lost": false}}"#;
    fault(&place, drop);
    label(
        "SIM001L9",
        6,
        &["SIM001L9", "it is in the robot's hand now"],
    );
    says(&["robot", "A failed move left the tape in the robot's hand."]);
    let home = "it was left in the robot's hand by a failed move, and is in slot 1 now";
    label("SIM002L9", 0, &[home]);

    fault(
        &place,
        r#"{"device": "changer", "effect": {"kind": "reserved"}}"#,
    );
    label("SIM001L9", 8, &["release"]);
}

#[test]
fn tapes_go_out_and_come_in_through_the_mail_slots() {
    let place = Place::with_pool("64MiB", 1);
    let export = ["library", "export"];
    let plan = place
        .run(export, ["SIM001L9", "SIM002L9", "--dry-run"])
        .expect_done();
    let words = "SIM001L9  would go from slot 1 to mail slot 1";
    assert!(plan.stdout().contains(words), "{}", plan.stdout());

    let out = ["SIM001L9", "SIM002L9", "SIM003L9"];
    let full = place.run(export, out).expect_exit(3);
    let words = "SIM002L9  moved from slot 2 to mail slot 2";
    assert!(full.stdout().contains(words), "{}", full.stdout());
    let words = "left where they are: SIM003L9";
    assert!(full.stdout().contains(words), "{}", full.stdout());
    let words = "`library export SIM003L9`";
    assert!(full.stderr().contains(words), "{}", full.stderr());

    let told = place.json(["library", "import"]);
    assert_eq!(told[0]["outcome"], "complete", "{told:?}");
    assert_eq!(told[0]["moved"][0]["barcode"], "SIM001L9");
    assert!(told[0]["moved"][0]["volume"].is_string(), "{told:?}");
    let slot = serde_json::json!({"place": "slot", "number": 1});
    assert_eq!(told[0]["moved"][0]["to"], slot);
    place.run(["library", "import"], [""; 0]).expect_exit(3);
    // That a tape is as it was is told where it was to be written, and not where it is read.
    let labelled = place.run(["tape", "label", "SIM001L9", "--pool", "p"], [""; 0]);
    let labelled = labelled.expect_exit(4).stderr();
    assert!(labelled.contains("left as it is"), "{labelled}");
    let read = place.run(["catalog", "rebuild", "SIM002L9"], [""; 0]);
    let read = read.expect_exit(4).stderr();
    assert!(!read.contains("nothing was written"), "{read}");
    place.run(export, ["SIM003L9"]).expect_done();
    place
        .run(["library", "move", "SIM001L9", "--to"], ["3"])
        .expect_done();
    place
        .run(["library", "move", "SIM001L9", "--to"], ["2"])
        .expect_exit(2);
}
