//! Names of restored objects, proven to stay beneath the target.

use super::error::TargetError;

/// Longest name accepted, in bytes: that of the tape format. Linux limits a path handed to
/// it to 4 KiB, but lets deeper trees grow step by step.
pub const MAX_NAME_BYTES: usize = 1 << 16;

/// Longest component of a name that file systems take, in bytes.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// A relative path without leading slash, empty, `.` or `..` components, and NUL bytes.
///
/// Says nothing of symbolic links on the way: those are met when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// Checks `path`.
    ///
    /// # Errors
    ///
    /// [`super::TargetErrorKind::UnsafeName`] if it could lead out of the target.
    pub fn new(path: &'a [u8]) -> Result<Self, TargetError> {
        let refuse = |why| Err(TargetError::unsafe_name(path, why));
        if path.is_empty() {
            return refuse("the path is empty");
        }
        if path.len() > MAX_NAME_BYTES {
            return refuse("the path is longer than 64 KiB");
        }
        if path.contains(&0) {
            return refuse("the path has a zero byte");
        }
        for component in path.split(|&byte| byte == b'/') {
            match component {
                b"" => return refuse("the path is absolute or has an empty component"),
                b"." | b".." => return refuse("the path has a `.` or `..` component"),
                _ => {}
            }
        }
        Ok(Self(path))
    }

    /// The whole path.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The directory it lies in (empty for the target itself), and its last component.
    #[must_use]
    pub fn split(self) -> (&'a [u8], &'a [u8]) {
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&self.0[..slash], &self.0[slash + 1..]),
            None => (&[], self.0),
        }
    }
}

/// A name with something behind it. Where that would make its last component too long, the end of
/// it gives way.
#[must_use]
pub fn with_suffix(name: &[u8], suffix: &[u8]) -> Vec<u8> {
    let last = name.iter().rposition(|&byte| byte == b'/');
    let last = last.map_or(0, |slash| slash + 1);
    let most = MAX_COMPONENT_BYTES.saturating_sub(suffix.len());
    [&name[..last], cut(&name[last..], most), suffix].concat()
}

/// The beginning of a component, and of text whole characters.
#[must_use]
pub fn cut(component: &[u8], most_bytes: usize) -> &[u8] {
    let is_inside = |byte: &u8| (0x80..0xC0).contains(byte);
    let mut end = component.len().min(most_bytes);
    // A character has at most three bytes behind its first.
    let least = end.saturating_sub(3);
    if component.get(end).is_some_and(is_inside) && std::str::from_utf8(component).is_ok() {
        while end > least && component.get(end).is_some_and(is_inside) {
            end -= 1;
        }
    }
    &component[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_out_are_refused() {
        for path in [
            "", "/", "/etc", "..", "../a", "a/..", "a/../b", ".", "./a", "a/.", "a//b", "a/", "\0",
        ] {
            assert!(Name::new(path.as_bytes()).is_err(), "{path:?}");
        }
        assert!(Name::new(&vec![b'a'; MAX_NAME_BYTES + 1]).is_err());
    }

    #[test]
    fn names_split_at_their_last_slash() {
        for (path, parent, last) in [
            ("a", "", "a"),
            ("a/b", "a", "b"),
            ("a/...", "a", "..."),
            ("..a/b c/.hidden", "..a/b c", ".hidden"),
        ] {
            let name = Name::new(path.as_bytes()).unwrap();
            assert_eq!(name.split(), (parent.as_bytes(), last.as_bytes()));
        }
        assert!(Name::new(b"\xff\xfe/\x01").is_ok());
    }

    #[test]
    fn what_is_put_behind_a_long_name_takes_the_place_of_its_end() {
        let (long, wide) = ("n".repeat(255), "ä".repeat(127));
        for (name, expected) in [
            ("d/short".to_owned(), "d/short.suffix".to_owned()),
            (format!("{long}/x"), format!("{long}/x.suffix")),
            (
                format!("d/{long}"),
                format!("d/{}.suffix", "n".repeat(255 - 7)),
            ),
            // Of 248 bytes; one byte less is not a whole character.
            (format!("n{wide}"), format!("n{}.suffix", "ä".repeat(123))),
        ] {
            let made = with_suffix(name.as_bytes(), b".suffix");
            assert_eq!(String::from_utf8(made).unwrap(), expected);
        }
    }
}
