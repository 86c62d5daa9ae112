//! What a job that was killed, or lost its drive, leaves at the end of a tape.

use crate::units::BlockAddress;

/// What is to be held of a segment that the tape ends within, and what can be done about it.
pub(crate) fn words(barcode: &str, first_block: BlockAddress) -> String {
    format!(
        "From block {first_block} on it holds a segment that was cut off, of a job that was \
         killed or lost its drive. Nothing of that was confirmed, and no job counts on it: the \
         next job on this tape writes over it. Whole files that are in it, and nowhere else any \
         more, come back before that with `tape rescue {barcode} --to DIR`."
    )
}
