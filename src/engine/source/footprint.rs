//! What reading a file leaves in the kernel's page cache: nothing that was not there before.
//!
//! An archive run reads everything once. Left alone, ten terabytes of it would push out what
//! the host's programs work with. Whether pages are cached shows by reading them without
//! waiting; that is asked before the kernel's own read-ahead can have come there.

use std::io::IoSliceMut;
use std::num::NonZeroU64;

use rustix::fd::BorrowedFd;
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

/// Files that are read in pieces are judged region by region.
const REGION_BYTES: u64 = 32 << 20;

/// Places of a region that are looked at: it was cached before if one of them is.
const PROBES: u64 = 8;

/// What the kernel is asked to read ahead at a time, where nothing was cached.
const AHEAD_BYTES: u64 = 4 << 20;

/// The footprint of one file that is read from front to end.
#[derive(Debug)]
pub(super) struct Footprint {
    file_bytes: u64,
    /// False once the file system has said that it cannot read without waiting.
    can_ask: bool,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    /// A small file: found cold from this offset on by reading it.
    Small { cold_from: Option<u64> },
    /// A large one: the region in work, and the one behind it.
    Large {
        present: Option<Region>,
        next: Option<Region>,
        asked_to: u64,
    },
}

#[derive(Debug, Clone, Copy)]
struct Region {
    number: u64,
    cold: bool,
}

impl Footprint {
    /// Of a file of `file_bytes`, large if it is read in pieces.
    pub(super) fn new(file_bytes: u64, large: bool) -> Self {
        let mode = if large {
            Mode::Large {
                present: None,
                next: None,
                asked_to: 0,
            }
        } else {
            Mode::Small { cold_from: None }
        };
        Self {
            file_bytes,
            can_ask: true,
            mode,
        }
    }

    /// Reads at `offset` as `pread` does.
    pub(super) fn read(
        &mut self,
        file: BorrowedFd<'_>,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<usize, Errno> {
        match &mut self.mode {
            Mode::Small { cold_from: Some(_) } => {}
            Mode::Small { cold_from } if self.can_ask => {
                match cached(file, buffer, offset) {
                    Ok(Some(got)) => return Ok(got),
                    Ok(None) => *cold_from = Some(offset),
                    Err(Errno::INTR) => return Err(Errno::INTR),
                    // Whatever it is, the ordinary way tells.
                    Err(_) => self.can_ask = false,
                }
            }
            Mode::Small { .. } => {}
            Mode::Large { .. } => self.come_to(file, offset),
        }
        pread(file, buffer, offset)
    }

    /// A large file is read on at `offset`: if that was not cached, the kernel reads ahead.
    pub(super) fn come_to(&mut self, file: BorrowedFd<'_>, offset: u64) {
        let number = offset / REGION_BYTES;
        let Mode::Large {
            mut present,
            mut next,
            mut asked_to,
        } = self.mode
        else {
            return;
        };
        if present.is_none_or(|region| region.number != number) {
            if let Some(left) = present {
                left.leave(file);
            }
            let known = next.filter(|region| region.number == number);
            present = Some(known.unwrap_or_else(|| self.probe(file, number)));
            next = Some(self.probe(file, number + 1));
        }
        if present.is_some_and(|region| region.cold) && offset + AHEAD_BYTES > asked_to {
            let from = asked_to.max(offset);
            asked_to = from + AHEAD_BYTES;
            let _ = fadvise(file, from, NonZeroU64::new(AHEAD_BYTES), Advice::WillNeed);
        }
        self.mode = Mode::Large {
            present,
            next,
            asked_to,
        };
    }

    fn probe(&mut self, file: BorrowedFd<'_>, number: u64) -> Region {
        let start = number.saturating_mul(REGION_BYTES);
        let end = start.saturating_add(REGION_BYTES).min(self.file_bytes);
        let step = (end.saturating_sub(start) / PROBES).max(1);
        let mut cold = start < end;
        for offset in (start..end).step_by(step as usize) {
            if !self.can_ask || !cold {
                break;
            }
            match cached(file, &mut [0], offset) {
                Ok(None) => {}
                Ok(Some(_)) | Err(Errno::INTR) => cold = false,
                Err(_) => self.can_ask = false,
            }
        }
        // Where it cannot be asked, what others use is rather left in peace.
        let cold = cold && self.can_ask;
        Region { number, cold }
    }

    /// Takes off the cache what came there by reading.
    pub(super) fn leave(&self, file: BorrowedFd<'_>) {
        match self.mode {
            Mode::Small {
                cold_from: Some(offset),
            } => {
                let _ = fadvise(file, offset, None, Advice::DontNeed);
            }
            Mode::Small { cold_from: None } => {}
            Mode::Large { present, next, .. } => {
                for region in [present, next].into_iter().flatten() {
                    region.leave(file);
                }
            }
        }
    }
}

impl Region {
    fn leave(self, file: BorrowedFd<'_>) {
        if self.cold {
            let start = self.number * REGION_BYTES;
            // Advice only.
            let _ = fadvise(file, start, NonZeroU64::new(REGION_BYTES), Advice::DontNeed);
        }
    }
}

/// Reads what is cached at `offset`; `None` if nothing is.
fn cached(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Result<Option<usize>, Errno> {
    let buffers = &mut [IoSliceMut::new(buffer)];
    match preadv2(file, buffers, offset, ReadWriteFlags::NOWAIT) {
        Ok(got) => Ok(Some(got)),
        Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::path::Path;

    const MIB: usize = 1 << 20;

    /// Whether the beginning of the file is cached, asked through a descriptor of its own.
    fn is_cached(path: &Path) -> bool {
        let file = File::open(path).unwrap();
        let _ = fadvise(&file, 0, None, Advice::Random);
        cached(file.as_fd(), &mut [0], 0).unwrap().is_some()
    }

    fn evict(path: &Path) {
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }

    /// Reads a file, cached before or not, as the archive does: whether the cache is as before.
    fn is_left_as_found(path: &Path, bytes: usize, large: bool, warm: bool) -> bool {
        evict(path);
        if warm {
            assert_eq!(std::fs::read(path).unwrap().len(), bytes);
        }
        let file = File::open(path).unwrap();
        let mut footprint = Footprint::new(bytes as u64, large);
        let (mut buffer, mut at) = (vec![0; MIB], 0);
        loop {
            let got = footprint
                .read(file.as_fd(), &mut buffer, at as u64)
                .unwrap();
            if got == 0 {
                break;
            }
            assert!(buffer[..got].iter().all(|&byte| byte == 7));
            at += got;
        }
        footprint.leave(file.as_fd());
        assert_eq!(at, bytes);
        is_cached(path) == warm
    }

    #[test]
    fn reading_leaves_the_page_cache_as_it_found_it() {
        // It is advice: a kernel that is busy with its memory need not take it each time.
        const TRIES: usize = 10;
        for (bytes, large) in [(9_000, false), (3 * MIB, true), (70 * MIB, true)] {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("file");
            std::fs::write(&path, vec![7; bytes]).unwrap();
            evict(&path);
            if is_cached(&path) {
                // A file system in memory: there is nothing to leave.
                return;
            }
            for warm in [false, true] {
                let mut tries = (0..TRIES).map(|_| is_left_as_found(&path, bytes, large, warm));
                assert!(tries.any(|left| left), "{bytes} bytes, warm: {warm}");
            }
        }
    }
}
