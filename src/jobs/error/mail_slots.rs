//! What keeps tapes from passing through the mail slots.

use super::words::list;

/// Nothing can be brought in or put out as things stand.
#[derive(Debug, thiserror::Error)]
pub enum MailSlotError {
    /// A tape is to be put out, and each mail slot holds one.
    #[error(
        "the mail slots are full; left to be put out: {}",
        list(left, "nothing")
    )]
    Full {
        /// The tapes that are still in the library, in the order in which they were named.
        left: Vec<String>,
    },
    /// Mail slots are empty, and none can be used.
    #[error("no mail slot can be used: {}", list(slots, "there is none"))]
    Shut {
        /// The empty ones, each with what is wrong with it.
        slots: Vec<String>,
    },
    /// Tapes are to be brought in, and there is none.
    #[error("there is no cartridge in the mail slots")]
    Empty,
}

impl MailSlotError {
    pub(super) fn advice(&self) -> String {
        match self {
            MailSlotError::Full { left } => format!(
                "Take the tapes out of the mail slots and close the door; then put out the rest: \
                 `library export {}`.",
                left.join(" ")
            ),
            MailSlotError::Shut { .. } => {
                "Close the mail slots' door, look at the library's display, and try again."
                    .to_owned()
            }
            MailSlotError::Empty => "Put tapes into the mail slots, close the door, and try \
                 again. `library status` shows what the library sees."
                .to_owned(),
        }
    }
}
