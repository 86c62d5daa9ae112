//! REPORT SUPPORTED OPERATION CODES: what a device knows and how long it may take
//! (SPC-4 6.35; scsi-tape facts 3.14).

use super::BadReply;
use super::bytes::{u16_at, u32_at};

/// A command that a device supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedCommand {
    /// Operation code.
    pub opcode: u8,
    /// Service action, where the command has them.
    pub service_action: Option<u16>,
    /// Recommended timeout in seconds; `None` if the device gives none.
    pub recommended_seconds: Option<u32>,
}

const REPLY: &str = "REPORT SUPPORTED OPERATION CODES data";
const DESCRIPTOR_BYTES: usize = 8;
const TIMEOUTS_BYTES: usize = 12;

/// Decodes the list of all commands, up to the first that is cut off.
///
/// # Errors
///
/// [`BadReply`] if the header is cut off.
pub fn parse_supported(data: &[u8]) -> Result<Vec<SupportedCommand>, BadReply> {
    let length = u32_at(data, 0).ok_or_else(|| BadReply::short(REPLY))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut rest = &data[4..data.len().min(length.saturating_add(4))];
    let mut commands = Vec::new();
    while let Some(descriptor) = rest.first_chunk::<DESCRIPTOR_BYTES>() {
        let flags = descriptor[5];
        let timeouts = &rest[DESCRIPTOR_BYTES..];
        let has_timeouts = flags & 0x02 != 0 && timeouts.len() >= TIMEOUTS_BYTES;
        let recommended = u32_at(timeouts, 8).filter(|seconds| *seconds > 0);
        commands.push(SupportedCommand {
            opcode: descriptor[0],
            service_action: u16_at(descriptor, 2).filter(|_| flags & 0x01 != 0),
            recommended_seconds: recommended.filter(|_| has_timeouts),
        });
        let size = DESCRIPTOR_BYTES + if flags & 0x02 != 0 { TIMEOUTS_BYTES } else { 0 };
        rest = rest.get(size..).unwrap_or(&[]);
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn descriptors_with_and_without_timeouts_mix() {
        let mut data = vec![0, 0, 0, 36, 0x01, 0, 0, 0, 0, 0x02, 0, 6];
        data.extend([0, 0x0A, 0, 0, 0, 0, 0, 10, 0, 0, 2, 0x58]);
        data.extend([0x12, 0, 0, 0, 0, 0, 0, 6, 0xA3, 0, 0, 0x0C, 0, 1, 0, 12]);
        let commands = parse_supported(&data).unwrap();
        let found: Vec<_> = commands
            .iter()
            .map(|c| (c.opcode, c.service_action, c.recommended_seconds))
            .collect();
        assert_eq!(
            found,
            [
                (0x01, None, Some(600)),
                (0x12, None, None),
                (0xA3, Some(0x0C), None)
            ]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_supported(&data);
        }
    }
}
