//! Files that were cut into parts, while their parts arrive from one or more volumes.
//!
//! At most [`OPEN_LIMIT`] are under way at once; each is one temporary file, into which several
//! drives may write at the same time.

use std::collections::HashMap;

use crate::engine::target::{DataWriter, FileWriter, Name, Target};
use crate::volume::member::{Member, Part};

use super::incoming::Lost;
use super::plan::{MemberRead, RestorePlan};

/// Cut files under way at once. A cut file ends where the next segment begins, so that
/// a plan that keeps what lies together has one.
const OPEN_LIMIT: usize = 256;

/// The cut files of a plan, by their name in the target.
#[derive(Debug, Default)]
pub(super) struct CutFiles<'a> {
    files: HashMap<&'a [u8], CutFile>,
    open: usize,
}

#[derive(Debug)]
struct CutFile {
    /// Parts of the plan that have not come yet.
    expected: u64,
    state: State,
}

impl CutFile {
    const NEW: CutFile = CutFile {
        expected: 0,
        state: State::Awaited,
    };
}

#[derive(Debug)]
enum State {
    /// No part has come yet.
    Awaited,
    /// Its temporary file is there.
    Open {
        writer: FileWriter,
        size_bytes: u64,
        parts: Vec<Part>,
        verified: bool,
    },
    /// A part could not be had: the file is given up, and was reported.
    Lost,
}

/// What a part that has come makes of its file.
#[derive(Debug)]
pub(super) enum Added {
    /// Other parts are still to come.
    Waits,
    /// The file was given up meanwhile.
    LostBefore,
    /// All parts have come.
    Whole(Joined),
}

/// A file whose parts have all come.
#[derive(Debug)]
pub(super) struct Joined {
    /// Size of the file.
    pub size_bytes: u64,
    pub writer: FileWriter,
    pub verified: bool,
}

impl<'a> CutFiles<'a> {
    pub(super) fn of(plan: &'a RestorePlan) -> Self {
        let mut files: HashMap<&[u8], CutFile> = HashMap::new();
        for read in plan.volumes.iter().flat_map(|volume| &volume.reads) {
            if read.part.is_some() {
                files.entry(&read.name).or_insert(CutFile::NEW).expected += 1;
            }
        }
        Self { files, open: 0 }
    }

    /// Expects all parts of a file that was given up once more, from another copy.
    pub(super) fn restart(&mut self, copy: &'a [MemberRead], is_wanted: impl Fn(&[u8]) -> bool) {
        for read in copy
            .iter()
            .filter(|read| read.part.is_some() && is_wanted(&read.name))
        {
            let file = self.files.entry(&read.name).or_insert(CutFile::NEW);
            if matches!(file.state, State::Lost) {
                *file = CutFile::NEW;
            }
            file.expected += 1;
        }
    }

    /// True if a part of this file was lost, so that no other is worth reading.
    pub(super) fn is_lost(&self, name: &[u8]) -> bool {
        self.files
            .get(name)
            .is_some_and(|file| matches!(file.state, State::Lost))
    }

    /// What writes a part that arrives into its temporary file, and whether an earlier run began
    /// that. With a `key` it is kept for a later run.
    pub(super) fn begin(
        &mut self,
        target: &mut Target,
        name: Name<'_>,
        member: &Member,
        key: Option<&str>,
    ) -> Result<(DataWriter, bool), Lost> {
        let unplanned = || Lost::content("a part that the plan does not know");
        let file = self.files.get_mut(name.bytes()).ok_or_else(unplanned)?;
        match &mut file.state {
            State::Open {
                writer, size_bytes, ..
            } if *size_bytes == member.size_bytes || is_open(member) => {
                *size_bytes = member.size_bytes.max(*size_bytes);
                Ok((writer.data_writer(), writer.was_there()))
            }
            State::Open { .. } => Err(Lost::content("its parts disagree about its size")),
            State::Lost => Err(Lost::content("another part of it was not restored")),
            State::Awaited if self.open == OPEN_LIMIT => Err(Lost::content(
                "too many cut files wait for their other parts",
            )),
            State::Awaited => {
                let size_bytes = member.size_bytes;
                let writer = match key {
                    Some(key) => target.begin_kept(name, member, key)?,
                    None => target.begin_file(name, member)?,
                };
                let begun = (writer.data_writer(), writer.was_there());
                self.open += 1;
                file.state = State::Open {
                    writer,
                    size_bytes,
                    parts: Vec::new(),
                    verified: true,
                };
                Ok(begun)
            }
        }
    }

    /// Takes a part that has come whole; gives the file if it was the last to come.
    pub(super) fn add(
        &mut self,
        name: &[u8],
        part: Part,
        part_verified: bool,
    ) -> Result<Added, Lost> {
        let unplanned = || Lost::content("a part that the plan does not know");
        let file = self.files.get_mut(name).ok_or_else(unplanned)?;
        let (parts, size_bytes) = match &mut file.state {
            State::Open {
                parts,
                size_bytes,
                verified,
                ..
            } => {
                *verified &= part_verified;
                (parts, *size_bytes)
            }
            State::Lost => return Ok(Added::LostBefore),
            State::Awaited => return Err(unplanned()),
        };
        parts.push(part);
        file.expected -= 1;
        if file.expected > 0 {
            return Ok(Added::Waits);
        }
        check_joined(parts, size_bytes)?;
        let whole = self.files.remove(name);
        let Some(State::Open {
            writer, verified, ..
        }) = whole.map(|file| file.state)
        else {
            return Err(unplanned());
        };
        self.open -= 1;
        Ok(Added::Whole(Joined {
            size_bytes,
            writer,
            verified,
        }))
    }

    /// Gives the file up. Its temporary file is removed, unless it is kept and another copy or a
    /// later run can go on with it.
    pub(super) fn lose(&mut self, name: &[u8], goes_on: bool) {
        let Some(file) = self.files.get_mut(name) else {
            return;
        };
        if let State::Open { writer, .. } = std::mem::replace(&mut file.state, State::Lost) {
            self.open -= 1;
            if !goes_on {
                writer.discard();
            }
        }
    }

    /// The files of which some parts came and others did not, for the report.
    pub(super) fn unfinished(self) -> Vec<&'a [u8]> {
        let mut names: Vec<&[u8]> = self
            .files
            .into_iter()
            .filter(|(_, file)| matches!(file.state, State::Open { .. }))
            .map(|(name, _)| name)
            .collect();
        names.sort_unstable();
        names
    }
}

/// A part of a file whose size nobody knew when it was written.
fn is_open(member: &Member) -> bool {
    member.part.is_some_and(|part| part.open)
}

/// The parts must follow one another from the file's beginning to its end.
fn check_joined(parts: &mut [Part], size_bytes: u64) -> Result<(), Lost> {
    parts.sort_by_key(|part| part.number);
    let mut end_bytes = 0;
    for (part, number) in parts.iter().zip(1..) {
        if part.number != number || part.offset_bytes != end_bytes {
            return Err(Lost::Content(format!("part {number} is missing")));
        }
        end_bytes += part.length_bytes;
    }
    if end_bytes == size_bytes {
        Ok(())
    } else {
        Err(Lost::content("its last part is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, offset_bytes: u64, length_bytes: u64) -> Part {
        Part {
            number,
            offset_bytes,
            length_bytes,
            last: false,
            open: false,
        }
    }

    #[test]
    fn only_parts_without_gaps_make_a_file() {
        for (mut parts, whole) in [
            (vec![part(1, 0, 10), part(2, 10, 5)], true),
            (vec![part(2, 10, 5), part(1, 0, 10)], true),
            (vec![part(1, 0, 10)], false),
            (vec![part(2, 10, 5)], false),
            (vec![part(1, 0, 10), part(3, 10, 5)], false),
            (vec![part(1, 0, 10), part(1, 0, 10)], false),
            (vec![part(1, 0, 10), part(2, 11, 4)], false),
            (vec![part(1, 0, 15), part(2, 10, 5)], false),
        ] {
            assert_eq!(check_joined(&mut parts, 15).is_ok(), whole, "{parts:?}");
        }
    }
}
