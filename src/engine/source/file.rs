//! Reading a file's data once, at exactly the size declared when it was opened.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Advice, fadvise, fstat};
use rustix::io::Errno;

use super::footprint::Footprint;
use super::inode::Inode;
use crate::volume::index::Digest;
use crate::volume::member::{Condition, Extent};

/// From this size on the kernel is told that a file is read once, from front to end.
const ADVISE_BYTES: u64 = 1 << 20;

/// A regular file that was opened; delivers its pieces that hold data, end to end.
///
/// Whatever happens to the file, [`read`](Self::read) delivers in total exactly the bytes
/// declared by size and extents: what cannot be read is zeros, and what became longer is
/// cut off.
#[derive(Debug)]
pub struct FileReader {
    file: OwnedFd,
    before: Inode,
    /// What is left of the piece in work.
    piece: Extent,
    /// The pieces behind it, the next one last.
    further: Vec<Extent>,
    fault: Option<Fault>,
    footprint: Footprint,
}

#[derive(Debug)]
enum Fault {
    EndedEarly,
    Failed(Errno),
}

/// What became of a file while it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEnd {
    /// For the index.
    pub condition: Condition,
    /// For people, as one sentence, if it was not whole.
    pub what: Option<String>,
    /// Digest of the file's content, if whoever read it made it.
    pub digest: Option<Digest>,
}

impl ReadEnd {
    /// Nothing happened to it.
    #[must_use]
    pub fn whole() -> Self {
        Self {
            condition: Condition::Whole,
            what: None,
            digest: None,
        }
    }
}

impl FileReader {
    /// Takes a file just opened, what fstat says of it, and where it has data.
    pub(super) fn new(file: OwnedFd, inode: Inode, extents: Option<&[Extent]>) -> Self {
        if inode.size_bytes >= ADVISE_BYTES {
            // Advice only: a file system that does not take it is read all the same.
            let _ = fadvise(&file, 0, None, Advice::Sequential);
            let _ = fadvise(&file, 0, None, Advice::NoReuse);
        }
        let mut further = Vec::new();
        let piece = match extents {
            None => Extent {
                offset_bytes: 0,
                length_bytes: inode.size_bytes,
            },
            Some(extents) => {
                further.extend(extents.iter().rev());
                further.pop().unwrap_or_default()
            }
        };
        Self {
            file,
            footprint: Footprint::new(inode.size_bytes, inode.size_bytes >= ADVISE_BYTES),
            before: inode,
            piece,
            further,
            fault: None,
        }
    }

    /// Has the kernel read the beginning of a large file, while nobody waits for it yet.
    pub fn begin_reading(&mut self) {
        let first = self.piece.offset_bytes;
        self.footprint.come_to(self.file.as_fd(), first);
    }

    /// Leaves out what lies before `offset_bytes`, before the first read.
    pub(crate) fn skip_to(&mut self, offset_bytes: u64) {
        for piece in self.further.iter_mut().chain([&mut self.piece]) {
            let end = piece.offset_bytes + piece.length_bytes;
            piece.offset_bytes = piece.offset_bytes.max(offset_bytes);
            piece.length_bytes = end.saturating_sub(piece.offset_bytes);
        }
    }

    /// Fills `buffer` as far as there is data; the bytes filled. Less than its length
    /// only at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled_bytes = 0;
        while filled_bytes < buffer.len() {
            let piece = &mut self.piece;
            if piece.length_bytes == 0 {
                let Some(next) = self.further.pop() else {
                    break;
                };
                *piece = next;
                continue;
            }
            let left = buffer.len() - filled_bytes;
            let wanted =
                usize::try_from(piece.length_bytes).map_or(left, |length| length.min(left));
            let target = &mut buffer[filled_bytes..filled_bytes + wanted];
            let got = match &self.fault {
                Some(_) => {
                    target.fill(0);
                    wanted
                }
                None => match self
                    .footprint
                    .read(self.file.as_fd(), target, piece.offset_bytes)
                {
                    Ok(0) => {
                        self.fault = Some(Fault::EndedEarly);
                        continue;
                    }
                    Ok(got) => got,
                    Err(Errno::INTR) => continue,
                    Err(errno) => {
                        self.fault = Some(Fault::Failed(errno));
                        continue;
                    }
                },
            };
            filled_bytes += got;
            piece.offset_bytes += got as u64;
            piece.length_bytes -= got as u64;
        }
        filled_bytes
    }

    /// The state of what was delivered until now.
    #[must_use]
    pub fn condition_so_far(&self) -> Condition {
        match self.fault {
            None => Condition::Whole,
            Some(Fault::EndedEarly) => Condition::Shrank,
            Some(Fault::Failed(_)) => Condition::Unreadable,
        }
    }

    /// Compares the file with what it was when it was opened.
    #[must_use]
    pub fn finish(self) -> ReadEnd {
        self.footprint.leave(self.file.as_fd());
        let changed = |condition, what: String| ReadEnd {
            condition,
            what: Some(what),
            digest: None,
        };
        let before = &self.before;
        match self.fault {
            Some(Fault::Failed(errno)) => changed(
                Condition::Unreadable,
                format!("reading failed ({errno}); what could not be read is zeros on tape"),
            ),
            Some(Fault::EndedEarly) => changed(
                Condition::Shrank,
                "it became shorter while it was read; its missing end is zeros on tape".to_owned(),
            ),
            None => match fstat(self.file.as_fd()).map(Inode::from) {
                Err(errno) => changed(
                    Condition::Changed,
                    format!("cannot tell if it changed while it was read: {errno}"),
                ),
                Ok(after) if after.size_bytes > before.size_bytes => changed(
                    Condition::Grew,
                    format!(
                        "it became longer while it was read; its first {} bytes are on tape",
                        before.size_bytes
                    ),
                ),
                Ok(after)
                    if (after.size_bytes, after.mtime, after.ctime)
                        != (before.size_bytes, before.mtime, before.ctime) =>
                {
                    changed(
                        Condition::Changed,
                        "it changed while it was read".to_owned(),
                    )
                }
                Ok(_) => ReadEnd::whole(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::path::Path;

    fn open(path: &Path) -> FileReader {
        let file = File::open(path).unwrap();
        let inode = Inode::from(fstat(&file).unwrap());
        FileReader::new(file.into(), inode, None)
    }

    fn read_all(mut reader: FileReader, step_bytes: usize) -> (Vec<u8>, Condition) {
        let mut data = Vec::new();
        let mut buffer = vec![0xAA; step_bytes];
        loop {
            let filled = reader.read(&mut buffer);
            data.extend_from_slice(&buffer[..filled]);
            if filled < step_bytes {
                break;
            }
        }
        (data, reader.finish().condition)
    }

    /// What a test does to a file between its opening and its reading.
    type Meddle = fn(&Path);

    #[test]
    fn a_file_keeps_its_declared_size_whatever_happens_to_it() {
        let original = b"0123456789";
        let cases: [(&str, Meddle, &[u8], Condition); 5] = [
            ("untouched", |_| {}, b"0123456789", Condition::Whole),
            (
                "shrunk",
                |path| {
                    OpenOptions::new()
                        .write(true)
                        .open(path)
                        .unwrap()
                        .set_len(4)
                        .unwrap()
                },
                b"0123\0\0\0\0\0\0",
                Condition::Shrank,
            ),
            (
                "grown",
                |path| {
                    OpenOptions::new()
                        .append(true)
                        .open(path)
                        .unwrap()
                        .write_all(b"more")
                        .unwrap();
                },
                b"0123456789",
                Condition::Grew,
            ),
            (
                "overwritten",
                |path| {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    OpenOptions::new()
                        .write(true)
                        .open(path)
                        .unwrap()
                        .write_all(b"X")
                        .unwrap();
                },
                b"X123456789",
                Condition::Changed,
            ),
            (
                "unlinked",
                |path| {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    std::fs::remove_file(path).unwrap();
                },
                b"0123456789",
                Condition::Changed,
            ),
        ];
        for (name, meddle, data, condition) in cases {
            for step_bytes in [1, 3, 10, 64] {
                let place = tempfile::tempdir().unwrap();
                let path = place.path().join("file");
                std::fs::write(&path, original).unwrap();
                let reader = open(&path);
                meddle(&path);
                assert_eq!(
                    read_all(reader, step_bytes),
                    (data.to_vec(), condition),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_failed_read_gives_zeros_and_says_so() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        // Open for writing alone, so that each read fails.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let inode = Inode::from(fstat(&file).unwrap());
        let reader = FileReader::new(file.into(), inode, None);
        assert_eq!(read_all(reader, 4), (vec![0; 10], Condition::Unreadable));
    }

    #[test]
    fn only_the_pieces_of_a_sparse_file_are_delivered() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = File::open(&path).unwrap();
        let inode = Inode::from(fstat(&file).unwrap());
        let piece = |offset_bytes, length_bytes| Extent {
            offset_bytes,
            length_bytes,
        };
        let extents = [piece(1, 2), piece(4, 0), piece(7, 3)];
        let reader = FileReader::new(file.into(), inode, Some(&extents));
        assert_eq!(read_all(reader, 2), (b"12789".to_vec(), Condition::Whole));
        for (from, rest) in [(0, "12789"), (2, "2789"), (3, "789"), (8, "89"), (10, "")] {
            let file = File::open(&path).unwrap();
            let mut reader = FileReader::new(file.into(), inode, Some(&extents));
            reader.skip_to(from);
            assert_eq!(
                read_all(reader, 2),
                (rest.into(), Condition::Whole),
                "{from}"
            );
        }
    }
}
