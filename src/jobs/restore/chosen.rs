//! One object out of the members that one job has of it: copies in several pools, and of a cut
//! file more than one attempt.
//!
//! What other jobs archived of the same path is one more copy where it has the same content, by
//! size and digest. Then its metadata are those of the version that is wanted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use catalogs::Hit;
use catalogs::model::event::{Outcome, VolumeState};
use catalogs::model::{Condition, Kind};
use jiff::Timestamp;
use uuid::Uuid;

use super::copies::Tapes;
use super::found::{Found, chains, is_whole};
use crate::engine::restore::{MemberRead, OtherVersion};
use crate::engine::target::PartDigest;
use crate::jobs::convert;
use crate::volume::member::{self, FileTime};

/// Of so many other jobs versions of an object are kept in mind.
const OTHERS_MOST: u32 = 3;

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
    /// Nobody asked for it: it is a directory above what was asked for.
    pub(super) is_above: bool,
    /// All members of the job, in the order of pools and of writing, then those of others.
    found: Vec<Found>,
    /// Those of them that make the object.
    picked: Vec<usize>,
    /// The same of the job itself: what it is like.
    own: Vec<usize>,
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
    pub(super) size_bytes: u64,
    pub(super) is_reachable: bool,
    /// Other parts of its file are out of reach.
    pub(super) waits: bool,
    /// Nobody asked for it: it is a directory above what was asked for.
    pub(super) is_above: bool,
    pub(super) read: MemberRead,
}

/// Who waits for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// Somebody who has a whole file with it.
    File,
    /// It was asked for, and is no file, or only a part of one: parts wait for each other.
    Asked,
    /// Nobody: it is a directory above what was asked for.
    Above,
}

impl Member {
    pub(super) fn worth(&self) -> Worth {
        let brings_file = self.read.digest.is_some() && self.read.part.is_none();
        match (self.is_above, brings_file) {
            (true, _) => Worth::Above,
            (false, true) => Worth::File,
            (false, false) => Worth::Asked,
        }
    }

    /// What its data take in a file system: no more than is on tape, where holes are left out.
    pub(super) fn data_bytes(&self) -> u64 {
        let part = self.read.part.map(|part| part.length_bytes);
        part.unwrap_or(self.size_bytes).min(self.read.length_bytes)
    }
}

/// Which parts are read of a file some of whose parts are out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// None of those within reach.
    None,
    /// Those on tapes that are read anyway: a later run goes on with what came of them.
    ByTheWay,
    /// All: its beginning is something, too.
    All,
}

/// The members of an object.
#[derive(Debug, Default)]
pub(super) struct Copies {
    pub(super) first: Vec<Member>,
    /// Those of another whole copy.
    pub(super) spare: Vec<Member>,
    /// For each set of tapes that objects out of reach are read from: those that have other whole
    /// copies of them, which are out of reach, too. Empty if there is none of one of the objects.
    pub(super) instead: BTreeMap<Tapes, Option<Tapes>>,
}

impl Copies {
    /// Of an object that is out of reach one copy is asked for: another that is so, too, is only
    /// an alternative.
    fn ask_once(&mut self) {
        let is_away = |members: &[Member]| members.iter().any(|member| !member.is_reachable);
        let tapes = |members: &[Member]| members.iter().map(|member| member.volume).collect();
        if is_away(&self.first) && (self.spare.is_empty() || is_away(&self.spare)) {
            let spare = std::mem::take(&mut self.spare);
            let others = (!spare.is_empty()).then(|| tapes(&spare));
            self.have_instead(tapes(&self.first), others);
        }
    }

    /// Leaves parts out that are in vain as long as others of their files are out of reach.
    pub(super) fn leave_vain(&mut self, parts: Parts) {
        let is_vain = |member: &Member| member.waits && member.is_reachable;
        let needed: Tapes = match parts {
            Parts::All => return,
            Parts::None => Tapes::new(),
            Parts::ByTheWay => {
                let needed = self.first.iter().filter(|member| !is_vain(member));
                needed.map(|member| member.volume).collect()
            }
        };
        self.first
            .retain(|member| !is_vain(member) || needed.contains(&member.volume));
        self.spare.retain(|member| !is_vain(member));
    }

    /// Other tapes have an object that is to be read from `tapes`, as well; or none has.
    fn have_instead(&mut self, tapes: Tapes, others: Option<Tapes>) {
        let known = self.instead.entry(tapes);
        let all = known.or_insert_with(|| Some(Tapes::new()));
        *all = all.take().zip(others).map(|(mut all, others)| {
            all.extend(others);
            all
        });
    }

    /// The tapes that have all that is wanted of the volume, as well; none if one of its objects is
    /// nowhere else.
    pub(super) fn instead_of(&self, volume: &Uuid) -> Tapes {
        let with_it = self.instead.iter();
        let with_it = with_it.filter(|(tapes, _)| tapes.contains(volume));
        let all: Option<Vec<&Tapes>> = with_it.map(|(_, others)| others.as_ref()).collect();
        all.into_iter().flatten().flatten().copied().collect()
    }

    /// Takes in those of another object.
    pub(super) fn extend(&mut self, other: Copies) {
        self.first.extend(other.first);
        self.spare.extend(other.spare);
        for (tapes, others) in other.instead {
            self.have_instead(tapes, others);
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
            is_above: false,
            found: Vec::with_capacity(1),
            picked: Vec::with_capacity(1),
            own: Vec::new(),
        }
    }

    /// Takes in a member. [`settle`](Self::settle) has to be called behind the last one.
    pub(super) fn take(&mut self, hit: Hit, reachable: bool) {
        self.archived = hit.job.start.time;
        self.picked.clear();
        self.found.push(Found::new(hit, reachable, 0));
    }

    /// Takes in a member within reach of another job, if it can be read in the place of one that
    /// was taken in before.
    pub(super) fn take_other(&mut self, hit: Hit) {
        let job = hit.job.start.what.job;
        let others = self.found.iter().filter(|one| one.rank > 0);
        let same = others.clone().find(|one| one.job.start.what.job == job);
        let last = others.map(|one| one.rank).max().unwrap_or_default();
        let other = Found::new(hit, true, same.map_or(last + 1, |one| one.rank));
        let mut own = self.found.iter().filter(|one| one.rank == 0);
        if other.rank <= OTHERS_MOST && own.any(|own| other.stands_in_for(own)) {
            self.picked.clear();
            self.found.push(other);
        }
    }

    /// Picks the members that make the object: what is whole and nearest wins, then what is
    /// whole, then what has most parts. [`super::copies`] chooses among several whole ones. False
    /// if there is nothing of the job.
    pub(super) fn settle(&mut self) -> bool {
        if !self.picked.is_empty() {
            return true;
        }
        self.found.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut chains = chains(&self.found);
        chains.retain(|chain| self.is_own(chain));
        // Of one pool what was written last counts, of several that are equal the first.
        let rank = |chain: &&Vec<usize>| {
            let whole = is_whole(&self.found, chain);
            let nearest = Reverse(self.distance(chain));
            let parts = if whole { 0 } else { chain.len() };
            (whole, nearest, parts, Reverse(self.found[chain[0]].pool()))
        };
        let Some(best) = chains.iter().max_by_key(rank) else {
            return false;
        };
        self.picked = best.clone();
        self.describe(self.picked.clone());
        true
    }

    fn is_own(&self, chain: &[usize]) -> bool {
        chain.first().is_some_and(|&at| self.found[at].rank == 0)
    }

    fn is_reachable(&self, chain: &[usize]) -> bool {
        chain.iter().all(|&at| self.found[at].reachable)
    }

    /// That of its farthest part.
    fn distance(&self, chain: &[usize]) -> u8 {
        let distances = chain.iter().map(|&at| self.found[at].distance());
        distances.max().unwrap_or_default()
    }

    /// The tapes of each copy that may be read: of the whole ones the nearest, of these
    /// those with all metadata, of these the ones on no suspect tape, as far as there are such. In
    /// the order of how soon they are fetched, of jobs and pools.
    pub(super) fn copies(&self) -> Vec<Tapes> {
        let chains = self.best_chains();
        chains.iter().map(|chain| self.tapes(chain)).collect()
    }

    fn tapes(&self, chain: &[usize]) -> Tapes {
        let volumes = chain
            .iter()
            .map(|&at| self.found[at].receipt.receipt.volume);
        volumes.collect()
    }

    /// Takes one of [`copies`](Self::copies).
    pub(super) fn pick(&mut self, copy: usize) {
        let chain = self.best_chains().swap_remove(copy);
        self.turn_to(chain);
    }

    fn turn_to(&mut self, chain: Vec<usize>) {
        let own = match self.is_own(&chain) {
            true => Some(chain.clone()),
            false => self.newest_chains().into_iter().next(),
        };
        if let Some(own) = own {
            self.describe(own);
        }
        self.picked = chain;
    }

    /// Turns to a copy that lies on these tapes alone. False if there is none.
    pub(super) fn pick_within(&mut self, tapes: &Tapes) -> bool {
        let mut chains = self.newest_chains().into_iter();
        let within = |chain: &Vec<usize>| self.tapes(chain).is_subset(tapes);
        let found = chains.find(|chain| self.is_reachable(chain) && within(chain));
        found.is_some_and(|chain| {
            self.turn_to(chain);
            true
        })
    }

    fn best_chains(&self) -> Vec<Vec<usize>> {
        let mut chains = self.newest_chains();
        self.prefer_best(&mut chains);
        chains
    }

    /// The whole copies of the newest state. A job that was resumed, or went on behind a failed
    /// tape, may have an object twice in one pool, and changed in between: the last counts there,
    /// and where pools differ the state that the source had last. Behind them what other jobs
    /// have of the same content.
    fn newest_chains(&self) -> Vec<Vec<usize>> {
        let mut newest: Vec<Vec<usize>> = Vec::new();
        for chain in chains(&self.found) {
            if !is_whole(&self.found, &chain) {
                continue;
            }
            let group = |chain: &Vec<usize>| {
                let first = &self.found[chain[0]];
                (first.rank, first.pool())
            };
            match newest
                .last_mut()
                .filter(|last| group(last) == group(&chain))
            {
                Some(last) => *last = chain,
                None => newest.push(chain),
            }
        }
        let state = |chain: &Vec<usize>| self.found[chain[0]].state();
        let own = newest.iter().filter(|chain| self.is_own(chain));
        let last = own.map(state).max();
        newest.retain(|chain| !self.is_own(chain) || Some(state(chain)) == last);
        let own: Vec<Vec<usize>> = newest.clone();
        newest.retain(|chain| {
            let mut own = own.iter().filter(|own| self.is_own(own));
            self.is_own(chain) || own.any(|own| self.stands_in_for(chain, own))
        });
        newest
    }

    fn stands_in_for(&self, chain: &[usize], own: &[usize]) -> bool {
        let mut pairs = chain.iter().zip(own);
        chain.len() == own.len()
            && pairs.all(|(&at, &own)| self.found[at].stands_in_for(&self.found[own]))
    }

    /// Leaves what is nearest, of that what has all metadata of the version that is wanted,
    /// and of that what is on no suspect tape, if there is such.
    fn prefer_best(&self, chains: &mut Vec<Vec<usize>>) {
        let is_well = |chain: &Vec<usize>| {
            let mut volumes = chain.iter().map(|&at| &self.found[at].volume);
            volumes.all(|volume| volume.state != VolumeState::Suspect)
        };
        let own = self.own.first().map(|&at| &self.found[at]);
        let has_all = |chain: &Vec<usize>| {
            self.is_own(chain) || own.is_some_and(|own| self.found[chain[0]].is_same_state(own))
        };
        let nearest = chains.iter().map(|chain| self.distance(chain)).min();
        prefer(chains, |chain| Some(self.distance(chain)) == nearest);
        prefer(chains, has_all);
        prefer(chains, is_well);
        chains.sort_by_key(|chain| self.fetch_s(chain));
    }

    /// How long its farthest part takes to fetch: as somebody said, or for ever.
    fn fetch_s(&self, chain: &[usize]) -> u64 {
        let each = chain.iter().map(|&at| self.found[at].fetch_s());
        each.max().unwrap_or_default()
    }

    /// Takes kind, size and condition over from members of the job itself.
    fn describe(&mut self, own: Vec<usize>) {
        let first = &self.found[own[0]].entry;
        self.kind = first.kind;
        self.mtime = FileTime {
            seconds: first.mtime.seconds,
            nanoseconds: first.mtime.nanoseconds,
        };
        self.link_target.clone_from(&first.link_target);
        // The parts of what was a stream say as much of the size as was known by then.
        let sizes = own.iter().map(|&at| self.found[at].entry.size_bytes);
        self.size_bytes = sizes.max().unwrap_or_default();
        let conditions = own.iter().map(|&at| self.found[at].entry.condition);
        let marked = conditions.rev().find(|one| *one != Condition::Whole);
        self.condition = marked.unwrap_or(Condition::Whole);
        self.own = own;
    }

    /// What the catalog knows of the object, and a tape that it is on: all but its content and its
    /// extended attributes.
    pub(super) fn known(&self) -> (member::Member, &str) {
        let one = &self.found[self.own[0]];
        let entry = &one.entry;
        let time = |time: catalogs::model::FileTime| FileTime {
            seconds: time.seconds,
            nanoseconds: time.nanoseconds,
        };
        let member = member::Member {
            path: entry.path.clone(),
            kind: member::Kind::Directory,
            size_bytes: 0,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            user: entry.user.to_string(),
            group: entry.group.to_string(),
            mtime: time(entry.mtime),
            ctime: time(entry.ctime),
            xattrs: Vec::new(),
            extents: None,
            part: None,
            inode: None,
        };
        (member, &one.volume.label.what.barcode)
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
        let others: Vec<_> = self.found.iter().map(|one| self.as_other(one)).collect();
        let mut copies = Copies::default();
        for ((one, other), is_first) in self.found.into_iter().zip(others).zip(ranks) {
            let Some(is_first) = is_first else { continue };
            let member = one.into_member(self.job, other);
            match is_first {
                true => copies.first.push(member),
                false => copies.spare.push(member),
            }
        }
        measure_parts(&mut copies.first, self.size_bytes);
        measure_parts(&mut copies.spare, self.size_bytes);
        for members in [&mut copies.first, &mut copies.spare] {
            let waits = members.iter().any(|member| !member.is_reachable);
            members.iter_mut().for_each(|member| member.waits = waits);
        }
        copies.ask_once();
        copies
    }

    /// What is to be different of a member of another version.
    fn as_other(&self, one: &Found) -> Option<Box<OtherVersion>> {
        let own = &self.found[*self.own.first().filter(|_| one.rank > 0)?];
        let (wanted, _) = self.known();
        Some(Box::new(OtherVersion {
            job_name: one.job.start.what.name.clone(),
            is_same_state: one.is_same_state(own),
            mode: wanted.mode,
            uid: wanted.uid,
            gid: wanted.gid,
            user: wanted.user,
            group: wanted.group,
            mtime: wanted.mtime,
            ctime: wanted.ctime,
        }))
    }

    /// The best whole copy beside the one that was picked.
    fn spare(&self) -> Vec<usize> {
        let mut chains = self.newest_chains();
        chains.retain(|chain| *chain != self.picked);
        self.prefer_best(&mut chains);
        chains.into_iter().next().unwrap_or_default()
    }

    /// The barcodes of the tapes out of reach that parts of it are on, while others are at hand.
    pub(super) fn waits_for(&self) -> BTreeSet<&str> {
        let picked = self.picked.iter().map(|&at| &self.found[at]);
        let (here, away): (Vec<_>, Vec<_>) = picked.partition(|one| one.reachable);
        let away = away.into_iter().filter(|_| !here.is_empty());
        away.map(|one| one.volume.label.what.barcode.as_str())
            .collect()
    }

    /// The barcodes of the tapes within reach that the others of them are on.
    pub(super) fn waiting_on(&self) -> BTreeSet<&str> {
        let picked = self.picked.iter().map(|&at| &self.found[at]);
        let here = picked.filter(|one| one.reachable);
        here.map(|one| one.volume.label.what.barcode.as_str())
            .collect()
    }

    /// Which parts there are of a file that lacks others.
    fn parts(&self) -> String {
        let number = |at: Option<&usize>| at.map_or(0, |&at| self.found[at].number());
        let (first, last) = (number(self.picked.first()), number(self.picked.last()));
        match first == last {
            true => format!("only its part {first} is"),
            false => format!("only its parts {first} to {last} are"),
        }
    }

    /// The same where only some tapes are known.
    pub(super) fn parts_here(&self) -> String {
        format!(
            "{} here: the others are on other tapes, or a job was cut off in it; where they are, \
             no tape says: name those tapes as well",
            self.parts()
        )
    }

    /// The same of all that the catalog knows: the parts, and where the others may be.
    pub(super) fn parts_known(&self) -> (String, String) {
        let one = self.picked.first().map(|&at| &self.found[at]);
        let others = one.map(|one| {
            let job = &one.job.start.what.name;
            // What follows from tapes alone holds as far as all of them were read.
            let ended = one.job.finish.as_ref().map(|finish| &finish.what);
            let ended = ended.filter(|finish| !finish.from_tapes);
            match ended.map(|finish| finish.outcome) {
                Some(Outcome::Interrupted | Outcome::Failed) => {
                    "the job was cut off in it".to_owned()
                }
                _ => format!(
                    "the others are on tapes of pool `{}` that the catalog has nothing of, or \
                     job `{job}` was cut off in it: `catalog rebuild BARCODE` reads in what such \
                     a tape has of that job",
                    one.pool()
                ),
            }
        });
        let parts = format!("{} in the catalog", self.parts());
        (parts, others.unwrap_or_default())
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
