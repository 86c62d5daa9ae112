//! What the drive knows of where data lie on the loaded tape.

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::cdb;
use crate::scsi::command_set::{Ability, Feature};
use crate::scsi::wraps::{self, WrapEnd, parse_wrap_ends};
use crate::transport::Data;
use crate::units::BlockAddress;

impl Drive {
    /// For each wrap that is written to its end, from the first on, the last block in it, as it was
    /// when the tape was loaded. `None` from a drive that does not tell it, and of a tape that is
    /// divided into partitions.
    ///
    /// The command is a vendor's own: a drive that does not list it is not asked.
    pub(super) fn ask_wrap_ends(&mut self) -> Result<Option<Vec<BlockAddress>>, DriveError> {
        if self.capabilities.can(Feature::WrapEnds) != Ability::Yes {
            return Ok(None);
        }
        let action = format_args!("asking where the wraps of the tape end");
        let mut data = vec![0; wraps::BYTES];
        let place = self.place;
        let ask = cdb::read_end_of_wraps(wraps::BYTES as u32);
        let told = match self.command_if_known(action, &ask, Data::In(&mut data)) {
            Ok(None) => return Ok(None),
            Ok(Some(got)) => self.decoded(action, parse_wrap_ends(&data[..got])),
            Err(error) => Err(error),
        };
        match told {
            Ok(ends) => Ok(written_to_their_end(&ends)),
            // What makes no sense is as good as nothing.
            Err(error) if error.kind == DriveErrorKind::Malformed => {
                tracing::warn!(drive = %self.name, %error, "the wraps are taken to be alike");
                self.place = place;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Of all wraps with data the last holds the end of it.
fn written_to_their_end(ends: &[WrapEnd]) -> Option<Vec<BlockAddress>> {
    let (_, whole) = ends.split_last()?;
    let in_turn = ends
        .iter()
        .enumerate()
        .all(|(number, end)| usize::from(end.wrap) == number && end.partition == 0);
    in_turn.then(|| {
        let blocks = whole.iter().map(|end| BlockAddress(end.last_object));
        blocks.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wraps_of_one_partition_without_a_gap_are_taken() {
        let end = |wrap, partition, last_object| WrapEnd {
            wrap,
            partition,
            last_object,
        };
        for (ends, blocks) in [
            (vec![], None),
            (vec![end(0, 0, 9)], Some(vec![])),
            (vec![end(0, 0, 9), end(1, 0, 20)], Some(vec![9])),
            (
                vec![end(0, 0, 9), end(1, 0, 20), end(2, 0, 21)],
                Some(vec![9, 20]),
            ),
            (vec![end(1, 0, 9), end(2, 0, 20)], None),
            (vec![end(0, 0, 9), end(2, 0, 20)], None),
            (vec![end(0, 0, 9), end(1, 1, 20)], None),
        ] {
            let found = written_to_their_end(&ends);
            let found = found.map(|blocks| blocks.iter().map(|block| block.0).collect());
            assert_eq!(found, blocks, "{ends:?}");
        }
    }
}
