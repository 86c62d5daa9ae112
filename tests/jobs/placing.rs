//! Where tapes are that no library has, and what a restore makes of it.

use std::fs;
use std::time::Duration;

use catalogs::model::event::{OutsidePlace, PlaceKind};
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::places::{PlaceOptions, PlacedTape, place};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::rescue::{RescueOptions, RescuedTape, rescue};
use tapewright::jobs::restore::{Certainty, Owners, RestoreOptions, RestoreOutlook, plan, restore};
use tapewright::jobs::tape_check::check_with_tape;
use tapewright::jobs::verify::verify;
use tapewright::jobs::whereabouts::outside_words;
use tapewright::jobs::{JobError, JobErrorKind, Outcome, tapes};

use crate::lab::{A, B, Lab, archive_path, barcodes_of, of_paths, plant};

const HOUR: u64 = 3_600;

fn say(
    lab: &Lab,
    barcode: &str,
    kind: PlaceKind,
    name: &str,
    hours: u64,
) -> Result<Vec<PlacedTape>, JobError> {
    let options = PlaceOptions {
        barcodes: vec![barcode.to_owned()],
        kind,
        name: name.to_owned(),
        fetch: (hours > 0).then(|| Duration::from_secs(hours * HOUR)),
    };
    place(lab.site(), &options)
}

fn plan_of(lab: &Lab) -> RestoreOutlook {
    let options = RestoreOptions {
        patterns: vec![archive_path(&lab.path("source"))],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    plan(lab.site(), &options).unwrap()
}

/// A lab with two copies of one tree, on tapes that are both outside.
fn with_two_copies_outside() -> Lab {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.label(&[B], "vault");
    let job = JobDescription {
        copy_pool: Some("vault".to_owned()),
        ..of_paths(vec![lab.path("source")], "docs")
    };
    assert_eq!(
        archive(lab.site(), &job).unwrap().outcome,
        Outcome::Complete
    );
    lab.take_away(A);
    lab.take_away(B);
    lab
}

#[test]
fn of_copies_outside_the_nearest_is_asked_for_with_its_place_and_the_time_it_takes() {
    use PlaceKind::{Courier, Shelf, Vault};
    let lab = with_two_copies_outside();
    let nobody_said = plan_of(&lab);
    assert_eq!(nobody_said.pick_list.len(), 1);
    assert_eq!(nobody_said.pick_list[0].outside, None);
    let finish = &nobody_said.finish;
    assert_eq!(
        (finish.files_at, finish.files_s, finish.at, finish.seconds),
        (None, None, None, None),
        "nothing is within reach"
    );
    assert_eq!((finish.certainty, finish.percent), (Certainty::Open, None));
    assert_eq!((finish.low_s, finish.high_s), (None, None));
    assert_eq!((finish.fetched_at, finish.fetched_s), (None, None));
    assert_eq!(nobody_said.drives, []);
    assert_eq!(nobody_said.first_file, None);
    // What is said of A, of B, and which is asked for.
    let cases = [
        (Vault, Shelf, B),
        (Vault, Courier, B),
        (Courier, Vault, A),
        (Shelf, Courier, A),
        (Shelf, Shelf, A),
    ];
    for (of_a, of_b, asked) in cases {
        say(&lab, A, of_a, "Hall 2, box 1", 3).unwrap();
        say(&lab, B, of_b, "Bank, box 2", 26).unwrap();
        let outlook = plan_of(&lab);
        let [pick] = &outlook.pick_list[..] else {
            panic!("{outlook:?}");
        };
        assert_eq!(pick.barcode, asked, "{of_a:?} {of_b:?}");
        let (kind, name, hours) = match asked {
            A => (of_a, "Hall 2, box 1", 3),
            _ => (of_b, "Bank, box 2", 26),
        };
        let place = pick.outside.as_ref().unwrap();
        assert_eq!((place.kind, &*place.place_name), (Some(kind), name));
        assert_eq!(outlook.tapes[0].retrieve_s, Some(hours * HOUR));
        let all_there = outlook.finish.fetched_s.unwrap();
        assert_eq!(outlook.finish.seconds, None);
        let read_s = outlook.tapes[0].times.total_s;
        assert!((all_there - (hours * HOUR) as f64 - read_s).abs() < 1.0);
    }
}

#[test]
fn of_two_copies_outside_one_tape_is_asked_for_and_the_other_named_in_its_place() {
    use PlaceKind::{Shelf, Vault};
    let lab = with_two_copies_outside();
    // What is said of A, and of B, with the hours that each takes.
    let cases = [
        ((Vault, 3), (Shelf, 26), B, A),
        ((Shelf, 3), (Vault, 26), A, B),
        // Of one kind: what is here sooner, or said to be.
        ((Vault, 26), (Vault, 3), B, A),
        ((Vault, 0), (Vault, 26), B, A),
        ((Vault, 3), (Vault, 3), A, B),
    ];
    for (number, (of_a, of_b, asked, other)) in cases.into_iter().enumerate() {
        say(&lab, A, of_a.0, "Hall", of_a.1).unwrap();
        say(&lab, B, of_b.0, "Bank", of_b.1).unwrap();
        let options = RestoreOptions {
            patterns: vec![archive_path(&lab.path("source"))],
            target: lab.path(&format!("target-{number}")),
            ..RestoreOptions::default()
        };
        let planned = plan(lab.site(), &options).unwrap();
        let restored = restore(lab.site(), &options).unwrap();
        assert_eq!(restored.outcome, Outcome::Partial, "{restored:?}");
        let lost = &restored.lost_with_tapes;
        assert!(lost.iter().all(|lost| lost.barcode == asked), "{lost:?}");
        for picks in [&planned.pick_list, &restored.missing_tapes] {
            assert_eq!(barcodes_of(picks), [asked], "{number}");
            assert_eq!(barcodes_of(&picks[0].instead), [other], "{number}");
            let words = picks[0].words();
            assert!(words.contains(&format!("(or instead {other}: ")), "{words}");
        }
    }
    // What is here is read, and nothing is asked for.
    lab.library().insert(0, B, None).unwrap();
    assert_eq!(plan_of(&lab).pick_list, []);
}

#[test]
fn a_tape_is_no_alternative_where_it_lacks_something_that_is_wanted() {
    let lab = with_two_copies_outside();
    lab.library().insert(0, A, None).unwrap();
    fs::create_dir_all(lab.path("source/more")).unwrap();
    fs::write(lab.path("source/more/new"), "only on one tape").unwrap();
    lab.archive(&["source/more"], "docs").unwrap();
    lab.take_away(A);
    let picks = plan_of(&lab).pick_list;
    assert_eq!(barcodes_of(&picks), [A]);
    assert_eq!(picks[0].instead, []);
}

#[test]
fn a_place_is_told_while_the_tape_is_not_in_the_library() {
    let lab = with_two_copies_outside();
    let placed = say(&lab, A, PlaceKind::Vault, " Bank ", 0).unwrap();
    assert_eq!(placed[0].before, None);
    let again = say(&lab, A, PlaceKind::Courier, "Fast & Sons", 2).unwrap();
    assert_eq!(again[0].before.as_ref().unwrap().place_name, "Bank");
    let of_a = || tapes::show(lab.site(), A).unwrap().info.outside;
    assert_eq!(of_a().unwrap().place_name, "Fast & Sons");
    assert_eq!(lab.ledger_lines("volume_moved").len(), 2);
    lab.library().insert(0, A, None).unwrap();
    assert_eq!(of_a(), None);
    assert_eq!(plan_of(&lab).pick_list, []);

    let inside = Lab::new();
    inside.label(&[A], "docs");
    let refused = say(&inside, A, PlaceKind::Vault, "Bank", 0).unwrap_err();
    assert_eq!(refused.kind(), JobErrorKind::Request);
    assert!(refused.to_string().contains("library export"), "{refused}");
    assert_eq!(inside.ledger_lines("volume_moved").len(), 0);
}

#[test]
fn of_several_tapes_all_are_placed_or_none() {
    let lab = with_two_copies_outside();
    let options = |barcodes: &[&str], name: &str| PlaceOptions {
        barcodes: barcodes.iter().map(|&one| one.to_owned()).collect(),
        kind: PlaceKind::Shelf,
        name: name.to_owned(),
        fetch: None,
    };
    let long = "x".repeat(201);
    for (barcodes, name) in [
        (&[A, "NONE01L9"][..], "Hall"),
        (&[A, B], " "),
        (&[A, B], "two\nlines"),
        (&[A, B], &long),
    ] {
        assert!(
            place(lab.site(), &options(barcodes, name)).is_err(),
            "{name:?}"
        );
    }
    let too_long = PlaceOptions {
        fetch: Some(Duration::from_secs(367 * 24 * HOUR)),
        ..options(&[A, B], "Hall")
    };
    let refused = place(lab.site(), &too_long).unwrap_err();
    assert_eq!(refused.kind(), JobErrorKind::Request);
    assert!(refused.to_string().contains("366 d at most"), "{refused}");
    assert_eq!(lab.ledger_lines("volume_moved").len(), 0);
    // Named twice, it is placed once.
    let placed = place(lab.site(), &options(&[B, A, B], "Hall")).unwrap();
    assert_eq!(placed.len(), 2);
}

#[test]
fn whatever_wants_a_tape_outside_says_where_it_is_and_how_long_it_takes() {
    let lab = with_two_copies_outside();
    let nobody_said = verify(lab.site(), A).unwrap();
    assert_eq!(nobody_said.missing_tapes[0].outside, None);
    for tape in [A, B] {
        say(&lab, tape, PlaceKind::Vault, "Bern", 48).unwrap();
    }
    let site = lab.site();
    let place = OutsidePlace {
        place_name: "Bern".to_owned(),
        kind: Some(PlaceKind::Vault),
        fetch_s: Some(48 * HOUR),
    };
    let verified = verify(site, A).unwrap();
    assert_eq!(barcodes_of(&verified.missing_tapes), [A]);
    assert_eq!(verified.missing_tapes[0].outside.as_ref(), Some(&place));
    let rebuilt = rebuild(site, &[A.to_owned(), B.to_owned()]).unwrap();
    for tape in &rebuilt.failed_tapes {
        assert_eq!(tape.outside.as_ref(), Some(&place), "{tape:?}");
    }
    let rescued = RescueOptions {
        tape: RescuedTape::Barcode(A.to_owned()),
        target: lab.path("saved"),
        retries: 0,
        most_bad_blocks: 1,
        keep_partial: false,
        owners: Owners::Names,
    };
    let advice = |error: JobError| error.advice().unwrap();
    let asked = [
        ("verify", verified.missing_tapes[0].words()),
        (
            "rebuild",
            rebuilt.failed_tapes[0].failure.advice.clone().unwrap(),
        ),
        ("check", advice(check_with_tape(site, A).unwrap_err())),
        ("rescue", advice(rescue(site, &rescued).unwrap_err())),
    ];
    let words = r#"in the vault "Bern", fetched in about 2 d"#;
    for (what, asked) in &asked {
        assert!(asked.contains(words), "{what}: {asked}");
    }
    let sentence = format!("{A} is {words}: put it into a mail slot or a free slot and try again.");
    assert_eq!(asked[2].1, sentence);
}

#[test]
fn a_place_is_told_in_words_that_its_name_cannot_imitate() {
    use PlaceKind::{Courier, Shelf, Vault};
    let cases = [
        (Some(Shelf), "Hall 2", None, r#"on the shelf "Hall 2""#),
        (
            Some(Vault),
            "Bank",
            Some(24),
            r#"in the vault "Bank", fetched in about 1 d"#,
        ),
        (
            Some(Courier),
            "Fast, fetched in about 1 h",
            Some(50),
            r#"with the courier "Fast, fetched in about 1 h", fetched in about 2 d 2 h"#,
        ),
        (
            Some(Shelf),
            r#"Hall", fetched in about 1 h"#,
            None,
            r#"on the shelf "Hall\", fetched in about 1 h""#,
        ),
        (None, "Zürich", None, r#"at "Zürich""#),
    ];
    for (kind, name, hours, words) in cases {
        let place = OutsidePlace {
            place_name: name.to_owned(),
            kind,
            fetch_s: hours.map(|hours| hours * HOUR),
        };
        assert_eq!(outside_words(&place), words);
    }
}
