//! What drive and changer answer alike: unit attentions, REQUEST SENSE, REPORT LUNS.
//!
//! A handle's host is [`Nexus::HOST`](crate::target::Nexus::HOST); other initiators can be played
//! beside it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::sense::{Code, Sense};
use crate::target::{Data, Reply, be32, send};

/// Operation codes that are answered while a unit attention is pending (SPC-4 §5.14).
const INQUIRY: u8 = 0x12;
const REPORT_LUNS: u8 = 0xA0;
const REQUEST_SENSE: u8 = 0x03;

/// ASC of power on and the resets: they supersede every other attention.
const ASC_RESET: u8 = 0x29;

/// True for commands that neither report nor clear a pending unit attention.
pub fn passes_attention(opcode: u8) -> bool {
    matches!(opcode, INQUIRY | REPORT_LUNS | REQUEST_SENSE)
}

/// Unit attentions waiting for the host: each is reported once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attentions(VecDeque<Code>);

impl Attentions {
    /// Queues `code`. A reset drops what was queued before it; no code waits twice.
    pub fn queue(&mut self, code: Code) {
        if code.asc == ASC_RESET {
            self.0.clear();
        }
        if !self.0.contains(&code) {
            self.0.push_back(code);
        }
    }

    /// True if none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next attention, removed from the queue.
    pub fn take(&mut self) -> Option<Sense> {
        self.0.pop_front().map(Sense::attention)
    }
}

/// REQUEST SENSE (SPC-4 §6.39): `sense` is the pending condition, or [`Sense::none`].
///
/// # Errors
///
/// 0B/4B/00 without a data phase.
pub fn request_sense(cdb: &[u8], data: Data<'_>, sense: &Sense) -> Reply {
    let descriptor = cdb[1] & 0x01 != 0;
    send(data, &sense.to_bytes(descriptor), usize::from(cdb[4]))
}

/// REPORT LUNS (SPC-4 §6.33): LUN 0 is all there is.
///
/// # Errors
///
/// 05/24/00 for an unknown SELECT REPORT or an allocation length below 16.
pub fn report_luns(cdb: &[u8], data: Data<'_>) -> Reply {
    const LUN_BYTES: u8 = 8;
    let luns: u8 = match cdb[2] {
        0x00 | 0x02 => 1,
        // Well-known logical units only: none.
        0x01 => 0,
        _ => return Err(Sense::invalid_cdb_field(2, None).into()),
    };
    let allocation = be32(cdb, 6);
    if allocation < 16 {
        return Err(Sense::invalid_cdb_field(6, None).into());
    }
    let mut reply = vec![0; usize::from(LUN_BYTES * (1 + luns))];
    reply[3] = LUN_BYTES * luns;
    send(data, &reply, allocation as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense;

    #[test]
    fn a_reset_supersedes_and_nothing_waits_twice() {
        let mut attentions = Attentions::default();
        attentions.queue(sense::MEDIUM_MAY_HAVE_CHANGED);
        attentions.queue(sense::POWER_ON);
        attentions.queue(sense::MEDIUM_MAY_HAVE_CHANGED);
        attentions.queue(sense::MEDIUM_MAY_HAVE_CHANGED);
        let order: Vec<_> = std::iter::from_fn(|| attentions.take()).collect();
        let expected = [sense::POWER_ON, sense::MEDIUM_MAY_HAVE_CHANGED].map(Sense::attention);
        assert_eq!(order, expected);
    }
}
