//! The person who handles tapes where no changer does, and brings what a job lacks.

use catalogs::model::event::OutsidePlace;

/// What is asked of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeRequest {
    /// Barcode of the tape that is wanted in the drive.
    pub barcode: String,
    /// Where somebody said that it is.
    pub outside: Option<OutsidePlace>,
    /// The drive, as people name it.
    pub drive: String,
    /// What is in the drive now, if a tape of another barcode had to be taken out.
    pub found: Option<String>,
}

/// What is asked of the operator where the mail slots are full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRequest {
    /// Tapes that are still to be put out, in this order.
    pub left: Vec<String>,
}

/// The operator's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It is done. Whether it is right, the tape's label or a look at the library will tell.
    Done,
    /// It will not be done: the job ends, keeping what it has.
    Declined,
}

/// Asks the person at the drive. A front end implements it, by a prompt for example.
pub trait Operator: Send + Sync {
    /// Asks for a tape and waits for the answer.
    fn request(&self, request: &TapeRequest) -> Reply;

    /// Asks to empty the mail slots and waits for the answer.
    fn empty_mail_slots(&self, request: &MailRequest) -> Reply {
        let _ = request;
        Reply::Declined
    }

    /// Tells what keeps a job from going on, such as that no tape can be written, and waits until
    /// it is worth looking again ([`Reply::Done`]). `help` says what is needed, and what helps.
    fn wait_for(&self, help: &str) -> Reply {
        let _ = help;
        Reply::Declined
    }
}

/// Nobody is there; every request is declined.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoOperator;

impl Operator for NoOperator {
    fn request(&self, _request: &TapeRequest) -> Reply {
        Reply::Declined
    }
}
