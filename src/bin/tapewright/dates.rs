//! Dates and times as users type and read them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::exit::Failure;

/// The moment that an option `--as-of` names, if it was given; see [`parse_as_of`].
///
/// # Errors
///
/// [`Failure::Usage`] where it is no date.
pub fn as_of(option: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    option.map(parse_as_of).transpose().map_err(Failure::Usage)
}

/// The moment that an option such as `--newer` names, if it was given: as [`as_of`], but a bare
/// date means the beginning of that day.
///
/// # Errors
///
/// [`Failure::Usage`] where it is no date.
pub fn start_of(option: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let parse = |text: &str| match text.parse::<Date>() {
        Ok(_) if !text.contains(['T', ' ']) => parse_as_of(&format!("{text}T00:00")),
        _ => parse_as_of(text),
    };
    option.map(parse).transpose().map_err(Failure::Usage)
}

/// Reads `2026-11-01` (the end of that day), `2026-11-01T18:30` (local time), or a time
/// with its zone (`2026-11-01T18:30:00Z`).
///
/// # Errors
///
/// A sentence that says what is accepted.
fn parse_as_of(text: &str) -> Result<Timestamp, String> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok(zoned.timestamp());
    }
    let has_time = text.contains(['T', ' ']);
    let civil = if has_time {
        text.parse::<DateTime>()
    } else {
        text.parse::<Date>().map(|date| date.to_datetime(Time::MAX))
    };
    civil
        .and_then(|time| time.to_zoned(TimeZone::system()))
        .map(|zoned| zoned.timestamp())
        .map_err(|_| {
            format!("`{text}` is not a date; write 2026-11-01, 2026-11-01T18:30 or with a zone")
        })
}

/// A moment in local time, to the minute.
pub fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

/// Seconds since 1970 in local time, to the second; the number itself where it is no date.
pub fn second(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| format!("@{seconds}"),
        |at| {
            at.to_zoned(TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_date_means_the_end_of_that_day() {
        let end = parse_as_of("2026-11-01").expect("a date");
        let next = parse_as_of("2026-11-02T00:00").expect("a time");
        assert!(end < next && next.duration_since(end).as_secs() == 0);
    }

    #[test]
    fn times_with_a_zone_are_taken_as_they_are() {
        let at = parse_as_of("2026-11-01T18:30:00Z").expect("a timestamp");
        assert_eq!(at.as_second(), 1_793_557_800);
        assert_eq!(parse_as_of("2026-11-01T19:30:00+01:00"), Ok(at));
    }

    #[test]
    fn what_is_no_date_is_refused_with_the_forms_that_are() {
        for text in ["", "yesterday", "2026-13-01", "2026-11-01T25:00"] {
            assert!(
                parse_as_of(text).unwrap_err().contains("2026-11-01T18:30"),
                "{text}"
            );
        }
    }
}
