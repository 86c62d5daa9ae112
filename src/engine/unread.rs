//! Why a member that an index names was not read: damage to it, or a drive that failed.

use crate::error_text::with_causes;
use crate::volume::VolumeError;
use crate::volume::failure::{ReadFailure, judge};

/// Why a member was not read.
pub(in crate::engine) enum Unread {
    /// It is not on tape as it was written, for this reason.
    Bad(String),
    /// Drive or transport failed.
    NotMedium(VolumeError),
}

impl From<VolumeError> for Unread {
    fn from(error: VolumeError) -> Self {
        match judge(&error) {
            ReadFailure::Record(_) => Self::Bad(with_causes(&error)),
            ReadFailure::NotMedium => Self::NotMedium(error),
        }
    }
}

impl From<&str> for Unread {
    fn from(what: &str) -> Self {
        Self::Bad(what.to_owned())
    }
}
