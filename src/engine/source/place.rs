//! Where on tape the content of a stream goes: what `--as` says.

use crate::engine::EngineError;
use crate::volume::tar::is_archive_path;

/// The archive path that `text` says: without slashes at its ends.
///
/// # Errors
///
/// [`EngineError::Plan`] if it is none.
pub(super) fn place(text: &str) -> Result<Vec<u8>, EngineError> {
    let path = text.trim_matches('/').as_bytes();
    if is_archive_path(path) {
        return Ok(path.to_vec());
    }
    let what = format!(
        "`{text}` is no place for a stream: write a path such as hosts/web1, without empty, \
         `.` or `..` components"
    );
    Err(EngineError::Plan { what })
}

/// True if `path` is `root` or lies below it; everything lies below the empty root.
pub(crate) fn is_at_or_below(path: &[u8], root: &[u8]) -> bool {
    match path.strip_prefix(root) {
        Some(rest) => root.is_empty() || rest.is_empty() || rest.starts_with(b"/"),
        None => false,
    }
}

/// Makes sure that a stream's place meets none of `others`: one name may be on tape only once.
///
/// # Errors
///
/// [`EngineError::Plan`] names the two.
pub(super) fn meets_none(place: &[u8], others: &[Vec<u8>]) -> Result<(), EngineError> {
    let meets = |other: &&Vec<u8>| is_at_or_below(place, other) || is_at_or_below(other, place);
    match others.iter().find(meets) {
        None => Ok(()),
        Some(other) => {
            let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
            let what = format!(
                "the stream's place {} and /{}, which the job archives too, lie one in the \
                 other; give the stream another place with --as",
                text(place),
                text(other)
            );
            Err(EngineError::Plan { what })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_archive_path_with_or_without_slashes_around_it() {
        for (text, expected) in [
            ("hosts/web1", Some("hosts/web1")),
            ("/hosts/web1/", Some("hosts/web1")),
            ("", None),
            ("/", None),
            ("a/../b", None),
            ("./a", None),
            ("a//b", None),
        ] {
            let found = place(text).ok();
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn places_that_lie_one_in_the_other_meet() {
        for (one, other, meet) in [
            ("a/b", "a/b", true),
            ("a/b", "a", true),
            ("a", "a/b", true),
            ("a", "ab", false),
            ("a/b", "a/c", false),
            ("a", "", true),
        ] {
            let others = [other.as_bytes().to_vec()];
            assert_eq!(
                meets_none(one.as_bytes(), &others).is_err(),
                meet,
                "{one} {other}"
            );
        }
    }
}
