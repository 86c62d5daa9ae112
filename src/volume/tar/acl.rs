//! POSIX ACLs: the kernel's attribute value ↔ the text in `SCHILY.acl.*`.
//!
//! The kernel's form (`linux/posix_acl_xattr.h`): version 2 as little-endian u32, then
//! per entry tag u16, permissions u16, id u32, all little-endian. Knows no user database:
//! users and groups stay numbers.

const VERSION: [u8; 4] = 2_u32.to_le_bytes();
const ENTRY_BYTES: usize = 8;
/// The id of entries that have none.
const NO_ID: u32 = u32::MAX;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The pax keyword for the attribute that holds an ACL.
pub(super) fn keyword(attribute: &[u8]) -> Option<&'static [u8]> {
    KEYWORDS
        .iter()
        .find(|(_, name)| *name == attribute)
        .map(|(keyword, _)| *keyword)
}

/// The attribute for a pax keyword that holds an ACL.
pub(super) fn attribute(keyword: &[u8]) -> Option<&'static [u8]> {
    KEYWORDS
        .iter()
        .find(|(name, _)| *name == keyword)
        .map(|(_, attribute)| *attribute)
}

const KEYWORDS: [(&[u8], &[u8]); 2] = [
    (b"SCHILY.acl.access", b"system.posix_acl_access"),
    (b"SCHILY.acl.default", b"system.posix_acl_default"),
];

/// The text of a kernel value; `None` if it is not of exactly that form, so that
/// [`from_text`] would not give the same bytes back.
pub(super) fn to_text(value: &[u8]) -> Option<String> {
    let entries = value.strip_prefix(&VERSION)?;
    if entries.is_empty() || entries.len() % ENTRY_BYTES != 0 {
        return None;
    }
    let texts: Option<Vec<String>> = entries.chunks_exact(ENTRY_BYTES).map(entry_text).collect();
    Some(texts?.join(","))
}

fn entry_text(entry: &[u8]) -> Option<String> {
    let tag = u16::from_le_bytes([entry[0], entry[1]]);
    let permissions = u16::from_le_bytes([entry[2], entry[3]]);
    let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
    if permissions > 7 {
        return None;
    }
    let bit = |mask, letter| if permissions & mask == 0 { '-' } else { letter };
    let rwx: String = [bit(4, 'r'), bit(2, 'w'), bit(1, 'x')].iter().collect();
    match (tag, id) {
        (USER_OBJ, NO_ID) => Some(format!("user::{rwx}")),
        (USER, id) if id != NO_ID => Some(format!("user:{id}:{rwx}")),
        (GROUP_OBJ, NO_ID) => Some(format!("group::{rwx}")),
        (GROUP, id) if id != NO_ID => Some(format!("group:{id}:{rwx}")),
        (MASK, NO_ID) => Some(format!("mask::{rwx}")),
        (OTHER, NO_ID) => Some(format!("other::{rwx}")),
        _ => None,
    }
}

/// The kernel value of a text; `None` if it is no ACL with users and groups by number.
pub(super) fn from_text(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut value = VERSION.to_vec();
    for entry in text
        .split([',', '\n'])
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let mut fields = entry.split(':');
        let (tag, who, rwx) = (fields.next()?, fields.next()?, fields.next()?);
        // star appends the number to entries that have a name.
        let number = fields.next().unwrap_or(who);
        let (tag, id) = match (tag, who) {
            ("user", "") => (USER_OBJ, NO_ID),
            ("user", _) => (USER, id(number)?),
            ("group", "") => (GROUP_OBJ, NO_ID),
            ("group", _) => (GROUP, id(number)?),
            ("mask", "") => (MASK, NO_ID),
            ("other", "") => (OTHER, NO_ID),
            _ => return None,
        };
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&permissions(rwx)?.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    (value.len() > VERSION.len()).then_some(value)
}

fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&id| id != NO_ID)
}

fn permissions(text: &str) -> Option<u16> {
    let bit = |have: u8, letter, value| match have {
        b'-' => Some(0),
        have if have == letter => Some(value),
        _ => None,
    };
    match *text.as_bytes() {
        [r, w, x] => Some(bit(r, b'r', 4)? + bit(w, b'w', 2)? + bit(x, b'x', 1)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut value = VERSION.to_vec();
        for (tag, permissions, id) in entries {
            value.extend_from_slice(&tag.to_le_bytes());
            value.extend_from_slice(&permissions.to_le_bytes());
            value.extend_from_slice(&id.to_le_bytes());
        }
        value
    }

    #[test]
    fn every_kind_of_entry_comes_back() {
        let kernel = value(&[
            (USER_OBJ, 7, NO_ID),
            (USER, 4, 1000),
            (GROUP_OBJ, 5, NO_ID),
            (GROUP, 0, 0),
            (MASK, 6, NO_ID),
            (OTHER, 1, NO_ID),
        ]);
        let text = "user::rwx,user:1000:r--,group::r-x,group:0:---,mask::rw-,other::--x";
        assert_eq!(to_text(&kernel).as_deref(), Some(text));
        assert_eq!(from_text(text.as_bytes()), Some(kernel));
    }

    #[test]
    fn other_forms_have_no_text() {
        let good = value(&[(USER_OBJ, 7, NO_ID)]);
        let mut version_3 = good.clone();
        version_3[0] = 3;
        for kernel in [
            vec![],
            VERSION.to_vec(),
            version_3,
            good[..good.len() - 1].to_vec(),
            value(&[(USER_OBJ, 8, NO_ID)]),
            value(&[(USER_OBJ, 7, 0)]),
            value(&[(USER, 7, NO_ID)]),
            value(&[(0x40, 7, NO_ID)]),
        ] {
            assert_eq!(to_text(&kernel), None, "{kernel:?}");
        }
    }

    #[test]
    fn names_without_numbers_and_bad_texts_are_no_value() {
        for text in [
            "",
            "user:alice:rwx",
            "user::rwxx",
            "user::r-z",
            "user",
            "mask:1:rwx",
            ",",
        ] {
            assert_eq!(from_text(text.as_bytes()), None, "{text}");
        }
        let star = from_text(b"user:alice:rw-:1000").unwrap();
        assert_eq!(to_text(&star).as_deref(), Some("user:1000:rw-"));
    }
}
