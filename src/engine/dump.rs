//! Dump: a tape file as it is, for tar, for other tools, and for the sceptic.
//!
//! Knows nothing of the format: every record goes out as the drive gave it.

use std::io::Write;

use super::EngineError;
use crate::drive::{DriveError, DriveErrorKind, ReadOutcome, SequentialDevice};
use crate::monitor::Monitor;
use crate::units::{BlockAddress, TapeFile};
use crate::volume::VolumeError;

/// Longest record read, in bytes: the format's largest block size.
const RECORD_BYTES: usize = 8 << 20;

/// What was dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dumped {
    /// Records.
    pub records: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// True if the user asked to stop before the end.
    pub stopped: bool,
}

/// Writes the records of tape file `file` of the tape `barcode` in `device` to `output`, up
/// to its filemark or the end of data. An empty tape file gives no record.
///
/// # Errors
///
/// [`EngineError::NoTapeFile`] where the data ends before it; [`EngineError::Volume`] where
/// the drive fails; [`EngineError::Output`] where `output` takes no more. What was read
/// before is written.
pub fn dump(
    device: &mut dyn SequentialDevice,
    barcode: &str,
    file: TapeFile,
    output: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<Dumped, EngineError> {
    let mut block = BlockAddress(0);
    let fail = |doing, block| {
        let barcode = barcode.to_owned();
        move |source: DriveError| {
            let source = Box::new(source);
            let source = VolumeError::Drive {
                doing,
                block,
                source,
            };
            EngineError::Volume { barcode, source }
        }
    };
    device.rewind().map_err(fail("rewinding", block))?;
    if file.0 > 0 {
        let count = i64::try_from(file.0).unwrap_or(i64::MAX);
        match device.space_filemarks(count) {
            Err(error) if error.kind == DriveErrorKind::EndOfData => {
                return Err(no_tape_file(barcode, file));
            }
            spaced => spaced.map_err(fail("spacing to a tape file", block))?,
        }
        block = device
            .position()
            .map_err(fail("asking for the position", block))?
            .block;
    }
    let (mut dumped, mut buffer) = (Dumped::default(), vec![0; RECORD_BYTES]);
    while !monitor.stop_requested() {
        match device
            .read_block(&mut buffer)
            .map_err(fail("reading a record", block))?
        {
            ReadOutcome::Block { bytes } => {
                let record = &buffer[..bytes];
                output
                    .write_all(record)
                    .map_err(|source| EngineError::Output { source })?;
                block = block.plus(1);
                dumped.records += 1;
                dumped.bytes += bytes as u64;
                monitor.advance(0, bytes as u64);
            }
            ReadOutcome::EndOfData if dumped.records == 0 => {
                return Err(no_tape_file(barcode, file));
            }
            ReadOutcome::Filemark | ReadOutcome::EndOfData => {
                output
                    .flush()
                    .map_err(|source| EngineError::Output { source })?;
                return Ok(dumped);
            }
        }
    }
    Ok(Dumped {
        stopped: true,
        ..dumped
    })
}

fn no_tape_file(barcode: &str, file: TapeFile) -> EngineError {
    let barcode = barcode.to_owned();
    EngineError::NoTapeFile { barcode, file }
}
