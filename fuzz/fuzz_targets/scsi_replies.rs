//! Any bytes as replies of devices: every decoder returns, and nothing it returns is larger than
//! what it was given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapewright::scsi::command_set::{CommandSet, Feature};
use tapewright::scsi::log::LogPage;
use tapewright::scsi::mode::{HeaderForm, ModeData, parse_element_addresses};
use tapewright::scsi::sense::Sense;
use tapewright::scsi::statistics::{
    self, CompressionStatistics, DeviceStatistics, ErrorCounters, Traffic, VolumeStatistics,
};
use tapewright::scsi::{
    block_limits, density, elements, encryption, inquiry, log, mam, opcodes, position, reservation,
};

fuzz_target!(|data: &[u8]| {
    let Some((&page, data)) = data.split_first() else {
        return;
    };
    fixed_replies(data);
    lists(data);
    log_page(data, page);
    sense(data);
    for form in [HeaderForm::Six, HeaderForm::Ten] {
        mode(data, form);
    }
});

fn fixed_replies(data: &[u8]) {
    let _ = block_limits::parse(data);
    let _ = inquiry::parse_standard(data);
    let _ = inquiry::parse_transport_layer_retries(data);
    let _ = inquiry::parse_write_once(data);
    let _ = position::parse_short(data);
    let _ = position::parse_long(data);
    let _ = position::parse_extended(data);
    let _ = parse_element_addresses(data);
    let _ = encryption::parse_capability(data);
    let _ = encryption::parse_status(data);
    let _ = reservation::parse_reservation(data);
}

/// Replies with lists or texts: never longer than the bytes that they came in.
fn lists(data: &[u8]) {
    let within = |items: usize| assert!(items <= data.len(), "{items} of {}", data.len());
    if let Ok(serial) = inquiry::parse_serial(data) {
        // A byte that is no ASCII becomes a mark of three.
        within(serial.chars().count());
    }
    if let Ok(pages) = inquiry::parse_page_list(data) {
        within(pages.len());
    }
    if let Ok(pages) = log::parse_page_list(data) {
        within(pages.len());
    }
    if let Ok(methods) = inquiry::parse_block_protection(data) {
        within(methods.len());
    }
    if let Ok(designators) = inquiry::parse_identification(data) {
        within(designators.len());
        designators.iter().for_each(|one| drop(one.serial()));
    }
    if let Ok(list) = density::parse_densities(data) {
        within(list.len());
        let _ = list.iter().map(|one| one.capacity_bytes()).max();
    }
    if let Ok(list) = opcodes::parse_supported(data) {
        within(list.len());
        let mut set = CommandSet::default();
        set.adopt(&list);
        let _ = set.knows(Feature::Verify);
    }
    if let Ok(status) = elements::parse_elements(data) {
        within(status.elements.len());
    }
    if let Ok(keys) = reservation::parse_keys(data) {
        within(keys.len());
    }
    let _ = encryption::parse_next_block(data);
    if let Ok(attributes) = mam::parse_attributes(data) {
        within(attributes.len());
        assert!(mam::to_parameters(&attributes).len() <= data.len() + 4);
        for attribute in &attributes {
            let _ = (attribute.text(), attribute.number());
        }
    }
}

fn log_page(data: &[u8], page: u8) {
    let Ok(log) = LogPage::parse(data, page) else {
        return;
    };
    let _ = (log.remaining_bytes(), log.maximum_bytes());
    let _ = (log.volume_serial(), log.is_calibrating());
    let _ = log.tape_alerts().iter().count();
    let errors = ErrorCounters::of(&log);
    let _ = (errors.corrected_per_mb(), errors.uncorrected_per_mb());
    let _ = Traffic::of(&log).cleaning_wanted();
    let _ = (DeviceStatistics::of(&log), CompressionStatistics::of(&log));
    if let Some(volume) = VolumeStatistics::of(&log) {
        assert!(volume.partitions.len() <= data.len());
    }
    assert!(statistics::hard_errors(&log).len() <= data.len());
}

fn sense(data: &[u8]) {
    if let Some(sense) = Sense::parse(data) {
        let _ = (sense.meaning(), sense.reaction(), sense.is_success());
        let _ = (sense.is_not_executed(), sense.to_string());
    }
}

/// What was read can be sent back, and says the same.
fn mode(data: &[u8], form: HeaderForm) {
    let Ok(mut mode) = ModeData::parse(data, form) else {
        return;
    };
    assert!(mode.to_parameters(form).len() <= data.len() + 16);
    let _ = (
        mode.compression(),
        mode.early_warning_mb(),
        mode.block_protection(),
    );
    mode.set_compression(true);
    mode.set_early_warning_mb(1);
    mode.set_block_protection(true);
    assert!(mode.to_parameters(form).len() <= data.len() + 16);
}
