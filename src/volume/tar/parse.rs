//! Bytes → members, as the bytes come. Gathers blocks and records, whose meaning is in `headers`,
//! and hands on data.
//!
//! Memory is bounded by [`Limits`] whatever comes in.

mod headers;

use super::decode::{Decoded, Extended, Fault};
use super::foreign::OldMap;
use super::header::Header;
use super::pieces::{Pieces, split};
use super::sparse::MapReader;
use super::{BLOCK, MAX_EXTENDED_BYTES, MAX_EXTENTS, MAX_NAME_BYTES, TarError};
use crate::volume::member::{Extent, Member, Part};

/// The most a parser takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one extended header.
    pub extended_bytes: u64,
    /// Bytes of a name or link target.
    pub name_bytes: u64,
    /// Pieces of a sparse file. Each takes 16 bytes of memory.
    pub extents: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            extended_bytes: MAX_EXTENDED_BYTES,
            name_bytes: MAX_NAME_BYTES,
            extents: MAX_EXTENTS,
        }
    }
}

/// What the parser found.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The comment of a global extended header; empty if it has none.
    Global(Vec<u8>),
    /// A member begins. [`Event::Data`] may follow, then [`Event::MemberEnd`].
    Member {
        /// Its metadata.
        member: Box<Member>,
        /// Where its first header begins, from the first byte parsed.
        offset: u64,
        /// Bytes from there to its padding's end.
        length_bytes: u64,
    },
    /// A member that must not be used, such as one whose path leads out of the target.
    /// Its data are passed over.
    Refused {
        /// Its name as found.
        name: Vec<u8>,
        /// Size of the file that it is, as its headers say.
        size_bytes: u64,
        /// Why, for people.
        why: String,
    },
    /// Data of the present member.
    Data {
        /// Where they belong in what the member covers of the file: holes are passed over.
        at_bytes: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The present member is complete, its padding included.
    MemberEnd,
    /// The two zero blocks: what follows is padding, and is passed over.
    End,
}

/// Turns the bytes of an archive into members, as they come.
#[derive(Debug)]
pub struct MemberParser {
    limits: Limits,
    state: State,
    /// Bytes taken so far.
    position: u64,
    /// A header or map block that is not complete yet.
    block: [u8; BLOCK],
    filled: usize,
    /// The records of an extended header as far as they came.
    records: Vec<u8>,
    extended: Option<Extended>,
    /// Where the present member's first header begins.
    member_offset: u64,
    /// Takes what other programs write: what their global headers say of all members.
    foreign: Option<Box<Extended>>,
    /// What makes no sense costs a member no data.
    salvages: bool,
    /// Bytes of extended headers before the present member.
    extended_bytes: u64,
    remarks: Vec<String>,
    /// Which piece of a file the member is that came last, and the size of the whole.
    part: Option<(Part, u64)>,
}

#[derive(Debug)]
enum State {
    Header,
    Records {
        typeflag: u8,
        left: u64,
        padding: u64,
    },
    Map {
        decoded: Box<Decoded>,
        reader: MapReader,
        left: u64,
    },
    OldMap {
        header: Box<Header>,
        map: OldMap,
    },
    Data {
        pieces: Pieces,
        left: u64,
        padding: u64,
    },
    Skip {
        left: u64,
        ends_member: bool,
    },
    SecondZero,
    Ended,
}

impl Default for MemberParser {
    fn default() -> Self {
        Self::new()
    }
}

impl MemberParser {
    /// A parser at the beginning of an archive, or of any member.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A parser for the archives of other programs: ustar, pax, the old format of GNU tar and
    /// that of the seventh edition. Names are given without leading slashes and `.` components;
    /// a directory of the name `.` has an empty path. Parts are files like others.
    #[must_use]
    pub fn foreign() -> Self {
        Self {
            foreign: Some(Box::default()),
            ..Self::new()
        }
    }

    /// The same to save what can be saved: a name that is no archive path is given as it was
    /// found, also in a hard link, and may lead anywhere; metadata that make no sense are left
    /// out, and [told](Self::take_remarks).
    #[must_use]
    pub fn salvaging() -> Self {
        Self {
            salvages: true,
            ..Self::foreign()
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Header,
            position: 0,
            block: [0; BLOCK],
            filled: 0,
            records: Vec::new(),
            extended: None,
            member_offset: 0,
            foreign: None,
            salvages: false,
            extended_bytes: 0,
            remarks: Vec::new(),
            part: None,
        }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// True where an archive may stop: the two zero blocks have come.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// True where the archive of another program may stop: at the first block of zeros.
    #[must_use]
    pub fn may_end(&self) -> bool {
        matches!(self.state, State::Ended | State::SecondZero)
    }

    /// What was left out of the member that came last, a sentence each.
    pub fn take_remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// Of an archive as others write them: which piece of a file the member is that came last, if
    /// this format cut it, and the size of the whole; of an open part, where it ends.
    #[must_use]
    pub fn part(&self) -> Option<(Part, u64)> {
        self.part
    }

    /// Of an archive as others write them: what its global header has as comment.
    #[must_use]
    pub fn global_comment(&self) -> Option<&[u8]> {
        self.foreign.as_ref()?.comment.as_deref()
    }

    /// Where the headers begin that are being read, if any are; else where the parser is.
    #[must_use]
    pub fn resumes_at(&self) -> u64 {
        match self.state {
            State::Records { .. } | State::Map { .. } => self.member_offset,
            State::Header | State::Skip { .. } if self.extended.is_some() => self.member_offset,
            _ => self.position - self.filled as u64,
        }
    }

    /// Takes from the front of `input` and says what it found; `None` once `input` is used up.
    ///
    /// # Errors
    ///
    /// Bytes that are no tar as this format allows. After an error the parser is of no use.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, TarError> {
        self.step(input).map_err(|Fault { kind, what }| TarError {
            offset: self.position,
            kind,
            what,
        })
    }

    /// Passes over `bytes` that cannot be read. True if they are all data or padding of the
    /// present member, so that the parser can go on behind them; else it is of no use
    /// any more, and [`find_member`](super::find_member)
    /// finds where another can begin.
    pub fn lost(&mut self, bytes: u64) -> bool {
        let inside = match &mut self.state {
            State::Data {
                pieces,
                left,
                padding,
            } if bytes <= *left + *padding => {
                let mut data = bytes.min(*left);
                *left -= data;
                *padding -= bytes - data;
                while data > 0 {
                    let step = pieces.next().length_bytes.min(data);
                    pieces.advance(step);
                    data -= step;
                }
                true
            }
            State::Skip { left, .. } if bytes <= *left => {
                *left -= bytes;
                true
            }
            State::Ended => true,
            _ => false,
        };
        self.position += bytes;
        inside
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Fault> {
        loop {
            let event = match &mut self.state {
                State::Header | State::Map { .. } | State::OldMap { .. } | State::SecondZero => {
                    let Some(block) = self.take_block(input) else {
                        return Ok(None);
                    };
                    self.whole_block(&block)?
                }
                State::Records {
                    typeflag,
                    left,
                    padding,
                } => {
                    let (typeflag, padding) = (*typeflag, *padding);
                    let taken = split(input, left);
                    let complete = *left == 0;
                    self.position += taken.len() as u64;
                    self.records.extend_from_slice(taken);
                    if !complete {
                        return Ok(None);
                    }
                    self.records(typeflag, padding)?
                }
                State::Data {
                    left: 0, padding, ..
                } => {
                    self.state = State::Skip {
                        left: *padding,
                        ends_member: true,
                    };
                    None
                }
                State::Skip {
                    left: 0,
                    ends_member,
                } => {
                    let event = ends_member.then_some(Event::MemberEnd);
                    self.state = State::Header;
                    event
                }
                _ if input.is_empty() => return Ok(None),
                State::Data { pieces, left, .. } => {
                    let Extent {
                        offset_bytes,
                        length_bytes,
                    } = pieces.next();
                    let bytes = split(input, &mut length_bytes.min(*left));
                    let taken = bytes.len() as u64;
                    pieces.advance(taken);
                    *left -= taken;
                    self.position += taken;
                    Some(Event::Data {
                        at_bytes: offset_bytes,
                        bytes,
                    })
                }
                State::Skip { left, .. } => {
                    self.position += split(input, left).len() as u64;
                    None
                }
                State::Ended => {
                    self.position += input.len() as u64;
                    *input = &[];
                    None
                }
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn whole_block<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'a>>, Fault> {
        match self.state {
            State::Map { .. } => self.map(block),
            State::OldMap { .. } => self.old_map(block),
            State::SecondZero => self.second_zero(block).map(Some),
            _ => self.header(block),
        }
    }

    fn second_zero<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Event<'a>, Fault> {
        if *block != [0; BLOCK] && self.foreign.is_none() {
            return Err("a single zero block".to_owned().into());
        }
        self.state = State::Ended;
        Ok(Event::End)
    }

    fn take_block(&mut self, input: &mut &[u8]) -> Option<[u8; BLOCK]> {
        let mut missing = (BLOCK - self.filled) as u64;
        let bytes = split(input, &mut missing);
        self.block[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        self.position += bytes.len() as u64;
        if self.filled < BLOCK {
            return None;
        }
        self.filled = 0;
        Some(self.block)
    }
}
