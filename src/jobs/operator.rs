//! The person who handles tapes where no changer does.

/// What is asked of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeRequest {
    /// Barcode of the tape that is wanted in the drive.
    pub barcode: String,
    /// The drive, as people name it.
    pub drive: String,
    /// What is in the drive now, if a tape of another barcode had to be taken out.
    pub found: Option<String>,
}

/// The operator's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A tape is in the drive; its label will tell whether it is the right one.
    Done,
    /// No tape is coming: the job ends, keeping what it has.
    Declined,
}

/// Asks the person at the drive. A front end implements it, by a prompt for example.
pub trait Operator: Send + Sync {
    /// Asks for a tape and waits for the answer.
    fn request(&self, request: &TapeRequest) -> Reply;
}

/// Nobody is there; every request is declined.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoOperator;

impl Operator for NoOperator {
    fn request(&self, _request: &TapeRequest) -> Reply {
        Reply::Declined
    }
}
