//! Which commands a device knows: by its own list, by what it has done, by what it refused.
//!
//! Invariant: a refusal of an operation code outweighs success, and success outweighs the
//! list. Does no asking: whoever sends the commands tells how they ended.

use super::opcode as op;
use super::opcodes::SupportedCommand;
use super::sense::{Sense, SenseKey};

/// Whether a device can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ability {
    /// Nobody has said, and nobody has tried.
    #[default]
    Unknown,
    /// It cannot.
    No,
    /// It can.
    Yes,
}

/// A command, or a form of one, that not every tape drive has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// LOCATE(16): any block.
    Locate16,
    /// LOCATE(10): blocks below 2³².
    Locate10,
    /// SPACE(16): more than 2²³ objects at once.
    Space16,
    /// READ POSITION, long form: with the number of filemarks.
    PositionLong,
    /// READ POSITION, extended form: with what is still in the buffer.
    PositionExtended,
    /// READ(16).
    Read16,
    /// WRITE(16).
    Write16,
    /// VERIFY(6).
    Verify,
    /// ERASE(6).
    Erase,
    /// FORMAT MEDIUM: partitions.
    Format,
    /// LOG SENSE: counters, remaining capacity, TapeAlert.
    Log,
    /// READ ATTRIBUTE: the chip in the cartridge.
    ReadChip,
    /// WRITE ATTRIBUTE: the chip in the cartridge.
    WriteChip,
    /// REPORT DENSITY SUPPORT: the formats it reads and writes.
    Densities,
    /// SECURITY PROTOCOL OUT: encryption in the drive.
    Security,
    /// RECEIVE RECOMMENDED ACCESS ORDER.
    AccessOrder,
    /// READ END OF WRAP POSITION: where wraps of the tape end.
    WrapEnds,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 17] = [
        Feature::Locate16,
        Feature::Locate10,
        Feature::Space16,
        Feature::PositionLong,
        Feature::PositionExtended,
        Feature::Read16,
        Feature::Write16,
        Feature::Verify,
        Feature::Erase,
        Feature::Format,
        Feature::Log,
        Feature::ReadChip,
        Feature::WriteChip,
        Feature::Densities,
        Feature::Security,
        Feature::AccessOrder,
        Feature::WrapEnds,
    ];

    /// Operation code, and service action where the command has them.
    fn code(self) -> (u8, Option<u16>) {
        match self {
            Feature::Locate16 => (op::LOCATE_16, None),
            Feature::Locate10 => (op::LOCATE_10, None),
            Feature::Space16 => (op::SPACE_16, None),
            Feature::PositionLong => (op::READ_POSITION, Some(0x06)),
            Feature::PositionExtended => (op::READ_POSITION, Some(0x08)),
            Feature::Read16 => (0x88, None),
            Feature::Write16 => (0x8A, None),
            Feature::Verify => (0x13, None),
            Feature::Erase => (op::ERASE_6, None),
            Feature::Format => (0x04, None),
            Feature::Log => (op::LOG_SENSE, None),
            Feature::ReadChip => (op::READ_ATTRIBUTE, None),
            Feature::WriteChip => (op::WRITE_ATTRIBUTE, None),
            Feature::Densities => (op::REPORT_DENSITY_SUPPORT, None),
            Feature::Security => (0xB5, None),
            Feature::AccessOrder => (op::MAINTENANCE_IN, Some(0x1D)),
            Feature::WrapEnds => (op::MAINTENANCE_IN, Some(0x1F)),
        }
    }
}

/// Commands without which a device is no tape drive: a list that lacks one is not believed.
const EVERY_TAPE_DRIVE: [u8; 4] = [op::INQUIRY, op::TEST_UNIT_READY, op::READ_6, op::WRITE_6];

/// What is known of a device's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSet {
    listed: Option<Vec<(u8, Option<u16>)>>,
    seen: [Ability; 256],
}

impl Default for CommandSet {
    fn default() -> Self {
        CommandSet {
            listed: None,
            seen: [Ability::Unknown; 256],
        }
    }
}

impl CommandSet {
    /// Takes over the list that the device gives of itself (REPORT SUPPORTED OPERATION
    /// CODES), unless that cannot be true.
    pub fn adopt(&mut self, commands: &[SupportedCommand]) {
        let has = |opcode: &u8| commands.iter().any(|command| command.opcode == *opcode);
        if EVERY_TAPE_DRIVE.iter().all(has) {
            let codes = commands.iter().map(|c| (c.opcode, c.service_action));
            self.listed = Some(codes.collect());
        }
    }

    /// Whether the device lists its commands, credibly.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.listed.is_some()
    }

    /// Takes over how a command ended: `sense` is `None` after success.
    pub fn learn(&mut self, cdb: &[u8], sense: Option<&Sense>) {
        let Some(&opcode) = cdb.first() else { return };
        let seen = &mut self.seen[usize::from(opcode)];
        match sense {
            Some(sense) if is_unknown_command(sense) => *seen = Ability::No,
            Some(sense) if !sense.is_success() => {}
            _ if *seen == Ability::Unknown => *seen = Ability::Yes,
            _ => {}
        }
    }

    /// Whether the device can do this.
    #[must_use]
    pub fn knows(&self, feature: Feature) -> Ability {
        let (opcode, action) = feature.code();
        match (self.seen[usize::from(opcode)], &self.listed) {
            (Ability::No, _) => Ability::No,
            // That one form works says nothing of the others.
            (Ability::Yes, _) if action.is_none() => Ability::Yes,
            (_, None) => Ability::Unknown,
            (_, Some(listed)) => {
                let is_it = |(code, listed): &(u8, Option<u16>)| {
                    *code == opcode && (action.is_none() || listed.is_none() || *listed == action)
                };
                match listed.iter().any(is_it) {
                    true => Ability::Yes,
                    false => Ability::No,
                }
            }
        }
    }
}

/// Invalid operation code; any other refusal may be about a field of the command.
fn is_unknown_command(sense: &Sense) -> bool {
    let code = (sense.key, sense.asc, sense.ascq);
    code == (SenseKey::IllegalRequest, 0x20, 0x00) && !sense.deferred
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::cdb;

    fn listed(codes: &[(u8, Option<u16>)]) -> CommandSet {
        let mut commands = CommandSet::default();
        let basic = EVERY_TAPE_DRIVE.iter().map(|code| (*code, None));
        let listed: Vec<_> = basic
            .chain(codes.iter().copied())
            .map(|(opcode, service_action)| SupportedCommand {
                opcode,
                service_action,
                recommended_seconds: None,
            })
            .collect();
        commands.adopt(&listed);
        commands
    }

    fn refusal(asc: u8) -> Sense {
        Sense::parse(&Sense::fixed(SenseKey::IllegalRequest, asc, 0)).unwrap()
    }

    #[test]
    fn a_list_is_believed_if_it_is_that_of_a_tape_drive() {
        let commands = listed(&[(0x92, None), (0x34, Some(0x06))]);
        for (feature, ability) in [
            (Feature::Locate16, Ability::Yes),
            (Feature::Locate10, Ability::No),
            (Feature::PositionLong, Ability::Yes),
            (Feature::PositionExtended, Ability::No),
        ] {
            assert_eq!(commands.knows(feature), ability, "{feature:?}");
        }
        let mut commands = CommandSet::default();
        commands.adopt(&[]);
        for feature in Feature::ALL {
            assert_eq!(commands.knows(feature), Ability::Unknown, "{feature:?}");
        }
    }

    #[test]
    fn what_a_drive_does_outweighs_its_list_and_a_refusal_outweighs_all() {
        let mut commands = listed(&[(0x92, None)]);
        commands.learn(&cdb::locate_10(7), None);
        assert_eq!(commands.knows(Feature::Locate10), Ability::Yes);
        commands.learn(&cdb::locate_16(7), Some(&refusal(0x24)));
        assert_eq!(commands.knows(Feature::Locate16), Ability::Yes);
        commands.learn(&cdb::locate_16(7), Some(&refusal(0x20)));
        assert_eq!(commands.knows(Feature::Locate16), Ability::No);
        commands.learn(&cdb::locate_16(7), None);
        assert_eq!(commands.knows(Feature::Locate16), Ability::No);
    }
}
