//! LEB128 of unsigned 64-bit numbers, zigzag of signed differences, and a checked reader.

use super::error::Fault;

const MORE: u8 = 0x80;

/// Appends `value` as a varint.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= u64::from(MORE) {
        out.push(value as u8 | MORE);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `to - from`, wrapping, as zigzag.
pub(super) fn put_difference(out: &mut Vec<u8>, from: u64, to: u64) {
    let signed = to.wrapping_sub(from) as i64;
    put(out, ((signed << 1) ^ (signed >> 63)) as u64);
}

/// Undoes [`put_difference`].
fn add_difference(from: u64, zigzag: u64) -> u64 {
    from.wrapping_add((zigzag >> 1) ^ (zigzag & 1).wrapping_neg())
}

/// Bytes that are read front to back; `name` is what a fault calls them.
#[derive(Debug, Default)]
pub(super) struct Input<B = Vec<u8>> {
    bytes: B,
    at: usize,
    name: &'static str,
}

impl<B: AsRef<[u8]>> Input<B> {
    pub(super) fn new(name: &'static str, bytes: B) -> Input<B> {
        Input { bytes, at: 0, name }
    }

    /// All bytes, taken or not.
    pub(super) fn all(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    pub(super) fn at_end(&self) -> bool {
        self.at == self.all().len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&[u8], Fault> {
        let end = self
            .at
            .checked_add(count)
            .filter(|&end| end <= self.all().len());
        let end = end.ok_or(Fault::Truncated(self.name))?;
        let begin = std::mem::replace(&mut self.at, end);
        Ok(&self.bytes.as_ref()[begin..end])
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & !MORE);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & MORE == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Value(self.name))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        u32::try_from(self.varint()?).map_err(|_| Fault::Value(self.name))
    }

    /// A varint that is used as a length of at most `max`.
    pub(super) fn length(&mut self, max: usize) -> Result<usize, Fault> {
        match usize::try_from(self.varint()?) {
            Ok(length) if length <= max => Ok(length),
            _ => Err(Fault::Bound(self.name)),
        }
    }

    pub(super) fn difference(&mut self, from: u64) -> Result<u64, Fault> {
        Ok(add_difference(from, self.varint()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_differences_come_back() {
        let values = [
            0,
            1,
            127,
            128,
            300,
            u64::from(u32::MAX),
            i64::MAX as u64,
            u64::MAX,
        ];
        for from in values {
            for to in values {
                let mut out = Vec::new();
                put(&mut out, to);
                put_difference(&mut out, from, to);
                let mut input = Input::new("test", out);
                assert_eq!(input.varint(), Ok(to));
                assert_eq!(input.difference(from), Ok(to));
                assert!(input.at_end());
            }
        }
    }

    #[test]
    fn overlong_and_cut_numbers_are_refused() {
        let cases: [(&[u8], Fault); 3] = [
            (&[0x80], Fault::Truncated("test")),
            (&[0xff; 10], Fault::Value("test")),
            (
                &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2],
                Fault::Value("test"),
            ),
        ];
        for (bytes, fault) in cases {
            assert_eq!(Input::new("test", bytes.to_vec()).varint(), Err(fault));
        }
    }
}
