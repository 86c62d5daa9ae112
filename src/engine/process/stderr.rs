//! What a command says on standard error: to the log, and the end of it for the job's record.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::ChildStderr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// So much is kept.
const TAIL_BYTES: usize = 64 << 10;
/// The longest line that the log gets in one piece.
const LINE_BYTES: usize = 4 << 10;
/// How long the end of standard error is waited for once the command has ended: a process that
/// it left behind may hold it open for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// Keeps the end of what comes.
#[derive(Debug)]
pub(super) struct StderrTail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    /// Disconnected at the end.
    end: Receiver<()>,
}

impl StderrTail {
    pub(super) fn start(stderr: ChildStderr, name: &str) -> io::Result<Self> {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, end) = channel();
        let (writer, name) = (Arc::clone(&kept), name.to_owned());
        Builder::new()
            .name("command stderr".to_owned())
            .spawn(move || {
                listen(stderr, &writer, &name);
                drop::<std::sync::mpsc::Sender<()>>(sender);
            })?;
        Ok(Self { kept, end })
    }

    /// What there is, after the command has ended.
    pub(super) fn take(&self) -> Vec<u8> {
        // Disconnected or timed out, both are the end.
        let _ = self.end.recv_timeout(PATIENCE);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *kept).into()
    }
}

fn listen(mut stderr: ChildStderr, kept: &Mutex<VecDeque<u8>>, name: &str) {
    let mut buffer = vec![0; LINE_BYTES];
    let mut line = Vec::new();
    loop {
        let count = match stderr.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let bytes = &buffer[..count];
        {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(bytes);
            let surplus = kept.len().saturating_sub(TAIL_BYTES);
            kept.drain(..surplus);
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || line.len() >= LINE_BYTES {
                say(name, &mut line);
            }
        }
    }
    say(name, &mut line);
}

fn say(name: &str, line: &mut Vec<u8>) {
    if !line.is_empty() {
        tracing::info!("{name}: {}", String::from_utf8_lossy(line).trim_end());
        line.clear();
    }
}
