//! Diagnostics and buffers: SEND and RECEIVE DIAGNOSTIC, READ and WRITE BUFFER.
//!
//! The self-test finds nothing. There is a data buffer, which holds what was written last, and an
//! echo buffer, as drives have them for trying the path; firmware is neither read nor written.

use super::DriveTarget;
use crate::sense::{self, Sense};
use crate::target::{Data, Refusal, Reply, be16, be24, receive, send};

/// SEND DIAGNOSTIC byte 1.
const SELF_TEST: u8 = 0x04;
/// RECEIVE DIAGNOSTIC RESULTS byte 1: page code valid.
const PAGE_CODE_VALID: u8 = 0x01;
/// Page 00h: the list of pages, which has itself.
const SUPPORTED_PAGES: [u8; 5] = [0, 0, 0, 1, 0];
/// READ BUFFER and WRITE BUFFER modes (SPC-4 table 200).
const MODE: u8 = 0x1F;
const DATA: u8 = 0x02;
const DESCRIPTOR: u8 = 0x03;
const ECHO: u8 = 0x0A;
const ECHO_DESCRIPTOR: u8 = 0x0B;
const DATA_BUFFER_BYTES: u32 = 64 << 10;
const ECHO_BUFFER_BYTES: u32 = 4096;

/// The buffers for trying the path; gone with the power.
#[derive(Debug, Default)]
pub(super) struct PathBuffers {
    data: Vec<u8>,
    echo: Option<Vec<u8>>,
}

impl DriveTarget {
    /// SEND DIAGNOSTIC (SPC-4 §6.42): the default self-test, and page 00h.
    pub(super) fn send_diagnostic(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let len = usize::from(be16(cdb, 3));
        if cdb[1] & SELF_TEST != 0 && len != 0 {
            return Err(Sense::invalid_cdb_field(3, None).into());
        }
        match receive(data, len)? {
            [] | [0, 0, 0, 0] => Ok(len),
            page if page.len() < 4 => Err(Sense::illegal(sense::PARAMETER_LIST_LENGTH).into()),
            [0, ..] => Err(Sense::invalid_parameter(2, None).into()),
            _ => Err(Sense::invalid_parameter(0, None).into()),
        }
    }

    /// RECEIVE DIAGNOSTIC RESULTS (SPC-4 §6.28): page 00h, whether asked for or not.
    pub(super) fn receive_diagnostic(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        if cdb[1] & PAGE_CODE_VALID != 0 && cdb[2] != 0 {
            return Err(Sense::invalid_cdb_field(2, None).into());
        }
        send(data, &SUPPORTED_PAGES, usize::from(be16(cdb, 3)))
    }

    /// READ BUFFER (SPC-4 §6.18).
    pub(super) fn read_buffer(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let (offset, allocation) = (be24(cdb, 3), be24(cdb, 6) as usize);
        let [_, high, middle, low] = DATA_BUFFER_BYTES.to_be_bytes();
        let [_, _, echo_high, echo_low] = ECHO_BUFFER_BYTES.to_be_bytes();
        match cdb[1] & MODE {
            DATA => {
                let place = data_place(cdb, offset, 0)?;
                let mut buffer = self.path_buffers.data.clone();
                buffer.resize(DATA_BUFFER_BYTES as usize, 0);
                send(data, &buffer[place..], allocation)
            }
            DESCRIPTOR => {
                // Offsets of any byte.
                let descriptor = match cdb[2] {
                    0 => [0, high, middle, low],
                    _ => [0; 4],
                };
                send(data, &descriptor, allocation)
            }
            ECHO => {
                let echo = self.path_buffers.echo.as_ref();
                let echo = echo.ok_or(Sense::illegal(sense::COMMAND_SEQUENCE))?;
                send(data, echo, allocation)
            }
            ECHO_DESCRIPTOR => send(data, &[0, 0, echo_high, echo_low], allocation),
            _ => Err(Sense::invalid_cdb_field(1, Some(4)).into()),
        }
    }

    /// WRITE BUFFER (SPC-4 §6.54).
    pub(super) fn write_buffer(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let (offset, len) = (be24(cdb, 3), be24(cdb, 6));
        match cdb[1] & MODE {
            DATA => {
                let place = data_place(cdb, offset, len)?;
                let bytes = receive(data, len as usize)?;
                let buffer = &mut self.path_buffers.data;
                buffer.resize(DATA_BUFFER_BYTES as usize, 0);
                buffer[place..place + bytes.len()].copy_from_slice(bytes);
            }
            ECHO if len > ECHO_BUFFER_BYTES => {
                return Err(Sense::invalid_cdb_field(6, None).into());
            }
            ECHO => self.path_buffers.echo = Some(receive(data, len as usize)?.to_vec()),
            _ => return Err(Sense::invalid_cdb_field(1, Some(4)).into()),
        }
        Ok(len as usize)
    }
}

/// The offset in the data buffer, of which there is one.
fn data_place(cdb: &[u8], offset: u32, len: u32) -> Result<usize, Refusal> {
    if cdb[2] != 0 {
        return Err(Sense::invalid_cdb_field(2, None).into());
    }
    if offset > DATA_BUFFER_BYTES {
        return Err(Sense::invalid_cdb_field(3, None).into());
    }
    if len > DATA_BUFFER_BYTES - offset {
        return Err(Sense::invalid_cdb_field(6, None).into());
    }
    Ok(offset as usize)
}
