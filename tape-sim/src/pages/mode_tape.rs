//! Mode parameters of the drive (SSC-4 §8.5, SPC-4 §7.5).
//!
//! [`TapeModes`] holds what a host can set; everything else in a page is constant or follows
//! the mounted medium.

use super::alert;
use super::block_protection::{self, BlockProtection};
use super::mode::{self, BLOCK_DESCRIPTOR_BYTES, Header, Page, page_0, sub_page};
use super::mode_partition::{self, PartitionPlan};
use crate::generation::MAX_BLOCK_BYTES;
use crate::sense::{self, Sense, key};
use crate::target::{be16, be24, be32};
use serde::{Deserialize, Serialize};

/// The mounted medium as the mode parameters show it. The default is an empty drive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountedMedium {
    /// Density code, 0 without a medium.
    pub density: u8,
    /// Medium type, 0 without a medium.
    pub medium_type: u8,
    /// Write-protected by tab.
    pub write_protected: bool,
    /// WORM medium.
    pub worm: bool,
    /// The tape is at BOP of partition 0.
    pub at_bop: bool,
    /// Current partition.
    pub partition: u8,
    /// Sizes of the partitions in MB, in order; empty without a medium.
    pub partition_mb: Vec<u32>,
    /// Most partitions that medium and drive can have; without a medium the drive's.
    pub max_partitions: u8,
    /// What the tape holds in one partition, in bytes; 0 without a medium.
    pub usable_bytes: u64,
    /// The drive has CRC-32C among its checks of blocks, with or without a medium.
    pub crc32c: bool,
}

/// Current mode parameters of a drive. `Default` holds the power-on values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeModes {
    /// Block length in bytes, 0 = variable (block descriptor).
    pub block_length_bytes: u32,
    /// Buffered mode 1; false = each WRITE waits for the medium (header).
    pub buffered: bool,
    /// Flags of page 01h byte 2: TB, EER, PER, DTE, DCR.
    pub recovery_flags: u8,
    /// Read retries, page 01h.
    pub read_retries: u8,
    /// Write retries, page 01h.
    pub write_retries: u8,
    /// Descriptor sense is wanted, page 0Ah D_SENSE.
    pub descriptor_sense: bool,
    /// Writes are compressed, page 0Fh DCE and page 10h SDCA.
    pub compression: bool,
    /// Page 10h write delay in units of 100 ms.
    pub write_delay_100ms: u16,
    /// Page 10h SWP: the host has write-protected the medium.
    pub software_write_protect: bool,
    /// Page 10h REW: READs report early warning too.
    pub report_early_warning_on_read: bool,
    /// Page 10h/01h WRITE MODE 1: append only.
    pub append_only: bool,
    /// Page 10h/01h PEWS in MB before early warning, 0 = off.
    pub pews_mb: u16,
    /// Page 11h as a host has set it, until FORMAT MEDIUM carries it out.
    #[serde(default)]
    pub partition_plan: Option<PartitionPlan>,
    /// Page 0Ah/F0h.
    #[serde(default)]
    pub protection: BlockProtection,
}

impl Default for TapeModes {
    fn default() -> Self {
        Self {
            block_length_bytes: 0,
            buffered: true,
            recovery_flags: 0,
            read_retries: 0,
            write_retries: 0,
            descriptor_sense: false,
            compression: true,
            write_delay_100ms: 300,
            software_write_protect: false,
            report_early_warning_on_read: false,
            append_only: false,
            pews_mb: 0,
            partition_plan: None,
            protection: BlockProtection::default(),
        }
    }
}

/// Page codes.
mod page {
    pub const ERROR_RECOVERY: u8 = 0x01;
    pub const DISCONNECT: u8 = 0x02;
    pub const CONTROL: u8 = 0x0A;
    pub const DATA_PROTECTION: u8 = 0xF0;
    pub const COMPRESSION: u8 = 0x0F;
    pub const DEVICE_CONFIGURATION: u8 = 0x10;
    pub const CONFIGURATION_EXTENSION: u8 = 0x01;
    pub const PARTITION: u8 = 0x11;
    pub const LOGICAL_UNIT: u8 = 0x18;
    pub const PORT: u8 = 0x19;
    pub const EXCEPTIONS: u8 = 0x1C;
    pub const MEDIUM_CONFIGURATION: u8 = 0x1D;
}

const WRITE_PROTECT: u8 = 0x80;
const BUFFERED_MODE: u8 = 0x70;
const BUFFERED_MODE_1: u8 = 0x10;
const SPEED: u8 = 0x0F;
const NO_DENSITY_CHANGE: u8 = 0x7F;
const DEFAULT_DENSITY: u8 = 0x00;

const D_SENSE: u8 = 0x04;
const DCE: u8 = 0x80;
const DCC: u8 = 0x40;
const DDE: u8 = 0x80;
const LOGICAL_OBJECT_IDS: u8 = 0x40;
const REPORT_EARLY_WARNING: u8 = 0x01;
const EOD_GENERATION: u8 = 0x10;
const SOFTWARE_WRITE_PROTECT: u8 = 0x04;
/// WTRE 2 and ROR 2 (keep the position on reset), as LTO drives have them.
const WTRE_AND_ROR: u8 = 0x90;
const DEXCPT: u8 = 0x08;
const TEST: u8 = 0x04;
/// Where the test flag number begins in the body of page 1Ch.
const TEST_FLAG_AT: usize = 6;
/// Test flag number that stands for all flags.
const ALL_FLAGS: u32 = 32_767;
/// Protocol identifier on pages 18h and 19h.
const SAS: u8 = 0x06;
/// How long a SAS port waits for a host that is gone.
const NEXUS_LOSS_MS: u16 = 2000;
const WRITE_MODE: u8 = 0xF0;
const APPEND_ONLY: u8 = 0x10;

/// Masks of the changeable bits, without page headers.
const ERROR_RECOVERY_MASK: &[u8] = &[0x2F, 0xFF, 0, 0, 0, 0, 0xFF];
const CONTROL_MASK: &[u8] = &[D_SENSE];
const COMPRESSION_MASK: &[u8] = &[DCE];
const EXCEPTIONS_MASK: &[u8] = &[TEST, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
const CONFIGURATION_MASK: &[u8] = &[
    0,
    0,
    0,
    0,
    0xFF,
    0xFF,
    REPORT_EARLY_WARNING,
    0,
    SOFTWARE_WRITE_PROTECT,
    0,
    0,
    0,
    0xFF,
];
const PARTITION_MASK: &[u8] = &[
    0, 0xFF, 0xF8, 0, 0x0F, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
];
const EXTENSION_MASK: &[u8] = &[0, WRITE_MODE, 0xFF, 0xFF];

/// What TEST on page 1Ch does to TapeAlert flags (SSC-4 §8.5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertTest {
    /// Sets the flag with this number.
    Set(u8),
    /// Clears it.
    Clear(u8),
    /// Sets all flags that there are.
    SetAll,
}

/// The test that the body of page 1Ch asks for; the offset of a wrong field otherwise.
fn alert_test(body: &[u8]) -> Result<Option<AlertTest>, usize> {
    let number = be32(body, TEST_FLAG_AT);
    let known = |number: u32| {
        let number = u8::try_from(number).ok()?;
        alert::ALERTS
            .iter()
            .map(|alert| alert.number)
            .find(|own| *own == number)
    };
    match (body[0] & TEST != 0, number) {
        (false, 0) => Ok(None),
        (false, _) => Err(TEST_FLAG_AT),
        (true, ALL_FLAGS) => Ok(Some(AlertTest::SetAll)),
        (true, _) => {
            let set = known(number).map(AlertTest::Set);
            let clear = known(number.wrapping_neg()).map(AlertTest::Clear);
            set.or(clear).map(Some).ok_or(TEST_FLAG_AT)
        }
    }
}

fn flag(set: bool, mask: u8) -> u8 {
    if set { mask } else { 0 }
}

impl TapeModes {
    /// Reply to MODE SENSE(6) or (10).
    ///
    /// # Errors
    ///
    /// 05/24/00 for an unknown page; 05/39/00 for saved values.
    pub fn sense(&self, cdb: &[u8], medium: &MountedMedium) -> Result<Vec<u8>, Sense> {
        mode::reply(cdb, &self.header(medium), &self.pages(medium))
    }

    /// Carries out MODE SELECT(6) or (10) with parameter list `list`; all or nothing. Returns what
    /// page 1Ch asks to be done with TapeAlert flags.
    ///
    /// # Errors
    ///
    /// 05/26/00 when a field that is not changeable differs from its current value or a value
    /// is not possible, 05/1A/00 for a cut list, 05/24/00 for pages without PF.
    pub fn select(
        &mut self,
        cdb: &[u8],
        list: &[u8],
        medium: &MountedMedium,
    ) -> Result<Option<AlertTest>, Sense> {
        if list.is_empty() {
            return Ok(None);
        }
        let mut test = None;
        let selection = mode::parse_selection(cdb, list)?;
        let mut new = self.clone();
        let (at, device_specific) = selection.device_specific;
        new.apply_device_specific(at, device_specific)?;
        if let Some((at, descriptor)) = selection.descriptor {
            new.apply_descriptor(at, &descriptor, medium)?;
        }
        for (at, sent) in selection.pages {
            if sent[0] & 0x7F == page::PARTITION {
                new.apply_partitions(at, sent, medium)?;
                continue;
            }
            let pages = new.pages(medium);
            let (code, subpage, body) = mode::check_page(at, sent, &pages)?;
            let body_at = at + sent.len() - body.len();
            if (code, subpage) == (page::EXCEPTIONS, 0) {
                test = alert_test(body)
                    .map_err(|offset| Sense::invalid_parameter(body_at + offset, None))?;
                continue;
            }
            new.apply_page(code, subpage, body, medium)
                .map_err(|offset| Sense::invalid_parameter(body_at + offset, None))?;
        }
        *self = new;
        Ok(test)
    }

    /// The host or the tab keeps the medium from being written.
    #[must_use]
    pub fn is_write_protected(&self, medium: &MountedMedium) -> bool {
        medium.write_protected || self.software_write_protect
    }

    fn header(&self, medium: &MountedMedium) -> Header {
        let mut descriptor = [0; BLOCK_DESCRIPTOR_BYTES];
        descriptor[0] = medium.density;
        descriptor[5..].copy_from_slice(&self.block_length_bytes.to_be_bytes()[1..]);
        Header {
            medium_type: medium.medium_type,
            device_specific: flag(self.is_write_protected(medium), WRITE_PROTECT)
                | flag(self.buffered, BUFFERED_MODE_1),
            descriptor: Some(descriptor),
        }
    }

    fn pages(&self, medium: &MountedMedium) -> Vec<Page> {
        let default = Self::default();
        let page = |encode: fn(&Self, &MountedMedium) -> Vec<u8>, changeable| Page {
            current: encode(self, medium),
            default: encode(&default, medium),
            changeable,
        };
        vec![
            page(Self::error_recovery, ERROR_RECOVERY_MASK),
            page(|_, _| page_0(page::DISCONNECT, &[0; 14]), &[]),
            page(Self::control, CONTROL_MASK),
            page(Self::data_protection, block_protection::CHANGEABLE),
            page(Self::data_compression, COMPRESSION_MASK),
            page(Self::device_configuration, CONFIGURATION_MASK),
            page(Self::configuration_extension, EXTENSION_MASK),
            page(Self::partitions, PARTITION_MASK),
            page(
                |_, _| page_0(page::LOGICAL_UNIT, &[SAS, 0, 0, 0, 0, 0]),
                &[],
            ),
            page(Self::port, &[]),
            page(Self::exceptions, EXCEPTIONS_MASK),
            page(Self::medium_configuration, &[]),
        ]
    }

    fn error_recovery(&self, _: &MountedMedium) -> Vec<u8> {
        let mut body = [0; 10];
        body[0] = self.recovery_flags;
        body[1] = self.read_retries;
        body[6] = self.write_retries;
        page_0(page::ERROR_RECOVERY, &body)
    }

    fn control(&self, _: &MountedMedium) -> Vec<u8> {
        let d_sense = flag(self.descriptor_sense, D_SENSE);
        page_0(
            page::CONTROL,
            &[d_sense, 0x01, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0],
        )
    }

    fn data_protection(&self, _: &MountedMedium) -> Vec<u8> {
        sub_page(
            page::CONTROL,
            page::DATA_PROTECTION,
            &self.protection.encode(),
        )
    }

    fn data_compression(&self, _: &MountedMedium) -> Vec<u8> {
        let mut body = [0; 14];
        body[0] = flag(self.compression, DCE) | DCC;
        body[1] = DDE;
        body[5] = 0xFF;
        body[9] = 0xFF;
        page_0(page::COMPRESSION, &body)
    }

    fn device_configuration(&self, medium: &MountedMedium) -> Vec<u8> {
        let mut body = [0; 14];
        body[1] = medium.partition;
        body[4..6].copy_from_slice(&self.write_delay_100ms.to_be_bytes());
        body[6] =
            LOGICAL_OBJECT_IDS | flag(self.report_early_warning_on_read, REPORT_EARLY_WARNING);
        body[8] = EOD_GENERATION | flag(self.software_write_protect, SOFTWARE_WRITE_PROTECT);
        body[12] = u8::from(self.compression);
        body[13] = WTRE_AND_ROR;
        page_0(page::DEVICE_CONFIGURATION, &body)
    }

    fn configuration_extension(&self, _: &MountedMedium) -> Vec<u8> {
        let mut body = [0; 28];
        body[1] = flag(self.append_only, APPEND_ONLY);
        body[2..4].copy_from_slice(&self.pews_mb.to_be_bytes());
        sub_page(
            page::DEVICE_CONFIGURATION,
            page::CONFIGURATION_EXTENSION,
            &body,
        )
    }

    fn partitions(&self, medium: &MountedMedium) -> Vec<u8> {
        let plan = self.partition_plan.as_ref();
        page_0(page::PARTITION, &mode_partition::body(plan, medium))
    }

    /// Takes over page 11h, which may be shorter than the drive's own.
    fn apply_partitions(
        &mut self,
        at: usize,
        sent: &[u8],
        medium: &MountedMedium,
    ) -> Result<(), Sense> {
        let body = &sent[2..];
        if !mode_partition::has_right_length(body, medium) {
            return Err(Sense::invalid_parameter(at + 1, None));
        }
        if self.partitions(medium)[2..].starts_with(body) {
            return Ok(());
        }
        if medium.density != 0 {
            if medium.worm {
                return Err(Sense::new(key::DATA_PROTECT, sense::WORM_OVERWRITE));
            }
            if !medium.at_bop {
                return Err(Sense::illegal(sense::POSITION_PAST_BEGINNING));
            }
        }
        let plan = mode_partition::parse(body, medium);
        self.partition_plan =
            plan.map_err(|offset| Sense::invalid_parameter(at + 2 + offset, None))?;
        Ok(())
    }

    /// Port control of SAS: only the time after which a lost host is given up.
    fn port(&self, _: &MountedMedium) -> Vec<u8> {
        let mut body = [0; 14];
        body[0] = SAS;
        body[2..4].copy_from_slice(&NEXUS_LOSS_MS.to_be_bytes());
        page_0(page::PORT, &body)
    }

    /// Informational exceptions are not reported by sense data: TapeAlert flags are polled.
    fn exceptions(&self, _: &MountedMedium) -> Vec<u8> {
        page_0(page::EXCEPTIONS, &[DEXCPT, 0x04, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    fn medium_configuration(&self, medium: &MountedMedium) -> Vec<u8> {
        let mut body = [0; 30];
        if medium.worm {
            body[0] = 0x01;
            // Labels must not be overwritten; of filemarks, only those just before EOD may be.
            body[2] = 0x01;
            body[3] = 0x02;
        }
        page_0(page::MEDIUM_CONFIGURATION, &body)
    }

    fn apply_device_specific(&mut self, at: usize, value: u8) -> Result<(), Sense> {
        // WP is reserved in MODE SELECT and ignored: hosts send back what they read.
        match value & BUFFERED_MODE {
            0 => self.buffered = false,
            BUFFERED_MODE_1 => self.buffered = true,
            _ => return Err(Sense::invalid_parameter(at, Some(6))),
        }
        if value & SPEED != 0 {
            return Err(Sense::invalid_parameter(at, Some(3)));
        }
        Ok(())
    }

    fn apply_descriptor(
        &mut self,
        at: usize,
        descriptor: &[u8; BLOCK_DESCRIPTOR_BYTES],
        medium: &MountedMedium,
    ) -> Result<(), Sense> {
        let density = descriptor[0];
        let no_change = [DEFAULT_DENSITY, NO_DENSITY_CHANGE, medium.density];
        if !no_change.contains(&density) {
            return Err(Sense::invalid_parameter(at, None));
        }
        let length_bytes = be24(descriptor, 5);
        if length_bytes > MAX_BLOCK_BYTES {
            return Err(Sense::invalid_parameter(at + 5, None));
        }
        self.block_length_bytes = length_bytes;
        Ok(())
    }

    /// Takes over a checked page; an impossible value yields its offset in `body`.
    fn apply_page(
        &mut self,
        code: u8,
        subpage: u8,
        body: &[u8],
        medium: &MountedMedium,
    ) -> Result<(), usize> {
        match (code, subpage) {
            (page::ERROR_RECOVERY, 0) => {
                self.recovery_flags = body[0];
                self.read_retries = body[1];
                self.write_retries = body[6];
            }
            (page::CONTROL, page::DATA_PROTECTION) => {
                self.protection = BlockProtection::decode(body, medium.crc32c)?;
            }
            (page::CONTROL, 0) => self.descriptor_sense = body[0] & D_SENSE != 0,
            (page::COMPRESSION, 0) => self.compression = body[0] & DCE != 0,
            (page::DEVICE_CONFIGURATION, 0) => {
                self.write_delay_100ms = be16(body, 4);
                self.report_early_warning_on_read = body[6] & REPORT_EARLY_WARNING != 0;
                self.software_write_protect = body[8] & SOFTWARE_WRITE_PROTECT != 0;
                self.compression = match body[12] {
                    0 => false,
                    1 => true,
                    _ => return Err(12),
                };
            }
            (page::DEVICE_CONFIGURATION, page::CONFIGURATION_EXTENSION) => {
                let append_only = match body[1] & WRITE_MODE {
                    0 => false,
                    APPEND_ONLY => true,
                    _ => return Err(1),
                };
                let loaded = medium.density != 0;
                if self.append_only && !append_only && loaded && !medium.at_bop {
                    return Err(1);
                }
                self.append_only = append_only;
                self.pews_mb = be16(body, 2);
            }
            // The remaining pages have nothing changeable: equal to the current values.
            _ => {}
        }
        Ok(())
    }
}
