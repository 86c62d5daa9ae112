//! Bytes in JSON: a plain string if they are UTF-8, else `{"base64": "…"}`.
//!
//! So the ledger stays readable and greppable for ordinary names and exact for all others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name or text that is usually, but not always, UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteText(pub Vec<u8>);

impl From<&[u8]> for ByteText {
    fn from(bytes: &[u8]) -> ByteText {
        ByteText(bytes.to_vec())
    }
}

impl From<&str> for ByteText {
    fn from(text: &str) -> ByteText {
        ByteText(text.as_bytes().to_vec())
    }
}

impl std::fmt::Display for ByteText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form<'a> {
    Text(std::borrow::Cow<'a, str>),
    Bytes { base64: String },
}

impl Serialize for ByteText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Form::Text(text.into()),
            Err(_) => Form::Bytes {
                base64: STANDARD.encode(&self.0),
            },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ByteText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteText, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(ByteText(text.into_owned().into_bytes())),
            Form::Bytes { base64 } => STANDARD
                .decode(base64)
                .map(ByteText)
                .map_err(serde::de::Error::custom),
        }
    }
}
