//! A raw tape file, for `tar`, `zstd` and the sceptic.

use std::io::Write;

use super::append_check::volume_error;
use super::engine_error::from_engine;
use super::mount::{Mounter, Purpose};
use super::{JobError, Site};
use crate::engine::EngineError;
use crate::engine::dump::{Dumped, dump};
use crate::units::TapeFile;

/// Copies tape file `file` of the tape `barcode` to `out`, every record as it is. Needs neither
/// catalog nor label.
///
/// # Errors
///
/// The tape cannot be had, the file is not on it, or `out` takes no more.
pub fn dump_file(
    site: Site<'_>,
    barcode: &str,
    file: TapeFile,
    out: &mut dyn Write,
) -> Result<Dumped, JobError> {
    let mut mounter = Mounter::open(site)?;
    let mut bay = mounter.mount(barcode, Purpose::Volume)?;
    let dumped = dump(&mut bay.drive, barcode, file, out, site.monitor);
    let result = dumped.map_err(|error| match error {
        // Whether the catalog has a volume there is not asked: there may be no catalog.
        EngineError::Volume { source, .. } => volume_error(barcode, &bay.drive, source, true),
        error => from_engine(error),
    });
    mounter.close(bay, result)
}
