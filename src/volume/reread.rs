//! How often what was not read, or not as it was written, is read again.
//!
//! A drive that gave a block up may well read it the next time: a speck of dust moved on, the
//! tape lies otherwise. But each try costs the drive minutes where the tape is damaged, so there
//! is an end to it: for each block, and for a tape on which it helps nowhere.

use crate::drive::{DriveError, DriveErrorKind};
use crate::scsi::Reaction;
use crate::units::BlockAddress;

/// So often a block is read again in one drive.
const AGAIN: u32 = 2;
/// Behind so many blocks in a row that stayed bad, reading again is vain on this tape.
const VAIN: u32 = 8;
/// So many that came at last are told one by one; further ones with each doubling.
const TOLD: u32 = 8;

/// What was read again of one tape.
#[derive(Debug, Default)]
pub(super) struct Rereads {
    /// Blocks in a row that stayed bad.
    stayed_bad: u32,
    /// Blocks that came at last.
    came: u32,
    /// The tape was brought into another drive for it, or there is none.
    moved: bool,
}

/// A block that was not read, or not as it was written.
#[derive(Debug)]
pub(super) struct Doubt {
    pub(super) block: BlockAddress,
    /// What was wrong with it the first time.
    pub(super) what: String,
    /// How often it was bad in this drive, and in all.
    here: u32,
    times: u32,
}

/// What is to be done about a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Read it again in the same drive.
    Again,
    /// Read it again in another drive.
    Elsewhere,
    /// It is bad.
    None,
}

impl Doubt {
    pub(super) fn new(block: BlockAddress, what: String) -> Self {
        let (here, times) = (0, 0);
        Self {
            block,
            what,
            here,
            times,
        }
    }

    /// Which attempt was the one that succeeded.
    pub(super) fn attempt(&self) -> u32 {
        self.times + 1
    }

    /// The tape is in another drive now.
    pub(super) fn has_moved(&mut self) {
        self.here = 0;
    }
}

impl Rereads {
    /// What is to be done about a block that was bad once more.
    pub(super) fn remedy(&mut self, doubt: &mut Doubt) -> Remedy {
        if self.stayed_bad >= VAIN {
            return Remedy::None;
        }
        doubt.here += 1;
        doubt.times += 1;
        if doubt.here <= AGAIN {
            return Remedy::Again;
        }
        match std::mem::replace(&mut self.moved, true) {
            false => Remedy::Elsewhere,
            true => self.gave_up(),
        }
    }

    /// A block stays bad.
    pub(super) fn gave_up(&mut self) -> Remedy {
        self.stayed_bad += 1;
        Remedy::None
    }

    /// Counts a block that came at last. How many there were, if that is to be told.
    pub(super) fn came(&mut self) -> Option<u32> {
        self.stayed_bad = 0;
        self.came = self.came.saturating_add(1);
        (self.came <= TOLD || self.came.is_power_of_two()).then_some(self.came)
    }
}

/// Whether a command failed on what may be read, or found, the next time.
pub(super) fn is_worth_another_try(error: &DriveError) -> bool {
    match error.kind {
        DriveErrorKind::Medium | DriveErrorKind::BlockCheck => true,
        // The drive did not find the place.
        DriveErrorKind::Hardware => error.reaction == Some(Reaction::Reposition),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(rereads: &mut Rereads) -> Vec<Remedy> {
        let mut doubt = Doubt::new(BlockAddress(7), String::new());
        let mut remedies = Vec::new();
        while remedies.last() != Some(&Remedy::None) {
            remedies.push(rereads.remedy(&mut doubt));
            doubt.here = match remedies.last() {
                Some(Remedy::Elsewhere) => 0,
                _ => doubt.here,
            };
        }
        remedies
    }

    #[test]
    fn a_tape_moves_once_and_reading_again_ends_where_it_is_vain() {
        use Remedy::{Again, Elsewhere, None};
        let mut rereads = Rereads::default();
        let first = [Again, Again, Elsewhere, Again, Again, None];
        assert_eq!(bad(&mut rereads), first);
        for _ in 1..VAIN {
            assert_eq!(bad(&mut rereads), [Again, Again, None]);
        }
        assert_eq!(bad(&mut rereads), [None]);
    }

    #[test]
    fn a_block_that_came_gives_the_next_ones_their_chance_and_not_each_is_told() {
        let mut rereads = Rereads::default();
        bad(&mut rereads);
        let told: Vec<u32> = (0..40).filter_map(|_| rereads.came()).collect();
        assert_eq!(told, [1, 2, 3, 4, 5, 6, 7, 8, 16, 32]);
        assert_eq!(rereads.stayed_bad, 0);
    }
}
