//! The directory of a restore, into which several drives write at the same time.
//!
//! Data go into their files side by side. All that concerns names (making a file, putting it in
//! its place, parts of one file, links, the metadata of directories) is done by one at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::incoming::{Arrived, Incoming, Lost};
use super::links::WaitingLink;
use super::parts::{Added, CutFiles, Joined};
use super::pass::Pass;
use super::plan::{MemberRead, RestorePlan};
use super::read::{Destination, Done, Failed, reread, unreadable};
use crate::engine::target::{DataWriter, FileWriter, Name, Target};
use crate::monitor::Monitor;
use crate::volume::index::Place;
use crate::volume::member::{Kind, Member};

/// See the module.
pub(super) struct Directory<'a>(Mutex<Inside<'a>>);

struct Inside<'a> {
    target: Target,
    cut_files: CutFiles<'a>,
    links: Vec<WaitingLink<'a>>,
}

impl<'a> Directory<'a> {
    pub(super) fn new(target: Target, plan: &'a RestorePlan) -> Self {
        Self(Mutex::new(Inside {
            target,
            cut_files: CutFiles::of(plan),
            links: Vec::new(),
        }))
    }

    /// For one drive, which `monitor` hears of.
    pub(super) fn files<'d>(&'d self, monitor: &'d dyn Monitor) -> Files<'d, 'a> {
        Files {
            directory: self,
            monitor,
        }
    }

    /// The target, once nothing more is read.
    pub(super) fn into_target(self) -> Target {
        let inside = self.0.into_inner();
        inside.unwrap_or_else(PoisonError::into_inner).target
    }

    fn lock(&self) -> MutexGuard<'_, Inside<'a>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one drive puts into a [`Directory`].
pub(super) struct Files<'d, 'a> {
    directory: &'d Directory<'a>,
    monitor: &'d dyn Monitor,
}

impl<'a> Destination<'a> for Files<'_, 'a> {
    fn read(&mut self, pass: &mut Pass<'_>, read: &'a MemberRead) -> Result<Done, Failed> {
        if read.part.is_some() && self.directory.lock().cut_files.is_lost(&read.name) {
            return Ok(Done::LostBefore);
        }
        let name = Name::new(&read.name).map_err(Lost::from)?;
        let (arrived, writer) = reread(pass, read, |pass, place| {
            self.arrive(pass, read, name, place)
        })?;
        Ok(self.put(read, name, arrived, writer)?)
    }

    fn lose(&mut self, name: &[u8]) -> bool {
        let cut_files = &mut self.directory.lock().cut_files;
        let is_new = !cut_files.is_lost(name);
        cut_files.lose(name);
        is_new
    }

    fn restart(&mut self, copy: &'a [MemberRead], is_wanted: &dyn Fn(&[u8]) -> bool) {
        self.directory.lock().cut_files.restart(copy, is_wanted);
    }

    fn unfinished(&mut self) -> Vec<&'a [u8]> {
        std::mem::take(&mut self.directory.lock().cut_files).unfinished()
    }

    fn links(&mut self) -> Vec<WaitingLink<'a>> {
        std::mem::take(&mut self.directory.lock().links)
    }

    fn link(&mut self, _: usize, link: &WaitingLink<'a>, first: &[u8]) -> Result<(), Lost> {
        let target = &mut self.directory.lock().target;
        Ok(target.hard_link(Name::new(first)?, Name::new(link.name)?)?)
    }
}

impl<'a> Files<'_, 'a> {
    /// Reads a member; the data of a file go into a temporary one, which belongs to the result
    /// unless it is one of a file in parts.
    fn arrive(
        &mut self,
        pass: &mut Pass<'_>,
        read: &'a MemberRead,
        name: Name<'_>,
        place: &Place,
    ) -> Result<(Arrived, Option<FileWriter>), Failed> {
        pass.open(place).map_err(unreadable)?;
        let monitor = self.monitor;
        let mut incoming = Incoming::new(read, monitor);
        let mut own = None;
        let mut begin = |member: &Member| -> Result<DataWriter, Lost> {
            let inside = &mut *self.directory.lock();
            if member.part.is_some() {
                return inside.cut_files.begin(&mut inside.target, name, member);
            }
            let writer = own.insert(inside.target.begin_file(name, member)?);
            Ok(writer.data_writer())
        };
        while let Some(bytes) = pass.chunk().map_err(unreadable)? {
            incoming.feed(bytes, &mut begin)?;
            monitor.advance(0, bytes.len() as u64);
        }
        Ok((incoming.finish()?, own))
    }

    /// Puts a complete member in its place.
    fn put(
        &mut self,
        read: &'a MemberRead,
        name: Name<'_>,
        arrived: Arrived,
        writer: Option<FileWriter>,
    ) -> Result<Done, Lost> {
        let Arrived { member, verified } = arrived;
        let inside = &mut *self.directory.lock();
        match &member.kind {
            Kind::File => return inside.put_file(name, &member, writer, verified),
            Kind::Directory => inside.target.directory(name, &member)?,
            Kind::Hardlink(first) => {
                inside.links.push(WaitingLink {
                    name: &read.name,
                    first: first.clone(),
                    job: read.job,
                });
                return Ok(Done::Later);
            }
            _ => inside.target.node(name, &member)?,
        }
        Ok(Done::Placed {
            file_bytes: None,
            verified,
        })
    }
}

impl Inside<'_> {
    fn put_file(
        &mut self,
        name: Name<'_>,
        member: &Member,
        writer: Option<FileWriter>,
        verified: bool,
    ) -> Result<Done, Lost> {
        let (writer, size_bytes, verified) = match (member.part, writer) {
            (Some(part), _) => match self.cut_files.add(name.bytes(), part, verified)? {
                Added::Waits => return Ok(Done::Later),
                Added::LostBefore => return Ok(Done::LostBefore),
                Added::Whole(Joined {
                    size_bytes,
                    writer,
                    verified,
                }) => {
                    writer.set_size(size_bytes)?;
                    (writer, size_bytes, verified)
                }
            },
            (None, Some(writer)) => (writer, member.size_bytes, verified),
            (None, None) => return Err(Lost::content("a file without data on tape")),
        };
        self.target.finish_file(writer, member)?;
        Ok(Done::Placed {
            file_bytes: Some(size_bytes),
            verified,
        })
    }
}
