//! Real hardware: SG_IO on the kernel's sg nodes (scsi-tape facts 1.2 to 1.6).
//!
//! The only file with `unsafe`: SG_IO, and four ioctls that take one integer.
//!
//! Two programs on one drive destroy each other's position, so a drive is opened with
//! `O_EXCL`, which keeps all other users of its sg node out, ours and others; and its
//! `/dev/nst` node is held open, unused, so that `tar` or `mt` find it busy. Changers are
//! shared: each of their commands stands for itself.
//!
//! Data is copied once by the kernel, through its reserved buffer, wherever the caller's
//! buffer lies: without direct I/O, which stock kernels do not permit on sg, aligning or
//! bouncing it would gain nothing.

#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::ptr;
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};

pub use super::sg_failure::in_container;
use super::sg_failure::{cannot_open, cannot_send, in_use, path_failure};
use super::sg_node;
pub use super::sg_node::resolve;
use super::{Completion, Data, Status, Transport, TransportError, TransportErrorKind};

/// Who else may use the device while we have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody: for drives.
    Exclusive,
    /// Everybody: for changers.
    Shared,
}

/// A device behind an sg node.
#[derive(Debug)]
pub struct SgTransport {
    file: File,
    /// Keeps the st driver's users out; never read or written.
    _tape_node: Option<File>,
    name: String,
    max_transfer_bytes: usize,
}

/// `struct sg_io_hdr` of <scsi/sg.h>, interface version 3.
#[repr(C)]
struct SgIoHdr {
    interface_id: i32,
    dxfer_direction: i32,
    cmd_len: u8,
    mx_sb_len: u8,
    iovec_count: u16,
    dxfer_len: u32,
    dxferp: *mut libc::c_void,
    cmdp: *const u8,
    sbp: *mut u8,
    timeout: u32,
    flags: u32,
    pack_id: i32,
    usr_ptr: *mut libc::c_void,
    status: u8,
    masked_status: u8,
    msg_status: u8,
    sb_len_wr: u8,
    host_status: u16,
    driver_status: u16,
    resid: i32,
    duration: u32,
    info: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<SgIoHdr>() == 88);

/// The requests of <scsi/sg.h>.
mod request {
    use libc::c_int;

    nix::ioctl_readwrite_bad!(sg_io, 0x2285, super::SgIoHdr);
    nix::ioctl_read_bad!(sg_get_version_num, 0x2282, c_int);
    nix::ioctl_readwrite_bad!(sg_set_reserved_size, 0x2275, c_int);
    nix::ioctl_read_bad!(sg_get_sg_tablesize, 0x227F, c_int);
    // On sg nodes: the longest transfer of the host adapter's queue, in bytes.
    nix::ioctl_read_bad!(blksectget, 0x1267, c_int);
}

/// A request whose argument is a pointer to one C int.
type IntRequest = unsafe fn(libc::c_int, *mut libc::c_int) -> nix::Result<libc::c_int>;

const OLDEST_VERSION: i32 = 30_000;
const DIRECTION_NONE: i32 = -1;
const DIRECTION_TO_DEVICE: i32 = -2;
const DIRECTION_FROM_DEVICE: i32 = -3;
const SENSE_BYTES: usize = 96;
/// A scatter list entry holds a page at least.
const PAGE_BYTES: usize = 4096;
/// What every adapter carries, if it does not say.
const ORDINARY_TRANSFER_BYTES: usize = 512 << 10;
/// The kernel takes no more parts of one transfer (UIO_MAXIOV).
const MAX_PARTS: u16 = 1024;
/// sg refuses 256 MiB and more.
const MAX_TRANSFER_BYTES: usize = (256 << 20) - PAGE_BYTES;

impl SgTransport {
    /// Opens the device that `path` names: an sg, tape or changer node, or a link to one,
    /// such as those below `/dev/tape/by-id`.
    ///
    /// # Errors
    ///
    /// [`TransportErrorKind::NotFound`], [`TransportErrorKind::Denied`] and
    /// [`TransportErrorKind::Busy`], each with its cure.
    pub fn open(path: &Path, sharing: Sharing) -> Result<SgTransport, TransportError> {
        let sg = sg_node::resolve(path)?;
        let shown = path.display().to_string();
        let name = if sg == path {
            shown
        } else {
            format!("{shown} ({})", sg.display())
        };
        SgTransport::open_named(name, &sg, sharing)
    }

    /// As [`open`](Self::open), for the sg node `sg` itself, which messages call `name`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_named(
        name: String,
        sg: &Path,
        sharing: Sharing,
    ) -> Result<SgTransport, TransportError> {
        let exclusive = if sharing == Sharing::Exclusive {
            libc::O_EXCL
        } else {
            0
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | exclusive)
            .open(sg)
            .map_err(|source| cannot_open(&name, sg, source))?;
        let mut transport = SgTransport {
            file,
            _tape_node: None,
            name,
            max_transfer_bytes: ORDINARY_TRANSFER_BYTES,
        };
        transport.check_driver()?;
        transport.reserve();
        if sharing == Sharing::Exclusive {
            transport._tape_node = hold_tape_node(&transport.name, sg)?;
        }
        Ok(transport)
    }

    /// A device that is not sg's must not be sent its ioctls.
    fn check_driver(&self) -> Result<(), TransportError> {
        let is_device = self
            .file
            .metadata()
            .is_ok_and(|metadata| metadata.file_type().is_char_device());
        match self.int_ioctl(request::sg_get_version_num, 0) {
            Ok(version) if is_device && version >= OLDEST_VERSION => Ok(()),
            _ => Err(self.error(
                TransportErrorKind::NotFound,
                "this is no node of the kernel's sg driver (version 3 or later)".to_owned(),
                None,
            )),
        }
    }

    /// Learns the longest transfer, and reserves a buffer for it so that a transfer under
    /// memory pressure does not fail.
    fn reserve(&mut self) {
        let queue = self.int_ioctl(request::blksectget, 0).ok();
        let entries = self.int_ioctl(request::sg_get_sg_tablesize, 0).ok();
        let positive = |value: i32| usize::try_from(value).ok().filter(|value| *value > 0);
        let by_queue = queue.and_then(positive).unwrap_or(ORDINARY_TRANSFER_BYTES);
        let by_entries = entries
            .and_then(positive)
            .map_or(usize::MAX, |n| n * PAGE_BYTES);
        self.max_transfer_bytes = by_queue.min(by_entries).min(MAX_TRANSFER_BYTES);
        let wanted = i32::try_from(self.max_transfer_bytes).unwrap_or(i32::MAX);
        if let Err(error) = self.int_ioctl(request::sg_set_reserved_size, wanted) {
            tracing::debug!(device = %self.name, %error, "no reserved buffer of {wanted} bytes");
        }
    }

    /// A request whose argument is a pointer to one `int`, in and out.
    fn int_ioctl(&self, request: IntRequest, value: i32) -> io::Result<i32> {
        let mut value = value;
        // SAFETY: an `IntRequest` takes a pointer to a C int that the kernel reads or writes
        // during the call; `value` is one and outlives it.
        unsafe { request(self.file.as_raw_fd(), &raw mut value) }?;
        Ok(value)
    }

    /// SG_IO with all signals held back: a signal would make the kernel forget the running
    /// command and, with a restarting handler, send it a second time.
    fn sg_io(&self, header: &mut SgIoHdr) -> io::Result<()> {
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        // SAFETY: `header` is an sg_io_hdr of interface version 3. Its pointers, and those of
        // the parts that `dxferp` points to where there are any, cover the lengths beside
        // them and live until the call returns (see `execute`); the kernel
        // writes to the data buffer only for FROM_DEVICE, where it is exclusively ours.
        let result = unsafe { request::sg_io(self.file.as_raw_fd(), ptr::from_mut(header)) };
        before.thread_set_mask()?;
        result?;
        Ok(())
    }

    fn error(
        &self,
        kind: TransportErrorKind,
        what: String,
        source: Option<io::Error>,
    ) -> TransportError {
        TransportError {
            device: self.name.clone(),
            kind,
            what,
            source,
        }
    }
}

impl Transport for SgTransport {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let length = data.length_bytes();
        let parts = match data {
            Data::Gather(parts) if length > 0 => parts.len(),
            _ => 0,
        };
        let (dxfer_direction, dxferp): (_, *mut libc::c_void) = match data {
            _ if length == 0 => (DIRECTION_NONE, ptr::null_mut()),
            Data::None => (DIRECTION_NONE, ptr::null_mut()),
            Data::In(buffer) => (DIRECTION_FROM_DEVICE, buffer.as_mut_ptr().cast()),
            Data::Out(bytes) => (DIRECTION_TO_DEVICE, bytes.as_ptr().cast_mut().cast()),
            // An `IoSlice` is laid out as the C library's `iovec`.
            Data::Gather(parts) => (DIRECTION_TO_DEVICE, parts.as_ptr().cast_mut().cast()),
        };
        let (Ok(cmd_len), Ok(dxfer_len), Some(iovec_count)) = (
            u8::try_from(cdb.len()),
            u32::try_from(length),
            u16::try_from(parts)
                .ok()
                .filter(|parts| *parts <= MAX_PARTS),
        ) else {
            let what = format!("{length} bytes do not fit one transfer");
            return Err(self.error(TransportErrorKind::TooLong, what, None));
        };
        let mut sense = [0; SENSE_BYTES];
        let mut header = SgIoHdr {
            interface_id: i32::from(b'S'),
            dxfer_direction,
            cmd_len,
            mx_sb_len: SENSE_BYTES as u8,
            iovec_count,
            dxfer_len,
            dxferp,
            cmdp: cdb.as_ptr(),
            sbp: sense.as_mut_ptr(),
            timeout: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            flags: 0,
            pack_id: 0,
            usr_ptr: ptr::null_mut(),
            status: 0,
            masked_status: 0,
            msg_status: 0,
            sb_len_wr: 0,
            host_status: 0,
            driver_status: 0,
            resid: 0,
            duration: 0,
            info: 0,
        };
        self.sg_io(&mut header)
            .map_err(|source| cannot_send(&self.name, dxfer_len, source))?;
        // A device's answer counts even where the kernel adds a host status of its own to
        // it, as it does for some sense keys.
        if header.status == Status::GOOD.0
            && let Some((kind, what)) = path_failure(header.host_status, header.driver_status)
        {
            return Err(self.error(kind, what, None));
        }
        let residual = usize::try_from(header.resid).unwrap_or(0).min(length);
        Ok(Completion {
            status: Status(header.status),
            sense: sense[..usize::from(header.sb_len_wr).min(SENSE_BYTES)].to_vec(),
            transferred_bytes: length - residual,
        })
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn max_transfer_bytes(&self) -> usize {
        self.max_transfer_bytes
    }
}

fn hold_tape_node(device: &str, sg: &Path) -> Result<Option<File>, TransportError> {
    let Some(node) = sg_node::tape_node_of(sg) else {
        return Ok(None);
    };
    let open = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&node);
    match open {
        Ok(file) => Ok(Some(file)),
        Err(source) if source.raw_os_error() == Some(libc::EBUSY) => Err(TransportError {
            device: device.to_owned(),
            kind: TransportErrorKind::Busy,
            what: format!("{} is in use: {}", node.display(), in_use(sg)),
            source: Some(source),
        }),
        Err(error) => {
            tracing::debug!(%device, %error, "not holding {}", node.display());
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_of_another_driver_is_refused() {
        let error = SgTransport::open(Path::new("/dev/null"), Sharing::Shared).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::NotFound);
    }
}
