//! One read of a plan, wherever what is read goes.

use crate::volume::VolumeError;
use crate::volume::index::Place;

use super::incoming::Lost;
use super::links::WaitingLink;
use super::pass::{Pass, Unreadable};
use super::plan::MemberRead;

/// What one read came to.
pub(super) enum Done {
    /// In its place; a file's size and whether it was verified.
    Placed {
        file_bytes: Option<u64>,
        verified: bool,
    },
    /// A hard link, to be made at the end; or a part of a file that still lacks others.
    Later,
    /// A part of a file that was given up, and reported, before.
    LostBefore,
}

/// Why a read came to nothing.
pub(super) enum Failed {
    /// This object only.
    Object(Lost),
    /// The volume, from here on.
    Volume(VolumeError),
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        Failed::Object(lost)
    }
}

/// So often a member is read that does not come as it was archived.
const PASSES_MAX: u32 = 8;

/// Opens and reads a member until it comes as it was archived, as far as that is worth it; last
/// of all with its records compared with their CRCs, so that those are known that are bad.
pub(super) fn reread<T>(
    pass: &mut Pass<'_>,
    read: &MemberRead,
    mut arrive: impl FnMut(&mut Pass<'_>, &Place) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let place = read.place();
    pass.turn_to(read);
    let (mut doubted, mut passes) = (false, 0);
    let arrived = loop {
        passes += 1;
        match arrive(pass, &place) {
            Err(Failed::Object(Lost::Doubt(what))) => {
                // Doubt about a record in it makes the device forget how often it was asked.
                let again = passes < PASSES_MAX && !pass.is_comparing();
                // Of a cut file the other parts are in its place already.
                let again = again && read.part.is_none();
                doubted = again && pass.is_doubted(&place, &what).map_err(unreadable)?;
                if !doubted && !pass.pins(&place).map_err(unreadable)? {
                    return Err(Lost::Content(what).into());
                }
            }
            arrived => break arrived?,
        }
    };
    if doubted {
        pass.is_as_written(&place);
    }
    Ok(arrived)
}

/// Where what is read goes.
pub(super) trait Destination<'a> {
    /// Carries out one read.
    fn read(&mut self, pass: &mut Pass<'_>, read: &'a MemberRead) -> Result<Done, Failed>;

    /// Gives up a file whose parts are under way; whether another copy or a later run can go on
    /// with what has come. False if it was given up before.
    fn lose(&mut self, name: &[u8], goes_on: bool) -> bool {
        let _ = (name, goes_on);
        true
    }

    /// True if something of this file came from one copy alone, so that the rest may come from
    /// the other.
    fn can_mend(&self, name: &[u8]) -> bool {
        let _ = name;
        false
    }

    /// All parts of these files are expected once more, from another copy.
    fn restart(&mut self, copy: &'a [MemberRead], is_wanted: &dyn Fn(&[u8]) -> bool) {
        let _ = (copy, is_wanted);
    }

    /// The files of which not all parts came.
    fn unfinished(&mut self) -> Vec<&'a [u8]> {
        Vec::new()
    }

    /// The hard links that wait for their first names.
    fn links(&mut self) -> Vec<WaitingLink<'a>>;

    /// Makes one of these links, by its number among them.
    fn link(&mut self, number: usize, link: &WaitingLink<'a>, first: &[u8]) -> Result<(), Lost>;
}

/// A member that the tape does not give.
pub(super) fn unreadable(unreadable: Unreadable) -> Failed {
    match unreadable {
        Unreadable::Member(what) => Failed::Object(Lost::Content(what)),
        Unreadable::Volume(error) => Failed::Volume(error),
    }
}
