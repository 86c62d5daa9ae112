//! What is to be done about a condition: the reaction column of scsi-tape facts 2.6.

use super::Meaning;

/// What helps, whoever does it: the program where it can, else people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// Nothing: it is information, or where a motion or a volume ends.
    GoOn,
    /// Wait until the device is ready.
    Wait,
    /// Send LOAD.
    Load,
    /// Send the command again, where a repeat is harmless.
    Retry,
    /// The place is in doubt: ask for it, or move anew.
    Reposition,
    /// State was lost: set the mode anew, find the place, check what is there, go on.
    Restart,
    /// Read anew what is in the library.
    Survey,
    /// Do without the command.
    Without,
    /// Go on with another volume, or read from another copy.
    OtherTape,
    /// Clean the drive; if that does not help, use another tape.
    Clean,
    /// Use another drive, and have this one serviced.
    OtherDrive,
    /// Set the right key.
    Key,
    /// A person has to see to it.
    Operator,
    /// Stop: what was to be done is not to be done in this way.
    Stop,
}

impl Reaction {
    /// What helps against a condition of this meaning, unless its row in the table says
    /// otherwise.
    pub(super) fn to(meaning: Meaning) -> Reaction {
        use Meaning as M;
        match meaning {
            M::Information | M::EndOfData | M::BeginningOfPartition | M::Notice => Reaction::GoOn,
            M::EndOfPartition | M::EndOfDataMissing | M::IncompatibleMedium => Reaction::OtherTape,
            M::BecomingReady | M::CleaningCartridge => Reaction::Wait,
            M::NeedsLoad => Reaction::Load,
            M::Medium => Reaction::Clean,
            M::Hardware => Reaction::OtherDrive,
            M::Transient => Reaction::Retry,
            M::Unsupported => Reaction::Without,
            M::Changed => Reaction::Restart,
            M::Encrypted => Reaction::Key,
            M::SourceEmpty | M::DestinationFull | M::NoSuchElement => Reaction::Survey,
            M::NoMedium | M::NotReady | M::WriteProtected | M::RemovalPrevented => {
                Reaction::Operator
            }
            M::DriveHoldsMedium | M::Unreachable => Reaction::Operator,
            M::Reserved => Reaction::Stop,
        }
    }

    /// What a person does next about a failure; `None` where the failure itself says it, or
    /// nothing is to be done.
    #[must_use]
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Reaction::Wait => "Wait until the drive has done what it is doing, and try again.",
            Reaction::Retry => {
                "Try again; if it happens again, check the cable, the adapter and the drive's port."
            }
            Reaction::Reposition => {
                "Try again: the place is looked for anew. If it stays so, try another drive, then \
                 another tape."
            }
            Reaction::Restart => {
                "Find out who reset or changed the device. Then start the job again: it finds its \
                 place on the tape and checks it first."
            }
            Reaction::Survey => "Look at `library status`, and start the job again.",
            Reaction::OtherTape => "Use another tape; take this one out of use.",
            Reaction::Clean => {
                "Clean the drive and try again; if it stays so, try the tape in another drive, \
                 and then take it out of use."
            }
            Reaction::OtherDrive => "Use another drive, and have this one seen to.",
            Reaction::Key => "Set the key that the tape was written with.",
            Reaction::Operator => "Look at the device: its panel says what it wants.",
            Reaction::GoOn | Reaction::Load | Reaction::Without | Reaction::Stop => return None,
        })
    }
}
