//! A tape drive behind a transport: who it is and what it can carry.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::batch::FixedBlocks;
use super::capability::{Capabilities, VPD_BYTES};
use super::proof::{Place, PositionSource};
use super::protection::Protection;
use super::reckoning::Reckoning;
use super::unready::Unready;
use super::walk::Spacing;
use super::{DriveError, DriveErrorKind};
use crate::scsi::block_limits;
use crate::scsi::cdb;
use crate::scsi::density::Generation;
use crate::scsi::inquiry;
use crate::scsi::timeouts::Timeouts;
use crate::transport::{Data, Transport};

const INQUIRY_BYTES: usize = 96;

/// Who a drive is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriveIdentity {
    /// Vendor name.
    pub vendor: String,
    /// Product name.
    pub product: String,
    /// Firmware revision.
    pub revision: String,
    /// Unit serial number; empty if the drive tells none.
    pub serial: String,
    /// Generation, as far as the product name tells.
    pub generation: Option<Generation>,
}

/// The form of LOCATE that is tried next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locates {
    Sixteen,
    Ten,
    /// The drive refused both.
    None,
}

/// A tape drive.
///
/// Identity and readiness work without a tape. For a session with a tape: load it
/// ([`Drive::load`]) or wait for it ([`Drive::wait_ready`]), set the mode
/// ([`Drive::set_mode`]), then use the drive through [`super::SequentialDevice`].
///
/// Dropping a `Drive` sends nothing: what was not synchronised is in the hardware's
/// buffer, and nobody says what becomes of it.
pub struct Drive {
    pub(super) transport: Box<dyn Transport>,
    pub(super) name: String,
    pub(super) timeouts: Timeouts,
    /// Unit attentions are the caller's, except before anything was done.
    pub(super) swallow_attentions: bool,
    pub(super) place: Place,
    /// READ POSITION was seen to follow a write of this session.
    pub(super) position_proven: bool,
    /// Who says where the tape is.
    pub(super) source: PositionSource,
    /// The place is the beginning, by a REWIND that was the last motion.
    pub(super) rewound: bool,
    /// What was learnt of the tape's layout in this session.
    pub(super) reckoning: Reckoning,
    pub(super) spacing: Spacing,
    /// Up once a walk over what is not known of the tape is to end.
    pub(super) stop: Option<Arc<AtomicBool>>,
    /// Receives what is read only to be counted; empty until then.
    pub(super) counting: Vec<u8>,
    /// Which form of LOCATE the drive has not refused.
    pub(super) locates: Locates,
    pub(super) capabilities: Capabilities,
    pub(super) protection: Protection,
    pub(super) fixed: FixedBlocks,
    /// It said so with the end of some command.
    pub(super) asked_for_cleaning: bool,
    /// What it was waited for in the middle of its work.
    pub(super) unready: Unready,
    /// What the drive cannot do, for people, each once.
    notices: Vec<String>,
    identity: DriveIdentity,
    limit_bytes: usize,
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drive {
    /// Asks the device behind `transport` who it is and what it can do. Needs no tape.
    /// Unit attentions that were pending are taken off: there is no state yet to lose.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::Unsupported`] if the device is no tape drive; transport failures.
    pub fn open(transport: Box<dyn Transport>) -> Result<Drive, DriveError> {
        let mut drive = Drive {
            name: transport.name().to_owned(),
            transport,
            timeouts: Timeouts::of_drive(None),
            swallow_attentions: true,
            place: Place::Lost,
            position_proven: false,
            source: PositionSource::Drive,
            rewound: false,
            reckoning: Reckoning::default(),
            spacing: Spacing::Untried,
            stop: None,
            counting: Vec::new(),
            locates: Locates::Sixteen,
            capabilities: Capabilities::default(),
            protection: Protection::default(),
            fixed: FixedBlocks::default(),
            asked_for_cleaning: false,
            unready: Unready::default(),
            notices: Vec::new(),
            identity: DriveIdentity::default(),
            limit_bytes: cdb::MAX_TRANSFER_6_BYTES,
        };
        drive.identity = drive.ask_identity()?;
        drive.timeouts = Timeouts::of_drive(drive.identity.generation);
        drive.ask_capabilities()?;
        drive.ask_block_limit()?;
        drive.swallow_attentions = false;
        Ok(drive)
    }

    /// Who this drive is.
    #[must_use]
    pub fn identity(&self) -> &DriveIdentity {
        &self.identity
    }

    /// What this drive cannot do and what is done instead, as sentences for people. Grows
    /// with what a session shows; each is logged when it is found.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether the drive asked to be cleaned with the end of a command, since it was opened.
    #[must_use]
    pub fn asked_for_cleaning(&self) -> bool {
        self.asked_for_cleaning
    }

    pub(super) fn notice(&mut self, sentence: String) {
        if !self.notices.contains(&sentence) {
            tracing::warn!(drive = %self.name, "{sentence}");
            self.notices.push(sentence);
        }
    }

    /// The longest block that drive, path and command carry, in bytes; with block protection
    /// without its check.
    #[must_use]
    pub fn max_block_bytes(&self) -> usize {
        let carried = self
            .transport
            .max_transfer_bytes()
            .min(cdb::MAX_TRANSFER_6_BYTES);
        self.limit_bytes.min(carried) - self.protection.check_bytes()
    }

    /// Prevents or allows the removal of the cartridge by button or library.
    ///
    /// # Errors
    ///
    /// Transport failures and refusals.
    pub fn prevent_removal(&mut self, prevent: bool) -> Result<(), DriveError> {
        let verb = if prevent { "preventing" } else { "allowing" };
        let action = format_args!("{verb} the removal of the tape");
        self.command(action, &cdb::prevent_allow(prevent), Data::None)?;
        Ok(())
    }

    /// Whether the drive can have frames repeated that were lost on SAS. `None` if it is not
    /// on SAS or does not tell. Whether the adapter has it switched on, no command tells.
    ///
    /// # Errors
    ///
    /// Transport failures; [`DriveErrorKind::Malformed`] if another page came.
    pub fn transport_layer_retries(&mut self) -> Result<Option<bool>, DriveError> {
        let action = format_args!("asking for the path's retries");
        let mut page = [0; VPD_BYTES];
        let ask = cdb::inquiry_vpd(inquiry::PAGE_PROTOCOL, VPD_BYTES as u16);
        match self.command_if_known(action, &ask, Data::In(&mut page))? {
            None => Ok(None),
            Some(got) => {
                let told = inquiry::parse_transport_layer_retries(&page[..got]);
                self.decoded(action, told)
            }
        }
    }

    fn ask_identity(&mut self) -> Result<DriveIdentity, DriveError> {
        let action = format_args!("identifying the drive");
        let mut data = [0; INQUIRY_BYTES];
        let got = self.command(action, &cdb::inquiry(96), Data::In(&mut data))?;
        let found = self.decoded(action, inquiry::parse_standard(&data[..got]))?;
        if !found.connected || found.device_type != inquiry::TYPE_TAPE {
            let what = format!(
                "this is no tape drive but a device of type {:02X}h: {} {}",
                found.device_type, found.vendor, found.product
            );
            return Err(self.error(action, DriveErrorKind::Unsupported, what));
        }
        let page = self.product_page(inquiry::PAGE_SERIAL)?;
        let serial = page.and_then(|data| inquiry::parse_serial(&data).ok());
        Ok(DriveIdentity {
            generation: Generation::of_product(&found.product),
            vendor: found.vendor,
            product: found.product,
            revision: found.revision,
            serial: serial.unwrap_or_default(),
        })
    }

    fn ask_block_limit(&mut self) -> Result<(), DriveError> {
        let action = format_args!("asking for the drive's block limits");
        let mut data = [0; block_limits::BYTES];
        let got = self.command(action, &cdb::read_block_limits(), Data::In(&mut data))?;
        let limits = self.decoded(action, block_limits::parse(&data[..got]))?;
        self.capabilities.min_block_bytes = limits.min_bytes;
        if limits.max_bytes > 0 {
            self.capabilities.max_block_bytes = Some(limits.max_bytes);
            self.limit_bytes = limits.max_bytes as usize;
        }
        Ok(())
    }
}
