//! Which drives a tape can go into, and in which order they are tried. Pure.

use crate::changer::ElementAddress;
use crate::jobs::JobError;
use crate::jobs::library::{CartridgeKind, Place, Snapshot};

/// Where the tape is, and the drives to try.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The tape is in this drive (index into the snapshot's drives); no other will do.
    Loaded { drive: usize },
    /// The tape is in a slot.
    Stored {
        from: ElementAddress,
        /// Drives (indexes into the snapshot's drives), best first: empty ones, then those
        /// with another tape in them, last those with one that the job wants, too.
        drives: Vec<usize>,
    },
}

/// Looks the tape up and orders the drives. `wanted`: tapes that the job wants, too.
///
/// # Errors
///
/// The tape is missing, there twice, or a cleaning cartridge.
pub(crate) fn route(
    snapshot: &Snapshot,
    barcode: &str,
    wanted: &[String],
) -> Result<Route, JobError> {
    let barcode_owned = || barcode.to_owned();
    let mut holders = snapshot.places().filter(|place| place.holds(barcode));
    let place = holders.next().ok_or_else(|| JobError::TapeMissing {
        barcode: barcode_owned(),
        nameless: snapshot.nameless(),
        lost: None,
        outside: None,
    })?;
    if holders.next().is_some() {
        return Err(JobError::BarcodeTwice {
            barcode: barcode_owned(),
        });
    }
    route_from(snapshot, place, barcode, wanted)
}

/// The same for the cartridge in `element`, whose barcode cannot be read; `name` is for people.
///
/// # Errors
///
/// It is not there any more, or a cleaning cartridge.
pub(crate) fn route_of_unread(
    snapshot: &Snapshot,
    name: &str,
    element: ElementAddress,
) -> Result<Route, JobError> {
    let unread = |place: &&Place| {
        let cartridge = place.cartridge.as_ref();
        place.address == element && cartridge.is_some_and(|found| found.barcode.is_none())
    };
    let place = snapshot.places().find(unread);
    let place = place.ok_or_else(|| JobError::TapeMissing {
        barcode: name.to_owned(),
        nameless: Vec::new(),
        lost: None,
        outside: None,
    })?;
    route_from(snapshot, place, name, &[])
}

fn route_from(
    snapshot: &Snapshot,
    place: &Place,
    name: &str,
    wanted: &[String],
) -> Result<Route, JobError> {
    if place
        .cartridge
        .as_ref()
        .is_some_and(|c| c.kind == CartridgeKind::Cleaning)
    {
        return Err(JobError::CleaningCartridge {
            barcode: name.to_owned(),
        });
    }
    if let Some(drive) = snapshot
        .drives
        .iter()
        .position(|d| d.address == place.address)
    {
        return Ok(Route::Loaded { drive });
    }
    let mut drives: Vec<usize> = (0..snapshot.drives.len()).collect();
    drives.sort_by_key(|&index| {
        let place = &snapshot.drives[index];
        let is_wanted = wanted.iter().any(|barcode| place.holds(barcode));
        (place.cartridge.is_some(), is_wanted)
    });
    Ok(Route::Stored {
        from: place.address,
        drives,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::library::Cartridge;

    fn place(address: u16, number: u16, barcode: Option<&str>, source: Option<u16>) -> Place {
        Place {
            address: ElementAddress(address),
            number,
            cartridge: barcode.map(|barcode| Cartridge {
                barcode: Some(barcode.to_owned()),
                kind: if barcode.starts_with("CLN") {
                    CartridgeKind::Cleaning
                } else {
                    CartridgeKind::Data
                },
                source: source.map(ElementAddress),
            }),
            serial: None,
            problem: None,
        }
    }

    fn library() -> Snapshot {
        Snapshot {
            drives: vec![place(1, 0, Some("A"), Some(1001)), place(2, 1, None, None)],
            slots: vec![
                place(1001, 1, None, None),
                place(1002, 2, Some("B"), None),
                place(1003, 3, Some("CLN1"), None),
                place(1004, 4, Some("X"), None),
                place(1005, 5, Some("X"), None),
                place(1006, 6, None, None),
            ],
            mail_slots: vec![place(101, 1, Some("M"), None)],
            robots: vec![place(0, 1, None, None)],
            trouble: None,
        }
    }

    #[test]
    fn a_tape_is_routed_to_its_drive_or_to_an_empty_one_first() {
        assert_eq!(
            route(&library(), "A", &[]).unwrap(),
            Route::Loaded { drive: 0 }
        );
        let from = ElementAddress(1002);
        assert_eq!(
            route(&library(), "B", &[]).unwrap(),
            Route::Stored {
                from,
                drives: vec![1, 0]
            }
        );
        let from = ElementAddress(101);
        assert_eq!(
            route(&library(), "M", &[]).unwrap(),
            Route::Stored {
                from,
                drives: vec![1, 0]
            }
        );
        // What the job wants, too, makes room last.
        let mut full = library();
        full.drives[1] = place(2, 1, Some("C"), None);
        for (wanted, drives) in [("C", vec![0, 1]), ("A", vec![1, 0])] {
            let wanted = [wanted.to_owned()];
            let routed = route(&full, "M", &wanted).unwrap();
            assert_eq!(routed, Route::Stored { from, drives });
        }
    }

    #[test]
    fn what_cannot_be_mounted_is_named() {
        let library = library();
        assert!(matches!(
            route(&library, "Z", &[]),
            Err(JobError::TapeMissing { .. })
        ));
        assert!(matches!(
            route(&library, "X", &[]),
            Err(JobError::BarcodeTwice { .. })
        ));
        assert!(matches!(
            route(&library, "CLN1", &[]),
            Err(JobError::CleaningCartridge { .. })
        ));
    }

    #[test]
    fn a_tape_goes_home_or_to_any_empty_slot_or_the_library_is_full() {
        let mut library = library();
        assert_eq!(
            library.home_for(&library.drives[0]),
            Some(ElementAddress(1001))
        );
        library.slots[0] = place(1001, 1, Some("T"), None);
        assert_eq!(
            library.home_for(&library.drives[0]),
            Some(ElementAddress(1006))
        );
        library.slots[5] = place(1006, 6, Some("U"), None);
        assert_eq!(library.home_for(&library.drives[0]), None);
    }
}
