//! Ends a command's process group if this program is no longer there to do it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::unistd::Pid;

/// Waits for its standard input to end, which happens when we do, in whatever way.
const SCRIPT: &str = "read -r word; [ \"$word\" = done ] && exit
kill -s TERM -- \"-$1\"; sleep 2; kill -s KILL -- \"-$1\"";

/// The watching process.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    leash: Option<ChildStdin>,
}

impl Watchdog {
    /// Watches over `group`, in a group of its own: a Ctrl-C at the terminal does not end it.
    pub(super) fn start(group: Pid) -> io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "sh", &group.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let leash = child.stdin.take();
        Ok(Self { child, leash })
    }

    /// The group has ended: nothing is left to watch, and its number may soon be another's.
    pub(super) fn dismiss(&mut self) {
        let _ = self.child.kill();
        self.leash = None;
        let _ = self.child.wait();
    }
}
