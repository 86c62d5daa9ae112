//! A short stand-in for one state of one object, for comparing millions of them.

/// The first half of a BLAKE3: two states that differ do not meet by accident.
pub(crate) type StateKey = [u8; 16];

/// `tag` keeps apart what is to be told apart beside the state; `times` are mtime and ctime in
/// seconds and nanoseconds.
pub(crate) fn state_key(tag: u8, path: &[u8], size_bytes: u64, times: [(i64, u32); 2]) -> StateKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[tag]);
    hasher.update(&size_bytes.to_le_bytes());
    for (seconds, nanoseconds) in times {
        hasher.update(&seconds.to_le_bytes());
        hasher.update(&nanoseconds.to_le_bytes());
    }
    hasher.update(path);
    let mut key = StateKey::default();
    key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    key
}
