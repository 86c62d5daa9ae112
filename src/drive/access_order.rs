//! The drive's own order of reads.

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::access_order::{
    LIMITS_BYTES, Segment, encode, list_bytes, parse_limits, parse_order,
};
use crate::scsi::cdb;
use crate::scsi::command_set::{Ability, Feature};
use crate::transport::Data;
use crate::units::BlockAddress;

impl Drive {
    /// In which order the drive would read these stretches, first and last block each, from where
    /// the tape stands: their places in the list. `None` from a drive that does not say, or takes
    /// fewer at once. A drive that does not list the command is not asked.
    pub(super) fn ask_access_order(
        &mut self,
        stretches: &[(BlockAddress, BlockAddress)],
    ) -> Result<Option<Vec<usize>>, DriveError> {
        if self.capabilities.can(Feature::AccessOrder) != Ability::Yes {
            return Ok(None);
        }
        let place = self.place;
        match self.access_order(stretches) {
            // What makes no sense is as good as nothing.
            Err(error) if error.kind == DriveErrorKind::Malformed => {
                tracing::warn!(drive = %self.name, %error, "its order of reads is not used");
                self.place = place;
                Ok(None)
            }
            told => told,
        }
    }

    fn access_order(
        &mut self,
        stretches: &[(BlockAddress, BlockAddress)],
    ) -> Result<Option<Vec<usize>>, DriveError> {
        let action = format_args!("asking for the best order of {} reads", stretches.len());
        let mut limits = [0; LIMITS_BYTES];
        let ask = cdb::receive_access_order(true, LIMITS_BYTES as u32);
        let Some(got) = self.command_if_known(action, &ask, Data::In(&mut limits))? else {
            return Ok(None);
        };
        if stretches.len() > self.decoded(action, parse_limits(&limits[..got]))? {
            return Ok(None);
        }
        let segment = |(first, last): &(BlockAddress, BlockAddress)| Segment {
            first: first.0,
            last: last.0,
        };
        let list = encode(&stretches.iter().map(segment).collect::<Vec<_>>());
        let generate = cdb::generate_access_order(list.len() as u32);
        if self
            .command_if_known(action, &generate, Data::Out(&list))?
            .is_none()
        {
            return Ok(None);
        }
        let mut reply = vec![0; list_bytes(stretches.len())];
        let receive = cdb::receive_access_order(false, reply.len() as u32);
        let Some(got) = self.command_if_known(action, &receive, Data::In(&mut reply))? else {
            return Ok(None);
        };
        let order = self.decoded(action, parse_order(&reply[..got], stretches.len()))?;
        Ok(Some(order))
    }
}
