//! Every condition that LTO drives and libraries are known to report has its meaning, what
//! helps, and a sentence (scsi-tape facts 2.6, row by row).

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]

use tapewright::scsi::Meaning as M;
use tapewright::scsi::Reaction as R;
use tapewright::scsi::sense::{Sense, SenseKey as K};

type Row = (K, u8, u8, M, R);

#[rustfmt::skip]
const ENDS_AND_READINESS: &[Row] = &[
    (K::NoSense, 0x00, 0x00, M::Information, R::GoOn),
    (K::NoSense, 0x00, 0x01, M::Information, R::GoOn),
    (K::NoSense, 0x00, 0x02, M::Information, R::GoOn),
    (K::VolumeOverflow, 0x00, 0x02, M::EndOfPartition, R::OtherTape),
    (K::MediumError, 0x00, 0x02, M::Medium, R::Clean),
    (K::NoSense, 0x00, 0x04, M::BeginningOfPartition, R::GoOn),
    (K::BlankCheck, 0x00, 0x05, M::EndOfData, R::GoOn),
    (K::MediumError, 0x00, 0x05, M::EndOfData, R::GoOn),
    (K::NoSense, 0x00, 0x07, M::Information, R::GoOn),
    (K::NotReady, 0x00, 0x16, M::BecomingReady, R::Wait),
    (K::NotReady, 0x00, 0x18, M::BecomingReady, R::Wait),
    (K::NotReady, 0x00, 0x19, M::BecomingReady, R::Wait),
    (K::NotReady, 0x00, 0x1A, M::BecomingReady, R::Wait),
    (K::RecoveredError, 0x00, 0x17, M::Information, R::Clean),
    (K::MediumError, 0x03, 0x02, M::Medium, R::Clean),
    (K::HardwareError, 0x03, 0x02, M::Hardware, R::OtherDrive),
    (K::NotReady, 0x04, 0x00, M::BecomingReady, R::Wait),
    (K::NotReady, 0x04, 0x01, M::BecomingReady, R::Wait),
    (K::NotReady, 0x04, 0x02, M::NeedsLoad, R::Load),
    (K::NotReady, 0x04, 0x03, M::NotReady, R::Operator),
    (K::NotReady, 0x04, 0x04, M::BecomingReady, R::Wait),
    (K::NotReady, 0x04, 0x07, M::BecomingReady, R::Wait),
    (K::NotReady, 0x04, 0x0C, M::NotReady, R::Operator),
    (K::MediumError, 0x04, 0x10, M::Medium, R::OtherTape),
    (K::NotReady, 0x04, 0x12, M::NotReady, R::Operator),
    (K::NotReady, 0x04, 0x13, M::BecomingReady, R::Wait),
    (K::NotReady, 0x3A, 0x00, M::NoMedium, R::Operator),
    (K::NotReady, 0x3A, 0x02, M::Unreachable, R::Operator),
    (K::NotReady, 0x3A, 0x04, M::NoMedium, R::Operator),
    (K::NotReady, 0x3E, 0x00, M::BecomingReady, R::Wait),
];

#[rustfmt::skip]
const MEDIUM_AND_DRIVE: &[Row] = &[
    (K::HardwareError, 0x08, 0x00, M::Transient, R::Retry),
    (K::AbortedCommand, 0x08, 0x01, M::Transient, R::Retry),
    (K::MediumError, 0x09, 0x00, M::Medium, R::Clean),
    (K::RecoveredError, 0x0A, 0x00, M::Information, R::GoOn),
    (K::NotReady, 0x0B, 0x01, M::Hardware, R::Stop),
    (K::MediumError, 0x0C, 0x00, M::Medium, R::Clean),
    (K::HardwareError, 0x0C, 0x04, M::Hardware, R::OtherDrive),
    (K::AbortedCommand, 0x0E, 0x01, M::Transient, R::Retry),
    (K::AbortedCommand, 0x0E, 0x03, M::Transient, R::Retry),
    (K::HardwareError, 0x10, 0x01, M::Transient, R::Retry),
    (K::AbortedCommand, 0x10, 0x01, M::Transient, R::Retry),
    (K::HardwareError, 0x10, 0x04, M::Unsupported, R::Stop),
    (K::IllegalRequest, 0x10, 0x05, M::Unsupported, R::Stop),
    (K::MediumError, 0x11, 0x00, M::Medium, R::Clean),
    (K::RecoveredError, 0x11, 0x00, M::Medium, R::Clean),
    (K::MediumError, 0x11, 0x01, M::Medium, R::Clean),
    (K::MediumError, 0x11, 0x08, M::Medium, R::Clean),
    (K::MediumError, 0x11, 0x0D, M::Medium, R::OtherTape),
    (K::MediumError, 0x11, 0x12, M::Medium, R::OtherTape),
    (K::MediumError, 0x14, 0x00, M::Medium, R::Reposition),
    (K::MediumError, 0x14, 0x01, M::Medium, R::Reposition),
    (K::BlankCheck, 0x14, 0x02, M::Medium, R::Reposition),
    (K::BlankCheck, 0x14, 0x03, M::EndOfDataMissing, R::OtherTape),
    (K::MediumError, 0x14, 0x04, M::Medium, R::OtherTape),
    (K::HardwareError, 0x15, 0x01, M::Hardware, R::Reposition),
    (K::MediumError, 0x15, 0x02, M::Medium, R::Reposition),
    (K::RecoveredError, 0x17, 0x01, M::Information, R::GoOn),
    (K::RecoveredError, 0x18, 0x00, M::Information, R::GoOn),
    (K::AbortedCommand, 0x1B, 0x00, M::Transient, R::Retry),
    (K::MediumError, 0x31, 0x00, M::Medium, R::OtherTape),
    (K::MediumError, 0x31, 0x01, M::Medium, R::OtherTape),
    (K::MediumError, 0x33, 0x00, M::Medium, R::OtherTape),
    (K::MediumError, 0x3B, 0x00, M::Medium, R::Reposition),
    (K::HardwareError, 0x3B, 0x08, M::Hardware, R::Reposition),
    (K::AbortedCommand, 0x3F, 0x0F, M::Transient, R::Retry),
    (K::HardwareError, 0x40, 0x80, M::Hardware, R::OtherDrive),
    (K::HardwareError, 0x41, 0x00, M::Hardware, R::OtherDrive),
    (K::HardwareError, 0x44, 0x00, M::Hardware, R::OtherDrive),
    (K::HardwareError, 0x4C, 0x00, M::Hardware, R::OtherDrive),
    (K::AbortedCommand, 0x43, 0x00, M::Transient, R::Retry),
    (K::AbortedCommand, 0x45, 0x00, M::Transient, R::Retry),
    (K::AbortedCommand, 0x47, 0x00, M::Transient, R::Retry),
    (K::AbortedCommand, 0x47, 0x03, M::Transient, R::Retry),
    (K::AbortedCommand, 0x48, 0x00, M::Transient, R::Retry),
    (K::AbortedCommand, 0x49, 0x00, M::Transient, R::Retry),
    (K::AbortedCommand, 0x4A, 0x00, M::Transient, R::Retry),
    (K::AbortedCommand, 0x4B, 0x06, M::Transient, R::Retry),
    (K::AbortedCommand, 0x4E, 0x00, M::Transient, R::Retry),
    (K::MediumError, 0x50, 0x00, M::Medium, R::OtherTape),
    (K::DataProtect, 0x50, 0x01, M::WriteProtected, R::Reposition),
    (K::MediumError, 0x51, 0x00, M::Medium, R::OtherTape),
    (K::MediumError, 0x52, 0x00, M::Medium, R::OtherTape),
    (K::MediumError, 0x53, 0x00, M::Hardware, R::Operator),
    (K::HardwareError, 0x53, 0x01, M::DriveHoldsMedium, R::Operator),
    (K::IllegalRequest, 0x53, 0x02, M::RemovalPrevented, R::Operator),
    (K::IllegalRequest, 0x53, 0x03, M::DriveHoldsMedium, R::Operator),
    (K::HardwareError, 0x53, 0x04, M::Hardware, R::OtherDrive),
    (K::RecoveredError, 0x5D, 0x00, M::Information, R::GoOn),
    (K::UnitAttention, 0x5D, 0xFF, M::Notice, R::GoOn),
    (K::NoSense, 0x82, 0x82, M::Information, R::Clean),
    (K::RecoveredError, 0x82, 0x52, M::Information, R::OtherTape),
    (K::UnitAttention, 0x82, 0x83, M::Notice, R::GoOn),
    (K::MediumError, 0x85, 0x00, M::WriteProtected, R::OtherDrive),
];

#[rustfmt::skip]
const REQUESTS: &[Row] = &[
    (K::IllegalRequest, 0x1A, 0x00, M::Unsupported, R::Stop),
    (K::IllegalRequest, 0x20, 0x00, M::Unsupported, R::Without),
    (K::IllegalRequest, 0x20, 0x0C, M::Unsupported, R::GoOn),
    (K::IllegalRequest, 0x21, 0x01, M::NoSuchElement, R::Survey),
    (K::IllegalRequest, 0x24, 0x00, M::Unsupported, R::Without),
    (K::IllegalRequest, 0x25, 0x00, M::Unsupported, R::Stop),
    (K::IllegalRequest, 0x26, 0x00, M::Unsupported, R::Without),
    (K::IllegalRequest, 0x26, 0x01, M::Unsupported, R::Without),
    (K::IllegalRequest, 0x26, 0x02, M::Unsupported, R::Without),
    (K::IllegalRequest, 0x26, 0x90, M::Unsupported, R::Without),
    (K::DataProtect, 0x26, 0x10, M::Encrypted, R::Stop),
    (K::IllegalRequest, 0x26, 0x11, M::Encrypted, R::Key),
    (K::IllegalRequest, 0x26, 0x12, M::Encrypted, R::Key),
    (K::DataProtect, 0x27, 0x00, M::WriteProtected, R::Operator),
    (K::IllegalRequest, 0x2C, 0x00, M::Unsupported, R::Stop),
    (K::IllegalRequest, 0x2C, 0x0B, M::Reserved, R::Stop),
    (K::NoSense, 0x2E, 0x00, M::Information, R::GoOn),
    (K::MediumError, 0x30, 0x00, M::IncompatibleMedium, R::OtherTape),
    (K::MediumError, 0x30, 0x01, M::IncompatibleMedium, R::OtherTape),
    (K::MediumError, 0x30, 0x02, M::IncompatibleMedium, R::OtherTape),
    (K::NotReady, 0x30, 0x03, M::CleaningCartridge, R::Wait),
    (K::MediumError, 0x30, 0x04, M::IncompatibleMedium, R::OtherTape),
    (K::DataProtect, 0x30, 0x05, M::IncompatibleMedium, R::OtherTape),
    (K::NotReady, 0x30, 0x07, M::CleaningCartridge, R::Operator),
    (K::DataProtect, 0x30, 0x0C, M::WriteProtected, R::Reposition),
    (K::DataProtect, 0x30, 0x0D, M::Medium, R::OtherTape),
    (K::RecoveredError, 0x37, 0x00, M::Information, R::GoOn),
    (K::IllegalRequest, 0x39, 0x00, M::Unsupported, R::Without),
    (K::IllegalRequest, 0x3B, 0x0C, M::Unsupported, R::Reposition),
    (K::IllegalRequest, 0x3B, 0x0D, M::DestinationFull, R::Survey),
    (K::IllegalRequest, 0x3B, 0x0E, M::SourceEmpty, R::Survey),
    (K::IllegalRequest, 0x3B, 0x11, M::Unreachable, R::Operator),
    (K::NotReady, 0x3B, 0x12, M::Unreachable, R::Operator),
    (K::IllegalRequest, 0x3D, 0x00, M::Unsupported, R::Stop),
    (K::IllegalRequest, 0x55, 0x08, M::Unsupported, R::Stop),
    (K::DataProtect, 0x5A, 0x02, M::WriteProtected, R::Operator),
    (K::RecoveredError, 0x5B, 0x02, M::Information, R::GoOn),
    (K::DataProtect, 0x74, 0x00, M::Encrypted, R::Stop),
    (K::DataProtect, 0x74, 0x01, M::Encrypted, R::Key),
    (K::DataProtect, 0x74, 0x02, M::Encrypted, R::Key),
    (K::DataProtect, 0x74, 0x03, M::Encrypted, R::Key),
    (K::DataProtect, 0x74, 0x04, M::Encrypted, R::Stop),
    (K::DataProtect, 0x74, 0x05, M::Encrypted, R::Stop),
    (K::IllegalRequest, 0x74, 0x08, M::Unsupported, R::Stop),
    (K::IllegalRequest, 0x74, 0x30, M::Unsupported, R::Stop),
    (K::DataProtect, 0xEE, 0x0E, M::Encrypted, R::Key),
    (K::DataProtect, 0xEF, 0x10, M::Encrypted, R::Key),
];

#[rustfmt::skip]
const ATTENTIONS: &[Row] = &[
    (K::UnitAttention, 0x28, 0x00, M::Changed, R::Restart),
    (K::UnitAttention, 0x28, 0x01, M::Changed, R::Restart),
    (K::UnitAttention, 0x29, 0x00, M::Changed, R::Restart),
    (K::UnitAttention, 0x29, 0x04, M::Changed, R::Restart),
    (K::UnitAttention, 0x29, 0x07, M::Changed, R::Restart),
    (K::UnitAttention, 0x2A, 0x01, M::Changed, R::Restart),
    (K::UnitAttention, 0x2A, 0x02, M::Notice, R::GoOn),
    (K::UnitAttention, 0x2A, 0x03, M::Reserved, R::Stop),
    (K::UnitAttention, 0x2A, 0x04, M::Reserved, R::Stop),
    (K::UnitAttention, 0x2A, 0x05, M::Reserved, R::Stop),
    (K::UnitAttention, 0x2A, 0x10, M::Notice, R::GoOn),
    (K::UnitAttention, 0x2A, 0x11, M::Changed, R::Restart),
    (K::UnitAttention, 0x2A, 0x12, M::Changed, R::Restart),
    (K::DataProtect, 0x2A, 0x13, M::Encrypted, R::Key),
    (K::UnitAttention, 0x2A, 0x14, M::Notice, R::GoOn),
    (K::UnitAttention, 0x2F, 0x00, M::Changed, R::Retry),
    (K::UnitAttention, 0x3B, 0x13, M::Changed, R::Restart),
    (K::UnitAttention, 0x3F, 0x01, M::Changed, R::Restart),
    (K::UnitAttention, 0x3F, 0x02, M::Changed, R::Restart),
    (K::UnitAttention, 0x3F, 0x03, M::Changed, R::Restart),
    (K::UnitAttention, 0x3F, 0x05, M::Changed, R::Restart),
    (K::UnitAttention, 0x3F, 0x0E, M::Changed, R::Restart),
    (K::UnitAttention, 0x5A, 0x01, M::Notice, R::Stop),
];

/// What no table has falls back to its key, and a harmless code does not make a failure
/// harmless.
#[rustfmt::skip]
const FALLBACKS: &[Row] = &[
    (K::DataProtect, 0x99, 0x99, M::WriteProtected, R::Operator),
    (K::UnitAttention, 0x99, 0x01, M::Changed, R::Restart),
    (K::NotReady, 0x99, 0x01, M::NotReady, R::Operator),
    (K::MediumError, 0x99, 0x01, M::Medium, R::Clean),
    (K::HardwareError, 0x99, 0x01, M::Hardware, R::OtherDrive),
    (K::IllegalRequest, 0x99, 0x01, M::Unsupported, R::Without),
    (K::AbortedCommand, 0x99, 0x01, M::Transient, R::Retry),
    (K::HardwareError, 0x3B, 0x0E, M::SourceEmpty, R::Survey),
    (K::MediumError, 0x17, 0x01, M::Medium, R::Clean),
    (K::NotReady, 0x82, 0x82, M::NotReady, R::Operator),
];

#[test]
fn every_known_condition_has_its_meaning_what_helps_and_a_sentence() {
    let tables = [
        ENDS_AND_READINESS,
        MEDIUM_AND_DRIVE,
        REQUESTS,
        ATTENTIONS,
        FALLBACKS,
    ];
    for &(key, asc, ascq, meaning, reaction) in tables.into_iter().flatten() {
        let sense = Sense::parse(&Sense::fixed(key, asc, ascq)).unwrap();
        let found = (sense.meaning(), sense.reaction());
        assert_eq!(found, (meaning, reaction), "{sense}");
        assert!(sense.to_string().len() > "( 3/0C/00)".len(), "{sense}");
    }
}
