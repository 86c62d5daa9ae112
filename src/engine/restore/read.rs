//! One read of a plan: from its place on tape to its place in the target.

use crate::engine::target::{FileWriter, Name, Target};
use crate::monitor::Monitor;
use crate::volume::VolumeError;
use crate::volume::index::Place;
use crate::volume::member::{Kind, Member};

use super::incoming::{Arrived, Incoming, Lost};
use super::links::WaitingLink;
use super::parts::CutFiles;
use super::pass::{Pass, Unreadable};
use super::plan::{MemberRead, RestorePlan};

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

/// Opens and reads a member until it comes as it was archived, as far as that is worth it.
pub(super) fn reread<T>(
    pass: &mut Pass<'_>,
    read: &MemberRead,
    mut arrive: impl FnMut(&mut Pass<'_>, &Place) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let place = Place {
        block: read.block,
        offset_bytes: read.offset_bytes,
        length_bytes: read.length_bytes,
        skip_bytes: read.skip_bytes,
    };
    let (mut doubted, mut passes) = (false, 0);
    let arrived = loop {
        passes += 1;
        match arrive(pass, &place) {
            // Of a cut file the other parts are in its place already.
            Err(Failed::Object(Lost::Doubt(what))) if read.part.is_none() => {
                // Doubt about a record in it makes the device forget how often it was asked.
                let again = passes < PASSES_MAX;
                doubted = again && pass.is_doubted(&place, &what).map_err(unreadable)?;
                if !doubted {
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

    /// Gives up a file whose parts are under way. False if it was given up before.
    fn lose(&mut self, name: &[u8]) -> bool {
        let _ = name;
        true
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

/// The directory of a restore.
pub(super) struct Files<'a> {
    pub(super) target: Target,
    monitor: &'a dyn Monitor,
    cut_files: CutFiles<'a>,
    links: Vec<WaitingLink<'a>>,
}

impl<'a> Destination<'a> for Files<'a> {
    fn read(&mut self, pass: &mut Pass<'_>, read: &'a MemberRead) -> Result<Done, Failed> {
        if read.part.is_some() && self.cut_files.is_lost(&read.name) {
            return Ok(Done::LostBefore);
        }
        let name = Name::new(&read.name).map_err(Lost::from)?;
        let arrived = reread(pass, read, |pass, place| {
            self.arrive(pass, read, name, place)
        })?;
        Ok(self.put(read, name, arrived)?)
    }

    fn lose(&mut self, name: &[u8]) -> bool {
        let is_new = !self.cut_files.is_lost(name);
        self.cut_files.lose(name);
        is_new
    }

    fn restart(&mut self, copy: &'a [MemberRead], is_wanted: &dyn Fn(&[u8]) -> bool) {
        self.cut_files.restart(copy, is_wanted);
    }

    fn unfinished(&mut self) -> Vec<&'a [u8]> {
        std::mem::take(&mut self.cut_files).unfinished()
    }

    fn links(&mut self) -> Vec<WaitingLink<'a>> {
        std::mem::take(&mut self.links)
    }

    fn link(&mut self, _: usize, link: &WaitingLink<'a>, first: &[u8]) -> Result<(), Lost> {
        Ok(self
            .target
            .hard_link(Name::new(first)?, Name::new(link.name)?)?)
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(target: Target, plan: &'a RestorePlan, monitor: &'a dyn Monitor) -> Self {
        Self {
            target,
            monitor,
            cut_files: CutFiles::of(plan),
            links: Vec::new(),
        }
    }

    /// Reads a member, the data of a file into a temporary one.
    fn arrive(
        &mut self,
        pass: &mut Pass<'_>,
        read: &'a MemberRead,
        name: Name<'_>,
        place: &Place,
    ) -> Result<Arrived, Failed> {
        pass.open(place).map_err(unreadable)?;
        let monitor = self.monitor;
        let mut incoming = Incoming::new(read, monitor);
        let (target, cut_files) = (&mut self.target, &mut self.cut_files);
        let mut begin = |member: &Member| -> Result<FileWriter, Lost> {
            match member.part {
                Some(_) => cut_files.begin(target, name, member),
                None => Ok(target.begin_file(name, member)?),
            }
        };
        while let Some(bytes) = pass.chunk().map_err(unreadable)? {
            incoming.feed(bytes, &mut begin)?;
            monitor.advance(0, bytes.len() as u64);
        }
        Ok(incoming.finish()?)
    }

    /// Puts a complete member in its place.
    fn put(
        &mut self,
        read: &'a MemberRead,
        name: Name<'_>,
        arrived: Arrived,
    ) -> Result<Done, Lost> {
        let Arrived {
            member,
            writer,
            verified,
        } = arrived;
        match (&member.kind, writer) {
            (Kind::File, Some(writer)) => self.put_file(name, &member, writer, verified),
            (Kind::Directory, _) => {
                self.target.directory(name, &member)?;
                Ok(Done::Placed {
                    file_bytes: None,
                    verified,
                })
            }
            (Kind::Hardlink(first), _) => {
                self.links.push(WaitingLink {
                    name: &read.name,
                    first: first.clone(),
                    job: read.job,
                });
                Ok(Done::Later)
            }
            _ => {
                self.target.node(name, &member)?;
                Ok(Done::Placed {
                    file_bytes: None,
                    verified,
                })
            }
        }
    }

    fn put_file(
        &mut self,
        name: Name<'_>,
        member: &Member,
        writer: FileWriter,
        verified: bool,
    ) -> Result<Done, Lost> {
        let (writer, size_bytes, verified) = match member.part {
            None => (writer, member.size_bytes, verified),
            Some(part) => match self.cut_files.add(name.bytes(), part, writer, verified)? {
                None => return Ok(Done::Later),
                Some(joined) => {
                    joined.writer.set_size(joined.size_bytes)?;
                    (joined.writer, joined.size_bytes, joined.verified)
                }
            },
        };
        self.target.finish_file(writer, member)?;
        Ok(Done::Placed {
            file_bytes: Some(size_bytes),
            verified,
        })
    }
}

/// A member that the tape does not give.
pub(super) fn unreadable(unreadable: Unreadable) -> Failed {
    match unreadable {
        Unreadable::Member(what) => Failed::Object(Lost::Content(what)),
        Unreadable::Volume(error) => Failed::Volume(error),
    }
}
