//! What would be lost if tapes were lost: files that are on no other good tape.

use std::ops::ControlFlow;

use catalogs::{Loss, Pattern};
use serde::Serialize;

use super::browse::{Told, tapes};
use super::find::volume_of;
use super::{ByteText, JobError, Site, catalog};

/// Which tapes are thought of as lost.
#[derive(Debug, Clone, Default)]
pub struct RiskOptions {
    /// Their barcodes.
    pub barcodes: Vec<String>,
    /// Only what this path or glob means; empty: everything.
    pub pattern: Vec<u8>,
    /// Older versions, too, not only the newest of each path.
    pub all_versions: bool,
}

/// A version that would be lost.
#[derive(Debug, Clone, Serialize)]
pub struct AtRisk {
    /// Archive path, without leading slash.
    pub path: ByteText,
    /// Size of the whole file in bytes.
    pub size_bytes: u64,
    /// It is the newest version of its path.
    pub newest: bool,
    /// A later complete job did not find the path any more.
    pub gone: bool,
    /// Name of the job that archived it.
    pub job_name: String,
    /// When that job began.
    pub archived_at: jiff::Timestamp,
    /// The tapes, of those named, that it or a part of it is on alone.
    pub tapes: Vec<String>,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RiskSum {
    /// Paths whose newest version would be lost.
    pub newest: u64,
    /// Bytes of those.
    pub newest_bytes: u64,
    /// Older versions that would be lost.
    pub older: u64,
    /// Bytes of those.
    pub older_bytes: u64,
}

/// Tells each version that is on the named tapes and on no other good one, in directory order.
/// A tape that is retired or suspect is not good. Directories, which archiving anything in them
/// brings back, are not told.
///
/// # Errors
///
/// An unknown tape, a malformed pattern, the user stopped it, or what the catalog says. An entry
/// file that is damaged hides what it holds: all the rest is told first.
pub fn at_risk(
    site: Site<'_>,
    options: &RiskOptions,
    each: &mut dyn FnMut(AtRisk) -> ControlFlow<()>,
) -> Result<RiskSum, JobError> {
    let catalog = catalog::open_to_search(site)?;
    let mut volumes = Vec::new();
    for barcode in &options.barcodes {
        volumes.extend(volume_of(&catalog, Some(barcode))?);
    }
    let pattern = Pattern::parse(&options.pattern)?;
    let (mut told, mut sum) = (Told::default(), RiskSum::default());
    for loss in catalog.at_risk(&volumes, &pattern)? {
        let Some(loss) = told.sort(loss)? else {
            continue;
        };
        let Some(risk) = risk(loss) else { continue };
        match risk.newest {
            true => {
                sum.newest += 1;
                sum.newest_bytes = sum.newest_bytes.saturating_add(risk.size_bytes);
            }
            false => {
                sum.older += 1;
                sum.older_bytes = sum.older_bytes.saturating_add(risk.size_bytes);
            }
        }
        if (risk.newest || options.all_versions) && each(risk).is_break() {
            break;
        }
    }
    told.whole()?;
    Ok(sum)
}

fn risk(loss: Loss) -> Option<AtRisk> {
    let hit = loss.entries.first()?;
    if hit.entry.kind == catalogs::model::Kind::Directory {
        return None;
    }
    Some(AtRisk {
        path: ByteText(hit.entry.path.clone()),
        // The first parts of what was a stream say only as much as was known by then.
        size_bytes: match hit.entry.kind {
            catalogs::model::Kind::File => {
                let sizes = loss.entries.iter().map(|hit| hit.entry.size_bytes);
                sizes.max().unwrap_or_default()
            }
            _ => 0,
        },
        newest: loss.newest,
        gone: hit.gone,
        job_name: hit.job.start.what.name.clone(),
        archived_at: hit.job.start.time,
        tapes: tapes(&loss.entries),
    })
}
