//! What keeps a tape from being labelled, or its label from being recorded.

use super::JobErrorKind;

/// A tape did not get its label, or the catalog does not know that it has it.
#[derive(Debug, thiserror::Error)]
pub enum LabellingError {
    /// The tape holds something, and its barcode was not typed.
    #[error("tape {barcode} holds {what}; it was left as it is")]
    HoldsData {
        /// The tape.
        barcode: String,
        /// What is on it.
        what: String,
        /// The catalog has a volume under this barcode.
        known: bool,
    },
    /// The barcode typed is not that of the tape.
    #[error("`{typed}` was typed, but the tape is {barcode}; it was left as it is")]
    EraseMismatch {
        /// The tape.
        barcode: String,
        /// What was typed.
        typed: String,
    },
    /// After labelling, the tape read back otherwise than it was written.
    #[error("the label of tape {barcode} did not read back as written: {what}")]
    NotReadBack {
        /// The tape.
        barcode: String,
        /// What came back.
        what: String,
    },
    /// The tape has its label, the catalog does not know it.
    #[error("the label of tape {barcode} is written and whole, but not recorded")]
    NotRecorded {
        /// The tape.
        barcode: String,
        /// What is wrong with the catalog.
        #[source]
        source: catalogs::CatalogError,
    },
}

impl LabellingError {
    pub(super) fn kind(&self) -> JobErrorKind {
        match self {
            LabellingError::HoldsData { .. } => JobErrorKind::WrongTape,
            LabellingError::EraseMismatch { .. } => JobErrorKind::Request,
            LabellingError::NotReadBack { .. } => JobErrorKind::BadDevice,
            LabellingError::NotRecorded { .. } => JobErrorKind::Catalog,
        }
    }

    pub(super) fn advice(&self) -> String {
        match self {
            LabellingError::HoldsData {
                barcode,
                known: true,
                ..
            } => format!(
                "`tape show {barcode}` tells what the catalog knows to be on it. Name another tape."
            ),
            LabellingError::HoldsData { barcode, .. } => format!(
                "If all of it may go, `tape label {barcode} --pool NAME --erase {barcode}`."
            ),
            LabellingError::EraseMismatch { barcode, .. } => {
                format!("To erase {barcode}, type exactly `--erase {barcode}`.")
            }
            LabellingError::NotReadBack { barcode, .. } => {
                format!("Clean the drive and try again; if it stays so, take {barcode} out of use.")
            }
            LabellingError::NotRecorded { barcode, .. } => format!(
                "Cure the catalog (`doctor` looks at it), then `catalog rebuild {barcode}`; the \
                 tape need not be labelled again."
            ),
        }
    }
}
