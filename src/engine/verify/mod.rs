//! Verify: reads segments back and checks every record and every file against the index.
//!
//! Damage of the medium and failure of the drive are kept apart: only the first speaks
//! against a tape. Memory: one index, one record and one frame. Knows nothing of the catalog.

mod check;
mod frames;
mod report;
mod segment;

pub use report::{BAD_LISTED, BadFile, BadRecord, SegmentReport, SegmentVerdict, VerifyReport};

use uuid::Uuid;

use crate::drive::DriveError;
use crate::engine::{EngineError, MountedVolume, VolumeEnd, VolumeSource};
use crate::error_text::with_causes;
use crate::monitor::Monitor;
use crate::units::BlockAddress;
use crate::volume::failure::is_cancelled;
use crate::volume::resume::ResumingReader;
use segment::Ended;

/// What is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyPlan {
    /// Volumes in the order in which they are mounted.
    pub volumes: Vec<VolumeSegments>,
}

/// The segments of one volume that are to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSegments {
    /// The volume's identity.
    pub volume: Uuid,
    /// Its barcode, for messages.
    pub barcode: String,
    /// The segments, in any order; they are read in tape order.
    pub segments: Vec<SegmentPlace>,
}

/// Where a segment is, as its receipt said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPlace {
    /// Its number on the volume, from 1.
    pub number: u64,
    /// Its identity.
    pub segment: Uuid,
    /// Block address of its first record.
    pub first_block: BlockAddress,
    /// Block address of its index.
    pub index_block: BlockAddress,
}

impl VolumeSegments {
    /// Bytes of the records of all segments.
    fn bytes(&self, block_bytes: u32) -> u64 {
        let records = self.segments.iter().map(SegmentPlace::records);
        records
            .fold(0, u64::saturating_add)
            .saturating_mul(u64::from(block_bytes))
    }
}

impl SegmentPlace {
    /// Records of the segment: what lies before its filemark, behind which the index is.
    fn records(&self) -> u64 {
        self.index_block
            .0
            .saturating_sub(self.first_block.0)
            .saturating_sub(1)
    }
}

/// Carries out `plan`. Nothing is written, and nothing stops it but the user: a volume
/// that cannot be mounted or a drive that fails makes segments inconclusive.
pub fn verify(
    plan: &VerifyPlan,
    volumes: &mut dyn VolumeSource,
    monitor: &dyn Monitor,
) -> VerifyReport {
    let mut report = VerifyReport::default();
    for (done, volume) in plan.volumes.iter().enumerate() {
        if report.stopped {
            break;
        }
        monitor.phase(&format!("mounting {}", volume.barcode));
        let mounted = match volumes.mount(volume.volume) {
            Ok(mounted) => mounted,
            // Stopped while it was mounted, most likely: the next is not even tried.
            Err(_) if monitor.stop_requested() => {
                report.stopped = true;
                break;
            }
            Err(error) => {
                let why = format!("cannot be mounted: {}", with_causes(&*error));
                report
                    .segments
                    .extend(unread(volume, &volume.segments, &why));
                continue;
            }
        };
        // The volumes still to come tell their block size when they are mounted.
        let ahead = plan.volumes[done..].iter();
        let ahead = ahead.map(|volume| volume.bytes(mounted.label.block_bytes));
        monitor.expect(0, ahead.fold(0, u64::saturating_add));
        verify_mounted(volume, mounted, volumes, monitor, &mut report);
    }
    report
}

fn verify_mounted(
    volume: &VolumeSegments,
    mut mounted: MountedVolume,
    volumes: &mut dyn VolumeSource,
    monitor: &dyn Monitor,
    report: &mut VerifyReport,
) {
    monitor.phase(&format!("verifying {}", volume.barcode));
    let before = report.segments.len();
    if mounted.label.volume == volume.volume {
        verify_segments(volume, &mut mounted, volumes, monitor, report);
    } else {
        let (barcode, found) = (&mounted.label.barcode, mounted.label.volume);
        let why = format!("volume {barcode} ({found}) was mounted instead");
        report
            .segments
            .extend(unread(volume, &volume.segments, &why));
    }
    let mut read = report.segments[before..].iter();
    let end = match read.find(|segment| segment.verdict == SegmentVerdict::Bad) {
        Some(bad) => VolumeEnd::Suspect(format!("segment {} is damaged", bad.number)),
        None => VolumeEnd::Open,
    };
    if let Err(error) = volumes.release(mounted, end) {
        tracing::warn!(
            "{} cannot be given back: {}",
            volume.barcode,
            with_causes(&*error)
        );
    }
}

fn verify_segments(
    volume: &VolumeSegments,
    mounted: &mut MountedVolume,
    volumes: &mut dyn VolumeSource,
    monitor: &dyn Monitor,
    report: &mut VerifyReport,
) {
    let mut places = volume.segments.clone();
    places.sort_by_key(|place| place.first_block);
    let block_bytes = mounted.label.block_bytes;
    let mut change = |error: &DriveError| volumes.change_drive(error);
    let device = ResumingReader::new(mounted.device.as_mut(), &mounted.label, monitor);
    let mut device = device.or_elsewhere(&mut change);
    for (done, place) in places.iter().enumerate() {
        let (segment, ended) =
            segment::verify_segment(&mut device, block_bytes, volume, place, monitor);
        match ended {
            None => report.segments.push(segment),
            Some(Ended::Stopped) => {
                report.stopped = true;
                return;
            }
            Some(Ended::NotMedium(error)) if is_cancelled(&error) => {
                report.stopped = true;
                return;
            }
            Some(Ended::NotMedium(error)) => {
                let why = with_causes(&error);
                report.segments.push(segment.inconclusive(why.clone()));
                report
                    .segments
                    .extend(unread(volume, &places[done + 1..], &why));
                let barcode = volume.barcode.clone();
                let error = EngineError::Volume {
                    barcode: barcode.clone(),
                    source: error,
                };
                report.failures.push((barcode, error));
                return;
            }
        }
    }
}

/// Reports for segments that could not even be tried.
fn unread<'a>(
    volume: &'a VolumeSegments,
    places: &'a [SegmentPlace],
    why: &'a str,
) -> impl Iterator<Item = SegmentReport> + 'a {
    places
        .iter()
        .map(|place| SegmentReport::new(volume, place.number).inconclusive(why.to_owned()))
}
