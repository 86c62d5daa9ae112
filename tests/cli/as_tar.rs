//! `restore --as-tar`: what GNU tar extracts from it is what was archived.

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::{Place, assert_same_tree, random_files, restored};
use crate::random::Random;

#[test]
fn what_tar_extracts_is_what_was_archived() {
    let place = Place::with_pool("1GB", 2);
    let source = place.path("data");
    random_files(&source.join("deep"), 51, 20, 10_000);
    // In parts: a segment holds 4 MiB.
    fs::write(source.join("huge"), Random(52).bytes(30_000_000)).expect("a file");
    fs::hard_link(source.join("huge"), source.join("zz of huge")).expect("a link");
    fs::hard_link(source.join("deep/0003"), source.join("another")).expect("a link");
    std::os::unix::fs::symlink("deep/0001", source.join("link")).expect("a link");
    place
        .run(
            ["archive", "--pool", "p", "--segment-size", "4MiB"],
            [&source],
        )
        .expect_done();
    let archive = place.path("back.tar");
    let words = ["restore", "--json", "--as-tar", "--to"];
    let ran = place.run(words, [&archive, &source]).expect_done();
    assert!(ran.stdout().contains("\"outcome\":\"complete\""));
    let refused = place.run(words, [&archive, &source]).expect_exit(2);
    assert!(refused.stderr().contains("exists"), "{}", refused.stderr());
    let stdout = place.run(["restore", "--as-tar"], [&source]).expect_done();
    assert!(stdout.0.stdout == fs::read(&archive).expect("the archive"));
    assert!(stdout.stderr().contains("restore complete"));
    let target = place.path("back");
    fs::create_dir(&target).expect("a directory");
    let tar = Command::new("tar")
        .args(["-x", "-p", "--xattrs", "--acls", "-f"])
        .arg(&archive)
        .arg("-C")
        .arg(&target)
        .output()
        .expect("tar is there");
    assert!(tar.status.success(), "{tar:?}");
    assert_same_tree(&source, &restored(&target, &source));

    for words in [
        &["--as-tar", "--json"][..],
        &["--as-tar", "--existing", "skip"],
        &["--as-tar", "--to-stdout"],
    ] {
        let refused = place.run(["restore"].iter().chain(words), [&source]);
        refused.expect_exit(2);
    }
    // A reader that leaves has not got all, and a pattern that finds nothing leaves no file.
    let huge = source.join("huge");
    for words in ["--as-tar", "--to-stdout"] {
        let mut command = place.command();
        command.args(["restore", words]).arg(&huge);
        let mut ran = command.stdout(Stdio::piped()).spawn().expect("it starts");
        drop(ran.stdout.take());
        assert_eq!(ran.wait().expect("it ends").code(), Some(1), "{words}");
        // The plan alone goes to stdout, and nothing of the file.
        let planned = place.run(["restore", words, "--dry-run"], [&huge]);
        let planned = planned.expect_done().stdout();
        assert!(planned.contains("READ IN THIS ORDER"), "{words}: {planned}");
    }
    let nothing = place.path("nothing.tar");
    place
        .run(words, [&nothing, &place.path("unknown")])
        .expect_exit(9);
    assert!(!nothing.exists());
    let ledger = fs::read_to_string(place.path("state/catalog/ledger.jsonl")).expect("a ledger");
    let ended = |target: &str| {
        let target = format!("\"target\":\"{target}\"");
        let lines = ledger
            .lines()
            .filter(|line| line.contains("\"type\":\"restored\""));
        lines.filter(|line| line.contains(&target)).count()
    };
    assert_eq!(ended("-"), 3);
    assert_eq!(ended(&archive.display().to_string()), 1);
}
