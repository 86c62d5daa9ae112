//! Replies of real hardware, byte for byte, from the set-up that gives their values.
//!
//! Captured from an HPE LTO-9 drive, an LTO-5 drive and an MSL3040 library; serial numbers had been
//! removed. `..` stands for a byte that cannot be equal, and each such case says why.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::*;
use tape_sim::generation::Generation;
use tape_sim::library::{Library, LibrarySpec};
use tape_sim::target::{Data, Target};

const MB: u64 = 1_000_000;

/// One captured reply.
struct Capture {
    name: &'static str,
    cdb: Vec<u8>,
    /// Hexadecimal digits, `..` for a masked byte; more may follow only if the text ends in `*`.
    bytes: &'static str,
    /// Why bytes are masked; empty if none is.
    mask: &'static str,
}

/// Compares a reply with captured bytes.
fn assert_captured(reply: &[u8], name: &str, bytes: &str) {
    let digits: String = bytes.split_whitespace().collect();
    let (digits, open) = match digits.strip_suffix('*') {
        Some(digits) => (digits, true),
        None => (digits.as_str(), false),
    };
    assert!(
        digits.is_ascii() && digits.len() % 2 == 0,
        "{name}: the table is wrong"
    );
    let captured: Vec<_> = (0..digits.len() / 2)
        .map(|at| &digits[2 * at..2 * at + 2])
        .collect();
    assert!(reply.len() >= captured.len(), "{name}: {reply:02X?}");
    assert!(
        open || reply.len() == captured.len(),
        "{name}: {reply:02X?}"
    );
    for (at, (byte, expected)) in reply.iter().zip(captured).enumerate() {
        if expected != ".." {
            assert_eq!(
                format!("{byte:02X}"),
                expected,
                "{name}: byte {at} of {reply:02X?}"
            );
        }
    }
}

fn check(bench: &mut Bench, captures: &[Capture]) {
    for capture in captures {
        let reply = bench.reply(&capture.cdb, 8192);
        assert_captured(&reply, capture.name, capture.bytes);
        let masked = capture.bytes.contains("..") || capture.bytes.ends_with('*');
        assert_eq!(
            masked,
            !capture.mask.is_empty(),
            "{}: a mask needs a reason",
            capture.name
        );
    }
}

/// One drive and cartridges of full size.
fn full_size(generation: Generation, capacity_bytes: Option<u64>) -> LibrarySpec {
    LibrarySpec {
        generation,
        capacity_bytes,
        ..small()
    }
}

/// An LTO-9 drive with a cartridge of which exactly `used_bytes` of tape are recorded. The map is
/// made here: writing terabytes by command would take hours.
fn lto9_recorded(used_bytes: u64) -> Bench {
    const HEADER_BYTES: usize = 16;
    const ZEROS: u8 = 3;
    const LONGEST: u64 = 0xFF_FFFF;
    const OVERHEAD: u64 = 4;
    let mut bench = Bench::cold(&full_size(Generation::Lto9, None));
    let path = bench
        .library
        .dir()
        .join("cartridges")
        .join(TAPE)
        .join("p0.map");
    let mut map = std::fs::read(&path).unwrap();
    assert_eq!(map.len(), HEADER_BYTES, "a blank tape");
    let mut position = 0;
    while position < used_bytes {
        let left = used_bytes - position;
        // The last but one leaves room for a block of at least one byte.
        let step = if left > LONGEST + 2 * OVERHEAD {
            LONGEST
        } else {
            left.min(LONGEST + OVERHEAD) - OVERHEAD
        };
        map.push(ZEROS);
        map.extend_from_slice(&step.to_be_bytes()[5..]);
        map.extend_from_slice(&position.to_be_bytes()[2..]);
        map.extend_from_slice(&[0; 6]);
        position += step + OVERHEAD;
    }
    std::fs::write(&path, map).unwrap();
    bench.put(Some(TAPE));
    bench.settle();
    bench
}

const fn inquiry(evpd: u8, page: u8) -> [u8; 6] {
    [0x12, evpd, page, 0x10, 0, 0]
}

const fn mode_sense(page: u8) -> [u8; 10] {
    [0x5A, 0, page, 0, 0, 0, 0, 0x10, 0, 0]
}

const fn log_sense(page: u8) -> [u8; 10] {
    [0x4D, 0, 0x40 | page, 0, 0, 0, 0, 0x10, 0, 0]
}

#[test]
fn an_lto_9_with_a_cartridge() {
    let mut bench = Bench::with(&full_size(Generation::Lto9, None));
    check(
        &mut bench,
        &[
            Capture {
                name: "INQUIRY",
                cdb: inquiry(0, 0).to_vec(),
                bytes: "01 80 06 12 41 01 10 02 *",
                mask: "behind these bytes, the product's own names",
            },
            Capture {
                name: "VPD 80h",
                cdb: inquiry(1, 0x80).to_vec(),
                bytes: "01 80 00 0A .. .. .. .. .. .. .. .. .. ..",
                mask: "the serial number",
            },
            Capture {
                name: "mode page 0Ah",
                cdb: mode_sense(0x0A).to_vec(),
                bytes: "00 1A 98 10 00 00 00 08 60 00 00 00 00 00 00 00
                    0A 0A 00 01 00 00 00 00 FF FF 00 00",
                mask: "",
            },
            Capture {
                name: "mode page 0Fh",
                cdb: mode_sense(0x0F).to_vec(),
                bytes: "00 1E 98 10 00 00 00 08 60 00 00 00 00 00 00 00
                    0F 0E C0 80 00 00 00 FF 00 00 00 FF 00 00 00 00",
                mask: "",
            },
            Capture {
                name: "mode page 10h",
                cdb: mode_sense(0x10).to_vec(),
                bytes: "00 1E 98 10 00 00 00 08 60 00 00 00 00 00 00 00
                    .. 0E 00 00 00 00 01 2C 40 00 10 00 00 00 01 90",
                mask: "PS: the simulated drive cannot save parameters",
            },
            Capture {
                name: "mode page 1Ch",
                cdb: mode_sense(0x1C).to_vec(),
                bytes: "00 1A 98 10 00 00 00 08 60 00 00 00 00 00 00 00
                    1C 0A 08 04 00 00 00 00 00 00 00 00",
                mask: "",
            },
            Capture {
                name: "log page 11h",
                cdb: log_sense(0x11).to_vec(),
                bytes: "11 00 00 0E 0000 43 04 31 17 00 00 0001 43 02 01 F4",
                mask: "",
            },
        ],
    );
    let version_descriptors = &bench.reply(&inquiry(0, 0), 255)[58..];
    let captured = "00A2 0C28 0460 0520 0A28 0502";
    assert_captured(version_descriptors, "version descriptors", captured);
}

#[test]
fn an_lto_9_without_a_cartridge() {
    let mut bench = Bench::cold(&full_size(Generation::Lto9, None));
    bench.none(&TUR);
    let reply = bench.reply(&mode_sense(0x0F), 255);
    assert_captured(
        &reply,
        "mode header",
        "001E 00 10 00 00 0008 00 000000 00 000000 *",
    );
}

#[test]
fn vpd_pages_of_an_lto_9() {
    let mut bench = Bench::with(&full_size(Generation::Lto9, None));
    let listed = bench.reply(&inquiry(1, 0), 255);
    let captured = [
        0x00, 0x03, 0x80, 0x83, 0x86, 0x87, 0x88, 0x90, 0xB0, 0xB1, 0xB3, 0xB4, 0xB5, 0xC0, 0xC1,
        0xC2, 0xC3, 0xC7, 0xC8, 0xCC, 0xD0, 0xE0, 0xE1,
    ];
    // ASCII information and the vendor's pages tell of firmware, which a simulated drive has none
    // of.
    let own = |page: &u8| !matches!(page, 0x03 | 0xC0..);
    for page in captured.iter().filter(|page| own(page)) {
        assert!(listed[4..].contains(page), "{page:02X}h is not listed");
        let reply = bench.reply(&inquiry(1, *page), 255);
        assert_eq!(reply[1], *page);
        assert_eq!(usize::from(reply[3]), reply.len() - 4, "{page:02X}h");
    }
    let reply = bench.reply(&inquiry(1, 0x83), 255);
    let order = "01 83 00 .. 02 01 00 22".to_owned()
        + &" ..".repeat(34)
        + "01 03 00 08"
        + &" ..".repeat(8)
        + "61 94 00 04 00 00 00 01 61 93 00 08"
        + &" ..".repeat(8)
        + "61 A3 00 08"
        + &" ..".repeat(8);
    assert_captured(&reply, "designators", &order);
    let (unit, port, device) = (&reply[46..54], &reply[66..74], &reply[78..86]);
    assert_eq!(unit, device);
    let number = |naa: &[u8]| u64::from_be_bytes(naa.try_into().unwrap());
    assert_eq!(number(port), number(unit) + 1);
}

#[test]
fn write_errors_of_an_lto_9() {
    let mut bench = Bench::with(&full_size(Generation::Lto9, None));
    let mut left = 0x0359_FD00;
    while left > 0 {
        let block = left.min(1 << 23);
        assert_eq!(bench.write(&vec![0; block]), "good");
        left -= block;
    }
    let captured = "02 00 00 4E 0000 40 04 00000000 0001 40 04 00000000 0002 40 04 00000000
        0003 40 04 00000000 0004 40 04 00000000 0005 40 06 00000359FD00 0006 40 04 00000000
        8000 40 08 0000000000000000 8001 40 04 00000000";
    assert_captured(
        &bench.reply(&log_sense(0x02), 255),
        "log page 02h",
        captured,
    );
}

#[test]
fn no_alert_on_an_lto_9() {
    let mut bench = Bench::with(&full_size(Generation::Lto9, None));
    let flags = (1..=64).map(|code| format!("{code:04X} C0 01 00 "));
    let captured = "2E 00 01 40 ".to_owned() + &String::from_iter(flags);
    assert_captured(
        &bench.reply(&log_sense(0x2E), 512),
        "log page 2Eh",
        &captured,
    );
}

#[test]
fn capacities_of_an_lto_9_in_use() {
    const CAPACITY: u64 = 18_000_000 * MB;
    check(
        &mut lto9_recorded(CAPACITY - 0x009E_4EEF * MIB),
        &[Capture {
            name: "log page 31h",
            cdb: log_sense(0x31).to_vec(),
            bytes: "31 00 00 20 0001 C0 04 009E4EEF 0002 C0 04 00000000
                0003 C0 04 0105EF39 0004 C0 04 00000000",
            mask: "",
        }],
    );
    check(
        &mut lto9_recorded(0x006C_F716 * MB),
        &[Capture {
            name: "log page 0Ch",
            cdb: log_sense(0x0C).to_vec(),
            bytes:
                "0C 00 00 .. 0000 40 08 .. .. .. .. .. .. .. .. 0001 40 08 .. .. .. .. .. .. .. ..
                0002 40 08 .. .. .. .. .. .. .. .. 0003 40 08 .. .. .. .. .. .. .. ..
                0004 40 04 006CF716 0005 40 04 0112A880 0006 40 04 00000031
                0007 40 04 .. .. .. .. 0008 40 04 .. .. .. .. 0100 40 08 0000000000000000",
            mask: "traffic; a position that is known here; this drive's larger buffer; 32 bytes \
                of vendor parameters behind",
        }],
    );
}

#[test]
fn volume_statistics_of_an_lto_9_in_use() {
    let mut bench = lto9_recorded(0x006C_F70D * MB);
    // Remaining, 0204h, was 00A5FF93 in the capture: the drive reckons with more than the nominal
    // capacity.
    let captured = [
        "0016 43 04 0112A880",
        "0017 43 04 006CF70D",
        "0045 41 09 4C 54 4F 4C 39 47 39 20 20",
        "0202 43 08 07000000 0112A880",
        "0203 43 08 07000000 006CF70D",
        "0204 43 08 07000000 .. .. .. ..",
    ];
    for bytes in captured {
        let [high, low] = u16::from_str_radix(&bytes[..4], 16).unwrap().to_be_bytes();
        let cdb = [0x4D, 0, 0x40 | 0x17, 0, 0, high, low, 0x10, 0, 0];
        let page = bench.reply(&cdb, 4096);
        let first = 4 + 4 + usize::from(page[7]);
        assert_captured(&page[4..first], bytes, bytes);
    }
}

#[test]
fn the_density_of_a_cartridge_in_an_lto_5() {
    let spec = full_size(Generation::Lto5, Some(1_541_438 * MB));
    let mut bench = Bench::cold(&spec);
    bench.put(Some("SIM001L5"));
    bench.settle();
    let captured = "0036 0000 58 58 A0 0000 003B26 007F 0500 0017853E 4C544F2D43564520
        552D353136202020 556C747269756D20352F31365420202020202020";
    let reply = bench.reply(&[0x44, 1, 0, 0, 0, 0, 0, 1, 0, 0], 256);
    assert_captured(&reply, "REPORT DENSITY SUPPORT", captured);
}

#[test]
fn a_library_with_two_drives_and_forty_slots() {
    let spec = LibrarySpec {
        drives: 2,
        slots: 40,
        mail_slots: 0,
        ..small()
    };
    let dir = tempfile::TempDir::new().unwrap();
    let library = Library::create(&dir.path().join("library"), &spec).unwrap();
    let mut changer = library.changer().unwrap();
    changer.execute(&TUR, Data::None);
    // The cartridges that the captured library had in its drives, from the slots they came from.
    for (slot, drive) in [(0x0Au8, 1), (0x08, 2)] {
        let cdb = [0xA5, 0, 0, 0, 0x04, slot, 0, drive, 0, 0, 0, 0];
        assert_eq!(outcome(&changer.execute(&cdb, Data::None)), "good");
    }
    let mut reply = |cdb: &[u8]| {
        let mut buffer = vec![0; 8192];
        let completion = changer.execute(cdb, Data::In(&mut buffer));
        assert_eq!(outcome(&completion), "good", "{cdb:02X?}");
        buffer.truncate(completion.transferred_bytes);
        buffer
    };
    let inquiry = reply(&inquiry(0, 0));
    assert_captured(&inquiry, "INQUIRY", "08 80 05 02 45 00 11 02 *");
    assert_eq!(inquiry.len(), 74);

    let drives = reply(&[0xB8, 0x14, 0, 0, 0xFF, 0xFF, 1, 0, 0x20, 0, 0, 0]);
    // Masked: volume tag and designator, which name this library's own.
    let captured = "00 01 00 02 00 00 00 B4 04 80 00 56 00 00 00 AC
        00 01 09 00 00 00 00 00 00 81 04 0A"
        .to_owned()
        + &" ..".repeat(36)
        + "02 01 00 22 *";
    assert_captured(&drives, "drives with tags and identifiers", &captured);

    let all = reply(&[0xB8, 0x10, 0, 0, 0xFF, 0xFF, 0, 0, 0x20, 0, 0, 0]);
    let captured = "00 00 00 2B 00 00 08 D4 01 80 00 34 00 00 00 34 *";
    assert_captured(&all, "all elements", captured);

    let page = reply(&[0x1A, 0x08, 0x1D, 0, 0xFF, 0]);
    // Masked: the medium type's and device-specific bytes, which the capture does not show, and PS.
    let captured = "17 .. .. 00 .. 12 0000 0001 03E9 0028 0065 0000 0001 0002 0000";
    assert_captured(&page, "mode page 1Dh", captured);
}
