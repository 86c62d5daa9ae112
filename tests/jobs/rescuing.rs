//! What a rescue says of tapes that it cannot read for want of a key.

use tapewright::jobs::Outcome;
use tapewright::jobs::rescue::{RescueOptions, RescueSummary, RescuedTape, rescue};
use tapewright::jobs::restore::Owners;

use crate::lab::{A, Lab};

fn rescued(lab: &Lab, to: &str) -> RescueSummary {
    let options = RescueOptions {
        tape: RescuedTape::Barcode(A.to_owned()),
        target: lab.path(to),
        retries: 2,
        most_bad_blocks: 1000,
        keep_partial: false,
        owners: Owners::Names,
    };
    rescue(lab.site(), &options).unwrap()
}

#[test]
fn an_encrypted_tape_is_told_with_the_name_of_its_key() {
    let lab = Lab::new();
    lab.write_encrypted(A, &vec![vec![5; 70_000]; 40]);
    let summary = rescued(&lab, "saved");
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(summary.end, "end_of_data");
    let encrypted = summary.encrypted.as_ref().unwrap();
    assert_eq!((encrypted.first_block.0, encrypted.blocks), (0, 40));
    assert_eq!(encrypted.key_name.as_deref(), Some("another program's"));
    assert_eq!(summary.tape_files[0].blocks_lost, 0);
    assert!(summary.gaps.iter().all(|gap| gap.encrypted), "{summary:?}");
    assert!(summary.failure.is_none(), "{summary:?}");
}
