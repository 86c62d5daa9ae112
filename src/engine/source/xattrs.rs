//! Extended attributes of an object: ACLs and capabilities are among them.

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fd::BorrowedFd;
use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;

use super::Remark;

/// The kernel's limit for the list of names and for each value (XATTR_LIST_MAX,
/// XATTR_SIZE_MAX).
const LIMIT_BYTES: usize = 64 << 10;

/// What is offered first: for each call the kernel allocates, and clears, as much as it is
/// offered. Nearly all lists and values are shorter.
const FIRST_BYTES: usize = 512;

/// Names and values, ascending by name.
pub(super) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads extended attributes through buffers that it keeps.
#[derive(Debug)]
pub(super) struct XattrReader {
    list: Vec<u8>,
    value: Vec<u8>,
    /// Whether links and special files can be reached: they cannot be opened, and the
    /// calls by path go through `/proc/self/fd`, which knows no limit of path length.
    proc_mounted: bool,
}

/// How the object is reached.
#[derive(Clone, Copy)]
pub(super) enum Reach<'a> {
    /// Files and directories: an open descriptor.
    Open(BorrowedFd<'a>),
    /// All else: a name in an open directory.
    Named(BorrowedFd<'a>, &'a CStr),
}

impl XattrReader {
    pub(super) fn new() -> Self {
        Self {
            list: vec![0; LIMIT_BYTES],
            value: vec![0; LIMIT_BYTES],
            proc_mounted: Path::new("/proc/self/fd").exists(),
        }
    }

    /// Reads all attributes. What cannot be read is a remark on `path`.
    pub(super) fn read(
        &mut self,
        object: Reach<'_>,
        path: &[u8],
        remarks: &mut Vec<Remark>,
    ) -> Xattrs {
        let object = match object {
            Reach::Open(file) => Reached::Open(file),
            Reach::Named(..) if !self.proc_mounted => return Vec::new(),
            Reach::Named(directory, name) => Reached::Path(proc_path(directory, name)),
        };
        let listed = fill(&mut self.list, |list| object.list(list));
        let listed_bytes = match listed {
            Ok(0) | Err(Errno::NOTSUP | Errno::NOSYS) => return Vec::new(),
            Ok(bytes) => bytes,
            Err(errno) => {
                let what = format!("its extended attributes cannot be listed: {errno}");
                remarks.push(Remark::problem(path, what));
                return Vec::new();
            }
        };
        let mut xattrs = Vec::new();
        for name in self.list[..listed_bytes].split_inclusive(|&byte| byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else {
                continue;
            };
            let got = fill(&mut self.value, |value| object.get(name, value));
            match got {
                Ok(bytes) => {
                    xattrs.push((name.to_bytes().to_vec(), self.value[..bytes].to_vec()));
                }
                // Removed since it was listed.
                Err(Errno::NODATA) => {}
                Err(errno) => {
                    let name = name.to_string_lossy();
                    let what = format!("its extended attribute {name} cannot be read: {errno}");
                    remarks.push(Remark::problem(path, what));
                }
            }
        }
        xattrs.sort_unstable();
        xattrs
    }
}

/// An object to ask for its attributes.
enum Reached<'a> {
    Open(BorrowedFd<'a>),
    Path(Vec<u8>),
}

impl Reached<'_> {
    fn list(&self, list: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(file) => flistxattr(file, list),
            Self::Path(path) => llistxattr(path.as_slice(), list),
        }
    }

    fn get(&self, name: &CStr, value: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(file) => fgetxattr(file, name, value),
            Self::Path(path) => lgetxattr(path.as_slice(), name, value),
        }
    }
}

/// Has `ask` fill the front of `buffer`, offering it all of it only where that is needed.
fn fill(
    buffer: &mut [u8],
    ask: impl Fn(&mut [u8]) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    match ask(&mut buffer[..FIRST_BYTES]) {
        Err(Errno::RANGE) => ask(buffer),
        asked => asked,
    }
}

fn proc_path(directory: BorrowedFd<'_>, name: &CStr) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{XattrFlags, fsetxattr};
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn lists_and_values_longer_than_what_is_offered_first_come_whole() {
        let place = tempfile::tempdir().unwrap();
        let file = File::create(place.path().join("file")).unwrap();
        let mut expected: Xattrs = (0..12)
            .map(|number| {
                let name = format!("user.{number:02}-{}", "n".repeat(80));
                (name.into_bytes(), vec![number; 3])
            })
            .collect();
        expected.push((b"user.long".to_vec(), vec![7; 2 * FIRST_BYTES]));
        expected.push((b"user.none".to_vec(), Vec::new()));
        for (name, value) in &expected {
            match fsetxattr(&file, name.as_slice(), value, XattrFlags::CREATE) {
                // Not every file system has them.
                Err(Errno::NOTSUP) => return,
                set => set.unwrap(),
            }
        }
        let mut remarks = Vec::new();
        let read = XattrReader::new().read(Reach::Open(file.as_fd()), b"file", &mut remarks);
        assert_eq!((read, remarks), (expected, Vec::new()));
    }
}
