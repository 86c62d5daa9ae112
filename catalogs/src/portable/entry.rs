//! An entry as one line of an export. `docs/catalog.md`, "Export".

use blake3::Hash;
use serde::{Deserialize, Serialize};

use crate::model::text::ByteText;
use crate::model::{Condition, Entry, FileTime, Kind, Part};

/// The kinds by name, in the order of [`Kind::ALL`].
const KINDS: [&str; 9] = [
    "file", "dir", "symlink", "hardlink", "char", "block", "fifo", "socket", "gone",
];
/// The conditions by name, in the order of [`Condition::ALL`].
const CONDITIONS: [&str; 5] = ["whole", "changed", "shrank", "grew", "unreadable"];

/// The fields of an entry, under the names that an index on tape has for them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryLine {
    path: ByteText,
    r#type: String,
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    user: String,
    group: String,
    mtime: (i64, u32),
    ctime: (i64, u32),
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<ByteText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    block: u64,
    offset: u32,
    length: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skip: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<PartLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartLine {
    number: u32,
    offset: u64,
    last: bool,
}

impl From<Entry> for EntryLine {
    fn from(entry: Entry) -> EntryLine {
        let time = |time: FileTime| (time.seconds, time.nanoseconds);
        let condition = entry.condition as usize;
        EntryLine {
            path: ByteText(entry.path),
            r#type: KINDS[entry.kind as usize].to_owned(),
            size: entry.size_bytes,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            user: (*entry.user).into(),
            group: (*entry.group).into(),
            mtime: time(entry.mtime),
            ctime: time(entry.ctime),
            link: (!entry.link_target.is_empty()).then_some(ByteText(entry.link_target)),
            device: entry.device,
            digest: entry
                .digest
                .map(|digest| Hash::from_bytes(digest).to_hex().to_string()),
            block: entry.block,
            offset: entry.offset_bytes,
            length: entry.member_bytes,
            skip: entry.skip_bytes,
            inode: entry.inode,
            part: entry.part.map(|part| PartLine {
                number: part.number,
                offset: part.offset_bytes,
                last: part.last,
            }),
            condition: (condition > 0).then(|| CONDITIONS[condition].to_owned()),
        }
    }
}

impl TryFrom<EntryLine> for Entry {
    type Error = String;

    fn try_from(line: EntryLine) -> Result<Entry, String> {
        let time = |(seconds, nanoseconds)| FileTime {
            seconds,
            nanoseconds,
        };
        let place = |names: &[&str], name: &str| {
            let found = names.iter().position(|known| *known == name);
            found.ok_or_else(|| format!("unknown word `{name}`"))
        };
        let digest = line.digest.map(|hex| Hash::from_hex(hex).map(Hash::into));
        let condition = line.condition.as_deref().unwrap_or(CONDITIONS[0]);
        let entry = Entry {
            path: line.path.0,
            kind: Kind::ALL[place(&KINDS, &line.r#type)?],
            size_bytes: line.size,
            mode: line.mode,
            uid: line.uid,
            gid: line.gid,
            user: line.user.into(),
            group: line.group.into(),
            mtime: time(line.mtime),
            ctime: time(line.ctime),
            link_target: line.link.unwrap_or_default().0,
            device: line.device,
            digest: digest.transpose().map_err(|error| error.to_string())?,
            block: line.block,
            offset_bytes: line.offset,
            member_bytes: line.length,
            skip_bytes: line.skip,
            inode: line.inode,
            part: line.part.map(|part| Part {
                number: part.number,
                offset_bytes: part.offset,
                last: part.last,
            }),
            condition: Condition::ALL[place(&CONDITIONS, condition)?],
        };
        entry.validate().map_err(|fault| fault.to_string())?;
        Ok(entry)
    }
}
