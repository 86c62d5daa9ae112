//! LOG SENSE and LOG SELECT: the log pages' views filled in, and their counters set back.

use super::DriveTarget;
use super::health::CleaningWish;
use super::state::{Phase, Traffic};
use crate::cartridge::partition::Partition;
use crate::cartridge::{MANUFACTURER, MB, partition_warning_zone_bytes};
use crate::mam::{DRIVES_REMEMBERED, Mam, id};
use crate::pages::log::{
    self, Activity, DeviceStatus, DriveLife, DriveLog, ErrorCounters, LogChanges, PartitionView,
    Usage, VolumeView,
};
use crate::sense;
use crate::target::{Data, Reply, be16, receive, send};

const MM_PER_METRE: u64 = 1000;
const MS_PER_HOUR: u64 = 3_600_000;

impl DriveTarget {
    /// LOG SENSE (SPC-4 §6.8).
    pub(super) fn log_sense(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let reply = log::reply(&self.log(), cdb)?;
        let sent = send(data, &reply.data, usize::from(be16(cdb, 7)));
        if reply.clears_alerts && sent.is_ok() {
            self.state.alerts = 0;
        }
        sent
    }

    /// LOG SELECT (SPC-4 §6.7).
    pub(super) fn log_select(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let len = usize::from(be16(cdb, 7));
        let list = receive(data, len)?;
        let changes = log::select(&self.log(), cdb, list)?;
        if changes != LogChanges::default() {
            self.state
                .queue_for_others(self.nexus, sense::LOG_PARAMETERS_CHANGED);
        }
        for page in changes.reset_pages {
            self.reset_page(page);
        }
        for (page, code, value) in changes.counters {
            match page {
                0x02 => set_counter(&mut self.state.errors.write, code, value),
                0x03 => set_counter(&mut self.state.errors.read, code, value),
                _ => self.state.errors.non_medium = value,
            }
        }
        Ok(len)
    }

    /// Sets what a page counts to zero. Pages 0Ch, 1Bh and 32h show the same bytes.
    fn reset_page(&mut self, page: u8) {
        match page {
            0x02 => self.state.errors.write = ErrorCounters::default(),
            0x03 => self.state.errors.read = ErrorCounters::default(),
            0x06 => self.state.errors.non_medium = 0,
            0x0C | 0x1B | 0x32 => self.state.traffic = Traffic::default(),
            0x2E => self.state.alerts = 0,
            _ => {}
        }
    }

    fn log(&mut self) -> DriveLog {
        let traffic = self.state.traffic;
        let life = self.state.life;
        let buffered = self
            .tape
            .as_ref()
            .map_or(0, |tape| tape.buffer().data_bytes());
        DriveLog {
            host_written_bytes: traffic.written_bytes,
            medium_written_bytes: traffic.written_bytes.saturating_sub(buffered),
            medium_read_bytes: traffic.read_bytes,
            host_read_bytes: traffic.read_bytes,
            buffer_bytes: self.generation.model().buffer_bytes,
            cleaning_needed: self.state.cleanliness.wish != CleaningWish::None,
            write_errors: self.state.errors.write,
            read_errors: self.state.errors.read,
            non_medium_errors: self.state.errors.non_medium,
            diagnostics: self.state.diagnostics.clone(),
            status: self.device_status(),
            alerts: self.state.alerts,
            life: DriveLife {
                loads: life.loads,
                cleanings: life.cleanings,
                power_on_hours: u32::try_from(self.time.now_ms() / MS_PER_HOUR).unwrap_or(u32::MAX),
                power_cycles: life.power_cycles,
                loads_since_reset: life.loads_since_reset,
                hard_write_errors: life.hard_write_errors,
                hard_read_errors: life.hard_read_errors,
                motion_hours: life.motion.hours(),
                metres: life.motion.distance_mm / MM_PER_METRE,
                ..DriveLife::default()
            },
            serial: self.serial.clone(),
            volume: self.volume_view(),
        }
    }

    fn device_status(&self) -> DeviceStatus {
        let buffered = self
            .tape
            .as_ref()
            .is_some_and(|tape| tape.buffer().objects() > 0);
        let activity = match self.busy() {
            Some(busy) => busy.operation.activity(),
            None if buffered => Activity::Writing,
            None => Activity::Idle,
        };
        DeviceStatus {
            removal_prevented: self.state.prevented,
            present: self.state.phase != Phase::Empty,
            threaded: self.state.phase == Phase::Ready,
            write_protected: self
                .tape
                .as_ref()
                .is_some_and(|tape| self.is_protected(tape)),
            compression: self.state.modes.compression,
            cleaning_requested: self.state.cleanliness.wish != CleaningWish::None,
            cleaning_required: self.state.cleanliness.wish == CleaningWish::Now,
            robot_may_reach_in: !self.state.threaded && !self.state.prevented,
            in_transition: matches!(self.state.phase, Phase::Loading { .. }),
            activity,
            alerts_changed: self.state.alerts != 0,
        }
    }

    fn volume_view(&mut self) -> Option<VolumeView> {
        let session = self.state.session;
        let write_protected = self.is_protected(self.tape.as_ref()?);
        let tape = self.tape.as_mut()?;
        let position_bytes = tape.position_bytes().ok();
        let cartridge = &tape.cartridge;
        let format = cartridge.format()?;
        let view = |(capacity, used): (&u64, &Partition)| PartitionView {
            capacity_bytes: *capacity,
            used_bytes: Some(used.end().0.min(*capacity)),
        };
        let capacities = &cartridge.info.partitions_bytes;
        let current = capacities[usize::from(tape.partition())];
        Some(VolumeView {
            partitions: capacities.iter().zip(tape.partitions()).map(view).collect(),
            early_warning_zone_bytes: partition_warning_zone_bytes(
                format,
                cartridge.usable_bytes(),
                current,
            ),
            position_bytes,
            serial: cartridge.info.serial.clone(),
            manufacturer: MANUFACTURER.to_string(),
            barcode: cartridge.info.barcode.clone(),
            density: format.density,
            worm: cartridge.is_worm(),
            write_protected,
            load_count: cartridge.mam.number(0, id::LOAD_COUNT),
            lifetime: Usage {
                written_bytes: session.written_before_mb * MB + session.written_bytes,
                read_bytes: session.read_before_mb * MB + session.read_bytes,
                ..cartridge.mam.history.life()
            },
            mount: Usage {
                written_bytes: session.written_bytes,
                read_bytes: session.read_bytes,
                ..cartridge.mam.history.current()
            },
            write_mounts: cartridge.mam.history.write_mounts(),
            encryption_bounds: encryption_bounds(&cartridge.mam, capacities.len()),
            drives: last_drives(&cartridge.mam),
        })
    }
}

/// First encrypted object of each partition, and first plain one after it.
fn encryption_bounds(mam: &Mam, partitions: usize) -> Vec<[u64; 2]> {
    let bound = |partition, id| mam.number(partition, id);
    (0..partitions as u8)
        .map(|partition| {
            [
                bound(partition, id::FIRST_ENCRYPTED),
                bound(partition, id::FIRST_PLAIN_AFTER_ENCRYPTED),
            ]
        })
        .collect()
}

/// Vendor and serial number of the drives that the chip remembers, latest first.
fn last_drives(mam: &Mam) -> Vec<Vec<u8>> {
    let drives = (0..DRIVES_REMEMBERED).filter_map(|age| mam.get(0, id::DRIVE_AT_LAST_LOAD + age));
    drives
        .filter(|drive| drive.iter().any(|byte| *byte != b' '))
        .map(<[u8]>::to_vec)
        .collect()
}

/// Sets the counter with parameter code `code` of page 02h or 03h.
fn set_counter(counters: &mut ErrorCounters, code: u16, value: u64) {
    let counter = match code {
        0x0000 => &mut counters.corrected_at_once,
        0x0001 => &mut counters.corrected_later,
        0x0002 => &mut counters.retries,
        0x0003 => &mut counters.corrected,
        0x0004 => &mut counters.algorithm_runs,
        0x0005 => &mut counters.processed_bytes,
        0x0006 => &mut counters.uncorrected,
        // Vendor counters stay zero.
        _ => return,
    };
    *counter = value;
}
