//! Compares the records of one segment with its index: each member's header, and the
//! digest of each file.
//!
//! Fed record by record, in order, with a gap where one is bad: then exactly the members
//! with bytes in it are bad, and the next one is looked for where the index says it is.

use crate::engine::content::ContentDigest;
use crate::engine::target::shown;
use crate::monitor::Monitor;
use crate::volume::index::{FileLine, Index};
use crate::volume::tar::{Event, MemberParser};

/// What is known of a member that begins in one record and goes on in the next.
#[derive(Debug)]
struct OpenMember {
    parser: MemberParser,
    seen: bool,
    ended: bool,
    digest: ContentDigest,
    covered_bytes: u64,
    /// Why the member is bad, once it is.
    bad: Option<String>,
    /// The first record with bytes of it that is not what was written.
    doubt: Option<u64>,
}

/// A member that is not as the index says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadMember {
    pub path: String,
    pub what: String,
}

/// A record as it came from the tape.
pub(super) enum Taken<'a> {
    /// What was written.
    Good(&'a [u8]),
    /// Its CRC is not the one in the index.
    Doubtful(&'a [u8]),
    /// The drive cannot read it.
    Unreadable,
}

/// Checks the members of one segment.
pub(super) struct MemberCheck<'a> {
    monitor: &'a dyn Monitor,
    lines: &'a [FileLine],
    first_block: u64,
    record_bytes: u64,
    next: usize,
    open: Option<OpenMember>,
    /// Records fed so far.
    records: u64,
    /// Files whose digest agreed.
    verified: u64,
}

impl<'a> MemberCheck<'a> {
    pub(super) fn new(index: &'a Index, monitor: &'a dyn Monitor) -> Self {
        Self {
            monitor,
            lines: &index.files,
            first_block: index.info.first_block.0,
            record_bytes: u64::from(index.info.block_bytes),
            next: 0,
            open: None,
            records: 0,
            verified: 0,
        }
    }

    /// Takes the next record and gives the members that turned out bad with it to `report`.
    /// A record that is not what was written need not harm each file in it: those whose
    /// header and digest agree are good.
    pub(super) fn record(&mut self, record: &Taken<'_>, report: &mut dyn FnMut(BadMember)) {
        let begin = self.records * self.record_bytes;
        let end = begin + self.record_bytes;
        self.records += 1;
        while let Some(line) = self.lines.get(self.next) {
            let (from, to) = self.range(line);
            if from >= end {
                return;
            }
            let open = self.open.get_or_insert_with(OpenMember::new);
            if from < begin && open.is_untouched() {
                open.fail("its place overlaps the member before it".to_owned());
            }
            let block = self.first_block + self.records - 1;
            let mut feed = |record: &[u8]| {
                let piece = from.max(begin) - begin..to.min(end).max(begin) - begin;
                let piece = record.get(piece.start as usize..piece.end as usize);
                open.feed(line, piece.unwrap_or(&[]), self.monitor);
            };
            match record {
                Taken::Good(record) => feed(record),
                Taken::Doubtful(record) => {
                    feed(record);
                    open.doubt.get_or_insert(block);
                }
                Taken::Unreadable => open.fail(lies_in(block)),
            }
            if to > end {
                return;
            }
            self.close(report);
        }
    }

    /// All records were fed: what is still open or awaited is cut off. Gives the number of
    /// files whose digest agreed.
    pub(super) fn finish(mut self, report: &mut dyn FnMut(BadMember)) -> u64 {
        while self.next < self.lines.len() {
            let open = self.open.get_or_insert_with(OpenMember::new);
            open.fail("the segment ends before its end".to_owned());
            self.close(report);
        }
        self.verified
    }

    /// The bytes of a member, counted from the beginning of the segment.
    fn range(&self, line: &FileLine) -> (u64, u64) {
        let records = line.place.block.0.saturating_sub(self.first_block);
        let from = records.saturating_mul(self.record_bytes);
        let from = from.saturating_add(u64::from(line.place.offset_bytes));
        (from, from.saturating_add(line.place.length_bytes))
    }

    fn close(&mut self, report: &mut dyn FnMut(BadMember)) {
        let (line, open) = (&self.lines[self.next], self.open.take());
        self.next += 1;
        match open
            .unwrap_or_else(OpenMember::new)
            .finish(line, self.monitor)
        {
            Ok(verified) => self.verified += u64::from(verified),
            Err(what) => report(BadMember {
                path: shown(&line.path),
                what,
            }),
        }
    }
}

fn lies_in(block: u64) -> String {
    format!("bytes of it are in block {block}")
}

impl OpenMember {
    fn new() -> Self {
        Self {
            parser: MemberParser::new(),
            seen: false,
            ended: false,
            digest: ContentDigest::new(),
            covered_bytes: 0,
            bad: None,
            doubt: None,
        }
    }

    fn is_untouched(&self) -> bool {
        self.bad.is_none() && self.parser.position() == 0
    }

    fn fail(&mut self, what: String) {
        self.bad.get_or_insert(what);
    }

    fn feed(&mut self, line: &FileLine, bytes: &[u8], monitor: &dyn Monitor) {
        if self.bad.is_none() {
            self.bad = self.parse(line, bytes, monitor).err();
        }
    }

    fn parse(
        &mut self,
        line: &FileLine,
        mut bytes: &[u8],
        monitor: &dyn Monitor,
    ) -> Result<(), String> {
        loop {
            match self
                .parser
                .next(&mut bytes)
                .map_err(|error| error.to_string())?
            {
                None => return Ok(()),
                Some(Event::Member { .. }) if self.seen => {
                    return Err("a second member begins before its end".to_owned());
                }
                Some(Event::Member { member, .. }) => {
                    self.seen = true;
                    self.covered_bytes = member.covered_bytes();
                    let found = FileLine::new(&member, line.place, line.digest, line.condition);
                    if found != *line {
                        return Err("its header is not what the index says of it".to_owned());
                    }
                }
                Some(Event::Data { at_bytes, bytes }) => {
                    self.advance(at_bytes, monitor)?;
                    self.digest.update(bytes);
                }
                Some(Event::MemberEnd) => self.ended = true,
                Some(Event::Refused { why, .. }) => return Err(why),
                Some(Event::Global(_) | Event::End) => {
                    return Err("no member is at its place".to_owned());
                }
            }
        }
    }

    /// Hashes a hole; one of a size that no disk has can be stopped.
    fn advance(&mut self, to_bytes: u64, monitor: &dyn Monitor) -> Result<(), String> {
        loop {
            match self.digest.advance_to(to_bytes) {
                Ok(true) => return Ok(()),
                Ok(false) if monitor.stop_requested() => return Err("not read to its end".into()),
                Ok(false) => {}
                Err(_) => return Err("its data are out of order".to_owned()),
            }
        }
    }

    /// True if the member has a digest, and it agreed.
    fn finish(self, line: &FileLine, monitor: &dyn Monitor) -> Result<bool, String> {
        let doubt = self.doubt;
        match (self.agree(line, monitor), doubt) {
            (Ok(true), _) => Ok(true),
            (Ok(false) | Err(_), Some(block)) => Err(lies_in(block)),
            (result, None) => result,
        }
    }

    fn agree(mut self, line: &FileLine, monitor: &dyn Monitor) -> Result<bool, String> {
        if let Some(what) = self.bad.take() {
            return Err(what);
        }
        if !self.ended {
            return Err("its data are longer than the index says".to_owned());
        }
        let Some(expected) = line.digest else {
            return Ok(false);
        };
        self.advance(self.covered_bytes, monitor)?;
        let actual = self.digest.finish();
        if actual != expected {
            return Err(format!(
                "its content has the digest {actual} instead of {expected}"
            ));
        }
        Ok(true)
    }
}
