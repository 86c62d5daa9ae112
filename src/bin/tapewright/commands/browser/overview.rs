//! The plan of a restore in a few lines: what it takes, from which tapes, and what is missing.

use tapewright::jobs::restore::{RestoreOutlook, TapeNeed};
use tapewright::units::ByteSize;

use crate::commands::calibration;
use crate::commands::restore::{finish_words, how_much, pick_words, place_words, room_words};
use crate::output::counted;

/// The plan for the screen.
pub fn lines(outlook: &RestoreOutlook) -> Vec<String> {
    let mut lines = vec![
        how_much(outlook),
        finish_words(&outlook.finish),
        calibration::words(&outlook.calibration),
        room_words(outlook.room),
        String::new(),
    ];
    lines.extend(outlook.tapes.iter().map(tape));
    if !outlook.pick_list.is_empty() {
        lines.push("to be fetched:".to_owned());
    }
    lines.extend(outlook.pick_list.iter().map(pick_words));
    if outlook.existing.total > 0 {
        let objects = counted(outlook.existing.total, "object");
        lines.push(format!("{objects} in the target already: choose another"));
    }
    for remark in &outlook.remarks.listed {
        lines.push(format!("/{}: {}", remark.path, remark.what));
    }
    lines
}

fn tape(tape: &TapeNeed) -> String {
    format!(
        "{:<10}  {:<20}  {:>16}  {:>11}",
        tape.barcode,
        place_words(&tape.place),
        counted(tape.members, "object"),
        ByteSize(tape.bytes).to_string()
    )
}
