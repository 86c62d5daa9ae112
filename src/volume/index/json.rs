//! The JSON of `segment.json` and `files.jsonl`, key by key as the format names them.
//!
//! These types only mirror the text; what follows from it is checked in
//! [`super::archive`].

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Codec, Content, Digest, DigestAlgorithm, FileLine, JobHeader, JobPolicy, KeepUntil, Level,
    Place, SegmentInfo,
};
use crate::units::BlockAddress;
use crate::volume::FORMAT_OF_CHANGES;
use crate::volume::json_bytes::{bytes, text_or_base64};
use crate::volume::member::{Condition, FileTime, Kind, Part};
use crate::volume::tar::owners_fit;

/// `kind` of `segment.json`.
pub(super) const SEGMENT_KIND: &str = "tapewright-segment";

/// What every version of `segment.json` has; read first, to refuse later versions.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub format: u32,
    pub kind: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PathJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SegmentJson<'a> {
    format: u32,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    volume: Uuid,
    barcode: Cow<'a, str>,
    pool: Cow<'a, str>,
    block_bytes: u32,
    segment: Uuid,
    number: u64,
    job: Uuid,
    job_name: Cow<'a, str>,
    job_started_at: Timestamp,
    #[serde(borrow)]
    roots: Vec<PathJson<'a>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    excludes: Cow<'a, [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_pool: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_pool: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_until: Option<Cow<'a, str>>,
    host: Cow<'a, str>,
    software: Cow<'a, str>,
    written_at: Timestamp,
    first_block: BlockAddress,
    index_block: BlockAddress,
    records: u64,
    tar_bytes: u64,
    files: u64,
    file_bytes: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    gone: u64,
    digest: Cow<'a, str>,
    codec: Cow<'a, str>,
    previous_indexes: Cow<'a, [BlockAddress]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    content_ends: bool,
    job_segment: u64,
    job_ends: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_problems: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartJson {
    number: u32,
    offset: u64,
    size: u64,
    last: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    open: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LineJson<'a> {
    #[serde(flatten, borrow)]
    path: PathJson<'a>,
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    mode: Cow<'a, str>,
    uid: u32,
    gid: u32,
    user: Cow<'a, str>,
    group: Cow<'a, str>,
    mtime: (i64, u32),
    ctime: (i64, u32),
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Cow<'a, str>>,
    block: BlockAddress,
    offset: u32,
    length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<PartJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
}

const CONDITIONS: [(Condition, &str); 4] = [
    (Condition::Changed, "changed"),
    (Condition::Shrank, "shrank"),
    (Condition::Grew, "grew"),
    (Condition::Unreadable, "unreadable"),
];

/// `keep_until` of what is kept for ever.
const FOREVER: &str = "forever";

fn keep_until(keep: KeepUntil) -> Cow<'static, str> {
    match keep {
        KeepUntil::Moment(until) => until.to_string().into(),
        KeepUntil::Forever => FOREVER.into(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl<'a> PathJson<'a> {
    pub fn new(path: &'a [u8]) -> Self {
        let (path, path_base64) = text_or_base64(path);
        PathJson { path, path_base64 }
    }

    /// The path; `None` if it is none.
    pub fn into_path(self) -> Option<Vec<u8>> {
        bytes(self.path, self.path_base64)
    }
}

impl<'a> SegmentJson<'a> {
    pub fn new(info: &'a SegmentInfo) -> Self {
        let job = &info.job;
        SegmentJson {
            format: info.format,
            kind: SEGMENT_KIND.into(),
            volume: info.volume,
            barcode: (&info.barcode).into(),
            pool: (&info.pool).into(),
            block_bytes: info.block_bytes,
            segment: info.segment,
            number: info.number,
            job: job.id,
            job_name: (&job.name).into(),
            job_started_at: job.started_at,
            roots: job.roots.iter().map(|root| PathJson::new(root)).collect(),
            excludes: (&job.excludes[..]).into(),
            level: job.level.name().map(Into::into),
            base: job.base,
            job_pool: job.policy.pool.as_deref().map(Into::into),
            copy_pool: job.policy.copy_pool.as_deref().map(Into::into),
            keep_until: job.policy.keep.map(keep_until),
            host: (&job.host).into(),
            software: (&job.software).into(),
            written_at: info.written_at,
            first_block: info.first_block,
            index_block: info.index_block,
            records: info.records,
            tar_bytes: info.tar_bytes,
            files: info.files,
            file_bytes: info.file_bytes,
            gone: info.gone,
            digest: job.digest.name().into(),
            codec: info.codec.name().into(),
            previous_indexes: (&info.previous_indexes[..]).into(),
            content: info.content.name().map(Into::into),
            content_ends: info.content_ends,
            job_segment: info.job_segment,
            job_ends: info.job_ends,
            job_problems: info.job_problems,
        }
    }

    /// The error says what this version cannot read.
    pub fn into_info(self) -> Result<SegmentInfo, String> {
        let codec = Codec::of(self.format, &self.codec)
            .ok_or_else(|| format!("codec `{}` in format {}", self.codec, self.format))?;
        let digest: DigestAlgorithm = self.digest.parse().map_err(|_| {
            format!(
                "digests by `{}`, which this program does not know",
                self.digest
            )
        })?;
        let content = Content::of(self.content.as_deref())
            .ok_or_else(|| format!("content `{}`", self.content.unwrap_or_default()))?;
        let roots = self.roots.into_iter().map(PathJson::into_path);
        let roots: Option<Vec<Vec<u8>>> = roots.collect();
        let level = match self.level {
            None => Level::Full,
            Some(name) => Level::of(&name)
                .filter(|_| self.format >= FORMAT_OF_CHANGES)
                .ok_or_else(|| format!("level `{name}` in format {}", self.format))?,
        };
        let keep = self.keep_until.map(|until| match &*until {
            FOREVER => Ok(KeepUntil::Forever),
            moment => moment
                .parse()
                .map(KeepUntil::Moment)
                .map_err(|_| format!("kept until `{moment}`")),
        });
        Ok(SegmentInfo {
            format: self.format,
            volume: self.volume,
            barcode: self.barcode.into_owned(),
            pool: self.pool.into_owned(),
            block_bytes: self.block_bytes,
            segment: self.segment,
            number: self.number,
            job: JobHeader {
                id: self.job,
                name: self.job_name.into_owned(),
                started_at: self.job_started_at,
                host: self.host.into_owned(),
                software: self.software.into_owned(),
                roots: roots.ok_or("a root that is no path")?,
                excludes: self.excludes.into_owned(),
                level,
                base: self.base,
                digest,
                policy: JobPolicy {
                    pool: self.job_pool.map(Cow::into_owned),
                    copy_pool: self.copy_pool.map(Cow::into_owned),
                    keep: keep.transpose()?,
                },
            },
            written_at: self.written_at,
            first_block: self.first_block,
            index_block: self.index_block,
            codec,
            records: self.records,
            tar_bytes: self.tar_bytes,
            files: self.files,
            file_bytes: self.file_bytes,
            gone: self.gone,
            previous_indexes: self.previous_indexes.into_owned(),
            content,
            content_ends: self.content_ends,
            job_segment: self.job_segment,
            job_ends: self.job_ends,
            job_problems: self.job_problems,
        })
    }
}

/// What of a line becomes text only for its JSON. In place, since an index has a line for each
/// object.
pub(super) struct LineText {
    mode: [u8; 4],
    digest: Option<[u8; 64]>,
}

impl LineText {
    pub fn new(line: &FileLine) -> Self {
        Self {
            mode: [9, 6, 3, 0].map(|shift| b'0' + (line.mode >> shift & 7) as u8),
            digest: line.digest.map(Digest::to_hex),
        }
    }

    fn mode(&self) -> &str {
        str::from_utf8(&self.mode).expect(DIGITS)
    }

    fn digest(&self) -> Option<&str> {
        let digits = self.digest.as_ref();
        digits.map(|digits| str::from_utf8(digits).expect(DIGITS))
    }
}

const DIGITS: &str = "digits are ASCII";

impl<'a> LineJson<'a> {
    /// Mode and digest are text here: [`LineText`] has it.
    pub fn new(line: &'a FileLine, text: &'a LineText) -> Self {
        let (kind, target, device) = match &line.kind {
            Kind::File => ("file", None, None),
            Kind::Directory => ("dir", None, None),
            Kind::Symlink(target) => ("symlink", Some(target), None),
            Kind::Hardlink(target) => ("hardlink", Some(target), None),
            Kind::CharDevice(major, minor) => ("char", None, Some((*major, *minor))),
            Kind::BlockDevice(major, minor) => ("block", None, Some((*major, *minor))),
            Kind::Fifo => ("fifo", None, None),
        };
        let (link, link_base64) = target.map_or((None, None), |target| text_or_base64(target));
        let condition = CONDITIONS
            .iter()
            .find(|(value, _)| *value == line.condition);
        LineJson {
            path: PathJson::new(&line.path),
            kind: kind.into(),
            size: (line.kind == Kind::File).then_some(line.size_bytes),
            mode: text.mode().into(),
            uid: line.uid,
            gid: line.gid,
            user: (&line.user).into(),
            group: (&line.group).into(),
            mtime: (line.mtime.seconds, line.mtime.nanoseconds),
            ctime: (line.ctime.seconds, line.ctime.nanoseconds),
            link,
            link_base64,
            device,
            digest: text.digest().map(Cow::Borrowed),
            block: line.place.block,
            offset: line.place.offset_bytes,
            length: line.place.length_bytes,
            skip: line.place.skip_bytes,
            part: line.part.map(|part| PartJson {
                number: part.number,
                offset: part.offset_bytes,
                size: part.length_bytes,
                last: part.last,
                open: part.open,
            }),
            condition: condition.map(|(_, name)| (*name).into()),
            inode: line.inode,
        }
    }

    /// The error says which value makes no sense.
    pub fn into_line(self) -> Result<FileLine, &'static str> {
        let kind = match (&*self.kind, bytes(self.link, self.link_base64), self.device) {
            ("file", None, None) => Kind::File,
            ("dir", None, None) => Kind::Directory,
            ("symlink", Some(target), None) => Kind::Symlink(target),
            ("hardlink", Some(target), None) => Kind::Hardlink(target),
            ("char", None, Some((major, minor))) => Kind::CharDevice(major, minor),
            ("block", None, Some((major, minor))) => Kind::BlockDevice(major, minor),
            ("fifo", None, None) => Kind::Fifo,
            _ => return Err("a type that does not go with its keys"),
        };
        let is_file = kind == Kind::File;
        if self.size.is_some() != is_file || self.part.is_some() && !is_file {
            return Err("a type that does not go with its keys");
        }
        let condition = match self.condition {
            None => Condition::Whole,
            Some(name) => CONDITIONS
                .iter()
                .find(|(_, known)| *known == name)
                .map(|(condition, _)| *condition)
                .ok_or("an unknown condition")?,
        };
        if !owners_fit(&self.user, &self.group) {
            return Err("an owner whose name is too long");
        }
        Ok(FileLine {
            path: self.path.into_path().ok_or("a bad path")?,
            kind,
            size_bytes: self.size.unwrap_or(0),
            mode: u32::from_str_radix(&self.mode, 8).map_err(|_| "a bad mode")?,
            uid: self.uid,
            gid: self.gid,
            user: self.user.into_owned(),
            group: self.group.into_owned(),
            mtime: time(self.mtime)?,
            ctime: time(self.ctime)?,
            digest: self
                .digest
                .map(|d| d.parse().map_err(|_| "a bad digest"))
                .transpose()?,
            place: Place {
                block: self.block,
                offset_bytes: self.offset,
                length_bytes: self.length,
                skip_bytes: self.skip,
            },
            part: self.part.map(|part| Part {
                number: part.number,
                offset_bytes: part.offset,
                length_bytes: part.size,
                last: part.last,
                open: part.open,
            }),
            condition,
            inode: self.inode,
        })
    }
}

fn time((seconds, nanoseconds): (i64, u32)) -> Result<FileTime, &'static str> {
    let valid = nanoseconds < 1_000_000_000;
    valid
        .then_some(FileTime {
            seconds,
            nanoseconds,
        })
        .ok_or("a bad time")
}
