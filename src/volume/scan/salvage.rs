//! Rebuilds what an index said from the headers in the segment itself: everything but
//! digests and CRCs. Whether the segment is compressed is found out on the way.

mod unpack;

use std::collections::VecDeque;

use jiff::Timestamp;
use uuid::Uuid;

use crate::drive::{DriveErrorKind, SequentialDevice};
use crate::units::BlockAddress;
use crate::volume::append::AppendPoint;
use crate::volume::index::{
    Codec, Content, DigestAlgorithm, FileLine, JobHeader, JobPolicy, Level, MAX_LINES_BYTES,
    MAX_MEMBERS, Place, SegmentInfo,
};
use crate::volume::label::Label;
use crate::volume::member::{Condition, Kind};
use crate::volume::read::{Found, RecordReader};
use crate::volume::tar::{BLOCK, Event, MemberParser, TarError, find_member};
use crate::volume::{FORMAT, FORMAT_OF_CHANGES, LATEST_SEGMENT_FORMAT, VolumeError};
use unpack::Unpack;

/// Places of damage listed; further ones are only counted.
const DAMAGE_LISTED: usize = 1_000;

/// What a line of the index takes beside its texts, about.
const LINE_BYTES: u64 = 256;

/// What could be saved: no more members and text than an index may have, whatever a hostile
/// tape holds.
pub(super) struct Salvaged {
    /// Of the run only the identity is known, unless a segment beside it is of the same; then
    /// all but times and counts is taken from there. Else it is named by its place, and its start
    /// is the last moment that is known to come before it. What is unknown is empty, 0, or 1970.
    pub info: SegmentInfo,
    pub files: Vec<FileLine>,
    /// What was wrong, and where.
    pub damage: Vec<(BlockAddress, String)>,
    /// What is to be said where nothing beside it knows the run.
    pub nameless: Option<String>,
}

/// The segments beside a salvaged one, which may be of its run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a> {
    /// The one before.
    pub before: Option<&'a SegmentInfo>,
    /// The first one behind it whose index can be read.
    pub behind: Option<&'a SegmentInfo>,
}

impl Beside<'_> {
    /// Those of this run.
    fn of_job(self, job: Uuid) -> Self {
        let of_job = |info: &&SegmentInfo| info.job.id == job;
        Self {
            before: self.before.filter(of_job),
            behind: self.behind.filter(of_job),
        }
    }

    /// The run, as far as they know it.
    fn job(self) -> Option<JobHeader> {
        let told = self.behind.or(self.before);
        told.map(|info| info.job.clone())
    }

    /// When the tape was last written before, as far as is known.
    fn since(self, label: &Label) -> Timestamp {
        let before = self.before.map(|info| info.written_at);
        before.map_or(label.labelled_at, |before| before.max(label.labelled_at))
    }

    /// The number in its run of segment `number` of the volume, next to them; 0 if they do not
    /// tell.
    fn job_segment(self, number: u64) -> u64 {
        let behind = self.behind.filter(|info| info.number == number + 1);
        let behind = behind.filter(|info| info.job_segment > 0);
        let before = self.before.filter(|info| info.job_segment > 0);
        let behind = behind.map(|info| info.job_segment.saturating_sub(1));
        behind
            .or(before.map(|info| info.job_segment + 1))
            .unwrap_or(0)
    }
}

/// Reads the segment at `point`, whose index starts at `index_block`.
pub(super) fn salvage(
    device: &mut dyn SequentialDevice,
    label: &Label,
    point: &AppendPoint,
    index_block: BlockAddress,
    beside: Beside<'_>,
) -> Result<Salvaged, VolumeError> {
    let mut salvage = Salvage::new(label.block_bytes);
    let mut unpack = Unpack::new(label.block_bytes);
    let records = index_block.0.saturating_sub(point.next_block.0 + 1);
    let mut reader = RecordReader::new(device, label.block_bytes);
    for record in 0..records {
        let block = point.next_block.plus(record);
        reader.seek(block)?;
        match reader.next_object() {
            Ok(Found::Record { bytes, .. }) => unpack.record(block, bytes, &mut salvage),
            Ok(Found::Filemark { .. } | Found::EndOfData { .. }) => break,
            Err(VolumeError::Drive { source, .. }) if source.kind == DriveErrorKind::Medium => {
                unpack.lost(block, "it cannot be read", &mut salvage);
            }
            Err(VolumeError::WrongSize { .. }) => {
                unpack.lost(block, "it has the wrong size", &mut salvage);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(salvage.finish(unpack.codec(), label, point, index_block, beside))
}

/// The members of a segment by their headers alone, while its records come: which of them are
/// hurt where no index tells it.
pub struct Headers {
    unpack: Unpack,
    salvage: Salvage,
}

impl Headers {
    /// Of a segment with records of this size.
    #[must_use]
    pub fn new(block_bytes: u32) -> Self {
        Self {
            unpack: Unpack::new(block_bytes),
            salvage: Salvage::new(block_bytes),
        }
    }

    /// Takes the next record.
    pub fn record(&mut self, block: BlockAddress, bytes: &[u8]) {
        self.unpack.record(block, bytes, &mut self.salvage);
    }

    /// The next record cannot be had.
    pub fn lost(&mut self, block: BlockAddress, what: &str) {
        self.unpack.lost(block, what, &mut self.salvage);
    }

    /// Archive paths of the members that lost something, and whose headers were found: one that
    /// begins in what is lost has no name.
    #[must_use]
    pub fn hurt(mut self) -> Vec<Vec<u8>> {
        self.salvage.hurt();
        let files = self.salvage.files.into_iter();
        let hurt = files.filter(|line| line.condition == Condition::Unreadable);
        hurt.map(|line| line.path).collect()
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = self.salvage.files.len();
        f.debug_struct("Headers")
            .field("members", &members)
            .finish_non_exhaustive()
    }
}

/// A piece of the archive, as it lies on tape: a record, or the content of a frame.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Where in the archive it begins, counted from what was read first.
    position: u64,
    block: BlockAddress,
    offset_bytes: u32,
}

struct Salvage {
    block_bytes: u64,
    /// The piece that was fed last, and those before it in which headers lie that are not
    /// complete yet.
    pieces: VecDeque<Piece>,
    /// The pieces are contents of frames.
    framed: bool,
    /// `None` while the next member is being looked for.
    parser: Option<MemberParser>,
    /// Where in the archive the parser began.
    base: u64,
    /// Bytes of the archive that have passed.
    position: u64,
    /// The last of `files` is not complete yet.
    open: bool,
    identity: Option<Identity>,
    files: Vec<FileLine>,
    /// What `files` take as lines of an index, about.
    lines_bytes: u64,
    most_files: u64,
    /// Members that are not in `files` since an index has no room for more.
    left_out: u64,
    damage: Vec<(BlockAddress, String)>,
    /// Places that are not in `damage` since it is long enough.
    further_damage: u64,
}

impl Salvage {
    fn new(block_bytes: u32) -> Self {
        Self {
            block_bytes: u64::from(block_bytes),
            pieces: VecDeque::new(),
            framed: false,
            parser: Some(MemberParser::new()),
            base: 0,
            position: 0,
            open: false,
            identity: None,
            files: Vec::new(),
            lines_bytes: 0,
            most_files: MAX_MEMBERS,
            left_out: 0,
            damage: Vec::new(),
            further_damage: 0,
        }
    }

    fn damaged(&mut self, block: BlockAddress, what: String) {
        match self.damage.len() < DAMAGE_LISTED {
            true => self.damage.push((block, what)),
            false => self.further_damage += 1,
        }
    }

    fn found(&mut self, line: FileLine) {
        let target = match &line.kind {
            Kind::Symlink(target) | Kind::Hardlink(target) => target.len(),
            _ => 0,
        };
        let texts = line.path.len() + target + line.user.len() + line.group.len();
        self.lines_bytes += LINE_BYTES + texts as u64;
        self.open =
            (self.files.len() as u64) < self.most_files && self.lines_bytes <= MAX_LINES_BYTES;
        match self.open {
            true => self.files.push(line),
            false => self.left_out += 1,
        }
    }

    /// True once anything was found that only an archive has.
    fn is_archive(&self) -> bool {
        self.identity.is_some() || !self.files.is_empty() || self.left_out > 0
    }

    /// The piece in which a position of the archive lies.
    fn piece_of(&self, position: u64) -> Piece {
        let behind = self
            .pieces
            .partition_point(|piece| piece.position <= position);
        *self
            .pieces
            .get(behind.saturating_sub(1))
            .expect("a piece was fed")
    }

    fn place_of(&self, position: u64, length_bytes: u64) -> Place {
        let piece = self.piece_of(position);
        let inside = (position - piece.position) as u32;
        let (offset_bytes, skip_bytes) = match self.framed {
            true => (piece.offset_bytes, Some(inside)),
            false => (piece.offset_bytes + inside, None),
        };
        Place {
            block: piece.block,
            offset_bytes,
            length_bytes,
            skip_bytes,
        }
    }

    /// Takes the next piece of the archive, which begins at this place on tape.
    fn feed(&mut self, block: BlockAddress, offset_bytes: u32, piece: &[u8]) {
        let start = self.position;
        let parser = self.parser.as_ref();
        let wanted = parser.map_or(start, |parser| self.base + parser.resumes_at());
        while self
            .pieces
            .get(1)
            .is_some_and(|later| later.position <= wanted)
        {
            self.pieces.pop_front();
        }
        if parser.is_none() || wanted >= start {
            self.pieces.clear();
        }
        self.pieces.push_back(Piece {
            position: start,
            block,
            offset_bytes,
        });
        let mut rest = piece;
        while !rest.is_empty() {
            let position = start + (piece.len() - rest.len()) as u64;
            if let Err(error) = self.parse(&mut rest, position) {
                self.hurt();
                self.open = false;
                self.damaged(block, error.to_string());
                // Members begin at whole blocks of the archive.
                rest = &rest[rest.len() % BLOCK..];
            }
        }
        self.position += piece.len() as u64;
    }

    /// Parses up to the end of `rest`, or to an error. `position`: of `rest` in the archive.
    fn parse(&mut self, rest: &mut &[u8], position: u64) -> Result<(), TarError> {
        if self.parser.is_none() {
            let Some(at) = find_member(rest) else {
                *rest = &[];
                return Ok(());
            };
            *rest = &rest[at..];
            self.base = position + at as u64;
        }
        let mut parser = self.parser.take().unwrap_or_default();
        while let Some(event) = parser.next(rest)? {
            match event {
                Event::Global(comment) => self.identity = Identity::read(&comment),
                Event::Member {
                    member,
                    offset,
                    length_bytes,
                } => {
                    let place = self.place_of(self.base + offset, length_bytes);
                    self.found(FileLine::new(&member, place, None, Condition::Whole));
                }
                Event::Refused { name, why, .. } => {
                    let what = format!("`{}` is left out: {why}", name.escape_ascii());
                    let at = self.base + parser.position().saturating_sub(1);
                    self.damaged(self.piece_of(at).block, what);
                }
                Event::Data { .. } => {}
                Event::MemberEnd | Event::End => self.open = false,
            }
        }
        self.parser = Some(parser);
        Ok(())
    }

    /// Passes over a record of a plain segment.
    fn lose(&mut self, block: BlockAddress, what: &str) {
        self.damaged(block, what.to_owned());
        self.position += self.block_bytes;
        self.hurt();
        if self
            .parser
            .as_mut()
            .is_some_and(|parser| !parser.lost(self.block_bytes))
        {
            self.look_for_member();
        }
    }

    /// Passes over bytes of the archive, nobody knows how many.
    fn lose_frames(&mut self, block: BlockAddress, what: String) {
        self.damaged(block, what);
        self.hurt();
        self.look_for_member();
    }

    /// What comes next does not belong to what came last.
    fn look_for_member(&mut self) {
        self.parser = None;
        self.open = false;
    }

    /// The member that is being read, if any, has lost something.
    fn hurt(&mut self) {
        if let (true, Some(file)) = (self.open, self.files.last_mut()) {
            file.condition = Condition::Unreadable;
        }
    }

    fn finish(
        mut self,
        codec: Codec,
        label: &Label,
        point: &AppendPoint,
        index_block: BlockAddress,
        beside: Beside<'_>,
    ) -> Salvaged {
        self.hurt();
        let mut more = |count: u64, what: &str| {
            if count > 0 {
                self.damage.push((index_block, format!("{count} {what}")));
            }
        };
        more(self.further_damage, "further places are damaged");
        more(
            self.left_out,
            "further members are left out: no index holds so many",
        );
        let records = index_block.0.saturating_sub(point.next_block.0 + 1);
        let identity = self
            .identity
            .unwrap_or_else(|| Identity::unknown(label, point));
        let since = beside.since(label);
        let beside = beside.of_job(identity.job);
        let told = beside.job();
        let is_nameless = told.is_none();
        let job = told.unwrap_or_else(|| identity.header(label, point, since));
        let info = SegmentInfo {
            format: identity.format.max(codec.least_format()),
            volume: label.volume,
            barcode: label.barcode.clone(),
            pool: label.pool.clone(),
            block_bytes: label.block_bytes,
            segment: identity.segment,
            number: point.next_number,
            job,
            written_at: Timestamp::UNIX_EPOCH,
            first_block: point.next_block,
            index_block,
            codec,
            records,
            tar_bytes: match codec {
                Codec::Plain => records * self.block_bytes,
                Codec::Zstd => self.position,
            },
            files: self.files.len() as u64,
            file_bytes: self.files.iter().map(FileLine::covered_bytes).sum(),
            gone: 0,
            previous_indexes: point.previous_indexes.clone(),
            content: identity.content,
            content_ends: false,
            job_segment: match identity.content {
                Content::Files => beside.job_segment(point.next_number),
                Content::Catalog => 0,
            },
            job_ends: false,
            job_problems: None,
        };
        Salvaged {
            nameless: is_nameless.then(|| said_of_nameless(&info.job)),
            info,
            files: self.files,
            damage: self.damage,
        }
    }
}

/// What is to be known of a run whose name is lost.
fn said_of_nameless(job: &JobHeader) -> String {
    format!(
        "the name, the start and the paths of its job are lost with it; the catalog calls it `{}` \
         ({}), begun at {:.0}, the last moment known to be before it",
        job.name, job.id, job.started_at
    )
}

/// What the global header says.
pub(super) struct Identity {
    format: u32,
    segment: Uuid,
    job: Uuid,
    pub(super) content: Content,
    /// In format 3 whichever level of changes it was: what it lacks was not gone.
    level: Level,
}

impl Identity {
    pub(super) fn read(comment: &[u8]) -> Option<Identity> {
        let text = std::str::from_utf8(comment).ok()?;
        let mut words = text.strip_prefix("tapewright-segment ")?.split(' ');
        let format = words.next()?.parse().ok();
        let format = format.filter(|format| (1..=LATEST_SEGMENT_FORMAT).contains(format))?;
        let value = |key: &str| {
            words
                .clone()
                .find_map(|word| word.strip_prefix(key)?.parse().ok())
        };
        let content = (words.clone()).find_map(|word| word.strip_prefix("content="));
        let content = Content::of(content).unwrap_or_default();
        let level = (words.clone()).find_map(|word| word.strip_prefix("level="));
        let level = match level.and_then(Level::of) {
            Some(level) => level,
            None if format == FORMAT_OF_CHANGES => Level::Incremental,
            None => Level::Full,
        };
        Some(Identity {
            format,
            content,
            segment: value("segment=")?,
            job: value("job=")?,
            level,
        })
    }

    /// The run, of which nothing else is known.
    fn header(&self, label: &Label, point: &AppendPoint, since: Timestamp) -> JobHeader {
        JobHeader {
            id: self.job,
            name: format!("unnamed-{}-{}", label.barcode, point.next_number),
            started_at: since,
            host: String::new(),
            software: String::new(),
            roots: Vec::new(),
            excludes: Vec::new(),
            level: self.level,
            base: None,
            // Headers have none.
            digest: DigestAlgorithm::default(),
            policy: JobPolicy::default(),
        }
    }

    /// Where the global header is lost: always the same for the same place.
    fn unknown(label: &Label, point: &AppendPoint) -> Identity {
        let place = format!("{} {}", label.volume, point.next_number);
        let hash = blake3::hash(place.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        let segment = uuid::Builder::from_random_bytes(bytes).into_uuid();
        bytes.copy_from_slice(&hash.as_bytes()[16..]);
        let job = uuid::Builder::from_random_bytes(bytes).into_uuid();
        Identity {
            format: FORMAT,
            segment,
            job,
            content: Content::Files,
            level: Level::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::tar::encode_plain;

    #[test]
    fn no_more_members_are_kept_than_an_index_may_have() {
        let mut archive = Vec::new();
        for number in 0..5 {
            encode_plain(&mut archive, &format!("file-{number}"), 0, b"data");
        }
        let mut salvage = Salvage::new(65_536);
        salvage.most_files = 3;
        salvage.feed(BlockAddress(2), 0, &archive);
        assert_eq!((salvage.files.len(), salvage.left_out), (3, 2));
    }
}
