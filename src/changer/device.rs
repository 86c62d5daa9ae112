//! A medium changer behind a transport.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use super::{ChangerError, ChangerErrorKind, ElementAddress, ElementKind};
use crate::scsi::cdb;
use crate::scsi::inquiry;
use crate::scsi::mode::parse_element_addresses;
use crate::scsi::mode::{ElementAddresses, ElementRange, PAGE_ELEMENT_ADDRESSES};
use crate::scsi::timeouts::Timeouts;
use crate::scsi::{Meaning, sense::SenseKey};
use crate::transport::wait::Wait;
use crate::transport::{Data, Transport};

const INQUIRY_BYTES: usize = 96;
const VPD_BYTES: usize = 252;
const MODE_BYTES: usize = 136;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Who a changer is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangerIdentity {
    /// Vendor name.
    pub vendor: String,
    /// Product name.
    pub product: String,
    /// Firmware revision.
    pub revision: String,
    /// Unit serial number; empty if the changer tells none.
    pub serial: String,
}

/// What a changer is doing while it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangerWait {
    /// Since the wait began.
    pub elapsed: Duration,
    /// What the library says, such as "becoming ready (2/04/01)".
    pub what: String,
}

/// A medium changer. Each command stands for itself, so several processes may use one.
pub struct Changer {
    pub(super) transport: Box<dyn Transport>,
    pub(super) name: String,
    pub(super) timeouts: Timeouts,
    identity: ChangerIdentity,
    pub(super) addresses: ElementAddresses,
    /// The library has not refused to report drive serials (DVCID) or barcodes (VOLTAG).
    pub(super) reports_ids: bool,
    pub(super) reports_tags: bool,
}

impl fmt::Debug for Changer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Changer {
    /// Asks the device behind `transport` who it is and which elements it has.
    ///
    /// # Errors
    ///
    /// [`ChangerErrorKind::Unsupported`] if the device is no changer; transport failures.
    pub fn open(transport: Box<dyn Transport>) -> Result<Changer, ChangerError> {
        let mut changer = Changer {
            name: transport.name().to_owned(),
            transport,
            timeouts: Timeouts::of_changer(),
            identity: ChangerIdentity::default(),
            addresses: ElementAddresses::default(),
            reports_ids: true,
            reports_tags: true,
        };
        changer.identity = changer.ask_identity()?;
        changer.addresses = changer.ask_addresses()?;
        Ok(changer)
    }

    /// Who this changer is.
    #[must_use]
    pub fn identity(&self) -> &ChangerIdentity {
        &self.identity
    }

    /// How messages name this changer.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How messages name an element: `slot 3`. Drives count from 0, all others from 1, in the
    /// order of their addresses.
    #[must_use]
    pub fn name_of(&self, element: ElementAddress) -> String {
        for (kind, range) in self.ranges() {
            let Some(offset) = element.0.checked_sub(range.first) else {
                continue;
            };
            let first_number = u32::from(kind != ElementKind::Drive);
            if offset < range.count {
                return kind.name_of(u32::from(offset) + first_number, range.count);
            }
        }
        format!("element {element}, which the library does not have")
    }

    /// The elements of each kind.
    pub(super) fn ranges(&self) -> [(ElementKind, ElementRange); 4] {
        let addresses = self.addresses;
        [
            (ElementKind::Drive, addresses.drives),
            (ElementKind::Storage, addresses.storage),
            (ElementKind::ImportExport, addresses.import_export),
            (ElementKind::Transport, addresses.transport),
        ]
    }

    /// Waits until the library is ready, for instance while it counts its cartridges.
    /// `onlooker` hears what it says, and may break off.
    ///
    /// # Errors
    ///
    /// [`ChangerErrorKind::NotReady`] once `patience` is used up or if somebody has to
    /// see to the library, [`ChangerErrorKind::Cancelled`], [`ChangerErrorKind::Interrupted`] if
    /// it is reset without end; transport failures.
    pub fn wait_ready(
        &mut self,
        patience: Duration,
        onlooker: &mut dyn FnMut(&ChangerWait) -> ControlFlow<()>,
    ) -> Result<(), ChangerError> {
        let action = format_args!("waiting for the library to become ready");
        let mut waited = Wait::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let Err(sense) = self.exchange(action, &cdb::test_unit_ready(), Data::None)? else {
                return Ok(());
            };
            let elapsed = waited.elapsed();
            // One that comes here came with each attempt.
            if sense.key == SenseKey::UnitAttention {
                let what = format!("it is reset again and again: {sense}");
                return Err(self.error(action, ChangerErrorKind::Interrupted, what));
            }
            if sense.meaning() != Meaning::BecomingReady || elapsed >= patience {
                return Err(self.refusal(action, &sense));
            }
            let waiting = ChangerWait {
                elapsed,
                what: sense.to_string(),
            };
            if onlooker(&waiting).is_break() {
                let what = format!("stopped while the library said: {sense}");
                return Err(self.error(action, ChangerErrorKind::Cancelled, what));
            }
            waited.pause(&mut *self.transport, patience - elapsed);
        }
    }

    /// Moves the cartridge in element `from` to element `to`, and returns when the robot
    /// has put it there; a drive may still be loading it. Unload a drive before taking
    /// its cartridge.
    ///
    /// # Errors
    ///
    /// The kinds that say so moved nothing. After [`ChangerErrorKind::Hardware`],
    /// [`ChangerErrorKind::Interrupted`] and [`ChangerErrorKind::Transport`] only a new
    /// inventory tells where the cartridge is. Never repeated automatically.
    pub fn move_medium(
        &mut self,
        from: ElementAddress,
        to: ElementAddress,
    ) -> Result<(), ChangerError> {
        let robot = self.addresses.transport.first;
        let (source, destination) = (self.name_of(from), self.name_of(to));
        let action = format_args!("moving a cartridge from {source} to {destination}");
        let command = cdb::move_medium(robot, from.0, to.0);
        self.command(action, &command, Data::None)
            .map(drop)
            .map_err(|mut error| {
                error.elements = Some((from, to));
                error
            })
    }

    /// Prevents or allows the use of doors and mail slots by people.
    ///
    /// # Errors
    ///
    /// Refusals and transport failures.
    pub fn prevent_removal(&mut self, prevent: bool) -> Result<(), ChangerError> {
        let verb = if prevent { "locking" } else { "unlocking" };
        let action = format_args!("{verb} the library");
        self.command(action, &cdb::prevent_allow(prevent), Data::None)?;
        Ok(())
    }

    fn ask_identity(&mut self) -> Result<ChangerIdentity, ChangerError> {
        let action = format_args!("identifying the changer");
        let mut data = [0; INQUIRY_BYTES];
        let got = self.command(action, &cdb::inquiry(96), Data::In(&mut data))?;
        let found = self.decoded(action, inquiry::parse_standard(&data[..got]))?;
        if !found.connected || found.device_type != inquiry::TYPE_CHANGER {
            let what = format!(
                "this is no medium changer but a device of type {:02X}h: {} {}",
                found.device_type, found.vendor, found.product
            );
            return Err(self.error(action, ChangerErrorKind::Unsupported, what));
        }
        let mut page = [0; VPD_BYTES];
        let ask = cdb::inquiry_vpd(inquiry::PAGE_SERIAL, VPD_BYTES as u16);
        let got = self.command_if_known(action, &ask, Data::In(&mut page))?;
        let serial = got.and_then(|got| inquiry::parse_serial(&page[..got]).ok());
        Ok(ChangerIdentity {
            vendor: found.vendor,
            product: found.product,
            revision: found.revision,
            serial: serial.unwrap_or_default(),
        })
    }

    fn ask_addresses(&mut self) -> Result<ElementAddresses, ChangerError> {
        let action = format_args!("asking for the element addresses");
        let mut data = [0; MODE_BYTES];
        let page = PAGE_ELEMENT_ADDRESSES;
        let ask = cdb::mode_sense_6_no_descriptor(page, MODE_BYTES as u8);
        let got = match self.command_if_known(action, &ask, Data::In(&mut data))? {
            Some(got) => got,
            None => {
                let ask = cdb::mode_sense_6(page, MODE_BYTES as u8);
                self.command(action, &ask, Data::In(&mut data))?
            }
        };
        self.decoded(action, parse_element_addresses(&data[..got]))
    }
}
