//! A place with a tape in a simulated library, and the ways to get back what is on it, each in a
//! process of its own with little memory and time.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tape_sim::library::{Library, LibrarySpec};
use tapewright::changer::{Changer, ElementKind};
use tapewright::drive::{Drive, DriveMode, FilemarkReturns, ReadyWait, SequentialDevice};
use tapewright::transport::sim::SimTransport;
use tapewright::volume::tar::{Event, MemberParser};
use tempfile::TempDir;

use crate::rig::Volume;
use crate::tape::Object;

/// The tape that is hostile.
pub const BARCODE: &str = "SIM001L9";
/// A file that lies beside what is hostile, and its content.
pub const GOOD: &str = "good";
/// What a process may take: memory in KiB, seconds.
const MEMORY_KIB: u64 = 1_500_000;
const SECONDS: u64 = 60;

/// Removes a tree of any depth.
fn remove(path: &Path) {
    let removed = Command::new("rm").arg("-rf").arg(path).status().unwrap();
    assert!(removed.success());
}

impl Drop for Scene {
    fn drop(&mut self) {
        remove(&self.path("to"));
    }
}

/// How files are brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Lookup,
    FromTape,
    Rescue,
    AsTar,
}

pub const WAYS: [Way; 4] = [Way::Lookup, Way::FromTape, Way::Rescue, Way::AsTar];

pub struct Scene {
    dir: TempDir,
    /// All is done by an ordinary user, to whom all belongs, if root runs the test.
    drops_root: bool,
}

/// An ordinary user.
const NOBODY: u32 = 65_534;

impl Scene {
    pub fn new(as_user: bool) -> Self {
        let dir = TempDir::with_prefix("tapewright-hostile-").unwrap();
        let drops_root = as_user && rustix::process::geteuid().is_root();
        let scene = Self { dir, drops_root };
        if drops_root {
            // The user may not be let to where it was built.
            fs::copy(env!("CARGO_BIN_EXE_tapewright"), scene.program()).unwrap();
        }
        fs::create_dir_all(scene.precious().join("inner")).unwrap();
        fs::write(scene.precious().join("file"), "untouched").unwrap();
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(scene.precious().join("file"), mode).unwrap();
        let spec = LibrarySpec {
            drives: 1,
            slots: 2,
            cartridges: Some(1),
            capacity_bytes: Some(1 << 30),
            ..LibrarySpec::default()
        };
        Library::create(&scene.path("library"), &spec).unwrap();
        scene.give_away(scene.dir.path());
        let library = scene.path("library");
        let used = scene.run(&["library", "use", "--sim", library.to_str().unwrap()]);
        assert!(used.status.success(), "{used:?}");
        scene
    }

    /// Whoever does all has all.
    fn give_away(&self, path: &Path) {
        if self.drops_root {
            let mut chown = Command::new("chown");
            chown.args(["-R", &format!("{NOBODY}:{NOBODY}")]);
            assert!(chown.arg(path).status().unwrap().success());
        }
    }

    fn program(&self) -> PathBuf {
        match self.drops_root {
            true => self.path("tapewright"),
            false => env!("CARGO_BIN_EXE_tapewright").into(),
        }
    }

    /// A program that whoever does all starts.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if self.drops_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A directory that is nobody's business.
    pub fn precious(&self) -> PathBuf {
        self.path("precious")
    }

    /// Everything about everything outside of the targets.
    pub fn outside(&self) -> Vec<String> {
        let mut all = Vec::new();
        for path in [
            self.precious(),
            self.precious().join("inner"),
            self.precious().join("file"),
        ] {
            let stat = fs::symlink_metadata(&path).unwrap();
            let change = (stat.ctime(), stat.ctime_nsec(), stat.nlink(), stat.mode());
            all.push(format!("{} {change:?}", path.display()));
        }
        for dir in [
            self.precious(),
            self.dir.path().to_owned(),
            PathBuf::from("/"),
        ] {
            let mut names: Vec<_> = fs::read_dir(&dir)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| !["to", "state"].contains(&name.as_str()))
                .collect();
            names.sort();
            all.push(format!("{names:?}"));
        }
        all
    }

    /// Writes the volume to the cartridge, as a program other than ours would.
    pub fn put(&self, volume: &Volume) {
        let library = self.path("library");
        let transport = SimTransport::changer(&library).unwrap();
        let mut changer = Changer::open(Box::new(transport)).unwrap();
        let patience = std::time::Duration::from_secs(5);
        changer
            .wait_ready(patience, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let inventory = changer.inventory().unwrap();
        let slot = inventory.find(BARCODE).unwrap().address;
        let bay = inventory
            .of_kind(ElementKind::Drive)
            .next()
            .unwrap()
            .address;
        changer.move_medium(slot, bay).unwrap();
        let transport = SimTransport::drive(&library, 0).unwrap();
        let mut drive = Drive::open(Box::new(transport)).unwrap();
        drive
            .wait_ready(&ReadyWait::default(), &mut |_| ControlFlow::Continue(()))
            .unwrap();
        drive.set_mode(&DriveMode::default()).unwrap();
        drive.rewind().unwrap();
        for object in &volume.tape.medium().objects {
            match object {
                Object::Record(record) => drop(drive.write_block(record).unwrap()),
                Object::Filemark => {
                    drive.write_filemark(FilemarkReturns::Immediate).unwrap();
                }
            }
        }
        drive.synchronize().unwrap();
        drive.unload().unwrap();
        drop(drive);
        changer.move_medium(bay, slot).unwrap();
        self.give_away(&library);
    }

    /// Runs the program within its bounds.
    fn run(&self, words: &[&str]) -> Output {
        let limits = format!("ulimit -v {MEMORY_KIB}; exec timeout {SECONDS} \"$0\" \"$@\"");
        let mut shell = self.command("sh");
        let output = shell
            .args(["-c", &limits])
            .arg(self.program())
            .args(words)
            .env("TAPEWRIGHT_STATE", self.path("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{words:?}: {said}");
        assert_eq!(output.status.signal(), None, "{words:?}: {said}");
        let code = output.status.code().unwrap();
        assert!(code < 100, "{words:?}: {code} {said}");
        output
    }

    /// Brings back what comes, into a new directory. Whether the good file is there then.
    pub fn restore(&self, way: Way) -> bool {
        let to = self.path("to");
        remove(&to);
        fs::create_dir(&to).unwrap();
        self.give_away(&to);
        let target = to.join("in");
        let words = target.to_str().unwrap();
        match way {
            Way::Lookup => {
                self.run(&["catalog", "rebuild", BARCODE]);
                self.run(&["restore", "**", "--to", words]);
            }
            Way::FromTape => {
                self.run(&["restore", "--from-tape", BARCODE, "**", "--to", words]);
            }
            Way::Rescue => {
                self.run(&["tape", "rescue", BARCODE, "--to", words]);
            }
            Way::AsTar => {
                let ran = self.run(&["restore", "--from-tape", BARCODE, "**", "--as-tar"]);
                self.extract(&ran.stdout, &target);
            }
        }
        let beside: Vec<_> = fs::read_dir(&to).unwrap().collect();
        assert!(beside.len() <= 1, "{way:?}: {beside:?}");
        [
            target.join(GOOD),
            target.join(BARCODE).join("file-00001").join(GOOD),
        ]
        .iter()
        .any(|path| fs::read(path).is_ok_and(|content| content == GOOD.as_bytes()))
    }

    /// Has GNU tar take every name in the archive as it is.
    fn extract(&self, archive: &[u8], target: &Path) {
        let mut parser = MemberParser::new();
        let mut rest = archive;
        while let Some(event) = parser.next(&mut rest).unwrap() {
            if let Event::Refused { name, why, .. } = event {
                panic!("{}: {why}", String::from_utf8_lossy(&name));
            }
        }
        if archive.is_empty() {
            return;
        }
        fs::create_dir(target).unwrap();
        self.give_away(target);
        let file = self.path("to").join("archive");
        fs::write(&file, archive).unwrap();
        let mut tar = self.command("tar");
        let _ = tar
            .args(["-x", "-P", "-f"])
            .arg(&file)
            .arg("-C")
            .arg(target)
            .output()
            .unwrap();
        fs::remove_file(file).unwrap();
    }
}
