//! What whole headers, records and maps mean: which member begins, and what comes next.
//!
//! Knows nothing of the input: `super` gathers blocks and records, and hands on data.

use super::{Event, MemberParser, State};
use crate::volume::member::{Extent, Kind, Member, Part};
use crate::volume::tar::decode::{self, Extended, Fault, too_large};
use crate::volume::tar::foreign::{self, OldMap};
use crate::volume::tar::header::Header;
use crate::volume::tar::pieces::Pieces;
use crate::volume::tar::sparse::{self, MapReader};
use crate::volume::tar::{BLOCK, padding};

impl MemberParser {
    pub(super) fn header<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'a>>, Fault> {
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

    pub(super) fn old_map<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'a>>, Fault> {
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
        let mut extended = self.extended.take().unwrap_or_default();
        let comment = match self.foreign {
            Some(_) => extended.comment.take(),
            None => None,
        };
        let mut decoded = match &self.foreign {
            None => decode::member(header, extended, &self.limits)?,
            Some(global) => {
                let salvages = self.salvages;
                foreign::member(header, extended, global, old_map, &self.limits, salvages)?
            }
        };
        self.part = part_of(comment.as_deref(), &decoded.member);
        self.remarks = std::mem::take(&mut decoded.remarks);
        if decoded.stored_bytes > u64::MAX / 4 {
            return Err("a member of an impossible size".to_owned().into());
        }
        if let Some(why) = decoded.refused {
            self.pass_over(decoded.stored_bytes)?;
            return Ok(Some(Event::Refused {
                name: decoded.name,
                size_bytes: decoded.member.size_bytes,
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

    pub(super) fn records<'a>(
        &mut self,
        typeflag: u8,
        padding: u64,
    ) -> Result<Option<Event<'a>>, Fault> {
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

    pub(super) fn map<'a>(&mut self, block: &[u8; BLOCK]) -> Result<Option<Event<'a>>, Fault> {
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
            return Ok(Some(Event::Refused {
                name,
                size_bytes: real_bytes,
                why,
            }));
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

/// Which piece of a file this is, and the size of the whole.
fn part_of(comment: Option<&[u8]>, member: &Member) -> Option<(Part, u64)> {
    let comment = comment?;
    let mut path = member.path.clone();
    decode::part(Some(comment), &member.kind, &mut path, member.size_bytes).ok()?
}

/// The long name of GNU tar's old format: it ends at its NUL.
fn until_nul(records: &[u8]) -> Vec<u8> {
    let end = records.iter().position(|&b| b == 0);
    records[..end.unwrap_or(records.len())].to_vec()
}
