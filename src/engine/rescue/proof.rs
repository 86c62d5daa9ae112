//! What was saved of a segment, compared with the index behind it.
//!
//! A file whose content is not as the index says keeps all its bytes, under a name that says so.
//! What the index names and the segment did not show is lost by name.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _};
use std::path::Path;

use super::log::{Log, Proof, Saved, What, file_directory};
use super::names::beside;
use super::order::{Doubt, Doubted};
use super::report::{DAMAGED_SUFFIX, Head, Loss, LostFile, RescueReport};
use crate::engine::target::{Name, SavedFiles, TargetError, with_suffix};
use crate::monitor::Monitor;
use crate::units::{BlockAddress, TapeFile};
use crate::volume::index::{Digest, DigestAlgorithm, FileLine, Index};
use crate::volume::tar::tape_name;

/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What was saved of a tape file, until it is known whether an index follows.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) first_block: BlockAddress,
    pub(super) file: TapeFile,
    /// The segments that begin in it.
    pub(super) heads: Vec<Head>,
    pub(super) saved: Vec<Saved>,
    /// Names on tape of what was lost in it, and how often; `None` if not all of what came, or
    /// was lost, is known.
    pub(super) lost: Option<HashMap<Vec<u8>, usize>>,
}

impl Segment {
    /// What did not come of a segment whose index is in this tape file: all of it.
    pub(super) fn unseen(index: &Segment) -> Self {
        Self {
            first_block: index.first_block,
            file: index.file,
            heads: Vec::new(),
            saved: Vec::new(),
            lost: Some(HashMap::new()),
        }
    }

    /// Whether it is what this index is of. One whose beginning is lost is known by its place.
    pub(super) fn is_of(&self, index: &Index) -> bool {
        let info = &index.info;
        match self.heads.is_empty() {
            true => (info.first_block..info.index_block).contains(&self.first_block),
            false => self.heads.iter().any(|head| head.segment == info.segment),
        }
    }

    /// Takes off what came behind an index in the same tape file, if a segment begins there: the
    /// filemark between them is lost.
    pub(super) fn split_behind(
        &mut self,
        index: BlockAddress,
        is_of_index: &impl Fn(&[u8]) -> bool,
    ) -> Option<Self> {
        let at = self.heads.iter().position(|head| head.block > index)?;
        let heads = self.heads.split_off(at);
        let last = self.saved.iter().rposition(|one| is_of_index(&one.path))?;
        Some(Self {
            first_block: heads[0].block,
            file: self.file,
            heads,
            saved: self.saved.split_off(last + 1),
            // Which of them was before it nobody has kept.
            lost: self.lost.clone().filter(HashMap::is_empty),
        })
    }
}

/// How often each name is there.
pub(super) fn counted(names: impl Iterator<Item = Vec<u8>>) -> HashMap<Vec<u8>, usize> {
    let mut counts = HashMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// What came of the comparison of one file.
enum Compared {
    Same,
    /// With what the index says.
    Other(String),
    /// The index has no digest of it.
    Unknown,
}

/// Compares what was saved with an index, if there is one, and puts all of it on record.
pub(super) struct Comparison<'a> {
    /// The directory of the tape.
    pub(super) directory: &'a Path,
    pub(super) log: &'a mut Log,
    pub(super) report: &'a mut RescueReport,
    pub(super) monitor: &'a dyn Monitor,
}

impl Comparison<'_> {
    /// Without an index: each file is whole by its length.
    pub(super) fn none(&mut self, segment: &Segment, proof: Proof) -> io::Result<()> {
        for saved in &segment.saved {
            let is_file = matches!(saved.what, What::File { .. });
            if is_file && proof == Proof::Digest {
                self.count(segment.file, |file| file.verified += 1);
            }
            self.log.saved(saved, proof)?;
        }
        self.log.flush()
    }

    /// What a tape file with an index has, where that is of none of the rest: an index has passed
    /// its own digests.
    pub(super) fn index(&mut self, segment: &Segment, index: &Index) -> io::Result<()> {
        let is_of_index = members_of(index);
        for saved in &segment.saved {
            let is_its_own = is_of_index(&saved.path);
            let proof = match is_its_own {
                true => Proof::Digest,
                false => Proof::Length,
            };
            if is_its_own && matches!(saved.what, What::File { .. }) {
                self.count(segment.file, |file| file.verified += 1);
            }
            self.log.saved(saved, proof)?;
        }
        self.log.flush()
    }

    pub(super) fn with(&mut self, segment: Segment, index: &Index) -> io::Result<()> {
        let mut lines: HashMap<Vec<u8>, Vec<&FileLine>> = HashMap::new();
        for line in &index.files {
            let name = tape_name(&line.path, line.part).into_owned();
            lines.entry(name).or_default().push(line);
        }
        let directory = self.directory.join(file_directory(segment.file));
        let files = SavedFiles::below(&directory)?;
        let (mut wrong, mut links) = (HashSet::new(), Vec::new());
        let mut came: HashMap<Vec<u8>, usize> = HashMap::new();
        for mut saved in segment.saved {
            *came.entry(saved.path.clone()).or_default() += 1;
            if let What::Hardlink(first) = &saved.what {
                links.push((first.clone(), saved));
                continue;
            }
            if let What::File {
                part: Some((_, whole)),
                ..
            } = &mut saved.what
            {
                whole.job = Some(index.info.job.id);
            }
            let known = lines.get(&saved.path).map_or(&[][..], Vec::as_slice);
            let compared = match &saved.what {
                What::File { .. } => {
                    compare(&files, &saved, known, index.info.job.digest, self.monitor)
                }
                _ => Ok(Compared::Unknown),
            };
            match compared {
                Ok(Compared::Same) => {
                    self.count(saved.file, |file| file.verified += 1);
                    self.log.saved(&saved, Proof::Digest)?;
                }
                Ok(Compared::Unknown) => self.log.saved(&saved, Proof::Length)?,
                Ok(Compared::Other(why)) => {
                    self.set_aside(&files, &saved, known, why)?;
                    wrong.insert(saved.path);
                }
                Err(error) => {
                    let why = format!("it cannot be read again, to be compared: {error}");
                    self.lose(&saved, known, None, why)?;
                }
            }
        }
        for (first, saved) in links {
            if wrong.contains(&first) {
                let why = "it is a further name of a file that is not as it was archived";
                self.set_aside(&files, &saved, &[], why.to_owned())?;
            } else {
                self.log.saved(&saved, Proof::Length)?;
            }
        }
        if let Some(lost) = segment.lost {
            for (name, count) in lost {
                *came.entry(name).or_default() += count;
            }
            self.unseen(segment.file, index, came)?;
        } else {
            self.report.doubt(Doubt {
                about: Doubted::Index(index.info.number),
                file: segment.file,
                what: "it is there, but not all that came of the segment could be compared with it"
                    .to_owned(),
            });
        }
        self.log.flush()
    }

    /// What the index names, and was neither saved nor lost by name. Of a name that is in it more
    /// than once nobody can say which one came: the last ones count as lost.
    fn unseen(
        &mut self,
        file: TapeFile,
        index: &Index,
        mut seen: HashMap<Vec<u8>, usize>,
    ) -> io::Result<()> {
        for line in &index.files {
            let path = tape_name(&line.path, line.part);
            if let Some(count) = seen.get_mut(path.as_ref()).filter(|count| **count > 0) {
                *count -= 1;
                continue;
            }
            let why = "its header did not come: the index names it".to_owned();
            self.log.lost(file, &path, None, &why)?;
            self.count(file, |file| file.lost += 1);
            self.report.lose(LostFile {
                file,
                path: path.into_owned(),
                block: line.place.block,
                size_bytes: line.covered_bytes(),
                had_bytes: 0,
                missing: Vec::new(),
                loss: Loss::Header,
                why,
                kept_as: None,
            });
        }
        Ok(())
    }

    /// Gives what is not as it was archived a name that says so.
    fn set_aside(
        &mut self,
        files: &SavedFiles,
        saved: &Saved,
        known: &[&FileLine],
        why: String,
    ) -> io::Result<()> {
        let aside = with_suffix(&beside(&saved.name, &saved.path), DAMAGED_SUFFIX);
        let moved = Name::new(&saved.name)
            .and_then(|from| Name::new(&aside).and_then(|to| files.rename(from, to)));
        match moved {
            Ok(name) => self.lose(saved, known, Some(name), why),
            Err(error) => {
                let why = format!("{why}; it is still under its own name: {error}");
                self.lose(saved, known, None, why)
            }
        }
    }

    fn lose(
        &mut self,
        saved: &Saved,
        known: &[&FileLine],
        kept_as: Option<Vec<u8>>,
        why: String,
    ) -> io::Result<()> {
        self.log
            .lost(saved.file, &saved.path, kept_as.as_deref(), &why)?;
        let size_bytes = match saved.what {
            What::File { size_bytes, .. } => Some(size_bytes),
            _ => None,
        };
        self.count(saved.file, |file| {
            file.objects = file.objects.saturating_sub(1);
            file.files = file.files.saturating_sub(u64::from(size_bytes.is_some()));
            file.file_bytes = file.file_bytes.saturating_sub(size_bytes.unwrap_or(0));
            file.lost += 1;
        });
        let block = known
            .first()
            .map_or(BlockAddress(0), |line| line.place.block);
        self.monitor.problem(&crate::monitor::Problem {
            path: crate::engine::target::shown(&saved.path),
            what: why.clone(),
        });
        self.report.lose(LostFile {
            file: saved.file,
            path: saved.path.clone(),
            block,
            size_bytes: size_bytes.unwrap_or(0),
            had_bytes: size_bytes.unwrap_or(0),
            missing: Vec::new(),
            loss: Loss::WrongDigest,
            why,
            kept_as,
        });
        Ok(())
    }

    fn count(&mut self, file: TapeFile, change: impl Fn(&mut super::TapeFileReport)) {
        let files = self.report.tape_files.iter_mut().rev();
        files
            .filter(|one| one.file == file)
            .take(1)
            .for_each(change);
    }
}

/// Compares a file with what the index says of members of its name.
fn compare(
    files: &SavedFiles,
    saved: &Saved,
    known: &[&FileLine],
    algorithm: DigestAlgorithm,
    monitor: &dyn Monitor,
) -> Result<Compared, TargetError> {
    let What::File { digest, .. } = &saved.what else {
        return Ok(Compared::Unknown);
    };
    let mut expected = known.iter().filter_map(|line| line.digest).peekable();
    let Some(first) = expected.peek().copied() else {
        return Ok(Compared::Unknown);
    };
    let actual = match digest {
        Some((by, digest)) if *by == algorithm => *digest,
        // What was not digested has too long a hole.
        None => return Ok(Compared::Unknown),
        Some(_) => match digest_again(files, saved, algorithm, monitor)? {
            Some(digest) => digest,
            None => return Ok(Compared::Unknown),
        },
    };
    Ok(match expected.any(|digest| digest == actual) {
        true => Compared::Same,
        false => Compared::Other(format!(
            "its content has the digest {actual} instead of {first}"
        )),
    })
}

/// The digest of a file that was saved, by another function; `None` if the user stops.
fn digest_again(
    files: &SavedFiles,
    saved: &Saved,
    algorithm: DigestAlgorithm,
    monitor: &dyn Monitor,
) -> Result<Option<Digest>, TargetError> {
    let name = Name::new(&saved.name)?;
    let mut file = files.open(name, false)?;
    let mut hasher = algorithm.hasher();
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        if monitor.stop_requested() {
            return Ok(None);
        }
        let got = file
            .read(&mut buffer)
            .map_err(|error| TargetError::io(name.bytes(), "reading it", &error))?;
        if got == 0 {
            return Ok(Some(hasher.finish()));
        }
        hasher.update(&buffer[..got]);
    }
}

/// Whether a path is that of a member of the index itself.
pub(super) fn members_of(index: &Index) -> impl Fn(&[u8]) -> bool + use<> {
    let directory = format!("tapewright-segment-{:05}/", index.info.number);
    move |path| path.starts_with(directory.as_bytes())
}
