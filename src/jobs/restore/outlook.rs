//! What a restore will do, as it is told before anything moves.

use std::collections::HashSet;

use catalogs::model::event::OutsidePlace;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::arrange::Arranged;
use super::calibrate::Calibration;
use super::choose::Choice;
use super::first::FirstFile;
use super::lanes::{DrivePlan, Takes, Turn};
use super::past::{AsItWas, Deleted};
use super::room::Room;
use super::shares::{MoreDrives, Shares};
use super::timeline::{Finish, OnceTimes, TapeTimes};
use crate::access_order::Approach;
use crate::engine::restore::MemberRead;
use crate::jobs::rebuild::RebuiltVolume;
use crate::jobs::whereabouts::{Pick, Places, TapePlace};
use crate::jobs::{ByteText, Problems};
use crate::units::BlockAddress;

/// A tape that a restore needs.
#[derive(Debug, Clone, Serialize)]
pub struct TapeNeed {
    /// Its barcode.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// Where it is.
    pub place: TapePlace,
    /// Where somebody said that it is, if it is not in the library.
    pub outside: Option<OutsidePlace>,
    /// Seconds that it usually takes to bring it from there, if somebody said.
    pub retrieve_s: Option<u64>,
    /// The drive that it will be read in, as things are now, counted from 0.
    pub drive: Option<u16>,
    /// Members to read from it.
    pub members: u64,
    /// Bytes to read from it.
    pub bytes: u64,
    /// What it takes.
    pub times: TapeTimes,
    /// The same by the data sheet.
    pub sheet: TapeTimes,
    /// What single steps take by the data sheet.
    #[serde(skip)]
    pub(super) once: OnceTimes,
    /// Seconds from the beginning of the restore until its drive turns to it; `None` where it is
    /// not in the library.
    pub begins_s: Option<f64>,
    /// The same until it is back in its slot.
    pub ends_s: Option<f64>,
}

/// A tape that is turned to where others cannot be read.
#[derive(Debug, Clone)]
pub(super) struct SpareTape {
    pub(super) volume: Uuid,
    pub(super) barcode: String,
    pub(super) once: OnceTimes,
}

/// A read of the plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedRead {
    /// Barcode of the tape.
    pub tape: String,
    /// Where it goes, below the target.
    pub path: ByteText,
    /// Name of the job whose version with the same content it is, if that is another one than the
    /// job whose version is restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_job: Option<String>,
    /// Number of the part, if the file was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// Bytes of the member, its header included.
    pub bytes: u64,
    /// Where it begins.
    pub block: BlockAddress,
    /// How the tape gets there: `locate` or `read_on`.
    pub approach: &'static str,
    /// What that takes, in seconds.
    pub approach_s: f64,
    /// What reading it takes, in seconds.
    pub read_s: f64,
}

/// What a restore will do.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreOutlook {
    /// Objects to restore, of any kind.
    pub objects: u64,
    /// Bytes of the regular files among them.
    pub file_bytes: u64,
    /// Objects that are read as other jobs archived them, with the same content.
    pub from_other_jobs: u64,
    /// Objects that earlier runs of this restore have brought, as they were archived.
    pub earlier_objects: u64,
    /// Bytes of the files among them.
    pub earlier_file_bytes: u64,
    /// What the objects take in the target, and what is there for them.
    pub room: Room,
    /// Objects that are in the target already, each with what becomes of it.
    pub existing: Problems,
    /// The tapes, in the order in which they will be begun.
    pub tapes: Vec<TapeNeed>,
    /// What all that are within reach take together, one after the other.
    pub times: TapeTimes,
    /// Those that other copies are on, some of which are needed anyway.
    #[serde(skip)]
    pub(super) spares: Vec<SpareTape>,
    /// The drives that are used, each with its tapes.
    pub drives: Vec<DrivePlan>,
    /// What more drives would bring, if it is worth it.
    pub more_drives: Option<MoreDrives>,
    /// When it will be done.
    pub finish: Finish,
    /// What that goes by.
    pub calibration: Calibration,
    /// The file that is there first.
    pub first_file: Option<FirstFile>,
    /// Seconds by which the drives are free later since the first files are to be there soon, than
    /// by the plan without; below 0 where it is sooner. `None` where that was not asked for.
    pub first_soon_s: Option<f64>,
    /// The same until all files of the tapes within reach are there.
    pub first_soon_files_s: Option<f64>,
    /// The tapes that are neither in the library nor loaded by hand.
    pub pick_list: Vec<Pick>,
    /// Objects that will not be what their names promise: files that were not whole when they
    /// were archived, and older versions in place of newer ones that a job left cut off.
    pub remarks: Problems,
    /// Files in parts that will not be whole, since some of their parts are on tapes outside; each
    /// with those.
    pub waiting: Problems,
    /// Patterns for which there is nothing to restore.
    pub not_found: Vec<ByteText>,
    /// Objects that match and are left out, since they were deleted.
    pub deleted: Deleted,
    /// What is restored as it was last, since it is gone.
    pub as_it_was: Vec<AsItWas>,
    /// The tapes whose own indexes are all that is known, if it is so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<RebuiltVolume>,
    /// All reads in their order, where the plan itself was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<PlannedRead>,
}

impl RestoreOutlook {
    pub(super) fn of(
        choice: &Choice,
        shares: &Shares,
        places: &Places,
        room: Room,
        now: Timestamp,
        calibration: Calibration,
    ) -> RestoreOutlook {
        let volumes = choice.volumes.iter();
        let tapes = volumes
            .zip(&shares.turns)
            .map(|(one, turn)| need(one, *turn, places, &calibration));
        let tapes: Vec<TapeNeed> = tapes.collect();
        let with_places = choice.volumes.iter().zip(&tapes);
        let with_places = with_places.map(|(volume, tape)| (volume, &tape.place, &tape.times));
        let both_s = (shares.files_s, shares.seconds);
        let finish = Finish::of(now, both_s, with_places, &calibration);
        let reads = choice.volumes.iter().flat_map(|volume| &volume.reads.reads);
        let from_other_jobs = objects(reads.clone().filter(|read| read.other.is_some()));
        RestoreOutlook {
            objects: objects(reads) + choice.known.len() as u64,
            from_other_jobs,
            file_bytes: choice.file_bytes,
            earlier_objects: choice.found.earlier.objects,
            earlier_file_bytes: choice.found.earlier.file_bytes,
            room,
            existing: choice.found.objects.clone(),
            drives: shares.drives(&tapes),
            more_drives: shares.more,
            first_file: FirstFile::of(now, &choice.volumes, &tapes),
            first_soon_s: shares.later.map(|later| later.seconds),
            first_soon_files_s: shares.later.map(|later| later.files_s),
            times: together(&tapes),
            finish,
            calibration,
            pick_list: choice.pick_list.clone(),
            tapes,
            spares: choice.spares.iter().map(|one| spare(one, places)).collect(),
            remarks: choice.remarks.clone(),
            waiting: choice.waiting.clone(),
            not_found: choice.not_found.clone(),
            deleted: choice.deleted.clone(),
            as_it_was: choice.as_it_was.clone(),
            alone: Vec::new(),
            reads: Vec::new(),
        }
    }

    pub(super) fn of_tapes_alone(mut self, alone: &[RebuiltVolume]) -> RestoreOutlook {
        self.alone = alone.to_vec();
        self
    }

    /// The same with each read.
    pub(super) fn with_reads(mut self, choice: &Choice) -> RestoreOutlook {
        self.reads = choice.volumes.iter().flat_map(planned_reads).collect();
        self
    }
}

/// What the tapes within reach take, one after the other.
fn together(tapes: &[TapeNeed]) -> TapeTimes {
    let within_reach = tapes.iter().filter(|tape| tape.ends_s.is_some());
    within_reach.fold(TapeTimes::default(), |all, tape| all.and(&tape.times))
}

/// How many objects are read: a cut file has one name and several members.
fn objects<'r>(reads: impl Iterator<Item = &'r MemberRead>) -> u64 {
    let mut cut: HashSet<&[u8]> = HashSet::new();
    let first = reads.filter(|read| read.part.is_none() || cut.insert(&read.name));
    first.count() as u64
}

fn need(
    volume: &Arranged,
    turn: Option<Turn>,
    places: &Places,
    calibration: &Calibration,
) -> TapeNeed {
    let reads = &volume.reads;
    let place = places.of(&reads.barcode);
    let outside = volume.outside.clone();
    let outside = outside.filter(|_| place == TapePlace::Missing);
    let takes = match turn {
        Some(turn) => turn.takes,
        None => {
            let sheet = TapeTimes::of_sheet(volume, &place, places);
            Takes {
                times: calibration.times(&sheet, &volume.generation),
                sheet,
            }
        }
    };
    TapeNeed {
        barcode: reads.barcode.clone(),
        volume: reads.volume,
        retrieve_s: outside.as_ref().and_then(|place| place.fetch_s),
        outside,
        drive: turn.map(|turn| turn.drive),
        members: reads.reads.len() as u64,
        bytes: reads.reads.iter().map(|read| read.length_bytes).sum(),
        times: takes.times,
        sheet: takes.sheet,
        once: OnceTimes::of(volume, places),
        begins_s: turn.map(|turn| turn.begins_s),
        ends_s: turn.map(|turn| turn.ends_s),
        place,
    }
}

fn spare(volume: &Arranged, places: &Places) -> SpareTape {
    SpareTape {
        volume: volume.reads.volume,
        barcode: volume.reads.barcode.clone(),
        once: OnceTimes::of(volume, places),
    }
}

fn planned_reads(volume: &Arranged) -> impl Iterator<Item = PlannedRead> + '_ {
    let reads = volume.reads.reads.iter();
    reads
        .zip(&volume.order.legs)
        .map(|(read, leg)| PlannedRead {
            tape: volume.reads.barcode.clone(),
            path: ByteText(read.name.clone()),
            other_job: read.other.as_ref().map(|other| other.job_name.clone()),
            part: read.part.map(|part| part.number),
            bytes: read.length_bytes,
            block: read.block,
            approach: match leg.approach {
                Approach::Locate => "locate",
                Approach::ReadOn => "read_on",
            },
            approach_s: leg.approach_s,
            read_s: leg.read_s,
        })
}
