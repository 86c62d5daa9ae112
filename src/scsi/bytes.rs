//! Big-endian fields in a byte slice, bounded by its length.

/// Two bytes at `at`, most significant first.
pub(super) fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(array_at(data, at)?))
}

/// Three bytes at `at`, most significant first.
pub(super) fn u24_at(data: &[u8], at: usize) -> Option<u32> {
    let [a, b, c] = array_at(data, at)?;
    Some(u32::from_be_bytes([0, a, b, c]))
}

/// Four bytes at `at`, most significant first.
pub(super) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(array_at(data, at)?))
}

/// Eight bytes at `at`, most significant first.
pub(super) fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(array_at(data, at)?))
}

/// `N` bytes at `at`.
pub(super) fn array_at<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

/// A number of 1 to 8 bytes, most significant first; `None` for other lengths.
pub(super) fn number(data: &[u8]) -> Option<u64> {
    if data.is_empty() || data.len() > 8 {
        return None;
    }
    Some(
        data.iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

/// Text of a padded ASCII field: control characters and bytes outside ASCII become
/// `?`, padding (spaces and NULs at both ends) goes.
pub(super) fn text(field: &[u8]) -> String {
    let shown = |byte: &u8| match byte {
        0 => ' ',
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    field
        .iter()
        .map(shown)
        .collect::<String>()
        .trim()
        .to_owned()
}
