//! Disks without room: below the state directory, and below a simulated library.

use std::fs;

use crate::harness::{Place, random_files};
use crate::small_disk::SmallDisk;

#[test]
fn a_state_directory_without_room_is_told_before_a_tape_moves() {
    let place = Place::with_pool("1GB", 1);
    let (state, aside) = (place.path("state"), place.path("aside"));
    fs::rename(&state, &aside).unwrap();
    fs::create_dir(&state).unwrap();
    let Some(_disk) = SmallDisk::mount(&state, "8m") else {
        return;
    };
    let moved = std::process::Command::new("cp")
        .args(["-a", "-T"])
        .args([&aside, &state])
        .status();
    assert!(moved.unwrap().success());
    random_files(&place.path("data"), 3, 3, 100);
    let ran = place
        .run(["archive", "--pool", "p"], [place.path("data")])
        .expect_exit(1);
    let said = ran.stderr();
    for words in ["has room for", "no tape was moved", "Make room there"] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_full_disk_below_a_simulated_library_is_no_fault_of_a_tape() {
    let place = Place::empty();
    let library = place.path("disk");
    fs::create_dir(&library).unwrap();
    let Some(_disk) = SmallDisk::mount(&library, "6m") else {
        return;
    };
    let library = library.join("library");
    place
        .run(
            [
                "library",
                "create",
                "--slots",
                "4",
                "--capacity",
                "1GB",
                "--sim",
            ],
            [library],
        )
        .expect_done();
    place
        .run(["tape", "label", "--pool", "p", "SIM001L9"], [""; 0])
        .expect_done();
    random_files(&place.path("data"), 5, 4, 3_000_000);
    let ran = place
        .run(["archive", "--pool", "p"], [place.path("data")])
        .expect_exit(6);
    let said = ran.stderr();
    for words in [
        "no room on the disk below the simulated library",
        "Make room on that disk",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let tapes = place.json(["tape", "list"]);
    assert_eq!(tapes[0]["state"], "appendable", "{tapes:?}");
}
