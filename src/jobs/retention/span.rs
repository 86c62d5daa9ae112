//! How long a job is kept, as people say it.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

/// How long a job is kept from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepFor {
    /// For ever.
    Forever,
    /// So many of a unit of the calendar.
    Count(u16, KeepUnit),
}

/// Units of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepUnit {
    /// Days.
    Days,
    /// Weeks.
    Weeks,
    /// Months.
    Months,
    /// Years.
    Years,
}

impl KeepUnit {
    /// `m` alone is minutes elsewhere, so it is none of these.
    const ALL: [(&'static str, KeepUnit); 4] = [
        ("d", KeepUnit::Days),
        ("w", KeepUnit::Weeks),
        ("mo", KeepUnit::Months),
        ("y", KeepUnit::Years),
    ];
}

/// A text that says no time for which to keep something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no time to keep a job for; write forever, or a number from 1 with d, w, mo or y, \
     such as 10y{1}"
)]
pub struct NotAKeepFor(String, &'static str);

/// What is said of the letter that may be months or minutes.
const BARE_M: &str = ". m alone could be minutes: months are mo, as in 6mo";

impl FromStr for KeepFor {
    type Err = NotAKeepFor;

    fn from_str(text: &str) -> Result<KeepFor, NotAKeepFor> {
        if text == "forever" {
            return Ok(KeepFor::Forever);
        }
        let counted = KeepUnit::ALL.into_iter().find_map(|(name, unit)| {
            let count: u16 = text.strip_suffix(name)?.parse().ok()?;
            (count > 0).then_some(KeepFor::Count(count, unit))
        });
        let more = if text.ends_with('m') { BARE_M } else { "" };
        counted.ok_or_else(|| NotAKeepFor(text.to_owned(), more))
    }
}

impl fmt::Display for KeepFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeepFor::Forever => f.write_str("forever"),
            KeepFor::Count(count, unit) => {
                let known = KeepUnit::ALL.into_iter().find(|(_, known)| known == unit);
                write!(f, "{count}{}", known.map_or("?", |(name, _)| name))
            }
        }
    }
}

impl KeepFor {
    /// Until when something is kept that began at `start`; `None`: for ever, also where the
    /// calendar does not go so far.
    #[must_use]
    pub fn until(self, start: Timestamp) -> Option<Timestamp> {
        let span: Span = match self {
            KeepFor::Forever => return None,
            KeepFor::Count(count, KeepUnit::Days) => i32::from(count).days(),
            KeepFor::Count(count, KeepUnit::Weeks) => i32::from(count).weeks(),
            KeepFor::Count(count, KeepUnit::Months) => i32::from(count).months(),
            KeepFor::Count(count, KeepUnit::Years) => {
                // More than the calendar has is for ever.
                Span::new().try_years(i64::from(count)).ok()?
            }
        };
        let start = start.to_zoned(TimeZone::UTC);
        start.checked_add(span).ok().map(|end| end.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let start: Timestamp = "2024-02-29T12:00:00Z".parse().unwrap();
        for (text, until) in [
            ("1d", Some("2024-03-01T12:00:00Z")),
            ("2w", Some("2024-03-14T12:00:00Z")),
            ("1mo", Some("2024-03-29T12:00:00Z")),
            ("1y", Some("2025-02-28T12:00:00Z")),
            ("10y", Some("2034-02-28T12:00:00Z")),
            ("9999y", None),
            ("65535y", None),
            ("forever", None),
        ] {
            let keep: KeepFor = text.parse().unwrap();
            let until = until.map(|until| until.parse::<Timestamp>().unwrap());
            assert_eq!(keep.until(start), until, "{text}");
            assert_eq!(keep.to_string(), text);
        }
        for text in [
            "", "10", "y", "0d", "-1y", "1h", "1 y", "ever", "99999d", "1é",
        ] {
            assert!(text.parse::<KeepFor>().is_err(), "{text}");
        }
        let bare = "6m".parse::<KeepFor>().unwrap_err().to_string();
        assert!(bare.contains("6mo"), "{bare}");
    }
}
