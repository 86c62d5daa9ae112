//! What was written and is not committed yet: enough of each member to write it again.

use std::collections::VecDeque;

use super::plan::BegunFile;
use super::report::Unconfirmed;
use crate::engine::source::FileState;
use crate::volume::member::{FileTime, Kind, Member};

/// What went into a segment.
#[derive(Debug, Clone)]
pub(super) enum Written {
    Member(WrittenMember),
    /// A name that is gone.
    Gone(Vec<u8>),
}

/// A member, or a part of a file, that went into a segment.
#[derive(Debug, Clone)]
pub(super) struct WrittenMember {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mtime: FileTime,
    /// Bytes of the file that it covers, holes included.
    pub(super) bytes: u64,
    /// `None` for what is whole.
    pub(super) part: Option<Box<Rest>>,
}

/// A cut file from one of its parts on.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub(super) state: FileState,
    /// The first of the parts.
    pub(super) number: u32,
    /// Where it starts in the file.
    pub(super) offset_bytes: u64,
}

impl Written {
    fn path(&self) -> &[u8] {
        match self {
            Self::Member(member) => &member.path,
            Self::Gone(path) => path,
        }
    }
}

impl WrittenMember {
    /// A member, as it was begun.
    pub(super) fn of(member: &Member) -> Self {
        Self {
            path: member.path.clone(),
            kind: member.kind.clone(),
            mtime: member.mtime,
            bytes: member.covered_bytes(),
            part: None,
        }
    }

    /// A file that an earlier run has begun.
    pub(super) fn begun(file: &BegunFile) -> Self {
        Self {
            path: file.path.clone(),
            kind: Kind::File,
            mtime: file.state.mtime,
            bytes: file.state.size_bytes.saturating_sub(file.offset_bytes),
            part: Some(Box::new(Rest {
                state: file.state,
                number: file.number,
                offset_bytes: file.offset_bytes,
            })),
        }
    }

    /// A part, as it was begun.
    pub(super) fn part(part: &Member, rest: Rest) -> Self {
        Self {
            part: Some(Box::new(rest)),
            ..Self::of(part)
        }
    }
}

/// Segments closed and not committed, oldest first, and what has to be written again.
#[derive(Debug, Default)]
pub(super) struct Pending {
    segments: VecDeque<Vec<Written>>,
    again: VecDeque<Written>,
}

impl Pending {
    /// A segment was closed.
    pub(super) fn close(&mut self, segment: Vec<Written>) {
        self.segments.push_back(segment);
    }

    /// Members, and names that are gone, in segments that are not committed.
    pub(super) fn members(&self) -> usize {
        self.segments.iter().map(Vec::len).sum()
    }

    /// The oldest segment was committed.
    pub(super) fn commit(&mut self) {
        self.segments.pop_front();
    }

    /// What an earlier run began has to be ended first.
    pub(super) fn begin_with(&mut self, begun: impl Iterator<Item = WrittenMember>) {
        self.again.extend(begun.map(Written::Member));
    }

    /// It could not be written now.
    pub(super) fn defer(&mut self, written: Written) {
        self.again.push_back(written);
    }

    /// The volume of all these segments is given up: they have to be written again, before
    /// what had to be already; and `begun`, a member whose end did not come.
    pub(super) fn give_up(&mut self, begun: Option<Written>) {
        let mut all: VecDeque<Written> = self.segments.drain(..).flatten().collect();
        if let Some(begun) = begun
            && all.back().is_none_or(|last| last.path() != begun.path())
        {
            all.push_back(begun);
        }
        all.append(&mut self.again);
        self.again = all;
    }

    /// The next to be written again. Of a file in parts the first part stands for all that
    /// follow.
    pub(super) fn next(&mut self) -> Option<Written> {
        let next = self.again.pop_front()?;
        while self
            .again
            .front()
            .is_some_and(|other| other.path() == next.path())
        {
            self.again.pop_front();
        }
        Some(next)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.again.is_empty()
    }

    /// All members of it, for the report.
    pub(super) fn into_unconfirmed(self) -> Unconfirmed {
        let mut all = Unconfirmed::default();
        let segments = self.segments.into_iter().flatten();
        for written in segments.chain(self.again) {
            if let Written::Member(member) = written {
                all.add(&member);
            }
        }
        all
    }
}
