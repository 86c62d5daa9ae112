//! Layer 3: a medium changer: inventory and moves. A stranger to the drive.
//!
//! [`Changer`] speaks SCSI over a [`crate::transport::Transport`]; [`Inventory`] is what
//! it sees. Knows neither what is on the tapes nor which device node a drive has: it
//! reports the serial number of the drive in an element, where the library tells.

mod command;
mod device;
mod error;
mod inventory;
mod survey;

pub use device::{Changer, ChangerIdentity, ChangerWait};
pub use error::{ChangerError, ChangerErrorKind};
pub use inventory::{Element, ElementAddress, ElementKind, Exception, Inventory, MediumType};
