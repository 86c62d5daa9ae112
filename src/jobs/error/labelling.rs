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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobError;

    #[test]
    fn each_names_the_tape_says_what_is_safe_and_what_to_do() {
        let barcode = || "A00001L9".to_owned();
        let holds_data = |known| LabellingError::HoldsData {
            barcode: barcode(),
            what: "a tar archive".to_owned(),
            known,
        };
        let cases = [
            (
                holds_data(true),
                JobErrorKind::WrongTape,
                "left as it",
                "`tape show A00001L9`",
            ),
            (
                holds_data(false),
                JobErrorKind::WrongTape,
                "left as it",
                "--erase A00001L9`",
            ),
            (
                LabellingError::EraseMismatch {
                    barcode: barcode(),
                    typed: "A00002L9".to_owned(),
                },
                JobErrorKind::Request,
                "left as it",
                "`--erase A00001L9`",
            ),
            (
                LabellingError::NotReadBack {
                    barcode: barcode(),
                    what: "garbage".to_owned(),
                },
                JobErrorKind::BadDevice,
                "garbage",
                "Clean the drive",
            ),
            (
                LabellingError::NotRecorded {
                    barcode: barcode(),
                    source: catalogs::CatalogError::NotAppendable,
                },
                JobErrorKind::Catalog,
                "written and whole",
                "`catalog rebuild A00001L9`",
            ),
        ];
        for (error, kind, says, advises) in cases {
            let error = JobError::from(error);
            assert_eq!(error.kind(), kind, "{error}");
            let (said, advice) = (error.to_string(), error.advice().unwrap());
            assert!(said.contains("A00001L9") && said.contains(says), "{said}");
            assert!(
                advice.contains(advises) && advice.ends_with('.'),
                "{advice}"
            );
        }
    }
}
