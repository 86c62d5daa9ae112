//! What a changer reports and moves, and what it calls what goes wrong.

use crate::bench::{Bench, NOWHERE, Trace};
use tape_sim::library::{Library, LibrarySpec};
use tapewright::changer::{
    Changer, ChangerErrorKind, ElementAddress, ElementKind, Inventory, MediumType,
};
use tapewright::scsi::opcode;
use tapewright::scsi::sense::{Sense, SenseKey};
use tapewright::transport::fault::{Fault, Faults, Injector};
use tapewright::transport::sim::SimTransport;
use tapewright::transport::{Status, TransportErrorKind};

fn addresses(inventory: &Inventory, kind: ElementKind) -> Vec<ElementAddress> {
    inventory
        .of_kind(kind)
        .map(|element| element.address)
        .collect()
}

fn traced(bench: &Bench) -> (Changer, Faults, Trace) {
    let faults = Faults::new();
    let transport = SimTransport::changer(bench.path()).unwrap();
    let trace = Trace::default();
    let injector = Injector::new(Box::new(transport), &faults);
    let mut changer = Changer::open(Box::new(trace.recorder(Box::new(injector)))).unwrap();
    changer.inventory().unwrap();
    trace.clear();
    (changer, faults, trace)
}

fn sense(key: SenseKey, asc: u8, ascq: u8) -> Fault {
    Fault::Sense(Sense::fixed(key, asc, ascq))
}

#[test]
fn an_inventory_tells_what_is_where() {
    let bench = Bench::new();
    let inventory = bench.changer().inventory().unwrap();
    let barcodes: Vec<_> = inventory
        .of_kind(ElementKind::Storage)
        .map(|element| element.barcode.as_deref())
        .collect();
    assert_eq!(
        barcodes,
        [Some("SIM001L9"), Some("SIM002L9"), None, Some("CLNU01CU")]
    );
    assert_eq!(addresses(&inventory, ElementKind::ImportExport).len(), 1);
    assert_eq!(addresses(&inventory, ElementKind::Transport).len(), 1);
    let cleaning = inventory.find("CLNU01CU").unwrap();
    assert!(cleaning.is_cleaning());
    assert!(!inventory.find("SIM001L9").unwrap().is_cleaning());
    let serial = Library::open(bench.path()).unwrap().drive_serial(0);
    let drive = inventory.drive(&serial).unwrap();
    assert_eq!((drive.kind, drive.full), (ElementKind::Drive, false));
}

#[test]
fn a_moved_cartridge_is_where_it_was_put_and_knows_where_it_came_from() {
    let bench = Bench::new();
    let mut changer = bench.changer();
    let inventory = changer.inventory().unwrap();
    let slots = addresses(&inventory, ElementKind::Storage);
    let drive = addresses(&inventory, ElementKind::Drive)[0];
    changer.move_medium(slots[1], drive).unwrap();
    let inventory = changer.inventory().unwrap();
    let element = inventory.at(drive).unwrap();
    assert_eq!(element.barcode.as_deref(), Some("SIM002L9"));
    assert_eq!(element.source, Some(slots[1]));
    assert_eq!(element.medium_type, MediumType::Data);
    assert!(!inventory.at(slots[1]).unwrap().full);
}

#[test]
fn a_move_that_cannot_be_is_named_by_its_cause() {
    let bench = Bench::new();
    let _drive = bench.ready_drive();
    let mut changer = bench.changer();
    let inventory = changer.inventory().unwrap();
    let slots = addresses(&inventory, ElementKind::Storage);
    let drive = addresses(&inventory, ElementKind::Drive)[0];
    for (from, to, kind) in [
        (slots[2], slots[0], ChangerErrorKind::SourceEmpty),
        (slots[1], slots[3], ChangerErrorKind::DestinationFull),
        (slots[1], NOWHERE, ChangerErrorKind::NoSuchElement),
        (drive, slots[0], ChangerErrorKind::DriveHoldsMedium),
    ] {
        let error = changer.move_medium(from, to).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(error.elements, Some((from, to)));
    }
    let after = changer.inventory().unwrap();
    assert_eq!(after, inventory);
}

#[test]
fn a_move_is_never_sent_twice_but_looking_is() {
    let bench = Bench::new();
    let (mut changer, faults, trace) = traced(&bench);
    let slots = addresses(&changer.inventory().unwrap(), ElementKind::Storage);
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
        let error = changer.move_medium(slots[0], slots[2]).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(trace.commands(), ["MOVE MEDIUM"]);
    }
    let looks = |cdb: &[u8]| cdb[0] == opcode::READ_ELEMENT_STATUS;
    faults.on_nth(1, looks, sense(K::UnitAttention, 0x28, 0x01));
    faults.on_nth(3, looks, sense(K::AbortedCommand, 0x47, 0x00));
    changer.inventory().unwrap();
    assert_eq!(faults.pending(), 0);
}

#[test]
fn a_library_that_tells_less_is_asked_for_less() {
    let bench = Bench::new();
    let (mut changer, faults, _) = traced(&bench);
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
    assert_eq!(without_ids.find("SIM001L9"), whole.find("SIM001L9"));

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
    let bench = Bench::new();
    let (mut changer, faults, _) = traced(&bench);
    let busy = || sense(SenseKey::NotReady, 0x04, 0x01);
    let looks = |cdb: &[u8]| cdb[0] == opcode::READ_ELEMENT_STATUS;
    faults.on_nth(1, looks, busy());
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
fn a_drive_is_no_changer() {
    let bench = Bench::new();
    let error = Changer::open(Box::new(bench.drive_transport())).unwrap_err();
    assert_eq!(error.kind, ChangerErrorKind::Unsupported);
    assert!(error.what.contains("TAPESIM"), "{error}");
}
