//! Builds a segment: members go in, full records and then the index come out.
//!
//! Plain, or in frames, which a [`FrameCompressor`] makes meanwhile.
//!
//! Pure: knows no device. Memory: one record, four bytes per record, 1 MB to compress
//! lines (twice if names are gone), and for each member a [`FileLine`] (about 350 bytes and
//! the names) and its compressed line (about 100), for each name that is gone the name; at
//! most [`SegmentLimits::members`] of both. For a compressed segment 2 MiB more for the frame
//! being filled, and for each that is being compressed, and at most 8 bytes for each frame.

mod closed;
mod compressed;
mod limits;
mod lines;
mod records;

pub use closed::ClosedSegment;
pub use compressed::{Compressed, FrameCompressor, InPlace};

pub use limits::{DEFAULT_MEMBERS, DEFAULT_SEGMENT_BYTES, SegmentLimits, minimum_segment_bytes};
pub use records::RecordSink;

use std::collections::VecDeque;

use compressed::Frames;
use jiff::Timestamp;
use lines::{bound_bytes, line_bound_bytes, longest_line};
use records::Records;
use uuid::Uuid;

use super::append::AppendPoint;
use super::frames;
use super::index::{
    self, Codec, Content, Digest, FileLine, JobHeader, Level, Lines, LinesBytes, MAX_LINES_BYTES,
    MAX_MEMBERS, Place, SegmentInfo, Texts,
};
use super::label::Label;
use super::member::{Condition, Member};
use super::receipt::SegmentReceipt;
use super::tar::{BLOCK, END, EncodeError, encode_global, encode_member, padded, put_member};
use super::{FORMAT, FORMAT_OF_CHANGES, FORMAT_OF_FRAME_LISTS, FORMAT_OF_FRAMES};
use crate::units::BlockAddress;

/// What a segment is told when it begins.
#[derive(Debug, Clone)]
pub struct SegmentStart<'a> {
    /// The volume that it goes to.
    pub label: &'a Label,
    /// Where on the volume.
    pub at: &'a AppendPoint,
    /// Its identity.
    pub segment: Uuid,
    /// The run that writes it.
    pub job: &'a JobHeader,
    /// What it holds.
    pub content: Content,
    /// 1 for the first segment of the run, counted over volumes; 0 if it holds none of its files.
    pub job_segment: u64,
    /// How large it may become.
    pub limits: SegmentLimits,
    /// May have open parts: it is of format 2 then.
    pub open_parts: bool,
}

/// Why a segment could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError<E: std::error::Error + 'static> {
    /// The member cannot be written as tar; the segment is unharmed and can go on without it.
    #[error("the object cannot be archived")]
    Member(#[from] EncodeError),
    /// The member does not fit; the segment is unharmed.
    #[error("the member needs {needed_bytes} bytes of data, and {room_bytes:?} fit")]
    NoRoom {
        /// Payload of the member.
        needed_bytes: u64,
        /// Payload that would fit; `None` if not even its headers do.
        room_bytes: Option<u64>,
    },
    /// The sink took no more.
    #[error("a record was not taken")]
    Sink(#[source] E),
}

/// A segment whose records have all been emitted.
#[derive(Debug)]
pub struct FinishedSegment {
    /// The index: full records, one after the other.
    pub index_records: Vec<u8>,
    /// What is on tape once the index and its filemark are.
    pub receipt: SegmentReceipt,
    /// Where the next segment goes.
    pub next: AppendPoint,
}

/// A member that was begun.
#[derive(Debug)]
struct Open {
    /// Digest and condition are filled in at the end.
    line: FileLine,
    missing_bytes: u64,
}

/// A segment being built.
#[derive(Debug)]
pub struct SegmentBuilder<S: RecordSink> {
    records: Records<S>,
    limits: SegmentLimits,
    /// What is known of the segment; counts and addresses are filled in at the end.
    info: SegmentInfo,
    /// Length of `segment.json` with every number at its largest.
    info_bytes: u64,
    files: Vec<FileLine>,
    lines: Lines,
    /// For each of the last `files` that is not in `lines` yet, how long its line may become.
    unlined: VecDeque<u64>,
    /// Their sum.
    unlined_bytes: u64,
    gone: Vec<Vec<u8>>,
    /// Made with the first name that is gone.
    gone_lines: Option<Lines>,
    /// Problems of the run so far, if they are known.
    job_problems: Option<u64>,
    /// The headers of the member begun last; kept for the next.
    headers: Vec<u8>,
    open: Option<Open>,
    /// Of a compressed segment.
    frames: Option<Frames>,
}

/// What the first header of a segment says: enough to know it without its index.
fn identity(info: &SegmentInfo) -> String {
    let content = info.content.name();
    let content = content.map_or_else(String::new, |name| format!(" content={name}"));
    // Before, the number of the format told of it.
    let level = info.job.level.name().filter(|_| info.lists_frames());
    let level = level.map_or_else(String::new, |name| format!(" level={name}"));
    format!(
        "tapewright-segment {} volume={} number={} segment={} job={}{content}{level}",
        info.format, info.volume, info.number, info.segment, info.job.id
    )
}

/// Whether the last file comes to its end in this segment.
fn ends_whole(files: &[FileLine]) -> bool {
    files.last().is_some_and(|line| {
        let ends = line.part.is_none_or(|part| part.last);
        ends && line.condition == Condition::Whole
    })
}

impl<S: RecordSink> SegmentBuilder<S> {
    /// Begins a segment. Nothing is emitted until a record is full.
    #[must_use]
    pub fn new(start: &SegmentStart<'_>, sink: S) -> Self {
        Self::with_codec(start, sink, None)
    }

    /// Begins a compressed segment.
    #[must_use]
    pub fn compressed(
        start: &SegmentStart<'_>,
        sink: S,
        compressor: Box<dyn FrameCompressor>,
    ) -> Self {
        Self::with_codec(start, sink, Some(Frames::new(compressor)))
    }

    fn with_codec(start: &SegmentStart<'_>, sink: S, mut frames: Option<Frames>) -> Self {
        let SegmentStart {
            label,
            at,
            segment,
            job,
            content,
            job_segment,
            limits,
            open_parts,
        } = start;
        let format = match job.level {
            _ if frames.is_some() => FORMAT_OF_FRAME_LISTS,
            Level::Full if *open_parts => FORMAT_OF_FRAMES,
            Level::Full => FORMAT,
            Level::Differential | Level::Incremental => FORMAT_OF_CHANGES,
        };
        let info = SegmentInfo {
            format,
            volume: label.volume,
            barcode: label.barcode.clone(),
            pool: label.pool.clone(),
            block_bytes: label.block_bytes,
            segment: *segment,
            number: at.next_number,
            job: (*job).clone(),
            written_at: Timestamp::MAX,
            first_block: at.next_block,
            index_block: BlockAddress(u64::MAX),
            codec: match frames {
                None => Codec::Plain,
                Some(_) => Codec::Zstd,
            },
            records: u64::MAX,
            tar_bytes: u64::MAX,
            files: u64::MAX,
            file_bytes: u64::MAX,
            gone: u64::MAX,
            previous_indexes: at.previous_indexes.clone(),
            content: *content,
            content_ends: *content == Content::Catalog,
            job_segment: *job_segment,
            job_ends: false,
            job_problems: Some(u64::MAX),
        };
        let mut header = encode_global(&identity(&info));
        if let Some(frames) = &mut frames {
            let mut rest = &header[..];
            let full = frames.fill(&mut rest);
            assert!(!full, "a frame is far longer than the first header");
            header.clear();
        }
        Self {
            records: Records::new(sink, label.block_bytes, at.next_block, header),
            limits: *limits,
            info_bytes: index::segment_json(&info).len() as u64,
            info,
            files: Vec::new(),
            lines: Lines::new(),
            unlined: VecDeque::new(),
            unlined_bytes: 0,
            gone: Vec::new(),
            gone_lines: None,
            job_problems: None,
            headers: Vec::new(),
            open: None,
            frames,
        }
    }

    /// The most payload that `member` (its metadata as they are, its data cut short if need
    /// be) can have here, so that segment, index and padding stay within all limits; a
    /// multiple of 512. A member without data fits if this is `Some`.
    ///
    /// For a cut, ask with the part's number and offset set and the length of all that is
    /// left of the file: a shorter part never needs more.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the member cannot be written at all.
    pub fn room_bytes(&self, member: &Member) -> Result<Option<u64>, EncodeError> {
        let header_bytes = encode_member(member)?.len() as u64;
        let line = longest_line(member, self.info.codec);
        Ok(self.room(header_bytes, index::line_bytes(&line)))
    }

    /// Payload that fits behind headers of `header_bytes`, with a line of `line_bytes` in the
    /// index.
    fn room(&self, header_bytes: u64, line_bytes: u64) -> Option<u64> {
        self.room_beside(header_bytes, line_bytes, 0)
    }

    /// The same, with so much more text in `files.jsonl` and in `gone.jsonl`.
    fn room_beside(&self, header_bytes: u64, line_bytes: u64, gone_bytes: u64) -> Option<u64> {
        let gone = self.gone_lines.as_ref().map_or(0, Lines::text_bytes);
        let lines = LinesBytes {
            files: self.lines.text_bytes() + self.unlined_bytes + line_bytes,
            gone: gone + gone_bytes,
        };
        let members = self.limits.members.min(MAX_MEMBERS);
        let taken = (self.files.len() + self.gone.len()) as u64;
        if taken >= members || lines.files + lines.gone > MAX_LINES_BYTES {
            return None;
        }
        let block_bytes = u64::from(self.info.block_bytes);
        let archive_bytes = self.frames.as_ref().map(Frames::archive_bytes);
        let (limits, info_bytes) = (&self.limits, self.info_bytes);
        let records = limits.records(block_bytes, info_bytes, lines, archive_bytes)?;
        let free = (records * block_bytes).checked_sub(self.records.position())?;
        let free = match &self.frames {
            None => free,
            Some(frames) => compressed::plain_room(free)
                .checked_sub(frames.pending_bytes())?
                .min(frames.listed_room_bytes()),
        };
        let room = free.checked_sub(header_bytes + END.len() as u64)?;
        Some(room - room % BLOCK as u64)
    }

    /// Starts a member: its headers, and for a sparse file the map. Then exactly
    /// [`Member::payload_bytes`] of [`data`](Self::data) must follow, then
    /// [`end`](Self::end).
    ///
    /// # Errors
    ///
    /// [`SegmentError::Member`] and [`SegmentError::NoRoom`] leave the segment as it was.
    ///
    /// # Panics
    ///
    /// If the member before was not ended.
    pub fn begin(&mut self, member: &Member) -> Result<(), SegmentError<S::Error>> {
        assert!(self.open.is_none(), "the member before was ended");
        self.headers.clear();
        put_member(&mut self.headers, member)?;
        let needed_bytes = member.payload_bytes();
        let header_bytes = self.headers.len() as u64;
        let mut line = longest_line(member, self.info.codec);
        // Most members fit however long their line: nobody has to know.
        let mut room_bytes = self.room(header_bytes, line_bound_bytes(member));
        if room_bytes.is_none_or(|room| needed_bytes > room) {
            room_bytes = self.room(header_bytes, index::line_bytes(&line));
        }
        if room_bytes.is_none_or(|room| needed_bytes > room) {
            return Err(SegmentError::NoRoom {
                needed_bytes,
                room_bytes,
            });
        }
        let member = self.files.len();
        let skip_bytes = self.frames.as_mut().map(|frames| frames.begin(member));
        line.place = Place {
            length_bytes: header_bytes + padded(needed_bytes),
            skip_bytes,
            ..self.records.place()
        };
        self.open = Some(Open {
            line,
            missing_bytes: needed_bytes,
        });
        let headers = std::mem::take(&mut self.headers);
        let pushed = self.push(&headers);
        self.headers = headers;
        pushed
    }

    /// Adds data of the member.
    ///
    /// # Errors
    ///
    /// [`SegmentError::Sink`].
    ///
    /// # Panics
    ///
    /// If it is more than the member was announced with.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), SegmentError<S::Error>> {
        let open = self.open.as_mut().expect("a member was begun");
        let left = open.missing_bytes.checked_sub(bytes.len() as u64);
        open.missing_bytes = left.expect("no more data than announced");
        self.push(bytes)
    }

    /// Payload bytes of the present member that have not come yet; 0 between members.
    #[must_use]
    pub fn missing_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.missing_bytes)
    }

    /// Ends the present member. `digest`: of the logical content that it covers, for files.
    ///
    /// # Errors
    ///
    /// [`SegmentError::Sink`].
    ///
    /// # Panics
    ///
    /// If data are missing, or none was begun.
    pub fn end(
        &mut self,
        digest: Option<Digest>,
        condition: Condition,
    ) -> Result<(), SegmentError<S::Error>> {
        let Open {
            mut line,
            missing_bytes,
        } = self.open.take().expect("a member was begun");
        assert!(missing_bytes == 0, "all data came");
        line.digest = digest;
        line.condition = condition;
        let archive_bytes = self.archive_bytes();
        let padding = (padded(archive_bytes) - archive_bytes) as usize;
        match self.frames {
            None => self.lines.push(&line),
            Some(_) => {
                let bound_bytes = bound_bytes(&mut line);
                self.unlined.push_back(bound_bytes);
                self.unlined_bytes += bound_bytes;
            }
        }
        self.files.push(line);
        self.push(&[0; BLOCK][..padding])?;
        self.push_lines();
        Ok(())
    }

    /// Notes a name that was there before the run and is not any more. False if there is no
    /// room for it; then nothing was noted. Counts as a member does.
    ///
    /// # Panics
    ///
    /// If a member was not ended.
    #[must_use]
    pub fn gone(&mut self, path: &[u8]) -> bool {
        assert!(self.open.is_none(), "the member before was ended");
        if self.room_beside(0, 0, index::gone_bytes(path)).is_none() {
            return false;
        }
        let lines = self.gone_lines.get_or_insert_with(Lines::new);
        lines.push_gone(path);
        self.gone.push(path.to_vec());
        true
    }

    /// Says how many problems the run had so far; the index has it if the run ends with it.
    pub fn set_job_problems(&mut self, problems: Option<u64>) {
        self.job_problems = problems;
    }

    /// Members ended and names noted as gone so far.
    #[must_use]
    pub fn members(&self) -> u64 {
        (self.files.len() + self.gone.len()) as u64
    }

    /// Ends the segment: its last record goes to the sink, and the index is made.
    /// To be written then: a filemark, the index's records, a filemark.
    ///
    /// # Errors
    ///
    /// [`SegmentError::Sink`].
    ///
    /// # Panics
    ///
    /// If a member was not ended.
    pub fn finish(
        mut self,
        written_at: Timestamp,
        job_ends: bool,
    ) -> Result<FinishedSegment, SegmentError<S::Error>> {
        assert!(self.open.is_none(), "the last member was ended");
        self.push(&END)?;
        let tar_bytes = self.archive_bytes();
        self.fill_up()?;
        let Self {
            mut info,
            files,
            lines,
            gone,
            gone_lines,
            job_problems,
            records,
            frames,
            ..
        } = self;
        let crcs = records.into_checksums();
        let frames = frames.map(Frames::into_lengths);
        info.written_at = written_at;
        info.records = crcs.len() as u64;
        info.index_block = info.first_block.plus(info.records + 1);
        info.tar_bytes = tar_bytes;
        info.files = files.len() as u64;
        info.file_bytes = files.iter().map(FileLine::covered_bytes).sum();
        info.gone = gone.len() as u64;
        info.content_ends = info.content == Content::Catalog && ends_whole(&files);
        info.job_ends = job_ends;
        info.job_problems = job_problems.filter(|_| job_ends);
        let texts = Texts {
            files: lines.finish(),
            gone: gone_lines.map(Lines::finish),
        };
        let index_records = index::encode(&info, &texts, &crcs, frames.as_deref());
        let records = index_records.len() as u64 / u64::from(info.block_bytes);
        let receipt = SegmentReceipt {
            end_block: info.index_block.plus(records + 1),
            info,
            files,
            gone,
            salvaged: false,
        };
        Ok(FinishedSegment {
            index_records,
            next: AppendPoint::behind(&receipt),
            receipt,
        })
    }

    /// Bytes of the archive so far.
    fn archive_bytes(&self) -> u64 {
        let frames = self.frames.as_ref();
        frames.map_or_else(|| self.records.position(), Frames::archive_bytes)
    }

    /// Gives the members whose places are known their lines in the index.
    fn push_lines(&mut self) {
        let Some(frames) = &self.frames else { return };
        while let Some(bound_bytes) = self.unlined.front() {
            let member = self.files.len() - self.unlined.len();
            if !frames.placed(member) {
                return;
            }
            self.lines.push(&self.files[member]);
            self.unlined_bytes -= bound_bytes;
            self.unlined.pop_front();
        }
    }

    /// Adds bytes of the archive.
    fn push(&mut self, mut bytes: &[u8]) -> Result<(), SegmentError<S::Error>> {
        if self.frames.is_none() {
            return self.records.put(bytes);
        }
        while let Some(frames) = &mut self.frames
            && frames.fill(&mut bytes)
        {
            frames.put();
            self.put_frames(false)?;
        }
        Ok(())
    }

    /// Puts frames into records: those that are ready, or `all`.
    fn put_frames(&mut self, all: bool) -> Result<(), SegmentError<S::Error>> {
        while let Some(frames) = &mut self.frames
            && let Some(frame) = frames.take(all)
        {
            let members: Vec<usize> = frames.members().collect();
            let at = self.records.place();
            for member in members {
                let open = self.open.as_mut().map(|open| &mut open.line);
                let line = self.files.get_mut(member).or(open);
                let place = &mut line.expect("a member was begun, or ended").place;
                (place.block, place.offset_bytes) = (at.block, at.offset_bytes);
            }
            self.records.put(&frame.stored)?;
            if let Some(frames) = &mut self.frames {
                frames.recycle(frame);
            }
        }
        Ok(())
    }

    /// Fills up the last record, behind the last frame.
    fn fill_up(&mut self) -> Result<(), SegmentError<S::Error>> {
        if let Some(frames) = &mut self.frames {
            frames.put();
            self.put_frames(true)?;
            self.push_lines();
        }
        let left = self.records.missing_bytes();
        let filler = match self.frames {
            None => vec![0; left],
            Some(_) => frames::filler(left, self.info.block_bytes as usize),
        };
        self.records.put(&filler)
    }
}
