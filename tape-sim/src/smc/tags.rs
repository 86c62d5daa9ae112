//! Volume tags: SEND VOLUME TAG names cartridges or looks for them, REQUEST VOLUME ELEMENT ADDRESS
//! tells where they are (SMC-3 §6.13, §6.12).

use super::ChangerTarget;
use super::status::{ReportHead, Request};
use crate::inventory::{Content, Inventory};
use crate::sense::{self, Sense};
use crate::target::{Data, Refusal, Reply, be16, be24, receive, send};

const TYPE_CODE: u8 = 0x0F;
const ELEMENT_AT: u16 = 2;
const ACTION_AT: usize = 5;
const ACTION: u8 = 0x1F;
const TAG_ID_BYTES: usize = 32;
/// Minimum volume sequence number in the parameter list. Every volume's is 0.
const MIN_SEQUENCE_AT: usize = 34;

/// What SEND VOLUME TAG has found for this handle.
#[derive(Debug)]
pub(super) struct Found {
    action: u8,
    addresses: Vec<u16>,
}

/// What SEND VOLUME TAG shall do (SMC-3 table 45).
#[derive(Clone, Copy)]
enum Action {
    /// Look for the template in primary tags, alternate tags; mind the sequence number.
    Find {
        primary: bool,
        alternate: bool,
        sequence: bool,
    },
    /// Set a tag; one that is there already stays unless it may be replaced.
    Set { primary: bool, replace: bool },
    /// Forget a tag that a host has set.
    Clear { primary: bool },
}

impl Action {
    fn parse(code: u8) -> Option<Self> {
        let find = |primary, alternate, sequence| {
            Some(Action::Find {
                primary,
                alternate,
                sequence,
            })
        };
        let set = |primary, replace| Some(Action::Set { primary, replace });
        match code {
            0x00 => find(true, true, true),
            0x01 => find(true, false, true),
            0x02 => find(false, true, true),
            0x04 => find(true, true, false),
            0x05 => find(true, false, false),
            0x06 => find(false, true, false),
            0x08 => set(true, false),
            0x09 => set(false, false),
            0x0A => set(true, true),
            0x0B => set(false, true),
            0x0C => Some(Action::Clear { primary: true }),
            0x0D => Some(Action::Clear { primary: false }),
            _ => None,
        }
    }
}

impl ChangerTarget {
    /// SEND VOLUME TAG. A parameter list shorter than the standard's 40 bytes ends in zeros, but
    /// has the whole identifier; longer ones, as the kernel's `ch` sends, are read up to there.
    pub(super) fn send_volume_tag(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let code = cdb[ACTION_AT] & ACTION;
        let action = Action::parse(code);
        let action = action.ok_or(Sense::invalid_cdb_field(ACTION_AT, Some(4)))?;
        let list = receive(data, be16(cdb, 8).into())?;
        let id = match action {
            Action::Clear { .. } => "",
            _ => identifier(list)?,
        };
        match action {
            Action::Find {
                primary,
                alternate,
                sequence,
            } => {
                let state = self.read_inventory()?;
                let fits = |tag: Option<&str>| tag.is_some_and(|tag| matches(id, tag));
                let out_of_sequence = sequence && be16(list, MIN_SEQUENCE_AT) > 0;
                let addresses = state.contents().filter(|(_, content)| {
                    let first = primary && fits(content.primary_tag());
                    let second = alternate && fits(content.alternate_tag.as_deref());
                    !out_of_sequence && (first || second)
                });
                self.found = Some(Found {
                    action: code,
                    addresses: addresses.map(|(address, _)| address).collect(),
                });
            }
            Action::Set { primary, replace } => self.change_tag(cdb, |content| {
                let defined = match primary {
                    true => content.primary_tag().is_some(),
                    false => content.alternate_tag.is_some(),
                };
                if defined && !replace {
                    return Err(Sense::invalid_cdb_field(ACTION_AT, Some(4)).into());
                }
                *tag(content, primary) = Some(id.to_owned());
                Ok(())
            })?,
            Action::Clear { primary } => self.change_tag(cdb, |content| {
                *tag(content, primary) = None;
                Ok(())
            })?,
        }
        Ok(list.len())
    }

    /// Changes the tags of the cartridge in the element that the CDB names.
    fn change_tag(
        &mut self,
        cdb: &[u8],
        change: impl FnOnce(&mut Content) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let address = be16(cdb, ELEMENT_AT.into());
        self.update(|state| {
            let element = state.layout().element(address);
            let wanted = cdb[1] & TYPE_CODE;
            if !element.is_some_and(|(kind, _)| wanted == 0 || kind as u8 == wanted) {
                return Err(super::invalid_element(ELEMENT_AT));
            }
            let content = state.content_mut(address);
            change(content.ok_or(Sense::illegal(sense::SOURCE_EMPTY))?)
        })
    }

    /// REQUEST VOLUME ELEMENT ADDRESS: element status of what SEND VOLUME TAG has found.
    pub(super) fn request_volume_address(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        state: &Inventory,
    ) -> Reply {
        let found = self.found.as_ref();
        let found = found.ok_or(Sense::illegal(sense::COMMAND_SEQUENCE))?;
        let head = ReportHead {
            action: found.action,
            only: Some(found.addresses.clone()),
        };
        let request = Request::parse(cdb, state)?;
        let report = self.element_report(&request, &head, state)?;
        send(data, &report, be24(cdb, 7) as usize)
    }
}

fn tag(content: &mut Content, primary: bool) -> &mut Option<String> {
    if primary {
        &mut content.tag
    } else {
        &mut content.alternate_tag
    }
}

/// The volume identification template: printable characters, padded with spaces or zeros.
fn identifier(list: &[u8]) -> Result<&str, Sense> {
    let id = list
        .get(..TAG_ID_BYTES)
        .ok_or(Sense::illegal(sense::PARAMETER_LIST_LENGTH))?;
    let padding = id.iter().rposition(|byte| !matches!(byte, 0 | b' '));
    let id = &id[..padding.map_or(0, |last| last + 1)];
    match id.iter().position(|byte| !byte.is_ascii_graphic()) {
        Some(at) => Err(Sense::invalid_parameter(at, None)),
        None if id.is_empty() => Err(Sense::invalid_parameter(0, None)),
        None => Ok(str::from_utf8(id).expect("printable ASCII is UTF-8")),
    }
}

/// True if `tag` fits `template`, in which `?` stands for one character and `*` for any number.
fn matches(template: &str, tag: &str) -> bool {
    let (template, tag) = (template.as_bytes(), tag.as_bytes());
    // Which beginnings of the tag fit the template so far: 33 at most.
    let mut fitting = vec![false; tag.len() + 1];
    fitting[0] = true;
    for wanted in template {
        if *wanted == b'*' {
            let first = fitting.iter().position(|fits| *fits);
            fitting[first.unwrap_or(tag.len() + 1)..].fill(true);
            continue;
        }
        for end in (0..tag.len()).rev() {
            fitting[end + 1] = fitting[end] && (*wanted == b'?' || *wanted == tag[end]);
        }
        fitting[0] = false;
    }
    fitting[tag.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn templates_fit_by_character_and_by_rest() {
        let cases = [
            ("SIM001L9", true),
            ("SIM001L8", false),
            ("SIM00?L9", true),
            ("SIM*", true),
            ("*L9", true),
            ("*", true),
            ("S*1*9", true),
            ("S*2*9", false),
            ("SIM001L9*", true),
            ("SIM001L9?", false),
            ("?", false),
        ];
        for (template, expected) in cases {
            assert_eq!(matches(template, "SIM001L9"), expected, "{template}");
        }
    }
}
