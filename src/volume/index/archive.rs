//! The archive that an index is: four to six members, checked against each other.

use std::io::{BufRead, BufReader, Read};

use super::json::{LineJson, PathJson, SEGMENT_KIND, SegmentJson, Version};
use super::{
    Codec, FrameList, Index, IndexError, MAX_LINES_BYTES, MAX_MEMBERS, MAX_RECORDS, Place,
    SegmentInfo, frame_list,
};
use crate::volume::LATEST_SEGMENT_FORMAT;
use crate::volume::frames::FRAME_BYTES;
use crate::volume::label::is_block_size;
use crate::volume::member::Kind;
use crate::volume::tar::{BLOCK, END, Event, MemberParser, encode_plain, is_archive_path, padded};

const SEGMENT: &str = "segment.json";
const FILES: &str = "files.jsonl.zst";
const CRCS: &str = "blocks.crc32";
const FRAMES: &str = "frames.lengths";
const GONE: &str = "gone.jsonl.zst";
const SUMS: &str = "B3SUMS";
/// The members, in their order.
const MEMBERS: [&str; 6] = [SEGMENT, FILES, CRCS, FRAMES, GONE, SUMS];
/// Those that not every index has: of compressed segments alone, and where something is gone.
const OPTIONAL: [&str; 2] = [FRAMES, GONE];

/// The compressed texts of an index.
pub(crate) struct Texts {
    /// `files.jsonl.zst`.
    pub(crate) files: Vec<u8>,
    /// `gone.jsonl.zst`, if there is one.
    pub(crate) gone: Option<Vec<u8>>,
}

/// Lengths of the texts before compression, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinesBytes {
    /// Of `files.jsonl`.
    pub(crate) files: u64,
    /// Of `gone.jsonl`; 0 if there is none.
    pub(crate) gone: u64,
}

/// Largest window a reader accepts, as a power of two: 8 MiB of memory. Writing uses 19.
const WINDOW_LOG: u32 = 23;
/// Longest line: a path and a link target of 64 KiB each in base64, and the rest.
const MAX_LINE_BYTES: u64 = 256 << 10;
/// What a compressor may add to text that does not shrink, above its published bound for
/// one call: headers of blocks flushed early.
const STREAM_SLACK_BYTES: u64 = 1 << 10;

/// The index as full records of the volume's block size. `frames`: how long each frame of a
/// compressed segment is on tape.
pub(crate) fn encode(
    info: &SegmentInfo,
    texts: &Texts,
    crcs: &[u32],
    frames: Option<&[u32]>,
) -> Vec<u8> {
    let segment = segment_json(info);
    let crcs: Vec<u8> = crcs.iter().flat_map(|crc| crc.to_be_bytes()).collect();
    let frames = frames.map(frame_list::encode);
    let frames = frames.as_ref().map(|frames| (FRAMES, frames));
    let gone = texts.gone.as_ref().map(|gone| (GONE, gone));
    let contents = [(SEGMENT, &segment), (FILES, &texts.files), (CRCS, &crcs)];
    let contents: Vec<_> = contents.into_iter().chain(frames).chain(gone).collect();
    let sums: String = contents
        .iter()
        .map(|(name, content)| format!("{}  {name}\n", blake3::hash(content).to_hex()))
        .collect();
    let mut archive = Vec::new();
    let mtime = info.written_at.as_second();
    for (name, content) in contents.into_iter().chain([(SUMS, &sums.into_bytes())]) {
        let path = format!("tapewright-segment-{:05}/{name}", info.number);
        encode_plain(&mut archive, &path, mtime, content);
    }
    archive.extend_from_slice(&END);
    let records = archive.len().div_ceil(info.block_bytes as usize);
    archive.resize(records * info.block_bytes as usize, 0);
    archive
}

/// No index is longer than this, given the length of its `segment.json`, of the texts of
/// its lines, the number of records, and that of frames, if these are listed. Bytes, before
/// padding to records.
pub(crate) fn bound_bytes(
    segment_json_bytes: u64,
    lines: LinesBytes,
    records: u64,
    frames: Option<u64>,
) -> u64 {
    let compressed = |bytes| {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        zstd::zstd_safe::compress_bound(bytes) as u64 + STREAM_SLACK_BYTES
    };
    let sums = MEMBERS.iter().map(|name| 64 + 3 + name.len() as u64).sum();
    let gone = (lines.gone > 0).then(|| compressed(lines.gone));
    let contents = [
        segment_json_bytes,
        compressed(lines.files),
        4 * records,
        sums,
    ];
    let members: u64 = contents
        .into_iter()
        .chain(frames.map(|frames| 4 * frames))
        .chain(gone)
        .map(|bytes| BLOCK as u64 + padded(bytes))
        .sum();
    members + END.len() as u64
}

/// The text of `segment.json`.
pub(crate) fn segment_json(info: &SegmentInfo) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(&SegmentJson::new(info))
        .expect("a struct of numbers and strings is JSON");
    text.push(b'\n');
    text
}

/// Reads the bytes of an index: its whole tape file.
///
/// # Errors
///
/// See [`IndexError`].
pub fn decode(archive: &[u8]) -> Result<Index, IndexError> {
    let [segment, files, crcs, frames, gone, sums] = members(archive)?;
    let [segment, files, crcs, sums] =
        [segment, files, crcs, sums].map(|content| content.unwrap_or_default());
    let contents = [(SEGMENT, segment), (FILES, files), (CRCS, crcs)];
    let optional = [(FRAMES, frames), (GONE, gone)];
    let optional = optional.into_iter();
    let optional = optional.filter_map(|(name, content)| Some((name, content?)));
    check_sums(sums, contents.into_iter().chain(optional))?;
    let info = read_info(segment)?;
    let files = read_lines(FILES, files, |text| {
        let json: LineJson<'_> = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        json.into_line().map_err(str::to_owned)
    })?;
    let gone = gone.map(|gone| {
        read_lines(GONE, gone, |text| {
            let json: PathJson<'_> = serde_json::from_slice(text).map_err(|e| e.to_string())?;
            let path = json.into_path().filter(|path| is_archive_path(path));
            path.ok_or_else(|| "a path that must not be used".to_owned())
        })
    });
    let gone = gone.transpose()?.unwrap_or_default();
    let (crcs, rest) = crcs.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(contradiction(
            "`blocks.crc32` has no whole number of checksums",
        ));
    }
    let crcs = crcs.iter().map(|crc| u32::from_be_bytes(*crc)).collect();
    let frames = match (frames, info.lists_frames()) {
        (None, false) => None,
        (Some(frames), true) => Some(FrameList::decode(frames, &info).map_err(contradiction)?),
        (None, true) => return Err(IndexError::Missing { expected: FRAMES }),
        (Some(_), false) => {
            return Err(contradiction(
                "`frames.lengths` is not of this format of segment",
            ));
        }
    };
    let index = Index {
        info,
        files,
        gone,
        crcs,
        frames,
    };
    agree(&index)?;
    Ok(index)
}

/// The contents of the members, found by the ends of their names; those of [`OPTIONAL`] may be
/// missing.
fn members(archive: &[u8]) -> Result<[Option<&[u8]>; MEMBERS.len()], IndexError> {
    let mut parser = MemberParser::new();
    let mut contents = [None; MEMBERS.len()];
    // As many members were seen or passed over.
    let mut seen = 0;
    let mut input = archive;
    while let Some(event) = parser.next(&mut input)? {
        match event {
            Event::Member { member, .. } => {
                let name = member.path.rsplit(|&b| b == b'/').next();
                let left_out =
                    |member: &&str| OPTIONAL.contains(member) && name != Some(member.as_bytes());
                while MEMBERS.get(seen).is_some_and(left_out) {
                    seen += 1;
                }
                let expected = MEMBERS.get(seen).copied().unwrap_or("the end");
                let fits = name == Some(expected.as_bytes())
                    && member.kind == Kind::File
                    && member.extents.is_none();
                if !fits {
                    return Err(IndexError::Missing { expected });
                }
                contents[seen] = Some(&archive[..0]);
                seen += 1;
            }
            // The archive is fed at once, so a member's data come in one piece.
            Event::Data { bytes, .. } => contents[seen - 1] = Some(bytes),
            Event::MemberEnd | Event::End => {}
            Event::Global(_) | Event::Refused { .. } => {
                return Err(contradiction("it has a member that is not the format's"));
            }
        }
    }
    match MEMBERS.get(seen) {
        Some(expected) => Err(IndexError::Missing { expected }),
        None if parser.ended() => Ok(contents),
        None => Err(IndexError::Missing {
            expected: "the end",
        }),
    }
}

fn check_sums<'a>(
    sums: &[u8],
    contents: impl Iterator<Item = (&'static str, &'a [u8])>,
) -> Result<(), IndexError> {
    let mut lines = sums.split(|&b| b == b'\n');
    for (member, content) in contents {
        let expected = format!("{}  {member}", blake3::hash(content).to_hex());
        if lines.next() != Some(expected.as_bytes()) {
            return Err(IndexError::WrongDigest { member });
        }
    }
    Ok(())
}

fn read_info(text: &[u8]) -> Result<SegmentInfo, IndexError> {
    let malformed = |what: String| IndexError::Malformed {
        member: SEGMENT,
        line: 1,
        what,
    };
    let json = |error: serde_json::Error| IndexError::Malformed {
        member: SEGMENT,
        line: error.line() as u64,
        what: error.to_string(),
    };
    let version: Version = serde_json::from_slice(text).map_err(json)?;
    if version.kind != SEGMENT_KIND {
        return Err(malformed(format!("it is a {:?}", version.kind)));
    }
    if version.format > LATEST_SEGMENT_FORMAT {
        return Err(IndexError::TooNew {
            format: version.format,
        });
    }
    let segment: SegmentJson<'_> = serde_json::from_slice(text).map_err(json)?;
    segment.into_info().map_err(malformed)
}

/// The lines of a compressed text, each as `read` makes it of its bytes.
fn read_lines<T>(
    member: &'static str,
    compressed: &[u8],
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<Vec<T>, IndexError> {
    let malformed = |line: u64, what: String| IndexError::Malformed { member, line, what };
    let mut decoder = zstd::Decoder::new(compressed).map_err(|e| malformed(0, e.to_string()))?;
    decoder
        .window_log_max(WINDOW_LOG)
        .map_err(|e| malformed(0, e.to_string()))?;
    let mut text = BufReader::new(decoder.take(MAX_LINES_BYTES + 1));
    let mut lines = Vec::new();
    let mut line = Vec::new();
    loop {
        let number = lines.len() as u64 + 1;
        line.clear();
        (&mut text)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(|e| malformed(number, e.to_string()))?;
        if line.is_empty() {
            break;
        }
        if text.get_ref().limit() == 0 || number > MAX_MEMBERS {
            return Err(IndexError::TooLarge {
                member,
                limit_bytes: MAX_LINES_BYTES,
            });
        }
        if line.pop() != Some(b'\n') {
            return Err(malformed(number, "it is too long, or cut off".into()));
        }
        lines.push(read(&line).map_err(|what| malformed(number, what))?);
    }
    Ok(lines)
}

fn contradiction(what: &str) -> IndexError {
    IndexError::Contradiction {
        what: what.to_owned(),
    }
}

/// Checks what the members say of each other.
fn agree(index: &Index) -> Result<(), IndexError> {
    let Index {
        info,
        files,
        gone,
        crcs,
        frames,
    } = index;
    let block_bytes = u64::from(info.block_bytes);
    if !is_block_size(info.block_bytes) || info.number == 0 || info.records > MAX_RECORDS {
        return Err(contradiction("`segment.json` has impossible numbers"));
    }
    let index_block = info.first_block.0.checked_add(info.records + 1);
    let plain = info.codec == Codec::Plain;
    let tar_fits = !plain || info.tar_bytes <= info.records * block_bytes;
    if index_block != Some(info.index_block.0) || !tar_fits {
        return Err(contradiction("`segment.json` contradicts itself"));
    }
    if crcs.len() as u64 != info.records {
        return Err(contradiction(
            "`blocks.crc32` and `segment.json` differ in records",
        ));
    }
    let mut file_bytes = 0_u64;
    let mut places = Places::default();
    for (line, file) in (1..).zip(files) {
        let malformed = |what: &str| IndexError::Malformed {
            member: FILES,
            line,
            what: what.to_owned(),
        };
        if !is_archive_path(&file.path) {
            return Err(malformed("a path that must not be used"));
        }
        places
            .next(info, &file.place)
            .filter(|begin| {
                let begins = |frames: &FrameList| frames.beginning_at(*begin).is_some();
                frames.as_ref().is_none_or(begins)
            })
            .ok_or_else(|| malformed("a place that is not in the segment"))?;
        let part_fits = file.part.is_none_or(|part| {
            let end = part.offset_bytes.checked_add(part.length_bytes);
            part.number > 0 && end.is_some_and(|end| end <= file.size_bytes)
        });
        if !part_fits {
            return Err(malformed("a part that is not within its file"));
        }
        file_bytes = file_bytes.saturating_add(file.covered_bytes());
    }
    if info.gone != gone.len() as u64 {
        return Err(contradiction(
            "`gone.jsonl` and `segment.json` differ in names",
        ));
    }
    if info.files != files.len() as u64 || info.file_bytes != file_bytes {
        return Err(contradiction(
            "`files.jsonl` and `segment.json` differ in files",
        ));
    }
    Ok(())
}

/// Follows the places of members: each lies in the segment, none in the one before it.
#[derive(Default)]
struct Places {
    /// Where on tape the last one begins, or its frame.
    begin: u64,
    /// Where the next may begin: in the archive, or in the content of that frame.
    free_from: u64,
    /// Bytes of the archive in members so far.
    taken: u64,
}

impl Places {
    /// Where in the segment the member begins, or its frame; `None` if the place cannot be.
    fn next(&mut self, info: &SegmentInfo, place: &Place) -> Option<u64> {
        let record = place.block.0.checked_sub(info.first_block.0)?;
        let inside = record < info.records && place.offset_bytes < info.block_bytes;
        let begin = record * u64::from(info.block_bytes) + u64::from(place.offset_bytes);
        let (start, most) = match (info.codec, place.skip_bytes) {
            (Codec::Plain, None) => (begin, info.tar_bytes),
            (Codec::Zstd, Some(skip)) if (skip as usize) < FRAME_BYTES => {
                if begin > self.begin {
                    self.free_from = 0;
                }
                (u64::from(skip), u64::MAX)
            }
            _ => return None,
        };
        let end = start.checked_add(place.length_bytes)?;
        self.taken = self.taken.checked_add(place.length_bytes)?;
        let behind = begin >= self.begin && start >= self.free_from;
        let fits = end <= most && self.taken <= info.tar_bytes;
        (self.begin, self.free_from) = (begin, end);
        (inside && behind && fits).then_some(begin)
    }
}
