//! Which cartridge is meant, and where it goes. Pure.

use crate::jobs::library::{Cartridge, Place, Snapshot};
use crate::jobs::mount::{Shift, Spot};
use crate::jobs::whereabouts::TapePlace;
use crate::jobs::{JobError, MailSlotError};

/// Where a tape is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// Anywhere but in a mail slot.
    Inside,
    /// In a mail slot.
    MailSlot,
    /// In this slot.
    Slot(u16),
}

/// The move of the tape `typed`: a barcode, or the number of the place it is in.
///
/// # Errors
///
/// There is no such tape, or two are; there is no room where it is to go.
pub(super) fn choose(snapshot: &Snapshot, typed: &str, goal: Goal) -> Result<Shift, JobError> {
    let (place, from) = find(snapshot, typed, goal)?;
    let name = name(place, &from.place);
    let to = match (goal, &from.place) {
        (Goal::Inside, TapePlace::Slot(_) | TapePlace::Drive(_)) => from.clone(),
        (Goal::Inside, _) => free_slot(snapshot, place, &name, &from.place)?,
        (Goal::MailSlot, TapePlace::MailSlot(_)) => from.clone(),
        (Goal::MailSlot, _) => free_mail_slot(snapshot, &name)?,
        (Goal::Slot(number), _) => slot(snapshot, number, &from)?,
    };
    Ok(Shift { name, from, to })
}

/// What is in the mail slots, as it would be typed.
pub(super) fn in_mail_slots(snapshot: &Snapshot) -> Vec<String> {
    let full = snapshot.mail_slots.iter();
    let full = full.filter_map(|place| Some((place.number, place.cartridge.as_ref()?)));
    full.map(|(number, cartridge)| match &cartridge.barcode {
        Some(barcode) => barcode.clone(),
        None => number.to_string(),
    })
    .collect()
}

/// What is where after this move.
pub(super) fn apply(snapshot: &mut Snapshot, shift: &Shift) {
    let mut carried: Option<Cartridge> = None;
    let Snapshot {
        drives,
        slots,
        mail_slots,
        robots,
        ..
    } = snapshot;
    let mut at = |spot: &Spot, put: &mut Option<Cartridge>| {
        let lists = [&mut *drives, &mut *slots, &mut *mail_slots, &mut *robots];
        let mut places = lists.into_iter().flatten();
        if let Some(place) = places.find(|place| place.address == spot.address) {
            std::mem::swap(&mut place.cartridge, put);
        }
    };
    at(&shift.from, &mut carried);
    at(&shift.to, &mut carried);
}

/// The place in words, as the library's own messages name it.
pub(crate) fn element(place: &TapePlace) -> String {
    match place {
        TapePlace::Drive(number) => format!("drive {number}"),
        TapePlace::Slot(number) => format!("slot {number}"),
        TapePlace::MailSlot(number) => format!("mail slot {number}"),
        TapePlace::Robot => "the robot's hand".to_owned(),
        TapePlace::Operator | TapePlace::Missing => "outside the library".to_owned(),
    }
}

fn spots(snapshot: &Snapshot) -> impl Iterator<Item = (&Place, Spot)> {
    type Named = fn(u16) -> TapePlace;
    let kinds: [(&[Place], Named); 4] = [
        (&snapshot.drives, TapePlace::Drive),
        (&snapshot.slots, TapePlace::Slot),
        (&snapshot.mail_slots, TapePlace::MailSlot),
        (&snapshot.robots, |_| TapePlace::Robot),
    ];
    kinds.into_iter().flat_map(|(places, named)| {
        places.iter().map(move |place| {
            let address = place.address;
            let place_of = named(place.number);
            (
                place,
                Spot {
                    address,
                    place: place_of,
                },
            )
        })
    })
}

fn find<'a>(
    snapshot: &'a Snapshot,
    typed: &str,
    goal: Goal,
) -> Result<(&'a Place, Spot), JobError> {
    let mut holders = spots(snapshot).filter(|(place, _)| place.holds(typed));
    match (holders.next(), holders.next(), typed.parse::<u16>()) {
        (Some(found), None, _) => Ok(found),
        (Some(_), Some(_), _) => Err(JobError::BarcodeTwice {
            barcode: typed.to_owned(),
        }),
        (None, _, Ok(number)) => at_number(snapshot, number, goal),
        (None, _, Err(_)) => Err(JobError::TapeMissing {
            barcode: typed.to_owned(),
            nameless: snapshot.nameless(),
            lost: None,
            outside: None,
        }),
    }
}

/// What is in the mail slot of this number, or in the slot, if it is to leave one.
fn at_number(snapshot: &Snapshot, number: u16, goal: Goal) -> Result<(&Place, Spot), JobError> {
    let wanted = match goal {
        Goal::Inside => TapePlace::MailSlot(number),
        Goal::MailSlot | Goal::Slot(_) => TapePlace::Slot(number),
    };
    let found = spots(snapshot).find(|(_, spot)| spot.place == wanted);
    let what = match found {
        Some((place, spot)) if place.cartridge.is_some() => return Ok((place, spot)),
        Some(_) => format!("{} is empty", element(&wanted)),
        None => format!("the library has no {}", element(&wanted)),
    };
    Err(JobError::Request { what })
}

fn name(place: &Place, at: &TapePlace) -> String {
    let cartridge = place.cartridge.as_ref();
    let barcode = cartridge.and_then(|cartridge| cartridge.barcode.clone());
    barcode.unwrap_or_else(|| format!("({})", element(at)))
}

fn free_slot(
    snapshot: &Snapshot,
    place: &Place,
    name: &str,
    at: &TapePlace,
) -> Result<Spot, JobError> {
    let address = snapshot.home_for(place);
    let home =
        address.and_then(|address| spots(snapshot).find(|(slot, _)| slot.address == address));
    home.map(|(_, spot)| spot)
        .ok_or_else(|| JobError::LibraryFull {
            barcode: name.to_owned(),
            drive: element(at),
        })
}

fn free_mail_slot(snapshot: &Snapshot, name: &str) -> Result<Spot, JobError> {
    if snapshot.mail_slots.is_empty() {
        let what = "the library has no mail slots; take the tape out with its magazine".to_owned();
        return Err(JobError::Request { what });
    }
    let empty = || {
        snapshot
            .mail_slots
            .iter()
            .filter(|slot| slot.cartridge.is_none())
    };
    if let Some(slot) = empty().find(|slot| slot.problem.is_none()) {
        return Ok(Spot {
            address: slot.address,
            place: TapePlace::MailSlot(slot.number),
        });
    }
    let trouble = |slot: &Place| {
        let problem = slot.problem.as_ref()?;
        Some(format!("mail slot {}: {problem}", slot.number))
    };
    let slots: Vec<String> = empty().filter_map(trouble).collect();
    Err(match slots.is_empty() {
        true => MailSlotError::Full {
            left: vec![name.to_owned()],
        },
        false => MailSlotError::Shut { slots },
    }
    .into())
}

fn slot(snapshot: &Snapshot, number: u16, from: &Spot) -> Result<Spot, JobError> {
    let wanted = TapePlace::Slot(number);
    let found = spots(snapshot).find(|(_, spot)| spot.place == wanted);
    let what = match found {
        Some((place, spot)) if place.cartridge.is_none() || spot == *from => return Ok(spot),
        Some((place, _)) => format!(
            "slot {number} holds {}; name an empty slot",
            place.barcode_text()
        ),
        None => format!(
            "the library has no slot {number}; its slots are 1 to {}",
            snapshot.slots.len()
        ),
    };
    Err(JobError::Request { what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changer::ElementAddress;
    use crate::jobs::library::CartridgeKind;

    /// `-` is an empty place, `?` a cartridge whose barcode cannot be read.
    fn place(first: u16, number: u16, barcode: &str) -> Place {
        Place {
            address: ElementAddress(first + number),
            number,
            cartridge: (barcode != "-").then(|| Cartridge {
                barcode: (barcode != "?").then(|| barcode.to_owned()),
                kind: CartridgeKind::Data,
                source: None,
            }),
            serial: None,
            problem: None,
        }
    }

    fn library(slots: &[&str], mail_slots: &[&str]) -> Snapshot {
        let places = |first, barcodes: &[&str]| -> Vec<Place> {
            let numbered = (1..).zip(barcodes);
            numbered
                .map(|(number, barcode)| place(first, number, barcode))
                .collect()
        };
        Snapshot {
            drives: vec![place(1, 0, "D")],
            slots: places(1000, slots),
            mail_slots: places(100, mail_slots),
            robots: Vec::new(),
            trouble: None,
        }
    }

    #[test]
    fn a_tape_goes_to_the_first_place_that_is_free() {
        use TapePlace as P;
        let library = library(&["A", "-", "?", "-"], &["M", "-", "?"]);
        for (typed, goal, name, from, to) in [
            ("M", Goal::Inside, "M", P::MailSlot(1), P::Slot(2)),
            ("1", Goal::Inside, "M", P::MailSlot(1), P::Slot(2)),
            (
                "3",
                Goal::Inside,
                "(mail slot 3)",
                P::MailSlot(3),
                P::Slot(2),
            ),
            ("A", Goal::Inside, "A", P::Slot(1), P::Slot(1)),
            ("A", Goal::MailSlot, "A", P::Slot(1), P::MailSlot(2)),
            ("3", Goal::MailSlot, "(slot 3)", P::Slot(3), P::MailSlot(2)),
            ("D", Goal::MailSlot, "D", P::Drive(0), P::MailSlot(2)),
            ("M", Goal::MailSlot, "M", P::MailSlot(1), P::MailSlot(1)),
            ("D", Goal::Slot(4), "D", P::Drive(0), P::Slot(4)),
            ("A", Goal::Slot(1), "A", P::Slot(1), P::Slot(1)),
        ] {
            let shift = choose(&library, typed, goal).unwrap();
            let found = (shift.name.as_str(), shift.from.place, shift.to.place);
            assert_eq!(found, (name, from, to), "{typed} {goal:?}");
        }
        assert_eq!(in_mail_slots(&library), ["M", "3"]);
    }

    #[test]
    fn what_cannot_be_moved_is_named_with_its_reason() {
        let mut shut = library(&["A"], &["-"]);
        shut.mail_slots[0].problem = Some("its door may be open".to_owned());
        for (library, typed, goal, words) in [
            (library(&["A"], &["M"]), "A", Goal::MailSlot, "full"),
            (library(&["A"], &["M"]), "M", Goal::Inside, "mail slot 1"),
            (library(&["A"], &[]), "A", Goal::MailSlot, "no mail slots"),
            (shut, "A", Goal::MailSlot, "its door may be open"),
            (
                library(&["A", "A"], &["-"]),
                "A",
                Goal::MailSlot,
                "more than one",
            ),
            (library(&["?"], &["-"]), "Z", Goal::MailSlot, "slot 1"),
            (
                library(&["A"], &["-"]),
                "1",
                Goal::Inside,
                "mail slot 1 is empty",
            ),
            (library(&["A"], &["-"]), "9", Goal::MailSlot, "no slot 9"),
            (library(&["A", "B"], &[]), "A", Goal::Slot(2), "holds B"),
            (library(&["A", "B"], &[]), "A", Goal::Slot(3), "1 to 2"),
        ] {
            let error = choose(&library, typed, goal).unwrap_err();
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn a_move_that_was_planned_counts_for_the_next() {
        let mut library = library(&["A", "B"], &["-", "-"]);
        let mut places = Vec::new();
        for typed in ["A", "B"] {
            let shift = choose(&library, typed, Goal::MailSlot).unwrap();
            apply(&mut library, &shift);
            places.push(shift.to.place);
        }
        assert_eq!(places, [TapePlace::MailSlot(1), TapePlace::MailSlot(2)]);
        assert_eq!(in_mail_slots(&library), ["A", "B"]);
    }
}
