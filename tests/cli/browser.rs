//! The browser as a user sees it: in a pseudo terminal, key by key.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Place, restored};

/// What leaves the full screen, and what shows the cursor again.
const LEFT: &str = "\u{1b}[?1049l\u{1b}[?25h";

/// The browser in a terminal of 80 columns and 24 lines.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    seen: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Terminal {
    fn browse(place: &Place, path: &Path) -> Terminal {
        let pid = place.path("pid");
        let command = format!(
            "stty rows 24 cols 80; echo $$ > {}; exec {} browse {} --to {}",
            pid.display(),
            env!("CARGO_BIN_EXE_tapewright"),
            path.display(),
            place.path("back").display()
        );
        let mut script = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("TAPEWRIGHT_STATE", place.path("state"))
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is installed");
        let keys = script.stdin.take().expect("it is piped");
        let mut output = script.stdout.take().expect("it is piped");
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut kept = kept.lock().expect("nobody panics with it");
                kept.extend_from_slice(&bytes[..count]);
            }
        });
        Terminal {
            script,
            keys,
            seen,
            reader: Some(reader),
        }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("nobody panics with it")).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let begin = Instant::now();
        while !self.seen().contains(text) {
            let waited = begin.elapsed();
            assert!(
                waited < Duration::from_secs(60),
                "no {text} in {:?}",
                self.seen()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, keys: &str) {
        let pressed = self.keys.write_all(keys.as_bytes());
        pressed
            .and_then(|()| self.keys.flush())
            .expect("a terminal");
    }

    /// How it ended, and all that was on the screen.
    fn end(mut self) -> (ExitStatus, String) {
        let status = self.script.wait().expect("it was started");
        let reader = self.reader.take().expect("it ends once");
        reader.join().expect("it only reads");
        (status, self.seen())
    }
}

#[test]
fn what_is_marked_on_the_screen_is_restored() {
    let place = Place::with_pool("64MiB", 1);
    let data = place.path("data");
    fs::create_dir_all(data.join("docs")).expect("directories");
    fs::create_dir_all(data.join("photos")).expect("directories");
    fs::write(data.join("docs/letter"), "not wanted").expect("a file");
    fs::write(data.join("photos/a\u{1b}[2Jname"), "not wanted").expect("a file");
    fs::write(data.join("photos/o[n]e*"), "wanted").expect("a file");
    fs::write(data.join("photos/one"), "not wanted").expect("a file");
    place.run(["archive", "--pool", "p"], [&data]).expect_done();

    let mut terminal = Terminal::browse(&place, &data);
    terminal.wait_for("photos/");
    terminal.press("j\r");
    terminal.wait_for("o[n]e*");
    terminal.press("j t");
    terminal.wait_for("SIM001L9");
    terminal.press("r\r");
    let (status, seen) = terminal.end();
    assert!(status.success(), "{seen:?}");
    assert!(seen.contains("a\\u{1b}[2Jname"), "{seen:?}");
    let after = seen.split_once(LEFT).expect("the screen is left").1;
    assert!(after.contains("restore complete: "), "{after:?}");
    let back = restored(&place.path("back"), &data);
    assert_eq!(
        fs::read(back.join("photos/o[n]e*")).expect("a file"),
        b"wanted"
    );
    let names = fs::read_dir(back.join("photos")).expect("a directory");
    assert_eq!(names.count(), 1, "nothing else is restored");
    assert!(!back.join("docs").exists());
}

#[test]
fn the_terminal_is_given_back_however_the_browser_ends() {
    let place = Place::with_pool("64MiB", 1);
    let data = place.path("data");
    fs::create_dir_all(data.join("docs")).expect("directories");
    place.run(["archive", "--pool", "p"], [&data]).expect_done();
    for (end, code) in [("q", 0), ("\u{3}", 0), ("TERM", 130)] {
        let mut terminal = Terminal::browse(&place, &data);
        terminal.wait_for("docs/");
        match end {
            "TERM" => {
                let pid = fs::read_to_string(place.path("pid")).expect("a file");
                let kill = Command::new("kill").args(["-TERM", pid.trim()]).status();
                assert!(kill.expect("kill is installed").success());
            }
            keys => terminal.press(keys),
        }
        let (status, seen) = terminal.end();
        assert_eq!(status.code(), Some(code), "{end}: {seen:?}");
        assert!(seen.contains(LEFT), "{end}: {seen:?}");
    }
}

#[test]
fn without_a_terminal_the_browser_names_what_serves_scripts() {
    let ran = Place::with_library("1GB")
        .run(["browse"], [""; 0])
        .expect_exit(2);
    for command in ["`ls`", "`find`", "`restore`"] {
        assert!(ran.stderr().contains(command), "{}", ran.stderr());
    }
}
