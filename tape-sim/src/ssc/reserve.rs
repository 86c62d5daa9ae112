//! Reserving the drive: the rules are in [`crate::reservation`], here they meet its state.

use super::DriveTarget;
use crate::reservation::persistent::{self, Service};
use crate::target::{Data, Reply, receive};

impl DriveTarget {
    /// RESERVE, RELEASE and PERSISTENT RESERVE OUT, which have been admitted.
    pub(super) fn reserve(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let reservations = &mut self.state.reservations;
        let mut moved = 0;
        match cdb[0] {
            0x16 | 0x56 => reservations.reserve_unit(self.nexus),
            0x17 | 0x57 => reservations.release_unit(self.nexus),
            _ => {
                let list = receive(data, persistent::list_bytes(cdb))?;
                let out = persistent::parse_out(cdb, list)?;
                let mut losers = reservations.holders();
                let told = reservations.serve(self.nexus, &out)?;
                let holders = reservations.holders();
                losers.retain(|nexus| !holders.contains(nexus));
                for (nexus, code) in told {
                    self.state.attentions(nexus).queue(code);
                }
                let preempted = matches!(out.service, Service::Preempt(_));
                self.lose_keys(&losers, preempted);
                moved = list.len();
            }
        }
        // At once, since it may have to outlast a power cut.
        self.save_state()
            .map_err(|error| self.host_failure(error))?;
        Ok(moved)
    }
}
