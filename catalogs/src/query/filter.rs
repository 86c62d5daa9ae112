//! Which of the versions found are wanted, by what the catalog knows of them besides the path.

use jiff::Timestamp;

use super::Hit;
use crate::model::{Entry, FileTime, Kind};

/// Conditions that all have to hold. The default: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these kinds; empty: any.
    pub kinds: Vec<Kind>,
    /// Files of at least so many bytes.
    pub size_min_bytes: Option<u64>,
    /// Files of at most so many bytes.
    pub size_max_bytes: Option<u64>,
    /// Content modified at that time or later.
    pub newer_than: Option<FileTime>,
    /// Content modified before that time.
    pub older_than: Option<FileTime>,
    /// Owner: a name, or a number.
    pub user: Option<String>,
    /// Group: a name, or a number.
    pub group: Option<String>,
    /// The digest of the content begins with these hexadecimal digits, in lower case.
    pub digest: Option<String>,
    /// No longer there.
    pub gone: bool,
    /// No longer there, and first missed by a job that started after this instant.
    pub gone_since: Option<Timestamp>,
}

impl Filter {
    /// Whether a version meets all conditions.
    pub fn admits(&self, hit: &Hit) -> bool {
        let since = |instant| hit.gone_since.is_some_and(|seen| seen > instant);
        self.admits_entry(&hit.entry)
            && (!self.gone || hit.gone)
            && self.gone_since.is_none_or(since)
    }

    fn admits_entry(&self, entry: &Entry) -> bool {
        let asks_size = self.size_min_bytes.is_some() || self.size_max_bytes.is_some();
        let size = entry.size_bytes;
        (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && (!asks_size || entry.kind == Kind::File)
            && self.size_min_bytes.is_none_or(|least| size >= least)
            && self.size_max_bytes.is_none_or(|most| size <= most)
            && self.newer_than.is_none_or(|from| entry.mtime >= from)
            && self.older_than.is_none_or(|to| entry.mtime < to)
            && is_owner(self.user.as_deref(), &entry.user, entry.uid)
            && is_owner(self.group.as_deref(), &entry.group, entry.gid)
            && self.is_digest(entry)
    }

    fn is_digest(&self, entry: &Entry) -> bool {
        let Some(wanted) = &self.digest else {
            return true;
        };
        let Some(digest) = entry.digest else {
            return false;
        };
        blake3::Hash::from_bytes(digest)
            .to_hex()
            .starts_with(wanted)
    }
}

/// A name is a name, even one of digits; else digits are a number.
fn is_owner(wanted: Option<&str>, name: &str, number: u32) -> bool {
    let Some(wanted) = wanted else { return true };
    wanted == name || wanted.parse() == Ok(number)
}
