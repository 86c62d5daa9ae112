//! The members of one tape file on their way into its directory.

use uuid::Uuid;

use super::log::{Saved, What, Whole};
use super::names::{names, unusable};
use super::report::{
    Found, Gap, Head, LISTED_MOST, Loss, LostFile, OTHER_NAMES_MOST, OtherName, PARTIAL_SUFFIX,
    PIECES_MOST,
};
use super::walk::Cause;
use super::{TapeFileReport, is_full};
use crate::engine::content::ContentDigest;
use crate::engine::target::{
    FileWriter, Name, Target, TargetError, TargetErrorKind, shown, with_suffix,
};
use crate::monitor::{Monitor, Problem};
use crate::units::{BlockAddress, TapeFile};
use crate::volume::index::DigestAlgorithm;
use crate::volume::member::{Kind, Member, Part};
use crate::volume::tar::{Event, tape_name};

/// Holes of a file that are digested in all: longer ones would take hours.
const HOLES_MOST_BYTES: u64 = 1 << 40;

/// The comment of a segment is shorter than this.
const COMMENT_MOST_BYTES: usize = 1 << 10;

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
    /// By what the content of files is digested, if an index may come that knows digests.
    algorithm: Option<DigestAlgorithm>,
    /// The run that wrote the segment, once its first header has come, and that.
    job: Option<Uuid>,
    comment: Vec<u8>,
    /// What is on its way into the report.
    saved: Vec<Saved>,
    saved_bytes: u64,
}

/// Under which name an object goes into the target.
struct Place {
    name: Vec<u8>,
    /// Why that is not its own.
    why: Option<String>,
    /// What of its metadata is left out, a sentence each.
    remarks: Vec<String>,
}

/// The file whose data come.
struct Current {
    member: Box<Member>,
    place: Place,
    block: BlockAddress,
    writer: FileWriter,
    had_bytes: u64,
    /// Where the data ended that came last.
    end_bytes: u64,
    /// Something was lost since then.
    is_torn: bool,
    missing: Vec<(u64, u64)>,
    digest: Option<ContentDigest>,
    /// Of holes that were digested.
    holes_bytes: u64,
    /// Which piece of a file it is, and the size of that.
    part: Option<(Part, u64)>,
}

impl Current {
    fn missing(&mut self, to: u64) {
        if to > self.end_bytes && self.missing.len() < PIECES_MOST {
            self.missing.push((self.end_bytes, to));
        }
    }

    /// Digests what came at a place, and the hole before it.
    fn digest(&mut self, at_bytes: u64, bytes: &[u8], monitor: &dyn Monitor) {
        let Some(mut digest) = self.digest.take() else {
            return;
        };
        self.holes_bytes += at_bytes.saturating_sub(digest.position_bytes());
        while self.holes_bytes <= HOLES_MOST_BYTES && !monitor.stop_requested() {
            match digest.advance_to(at_bytes) {
                Ok(true) => {
                    digest.update(bytes);
                    self.digest = Some(digest);
                    return;
                }
                Ok(false) => {}
                Err(_) => return,
            }
        }
    }
}

impl<'a> Saver<'a> {
    pub(super) fn new(
        target: Target,
        file: TapeFile,
        keep_partial: bool,
        algorithm: Option<DigestAlgorithm>,
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
            algorithm,
            job: None,
            comment: Vec::new(),
            saved: Vec::new(),
            saved_bytes: 0,
        }
    }

    /// Takes note of what the archive's own header, read at `block`, says of it: one of a segment
    /// of ours names that and the run that wrote it. It comes again with each member.
    pub(super) fn archive(&mut self, comment: &[u8], block: BlockAddress) {
        if comment.len() > COMMENT_MOST_BYTES || comment == self.comment {
            return;
        }
        comment.clone_into(&mut self.comment);
        if let Some(head) = Head::read(comment, block) {
            self.algorithm.get_or_insert_default();
            self.job = Some(head.job);
            self.found.heads.push(head);
        }
    }

    /// True if an index may come that knows digests of what is saved.
    pub(super) fn is_of_segment(&self) -> bool {
        self.algorithm.is_some()
    }

    /// What was saved since the last call, and what the names of that take.
    pub(super) fn take_saved(&mut self) -> (Vec<Saved>, u64) {
        let bytes = std::mem::take(&mut self.saved_bytes);
        (std::mem::take(&mut self.saved), bytes)
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

    /// Takes what was read in the record at `block`; of a member, which piece of a file it is, and
    /// what of its metadata makes no sense.
    pub(super) fn event(
        &mut self,
        event: Event<'_>,
        part: Option<(Part, u64)>,
        remarks: Vec<String>,
        block: BlockAddress,
    ) {
        match event {
            Event::Member { member, .. } => self.member(member, part, remarks, block),
            Event::Refused {
                name,
                size_bytes,
                why,
            } => self.lost(name, block, size_bytes, why),
            Event::Data { at_bytes, bytes } => self.data(at_bytes, bytes),
            Event::MemberEnd => self.member_end(),
            Event::Global(_) | Event::End => {}
        }
    }

    /// Notes a place that did not come, or made no sense.
    pub(super) fn gap(&mut self, block: BlockAddress, blocks: u64, what: &str, cause: Cause) {
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
                encrypted: cause == Cause::Encrypted,
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
        let what = "the archive has no end: it was cut off there";
        self.gap(end, 0, what, Cause::Bad);
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

    fn member(
        &mut self,
        member: Box<Member>,
        part: Option<(Part, u64)>,
        remarks: Vec<String>,
        block: BlockAddress,
    ) {
        let is_directory = member.kind == Kind::Directory;
        // The directory that the archive is of.
        if member.path.is_empty() && is_directory {
            return;
        }
        let mut place = match self.way_to(&member.path, is_directory) {
            Ok(place) => place,
            Err(error) => return self.refused(&member, block, error),
        };
        place.remarks = remarks;
        if member.kind == Kind::File {
            let begun =
                Name::new(&place.name).and_then(|name| self.target.begin_file(name, &member));
            match begun {
                Ok(writer) => {
                    self.current = Some(Current {
                        member,
                        place,
                        block,
                        writer,
                        had_bytes: 0,
                        end_bytes: 0,
                        is_torn: false,
                        missing: Vec::new(),
                        digest: self.algorithm.map(ContentDigest::new),
                        holes_bytes: 0,
                        part,
                    });
                }
                Err(error) => self.refused(&member, block, error),
            }
            return;
        }
        match self.place(&member, &place.name) {
            Ok(()) => {
                self.count(None);
                let what = match &member.kind {
                    Kind::Hardlink(first) => What::Hardlink(first.clone()),
                    _ => What::Other,
                };
                self.save(&member, place, what);
            }
            Err(error) => self.refused(&member, block, error),
        }
    }

    /// The first of the names that an object can have of which nothing is in the way. What makes
    /// way once always does, so that a hard link finds its first name again.
    fn way_to(&mut self, path: &[u8], is_directory: bool) -> Result<Place, TargetError> {
        let mut why = unusable(path).map(str::to_owned);
        let mut in_the_way = None;
        for name in names(path) {
            let way = Name::new(&name).and_then(|name| self.target.make_way(name, is_directory));
            match way {
                Ok(()) => {
                    return Ok(Place {
                        name: name.into_owned(),
                        why,
                        remarks: Vec::new(),
                    });
                }
                Err(error) if error.kind == TargetErrorKind::InTheWay => {
                    why.get_or_insert_with(|| error.what.clone());
                    in_the_way = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(in_the_way.expect("there are names to be tried"))
    }

    /// Notes what was saved.
    fn save(&mut self, member: &Member, place: Place, what: What) {
        let name = match member.kind {
            Kind::Directory => place.name.clone(),
            _ => self.target.name_of(&place.name).to_vec(),
        };
        for remark in place.remarks {
            self.target.lacks(&name, "part of its metadata", remark);
        }
        if let Some(why) = place.why {
            let (path, as_name) = (shown(&member.path), shown(&name));
            tracing::warn!(path, as_name, why, "saved under another name");
            self.found.other_name_count += 1;
            if self.found.other_names.len() < OTHER_NAMES_MOST {
                self.found.other_names.push(OtherName {
                    file: self.file,
                    path: member.path.clone(),
                    name: name.clone(),
                    why,
                });
            }
        }
        self.saved_bytes += (member.path.len() + name.len()) as u64;
        self.saved.push(Saved {
            file: self.file,
            path: member.path.clone(),
            name,
            what,
        });
    }

    /// Makes what has no data.
    fn place(&mut self, member: &Member, name: &[u8]) -> Result<(), TargetError> {
        let name = Name::new(name)?;
        match &member.kind {
            Kind::Directory => self.target.directory(name, member),
            // The target had nothing in it: what has the first name is from this tape file.
            Kind::Hardlink(first) => {
                let first = self.way_to(first, false)?.name;
                self.target.hard_link(Name::new(&first)?, name)
            }
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
        current.digest(at_bytes, bytes, self.monitor);
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
        let size_bytes = current.member.size_bytes;
        current.digest(size_bytes, &[], self.monitor);
        let digest = self.algorithm.zip(current.digest.as_ref());
        let what = What::File {
            size_bytes,
            digest: digest.map(|(algorithm, digest)| (algorithm, digest.finish())),
            part: current.part.map(|part| self.whole(&current.member, part)),
        };
        match self.target.finish_file(current.writer, &current.member) {
            Ok(()) => {
                self.count(Some(size_bytes));
                self.save(&current.member, current.place, what);
            }
            Err(error) => self.refused(&current.member, current.block, error),
        }
    }

    /// Which file a part is of.
    fn whole(&self, member: &Member, (part, size_bytes): (Part, u64)) -> (Part, Whole) {
        let suffix = tape_name(b"", Some(part));
        let path = member.path.strip_suffix(suffix.as_ref());
        let whole = Whole {
            path: path.unwrap_or(&member.path).to_vec(),
            job: self.job,
            mtime: member.mtime,
            size_bytes: (!part.open).then_some(size_bytes),
        };
        (part, whole)
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
        self.lost(member.path.clone(), block, member.size_bytes, error.what);
    }

    /// An object of which there is nothing to keep.
    fn lost(&mut self, path: Vec<u8>, block: BlockAddress, size_bytes: u64, why: String) {
        self.list(LostFile {
            file: self.file,
            path,
            block,
            size_bytes,
            had_bytes: 0,
            missing: Vec::new(),
            loss: Loss::NotSaved,
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
                Ok(()) => {
                    let name = with_suffix(&current.place.name, PARTIAL_SUFFIX);
                    kept_as = Some(self.target.name_of(&name).to_vec());
                }
                Err(error) => {
                    let what = format!("not kept: {error}");
                    self.gap(current.block, 0, &what, Cause::Bad);
                }
            }
        }
        self.list(LostFile {
            file: self.file,
            path: member.path.clone(),
            block: current.block,
            size_bytes: member.size_bytes,
            had_bytes: current.had_bytes,
            missing: current.missing,
            loss: Loss::Cut,
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
