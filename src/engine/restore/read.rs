//! One read of a plan: from its place on tape to its place in the target.

use crate::engine::target::{FileWriter, Name};
use crate::volume::VolumeError;
use crate::volume::index::Place;
use crate::volume::member::{Kind, Member};

use super::incoming::{Arrived, Incoming, Lost};
use super::links::WaitingLink;
use super::pass::{Pass, Unreadable};
use super::plan::MemberRead;
use super::run::Run;

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

impl<'a> Run<'a> {
    /// Carries out one read.
    pub(super) fn read(
        &mut self,
        pass: &mut Pass<'_>,
        read: &'a MemberRead,
    ) -> Result<Done, Failed> {
        if read.part.is_some() && self.cut_files.is_lost(&read.name) {
            return Ok(Done::LostBefore);
        }
        let name = Name::new(&read.name).map_err(Lost::from)?;
        let place = Place {
            block: read.block,
            offset_bytes: read.offset_bytes,
            length_bytes: read.length_bytes,
            skip_bytes: read.skip_bytes,
        };
        let (mut doubted, mut passes) = (false, 0);
        let arrived = loop {
            passes += 1;
            match self.arrive(pass, read, name, &place) {
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
        Ok(self.put(read, name, arrived)?)
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

fn unreadable(unreadable: Unreadable) -> Failed {
    match unreadable {
        Unreadable::Member(what) => Failed::Object(Lost::Content(what)),
        Unreadable::Volume(error) => Failed::Volume(error),
    }
}
