//! What the drive says of itself: INQUIRY, mode pages, densities, the cartridge's chip.
//!
//! The bytes are made in [`crate::pages`] and [`crate::mam`]; here their views are filled in.

use super::protect::Overwrite;
use super::tape::Tape;
use super::{DriveTarget, VENDOR};
use crate::cartridge::MB;
use crate::cartridge::partition::Partition;
use crate::generation::{Access, MIN_BLOCK_BYTES};
use crate::mam::id;
use crate::pages::alert;
use crate::pages::block_protection::Method;
use crate::pages::density::{self, MountedDensity};
use crate::pages::inquiry::{self, Bay, DeviceType, Identity};
use crate::pages::mode_tape::{AlertTest, MountedMedium};
use crate::sense;
use crate::target::{Data, Reply, be16, be32, receive, send};

/// READ BLOCK LIMITS byte 1: MLOI.
const MAXIMUM_OBJECT_ID: u8 = 0x01;
/// Object numbers have 48 bits on LTO.
const MAX_OBJECT: u64 = (1 << 48) - 1;
/// Product revision level.
const REVISION: &str = env!("CARGO_PKG_VERSION_MAJOR");

/// Megabytes as the capacity fields have them; a field that is too small shows its maximum.
fn mb(bytes: u64) -> u32 {
    u32::try_from(bytes / MB).unwrap_or(u32::MAX)
}

impl DriveTarget {
    /// INQUIRY (SPC-4 §6.4).
    pub(super) fn inquiry(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let identity = Identity {
            device_type: DeviceType::Tape,
            vendor: VENDOR,
            product: self.generation.model().product,
            revision: REVISION,
            serial: &self.serial,
            naa: self.naa,
            bay: Some(Bay {
                library_serial: &self.library_serial,
                element_address: self.element_address,
            }),
            block_checks: if self.generation.has_crc32c() {
                &[Method::ReedSolomon, Method::Crc32c]
            } else {
                &[Method::ReedSolomon]
            },
        };
        send(
            data,
            &inquiry::reply(&identity, cdb)?,
            usize::from(be16(cdb, 3)),
        )
    }

    /// READ BLOCK LIMITS (SSC-4 §7.6).
    pub(super) fn read_block_limits(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        if cdb[1] & MAXIMUM_OBJECT_ID != 0 {
            let mut reply = [0; 20];
            reply[12..].copy_from_slice(&MAX_OBJECT.to_be_bytes());
            return send(data, &reply, reply.len());
        }
        let [_, high, middle, low] = self.generation.model().max_block_bytes.to_be_bytes();
        let [min_high, min_low] = MIN_BLOCK_BYTES.to_be_bytes();
        let reply = [0, high, middle, low, min_high, min_low];
        send(data, &reply, reply.len())
    }

    /// MODE SENSE(6) and (10) (SPC-4 §6.13, §6.14).
    pub(super) fn mode_sense(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let reply = self.state.modes.sense(cdb, &self.mounted_medium())?;
        let allocation = if cdb[0] == 0x1A {
            usize::from(cdb[4])
        } else {
            usize::from(be16(cdb, 7))
        };
        send(data, &reply, allocation)
    }

    /// MODE SELECT(6) and (10) (SPC-4 §6.11, §6.12).
    pub(super) fn mode_select(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let len = if cdb[0] == 0x15 {
            usize::from(cdb[4])
        } else {
            usize::from(be16(cdb, 7))
        };
        let list = receive(data, len)?;
        let medium = self.mounted_medium();
        let before = self.state.modes.clone();
        match self.state.modes.select(cdb, list, &medium)? {
            Some(AlertTest::Set(number)) => self.state.raise(number),
            Some(AlertTest::Clear(number)) => self.state.alerts &= !alert::bit(number),
            Some(AlertTest::SetAll) => self.state.alerts = alert::all(),
            None => {}
        }
        if self.state.modes.append_only != before.append_only {
            self.overwrite = Overwrite::No;
        }
        if self.state.modes != before {
            let changed = sense::MODE_PARAMETERS_CHANGED;
            self.state.queue_for_others(self.nexus, changed);
        }
        Ok(len)
    }

    pub(super) fn mounted_medium(&self) -> MountedMedium {
        let crc32c = self.generation.has_crc32c();
        let Some(tape) = &self.tape else {
            return MountedMedium {
                at_bop: true,
                max_partitions: self.generation.format().max_partitions,
                crc32c,
                ..MountedMedium::default()
            };
        };
        let format = tape.cartridge.format();
        let worm = tape.cartridge.is_worm();
        let medium_type = format.map_or(0, |format| {
            let worm_type = format.worm_medium_type.filter(|_| worm);
            worm_type.unwrap_or(format.medium_type)
        });
        let capacities = &tape.cartridge.info.partitions_bytes;
        MountedMedium {
            density: format.map_or(0, |format| format.density),
            medium_type,
            write_protected: self.is_protected(tape),
            worm,
            at_bop: tape.object() == 0 && tape.partition() == 0,
            partition: tape.partition(),
            max_partitions: format.map_or(1, |format| format.max_partitions),
            usable_bytes: tape.cartridge.usable_bytes(),
            partition_mb: capacities.iter().map(|bytes| mb(*bytes)).collect(),
            crc32c,
        }
    }

    /// Protected by the tab, or by a format that this drive only reads.
    pub(super) fn is_protected(&self, tape: &Tape) -> bool {
        let cartridge = &tape.cartridge;
        cartridge.info.write_protected || self.access(cartridge) != Access::ReadWrite
    }

    /// REPORT DENSITY SUPPORT (SSC-4 §7.8).
    pub(super) fn report_density(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let mounted = self.tape.as_ref().map(|tape| MountedDensity {
            density: tape.cartridge.info.density.unwrap_or(0),
            worm: tape.cartridge.is_worm(),
            capacity_mb: mb(tape.cartridge.info.partitions_bytes.iter().sum()),
        });
        let reply = density::reply(self.generation, mounted.as_ref(), cdb)?;
        send(data, &reply, usize::from(be16(cdb, 7)))
    }

    /// READ ATTRIBUTE (SPC-4 §6.20).
    pub(super) fn read_attribute(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        if let Some(mut tape) = self.tape.take() {
            self.update_mam(&mut tape);
            self.tape = Some(tape);
        }
        let reply = self.tape()?.cartridge.mam.read_attribute(cdb)?;
        send(data, &reply, be32(cdb, 10) as usize)
    }

    /// WRITE ATTRIBUTE (SPC-4 §6.52): in the chip at once.
    pub(super) fn write_attribute(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let len = be32(cdb, 10) as usize;
        let list = receive(data, len)?;
        let cartridge = &mut self.tape()?.cartridge;
        cartridge.mam.write_attribute(cdb, list)?;
        let saved = cartridge.save_mam();
        saved.map_err(|error| self.host_failure(error))?;
        Ok(len)
    }

    /// Brings the attributes that only the drive sets up to date.
    pub(super) fn update_mam(&self, tape: &mut Tape) {
        let session = self.state.session;
        let remaining: Vec<u64> = tape
            .partitions()
            .iter()
            .map(|partition| partition.capacity_bytes().saturating_sub(partition.end().0))
            .collect();
        let encrypted: Vec<_> = tape
            .partitions()
            .iter()
            .map(Partition::first_encrypted)
            .collect();
        let mam = &mut tape.cartridge.mam;
        for ((first, plain_after), number) in encrypted.into_iter().zip(0u8..) {
            let none = u64::MAX;
            mam.set_number(number, id::FIRST_ENCRYPTED, first.unwrap_or(none));
            let after = plain_after.unwrap_or(none);
            mam.set_number(number, id::FIRST_PLAIN_AFTER_ENCRYPTED, after);
        }
        for (bytes, number) in remaining.iter().zip(0u8..) {
            mam.set_number(number, id::REMAINING_CAPACITY, bytes / MB);
        }
        let written_mb = session.written_bytes / MB;
        let read_mb = session.read_bytes / MB;
        mam.set_number(0, id::LOAD_MB_WRITTEN, written_mb);
        mam.set_number(0, id::LOAD_MB_READ, read_mb);
        mam.set_number(
            0,
            id::TOTAL_MB_WRITTEN,
            session.written_before_mb + written_mb,
        );
        mam.set_number(0, id::TOTAL_MB_READ, session.read_before_mb + read_mb);
        mam.set(0, id::TAPE_ALERT, &self.state.alerts.to_be_bytes());
        mam.record_usage();
    }
}
