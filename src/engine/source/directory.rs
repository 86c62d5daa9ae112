//! Listing a directory in order, in little memory.

use std::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::base::Fate;

/// Listing buffer: what one getdents call may fill.
const BUFFER_BYTES: usize = 64 << 10;

/// What a listing says of a name, before anybody has looked. It may be wrong by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// A directory, or the file system does not tell.
    MayHoldOthers = 0,
    /// A regular file.
    File = 1,
    /// Neither.
    Other = 2,
}

impl Listed {
    fn new(file_type: FileType) -> Self {
        match file_type {
            FileType::RegularFile => Self::File,
            FileType::Directory | FileType::Unknown => Self::MayHoldOthers,
            _ => Self::Other,
        }
    }

    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::MayHoldOthers,
            1 => Self::File,
            _ => Self::Other,
        }
    }
}

/// The names in a directory, ascending by bytes, taken one by one.
///
/// A million names of 20 bytes take 30 MB: the names end to end, and one index each; a byte
/// more each where a walk is compared with a base.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Names with their terminating zero byte, each behind what it is said to be
    /// ([`Listed`]), in the order of the listing.
    text: Vec<u8>,
    /// Where each name starts in `text`, in the order of names.
    starts: Vec<usize>,
    /// What became of each name so far, in the same order.
    fates: Vec<Fate>,
    taken: usize,
}

impl Names {
    /// Lists the directory open at `directory`, from its beginning.
    ///
    /// Also gives the error at which the listing broke off, with the names before it.
    pub(super) fn list(directory: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> (Self, Option<Errno>) {
        let mut names = Self::default();
        buffer.clear();
        buffer.reserve(BUFFER_BYTES);
        let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
        let mut broken = None;
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => names.add(entry.file_name(), Listed::new(entry.file_type())),
                Err(errno) => {
                    broken = Some(errno);
                    break;
                }
            }
        }
        names.sort();
        (names, broken)
    }

    fn add(&mut self, name: &CStr, listed: Listed) {
        if !matches!(name.to_bytes(), b"." | b"..") {
            self.starts.push(self.text.len());
            self.text.push(listed as u8);
            self.text.extend_from_slice(name.to_bytes_with_nul());
        }
    }

    fn sort(&mut self) {
        let Self { text, starts, .. } = self;
        // With what follows: the zero byte that ends a name is below all others, and no other name
        // is the same up to it.
        let from = |start: usize| &text[start + 1..];
        starts.sort_unstable_by(|&a, &b| from(a).cmp(from(b)));
    }

    /// The next name.
    pub(super) fn next(&mut self) -> Option<&CStr> {
        let start = *self.starts.get(self.taken)?;
        self.taken += 1;
        Some(name_at(&self.text, start).1)
    }

    /// Takes the names that follow and hold no others by the listing, at most `most`, in
    /// the form that [`split_names`] reads.
    pub(super) fn take_leaves(&mut self, most: usize) -> Vec<u8> {
        let mut text = Vec::new();
        let ahead = &self.starts[self.taken..];
        for &start in &ahead[..most.min(ahead.len())] {
            let (listed, name) = name_at(&self.text, start);
            if listed == Listed::MayHoldOthers {
                break;
            }
            text.push(listed as u8);
            text.extend_from_slice(name.to_bytes_with_nul());
            self.taken += 1;
        }
        text
    }

    /// The next name, which stays the next.
    pub(super) fn peek(&self) -> Option<&CStr> {
        let start = *self.starts.get(self.taken)?;
        Some(name_at(&self.text, start).1)
    }

    /// Notes what became of the name taken last.
    pub(super) fn set_fate(&mut self, fate: Fate) {
        self.fates.resize(self.taken, Fate::Unseen);
        if let Some(last) = self.fates.last_mut() {
            *last = fate;
        }
    }

    /// What became of a name; `None` if it is not here.
    pub(super) fn fate(&self, name: &[u8]) -> Option<Fate> {
        let order = |start: &usize| name_at(&self.text, *start).1.to_bytes().cmp(name);
        let at = self.starts.binary_search_by(order).ok()?;
        Some(self.fates.get(at).copied().unwrap_or_default())
    }

    /// How many names were not taken yet.
    pub(super) fn left(&self) -> usize {
        self.starts.len() - self.taken
    }
}

fn name_at(text: &[u8], start: usize) -> (Listed, &CStr) {
    let name = CStr::from_bytes_until_nul(&text[start + 1..]);
    let name = name.expect("each name was added with its zero byte");
    (Listed::of(text[start]), name)
}

/// The first name of what [`Names::take_leaves`] gave, and the others.
pub(super) fn split_names(text: &[u8]) -> Option<(Listed, &CStr, &[u8])> {
    let (&listed, rest) = text.split_first()?;
    let name = CStr::from_bytes_until_nul(rest).ok()?;
    Some((Listed::of(listed), name, &rest[name.count_bytes() + 1..]))
}
