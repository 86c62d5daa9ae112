//! Power on and reset of the changer.

use super::ChangerTarget;
use crate::error::SimError;
use crate::inventory;
use crate::sense::{self, Code};
use crate::target::{Nexus, Refusal};

impl ChangerTarget {
    /// What a reset from the initiator does (a LUN or target reset): all that hosts have set is
    /// gone, and each is told 29/00. The cartridges stay where they are.
    ///
    /// # Errors
    ///
    /// `Io`, `Format` for the inventory.
    pub fn bus_reset(&mut self) -> Result<(), SimError> {
        self.restart(sense::RESET_OCCURRED)
    }

    /// Reservations, prevention and found volume tags are gone; everybody is told `attention`,
    /// and of nothing that was before.
    pub(super) fn restart(&mut self, attention: Code) -> Result<(), SimError> {
        self.prevented.clear();
        self.found = None;
        let known: Vec<Nexus> = self.seen.keys().copied().collect();
        let is_power_on = attention == sense::POWER_ON;
        let seen = inventory::update(
            &self.config.library_dir,
            |error| error,
            |state| {
                state.reservations.reset();
                state.attentions.clear();
                if is_power_on {
                    // Who has not seen this number is told.
                    state.events.power_ons += 1;
                    return Ok(None);
                }
                state.reported = state.events;
                for nexus in known {
                    state.attentions.entry(nexus).or_default().queue(attention);
                }
                Ok(Some(state.events))
            },
        )?;
        if let Some(events) = seen {
            self.seen.values_mut().for_each(|seen| *seen = events);
        }
        Ok(())
    }

    /// Resets, and ends the present command with the unit attention of that.
    pub(super) fn reset_under_command(&mut self) -> Refusal {
        if let Err(error) = self.bus_reset() {
            return self.host_failure(error);
        }
        let told = self
            .read_inventory()
            .and_then(|state| self.take_reserved_attention(&state));
        match told {
            Ok(told) => told.unwrap_or(sense::Sense::none()).into(),
            Err(refusal) => refusal,
        }
    }
}
