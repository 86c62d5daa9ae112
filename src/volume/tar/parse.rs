//! Bytes → members, as the bytes come.
//!
//! Memory is bounded by [`Limits`] whatever comes in.

use super::decode::{self, Decoded, Extended, Fault};
use super::header::{Header, looks_like_header};
use super::pieces::{Pieces, split};
use super::sparse::{self, MapReader};
use super::{
    BLOCK, MAX_EXTENDED_BYTES, MAX_EXTENTS, MAX_NAME_BYTES, TarError, TarErrorKind, padding,
};
use crate::volume::member::{Extent, Member};

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
    /// any more, and [`find_member`] finds where another can begin.
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
                State::Header | State::Map { .. } | State::SecondZero => {
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
            State::SecondZero => self.second_zero(block).map(Some),
            _ => self.header(block),
        }
    }

    fn second_zero<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Event<'a>, Fault> {
        if *block != [0; BLOCK] {
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

    fn header<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'a>>, Fault> {
        if *block == [0; BLOCK] {
            if self.extended.is_some() {
                return Err("an extended header without a member".to_owned().into());
            }
            self.state = State::SecondZero;
            return Ok(None);
        }
        let header = Header::decode(block)?;
        if self.extended.is_none() {
            self.member_offset = self.position - BLOCK as u64;
        }
        if matches!(header.typeflag, b'x' | b'g') {
            if self.extended.is_some() {
                return Err("two extended headers in a row".to_owned().into());
            }
            if header.size > self.limits.extended_bytes {
                let what = format!("an extended header of {} bytes", header.size);
                return Err(Fault {
                    kind: TarErrorKind::TooLarge,
                    what,
                });
            }
            self.state = State::Records {
                typeflag: header.typeflag,
                left: header.size,
                padding: padding(header.size),
            };
            return Ok(None);
        }
        let extended = self.extended.take().unwrap_or_default();
        let decoded = decode::member(header, extended, &self.limits)?;
        if decoded.stored_bytes > u64::MAX / 4 {
            return Err("a member of an impossible size".to_owned().into());
        }
        if let Some(why) = decoded.refused {
            let left = decoded.stored_bytes + padding(decoded.stored_bytes);
            self.state = State::Skip {
                left,
                ends_member: false,
            };
            return Ok(Some(Event::Refused {
                name: decoded.name,
                why,
            }));
        }
        if decoded.sparse {
            let left = decoded.stored_bytes;
            let reader = MapReader::new(self.limits.extents);
            self.state = State::Map {
                decoded: Box::new(decoded),
                reader,
                left,
            };
            return Ok(None);
        }
        let bytes = decoded.stored_bytes;
        let whole = vec![Extent {
            offset_bytes: 0,
            length_bytes: bytes,
        }];
        Ok(Some(self.begin(decoded.member, whole, bytes)))
    }

    fn records<'a>(&mut self, typeflag: u8, padding: u64) -> Result<Option<Event<'a>>, Fault> {
        let extended = Extended::read(&std::mem::take(&mut self.records))?;
        self.state = State::Skip {
            left: padding,
            ends_member: false,
        };
        if typeflag == b'g' {
            return Ok(Some(Event::Global(extended.comment.unwrap_or_default())));
        }
        self.extended = Some(extended);
        Ok(None)
    }

    fn map<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'a>>, Fault> {
        let State::Map {
            decoded,
            reader,
            left,
        } = &mut self.state
        else {
            return Ok(None);
        };
        let wrong = || Fault::from("a sparse file whose map contradicts its size".to_owned());
        *left = left.checked_sub(BLOCK as u64).ok_or_else(wrong)?;
        let Some(extents) = reader.block(block)? else {
            return Ok(None);
        };
        let data: Option<u64> = extents
            .iter()
            .try_fold(0_u64, |sum, e| sum.checked_add(e.length_bytes));
        let real_bytes = decoded.member.covered_bytes();
        if data != Some(*left) || !sparse::valid(&extents, real_bytes) {
            return Err(wrong());
        }
        let data_bytes = *left;
        let mut member = decoded.member.clone();
        member.extents = Some(extents.clone());
        Ok(Some(self.begin(member, extents, data_bytes)))
    }

    fn begin<'a>(&mut self, member: Member, extents: Vec<Extent>, data_bytes: u64) -> Event<'a> {
        let padding = padding(data_bytes);
        let offset = self.member_offset;
        let length_bytes = self.position - offset + data_bytes + padding;
        self.state = State::Data {
            pieces: Pieces::new(extents),
            left: data_bytes,
            padding,
        };
        Event::Member {
            member: Box::new(member),
            offset,
            length_bytes,
        }
    }
}

/// Where in `bytes`, in steps of a block, a member as this format writes them begins: at an
/// extended header. To find the way back into a damaged archive; an archive that
/// was itself archived may be mistaken for it if this format wrote it.
#[must_use]
pub fn find_member(bytes: &[u8]) -> Option<usize> {
    let is_start = |block: &[u8]| {
        let block: &[u8; BLOCK] = block.try_into().expect("chunks are of exactly one block");
        looks_like_header(block)
            && Header::decode(block)
                .is_ok_and(|h| h.typeflag == b'x' && h.name.starts_with(b"PaxHeaders/"))
    };
    bytes
        .chunks_exact(BLOCK)
        .position(is_start)
        .map(|index| index * BLOCK)
}
