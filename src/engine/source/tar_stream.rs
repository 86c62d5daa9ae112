//! A command that writes a tar archive, whose members become members of ours one by one.
//!
//! What comes may be hostile or cut off: what was whole until then is kept, and no more of a file
//! is claimed than came.

use std::io::{self, Read};

use super::Remark;
use super::growing::{Growing, end_early, part_bytes};
use super::pour::{Pour, Unwanted};
use super::stream::{Context, StreamEnd, StreamSource};
use super::{ReadEnd, unpack};
use crate::engine::process::{Ended, Ending, OUTPUT_CHUNK_BYTES, Process};
use crate::volume::member::{Condition, Kind, Member};
use crate::volume::tar::{Event, MemberParser};

/// Files up to this size travel whole, with their metadata.
pub(in crate::engine) const SMALL_FILE_BYTES: u64 = 256 << 10;
/// Chunks of output that are read before they are asked for.
const AHEAD_CHUNKS: usize = 8;
/// Names tried for a name that comes again and again.
const DUPLICATES_MAX: u32 = 1000;

/// Runs the command and hands on the members of what it writes.
pub(super) fn pour(
    source: &StreamSource,
    context: &Context,
    sink: &mut dyn Pour,
) -> Result<StreamEnd, Unwanted> {
    let name = String::from_utf8_lossy(&source.place).into_owned();
    let mut process = match Process::start(&source.shell(context), &name, AHEAD_CHUNKS) {
        Ok(process) => process,
        Err(error) => {
            let command = source.not_started(&error, sink)?;
            return Ok(StreamEnd {
                excluded: 0,
                command,
            });
        }
    };
    let mut members = Members {
        source,
        context,
        sink,
        parser: MemberParser::foreign(),
        current: Current::None,
        excluded: 0,
    };
    let read = match unpack::unpacked(&mut process) {
        Ok(stream) => members.read_all(stream)?,
        Err(error) => Err(error.to_string()),
    };
    let ended = match read {
        Ok(()) => process.finish(),
        Err(_) => process.abandon(),
    };
    members.conclude(read, &ended)?;
    Ok(StreamEnd {
        excluded: members.excluded,
        command: source.ended(&ended),
    })
}

/// The members on their way.
struct Members<'a> {
    source: &'a StreamSource,
    context: &'a Context,
    sink: &'a mut dyn Pour,
    parser: MemberParser,
    current: Current,
    excluded: u64,
}

/// The member whose data come.
enum Current {
    /// None, or one that is left out.
    None,
    /// Its data are collected.
    Small { member: Box<Member>, data: Vec<u8> },
    /// Its data are handed on in parts, if it is longer than one; the chunk that is being filled.
    Large {
        file: Box<Growing>,
        size_bytes: u64,
        chunk: Vec<u8>,
    },
}

impl Members<'_> {
    /// Reads to the end of the stream; inside, what is wrong with its bytes.
    fn read_all(&mut self, mut stream: impl Read) -> Result<Result<(), String>, Unwanted> {
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = match stream.read(&mut buffer) {
                Ok(0) => return Ok(Ok(())),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Err(format!("it cannot be unpacked: {error}"))),
            };
            let mut parser = std::mem::take(&mut self.parser);
            let mut input = &buffer[..count];
            let parsed = loop {
                match parser.next(&mut input) {
                    Ok(Some(event)) => self.event(event, parser.take_remarks())?,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error.to_string()),
                }
            };
            self.parser = parser;
            if let Err(what) = parsed {
                return Ok(Err(what));
            }
        }
    }

    fn event(&mut self, event: Event<'_>, remarks: Vec<String>) -> Result<(), Unwanted> {
        match event {
            Event::Member { member, .. } => self.member(*member, remarks),
            Event::Refused { name, why, .. } => {
                let name: Vec<u8> = name.into_iter().take(4096).collect();
                let path = [&self.source.place[..], b"/", &name].concat();
                self.sink.remark(Remark::problem(
                    &path,
                    format!("it cannot be archived: {why}"),
                ))
            }
            Event::Data { bytes, .. } => self.data(bytes),
            Event::MemberEnd => self.member_end(None),
            Event::Global(_) | Event::End => Ok(()),
        }
    }

    fn member(&mut self, mut member: Member, remarks: Vec<String>) -> Result<(), Unwanted> {
        member.path = self.placed(&member.path);
        if self.is_excluded(&member) {
            self.excluded += 1;
            return Ok(());
        }
        if let Kind::Hardlink(target) = &member.kind {
            let target = self.placed(target);
            if self.context.seen.contains(&target) == Some(false) {
                let target = String::from_utf8_lossy(&target);
                let what = format!(
                    "it cannot be archived: it is a further name of /{target}, which the stream \
                     did not bring before"
                );
                return self.sink.remark(Remark::problem(&member.path, what));
            }
            member.kind = Kind::Hardlink(target);
        }
        if !self.has_own_name(&mut member)? {
            return Ok(());
        }
        for what in remarks {
            self.sink.remark(Remark::problem(&member.path, what))?;
        }
        let payload_bytes = member.payload_bytes();
        if payload_bytes <= SMALL_FILE_BYTES {
            self.current = Current::Small {
                data: Vec::with_capacity(payload_bytes as usize),
                member: Box::new(member),
            };
            return Ok(());
        }
        let part_bytes = part_bytes(self.context.segment_limit_bytes);
        self.current = Current::Large {
            size_bytes: member.size_bytes,
            file: Box::new(Growing::new(member, part_bytes)),
            chunk: Vec::with_capacity(OUTPUT_CHUNK_BYTES),
        };
        Ok(())
    }

    /// Where a name of the stream is on tape.
    fn placed(&self, name: &[u8]) -> Vec<u8> {
        match name {
            b"" => self.source.place.clone(),
            name => [&self.source.place[..], b"/", name].concat(),
        }
    }

    /// True if a pattern matches the member or a directory it lies in.
    fn is_excluded(&self, member: &Member) -> bool {
        let path = &member.path;
        let excludes = &self.context.excludes;
        let directory =
            |end: usize| excludes.matches(&path[..end]) || excludes.matches_directory(&path[..end]);
        let mut slashes = (0..path.len()).filter(|&at| path[at] == b'/');
        excludes.matches(path)
            || member.kind == Kind::Directory && excludes.matches_directory(path)
            || slashes.any(directory)
    }

    /// Sees to it that no name is on tape twice: false for a directory that is there already.
    fn has_own_name(&mut self, member: &mut Member) -> Result<bool, Unwanted> {
        let seen = &self.context.seen;
        if seen.insert(&member.path) {
            return Ok(true);
        }
        if member.kind == Kind::Directory {
            return Ok(false);
        }
        let own = (2..=DUPLICATES_MAX).find_map(|number| {
            let suffix = format!(".tapewright-duplicate-{number}");
            let path = [&member.path[..], suffix.as_bytes()].concat();
            seen.insert(&path).then_some(path)
        });
        let Some(own) = own else {
            let what = "it cannot be archived: its name came too often in the stream";
            self.sink.remark(Remark::problem(&member.path, what))?;
            return Ok(false);
        };
        let what = format!(
            "its name came again in the stream; this one is archived as /{}",
            String::from_utf8_lossy(&own)
        );
        self.sink.remark(Remark::problem(&member.path, what))?;
        member.path = own;
        Ok(true)
    }

    fn data(&mut self, mut bytes: &[u8]) -> Result<(), Unwanted> {
        match &mut self.current {
            Current::None => Ok(()),
            Current::Small { data, .. } => {
                data.extend_from_slice(bytes);
                Ok(())
            }
            Current::Large { file, chunk, .. } => {
                while !bytes.is_empty() {
                    let count = bytes.len().min(OUTPUT_CHUNK_BYTES - chunk.len());
                    let (now, later) = bytes.split_at(count);
                    chunk.extend_from_slice(now);
                    bytes = later;
                    if chunk.len() == OUTPUT_CHUNK_BYTES {
                        let empty = Vec::with_capacity(OUTPUT_CHUNK_BYTES);
                        let full = std::mem::replace(chunk, empty);
                        file.chunk(full, &mut *self.sink)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The member ends; `cut`: before all its data came, as this says.
    fn member_end(&mut self, cut: Option<ReadEnd>) -> Result<(), Unwanted> {
        let early = cut.is_some();
        let end = cut.unwrap_or_else(ReadEnd::whole);
        match std::mem::replace(&mut self.current, Current::None) {
            Current::None => Ok(()),
            Current::Small { mut member, data } => {
                if early {
                    end_early(&mut member, data.len() as u64);
                }
                self.sink.object(*member, data, end)
            }
            Current::Large {
                mut file,
                size_bytes,
                chunk,
            } => {
                if !chunk.is_empty() {
                    file.chunk(chunk, &mut *self.sink)?;
                }
                file.end((!early).then_some(size_bytes), end, &mut *self.sink)
            }
        }
    }

    /// The stream has ended, as `read` says, and so has its command.
    fn conclude(&mut self, read: Result<(), String>, ended: &Ended) -> Result<(), Unwanted> {
        let whole = read.is_ok() && self.parser.may_end();
        let cut = match &self.current {
            Current::None => None,
            Current::Small { member, .. } => Some(&member.path[..]),
            Current::Large { file, .. } => Some(file.path()),
        };
        let at_byte = self.parser.position();
        let what = match (&read, ended.ending) {
            (Ok(()), Ending::Exited(0)) if whole => return Ok(()),
            (Ok(()), _) if whole => {
                format!("its stream is whole, but {}", ended.sentence("its command"))
            }
            (Err(what), Ending::Exited(0) | Ending::Unwanted) => {
                format!("its stream is damaged: {what}; what came before that is archived")
            }
            (_, Ending::Exited(0)) if at_byte == 0 => "its command wrote no archive".to_owned(),
            (_, Ending::Exited(0)) => {
                format!("its stream is cut off behind byte {at_byte}; what came whole is archived")
            }
            _ => format!(
                "its stream is cut off behind byte {at_byte}; what came whole is archived; {}",
                ended.sentence("its command")
            ),
        };
        let what = match cut {
            None => what,
            Some(path) => format!("{what}; cut off in /{}", String::from_utf8_lossy(path)),
        };
        self.member_end(Some(ReadEnd {
            condition: Condition::Unreadable,
            what: Some("the stream ended in it; what came of it is on tape".to_owned()),
            digest: None,
        }))?;
        self.sink.remark(Remark::problem(&self.source.place, what))
    }
}
