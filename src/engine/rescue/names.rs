//! Names for what cannot have its own.
//!
//! They are made of the name on tape alone, each in one way, so that trees stay trees and a hard
//! link finds its first name. They lie in directories that no name on tape gets into as it is:
//! two names on tape never become one.

use std::borrow::Cow;

use crate::engine::target::{MAX_COMPONENT_BYTES, cut};

/// The directory of such names; further ones have a number behind it.
const MADE: &[u8] = b"tapewright-renamed";
/// In place of `..`.
const UP: &[u8] = b"tapewright-up";
/// Of what has none.
const NONE: &[u8] = b"tapewright-no-name";
/// So many directories of such names are tried.
const DIRECTORIES_MOST: usize = 100;
/// A longer name would not fit into a path together with that of the target.
const NAME_MOST_BYTES: usize = 2_048;
/// What is kept of a component that is too long.
const KEPT_BYTES: usize = 200;
/// Digits that stand for a component, and for a directory.
const DIGITS: (usize, usize) = (16, 32);

/// Why an object cannot have the name that it has on tape, if so.
pub(super) fn unusable(path: &[u8]) -> Option<&'static str> {
    let mut components = components(path).peekable();
    match components.peek() {
        None => return Some("it has no name"),
        Some(first) if begins(first, MADE) => return Some("a rescue gives such names itself"),
        Some(_) => {}
    }
    components.find_map(|component| match component {
        b".." => Some("its name has a `..`"),
        _ if component.contains(&0) => Some("its name has a zero byte"),
        _ if component.len() > MAX_COMPONENT_BYTES => {
            Some("a component of its name is longer than 255 bytes")
        }
        _ => None,
    })
}

/// The names that an object can be saved under, the one to be tried first before the others.
pub(super) fn names(path: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let own = unusable(path).is_none().then_some(Cow::Borrowed(path));
    let made = (1..=DIRECTORIES_MOST).map(|number| Cow::Owned(made(path, number)));
    own.into_iter().chain(made)
}

/// A name beside `saved` that is as that of `path` as it can be.
pub(super) fn beside(saved: &[u8], path: &[u8]) -> Vec<u8> {
    let parent = saved.iter().rposition(|&byte| byte == b'/');
    let parent = &saved[..parent.map_or(0, |slash| slash + 1)];
    let last = components(path).last().map_or(NONE.into(), component);
    [parent, &last].concat()
}

fn made(path: &[u8], number: usize) -> Vec<u8> {
    let mut name = MADE.to_vec();
    if number > 1 {
        name.extend_from_slice(format!("-{number}").as_bytes());
    }
    let directory_bytes = name.len();
    for part in components(path) {
        name.push(b'/');
        name.extend_from_slice(&component(part));
    }
    if name.len() == directory_bytes {
        name.push(b'/');
        name.extend_from_slice(NONE);
    }
    let last = name.iter().rposition(|&byte| byte == b'/');
    let last = last.unwrap_or(directory_bytes);
    if name.len() > NAME_MOST_BYTES && last > directory_bytes {
        let digits = digits(&name[directory_bytes..last], DIGITS.1);
        let above = format!("/tapewright-{digits}");
        name.splice(directory_bytes..last, above.into_bytes());
    }
    name
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let all = path.split(|&byte| byte == b'/');
    all.filter(|component| !matches!(*component, b"" | b"."))
}

/// A component as file systems take it.
fn component(part: &[u8]) -> Cow<'_, [u8]> {
    // What looks like one that was made is made anew.
    let is_taken = begins(part, b"tapewright-");
    if part == b".." {
        return UP.into();
    }
    if part.len() <= MAX_COMPONENT_BYTES && !part.contains(&0) && !is_taken {
        return part.into();
    }
    let mut made = cut(part, KEPT_BYTES).to_vec();
    for byte in made.iter_mut().filter(|byte| **byte == 0) {
        *byte = b'_';
    }
    made.extend_from_slice(format!(".tapewright-{}", digits(part, DIGITS.0)).as_bytes());
    made.into()
}

fn begins(component: &[u8], with: &[u8]) -> bool {
    let beginning = component.get(..with.len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(with))
}

fn digits(of: &[u8], count: usize) -> String {
    let mut digits = blake3::hash(of).to_hex().to_string();
    digits.truncate(count);
    digits
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::engine::target::Name;

    fn first(path: &[u8]) -> Vec<u8> {
        names(path).next().unwrap().into_owned()
    }

    #[test]
    fn a_name_that_can_be_stays_and_another_keeps_what_it_can() {
        let long = "n".repeat(3_000);
        let cut = format!("{}.tapewright-", "n".repeat(KEPT_BYTES));
        for (path, expected) in [
            ("a/b", "a/b"),
            ("..a/b..", "..a/b.."),
            ("../a", "tapewright-renamed/tapewright-up/a"),
            ("a/../b/", "tapewright-renamed/a/tapewright-up/b"),
            (
                "/../../a",
                "tapewright-renamed/tapewright-up/tapewright-up/a",
            ),
            ("a\0b", "tapewright-renamed/a_b.tapewright-"),
            ("", "tapewright-renamed/tapewright-no-name"),
            (
                "Tapewright-Renamed-2/a",
                "tapewright-renamed/Tapewright-Renamed-2.tapewright-",
            ),
            (&format!("{long}/a"), &format!("tapewright-renamed/{cut}")),
        ] {
            let name = String::from_utf8(first(path.as_bytes())).unwrap();
            assert!(name.starts_with(expected), "{path:?}: {name}");
        }
        assert_eq!(first(b"d/e"), b"d/e");
    }

    #[test]
    fn two_names_never_become_one_whatever_the_case() {
        let long = |last: &str| ["n".repeat(300), last.to_owned()].concat();
        let deep = |last: &str| ["../", &"d/".repeat(3_000), last].concat();
        let paths = [
            "../a".to_owned(),
            "tapewright-up/a".to_owned(),
            "../tapewright-up/a".to_owned(),
            "../Tapewright-UP/a".to_owned(),
            "../../a".to_owned(),
            "tapewright-renamed/tapewright-up/a".to_owned(),
            "TAPEWRIGHT-renamed/tapewright-up/a".to_owned(),
            "".to_owned(),
            "../tapewright-no-name".to_owned(),
            long("a"),
            long("b"),
            deep("a"),
            deep("b"),
            deep("d/a"),
            "a\0".to_owned(),
            "a_".to_owned(),
        ];
        let mut all = HashSet::new();
        for path in &paths {
            for name in names(path.as_bytes()) {
                let name = name.to_ascii_lowercase();
                assert!(Name::new(&name).is_ok(), "{path:?}");
                let parts = name.split(|&byte| byte == b'/');
                assert!(parts.into_iter().all(|part| part.len() <= 255));
                assert!(all.insert(name), "{path:?}");
            }
        }
    }

    #[test]
    fn a_name_beside_another_stays_in_its_directory() {
        for (saved, path, expected) in [
            ("d/f.part", "d/f", "d/f"),
            ("tapewright-renamed/f.part", "../f", "tapewright-renamed/f"),
            ("f.part", "a/..", "tapewright-up"),
        ] {
            let name = beside(saved.as_bytes(), path.as_bytes());
            assert_eq!(name, expected.as_bytes());
        }
    }
}
