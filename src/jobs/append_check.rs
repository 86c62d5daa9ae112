//! The checks before the first write of a mount.
//!
//! Barcode, cartridge memory, label, catalog, pool and position have to agree, or nothing
//! is written (`docs/tape-format.md`, "When something counts as written").

use catalogs::Catalog;
use catalogs::model::event::Receipt;
use uuid::Uuid;

use super::mount::{Bay, drive_error};
use super::{JobError, Site, VolumeState, catalog, label};
use crate::drive::{Drive, DriveErrorKind, Position, SequentialDevice as _};
use crate::error_text::with_causes;
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::append::AppendPoint;
use crate::volume::failure::is_cancelled;
use crate::volume::index::MAX_PREVIOUS_INDEXES;
use crate::volume::label::{Identity, Label, identify, read_label_damage, recover_label};

/// What the volume in `bay` says of itself, for reading it: its label or, where that is lost,
/// its indexes.
///
/// `known`: the catalog has a volume under the tape's barcode.
pub(crate) fn read_label(bay: &mut Bay, known: bool) -> Result<Label, JobError> {
    Ok(read_or_recover(bay, known)?.0)
}

/// The label, and why it could not be read where an index told instead.
fn read_or_recover(bay: &mut Bay, known: bool) -> Result<(Label, Option<JobError>), JobError> {
    let barcode = bay.barcode.clone();
    let memory = label::memory_barcode_if_readable(&mut bay.drive, &barcode)?;
    let lost = match label_beside(bay, memory.as_deref(), known) {
        Err(error) if is_lost_label(&error) => error,
        result => return result.map(|label| (label, None)),
    };
    let found = recover_label(&mut bay.drive);
    let found = found.map_err(|source| volume_error(&barcode, &bay.drive, source, known))?;
    let Some(label) = found else { return Err(lost) };
    let label = of_this_tape(bay, memory.as_deref(), label, "index")?;
    tracing::warn!(barcode, error = %lost, "the label is lost; an index told instead");
    Ok((label, Some(lost)))
}

/// True where a volume of ours may lie behind what stands in its label's place.
fn is_lost_label(error: &JobError) -> bool {
    match error {
        JobError::ForeignTape { .. } => true,
        JobError::Volume {
            source: VolumeError::Drive { source, .. },
            ..
        } => source.kind == DriveErrorKind::Medium,
        _ => false,
    }
}

/// The label of a volume of the catalog with every witness: chip and label are both there.
fn label_for_writing(bay: &mut Bay) -> Result<Label, JobError> {
    let barcode = bay.barcode.clone();
    let memory = label::memory_barcode(&mut bay.drive, &barcode)?;
    label_beside(bay, memory.as_deref(), true)
}

/// The job's error for what a volume said. Blocks longer than the path carries, and data of
/// which the drive has no key, are no fault of the tape.
pub(crate) fn volume_error(
    barcode: &str,
    drive: &Drive,
    source: VolumeError,
    known: bool,
) -> JobError {
    let barcode = barcode.to_owned();
    match source {
        source if is_cancelled(&source) => JobError::Stopped,
        VolumeError::Drive { source, .. } if source.kind == DriveErrorKind::Encrypted => {
            let source = *source;
            JobError::EncryptedTape {
                barcode,
                known,
                source,
            }
        }
        source => match too_long(&source) {
            Some(block_bytes) => beyond_path(barcode, drive, block_bytes),
            None => JobError::Volume { barcode, source },
        },
    }
}

/// Length of the block that was too long, if that is the error.
pub(crate) fn too_long(error: &VolumeError) -> Option<u64> {
    match error {
        VolumeError::Drive { source, .. } => match source.kind {
            DriveErrorKind::BlockTooLong { actual_bytes } => Some(actual_bytes),
            _ => None,
        },
        _ => None,
    }
}

/// A label that was known by its beginning is that of a volume which cannot be read here.
pub(crate) fn check_path(label: &Label, drive: &Drive) -> Result<(), JobError> {
    match label.block_bytes as usize <= drive.max_block_bytes() {
        true => Ok(()),
        false => Err(beyond_path(
            label.barcode.clone(),
            drive,
            u64::from(label.block_bytes),
        )),
    }
}

fn beyond_path(barcode: String, drive: &Drive, block_bytes: u64) -> JobError {
    JobError::BlocksBeyondPath {
        barcode,
        block_bytes,
        limit_bytes: drive.max_block_bytes() as u64,
        drive: drive.name().to_owned(),
        erasable: false,
    }
}

/// The label of the tape in `bay`, if it is a volume of ours and says the tape's barcode, as
/// does the chip, where it tells one.
fn label_beside(bay: &mut Bay, memory: Option<&str>, known: bool) -> Result<Label, JobError> {
    let barcode = bay.barcode.clone();
    if let Some(says) = memory.filter(|says| !bay.may_be(says)) {
        return Err(JobError::SwappedBarcode {
            barcode,
            says: says.to_owned(),
            witness: "cartridge memory",
        });
    }
    let identity = identify(&mut bay.drive);
    let identity = identity.map_err(|source| volume_error(&barcode, &bay.drive, source, known))?;
    match identity {
        Identity::Ours(label) => of_this_tape(bay, memory, label, "label"),
        Identity::Blank => Err(JobError::BlankTape { barcode }),
        Identity::Foreign(what) => Err(JobError::ForeignTape {
            barcode,
            what,
            known,
        }),
        Identity::TooNew { format } => Err(JobError::TooNewTape { barcode, format }),
    }
}

/// The label, if it is that of the tape in `bay`. Where no barcode can be read, label and chip
/// are the only witnesses: if they contradict each other, the tape may be a copy.
fn of_this_tape(
    bay: &Bay,
    memory: Option<&str>,
    label: Label,
    witness: &'static str,
) -> Result<Label, JobError> {
    if !bay.may_be(&label.barcode) {
        return Err(JobError::SwappedBarcode {
            barcode: bay.barcode.clone(),
            says: label.barcode,
            witness,
        });
    }
    if let Some(found) = memory.filter(|says| *says != label.barcode) {
        return Err(JobError::OtherCartridge {
            barcode: label.barcode.clone(),
            what: "barcode",
            found: found.to_owned(),
            expected: label.barcode,
        });
    }
    check_path(&label, &bay.drive)?;
    Ok(label)
}

/// As [`read_label`], and the volume is the one the catalog has under this barcode.
pub(crate) fn read_known_label(bay: &mut Bay, in_catalog: Uuid) -> Result<Label, JobError> {
    let label = read_label(bay, true)?;
    check_known(&label, in_catalog)?;
    Ok(label)
}

/// As [`read_known_label`], and what is wrong with the label or the README beside it, though the
/// volume can be read.
pub(crate) fn examine_known_label(
    bay: &mut Bay,
    in_catalog: Uuid,
) -> Result<(Label, Option<String>), JobError> {
    let (mut label, mut lost) = read_or_recover(bay, true)?;
    if let Some(first) = &lost {
        let (barcode, error) = (&label.barcode, with_causes(first));
        tracing::warn!(
            barcode,
            error,
            "reading the label once more, before the tape is blamed"
        );
        (label, lost) = read_or_recover(bay, true)?;
    }
    check_known(&label, in_catalog)?;
    let damage = match lost {
        Some(lost) => Some(format!("it cannot be read: {}", with_causes(&lost))),
        None => read_label_damage(&mut bay.drive)
            .map_err(|source| volume_error(&label.barcode, &bay.drive, source, true))?,
    };
    Ok((label, damage))
}

fn check_known(label: &Label, in_catalog: Uuid) -> Result<(), JobError> {
    if label.volume == in_catalog {
        return Ok(());
    }
    let (barcode, on_tape) = (label.barcode.clone(), label.volume);
    Err(JobError::OtherVolume {
        barcode,
        on_tape,
        in_catalog,
    })
}

/// What a volume must be to be written.
pub(crate) struct Expected<'a> {
    pub(crate) volume: Uuid,
    pub(crate) pool: &'a str,
    /// Its receipts in the order of their numbers.
    pub(crate) receipts: &'a [Receipt],
}

/// A volume that may be written.
pub(crate) struct Appendable {
    pub(crate) label: Label,
    /// Behind the last segment that the catalog knows.
    pub(crate) point: AppendPoint,
    /// Something lies behind that: what a cut-off run left, not confirmed.
    pub(crate) has_tail: bool,
}

/// Makes all checks. Writes nothing.
pub(crate) fn check_appendable(
    site: Site<'_>,
    catalog: &Catalog,
    bay: &mut Bay,
    expected: &Expected<'_>,
) -> Result<Appendable, JobError> {
    let label = label_for_writing(bay)?;
    let barcode = label.barcode.clone();
    if label.pool != expected.pool {
        let wanted = expected.pool.to_owned();
        return Err(JobError::OtherPool {
            barcode,
            pool: label.pool,
            wanted,
        });
    }
    check_known(&label, expected.volume)?;
    check_cartridge(catalog, bay, &label)?;
    let on_drive = |error| drive_error(&barcode, error);
    if bay.drive.medium().map_err(on_drive)?.write_protected {
        return Err(JobError::WriteProtected { barcode });
    }
    let point = append_point(expected.receipts);
    let end = bay.drive.locate_end_of_data().map_err(on_drive)?;
    if end.block < point.next_block {
        return Err(shorter_than_known(
            site,
            catalog,
            expected.volume,
            barcode,
            end,
            &point,
        ));
    }
    Ok(Appendable {
        label,
        has_tail: end.block > point.next_block,
        point,
    })
}

/// The chip, where it tells, is that of the cartridge which was labelled: a copy of a tape is
/// not to be written in its place.
fn check_cartridge(catalog: &Catalog, bay: &mut Bay, label: &Label) -> Result<(), JobError> {
    let on_drive = |error| drive_error(&label.barcode, error);
    let memory = bay.drive.cartridge_memory().map_err(on_drive)?;
    let in_memory = memory.and_then(|memory| memory.label.volume);
    let serial = bay.drive.medium_serial().map_err(on_drive)?;
    let known = super::catalog::volume(catalog, label.volume)?.label.what;
    for (what, found, expected) in [
        ("volume", in_memory, Some(label.volume.to_string())),
        ("serial number", serial, known.medium_serial),
    ] {
        if let Some((found, expected)) = found.zip(expected).filter(|(a, b)| a != b) {
            let barcode = label.barcode.clone();
            return Err(JobError::OtherCartridge {
                barcode,
                what,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// Marks the volume suspect: a tape that lost what was confirmed is not to be written.
fn shorter_than_known(
    site: Site<'_>,
    catalog: &Catalog,
    volume: Uuid,
    barcode: String,
    end: Position,
    point: &AppendPoint,
) -> JobError {
    let (end_of_data, expected) = (end.block.0, point.next_block.0);
    let reason = format!("its data ends at block {end_of_data} instead of {expected}");
    match catalog::set_state(site, catalog, volume, VolumeState::Suspect, reason) {
        Ok(()) => JobError::TapeShort {
            barcode,
            end_of_data,
            expected,
        },
        Err(error) => error.into(),
    }
}

/// Where the catalog says the next segment goes.
pub(crate) fn append_point(receipts: &[Receipt]) -> AppendPoint {
    let Some(last) = receipts.last() else {
        return AppendPoint::first();
    };
    AppendPoint {
        next_block: BlockAddress(last.end_block),
        next_number: u64::from(last.segment_number) + 1,
        previous_indexes: receipts
            .iter()
            .rev()
            .take(MAX_PREVIOUS_INDEXES)
            .map(|receipt| BlockAddress(receipt.index_block))
            .collect(),
        last_segment: Some(last.segment),
    }
}
