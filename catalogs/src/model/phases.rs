//! What the steps of a restore took, beside what they were to take.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

/// One kind of step, of one tape in one restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Phase {
    /// Milliseconds that it was to take by the plan.
    pub planned_ms: u64,
    /// How often it was done.
    pub count: u64,
    /// Milliseconds that so many take by the data sheet.
    pub sheet_ms: u64,
    /// Milliseconds that they took.
    pub real_ms: u64,
    /// Bytes that were read, or lie between the places of locates.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes: u64,
}

impl Phase {
    fn is_nothing(&self) -> bool {
        *self == Phase::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// All steps of one tape in one restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Phases {
    /// The robot, or a person, brings it to the drive.
    #[serde(skip_serializing_if = "Phase::is_nothing")]
    pub robot: Phase,
    /// The drive threads it, and its label is proved.
    #[serde(skip_serializing_if = "Phase::is_nothing")]
    pub load: Phase,
    /// It is moved to what is to be read.
    #[serde(skip_serializing_if = "Phase::is_nothing")]
    pub locate: Phase,
    /// What is to be read is read, and what is read through on the way.
    #[serde(skip_serializing_if = "Phase::is_nothing")]
    pub read: Phase,
    /// It is rewound.
    #[serde(skip_serializing_if = "Phase::is_nothing")]
    pub rewind: Phase,
    /// The drive lets go of it.
    #[serde(skip_serializing_if = "Phase::is_nothing")]
    pub unload: Phase,
    /// The robot brings it home.
    #[serde(skip_serializing_if = "Phase::is_nothing")]
    pub home: Phase,
}

/// Reads what is no more than a help to plans: what a later version or somebody else has made of it
/// is taken for absent, and never in the way of a catalog.
pub(super) fn phases_if_they_are<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Box<Phases>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Found {
        Phases(Box<Phases>),
        Other(IgnoredAny),
    }
    Ok(match Found::deserialize(from)? {
        Found::Phases(phases) => Some(phases),
        Found::Other(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Event, RestoredFrom};

    #[test]
    fn a_line_from_before_there_were_phases_is_read_and_says_the_same() {
        let line = concat!(
            r#"{"type":"restored","restore":"00000000-0000-0000-0000-000000000001","user":"ana","#,
            r#""host":"h","software":"tapewright 0.1.0","asked":["home"],"asked_total":1,"#,
            r#""target":"/back","started":"2026-01-02T03:04:05Z","outcome":"complete","#,
            r#""objects":3,"files":2,"file_bytes":9,"verified":2,"volumes":[{"volume":"#,
            r#""00000000-0000-0000-0000-000000000007","planned_s":60,"real_s":70}],"#,
            r#""volumes_total":1,"planned_s":60,"real_s":71,"problems":{"total":0}}"#,
        );
        let event: Event = serde_json::from_str(line).unwrap();
        let Event::Restored(restored) = &event else {
            panic!("{event:?}");
        };
        let from = &restored.of.volumes[0];
        assert_eq!(
            (&restored.of.library, &from.drive, &from.phases),
            (&None, &None, &None)
        );
        let said: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), said);
    }

    #[test]
    fn a_record_without_phases_is_read_and_so_is_one_whose_phases_make_no_sense() {
        let volume = "00000000-0000-0000-0000-000000000007";
        let load = Phase {
            planned_ms: 17_000,
            count: 1,
            sheet_ms: 17_000,
            real_ms: 22_100,
            bytes: 0,
        };
        let phases = Box::new(Phases {
            load,
            ..Phases::default()
        });
        let whole =
            r#","phases":{"load":{"planned_ms":17000,"count":1,"sheet_ms":17000,"real_ms":22100}}"#;
        for (text, expected) in [
            ("", None),
            (whole, Some(phases)),
            (r#","phases":{"later":{"x":1}}"#, Some(Box::default())),
            (r#","phases":{"load":{"real_ms":-5}}"#, None),
            (r#","phases":"none""#, None),
            (r#","phases":null"#, None),
        ] {
            let json = format!(r#"{{"volume":"{volume}","planned_s":60,"real_s":70{text}}}"#);
            let read: RestoredFrom = serde_json::from_str(&json).unwrap();
            assert_eq!(read.phases, expected, "{text}");
        }
        let from = RestoredFrom {
            volume: volume.parse().unwrap(),
            planned_s: 60,
            real_s: Some(70),
            phases: Some(Box::new(Phases {
                load,
                ..Phases::default()
            })),
            ..RestoredFrom::default()
        };
        let json = serde_json::to_string(&from).unwrap();
        assert!(json.ends_with(&format!("{whole}}}")), "{json}");
    }
}
