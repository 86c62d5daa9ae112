//! Compares the archive in one segment with its index: each member's header, and the digest of
//! each file.
//!
//! Fed piece by piece, in order, with a gap where one is bad: then exactly the members
//! with bytes in it are bad, and the next one is looked for where the index says it is. A piece
//! is a record, or in a compressed segment the content of a frame.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::engine::content::ContentDigest;
use crate::engine::target::shown;
use crate::monitor::Monitor;
use crate::volume::index::{Codec, DigestAlgorithm, FileLine, Index};
use crate::volume::tar::{Event, MemberParser};

/// What is known of a member that begins in one record and goes on in the next.
#[derive(Debug)]
struct OpenMember {
    parser: MemberParser,
    /// Bytes of it that are still to come.
    left_bytes: u64,
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

/// Bytes as they came from the tape: a record, or the content of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) enum Taken<'a> {
    /// What was written.
    Good(&'a [u8]),
    /// The CRC of this record is not the one in the index.
    Doubtful(&'a [u8], u64),
    /// It cannot be had, for the sake of this record.
    Lost(u64),
}

/// A piece of the archive: where on tape it begins, and its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub block: u64,
    pub offset_bytes: u32,
    pub taken: Taken<'a>,
}

/// Where a member begins.
enum Start {
    Before,
    /// In the piece, behind so many bytes of it.
    Within(u64),
    Behind,
}

/// Checks the members of one segment.
pub(super) struct MemberCheck<'a> {
    monitor: &'a dyn Monitor,
    lines: &'a [FileLine],
    algorithm: DigestAlgorithm,
    codec: Codec,
    record_bytes: u64,
    next: usize,
    open: Option<OpenMember>,
    /// Records of a compressed segment that cannot be read.
    lost: BTreeSet<u64>,
    /// Files whose digest agreed.
    verified: u64,
}

impl<'a> MemberCheck<'a> {
    pub(super) fn new(index: &'a Index, monitor: &'a dyn Monitor) -> Self {
        Self {
            monitor,
            lines: &index.files,
            algorithm: index.info.job.digest,
            codec: index.info.codec,
            record_bytes: u64::from(index.info.block_bytes),
            next: 0,
            open: None,
            lost: BTreeSet::new(),
            verified: 0,
        }
    }

    /// Takes the next piece and gives the members that turned out bad with it to `report`.
    /// A piece that is not what was written need not harm each file in it: those whose
    /// header and digest agree are good.
    pub(super) fn piece(&mut self, piece: &Piece<'_>, report: &mut dyn FnMut(BadMember)) {
        // Where in the piece the next member may begin.
        let mut free_from = 0;
        while let Some(line) = self.lines.get(self.next) {
            let start = match self.open {
                Some(_) => Start::Within(0),
                None => start(line, piece),
            };
            let begin = || OpenMember::new(line, self.algorithm);
            let open = self.open.get_or_insert_with(begin);
            match start {
                Start::Behind => {
                    self.open = None;
                    return;
                }
                Start::Within(from) if from >= free_from => {
                    let length = match piece.taken {
                        Taken::Good(bytes) | Taken::Doubtful(bytes, _) => bytes.len() as u64,
                        // How long a frame was nobody knows.
                        Taken::Lost(_) if self.codec == Codec::Zstd => u64::MAX,
                        Taken::Lost(_) => self.record_bytes,
                    };
                    let taken_bytes = open.left_bytes.min(length.saturating_sub(from));
                    open.take(line, piece, from, taken_bytes, self.monitor);
                    if open.left_bytes > 0 {
                        return;
                    }
                    if length < u64::MAX {
                        free_from = from.saturating_add(taken_bytes);
                    }
                }
                Start::Before if self.lost.contains(&line.place.block.0) => {
                    open.fail(lies_in(line.place.block.0));
                }
                Start::Before if self.codec == Codec::Zstd => {
                    open.fail("no compressed frame begins at its place".to_owned());
                }
                Start::Within(_) | Start::Before => {
                    open.fail("its place overlaps the member before it".to_owned());
                }
            }
            self.close(report);
        }
    }

    /// Notes a record of a compressed segment that cannot be read: the frames that begin in it
    /// never come.
    pub(super) fn lost(&mut self, block: u64) {
        self.lost.insert(block);
    }

    /// The first frame at or behind this place in which a member begins.
    pub(super) fn frame_from(&self, block: u64, offset_bytes: u32) -> Option<(u64, u32)> {
        let place = |line: &FileLine| (line.place.block.0, line.place.offset_bytes);
        let at = (block, offset_bytes);
        let first = self.lines.partition_point(|line| place(line) < at);
        self.lines.get(first).map(place)
    }

    /// All records were fed: what is still open or awaited is cut off. Gives the number of
    /// files whose digest agreed.
    pub(super) fn finish(mut self, report: &mut dyn FnMut(BadMember)) -> u64 {
        while let Some(line) = self.lines.get(self.next) {
            let block = line.place.block.0;
            let begin = || OpenMember::new(line, self.algorithm);
            let open = self.open.get_or_insert_with(begin);
            open.fail(match self.lost.contains(&block) {
                true => lies_in(block),
                false => "the segment ends before its end".to_owned(),
            });
            self.close(report);
        }
        self.verified
    }

    fn close(&mut self, report: &mut dyn FnMut(BadMember)) {
        let (line, open) = (&self.lines[self.next], self.open.take());
        self.next += 1;
        let open = open.unwrap_or_else(|| OpenMember::new(line, self.algorithm));
        match open.finish(line, self.monitor) {
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

fn start(line: &FileLine, piece: &Piece<'_>) -> Start {
    let place = &line.place;
    let (frame, within) = match place.skip_bytes {
        None => (0, place.offset_bytes),
        Some(skip) => (place.offset_bytes, skip),
    };
    match (place.block.0, frame).cmp(&(piece.block, piece.offset_bytes)) {
        Ordering::Less => Start::Before,
        Ordering::Equal => Start::Within(u64::from(within)),
        Ordering::Greater => Start::Behind,
    }
}

impl OpenMember {
    fn new(line: &FileLine, algorithm: DigestAlgorithm) -> Self {
        Self {
            left_bytes: line.place.length_bytes,
            parser: MemberParser::new(),
            seen: false,
            ended: false,
            digest: ContentDigest::new(algorithm),
            covered_bytes: 0,
            bad: None,
            doubt: None,
        }
    }

    /// Takes `length` bytes of it that lie in the piece from `from` on.
    fn take(
        &mut self,
        line: &FileLine,
        piece: &Piece<'_>,
        from: u64,
        length: u64,
        monitor: &dyn Monitor,
    ) {
        self.left_bytes -= length;
        let (bytes, doubt) = match piece.taken {
            Taken::Good(bytes) => (bytes, None),
            Taken::Doubtful(bytes, block) => (bytes, Some(block)),
            Taken::Lost(block) => return self.fail(lies_in(block)),
        };
        match bytes.get(from as usize..(from + length) as usize) {
            Some(bytes) => self.feed(line, bytes, monitor),
            None => self.fail("its place lies behind the end of its frame".to_owned()),
        }
        self.doubt = self.doubt.or(doubt);
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
                    let mut found = FileLine::new(&member, line.place, line.digest, line.condition);
                    // No header has it.
                    found.inode = line.inode;
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
