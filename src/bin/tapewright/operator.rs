//! The person who does what no changer does and brings what is missing, asked on the terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tapewright::jobs::whereabouts::outside_words;
use tapewright::jobs::{MailRequest, Operator, Reply, TapeRequest};

use crate::output::tell;

/// Asks on stderr, listens on stdin. Declines at once where stdin is no terminal, since
/// nobody would hear the question.
#[derive(Debug)]
pub struct TerminalOperator {
    /// What is missing is waited for, and nobody is asked.
    waits: bool,
    /// Up once the user wants to stop: then there is no more waiting.
    stop: Arc<AtomicBool>,
    /// What was told last: it is not told again while it stays so.
    told: Mutex<String>,
}

impl TerminalOperator {
    /// `waits`: looks again by itself where something is missing, until `stop` is up.
    pub fn new(waits: bool, stop: Arc<AtomicBool>) -> Self {
        Self {
            waits,
            stop,
            told: Mutex::default(),
        }
    }
}

/// Time between two looks at a library in which something is missing.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// So often the wish to stop is looked for meanwhile.
const STOP_INTERVAL: Duration = Duration::from_millis(200);

impl Operator for TerminalOperator {
    fn request(&self, request: &TapeRequest) -> Reply {
        let found = request.found.as_ref().map_or_else(String::new, |found| {
            format!(" It holds {found}, which was unloaded; take it out.")
        });
        let place = request.outside.as_ref().map(outside_words);
        let place = place.map(|place| format!(" It is {place}."));
        let place = place.unwrap_or_default();
        ask(&format!(
            "Please load tape {} into {}.{place}{found}\n\
             Enter when done, `no` if it is not coming: ",
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

    fn wait_for(&self, help: &str) -> Reply {
        if !self.waits {
            return ask(&format!("{help}\nEnter to look again, `no` to give up: "));
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != help {
            tell(format!("waiting: {help}"));
            help.clone_into(&mut told);
        }
        drop(told);
        let begun = Instant::now();
        while begun.elapsed() < LOOK_INTERVAL && !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(STOP_INTERVAL);
        }
        Reply::Done
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
