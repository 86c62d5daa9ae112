//! GENERATE and RECEIVE RECOMMENDED ACCESS ORDER data: in which order a drive would read segments
//! of its tape (SSC-5; full-height LTO-9 drives and later; scsi-tape facts 3.13).

use super::BadReply;
use super::bytes::{u16_at, u32_at};

/// Bytes of the reply with the limits.
pub const LIMITS_BYTES: usize = 4;

const HEADER_BYTES: usize = 8;
/// A segment without geometry, its two bytes of length included.
const SEGMENT_BYTES: usize = 32;
const SEGMENT_LENGTH_FIELD: u16 = 0x1E;
const NAME_AT: usize = 5;
const NAME_BYTES: usize = 10;
const FIRST_AT: usize = 16;
const LAST_AT: usize = 24;
const LIST_LENGTH_AT: usize = 4;

const REPLY: &str = "RECEIVE RECOMMENDED ACCESS ORDER data";

/// A stretch of partition 0 that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its first object.
    pub first: u64,
    /// Its last object.
    pub last: u64,
}

/// Bytes of a list of so many segments, as it is sent and as it comes back.
#[must_use]
pub const fn list_bytes(segments: usize) -> usize {
    HEADER_BYTES + segments * SEGMENT_BYTES
}

/// The list of segments that are to be ordered, each named by its place in it.
#[must_use]
pub fn encode(segments: &[Segment]) -> Vec<u8> {
    let mut list = vec![0; list_bytes(segments.len())];
    let length = (list.len() - HEADER_BYTES) as u32;
    list[LIST_LENGTH_AT..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    let (_, body) = list.split_at_mut(HEADER_BYTES);
    let descriptors = body.chunks_exact_mut(SEGMENT_BYTES);
    for ((number, segment), descriptor) in segments.iter().enumerate().zip(descriptors) {
        descriptor[..2].copy_from_slice(&SEGMENT_LENGTH_FIELD.to_be_bytes());
        descriptor[NAME_AT..][..NAME_BYTES].copy_from_slice(&name(number));
        descriptor[FIRST_AT..LAST_AT].copy_from_slice(&segment.first.to_be_bytes());
        descriptor[LAST_AT..].copy_from_slice(&segment.last.to_be_bytes());
    }
    list
}

/// Ten decimal digits, which a trace shows.
fn name(number: usize) -> [u8; NAME_BYTES] {
    let mut name = [b'0'; NAME_BYTES];
    let mut left = number;
    for digit in name.iter_mut().rev() {
        *digit += (left % 10) as u8;
        left /= 10;
    }
    name
}

/// How many segments a drive takes at once; 0 if they have another form than is sent here.
///
/// # Errors
///
/// [`BadReply`] if the reply is too short.
pub fn parse_limits(data: &[u8]) -> Result<usize, BadReply> {
    let short = || BadReply::short(REPLY);
    let most = u16_at(data, 0).ok_or_else(short)?;
    let bytes = u16_at(data, 2).ok_or_else(short)?;
    Ok(match usize::from(bytes) >= SEGMENT_BYTES {
        true => usize::from(most),
        false => 0,
    })
}

/// The order of `count` segments, by their places in the list that was sent.
///
/// # Errors
///
/// [`BadReply`] if it is cut short, or does not hold each segment once.
pub fn parse_order(data: &[u8], count: usize) -> Result<Vec<usize>, BadReply> {
    let short = || BadReply::short(REPLY);
    let length = u32_at(data, LIST_LENGTH_AT).ok_or_else(short)? as usize;
    let end = HEADER_BYTES.checked_add(length).ok_or_else(short)?;
    let list = data.get(HEADER_BYTES..end).ok_or_else(short)?;
    let other = || BadReply {
        reply: REPLY,
        problem: "other segments than were sent",
    };
    let (descriptors, rest) = list.as_chunks::<SEGMENT_BYTES>();
    if !rest.is_empty() || descriptors.len() != count {
        return Err(other());
    }
    let mut is_open = vec![true; count];
    let mut order = Vec::with_capacity(count);
    for descriptor in descriptors {
        let name = &descriptor[NAME_AT..][..NAME_BYTES];
        let number = std::str::from_utf8(name).ok();
        let number: usize = number
            .and_then(|text| text.parse().ok())
            .ok_or_else(other)?;
        match is_open.get_mut(number) {
            Some(open @ true) => *open = false,
            _ => return Err(other()),
        }
        order.push(number);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO: [Segment; 2] = [
        Segment {
            first: 0x0102_0304_0506,
            last: 0x0102_0304_0507,
        },
        Segment { first: 2, last: 2 },
    ];

    /// The list of the two, byte for byte.
    #[rustfmt::skip]
    const LIST: [u8; 72] = [
        0, 0, 0, 0, 0, 0, 0, 64,
        0, 0x1E, 0, 0, 0, b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'0', 0,
        0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 1, 2, 3, 4, 5, 7,
        0, 0x1E, 0, 0, 0, b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'1', 0,
        0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2,
    ];

    /// A drive's answer: reordered, all segments, the second first.
    fn turned() -> Vec<u8> {
        let mut reply = LIST.to_vec();
        reply[..2].copy_from_slice(&[2, 1]);
        let (first, second) = reply[HEADER_BYTES..].split_at_mut(SEGMENT_BYTES);
        first.swap_with_slice(second);
        reply
    }

    #[test]
    fn segments_are_sent_under_their_numbers_and_come_back_in_order() {
        assert_eq!(encode(&TWO), LIST);
        assert_eq!(encode(&[]), [0; HEADER_BYTES]);
        assert_eq!(name(2729), *b"0000002729");
        assert_eq!(parse_order(&turned(), 2).unwrap(), [1, 0]);
        assert_eq!(parse_limits(&[0x0A, 0xAA, 0, 32]).unwrap(), 2730);
        assert_eq!(parse_limits(&[0x0A, 0xAA, 0, 8]).unwrap(), 0);
        assert!(parse_limits(&[0x0A, 0xAA, 0]).is_err());
    }

    #[test]
    fn only_each_segment_once_is_an_order() {
        let good = turned();
        for length in 0..good.len() {
            assert!(parse_order(&good[..length], 2).is_err(), "{length}");
        }
        for count in [0, 1, 3] {
            assert!(parse_order(&good, count).is_err(), "{count}");
        }
        let name_of_second = HEADER_BYTES + NAME_AT + NAME_BYTES - 1;
        for name in [b'0', b'2', b' ', 0xFF] {
            let mut reply = good.clone();
            reply[name_of_second] = name;
            assert!(parse_order(&reply, 2).is_err(), "{name}");
        }
        assert!(parse_order(&[2, 1, 0, 0, 0, 0, 0, 0], 2).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            data in prop::collection::vec(any::<u8>(), 0..120),
            count in 0..4_usize,
        ) {
            let _ = parse_order(&data, count);
            let _ = parse_limits(&data);
        }
    }
}
