//! The person who does what no changer does, asked on the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use tapewright::jobs::{MailRequest, Operator, Reply, TapeRequest};

/// Asks on stderr, listens on stdin. Declines at once where stdin is no terminal, since
/// nobody would hear the question.
#[derive(Debug, Default, Clone, Copy)]
pub struct TerminalOperator;

impl Operator for TerminalOperator {
    fn request(&self, request: &TapeRequest) -> Reply {
        let found = request.found.as_ref().map_or_else(String::new, |found| {
            format!(" It holds {found}, which was unloaded; take it out.")
        });
        ask(&format!(
            "Please load tape {} into {}.{found}\nEnter when done, `no` if it is not coming: ",
            request.barcode, request.drive
        ))
    }

    fn empty_mail_slots(&self, request: &MailRequest) -> Reply {
        ask(&format!(
            "The mail slots are full, and {} left: {}. Please take the tapes out and close the \
             door.\nEnter when done, `no` to leave it at that: ",
            match request.left.len() {
                1 => "one tape is".to_owned(),
                count => format!("{count} tapes are"),
            },
            request.left.join(", ")
        ))
    }
}

fn ask(question: &str) -> Reply {
    if !io::stdin().is_terminal() {
        return Reply::Declined;
    }
    let mut stderr = io::stderr().lock();
    let asked = write!(stderr, "{question}").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let heard = io::stdin().lock().read_line(&mut answer);
    match (asked, heard) {
        (Ok(()), Ok(bytes)) if bytes > 0 && !answer.trim().eq_ignore_ascii_case("no") => {
            Reply::Done
        }
        _ => Reply::Declined,
    }
}
