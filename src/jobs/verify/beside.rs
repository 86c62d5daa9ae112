//! What a volume holds beside the segments that the catalog knows: its label, and more segments.

use std::ops::ControlFlow;

use super::{Verdict, VerifiedVolume, about_tape};
use crate::engine::MountedVolume;
use crate::jobs::cut_off;
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::append::AppendPoint;
use crate::volume::scan::{Depth, Finding, scan_volume};

/// What was found on one volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// What is wrong with its label or README, as a sentence.
    pub(crate) label_damage: Option<String>,
    /// Whole segments behind those that the catalog knows.
    pub(super) segments: u64,
    /// Where a segment begins that was cut off, behind all others.
    cut_off: Option<BlockAddress>,
    /// What is wrong behind them first, as a sentence.
    damage_behind: Option<String>,
}

impl Beside {
    /// Of a volume whose label alone was read.
    pub(super) fn of_label(label_damage: Option<String>) -> Beside {
        Beside {
            label_damage,
            ..Beside::default()
        }
    }

    /// Looks behind the known segments. What a job that was cut off left there unfinished makes
    /// no tape bad: the next one writes over it. Nor does what the drive does not tell.
    pub(crate) fn look_behind(&mut self, volume: &mut MountedVolume, point: &AppendPoint) {
        if let Err(error) = self.scan_behind(volume, point) {
            let barcode = &volume.label.barcode;
            tracing::warn!(barcode, %error, "not looked behind the known segments");
        }
    }

    /// The same, for who has to know.
    pub(super) fn scan_behind(
        &mut self,
        volume: &mut MountedVolume,
        point: &AppendPoint,
    ) -> Result<(), VolumeError> {
        let device = volume.device.as_mut();
        let end = device.locate_end_of_data().map_err(VolumeError::drive(
            "looking for the end of data",
            point.next_block,
        ))?;
        if end.block <= point.next_block {
            return Ok(());
        }
        let mut each = |finding| {
            match finding {
                Finding::Segment(_) => self.segments += 1,
                Finding::Damage { block, what } => {
                    let first = || format!("behind the known segments, block {block}: {what}");
                    self.damage_behind.get_or_insert_with(first);
                }
                Finding::Incomplete { first_block, .. } => self.cut_off = Some(first_block),
            }
            ControlFlow::Continue(())
        };
        scan_volume(device, &volume.label, point, Depth::Indexes, &mut each).map(drop)
    }

    /// All that is damaged, as sentences.
    pub(crate) fn damage(&self) -> impl Iterator<Item = String> {
        let label = self.label_damage.as_ref();
        let label = label.map(|what| format!("its label: {what}"));
        label.into_iter().chain(self.damage_behind.clone())
    }

    /// Adds it to what the segments say of the volume.
    pub(super) fn judge(&self, verified: &mut VerifiedVolume) {
        verified.unknown_segments = self.segments;
        let barcode = &verified.barcode;
        let cut_off = self.cut_off.map(|block| cut_off::words(barcode, block));
        verified.cut_off = cut_off;
        for what in self.damage() {
            verified.verdict = Verdict::Bad;
            verified.problems.push(about_tape(what));
        }
    }
}
