//! `tapewright tape at-risk`

use tapewright::jobs::at_risk::{self, AtRisk, RiskOptions};
use tapewright::units::ByteSize;

use super::find::pattern_bytes;
use super::{Context, Ended, print_each};
use crate::dates;
use crate::exit::Exit;
use crate::output::{Output, counted};
use crate::tape_args::AtRiskArgs;

/// Prints what would be lost with the tapes, and what it comes to.
pub fn run(context: &mut Context<'_>, args: &AtRiskArgs) -> Ended {
    let options = RiskOptions {
        barcodes: args.barcodes.clone(),
        pattern: match &args.below {
            Some(pattern) => pattern_bytes(pattern)?,
            None => Vec::new(),
        },
        all_versions: args.all_versions,
    };
    let sum = print_each(context, line, |site, each| {
        at_risk::at_risk(site, &options, each)
    })?;
    let output = &mut context.output;
    match output.is_json() {
        true => output.json(&sum)?,
        false => output.line(format!(
            "on no other good tape: the newest version of {} ({}), and {} ({})",
            counted(sum.newest, "path"),
            ByteSize(sum.newest_bytes),
            counted(sum.older, "older version"),
            ByteSize(sum.older_bytes)
        ))?,
    }
    Ok(Exit::Done)
}

fn line(output: &mut Output, risk: &AtRisk) -> std::io::Result<()> {
    let mut notes = String::new();
    if !risk.newest {
        notes.push_str("  [older version]");
    }
    if risk.gone {
        notes.push_str("  [deleted since]");
    }
    output.line(format!(
        "{:>11}  {}  {}  /{}{notes}",
        ByteSize(risk.size_bytes).to_string(),
        dates::minute(risk.archived_at),
        risk.tapes.join(","),
        risk.path
    ))
}
