//! The members that the catalog has of an object, and the rows of them that make it.
//!
//! Parts of two copies need not be cut alike, and a file that changed before it was written
//! again was begun anew, and so was a command that was run again. So only parts that were written
//! one after the other make a file: those of one job, one pool and one state, in the order of the
//! job's segments, numbered without a gap.

use std::sync::Arc;

use catalogs::model::event::{DigestAlgorithm, Location, PlaceKind, ReceiptRecord};
use catalogs::model::{Entry, Kind};
use catalogs::{Hit, Job, Volume};
use uuid::Uuid;

use super::chosen::Member;
use crate::engine::restore::{MemberRead, OtherVersion};
use crate::jobs::convert;
use crate::units::BlockAddress;
use crate::volume::member::Part;

/// A member that the catalog has.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) receipt: Arc<ReceiptRecord>,
    pub(super) volume: Arc<Volume>,
    pub(super) job: Arc<Job>,
    pub(super) reachable: bool,
    /// 0 for the job that is wanted; others from the newest to the oldest.
    pub(super) rank: u32,
}

/// By what two members are known to have the same content.
type Content = (Option<(u32, u64)>, u64, Option<[u8; 32]>, DigestAlgorithm);

impl Found {
    pub(super) fn new(hit: Hit, reachable: bool, rank: u32) -> Found {
        Found {
            entry: hit.entry,
            receipt: hit.receipt,
            volume: hit.volume,
            job: hit.job,
            reachable,
            rank,
        }
    }

    /// Job, pool, segment of the job, receipt (its file's name begins with its number), part.
    pub(super) fn order(&self) -> (u32, &str, u64, &str, u32) {
        let receipt = &self.receipt.receipt;
        let segment = receipt.job_segment.unwrap_or(0);
        let name = self.receipt.entry_file.name.as_str();
        (self.rank, self.pool(), segment, name, self.number())
    }

    /// How far away its tape is, the nearest first: within reach, then as somebody said, then
    /// where nobody said.
    pub(super) fn distance(&self) -> u8 {
        let kind = match &self.volume.location {
            _ if self.reachable => return 0,
            Some((_, Location::Outside(place))) => place.kind,
            _ => None,
        };
        match kind {
            Some(PlaceKind::Shelf) => 1,
            Some(PlaceKind::Courier) => 2,
            Some(PlaceKind::Vault) => 3,
            None => 4,
        }
    }

    /// How long it takes to fetch its tape, if somebody said.
    pub(super) fn fetch_s(&self) -> u64 {
        match &self.volume.location {
            _ if self.reachable => 0,
            Some((_, Location::Outside(place))) => place.fetch_s.unwrap_or(u64::MAX),
            _ => u64::MAX,
        }
    }

    pub(super) fn pool(&self) -> &str {
        &self.volume.label.what.pool
    }

    pub(super) fn content(&self) -> Content {
        let entry = &self.entry;
        let part = entry.part.map(|part| (part.number, part.offset_bytes));
        let algorithm = self.receipt.receipt.digest_algorithm;
        (part, entry.size_bytes, entry.digest, algorithm)
    }

    /// Whether both are the same object in the same state: then nothing of it differs.
    pub(super) fn is_same_state(&self, other: &Found) -> bool {
        let like = |one: &Found| {
            let entry = &one.entry;
            (one.state(), entry.mode, entry.uid, entry.gid)
        };
        like(self) == like(other)
    }

    /// Whether it can be read in the place of `own`, a member of the job that is wanted. Of what
    /// has no content all has to be the same.
    pub(super) fn stands_in_for(&self, own: &Found) -> bool {
        let (entry, wanted) = (&self.entry, &own.entry);
        let is_same = match wanted.kind {
            Kind::File => wanted.digest.is_some(),
            _ => {
                self.is_same_state(own)
                    && (&entry.link_target, entry.device) == (&wanted.link_target, wanted.device)
            }
        };
        is_same && entry.kind == wanted.kind && self.content() == own.content()
    }

    /// 0 for what was not cut.
    pub(super) fn number(&self) -> u32 {
        self.entry.part.map_or(0, |part| part.number)
    }

    /// What is the same of all parts of a file. Their sizes are not, where they came from a stream.
    pub(super) fn state(&self) -> [(i64, u32); 2] {
        [self.entry.ctime, self.entry.mtime].map(|time| (time.seconds, time.nanoseconds))
    }

    pub(super) fn is_last(&self) -> bool {
        self.entry.part.is_none_or(|part| part.last)
    }

    /// The member to read; `other`: it is of another version than the one of the job `job`.
    pub(super) fn into_member(self, job: Uuid, other: Option<Box<OtherVersion>>) -> Member {
        let (entry, receipt) = (self.entry, &self.receipt.receipt);
        let stored = u128::from(receipt.records) * u128::from(receipt.record_bytes);
        let share = u128::from(entry.member_bytes) * stored / u128::from(receipt.tar_bytes.max(1));
        Member {
            stored_bytes: match entry.skip_bytes {
                Some(_) => u64::try_from(share).unwrap_or(entry.member_bytes),
                None => entry.member_bytes,
            },
            size_bytes: entry.size_bytes,
            is_reachable: self.reachable,
            waits: false,
            is_above: false,
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
                index: Some(BlockAddress(receipt.index_block)),
                job,
                read_on_records: 0,
                other,
            },
        }
    }
}

/// True if a row of members has all of a file.
pub(super) fn is_whole(found: &[Found], chain: &[usize]) -> bool {
    let begins = chain.first().is_some_and(|&at| found[at].number() <= 1);
    begins && chain.last().is_some_and(|&at| found[at].is_last())
}

/// What may make the object: each member that was not cut, each row of parts.
pub(super) fn chains(found: &[Found]) -> Vec<Vec<usize>> {
    rows(found.iter().map(|one| Piece {
        rank: one.rank,
        pool: one.pool(),
        number: one.number(),
        offset_bytes: one.entry.part.map_or(0, |part| part.offset_bytes),
        size_bytes: one.entry.size_bytes,
        state: one.state(),
    }))
}

/// What tells of a member whether it goes on where another one ends.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    /// Of which job it is.
    rank: u32,
    pool: &'a str,
    /// 0 for what was not cut.
    number: u32,
    offset_bytes: u64,
    /// Of the whole file; of a part of what was a stream, where it ends.
    size_bytes: u64,
    state: [(i64, u32); 2],
}

impl Piece<'_> {
    /// Whether both are of one job, pool and state.
    fn is_of(&self, other: &Piece<'_>) -> bool {
        let of = |one: &Piece<'_>| (one.rank, one.state);
        of(self) == of(other) && self.pool == other.pool
    }

    /// Whether it may go on where `before` ends. Parts of a file know its size, those of a stream
    /// their own end: what does not meet is of two runs.
    fn meets(&self, before: &Piece<'_>) -> bool {
        self.is_of(before) && [self.size_bytes, self.offset_bytes].contains(&before.size_bytes)
    }
}

/// Rows of pieces that make a file, in their order: numbers of these pieces.
fn rows<'a>(pieces: impl Iterator<Item = Piece<'a>>) -> Vec<Vec<usize>> {
    let mut rows: Vec<(Piece<'_>, Vec<usize>)> = Vec::new();
    for (at, one) in pieces.enumerate() {
        let goes_on = rows
            .last_mut()
            .filter(|(before, _)| one.number > 1 && before.number > 0 && one.is_of(before));
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
                rank: 0,
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
                    rank: 0,
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
