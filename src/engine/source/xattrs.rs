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
        let named = match object {
            Reach::Open(_) => None,
            Reach::Named(..) if !self.proc_mounted => return Vec::new(),
            Reach::Named(directory, name) => Some(proc_path(directory, name)),
        };
        let listed = match (&object, &named) {
            (Reach::Open(fd), _) => flistxattr(fd, &mut self.list[..]),
            (_, Some(named)) => llistxattr(named.as_slice(), &mut self.list[..]),
            (Reach::Named(..), None) => Ok(0),
        };
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
            let got = match (&object, &named) {
                (Reach::Open(fd), _) => fgetxattr(fd, name, &mut self.value[..]),
                (_, Some(named)) => lgetxattr(named.as_slice(), name, &mut self.value[..]),
                (Reach::Named(..), None) => Err(Errno::NODATA),
            };
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

fn proc_path(directory: BorrowedFd<'_>, name: &CStr) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    path
}
