//! What the catalog knows of tapes, and how they are.

use catalogs::model::event::{OutsidePlace, Receipt};
use catalogs::{Retained, Volume};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::append_check::append_point;
use super::catalog_copy::newest;
use super::mount::Mounter;
use super::retention::{is_free, is_held};
use super::whereabouts::{Places, TapePlace, outside};
use super::{JobError, Site, VolumeState, catalog};
use crate::volume::index::Codec;

/// A volume at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct TapeInfo {
    /// Its barcode.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// Its pool.
    pub pool: String,
    /// Generation, such as `LTO-9`.
    pub generation: String,
    /// What may be done with it.
    pub state: VolumeState,
    /// Why it is in that state, if someone said.
    pub state_reason: Option<String>,
    /// Where it is now.
    pub place: TapePlace,
    /// Where somebody said that it is, if it is not in the library.
    pub outside: Option<OutsidePlace>,
    /// Native capacity in bytes.
    pub capacity_bytes: u64,
    /// All jobs on it are expired, and no hold is on it: it may be labelled anew.
    pub free: bool,
    /// A hold is on it, or on a job that has a segment on it.
    pub held: bool,
    /// Bytes of its records.
    pub used_bytes: u64,
    /// What is left of the capacity, before early warning is taken off.
    pub free_bytes: u64,
    /// Segments on it, those with a copy of the catalog among them.
    pub segments: u64,
    /// Members on it.
    pub files: u64,
    /// Bytes of files on it.
    pub file_bytes: u64,
    /// Block at which the next segment goes.
    pub next_block: u64,
    /// When it was labelled.
    pub labelled_at: Timestamp,
    /// When it was last read back.
    pub verified_at: Option<Timestamp>,
    /// Segments that were read then, whatever is in them, and may not be all.
    pub verified_segments: u64,
    /// Files that were bad when it was last read back.
    pub bad_files: u64,
    /// When the newest copy of the catalog on it was recorded.
    pub catalog_copy_at: Option<Timestamp>,
}

/// A segment at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct TapeSegment {
    /// Counts from 1.
    pub number: u64,
    /// Tape file with its data.
    pub tape_file: u64,
    /// Its first block.
    pub first_block: u64,
    /// The block after its index's filemark.
    pub end_block: u64,
    /// Records of data.
    pub records: u64,
    /// How they are stored: `none` as they are, `zstd` compressed.
    pub codec: String,
    /// Bytes of the tar archive in them, before compression.
    pub tar_bytes: u64,
    /// Members in it.
    pub files: u64,
    /// Bytes of files in it.
    pub file_bytes: u64,
    /// What it holds: `files`, or `catalog`: a copy of the catalog.
    pub content: String,
    /// The job that wrote it.
    pub job: Uuid,
    /// That job's name.
    pub job_name: String,
}

/// A volume in detail.
#[derive(Debug, Clone, Serialize)]
pub struct TapeDetail {
    /// At a glance.
    #[serde(flatten)]
    pub info: TapeInfo,
    /// Size of its records in bytes.
    pub block_bytes: u32,
    /// Serial number of the cartridge, if its chip told.
    pub medium_serial: Option<String>,
    /// What is on it.
    pub contents: Vec<TapeSegment>,
    /// TapeAlert flags that are up, with their meaning; `None` unless it is in a free drive.
    pub tape_alerts: Option<Vec<String>>,
}

/// All volumes that are not retired, by pool and barcode; none where there is no catalog
/// yet. Moves no tape.
///
/// # Errors
///
/// Catalog or library cannot be asked.
pub fn list(site: Site<'_>) -> Result<Vec<TapeInfo>, JobError> {
    if !catalog::exists(site) {
        return Ok(Vec::new());
    }
    let catalog = catalog::open(site)?;
    let places = Mounter::open(site)?.places()?;
    let retained = catalog.retained()?;
    let mut tapes = Vec::new();
    for volume in catalog::live_volumes(&catalog)? {
        let receipts = catalog::receipts_of_volume(&catalog, volume.label.what.volume)?;
        let copied = newest(&catalog, volume.label.what.volume)?;
        tapes.push(info(volume, &receipts, &places, &retained, copied));
    }
    tapes.sort_by(|a, b| (&a.pool, &a.barcode).cmp(&(&b.pool, &b.barcode)));
    Ok(tapes)
}

/// One volume in detail. Moves no tape; a drive with this tape in it is asked for its
/// alerts, if it is free.
///
/// # Errors
///
/// [`JobError::NoSuchVolume`]; catalog or library cannot be asked.
pub fn show(site: Site<'_>, barcode: &str) -> Result<TapeDetail, JobError> {
    let catalog = catalog::open(site)?;
    let mut mounter = Mounter::open(site)?;
    let places = mounter.places()?;
    let volume = catalog::live_volume(&catalog, barcode)?;
    let volume = volume.ok_or_else(|| JobError::NoSuchVolume {
        barcode: barcode.to_owned(),
    })?;
    let receipts = catalog::receipts_of_volume(&catalog, volume.label.what.volume)?;
    let copied = newest(&catalog, volume.label.what.volume)?;
    let mut contents = Vec::with_capacity(receipts.len());
    for receipt in &receipts {
        let job = catalog.job(&receipt.job.to_string())?;
        contents.push(TapeSegment {
            number: u64::from(receipt.segment_number),
            tape_file: u64::from(receipt.file_number),
            first_block: receipt.first_block,
            records: receipt.records,
            codec: receipt
                .codec
                .clone()
                .unwrap_or_else(|| Codec::Plain.name().to_owned()),
            tar_bytes: receipt.tar_bytes,
            end_block: receipt.end_block,
            files: receipt.files,
            file_bytes: receipt.file_bytes,
            content: receipt
                .content
                .clone()
                .unwrap_or_else(|| "files".to_owned()),
            job: receipt.job,
            job_name: job.map(|job| job.start.what.name).unwrap_or_default(),
        });
    }
    Ok(TapeDetail {
        block_bytes: volume.label.what.block_bytes,
        medium_serial: volume.label.what.medium_serial.clone(),
        info: info(volume, &receipts, &places, &catalog.retained()?, copied),
        contents,
        tape_alerts: mounter.alerts_of_loaded(barcode)?,
    })
}

fn info(
    volume: Volume,
    receipts: &[Receipt],
    places: &Places,
    retained: &Retained,
    catalog_copy_at: Option<Timestamp>,
) -> TapeInfo {
    let next_block = append_point(receipts).next_block.0;
    // Each segment ends with two filemarks, the label with one; they hold no bytes.
    let filemarks = receipts.len() as u64 * 2 + 1;
    let records = next_block.saturating_sub(filemarks);
    let label = volume.label.what;
    let used_bytes = records.saturating_mul(u64::from(label.block_bytes));
    let verified = volume.verified.as_ref();
    let place = places.of(&label.barcode);
    let is_out = matches!(place, TapePlace::Missing | TapePlace::Operator);
    let said = volume.location.filter(|_| is_out);
    TapeInfo {
        outside: said.and_then(|(_, location)| outside(location)),
        place,
        barcode: label.barcode,
        volume: label.volume,
        pool: label.pool,
        generation: label.generation,
        state: volume.state,
        free: is_free(retained, label.volume, receipts),
        held: is_held(retained, label.volume, receipts),
        state_reason: Some(volume.state_reason).filter(|reason| !reason.is_empty()),
        capacity_bytes: label.capacity_bytes,
        used_bytes,
        free_bytes: label.capacity_bytes.saturating_sub(used_bytes),
        segments: receipts.len() as u64,
        files: receipts.iter().map(|receipt| receipt.files).sum(),
        file_bytes: receipts.iter().map(|receipt| receipt.file_bytes).sum(),
        next_block,
        labelled_at: volume.label.time,
        verified_at: verified.map(|(time, _)| *time),
        verified_segments: verified.map_or(0, |(_, verified)| {
            u64::from(verified.segments) + verified.catalog_copies
        }),
        bad_files: verified.map_or(0, |(_, verified)| verified.bad.total),
        catalog_copy_at,
    }
}
