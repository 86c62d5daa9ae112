//! People say where tapes are that no library has.
//!
//! What is said is recorded as `volume_moved` (`docs/catalog.md`). It counts while the tape is not
//! in the library, until something else is said, or the library has moved the tape. Moves no tape.

use std::collections::BTreeSet;
use std::time::Duration;

use catalogs::Volume;
use catalogs::model::event::{Event, Location, OutsidePlace, PlaceKind, VolumeMoved};
use serde::Serialize;
use uuid::Uuid;

use super::mount::Mounter;
use super::moves::element;
use super::whereabouts::{Places, TapePlace, outside};
use super::{JobError, Site, catalog};
use crate::monitor::Problem;
use crate::units::TimeSpan;

/// Longest name of a place in bytes: what fits on a pick list.
const NAME_BYTES_MAX: usize = 200;
/// Longest time that it takes to bring a tape, in days: nobody who plans a restore waits longer.
const FETCH_DAYS_MAX: u64 = 366;

/// What is said of some tapes.
#[derive(Debug, Clone)]
pub struct PlaceOptions {
    /// The tapes.
    pub barcodes: Vec<String>,
    /// How far away they are.
    pub kind: PlaceKind,
    /// Where they are, in the words of whoever fetches them.
    pub name: String,
    /// How long it usually takes to bring one from there.
    pub fetch: Option<Duration>,
}

/// A tape of which it was recorded where it is.
#[derive(Debug, Clone, Serialize)]
pub struct PlacedTape {
    /// Its barcode.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// Where it is.
    #[serde(flatten)]
    pub place: OutsidePlace,
    /// Where it was last, if that was outside.
    pub before: Option<OutsidePlace>,
}

/// Records where tapes are. Either all are recorded or, where one of them cannot be there, none.
///
/// # Errors
///
/// A barcode that the catalog does not know, a tape that is in the library, a name that is empty,
/// too long or has control characters, a time of more than a year; or the catalog cannot be
/// written.
pub fn place(site: Site<'_>, options: &PlaceOptions) -> Result<Vec<PlacedTape>, JobError> {
    let place = OutsidePlace {
        place_name: checked(&options.name)?,
        kind: Some(options.kind),
        fetch_s: options.fetch.map(fetch_s).transpose()?,
    };
    let catalog = catalog::open(site)?;
    let barcodes: BTreeSet<&String> = options.barcodes.iter().collect();
    let mut volumes = Vec::new();
    for barcode in barcodes {
        let volume = catalog::live_volume(&catalog, barcode)?;
        volumes.push(volume.ok_or_else(|| JobError::NoSuchVolume {
            barcode: barcode.clone(),
        })?);
    }
    if let Some(places) = look(site) {
        volumes
            .iter()
            .try_for_each(|volume| refuse_inside(volume, &places))?;
    }
    let mut placed = Vec::new();
    for Volume {
        label, location, ..
    } in volumes
    {
        let (barcode, volume) = (label.what.barcode, label.what.volume);
        let location = location.map(|(_, location)| location);
        let moved = Event::VolumeMoved(VolumeMoved {
            volume,
            location: Location::Outside(place.clone()),
        });
        catalog.append(site.clock.now(), &moved)?;
        placed.push(PlacedTape {
            barcode,
            volume,
            place: place.clone(),
            before: location.and_then(outside),
        });
    }
    Ok(placed)
}

fn checked(name: &str) -> Result<String, JobError> {
    let name = name.trim();
    let refused = |what: String| Err(JobError::Request { what });
    if name.is_empty() || name.chars().any(char::is_control) {
        return refused(
            "the place needs a name of one line, as whoever fetches the tape knows it".into(),
        );
    }
    if name.len() > NAME_BYTES_MAX {
        return refused(format!(
            "the name of the place is {} bytes long; it may have {NAME_BYTES_MAX}",
            name.len()
        ));
    }
    Ok(name.to_owned())
}

fn fetch_s(fetch: Duration) -> Result<u64, JobError> {
    let most = Duration::from_secs(FETCH_DAYS_MAX * 86_400);
    if fetch > most {
        let (fetch, most) = (TimeSpan(fetch), TimeSpan(most));
        let what = format!("{fetch} to fetch a tape is too long; it may be {most} at most");
        return Err(JobError::Request { what });
    }
    Ok(fetch.as_secs())
}

/// What the library has, if it can be asked: where it is off, people know better.
fn look(site: Site<'_>) -> Option<Places> {
    let looked = Mounter::open(site).and_then(|mut mounter| mounter.places());
    looked
        .inspect_err(|error| {
            site.monitor.notice(&Problem {
                path: "library".into(),
                what: format!("whether the tapes are still in it was not looked at: {error}"),
            });
        })
        .ok()
}

fn refuse_inside(volume: &Volume, places: &Places) -> Result<(), JobError> {
    let barcode = &volume.label.what.barcode;
    let place = places.of(barcode);
    // What is in a mail slot is on its way out: whoever says where to has it in his hand soon.
    if let TapePlace::Missing | TapePlace::Operator | TapePlace::MailSlot(_) = place {
        return Ok(());
    }
    let element = element(&place);
    Err(JobError::Request {
        what: format!(
            "tape {barcode} is in {element} of the library, and nothing was recorded: `library \
             export {barcode}` brings it out"
        ),
    })
}
