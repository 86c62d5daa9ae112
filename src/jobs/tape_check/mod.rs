//! Compares the catalog with what a tape says of itself: its label and the indexes of its segments.
//!
//! What the segments hold is read only where an index is damaged, since their headers then tell
//! what there is. Changes neither the tape nor the catalog.

mod differences;

use std::collections::BTreeSet;

use catalogs::model::event::{Receipt, ReceiptRecord, VolumeLabelled};
use catalogs::{Catalog, CatalogError};
use serde::Serialize;
use uuid::Uuid;

use self::differences::{EntryDifference, compare_entries, compare_receipts};
use super::append_check::examine_known_label;
use super::error::ANOTHER_CATALOG;
use super::mount::{Bay, Mounter, Purpose, lend};
use super::portable::{CatalogFault, CheckedCatalog, check};
use super::{ByteText, JobError, Problem, Problems, Site, catalog, convert, cut_off};
use crate::engine::scan::{Damage, ScanReport, scan};
use crate::engine::{BoxedError, ReceiptSink};
use crate::volume::append::AppendPoint;
use crate::volume::label::Label;
use crate::volume::receipt::SegmentReceipt;
use crate::volume::scan::Depth;

/// So many files are named in a sentence.
const NAMED: usize = 3;

/// A tape that the catalog was compared with.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedTape {
    /// Its barcode.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// Segments whose index was read and compared.
    pub segments: u64,
    /// Entries compared.
    pub entries: u64,
    /// Segments on the tape that the catalog does not know.
    pub unknown_segments: u64,
    /// Segments that the catalog knows and that are not on the tape.
    pub missing_segments: u64,
    /// Segments whose index is damaged or lost: they were not compared.
    pub damaged_segments: u64,
    /// Files that are not the same in both, each with what differs.
    pub differences: Problems,
    /// What is damaged on the tape.
    pub damage: Problems,
    /// What is to be held of a segment that was cut off at the end, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<String>,
}

/// Reads all of the catalog and compares it with itself, then with the label and the indexes of
/// the tape `barcode`, which is mounted for it.
///
/// # Errors
///
/// The catalog does not know the tape or cannot be read, the tape cannot be mounted or is another
/// than the catalog means, its drive fails, or the user stopped it.
pub fn check_with_tape(site: Site<'_>, barcode: &str) -> Result<CheckedCatalog, JobError> {
    // Before all of the catalog is read: a barcode may be mistyped.
    let known = catalog::open_to_examine(site)?;
    let volume = catalog::live_volume(&known, barcode)?;
    let label = volume.map(|volume| volume.label.what);
    let label = label.ok_or_else(|| JobError::NoSuchVolume {
        barcode: barcode.to_owned(),
    })?;
    drop(known);
    let mut checked = check(site)?;
    let (tape, faults) = compare(site, label)?;
    checked.faults.extend(faults);
    checked.tape = Some(tape);
    Ok(checked)
}

fn compare(
    site: Site<'_>,
    known: VolumeLabelled,
) -> Result<(CheckedTape, Vec<CatalogFault>), JobError> {
    let catalog = catalog::open_to_examine(site)?;
    let mut mounter = Mounter::open(site)?;
    let (barcode, volume) = (known.barcode.clone(), known.volume);
    let read = |bay: &mut Bay| examine_known_label(bay, volume);
    let (bay, (label, damage)) = mounter.mount_then(&barcode, Purpose::Volume, read)?;
    let recorded = catalog.receipts_of_volume(&volume);
    let mut comparison = match recorded {
        Ok(recorded) => Comparison::new(&catalog, &known, recorded),
        Err(error) => return Err(mounter.give_up(bay, error.into())),
    };
    comparison.label(&known, &label, damage);
    let (bay, report) = lend(bay, label, |mounted| {
        let from = AppendPoint::first();
        scan(
            mounted,
            &from,
            Depth::Indexes,
            &mut comparison,
            site.monitor,
        )
    });
    let report = mounter.close(bay, report)?;
    if report.append.is_none() {
        return Err(JobError::Stopped);
    }
    comparison.finish(report)
}

/// What was found so far.
struct Comparison<'a> {
    catalog: &'a Catalog,
    /// Receipts that were not met on the tape yet.
    left: Vec<ReceiptRecord>,
    tape: CheckedTape,
    faults: Vec<CatalogFault>,
}

impl<'a> Comparison<'a> {
    fn new(
        catalog: &'a Catalog,
        known: &VolumeLabelled,
        recorded: Vec<catalogs::model::event::Recorded<ReceiptRecord>>,
    ) -> Self {
        Self {
            catalog,
            left: recorded.into_iter().map(|line| line.what).collect(),
            tape: CheckedTape {
                barcode: known.barcode.clone(),
                volume: known.volume,
                segments: 0,
                entries: 0,
                unknown_segments: 0,
                missing_segments: 0,
                damaged_segments: 0,
                differences: Problems::default(),
                damage: Problems::default(),
                cut_off: None,
            },
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, what: String, advice: String) {
        self.faults.push(CatalogFault {
            barcode: Some(self.tape.barcode.clone()),
            what,
            advice,
        });
    }

    /// Notes damage of the tape, which says nothing against the catalog.
    fn damaged(&mut self, what: String) {
        self.tape.damage.push(Problem {
            path: ByteText::default(),
            what,
        });
    }

    fn label(&mut self, known: &VolumeLabelled, label: &Label, damage: Option<String>) {
        if let Some(what) = damage {
            self.damaged(format!("its label: {what}"));
        }
        let facts = [
            ("pool", &label.pool, &known.pool),
            (
                "block size",
                &label.block_bytes.to_string(),
                &known.block_bytes.to_string(),
            ),
        ];
        for (what, on_tape, in_catalog) in facts {
            if on_tape != in_catalog {
                let what =
                    format!("its label says {what} {on_tape}, and the catalog says {in_catalog}");
                self.fault(what, self.differs_advice());
            }
        }
    }

    /// The receipt of this segment, by its identity or else by its number.
    fn take(&mut self, found: &Receipt) -> Option<ReceiptRecord> {
        let same = |record: &ReceiptRecord| record.receipt.segment == found.segment;
        let number = |record: &ReceiptRecord| record.receipt.segment_number == found.segment_number;
        let at = self.left.iter().position(same);
        let at = at.or_else(|| self.left.iter().position(number))?;
        Some(self.left.remove(at))
    }

    fn segment(&mut self, receipt: SegmentReceipt) -> Result<(), JobError> {
        let salvaged = receipt.salvaged;
        let (found, mut on_tape) = convert::recorded(receipt)?;
        let number = found.segment_number;
        let Some(record) = self.take(&found) else {
            self.tape.unknown_segments += 1;
            let what = format!("segment {number} is on the tape and not in the catalog");
            let barcode = &self.tape.barcode;
            let advice = format!("`catalog rebuild {barcode}` reads it into the catalog.");
            self.fault(what, advice);
            return Ok(());
        };
        if salvaged {
            self.tape.damaged_segments += 1;
            return Ok(());
        }
        self.tape.segments += 1;
        let differing = compare_receipts(&found, &record.receipt);
        if !differing.is_empty() {
            let what = format!("segment {number}: {}", differing.join("; "));
            self.fault(what, self.differs_advice());
        }
        let mut in_catalog = match self.catalog.entries_in_tape_order(&record) {
            Ok(entries) => entries,
            // The catalog's check of itself names it.
            Err(CatalogError::Entries(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if in_catalog.is_empty() && record.entry_file.entries > 0 {
            // They have left the catalog, since their job is expired.
            return Ok(());
        }
        self.tape.entries += on_tape.len() as u64;
        let differing = compare_entries(&mut on_tape, &mut in_catalog);
        if !differing.is_empty() {
            self.entries(number, &differing);
        }
        Ok(())
    }

    fn entries(&mut self, segment_number: u32, differing: &[EntryDifference]) {
        let told = |one: &EntryDifference| format!("{}: {}", one.path, one.what);
        let mut named: Vec<String> = differing.iter().take(NAMED).map(told).collect();
        if differing.len() > NAMED {
            named.push(format!("and {} more", differing.len() - NAMED));
        }
        let what = format!(
            "segment {segment_number}: {} of its entries not the same on the tape and in the \
             catalog: {}",
            differing.len(),
            named.join("; ")
        );
        self.fault(what, self.differs_advice());
        for one in differing {
            let what = format!("segment {segment_number}: {}", one.what);
            let path = one.path.clone();
            self.tape.differences.push(Problem { path, what });
        }
    }

    /// Where both say something of a segment, the one that was written with it is right, if it is
    /// whole.
    fn differs_advice(&self) -> String {
        let barcode = &self.tape.barcode;
        format!(
            "`verify {barcode}` reads all of the tape. If it is good, the catalog is wrong. \
             {ANOTHER_CATALOG}"
        )
    }

    /// What the catalog knows and the tape does not have.
    fn missing(&mut self, record: &ReceiptRecord) -> Result<(), JobError> {
        let receipt = &record.receipt;
        self.tape.missing_segments += 1;
        let job = self.catalog.job(&receipt.job.to_string())?;
        let job = job.map_or_else(|| receipt.job.to_string(), |job| job.start.what.name);
        let number = receipt.segment_number;
        let holds = match receipt.is_catalog_copy() {
            true => "a copy of the catalog".to_owned(),
            false => format!("{} files and directories of job {job}", receipt.files),
        };
        let what = format!("segment {number}, {holds}, is in the catalog and not on the tape");
        let barcode = &self.tape.barcode;
        let advice = format!(
            "Write nothing more to this tape. `tape at-risk {barcode} --all-versions` names what \
             is on no other good tape: archive that again if its source is still there. What is on \
             others comes back with `restore PATH --to DIR`."
        );
        self.fault(what, advice);
        let entries = match self.catalog.entries_in_tape_order(record) {
            Ok(entries) => entries,
            Err(CatalogError::Entries(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let paths: BTreeSet<Vec<u8>> = entries.into_iter().map(|entry| entry.path).collect();
        for path in paths {
            let what = format!("segment {number} is not on the tape");
            let path = ByteText(path);
            self.tape.differences.push(Problem { path, what });
        }
        Ok(())
    }

    /// The segment that the tape ends within, unless the catalog has its receipt: it was
    /// confirmed then, and has lost its end since.
    fn cut_off(&mut self, incomplete: Option<Damage>) -> Option<Damage> {
        let cut = incomplete?;
        let confirmed = |record: &ReceiptRecord| record.receipt.first_block == cut.block.0;
        let Some(at) = self.left.iter().position(confirmed) else {
            return Some(cut);
        };
        self.left.remove(at);
        self.tape.damaged_segments += 1;
        self.damaged(format!("block {}: {}", cut.block, cut.what));
        None
    }

    fn finish(mut self, report: ScanReport) -> Result<(CheckedTape, Vec<CatalogFault>), JobError> {
        for damage in &report.damage {
            self.damaged(format!("block {}: {}", damage.block, damage.what));
        }
        let cut_off = self.cut_off(report.incomplete);
        for record in std::mem::take(&mut self.left) {
            self.missing(&record)?;
        }
        if self.tape.damage.total > 0 {
            let count = self.tape.damage.total;
            let barcode = self.tape.barcode.clone();
            let what =
                format!("{count} places on the tape are damaged; what is there was not compared");
            let advice = format!(
                "`verify {barcode}` reads all of it and names each file that lost something."
            );
            self.fault(what, advice);
        }
        let barcode = &self.tape.barcode;
        self.tape.cut_off = cut_off.map(|cut| cut_off::words(barcode, cut.block));
        Ok((self.tape, self.faults))
    }
}

impl ReceiptSink for Comparison<'_> {
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError> {
        Ok(self.segment(receipt)?)
    }
}
