//! Reads the whole catalog and compares it with itself.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use uuid::Uuid;

use super::Catalog;
use crate::entries::{EntriesError, EntryFile, Fault, Member, Stretch, matches};
use crate::error::CatalogError;
use crate::ledger::{FileInUse, Ledger, Tenant};
use crate::model::Kind;
use crate::model::event::Receipt;
use crate::model::path::compare;

/// What [`Catalog::check`] found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Ledger lines, all in order.
    pub lines: u64,
    /// Receipts that count.
    pub receipts: u64,
    /// Entries read from sound entry files.
    pub entries: u64,
    /// Entry files that are missing or damaged: commit their segments again from tape. A merged
    /// one is here for each volume that has some of its segments.
    pub damaged: Vec<DamagedFile>,
    /// Receipts that contradict each other or their entries. No software of ours writes such:
    /// rebuild the catalog from the tapes.
    pub inconsistent: Vec<Inconsistency>,
}

/// An entry file that is not as it was sealed: commit its segment again from tape.
#[derive(Debug)]
pub struct DamagedFile {
    /// The volume that its segment is on, or segments of a merged one.
    pub volume: Uuid,
    /// What is wrong with the file.
    pub error: EntriesError,
}

/// A receipt that contradicts others of its volume, or its own entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment_number}: {what}")]
pub struct Inconsistency {
    /// The volume.
    pub volume: Uuid,
    /// Number of the segment on it.
    pub segment_number: u32,
    /// What is wrong, as a sentence.
    pub what: &'static str,
}

impl Catalog {
    /// Compares length and digest of each entry file with the ledger, at the speed of reading
    /// them: what is inside is not decoded. Returns the number of files and those that differ.
    ///
    /// # Errors
    ///
    /// The ledger is altered or cannot be read.
    pub fn check_files(&self) -> Result<(u64, Vec<DamagedFile>), CatalogError> {
        let _reading = self.begin_reading();
        let (ledger, _) = Ledger::open(self.directory())?;
        let files = ledger.known().files();
        let mut damaged = Vec::new();
        for file in &files {
            if let Err(error) = matches(&self.entry_path(&file.file.name), &file.file) {
                tell_damage(file, error, &mut damaged);
            }
        }
        Ok((files.len() as u64, damaged))
    }

    /// Of whose segments the entries are in this entry file, by volume and job: committed again,
    /// they replace it.
    ///
    /// # Errors
    ///
    /// The ledger is altered or cannot be read.
    pub fn segments_in(&self, file: &Path) -> Result<BTreeSet<(Uuid, Uuid)>, CatalogError> {
        let (ledger, _) = Ledger::open(self.directory())?;
        let files = ledger.known().files();
        let mut named = files.iter();
        let found = named.find(|one| self.entry_path(&one.file.name) == file);
        let tenants = found.into_iter().flat_map(|one| &one.tenants);
        Ok(tenants.map(|tenant| (tenant.volume, tenant.job)).collect())
    }

    /// Reads everything: the ledger's chain, the index, each entry file's digest and every entry,
    /// and whether the receipts of each volume, and the entries of each receipt, lie where they
    /// can.
    ///
    /// # Errors
    ///
    /// The ledger is altered or cannot be read, or the caller asked to stop
    /// ([`Catalog::stop_by`]). What else is wrong is in the report.
    pub fn check(&self) -> Result<CheckReport, CatalogError> {
        let _reading = self.begin_reading();
        let (ledger, _) = Ledger::open(self.directory())?;
        let known = ledger.known();
        let mut report = CheckReport {
            lines: ledger.tip().seq,
            ..CheckReport::default()
        };
        let identities = known.receipts().map(|(identity, _)| identity);
        let identities: BTreeSet<(Uuid, Uuid)> = identities.collect();
        report.receipts = identities.len() as u64;
        let volumes: BTreeSet<Uuid> = identities.iter().map(|(volume, _)| *volume).collect();
        let mut indexed = HashMap::new();
        for volume in volumes {
            // The index answers this: receipts that it lacks are missed, too.
            let recorded = self.receipts_of_volume(&volume)?;
            check_order(recorded.iter().map(|it| &it.what.receipt), &mut report);
            let receipts = recorded.into_iter().map(|it| it.what.receipt);
            indexed.extend(receipts.map(|it| ((volume, it.segment), it)));
        }
        for (volume, segment) in identities {
            if !indexed.contains_key(&(volume, segment)) {
                report.inconsistent.push(Inconsistency {
                    volume,
                    segment_number: 0,
                    what: "the index does not have it",
                });
            }
        }
        for file in known.files() {
            match self.check_entry_file(&file, &indexed, &mut report.inconsistent) {
                Ok(entries) => report.entries += entries,
                Err(CatalogError::Entries(error)) => {
                    tell_damage(&file, error, &mut report.damaged);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }

    /// Reads a file. Its entries that count.
    fn check_entry_file(
        &self,
        file: &FileInUse,
        receipts: &HashMap<(Uuid, Uuid), Receipt>,
        wrong: &mut Vec<Inconsistency>,
    ) -> Result<u64, CatalogError> {
        let path = self.entry_path(&file.file.name);
        matches(&path, &file.file)?;
        let damaged = |fault| EntriesError::Damaged {
            path: path.clone(),
            at: 0,
            fault,
        };
        if file.is_merged {
            let members = EntryFile::open(&path, &file.id)?.members()?;
            if !file
                .tenants
                .iter()
                .all(|tenant| is_listed(tenant, &members))
            {
                return Err(damaged(Fault::Ledger("list of receipts")).into());
            }
        }
        let mut found = Found::nothing_yet(file, receipts);
        let mut all = 0;
        let mut stretch = Stretch::whole(path.clone(), file.id);
        let mut last = Vec::new();
        while let Some(entry) = stretch.next_entry()? {
            if all > 0 && compare(&last, &entry.path).is_gt() {
                return Err(damaged(Fault::Value("order of entries")).into());
            }
            if self.is_to_stop() {
                return Err(CatalogError::Stopped);
            }
            if let Some(found) = found.get_mut(&stretch.receipt()) {
                found.entries += 1;
                let inside = found.receipt.is_none_or(|receipt| {
                    (receipt.first_block..receipt.index_block).contains(&entry.block)
                });
                found.outside |= entry.kind != Kind::Gone && !inside;
            }
            last = entry.path;
            all += 1;
        }
        let counts = |tenant: &Tenant| found[&tenant.number].entries == tenant.entries;
        if all != file.file.entries || !file.tenants.iter().all(counts) {
            return Err(damaged(Fault::Ledger("count of entries")).into());
        }
        for tenant in &file.tenants {
            if let Found {
                receipt: Some(receipt),
                outside: true,
                ..
            } = found[&tenant.number]
            {
                wrong.push(Inconsistency {
                    volume: tenant.volume,
                    segment_number: receipt.segment_number,
                    what: "an entry begins outside of it",
                });
            }
        }
        Ok(file.live_entries())
    }
}

/// What a file has of one receipt.
struct Found<'a> {
    /// Unless the index lacks it.
    receipt: Option<&'a Receipt>,
    entries: u64,
    outside: bool,
}

impl<'a> Found<'a> {
    /// By the numbers of the receipts in the file.
    fn nothing_yet(
        file: &FileInUse,
        receipts: &'a HashMap<(Uuid, Uuid), Receipt>,
    ) -> HashMap<u32, Found<'a>> {
        let nothing = |tenant: &Tenant| {
            let found = Found {
                receipt: receipts.get(&(tenant.volume, tenant.segment)),
                entries: 0,
                outside: false,
            };
            (tenant.number, found)
        };
        file.tenants.iter().map(nothing).collect()
    }
}

fn is_listed(tenant: &Tenant, members: &[Member]) -> bool {
    let member = members.get(tenant.number as usize);
    member.is_some_and(|member| {
        (member.volume, member.segment, member.line) == (tenant.volume, tenant.segment, tenant.line)
    })
}

/// A damaged file is cured by each of the tapes that its segments are on.
pub(crate) fn tell_damage(file: &FileInUse, error: EntriesError, damaged: &mut Vec<DamagedFile>) {
    let volumes: BTreeSet<Uuid> = file.tenants.iter().map(|tenant| tenant.volume).collect();
    let mut volumes = volumes.into_iter();
    let first = volumes.next();
    let others = volumes.map(|volume| DamagedFile {
        volume,
        error: error.again(),
    });
    let others: Vec<DamagedFile> = others.collect();
    damaged.extend(first.map(|volume| DamagedFile { volume, error }));
    damaged.extend(others);
}

/// The receipts of a volume lie one behind the other, each within its own bounds.
fn check_order<'a>(receipts: impl Iterator<Item = &'a Receipt>, report: &mut CheckReport) {
    let mut receipts: Vec<&Receipt> = receipts.collect();
    receipts.sort_by_key(|receipt| (receipt.first_block, receipt.segment_number));
    let mut before: Option<&Receipt> = None;
    for receipt in receipts {
        let mut wrong = |what| {
            report.inconsistent.push(Inconsistency {
                volume: receipt.volume,
                segment_number: receipt.segment_number,
                what,
            });
        };
        let Receipt {
            first_block,
            index_block,
            end_block,
            ..
        } = receipt;
        if !(first_block < index_block && index_block < end_block) {
            wrong("its blocks are in no order");
        }
        if let Some(before) = before {
            if before.end_block > receipt.first_block {
                wrong("it begins before the segment before it ends");
            }
            if before.segment_number >= receipt.segment_number {
                wrong("its number is not above that of the segment before it");
            }
        }
        before = Some(receipt);
    }
}
