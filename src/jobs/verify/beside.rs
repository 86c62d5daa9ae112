//! What a volume holds beside the segments that the catalog knows: its label, and more segments.

use std::ops::ControlFlow;

use super::{Verdict, VerifiedVolume, about_tape};
use crate::engine::MountedVolume;
use crate::volume::VolumeError;
use crate::volume::append::AppendPoint;
use crate::volume::scan::{Depth, Finding, scan_volume};

/// What was found on one volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// What is wrong with its label or README, as a sentence.
    pub(crate) label_damage: Option<String>,
    /// Whole segments behind those that the catalog knows.
    segments: u64,
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

    /// Looks behind the known segments. What a job that was cut off left there unfinished is no
    /// news: the next one writes over it. Nor is what the drive does not tell.
    pub(crate) fn look_behind(&mut self, volume: &mut MountedVolume, point: &AppendPoint) {
        if let Err(error) = self.scan_behind(volume, point) {
            let barcode = &volume.label.barcode;
            tracing::warn!(barcode, %error, "not looked behind the known segments");
        }
    }

    fn scan_behind(
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
                Finding::Incomplete { .. } => {}
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
        for what in self.damage() {
            verified.verdict = Verdict::Bad;
            verified.problems.push(about_tape(what));
        }
    }
}
