//! The simulated library as a device: `tape-sim` decodes the CDBs itself.

use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tape_sim::error::SimError;
use tape_sim::library::Library;
use tape_sim::smc::ChangerTarget;
use tape_sim::ssc::DriveTarget;
use tape_sim::target::{self, Target};

use super::{Completion, Data, Status, Transport, TransportError, TransportErrorKind};

/// The longest transfer: as long as an LTO-9 drive's longest block.
const MAX_TRANSFER_BYTES: usize = 8 << 20;

enum Unit {
    Drive(Box<DriveTarget>),
    Changer(Box<ChangerTarget>),
    /// The transport is gone, and the drive with it.
    Closed,
}

/// A drive or the changer of a simulated library.
///
/// Dropping it leaves a drive as closing a device node does: what is in the buffer still
/// reaches the tape. A killed process, as a power cut, loses it.
pub struct SimTransport {
    unit: Arc<Mutex<Unit>>,
    name: String,
    max_transfer_bytes: usize,
}

/// Cuts the power of a simulated drive that something else has in use: for tests of
/// what survives.
pub struct PowerSwitch(Weak<Mutex<Unit>>);

impl PowerSwitch {
    /// Cuts the power and restores it: what was in the drive's buffer is lost, and the
    /// next command meets a unit attention. Returns false if the drive was closed.
    ///
    /// # Errors
    ///
    /// [`TransportErrorKind::Failed`] if the simulator cannot write its files.
    pub fn cut(&self) -> Result<bool, TransportError> {
        let Some(unit) = self.0.upgrade() else {
            return Ok(false);
        };
        match &mut *lock(&unit) {
            Unit::Drive(drive) => {
                drive
                    .power_cut()
                    .map_err(|error| translate("simulated drive", error))?;
                Ok(true)
            }
            Unit::Changer(_) | Unit::Closed => Ok(false),
        }
    }
}

impl SimTransport {
    /// Drive number `index` (from 0) of the simulated library in `directory`, which this
    /// process then has to itself.
    ///
    /// # Errors
    ///
    /// [`TransportErrorKind::Busy`] naming the process that has it,
    /// [`TransportErrorKind::NotFound`] if there is no such library or drive.
    pub fn drive(directory: &Path, index: u16) -> Result<SimTransport, TransportError> {
        let name = format!("drive {index} of simulated library {}", directory.display());
        let opened = Library::open(directory)
            .and_then(|library| Ok((library.drive(index)?, adapter_limit(&library)?)));
        let (target, max_transfer_bytes) = opened.map_err(|error| translate(&name, error))?;
        Ok(SimTransport {
            unit: Arc::new(Mutex::new(Unit::Drive(Box::new(target)))),
            name,
            max_transfer_bytes,
        })
    }

    /// The changer of the simulated library in `directory`; several processes may have it.
    ///
    /// # Errors
    ///
    /// [`TransportErrorKind::NotFound`] if there is no such library.
    pub fn changer(directory: &Path) -> Result<SimTransport, TransportError> {
        let name = format!("changer of simulated library {}", directory.display());
        let opened = Library::open(directory)
            .and_then(|library| Ok((library.changer()?, adapter_limit(&library)?)));
        let (target, max_transfer_bytes) = opened.map_err(|error| translate(&name, error))?;
        Ok(SimTransport {
            unit: Arc::new(Mutex::new(Unit::Changer(Box::new(target)))),
            name,
            max_transfer_bytes,
        })
    }

    /// A switch for this drive's power.
    #[must_use]
    pub fn power_switch(&self) -> PowerSwitch {
        PowerSwitch(Arc::downgrade(&self.unit))
    }
}

impl Transport for SimTransport {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let length = data.length_bytes();
        let failed = |kind, what| TransportError {
            device: self.name.clone(),
            kind,
            what,
            source: None,
        };
        let limit = self.max_transfer_bytes;
        if length > limit {
            let what = format!("{length} bytes; the simulated path carries {limit}");
            return Err(failed(TransportErrorKind::TooLong, what));
        }
        let data = match data {
            Data::None => target::Data::None,
            Data::In(buffer) => target::Data::In(buffer),
            Data::Out(bytes) => target::Data::Out(bytes),
            Data::Gather(parts) => target::Data::Blocks(parts),
        };
        let completion = match &mut *lock(&self.unit) {
            Unit::Drive(drive) => {
                let completion = drive.execute(cdb, data);
                if drive.host_is_full() {
                    let what = "no room on the disk below the simulated library".to_owned();
                    return Err(TransportError {
                        source: Some(std::io::ErrorKind::StorageFull.into()),
                        ..failed(TransportErrorKind::Failed, what)
                    });
                }
                completion
            }
            Unit::Changer(changer) => changer.execute(cdb, data),
            Unit::Closed => unreachable!("only dropping the transport closes the unit"),
        };
        if !completion.answered {
            // Nobody waits for what is known not to come.
            let what = format!("no answer within {} s", timeout.as_secs());
            return Err(failed(TransportErrorKind::TimedOut, what));
        }
        Ok(Completion {
            status: Status(completion.status),
            sense: completion.sense,
            transferred_bytes: completion.transferred_bytes,
        })
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn max_transfer_bytes(&self) -> usize {
        self.max_transfer_bytes
    }
}

impl Drop for SimTransport {
    fn drop(&mut self) {
        if let Unit::Drive(drive) = mem::replace(&mut *lock(&self.unit), Unit::Closed)
            && let Err(error) = drive.close()
        {
            tracing::error!(device = %self.name, %error, "the simulated drive lost its buffer");
        }
    }
}

/// What the path carries, the host's adapter of the library's fault script included.
fn adapter_limit(library: &Library) -> Result<usize, SimError> {
    let limit = library.faults()?.max_transfer_bytes;
    Ok(limit.map_or(MAX_TRANSFER_BYTES, |bytes| {
        MAX_TRANSFER_BYTES.min(bytes as usize)
    }))
}

/// A panic while the lock was held leaves the unit as usable as a drive after a failed
/// command.
fn lock(unit: &Mutex<Unit>) -> MutexGuard<'_, Unit> {
    unit.lock().unwrap_or_else(PoisonError::into_inner)
}

fn translate(device: &str, error: SimError) -> TransportError {
    let kind = match &error {
        SimError::DriveBusy { .. } => TransportErrorKind::Busy,
        SimError::NoSuchDrive { .. } => TransportErrorKind::NotFound,
        SimError::Io { source, .. } => match source.kind() {
            std::io::ErrorKind::NotFound => TransportErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => TransportErrorKind::Denied,
            _ => TransportErrorKind::Failed,
        },
        _ => TransportErrorKind::Failed,
    };
    let what = error.to_string();
    let source = match error {
        SimError::Io { source, .. } => Some(source),
        _ => None,
    };
    TransportError {
        device: device.to_owned(),
        kind,
        what,
        source,
    }
}
