//! A command whose output becomes one file, of a length that nobody knows before its end.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::unistd::{Gid, Uid};

use super::ReadEnd;
use super::Remark;
use super::owners::Owners;
use super::pour::{CommandEnd, Pour, Unwanted};
use super::stream::{Context, StreamSource};
use crate::engine::process::{Ended, OUTPUT_CHUNK_BYTES, Process};
use crate::volume::member::{Condition, FileTime, Kind, Member, Part};

/// The most that is read before a header is written, and so the length of a part.
const PART_BYTES: u64 = 32 << 20;

/// Runs the command and hands on what it writes.
pub(super) fn pour(
    source: &StreamSource,
    context: &Context,
    sink: &mut dyn Pour,
) -> Result<CommandEnd, Unwanted> {
    let started = now();
    let chunks = part_chunks(context.segment_limit_bytes);
    let command = source.shell(context);
    let name = String::from_utf8_lossy(&source.place).into_owned();
    let mut process = match Process::start(&command, &name, chunks) {
        Ok(process) => process,
        Err(error) => return source.not_started(&error, sink),
    };
    let mut output = Output {
        file: file(&source.place, started),
        parts: 0,
        next: process.chunk(),
    };
    let ended = loop {
        let piece = output.gather(&mut process, chunks);
        if output.next.is_some() {
            output.hand_on(piece, false, ReadEnd::whole(), sink)?;
            continue;
        }
        let ended = process.finish();
        output.last(piece, &ended, sink)?;
        break ended;
    };
    Ok(source.ended(&ended))
}

/// How many chunks a part has: several parts fit into a segment, whatever its bound.
fn part_chunks(segment_limit_bytes: u64) -> usize {
    let part_bytes = PART_BYTES.min(segment_limit_bytes / 4);
    (part_bytes / OUTPUT_CHUNK_BYTES as u64).max(1) as usize
}

/// The output on its way.
struct Output {
    /// The file; its size is what was handed on.
    file: Member,
    parts: u32,
    /// The first chunk of the next part.
    next: Option<Vec<u8>>,
}

impl Output {
    /// The chunks of a part: all that is left, if the next one is missing then.
    fn gather(&mut self, process: &mut Process, chunks: usize) -> Vec<Vec<u8>> {
        let mut piece = Vec::new();
        while let Some(chunk) = self.next.take() {
            if piece.len() == chunks {
                self.next = Some(chunk);
                break;
            }
            piece.push(chunk);
            self.next = process.chunk();
        }
        piece
    }

    fn last(
        mut self,
        piece: Vec<Vec<u8>>,
        ended: &Ended,
        sink: &mut dyn Pour,
    ) -> Result<(), Unwanted> {
        let sentence = || ended.sentence("its command");
        if ended.ending.is_success() {
            return self.hand_on(piece, true, ReadEnd::whole(), sink);
        }
        if self.parts == 0 && piece.is_empty() {
            let what = format!("{} and gave nothing to archive", sentence());
            return sink.remark(Remark::problem(&self.file.path, what));
        }
        let end = ReadEnd {
            condition: Condition::Unreadable,
            what: Some(format!("{}; what came before that is on tape", sentence())),
            digest: None,
        };
        self.hand_on(piece, true, end, sink)
    }

    /// Hands on a part, or the file if this is all of it.
    fn hand_on(
        &mut self,
        piece: Vec<Vec<u8>>,
        last: bool,
        end: ReadEnd,
        sink: &mut dyn Pour,
    ) -> Result<(), Unwanted> {
        let length_bytes = piece.iter().map(|chunk| chunk.len() as u64).sum();
        let offset_bytes = self.file.size_bytes;
        self.file.size_bytes += length_bytes;
        if self.parts > 0 || !last {
            self.parts += 1;
            self.file.part = Some(Part {
                number: self.parts,
                offset_bytes,
                length_bytes,
                last,
                open: true,
            });
        }
        sink.begin(self.file.clone())?;
        for chunk in piece {
            sink.chunk(chunk, Condition::Whole)?;
        }
        sink.end(end)
    }
}

fn file(path: &[u8], time: FileTime) -> Member {
    let (uid, gid) = (Uid::current().as_raw(), Gid::current().as_raw());
    let mut owners = Owners::default();
    Member {
        path: path.to_vec(),
        kind: Kind::File,
        size_bytes: 0,
        mode: 0o600,
        uid,
        gid,
        user: owners.user(uid),
        group: owners.group(gid),
        mtime: time,
        ctime: time,
        xattrs: Vec::new(),
        extents: None,
        part: None,
        inode: None,
    }
}

fn now() -> FileTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    FileTime {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    }
}
