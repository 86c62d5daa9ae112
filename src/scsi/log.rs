//! Log pages of drives (SPC-4 7.3, SSC-4 8.3; scsi-tape facts 3.8).

use super::BadReply;
use super::bytes::{number, text, u16_at};
use super::tape_alert::TapeAlerts;

/// Log page with the list of log pages.
pub const PAGE_LIST: u8 = 0x00;
/// Log page with the state of the drive (very high frequency data).
pub const PAGE_STATE: u8 = 0x11;
/// Log page with TapeAlert flags; reading it leaves them set.
pub const PAGE_ALERT_RESPONSE: u8 = 0x12;
/// Log page with volume statistics.
pub const PAGE_VOLUME_STATISTICS: u8 = 0x17;
/// Log page with TapeAlert flags; reading it clears them.
pub const PAGE_TAPE_ALERT: u8 = 0x2E;
/// Log page with the tape capacity.
pub const PAGE_CAPACITY: u8 = 0x31;

const REPLY: &str = "log page";
const MAIN_REMAINING: u16 = 0x0001;
const MAIN_MAXIMUM: u16 = 0x0003;
const PARTITION_REMAINING: u16 = 0x0204;
const VOLUME_SERIAL: u16 = 0x0040;
const VERY_HIGH_FREQUENCY: u16 = 0x0000;
const CALIBRATING: u8 = 0x0B;

/// The log pages that a device has, from page 00 without subpages.
///
/// # Errors
///
/// [`BadReply`] if the header is cut off or names another page.
pub fn parse_page_list(data: &[u8]) -> Result<Vec<u8>, BadReply> {
    let body = body(data, PAGE_LIST)?;
    Ok(body.iter().map(|code| code & 0x3F).collect())
}

fn body(data: &[u8], page: u8) -> Result<&[u8], BadReply> {
    let (Some(&code), Some(length)) = (data.first(), u16_at(data, 2)) else {
        return Err(BadReply::short(REPLY));
    };
    if code & 0x3F != page {
        return Err(BadReply {
            reply: REPLY,
            problem: "another page than the one asked for",
        });
    }
    Ok(&data[4..data.len().min(4 + usize::from(length))])
}

/// A log page, taken apart into its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    page: u8,
    parameters: Vec<(u16, Vec<u8>)>,
}

impl LogPage {
    /// Decodes the page `page`, up to the first parameter that is cut off.
    ///
    /// # Errors
    ///
    /// [`BadReply`] if the header is cut off or names another page.
    pub fn parse(data: &[u8], page: u8) -> Result<LogPage, BadReply> {
        let mut rest = body(data, page)?;
        let mut parameters = Vec::new();
        while let Some(&[high, low, _, length]) = rest.first_chunk() {
            let end = 4 + usize::from(length);
            let Some(value) = rest.get(4..end) else { break };
            parameters.push((u16::from_be_bytes([high, low]), value.to_vec()));
            rest = &rest[end..];
        }
        Ok(LogPage { page, parameters })
    }

    /// The value of parameter `code`.
    #[must_use]
    pub fn value(&self, code: u16) -> Option<&[u8]> {
        self.parameters
            .iter()
            .find(|(c, _)| *c == code)
            .map(|(_, value)| &value[..])
    }

    /// All parameters, by code and value, in the order received.
    pub(super) fn values(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.parameters
            .iter()
            .map(|(code, value)| (*code, &value[..]))
    }

    /// Native bytes left in partition 0, from page 31 (in MiB) or page 17 (in MB).
    #[must_use]
    pub fn remaining_bytes(&self) -> Option<u64> {
        if self.page == PAGE_CAPACITY {
            return number(self.value(MAIN_REMAINING)?)?.checked_mul(1 << 20);
        }
        // Records of {length after this byte, reserved, partition, MB}.
        let mut rest = self.value(PARTITION_REMAINING)?;
        while let Some(&length) = rest.first() {
            let record = rest.get(1..=usize::from(length))?;
            if u16_at(record, 1) == Some(0) {
                return number(record.get(3..)?)?.checked_mul(1_000_000);
            }
            rest = &rest[1 + record.len()..];
        }
        None
    }

    /// Native bytes that partition 0 holds when empty, from page 31 (in MiB).
    #[must_use]
    pub fn maximum_bytes(&self) -> Option<u64> {
        let value = self
            .value(MAIN_MAXIMUM)
            .filter(|_| self.page == PAGE_CAPACITY)?;
        number(value)?.checked_mul(1 << 20)
    }

    /// The TapeAlert flags of page 12 or 2E.
    #[must_use]
    pub fn tape_alerts(&self) -> TapeAlerts {
        if self.page == PAGE_ALERT_RESPONSE {
            return TapeAlerts(self.value(0).and_then(number).unwrap_or(0));
        }
        let set = |(code, value): &&(u16, Vec<u8>)| {
            (1..=64).contains(code) && value.first().is_some_and(|flag| flag & 1 != 0)
        };
        let bit = |(code, _): &(u16, Vec<u8>)| 1u64 << (64 - *code);
        TapeAlerts(
            self.parameters
                .iter()
                .filter(set)
                .map(bit)
                .fold(0, |all, one| all | one),
        )
    }

    /// True if the drive says that it measures (calibrates for) its cartridge, from page 11.
    #[must_use]
    pub fn is_calibrating(&self) -> bool {
        let data = self.value(VERY_HIGH_FREQUENCY);
        self.page == PAGE_STATE && data.and_then(|data| data.get(2)) == Some(&CALIBRATING)
    }

    /// The cartridge's serial number, from page 17.
    #[must_use]
    pub fn volume_serial(&self) -> Option<String> {
        self.value(VOLUME_SERIAL)
            .map(text)
            .filter(|serial| !serial.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn captured_capacity_pages_give_the_same_remaining_bytes() {
        let page_31 = [
            0x31, 0, 0, 0x20, 0, 1, 0xC0, 4, 0x00, 0x9E, 0x4E, 0xEF, 0, 2, 0xC0, 4, 0, 0, 0, 0, 0,
            3, 0xC0, 4, 0x01, 0x05, 0xEF, 0x39, 0, 4, 0xC0, 4, 0, 0, 0, 0,
        ];
        let page = LogPage::parse(&page_31, PAGE_CAPACITY).unwrap();
        assert_eq!(page.remaining_bytes(), Some(10_374_895 << 20));

        let page_17 = [
            0x17, 0, 0, 24, 0x02, 0x03, 0x43, 8, 7, 0, 0, 0, 0, 0x6C, 0xF7, 0x0D, 0x02, 0x04, 0x43,
            8, 7, 0, 0, 0, 0x00, 0xA5, 0xFF, 0x93,
        ];
        let page = LogPage::parse(&page_17, PAGE_VOLUME_STATISTICS).unwrap();
        assert_eq!(page.remaining_bytes(), Some(10_878_867 * 1_000_000));
    }

    #[test]
    fn the_state_page_tells_that_a_cartridge_is_measured() {
        let mut page = vec![0x11, 0, 0, 8, 0, 0, 0, 4, 0x31, 0x17, 0x0B, 0x00];
        let calibrating = |page: &[u8]| LogPage::parse(page, PAGE_STATE).unwrap().is_calibrating();
        assert!(calibrating(&page));
        page[10] = 0x02;
        assert!(!calibrating(&page));
        let list = [0x00, 0, 0, 3, 0x00, 0x11, 0x31];
        assert_eq!(parse_page_list(&list).unwrap(), [0x00, 0x11, 0x31]);
    }

    #[test]
    fn both_alert_pages_give_the_same_flags() {
        let mut page_2e = vec![0x2E, 0, 0x01, 0x40];
        for code in 1..=64u8 {
            page_2e.extend([0, code, 0xC0, 1, u8::from(code == 0x14 || code == 1)]);
        }
        let from_2e = LogPage::parse(&page_2e, PAGE_TAPE_ALERT)
            .unwrap()
            .tape_alerts();
        let mut page_12 = vec![0x12, 0, 0, 12, 0, 0, 0x43, 8];
        page_12.extend(from_2e.0.to_be_bytes());
        let from_12 = LogPage::parse(&page_12, PAGE_ALERT_RESPONSE)
            .unwrap()
            .tape_alerts();
        assert_eq!(from_2e, from_12);
        let numbers: Vec<u8> = from_12.iter().map(|alert| alert.number).collect();
        assert_eq!(numbers, [0x01, 0x14]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut data in prop::collection::vec(any::<u8>(), 4..200)) {
            let pages = [
                PAGE_STATE,
                PAGE_ALERT_RESPONSE,
                PAGE_VOLUME_STATISTICS,
                PAGE_TAPE_ALERT,
                PAGE_CAPACITY,
            ];
            for page in pages {
                data[0] = page;
                let log = LogPage::parse(&data, page).unwrap();
                let _ = (log.remaining_bytes(), log.tape_alerts());
                let _ = (log.volume_serial(), log.is_calibrating());
            }
        }

        #[test]
        fn no_partition_records_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut data = vec![0x17, 0, 0, 4 + value.len() as u8, 2, 4, 0x43, value.len() as u8];
            data.extend(&value);
            let _ = LogPage::parse(&data, PAGE_VOLUME_STATISTICS).unwrap().remaining_bytes();
        }
    }
}
