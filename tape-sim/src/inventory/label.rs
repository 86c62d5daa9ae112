//! What stands on a cartridge's label. The cartridge itself is known by its folder's name, label
//! or not.

use serde::{Deserialize, Serialize};

/// A cartridge's label, as the library's bar-code reader finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// It shows the name of the cartridge.
    #[default]
    Readable,
    /// There is none.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// It shows something else: it was stuck on the wrong cartridge, or there are two of it.
    Shows(String),
}

impl Label {
    /// What the reader reads on the cartridge of this name.
    #[must_use]
    pub fn text<'a>(&'a self, cartridge: &'a str) -> Option<&'a str> {
        match self {
            Label::Readable => Some(cartridge),
            Label::Shows(text) => Some(text),
            Label::Missing | Label::Unreadable => None,
        }
    }

    /// True for the label that a new cartridge has.
    pub(crate) fn is_readable(&self) -> bool {
        *self == Label::Readable
    }
}
