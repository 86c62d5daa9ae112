//! Members onto an output as one tar stream, in the order in which the tapes are read.
//!
//! A file is given out once its digest is known to be right, if it is small; a large one while it
//! is read, so that only the end tells whether it was. What is missing of one that cannot be read
//! on is zeros, so that the stream stays one. Hard links come behind what they may lead to,
//! and directories last, deepest first, so that nothing comes into them afterwards.
//!
//! Memory: one small file; headers of hard links and directories; names of symbolic links.

use std::collections::HashSet;
use std::io::{self, Write};

use super::incoming::{Lost, check_header, hash_hole};
use super::links::WaitingLink;
use super::pass::Pass;
use super::plan::MemberRead;
use super::read::{Destination, Done, Failed, reread, unreadable};
use crate::engine::content::{ContentDigest, ZEROS};
use crate::engine::target::{Name, NotSet};
use crate::monitor::Monitor;
use crate::volume::index::{Digest, Place};
use crate::volume::member::{Kind, Member};
use crate::volume::tar::{BLOCK, END, Event, MemberParser, encode_member};

/// Files up to this size are given out only once they are known to be right.
pub const HELD_BYTES: u64 = 16 << 20;
/// An archive is as long as a multiple of this: 20 blocks, as GNU tar writes it.
const ARCHIVE_UNIT_BYTES: u64 = 20 * BLOCK as u64;

/// What is said of a name below a symbolic link.
const LED_AWAY: &str = "a symbolic link is where a directory is needed";

/// The stream while it is written.
pub(super) struct TarOut<'a> {
    output: &'a mut dyn Write,
    monitor: &'a dyn Monitor,
    written_bytes: u64,
    /// Why the output takes no more.
    failed: Option<io::Error>,
    /// The header of a member was written, and its end was not.
    has_begun: bool,
    /// So much of its data and padding is still to come.
    open_bytes: u64,
    links: Vec<(WaitingLink<'a>, Box<Member>)>,
    directories: Vec<Member>,
    /// What is not known of members that were given out.
    not_set: NotSet,
    /// Names of symbolic links: nothing comes below them, since not every tar sees to that.
    symlinks: HashSet<&'a [u8]>,
}

/// A member while its bytes arrive.
struct Arriving {
    member: Option<Box<Member>>,
    digest: ContentDigest,
    /// The data of a small file.
    held: Option<Vec<u8>>,
    ended: bool,
}

impl<'a> TarOut<'a> {
    pub(super) fn new(output: &'a mut dyn Write, monitor: &'a dyn Monitor) -> Self {
        Self {
            output,
            monitor,
            written_bytes: 0,
            failed: None,
            has_begun: false,
            open_bytes: 0,
            links: Vec::new(),
            directories: Vec::new(),
            not_set: NotSet::default(),
            symlinks: HashSet::new(),
        }
    }

    /// Takes in a directory that no volume was read for.
    pub(super) fn known_directory(&mut self, name: &[u8], member: &Member) {
        self.directories.push(Member {
            path: name.to_vec(),
            ..member.clone()
        });
    }

    /// Notes what is not known of a member that was given out.
    pub(super) fn note_lacks(&mut self, read: &MemberRead) {
        if let Some((lacks, why)) = read.lacks() {
            self.not_set.add(&read.name, lacks.to_owned(), why);
        }
    }

    /// What was noted.
    pub(super) fn take_not_set(&mut self) -> NotSet {
        std::mem::take(&mut self.not_set)
    }

    /// Writes what comes last, and gives back why the output took no more, if it did not.
    pub(super) fn end(mut self, is_whole: bool) -> io::Result<()> {
        let mut directories = std::mem::take(&mut self.directories);
        directories.sort_by(|a, b| b.path.cmp(&a.path));
        directories.retain(|one| {
            let is_link = self.symlinks.contains(one.path.as_slice());
            !is_link && !self.is_led_away(&one.path)
        });
        if is_whole && self.failed.is_none() && self.last(&directories).is_ok() {
            self.flush();
        }
        self.failed.map_or(Ok(()), Err)
    }

    fn last(&mut self, directories: &[Member]) -> Result<(), Lost> {
        for directory in directories {
            // Of one that cannot be written the name is made for what is in it.
            if let Ok(header) = encode_member(directory) {
                self.put(&header)?;
            }
        }
        self.put(&END)?;
        let over = self.written_bytes % ARCHIVE_UNIT_BYTES;
        self.zeros((ARCHIVE_UNIT_BYTES - over) % ARCHIVE_UNIT_BYTES)
    }

    fn flush(&mut self) {
        if let Err(error) = self.output.flush() {
            self.failed = Some(error);
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        match self.output.write_all(bytes) {
            Ok(()) => {
                self.written_bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.failed = Some(error);
                Err(Lost::Stopped)
            }
        }
    }

    fn zeros(&mut self, mut bytes: u64) -> Result<(), Lost> {
        while bytes > 0 {
            if self.monitor.stop_requested() {
                return Err(Lost::Stopped);
            }
            let piece = bytes.min(ZEROS.len() as u64);
            self.put(&ZEROS[..piece as usize])?;
            bytes -= piece;
        }
        Ok(())
    }

    /// True if a symbolic link that was written is where `name` needs a directory.
    fn is_led_away(&self, name: &[u8]) -> bool {
        let mut slashes = (0..name.len()).filter(|&at| name[at] == b'/');
        slashes.any(|at| self.symlinks.contains(&name[..at]))
    }

    /// Writes the header of `member`; its data follow.
    pub(super) fn begin(&mut self, member: &Member) -> Result<(), Lost> {
        if self.is_led_away(&member.path) {
            return Err(Lost::content(LED_AWAY));
        }
        let header = encode_member(member).map_err(|error| Lost::content(error.to_string()))?;
        self.put(&header)?;
        let payload_bytes = member.payload_bytes();
        let padded = payload_bytes.checked_next_multiple_of(BLOCK as u64);
        self.has_begun = payload_bytes > 0;
        self.open_bytes = padded.ok_or_else(|| Lost::content("no file is so large"))?;
        Ok(())
    }

    /// Writes data of the member that was begun.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        let length = bytes.len() as u64;
        if length > self.open_bytes {
            return Err(Lost::content("more data than its header says"));
        }
        self.put(bytes)?;
        self.open_bytes -= length;
        Ok(())
    }

    /// Zeros in place of what is missing of the member that was begun, and its padding.
    pub(super) fn close(&mut self) -> Result<(), Lost> {
        self.has_begun = false;
        let left = std::mem::take(&mut self.open_bytes);
        self.zeros(left)
    }

    /// Reads a member; a large file is written meanwhile. Whether its content agreed with a digest.
    fn arrive(
        &mut self,
        pass: &mut Pass<'_>,
        read: &MemberRead,
        place: &Place,
    ) -> Result<(Arriving, bool), Failed> {
        pass.open(place).map_err(unreadable)?;
        let mut parser = MemberParser::new();
        let mut arriving = Arriving {
            member: None,
            digest: ContentDigest::new(read.digest_algorithm),
            held: None,
            ended: false,
        };
        while let Some(mut bytes) = pass.chunk().map_err(unreadable)? {
            if self.monitor.stop_requested() {
                return Err(Lost::Stopped.into());
            }
            self.monitor.advance(0, bytes.len() as u64);
            loop {
                let event = parser.next(&mut bytes);
                match event.map_err(|error| Lost::Doubt(error.to_string()))? {
                    Some(event) => self.take(read, &mut arriving, event)?,
                    None => break,
                }
            }
        }
        let verified = self.verify(read, &mut arriving)?;
        Ok((arriving, verified))
    }

    fn take(
        &mut self,
        read: &MemberRead,
        arriving: &mut Arriving,
        event: Event<'_>,
    ) -> Result<(), Lost> {
        match (event, &arriving.member) {
            (
                Event::Member {
                    mut member,
                    length_bytes,
                    ..
                },
                None,
            ) => {
                if length_bytes != read.length_bytes {
                    let what = "its length on tape is not the one in the index";
                    return Err(Lost::content(what));
                }
                check_header(&member, read)?;
                read.adjust(&mut member);
                member.path.clone_from(&read.name);
                if member.kind == Kind::File {
                    match member.payload_bytes() {
                        0..=HELD_BYTES => arriving.held = Some(Vec::new()),
                        _ => self.begin(&member)?,
                    }
                }
                arriving.member = Some(member);
                Ok(())
            }
            (Event::Data { at_bytes, bytes }, Some(_)) => {
                hash_hole(&mut arriving.digest, at_bytes, self.monitor)?;
                arriving.digest.update(bytes);
                match &mut arriving.held {
                    Some(held) => held.extend_from_slice(bytes),
                    None => self.data(bytes)?,
                }
                Ok(())
            }
            (Event::MemberEnd, Some(_)) => {
                arriving.ended = true;
                Ok(())
            }
            (Event::Refused { why, .. }, _) => Err(Lost::Content(format!("refused: {why}"))),
            _ => Err(Lost::Doubt("no member is at its place on tape".to_owned())),
        }
    }

    /// All bytes came: is the member complete, and its content right?
    fn verify(&self, read: &MemberRead, arriving: &mut Arriving) -> Result<bool, Lost> {
        let Some(member) = arriving.member.as_ref().filter(|_| arriving.ended) else {
            return Err(Lost::Doubt(
                "it is not complete at its place on tape".to_owned(),
            ));
        };
        let expected = match (&member.kind, read.digest) {
            (Kind::File, Some(expected)) => Digest(expected),
            _ => return Ok(false),
        };
        hash_hole(&mut arriving.digest, member.covered_bytes(), self.monitor)?;
        let actual = arriving.digest.finish();
        if actual == expected {
            return Ok(true);
        }
        let what = format!("its content has the digest {actual} instead of {expected}");
        Err(Lost::Doubt(what))
    }

    /// Writes a complete member, as far as it is not written yet.
    fn settle(
        &mut self,
        read: &'a MemberRead,
        arriving: Arriving,
        verified: bool,
    ) -> Result<Done, Lost> {
        let member = arriving.member.expect("it is complete");
        let file_bytes = (member.kind == Kind::File).then_some(member.size_bytes);
        match &member.kind {
            Kind::Hardlink(first) => {
                let link = WaitingLink {
                    name: &read.name,
                    first: first.clone(),
                    job: read.job,
                };
                self.links.push((link, member));
                return Ok(Done::Later);
            }
            Kind::Directory => self.directories.push(*member),
            Kind::File => {
                if let Some(held) = arriving.held {
                    self.begin(&member)?;
                    self.data(&held)?;
                }
                self.close()?;
            }
            _ => {
                self.begin(&member)?;
                if matches!(member.kind, Kind::Symlink(_)) {
                    self.symlinks.insert(&read.name);
                }
            }
        }
        Ok(Done::Placed {
            file_bytes,
            verified,
        })
    }
}

impl<'a> Destination<'a> for TarOut<'a> {
    fn read(&mut self, pass: &mut Pass<'_>, read: &'a MemberRead) -> Result<Done, Failed> {
        Name::new(&read.name).map_err(Lost::from)?;
        if self.is_led_away(&read.name) {
            return Err(Lost::content(LED_AWAY).into());
        }
        let arrived = reread(pass, read, |pass, place| {
            let arrived = self.arrive(pass, read, place);
            match arrived {
                // What was given out cannot be given out anew.
                Err(Failed::Object(Lost::Doubt(what))) if self.has_begun => {
                    Err(Lost::Content(what).into())
                }
                arrived => arrived,
            }
        });
        let settled = arrived.and_then(|(arriving, verified)| {
            let settled = self.settle(read, arriving, verified);
            settled.map_err(Failed::from)
        });
        match &settled {
            Ok(Done::Placed { .. }) => self.note_lacks(read),
            Err(_) if self.failed.is_none() => self.close()?,
            _ => {}
        }
        settled
    }

    fn links(&mut self) -> Vec<WaitingLink<'a>> {
        self.links.iter().map(|(link, _)| link.clone()).collect()
    }

    fn link(&mut self, number: usize, _: &WaitingLink<'a>, first: &[u8]) -> Result<(), Lost> {
        let mut member = self.links[number].1.clone();
        member.kind = Kind::Hardlink(first.to_vec());
        self.begin(&member)
    }
}
