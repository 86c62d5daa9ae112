//! Cartridges coming and going: becoming ready, unit attentions, protection, unfit media.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::*;
use tape_sim::generation::Generation;
use tape_sim::library::LibrarySpec;

const PREVENT: [u8; 6] = [0x1E, 0, 0, 0, 1, 0];
const ALLOW: [u8; 6] = [0x1E, 0, 0, 0, 0, 0];
const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 36, 0];
const REQUEST_SENSE: [u8; 6] = [3, 0, 0, 0, 18, 0];

#[test]
fn a_drive_wakes_up_empty_loads_by_itself_and_tells_once() {
    let mut bench = Bench::cold(&small());
    // INQUIRY passes the attention and leaves it.
    bench.reply(&INQUIRY, 36);
    assert_eq!(bench.none(&TUR), "06/29/01");
    assert_eq!(bench.none(&TUR), "02/3A/00");
    assert_eq!(bench.none(&LOAD), "02/3A/00");
    bench.put(Some(TAPE));
    assert_eq!(bench.none(&TUR), "02/04/01");
    assert_eq!(bench.poll("02/04/01"), "06/28/00");
    assert_eq!(bench.none(&TUR), "good");
    assert_eq!(bench.none(&UNLOAD), "good");
    assert_eq!(bench.none(&TUR), "02/04/02");
    assert_eq!(bench.none(&UNLOAD), "good");
    // An explicit load needs no attention.
    assert_eq!(bench.none(&LOAD), "good");
    assert_eq!(bench.none(&TUR), "good");
    assert_eq!(bench.none(&UNLOAD), "good");
    bench.put(None);
    assert_eq!(bench.none(&TUR), "02/3A/00");
}

#[test]
fn an_immediate_load_returns_before_the_tape_is_ready() {
    let mut bench = Bench::ready();
    bench.none(&UNLOAD);
    assert_eq!(bench.none(&[0x1B, 1, 0, 0, 1, 0]), "good");
    assert_eq!(bench.none(&TUR), "02/04/01");
    assert_eq!(bench.poll("02/04/01"), "good");
}

#[test]
fn load_unload_bits() {
    let mut bench = Bench::ready();
    bench.write(&[1; 10]);
    assert_eq!(bench.none(&LOAD), "good");
    assert_eq!(bench.position().object, 0);
    // EOT never; RETEN with either; HOLD unthreads and stays so.
    assert_eq!(bench.none(&[0x1B, 0, 0, 0, 5, 0]), "05/24/00");
    assert_eq!(bench.none(&[0x1B, 0, 0, 0, 3, 0]), "good");
    assert_eq!(bench.none(&[0x1B, 0, 0, 0, 8, 0]), "good");
    assert_eq!(bench.none(&[0x1B, 0, 0, 0, 9, 0]), "good");
    assert_eq!(bench.none(&TUR), "02/04/02");
    assert_eq!(bench.none(&[0x1B, 0, 0, 0, 3, 0]), "good");
    assert_eq!(bench.read(10), ("good".to_string(), vec![1; 10]));
}

#[test]
fn request_sense_reports_and_clears_an_attention() {
    let mut bench = Bench::cold(&small());
    let sense = bench.reply(&REQUEST_SENSE, 18);
    assert_eq!((sense[2], sense[12], sense[13]), (6, 0x29, 1));
    let sense = bench.reply(&REQUEST_SENSE, 18);
    assert_eq!((sense[2], sense[12], sense[13]), (0, 0, 0));
    let descriptor = bench.reply(&[3, 1, 0, 0, 255, 0], 255);
    assert_eq!(descriptor[0], 0x72);
    assert_eq!(bench.none(&TUR), "02/3A/00");
}

#[test]
fn removal_can_be_prevented() {
    let mut bench = Bench::ready();
    let state = bench.library.dir().join("drives/0/state.json");
    let hold = |field: &str| {
        let text = std::fs::read_to_string(&state).unwrap();
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        state[field].as_bool().unwrap()
    };
    assert!(hold("threaded") && !hold("prevented"));
    assert_eq!(bench.none(&PREVENT), "good");
    assert!(hold("prevented"));
    assert_eq!(bench.none(&UNLOAD), "05/53/02");
    assert_eq!(bench.none(&TUR), "good");
    bench.drive().power_cut().unwrap();
    assert!(hold("threaded") && !hold("prevented"));
    assert_eq!(bench.none(&TUR), "06/29/01");
    bench.none(&PREVENT);
    assert_eq!(bench.none(&ALLOW), "good");
    assert_eq!(bench.none(&UNLOAD), "good");
    assert!(!hold("threaded"));
    assert_eq!(bench.none(&[0x1E, 0, 0, 0, 2, 0]), "05/24/00");
}

#[test]
fn a_write_protected_cartridge_is_only_read() {
    let mut bench = Bench::ready();
    bench.write(&[1; 10]);
    bench.none(&UNLOAD);
    bench.edit(TAPE, "write_protected", true.into());
    bench.none(&LOAD);
    assert_eq!(bench.write(&[2; 10]), "07/27/00");
    assert_eq!(bench.none(&filemarks(1, false)), "07/27/00");
    assert_eq!(bench.none(&ERASE), "07/27/00");
    assert_eq!(bench.none(&filemarks(0, false)), "good");
    assert_eq!(bench.reply(&[0x1A, 0, 0, 0, 12, 0], 12)[2], 0x90);
    assert_eq!(bench.position().object, 0);
    assert_eq!(bench.read(10), ("good".to_string(), vec![1; 10]));
}

#[test]
fn a_worm_cartridge_is_only_appended_to() {
    let bench = Bench::cold(&small());
    bench.library.insert(0, "SIM900LZ", Some(64 * MIB)).unwrap();
    let mut bench = bench;
    bench.put(Some("SIM900LZ"));
    bench.settle();
    bench.write(&[1; 10]);
    bench.write(&[2; 10]);
    bench.none(&REWIND);
    assert_eq!(bench.write(&[3; 10]), "07/30/0C");
    assert_eq!(bench.none(&filemarks(1, false)), "07/30/0C");
    assert_eq!(bench.none(&ERASE), "07/30/0C");
    bench.none(&SPACE_EOD);
    assert_eq!(bench.write(&[3; 10]), "good");
    assert_eq!(bench.position().object, 3);
}

#[test]
fn media_of_other_generations() {
    // Drive, cartridge; TEST UNIT READY at last, WRITE.
    let cases = [
        (Generation::Lto9, "SIM900L8", "good", "good"),
        (Generation::Lto9, "SIM900L7", "03/30/00", "03/30/00"),
        (Generation::Lto7, "SIM900L6", "good", "good"),
        (Generation::Lto7, "SIM900L5", "good", "07/30/05"),
        (Generation::Lto7, "SIM900L8", "03/30/00", "03/30/00"),
        (Generation::Lto8, "SIM900M8", "good", "good"),
        (Generation::Lto10, "SIM900L9", "03/30/00", "03/30/00"),
    ];
    for (generation, barcode, ready, written) in cases {
        let mut bench = Bench::cold(&LibrarySpec {
            generation,
            ..small()
        });
        bench.library.insert(0, barcode, Some(64 * MIB)).unwrap();
        bench.put(Some(barcode));
        bench.none(&TUR);
        let mut answer = bench.poll("02/04/01");
        if answer == "06/28/00" {
            answer = bench.none(&TUR);
        }
        assert_eq!(answer, ready, "{generation:?} {barcode}");
        assert_eq!(bench.write(&[1; 10]), written, "{generation:?} {barcode}");
        assert_eq!(bench.none(&UNLOAD), "good", "{generation:?} {barcode}");
    }
}

#[test]
fn a_cleaning_cartridge_cleans_and_comes_out_by_itself() {
    let mut bench = Bench::cold(&small());
    bench.none(&TUR);
    bench.put(Some("CLNU01CU"));
    assert_eq!(bench.none(&TUR), "02/30/03");
    assert_eq!(bench.poll("02/30/03"), "02/04/02");
    assert_eq!(bench.write(&[1]), "02/04/02");
    bench.edit("CLNU01CU", "cleanings_left", 0.into());
    bench.put(None);
    bench.put(Some("CLNU01CU"));
    assert_eq!(bench.none(&TUR), "02/30/07");
    // Flags 0Bh (cleaning media) and 16h (expired) on log page 2Eh, which clears them.
    let raised = |bench: &mut Bench| {
        let page = bench.reply(&[0x4D, 0, 0x6E, 0, 0, 0, 0, 2, 0, 0], 512);
        let flags = page[4..].chunks_exact(5).filter(|flag| flag[4] & 1 != 0);
        flags.map(|flag| flag[1]).collect::<Vec<_>>()
    };
    assert_eq!(raised(&mut bench), [0x0B, 0x16]);
    assert!(raised(&mut bench).is_empty());
}

#[test]
fn a_damaged_cartridge_is_refused_and_can_be_taken_out() {
    type Damage = fn(&std::path::Path);
    let damages: [(&str, Damage); 6] = [
        ("no info", |dir| {
            std::fs::remove_file(dir.join("cartridge.json")).unwrap()
        }),
        ("no map", |dir| {
            std::fs::remove_file(dir.join("p0.map")).unwrap()
        }),
        ("wrong magic", |dir| {
            std::fs::write(dir.join("p0.map"), [7; 32]).unwrap()
        }),
        ("short data", |dir| {
            std::fs::write(dir.join("p0.data"), [7; 5]).unwrap()
        }),
        ("bad kind", |dir| {
            let mut map = std::fs::read(dir.join("p0.map")).unwrap();
            map[16] = 9;
            std::fs::write(dir.join("p0.map"), map).unwrap();
        }),
        ("moved object", |dir| {
            let mut map = std::fs::read(dir.join("p0.map")).unwrap();
            map[16 + 9] ^= 1;
            std::fs::write(dir.join("p0.map"), map).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let mut bench = Bench::ready();
        bench.write(&[1; 10]);
        bench.none(&UNLOAD);
        damage(&bench.library.dir().join("cartridges").join(TAPE));
        assert_eq!(bench.none(&LOAD), "03/31/00", "{name}");
        assert_eq!(bench.none(&TUR), "03/31/00", "{name}");
        assert_eq!(bench.none(&UNLOAD), "good", "{name}");
        bench.put(Some("SIM002L9"));
        bench.settle();
        assert_eq!(bench.write(&[1; 10]), "good", "{name}");
    }
}

#[test]
fn a_half_written_record_is_no_object() {
    let mut bench = Bench::ready();
    bench.write(&[1; 10]);
    bench.write(&[2; 10]);
    bench.none(&UNLOAD);
    let map = bench
        .library
        .dir()
        .join("cartridges")
        .join(TAPE)
        .join("p0.map");
    let bytes = std::fs::read(&map).unwrap();
    std::fs::write(&map, &bytes[..bytes.len() - 5]).unwrap();
    bench.none(&LOAD);
    bench.none(&SPACE_EOD);
    assert_eq!(bench.position().object, 1);
    assert_eq!(bench.write(&[3; 10]), "good");
    bench.none(&space(0, -1));
    assert_eq!(bench.read(10), ("good".to_string(), vec![3; 10]));
}
