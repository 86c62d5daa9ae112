//! Where tapes are, and how people are asked for them.
//!
//! The library tells of its own places. What is outside is known from what people said of it
//! (`tape place`), and that counts while the library has not got the tape. Whoever wants a tape
//! that is not at hand asks for it in the words of this module. Moves no tape.

use std::collections::HashMap;
use std::time::Duration;

use catalogs::model::event::{Location, OutsidePlace, PlaceKind};
use jiff::Timestamp;
use serde::Serialize;

use super::library::{Place, Snapshot};
use super::{Site, catalog};
use crate::units::TimeSpan;

/// Where a tape is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "place", content = "number", rename_all = "snake_case")]
pub enum TapePlace {
    /// In this drive, counted from 0.
    Drive(u16),
    /// In this slot, counted from 1.
    Slot(u16),
    /// In this mail slot, counted from 1.
    MailSlot(u16),
    /// In the robot's hand, where a failed move left it. The next mount brings it into a slot.
    Robot,
    /// Loaded by hand on request.
    Operator,
    /// Not in the library.
    Missing,
}

/// A tape that somebody has to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pick {
    /// Its barcode.
    pub barcode: String,
    /// Where it is; `None` if nobody wrote that down.
    pub outside: Option<OutsidePlace>,
    /// Tapes outside that together have all that is wanted of it, too, and are not nearer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<Pick>,
}

impl Pick {
    /// Where it is, for whoever fetches it, and what would do as well.
    #[must_use]
    pub fn words(&self) -> String {
        let place = self.outside.as_ref().map(outside_words);
        let place = place.unwrap_or_else(|| "nobody noted where it is (`tape place`)".to_owned());
        let other = |other: &Pick| format!("{}: {}", other.barcode, other.words());
        let others: Vec<String> = self.instead.iter().map(other).collect();
        match others.is_empty() {
            true => place,
            false => format!("{place} (or instead {})", others.join(" and ")),
        }
    }
}

/// The place, if it is outside of a library.
pub(crate) fn outside(location: Location) -> Option<OutsidePlace> {
    match location {
        Location::Outside(place) => Some(place),
        Location::Library { .. } => None,
    }
}

/// Where somebody said that a tape is, and when. It is looked up anew each time: somebody may say
/// it while a job waits for the tape.
pub(crate) fn said(site: Site<'_>, barcode: &str) -> Option<(Timestamp, OutsidePlace)> {
    let catalog = catalog::glance_at(site)?;
    let volume = catalog::live_volume(&catalog, barcode).ok()??;
    let (time, location) = volume.location?;
    Some((time, outside(location)?))
}

/// Asks for a tape that has to come into a library with a changer.
pub(crate) fn ask_to_insert(barcode: &str, outside: Option<&OutsidePlace>) -> String {
    match outside {
        Some(place) => format!(
            "{barcode} is {}: put it into a mail slot or a free slot and try again.",
            outside_words(place)
        ),
        None => format!("Put {barcode} into a mail slot or a free slot and try again."),
    }
}

/// Asks for a tape that is to be loaded by hand.
pub(crate) fn ask_to_load(barcode: &str, outside: Option<&OutsidePlace>) -> String {
    match outside {
        Some(place) => format!(
            "{barcode} is {}: try again once it is at hand.",
            outside_words(place)
        ),
        None => format!("Try again once {barcode} is at hand."),
    }
}

/// `in the vault "Bank, box 12", fetched in about 1 d`. The name is quoted, so that none of it is
/// taken for what is said of it.
#[must_use]
pub fn outside_words(place: &OutsidePlace) -> String {
    let kind = match place.kind {
        Some(PlaceKind::Shelf) => "on the shelf",
        Some(PlaceKind::Courier) => "with the courier",
        Some(PlaceKind::Vault) => "in the vault",
        None => "at",
    };
    let fetch = place.fetch_s.map(|seconds| {
        let span = TimeSpan(Duration::from_secs(seconds));
        format!(", fetched in about {span}")
    });
    format!("{kind} {:?}{}", place.place_name, fetch.unwrap_or_default())
}

/// Where tapes are, by barcode.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// A changer told.
    Known {
        /// By barcode.
        places: HashMap<String, TapePlace>,
        /// Places, in words, of cartridges whose labels cannot be read.
        nameless: Vec<String>,
        /// Numbers of the drives that are ours, those first in which nothing is.
        drives: Vec<u16>,
        /// How many slots there are.
        slots: usize,
    },
    /// Every tape is handed over on request.
    ByHand {
        /// The tape that was read in the drive last, and lies in it still.
        loaded: Option<String>,
    },
}

impl Places {
    pub(crate) fn new(snapshot: Option<Snapshot>, is_ours: impl Fn(&Place) -> bool) -> Places {
        let Some(snapshot) = snapshot else {
            return Places::ByHand { loaded: None };
        };
        let mut ours: Vec<&Place> = snapshot.drives.iter().filter(|p| is_ours(p)).collect();
        ours.sort_by_key(|place| place.cartridge.is_some());
        let drives = snapshot
            .drives
            .iter()
            .map(|p| (p, TapePlace::Drive(p.number)));
        let slots = snapshot
            .slots
            .iter()
            .map(|p| (p, TapePlace::Slot(p.number)));
        let mail = snapshot
            .mail_slots
            .iter()
            .map(|p| (p, TapePlace::MailSlot(p.number)));
        let robots = snapshot.robots.iter().map(|p| (p, TapePlace::Robot));
        let known = drives
            .chain(slots)
            .chain(mail)
            .chain(robots)
            .filter_map(|(place, name)| Some((place.cartridge.as_ref()?.barcode.clone()?, name)));
        Places::Known {
            places: known.collect(),
            nameless: snapshot.nameless(),
            drives: ours.iter().map(|place| place.number).collect(),
            slots: snapshot.slots.len(),
        }
    }

    /// Places, in words, of cartridges whose labels cannot be read: a tape that is missing may
    /// be one of them.
    pub(crate) fn nameless(&self) -> &[String] {
        match self {
            Places::ByHand { .. } => &[],
            Places::Known { nameless, .. } => nameless,
        }
    }

    /// The same where this tape was just read: without a changer it lies in the drive still.
    pub(crate) fn just_read(self, barcode: Option<&str>) -> Places {
        match self {
            Places::ByHand { .. } => Places::ByHand {
                loaded: barcode.map(str::to_owned),
            },
            known => known,
        }
    }

    /// Numbers of the drives that are ours, those first in which nothing is.
    pub(crate) fn drives(&self) -> &[u16] {
        match self {
            Places::Known { drives, .. } => drives,
            Places::ByHand { .. } => &[0],
        }
    }

    /// Where the tape is.
    pub(crate) fn of(&self, barcode: &str) -> TapePlace {
        match self {
            Places::ByHand { loaded } if loaded.as_deref() == Some(barcode) => TapePlace::Drive(0),
            Places::ByHand { .. } => TapePlace::Operator,
            Places::Known { places, .. } => {
                places.get(barcode).cloned().unwrap_or(TapePlace::Missing)
            }
        }
    }
}
