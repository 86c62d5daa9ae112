//! Control data protection, mode page 0Ah/F0h (SSC-4 §8.5.9), and the checks it chooses from:
//! four bytes behind each block on its way between host and drive.

use serde::{Deserialize, Serialize};

/// Length of either check.
pub const CHECK_BYTES: usize = 4;
/// Length of the page behind its header.
const BODY_BYTES: usize = 28;
const WRITE: u8 = 0x80;
const READ: u8 = 0x40;
const INFORMATION_LENGTH: u8 = 0x3F;
const METHOD_AT: usize = 0;
const LENGTH_AT: usize = 1;
const FLAGS_AT: usize = 2;
/// What MODE SELECT may change. RBDP is not: LTO cannot recover buffered data.
pub const CHANGEABLE: &[u8] = &[0xFF, INFORMATION_LENGTH, WRITE | READ];

/// How a block is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Reed-Solomon CRC, big-endian.
    ReedSolomon = 1,
    /// CRC-32C, little-endian.
    Crc32c = 2,
}

impl Method {
    /// The check of `block`, as it stands behind it.
    pub fn check(self, block: &[u8]) -> [u8; CHECK_BYTES] {
        match self {
            Method::ReedSolomon => reed_solomon(block).to_be_bytes(),
            Method::Crc32c => crc32c::crc32c(block).to_le_bytes(),
        }
    }
}

/// Table of the Reed-Solomon CRC: each byte of the register's feedback times 38, CF, 38 and 01 in
/// the field of 256 elements with polynomial 11D.
const REED_SOLOMON: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 1;
    while n < 256 {
        // Doubling shifts; what runs over is reduced by the polynomial.
        table[n] = if n & 1 == 1 {
            table[n - 1] ^ 0x38CF_3801
        } else {
            let half: u32 = table[n / 2];
            let over = (half >> 7) & 0x0101_0101;
            ((half & 0x7F7F_7F7F) << 1) ^ (over * 0x1D)
        };
        n += 1;
    }
    table
};

fn reed_solomon(block: &[u8]) -> u32 {
    block.iter().fold(0, |register: u32, byte| {
        let feedback = (register >> 24) as u8 ^ byte;
        (register << 8) ^ REED_SOLOMON[usize::from(feedback)]
    })
}

/// What the host has set on the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockProtection {
    /// The check that blocks carry; `None`: they carry none.
    pub method: Option<Method>,
    /// LBP_W: blocks that are written carry a check.
    pub on_write: bool,
    /// LBP_R: blocks that are read or verified carry a check.
    pub on_read: bool,
}

impl BlockProtection {
    /// The check of blocks that are written.
    pub fn writing(&self) -> Option<Method> {
        self.method.filter(|_| self.on_write)
    }

    /// The check of blocks that are read.
    pub fn reading(&self) -> Option<Method> {
        self.method.filter(|_| self.on_read)
    }

    /// The page behind its header.
    pub fn encode(&self) -> [u8; BODY_BYTES] {
        let mut body = [0; BODY_BYTES];
        let flag = |set: bool, mask: u8| if set { mask } else { 0 };
        body[FLAGS_AT] = flag(self.on_write, WRITE) | flag(self.on_read, READ);
        if let Some(method) = self.method {
            body[METHOD_AT] = method as u8;
            body[LENGTH_AT] = CHECK_BYTES as u8;
        }
        body
    }

    /// Takes over a page body. Without a method nothing is protected, whatever the flags.
    ///
    /// # Errors
    ///
    /// The offset of a method that the drive does not have (`crc32c`: it has method 2), or of a
    /// length that is not the method's.
    pub fn decode(body: &[u8], crc32c: bool) -> Result<Self, usize> {
        let method = match body[METHOD_AT] {
            0 => return Ok(Self::default()),
            1 => Method::ReedSolomon,
            2 if crc32c => Method::Crc32c,
            _ => return Err(METHOD_AT),
        };
        if usize::from(body[LENGTH_AT] & INFORMATION_LENGTH) != CHECK_BYTES {
            return Err(LENGTH_AT);
        }
        Ok(BlockProtection {
            method: Some(method),
            on_write: body[FLAGS_AT] & WRITE != 0,
            on_read: body[FLAGS_AT] & READ != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checks_have_their_published_values() {
        assert_eq!(
            Method::Crc32c.check(b"123456789"),
            0xE306_9283_u32.to_le_bytes()
        );
        // Entries of the table that LTFS ships for its drives.
        let published = [
            (0x02, 0x7083_7002_u32),
            (0x03, 0x484C_4803),
            (0x04, 0xE01B_E004),
            (0x08, 0xDD36_DD08),
            (0x13, 0xEF20_EF13),
        ];
        for (byte, value) in published {
            assert_eq!(Method::ReedSolomon.check(&[byte]), value.to_be_bytes());
        }
    }

    #[test]
    fn a_block_with_its_reed_solomon_check_leaves_nothing() {
        let mut block = b"123456789".to_vec();
        block.extend_from_slice(&Method::ReedSolomon.check(&block));
        assert_eq!(Method::ReedSolomon.check(&block), [0; CHECK_BYTES]);
    }
}
