//! Pax extended header records: `LEN key=value\n` (POSIX.1-2001 pax, "pax Header Block").

use crate::volume::member::FileTime;

const NANOSECONDS: u32 = 1_000_000_000;

/// Appends one record.
pub(super) fn put(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + " =\n".len();
    // The length counts its own digits; adding them may add one more.
    let mut length = rest + decimal_digits(rest);
    length = rest + decimal_digits(length);
    let mut digits = [0; DIGITS];
    records.extend_from_slice(decimal(length as u64, &mut digits));
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Takes one record from the front: key and value. The error says what is wrong.
pub(super) fn take<'a>(records: &mut &'a [u8]) -> Result<(&'a [u8], &'a [u8]), String> {
    let wrong = || "an extended header whose records do not add up".to_owned();
    let all = *records;
    // A length has at most seven digits: an extended header is at most 1 MiB long.
    let space = all
        .iter()
        .take(8)
        .position(|&b| b == b' ')
        .ok_or_else(wrong)?;
    let length = number(&all[..space]).ok_or_else(wrong)?;
    let length = usize::try_from(length)
        .ok()
        .filter(|&l| l <= all.len())
        .ok_or_else(wrong)?;
    let record = all.get(space + 1..length).ok_or_else(wrong)?;
    let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
    let equals = record.iter().position(|&b| b == b'=').ok_or_else(wrong)?;
    if equals == 0 {
        return Err(wrong());
    }
    *records = &all[length..];
    Ok((&record[..equals], &record[equals + 1..]))
}

/// A decimal number of digits only.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Digits of the largest number of 64 bits.
const DIGITS: usize = 20;

/// A number in decimal, at the end of `digits`.
fn decimal(number: u64, digits: &mut [u8; DIGITS]) -> &[u8] {
    let (mut start, mut left) = (DIGITS, number);
    loop {
        start -= 1;
        digits[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return &digits[start..];
        }
    }
}

/// Decimal seconds with a fraction if there is one; before 1970 with a minus sign. Two for each
/// object: made in place.
pub(super) struct TimeText {
    /// Sign, seconds, point, nanoseconds.
    text: [u8; 1 + DIGITS + 1 + 9],
    length: usize,
}

impl TimeText {
    pub(super) fn new(time: FileTime) -> Self {
        let FileTime {
            seconds,
            nanoseconds,
        } = time;
        let (whole, fraction) = match (seconds < 0, nanoseconds) {
            (false, n) => (seconds.unsigned_abs(), n),
            (true, 0) => (seconds.unsigned_abs(), 0),
            // Seconds are rounded towards the past: half a second before 1970 is -1 s + 0.5 s.
            (true, n) => (seconds.unsigned_abs() - 1, NANOSECONDS - n),
        };
        let mut this = Self {
            text: [0; 1 + DIGITS + 1 + 9],
            length: 0,
        };
        if seconds < 0 {
            this.push(b"-");
        }
        let mut digits = [0; DIGITS];
        this.push(decimal(whole, &mut digits));
        if fraction > 0 {
            this.push(b".");
            // With the leading zeros of nine digits.
            let padded = decimal(u64::from(NANOSECONDS + fraction), &mut digits);
            let zeros = padded.iter().rev().take_while(|&&b| b == b'0').count();
            this.push(&padded[1..padded.len() - zeros]);
        }
        this
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.text[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

/// Reads what [`TimeText`] holds; further digits of the fraction are dropped.
pub(super) fn time(text: &[u8]) -> Option<FileTime> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut digits = [b'0'; 9];
    let length = fraction.len().min(9);
    digits[..length].copy_from_slice(&fraction[..length]);
    let nanoseconds = u32::try_from(number(&digits)?).ok()?;
    let seconds = i128::from(number(whole)?);
    let (seconds, nanoseconds) = match (negative, nanoseconds) {
        (false, n) => (seconds, n),
        (true, 0) => (-seconds, 0),
        (true, n) => (-seconds - 1, NANOSECONDS - n),
    };
    Some(FileTime {
        seconds: seconds.try_into().ok()?,
        nanoseconds,
    })
}

/// The keyword of an extended attribute: `%` and `=` in its name as `%25` and `%3D`, since
/// the first `=` ends a keyword. GNU tar does the same.
pub(super) fn xattr_keyword(name: &[u8]) -> Vec<u8> {
    let mut keyword = XATTR_PREFIX.to_vec();
    for &byte in name {
        match byte {
            b'%' => keyword.extend_from_slice(b"%25"),
            b'=' => keyword.extend_from_slice(b"%3D"),
            _ => keyword.push(byte),
        }
    }
    keyword
}

/// The name of the attribute that a keyword stands for, if it stands for one.
pub(super) fn xattr_name(keyword: &[u8]) -> Option<Vec<u8>> {
    let mut rest = keyword.strip_prefix(XATTR_PREFIX)?;
    let mut name = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, length) = match rest {
            [b'%', b'2', b'5', ..] => (b'%', 3),
            [b'%', b'3', b'D', ..] => (b'=', 3),
            _ => (first, 1),
        };
        name.push(byte);
        rest = &tail[length - 1..];
    }
    Some(name)
}

const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_length_counts_its_own_digits() {
        for value_bytes in [
            0, 1, 2, 3, 4, 5, 6, 90, 91, 92, 93, 990, 991, 992, 993, 9_990, 99_988,
        ] {
            let mut records = Vec::new();
            put(&mut records, b"key", &vec![b'v'; value_bytes]);
            put(&mut records, b"next", b"");
            let mut rest = &records[..];
            assert_eq!(take(&mut rest).unwrap().1.len(), value_bytes);
            assert_eq!(take(&mut rest), Ok((&b"next"[..], &b""[..])));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn records_that_do_not_add_up_are_refused() {
        let bad: [&[u8]; 9] = [
            b"",
            b"9 a=b\n",
            b"5 a=b\n",
            b"6 a=b ",
            b"6 abc\n",
            b"x a=b\n",
            b"5 =b\n",
            b"0 a=b\n",
            b"99999999999999999999 a=b\n",
        ];
        for text in bad {
            assert!(take(&mut &text[..]).is_err(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn times_keep_nanoseconds_on_both_sides_of_1970() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (0, 1, "0.000000001"),
            (-1, 500_000_000, "-0.5"),
            (-1, 0, "-1"),
            (-2, 999_999_999, "-1.000000001"),
            (i64::MAX, 999_999_999, "9223372036854775807.999999999"),
            (i64::MIN, 0, "-9223372036854775808"),
            (i64::MIN, 1, "-9223372036854775807.999999999"),
        ] {
            let value = FileTime {
                seconds,
                nanoseconds,
            };
            assert_eq!(TimeText::new(value).as_bytes(), text.as_bytes());
            assert_eq!(time(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "1.x",
            "--1",
            "1-",
            "9223372036854775808",
            " 1",
        ] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn attribute_names_survive_as_keywords() {
        for name in [
            &b"user.x"[..],
            b"user.a=b%c",
            b"user.%3D",
            b"user.%25%",
            b"\xff\n",
        ] {
            let keyword = xattr_keyword(name);
            assert!(!keyword.contains(&b'='));
            assert_eq!(xattr_name(&keyword).as_deref(), Some(name));
        }
    }
}
