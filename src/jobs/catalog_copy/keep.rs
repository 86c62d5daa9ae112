//! A source of volumes that keeps the one that a run left with room, so that a copy of the catalog
//! can be written behind the run in the same mount.

use crate::drive::{DriveError, SequentialDevice};
use crate::engine::restore::{Turn, VolumeReads};
use crate::engine::{BoxedError, MountedVolume, VolumeEnd, VolumeSource};
use crate::jobs::source::LibrarySource;
use crate::volume::resume::OtherDrive;

/// The library, and the volume that was written last.
pub(crate) struct Keeping<'a> {
    /// Before the source: a volume that is dropped goes back to it.
    kept: Option<MountedVolume>,
    pub(crate) source: LibrarySource<'a>,
    keeps: bool,
}

impl<'a> Keeping<'a> {
    /// Keeps nothing unless `keeps`.
    pub(crate) fn new(source: LibrarySource<'a>, keeps: bool) -> Self {
        Self {
            kept: None,
            source,
            keeps,
        }
    }

    /// The volume that was kept.
    pub(super) fn kept(&mut self) -> Option<&mut MountedVolume> {
        self.kept.as_mut()
    }

    /// Gives the volume back.
    pub(super) fn give_back(&mut self) {
        if let Some(volume) = self.kept.take()
            && let Err(error) = self.source.release(volume, VolumeEnd::Open)
        {
            tracing::warn!(%error, "a tape cannot be given back");
        }
    }

    /// The kept volume alone, as a source for who writes behind the run.
    pub(super) fn behind(&mut self) -> KeptVolume<'_, 'a> {
        KeptVolume(self)
    }
}

impl VolumeSource for Keeping<'_> {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        self.give_back();
        self.source.next_for_append()
    }

    fn mount(&mut self, volume: uuid::Uuid) -> Result<MountedVolume, BoxedError> {
        self.source.mount(volume)
    }

    fn order(
        &mut self,
        reads: &VolumeReads,
        device: &mut dyn SequentialDevice,
    ) -> Option<Vec<Turn>> {
        self.source.order(reads, device)
    }

    fn change_drive(&mut self, error: &DriveError) -> OtherDrive {
        self.source.change_drive(error)
    }

    fn release(&mut self, volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        if self.keeps && end == VolumeEnd::Open && volume.append.is_some() {
            self.kept = Some(volume);
            return Ok(());
        }
        self.source.release(volume, end)
    }
}

/// The volume that was kept, and no other: a copy lies on one tape.
pub(super) struct KeptVolume<'k, 'a>(&'k mut Keeping<'a>);

/// The volume has no more room.
#[derive(Debug, thiserror::Error)]
#[error("the tape has no more room, and a copy of the catalog does not go on on another one")]
pub(super) struct OneTape;

impl VolumeSource for KeptVolume<'_, '_> {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        self.0.kept.take().ok_or_else(|| OneTape.into())
    }

    fn goes_on(&self) -> bool {
        true
    }

    fn mount(&mut self, _: uuid::Uuid) -> Result<MountedVolume, BoxedError> {
        Err(OneTape.into())
    }

    fn release(&mut self, volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        self.0.source.release(volume, end)
    }
}
