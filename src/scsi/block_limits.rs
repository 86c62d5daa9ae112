//! READ BLOCK LIMITS replies (SSC-4 7.5; scsi-tape facts 3.3).

use super::BadReply;
use super::bytes::{u16_at, u24_at};

/// Length of the reply.
pub const BYTES: usize = 6;

/// Which block lengths a drive takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// Longest block, in bytes; 0 is no limit.
    pub max_bytes: u32,
    /// Shortest block, in bytes.
    pub min_bytes: u16,
}

/// Decodes the reply.
///
/// # Errors
///
/// [`BadReply`] if it is shorter than 6 bytes.
pub fn parse(data: &[u8]) -> Result<BlockLimits, BadReply> {
    match (u24_at(data, 1), u16_at(data, 4)) {
        (Some(max_bytes), Some(min_bytes)) => Ok(BlockLimits {
            max_bytes,
            min_bytes,
        }),
        _ => Err(BadReply::short("READ BLOCK LIMITS data")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lto_9_drive_takes_blocks_of_8_mib() {
        let limits = parse(&[0, 0x80, 0, 0, 0, 1]);
        assert_eq!(
            limits,
            Ok(BlockLimits {
                max_bytes: 8 << 20,
                min_bytes: 1
            })
        );
        assert!(parse(&[0, 0x80, 0, 0, 0]).is_err());
    }
}
