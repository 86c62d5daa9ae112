//! From the words of tape format and engine to the catalog's.
//!
//! Every segment reaches the catalog through [`commit`], whether it was just archived,
//! adopted from a tail or found by a scan, so that the catalog can always be rebuilt.

use std::sync::Arc;

use catalogs::Catalog;
use catalogs::model::event::{
    DigestAlgorithm as CatalogAlgorithm, Event, JobStarted, Level as catalog_level, Receipt,
};
use catalogs::model::{self as catalog_model, Entry};
use jiff::Timestamp;

use super::{ByteText, JobError, Problem, Problems};
use crate::engine::target::NotSet;
use crate::volume::index::{
    Codec, Content, DigestAlgorithm, FileLine, JobHeader, Level, SegmentInfo,
};
use crate::volume::member::{Condition, FileTime, Kind};
use crate::volume::receipt::SegmentReceipt;

/// Records a segment that is on its medium. Says whether the catalog did not know it.
///
/// A segment whose job the catalog does not know brings the job along, as far as the
/// segment tells: a rebuild meets jobs in this way. The catalog takes a job it knows as said.
/// The receipt has the time at which the segment was closed, whoever commits it and when.
pub(crate) fn commit(catalog: &Catalog, receipt: SegmentReceipt) -> Result<bool, JobError> {
    name_job(catalog, &receipt.info)?;
    let closed_at = closed_at(&receipt.info);
    let (receipt, entries) = recorded(receipt)?;
    let appended = catalog.commit(closed_at, receipt, entries)?;
    Ok(!appended.known)
}

/// Names the job of a segment, where the catalog does not know it.
pub(crate) fn name_job(catalog: &Catalog, info: &SegmentInfo) -> Result<(), JobError> {
    let started = job_started(&info.job, info.pool.clone());
    catalog.append(info.job.started_at, &Event::JobStarted(started))?;
    Ok(())
}

/// A segment as the catalog has it, with its entries.
pub(crate) fn recorded(receipt: SegmentReceipt) -> Result<(Receipt, Vec<Entry>), JobError> {
    let SegmentReceipt {
        info,
        end_block,
        files,
        gone,
        salvaged: _,
    } = receipt;
    let mut receipt = receipt_of(&info, end_block.0)?;
    let is_files = info.content == Content::Files;
    let mut owners = Owners::default();
    let inner = |line: &&FileLine| is_files && line.part.is_some_and(|part| !part.last);
    receipt.inner_parts = files.iter().filter(inner).count() as u64;
    let entries = files
        .into_iter()
        .filter(|_| is_files)
        .map(|line| entry(line, &mut owners))
        .chain(gone.into_iter().map(|path| gone_entry(path, &info)))
        .filter(|e| can_be_stored(e, &info));
    Ok((receipt, entries.collect()))
}

/// When a segment was closed; of one whose index is lost, when its job began, as far as is known.
pub(crate) fn closed_at(info: &SegmentInfo) -> Timestamp {
    info.written_at.max(info.job.started_at)
}

/// The event that names a job, as far as its segments tell. `pool` is that of the volume: older
/// software names no other.
pub(crate) fn job_started(job: &JobHeader, pool: String) -> JobStarted {
    JobStarted {
        job: job.id,
        name: job.name.clone(),
        pool: job.policy.pool.clone().unwrap_or(pool),
        copy_pool: job.policy.copy_pool.clone(),
        roots: job
            .roots
            .iter()
            .map(|root| ByteText(root.clone()))
            .collect(),
        excludes: job.excludes.clone(),
        one_file_system: false,
        more_sources: false,
        lists: Vec::new(),
        host: job.host.clone(),
        software: job.software.clone(),
        level: match job.level {
            Level::Full => catalog_level::Full,
            Level::Differential => catalog_level::Differential,
            Level::Incremental => catalog_level::Incremental,
        },
        base: job.base,
        digest_algorithm: catalog_algorithm(job.digest),
    }
}

fn catalog_algorithm(algorithm: DigestAlgorithm) -> CatalogAlgorithm {
    match algorithm {
        DigestAlgorithm::Blake3 => CatalogAlgorithm::Blake3,
        DigestAlgorithm::Sha256 => CatalogAlgorithm::Sha256,
    }
}

/// The catalog's algorithm in the tape format's words.
pub(crate) fn digest_algorithm(algorithm: CatalogAlgorithm) -> DigestAlgorithm {
    match algorithm {
        CatalogAlgorithm::Blake3 => DigestAlgorithm::Blake3,
        CatalogAlgorithm::Sha256 => DigestAlgorithm::Sha256,
    }
}

/// The catalog's level in the tape format's words.
pub(crate) fn volume_level(level: catalog_level) -> Level {
    match level {
        catalog_level::Full => Level::Full,
        catalog_level::Differential => Level::Differential,
        catalog_level::Incremental => Level::Incremental,
    }
}

fn receipt_of(info: &SegmentInfo, end_block: u64) -> Result<Receipt, JobError> {
    // Tape file 0 is the label; each segment before this one took two files.
    let file_number = info
        .number
        .checked_mul(2)
        .and_then(|files| files.checked_sub(1));
    let small = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    let numbers = small(Some(info.number)).zip(small(file_number));
    let (segment_number, file_number) = numbers.ok_or_else(|| JobError::SegmentNumber {
        barcode: info.barcode.clone(),
        number: info.number,
    })?;
    // A copy of the catalog is no segment of its job's own, and holds nothing that is looked for.
    let of_files = |number| match info.content {
        Content::Files => number,
        Content::Catalog => 0,
    };
    Ok(Receipt {
        job: info.job.id,
        volume: info.volume,
        segment: info.segment,
        segment_number,
        file_number,
        job_segment: (info.content == Content::Files).then_some(info.job_segment),
        job_ends: info.job_ends,
        job_problems: info.job_problems,
        first_block: info.first_block.0,
        index_block: info.index_block.0,
        end_block,
        record_bytes: info.block_bytes,
        records: info.records,
        tar_bytes: info.tar_bytes,
        codec: match info.codec {
            Codec::Plain => None,
            codec => Some(codec.name().to_owned()),
        },
        content: info.content.name().map(str::to_owned),
        content_ends: info.content_ends,
        files: of_files(info.files),
        inner_parts: 0,
        file_bytes: of_files(info.file_bytes),
        digest_algorithm: catalog_algorithm(info.job.digest),
    })
}

/// The names of the user and the group of the entry before: those that follow mostly have the same.
type Owners = (Arc<str>, Arc<str>);

fn share(last: &mut Arc<str>, name: &str) -> Arc<str> {
    if **last != *name {
        *last = name.into();
    }
    Arc::clone(last)
}

fn entry(line: FileLine, owners: &mut Owners) -> Entry {
    let (kind, link_target, device) = match line.kind {
        Kind::File => (catalog_model::Kind::File, Vec::new(), None),
        Kind::Directory => (catalog_model::Kind::Directory, Vec::new(), None),
        Kind::Symlink(text) => (catalog_model::Kind::Symlink, text, None),
        Kind::Hardlink(first) => (catalog_model::Kind::Hardlink, first, None),
        Kind::CharDevice(major, minor) => (
            catalog_model::Kind::CharDevice,
            Vec::new(),
            Some((major, minor)),
        ),
        Kind::BlockDevice(major, minor) => (
            catalog_model::Kind::BlockDevice,
            Vec::new(),
            Some((major, minor)),
        ),
        Kind::Fifo => (catalog_model::Kind::Fifo, Vec::new(), None),
    };
    Entry {
        path: line.path,
        kind,
        size_bytes: line.size_bytes,
        mode: line.mode,
        uid: line.uid,
        gid: line.gid,
        user: share(&mut owners.0, &line.user),
        group: share(&mut owners.1, &line.group),
        mtime: time(line.mtime),
        ctime: time(line.ctime),
        link_target,
        device,
        digest: line.digest.map(|digest| digest.0),
        block: line.place.block.0,
        offset_bytes: line.place.offset_bytes,
        member_bytes: line.place.length_bytes,
        skip_bytes: line.place.skip_bytes,
        part: line.part.map(|part| catalog_model::Part {
            number: part.number,
            offset_bytes: part.offset_bytes,
            last: part.last,
        }),
        condition: condition(line.condition),
        inode: line.inode,
    }
}

/// What the catalog keeps of a name that is gone: it has no member, and so no place of its own.
fn gone_entry(path: Vec<u8>, info: &SegmentInfo) -> Entry {
    Entry {
        path,
        kind: catalog_model::Kind::Gone,
        size_bytes: 0,
        mode: 0,
        uid: 0,
        gid: 0,
        user: "".into(),
        group: "".into(),
        mtime: catalog_model::FileTime::default(),
        ctime: catalog_model::FileTime::default(),
        link_target: Vec::new(),
        device: None,
        digest: None,
        block: info.first_block.0,
        offset_bytes: 0,
        // As in the other entries of its file.
        skip_bytes: (info.codec == Codec::Zstd).then_some(0),
        member_bytes: 0,
        part: None,
        condition: catalog_model::Condition::Whole,
        inode: None,
    }
}

/// A member that breaks a rule of the catalog is left out and named in the log: it must not
/// keep the others of its segment from being found.
fn can_be_stored(entry: &Entry, info: &SegmentInfo) -> bool {
    let Err(fault) = entry.validate() else {
        return true;
    };
    let path = String::from_utf8_lossy(&entry.path);
    let (barcode, segment) = (&info.barcode, info.number);
    tracing::warn!(barcode, segment, %path, %fault, "a member is left out of the catalog");
    false
}

fn time(time: FileTime) -> catalog_model::FileTime {
    catalog_model::FileTime {
        seconds: time.seconds,
        nanoseconds: time.nanoseconds,
    }
}

fn condition(condition: Condition) -> catalog_model::Condition {
    match condition {
        Condition::Whole => catalog_model::Condition::Whole,
        Condition::Changed => catalog_model::Condition::Changed,
        Condition::Shrank => catalog_model::Condition::Shrank,
        Condition::Grew => catalog_model::Condition::Grew,
        Condition::Unreadable => catalog_model::Condition::Unreadable,
    }
}

/// Metadata that could not be set in any of these targets: the first ones, and how many.
pub(crate) fn not_set(targets: impl IntoIterator<Item = NotSet>) -> Problems {
    let mut problems = Problems::default();
    let mut total = 0;
    for target in targets {
        total += target.count;
        for item in target.items {
            problems.push(Problem {
                path: item.path.as_slice().into(),
                what: format!("{}: {}", item.what, item.why),
            });
        }
    }
    problems.total = total;
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::BlockAddress;
    use crate::volume::index::JobPolicy;
    use uuid::Uuid;

    fn info(number: u64) -> SegmentInfo {
        SegmentInfo {
            format: 1,
            volume: Uuid::from_u128(1),
            barcode: "A00001L9".to_owned(),
            pool: "p".to_owned(),
            block_bytes: 65_536,
            segment: Uuid::from_u128(2),
            number,
            job: JobHeader {
                id: Uuid::from_u128(3),
                name: "job".to_owned(),
                started_at: jiff::Timestamp::UNIX_EPOCH,
                host: "host".to_owned(),
                software: "test".to_owned(),
                roots: Vec::new(),
                excludes: Vec::new(),
                level: Level::Full,
                base: None,
                digest: DigestAlgorithm::Blake3,
                policy: JobPolicy::default(),
            },
            written_at: jiff::Timestamp::UNIX_EPOCH,
            first_block: BlockAddress(2),
            index_block: BlockAddress(4),
            codec: Codec::Plain,
            records: 1,
            tar_bytes: 1024,
            files: 0,
            file_bytes: 0,
            gone: 0,
            previous_indexes: Vec::new(),
            content: Content::Files,
            job_segment: 1,
            job_ends: true,
            content_ends: false,
            job_problems: None,
        }
    }

    #[test]
    fn a_segment_number_beyond_any_volume_is_an_error_and_not_another_number() {
        let largest = u64::from(u32::MAX / 2) + 1;
        let receipt = receipt_of(&info(largest), 6).unwrap();
        assert_eq!(u64::from(receipt.segment_number), largest);
        assert_eq!(receipt.file_number, u32::MAX);
        for number in [0, largest + 1, u64::from(u32::MAX) + 1, u64::MAX] {
            let error = receipt_of(&info(number), 6).unwrap_err();
            let named = matches!(&error, JobError::SegmentNumber { number: n, .. } if *n == number);
            assert!(named, "{number}: {error:?}");
        }
    }
    #[test]
    fn what_fits_on_tape_fits_in_the_catalog_and_the_rest_is_left_out_alone() {
        use crate::volume::tar;
        assert_eq!(tar::MAX_NAME_BYTES, catalog_model::MAX_PATH_BYTES as u64);
        assert_eq!(tar::MAX_OWNER_BYTES, catalog_model::MAX_OWNER_BYTES);
        let line = FileLine {
            path: b"a".to_vec(),
            kind: Kind::Directory,
            size_bytes: 0,
            mode: 0o755,
            uid: 0,
            gid: 0,
            user: "u".repeat(tar::MAX_OWNER_BYTES),
            group: String::new(),
            mtime: FileTime::default(),
            ctime: FileTime::default(),
            digest: None,
            place: crate::volume::index::Place {
                block: BlockAddress(2),
                offset_bytes: 0,
                length_bytes: 512,
                skip_bytes: None,
            },
            part: None,
            condition: Condition::Whole,
            inode: None,
        };
        let good = entry(line, &mut Owners::default());
        assert!(can_be_stored(&good, &info(1)));
        let (mut owner, mut path) = (good.clone(), good);
        owner.user = format!("{}u", owner.user).into();
        path.path = b"../a".to_vec();
        assert!(!can_be_stored(&owner, &info(1)));
        assert!(!can_be_stored(&path, &info(1)));
    }
}
