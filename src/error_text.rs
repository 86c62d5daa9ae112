//! An error and its causes: as one line for people, and whether an I/O error is among them.
//! Knows nothing of what the errors are.

use std::error::Error;
use std::io;

/// The error and its causes, joined by colons. A cause that its wrapper already quotes at
/// its end is left out.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// True if the error, or one of its causes, is an I/O error of this kind.
#[must_use]
pub fn is_caused_by(error: &(dyn Error + 'static), kind: io::ErrorKind) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == kind) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn each_cause_is_said_once() {
        let cases: [(&[&str], &str); 4] = [
            (&["it fails"], "it fails"),
            (&["it fails", "no paper"], "it fails: no paper"),
            (&["it fails: no paper", "no paper"], "it fails: no paper"),
            (&["a", "b", "c"], "a: b: c"),
        ];
        for (layers, wanted) in cases {
            let error = layers
                .iter()
                .rev()
                .fold(None, |source, text| Some(Box::new(Layer { text, source })));
            let error = error.expect("a layer at least");
            assert_eq!(with_causes(&*error), wanted);
        }
    }
}
