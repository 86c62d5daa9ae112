//! How a drive and the volume in it are, by the drive's own counters.
//!
//! Only asks: no counter is reset, and nothing moves. TapeAlert flags stay set, too, save on a
//! drive without page 12: it is asked for page 2E, which clears them. What the values mean for
//! the use of drive or volume is decided above.

use serde::Serialize;

use super::{Drive, DriveError};
use crate::scsi::log::{self, LogPage};
use crate::scsi::statistics::{
    self, CompressionStatistics, DeviceStatistics, ErrorCounters, HardError, Traffic,
    VolumeStatistics,
};
use crate::scsi::tape_alert::TapeAlerts;

/// How a drive is. What it does not tell is `None`, or empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    /// The TapeAlert flags that are set.
    pub alerts: TapeAlerts,
    /// The drive's counters.
    pub counters: HealthCounters,
    /// Reads and writes that failed for good, the newest first.
    pub hard_errors: Vec<HardError>,
}

/// What a drive counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct HealthCounters {
    /// Errors in writing.
    pub write_errors: Option<ErrorCounters>,
    /// Errors in reading.
    pub read_errors: Option<ErrorCounters>,
    /// Bytes moved.
    pub traffic: Option<Traffic>,
    /// The life of the drive.
    pub life: Option<DeviceStatistics>,
    /// Compression as the drive measured it.
    pub compression: Option<CompressionStatistics>,
}

impl HealthCounters {
    /// Whether the drive wants to be cleaned; `None` if it does not tell.
    #[must_use]
    pub fn cleaning_wanted(&self) -> Option<bool> {
        self.traffic?.cleaning_wanted()
    }
}

impl Drive {
    /// Asks for alerts, error counters and the drive's life. Repeatable.
    ///
    /// # Errors
    ///
    /// Transport failures; [`super::DriveErrorKind::Malformed`] if other pages came.
    pub fn health(&mut self) -> Result<Health, DriveError> {
        let counters = self.health_counters()?;
        let hard_errors = self.log_page(statistics::PAGE_DIAGNOSTICS)?;
        Ok(Health {
            alerts: self.tape_alerts()?,
            counters,
            hard_errors: hard_errors
                .as_ref()
                .map_or_else(Vec::new, statistics::hard_errors),
        })
    }

    /// Asks for the counters alone. Repeatable.
    ///
    /// # Errors
    ///
    /// As [`health`](Self::health).
    pub fn health_counters(&mut self) -> Result<HealthCounters, DriveError> {
        let page = |drive: &mut Drive, code| drive.log_page(code);
        let compression = match page(self, statistics::PAGE_COMPRESSION)? {
            None => page(self, statistics::PAGE_COMPRESSION_VENDOR)?,
            found => found,
        };
        let errors = |found: Option<LogPage>| found.as_ref().map(ErrorCounters::of);
        let traffic = page(self, statistics::PAGE_TRAFFIC)?;
        let life = page(self, statistics::PAGE_DEVICE_STATISTICS)?;
        Ok(HealthCounters {
            write_errors: errors(page(self, statistics::PAGE_WRITE_ERRORS)?),
            read_errors: errors(page(self, statistics::PAGE_READ_ERRORS)?),
            traffic: traffic.as_ref().map(Traffic::of),
            life: life.as_ref().map(DeviceStatistics::of),
            compression: compression.as_ref().map(CompressionStatistics::of),
        })
    }

    /// What the drive knows of the volume in it: loads, bytes, errors, life left. `None`
    /// without a volume, or if the drive does not tell. Repeatable.
    ///
    /// # Errors
    ///
    /// As [`health`](Self::health).
    pub fn volume_statistics(&mut self) -> Result<Option<VolumeStatistics>, DriveError> {
        let page = self.log_page(log::PAGE_VOLUME_STATISTICS)?;
        Ok(page.as_ref().and_then(VolumeStatistics::of))
    }
}
