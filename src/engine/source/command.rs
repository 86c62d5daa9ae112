//! A command whose output becomes one file, of a length that nobody knows before its end.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::unistd::{Gid, Uid};

use super::ReadEnd;
use super::Remark;
use super::growing::{Growing, part_bytes};
use super::owners::Owners;
use super::pour::{CommandEnd, Pour, Unwanted};
use super::stream::{Context, StreamSource};
use crate::engine::process::{Ended, OUTPUT_CHUNK_BYTES, Process};
use crate::volume::member::{Condition, FileTime, Kind, Member};

/// Runs the command and hands on what it writes.
pub(super) fn pour(
    source: &StreamSource,
    context: &Context,
    sink: &mut dyn Pour,
) -> Result<CommandEnd, Unwanted> {
    let started = now();
    let part_bytes = part_bytes(context.segment_limit_bytes);
    // A part ahead of the one that is held.
    let ahead = part_bytes as usize / OUTPUT_CHUNK_BYTES;
    let name = String::from_utf8_lossy(&source.place).into_owned();
    let mut process = match Process::start(&source.shell(context), &name, ahead) {
        Ok(process) => process,
        Err(error) => return source.not_started(&error, sink),
    };
    let mut output = Growing::new(file(&source.place, started), part_bytes);
    while let Some(chunk) = process.chunk() {
        output.chunk(chunk, sink)?;
    }
    let ended = process.finish();
    conclude(output, &ended, sink)?;
    Ok(source.ended(&ended))
}

fn conclude(output: Growing, ended: &Ended, sink: &mut dyn Pour) -> Result<(), Unwanted> {
    let sentence = || ended.sentence("its command");
    if ended.ending.is_success() {
        return output.end(None, ReadEnd::whole(), sink);
    }
    if output.is_empty() {
        let what = format!("{} and gave nothing to archive", sentence());
        return sink.remark(Remark::problem(output.path(), what));
    }
    let end = ReadEnd {
        condition: Condition::Unreadable,
        what: Some(format!("{}; what came before that is on tape", sentence())),
        digest: None,
    };
    output.end(None, end, sink)
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
