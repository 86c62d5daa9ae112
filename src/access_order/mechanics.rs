//! Figures of drives and tapes by generation. `docs/restore.md` has their sources.

/// How high a drive is built: half-height drives move the tape slower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Height {
    /// Two bays high, as in most libraries.
    #[default]
    Full,
    /// One bay high, as in autoloaders and on desks.
    Half,
}

/// How long a drive takes with tapes of one generation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mechanics {
    /// Native capacity in bytes.
    pub native_bytes: u64,
    /// Wraps: passes from one end of the tape to the other.
    pub wraps: u32,
    /// Native speed in bytes per second.
    pub native_bytes_s: f64,
    /// What a locate over the whole length takes beyond what the places cost, in seconds.
    pub locate_span_s: f64,
    /// What a rewind over the whole length takes beyond its start, in seconds.
    pub rewind_span_s: f64,
    /// From the cartridge in the drive to ready, in seconds.
    pub load_s: f64,
    /// From the beginning of the tape to the cartridge in the robot's reach, in seconds.
    pub unload_s: f64,
    /// What an unload takes more for each third of the tape that has been begun, in seconds.
    pub unthread_s: f64,
}

/// One generation as published: capacity, speed, load, unload, mean times.
struct Facts {
    name: &'static str,
    native_gb: u32,
    wraps: u32,
    native_mb_s: u32,
    load_s: u32,
    unload_s: u32,
    unthread_s: u32,
    /// Mean locate from the beginning of the tape: full height, half height.
    locate_s: (f64, f64),
    /// Mean rewind, as before.
    rewind_s: (f64, f64),
    /// Unload of a half-height drive, if it differs.
    half_unload_s: Option<u32>,
}

const fn facts(
    name: &'static str,
    (native_gb, wraps, native_mb_s): (u32, u32, u32),
    (load_s, unload_s): (u32, u32),
    locate_s: f64,
    rewind_s: f64,
) -> Facts {
    Facts {
        name,
        native_gb,
        wraps,
        native_mb_s,
        load_s,
        unload_s,
        unthread_s: 0,
        locate_s: (locate_s, locate_s),
        rewind_s: (rewind_s, rewind_s),
        half_unload_s: None,
    }
}

const GENERATIONS: [Facts; 10] = [
    facts("LTO-3", (400, 44, 80), (12, 17), 60.0, 52.0),
    facts("LTO-4", (800, 56, 120), (12, 17), 60.0, 52.0),
    facts("LTO-5", (1_500, 80, 140), (12, 17), 60.0, 52.0),
    facts("LTO-6", (2_500, 136, 160), (12, 17), 62.0, 54.0),
    facts("LTO-7", (6_000, 112, 300), (15, 20), 56.0, 60.0),
    facts("LTO-7 M8", (9_000, 168, 300), (15, 24), 59.0, 59.0),
    facts("LTO-8", (12_000, 208, 360), (15, 24), 59.0, 59.0),
    Facts {
        unthread_s: 55,
        locate_s: (45.0, 65.0),
        rewind_s: (55.0, 62.0),
        half_unload_s: Some(56),
        ..facts("LTO-9", (18_000, 280, 400), (17, 30), 45.0, 55.0)
    },
    facts("LTO-10", (30_000, 495, 400), (12, 27), 65.0, 62.0),
    facts("LTO-10 P", (40_000, 495, 400), (12, 27), 73.0, 75.0),
];

/// Means of locates and rewinds are what these take and half of the span.
const LOCATE_BESIDE_SPAN_S: f64 = 13.0;
const REWIND_BESIDE_SPAN_S: f64 = 4.0;

impl Mechanics {
    /// Those of tapes of `generation`, such as `LTO-9`, in a drive of this height; `None` if the
    /// generation is not known.
    #[must_use]
    pub fn of(generation: &str, height: Height) -> Option<Mechanics> {
        let facts = GENERATIONS.iter().find(|facts| facts.name == generation)?;
        let of_height = |(full, half): (f64, f64)| match height {
            Height::Full => full,
            Height::Half => half,
        };
        let unload_s = match height {
            Height::Full => facts.unload_s,
            Height::Half => facts.half_unload_s.unwrap_or(facts.unload_s),
        };
        Some(Mechanics {
            native_bytes: u64::from(facts.native_gb) * 1_000_000_000,
            wraps: facts.wraps,
            native_bytes_s: f64::from(facts.native_mb_s) * 1e6,
            locate_span_s: 2.0 * (of_height(facts.locate_s) - LOCATE_BESIDE_SPAN_S),
            rewind_span_s: 2.0 * (of_height(facts.rewind_s) - REWIND_BESIDE_SPAN_S),
            load_s: f64::from(facts.load_s),
            unload_s: f64::from(unload_s),
            unthread_s: f64::from(facts.unthread_s),
        })
    }
}

/// What a robot takes to bring a cartridge from one place to another, in seconds, in a library
/// of so many slots.
#[must_use]
pub fn robot_move_s(slots: usize) -> f64 {
    match slots {
        0..=10 => 13.0,
        11..=300 => 20.0,
        _ => 12.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_from_published_means() {
        for (generation, height, locate_s, rewind_s) in [
            ("LTO-9", Height::Full, 64.0, 102.0),
            ("LTO-9", Height::Half, 104.0, 116.0),
            ("LTO-5", Height::Half, 94.0, 96.0),
        ] {
            let found = Mechanics::of(generation, height).unwrap();
            assert_eq!(
                (found.locate_span_s, found.rewind_span_s),
                (locate_s, rewind_s)
            );
        }
        assert_eq!(Mechanics::of("LTO-99", Height::Full), None);
    }
}
