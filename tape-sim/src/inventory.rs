//! The library's elements and what is in them.
//!
//! `inventory.json` is the truth; it is replaced atomically under an exclusive `flock` of
//! `library.lock`, so several processes may share a library. After each change of a drive
//! element `drives/N/bay.json` is rewritten from it: drives look at nothing else. Knows neither
//! CDBs nor cartridge contents.

mod doors;
mod label;
mod operator;
mod robot;
mod store;

use crate::physics::deck::MotionCounters;
use crate::ssc::Busy;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::reservation::Reservations;
use crate::sense::Code;
use crate::spc::Attentions;
use crate::target::Nexus;

pub use doors::{Door, MAGAZINE_SLOTS, insert_magazine, remove_magazine, set_door};
pub use label::Label;
pub(crate) use operator::relabel;
pub use operator::{insert, put, remove, take};
pub use robot::Robot;
use robot::Turn;
pub use store::{LOCK_FILE, bay_path, create, read, read_bay, read_hold};
pub(crate) use store::{hold_lock, open, update};

/// Address of the one medium transport element.
pub const TRANSPORT_ADDRESS: u16 = 0;
/// Address of the first data transfer element (drive 0).
pub const FIRST_DRIVE_ADDRESS: u16 = 1;
/// Address of the first import/export element (mail slot).
pub const FIRST_MAIL_SLOT_ADDRESS: u16 = 101;
/// Address of the first storage element.
pub const FIRST_SLOT_ADDRESS: u16 = 1001;

const MAX_DRIVES: u16 = FIRST_MAIL_SLOT_ADDRESS - FIRST_DRIVE_ADDRESS;
const MAX_MAIL_SLOTS: u16 = FIRST_SLOT_ADDRESS - FIRST_MAIL_SLOT_ADDRESS;
const MAX_SLOTS: u16 = 60_000;
/// Longest barcode: a volume tag's identifier.
const MAX_BARCODE_BYTES: usize = 32;

/// How many elements there are of each type; there is one transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Data transfer elements, 1 to 100.
    pub drives: u16,
    /// Storage elements, at most 60000.
    pub slots: u16,
    /// Import/export elements, at most 900.
    pub mail_slots: u16,
}

/// Element types with their SMC codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ElementType {
    /// Medium transport: the robot.
    Transport = 1,
    /// Storage: a slot.
    Storage = 2,
    /// Import/export: a mail slot.
    ImportExport = 3,
    /// Data transfer: a drive.
    DataTransfer = 4,
}

impl Layout {
    /// First address and number of the elements of one type.
    #[must_use]
    pub fn range(self, kind: ElementType) -> (u16, u16) {
        match kind {
            ElementType::Transport => (TRANSPORT_ADDRESS, 1),
            ElementType::Storage => (FIRST_SLOT_ADDRESS, self.slots),
            ElementType::ImportExport => (FIRST_MAIL_SLOT_ADDRESS, self.mail_slots),
            ElementType::DataTransfer => (FIRST_DRIVE_ADDRESS, self.drives),
        }
    }

    /// Type of the element at `address` and its number within the type, from 0.
    #[must_use]
    pub fn element(self, address: u16) -> Option<(ElementType, u16)> {
        let kinds = [
            ElementType::Transport,
            ElementType::DataTransfer,
            ElementType::ImportExport,
            ElementType::Storage,
        ];
        kinds.into_iter().find_map(|kind| {
            let (first, count) = self.range(kind);
            let number = address.checked_sub(first)?;
            (number < count).then_some((kind, number))
        })
    }

    fn is_possible(self) -> bool {
        (1..=MAX_DRIVES).contains(&self.drives)
            && self.slots <= MAX_SLOTS
            && self.mail_slots <= MAX_MAIL_SLOTS
    }
}

/// A cartridge in an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its name: of its folder, and what a readable label of its own shows.
    pub barcode: String,
    /// Its label, as the library last saw it.
    #[serde(default, skip_serializing_if = "Label::is_readable")]
    pub label: Label,
    /// Primary volume tag that a host has given it, instead of the label's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Alternate volume tag that a host has given it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate_tag: Option<String>,
    /// Storage element that the robot last took it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<u16>,
    /// An operator put it where it is, into a mail slot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

impl Content {
    /// A cartridge that the robot has not moved yet.
    fn new(barcode: &str) -> Self {
        Self {
            barcode: barcode.to_owned(),
            label: Label::Readable,
            tag: None,
            alternate_tag: None,
            source: None,
            imported: false,
        }
    }

    /// The primary volume tag: what a host has set, else what the label shows.
    #[must_use]
    pub fn primary_tag(&self) -> Option<&str> {
        let label = || self.label.text(&self.barcode);
        self.tag.as_deref().or_else(label)
    }

    fn is_unreadable(&self) -> bool {
        self.label == Label::Unreadable && self.tag.is_none()
    }
}

/// Events that hosts are told with unit attentions, counted since the library was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// Times the power came on.
    pub power_ons: u64,
    /// Times an operator used a mail slot.
    pub mail_slot_accesses: u64,
    /// Times an operator changed what is in the slots.
    pub slot_changes: u64,
}

impl Events {
    /// Of each counter the later state.
    pub(crate) fn latest(self, other: Self) -> Self {
        Self {
            power_ons: self.power_ons.max(other.power_ons),
            mail_slot_accesses: self.mail_slot_accesses.max(other.mail_slot_accesses),
            slot_changes: self.slot_changes.max(other.slot_changes),
        }
    }
}

/// The state of the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    format: u32,
    /// The elements.
    layout: Layout,
    /// Occupied elements by address.
    contents: BTreeMap<u16, Content>,
    /// Arrivals and departures per drive.
    drive_moves: Vec<u64>,
    /// What has happened.
    pub(crate) events: Events,
    /// What hosts have been told of it.
    pub(crate) reported: Events,
    /// The door to the mail slots is open.
    #[serde(default)]
    mail_door_open: bool,
    /// The front door is open: the robot stands still.
    #[serde(default)]
    front_door_open: bool,
    /// Magazines that are out, with what is in them.
    #[serde(default)]
    removed_magazines: BTreeMap<u16, BTreeMap<u16, Content>>,
    /// What is wrong with single elements, until the next scan.
    #[serde(default)]
    pub(crate) exceptions: BTreeMap<u16, Code>,
    /// TapeAlert flags of the library, the most significant bit is flag 1.
    #[serde(default)]
    pub(crate) alerts: u64,
    /// Who has the changer to itself.
    #[serde(default, skip_serializing_if = "Reservations::is_free")]
    pub(crate) reservations: Reservations,
    /// Unit attentions of reservations, for initiators that have not heard of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attentions: BTreeMap<Nexus, Attentions>,
    /// Where the robot stands behind all that it has to do, and when that is.
    #[serde(default)]
    robot: Robot,
    /// Its last turns, in the order of their times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    robot_turns: Vec<Turn>,
    /// The robot's time at the last arrival or departure, per drive, in nanoseconds.
    #[serde(default)]
    drive_moved_ns: Vec<u64>,
    /// The same of other elements, by address; absent where it is too long ago to matter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    changed_ns: BTreeMap<u16, u64>,
}

/// What the drive in bay N sees of the library: the content of `drives/N/bay.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bay {
    /// Arrivals and departures so far.
    pub moves: u64,
    /// The cartridge in the drive.
    pub barcode: Option<String>,
    /// The robot's time when that was last changed, in nanoseconds: the drive's goes on no
    /// earlier.
    #[serde(default)]
    pub time_ns: u64,
}

/// What the library sees of the drive in bay N: the part of `drives/N/state.json` it reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveHold {
    /// The tape is threaded: the robot cannot pull it.
    #[serde(default)]
    pub threaded: bool,
    /// A host has prevented removal.
    #[serde(default)]
    pub prevented: bool,
    /// The drive's time when it last told, in nanoseconds.
    #[serde(default)]
    pub time_ns: u64,
    /// What goes on in it.
    #[serde(default)]
    pub busy: Option<Busy>,
    /// What it has counted in its life.
    #[serde(default)]
    pub life: DriveWear,
}

/// What a drive has counted in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveWear {
    /// Cartridges loaded.
    #[serde(default)]
    pub loads: u64,
    /// Tape moved.
    #[serde(default)]
    pub motion: MotionCounters,
}

impl DriveHold {
    /// When the robot can reach into the drive, in nanoseconds of the drive's time.
    #[must_use]
    pub fn free_ns(&self) -> u64 {
        let end_ns = self.busy.map_or(0, |busy| busy.end_ns);
        self.time_ns.max(end_ns)
    }
}

impl Inventory {
    /// The elements there are.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What is in the element at `address`.
    #[must_use]
    pub fn content(&self, address: u16) -> Option<&Content> {
        self.contents.get(&address)
    }

    /// The same, to change what is known of it.
    pub(crate) fn content_mut(&mut self, address: u16) -> Option<&mut Content> {
        self.contents.get_mut(&address)
    }

    /// Occupied elements with their addresses, ascending.
    pub fn contents(&self) -> impl Iterator<Item = (u16, &Content)> {
        self.contents
            .iter()
            .map(|(address, content)| (*address, content))
    }

    /// The cartridge in the element at `address` is taken out at `now_ns`.
    pub(crate) fn pick(&mut self, address: u16, now_ns: u64) -> Option<Content> {
        let mut content = self.contents.remove(&address)?;
        self.note_change(address, now_ns);
        match self.layout.element(address) {
            Some((ElementType::Storage, _)) => content.source = Some(address),
            Some((ElementType::Transport | ElementType::DataTransfer, _)) => {}
            // SMC names storage elements only: a mail slot is no source.
            _ => content.source = None,
        }
        self.exceptions.remove(&address);
        content.imported = false;
        Some(content)
    }

    /// A cartridge is put into the empty element at `address` at `now_ns`.
    pub(crate) fn place(&mut self, address: u16, content: Content, now_ns: u64) {
        self.note_change(address, now_ns);
        self.exceptions.remove(&address);
        self.contents.insert(address, content);
    }

    /// Sets TapeAlert flag `number` (1 to 64) of the library.
    pub(crate) fn raise(&mut self, number: u8) {
        self.alerts |= 1 << (64 - u32::from(number.clamp(1, 64)));
    }

    /// The reader looks at the labels of the elements in `range` again; what was noted as wrong
    /// with them is forgotten. `label` says what is on a cartridge.
    pub(crate) fn scan<E>(
        &mut self,
        range: std::ops::RangeInclusive<u16>,
        mut label: impl FnMut(&str) -> Result<Label, E>,
    ) -> Result<(), E> {
        self.exceptions
            .retain(|address, _| !range.contains(address));
        for (_, content) in self.contents.range_mut(range) {
            content.label = label(&content.barcode)?;
        }
        Ok(())
    }

    /// A cartridge comes or goes.
    fn note_change(&mut self, address: u16, now_ns: u64) {
        let Some((ElementType::DataTransfer, drive)) = self.layout.element(address) else {
            self.changed_ns.insert(address, now_ns);
            return;
        };
        if let Some(moves) = self.drive_moves.get_mut(usize::from(drive)) {
            *moves += 1;
            self.drive_moved_ns.resize(self.drive_moves.len(), 0);
            self.drive_moved_ns[usize::from(drive)] = now_ns;
        }
    }

    /// When a cartridge last came to the element at `address` or left it, in nanoseconds of the
    /// robot's time; 0 where that is too long ago to matter.
    pub(crate) fn changed_ns(&self, address: u16) -> u64 {
        let changed_ns = match self.layout.element(address) {
            Some((ElementType::DataTransfer, drive)) => self.drive_moved_ns.get(usize::from(drive)),
            _ => self.changed_ns.get(&address),
        };
        changed_ns.copied().unwrap_or(0)
    }

    fn bay(&self, drive: u16) -> Bay {
        let content = self.content(FIRST_DRIVE_ADDRESS + drive);
        Bay {
            moves: self
                .drive_moves
                .get(usize::from(drive))
                .copied()
                .unwrap_or(0),
            barcode: content.map(|content| content.barcode.clone()),
            time_ns: self.changed_ns(FIRST_DRIVE_ADDRESS + drive),
        }
    }

    /// What is wrong with it, if it was not made by this module.
    fn flaw(&self) -> Option<String> {
        if !self.layout.is_possible() {
            return Some(format!("impossible layout {:?}", self.layout));
        }
        if self.drive_moves.len() != usize::from(self.layout.drives) {
            return Some("drive_moves does not match the drives".to_owned());
        }
        let mut seen = BTreeSet::new();
        let removed = self.removed_magazines.values().flatten();
        if let Some((address, _)) = removed.clone().find(|(address, _)| {
            !self.is_removed(**address) || self.contents.contains_key(*address)
        }) {
            return Some(format!("element {address} is in and out of the library"));
        }
        self.contents
            .iter()
            .chain(removed)
            .find_map(|(address, content)| {
                let barcode = &content.barcode;
                if self.layout.element(*address).is_none() {
                    Some(format!(
                        "{barcode} in element {address}, which does not exist"
                    ))
                } else if !is_barcode(barcode) {
                    Some(format!("{barcode:?} is no barcode"))
                } else if !seen.insert(barcode) {
                    Some(format!("{barcode} is there twice"))
                } else {
                    None
                }
            })
    }
}

/// Letters and digits only: the barcode is also a folder's name.
fn is_barcode(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain && (1..=MAX_BARCODE_BYTES).contains(&text.len())
}
