//! Verification of volumes on which there is little to verify.

use tapewright::jobs::JobError;
use tapewright::jobs::verify::{Verdict, verify};

use crate::lab::{A, B, Lab};

#[test]
fn a_volume_without_segments_has_its_label_read() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(summary.volumes[0].verdict, Verdict::Good);
    assert_eq!(lab.ledger_lines("verified").len(), 1);

    lab.copy_cartridge_files(B, A, &["p0.map", "p0.data"]);
    let error = verify(lab.site(), A).unwrap_err();
    assert!(matches!(error, JobError::BlankTape { .. }), "{error:?}");

    lab.take_away(A);
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(summary.missing_tapes, [A]);
    assert!(summary.volumes.is_empty());
}
