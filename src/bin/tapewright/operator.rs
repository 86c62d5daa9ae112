//! The person at a drive without a changer, asked on the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use tapewright::jobs::{Operator, Reply, TapeRequest};

/// Asks on stderr, listens on stdin. Declines at once where stdin is no terminal, since
/// nobody would hear the question.
#[derive(Debug, Default, Clone, Copy)]
pub struct TerminalOperator;

impl Operator for TerminalOperator {
    fn request(&self, request: &TapeRequest) -> Reply {
        if !io::stdin().is_terminal() {
            return Reply::Declined;
        }
        let mut stderr = io::stderr().lock();
        let found = request.found.as_ref().map_or_else(String::new, |found| {
            format!(" It holds {found}, which was unloaded; take it out.")
        });
        let asked = write!(
            stderr,
            "Please load tape {} into {}.{found}\nEnter when done, `no` if it is not coming: ",
            request.barcode, request.drive
        )
        .and_then(|()| stderr.flush());
        let mut answer = String::new();
        let heard = io::stdin().lock().read_line(&mut answer);
        match (asked, heard) {
            (Ok(()), Ok(bytes)) if bytes > 0 && !answer.trim().eq_ignore_ascii_case("no") => {
                Reply::Done
            }
            _ => Reply::Declined,
        }
    }
}
