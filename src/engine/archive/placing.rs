//! Members pushed into a destination: begin, data, end. Where no segment takes a file whole
//! it is cut into parts, each but the last to the end of an own segment.

use std::collections::VecDeque;
use std::error::Error;
use std::rc::Rc;

use super::content;
use super::destination::{Destination, Stop};
use super::parts;
use super::pending::{Rest, Written, WrittenMember};
use super::records::DriveStopped;
use super::shared::Shared;
use crate::engine::EngineError;
use crate::engine::content::ContentDigest;
use crate::engine::source::FileState;
use crate::monitor::Silent;
use crate::volume::index::{Digest, DigestAlgorithm};
use crate::volume::member::{Condition, Extent, Member};
use crate::volume::segment::SegmentError;

/// What became of a member that was begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Its data is wanted, as far as the destination does not get into trouble.
    Taken,
    /// It cannot be archived, for this reason; nothing of it was written.
    Refused(String),
}

/// A member to be written, and how far it has come.
#[derive(Debug)]
pub(super) struct Work {
    whole: Rc<Member>,
    /// Of the part under way, or of the next one; 0 while the file is not cut.
    number: u32,
    offset_bytes: u64,
    part: Option<Cut>,
}

/// The part under way.
#[derive(Debug)]
struct Cut {
    member: Member,
    /// Its pieces that hold data and have not come.
    pieces: VecDeque<Extent>,
    /// None once a hole was left.
    digest: Option<ContentDigest>,
}

impl Work {
    /// All of a member.
    pub(super) fn whole(whole: Rc<Member>) -> Self {
        Self {
            whole,
            number: 0,
            offset_bytes: 0,
            part: None,
        }
    }

    /// A cut file from one of its parts on.
    pub(super) fn from(whole: Rc<Member>, rest: &Rest) -> Self {
        Self {
            whole,
            number: rest.number,
            offset_bytes: rest.offset_bytes,
            part: None,
        }
    }

    /// What is missing of it, if nothing that is under way counts.
    pub(super) fn rest(self) -> Written {
        let part = (self.number > 0).then(|| Rest {
            state: FileState::of(&self.whole),
            number: self.number,
            offset_bytes: self.offset_bytes,
        });
        Written::Member(WrittenMember {
            bytes: self.whole.size_bytes.saturating_sub(self.offset_bytes),
            part: part.map(Box::new),
            ..WrittenMember::of(&self.whole)
        })
    }
}

impl Cut {
    fn new(member: Member, algorithm: DigestAlgorithm) -> Self {
        let whole = [Extent {
            offset_bytes: 0,
            length_bytes: member.covered_bytes(),
        }];
        let pieces = member.extents.as_deref().unwrap_or(&whole);
        let pieces = pieces.iter().filter(|piece| piece.length_bytes > 0);
        Self {
            pieces: pieces.copied().collect(),
            member,
            digest: Some(ContentDigest::new(algorithm)),
        }
    }

    fn is_last(&self) -> bool {
        self.member.part.is_some_and(|part| part.last)
    }

    /// Takes from `data` what belongs into the present piece; `None` once all pieces came.
    fn take<'d>(&mut self, data: &'d [u8], shared: &Shared<'_>) -> Option<(&'d [u8], &'d [u8])> {
        let piece = self.pieces.front_mut()?;
        pass_hole(&mut self.digest, piece.offset_bytes, shared);
        let fits = usize::try_from(piece.length_bytes).unwrap_or(usize::MAX);
        let (now, later) = data.split_at(data.len().min(fits));
        if let Some(digest) = &mut self.digest {
            digest.update(now);
        }
        piece.offset_bytes += now.len() as u64;
        piece.length_bytes -= now.len() as u64;
        if piece.length_bytes == 0 {
            self.pieces.pop_front();
        }
        Some((now, later))
    }

    /// Also gives its digest, unless a hole was left.
    fn finish(mut self, shared: &Shared<'_>) -> (Option<Digest>, Member) {
        pass_hole(&mut self.digest, self.member.covered_bytes(), shared);
        (self.digest.map(|digest| digest.finish()), self.member)
    }
}

/// Digests a hole; that of the whole file counts as progress.
fn pass_hole(digest: &mut Option<ContentDigest>, to_bytes: u64, shared: &Shared<'_>) {
    let passed = content::hole(digest, to_bytes, shared, &Silent);
    passed.expect("the pieces of a member are in order");
}

impl Destination<'_> {
    /// Begins a member: its data follows as far as it is in `work`, then [`end`](Self::end).
    /// Only a destination that [`takes`](Self::takes) members may be asked.
    pub(super) fn begin(&mut self, work: Work) -> Begun {
        self.work = Some(work);
        match self.try_begin() {
            Ok(Begun::Taken) => Begun::Taken,
            Ok(refused) => {
                self.work = None;
                refused
            }
            Err(stop) => {
                self.note(stop);
                Begun::Taken
            }
        }
    }

    /// Data of the member; `so_far` is the state of the file behind it. Nothing happens where
    /// the destination does not take it any more.
    pub(super) fn data(&mut self, data: &[u8], so_far: Condition) {
        if self.is_at_work()
            && let Err(stop) = self.try_data(data, so_far)
        {
            self.note(stop);
        }
    }

    /// Ends the member. `digest`: of all the data, for a file.
    pub(super) fn end(&mut self, digest: Option<Digest>, condition: Condition) {
        if !self.is_at_work() {
            return;
        }
        match self.try_end(digest, condition) {
            Ok(()) => self.work = None,
            Err(stop) => self.note(stop),
        }
    }

    /// Notes a name that is gone in the index of a segment. Only a destination that
    /// [`takes`](Self::takes) members may be asked.
    pub(super) fn gone(&mut self, path: &[u8]) {
        if let Err(stop) = self.try_gone(path) {
            self.pending.defer(Written::Gone(path.to_vec()));
            self.note(stop);
        }
    }

    fn try_gone(&mut self, path: &[u8]) -> Result<(), Stop> {
        self.commit_confirmed()?;
        self.close_if_low()?;
        loop {
            let open = self.open_segment()?;
            if open.builder.gone(path) {
                open.written.push(Written::Gone(path.to_vec()));
                return Ok(());
            }
            if open.builder.members() > 0 {
                self.close(false)?;
            } else if !self.give_up_volume()? {
                return Err(Stop::Over(EngineError::Frame {
                    path: path.to_vec(),
                    source: Box::new(NameTooLong),
                }));
            }
        }
    }

    /// True if data of the member is wanted.
    pub(super) fn is_at_work(&self) -> bool {
        self.takes() && self.work.is_some() && self.cut_off.is_none()
    }

    fn work(&mut self) -> &mut Work {
        self.work.as_mut().expect("a member was begun")
    }

    fn try_begin(&mut self) -> Result<Begun, Stop> {
        self.commit_confirmed()?;
        if self.work().whole.part.is_some_and(|part| part.open) {
            self.begin_open_parts()?;
        }
        self.close_if_low()?;
        if self.work().number > 0 {
            return self.begin_part();
        }
        let whole = Rc::clone(&self.work().whole);
        loop {
            let open = self.open_segment()?;
            let room_bytes = match open.builder.begin(&whole) {
                Ok(()) => {
                    open.written
                        .push(Written::Member(WrittenMember::of(&whole)));
                    return Ok(Begun::Taken);
                }
                Err(SegmentError::Sink(stopped)) => return Err(stopped.into()),
                Err(SegmentError::Member(error)) => return Ok(Begun::Refused(error.to_string())),
                Err(SegmentError::NoRoom { room_bytes, .. }) => room_bytes.unwrap_or(0),
            };
            if open.builder.members() > 0 {
                self.close(false)?;
            } else if whole.part.is_none() && open.takes_piece(room_bytes) {
                self.work().number = 1;
                return self.begin_part();
            } else if !self.give_up_volume()? {
                let what = "not even an empty segment takes it";
                return Ok(Begun::Refused(what.to_owned()));
            }
        }
    }

    /// Begins the next part of a cut file.
    fn begin_part(&mut self) -> Result<Begun, Stop> {
        let work = self.work();
        let (whole, number, offset_bytes) =
            (Rc::clone(&work.whole), work.number, work.offset_bytes);
        let rest = parts::rest(&whole, offset_bytes, number);
        loop {
            let open = self.open_segment()?;
            let room_bytes = match open.builder.room_bytes(&rest) {
                Ok(room_bytes) => room_bytes.unwrap_or(0),
                Err(error) if number == 1 => return Ok(Begun::Refused(error.to_string())),
                Err(error) => return Err(defect(&whole, error)),
            };
            if rest.payload_bytes() > room_bytes && !open.takes_piece(room_bytes) {
                if open.builder.members() > 0 {
                    self.close(false)?;
                } else if !self.give_up_volume()? {
                    return Err(defect(&whole, TooLittleRoom));
                }
                continue;
            }
            let part = parts::cut(rest, room_bytes);
            open.builder.begin(&part).map_err(|error| match error {
                SegmentError::Sink(stopped) => stopped.into(),
                other => defect(&whole, other),
            })?;
            let rest = Rest {
                state: FileState::of(&whole),
                number,
                offset_bytes,
            };
            open.written
                .push(Written::Member(WrittenMember::part(&part, rest)));
            let algorithm = self.shared.job.digest;
            self.work().part = Some(Cut::new(part, algorithm));
            return Ok(Begun::Taken);
        }
    }

    fn try_data(&mut self, mut data: &[u8], so_far: Condition) -> Result<(), Stop> {
        if self.work().number == 0 {
            return self.builder_data(data);
        }
        let shared = self.shared;
        while !data.is_empty() {
            let cut = self.work().part.as_mut().expect("a part was begun");
            let Some((now, later)) = cut.take(data, shared) else {
                self.end_part(so_far)?;
                if self.alone && self.shared.monitor.stop_requested() {
                    self.cut_off = Some(self.work().offset_bytes);
                    return Ok(());
                }
                self.next_part()?;
                continue;
            };
            self.builder_data(now)?;
            data = later;
        }
        Ok(())
    }

    fn builder_data(&mut self, data: &[u8]) -> Result<(), Stop> {
        let open = self.open_segment()?;
        open.builder.data(data).map_err(stopped)?;
        self.count_framed(data.len() as u64);
        Ok(())
    }

    /// Ends the part under way, and its segment if the file goes on.
    fn end_part(&mut self, condition: Condition) -> Result<(), Stop> {
        let cut = self.work().part.take().expect("a part was begun");
        let last = cut.is_last();
        let (digest, part) = cut.finish(self.shared);
        let condition = digest.map_or(Condition::Unreadable, |_| condition);
        let open = self.open_segment()?;
        open.builder.end(digest, condition).map_err(stopped)?;
        if last {
            return Ok(());
        }
        let work = self.work();
        work.number += 1;
        work.offset_bytes += part.covered_bytes();
        self.close(false)?;
        self.commit_confirmed()
    }

    /// A part behind the first fits, since the headers of the first did.
    fn next_part(&mut self) -> Result<(), Stop> {
        let begun = self.begin_part()?;
        debug_assert_eq!(begun, Begun::Taken);
        Ok(())
    }

    fn try_end(&mut self, digest: Option<Digest>, condition: Condition) -> Result<(), Stop> {
        if self.work().number == 0 {
            let open = self.open_segment()?;
            return open.builder.end(digest, condition).map_err(stopped);
        }
        // Behind the last piece of data there may be a hole that goes to a part of its own.
        while !self.work().part.as_ref().is_some_and(Cut::is_last) {
            self.end_part(condition)?;
            self.next_part()?;
        }
        self.end_part(condition)
    }
}

/// Within a member nothing but the sink can fail.
fn stopped(_: SegmentError<DriveStopped>) -> Stop {
    Stop::Drive
}

/// The room that was promised to the rest of a file is not there.
#[derive(Debug, thiserror::Error)]
#[error("not even an empty segment takes a piece of it")]
struct TooLittleRoom;

/// An empty segment has no room for a name.
#[derive(Debug, thiserror::Error)]
#[error("not even an empty segment takes the name of what is gone")]
struct NameTooLong;

fn defect(member: &Member, error: impl Error + Send + Sync + 'static) -> Stop {
    Stop::Over(EngineError::Frame {
        path: member.path.clone(),
        source: Box::new(error),
    })
}
