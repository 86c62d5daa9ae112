//! A simulated library, labelled and in use, in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tape_sim::cartridge::Medium;
use tape_sim::library::{Library, LibrarySpec};

/// One whose first tape is labelled for pool `p`; gone when it is dropped.
pub struct Installation {
    state: PathBuf,
    library: PathBuf,
}

impl Installation {
    /// Makes it below `work`.
    pub fn create(work: &Path, medium: Medium) -> Self {
        let spec = LibrarySpec {
            medium,
            ..LibrarySpec::default()
        };
        Self::with(work, spec)
    }

    /// The same with another library.
    pub fn with(work: &Path, spec: LibrarySpec) -> Self {
        let place = Self {
            state: work.join("state"),
            library: work.join("library"),
        };
        Library::create(&place.library, &spec).expect("a library");
        let mut used = place.command("library use --sim");
        for command in [
            used.arg(&place.library),
            &mut place.command("tape label SIM001L9 --pool p"),
        ] {
            let status = command.status().expect("the program starts");
            assert!(status.success(), "{command:?}");
        }
        place
    }

    /// The program with `words`, parted by spaces; it prints errors alone.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapewright"));
        command
            .env("TAPEWRIGHT_STATE", &self.state)
            .args(words.split(' '));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        for path in [&self.state, &self.library] {
            if let Err(error) = fs::remove_dir_all(path) {
                println!("{} stays: {error}", path.display());
            }
        }
    }
}
