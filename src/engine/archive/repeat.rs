//! Writing again what a failed volume left unconfirmed, out of the source.

use std::collections::HashSet;
use std::mem::discriminant;
use std::rc::Rc;

use super::content;
use super::destination::Destination;
use super::parts;
use super::payload::Payload;
use super::pending::{Written, WrittenMember};
use super::placing::{Begun, Work};
use super::plan::ArchivePlan;
use crate::engine::source::{FileState, LinkTo, Object, Remark, Rereader, Severity};
use crate::monitor::Silent;
use crate::volume::member::{Kind, Member};

/// The source once more.
pub(super) struct Repeat<'a> {
    plan: &'a ArchivePlan,
    rereader: Rereader,
    /// Archive paths of files that could not be had again.
    lost: HashSet<Vec<u8>>,
    /// Remarks to be told.
    remarks: Vec<Remark>,
}

impl<'a> Repeat<'a> {
    pub(super) fn new(plan: &'a ArchivePlan, rereader: Rereader) -> Self {
        Self {
            plan,
            rereader,
            lost: HashSet::new(),
            remarks: Vec::new(),
        }
    }

    /// Members that are on no tape for they could not be had again.
    pub(super) fn lost(&self) -> u64 {
        self.lost.len() as u64
    }

    /// Their archive paths.
    pub(super) fn lost_paths(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.lost.iter()
    }

    pub(super) fn take_remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }

    /// Has a destination write again all that it lost with its volumes, on further ones. When
    /// the user asks to stop, the rest stays unconfirmed.
    pub(super) fn write_again(&mut self, destination: &mut Destination<'_>) {
        loop {
            if destination.is_in_trouble() {
                destination.settle();
            }
            if destination.is_over() || destination.shared.monitor.stop_requested() {
                return;
            }
            match destination.pending.next() {
                Some(Written::Member(written)) => self.member(destination, &written),
                Some(Written::Gone(path)) => destination.gone(&path),
                None => return,
            }
        }
    }

    fn member(&mut self, destination: &mut Destination<'_>, written: &WrittenMember) {
        let mut object = match self.object(written) {
            Ok(object) => object,
            Err(remark) => {
                self.lost.insert(remark.path.clone());
                return self.remarks.push(remark);
            }
        };
        let rest = written.part.as_ref();
        let rest = rest.filter(|rest| rest.state == FileState::of(&object.member));
        if let (Some(rest), Some(reader)) = (rest, &mut object.reader) {
            reader.skip_to(rest.offset_bytes);
        }
        let whole = Rc::new(object.member);
        let (work, member) = match rest {
            Some(rest) => (
                Work::from(Rc::clone(&whole), rest),
                parts::rest(&whole, rest.offset_bytes, rest.number),
            ),
            None => (Work::whole(Rc::clone(&whole)), Member::clone(&whole)),
        };
        let mut payload = Payload::again(object.reader);
        if let Begun::Refused(why) = destination.begin(work) {
            self.lost.insert(member.path.clone());
            let what = format!("it cannot be archived: {why}");
            return self.remarks.push(Remark::problem(&member.path, what));
        }
        let destinations = std::slice::from_mut(destination);
        // It comes from no scanner that could be gone.
        let algorithm = self.plan.job.digest;
        let written = content::write(destinations, &member, &mut payload, algorithm, &Silent);
        debug_assert!(written.is_ok());
        if destinations[0].shared.left_hole.take() {
            self.remarks.push(content::left_hole(&member.path));
        }
        if let Ok(Some(what)) = payload.finish().map(|end| end.what) {
            self.remarks.push(Remark::problem(&member.path, what));
        }
    }

    /// A file of its own instead of a further name of one that was lost; `None` if that one was
    /// not lost.
    pub(super) fn instead_of_link(&mut self, link: &Member) -> Option<Result<Object, Remark>> {
        let Kind::Hardlink(first) = &link.kind else {
            return None;
        };
        if !self.lost.contains(first) {
            return None;
        }
        let object = match self.plan.can_be_read_again(&link.path) {
            true => self.rereader.object(&link.path, None, &mut self.remarks),
            false => Err(written_once(&link.path)),
        };
        if object.is_err() {
            self.lost.insert(link.path.clone());
        }
        Some(object)
    }

    fn object(&mut self, written: &WrittenMember) -> Result<Object, Remark> {
        if !self.plan.can_be_read_again(&written.path) {
            return Err(written_once(&written.path));
        }
        let link = match &written.kind {
            Kind::Hardlink(first) => Some(LinkTo {
                first,
                mtime: written.mtime,
            }),
            _ => None,
        };
        let mut remarks = Vec::new();
        let object = self.rereader.object(&written.path, link, &mut remarks)?;
        // Notes were told when the walk came by.
        remarks.retain(|remark| remark.severity == Severity::Problem);
        self.remarks.append(&mut remarks);
        let same = discriminant(&object.member.kind) == discriminant(&written.kind);
        if !same && link.is_none() {
            let what = "it was replaced before it could be written again";
            return Err(Remark::problem(&written.path, what));
        }
        Ok(object)
    }
}

/// Of what a stream has brought.
fn written_once(path: &[u8]) -> Remark {
    let what = "the tape failed before it had confirmed it, and it comes from a command, which \
                cannot be asked again; run the job again to have it";
    Remark::problem(path, what)
}
