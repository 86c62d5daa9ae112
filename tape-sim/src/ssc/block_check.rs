//! Logical block protection on the way between host and drive (SSC-4 §4.2.20): checks are taken
//! off blocks that come, and put behind blocks that go. None reaches the medium.

use super::DriveTarget;
use super::address::length_field;
use super::transfer::Transfer;
use crate::pages::block_protection::CHECK_BYTES;
use crate::sense::{self, Sense, key};
use crate::target::Refusal;

impl DriveTarget {
    /// Refuses blocks that would be nothing but their check.
    pub(super) fn check_room_for_check(
        &self,
        cdb: &[u8],
        transfer: &Transfer,
    ) -> Result<(), Sense> {
        let protected = self.state.modes.protection.writing().is_some();
        if protected && transfer.block_bytes <= CHECK_BYTES {
            return Err(Sense::invalid_cdb_field(length_field(cdb).0, None));
        }
        Ok(())
    }

    /// What the host sent for block `done` of `transfer`, without its check.
    ///
    /// # Errors
    ///
    /// 04/10/01 for a check that is not the block's.
    pub(super) fn checked<'a>(
        &self,
        transfer: &Transfer,
        sent: &'a [u8],
        done: u32,
    ) -> Result<&'a [u8], Refusal> {
        let Some(method) = self.state.modes.protection.writing() else {
            return Ok(sent);
        };
        match sent.split_last_chunk() {
            Some((block, check)) if method.check(block) == *check => Ok(block),
            _ => {
                let sense = Sense::new(key::HARDWARE_ERROR, sense::BLOCK_GUARD_CHECK_FAILED);
                let sense = sense.with_information(transfer.residual(done));
                Err(transfer.check(sense, done))
            }
        }
    }

    /// Puts its check behind the block of `length` bytes that begins `out`, as much as fits, and
    /// returns the length of both.
    pub(super) fn append_check(&self, out: &mut [u8], length: usize) -> usize {
        let Some(method) = self.state.modes.protection.reading() else {
            return length;
        };
        if let Some((block, rest)) = out.split_at_mut_checked(length) {
            for (to, from) in rest.iter_mut().zip(method.check(block)) {
                *to = from;
            }
        }
        length + CHECK_BYTES
    }
}
