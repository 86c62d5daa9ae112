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

/// The patterns that mean the path and all below it, and nothing else; `None` where there are
/// none, since globs are UTF-8.
pub fn patterns(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    if !path.iter().any(|byte| GLOB_BYTES.contains(byte)) {
        return Some(vec![path.to_vec()]);
    }
    std::str::from_utf8(path).ok()?;
    let mut itself = Vec::new();
    for byte in path {
        if MEANT_BYTES.contains(byte) {
            itself.push(b'\\');
        }
        itself.push(*byte);
    }
    let below = [itself.as_slice(), b"/**"].concat();
    Some(vec![itself, below])
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
        let text = |path: &[u8]| {
            let patterns = patterns(path)?;
            let patterns = patterns.into_iter().map(String::from_utf8);
            Some(patterns.collect::<Result<Vec<_>, _>>().expect("UTF-8"))
        };
        assert_eq!(text(b"a/b,c"), Some(vec!["a/b,c".to_owned()]));
        assert_eq!(
            text(b"a/*.{x,y}"),
            Some(vec![
                "a/\\*.\\{x\\,y\\}".to_owned(),
                "a/\\*.\\{x\\,y\\}/**".to_owned()
            ])
        );
        assert_eq!(patterns(b"\xff*"), None);
        assert_eq!(patterns(b"\xff"), Some(vec![b"\xff".to_vec()]));
    }
}
