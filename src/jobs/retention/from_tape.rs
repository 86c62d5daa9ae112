//! Retention times on tape: what a segment says of its job, and what a rebuild makes of it.

use catalogs::model::event::{Event, RetentionSet};
use catalogs::{Catalog, CatalogError, Kept};
use uuid::Uuid;

use crate::jobs::{JobError, Site};
use crate::volume::index::KeepUntil;

/// What the segments of a job are to say of how long it is kept.
pub(crate) fn said_of(catalog: &Catalog, job: Uuid) -> Result<Option<KeepUntil>, CatalogError> {
    let retained = catalog.retained()?;
    Ok(match retained.job(&job) {
        Some(Kept::Set(set)) => Some(until(set)),
        Some(Kept::Expired(_)) | None => None,
    })
}

fn until(set: &RetentionSet) -> KeepUntil {
    set.until.map_or(KeepUntil::Forever, KeepUntil::Moment)
}

/// Takes over what tapes say of a job, and says whether that was news. What was said to this
/// catalog stays. Of what tapes say the longest counts, in whatever order they are read.
pub(crate) fn take_from_tape(
    site: Site<'_>,
    catalog: &Catalog,
    job: Uuid,
    said: KeepUntil,
) -> Result<bool, JobError> {
    let retained = catalog.retained()?;
    let is_news = match retained.job(&job) {
        None => true,
        Some(Kept::Set(set)) => set.from_tape && said > until(set),
        Some(Kept::Expired(_)) => false,
    };
    if is_news {
        let event = RetentionSet {
            job,
            until: match said {
                KeepUntil::Moment(until) => Some(until),
                KeepUntil::Forever => None,
            },
            by: String::new(),
            from_tape: true,
        };
        catalog.append(site.clock.now(), &Event::RetentionSet(event))?;
    }
    Ok(is_news)
}
