#![forbid(unsafe_code)]
//! Virtual LTO drives and a tape library at SCSI CDB level.
