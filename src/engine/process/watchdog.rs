//! Ends a command's process group if this program is no longer there to do it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::unistd::Pid;

/// Waits for its standard input to end, which happens when we do, in whatever way.
const SCRIPT: &str = "trap '' TERM; read -r word
kill -s TERM -- \"-$$\"; sleep 2; kill -s KILL -- \"-$$\"";

/// The watching process. It leads the group that it watches, so it is there before the
/// command is, and no other group gets this number while it has not been waited for.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    leash: Option<ChildStdin>,
}

impl Watchdog {
    /// Begins a group, for a command to join.
    pub(super) fn start() -> io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let leash = child.stdin.take();
        Ok(Self { child, leash })
    }

    /// The group.
    pub(super) fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// The command has ended: nothing is left to watch.
    pub(super) fn dismiss(&mut self) {
        let _ = self.child.kill();
        self.leash = None;
        let _ = self.child.wait();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.dismiss();
    }
}
