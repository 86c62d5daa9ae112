//! A file system that is made up as it is read, each operation as slow as wanted: a FUSE server
//! that speaks the kernel's protocol (linux/fuse.h, 7.31) over /dev/fuse. Mounting takes root.
//!
//! `dirs` directories `dNNNNN` hold `files` files `fNNNNN` each of `bytes` bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const ROOT: u64 = 1;
const FIRST_DIR: u64 = 2;
const FIRST_FILE: u64 = 1 << 32;
const IN_HEADER: usize = 40;
/// A request of the longest write has to fit, though nobody writes.
const REQUEST_BYTES: usize = (1 << 17) + 4096;
const READ_MAX: usize = 1 << 20;
const ENOENT: i32 = -2;
const ENOSYS: i32 = -38;

/// What the file system holds and how slow it is.
#[derive(Debug, Clone, Copy)]
pub struct MadeUp {
    /// Directories in the root.
    pub dirs: u64,
    /// Files in each.
    pub files: u64,
    /// Size of each.
    pub bytes: u64,
    /// What each operation takes.
    pub delay: Duration,
    /// Threads that serve: so many operations are under way at once at most.
    pub servers: usize,
}

/// A mounted one; unmounts itself.
pub struct Mounted {
    place: PathBuf,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(&self.place, UnmountFlags::DETACH);
    }
}

impl MadeUp {
    /// Mounts it at `place` and serves it from threads of this process.
    pub fn mount(self, place: &Path) -> io::Result<Mounted> {
        std::fs::create_dir_all(place)?;
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse")?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={READ_MAX}",
            device.as_raw_fd()
        );
        let options = std::ffi::CString::new(options).expect("no zero byte in it");
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount(
            "made-up",
            place,
            "fuse.madeup",
            flags,
            Some(options.as_c_str()),
        )?;
        let mounted = Mounted {
            place: place.to_owned(),
        };
        let device = Arc::new(device);
        for _ in 0..self.servers {
            let device = Arc::clone(&device);
            std::thread::spawn(move || self.serve(&device));
        }
        Ok(mounted)
    }

    fn serve(self, device: &File) {
        let mut request = vec![0; REQUEST_BYTES];
        let content = vec![0xA7; READ_MAX];
        loop {
            match (&*device).read(&mut request) {
                Ok(length) if length >= IN_HEADER => {
                    self.answer(device, &request[..length], &content)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(-ENOENT) => {}
                // Unmounted.
                _ => return,
            }
        }
    }

    fn answer(self, mut device: &File, request: &[u8], content: &[u8]) {
        let (opcode, unique, node) = (word(request, 4), long(request, 8), long(request, 16));
        let body = &request[IN_HEADER..];
        let reply = match opcode {
            // FORGET, INTERRUPT, BATCH_FORGET: not answered.
            2 | 36 | 42 => return,
            26 => Ok(init()),
            _ => {
                if !self.delay.is_zero() {
                    std::thread::sleep(self.delay);
                }
                self.reply(opcode, node, body, content)
            }
        };
        let (error, data) = match reply {
            Ok(data) => (0, data),
            Err(error) => (error, Vec::new()),
        };
        let mut message = Vec::with_capacity(16 + data.len());
        message.extend((16 + data.len() as u32).to_ne_bytes());
        message.extend(error.to_ne_bytes());
        message.extend(unique.to_ne_bytes());
        message.extend(data);
        // Fails for a request that was interrupted: nobody waits for it then.
        let _ = device.write_all(&message);
    }

    fn reply(self, opcode: u32, node: u64, body: &[u8], content: &[u8]) -> Result<Vec<u8>, i32> {
        match opcode {
            // LOOKUP
            1 => self.lookup(node, body),
            // GETATTR
            3 => {
                let mut out = Vec::with_capacity(104);
                out.extend(3600_u64.to_ne_bytes());
                out.extend([0; 8]);
                self.attributes(node, &mut out);
                Ok(out)
            }
            // READ
            15 => {
                let (offset, size) = (long(body, 8), u64::from(word(body, 16)));
                let left = self.bytes.saturating_sub(offset);
                Ok(content[..left.min(size) as usize].to_vec())
            }
            // STATFS
            17 => Ok(vec![0; 80]),
            // RELEASE, RELEASEDIR, ACCESS, DESTROY
            18 | 29 | 34 | 38 => Ok(Vec::new()),
            // LISTXATTR: none
            23 => Ok(vec![0; if word(body, 0) == 0 { 8 } else { 0 }]),
            // OPEN, OPENDIR
            14 | 27 => Ok(vec![0; 16]),
            // READDIR
            28 => Ok(self.list(node, long(body, 8), word(body, 16) as usize)),
            _ => Err(ENOSYS),
        }
    }

    fn lookup(self, parent: u64, name: &[u8]) -> Result<Vec<u8>, i32> {
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let text = std::str::from_utf8(name).map_err(|_| ENOENT)?;
        let number: u64 = text.get(1..).and_then(|n| n.parse().ok()).ok_or(ENOENT)?;
        let node = match (parent, text.as_bytes()[0]) {
            (ROOT, b'd') if number < self.dirs => FIRST_DIR + number,
            (FIRST_DIR.., b'f') if number < self.files => {
                FIRST_FILE + (parent - FIRST_DIR) * self.files + number
            }
            _ => return Err(ENOENT),
        };
        let mut out = Vec::with_capacity(128);
        for value in [node, 0, 3600, 3600, 0] {
            out.extend(value.to_ne_bytes());
        }
        self.attributes(node, &mut out);
        Ok(out)
    }

    fn attributes(self, node: u64, out: &mut Vec<u8>) {
        let (size, mode, links) = match node {
            FIRST_FILE.. => (self.bytes, 0o100_644, 1),
            _ => (4096, 0o040_755, 2_u32),
        };
        let time = 1_700_000_000_u64;
        for value in [node, size, size.div_ceil(512), time, time, time] {
            out.extend(value.to_ne_bytes());
        }
        for value in [0, 0, 0, mode, links, 0, 0, 0, 4096, 0_u32] {
            out.extend(value.to_ne_bytes());
        }
    }

    fn list(self, node: u64, offset: u64, room: usize) -> Vec<u8> {
        let (letter, count, kind, first) = match node {
            ROOT => ('d', self.dirs, 4_u32, FIRST_DIR),
            _ => (
                'f',
                self.files,
                8,
                FIRST_FILE + (node - FIRST_DIR) * self.files,
            ),
        };
        let mut out = Vec::new();
        for number in offset..count {
            let name = format!("{letter}{number:05}");
            let padded = name.len().next_multiple_of(8);
            if out.len() + 24 + padded > room {
                break;
            }
            out.extend((first + number).to_ne_bytes());
            out.extend((number + 1).to_ne_bytes());
            out.extend((name.len() as u32).to_ne_bytes());
            out.extend(kind.to_ne_bytes());
            out.extend(name.as_bytes());
            out.resize(out.len() + padded - name.len(), 0);
        }
        out
    }
}

fn init() -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    // Version 7.31, read-ahead, flags ASYNC_READ and PARALLEL_DIROPS.
    for value in [7_u32, 31, 1 << 20, 1 | 1 << 18] {
        out.extend(value.to_ne_bytes());
    }
    // Requests in the background, and when that is congestion.
    for value in [64_u16, 48] {
        out.extend(value.to_ne_bytes());
    }
    out.extend((1_u32 << 17).to_ne_bytes());
    out.extend(1_u32.to_ne_bytes());
    out.resize(64, 0);
    out
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes[at..at + 4].try_into().expect("four bytes");
    u32::from_ne_bytes(word)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let long = bytes[at..at + 8].try_into().expect("eight bytes");
    u64::from_ne_bytes(long)
}
