//! Labelling: making a cartridge a volume of a pool.

mod labeller;

use serde::Serialize;
use uuid::Uuid;

use super::mount::{Mounter, drive_error};
use super::{JobError, JobErrorKind, Outcome, Site, catalog, interrupted};
use crate::drive::{Drive, DriveErrorKind};
use crate::volume::label::{MAX_BLOCK_BYTES, MIN_BLOCK_BYTES, is_block_size};
use labeller::Labeller;
pub(crate) use labeller::medium;

const POOL_NAME_MAX: usize = 64;

/// Which tapes to label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// These; any that cannot be labelled ends the command.
    Barcodes(Vec<String>),
    /// Every blank data cartridge in slots and drives of the library; others are listed.
    AllBlank,
}

/// What to label, and how.
#[derive(Debug, Clone)]
pub struct LabelOptions {
    /// The tapes.
    pub tapes: Which,
    /// The pool they will serve: 1 to 64 letters, digits, `-`, `_` or `.`.
    pub pool: String,
    /// The barcode of the one tape whose content may be destroyed, as typed by a person.
    pub erase: Option<String>,
    /// Record size in bytes; `None` is the default of the tape format, 512 KiB.
    pub block_bytes: Option<u32>,
}

/// A tape that has become a volume.
#[derive(Debug, Clone, Serialize)]
pub struct LabelledTape {
    /// Its barcode.
    pub barcode: String,
    /// The new volume.
    pub volume: Uuid,
    /// Its pool.
    pub pool: String,
    /// Size of its records in bytes.
    pub block_bytes: u32,
    /// Native capacity in bytes; 0 if the drive does not tell.
    pub capacity_bytes: u64,
    /// Generation, such as `LTO-9`.
    pub generation: String,
    /// The volume that was on this tape before and is retired now.
    pub replaces: Option<Uuid>,
}

/// A tape that was left as it is.
#[derive(Debug, Clone, Serialize)]
pub struct SkippedTape {
    /// Its barcode; its place in brackets where that cannot be read, such as `(slot 7)`.
    pub barcode: String,
    /// Why, as a sentence without a final full stop.
    pub why: String,
}

/// What was labelled.
#[derive(Debug, Clone, Serialize)]
pub struct LabelSummary {
    /// Complete, or interrupted: then some tapes were not looked at.
    pub outcome: Outcome,
    /// The new volumes, in the order of labelling.
    pub labelled: Vec<LabelledTape>,
    /// With [`Which::AllBlank`]: tapes left as they are.
    pub skipped: Vec<SkippedTape>,
}

/// Labels tapes. Only blank ones, unless the barcode of the one tape was typed.
///
/// The new volume is in the catalog only after its label was read back from the tape. A
/// volume that is overwritten is retired in the catalog before the first write.
///
/// # Errors
///
/// The first tape that cannot be labelled; those before it are volumes already.
pub fn label(site: Site<'_>, options: &LabelOptions) -> Result<LabelSummary, JobError> {
    check_pool_name(&options.pool)?;
    check_block_bytes(options.block_bytes)?;
    let catalog = catalog::open_or_create(site)?;
    interrupted::settle(site, &catalog)?;
    let mounter = Mounter::open(site)?;
    let mut labeller = Labeller {
        site,
        catalog: &catalog,
        mounter,
        options,
    };
    match &options.tapes {
        Which::Barcodes(barcodes) => labeller.named(barcodes),
        Which::AllBlank => labeller.all_blank(),
    }
}

/// The barcode in the chip of the tape `named`, if it has a chip and one was written. For
/// writing: a chip that cannot be read proves nothing.
pub(crate) fn memory_barcode(drive: &mut Drive, named: &str) -> Result<Option<String>, JobError> {
    match drive.cartridge_memory() {
        Ok(memory) => Ok(memory.and_then(|memory| memory.label.barcode)),
        Err(source) if source.kind == DriveErrorKind::Medium => Err(JobError::ChipFailed {
            barcode: named.to_owned(),
            source,
        }),
        Err(source) => Err(drive_error(named, source)),
    }
}

/// The same for reading: a chip that cannot be read tells nothing, and the tape is read
/// without it.
pub(crate) fn memory_barcode_if_readable(
    drive: &mut Drive,
    named: &str,
) -> Result<Option<String>, JobError> {
    match memory_barcode(drive, named) {
        Err(error @ JobError::ChipFailed { .. }) => {
            tracing::warn!(tape = named, %error, "the tape is read without its chip");
            Ok(None)
        }
        result => result,
    }
}

fn check_pool_name(pool: &str) -> Result<(), JobError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=POOL_NAME_MAX).contains(&pool.len()) && pool.chars().all(allowed) {
        return Ok(());
    }
    let what =
        format!("`{pool}` is no pool name: 1 to {POOL_NAME_MAX} letters, digits, `-`, `_` or `.`");
    Err(JobError::Request { what })
}

fn check_block_bytes(block_bytes: Option<u32>) -> Result<(), JobError> {
    match block_bytes {
        Some(bytes) if !is_block_size(bytes) => {
            let what = format!(
                "blocks of {bytes} bytes: they have a multiple of 512 from {MIN_BLOCK_BYTES} to \
                 {MAX_BLOCK_BYTES}"
            );
            Err(JobError::Request { what })
        }
        _ => Ok(()),
    }
}

/// Whether the error says something about this one tape, so that the next may be tried.
pub(crate) fn is_about_the_tape(error: &JobError) -> bool {
    matches!(
        error.kind(),
        JobErrorKind::WrongTape | JobErrorKind::BadMedium
    ) || matches!(error, JobError::BlocksBeyondPath { .. })
}
