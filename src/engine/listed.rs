//! A member that an index lists, on its way from the tape.

use super::unread::Unread;
use crate::volume::index::FileLine;
use crate::volume::member::Member;
use crate::volume::read::RecordReader;
use crate::volume::tar::{Event, MemberParser};

/// What comes of a member.
pub(in crate::engine) enum Came<'r> {
    /// Its header, which is what the index says of it: first, and once.
    Header(Box<Member>),
    /// Its next data, and where they belong in what it covers of its file.
    Data { at_bytes: u64, bytes: &'r [u8] },
}

/// Reads the member that `line` lists, at which `reader` was opened. False if it does not come to
/// its end.
pub(in crate::engine) fn read_listed(
    reader: &mut RecordReader<'_>,
    line: &FileLine,
    take: &mut dyn FnMut(Came<'_>) -> Result<(), Unread>,
) -> Result<bool, Unread> {
    let mut parser = MemberParser::new();
    let (mut begun, mut ended) = (false, false);
    while let Some(mut chunk) = reader.chunk()? {
        loop {
            let event = parser.next(&mut chunk);
            match event.map_err(|error| Unread::Bad(error.to_string()))? {
                None => break,
                Some(Event::Member { mut member, .. }) => {
                    // Which inode it was only the index knows.
                    member.inode = line.inode;
                    let found = FileLine::new(&member, line.place, line.digest, line.condition);
                    if begun || found != *line {
                        return Err("its header is not what the index says of it".into());
                    }
                    begun = true;
                    take(Came::Header(member))?;
                }
                Some(Event::Data { at_bytes, bytes }) if begun => {
                    take(Came::Data { at_bytes, bytes })?;
                }
                Some(Event::MemberEnd) if begun => ended = true,
                Some(Event::Refused { why, .. }) => return Err(Unread::Bad(why)),
                Some(_) => return Err("no member is at its place".into()),
            }
        }
    }
    Ok(ended)
}
