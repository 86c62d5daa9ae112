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

use super::cover::{Cover, sharing};
use super::log::{self, Done, Log, Piece, Proof, RECORD, Whole};
use super::names::beside;
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
    let groups = Groups::below(root).map_err(unusable)?;
    let mut joins = Joins::default();
    for group in groups.take() {
        let cover = Cover::of(&group.whole, &group.pieces);
        let why = match joins.end {
            _ if group.unnamed.is_none() && !cover.gaps.is_empty() => None,
            JoinEnd::Full => Some("no room is left".to_owned()),
            JoinEnd::Stopped => Some(Broken::Stopped.to_string()),
            JoinEnd::Done | JoinEnd::Failed => match join_one(&group, &cover, monitor) {
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
            joins.unjoined.push(unjoined(&group, cover, why));
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

fn unjoined(group: &Group, cover: Cover, why: Option<String>) -> Unjoined {
    let Group { whole, pieces, .. } = group;
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
    /// What is joined.
    done: HashMap<Whole, Vec<Done>>,
}

/// The parts of one file.
struct Group {
    whole: Whole,
    pieces: Vec<Piece>,
    /// All of it is in the file of this part, which only lacks the name.
    unnamed: Option<Done>,
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
        let mut done: HashMap<Whole, Vec<Done>> = HashMap::new();
        for tape in tapes {
            let (there, joined) = log::parts(&tape)?;
            for (whole, one) in joined {
                done.entry(whole).or_default().push(one);
            }
            for piece in there {
                pieces.entry(piece.whole.clone()).or_default().push(piece);
            }
        }
        for pieces in pieces.values_mut() {
            pieces.retain(is_there);
        }
        Ok(Self { pieces, done })
    }

    /// Those with something to do, in the order of paths.
    fn take(self) -> Vec<Group> {
        let Self { pieces, mut done } = self;
        let mut groups = Vec::new();
        for (whole, pieces) in pieces {
            let joined = done.remove(&whole);
            let is_joined = joined.is_some();
            let has_part = |done: &Done| pieces.iter().any(|piece| done.is_in_file_of(piece));
            let unnamed = joined.into_iter().flatten().find(has_part);
            if !pieces.is_empty() && (!is_joined || unnamed.is_some()) {
                groups.push(Group {
                    whole,
                    pieces,
                    unnamed,
                });
            }
        }
        let key = |group: &Group| (group.whole.path.clone(), group.whole.mtime);
        groups.sort_by_cached_key(key);
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

/// Removes the file of a part whose bytes are in the first one now, if it has those of no other.
fn remove(piece: &Piece, pieces: &[Piece]) -> Result<(), TargetError> {
    match sharing(piece, pieces) {
        0 | 1 => saved_files(piece)?.remove(Name::new(&piece.name)?),
        _ => Ok(()),
    }
}

fn join_one(group: &Group, cover: &Cover, monitor: &dyn Monitor) -> Result<Joined, Broken> {
    let Group { whole, pieces, .. } = group;
    let done = match &group.unnamed {
        Some(done) => done.clone(),
        None => put_together(group, cover, monitor)?,
    };
    if monitor.stop_requested() {
        return Err(Broken::Stopped);
    }
    let directory = done.directory();
    let fail = |action| move |error: io::Error| TargetError::io(&whole.path, action, &error);
    remove_empty(pieces, &done, monitor);
    let files = SavedFiles::below(&directory).map_err(fail("opening its directory"))?;
    let name = beside(&done.name, &whole.path);
    let name = files.rename(Name::new(&done.name)?, Name::new(&name)?)?;
    let named = Done {
        name: name.clone(),
        ..done
    };
    let mut log = Log::open(&named.tape).map_err(fail("recording it"))?;
    let joined = log.joined(whole, &named);
    joined
        .and_then(|()| log.flush())
        .map_err(fail("recording it"))?;
    Ok(Joined {
        directory,
        name,
        size_bytes: cover.size_bytes,
        parts: cover.chosen.len().max(1) as u64,
        proof: named.proof,
    })
}

/// Puts the bytes of all parts into the file of the first one. Once that is on record, it is the
/// whole file, whatever comes between: it only lacks the name.
fn put_together(group: &Group, cover: &Cover, monitor: &dyn Monitor) -> Result<Done, Broken> {
    let Group { whole, pieces, .. } = group;
    let mut chosen = cover.chosen.iter().map(|number| &pieces[*number]);
    // An empty file has one part without a byte.
    let first = chosen.next().or(pieces.first());
    let first = first.expect("a group has a part");
    let fail = |action: &'static str| {
        let name = first.name.clone();
        move |error: io::Error| TargetError::io(&name, action, &error)
    };
    let file = open(first, true)?;
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
    let done = Done {
        tape: first.tape.clone(),
        file: first.file,
        name: first.name.clone(),
        size_bytes: cover.size_bytes,
        proof,
    };
    let joined = log.joined(whole, &done);
    joined
        .and_then(|()| log.flush())
        .map_err(fail("recording it"))?;
    Ok(done)
}

/// The last part of a stream may have no byte, but tells where the stream ends: so it goes last.
fn remove_empty(pieces: &[Piece], done: &Done, monitor: &dyn Monitor) {
    let empty = pieces.iter().filter(|piece| piece.part.length_bytes == 0);
    for piece in empty.filter(|piece| !done.is_in_file_of(piece)) {
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
