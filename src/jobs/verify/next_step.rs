//! What to do about a volume that a verification found wanting.

use std::collections::{BTreeSet, HashSet};

use catalogs::model::event::VolumeState;
use catalogs::{Catalog, FindOptions, Pattern};
use uuid::Uuid;

use super::Verdict;
use crate::engine::verify::SegmentReport;
use crate::jobs::{JobError, catalog};

/// The bad files of a volume, and which of them are on other tapes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// How many files are bad.
    files: u64,
    /// How many of those have the same content on another tape.
    elsewhere: u64,
    /// Those tapes.
    tapes: BTreeSet<String>,
    /// How many of the others have it on tapes that are suspect themselves.
    in_doubt: u64,
    /// Those tapes.
    suspects: BTreeSet<String>,
    /// Segments whose files were not compared, since what names them is damaged.
    unchecked: u64,
}

impl Lost {
    /// Looks the listed bad files up. A name that is not UTF-8 counts as found nowhere else.
    pub(super) fn of(
        catalog: &Catalog,
        volume: Uuid,
        segments: &[&SegmentReport],
    ) -> Result<Lost, JobError> {
        let mut lost = Lost {
            files: segments.iter().map(|segment| segment.bad_file_count).sum(),
            unchecked: segments
                .iter()
                .filter(|segment| segment.index_damage.is_some())
                .count() as u64,
            ..Lost::default()
        };
        let listed = segments.iter().flat_map(|segment| &segment.bad_files);
        let paths: BTreeSet<&str> = listed.map(|file| file.path.as_str()).collect();
        for path in paths {
            let (tapes, suspects) = same_content_elsewhere(catalog, volume, path.as_bytes())?;
            lost.elsewhere += u64::from(!tapes.is_empty());
            lost.in_doubt += u64::from(tapes.is_empty() && !suspects.is_empty());
            if tapes.is_empty() {
                lost.suspects.extend(suspects);
            }
            lost.tapes.extend(tapes);
        }
        Ok(lost)
    }
}

/// Barcodes of other tapes with the content that the file has on this volume: those that are well,
/// and those that are suspect.
fn same_content_elsewhere(
    catalog: &Catalog,
    volume: Uuid,
    path: &[u8],
) -> Result<(BTreeSet<String>, BTreeSet<String>), JobError> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let options = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    let (mut here, mut elsewhere) = (HashSet::new(), Vec::new());
    // The name itself comes before all that lies below it.
    for hit in catalog.find(&Pattern::tree(path)?, &options)? {
        let hit = hit?;
        if hit.entry.path != path {
            break;
        }
        let Some(digest) = hit.entry.digest else {
            continue;
        };
        let receipt = &hit.receipt.receipt;
        let content = (receipt.digest_algorithm, digest);
        match receipt.volume == volume {
            true => drop(here.insert(content)),
            false => elsewhere.push((content, receipt.volume)),
        }
    }
    let (mut tapes, mut suspects) = (BTreeSet::new(), BTreeSet::new());
    for (_, other) in elsewhere
        .iter()
        .filter(|(content, _)| here.contains(content))
    {
        let volume = catalog::volume(catalog, *other)?;
        match volume.state {
            VolumeState::Suspect => suspects.insert(volume.label.what.barcode),
            _ => tapes.insert(volume.label.what.barcode),
        };
    }
    Ok((tapes, suspects))
}

/// What to do next; `None` for a volume that is well.
pub(super) fn next_step(barcode: &str, verdict: Verdict, lost: &Lost) -> Option<String> {
    match verdict {
        Verdict::Good | Verdict::Empty => return None,
        Verdict::Inconclusive => {
            return Some(
                "Clean the drive or use another one, and verify the tape again.".to_owned(),
            );
        }
        Verdict::Bad => {}
    }
    let retire = format!(
        "Then take {barcode} out of use: it is marked suspect, and nothing more is written to it."
    );
    let unchecked = match lost.unchecked {
        0 => String::new(),
        count => format!(
            "The index of {count} of the segments is damaged, so the files there were not \
             compared: `restore PATH --to DIR` checks each, and names what does not come back. "
        ),
    };
    if lost.files == 0 && lost.unchecked > 0 {
        return Some(format!("{unchecked}Archive again what came back. {retire}"));
    }
    if lost.files == 0 {
        return Some(format!(
            "No file is lost. Bring what is on it to another tape while it can be read: \
             `restore PATH --to DIR`, and archive that again. {retire}"
        ));
    }
    let tapes: Vec<&str> = lost.tapes.iter().map(String::as_str).collect();
    let copies = match lost.elsewhere {
        0 => "The catalog knows no good tape with the content of the bad files: archive them \
              again if their source is still there"
            .to_owned(),
        count if count == lost.files => format!(
            "The content of each bad file is on {} as well: `find PATH --all-versions` shows where",
            tapes.join(", ")
        ),
        count => format!(
            "The content of {count} of the {} bad files is on {} as well: `find PATH \
             --all-versions` shows where; archive the others again if their source is still there",
            lost.files,
            tapes.join(", ")
        ),
    };
    let copies = match lost.in_doubt {
        0 => copies,
        count => {
            let suspects: Vec<&str> = lost.suspects.iter().map(String::as_str).collect();
            format!(
                "Of {count} of the {} bad files the other copy is on {}, which is suspect, too. \
                 `restore PATH --to DIR` puts a file together from both, as far as each of its \
                 bytes is good on one of them: archive what comes back before one of the tapes \
                 goes. {copies}",
                lost.files,
                suspects.join(", ")
            )
        }
    };
    Some(format!(
        "{unchecked}{copies}. All else on it comes back with `restore PATH --to DIR`, which names \
         what it leaves out. {retire}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_depends_on_what_is_lost_and_where_else_it_is() {
        let lost = |files, elsewhere| Lost {
            files,
            elsewhere,
            tapes: (0..elsewhere).map(|number| format!("B{number}")).collect(),
            ..Lost::default()
        };
        let doubted = Lost {
            in_doubt: 1,
            suspects: BTreeSet::from(["C".to_owned()]),
            ..lost(2, 1)
        };
        let unchecked = |files| Lost {
            unchecked: 2,
            ..lost(files, 0)
        };
        for (verdict, lost, words) in [
            (Verdict::Good, lost(0, 0), None),
            (Verdict::Empty, lost(0, 0), None),
            (
                Verdict::Inconclusive,
                lost(0, 0),
                Some("verify the tape again"),
            ),
            (Verdict::Bad, lost(0, 0), Some("No file is lost")),
            (Verdict::Bad, unchecked(0), Some("were not compared")),
            (Verdict::Bad, unchecked(1), Some("were not compared")),
            (Verdict::Bad, lost(2, 0), Some("no good tape")),
            (
                Verdict::Bad,
                doubted.clone(),
                Some("Of 1 of the 2 bad files the other copy is on C, which is suspect"),
            ),
            (Verdict::Bad, doubted, Some("1 of the 2 bad files is on B0")),
            (Verdict::Bad, lost(2, 2), Some("each bad file is on B0, B1")),
            (
                Verdict::Bad,
                lost(2, 1),
                Some("1 of the 2 bad files is on B0"),
            ),
        ] {
            let said = next_step("A", verdict, &lost);
            assert_eq!(said.is_some(), words.is_some(), "{lost:?}");
            let (said, words) = (said.unwrap_or_default(), words.unwrap_or_default());
            assert!(said.contains(words), "{said}");
            let retires = said.contains("take A out of use");
            assert_eq!(retires, verdict == Verdict::Bad, "{said}");
        }
    }
}
