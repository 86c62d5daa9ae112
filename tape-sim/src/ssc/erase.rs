//! ERASE: what lies behind the position is gone.

use super::DriveTarget;
use super::protect::Change;
use crate::sense::{self, Sense, key};
use crate::target::Reply;

impl DriveTarget {
    /// ERASE(6) and (16) (SSC-4 §5.2, §5.3): EOD is at the position, which stays. LONG differs in
    /// time only, since nothing reads behind EOD.
    pub(super) fn erase(&mut self, cdb: &[u8]) -> Reply {
        let place = self.explicit_place(cdb)?;
        if self.go_to(place)?.is_some() {
            return Err(Sense::new(key::BLANK_CHECK, sense::END_OF_DATA).into());
        }
        self.require_writable(Change::Destroy)?;
        self.flush()?;
        let cut = self.tape()?.cut_here();
        cut.map_err(|error| self.write_failure(error))?;
        Ok(0)
    }
}
