//! Choosing a library, and looking at the host's devices.

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
