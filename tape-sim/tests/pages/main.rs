//! The data that commands carry, against captures of real hardware and the standards' rules.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod capability;
mod log;
mod mam;
mod mode;

use tape_sim::sense::Sense;

/// Key/asc/ascq of a refusal with its field pointer: `05/24/00 @6.4`, list fields as `#6.4`.
fn refusal<T: std::fmt::Debug>(result: Result<T, Sense>) -> String {
    let sense = result.expect_err("a refusal");
    let mut text = format!(
        "{:02X}/{:02X}/{:02X}",
        sense.key, sense.code.asc, sense.code.ascq
    );
    if let Some(field) = sense.field {
        text += if field.in_cdb { " @" } else { " #" };
        text += &field.byte.to_string();
        if let Some(bit) = field.bit {
            text += &format!(".{bit}");
        }
    }
    text
}

/// Bytes from hexadecimal digits; spaces and line ends are ignored.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
