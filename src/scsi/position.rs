//! READ POSITION replies (SSC-4 7.7; scsi-tape facts 3.4).

use super::BadReply;
use super::bytes::{u32_at, u64_at};

/// Length of the long and the extended form.
pub const LONG_BYTES: usize = 32;
/// Length of the short form.
pub const SHORT_BYTES: usize = 20;

const BEGINNING: u8 = 0x80;
const EARLY_WARNING: u8 = 0x40;
/// Short and extended form: location unknown; long form: object number unknown.
const LOCATION_UNKNOWN: u8 = 0x04;
/// Short form: a 32-bit field is too small.
const OVERFLOW: u8 = 0x02;
/// Long form: number of filemarks unknown.
const MARKS_UNKNOWN: u8 = 0x08;

/// The long form: where the next object is read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongPosition {
    /// At the beginning of the partition.
    pub beginning: bool,
    /// Between early warning and the end of the partition.
    pub early_warning: bool,
    /// Partition number.
    pub partition: u32,
    /// Logical object number; `None` where the device does not know it.
    pub block: Option<u64>,
    /// Filemarks before it; `None` where the device does not know.
    pub file: Option<u64>,
}

/// The short or extended form: where the host is, and how far the medium is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferPosition {
    /// Next object to be read or written by the host.
    pub first: u64,
    /// Next object to move between buffer and medium; equal to `first` if none waits.
    pub last: u64,
}

const LONG: &str = "READ POSITION long form";
const BUFFER: &str = "READ POSITION short or extended form";

/// No tape has so many objects, were each of them one byte. Whoever counts on from a number below
/// it does not overflow.
const OBJECTS_MAX: u64 = 1 << 56;

/// Whether it is a number at all: where it is not known some devices fill it with ones, whatever
/// their flags say.
fn is_told(number: u64) -> bool {
    number != u64::MAX
}

/// `number`, if a tape can have it.
fn on_tape(number: u64, reply: &'static str) -> Result<u64, BadReply> {
    if number < OBJECTS_MAX {
        return Ok(number);
    }
    let problem = "a position behind the end of any tape";
    Err(BadReply { reply, problem })
}

/// Decodes the long form.
///
/// # Errors
///
/// [`BadReply`] if it is shorter than 24 bytes, or names a place that no tape has.
pub fn parse_long(data: &[u8]) -> Result<LongPosition, BadReply> {
    let short = || BadReply::short(LONG);
    let flags = *data.first().ok_or_else(short)?;
    let partition = u32_at(data, 4).ok_or_else(short)?;
    let block = u64_at(data, 8).ok_or_else(short)?;
    let file = u64_at(data, 16).ok_or_else(short)?;
    let known = |number: u64, unknown: u8| match flags & unknown {
        0 if is_told(number) => on_tape(number, LONG).map(Some),
        _ => Ok(None),
    };
    Ok(LongPosition {
        beginning: flags & BEGINNING != 0,
        early_warning: flags & EARLY_WARNING != 0,
        partition,
        block: known(block, LOCATION_UNKNOWN)?,
        file: known(file, MARKS_UNKNOWN)?,
    })
}

/// Decodes the extended form; `None` if the device does not know its location.
///
/// # Errors
///
/// [`BadReply`] if it is shorter than 24 bytes, or names a place that no tape has.
pub fn parse_extended(data: &[u8]) -> Result<Option<BufferPosition>, BadReply> {
    let short = || BadReply::short(BUFFER);
    let flags = *data.first().ok_or_else(short)?;
    let first = u64_at(data, 8).ok_or_else(short)?;
    let last = u64_at(data, 16).ok_or_else(short)?;
    if flags & LOCATION_UNKNOWN != 0 || !is_told(first) || !is_told(last) {
        return Ok(None);
    }
    let (first, last) = (on_tape(first, BUFFER)?, on_tape(last, BUFFER)?);
    Ok(Some(BufferPosition { first, last }))
}

/// Decodes the short form; `None` if the device does not know its location, or cannot
/// express it in 32 bits.
///
/// # Errors
///
/// [`BadReply`] if it is shorter than 12 bytes.
pub fn parse_short(data: &[u8]) -> Result<Option<BufferPosition>, BadReply> {
    let short = || BadReply::short(BUFFER);
    let flags = *data.first().ok_or_else(short)?;
    let first = u32_at(data, 4).ok_or_else(short)?;
    let last = u32_at(data, 8).ok_or_else(short)?;
    let told = first != u32::MAX && last != u32::MAX;
    let known = told && flags & (LOCATION_UNKNOWN | OVERFLOW) == 0;
    let (first, last) = (first.into(), last.into());
    Ok(known.then_some(BufferPosition { first, last }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_that_no_tape_has_is_no_position() {
        for at in [8, 16] {
            let mut data = [0; LONG_BYTES];
            data[at..at + 8].copy_from_slice(&(OBJECTS_MAX - 1).to_be_bytes());
            assert!(
                parse_long(&data).is_ok() && parse_extended(&data).is_ok(),
                "{at}"
            );
            for number in [OBJECTS_MAX, u64::MAX - 1] {
                data[at..at + 8].copy_from_slice(&number.to_be_bytes());
                assert!(parse_long(&data).is_err(), "{at}: {number}");
                assert!(parse_extended(&data).is_err(), "{at}: {number}");
            }
            // What the drive says it does not know may be anything.
            data[0] = LOCATION_UNKNOWN | MARKS_UNKNOWN;
            assert!(
                parse_long(&data).is_ok() && parse_extended(&data) == Ok(None),
                "{at}"
            );
        }
    }

    #[test]
    fn each_form_has_its_fields_in_its_places() {
        let mut long = [0; LONG_BYTES];
        long[0] = 0x40;
        long[7] = 1;
        long[14] = 2;
        long[23] = 3;
        let position = parse_long(&long).unwrap();
        assert_eq!(
            (position.partition, position.block, position.file),
            (1, Some(512), Some(3))
        );
        assert!(position.early_warning && !position.beginning);

        let mut extended = [0; LONG_BYTES];
        extended[15] = 9;
        extended[23] = 7;
        assert_eq!(
            parse_extended(&extended),
            Ok(Some(BufferPosition { first: 9, last: 7 }))
        );
        let mut short = [0; SHORT_BYTES];
        short[7] = 9;
        short[11] = 7;
        assert_eq!(
            parse_short(&short),
            Ok(Some(BufferPosition { first: 9, last: 7 }))
        );
    }

    #[test]
    fn a_device_that_does_not_know_is_not_believed() {
        let mut short = [0; SHORT_BYTES];
        short[0] = 0x14;
        assert_eq!(parse_short(&short), Ok(None));
        short[0] = 0x02;
        assert_eq!(parse_short(&short), Ok(None));
        let mut long = [0; LONG_BYTES];
        long[0] = 0x0C;
        let position = parse_long(&long).unwrap();
        assert_eq!((position.block, position.file), (None, None));
    }

    #[test]
    fn a_number_filled_with_ones_is_not_known_whatever_the_flags_say() {
        for (at, block, file) in [(8, None, Some(0)), (16, Some(0), None)] {
            let mut data = [0; LONG_BYTES];
            data[at..at + 8].fill(0xFF);
            let position = parse_long(&data).unwrap();
            assert_eq!((position.block, position.file), (block, file), "{at}");
            assert_eq!(parse_extended(&data), Ok(None), "{at}");
        }
        for at in [4, 8] {
            let mut short = [0; SHORT_BYTES];
            short[at..at + 4].fill(0xFF);
            assert_eq!(parse_short(&short), Ok(None), "{at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (parse_long(&data), parse_extended(&data), parse_short(&data));
        }
    }
}
