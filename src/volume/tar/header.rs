//! The 512-byte ustar header block (POSIX.1-2001 pax, "ustar Interchange Format").

use super::BLOCK;

/// Where the fields lie: offset and length, as in the standard's table.
const NAME: (usize, usize) = (0, 100);
const MODE: (usize, usize) = (100, 8);
const UID: (usize, usize) = (108, 8);
const GID: (usize, usize) = (116, 8);
const SIZE: (usize, usize) = (124, 12);
const MTIME: (usize, usize) = (136, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const TYPEFLAG: usize = 156;
const LINKNAME: (usize, usize) = (157, 100);
const MAGIC: (usize, usize) = (257, 8);
const UNAME: (usize, usize) = (265, 32);
const GNAME: (usize, usize) = (297, 32);
const DEVMAJOR: (usize, usize) = (329, 8);
const DEVMINOR: (usize, usize) = (337, 8);
const PREFIX: (usize, usize) = (345, 155);

/// Magic `ustar`, NUL, and version `00`.
const MAGIC_AND_VERSION: &[u8; 8] = b"ustar\x0000";

/// Longest name that the name field takes.
pub(super) const NAME_BYTES: usize = NAME.1;
/// Longest link target that the linkname field takes.
pub(super) const LINKNAME_BYTES: usize = LINKNAME.1;
/// Longest user or group name: the field ends in a NUL.
pub(super) const OWNER_BYTES: usize = UNAME.1 - 1;
/// Largest number in a field of 8 bytes: seven octal digits.
pub(super) const MAX_SHORT: u64 = 0o777_7777;
/// Largest number in a field of 12 bytes: eleven octal digits.
pub(super) const MAX_LONG: u64 = 0o777_7777_7777;

/// What the fields say, before any extended header is applied. Its texts are owned when it
/// was read, borrowed when it is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Header<Text = Vec<u8>> {
    /// Name, with the prefix before it if there is one.
    pub name: Text,
    pub mode: u64,
    pub uid: u64,
    pub gid: u64,
    pub size: u64,
    /// Seconds since 1970; only others' archives say less than 0 here.
    pub mtime: i64,
    pub typeflag: u8,
    pub linkname: Text,
    pub uname: Text,
    pub gname: Text,
    pub devmajor: u64,
    pub devminor: u64,
}

impl<Text: AsRef<[u8]>> Header<Text> {
    /// The block. What does not fit is cut, numbers to the largest that fits: whoever
    /// writes such a header puts an extended one before it.
    pub fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let name = self.name.as_ref();
        let (prefix, name) = split_name(name).unwrap_or((b"", name));
        put_text(&mut block, NAME, name);
        put_text(&mut block, PREFIX, prefix);
        put_text(&mut block, LINKNAME, self.linkname.as_ref());
        for (field, owner) in [(UNAME, &self.uname), (GNAME, &self.gname)] {
            let owner = owner.as_ref();
            put_text(&mut block, field, &owner[..owner.len().min(OWNER_BYTES)]);
        }
        put_text(&mut block, MAGIC, MAGIC_AND_VERSION);
        for (field, value) in [
            (MODE, self.mode),
            (UID, self.uid),
            (GID, self.gid),
            (SIZE, self.size),
            (MTIME, u64::try_from(self.mtime).unwrap_or(0)),
            (DEVMAJOR, self.devmajor),
            (DEVMINOR, self.devminor),
        ] {
            put_octal(&mut block, field, value);
        }
        block[TYPEFLAG] = self.typeflag;
        let sum = checksum(&block);
        // Six digits, NUL, space: the form that every tar has written since the seventh edition.
        put_octal(&mut block, (CHECKSUM.0, CHECKSUM.1 - 1), sum);
        block[CHECKSUM.0 + CHECKSUM.1 - 1] = b' ';
        block
    }
}

impl Header {
    /// Reads a block; the error says what is wrong, for people.
    pub fn decode(block: &[u8; BLOCK]) -> Result<Header, String> {
        if octal(block, CHECKSUM, "checksum")? != checksum(block) {
            return Err("a header with a wrong checksum".into());
        }
        if bytes(block, MAGIC) != MAGIC_AND_VERSION {
            return Err("a header that is not ustar".into());
        }
        let number = |field: (usize, usize), name: &str| octal(block, field, name);
        let mtime = octal(block, MTIME, "mtime")?;
        Self::fields(block, prefixed(block), mtime.cast_signed(), number)
    }

    /// Reads a block of whatever tar: also the old format of GNU tar, whose prefix field
    /// is no prefix, that of the seventh edition, which ends with the link's name, and numbers
    /// in base 256.
    pub fn decode_foreign(block: &[u8; BLOCK]) -> Result<Header, String> {
        let stated = octal(block, CHECKSUM, "checksum")?;
        if stated != checksum(block) && i64::try_from(stated) != Ok(signed_checksum(block)) {
            return Err("a header with a wrong checksum".into());
        }
        let number = |field: (usize, usize), name: &str| {
            u64::try_from(any_number(block, field, name)?)
                .map_err(|_| format!("a header whose {name} is negative"))
        };
        let mtime = any_number(block, MTIME, "mtime")?;
        let name = text(block, NAME).to_vec();
        match bytes(block, MAGIC) {
            magic if magic.starts_with(b"ustar\0") => {
                Self::fields(block, prefixed(block), mtime, number)
            }
            b"ustar  \0" => Self::fields(block, name, mtime, number),
            // Those who knew no magic wrote neither names of owners nor devices.
            _ => Self::oldest_fields(block, name, mtime, &number),
        }
    }

    fn fields(
        block: &[u8; BLOCK],
        name: Vec<u8>,
        mtime: i64,
        number: impl Fn((usize, usize), &str) -> Result<u64, String>,
    ) -> Result<Header, String> {
        let oldest = Self::oldest_fields(block, name, mtime, &number)?;
        Ok(Header {
            uname: text(block, UNAME).to_vec(),
            gname: text(block, GNAME).to_vec(),
            devmajor: number(DEVMAJOR, "devmajor")?,
            devminor: number(DEVMINOR, "devminor")?,
            ..oldest
        })
    }

    /// The fields that every tar has.
    fn oldest_fields(
        block: &[u8; BLOCK],
        name: Vec<u8>,
        mtime: i64,
        number: &impl Fn((usize, usize), &str) -> Result<u64, String>,
    ) -> Result<Header, String> {
        Ok(Header {
            name,
            mode: number(MODE, "mode")?,
            uid: number(UID, "uid")?,
            gid: number(GID, "gid")?,
            size: number(SIZE, "size")?,
            mtime,
            typeflag: block[TYPEFLAG],
            linkname: text(block, LINKNAME).to_vec(),
            ..Header::default()
        })
    }
}

/// True for a block that a header could be, to find the way back into a damaged archive.
pub(super) fn looks_like_header(block: &[u8; BLOCK]) -> bool {
    bytes(block, MAGIC) == MAGIC_AND_VERSION
        && octal(block, CHECKSUM, "checksum") == Ok(checksum(block))
}

/// Splits a name into prefix and name fields: at the last slash that lets both fit.
pub(super) fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME.1 {
        return Some((b"", name));
    }
    // A directory's final slash stays in the name field, which must not be empty.
    let latest = PREFIX.1.min(name.len().checked_sub(2)?);
    let earliest = name.len() - NAME.1 - 1;
    let slash = (earliest.max(1)..=latest)
        .rev()
        .find(|&at| name[at] == b'/')?;
    Some((&name[..slash], &name[slash + 1..]))
}

/// The name with the prefix before it.
fn prefixed(block: &[u8; BLOCK]) -> Vec<u8> {
    let mut name = text(block, PREFIX).to_vec();
    if !name.is_empty() {
        name.push(b'/');
    }
    name.extend_from_slice(text(block, NAME));
    name
}

fn bytes(block: &[u8; BLOCK], (offset, length): (usize, usize)) -> &[u8] {
    &block[offset..offset + length]
}

fn text(block: &[u8; BLOCK], field: (usize, usize)) -> &[u8] {
    let bytes = bytes(block, field);
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

fn put_text(block: &mut [u8; BLOCK], (offset, length): (usize, usize), text: &[u8]) {
    let length = length.min(text.len());
    block[offset..offset + length].copy_from_slice(&text[..length]);
}

/// Digits, the last one nearest to the NUL that ends the field.
fn put_octal(block: &mut [u8; BLOCK], (offset, length): (usize, usize), value: u64) {
    let digits = length - 1;
    let largest = (1 << (3 * digits)) - 1;
    let mut left = value.min(largest);
    for digit in block[offset..offset + digits].iter_mut().rev() {
        *digit = b'0' + (left % 8) as u8;
        left /= 8;
    }
}

/// An octal number: spaces, digits, then a NUL or space or the field's end. Empty is 0.
fn octal(block: &[u8; BLOCK], field: (usize, usize), name: &str) -> Result<u64, String> {
    let bytes = bytes(block, field);
    let start = bytes.iter().position(|&b| b != b' ').unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    let end = bytes
        .iter()
        .position(|&b| b == 0 || b == b' ')
        .unwrap_or(bytes.len());
    bytes[..end]
        .iter()
        .try_fold(0_u64, |value, &digit| match digit {
            b'0'..=b'7' => Ok(value * 8 + u64::from(digit - b'0')),
            _ => Err(format!("a header whose {name} is no octal number")),
        })
}

/// A number in octal or, if its first bit is set, in base 256 as a two's complement of the
/// other bits (GNU tar manual, "Basic Tar Format").
pub(super) fn any_number(
    block: &[u8; BLOCK],
    field: (usize, usize),
    name: &str,
) -> Result<i64, String> {
    let wrong = || format!("a header whose {name} is beyond any number");
    let bytes = bytes(block, field);
    if bytes[0] & 0x80 == 0 {
        let number = octal(block, field, name)?;
        return i64::try_from(number).map_err(|_| wrong());
    }
    let negative = bytes[0] & 0x40 != 0;
    let first = i64::from(bytes[0] & 0x3f) - if negative { 0x40 } else { 0 };
    bytes[1..]
        .iter()
        .try_fold(first, |value, &byte| {
            value.checked_mul(256)?.checked_add(i64::from(byte))
        })
        .ok_or_else(wrong)
}

/// The sum as some old programs made it: of signed bytes.
fn signed_checksum(block: &[u8; BLOCK]) -> i64 {
    let field = CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1;
    let signed = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|&b| i64::from(b.cast_signed()))
            .sum::<i64>()
    };
    signed(block) - signed(&block[field]) + CHECKSUM.1 as i64 * i64::from(b' ')
}

/// The sum of all bytes, those of the checksum field itself taken as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let field = CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1;
    let sum = |bytes: &[u8]| bytes.iter().map(|&b| u32::from(b)).sum::<u32>();
    u64::from(sum(block) - sum(&block[field])) + CHECKSUM.1 as u64 * u64::from(b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_so_that_both_fields_hold_them() {
        let long = |n: usize| vec![b'x'; n];
        let path = |a: usize, b: usize| [long(a), b"/".to_vec(), long(b)].concat();
        for (name, fits) in [
            (long(1), true),
            (long(100), true),
            (long(101), false),
            (path(155, 100), true),
            (path(156, 99), false),
            (path(1, 100), true),
            (path(50, 101), false),
            ([path(155, 99), b"/".to_vec()].concat(), true),
            ([long(100), b"/".to_vec()].concat(), false),
            ([path(100, 100), b"/".to_vec()].concat(), false),
        ] {
            let split = split_name(&name);
            assert_eq!(split.is_some(), fits, "{} bytes", name.len());
            if let Some((prefix, rest)) = split {
                assert!(prefix.len() <= 155 && rest.len() <= 100 && !rest.is_empty());
                let header = Header {
                    name: name.clone(),
                    typeflag: b'0',
                    ..Header::default()
                };
                assert_eq!(Header::decode(&header.encode()).unwrap().name, name);
            }
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let header = Header {
            name: b"etc/fstab".to_vec(),
            mode: 0o644,
            size: 1234,
            typeflag: b'0',
            ..Header::default()
        };
        let block = header.encode();
        assert_eq!(Header::decode(&block), Ok(header.clone()));
        for bit in 0..BLOCK * 8 {
            let mut damaged = block;
            damaged[bit / 8] ^= 1 << (bit % 8);
            // Spaces and NULs end a number alike: such a flip in the checksum changes nothing.
            if let Ok(read) = Header::decode(&damaged) {
                assert_eq!(read, header, "bit {bit}");
            }
        }
    }
}
