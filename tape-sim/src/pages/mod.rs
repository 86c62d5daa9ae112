//! Pure builders and parsers of the data that commands carry: no state, no I/O.
//!
//! Each page is made from a plain view of the device; a request that cannot be met yields the
//! sense data to refuse it with. Replies are whole: the caller cuts them to the allocation length.

pub mod alert;
pub mod block_protection;
pub mod density;
pub mod encryption;
pub mod inquiry;
pub mod log;
pub mod log_changer;
mod log_tape;
mod log_usage;
mod log_view;
pub mod maintenance;
pub mod mode;
pub mod mode_changer;
pub mod mode_partition;
pub mod mode_tape;
pub mod opcodes;
mod vpd;

/// Appends `text` padded with spaces to `width` bytes, cut if longer.
pub(crate) fn push_padded(out: &mut Vec<u8>, text: &str, width: usize) {
    let end = out.len() + width;
    out.extend(text.bytes().take(width));
    out.resize(end, b' ');
}
