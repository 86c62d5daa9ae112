//! One object out of the members that one job has of it: copies in several pools, and of a cut
//! file more than one attempt.
//!
//! Parts of two copies need not be cut alike, and a file that changed before it was written
//! again was begun anew, and so was a command that was run again. So only parts that were written
//! one after the other make a file: those of one pool and one state, in the order of the job's
//! segments, numbered without a gap.

use std::cmp::Reverse;
use std::sync::Arc;

use catalogs::model::event::{ReceiptRecord, VolumeState};
use catalogs::model::{Condition, Entry, Kind};
use catalogs::{Hit, Volume};
use jiff::Timestamp;
use uuid::Uuid;

use super::copies::Tapes;
use crate::engine::restore::MemberRead;
use crate::engine::target::PartDigest;
use crate::jobs::convert;
use crate::units::BlockAddress;
use crate::volume::member::{FileTime, Part};

/// One object as it will be restored: all its parts, from one job.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) job: Uuid,
    pub(super) kind: Kind,
    pub(super) link_target: Vec<u8>,
    pub(super) size_bytes: u64,
    /// What happened to the file while it was archived.
    pub(super) condition: Condition,
    /// Last modification of its content.
    pub(super) mtime: FileTime,
    /// When the job began that archived it.
    pub(super) archived: Timestamp,
    /// All members of the job, in the order of pools and of writing.
    found: Vec<Found>,
    /// Those of them that make the object.
    picked: Vec<usize>,
}

/// A member that the catalog has.
#[derive(Debug)]
struct Found {
    entry: Entry,
    receipt: Arc<ReceiptRecord>,
    volume: Arc<Volume>,
    reachable: bool,
}

/// One member to read.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) volume: Uuid,
    pub(super) segment: Uuid,
    /// What it takes on tape: less than its length in a compressed segment, of which only the
    /// whole is known.
    pub(super) stored_bytes: u64,
    /// Size of the file, holes and other parts included.
    size_bytes: u64,
    pub(super) read: MemberRead,
}

impl Member {
    /// What its data take in a file system: no more than is on tape, where holes are left out.
    pub(super) fn data_bytes(&self) -> u64 {
        let part = self.read.part.map(|part| part.length_bytes);
        part.unwrap_or(self.size_bytes).min(self.read.length_bytes)
    }
}

/// The members of an object.
#[derive(Debug, Default)]
pub(super) struct Copies {
    pub(super) first: Vec<Member>,
    /// Those of another whole copy.
    pub(super) spare: Vec<Member>,
}

impl Copies {
    /// Takes in those of another object.
    pub(super) fn extend(&mut self, other: Copies) {
        self.first.extend(other.first);
        self.spare.extend(other.spare);
    }
}

impl Found {
    /// Pool, segment of the job, receipt (its file's name begins with its number), part.
    fn order(&self) -> (&str, u64, &str, u32) {
        let receipt = &self.receipt.receipt;
        let segment = receipt.job_segment.unwrap_or(0);
        let pool = self.volume.label.what.pool.as_str();
        (pool, segment, &self.receipt.entry_file.name, self.number())
    }

    /// 0 for what was not cut.
    fn number(&self) -> u32 {
        self.entry.part.map_or(0, |part| part.number)
    }

    /// What is the same of all parts of a file. Their sizes are not, where they came from a stream.
    fn state(&self) -> [(i64, u32); 2] {
        [self.entry.ctime, self.entry.mtime].map(|time| (time.seconds, time.nanoseconds))
    }

    fn is_last(&self) -> bool {
        self.entry.part.is_none_or(|part| part.last)
    }

    fn into_member(self) -> Member {
        let (entry, receipt) = (self.entry, &self.receipt.receipt);
        let stored = u128::from(receipt.records) * u128::from(receipt.record_bytes);
        let share = u128::from(entry.member_bytes) * stored / u128::from(receipt.tar_bytes.max(1));
        Member {
            stored_bytes: match entry.skip_bytes {
                Some(_) => u64::try_from(share).unwrap_or(entry.member_bytes),
                None => entry.member_bytes,
            },
            size_bytes: entry.size_bytes,
            volume: receipt.volume,
            segment: receipt.segment,
            read: MemberRead {
                block: BlockAddress(entry.block),
                offset_bytes: entry.offset_bytes,
                length_bytes: entry.member_bytes,
                skip_bytes: entry.skip_bytes,
                name: entry.path.clone(),
                path: entry.path,
                digest: entry.digest,
                digest_algorithm: convert::digest_algorithm(receipt.digest_algorithm),
                part: entry.part.map(|part| Part {
                    number: part.number,
                    offset_bytes: part.offset_bytes,
                    length_bytes: 0,
                    last: part.last,
                    // The header on tape tells.
                    open: false,
                }),
                job: receipt.job,
                read_on_records: 0,
            },
        }
    }
}

impl Chosen {
    /// Nothing yet of this job.
    pub(super) fn new(job: Uuid) -> Chosen {
        Chosen {
            job,
            kind: Kind::File,
            link_target: Vec::new(),
            size_bytes: 0,
            condition: Condition::Whole,
            mtime: FileTime::default(),
            archived: Timestamp::UNIX_EPOCH,
            found: Vec::with_capacity(1),
            picked: Vec::with_capacity(1),
        }
    }

    /// Takes in a member. [`settle`](Self::settle) has to be called behind the last one.
    pub(super) fn take(&mut self, hit: Hit, reachable: bool) {
        self.archived = hit.job.start.time;
        self.picked.clear();
        self.found.push(Found {
            entry: hit.entry,
            receipt: hit.receipt,
            volume: hit.volume,
            reachable,
        });
    }

    /// Picks the members that make the object: what is whole and within reach wins, then what is
    /// whole, then what has most parts. [`super::copies`] chooses among several whole ones.
    pub(super) fn settle(&mut self) {
        if !self.picked.is_empty() {
            return;
        }
        self.found.sort_by(|a, b| a.order().cmp(&b.order()));
        let chains = chains(&self.found);
        // Of one pool what was written last counts, of several that are equal the first.
        let rank = |chain: &&Vec<usize>| {
            let whole = is_whole(&self.found, chain);
            let reachable = chain.iter().all(|&at| self.found[at].reachable);
            let parts = if whole { 0 } else { chain.len() };
            let (pool, ..) = self.found[chain[0]].order();
            (whole, reachable, parts, Reverse(pool))
        };
        let best = chains.iter().max_by_key(rank);
        self.picked = best.expect("one was found").clone();
        self.describe();
    }

    /// The tapes of each copy that may be read: of the whole ones those within reach, of these
    /// the ones on no suspect tape, as far as there are such. In the order of pools.
    pub(super) fn copies(&self) -> Vec<Tapes> {
        let tapes = |chain: &Vec<usize>| {
            let volumes = chain
                .iter()
                .map(|&at| self.found[at].receipt.receipt.volume);
            volumes.collect()
        };
        self.best_chains().iter().map(tapes).collect()
    }

    /// Takes one of [`copies`](Self::copies).
    pub(super) fn pick(&mut self, copy: usize) {
        self.picked = self.best_chains().swap_remove(copy);
        self.describe();
    }

    fn best_chains(&self) -> Vec<Vec<usize>> {
        let mut chains = self.newest_chains();
        self.prefer_best(&mut chains);
        chains
    }

    /// The whole copies of the newest state. A job that was resumed, or went on behind a failed
    /// tape, may have an object twice in one pool, and changed in between: the last counts there,
    /// and where pools differ the state that the source had last.
    fn newest_chains(&self) -> Vec<Vec<usize>> {
        let mut newest: Vec<Vec<usize>> = Vec::new();
        for chain in chains(&self.found) {
            if !is_whole(&self.found, &chain) {
                continue;
            }
            let pool = |chain: &Vec<usize>| self.found[chain[0]].order().0;
            match newest.last_mut().filter(|last| pool(last) == pool(&chain)) {
                Some(last) => *last = chain,
                None => newest.push(chain),
            }
        }
        let state = |chain: &Vec<usize>| self.found[chain[0]].state();
        if let Some(last) = newest.iter().map(state).max() {
            newest.retain(|chain| state(chain) == last);
        }
        newest
    }

    /// Leaves what is within reach, and of that what is on no suspect tape, if there is such.
    fn prefer_best(&self, chains: &mut Vec<Vec<usize>>) {
        let is_reachable = |chain: &Vec<usize>| chain.iter().all(|&at| self.found[at].reachable);
        let is_well = |chain: &Vec<usize>| {
            let mut volumes = chain.iter().map(|&at| &self.found[at].volume);
            volumes.all(|volume| volume.state != VolumeState::Suspect)
        };
        prefer(chains, is_reachable);
        prefer(chains, is_well);
    }

    /// Takes kind, size and condition over from the members that were picked.
    fn describe(&mut self) {
        let first = &self.found[self.picked[0]].entry;
        self.kind = first.kind;
        self.mtime = FileTime {
            seconds: first.mtime.seconds,
            nanoseconds: first.mtime.nanoseconds,
        };
        self.link_target.clone_from(&first.link_target);
        // The parts of what was a stream say as much of the size as was known by then.
        let sizes = self
            .picked
            .iter()
            .map(|&at| self.found[at].entry.size_bytes);
        self.size_bytes = sizes.max().unwrap_or_default();
        let conditions = self.picked.iter().map(|&at| self.found[at].entry.condition);
        let marked = conditions.rev().find(|one| *one != Condition::Whole);
        self.condition = marked.unwrap_or(Condition::Whole);
    }

    /// The members to read, and those of another whole copy, if there is one.
    pub(super) fn into_members(self) -> Copies {
        let mut ranks: Vec<Option<bool>> = vec![None; self.found.len()];
        for at in self.spare() {
            ranks[at] = Some(false);
        }
        for &at in &self.picked {
            ranks[at] = Some(true);
        }
        let mut copies = Copies::default();
        for (one, is_first) in self.found.into_iter().zip(ranks) {
            match is_first {
                Some(true) => copies.first.push(one.into_member()),
                Some(false) => copies.spare.push(one.into_member()),
                None => {}
            }
        }
        measure_parts(&mut copies.first, self.size_bytes);
        measure_parts(&mut copies.spare, self.size_bytes);
        copies
    }

    /// The best whole copy beside the one that was picked.
    fn spare(&self) -> Vec<usize> {
        let mut chains = self.newest_chains();
        chains.retain(|chain| *chain != self.picked);
        self.prefer_best(&mut chains);
        chains.into_iter().next().unwrap_or_default()
    }

    /// Which parts there are of a file that lacks others, where more tapes may have them.
    pub(super) fn parts_here(&self) -> String {
        let number = |at: Option<&usize>| at.map_or(0, |&at| self.found[at].number());
        let (first, last) = (number(self.picked.first()), number(self.picked.last()));
        let here = match first == last {
            true => format!("only its part {first} is here"),
            false => format!("only its parts {first} to {last} are here"),
        };
        format!(
            "{here}: the others are on other tapes, or a job was cut off in it; where they are, no \
             tape says: name those tapes as well"
        )
    }

    /// The digests of its content, part by part from its beginning on; `None` if one is not known.
    pub(super) fn digests(&self) -> Option<Vec<PartDigest>> {
        let begin = |at: usize| {
            self.found[at]
                .entry
                .part
                .map_or(0, |part| part.offset_bytes)
        };
        let digest = |(number, &at): (usize, &usize)| {
            let next = self.picked.get(number + 1).map(|&next| begin(next));
            let one = &self.found[at];
            let algorithm = one.receipt.receipt.digest_algorithm;
            Some(PartDigest {
                length_bytes: next.unwrap_or(self.size_bytes).checked_sub(begin(at))?,
                algorithm: convert::digest_algorithm(algorithm),
                digest: one.entry.digest?,
            })
        };
        let whole = self.is_whole().then(|| self.picked.iter().enumerate());
        whole?.map(digest).collect()
    }

    /// True if no part is missing.
    pub(super) fn is_whole(&self) -> bool {
        is_whole(&self.found, &self.picked)
    }
}

/// Sets the lengths of a file's parts: each ends where the next begins.
fn measure_parts(members: &mut [Member], size_bytes: u64) {
    let mut end = size_bytes;
    let parts = members.iter_mut().rev();
    for part in parts.filter_map(|member| member.read.part.as_mut()) {
        part.length_bytes = end.saturating_sub(part.offset_bytes);
        end = part.offset_bytes;
    }
}

/// Leaves only chains that are as wanted, if there are such.
fn prefer(chains: &mut Vec<Vec<usize>>, is_wanted: impl Fn(&Vec<usize>) -> bool) {
    if chains.iter().any(&is_wanted) {
        chains.retain(is_wanted);
    }
}

fn is_whole(found: &[Found], chain: &[usize]) -> bool {
    let begins = chain.first().is_some_and(|&at| found[at].number() <= 1);
    begins && chain.last().is_some_and(|&at| found[at].is_last())
}

/// What may make the object: each member that was not cut, each row of parts.
fn chains(found: &[Found]) -> Vec<Vec<usize>> {
    rows(found.iter().map(|one| Piece {
        pool: one.order().0,
        number: one.number(),
        offset_bytes: one.entry.part.map_or(0, |part| part.offset_bytes),
        size_bytes: one.entry.size_bytes,
        state: one.state(),
    }))
}

/// What tells of a member whether it goes on where another one ends.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    pool: &'a str,
    /// 0 for what was not cut.
    number: u32,
    offset_bytes: u64,
    /// Of the whole file; of a part of what was a stream, where it ends.
    size_bytes: u64,
    state: [(i64, u32); 2],
}

impl Piece<'_> {
    /// Whether it may go on where `before` ends. Parts of a file know its size, those of a stream
    /// their own end: what does not meet is of two runs.
    fn meets(&self, before: &Piece<'_>) -> bool {
        let same = (before.pool, before.state) == (self.pool, self.state);
        same && [self.size_bytes, self.offset_bytes].contains(&before.size_bytes)
    }
}

/// Rows of pieces that make a file, in their order: numbers of these pieces.
fn rows<'a>(pieces: impl Iterator<Item = Piece<'a>>) -> Vec<Vec<usize>> {
    let mut rows: Vec<(Piece<'_>, Vec<usize>)> = Vec::new();
    for (at, one) in pieces.enumerate() {
        let goes_on = rows.last_mut().filter(|(before, _)| {
            let same = (before.pool, before.state) == (one.pool, one.state);
            one.number > 1 && before.number > 0 && same
        });
        match goes_on {
            Some((before, row)) if one.number == before.number + 1 && one.meets(before) => {
                row.push(at);
                *before = one;
            }
            // A part is there a second time, on a tape that failed.
            Some((before, _)) if one.number <= before.number => {}
            _ => rows.push((one, vec![at])),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parts_of_one_pool_and_state_that_follow_each_other_make_a_file() {
        type Pieces = &'static [(&'static str, u32, i64)];
        type Rows = &'static [&'static [usize]];
        let cases: [(Pieces, Rows); 8] = [
            (&[("p", 0, 1), ("p", 0, 2)], &[&[0], &[1]]),
            (&[("p", 1, 1), ("p", 2, 1), ("p", 3, 1)], &[&[0, 1, 2]]),
            (
                &[("p", 1, 1), ("p", 2, 1), ("p", 2, 1), ("p", 3, 1)],
                &[&[0, 1, 3]],
            ),
            (&[("p", 1, 1), ("q", 2, 1)], &[&[0], &[1]]),
            (&[("p", 1, 1), ("p", 3, 1), ("p", 4, 1)], &[&[0], &[1, 2]]),
            // A command that was run again, whole and without what a tape lost of it.
            (
                &[("p", 1, 1), ("p", 2, 1), ("p", 1, 2), ("p", 2, 2)],
                &[&[0, 1], &[2, 3]],
            ),
            (
                &[("p", 1, 1), ("p", 2, 1), ("p", 3, 2), ("p", 4, 2)],
                &[&[0, 1], &[2, 3]],
            ),
            (&[("p", 1, 1), ("p", 0, 2)], &[&[0], &[1]]),
        ];
        for (pieces, expected) in cases {
            let pieces = pieces.iter().map(|&(pool, number, time)| Piece {
                pool,
                number,
                offset_bytes: 0,
                size_bytes: 9,
                state: [(time, 0); 2],
            });
            assert_eq!(rows(pieces.clone()), expected, "{pieces:?}");
        }
    }

    #[test]
    fn parts_of_a_stream_that_do_not_meet_are_of_two_runs() {
        // Number, offset, and the end as far as it was known.
        type Parts = &'static [(u32, u64, u64)];
        type Rows = &'static [&'static [usize]];
        let cases: [(Parts, Rows); 3] = [
            (&[(1, 0, 10), (2, 10, 20), (3, 20, 25)], &[&[0, 1, 2]]),
            (&[(1, 0, 10), (2, 10, 19), (3, 20, 25)], &[&[0, 1], &[2]]),
            (&[(1, 0, 25), (2, 10, 25), (3, 20, 25)], &[&[0, 1, 2]]),
        ];
        for (parts, expected) in cases {
            let pieces = parts
                .iter()
                .map(|&(number, offset_bytes, size_bytes)| Piece {
                    pool: "p",
                    number,
                    offset_bytes,
                    size_bytes,
                    state: [(1, 0); 2],
                });
            assert_eq!(rows(pieces), expected, "{parts:?}");
        }
    }
}
