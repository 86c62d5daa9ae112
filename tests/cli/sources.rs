//! Lists, streams, commands and hooks, from end to end.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Place, Ran, assert_same_tree, random_files};

fn text(place: &Place, name: &str) -> String {
    place.path(name).display().to_string()
}

#[test]
fn one_job_takes_paths_lists_streams_and_commands_and_all_come_back() {
    let place = Place::with_pool("512MB", 1);
    random_files(&place.path("paths"), 1, 3, 1000);
    random_files(&place.path("listed"), 2, 3, 1000);
    random_files(&place.path("streamed/deep"), 3, 3, 1_000_000);
    random_files(&place.path("long"), 4, 1, 40 << 20);
    fs::write(
        place.path("list"),
        format!("{}/0001\n", text(&place, "listed")),
    )
    .expect("a list");
    let job = format!(
        "pool = \"p\"\nname = \"all\"\nbefore = \"touch {0}/before\"\n\
         after = \"env | grep ^TAPEWRIGHT_ > {0}/after\"\n\
         [[source]]\npaths = [\"{0}/paths\"]\n\
         [[source]]\ntar_command = \"tar -C {0} -zcf - streamed\"\nas = \"hosts/web1\"\n",
        place.path("").display()
    );
    fs::write(place.path("job.toml"), job).expect("a job file");
    let command = format!("cat {}/0000", text(&place, "long"));
    let (job, list) = (text(&place, "job.toml"), text(&place, "list"));
    let words = [
        "archive",
        "--job",
        &job,
        "--files-from",
        &list,
        "--command",
        &command,
    ];
    place.run(words, ["--as", "db/long"]).expect_done();

    assert!(place.path("before").exists());
    let after = fs::read_to_string(place.path("after")).expect("the hook ran");
    for line in ["OUTCOME=complete", "EXIT=0", "JOB_NAME=all", "POOL=p"] {
        assert!(after.contains(&format!("TAPEWRIGHT_{line}\n")), "{after}");
    }
    let back = place.path("back");
    place.run(["restore", "**", "--to"], [&back]).expect_done();
    assert_same_tree(&place.path("streamed"), &back.join("hosts/web1/streamed"));
    let same = |restored: &str, source: &str| {
        let read = |path| fs::read(path).expect("a file");
        assert!(
            read(back.join(restored)) == read(place.path(source)),
            "{source}"
        );
    };
    same("db/long", "long/0000");
    let own = place.path("");
    let own = own
        .strip_prefix("/")
        .expect("absolute")
        .display()
        .to_string();
    same(&format!("{own}/paths/0002"), "paths/0002");
    same(&format!("{own}/listed/0001"), "listed/0001");
    assert!(!back.join(format!("{own}/listed/0002")).exists());
    place.run(["verify", "all"], [""; 0]).expect_done();

    // The catalog comes back from the tape alone, parts and all.
    fs::rename(place.path("state/catalog"), place.path("lost")).expect("a rename");
    place.run(["catalog", "rebuild"], [""; 0]).expect_done();
    let found = place.json(["find", "db/long"]);
    assert_eq!(found.len(), 2, "{found:?}");
    fs::remove_dir_all(&back).expect("a removal");
    place
        .run(["restore", "db/long", "--to"], [&back])
        .expect_done();
    same("db/long", "long/0000");
}

#[test]
fn a_failed_command_is_exit_code_7_and_the_ledger_keeps_what_it_said() {
    let place = Place::with_pool("256MB", 1);
    let command = "echo half; echo connection refused >&2; exit 2";
    let ran = place
        .run(
            ["archive", "--pool", "p", "--command", command],
            ["--as", "db/x"],
        )
        .expect_exit(7);
    assert!(
        ran.stdout()
            .contains("status 2; its last words: connection refused")
    );
    let ledger = fs::read_to_string(place.path("state/catalog/ledger.jsonl")).expect("a ledger");
    let end = ledger.lines().rfind(|line| line.contains("job_finished"));
    let line: serde_json::Value = serde_json::from_str(end.expect("an end")).expect("JSON");
    let ended = &line["event"]["commands"][0];
    assert_eq!(
        (&ended["place"], &ended["stderr"]),
        (&"db/x".into(), &"connection refused\n".into())
    );
    assert!(
        !ledger.contains("echo half"),
        "commands are nobody's business"
    );
    let found = place.json(["find", "--long", "db/x"]);
    assert_eq!(found[0]["condition"], "unreadable");
    let ran = place.run(["restore", "db/x", "--to"], [place.path("back")]);
    assert_eq!(
        fs::read(place.path("back/db/x")).expect("what came"),
        b"half\n"
    );
    assert!(ran.stdout().contains("db/x") || ran.stderr().contains("db/x"));
}

#[test]
fn a_job_that_lacks_a_stream_makes_nothing_of_it_gone() {
    let place = Place::with_pool("256MB", 1);
    random_files(&place.path("data"), 1, 2, 100);
    let tar = format!("tar -C {} -cf - data", place.path("").display());
    let full = [
        "archive",
        "--pool",
        "p",
        "--tar-command",
        &tar,
        "--as",
        "host",
    ];
    place.run(full, [place.path("data")]).expect_done();
    place
        .run(["archive", "--pool", "p"], [place.path("data")])
        .expect_done();
    let gone = |path: &str| place.json(["find", path])[0]["gone"].clone();
    assert_eq!(gone("host/data/0000"), false);
    fs::remove_file(place.path("data/0000")).expect("a removal");
    place.run(full, [place.path("data")]).expect_done();
    assert_eq!(gone("host/data/0000"), true);
    assert_eq!(gone("host/data/0001"), false);
}

#[test]
fn hooks_stop_a_job_or_make_it_partial_and_are_bounded_in_time() {
    let place = Place::with_pool("256MB", 1);
    random_files(&place.path("data"), 1, 1, 100);
    let data = text(&place, "data");
    let mark = format!(
        "echo $TAPEWRIGHT_OUTCOME $TAPEWRIGHT_EXIT > {}",
        text(&place, "mark")
    );
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["--before", "echo no >&2; exit 5"],
            1,
            "status 5; its last words: no; no tape was moved",
        ),
        (
            &["--before", "sleep 60", "--hook-timeout", "1s"],
            1,
            "was ended after 1 s",
        ),
        (
            &["--after", "exit 5"],
            7,
            "after the job exited with status 5",
        ),
        (
            &["--after", "sleep 60", "--hook-timeout", "1s"],
            7,
            "was ended after 1 s",
        ),
        (&["--before", "true", "--after", "true"], 0, ""),
    ];
    for (hooks, exit, words) in cases {
        let started = Instant::now();
        let ran = place
            .run(["archive", "--pool", "p", &data], hooks)
            .expect_exit(exit);
        assert!(ran.stderr().contains(words), "{hooks:?}: {}", ran.stderr());
        assert!(started.elapsed() < Duration::from_secs(30), "{hooks:?}");
        let after_always = [
            "archive", "--pool", "p", &data, "--before", "false", "--after", &mark,
        ];
        place.run(after_always, [""; 0]).expect_exit(1);
        let said = fs::read_to_string(place.path("mark")).expect("it ran");
        assert_eq!(said, "failed 1\n");
    }
    let receipts = fs::read_to_string(place.path("state/catalog/ledger.jsonl")).expect("a ledger");
    let of_files =
        |line: &&str| line.contains("\"type\":\"receipt\"") && !line.contains("\"content\"");
    assert_eq!(receipts.lines().filter(of_files).count(), 3);
}

#[test]
fn what_makes_no_sense_is_wrong_usage_and_says_why() {
    let place = Place::with_pool("256MB", 1);
    let bad = place.path("bad.toml");
    fs::write(&bad, "pool = \"p\"\npools = 1\n").expect("a file");
    let bad = bad.display().to_string();
    let cases: [(&[&str], &str); 9] = [
        (&["--pool", "p"], "required"),
        (&["--pool", "p", ""], "an empty path"),
        (
            &["--pool", "p", "--files-from", "-", "--files-from", "-"],
            "named twice",
        ),
        (&["--pool", "p", "--command", "true"], "--as PATH"),
        (&["--pool", "p", "--as", "x"], "required"),
        (&["--pool", "p", "x", "--as", "x"], "follows no"),
        (
            &["--pool", "p", "--command", "true", "--as", "../x"],
            "is no place",
        ),
        (&["--job", &bad], "line 2"),
        (&["x"], "--pool"),
    ];
    for (words, why) in cases {
        let ran = place.run(["archive"], words).expect_exit(2);
        assert!(ran.stderr().contains(why), "{words:?}: {}", ran.stderr());
    }
}

#[test]
fn a_command_does_not_outlive_tapewright() {
    let place = Place::with_pool("256MB", 1);
    for signal in ["INT", "KILL"] {
        let pid = place.path(&format!("pid-{signal}"));
        let command = format!("echo $$ > {}; sleep 300", pid.display());
        let mut running = place
            .command()
            .args([
                "archive",
                "--pool",
                "p",
                "--command",
                &command,
                "--as",
                signal,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let until = Instant::now() + Duration::from_secs(60);
        let shell = loop {
            let written = fs::read_to_string(&pid).unwrap_or_default();
            if written.ends_with('\n') {
                break written.trim().to_owned();
            }
            assert!(Instant::now() < until, "the command does not begin");
            std::thread::sleep(Duration::from_millis(20));
        };
        let own = running.id().to_string();
        let kill = |signal: &str, pid: &str| {
            let mut kill = std::process::Command::new("kill");
            let kill = kill.args(["-s", signal, pid]).stderr(Stdio::null());
            kill.status().expect("kill runs").success()
        };
        assert!(kill(signal, &own));
        running.wait().expect("it ends");
        while kill("0", &shell) {
            assert!(Instant::now() < until, "{signal}: the command goes on");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once_with_what_is_safe_and_how_to_go_on() {
    let place = Place::with_pool("256MB", 1);
    let begun = place.path("begun");
    // It takes the first signal for seconds.
    let command = format!("trap '' TERM; touch {}; sleep 300", begun.display());
    let words = [
        "archive",
        "--pool",
        "p",
        "--command",
        &command,
        "--as",
        "out",
    ];
    let mut running = place.command();
    let running = running.args(words).stdout(Stdio::null());
    let running = running.stderr(Stdio::piped()).spawn().expect("it starts");
    let until = Instant::now() + Duration::from_secs(60);
    while !begun.exists() {
        assert!(Instant::now() < until, "the command does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    for signal in ["INT", "TERM"] {
        let mut kill = std::process::Command::new("kill");
        let kill = kill.args(["-s", signal, &running.id().to_string()]);
        assert!(kill.status().expect("kill runs").success());
    }
    let ended = Ran(running.wait_with_output().expect("it ended")).expect_exit(130);
    let told = ended.stderr();
    for words in ["stopped at once", "confirmed", "`archive --resume JOB`"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_job_with_commands_that_failed_or_was_killed_goes_on_with_its_sources_named_again() {
    let place = Place::with_pool("512MB", 1);
    let dump = crate::random::Random(5).bytes(20_000_000);
    fs::write(place.path("dump"), &dump).expect("a dump");
    let file = |ending: &str| {
        let job = format!(
            "pool = \"p\"\nname = \"j\"\nsegment_size = \"4MiB\"\n\
             [[source]]\ncommand = \"echo >>{0}/runs; cat {0}/dump; {ending}\"\nas = \"db\"\n",
            place.path("").display()
        );
        fs::write(place.path("job.toml"), job).expect("a job file");
    };
    let job = text(&place, "job.toml");

    // Killed with parts on tape, committed or not.
    file("sleep 60");
    let mut killed = place.command();
    let killed = killed
        .args(["archive", "--job", &job])
        .stdout(Stdio::null());
    let mut killed = killed.spawn().expect("it starts");
    let ledger = place.path("state/catalog/ledger.jsonl");
    let committed = || {
        let lines = fs::read_to_string(&ledger).expect("a ledger");
        lines.contains("\"type\":\"receipt\"")
    };
    let started = Instant::now();
    while !committed() && started.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ended");

    let refused = place
        .run(["archive", "--resume", "j"], [""; 0])
        .expect_exit(2);
    let told = refused.stderr();
    assert!(told.contains("--resume JOB --job FILE"), "{told}");
    // What failed runs again, what did not does not.
    for (ending, code) in [("exit 1", 7), ("exit 0", 0)] {
        file(ending);
        place
            .run(["archive", "--resume", "j"], ["--job", &job])
            .expect_exit(code);
    }
    let done = place
        .run(["archive", "--resume", "j"], ["--job", &job])
        .expect_exit(2);
    assert!(done.stderr().contains("nothing to resume"));
    assert_eq!(fs::read(place.path("runs")).expect("runs").len(), 3);
    let back = place.path("back");
    place.run(["restore", "db", "--to"], [&back]).expect_done();
    assert!(fs::read(back.join("db")).expect("the dump") == dump);
}
