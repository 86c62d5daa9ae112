//! Names from tapes, as the screen may show them and as a restore may be asked for them.

use crate::output::plain;

/// What a pattern is a glob by.
const GLOB_BYTES: &[u8] = b"*?[{\\";
/// What may mean something in a glob.
const MEANT_BYTES: &[u8] = b"*?[]{}\\,";

/// The name with all escaped that is not text or would act on the terminal.
pub fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(&plain(chunk.valid()));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The pattern that means the path and all below it, and nothing else; `None` where there is
/// none, since globs are UTF-8.
pub fn pattern(path: &[u8]) -> Option<Vec<u8>> {
    if !path.iter().any(|byte| GLOB_BYTES.contains(byte)) {
        return Some(path.to_vec());
    }
    std::str::from_utf8(path).ok()?;
    let mut pattern = Vec::new();
    for byte in path {
        if MEANT_BYTES.contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.extend_from_slice(b"{,/**}");
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_what_acts() {
        for (name, expected) in [
            (&b"plain"[..], "plain"),
            ("Grüße 日本".as_bytes(), "Grüße 日本"),
            (b"\x1b[2Jgone", "\\u{1b}[2Jgone"),
            (b"latin-\xe4", "latin-\\xe4"),
            (b"two\nlines", "two\\nlines"),
        ] {
            assert_eq!(shown(name), expected);
        }
    }

    #[test]
    fn a_name_is_no_glob_even_if_it_looks_like_one() {
        let cases: [(&[u8], Option<&[u8]>); 4] = [
            (b"a/b,c", Some(b"a/b,c")),
            (b"a/*.{x,y}", Some(b"a/\\*.\\{x\\,y\\}{,/**}")),
            (b"\xff*", None),
            (b"\xff", Some(b"\xff")),
        ];
        for (path, expected) in cases {
            assert_eq!(pattern(path).as_deref(), expected);
        }
    }
}
