//! Scan: walks a volume and records every complete segment on it, as the run that wrote
//! it would have done.
//!
//! Used to rebuild a catalog from the tapes, and to adopt what a run that was cut off
//! had completed behind the last confirmed index. Where an index is damaged, its segment
//! is recorded from the headers in it, without digests.

use std::ops::ControlFlow;

use super::{EngineError, MountedVolume, ReceiptSink};
use crate::monitor::{Monitor, Problem};
use crate::units::BlockAddress;
use crate::volume::append::AppendPoint;
use crate::volume::index::Content;
use crate::volume::receipt::SegmentReceipt;
use crate::volume::resume::ResumingReader;
use crate::volume::scan::{Depth, Finding, scan_volume};

/// Places of damage listed in a report; further ones are only counted.
pub const DAMAGE_LISTED: usize = 1_000;

/// A place on a volume where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where.
    pub block: BlockAddress,
    /// What, as one sentence for people.
    pub what: String,
}

/// What a scan found on one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanReport {
    /// Segments of files recorded.
    pub segments: u64,
    /// Segments of copies of the catalog recorded.
    pub catalog_copies: u64,
    /// Those among them whose index was lost.
    pub salvaged: u64,
    /// Members in those of files.
    pub files: u64,
    /// Damage, at most [`DAMAGE_LISTED`] places.
    pub damage: Vec<Damage>,
    /// All of it.
    pub damage_count: u64,
    /// A segment that was cut off at the end of the tape: the next append overwrites it.
    pub incomplete: Option<Damage>,
    /// Where the next segment goes: behind the last complete one. `None` if the scan was
    /// stopped before it knew.
    pub append: Option<AppendPoint>,
}

/// Walks the mounted `volume` from `from` ([`AppendPoint::first`] for all of it) to the end
/// of its data, and hands each complete segment to `sink`, in tape order.
///
/// `depth` says what a segment must prove: [`Depth::Records`] for what no drive has
/// confirmed, [`Depth::Indexes`] where the index is enough.
///
/// # Errors
///
/// [`EngineError::Volume`] if the drive fails or the segments belong to another volume;
/// [`EngineError::Commit`] if the sink takes no more. What was recorded stays recorded.
pub fn scan(
    volume: &mut MountedVolume,
    from: &AppendPoint,
    depth: Depth,
    sink: &mut dyn ReceiptSink,
    monitor: &dyn Monitor,
) -> Result<ScanReport, EngineError> {
    let barcode = volume.label.barcode.clone();
    monitor.phase(&format!("scanning {barcode}"));
    let mut walk = Walk {
        report: ScanReport::new(),
        sink,
        monitor,
        barcode,
        failure: None,
        stopped: false,
    };
    let mut device = ResumingReader::new(volume.device.as_mut(), &volume.label, monitor);
    let append = scan_volume(&mut device, &volume.label, from, depth, &mut |finding| {
        walk.take(finding)
    });
    let Walk {
        mut report,
        barcode,
        failure,
        stopped,
        ..
    } = walk;
    if let Some(error) = failure {
        return Err(error);
    }
    let append = append.map_err(|source| EngineError::Volume { barcode, source })?;
    report.append = Some(append).filter(|_| !stopped);
    Ok(report)
}

struct Walk<'a> {
    report: ScanReport,
    sink: &'a mut dyn ReceiptSink,
    monitor: &'a dyn Monitor,
    barcode: String,
    failure: Option<EngineError>,
    stopped: bool,
}

impl Walk<'_> {
    fn take(&mut self, finding: Finding) -> ControlFlow<()> {
        match finding {
            Finding::Segment(receipt) => self.segment(*receipt)?,
            Finding::Damage { block, what } => self.damage(Damage { block, what }),
            Finding::Incomplete { first_block, what } => {
                self.report.incomplete = Some(Damage {
                    block: first_block,
                    what,
                });
            }
        }
        self.stopped = self.monitor.stop_requested();
        if self.stopped {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn segment(&mut self, receipt: SegmentReceipt) -> ControlFlow<()> {
        let (number, salvaged) = (receipt.info.number, receipt.salvaged);
        let is_copy = receipt.info.content == Content::Catalog;
        let (files, bytes) = match is_copy {
            false => (receipt.files.len() as u64, receipt.info.file_bytes),
            true => (0, 0),
        };
        if let Err(source) = self.sink.commit(receipt) {
            let barcode = self.barcode.clone();
            self.failure = Some(EngineError::Commit {
                barcode,
                number,
                source,
            });
            return ControlFlow::Break(());
        }
        self.report.segments += u64::from(!is_copy);
        self.report.catalog_copies += u64::from(is_copy);
        self.report.salvaged += u64::from(salvaged);
        self.report.files += files;
        self.monitor.advance(files, bytes);
        ControlFlow::Continue(())
    }

    fn damage(&mut self, damage: Damage) {
        self.sink.damaged(&damage);
        let path = format!("volume {}, block {}", self.barcode, damage.block);
        self.monitor.problem(&Problem {
            path,
            what: damage.what.clone(),
        });
        self.report.damage_count += 1;
        if self.report.damage.len() < DAMAGE_LISTED {
            self.report.damage.push(damage);
        }
    }
}

impl ScanReport {
    /// Nothing found yet.
    fn new() -> Self {
        Self {
            segments: 0,
            catalog_copies: 0,
            salvaged: 0,
            files: 0,
            damage: Vec::new(),
            damage_count: 0,
            incomplete: None,
            append: None,
        }
    }
}
