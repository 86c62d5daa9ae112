//! One merge: files side by side in directory order, into a draft; then the line that names it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use uuid::Uuid;

use super::plan::{self, Group, Weight};
use crate::catalog::{Catalog, DamagedFile, tell_damage};
use crate::disk::{remove_if_present, sync_directory};
use crate::entries::{
    Composition, ENTRIES_DIRECTORY, EntriesError, EntryFile, MERGED_EXTENSION, MERGING_EXTENSION,
    Member, MergedWriter, Sealed, Stretch, id_of, matches,
};
use crate::error::CatalogError;
use crate::ledger::{FileInUse, Home, Known, Tenant};
use crate::model::Entry;
use crate::model::event::{EntriesMerged, EntryFileRef, Event};
use crate::model::path::order_key;

/// Entries between two words about progress.
const TOLD_EVERY: u64 = 16_384;
/// Keys of a filter for each entry, where a file has none: names, and few directories.
const KEYS_OF_ENTRY: u64 = 2;

/// A file that is merged.
struct Run {
    stretch: Stretch,
    /// New numbers of its receipts by the old ones. Entries of others do not count.
    numbers: HashMap<u32, u32>,
    next: Option<Entry>,
}

/// What a run comes to next, in the order of the merged file.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: Vec<u8>,
    number: u32,
    run: usize,
}

/// Files to be merged, and what they are to become.
struct Merge<'a> {
    inputs: &'a [FileInUse],
    /// In the order of their new numbers.
    tenants: Vec<Tenant>,
    id: Uuid,
    composition: Composition,
}

impl Catalog {
    /// Merges files of the group until they may stay as they are. `told` hears of entries
    /// written, and of files that are damaged and left out.
    pub(super) fn merge_group(
        &self,
        group: &mut Group,
        now: &dyn Fn() -> Timestamp,
        each: &dyn Fn(u64),
        told: &mut dyn FnMut(Result<u64, DamagedFile>),
    ) -> Result<(), CatalogError> {
        let mut aside = Vec::new();
        loop {
            let weights: Vec<Weight> = group.files.iter().map(Weight::of).collect();
            let Some(mut chosen) = plan::choose(&weights) else {
                break;
            };
            chosen.sort_unstable_by_key(|number| Reverse(*number));
            let inputs = chosen.into_iter().map(|number| group.files.remove(number));
            let inputs: Vec<FileInUse> = inputs.collect();
            let (inputs, mut damaged) = self.sound(inputs, told)?;
            if !damaged.is_empty() {
                aside.append(&mut damaged);
                group.files.extend(inputs);
                continue;
            }
            match self.merge(group, &inputs, now, each) {
                Ok(Some(merged)) => {
                    told(Ok(merged.live_entries()));
                    group.files.push(merged);
                }
                // Somebody else has changed what is where: it is looked at again next time.
                Ok(None) => {
                    group.files.extend(inputs);
                    break;
                }
                Err(CatalogError::Entries(error)) if is_of_the_files(&error) => {
                    let (stay, mut others) = self.blamed(inputs, error, told);
                    group.files.extend(stay);
                    aside.append(&mut others);
                }
                Err(error) => return Err(error),
            }
        }
        group.files.append(&mut aside);
        Ok(())
    }

    /// Those of the files that are as the ledger says, and the others, of which it is told.
    fn sound(
        &self,
        files: Vec<FileInUse>,
        told: &mut dyn FnMut(Result<u64, DamagedFile>),
    ) -> Result<(Vec<FileInUse>, Vec<FileInUse>), CatalogError> {
        let _reading = self.begin_reading();
        let (mut sound, mut others) = (Vec::new(), Vec::new());
        for file in files {
            if self.is_to_stop() {
                return Err(CatalogError::Stopped);
            }
            match matches(&self.entry_path(&file.file.name), &file.file) {
                Ok(()) => sound.push(file),
                Err(error) => {
                    let mut damaged = Vec::new();
                    tell_damage(&file, error, &mut damaged);
                    damaged.into_iter().for_each(|file| told(Err(file)));
                    others.push(file);
                }
            }
        }
        Ok((sound, others))
    }

    /// What of the files may be merged with others after this error, and what may not: the one
    /// that it names, of which it is told, or else all of them.
    fn blamed(
        &self,
        inputs: Vec<FileInUse>,
        error: EntriesError,
        told: &mut dyn FnMut(Result<u64, DamagedFile>),
    ) -> (Vec<FileInUse>, Vec<FileInUse>) {
        let named = match &error {
            EntriesError::Damaged { path, .. } | EntriesError::NewerFormat { path, .. } => {
                let is_named = |file: &FileInUse| self.entry_path(&file.file.name) == *path;
                inputs.iter().position(is_named)
            }
            _ => None,
        };
        let Some(named) = named else {
            tracing::warn!(%error, files = inputs.len(), "files stay as they are: not merged");
            return (Vec::new(), inputs);
        };
        let mut inputs = inputs;
        let file = inputs.remove(named);
        let mut damaged = Vec::new();
        tell_damage(&file, error, &mut damaged);
        damaged.into_iter().for_each(|file| told(Err(file)));
        (inputs, vec![file])
    }

    /// Merges some files; `None` if what they have is elsewhere by now.
    fn merge(
        &self,
        group: &Group,
        inputs: &[FileInUse],
        now: &dyn Fn() -> Timestamp,
        each: &dyn Fn(u64),
    ) -> Result<Option<FileInUse>, CatalogError> {
        let merge = self.prepare(group, inputs);
        let id = merge.id;
        let draft = self.entry_path(&format!("{id}.{MERGING_EXTENSION}"));
        let tenants = merge.tenants.clone();
        let recorded = self
            .write_draft(merge, &draft, each)
            .and_then(|sealed| self.record(inputs, (id, &tenants), sealed, &draft, now));
        if !matches!(recorded, Ok(Some(_))) {
            // It may have its name already; whatever is left no line names.
            let _ = remove_if_present(&draft);
        }
        Ok(recorded?.map(|(line, file)| FileInUse {
            id,
            file,
            line,
            is_merged: true,
            tenants,
        }))
    }

    fn prepare<'a>(&self, group: &Group, inputs: &'a [FileInUse]) -> Merge<'a> {
        let mut tenants: Vec<Tenant> = inputs
            .iter()
            .flat_map(|file| file.tenants.clone())
            .collect();
        tenants.sort_by_key(|tenant| tenant.line);
        for (number, tenant) in (0..).zip(&mut tenants) {
            tenant.number = number;
        }
        let member = |tenant: &Tenant| Member {
            volume: tenant.volume,
            segment: tenant.segment,
            line: tenant.line,
        };
        let members: Vec<Member> = tenants.iter().map(member).collect();
        let keys = inputs.iter().map(|file| self.keys_at_most(file));
        Merge {
            inputs,
            id: id_of(&members),
            composition: Composition {
                keys_at_most: keys.sum(),
                members,
                record_bytes: group.record_bytes,
                framed: group.framed,
            },
            tenants,
        }
    }

    fn keys_at_most(&self, file: &FileInUse) -> u64 {
        let outline = EntryFile::open(&self.entry_path(&file.file.name), &file.id)
            .and_then(|opened| opened.outline());
        let filter = outline.ok().and_then(|outline| outline.filter);
        filter.map_or(file.file.entries * KEYS_OF_ENTRY, |filter| {
            filter.keys_at_most()
        })
    }

    /// Writes the merged file under the name of a draft, durably.
    fn write_draft(
        &self,
        merge: Merge<'_>,
        draft: &Path,
        each: &dyn Fn(u64),
    ) -> Result<Sealed, CatalogError> {
        let _reading = self.begin_reading();
        let mut runs: Vec<Run> = merge
            .inputs
            .iter()
            .map(|file| self.run(file, &merge))
            .collect();
        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.step(number)?.map(Reverse));
        }
        let mut counts = vec![0_u64; merge.tenants.len()];
        let mut writer = MergedWriter::create(draft, merge.composition)?;
        let mut untold = 0;
        while let Some(Reverse(head)) = heads.pop() {
            if self.is_to_stop() {
                return Err(CatalogError::Stopped);
            }
            let run = &mut runs[head.run];
            if let Some(entry) = run.next.take() {
                writer.push(head.number, entry)?;
                counts[head.number as usize] += 1;
            }
            heads.extend(run.step(head.run)?.map(Reverse));
            untold += 1;
            if untold == TOLD_EVERY {
                each(std::mem::take(&mut untold));
            }
        }
        each(untold);
        for (tenant, count) in merge.tenants.iter().zip(counts) {
            if tenant.entries != count {
                let has_it = |file: &FileInUse| {
                    let mut lines = file.tenants.iter().map(|other| other.line);
                    lines.any(|line| line == tenant.line)
                };
                let file = merge.inputs.iter().position(has_it);
                return Err(runs[file.unwrap_or_default()].stretch.miscounted().into());
            }
        }
        Ok(writer.finish()?)
    }

    fn run(&self, file: &FileInUse, merge: &Merge<'_>) -> Run {
        let new = |tenant: &Tenant| {
            let found = merge
                .tenants
                .binary_search_by_key(&tenant.line, |it| it.line);
            let number = found.map(|at| merge.tenants[at].number);
            (tenant.number, number.unwrap_or_default())
        };
        Run {
            stretch: Stretch::whole(self.entry_path(&file.file.name), file.id),
            numbers: file.tenants.iter().map(new).collect(),
            next: None,
        }
    }

    /// Gives the draft its name, and has the ledger say so: only then it counts. `None` if what
    /// the files have is elsewhere by now.
    fn record(
        &self,
        inputs: &[FileInUse],
        (id, tenants): (Uuid, &[Tenant]),
        sealed: Sealed,
        draft: &Path,
        now: &dyn Fn() -> Timestamp,
    ) -> Result<Option<(u64, EntryFileRef)>, CatalogError> {
        let mut ledger = self.ledger();
        let right = ledger.begin(self.append_wait())?;
        if !inputs.iter().all(|file| is_as_it_was(ledger.known(), file)) {
            return Ok(None);
        }
        let seq = ledger.tip().seq + 1;
        let name = format!("{seq:010}-{id}.{MERGED_EXTENSION}");
        let path = self.entry_path(&name);
        fs::rename(draft, &path)
            .and_then(|()| sync_directory(&self.directory().join(ENTRIES_DIRECTORY)))
            .map_err(|source| EntriesError::Io { path, source })?;
        let entry_file = EntryFileRef {
            name,
            digest: sealed.digest.to_hex().to_string(),
            entries: sealed.entries,
            bytes: sealed.bytes,
        };
        let event = Event::EntriesMerged(EntriesMerged {
            id,
            entry_file: entry_file.clone(),
            receipts: tenants.iter().map(|tenant| tenant.line).collect(),
        });
        let seq = ledger.append(&right, now(), &event)?;
        Ok(Some((seq, entry_file)))
    }
}

impl Run {
    /// Comes to its next entry that counts.
    fn step(&mut self, run: usize) -> Result<Option<Head>, EntriesError> {
        while let Some(entry) = self.stretch.next_entry()? {
            if let Some(&number) = self.numbers.get(&self.stretch.receipt()) {
                let key = order_key(&entry.path);
                self.next = Some(entry);
                return Ok(Some(Head { key, number, run }));
            }
        }
        Ok(None)
    }
}

/// Whether other files may be merged in spite of it.
fn is_of_the_files(error: &EntriesError) -> bool {
    !matches!(error, EntriesError::Io { .. })
}

/// Whether the ledger still says that the entries of these receipts are in this file.
fn is_as_it_was(known: &Known, file: &FileInUse) -> bool {
    file.tenants.iter().all(|tenant| {
        let placed = known.receipt_in_line(tenant.line);
        match placed.map(|placed| &placed.home) {
            Some(Home::Own) => !file.is_merged && file.line == tenant.line,
            Some(Home::Merged(merged, _)) => file.is_merged && merged.line == file.line,
            Some(Home::Dropped) | None => false,
        }
    })
}
