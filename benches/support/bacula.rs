//! Bacula beside us: a private installation that `bacula.sh` makes and runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A private Bacula with an empty catalog.
pub struct Bacula {
    directory: PathBuf,
}

impl Bacula {
    /// Makes one below `work`; why not, where it is not installed.
    pub fn prepare(work: &Path) -> Result<Self, String> {
        let directory = work.join("bacula");
        // The directory above is for us alone, and PostgreSQL runs as another user.
        let _ = Command::new("chmod").arg("a+x").arg(work).status();
        let bacula = Self { directory };
        let output = bacula.command("prepare", Path::new("")).output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(bacula);
        }
        let told = String::from_utf8_lossy(&output.stderr);
        Err(told.trim_end().to_owned())
    }

    /// `backup` of a source, or `restore` of the last backup to a target.
    pub fn command(&self, verb: &str, path: &Path) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/bacula.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(verb).arg(&self.directory).arg(path);
        command
    }
}
