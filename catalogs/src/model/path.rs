//! Archive names and their order.
//!
//! *Directory order* sorts by parent directory, then by name, with `/` below every other byte.
//! The children of a directory are then one contiguous range, and so is all that lies below it.
//! [`order_key`] turns a name into bytes that sort so under plain comparison:
//!
//! - the parent, `/` written as `01`, byte `01` as `02 01`, byte `02` as `02 02`;
//! - `00`;
//! - the last component as it is.
//!
//! No name holds `00`, so it ends the parent below every continuation of it.

use super::MAX_PATH_BYTES;

const END_OF_PARENT: u8 = 0x00;
const SLASH: u8 = 0x01;
const ESCAPE: u8 = 0x02;

/// Which rule for archive names a name breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// No bytes at all.
    #[error("empty")]
    Empty,
    /// Longer than [`MAX_PATH_BYTES`].
    #[error("{0} bytes long, at most {MAX_PATH_BYTES} are kept")]
    TooLong(usize),
    /// A NUL byte.
    #[error("contains a NUL byte")]
    Nul,
    /// A leading, trailing or doubled slash.
    #[error("has an empty component (leading, trailing or doubled slash)")]
    EmptyComponent,
    /// A component `.` or `..`.
    #[error("has a component . or ..")]
    DotComponent,
}

/// Checks that `path` is an archive name.
///
/// # Errors
///
/// The first rule it breaks.
pub fn check_path(path: &[u8]) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(PathFault::TooLong(path.len()));
    }
    if path.contains(&0) {
        return Err(PathFault::Nul);
    }
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" => return Err(PathFault::EmptyComponent),
            b"." | b".." => return Err(PathFault::DotComponent),
            _ => {}
        }
    }
    Ok(())
}

/// Parent directory (empty at the top) and last component of an archive name.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Compares two archive names in directory order.
pub fn compare(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let ((a_parent, a_name), (b_parent, b_name)) = (split(a), split(b));
    // No name holds NUL, so it may stand for the slash that sorts below all else.
    let lowered = |&byte: &u8| if byte == b'/' { 0 } else { byte };
    let parents = a_parent
        .iter()
        .map(lowered)
        .cmp(b_parent.iter().map(lowered));
    parents.then_with(|| a_name.cmp(b_name))
}

/// Bytes that sort in directory order under plain comparison.
pub fn order_key(path: &[u8]) -> Vec<u8> {
    let (parent, name) = split(path);
    let mut key = Vec::with_capacity(path.len() + 2);
    escape(parent, &mut key);
    key.push(END_OF_PARENT);
    key.extend_from_slice(name);
    key
}

fn escape(directory: &[u8], key: &mut Vec<u8>) {
    for &byte in directory {
        match byte {
            b'/' => key.push(SLASH),
            SLASH | ESCAPE => key.extend_from_slice(&[ESCAPE, byte]),
            _ => key.push(byte),
        }
    }
}

/// A half-open range of order keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Lowest key inside.
    pub from: Vec<u8>,
    /// Lowest key above the range; `None` if it has no upper end.
    pub to: Option<Vec<u8>>,
}

impl KeyRange {
    /// Everything.
    pub fn all() -> KeyRange {
        KeyRange {
            from: Vec::new(),
            to: None,
        }
    }

    /// The one name `path`.
    pub fn exact(path: &[u8]) -> KeyRange {
        let from = order_key(path);
        let mut to = from.clone();
        to.push(END_OF_PARENT);
        KeyRange { from, to: Some(to) }
    }

    /// The direct children of `directory` (empty: the top).
    pub fn children(directory: &[u8]) -> KeyRange {
        KeyRange::of_parents(directory, SLASH)
    }

    /// All names below `directory` (empty: everything), itself not included.
    pub fn below(directory: &[u8]) -> KeyRange {
        if directory.is_empty() {
            return KeyRange::all();
        }
        KeyRange::of_parents(directory, ESCAPE)
    }

    /// What lies below `directory` (empty: everything), without itself and its direct children.
    pub fn deeper(directory: &[u8]) -> KeyRange {
        let mut from = Vec::with_capacity(directory.len() + 1);
        escape(directory, &mut from);
        from.push(SLASH);
        KeyRange {
            from,
            to: KeyRange::below(directory).to,
        }
    }

    fn of_parents(directory: &[u8], end: u8) -> KeyRange {
        let mut from = Vec::with_capacity(directory.len() + 1);
        escape(directory, &mut from);
        let mut to = from.clone();
        from.push(END_OF_PARENT);
        to.push(end);
        KeyRange { from, to: Some(to) }
    }

    /// Whether `key` lies at or above the upper end.
    pub fn ends_before(&self, key: &[u8]) -> bool {
        self.to.as_ref().is_some_and(|to| key >= to.as_slice())
    }

    /// Whether `key` lies inside.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.from.as_slice() && !self.ends_before(key)
    }
}
