//! Listing a directory in order, in little memory.

use std::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::fs::RawDir;
use rustix::io::Errno;

/// Listing buffer: what one getdents call may fill.
const BUFFER_BYTES: usize = 64 << 10;

/// The names in a directory, ascending by bytes, taken one by one.
///
/// A million names of 20 bytes take 29 MB: the names end to end, and one index each.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Names with their terminating zero byte, in the order of the listing.
    text: Vec<u8>,
    /// Where each name starts in `text`, in the order of names.
    starts: Vec<usize>,
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
                Ok(entry) => names.add(entry.file_name()),
                Err(errno) => {
                    broken = Some(errno);
                    break;
                }
            }
        }
        names.sort();
        (names, broken)
    }

    fn add(&mut self, name: &CStr) {
        if !matches!(name.to_bytes(), b"." | b"..") {
            self.starts.push(self.text.len());
            self.text.extend_from_slice(name.to_bytes_with_nul());
        }
    }

    fn sort(&mut self) {
        let Self { text, starts, .. } = self;
        starts.sort_unstable_by_key(|&start| name_at(text, start));
    }

    /// The next name.
    pub(super) fn next(&mut self) -> Option<&CStr> {
        let start = *self.starts.get(self.taken)?;
        self.taken += 1;
        Some(name_at(&self.text, start))
    }

    /// How many names were not taken yet.
    pub(super) fn left(&self) -> usize {
        self.starts.len() - self.taken
    }
}

fn name_at(text: &[u8], start: usize) -> &CStr {
    CStr::from_bytes_until_nul(&text[start..]).expect("each name was added with its zero byte")
}
