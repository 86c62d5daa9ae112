//! Files that were cut into parts, joined where all parts were saved, from however many tapes.
//!
//! The parts are found by the records of the rescues below one directory. The bytes of the others
//! go behind those of the first part, one part after the other, each removed once it is on disk
//! there: so no more room is needed than for the largest part, and what is broken off is gone on
//! with by the next run, in the file that it was begun in. No file is removed that has bytes of
//! another part. The first part then gets the name of the file.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, SeekFrom, Timespec, Timestamps, fchmod, fstat, futimens, seek};
use rustix::io::Errno;

use super::log::{self, Log, Piece, Proof, RECORD, Whole};
use super::report::LISTED_MOST;
use crate::engine::EngineError;
use crate::engine::target::{Name, SavedFiles, TargetError, TargetErrorKind, shown};
use crate::monitor::{Monitor, Problem};

/// Bytes that are copied at once.
const PIECE_BYTES: u64 = 1 << 20;

/// A file that was joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its directory: that of the tape file in which its first part was.
    pub directory: PathBuf,
    /// Its name there.
    pub name: Vec<u8>,
    /// Its size.
    pub size_bytes: u64,
    /// How many parts it came from.
    pub parts: u64,
    /// What proves all of them.
    pub proof: Proof,
}

/// A file of which parts are missing, or that could not be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjoined {
    /// Its path in the archive.
    pub path: Vec<u8>,
    /// The parts that are there: number, directory and name.
    pub parts: Vec<(u32, PathBuf, Vec<u8>)>,
    /// Numbers of parts that are missing before others that are there.
    pub missing_parts: Vec<u32>,
    /// Bytes that are missing: from, and to where that is known.
    pub missing: Vec<(u64, Option<u64>)>,
    /// Why it was not joined, though nothing is missing.
    pub why: Option<String>,
}

/// How joining ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JoinEnd {
    /// All was joined that has all its parts.
    #[default]
    Done,
    /// The target did not allow something: the other files were joined.
    Failed,
    /// No room is left: what comes behind was not tried.
    Full,
    /// The user asked to stop.
    Stopped,
}

/// What was joined, and what could not be: at most [`LISTED_MOST`] of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Joins {
    /// How it ended.
    pub end: JoinEnd,
    /// What was joined.
    pub joined: Vec<Joined>,
    /// What was not.
    pub unjoined: Vec<Unjoined>,
}

/// Joins the files of which all parts were saved by rescues into directories below `root`.
///
/// # Errors
///
/// [`EngineError::Target`] if a record cannot be read.
pub fn join(root: &Path, monitor: &dyn Monitor) -> Result<Joins, EngineError> {
    let unusable = |source| EngineError::Target {
        path: root.to_owned(),
        source,
    };
    let mut groups = Groups::below(root).map_err(unusable)?;
    let mut joins = Joins::default();
    for (whole, pieces) in groups.take() {
        let cover = Cover::of(&whole, &pieces);
        let why = match joins.end {
            _ if !cover.gaps.is_empty() => None,
            JoinEnd::Full => Some("no room is left".to_owned()),
            JoinEnd::Stopped => Some(Broken::Stopped.to_string()),
            JoinEnd::Done | JoinEnd::Failed => match join_one(&whole, &pieces, &cover, monitor) {
                Ok(joined) if joins.joined.len() < LISTED_MOST => {
                    joins.joined.push(joined);
                    continue;
                }
                Ok(_) => continue,
                Err(broken) => {
                    joins.end = broken.end();
                    Some(broken.to_string())
                }
            },
        };
        if joins.unjoined.len() < LISTED_MOST {
            joins.unjoined.push(unjoined(&whole, &pieces, cover, why));
        }
    }
    Ok(joins)
}

/// Why a file was not joined though all its parts are there.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it was stopped; the next rescue into the directory goes on with it")]
    Stopped,
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl Broken {
    fn end(&self) -> JoinEnd {
        match self {
            Broken::Stopped => JoinEnd::Stopped,
            Broken::Target(error) if error.kind == TargetErrorKind::Full => JoinEnd::Full,
            Broken::Target(_) => JoinEnd::Failed,
        }
    }
}

fn unjoined(whole: &Whole, pieces: &[Piece], cover: Cover, why: Option<String>) -> Unjoined {
    let numbers: HashSet<u32> = pieces.iter().map(|piece| piece.part.number).collect();
    let last = numbers.iter().max().copied().unwrap_or(0);
    let missing_parts = (1..last).filter(|number| !numbers.contains(number));
    let mut parts: Vec<_> = pieces
        .iter()
        .map(|piece| (piece.part.number, piece.directory(), piece.name.clone()))
        .collect();
    parts.sort();
    Unjoined {
        path: whole.path.clone(),
        parts,
        missing_parts: missing_parts.take(LISTED_MOST).collect(),
        missing: cover.gaps,
        why,
    }
}

/// The parts that are there, by the file that they are of.
struct Groups {
    pieces: HashMap<Whole, Vec<Piece>>,
}

impl Groups {
    fn below(root: &Path) -> io::Result<Self> {
        let listing = match std::fs::read_dir(root) {
            // Nothing was saved.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            listing => Some(listing?),
        };
        let mut tapes: Vec<PathBuf> = (listing.into_iter().flatten())
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()?;
        tapes.retain(|tape| tape.join(RECORD).is_file());
        tapes.sort();
        let mut pieces: HashMap<Whole, Vec<Piece>> = HashMap::new();
        let mut joined = HashSet::new();
        for tape in tapes {
            let (there, done) = log::parts(&tape)?;
            joined.extend(done);
            for piece in there {
                pieces.entry(piece.whole.clone()).or_default().push(piece);
            }
        }
        pieces.retain(|whole, pieces| {
            pieces.retain(is_there);
            !joined.contains(whole) && !pieces.is_empty()
        });
        Ok(Self { pieces })
    }

    /// All of them, in the order of paths.
    fn take(&mut self) -> Vec<(Whole, Vec<Piece>)> {
        let mut groups: Vec<_> = self.pieces.drain().collect();
        groups.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path).then(a.mtime.cmp(&b.mtime)));
        groups
    }
}

/// Whether the file that has the bytes of a part is still there. One that cannot be looked at is:
/// joining it tells why.
fn is_there(piece: &Piece) -> bool {
    let below = match SavedFiles::below(&piece.directory()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
        Err(_) => return true,
        Ok(below) => below,
    };
    match Name::new(&piece.name).and_then(|name| below.length_bytes(name)) {
        Ok(None) => false,
        Ok(Some(length)) => {
            let end = piece.at_bytes.checked_add(piece.part.length_bytes);
            end.is_some_and(|end| length >= end)
        }
        Err(error) => error.kind != TargetErrorKind::UnsafeName,
    }
}

fn open(piece: &Piece, change: bool) -> Result<File, TargetError> {
    saved_files(piece)?.open(Name::new(&piece.name)?, change)
}

fn saved_files(piece: &Piece) -> Result<SavedFiles, TargetError> {
    let below = SavedFiles::below(&piece.directory());
    below.map_err(|error| TargetError::io(&piece.name, "opening its directory", &error))
}

/// Parts that make a whole file together, and what they lack.
#[derive(Debug, PartialEq, Eq)]
struct Cover {
    /// Which ones, in the order of their bytes.
    chosen: Vec<usize>,
    gaps: Vec<(u64, Option<u64>)>,
    size_bytes: u64,
}

impl Cover {
    /// Of several copies of the same bytes the one that reaches farthest is taken, of equal ones
    /// the one that is proven, and then the one that is in its place already. But the first is
    /// where a join was begun, if one was: the file has other parts, too.
    fn of(whole: &Whole, pieces: &[Piece]) -> Self {
        let by_last = pieces.iter().find(|piece| piece.part.last);
        let size = whole.size_bytes.or(by_last.map(Piece::end_bytes));
        let begun = begun(pieces);
        let mut chosen: Vec<usize> = begun.into_iter().collect();
        let mut at = begun.map_or(0, |number| pieces[number].end_bytes());
        let mut gaps = Vec::new();
        let offset = |number: &usize| pieces[*number].part.offset_bytes;
        let reach = |number: &usize| {
            let piece = &pieces[*number];
            let in_place = begun.is_some_and(|begun| piece.shares_file(&pieces[begun]));
            (piece.end_bytes(), piece.proof == Proof::Digest, in_place)
        };
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(offset);
        let mut order = order.into_iter().peekable();
        let mut best: Option<usize> = None;
        while size.is_none_or(|size| at < size) {
            while let Some(number) = order.next_if(|number| offset(number) <= at) {
                best = best.into_iter().chain([number]).max_by_key(reach);
            }
            if let Some(number) = best.filter(|number| reach(number).0 > at) {
                chosen.push(number);
                at = pieces[number].end_bytes();
                continue;
            }
            let next = order.peek().map(offset);
            gaps.push((at, next.or(size)));
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        Self {
            chosen,
            gaps,
            size_bytes: size.unwrap_or(at),
        }
    }
}

/// The first part in whose file a join was begun: it has bytes of most parts.
fn begun(pieces: &[Piece]) -> Option<usize> {
    let in_it = |number: usize| sharing(&pieces[number], pieces);
    let firsts = (0..pieces.len()).filter(|number| pieces[*number].part.offset_bytes == 0);
    let begun = firsts.filter(|number| in_it(*number) > 1);
    begun.max_by_key(|number| (in_it(*number), pieces[*number].end_bytes()))
}

/// How many parts are in the file of this one.
fn sharing(piece: &Piece, pieces: &[Piece]) -> usize {
    pieces.iter().filter(|one| one.shares_file(piece)).count()
}

/// Removes the file of a part whose bytes are in the first one now, if it has those of no other.
fn remove(piece: &Piece, pieces: &[Piece]) -> Result<(), TargetError> {
    match sharing(piece, pieces) {
        0 | 1 => saved_files(piece)?.remove(Name::new(&piece.name)?),
        _ => Ok(()),
    }
}

fn join_one(
    whole: &Whole,
    pieces: &[Piece],
    cover: &Cover,
    monitor: &dyn Monitor,
) -> Result<Joined, Broken> {
    let mut chosen = cover.chosen.iter().map(|number| &pieces[*number]);
    // An empty file has one part without a byte.
    let first = chosen.next().or(pieces.first());
    let first = first.expect("a group has a part");
    let fail = |action: &'static str| {
        let name = first.name.clone();
        move |error: io::Error| TargetError::io(&name, action, &error)
    };
    let name = Name::new(&whole.path)?;
    let files = saved_files(first)?;
    let first_name = Name::new(&first.name)?;
    let file = files.open(first_name, true)?;
    let before = fstat(&file).map_err(|errno| fail("looking at it")(errno.into()))?;
    let mut log = Log::open(&first.tape).map_err(fail("recording it"))?;
    let mut proof = first.proof;
    for piece in chosen {
        if piece.proof != Proof::Digest {
            proof = piece.proof;
        }
        if piece.shares_file(first) {
            remove_original(piece, pieces, &file, monitor)?;
            continue;
        }
        append(piece, &file, monitor)?;
        file.sync_data().map_err(fail("writing"))?;
        let moved = log.moved(first.file, piece, &first.name);
        moved
            .and_then(|()| log.flush())
            .map_err(fail("recording it"))?;
        remove(piece, pieces)?;
    }
    file.set_len(cover.size_bytes).map_err(fail("writing"))?;
    // Writing takes the bits of set-user-id, and the time.
    let mode = Mode::from_raw_mode(before.st_mode);
    let mtime = whole.mtime;
    let times = Timestamps {
        last_access: time(before.st_atime, before.st_atime_nsec),
        last_modification: time(mtime.seconds, mtime.nanoseconds.into()),
    };
    let set = fchmod(&file, mode).and_then(|()| futimens(&file, &times));
    set.map_err(|errno| fail("setting its metadata")(errno.into()))?;
    file.sync_all().map_err(fail("writing"))?;
    let name = files.rename(first_name, name)?;
    let joined = log.joined(first.file, (whole, cover.size_bytes), &name, proof);
    joined
        .and_then(|()| log.flush())
        .map_err(fail("recording it"))?;
    remove_empty(pieces, first, monitor);
    Ok(Joined {
        directory: first.directory(),
        name,
        size_bytes: cover.size_bytes,
        parts: cover.chosen.len().max(1) as u64,
        proof,
    })
}

/// The last part of a stream may have no byte, but tells where the stream ends: so it goes last.
fn remove_empty(pieces: &[Piece], first: &Piece, monitor: &dyn Monitor) {
    let empty = pieces.iter().filter(|piece| piece.part.length_bytes == 0);
    for piece in empty.filter(|piece| piece.name != first.name) {
        if let Err(error) = remove(piece, pieces) {
            monitor.problem(&Problem {
                path: shown(&piece.name),
                what: format!("the file is joined, and this part without a byte stays: {error}"),
            });
        }
    }
}

/// Removes the file that a part came in, if the run that put its bytes into `first` was broken off
/// before it did so.
fn remove_original(
    moved: &Piece,
    pieces: &[Piece],
    first: &File,
    monitor: &dyn Monitor,
) -> Result<(), Broken> {
    let is_original = |piece: &&Piece| piece.part == moved.part && !piece.shares_file(moved);
    for piece in pieces.iter().filter(is_original) {
        // Another tape may have a copy, which may not be the same.
        if has_bytes_of(first, piece, monitor)? {
            remove(piece, pieces)?;
        }
    }
    Ok(())
}

/// Whether the bytes of a part are in `first`, in their place.
fn has_bytes_of(first: &File, piece: &Piece, monitor: &dyn Monitor) -> Result<bool, Broken> {
    let from = open(piece, false)?;
    let (mut here, mut there) = (vec![0; PIECE_BYTES as usize], vec![0; PIECE_BYTES as usize]);
    let mut done = 0;
    while done < piece.part.length_bytes {
        if monitor.stop_requested() {
            return Err(Broken::Stopped);
        }
        let bytes = (piece.part.length_bytes - done).min(PIECE_BYTES) as usize;
        let (here, there) = (&mut here[..bytes], &mut there[..bytes]);
        let read = from
            .read_exact_at(there, piece.at_bytes + done)
            .and_then(|()| first.read_exact_at(here, piece.part.offset_bytes + done));
        read.map_err(|error| TargetError::io(&piece.name, "comparing it", &error))?;
        if here != there {
            return Ok(false);
        }
        done += bytes as u64;
    }
    Ok(true)
}

fn time(seconds: i64, nanoseconds: u64) -> Timespec {
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds as i64,
    }
}

/// Copies the bytes of a part to where they belong; holes stay holes.
fn append(piece: &Piece, to: &File, monitor: &dyn Monitor) -> Result<(), Broken> {
    let from = open(piece, false)?;
    let end = piece.at_bytes.saturating_add(piece.part.length_bytes);
    let system = |errno| TargetError::io(&piece.name, "joining it", &io::Error::from(errno));
    let mut at = piece.at_bytes;
    let mut buffer = vec![0; PIECE_BYTES as usize];
    while at < end {
        let data = match seek(from.as_fd(), SeekFrom::Data(at)) {
            Ok(data) => data.min(end),
            Err(Errno::NXIO) => break,
            // A file system that does not tell.
            Err(Errno::INVAL) => at,
            Err(errno) => return Err(system(errno).into()),
        };
        let hole = seek(from.as_fd(), SeekFrom::Hole(data))
            .unwrap_or(end)
            .min(end);
        at = data;
        while at < hole {
            if monitor.stop_requested() {
                return Err(Broken::Stopped);
            }
            let bytes = (hole - at).min(PIECE_BYTES) as usize;
            let there = piece.part.offset_bytes + (at - piece.at_bytes);
            let copied = from
                .read_exact_at(&mut buffer[..bytes], at)
                .and_then(|()| to.write_all_at(&buffer[..bytes], there));
            copied.map_err(|error| TargetError::io(&piece.name, "joining it", &error))?;
            at += bytes as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TapeFile;
    use crate::volume::member::{FileTime, Part};

    fn pieces(parts: &[(u32, u64, u64, bool)], size_bytes: Option<u64>) -> (Whole, Vec<Piece>) {
        let whole = Whole {
            path: b"f".to_vec(),
            job: None,
            mtime: FileTime::default(),
            size_bytes,
        };
        let piece = |&(number, offset_bytes, length_bytes, last): &(u32, u64, u64, bool)| Piece {
            whole: whole.clone(),
            part: Part {
                number,
                offset_bytes,
                length_bytes,
                last,
                open: size_bytes.is_none(),
            },
            proof: Proof::Length,
            tape: PathBuf::new(),
            file: TapeFile(1),
            name: format!("{number} at {offset_bytes}").into_bytes(),
            at_bytes: 0,
        };
        let pieces = parts.iter().map(piece).collect();
        (whole, pieces)
    }

    #[test]
    fn parts_cover_a_file_or_what_they_lack_is_named_to_the_byte() {
        type Case = (
            &'static [(u32, u64, u64, bool)],
            Option<u64>,
            &'static [usize],
            &'static [(u64, Option<u64>)],
        );
        let cases: [Case; 9] = [
            (
                &[(1, 0, 10, false), (2, 10, 5, true)],
                Some(15),
                &[0, 1],
                &[],
            ),
            (
                &[(2, 10, 5, true), (1, 0, 10, false)],
                Some(15),
                &[1, 0],
                &[],
            ),
            (&[(2, 10, 5, true)], Some(15), &[0], &[(0, Some(10))]),
            (&[(1, 0, 10, false)], Some(15), &[0], &[(10, Some(15))]),
            (&[(1, 0, 10, false)], None, &[0], &[(10, None)]),
            (
                &[(1, 0, 4, false), (3, 9, 2, true)],
                None,
                &[0, 1],
                &[(4, Some(9))],
            ),
            // Another copy was cut elsewhere.
            (
                &[(1, 0, 10, false), (2, 10, 9, false), (2, 7, 13, true)],
                Some(20),
                &[0, 2],
                &[],
            ),
            (&[(1, 0, 0, true)], None, &[], &[]),
            (&[(1, 0, 5, false), (2, 5, 0, true)], None, &[0], &[]),
        ];
        for (parts, size_bytes, chosen, gaps) in cases {
            let (whole, pieces) = pieces(parts, size_bytes);
            let cover = Cover::of(&whole, &pieces);
            assert_eq!(cover.chosen, chosen, "{parts:?}");
            assert_eq!(cover.gaps, gaps, "{parts:?}");
        }
    }
}
