//! The directory of a restore, into which several drives write at the same time.
//!
//! Data go into their files side by side. All that concerns names (making a file, putting it in
//! its place, parts of one file, links, the metadata of directories) is done by one at a time.
//!
//! Of a file that was begun, in an earlier run or from another copy, only what is missing is
//! read. Where all together has another digest, it is begun anew.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::gaps;
use super::incoming::{Arrived, Begun, Incoming, Lost, Partial};
use super::links::WaitingLink;
use super::mend::Mending;
use super::parts::{Added, CutFiles, Joined};
use super::pass::{Pass, Piece};
use super::patches::{Patch, Patches};
use super::plan::{MemberRead, RestorePlan};
use super::read::{Destination, Done, Failed, reread, unreadable};
use super::resume::{KEPT_FROM_BYTES, Resume};
use crate::engine::target::{DataWriter, FileWriter, Name, Target, shown};
use crate::monitor::Monitor;
use crate::volume::index::Place;
use crate::volume::member::{Kind, Member};

/// Where data end that a killed run wrote is known to within this: file systems tell it by pages,
/// which may be huge.
const STEP_BACK_BYTES: u64 = 4 << 20;
/// Behind so many gaps in a file the rest comes from the other copy: a drive tries each for
/// minutes.
const GAPS_MOST: usize = 16;
/// Less than this is not worth going on with.
const WORTH_BYTES: u64 = 16 << 20;

/// See the module.
pub(super) struct Directory<'a> {
    resume: &'a Resume,
    inside: Mutex<Inside<'a>>,
}

struct Inside<'a> {
    target: Target,
    cut_files: CutFiles<'a>,
    patches: Patches<'a>,
    links: Vec<WaitingLink<'a>>,
}

impl<'a> Directory<'a> {
    pub(super) fn new(target: Target, plan: &'a RestorePlan) -> Self {
        Self {
            resume: &plan.resume,
            inside: Mutex::new(Inside {
                target,
                cut_files: CutFiles::of(plan),
                patches: Patches::of(plan),
                links: Vec::new(),
            }),
        }
    }

    /// For one drive, which `monitor` hears of.
    pub(super) fn files<'d>(&'d self, monitor: &'d dyn Monitor) -> Files<'d, 'a> {
        Files {
            directory: self,
            monitor,
            mended: false,
        }
    }

    /// The target, once nothing more is read.
    pub(super) fn into_target(self) -> Target {
        let inside = self.inside.into_inner();
        inside.unwrap_or_else(PoisonError::into_inner).target
    }

    fn lock(&self) -> MutexGuard<'_, Inside<'a>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one drive puts into a [`Directory`].
pub(super) struct Files<'d, 'a> {
    directory: &'d Directory<'a>,
    monitor: &'d dyn Monitor,
    /// Some of the last file's data had been there.
    mended: bool,
}

/// A member that has come whole, and its file, unless that is one in parts.
type Whole = (Arrived, Option<FileWriter>);

impl<'a> Destination<'a> for Files<'_, 'a> {
    fn read(&mut self, pass: &mut Pass<'_>, read: &'a MemberRead) -> Result<Done, Failed> {
        if read.part.is_some() && self.directory.lock().cut_files.is_lost(&read.name) {
            return Ok(Done::LostBefore);
        }
        let name = Name::new(&read.name).map_err(Lost::from)?;
        let (arrived, writer) = reread(pass, read, |pass, place| {
            match self.arrive(pass, read, name, place, true) {
                Err(Failed::Object(Lost::Doubt(what))) if self.mended => {
                    tracing::warn!(path = shown(name.bytes()), what, "begun anew");
                    self.arrive(pass, read, name, place, false)
                }
                arrived => arrived,
            }
        })?;
        let done = self.put(read, name, arrived, writer)?;
        if let (Done::Placed { .. }, Some((lacks, why))) = (&done, read.lacks()) {
            let target = &mut self.directory.lock().target;
            target.lacks(name.bytes(), lacks, why);
        }
        Ok(done)
    }

    fn lose(&mut self, name: &[u8], goes_on: bool) -> bool {
        let cut_files = &mut self.directory.lock().cut_files;
        let is_new = !cut_files.is_lost(name);
        cut_files.lose(name, goes_on);
        is_new
    }

    fn can_mend(&self, name: &[u8]) -> bool {
        self.directory.lock().patches.can_mend(name)
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
    /// Reads a member; the data of a file go into a temporary one. What an earlier run left of it
    /// is used if it `looks` for that.
    fn arrive(
        &mut self,
        pass: &mut Pass<'_>,
        read: &'a MemberRead,
        name: Name<'_>,
        place: &Place,
        looks: bool,
    ) -> Result<Whole, Failed> {
        self.mended = false;
        let holds = self.directory.lock().patches.holds(&read.name);
        let can_find = !holds || pass.can_find(place).map_err(unreadable)?;
        let patch = self.directory.lock().patches.take(read);
        if let Some(Patch {
            writer, partial, ..
        }) = patch
        {
            if can_find {
                return self.mend(pass, read, place, partial, Some(writer));
            }
            writer.discard();
        }
        let key = self.directory.resume.key_of(read);
        let mut own = None;
        let mut begin = |member: &Member| {
            let inside = &mut *self.directory.lock();
            inside.begin(name, member, read, key.as_deref(), looks, &mut own)
        };
        let mut incoming = Incoming::new(read, self.monitor);
        let fed = self.feed(pass, read, place, &mut incoming, &mut begin);
        match fed {
            Ok(()) if incoming.is_there_in_part() => {
                let partial = incoming.partial().expect("it is there in part");
                if partial.missing.is_empty() || pass.can_find(place).map_err(unreadable)? {
                    return self.mend(pass, read, place, partial, own);
                }
                // What is kept of it stays under its name, and is written anew.
                drop((partial, own));
                self.arrive(pass, read, name, place, false)
            }
            Ok(()) => match incoming.why_gap().map(str::to_owned) {
                None => match incoming.finish() {
                    Ok(arrived) => Ok((arrived, own)),
                    Err(lost) => {
                        own.into_iter().for_each(FileWriter::discard);
                        Err(lost.into())
                    }
                },
                Some(why) => {
                    self.hold(read, incoming, own);
                    Err(Lost::Content(why).into())
                }
            },
            Err(failed @ (Failed::Volume(_) | Failed::Object(Lost::Stopped))) => {
                self.hold(read, incoming, own);
                Err(failed)
            }
            // Dropped, one that is not kept makes room.
            Err(Failed::Object(lost)) if lost.goes_on() => Err(lost.into()),
            Err(failed) => {
                own.into_iter().for_each(FileWriter::discard);
                Err(failed)
            }
        }
    }

    /// Feeds the bytes of a member, to its end, or as far as they are needed. A gap is passed over
    /// where another copy can fill it.
    fn feed(
        &self,
        pass: &mut Pass<'_>,
        read: &MemberRead,
        place: &Place,
        incoming: &mut Incoming<'_>,
        begin: &mut dyn FnMut(&Member) -> Result<Begun, Lost>,
    ) -> Result<(), Failed> {
        let has_other_copy = self.directory.lock().patches.has_other_copy(read);
        let opened = match has_other_copy {
            true => pass.open_with_gaps(place),
            false => pass.open(place),
        };
        opened.map_err(unreadable)?;
        let is_long = read.length_bytes >= KEPT_FROM_BYTES;
        loop {
            match pass.piece().map_err(unreadable)? {
                Piece::End => return Ok(()),
                Piece::Bytes(bytes) => {
                    incoming.feed(bytes, begin)?;
                    self.monitor.advance(0, bytes.len() as u64);
                }
                Piece::Gap(bytes, why) => {
                    if !has_other_copy || !incoming.gap(bytes, why.clone()) {
                        return Err(Lost::Content(why).into());
                    }
                    if incoming.gaps() >= GAPS_MOST {
                        return Ok(());
                    }
                }
            }
            if incoming.is_there_in_part() {
                return Ok(());
            }
            if is_long && self.monitor.stop_requested() {
                return Err(Lost::Stopped.into());
            }
        }
    }

    /// Reads what is missing of a file that is there in part.
    fn mend(
        &mut self,
        pass: &mut Pass<'_>,
        read: &'a MemberRead,
        place: &Place,
        mut partial: Partial,
        own: Option<FileWriter>,
    ) -> Result<Whole, Failed> {
        self.mended = true;
        let Partial {
            member,
            data,
            missing,
        } = &partial;
        let mut mending = Mending::new(read, member, missing, data, self.monitor);
        let mended = mending.all(pass, place);
        let missing = mending.into_missing();
        match mended {
            Ok(()) => {
                let (member, verified) = (partial.member, true);
                Ok((Arrived { member, verified }, own))
            }
            Err(Failed::Object(lost @ (Lost::Doubt(_) | Lost::Target(_)))) => {
                if !lost.goes_on() {
                    own.into_iter().for_each(FileWriter::discard);
                }
                Err(lost.into())
            }
            Err(failed) => {
                partial.missing = missing;
                if let Some(writer) = own {
                    let patches = &mut self.directory.lock().patches;
                    patches.put(read, writer, partial, true);
                }
                Err(failed)
            }
        }
    }

    /// Holds what came of a file.
    fn hold(&self, read: &'a MemberRead, incoming: Incoming<'_>, own: Option<FileWriter>) {
        if let (Some(writer), Some(partial)) = (own, incoming.partial()) {
            let patches = &mut self.directory.lock().patches;
            patches.put(read, writer, partial, false);
        }
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
    /// Begins a file, or goes on with what is there of it; one that is not in parts is put into
    /// `own`.
    fn begin(
        &mut self,
        name: Name<'_>,
        member: &Member,
        read: &MemberRead,
        key: Option<&str>,
        looks: bool,
        own: &mut Option<FileWriter>,
    ) -> Result<Begun, Lost> {
        let missing = |data: &DataWriter, was_there: bool| {
            let missing = missing_of(member, data).filter(|_| looks && was_there)?;
            (missing.is_empty() || read.may_be_entered()).then_some(missing)
        };
        if member.part.is_some() {
            let begun = self.cut_files.begin(&mut self.target, name, member, key)?;
            let (writer, was_there) = begun;
            let missing = missing(&writer, was_there);
            return Ok(Begun {
                writer,
                was_there,
                missing,
            });
        }
        let made = match key {
            Some(key) => self.target.begin_kept(name, member, key)?,
            None => self.target.begin_file(name, member)?,
        };
        let made = own.insert(made);
        let writer = made.data_writer();
        let was_there = made.was_there();
        let missing = missing(&writer, was_there);
        if missing.is_none() && was_there {
            made.clear()?;
        }
        Ok(Begun {
            writer,
            was_there,
            missing,
        })
    }

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
            (None, Some(writer)) => {
                if writer.is_kept() {
                    writer.set_size(member.size_bytes)?;
                }
                (writer, member.size_bytes, verified)
            }
            (None, None) => return Err(Lost::content("a file without data on tape")),
        };
        self.target.finish_file(writer, member)?;
        Ok(Done::Placed {
            file_bytes: Some(size_bytes),
            verified,
        })
    }
}

/// What is missing of a member's data that an earlier run wrote, one after the other; `None` if
/// that is about all of them.
fn missing_of(member: &Member, data: &DataWriter) -> Option<Vec<std::ops::Range<u64>>> {
    let base_bytes = member.part.map_or(0, |part| part.offset_bytes);
    for piece in gaps::pieces(member) {
        let begin = piece.offset_bytes;
        let data_end = data.data_end(base_bytes + begin) - base_bytes;
        if data_end >= begin + piece.length_bytes {
            continue;
        }
        let end = data_end.saturating_sub(STEP_BACK_BYTES).max(begin);
        let rest = std::iter::once(end..member.covered_bytes());
        return (end >= WORTH_BYTES).then(|| rest.collect());
    }
    Some(Vec::new())
}
