//! LOG SENSE of the changer, and which refusals raise which TapeAlert flag.

use super::ChangerTarget;
use crate::inventory::Inventory;
use crate::pages::log_changer::{self, TAPE_ALERT, alert};
use crate::sense::{self, Code};
use crate::target::{Data, Refusal, Reply, be16, send};

/// The flag that goes with a condition: an operator is needed.
const RAISED_BY: [(Code, u8); 4] = [
    (sense::MANUAL_INTERVENTION, alert::DOOR),
    (sense::TRAY_OPEN, alert::MAIL_SLOT),
    (sense::MAGAZINE_NOT_ACCESSIBLE, alert::MAGAZINE),
    (sense::MECHANICAL_POSITIONING, alert::HARDWARE_A),
];

impl ChangerTarget {
    /// LOG SENSE (SPC-4 §6.8). Reading the TapeAlert page clears its flags.
    pub(super) fn log_sense(&mut self, cdb: &[u8], data: Data<'_>, state: &Inventory) -> Reply {
        let reply = log_changer::reply(state.alerts, cdb)?;
        if reply[0] == TAPE_ALERT && state.alerts != 0 {
            self.update(|state| {
                state.alerts = 0;
                Ok(())
            })?;
        }
        send(data, &reply, be16(cdb, 7).into())
    }

    /// Raises the flag that goes with a refusal. A host error on the way is kept for
    /// [`ChangerTarget::host_error`] and changes nothing of the reply.
    pub(super) fn alert_to(&mut self, refusal: &Refusal) {
        let Refusal::Check { sense, .. } = refusal else {
            return;
        };
        let raised = RAISED_BY.iter().find(|(code, _)| *code == sense.code);
        if let Some((_, flag)) = raised {
            // `update` keeps what went wrong; the command's own reply stands.
            let _ = self.update(|state| {
                state.raise(*flag);
                Ok(())
            });
        }
    }
}
