//! Names in JSON: as text where they are UTF-8, else in base64 under a key of its own.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Bytes as one of the two.
pub(crate) fn text_or_base64(bytes: &[u8]) -> (Option<Cow<'_, str>>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(BASE64.encode(bytes))),
    }
}

/// The bytes of one of the two; `None` if there are both, neither, or no base64.
pub(crate) fn bytes(text: Option<Cow<'_, str>>, base64: Option<String>) -> Option<Vec<u8>> {
    match (text, base64) {
        (Some(text), None) => Some(text.into_owned().into_bytes()),
        (None, Some(base64)) => BASE64.decode(base64).ok(),
        _ => None,
    }
}
