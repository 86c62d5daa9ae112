//! What `find` has to hold of a file, as typed and as the catalog takes it.

use catalogs::model::{FileTime, Kind};
use jiff::Timestamp;
use tapewright::jobs::find::Filter;

use crate::dates;
use crate::exit::Failure;
use crate::find_args::FilterArgs;

const KINDS: [&str; 8] = [
    "file", "dir", "symlink", "hardlink", "char", "block", "fifo", "socket",
];

/// A kind of object by its name in the tape format.
///
/// # Errors
///
/// A sentence with the names that there are.
pub fn kind(text: &str) -> Result<Kind, String> {
    let place = KINDS.iter().position(|name| *name == text);
    let known = place.map(|place| Kind::ALL[place]);
    known.ok_or_else(|| format!("one of {}", KINDS.join(", ")))
}

/// The beginning of a digest.
///
/// # Errors
///
/// A sentence that says what is accepted.
pub fn digest(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_hex && (1..=64).contains(&text.len()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("1 to 64 hexadecimal digits".to_owned()),
    }
}

/// The filter that the flags ask for.
///
/// # Errors
///
/// A date that is none.
pub fn filter(args: &FilterArgs) -> Result<Filter, Failure> {
    let time = |at: Timestamp| FileTime {
        seconds: at.as_second(),
        nanoseconds: u32::try_from(at.subsec_nanosecond()).unwrap_or(0),
    };
    Ok(Filter {
        kinds: args.kinds.clone(),
        size_min_bytes: args.larger.map(|size| size.0),
        size_max_bytes: args.smaller.map(|size| size.0),
        newer_than: dates::start_of(args.newer.as_deref())?.map(time),
        older_than: dates::start_of(args.older.as_deref())?.map(time),
        user: args.user.clone(),
        group: args.group.clone(),
        digest: args.digest.clone(),
        gone: args.deleted,
        gone_since: dates::as_of(args.deleted_since.as_deref())?,
    })
}
