//! The memory of a `/dev/uioN`, mapped: the one file of this crate with `unsafe`.
//!
//! A mapping lives as long as its value, every access is checked against its size, and nobody
//! outside gets a reference into it, since the kernel writes there at the same time. Knows
//! nothing of what the memory holds.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::ring::SharedMemory;

/// Map 0 of a UIO device.
#[derive(Debug)]
pub struct UioMap {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and this value is its only owner.
unsafe impl Send for UioMap {}

impl UioMap {
    /// Maps the first `bytes` of `device`.
    ///
    /// # Errors
    ///
    /// What the kernel says; TCMU demands that `bytes` is the whole map.
    pub fn new(device: &File, bytes: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address (the hint is null), so no mapping of the program
        // is replaced; the memory is reached through this value's pointer only.
        let base = unsafe { mmap(ptr::null_mut(), bytes, access, MapFlags::SHARED, device, 0)? };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(UioMap { base, bytes })
    }

    /// The address of `len` bytes at `offset`, if they are inside.
    fn address(&self, offset: usize, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(len)?;
        // SAFETY: `offset <= end <= bytes`, so the result is in the mapping or one past its end.
        (end <= self.bytes).then(|| unsafe { self.base.as_ptr().add(offset) })
    }

    fn number(&self, offset: usize) -> Option<&AtomicU32> {
        let at = self.address(offset, size_of::<u32>())?;
        // SAFETY: the four bytes are mapped as long as `self` is borrowed, aligned because the
        // mapping begins at a page and the offset is a multiple of four, and both the kernel and
        // this program access such numbers whole.
        (offset.is_multiple_of(align_of::<AtomicU32>()))
            .then(|| unsafe { AtomicU32::from_ptr(at.cast()) })
    }
}

impl SharedMemory for UioMap {
    fn size(&self) -> usize {
        self.bytes
    }

    fn copy_out(&self, offset: usize, into: &mut [u8]) -> bool {
        let Some(from) = self.address(offset, into.len()) else {
            return false;
        };
        // SAFETY: source and destination are valid for the length and cannot overlap, as nobody
        // has a reference into the mapping. The kernel does not write to what it has published
        // until we answer it.
        unsafe { ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        true
    }

    fn copy_in(&mut self, offset: usize, from: &[u8]) -> bool {
        let Some(into) = self.address(offset, from.len()) else {
            return false;
        };
        // SAFETY: as in `copy_out`. The kernel does not read an answer before the tail has passed.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), into, from.len()) };
        true
    }

    fn load(&self, offset: usize) -> Option<u32> {
        Some(self.number(offset)?.load(Ordering::Acquire))
    }

    fn store(&mut self, offset: usize, value: u32) -> bool {
        self.number(offset)
            .map(|number| number.store(value, Ordering::Release))
            .is_some()
    }
}

impl Drop for UioMap {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this size, and no reference into it is left.
        // A failure leaves it mapped, which harms nobody.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
