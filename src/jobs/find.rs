//! Finding: which versions of which paths the catalog knows, and where they are.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use catalogs::model::{Condition, Kind};
use catalogs::{Catalog, CatalogError, Hit, Pattern};
pub use catalogs::{Filter, Reading};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::error::{Under, told};
use super::{ByteText, JobError, Site, catalog, convert};
use crate::units::{BlockAddress, TapeFile};
use crate::volume::index::Digest;

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct FindOptions {
    /// A path (a directory means all below it) or a glob with `**`, as bytes.
    pub pattern: Vec<u8>,
    /// Every version, not only the newest.
    pub all_versions: bool,
    /// What only expired jobs hold, too.
    pub expired: bool,
    /// Only what is on the tape with this barcode.
    pub on_tape: Option<String>,
    /// Only jobs that started at this time or before.
    pub as_of: Option<Timestamp>,
    /// How the pattern is read.
    pub reading: Reading,
    /// Upper and lower case count as the same.
    pub ignore_case: bool,
    /// What else has to hold.
    pub filter: Filter,
}

/// A tape with something that was looked for.
#[derive(Debug, Clone, Serialize)]
pub struct HoldingTape {
    /// Its barcode.
    pub barcode: String,
    /// Its pool.
    pub pool: String,
    /// The volume.
    pub volume: Uuid,
    /// Members on it.
    pub objects: u64,
    /// Bytes of files on it.
    pub bytes: u64,
}

/// A member on a tape.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// Archive path, without leading slash.
    pub path: ByteText,
    /// `file`, `dir`, `symlink`, `hardlink`, `char`, `block` or `fifo`, as in the tape format.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Size of the whole file in bytes.
    pub size_bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Owner's name, empty if unknown.
    pub user: String,
    /// Group's name, empty if unknown.
    pub group: String,
    /// Last modification: seconds since 1970-01-01 UTC and nanoseconds.
    pub mtime: (i64, u32),
    /// Text of a symbolic link, or archive path that a hard link shares its file with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<ByteText>,
    /// Digest of the content in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How it was made: `blake3`, `sha256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_algorithm: Option<&'static str>,
    /// Number of the part, if the file was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// `whole`, or what happened while it was read: `changed`, `shrank`, `grew`, `unreadable`.
    pub condition: &'static str,
    /// A later job did not find it any more.
    pub gone: bool,
    /// When the first job began that did not find it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone_since: Option<Timestamp>,
    /// The job that archived it.
    pub job: Uuid,
    /// That job's name.
    pub job_name: String,
    /// When that job began.
    pub archived_at: Timestamp,
    /// Barcode of the tape.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// Tape file with the member.
    pub tape_file: TapeFile,
    /// Record in which the member starts.
    pub block: BlockAddress,
    /// Where in that record, in bytes.
    pub offset_bytes: u32,
    /// On a compressed segment, and only there: the member's frame starts there, and so many
    /// bytes of its content come before the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_bytes: Option<u32>,
}

/// Finds members, in directory order, and tells each one onwards; the newest first where
/// there are several versions. Says how many there were. Memory is bounded.
///
/// # Errors
///
/// A malformed pattern, an unknown tape, [`JobError::NothingFound`] if a moment was asked for and
/// nothing matches as of then, or what the catalog says. An entry file that is
/// damaged hides what it holds: all the rest is told first.
pub fn find(
    site: Site<'_>,
    options: &FindOptions,
    each: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> Result<u64, JobError> {
    let catalog = catalog::open_to_search(site)?;
    let mut count = 0;
    let damage = search(&catalog, options, &mut |hit| {
        count += 1;
        each(found(hit))
    })?;
    match (damage, options.as_of) {
        (Some(error), _) => Err(told(&catalog, Under::Search, error.into())),
        (None, Some(_)) if count == 0 => {
            let patterns = vec![String::from_utf8_lossy(&options.pattern).into_owned()];
            Err(nothing_found(&catalog, patterns, options.as_of)?)
        }
        (None, _) => Ok(count),
    }
}

/// Says on which tapes lies what is looked for, by barcode, and how much of it on each.
///
/// # Errors
///
/// As [`find`].
pub fn tapes(site: Site<'_>, options: &FindOptions) -> Result<Vec<HoldingTape>, JobError> {
    let catalog = catalog::open_to_search(site)?;
    let mut tapes: BTreeMap<Uuid, HoldingTape> = BTreeMap::new();
    let damage = search(&catalog, options, &mut |hit| {
        let label = &hit.volume.label.what;
        let tape = tapes.entry(label.volume).or_insert_with(|| HoldingTape {
            barcode: label.barcode.clone(),
            pool: label.pool.clone(),
            volume: label.volume,
            objects: 0,
            bytes: 0,
        });
        tape.objects += 1;
        tape.bytes = tape.bytes.saturating_add(bytes_there(&hit));
        ControlFlow::Continue(())
    })?;
    if let Some(error) = damage {
        return Err(told(&catalog, Under::Search, error.into()));
    }
    let mut tapes: Vec<HoldingTape> = tapes.into_values().collect();
    tapes.sort_by(|a, b| a.barcode.cmp(&b.barcode));
    Ok(tapes)
}

/// Bytes of content in this member; of a part about as much as the member is long.
fn bytes_there(hit: &Hit) -> u64 {
    match (hit.entry.kind, hit.entry.part) {
        (Kind::File, None) => hit.entry.size_bytes,
        (Kind::File, Some(_)) => hit.entry.member_bytes.min(hit.entry.size_bytes),
        _ => 0,
    }
}

/// Hands each hit on. Returns the first entry file that could not be read.
fn search(
    catalog: &Catalog,
    options: &FindOptions,
    each: &mut dyn FnMut(Hit) -> ControlFlow<()>,
) -> Result<Option<CatalogError>, JobError> {
    let query = catalogs::FindOptions {
        all_versions: options.all_versions,
        as_of: options.as_of,
        on_volume: volume_of(catalog, options.on_tape.as_deref())?,
        expired: options.expired,
    };
    let pattern = Pattern::read(&options.pattern, options.reading, options.ignore_case)?;
    let mut damage = None;
    for hit in catalog
        .find(&pattern, &query)?
        .filtered(options.filter.clone())
    {
        match hit {
            Ok(hit) => {
                if each(hit).is_break() {
                    break;
                }
            }
            Err(CatalogError::Stopped) => return Err(JobError::Stopped),
            Err(error) => damage = damage.or(Some(error)),
        }
    }
    Ok(damage)
}

/// The volume with this barcode, if one is named.
pub(super) fn volume_of(
    catalog: &Catalog,
    barcode: Option<&str>,
) -> Result<Option<Uuid>, JobError> {
    let Some(barcode) = barcode else {
        return Ok(None);
    };
    match catalog::live_volume(catalog, barcode)? {
        Some(known) => Ok(Some(known.label.what.volume)),
        None => Err(JobError::NoSuchVolume {
            barcode: barcode.to_owned(),
        }),
    }
}

/// A path without the slashes at its ends; empty for the top.
pub(super) fn plain_path(path: &[u8]) -> Result<&[u8], JobError> {
    let start = path.iter().position(|byte| *byte != b'/');
    let end = path.iter().rposition(|byte| *byte != b'/');
    let path = start
        .zip(end)
        .map_or(&[][..], |(start, end)| &path[start..=end]);
    if !path.is_empty() {
        Pattern::tree(path)?;
    }
    Ok(path)
}

/// The error where nothing matches.
pub(super) fn nothing_found(
    catalog: &Catalog,
    patterns: Vec<String>,
    as_of: Option<Timestamp>,
) -> Result<JobError, JobError> {
    let first_job = match as_of {
        Some(_) => catalog.jobs()?.iter().map(|job| job.start.time).min(),
        None => None,
    };
    Ok(JobError::NothingFound {
        patterns,
        as_of,
        first_job,
    })
}

fn found(hit: Hit) -> Found {
    let Hit {
        entry,
        receipt,
        job,
        volume,
        gone,
        gone_since,
    } = hit;
    let link = matches!(entry.kind, Kind::Symlink | Kind::Hardlink);
    let algorithm = convert::digest_algorithm(receipt.receipt.digest_algorithm);
    Found {
        path: ByteText(entry.path),
        kind: kind_text(entry.kind),
        size_bytes: entry.size_bytes,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        user: (*entry.user).into(),
        group: (*entry.group).into(),
        mtime: (entry.mtime.seconds, entry.mtime.nanoseconds),
        link: link.then_some(ByteText(entry.link_target)),
        digest: entry.digest.map(|digest| Digest(digest).to_string()),
        digest_algorithm: entry.digest.map(|_| algorithm.name()),
        part: entry.part.map(|part| part.number),
        condition: condition_text(entry.condition),
        gone,
        gone_since,
        job: job.start.what.job,
        job_name: job.start.what.name.clone(),
        archived_at: job.start.time,
        barcode: volume.label.what.barcode.clone(),
        volume: volume.label.what.volume,
        tape_file: TapeFile(u64::from(receipt.receipt.file_number)),
        block: BlockAddress(entry.block),
        offset_bytes: entry.offset_bytes,
        skip_bytes: entry.skip_bytes,
    }
}

pub(super) fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "dir",
        Kind::Symlink => "symlink",
        Kind::Hardlink => "hardlink",
        Kind::CharDevice => "char",
        Kind::BlockDevice => "block",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::Gone => "gone",
    }
}

/// What happened to a file while it was read, as a sentence without a full stop.
pub(super) fn condition_sentence(condition: Condition) -> &'static str {
    match condition {
        Condition::Whole => "it was whole when it was archived",
        Condition::Changed => "it was modified while it was archived",
        Condition::Shrank => "it became shorter while it was archived: its end is zeros",
        Condition::Grew => "it became longer while it was archived: what was added is missing",
        Condition::Unreadable => {
            "it could not be read to its end: what is missing is zeros or cut off"
        }
    }
}

fn condition_text(condition: Condition) -> &'static str {
    match condition {
        Condition::Whole => "whole",
        Condition::Changed => "changed",
        Condition::Shrank => "shrank",
        Condition::Grew => "grew",
        Condition::Unreadable => "unreadable",
    }
}
