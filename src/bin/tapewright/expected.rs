//! What has to be in the state directory before a command begins: one that is not there is a slip
//! of the pen, and is not made.

use std::path::Path;

use tapewright::jobs::JobError;
use tapewright::jobs::state::StateError;

use crate::args::Command;
use crate::catalog_args::CatalogCommand;
use crate::tape_args::TapeCommand;

/// Refuses a command that asks of a state directory what cannot be in one that does not exist.
///
/// # Errors
///
/// As the command itself would, had the directory been made for it.
pub fn check(command: &Command, root: &Path) -> Result<(), JobError> {
    let state = || root.to_owned();
    match root.exists() {
        false if uses_catalog(command) => Err(JobError::NoCatalog { state: state() }),
        false if reads_library(command) => Err(StateError::NoLibrary { state: state() }.into()),
        _ => Ok(()),
    }
}

/// Whether there is nothing to do without a catalog.
fn uses_catalog(command: &Command) -> bool {
    match command {
        Command::Find(_) | Command::Ls(_) | Command::Tree(_) | Command::Du(_) => true,
        Command::Browse(_) | Command::Duplicates(_) | Command::Job(_) => true,
        Command::Keep(_) | Command::Hold(_) | Command::Expire(_) => true,
        Command::Verify(_) | Command::Copy(_) => true,
        Command::Restore(args) => args.from_tape.is_empty(),
        Command::Tape(command) => matches!(
            command,
            TapeCommand::Show { .. }
                | TapeCommand::Contents { .. }
                | TapeCommand::AtRisk(_)
                | TapeCommand::Place(_)
        ),
        Command::Catalog(command) => matches!(
            command,
            CatalogCommand::Check(_) | CatalogCommand::Compact(_) | CatalogCommand::Export { .. }
        ),
        _ => false,
    }
}

/// Whether it makes a catalog from tapes of the library that has to be set up.
fn reads_library(command: &Command) -> bool {
    match command {
        Command::Catalog(CatalogCommand::Import { from_tape, .. }) => from_tape.is_some(),
        Command::Catalog(CatalogCommand::Rebuild { .. }) => true,
        _ => false,
    }
}
