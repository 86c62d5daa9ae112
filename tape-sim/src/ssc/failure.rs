//! Failures of the host's file system, as a drive would tell them. The host's own words stay in
//! [`DriveTarget::host_error`].

use std::io;

use super::DriveTarget;
use crate::error::SimError;
use crate::sense::{self, Sense, key};
use crate::target::Refusal;

impl DriveTarget {
    /// The simulator's own files failed: 04/44/00.
    pub(super) fn host_failure(&mut self, error: SimError) -> Refusal {
        self.host_error = Some(error.to_string());
        Sense::new(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE).into()
    }

    /// The medium's files could not be written: 03/0C/00. A full disk below them is no fault of
    /// the medium: 04/44/00.
    pub(super) fn write_failure(&mut self, error: io::Error) -> Refusal {
        self.host_error = Some(error.to_string());
        self.host_full = error.kind() == io::ErrorKind::StorageFull;
        match self.host_full {
            true => Sense::new(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE).into(),
            false => Sense::new(key::MEDIUM_ERROR, sense::WRITE_ERROR).into(),
        }
    }

    /// The medium's files could not be read: 03/11/00.
    pub(super) fn read_failure(&mut self, error: io::Error) -> Refusal {
        self.host_error = Some(error.to_string());
        Sense::new(key::MEDIUM_ERROR, sense::UNRECOVERED_READ).into()
    }
}

/// The same condition, of an earlier command.
pub(super) fn deferred(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Check { sense, .. } => Sense {
            deferred: true,
            ..sense
        }
        .into(),
        other => other,
    }
}
