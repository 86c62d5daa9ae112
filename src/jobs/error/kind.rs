//! Which sort of help errors call for: what front ends make exit codes of.

use serde::Serialize;

/// Which sort of help an error calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobErrorKind {
    /// The request makes no sense as it stands.
    Request,
    /// Something asked for is not known: a path, tape, job or pool.
    NotFound,
    /// Someone has to handle tapes: load, insert, label or remove one.
    NeedsOperator,
    /// The tape is not the one it should be, or holds what must not be overwritten.
    WrongTape,
    /// The medium is bad, or shorter than what the catalog knows of it.
    BadMedium,
    /// Drive, changer or the way to them failed.
    BadDevice,
    /// Another process has what is needed.
    Busy,
    /// The catalog is damaged or cannot be written.
    Catalog,
    /// This machine's file system or configuration.
    Host,
    /// The user asked to stop.
    Interrupted,
}
