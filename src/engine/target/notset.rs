//! Metadata that could not be given to restored objects: counted, and listed up to a bound.

/// Objects listed by name; further ones are only counted.
pub const NOT_SET_LISTED: usize = 1_000;
/// `PATH_MAX`: a tape may name longer ones.
const PATH_BYTES: usize = 4096;

/// One piece of metadata that could not be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSetItem {
    /// The object's name; only its beginning, where it is longer than a path may be for the system.
    pub path: Vec<u8>,
    /// What could not be set, such as `owner 1000:1000` or `attribute user.note`.
    pub what: String,
    /// Why, as the operating system says it.
    pub why: String,
}

/// All metadata that could not be set in one restore.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotSet {
    /// The first [`NOT_SET_LISTED`] of them.
    pub items: Vec<NotSetItem>,
    /// All of them.
    pub count: u64,
}

impl NotSet {
    /// Notes one more.
    pub(crate) fn add(&mut self, path: &[u8], what: String, why: impl ToString) {
        self.count += 1;
        if self.items.len() < NOT_SET_LISTED {
            self.items.push(NotSetItem {
                path: path[..path.len().min(PATH_BYTES)].to_vec(),
                what,
                why: why.to_string(),
            });
        }
    }
}
