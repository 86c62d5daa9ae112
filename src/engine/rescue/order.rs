//! What a tape of this format lacks, by the order in which label, segments and indexes follow one
//! another: segment 1, its index, segment 2 and so on, each with its number.
//!
//! An archive of a tape that ends early looks whole. So a segment is sure only if its index was
//! read, which names all that was in it.

use super::report::LISTED_MOST;
use crate::units::TapeFile;

/// Something of this format that a tape lacks: whether all of it came is not sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What is lacking.
    pub about: Doubted,
    /// The tape file: of an index that of its segment, of segments the first where they belong.
    pub file: TapeFile,
    /// Why, for people.
    pub what: String,
}

/// What is lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubted {
    /// The label.
    Label,
    /// The index of the segment with this number: what was in it is not known.
    Index(u64),
    /// Whole segments with their indexes, or what does not tell what it is.
    Segments {
        /// The number of the first.
        first: u64,
        /// The number of the last, if anything tells.
        last: Option<u64>,
    },
}

/// What a place of the tape turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    Label,
    /// The beginning of the segment with this number.
    Segment(u64),
    /// The index of it.
    Index(u64),
    /// A filemark, and nothing before it.
    Empty,
    /// None of these: what it looks like.
    Strange(String),
}

/// Strange tape files that follow each other.
#[derive(Debug)]
struct Stretch {
    first: TapeFile,
    what: String,
    files: u64,
}

/// Takes what comes in the order of the tape.
#[derive(Debug)]
pub(super) struct Order {
    /// Anything of this format came.
    is_ours: bool,
    has_begun: bool,
    /// The number of the segment that is to come.
    next: u64,
    /// The segment whose index is to come.
    open: Option<(u64, TapeFile)>,
    strange: Option<Stretch>,
    doubts: Vec<Doubt>,
}

impl Order {
    pub(super) fn new(is_ours: bool) -> Self {
        Self {
            is_ours,
            has_begun: false,
            next: 1,
            open: None,
            strange: None,
            doubts: Vec::new(),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        self.is_ours
    }

    pub(super) fn see(&mut self, file: TapeFile, sight: Sight) {
        self.is_ours |= matches!(sight, Sight::Label | Sight::Segment(_) | Sight::Index(_));
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first && self.is_no_label(file, &sight) {
            return;
        }
        match sight {
            Sight::Label => {}
            Sight::Segment(number) => {
                self.close(|| format!("segment {number} follows it in tape file {file}"));
                self.skip_to(number, file);
                self.open = Some((number, file));
                self.next = number.saturating_add(1);
            }
            Sight::Index(number) => {
                if self.open.take_if(|open| open.0 == number).is_none() {
                    self.close(|| format!("the index of segment {number} follows it"));
                    self.is_one_less_strange();
                    self.skip_to(number, file);
                }
                self.next = number.saturating_add(1);
            }
            Sight::Empty => self.close(|| format!("tape file {file}, where it belongs, is empty")),
            Sight::Strange(what) if self.open.is_some() => {
                self.close(|| format!("tape file {file}, where it belongs: {what}"));
            }
            Sight::Strange(what) => {
                let stretch = self.strange.get_or_insert(Stretch {
                    first: file,
                    what,
                    files: 0,
                });
                stretch.files += 1;
            }
        }
    }

    /// What is in doubt of a tape that ends here; of one that was not read to its end, what is
    /// whatever comes behind.
    pub(super) fn finish(mut self, is_read_to_its_end: bool) -> Vec<Doubt> {
        if is_read_to_its_end {
            self.close(|| "the tape ends behind it".to_owned());
            if let Some(stretch) = self.strange.take() {
                self.segments(None, &stretch);
            }
        }
        match self.is_ours {
            true => self.doubts,
            false => Vec::new(),
        }
    }

    fn doubt(&mut self, doubt: Doubt) {
        if self.doubts.len() < LISTED_MOST {
            self.doubts.push(doubt);
        }
    }

    /// Takes the first place of the tape. True if it is in the label's stead, and no segment.
    fn is_no_label(&mut self, file: TapeFile, sight: &Sight) -> bool {
        let what = match sight {
            Sight::Label => return false,
            Sight::Segment(number) => format!("the tape begins with segment {number}"),
            Sight::Index(number) => format!("the tape begins with the index of segment {number}"),
            Sight::Empty => "nothing is before the first filemark".to_owned(),
            Sight::Strange(what) => format!("in its place: {what}"),
        };
        self.doubt(Doubt {
            about: Doubted::Label,
            file,
            what,
        });
        matches!(sight, Sight::Empty | Sight::Strange(_))
    }

    /// The index of the open segment does not come.
    fn close(&mut self, why: impl FnOnce() -> String) {
        if let Some((number, file)) = self.open.take() {
            self.doubt(Doubt {
                about: Doubted::Index(number),
                file,
                what: why(),
            });
        }
    }

    /// A strange tape file before an index is what has become of the segment.
    fn is_one_less_strange(&mut self) {
        if let Some(stretch) = &mut self.strange {
            stretch.files -= 1;
        }
        self.strange.take_if(|stretch| stretch.files == 0);
    }

    /// Segment `number` is next, in this tape file.
    fn skip_to(&mut self, number: u64, file: TapeFile) {
        let last = number.checked_sub(1).filter(|last| *last >= self.next);
        match (self.strange.take(), last) {
            (Some(stretch), last) => self.segments(last, &stretch),
            (None, Some(last)) => self.doubt(Doubt {
                about: Doubted::Segments {
                    first: self.next,
                    last: Some(last),
                },
                file,
                what: format!("tape file {file} goes on with segment {number}"),
            }),
            (None, None) => {}
        }
    }

    fn segments(&mut self, last: Option<u64>, stretch: &Stretch) {
        let Stretch { first, what, files } = stretch;
        let what = match files {
            1 => format!("tape file {first}: {what}"),
            _ => format!("{files} tape files from number {first} on: {what}"),
        };
        self.doubt(Doubt {
            about: Doubted::Segments {
                first: self.next,
                last,
            },
            file: *first,
            what,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `L`abel, `S`egment and `I`ndex with their numbers, `E`mpty, strange `?`.
    fn doubts(tape: &str) -> Vec<(Doubted, u64)> {
        let mut order = Order::new(false);
        for (file, word) in (0..).zip(tape.split_whitespace()) {
            let number = || word[1..].parse().unwrap();
            let sight = match &word[..1] {
                "L" => Sight::Label,
                "S" => Sight::Segment(number()),
                "I" => Sight::Index(number()),
                "E" => Sight::Empty,
                _ => Sight::Strange("zeros".to_owned()),
            };
            order.see(TapeFile(file), sight);
        }
        let doubts = order.finish(true).into_iter();
        doubts.map(|doubt| (doubt.about, doubt.file.0)).collect()
    }

    #[test]
    fn what_does_not_follow_as_the_format_has_it_is_in_doubt() {
        use Doubted::{Index, Label};
        let segments = |first, last| Doubted::Segments { first, last };
        for (tape, expected) in [
            ("", vec![]),
            ("?", vec![]),
            ("? ? ?", vec![]),
            ("L", vec![]),
            ("L S1 I1 S2 I2", vec![]),
            ("L S1 I1 E", vec![]),
            ("? S1 I1", vec![(Label, 0)]),
            ("E S1 I1", vec![(Label, 0)]),
            ("S1 I1", vec![(Label, 0)]),
            ("L S1", vec![(Index(1), 1)]),
            ("L S1 ? S2 I2", vec![(Index(1), 1)]),
            ("L S1 E S2 I2", vec![(Index(1), 1)]),
            ("L S1 S2 I2", vec![(Index(1), 1)]),
            ("L S1 I1 S2 ?", vec![(Index(2), 3)]),
            (
                "? S1 ? S2 ?",
                vec![(Label, 0), (Index(1), 1), (Index(2), 3)],
            ),
            // Its index names all that it had.
            ("L ? I1", vec![]),
            ("L S1 I1 ? I2 S3 I3", vec![]),
            ("L I1", vec![]),
            ("L ? ? S2 I2", vec![(segments(1, Some(1)), 1)]),
            ("L S2 I2", vec![(segments(1, Some(1)), 1)]),
            ("L S1 I1 S4 I4", vec![(segments(2, Some(3)), 3)]),
            ("L S1 I1 I3", vec![(segments(2, Some(2)), 3)]),
            ("L S1 I1 ? ?", vec![(segments(2, None), 3)]),
            ("L ?", vec![(segments(1, None), 1)]),
            ("L S1 ? ? I2", vec![(Index(1), 1)]),
            ("L S1 I3", vec![(Index(1), 1), (segments(2, Some(2)), 2)]),
        ] {
            assert_eq!(doubts(tape), expected, "{tape}");
        }
    }

    #[test]
    fn what_may_still_come_is_not_in_doubt_where_reading_was_stopped() {
        let mut order = Order::new(false);
        for (file, sight) in [(0, Sight::Label), (1, Sight::Segment(1))] {
            order.see(TapeFile(file), sight);
        }
        assert_eq!(order.finish(false), []);
    }
}
