//! The members of one tape file on their way into its directory.

use super::report::{Found, Gap, LISTED_MOST, LostFile, PARTIAL_SUFFIX, PIECES_MOST};
use super::{TapeFileReport, is_full};
use crate::engine::target::{FileWriter, Name, Target, TargetError, shown};
use crate::monitor::{Monitor, Problem};
use crate::units::{BlockAddress, TapeFile};
use crate::volume::member::{Kind, Member};
use crate::volume::tar::Event;

/// See the module.
pub(super) struct Saver<'a> {
    target: Target,
    file: TapeFile,
    keep_partial: bool,
    monitor: &'a dyn Monitor,
    found: Found,
    /// Objects, files among them, and their bytes.
    counts: (u64, u64, u64),
    current: Option<Current>,
    is_full: bool,
}

/// The file whose data come.
struct Current {
    member: Box<Member>,
    block: BlockAddress,
    writer: FileWriter,
    had_bytes: u64,
    /// Where the data ended that came last.
    end_bytes: u64,
    /// Something was lost since then.
    is_torn: bool,
    missing: Vec<(u64, u64)>,
}

impl Current {
    fn missing(&mut self, to: u64) {
        if to > self.end_bytes && self.missing.len() < PIECES_MOST {
            self.missing.push((self.end_bytes, to));
        }
    }
}

impl<'a> Saver<'a> {
    pub(super) fn new(
        target: Target,
        file: TapeFile,
        keep_partial: bool,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            target,
            file,
            keep_partial,
            monitor,
            found: Found::default(),
            counts: (0, 0, 0),
            current: None,
            is_full: false,
        }
    }

    /// True once no room is left.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Ends the tape file: sets the metadata of its directories.
    pub(super) fn finish(mut self, file: &mut TapeFileReport) -> Found {
        (file.objects, file.files, file.file_bytes) = self.counts;
        file.lost = self.found.lost_count;
        self.found.renamed = self.target.take_renamed().into_iter().collect();
        self.found.not_set = self.target.finish();
        self.found
    }

    /// Takes what was read in the record at `block`.
    pub(super) fn event(&mut self, event: Event<'_>, block: BlockAddress) {
        match event {
            Event::Member { member, .. } => self.member(member, block),
            Event::Refused { name, why } => self.lost(name, block, why),
            Event::Data { at_bytes, bytes } => self.data(at_bytes, bytes),
            Event::MemberEnd => self.member_end(),
            Event::Global(_) | Event::End => {}
        }
    }

    /// Notes a place that did not come, or made no sense.
    pub(super) fn gap(&mut self, block: BlockAddress, blocks: u64, what: &str) {
        self.monitor.problem(&Problem {
            path: format!("block {block}"),
            what: what.to_owned(),
        });
        self.found.gap_count += 1;
        if self.found.gaps.len() < LISTED_MOST {
            self.found.gaps.push(Gap {
                file: self.file,
                block,
                blocks,
                what: what.to_owned(),
                passed_bytes: 0,
            });
        }
    }

    /// Bytes behind the gap were passed over.
    pub(super) fn pass(&mut self, bytes: u64) {
        if let Some(gap) = self.found.gaps.last_mut() {
            gap.passed_bytes += bytes;
        }
    }

    /// The gap lies within the data of the present file.
    pub(super) fn gap_inside(&mut self) {
        if let Some(current) = &mut self.current {
            current.is_torn = true;
        }
    }

    /// The archive breaks off between two members.
    pub(super) fn no_end(&mut self) {
        let end = self
            .found
            .gaps
            .last()
            .map_or(BlockAddress(0), |gap| gap.block);
        self.gap(end, 0, "the archive has no end: it was cut off there");
    }

    /// What came last of the present file is its last. False if there is none.
    pub(super) fn cut(&mut self, why: &str) -> bool {
        let Some(mut current) = self.current.take() else {
            return false;
        };
        current.missing(current.member.size_bytes);
        self.incomplete(current, why.to_owned());
        true
    }

    fn member(&mut self, member: Box<Member>, block: BlockAddress) {
        // The directory that the archive is of.
        if member.path.is_empty() {
            return;
        }
        if member.kind == Kind::File {
            let begun =
                Name::new(&member.path).and_then(|name| self.target.begin_file(name, &member));
            match begun {
                Ok(writer) => {
                    self.current = Some(Current {
                        member,
                        block,
                        writer,
                        had_bytes: 0,
                        end_bytes: 0,
                        is_torn: false,
                        missing: Vec::new(),
                    });
                }
                Err(error) => self.refused(&member, block, error),
            }
            return;
        }
        match self.place(&member) {
            Ok(()) => self.count(None),
            Err(error) => self.refused(&member, block, error),
        }
    }

    /// Makes what has no data.
    fn place(&mut self, member: &Member) -> Result<(), TargetError> {
        let name = Name::new(&member.path)?;
        match &member.kind {
            Kind::Directory => self.target.directory(name, member),
            // The target had nothing in it: what has the first name is from this tape file.
            Kind::Hardlink(first) => self.target.hard_link(Name::new(first)?, name),
            _ => self.target.node(name, member),
        }
    }

    fn data(&mut self, at_bytes: u64, bytes: &[u8]) {
        let Some(current) = &mut self.current else {
            return;
        };
        if std::mem::take(&mut current.is_torn) {
            current.missing(at_bytes);
        }
        current.had_bytes += bytes.len() as u64;
        current.end_bytes = at_bytes + bytes.len() as u64;
        if let Err(error) = current.writer.write_at(at_bytes, bytes) {
            let Some(current) = self.current.take() else {
                return;
            };
            self.refused(&current.member, current.block, error);
        }
    }

    fn member_end(&mut self) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        if current.had_bytes != current.member.payload_bytes() {
            if current.is_torn {
                current.missing(current.member.size_bytes);
            }
            return self.incomplete(current, "some of its blocks cannot be read".to_owned());
        }
        match self.target.finish_file(current.writer, &current.member) {
            Ok(()) => self.count(Some(current.member.size_bytes)),
            Err(error) => self.refused(&current.member, current.block, error),
        }
    }

    fn count(&mut self, file_bytes: Option<u64>) {
        let (objects, files, bytes) = self.counts;
        self.counts = (
            objects + 1,
            files + u64::from(file_bytes.is_some()),
            bytes.saturating_add(file_bytes.unwrap_or(0)),
        );
        self.monitor.advance(1, 0);
    }

    /// The target does not take it.
    fn refused(&mut self, member: &Member, block: BlockAddress, error: TargetError) {
        self.is_full |= is_full(error.kind);
        self.lost(member.path.clone(), block, error.what);
    }

    /// An object of which there is nothing to keep.
    fn lost(&mut self, path: Vec<u8>, block: BlockAddress, why: String) {
        self.list(LostFile {
            file: self.file,
            path,
            block,
            size_bytes: 0,
            had_bytes: 0,
            missing: Vec::new(),
            why,
            kept_as: None,
        });
    }

    /// A file that is not whole: kept under another name, if that is wanted.
    fn incomplete(&mut self, current: Current, why: String) {
        let member = current.member;
        let mut kept_as = None;
        if self.keep_partial && current.had_bytes > 0 {
            match self
                .target
                .finish_partial(current.writer, &member, PARTIAL_SUFFIX)
            {
                Ok(()) => kept_as = Some([&member.path, PARTIAL_SUFFIX].concat()),
                Err(error) => self.gap(current.block, 0, &format!("not kept: {error}")),
            }
        }
        self.list(LostFile {
            file: self.file,
            path: member.path.clone(),
            block: current.block,
            size_bytes: member.size_bytes,
            had_bytes: current.had_bytes,
            missing: current.missing,
            why,
            kept_as,
        });
    }

    fn list(&mut self, lost: LostFile) {
        let (path, what) = (shown(&lost.path), format!("not whole: {}", lost.why));
        tracing::warn!(path, what, "lost");
        self.monitor.problem(&Problem { path, what });
        self.found.lost_count += 1;
        if self.found.lost.len() < LISTED_MOST {
            self.found.lost.push(lost);
        }
    }
}
