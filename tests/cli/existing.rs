//! What a restore looks at in its target before a tape moves: room, and what is there already.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

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

/// Three files on tape; of these `0000` is in the target, changed long ago, and `0001`, changed
/// just now.
fn with_two_in_the_way() -> (Place, [String; 2]) {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source, 7, 3, 1000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    let there = restored(&target, &source);
    fs::create_dir_all(&there).expect("a directory");
    let now = SystemTime::now() + Duration::from_secs(60);
    for (name, changed) in [
        ("0000", SystemTime::UNIX_EPOCH + Duration::from_secs(1)),
        ("0001", now),
    ] {
        fs::write(there.join(name), "mine").expect("a file");
        let file = fs::File::options().write(true).open(there.join(name));
        file.and_then(|file| file.set_modified(changed))
            .expect("a time");
    }
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let words = [text(&target), text(&source)];
    (place, words)
}

#[test]
fn nothing_is_restored_where_something_is_unless_it_is_said_what_becomes_of_it() {
    let (place, [to, all]) = with_two_in_the_way();
    let before = place.run(["library", "status"], ["--json"]).stdout();
    let ran = place
        .run(["restore", "--to", &to, &all], [""; 0])
        .expect_exit(2);
    let said = ran.stderr();
    for words in [
        "2 of the objects",
        "data/0000",
        "data/0001",
        "--existing skip",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let there = restored(to.as_ref(), all.as_ref());
    assert_eq!(fs::read_dir(there).expect("a directory").count(), 2);
    let after = place.run(["library", "status"], ["--json"]).stdout();
    assert_eq!(before, after, "no tape was moved");
    let plan = &place.json(["restore", "--dry-run", "--to", &to, &all])[0];
    assert_eq!(plan["existing"]["total"], 2, "{plan}");
    place
        .run(
            [
                "restore",
                "--overwrite",
                "--existing",
                "skip",
                "--to",
                &to,
                &all,
            ],
            [""; 0],
        )
        .expect_exit(2);
}

#[test]
fn what_is_there_is_left_replaced_or_kept_beside_as_asked() {
    for (how, replaced, beside) in [
        ("skip", [false, false], false),
        ("newer", [true, false], false),
        ("rename", [false, false], true),
        ("overwrite", [true, true], false),
    ] {
        let (place, [to, all]) = with_two_in_the_way();
        let ran = ["restore", "--existing", how, "--to", &to, &all];
        let summary = &place.json(ran)[0];
        let there = restored(to.as_ref(), all.as_ref());
        let same = |name: &str, as_name: &str| {
            let original = fs::read(Path::new(&all).join(name)).expect("the source");
            fs::read(there.join(as_name)).is_ok_and(|content| content == original)
        };
        assert_eq!(
            ["0000", "0001"].map(|name| same(name, name)),
            replaced,
            "{how}"
        );
        assert!(same("0002", "0002"), "{how}: the rest is restored");
        for name in ["0000", "0001"] {
            let aside = format!("{name}.restored-1");
            assert_eq!(same(name, &aside), beside, "{how}");
            assert_eq!(there.join(aside).exists(), beside, "{how}");
        }
        assert_eq!(summary["existing"]["total"], 2, "{summary}");
        let renamed = &summary["renamed"]["total"];
        assert_eq!(*renamed, if beside { 2 } else { 0 }, "{summary}");
    }
}

#[test]
fn a_symbolic_link_in_the_target_is_named_and_not_followed() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source.join("sub/deep"), 7, 3, 1000);
    random_files(&source.join("other"), 8, 1, 1000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let (target, elsewhere) = (place.path("back"), place.path("elsewhere"));
    let there = restored(&target, &source);
    fs::create_dir_all(&there).expect("a directory");
    fs::create_dir(&elsewhere).expect("a directory");
    let link = there.join("sub");
    std::os::unix::fs::symlink(&elsewhere, &link).expect("a link");
    let [to, all] = [&target, &source].map(|path| path.to_str().expect("UTF-8"));

    let named = format!("{} is a symbolic link", link.display());
    let before = place.run(["library", "status"], ["--json"]).stdout();
    for how in ["refuse", "newer", "rename", "overwrite"] {
        let ran = place.run(["restore", "--existing", how, "--to", to, all], [""; 0]);
        let said = ran.expect_exit(2).stderr();
        for words in [
            named.as_str(),
            "5 of the objects",
            "no tape was moved",
            "--map OLD=NEW",
        ] {
            assert!(said.contains(words), "{how}: {words}: {said}");
        }
        assert!(!said.contains("are in"), "they are not there: {said}");
    }
    let after = place.run(["library", "status"], ["--json"]).stdout();
    assert_eq!(before, after, "no tape was moved");

    let skip = ["restore", "--existing", "skip", "--to", to, all];
    let summary = &place.json(skip)[0];
    assert_eq!(summary["outcome"], "complete", "{summary}");
    assert_eq!(
        summary["existing"]["listed"].as_array().map(Vec::len),
        Some(5),
        "{summary}"
    );
    let what = summary["existing"].to_string();
    assert!(
        what.contains("above it is a symbolic link in the target"),
        "{what}"
    );
    assert!(there.join("other/0000").exists());

    assert_eq!(fs::read_dir(&elsewhere).expect("a directory").count(), 0);
    assert!(
        fs::symlink_metadata(&link)
            .expect("it is there")
            .is_symlink()
    );
}

#[test]
fn a_restore_that_has_all_there_moves_no_tape() {
    let (place, [to, all]) = with_two_in_the_way();
    place
        .run(["restore", "--overwrite", "--to", &to, &all], [""; 0])
        .expect_done();
    let summary = &place.json(["restore", "--existing", "skip", "--to", &to, &all])[0];
    assert_eq!(summary["existing"]["total"], 3, "{summary}");
    assert_eq!(summary["tapes"].as_array().expect("tapes").len(), 0);
    assert_eq!(summary["outcome"], "complete", "{summary}");
}

#[test]
fn what_is_mapped_goes_elsewhere_below_the_target() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source.join("sub"), 9, 1, 1000);
    fs::hard_link(source.join("sub/0000"), source.join("twin")).expect("a link");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    let [to, all] = [&target, &source].map(|path| path.to_str().expect("UTF-8"));
    let map = format!("{all}=new/place");
    place
        .run(["restore", "--map", &map, "--to", to, all], [""; 0])
        .expect_done();
    crate::harness::assert_same_tree(&source, &target.join("new/place"));
    let above = fs::read_dir(&target).expect("the target").count();
    assert_eq!(above, 1, "what is above the mapped path is not made");

    let ran = place.run(["restore", "--map", &map, "--to", to, all], [""; 0]);
    let said = ran.expect_exit(2).stderr();
    assert!(said.contains("/new/place/sub/0000"), "{said}");
    let onto_each_other = [
        format!("{all}/sub/0000=same"),
        format!("{all}/twin=same"),
        format!("{all}=../out"),
    ];
    for maps in [&onto_each_other[..2], &onto_each_other[2..]] {
        let mut words = vec!["restore", "--to", to, all];
        maps.iter().for_each(|map| words.extend(["--map", map]));
        place.run(words, [""; 0]).expect_exit(2);
    }
    assert!(!place.path("out").exists());
    let flat = place.path("flat");
    let map = format!("{all}=");
    place
        .run(["restore", "--map", &map, "--to"], [&flat, &source])
        .expect_done();
    assert!(flat.join("twin").exists() && flat.join("sub/0000").exists());
}

#[test]
fn a_name_cannot_act_on_the_terminal_or_forge_a_line_of_its_own() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    let name = "esc\u{1b}(0\ntapewright: all is well";
    fs::create_dir(&source).expect("a directory");
    fs::write(source.join(name), "hostile").expect("a file");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    let in_the_way = restored(&target, &source.join(name));
    fs::create_dir_all(&in_the_way).expect("a directory");
    let refused = place
        .run(["restore", "--to"], [&target, &source])
        .expect_exit(2);
    let overwritten = place
        .run(
            ["restore", "--existing", "overwrite", "--to"],
            [&target, &source],
        )
        .expect_exit(7);
    let missing = place.run(["find"], [format!("{name}, too")]).expect_exit(9);
    for said in [refused.stderr(), overwritten.stderr(), missing.stderr()] {
        assert!(said.contains("esc\\u{1b}(0\\n"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
        assert!(!said.lines().any(|line| line == "tapewright: all is well"));
    }
}
