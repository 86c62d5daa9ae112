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

use std::cmp::Ordering;

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
    check_path_from(path, 0)
}

/// Checks a path whose first `checked` bytes are also those of an archive name: the rest of it,
/// and the component that they end in.
pub(crate) fn check_path_from(path: &[u8], checked: usize) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(PathFault::TooLong(path.len()));
    }
    let begin = memchr::memrchr(b'/', &path[..checked]).map_or(0, |slash| slash + 1);
    let rest = &path[begin..];
    if rest.contains(&0) {
        return Err(PathFault::Nul);
    }
    for component in rest.split(|&byte| byte == b'/') {
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
    match memchr::memrchr(b'/', path) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Compares two archive names in directory order.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let ((a_parent, a_name), (b_parent, b_name)) = (split(a), split(b));
    compare_directories(a_parent, b_parent).then_with(|| a_name.cmp(b_name))
}

/// Compares two directories in directory order, as parents of names.
pub(crate) fn compare_directories(a: &[u8], b: &[u8]) -> Ordering {
    let same = shared_bytes(a, b);
    // No name holds NUL, so it may stand for the slash that sorts below all else.
    let lowered = |byte: Option<&u8>| byte.map(|&byte| if byte == b'/' { 0 } else { byte });
    lowered(a.get(same)).cmp(&lowered(b.get(same)))
}

/// How many bytes two names have in common from their beginning.
pub(crate) fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = size_of::<u64>();
    let number = |bytes: &[u8; STEP]| u64::from_le_bytes(*bytes);
    let ((a_steps, _), (b_steps, _)) = (a.as_chunks(), b.as_chunks());
    for (done, (x, y)) in a_steps.iter().zip(b_steps).enumerate() {
        let differing = number(x) ^ number(y);
        if differing != 0 {
            return done * STEP + (differing.trailing_zeros() / 8) as usize;
        }
    }
    let whole = STEP * a_steps.len().min(b_steps.len());
    let rest = a[whole..].iter().zip(&b[whole..]);
    whole + rest.take_while(|(a, b)| a == b).count()
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

/// Whether the last byte of a part of a key is an escape that waits for its byte.
fn ends_escaped(part: &[u8]) -> bool {
    let mut bytes = part.iter();
    while let Some(&byte) = bytes.next() {
        if byte == ESCAPE && bytes.next().is_none() {
            return true;
        }
    }
    false
}

/// Where the last slash is in a part of a key's parent; 0 if there is none.
fn last_slash(part: &[u8]) -> usize {
    let (mut last, mut at) = (0, 0);
    while let Some(&byte) = part.get(at) {
        match byte {
            SLASH => last = at,
            ESCAPE => at += 1,
            _ => {}
        }
        at += 1;
    }
    last
}

/// Compares the order key of an archive name with `key`, without making it.
fn compare_key(path: &[u8], key: &[u8]) -> Ordering {
    let (parent, name) = split(path);
    let mut key = key.iter();
    for &byte in parent {
        let (first, second) = match byte {
            b'/' => (SLASH, None),
            SLASH | ESCAPE => (ESCAPE, Some(byte)),
            _ => (byte, None),
        };
        for byte in [Some(first), second].into_iter().flatten() {
            match key.next() {
                Some(other) if *other == byte => {}
                Some(other) => return byte.cmp(other),
                None => return Ordering::Greater,
            }
        }
    }
    match key.next() {
        Some(&END_OF_PARENT) => name.cmp(key.as_slice()),
        Some(_) => Ordering::Less,
        None => Ordering::Greater,
    }
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

/// Undoes [`escape`] on the parent of a key, as far as it goes.
fn unescape(parent: &[u8]) -> Vec<u8> {
    let mut directory = Vec::with_capacity(parent.len());
    let mut bytes = parent.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            SLASH => directory.push(b'/'),
            ESCAPE => directory.extend(bytes.next()),
            _ => directory.push(byte),
        }
    }
    directory
}

/// What all names of a range have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Common {
    /// There is one alone.
    Name(Vec<u8>),
    /// They lie below this directory; empty: nothing is known of them.
    Directory(Vec<u8>),
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

    /// What all names inside have in common, as far as both ends tell.
    pub fn common(&self) -> Common {
        let Some(to) = &self.to else {
            return Common::Directory(Vec::new());
        };
        let from = &self.from;
        let same = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        let shared = &from[..same];
        // The parent is whole in what they share, or a part of it.
        let Some(end) = shared.iter().position(|&byte| byte == END_OF_PARENT) else {
            // Where the upper end goes on with no more than an escape, only what ends the
            // directory or goes below it is inside. A slash ends one in any case; that of an
            // escaped byte is no slash.
            let to_next = to
                .get(same..)
                .is_some_and(|rest| matches!(rest, [SLASH | ESCAPE]));
            let directory = match to_next && !ends_escaped(shared) {
                true => shared,
                false => &shared[..last_slash(shared)],
            };
            return Common::Directory(unescape(directory));
        };
        let parent = unescape(&shared[..end]);
        if same == from.len() && to.get(same..) == Some(&[END_OF_PARENT]) {
            let name = &from[end + 1..];
            let slash: &[u8] = if parent.is_empty() { b"" } else { b"/" };
            return Common::Name([&parent, slash, name].concat());
        }
        Common::Directory(parent)
    }

    /// Whether `key` lies at or above the upper end.
    pub fn ends_before(&self, key: &[u8]) -> bool {
        self.to.as_ref().is_some_and(|to| key >= to.as_slice())
    }

    /// Whether the name `path` lies at or above the upper end.
    pub fn ends_before_name(&self, path: &[u8]) -> bool {
        self.to
            .as_ref()
            .is_some_and(|to| compare_key(path, to).is_ge())
    }

    /// Whether the name `path` lies inside.
    pub fn contains_name(&self, path: &[u8]) -> bool {
        let begins = self.from.is_empty() || compare_key(path, &self.from).is_ge();
        begins && !self.ends_before_name(path)
    }

    /// Whether `key` lies inside.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.from.as_slice() && !self.ends_before(key)
    }
}
