//! Retention times, expiries and holds as the ledger keeps them.

use catalogs::model::event::{Event, Held, HoldPlaced, HoldReleased, JobExpired, RetentionSet};
use catalogs::portable::import;
use catalogs::{Catalog, CatalogError, FindOptions, Kept, LedgerError};
use uuid::Uuid;

use crate::support::*;

fn set(job: u64, until: Option<i64>) -> Event {
    Event::RetentionSet(RetentionSet {
        job: job_id(job),
        until: until.map(at),
        by: "librarian".into(),
        from_tape: false,
    })
}

fn expired(job: u64) -> Event {
    let (job, by) = (job_id(job), "librarian".into());
    Event::JobExpired(JobExpired { job, by })
}

fn placed(hold: u128, on: Held) -> Event {
    Event::HoldPlaced(HoldPlaced {
        hold: Uuid::from_u128(hold),
        on,
        reason: "case 7".into(),
        by: "counsel".into(),
    })
}

fn released(hold: u128) -> Event {
    Event::HoldReleased(HoldReleased {
        hold: Uuid::from_u128(hold),
        reason: "settled".into(),
        by: "counsel".into(),
    })
}

fn of_job(answers: &[String], job: &str) -> usize {
    answers.iter().filter(|line| line.ends_with(job)).count()
}

#[test]
fn what_only_expired_jobs_hold_is_offered_when_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    fill(&catalog);
    let other = open(directory.path());
    let before = answers(&other);
    let newest = found(&catalog, "home/b/old", &FindOptions::default());
    assert_eq!(newest, ["!home/b/old@job1"]);
    catalog.append(at(50), &set(1, Some(40))).unwrap();
    assert_eq!(answers(&catalog), before, "a time alone changes nothing");
    catalog.append(at(51), &expired(1)).unwrap();
    for (who, catalog) in [("itself", &catalog), ("another handle", &other)] {
        let now = answers(catalog);
        assert_eq!(of_job(&now, "@job1"), 0, "{who}");
        assert_eq!(of_job(&now, "@job2"), of_job(&before, "@job2"), "{who}");
        assert!(
            found(catalog, "home/b/old", &FindOptions::default()).is_empty(),
            "{who}"
        );
        let asked = FindOptions {
            expired: true,
            all_versions: true,
            ..FindOptions::default()
        };
        assert_eq!(found(catalog, "", &asked), before, "{who}");
        assert!(catalog.check().unwrap().damaged.is_empty(), "{who}");
    }
    catalog.append(at(52), &set(1, None)).unwrap();
    assert_eq!(answers(&catalog), before, "taken back");
    assert_eq!(answers(&other), before, "taken back, another handle");
}

#[test]
fn it_is_there_when_opened_again_and_in_an_export() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("one");
    let catalog = create(&directory);
    fill(&catalog);
    let (job, volume) = (job_id(2), volume_id(1));
    let events = [
        set(1, Some(40)),
        set(2, None),
        set(3, Some(60)),
        expired(1),
        placed(1, Held::Job { job }),
        placed(2, Held::Volume { volume }),
        released(1),
        // What was released stays so, and as it was said first.
        released(1),
    ];
    for (second, event) in events.iter().enumerate() {
        catalog.append(at(70 + second as i64), event).unwrap();
    }
    let retained = catalog.retained().unwrap();
    assert_eq!(retained.job(&job_id(1)), Some(&Kept::Expired(at(73))));
    assert!(retained.is_expired(&job_id(1)) && !retained.is_expired(&job_id(3)));
    let Some(Kept::Set(third)) = retained.job(&job_id(3)) else {
        panic!("{retained:?}");
    };
    assert_eq!(third.until, Some(at(60)));
    let holds = retained.holds();
    let ends: Vec<_> = holds
        .iter()
        .map(|hold| hold.released.as_ref().map(|end| end.0))
        .collect();
    assert_eq!(ends, [Some(at(76)), None]);
    assert_eq!(open(&directory).retained().unwrap(), retained);
    let mut export = Vec::new();
    catalog.export("test", &mut export, &|| true).unwrap();
    let other = place.path().join("two");
    import(&other, "test", &export[..], &|| true).unwrap();
    let again: Catalog = open(&other);
    assert_eq!(again.retained().unwrap(), retained);
    assert_eq!(answers(&again), answers(&catalog));
}

#[test]
fn an_event_about_what_is_not_known_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let (job, volume) = (job_id(9), volume_id(9));
    for event in [
        set(9, None),
        expired(9),
        placed(1, Held::Job { job }),
        placed(1, Held::Volume { volume }),
        released(1),
    ] {
        let refused = catalog.append(at(2), &event);
        let unwritable = LedgerError::Unwritable {
            path: directory.path().join(catalogs::LEDGER_FILE),
            after: 3,
            fault: catalogs::LineFault::Form,
        };
        match refused {
            Err(CatalogError::Ledger(error @ LedgerError::Unwritable { .. })) => {
                assert_eq!(error.to_string(), unwritable.to_string());
            }
            other => panic!("{event:?}: {other:?}"),
        }
    }
}
