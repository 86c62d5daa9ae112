//! What a changer reports and moves, and what it calls what goes wrong.

use crate::bench::{Bench, NOWHERE, Trace};
use crate::rack::{Need, Rack, empty_slots, first_bay, tapes};
use tape_sim::library::{Library, LibrarySpec};
use tapewright::changer::{Changer, ChangerErrorKind, ElementAddress, ElementKind, Inventory};
use tapewright::drive::Drive;
use tapewright::scsi::opcode;
use tapewright::scsi::sense::{Sense, SenseKey};
use tapewright::transport::fault::{Fault, Faults, Injector};
use tapewright::transport::sim::SimTransport;
use tapewright::transport::{Status, TransportErrorKind};

type Case = (&'static str, &'static [Need], fn(&Rack));

/// Each case gets a library with everything in its place and all drives empty.
pub const CASES: [Case; 8] = [
    (
        "an inventory tells what is where",
        &[],
        an_inventory_tells_what_is_where,
    ),
    (
        "every drive is named by its serial number",
        &[Need::WholeReports],
        drives_are_named_by_serial_number,
    ),
    (
        "a moved cartridge is where it was put and knows where it came from",
        &[],
        a_moved_cartridge_is_where_it_was_put,
    ),
    (
        "a move that cannot be is named by its cause",
        &[],
        an_impossible_move_is_named_by_its_cause,
    ),
    (
        "a move to nowhere is named by its cause",
        &[Need::ElementErrors],
        a_move_to_nowhere_is_named,
    ),
    (
        "a drive keeps its tape until it is unloaded",
        &[Need::Hold],
        a_drive_keeps_its_tape,
    ),
    (
        "a move is never sent twice, but looking is",
        &[],
        a_move_is_never_sent_twice,
    ),
    (
        "a library that tells less is asked for less",
        &[Need::WholeReports],
        a_library_that_tells_less_is_asked_for_less,
    ),
];

#[test]
fn the_simulated_changer_conforms() {
    for (name, _, case) in CASES {
        println!("{name}");
        case(&Rack::simulated());
    }
}

fn addresses(inventory: &Inventory, kind: ElementKind) -> Vec<ElementAddress> {
    inventory
        .of_kind(kind)
        .map(|element| element.address)
        .collect()
}

fn traced(rack: &Rack) -> (Changer, Faults, Trace) {
    let faults = Faults::new();
    let trace = Trace::default();
    let injector = Injector::new(rack.changer_transport(), &faults);
    let mut changer = Changer::open(Box::new(trace.recorder(Box::new(injector)))).unwrap();
    changer.inventory().unwrap();
    trace.clear();
    (changer, faults, trace)
}

fn sense(key: SenseKey, asc: u8, ascq: u8) -> Fault {
    Fault::Sense(Sense::fixed(key, asc, ascq))
}

fn an_inventory_tells_what_is_where(rack: &Rack) {
    let inventory = rack.changer().inventory().unwrap();
    assert!(!addresses(&inventory, ElementKind::ImportExport).is_empty());
    assert_eq!(addresses(&inventory, ElementKind::Transport).len(), 1);
    assert!(!empty_slots(&inventory).is_empty());
    let found = tapes(&inventory);
    assert!(found.len() >= 2);
    for slot in found {
        let barcode = inventory.at(slot).unwrap().barcode.clone().unwrap();
        assert_eq!(inventory.find(&barcode).unwrap().address, slot, "{barcode}");
    }
    for bay in inventory.of_kind(ElementKind::Drive) {
        assert!(!bay.full && bay.barcode.is_none());
    }
}

fn drives_are_named_by_serial_number(rack: &Rack) {
    let inventory = rack.changer().inventory().unwrap();
    for bay in inventory.of_kind(ElementKind::Drive) {
        let drive = Drive::open(rack.drive_transport(bay)).unwrap();
        let serial = &drive.identity().serial;
        assert_eq!(inventory.drive(serial).unwrap().address, bay.address);
    }
}

#[test]
fn the_simulated_inventory_has_what_was_put_there() {
    let inventory = Bench::new().changer().inventory().unwrap();
    let barcodes: Vec<_> = inventory
        .of_kind(ElementKind::Storage)
        .map(|element| element.barcode.as_deref())
        .collect();
    assert_eq!(
        barcodes,
        [Some("SIM001L9"), Some("SIM002L9"), None, Some("CLNU01CU")]
    );
    assert!(inventory.find("CLNU01CU").unwrap().is_cleaning());
    assert!(!inventory.find("SIM001L9").unwrap().is_cleaning());
}

fn a_moved_cartridge_is_where_it_was_put(rack: &Rack) {
    let mut changer = rack.changer();
    let inventory = changer.inventory().unwrap();
    let slot = tapes(&inventory)[1];
    let drive = first_bay(&inventory).address;
    let cartridge = inventory.at(slot).unwrap();
    changer.move_medium(slot, drive).unwrap();
    let inventory = changer.inventory().unwrap();
    let element = inventory.at(drive).unwrap();
    assert_eq!(element.barcode, cartridge.barcode);
    assert_eq!(element.source, Some(slot));
    assert_eq!(element.medium_type, cartridge.medium_type);
    assert!(!inventory.at(slot).unwrap().full);
}

fn an_impossible_move_is_named_by_its_cause(rack: &Rack) {
    let mut changer = rack.changer();
    let inventory = changer.inventory().unwrap();
    let (full, empty) = (tapes(&inventory), empty_slots(&inventory));
    for (from, to, kind) in [
        (empty[0], full[0], ChangerErrorKind::SourceEmpty),
        (full[1], full[0], ChangerErrorKind::DestinationFull),
    ] {
        let error = changer.move_medium(from, to).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(error.elements, Some((from, to)));
    }
    let after = changer.inventory().unwrap();
    assert_eq!(after, inventory);
}

fn a_move_to_nowhere_is_named(rack: &Rack) {
    let mut changer = rack.changer();
    let from = tapes(&changer.inventory().unwrap())[0];
    let error = changer.move_medium(from, NOWHERE).unwrap_err();
    assert_eq!(error.kind, ChangerErrorKind::NoSuchElement, "{error}");
    assert_eq!(error.elements, Some((from, NOWHERE)));
}

fn a_drive_keeps_its_tape(rack: &Rack) {
    let bay = rack.load();
    let _drive = rack.ready_drive(&bay);
    let mut changer = rack.changer();
    let inventory = changer.inventory().unwrap();
    let error = changer
        .move_medium(bay.address, empty_slots(&inventory)[0])
        .unwrap_err();
    assert_eq!(error.kind, ChangerErrorKind::DriveHoldsMedium, "{error}");
    assert_eq!(changer.inventory().unwrap(), inventory);
}

fn a_move_is_never_sent_twice(rack: &Rack) {
    let (mut changer, faults, trace) = traced(rack);
    let inventory = changer.inventory().unwrap();
    let (from, to) = (tapes(&inventory)[0], empty_slots(&inventory)[0]);
    use SenseKey as K;
    for (fault, kind) in [
        (
            sense(K::UnitAttention, 0x28, 0x01),
            ChangerErrorKind::InventoryChanged,
        ),
        (
            sense(K::HardwareError, 0x15, 0x01),
            ChangerErrorKind::Hardware,
        ),
        (
            sense(K::AbortedCommand, 0x47, 0x00),
            ChangerErrorKind::Interrupted,
        ),
        (sense(K::NotReady, 0x04, 0x03), ChangerErrorKind::NotReady),
        (
            sense(K::IllegalRequest, 0x3B, 0x11),
            ChangerErrorKind::Unreachable,
        ),
        (
            Fault::Status(Status::RESERVATION_CONFLICT),
            ChangerErrorKind::Reserved,
        ),
        (
            Fault::Lost(TransportErrorKind::TimedOut),
            ChangerErrorKind::Transport,
        ),
    ] {
        faults.on_nth(1, |cdb| cdb[0] == opcode::MOVE_MEDIUM, fault);
        trace.clear();
        let error = changer.move_medium(from, to).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(trace.commands(), ["MOVE MEDIUM"]);
    }
    let looks = |cdb: &[u8]| cdb[0] == opcode::READ_ELEMENT_STATUS;
    faults.on_nth(1, looks, sense(K::UnitAttention, 0x28, 0x01));
    faults.on_nth(3, looks, sense(K::AbortedCommand, 0x47, 0x00));
    changer.inventory().unwrap();
    assert_eq!(faults.pending(), 0);
}

fn a_library_that_tells_less_is_asked_for_less(rack: &Rack) {
    let (mut changer, faults, _) = traced(rack);
    let whole = changer.inventory().unwrap();
    let refused = || sense(SenseKey::IllegalRequest, 0x24, 0x00);
    let with_ids = |cdb: &[u8]| cdb[0] == opcode::READ_ELEMENT_STATUS && cdb[6] & 0x01 != 0;
    let with_tags = |cdb: &[u8]| cdb[0] == opcode::READ_ELEMENT_STATUS && cdb[1] & 0x10 != 0;

    faults.on_nth(1, with_ids, refused());
    let without_ids = changer.inventory().unwrap();
    assert!(
        without_ids
            .elements
            .iter()
            .all(|element| element.drive_serial.is_none())
    );
    let tape = whole.at(tapes(&whole)[0]).unwrap();
    let barcode = tape.barcode.as_deref().unwrap();
    assert_eq!(without_ids.find(barcode), Some(tape));

    faults.on_nth(1, with_tags, refused());
    let bare = changer.inventory().unwrap();
    assert!(
        bare.elements
            .iter()
            .all(|element| element.barcode.is_none())
    );
    assert_eq!(bare.elements.len(), whole.elements.len());
    assert_eq!(faults.pending(), 0);
}

#[test]
fn a_large_library_is_reported_whole() {
    let directory = tempfile::tempdir().unwrap();
    let spec = LibrarySpec {
        slots: 2300,
        cartridges: Some(1),
        ..LibrarySpec::default()
    };
    Library::create(directory.path(), &spec).unwrap();
    let transport = SimTransport::changer(directory.path()).unwrap();
    let inventory = Changer::open(Box::new(transport))
        .unwrap()
        .inventory()
        .unwrap();
    let slots = addresses(&inventory, ElementKind::Storage);
    assert_eq!(slots.len(), 2300);
    assert!(slots.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1));
}

#[test]
fn a_library_that_counts_its_cartridges_is_waited_for() {
    let rack = Rack::simulated();
    let (mut changer, faults, _) = traced(&rack);
    let busy = || sense(SenseKey::NotReady, 0x04, 0x01);
    let looks = |cdb: &[u8]| cdb[0] == opcode::READ_ELEMENT_STATUS;
    // For a moment, and for longer.
    faults.on_nth(1, looks, busy());
    changer.inventory().unwrap();
    for nth in 1..=10 {
        faults.on_nth(nth, looks, busy());
    }
    assert_eq!(
        changer.inventory().unwrap_err().kind,
        ChangerErrorKind::NotReady
    );
    faults.on_nth(1, |cdb| cdb[0] == opcode::TEST_UNIT_READY, busy());
    let mut heard = Vec::new();
    changer
        .wait_ready(std::time::Duration::from_secs(60), &mut |waiting| {
            heard.push(waiting.what.clone());
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(heard, ["becoming ready (2/04/01)"]);
    changer.prevent_removal(true).unwrap();
    changer.prevent_removal(false).unwrap();
}

#[test]
fn a_library_that_is_reset_without_end_is_not_waited_for() {
    let rack = Rack::simulated();
    let (mut changer, faults, _) = traced(&rack);
    for nth in 1..=20 {
        let reset = sense(SenseKey::UnitAttention, 0x29, 0x02);
        faults.on_nth(nth, |cdb| cdb[0] == opcode::TEST_UNIT_READY, reset);
    }
    let patience = std::time::Duration::from_secs(1800);
    let waited = changer.wait_ready(patience, &mut |_| std::ops::ControlFlow::Continue(()));
    assert_eq!(waited.unwrap_err().kind, ChangerErrorKind::Interrupted);
    assert_eq!(faults.pending(), 10);
}

#[test]
fn a_drive_is_no_changer() {
    let bench = Bench::new();
    let error = Changer::open(Box::new(bench.drive_transport())).unwrap_err();
    assert_eq!(error.kind, ChangerErrorKind::Unsupported);
    assert!(error.what.contains("TAPESIM"), "{error}");
}
