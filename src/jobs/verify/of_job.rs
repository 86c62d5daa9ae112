//! What a verification of a job reads: the segments that are still on tapes.

use std::collections::BTreeMap;

use catalogs::Catalog;
use catalogs::model::event::Receipt;

use super::{JobRun, VerifiedJob};
use crate::jobs::{JobError, WhichError, catalog, which};

/// The job of this identity, or the newest of this name with all others, and its segments on tapes
/// that were not labelled anew since.
///
/// # Errors
///
/// There is no such job, or nothing of it is on a tape: what it read is not there then, and
/// that is no good job.
pub(super) fn find(catalog: &Catalog, name: &str) -> Result<(VerifiedJob, Vec<Receipt>), JobError> {
    let found = which::newest_job(catalog, name)?;
    let (newest, others) = found.ok_or_else(|| {
        let name = name.to_owned();
        WhichError::NoSuchBarcodeOrJob { name }
    })?;
    let mut job = VerifiedJob {
        job: run(&newest),
        labelled_anew: Vec::new(),
        others_of_name: others.iter().map(run).collect(),
    };
    let written = catalog::receipts_of_job(catalog, job.job.job)?;
    if written.is_empty() {
        return Err(JobError::NothingOfJob {
            name: name.to_owned(),
            job: job.job.job,
            ended: job.job.ended,
            others: job.others(),
        });
    }
    let (mut there, mut gone) = (Vec::new(), BTreeMap::new());
    for receipt in written {
        let volume = catalog::volume(catalog, receipt.volume)?;
        match volume.retired {
            None => there.push(receipt),
            Some((at, _)) => drop(gone.insert(volume.label.what.barcode, at)),
        }
    }
    let told = |(barcode, at): (String, jiff::Timestamp)| {
        format!("{barcode} on {}", at.strftime("%Y-%m-%d"))
    };
    job.labelled_anew = gone.into_iter().map(told).collect();
    if there.is_empty() {
        return Err(JobError::Which(WhichError::LabelledAnew {
            name: name.to_owned(),
            job: job.job.job,
            tapes: job.labelled_anew.clone(),
            others: job.others(),
        }));
    }
    Ok((job, there))
}

fn run(job: &catalogs::Job) -> JobRun {
    JobRun {
        job: job.start.what.job,
        started_at: job.start.time,
        ended: job.finish.as_ref().map(|finish| finish.what.outcome),
    }
}

impl VerifiedJob {
    /// The others of its name, each with its date.
    fn others(&self) -> Vec<String> {
        let others = self.others_of_name.iter();
        let others: Vec<_> = others.map(|run| (run.job, run.started_at)).collect();
        which::with_dates(&others)
    }
}
