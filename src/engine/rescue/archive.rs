//! From the records of a tape file to members, past gaps.
//!
//! A tape file is plain tar, or the zstd frames of a compressed segment, which its first record
//! tells. Behind a gap the present member goes on where the gap was within its data and its
//! length is known; else the next member is sought by its header.

use super::save::Saver;
use super::walk::Cause;
use crate::units::BlockAddress;
use crate::volume::frames::{FrameReader, begins_with_frame};
use crate::volume::label::describe;
use crate::volume::tar::{BLOCK, MemberParser, find_foreign_member, find_member};

/// How a tape file is stored.
enum Codec {
    /// No record has come yet.
    Unknown,
    /// The first record is lost: whatever shows a member first decides.
    Undecided(FrameReader),
    Plain,
    Frames {
        frames: FrameReader,
        /// The next frame is to be found by its magic.
        searching: bool,
    },
}

/// See the module.
pub(super) struct Archive {
    /// Members begin as this format writes them.
    is_ours: bool,
    codec: Codec,
    /// `None` while a member is sought.
    parser: Option<MemberParser>,
    /// Length of the records so far, if they have one.
    record_bytes: Option<u64>,
    records: u64,
}

impl Archive {
    pub(super) fn new(is_ours: bool) -> Self {
        Self {
            is_ours,
            codec: Codec::Unknown,
            parser: None,
            record_bytes: None,
            records: 0,
        }
    }

    /// Takes the record at `block`.
    pub(super) fn record(&mut self, block: BlockAddress, record: &[u8], saver: &mut Saver<'_>) {
        let length = record.len() as u64;
        self.record_bytes = match self.records {
            0 => Some(length),
            _ => self.record_bytes.filter(|bytes| *bytes == length),
        };
        self.records += 1;
        self.codec = match std::mem::replace(&mut self.codec, Codec::Unknown) {
            Codec::Unknown if begins_with_frame(record) => {
                let frames = FrameReader::new(0);
                self.parser = Some(MemberParser::salvaging());
                self.unpack(frames, false, block, record, saver)
            }
            Codec::Unknown => {
                match begins_as_tar(record) {
                    true => self.parser = Some(MemberParser::salvaging()),
                    // One may begin further on all the same.
                    false => {
                        let what = format!("no tar archive begins here: {}", describe(record));
                        saver.gap(block, 0, &what, Cause::Bad);
                    }
                }
                self.plain(block, record, saver)
            }
            Codec::Undecided(frames) => self.decide(frames, block, record, saver),
            Codec::Plain => {
                if self.parser.as_ref().is_some_and(MemberParser::ended) {
                    self.go_on_behind_an_end(block, record, saver);
                }
                self.plain(block, record, saver)
            }
            Codec::Frames { frames, searching } => {
                let between = frames.fed_to() == frames.position();
                if between && find_foreign_member(head(record)).is_some() {
                    self.parser = Some(MemberParser::salvaging());
                    self.plain(block, record, saver)
                } else {
                    self.unpack(frames, searching, block, record, saver)
                }
            }
        };
    }

    /// True where what follows may be an archive of its own.
    pub(super) fn has_ended(&self) -> bool {
        let ended = self.parser.as_ref().is_some_and(MemberParser::ended);
        match &self.codec {
            Codec::Frames { frames, .. } => ended || frames.fed_to() == frames.position(),
            _ => ended,
        }
    }

    /// Takes note of blocks that cannot be read.
    pub(super) fn lost(
        &mut self,
        block: BlockAddress,
        blocks: u64,
        (cause, what): (Cause, &str),
        saver: &mut Saver<'_>,
    ) {
        saver.gap(block, blocks, what, cause);
        let mut inside = false;
        match &mut self.codec {
            Codec::Unknown => self.codec = Codec::Undecided(FrameReader::new(0)),
            Codec::Undecided(frames) => frames.restart(0),
            Codec::Plain => {
                let bytes = self.record_bytes.map(|bytes| bytes.saturating_mul(blocks));
                let parser = self.parser.as_mut();
                inside = parser
                    .zip(bytes)
                    .is_some_and(|(parser, bytes)| parser.lost(bytes));
            }
            Codec::Frames { frames, searching } => {
                frames.restart(0);
                *searching = true;
            }
        }
        match inside {
            true => saver.gap_inside(),
            false => {
                self.parser = None;
                saver.cut(what);
            }
        }
    }

    /// The tape file is over. A member that is not complete is lost with the reason `why`.
    pub(super) fn finish(self, why: &str, saver: &mut Saver<'_>) {
        let may_end = self.parser.as_ref().is_none_or(MemberParser::may_end);
        if !saver.cut(why) && !may_end {
            saver.no_end();
        }
    }

    /// What follows an end without a filemark is an archive of its own. Or zeros took the place of
    /// what was there, and the archive goes on: then members are sought.
    fn go_on_behind_an_end(&mut self, block: BlockAddress, record: &[u8], saver: &mut Saver<'_>) {
        if find_foreign_member(head(record)).is_some() {
            self.parser = Some(MemberParser::salvaging());
        } else if record.iter().any(|byte| *byte != 0) {
            let what = "something goes on behind what looks like the end of the archive: zeros may \
                        stand where data were";
            saver.gap(block, 0, what, Cause::Bad);
            self.parser = None;
        }
    }

    fn plain(&mut self, block: BlockAddress, record: &[u8], saver: &mut Saver<'_>) -> Codec {
        self.feed(block, record, saver);
        Codec::Plain
    }

    /// Takes the next bytes of the archive.
    fn feed(&mut self, block: BlockAddress, piece: &[u8], saver: &mut Saver<'_>) {
        let mut rest = piece;
        while !rest.is_empty() {
            let mut parser = match self.parser.take() {
                Some(parser) => parser,
                None => match self.find(rest) {
                    Some(at) => {
                        saver.pass(at as u64);
                        rest = &rest[at..];
                        MemberParser::salvaging()
                    }
                    None => return saver.pass(rest.len() as u64),
                },
            };
            let read = parser.next(&mut rest);
            if let (Ok(_), Some(comment)) = (&read, parser.global_comment()) {
                saver.archive(comment, block);
            }
            match read {
                Ok(Some(event)) => {
                    let remarks = parser.take_remarks();
                    saver.event(event, parser.part(), remarks, block);
                }
                Ok(None) => {}
                Err(error) => {
                    saver.gap(block, 0, &error.what, Cause::Bad);
                    saver.cut(&error.what);
                    // Members begin at whole blocks of the archive.
                    rest = &rest[rest.len() % BLOCK..];
                    continue;
                }
            }
            self.parser = Some(parser);
        }
    }

    fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self.is_ours {
            true => find_member(bytes),
            false => find_foreign_member(bytes),
        }
    }

    /// Takes a record of a compressed segment, and the frames that are complete with it.
    fn unpack(
        &mut self,
        mut frames: FrameReader,
        mut searching: bool,
        block: BlockAddress,
        record: &[u8],
        saver: &mut Saver<'_>,
    ) -> Codec {
        frames.feed(record);
        loop {
            let frame = match searching {
                true => Ok(frames.find(false)),
                false => frames.next_frame(),
            };
            match frame {
                Ok(Some(frame)) => {
                    searching = false;
                    self.feed(block, frame.content, saver);
                }
                Ok(None) => return Codec::Frames { frames, searching },
                Err(error) => {
                    saver.gap(block, 0, &error.to_string(), Cause::Bad);
                    saver.cut(&error.to_string());
                    self.parser = None;
                    searching = true;
                }
            }
        }
    }

    /// Takes a record where the first is lost.
    fn decide(
        &mut self,
        mut frames: FrameReader,
        block: BlockAddress,
        record: &[u8],
        saver: &mut Saver<'_>,
    ) -> Codec {
        if self.find(record).is_some() {
            return self.plain(block, record, saver);
        }
        frames.feed(record);
        while let Some(frame) = frames.find(false) {
            if find_member(frame.content).is_some() {
                self.feed(block, frame.content, saver);
                return self.unpack(frames, false, block, &[], saver);
            }
        }
        saver.pass(record.len() as u64);
        Codec::Undecided(frames)
    }
}

/// Whether a record begins with a header, or as an archive without members does.
fn begins_as_tar(record: &[u8]) -> bool {
    let head = head(record);
    let is_empty = !head.is_empty() && head.iter().all(|&byte| byte == 0);
    is_empty || find_foreign_member(head).is_some()
}

/// The first block of a record.
fn head(record: &[u8]) -> &[u8] {
    record.get(..BLOCK).unwrap_or_default()
}
