//! What a stream brings, handed on in its order.

use super::{ReadEnd, Remark, Severity};
use crate::volume::member::{Condition, Member};

/// Nobody takes what the source brings any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwanted;

/// Takes what a stream brings. Waits while too much is under way.
pub trait Pour {
    /// A remark about an object.
    fn remark(&mut self, remark: Remark) -> Result<(), Unwanted>;

    /// An object with all its data.
    fn object(&mut self, member: Member, data: Vec<u8>, end: ReadEnd) -> Result<(), Unwanted>;

    /// A file, or a part of one. As much data as it declares follow, in chunks of at most 1 MiB,
    /// then an end.
    fn begin(&mut self, member: Member) -> Result<(), Unwanted>;

    /// Data of the file, with what is known of its state so far.
    fn chunk(&mut self, data: Vec<u8>, so_far: Condition) -> Result<(), Unwanted>;

    /// The file ends.
    fn end(&mut self, end: ReadEnd) -> Result<(), Unwanted>;
}

/// What became of a command whose output was archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// Archive path of its file, or that its members lie below.
    pub place: Vec<u8>,
    /// How it ended, for people.
    pub ending: String,
    /// The last 64 KiB of its standard error.
    pub stderr: Vec<u8>,
    /// All that it was to write came, and it ended well; at the end of a run also that all of it is
    /// confirmed on tapes of the first destination.
    pub is_whole: bool,
}

/// Hands everything on, and hears whether anything was wrong with it.
pub(super) struct Watched<'a> {
    sink: &'a mut dyn Pour,
    pub(super) has_problem: bool,
}

impl<'a> Watched<'a> {
    pub(super) fn new(sink: &'a mut dyn Pour) -> Self {
        let has_problem = false;
        Self { sink, has_problem }
    }
}

impl Pour for Watched<'_> {
    fn remark(&mut self, remark: Remark) -> Result<(), Unwanted> {
        self.has_problem |= remark.severity == Severity::Problem;
        self.sink.remark(remark)
    }

    fn object(&mut self, member: Member, data: Vec<u8>, end: ReadEnd) -> Result<(), Unwanted> {
        self.has_problem |= end.what.is_some();
        self.sink.object(member, data, end)
    }

    fn begin(&mut self, member: Member) -> Result<(), Unwanted> {
        self.sink.begin(member)
    }

    fn chunk(&mut self, data: Vec<u8>, so_far: Condition) -> Result<(), Unwanted> {
        self.sink.chunk(data, so_far)
    }

    fn end(&mut self, end: ReadEnd) -> Result<(), Unwanted> {
        self.has_problem |= end.what.is_some();
        self.sink.end(end)
    }
}
