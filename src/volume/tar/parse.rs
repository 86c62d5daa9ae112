//! Bytes → members, as the bytes come.
//!
//! Memory is bounded by [`Limits`] whatever comes in.

use super::decode::{self, Decoded, Extended, Fault, too_large};
use super::foreign::{self, OldMap};
use super::header::Header;
use super::pieces::{Pieces, split};
use super::sparse::{self, MapReader};
use super::{BLOCK, MAX_EXTENDED_BYTES, MAX_EXTENTS, MAX_NAME_BYTES, TarError, padding};
use crate::volume::member::{Extent, Kind, Member};

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
    /// Takes what other programs write: what their global headers say of all members.
    foreign: Option<Box<Extended>>,
    /// Bytes of extended headers before the present member.
    extended_bytes: u64,
    remarks: Vec<String>,
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
            extended_bytes: 0,
            remarks: Vec::new(),
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

    fn header<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'a>>, Fault> {
        if *block == [0; BLOCK] {
            if self.extended.is_some() {
                return Err("an extended header without a member".to_owned().into());
            }
            self.state = State::SecondZero;
            return Ok(None);
        }
        let header = match self.foreign {
            None => Header::decode(block)?,
            Some(_) => Header::decode_foreign(block)?,
        };
        if self.extended.is_none() {
            self.member_offset = self.position - BLOCK as u64;
        }
        match (header.typeflag, self.foreign.is_some()) {
            (b'x' | b'g', _) | (b'X' | b'L' | b'K', true) => self.extended_header(&header),
            (b'S', true) => {
                let map = OldMap::begin(block, self.limits.extents)?;
                let header = Box::new(header);
                self.old_map_or_member(header, map)
            }
            (b'V', true) => {
                self.extended = None;
                self.pass_over(header.size)?;
                Ok(None)
            }
            _ => self.member(header, None),
        }
    }

    fn extended_header<'a>(&mut self, header: &Header) -> Result<Option<Event<'a>>, Fault> {
        if self.extended.is_some() && self.foreign.is_none() {
            return Err("two extended headers in a row".to_owned().into());
        }
        if self.extended.is_none() {
            self.extended_bytes = 0;
        }
        // Others may put several before a member: together they are bounded as well.
        self.extended_bytes = self.extended_bytes.saturating_add(header.size);
        if self.extended_bytes > self.limits.extended_bytes {
            return Err(too_large(format!(
                "an extended header of {} bytes",
                self.extended_bytes
            )));
        }
        self.state = State::Records {
            typeflag: header.typeflag,
            left: header.size,
            padding: padding(header.size),
        };
        Ok(None)
    }

    fn pass_over(&mut self, bytes: u64) -> Result<(), Fault> {
        if bytes > u64::MAX / 4 {
            return Err("a member of an impossible size".to_owned().into());
        }
        self.state = State::Skip {
            left: bytes + padding(bytes),
            ends_member: false,
        };
        Ok(())
    }

    fn old_map<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'a>>, Fault> {
        match std::mem::replace(&mut self.state, State::Header) {
            State::OldMap { header, mut map } => {
                map.block(block)?;
                self.old_map_or_member(header, map)
            }
            _ => Ok(None),
        }
    }

    fn old_map_or_member<'a>(
        &mut self,
        header: Box<Header>,
        map: OldMap,
    ) -> Result<Option<Event<'a>>, Fault> {
        if map.more {
            self.state = State::OldMap { header, map };
            return Ok(None);
        }
        self.member(*header, Some((map.extents, map.real_bytes)))
    }

    fn member<'a>(
        &mut self,
        header: Header,
        old_map: Option<(Vec<Extent>, u64)>,
    ) -> Result<Option<Event<'a>>, Fault> {
        let extended = self.extended.take().unwrap_or_default();
        let mut decoded = match &self.foreign {
            None => decode::member(header, extended, &self.limits)?,
            Some(global) => foreign::member(header, extended, global, old_map, &self.limits)?,
        };
        self.remarks = std::mem::take(&mut decoded.remarks);
        if decoded.stored_bytes > u64::MAX / 4 {
            return Err("a member of an impossible size".to_owned().into());
        }
        if let Some(why) = decoded.refused {
            self.pass_over(decoded.stored_bytes)?;
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
        if decoded.member.kind != Kind::File {
            // A directory dump of GNU tar, or the data of a link's first name.
            let event = self.begin(decoded.member, Vec::new(), 0, bytes + padding(bytes));
            return Ok(Some(event));
        }
        if let Some(extents) = decoded.map {
            return Ok(Some(self.begin(
                decoded.member,
                extents,
                bytes,
                padding(bytes),
            )));
        }
        let whole = vec![Extent {
            offset_bytes: 0,
            length_bytes: bytes,
        }];
        Ok(Some(self.begin(
            decoded.member,
            whole,
            bytes,
            padding(bytes),
        )))
    }

    fn records<'a>(&mut self, typeflag: u8, padding: u64) -> Result<Option<Event<'a>>, Fault> {
        let records = std::mem::take(&mut self.records);
        self.state = State::Skip {
            left: padding,
            ends_member: false,
        };
        if let Some(global) = &mut self.foreign {
            let extended = &mut self.extended;
            match typeflag {
                b'g' => {
                    foreign::add(global, &records)?;
                    // Whatever they say of attributes would be of all members.
                    global.xattrs.clear();
                    global.foreign = foreign::Foreign::default();
                }
                b'L' => extended.get_or_insert_default().path = Some(until_nul(&records)),
                b'K' => extended.get_or_insert_default().linkpath = Some(until_nul(&records)),
                _ => foreign::add(extended.get_or_insert_default(), &records)?,
            }
            return Ok(None);
        }
        let extended = Extended::read(&records)?;
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
        let data_left = *left;
        let data: Option<u64> = extents
            .iter()
            .try_fold(0_u64, |sum, e| sum.checked_add(e.length_bytes));
        let real_bytes = decoded.member.covered_bytes();
        if data != Some(*left) || !sparse::valid(&extents, real_bytes) {
            if self.foreign.is_none() {
                return Err(wrong());
            }
            let name = std::mem::take(&mut decoded.name);
            let why = "its map of data and holes cannot be used".to_owned();
            self.pass_over(data_left)?;
            return Ok(Some(Event::Refused { name, why }));
        }
        let data_bytes = *left;
        let mut member = decoded.member.clone();
        self.remarks = std::mem::take(&mut decoded.remarks);
        member.extents = Some(extents.clone());
        Ok(Some(self.begin(
            member,
            extents,
            data_bytes,
            padding(data_bytes),
        )))
    }

    /// `padding`: what follows the data and is none.
    fn begin<'a>(
        &mut self,
        member: Member,
        extents: Vec<Extent>,
        data_bytes: u64,
        padding: u64,
    ) -> Event<'a> {
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

/// The long name of GNU tar's old format: it ends at its NUL.
fn until_nul(records: &[u8]) -> Vec<u8> {
    let end = records.iter().position(|&b| b == 0);
    records[..end.unwrap_or(records.len())].to_vec()
}
