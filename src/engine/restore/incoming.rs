//! One member on its way from the tape to the target.
//!
//! The header on tape must be the one the plan expects; data go into a temporary file
//! while their digest is computed; only a complete, verified member is let into place.

use std::ops::Range;

use super::gaps;
use crate::engine::content::{ContentDigest, HOLE_STEP_BYTES};
use crate::engine::target::{DataWriter, TargetError, TargetErrorKind};
use crate::monitor::Monitor;
use crate::volume::index::Digest;
use crate::volume::member::{Kind, Member, Part};
use crate::volume::tar::{Event, MemberParser};

use super::plan::MemberRead;

/// Why a member was given up.
#[derive(Debug)]
pub(super) enum Lost {
    /// The tape does not give what the plan expects; the reason, for people.
    Content(String),
    /// The same, of bytes that another read may give otherwise.
    Doubt(String),
    /// The target does not take it.
    Target(TargetError),
    /// The user asked to stop.
    Stopped,
}

impl Lost {
    pub(super) fn content(what: impl Into<String>) -> Self {
        Lost::Content(what.into())
    }

    fn doubt(what: impl Into<String>) -> Self {
        Lost::Doubt(what.into())
    }

    /// True if a later run can go on with what has come: it was stopped, or needs room.
    pub(super) fn goes_on(&self) -> bool {
        match self {
            Lost::Stopped => true,
            Lost::Target(error) => error.kind == TargetErrorKind::Full,
            Lost::Content(_) | Lost::Doubt(_) => false,
        }
    }
}

impl From<TargetError> for Lost {
    fn from(error: TargetError) -> Self {
        Lost::Target(error)
    }
}

/// A member while its bytes arrive.
pub(super) struct Incoming<'a> {
    read: &'a MemberRead,
    monitor: &'a dyn Monitor,
    parser: MemberParser,
    member: Option<Box<Member>>,
    data: Option<FileData>,
    ended: bool,
    /// Of data that are there in part, what is missing.
    missing: Option<Vec<Range<u64>>>,
}

/// Where the data of a file go.
pub(super) struct Begun {
    pub writer: DataWriter,
    /// True if an earlier run wrote into that file: what it wrote may be where holes belong.
    pub was_there: bool,
    /// What is missing of them, where some are there already: they are not to come from here then.
    pub missing: Option<Vec<Range<u64>>>,
}

/// The data of a file on their way.
struct FileData {
    writer: DataWriter,
    /// Where in the file the member's data begin.
    base_bytes: u64,
    /// `None` where there is nothing to compare with, or a gap.
    digest: Option<ContentDigest>,
    /// Bytes of data that have come, or could not be read.
    payload_bytes: u64,
    /// What could not be read.
    gaps: Vec<Range<u64>>,
    /// Why, of the first.
    why: Option<String>,
}

/// A file that is there in part.
pub(super) struct Partial {
    /// What the header on tape says.
    pub member: Box<Member>,
    pub data: DataWriter,
    /// What of it is missing, in bytes of what the member covers.
    pub missing: Vec<Range<u64>>,
}

/// What a complete member turned out to be.
#[derive(Debug)]
pub(super) struct Arrived {
    /// What the header on tape says.
    pub member: Box<Member>,
    /// True if the data's digest agreed with the plan's.
    pub verified: bool,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(read: &'a MemberRead, monitor: &'a dyn Monitor) -> Self {
        let parser = MemberParser::new();
        Self {
            read,
            monitor,
            parser,
            member: None,
            data: None,
            ended: false,
            missing: None,
        }
    }

    /// True once it is known that the data are there in part: no more is to be fed.
    pub(super) fn is_there_in_part(&self) -> bool {
        self.missing.is_some()
    }

    /// So many bytes of the member cannot be read. False if they are not all data, so that nothing
    /// more can come of it.
    pub(super) fn gap(&mut self, bytes: u64, why: String) -> bool {
        let (Some(data), Some(member)) = (&mut self.data, &self.member) else {
            return false;
        };
        let end_bytes = data.payload_bytes.saturating_add(bytes);
        let payload = data.payload_bytes..end_bytes.min(member.payload_bytes());
        data.payload_bytes = payload.end;
        for gap in gaps::of_payload(member, payload) {
            match data.gaps.last_mut().filter(|last| last.end == gap.start) {
                Some(last) => last.end = gap.end,
                None => data.gaps.push(gap),
            }
        }
        data.digest = None;
        data.why.get_or_insert(why);
        self.parser.lost(bytes)
    }

    /// What has come of a file that does not come any further, if the rest may come by other ways.
    pub(super) fn partial(self) -> Option<Partial> {
        let (member, data) = (self.member?, self.data?);
        let rest = data.payload_bytes..member.payload_bytes();
        let mut missing = data.gaps;
        missing.extend(gaps::of_payload(&member, rest));
        let has_some = self.missing.is_some() || data.payload_bytes > 0;
        let missing = self.missing.unwrap_or(missing);
        has_some.then_some(Partial {
            member,
            data: data.writer,
            missing,
        })
    }

    /// How many gaps there are.
    pub(super) fn gaps(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.gaps.len())
    }

    /// Why there is a gap, if there is one.
    pub(super) fn why_gap(&self) -> Option<&str> {
        self.data.as_ref()?.why.as_deref()
    }

    /// Takes the next bytes from tape. `begin` gives what writes into the file that a member
    /// belongs to.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        begin: &mut dyn FnMut(&Member) -> Result<Begun, Lost>,
    ) -> Result<(), Lost> {
        loop {
            let event = self.parser.next(&mut bytes);
            let event = event.map_err(|error| Lost::doubt(error.to_string()))?;
            match event {
                None => return Ok(()),
                Some(Event::Member {
                    member,
                    length_bytes,
                    ..
                }) => {
                    if length_bytes != self.read.length_bytes {
                        return Err(Lost::content(
                            "its length on tape is not the one in the index",
                        ));
                    }
                    self.header(member, begin)?;
                    if self.is_there_in_part() {
                        return Ok(());
                    }
                }
                Some(Event::Data { at_bytes, bytes }) => match &mut self.data {
                    Some(data) => data.write(at_bytes, bytes, self.monitor)?,
                    None => return Err(Lost::content("data without a file on tape")),
                },
                Some(Event::MemberEnd) => self.ended = true,
                Some(Event::Refused { why, .. }) => {
                    return Err(Lost::Content(format!("refused: {why}")));
                }
                Some(Event::Global(_) | Event::End) => {
                    return Err(Lost::doubt("no member is at its place on tape"));
                }
            }
        }
    }

    /// All bytes were fed: is the member complete, and its content right?
    pub(super) fn finish(self) -> Result<Arrived, Lost> {
        let member = self
            .member
            .ok_or_else(|| Lost::doubt("no header at its place on tape"))?;
        if !self.ended {
            return Err(Lost::content(
                "its data on tape are longer than the index says",
            ));
        }
        let Some(mut data) = self.data else {
            let verified = false;
            return Ok(Arrived { member, verified });
        };
        if let Some(why) = data.why {
            return Err(Lost::Content(why));
        }
        if let (Some(mut digest), Some(expected)) = (data.digest.take(), self.read.digest) {
            hash_hole(&mut digest, member.covered_bytes(), self.monitor)?;
            let (actual, expected) = (digest.finish(), Digest(expected));
            if actual != expected {
                let what = format!("its content has the digest {actual} instead of {expected}");
                return Err(Lost::Doubt(what));
            }
            let verified = true;
            return Ok(Arrived { member, verified });
        }
        let verified = false;
        Ok(Arrived { member, verified })
    }

    fn header(
        &mut self,
        mut member: Box<Member>,
        begin: &mut dyn FnMut(&Member) -> Result<Begun, Lost>,
    ) -> Result<(), Lost> {
        if self.member.is_some() {
            return Err(Lost::content("a second member begins before its end"));
        }
        check_header(&member, self.read)?;
        self.read.adjust(&mut member);
        if member.kind == Kind::File {
            let base_bytes = member.part.map_or(0, |part| part.offset_bytes);
            let algorithm = self.read.digest_algorithm;
            let digest = self.read.digest.map(|_| ContentDigest::new(algorithm));
            let Begun {
                writer,
                was_there,
                missing,
            } = begin(&member)?;
            if was_there {
                clear_holes(&member, &writer, self.monitor)?;
            }
            self.missing = missing;
            self.data = Some(FileData {
                writer,
                base_bytes,
                digest,
                payload_bytes: 0,
                gaps: Vec::new(),
                why: None,
            });
        }
        self.member = Some(member);
        Ok(())
    }
}

/// The header on tape must name the object that the plan expects there.
pub(super) fn check_header(member: &Member, read: &MemberRead) -> Result<(), Lost> {
    if member.path != read.path {
        let found = crate::engine::target::shown(&member.path);
        return Err(Lost::Doubt(format!("`{found}` is at its place on tape")));
    }
    let piece = |part: Option<Part>| part.map(|part| (part.number, part.offset_bytes));
    if piece(member.part) != piece(read.part) {
        return Err(Lost::content(
            "another part of the file is at its place on tape",
        ));
    }
    if read.digest.is_some() && member.kind != Kind::File {
        return Err(Lost::content(
            "something else than a file is at its place on tape",
        ));
    }
    let fits = member.part.is_none_or(|part| {
        part.offset_bytes
            .checked_add(part.length_bytes)
            .is_some_and(|end| {
                if part.last {
                    end == member.size_bytes
                } else {
                    end <= member.size_bytes
                }
            })
    });
    if fits {
        Ok(())
    } else {
        Err(Lost::content("its part does not lie within the file"))
    }
}

impl FileData {
    fn write(&mut self, at: u64, bytes: &[u8], monitor: &dyn Monitor) -> Result<(), Lost> {
        if let Some(digest) = &mut self.digest {
            hash_hole(digest, at, monitor)?;
            digest.update(bytes);
        }
        let offset_bytes = self.base_bytes.checked_add(at);
        let offset_bytes = offset_bytes.ok_or_else(|| Lost::content("data beyond any file"))?;
        self.writer.write_at(offset_bytes, bytes)?;
        self.payload_bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Makes the holes of a member zeros in a file that was there: they are never read, and their
/// digest is that of zeros.
fn clear_holes(member: &Member, data: &DataWriter, monitor: &dyn Monitor) -> Result<(), Lost> {
    let base_bytes = member.part.map_or(0, |part| part.offset_bytes);
    let size_bytes = data.size_bytes()?;
    for hole in gaps::holes(member) {
        let mut at = base_bytes.saturating_add(hole.start);
        let end = base_bytes.saturating_add(hole.end).min(size_bytes);
        while at < end {
            if monitor.stop_requested() {
                return Err(Lost::Stopped);
            }
            let next = end.min(at + HOLE_STEP_BYTES);
            data.zero(at..next)?;
            at = next;
        }
    }
    Ok(())
}

/// A longer hole is a lie: to hash it would take a week.
const HOLE_MOST_BYTES: u64 = 1 << 50;

/// Hashes the hole up to `to_bytes`, which can be stopped.
pub(super) fn hash_hole(
    digest: &mut ContentDigest,
    to_bytes: u64,
    monitor: &dyn Monitor,
) -> Result<(), Lost> {
    if to_bytes.saturating_sub(digest.position_bytes()) > HOLE_MOST_BYTES {
        return Err(Lost::content("it has a hole that is larger than any file"));
    }
    loop {
        match digest.advance_to(to_bytes) {
            Ok(true) => return Ok(()),
            Ok(false) if monitor.stop_requested() => return Err(Lost::Stopped),
            Ok(false) => {}
            Err(_) => return Err(Lost::content("its data are out of order on tape")),
        }
    }
}
