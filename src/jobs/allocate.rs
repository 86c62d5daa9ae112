//! Which volume of a pool is written next. Pure: decides on values, touches nothing.

use catalogs::model::event::OutsidePlace;
use uuid::Uuid;

use super::VolumeState;
use super::whereabouts::outside_words;

/// A volume of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) volume: Uuid,
    pub(crate) barcode: String,
    pub(crate) state: VolumeState,
    /// Blocks on it, label included.
    pub(crate) used_blocks: u64,
    /// The library has it, or an operator can be asked for it.
    pub(crate) within_reach: bool,
    /// Where somebody said that it is.
    pub(crate) outside: Option<OutsidePlace>,
}

/// Volumes to try, best first, and why each of the others is out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) usable: Vec<Candidate>,
    pub(crate) out: Vec<String>,
}

/// Orders the volumes of a pool: the one with most data first, so that tapes fill up one
/// after another; empty ones last, in the order of their barcodes.
pub(crate) fn choose(candidates: Vec<Candidate>) -> Choice {
    let mut choice = Choice {
        usable: Vec::new(),
        out: Vec::new(),
    };
    for candidate in candidates {
        match obstacle(&candidate) {
            None => choice.usable.push(candidate),
            Some(why) => choice.out.push(told(&candidate, why)),
        }
    }
    choice.usable.sort_by(|a, b| {
        b.used_blocks
            .cmp(&a.used_blocks)
            .then_with(|| a.barcode.cmp(&b.barcode))
    });
    choice.out.sort();
    choice
}

/// Of a volume that somebody can bring.
pub(crate) const ELSEWHERE: &str = "is not in the library";

fn told(candidate: &Candidate, why: &str) -> String {
    let place = candidate.outside.as_ref().filter(|_| why == ELSEWHERE);
    let place = place.map(|place| format!(" but {}", outside_words(place)));
    format!("{} {why}{}", candidate.barcode, place.unwrap_or_default())
}

fn obstacle(candidate: &Candidate) -> Option<&'static str> {
    match candidate.state {
        VolumeState::Full => Some("is full"),
        VolumeState::Suspect => Some("is suspect"),
        VolumeState::ReadOnly => Some("is read-only"),
        VolumeState::Appendable if !candidate.within_reach => Some(ELSEWHERE),
        VolumeState::Appendable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(barcode: &str, state: VolumeState, used_blocks: u64, here: bool) -> Candidate {
        Candidate {
            volume: Uuid::nil(),
            barcode: barcode.to_owned(),
            state,
            used_blocks,
            within_reach: here,
            outside: (barcode == "E").then(|| OutsidePlace {
                place_name: "Bank".to_owned(),
                kind: None,
                fetch_s: None,
            }),
        }
    }

    #[test]
    fn the_fullest_appendable_volume_within_reach_comes_first() {
        use VolumeState::{Appendable, Full, ReadOnly, Suspect};
        let choice = choose(vec![
            candidate("C", Appendable, 2, true),
            candidate("B", Appendable, 2, true),
            candidate("D", Appendable, 90, true),
            candidate("E", Appendable, 500, false),
            candidate("F", Full, 900, true),
            candidate("G", Suspect, 5, true),
            candidate("A", ReadOnly, 5, true),
        ]);
        let order: Vec<&str> = choice.usable.iter().map(|c| c.barcode.as_str()).collect();
        assert_eq!(order, ["D", "B", "C"]);
        assert_eq!(
            choice.out,
            [
                "A is read-only",
                "E is not in the library but at \"Bank\"",
                "F is full",
                "G is suspect"
            ]
        );
    }
}
