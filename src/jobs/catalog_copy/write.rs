//! Writes a copy of the catalog behind a job, where one is due and fits.

use catalogs::Catalog;
use jiff::SignedDuration;

use super::keep::{Keeping, KeptVolume, OneTape};
use super::stream::with_export;
use super::{CatalogCopy, CopiedCatalog, CopyOutcome, newest};
use crate::engine::archive::{AttachPlan, AttachReport, Attached, Memory, attach};
use crate::engine::{EngineError, VolumeSource};
use crate::jobs::archive::{WrittenSegment, written};
use crate::jobs::engine_error::from_writing;
use crate::jobs::error::Failure;
use crate::jobs::source::CatalogSink;
use crate::jobs::{JobError, JobErrorKind, Site};
use crate::monitor::Problem;
use crate::units::{BlockAddress, ByteSize};
use crate::volume::index::{JobHeader, SegmentInfo};
use crate::volume::member::FileTime;
use crate::volume::segment::minimum_segment_bytes;

/// A tape whose newest copy is as old as this is due for another.
const DUE_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// So is one on which the job wrote so many times the bytes of a copy.
const SHARE: u64 = 20;
/// Of what the drive says is left, one of so many parts is not counted on.
const ROOM_RESERVE: u64 = 32;

/// The job behind which a copy comes.
pub(crate) struct Behind<'a> {
    pub(crate) job: &'a JobHeader,
    pub(crate) memory: Memory,
    pub(crate) when: CatalogCopy,
    /// What it wrote.
    pub(crate) segments: &'a [WrittenSegment],
}

/// Writes a copy to each of the tapes that were kept where it is due, and gives all of them back.
pub(crate) fn write<'a>(
    site: Site<'_>,
    catalog: &Catalog,
    behind: &Behind<'_>,
    tapes: Vec<&mut Keeping<'a>>,
) -> Vec<CopiedCatalog> {
    let mut done = Vec::new();
    let mut wanted = Vec::new();
    for tape in tapes {
        match look(site, catalog, behind, tape) {
            Ok(None) => {}
            Ok(Some((barcode, None))) => {
                wanted.push((barcode, tape));
                continue;
            }
            Ok(Some((barcode, Some((outcome, why))))) => {
                done.push(CopiedCatalog::not(barcode, outcome, Some(why), None));
            }
            Err((barcode, error)) => {
                let failure = Some(Failure::from(&error));
                let failed = CopyOutcome::Failed;
                done.push(CopiedCatalog::not(barcode, failed, None, failure));
            }
        }
        tape.give_back();
    }
    if !wanted.is_empty() {
        done.extend(write_to(site, catalog, behind, wanted));
    }
    done.iter().for_each(|copied| tell(site, copied));
    done
}

/// Why no copy is written, if none is.
type WhyNot = Option<(CopyOutcome, String)>;

/// The barcode of a kept tape, and whether it gets a copy; `None` where no tape was kept, or
/// the job wrote nothing on it.
fn look(
    site: Site<'_>,
    catalog: &Catalog,
    behind: &Behind<'_>,
    tape: &mut Keeping<'_>,
) -> Result<Option<(String, WhyNot)>, (String, JobError)> {
    let Some(mounted) = tape.kept() else {
        return Ok(None);
    };
    let label = &mounted.label;
    let barcode = label.barcode.clone();
    let of_tape = behind.segments.iter();
    let of_tape = of_tape.filter(|segment| segment.volume == label.volume);
    let job_bytes: u64 = of_tape.map(|segment| segment.stored_bytes).sum();
    if job_bytes == 0 {
        return Ok(None);
    }
    let failed = |error| (barcode.clone(), error);
    let io = |source| JobError::Io {
        action: "looking at",
        path: catalog.directory().to_owned(),
        source,
    };
    let estimate = catalog.export_bytes_estimate();
    let estimate_bytes = estimate.map_err(|error| failed(io(error)))?;
    let newest = newest(catalog, label.volume).map_err(|error| failed(error.into()))?;
    let fresh = newest.filter(|at| site.clock.now().duration_since(*at) < DUE_AFTER);
    let is_small = estimate_bytes.saturating_mul(SHARE) <= job_bytes;
    if let (CatalogCopy::Auto, Some(at), false) = (behind.when, fresh, is_small) {
        let why = format!("its newest is of {at:.0}");
        return Ok(Some((barcode, Some((CopyOutcome::NotDue, why)))));
    }
    let left = mounted.device.remaining_bytes();
    let left = left.map_err(|error| failed(crate::jobs::mount::drive_error(&barcode, error)))?;
    // A copy is shorter than the least segment, or its segment is longer than it by less than that.
    let needed_bytes = estimate_bytes + minimum_segment_bytes(label.block_bytes);
    let no_room = left.filter(|left| left - left / ROOM_RESERVE < needed_bytes);
    let why_not = no_room.map(|left| {
        let (left, needed) = (ByteSize(left), ByteSize(needed_bytes));
        let why = format!("it takes about {needed}, and {left} is left on the tape");
        (CopyOutcome::NoRoom, why)
    });
    Ok(Some((barcode, why_not)))
}

fn write_to(
    site: Site<'_>,
    catalog: &Catalog,
    behind: &Behind<'_>,
    mut tapes: Vec<(String, &mut Keeping<'_>)>,
) -> Vec<CopiedCatalog> {
    let barcodes: Vec<&str> = tapes.iter().map(|(barcode, _)| barcode.as_str()).collect();
    let phase = format!(
        "writing a copy of the catalog to {}",
        barcodes.join(" and ")
    );
    site.monitor.phase(&phase);
    let plan = planned(site, catalog, behind);
    let mut segments = Vec::new();
    let mut sink = CatalogSink {
        catalog,
        committed: |info: &SegmentInfo, end_block: BlockAddress| {
            segments.push(written(info, end_block));
        },
    };
    let report = with_export(catalog, |next| {
        let mut kept: Vec<KeptVolume<'_, '_>> =
            tapes.iter_mut().map(|(_, tape)| tape.behind()).collect();
        let sources = kept.iter_mut().map(|one| one as &mut dyn VolumeSource);
        let sources = sources.collect();
        attach(&plan, next, sources, &mut sink, site.clock, site.monitor)
    });
    tapes.iter_mut().for_each(|(_, tape)| tape.give_back());
    let AttachReport {
        volumes,
        failure,
        stopped,
    } = report;
    let barcodes = tapes.into_iter().map(|(barcode, _)| barcode);
    let done = barcodes.zip(volumes).map(|(barcode, attached)| {
        match (attached.whole, stopped, &failure) {
            (true, ..) => CopiedCatalog::whole(barcode, &segments),
            (false, true, _) => {
                let why = "stopped on request".to_owned();
                CopiedCatalog::not(barcode, CopyOutcome::Failed, Some(why), None)
            }
            (false, false, Some(error)) => {
                let failure = unreadable(error);
                CopiedCatalog::not(barcode, CopyOutcome::Failed, None, Some(failure))
            }
            (false, false, None) => not_whole(catalog, barcode, attached),
        }
    });
    done.collect()
}

fn planned(site: Site<'_>, catalog: &Catalog, behind: &Behind<'_>) -> AttachPlan {
    let now = site.clock.now();
    let at = now.strftime("%Y%m%dT%H%M%SZ");
    // Whatever is wrong with its first line, the export says so.
    let identity = catalog.identity().unwrap_or_default();
    AttachPlan {
        job: behind.job.clone(),
        path: format!("tapewright/catalog/{identity}-{at}.jsonl.zst").into_bytes(),
        made_at: FileTime {
            seconds: now.as_second(),
            nanoseconds: 0,
        },
        memory: behind.memory,
    }
}

/// What kept a copy from being written whole.
fn not_whole(catalog: &Catalog, barcode: String, attached: Attached) -> CopiedCatalog {
    match attached.written.failure {
        Some(error) if !is_one_tape(&error) => {
            let error = from_writing(catalog, error);
            let failure = Some(Failure::from(&error));
            CopiedCatalog::not(barcode, CopyOutcome::Failed, None, failure)
        }
        _ => {
            let failed = attached.written.failed_volumes.into_iter().next();
            let why = match failed {
                Some(failed) => failed.what,
                None => "the tape was full before it was through".to_owned(),
            };
            CopiedCatalog::not(barcode, CopyOutcome::NoRoom, Some(why), None)
        }
    }
}

/// True if all that is wrong is that the tape has no more room.
fn is_one_tape(error: &EngineError) -> bool {
    match error {
        EngineError::Mount { source, .. } => source.is::<OneTape>(),
        _ => false,
    }
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure {
        kind: JobErrorKind::Catalog,
        what: error.to_string(),
        advice: Some("`catalog check` names what is damaged, and how it is mended.".to_owned()),
    }
}

impl CopiedCatalog {
    /// Written, in those of the segments that are on this tape.
    fn whole(barcode: String, segments: &[WrittenSegment]) -> Self {
        let of_tape = || segments.iter().filter(|segment| segment.barcode == barcode);
        Self {
            outcome: CopyOutcome::Written,
            tape_file: of_tape().next().map(|segment| segment.tape_file),
            stored_bytes: of_tape().map(|segment| segment.stored_bytes).sum(),
            why_not: None,
            failure: None,
            barcode,
        }
    }

    fn not(
        barcode: String,
        outcome: CopyOutcome,
        why_not: Option<String>,
        failure: Option<Failure>,
    ) -> Self {
        Self {
            barcode,
            outcome,
            tape_file: None,
            stored_bytes: 0,
            why_not,
            failure,
        }
    }
}

/// A copy that was due and is not there is told; the job is none the worse for it.
fn tell(site: Site<'_>, copied: &CopiedCatalog) {
    if matches!(copied.outcome, CopyOutcome::Written | CopyOutcome::NotDue) {
        return;
    }
    let failure = copied.failure.as_ref();
    let why = copied.why_not.clone();
    let why = why.or_else(|| failure.map(|failure| failure.what.clone()));
    let why = why.unwrap_or_default();
    let advice = failure.and_then(|failure| failure.advice.as_ref());
    let advice = advice.map_or_else(String::new, |advice| format!(". {advice}"));
    let what = format!(
        "no copy of the catalog was written to it: {why}. The job itself is safe; the next job \
         on a tape with room writes one{advice}"
    );
    tracing::warn!(barcode = copied.barcode, "{what}");
    site.monitor.problem(&Problem {
        path: copied.barcode.clone(),
        what,
    });
}
