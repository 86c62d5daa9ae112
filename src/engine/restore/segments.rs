//! What the indexes of segments say of their records and frames, asked once something is bad.
//!
//! Memory: of the segments asked for last, four bytes for each record and eight for each frame.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error_text::with_causes;
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::failure::{ReadFailure, judge};
use crate::volume::index::{FramePlaces, Index};
use crate::volume::read::{Checks, RecordReader};

/// So many segments are kept in mind.
const KEPT: usize = 8;

/// What the index of a segment says of it.
#[derive(Debug)]
pub(super) struct SegmentMap {
    /// The CRCs of its records.
    pub(super) checks: Checks,
    /// Where its frames are, if it is compressed and its index tells.
    pub(super) frames: Option<FramePlaces>,
}

impl SegmentMap {
    fn of(mut index: Index) -> Self {
        let frames = index.frames.take();
        Self {
            checks: Checks::of(&index),
            frames: frames.map(|list| FramePlaces::new(list, &index.info)),
        }
    }
}

/// The segments of one volume that were asked for, by where their indexes begin. `None`: that
/// index cannot be read.
#[derive(Debug, Default)]
pub(super) struct SegmentMaps {
    known: VecDeque<(BlockAddress, Option<Arc<SegmentMap>>)>,
}

impl SegmentMaps {
    /// What the index at `at` says; it is read if that is not known. `None` if it cannot be.
    ///
    /// # Errors
    ///
    /// Failures of the drive.
    pub(super) fn ask(
        &mut self,
        reader: &mut RecordReader<'_>,
        at: BlockAddress,
    ) -> Result<Option<Arc<SegmentMap>>, VolumeError> {
        if let Some((_, known)) = self.known.iter().find(|(index, _)| *index == at) {
            return Ok(known.clone());
        }
        let map = match reader.read_index(at) {
            Ok(index) => Some(Arc::new(SegmentMap::of(index))),
            Err(error) => {
                let is_bad = matches!(error, VolumeError::Index { .. });
                if !is_bad && judge(&error) == ReadFailure::NotMedium {
                    return Err(error);
                }
                tracing::warn!(index = %at, error = with_causes(&error), "nothing is known by it");
                None
            }
        };
        self.known.push_back((at, map.clone()));
        if self.known.len() > KEPT {
            self.known.pop_front();
        }
        Ok(map)
    }
}
