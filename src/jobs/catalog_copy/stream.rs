//! The export of the catalog as pieces that come from a thread of their own.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use catalogs::Catalog;
use catalogs::portable::PortableError;

use crate::error_text::with_causes;
use crate::jobs::SOFTWARE;

/// Bytes of a piece.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces that wait for the tape.
const AHEAD: usize = 8;

type Piece = io::Result<Option<Vec<u8>>>;

/// Has `work` take the export piece by piece; `None` is its end. What `work` does not take is
/// not made.
pub(super) fn with_export<T>(
    catalog: &Catalog,
    work: impl FnOnce(&mut dyn FnMut() -> Piece) -> T,
) -> T {
    let wanted = AtomicBool::new(true);
    thread::scope(|scope| {
        let (sender, pieces) = sync_channel(AHEAD);
        scope.spawn(|| make(catalog, sender, &wanted));
        let done = work(&mut || next(&pieces));
        wanted.store(false, Ordering::Relaxed);
        // Whoever waits for room in the channel waits no longer.
        drop(pieces);
        done
    })
}

fn next(pieces: &Receiver<Piece>) -> Piece {
    let ended = |_| io::Error::other("the export of the catalog broke off");
    pieces.recv().map_err(ended)?
}

fn make(catalog: &Catalog, sender: SyncSender<Piece>, wanted: &AtomicBool) {
    let go_on = || wanted.load(Ordering::Relaxed);
    let out = Pieces {
        sender: &sender,
        piece: Vec::with_capacity(PIECE_BYTES),
    };
    let end = match catalog.export(SOFTWARE, out, &go_on) {
        Ok(_) => Ok(None),
        Err(PortableError::Stopped) => return,
        Err(error) => Err(io::Error::other(with_causes(&error))),
    };
    // Nobody listens any more only where nobody wants it.
    let _ = sender.send(end);
}

struct Pieces<'a> {
    sender: &'a SyncSender<Piece>,
    piece: Vec<u8>,
}

impl Pieces<'_> {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.sender.send(Ok(Some(piece))).map_err(gone)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.send()?;
        }
        Ok(taken)
    }

    /// The export flushes once, at its end.
    fn flush(&mut self) -> io::Result<()> {
        match self.piece.is_empty() {
            true => Ok(()),
            false => self.send(),
        }
    }
}
