//! What a restore looks at in its target before a tape moves: room, and what is there already.

use std::fs;

use crate::harness::{Place, random_files, restored};
use crate::small_disk::SmallDisk;

#[test]
fn a_target_without_room_is_told_before_a_tape_moves() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source, 3, 3, 1_500_000);
    fs::File::create(source.join("hole"))
        .and_then(|file| file.set_len(50 << 20))
        .expect("a file of holes");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    fs::create_dir(&target).expect("a directory");
    let Some(_disk) = SmallDisk::mount(&target, "4m") else {
        return;
    };
    let before = place.run(["library", "status"], ["--json"]).stdout();
    let ran = place
        .run(["restore", "--to"], [&target, &source])
        .expect_exit(1);
    let said = ran.stderr();
    let named = target.to_str().expect("UTF-8");
    for words in [named, "4.19 MB", "4.50 MB", "no tape was moved", "--to"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(fs::read_dir(&target).expect("the target").count(), 0);
    let after = place.run(["library", "status"], ["--json"]).stdout();
    assert_eq!(before, after);

    let [to, all] = [&target, &source].map(|path| path.to_str().expect("UTF-8"));
    let plan = &place.json(["restore", "--dry-run", "--to", to, all])[0];
    // The file of holes has little more than its header on tape.
    let needed = plan["room"]["needed_bytes"].as_u64().expect("a number");
    assert!((4_500_000..4_510_000).contains(&needed), "{plan}");
    assert_eq!(plan["room"]["free_bytes"], 4 << 20, "{plan}");
    let told = place
        .run(["restore", "--dry-run", "--to"], [&target, &source])
        .expect_done();
    assert!(
        told.stdout().contains("too little room"),
        "{}",
        told.stdout()
    );

    place
        .run(["restore", "--ignore-room", "--to"], [&target, &source])
        .expect_exit(1);
    for name in ["hole", "0000"] {
        for entry in fs::read_dir(&target).expect("the target") {
            fs::remove_dir_all(entry.expect("an entry").path()).expect("a removal");
        }
        let one = source.join(name);
        place
            .run(["restore", "--to"], [&target, &one])
            .expect_done();
        assert!(restored(&target, &one).exists());
    }
}
