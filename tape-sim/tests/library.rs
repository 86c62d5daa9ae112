//! Libraries on disk: making and opening them, one handle per drive, robot and drive together,
//! and the golden library of each released format.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::*;
use tape_sim::error::SimError;
use tape_sim::fault::{Flaws, Spot, write_flaws};
use tape_sim::library::{Library, LibrarySpec};
use tape_sim::smc::ChangerTarget;
use tape_sim::target::{Data, Target};
use tempfile::TempDir;

fn move_medium(source: u16, destination: u16) -> [u8; 12] {
    let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
    [0xA5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0]
}

/// The changer, its first unit attention heard.
fn awake(library: &Library) -> ChangerTarget {
    let mut changer = library.changer().unwrap();
    assert_eq!(outcome(&changer.execute(&TUR, Data::None)), "06/29/01");
    changer
}

#[test]
fn the_default_library_is_as_announced() {
    let dir = TempDir::new().unwrap();
    let library = Library::create(dir.path(), &LibrarySpec::default()).unwrap();
    assert_eq!(library.drive_count(), 2);
    assert_ne!(library.drive_serial(0), library.drive_serial(1));
    let inventory = tape_sim::inventory::read(library.dir()).unwrap();
    let barcodes: Vec<_> = inventory
        .contents()
        .map(|(_, held)| held.barcode.clone())
        .collect();
    assert_eq!(barcodes.len(), 21);
    assert_eq!(
        (barcodes[0].as_str(), barcodes[19].as_str()),
        ("SIM001L9", "SIM020L9")
    );
    assert_eq!(inventory.contents().last().unwrap().1.barcode, "CLNU01CU");
    let again = Library::open(dir.path()).unwrap();
    assert_eq!(again.drive_serial(1), library.drive_serial(1));
}

#[test]
fn a_library_is_not_made_over_something_else() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("diary.txt"), "dear").unwrap();
    let made = Library::create(dir.path(), &small());
    assert!(matches!(made, Err(SimError::Exists { .. })), "{made:?}");
    let specs = [
        LibrarySpec {
            drives: 0,
            ..small()
        },
        LibrarySpec {
            cartridges: Some(9),
            ..small()
        },
        LibrarySpec {
            capacity_bytes: Some(1000),
            ..small()
        },
    ];
    for spec in specs {
        let dir = TempDir::new().unwrap();
        let made = Library::create(dir.path(), &spec);
        assert!(
            matches!(made, Err(SimError::Spec { .. })),
            "{spec:?}: {made:?}"
        );
    }
}

#[test]
fn damaged_or_newer_files_are_named() {
    type Check = fn(&SimError) -> bool;
    let cases: [(&str, &str, Check); 4] = [
        ("library.json", "{", |e| {
            matches!(e, SimError::Format { .. })
        }),
        ("library.json", r#"{"format":9}"#, |e| {
            matches!(e, SimError::Format { .. })
        }),
        ("drives/0/state.json", "[]", |e| {
            matches!(e, SimError::Format { .. })
        }),
        ("drives/0/bay.json", "", |e| {
            matches!(e, SimError::Format { .. })
        }),
    ];
    for (file, text, expected) in cases {
        let dir = TempDir::new().unwrap();
        Library::create(dir.path(), &small()).unwrap();
        fs::write(dir.path().join(file), text).unwrap();
        let opened = Library::open(dir.path()).and_then(|library| library.drive(0));
        let error = opened.err().unwrap();
        assert!(expected(&error), "{file} {text}: {error}");
        assert!(error.to_string().contains(file), "{error}");
    }
    for file in ["library.json", "drives/0/state.json"] {
        let dir = TempDir::new().unwrap();
        let library = Library::create(dir.path(), &small()).unwrap();
        drop(library.drive(0).unwrap());
        let path = dir.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("\"format\": 2", "\"format\": 3", 1)).unwrap();
        let opened = Library::open(dir.path()).and_then(|library| library.drive(0));
        let error = opened.err().unwrap();
        assert!(
            matches!(
                error,
                SimError::Version {
                    found: 3,
                    supported: 2,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn a_drive_has_one_handle() {
    let mut bench = Bench::ready();
    let again = Library::open(bench.library.dir()).unwrap().drive(0);
    let pid = std::process::id();
    match again.err() {
        Some(SimError::DriveBusy {
            drive: 0,
            pid: Some(found),
        }) => assert_eq!(found, pid),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        bench.library.drive(1).err(),
        Some(SimError::NoSuchDrive { drive: 1 })
    ));
    bench.drop_drive();
    bench.library.drive(0).unwrap();
}

#[test]
fn robot_and_drive_agree_on_who_holds_the_cartridge() {
    let mut bench = Bench::cold(&small());
    bench.none(&TUR);
    let mut changer = awake(&bench.library);
    let mut go = |source, destination| {
        outcome(&changer.execute(&move_medium(source, destination), Data::None))
    };
    assert_eq!(go(1001, 1), "good");
    assert_eq!(bench.none(&TUR), "02/04/01");
    assert_eq!(bench.poll("02/04/01"), "06/28/00");
    assert_eq!(bench.none(&TUR), "good");
    assert_eq!(bench.write(&[1; 10]), "good");
    assert_eq!(go(1, 1001), "05/53/01");
    assert_eq!(bench.none(&[0x1E, 0, 0, 0, 1, 0]), "good");
    assert_eq!(go(1, 1001), "05/53/03");
    assert_eq!(bench.none(&[0x1E, 0, 0, 0, 0, 0]), "good");
    assert_eq!(bench.none(&UNLOAD), "good");
    assert_eq!(go(1, 1001), "good");
    assert_eq!(bench.none(&TUR), "02/3A/00");
    assert_eq!(bench.none(&LOAD), "02/3A/00");
    // The next cartridge while no process has the drive: the one after finds it.
    bench.close();
    assert_eq!(go(1002, 1), "good");
    bench.open();
    assert_eq!(bench.poll("02/04/01"), "06/28/00");
    assert_eq!(bench.read(10).0, "08/00/05 10");
    bench.close();
    assert_eq!(go(1, 1002), "05/53/01");
}

#[test]
fn a_cartridge_taken_out_comes_back_as_it_was() {
    let dir = TempDir::new().unwrap();
    let library = Library::create(dir.path(), &small()).unwrap();
    library.insert(0, "SIM700L9", Some(8 * MIB)).unwrap();
    assert!(library.insert(1, "SIM700L9", None).is_err());
    library.set_write_protected("SIM700L9", true).unwrap();
    assert_eq!(library.remove(0).unwrap(), "SIM700L9");
    library.insert(1, "SIM700L9", None).unwrap();
    let info = library.cartridge("SIM700L9").unwrap().info;
    assert!(info.write_protected);
    assert_eq!(info.partitions_bytes, [8 * MIB]);
    for barcode in ["", "../escape", "SIM 01L9", "SIM001XX"] {
        assert!(library.insert(0, barcode, None).is_err(), "{barcode:?}");
        assert!(library.cartridge(barcode).is_err(), "{barcode:?}");
    }
}

/// The program's output and its exit code.
fn tape_sim(args: &[&str], input: &[u8]) -> (Vec<u8>, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tape-sim"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.stdout, output.status.code().unwrap())
}

#[test]
fn the_program_serves_a_library_across_processes() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path().join("library");
    let dir = dir.to_str().unwrap();
    let create = [
        "create",
        dir,
        "--slots",
        "2",
        "--drives",
        "1",
        "--capacity-mib",
        "64",
    ];
    assert_eq!(tape_sim(&create, &[]).1, 0);
    assert_eq!(tape_sim(&create, &[]).1, 1);
    let exec = |args: &[&str], input: &[u8]| {
        let mut all = vec!["exec", dir];
        all.extend_from_slice(args);
        tape_sim(&all, input)
    };
    assert_eq!(exec(&["changer", "000000000000"], &[]).1, 2);
    assert_eq!(
        exec(&["changer", "A5 0000 00 03E9 0001 00 00 00 00"], &[]).1,
        0
    );
    // 29/01, 04/01 while 17 s pass, 28/00: each process hears the next.
    let ready: Vec<_> = (0..7)
        .map(|_| exec(&["0", "000000000000"], &[]).1)
        .collect();
    assert_eq!(ready, [2, 2, 2, 2, 2, 2, 0]);
    assert_eq!(exec(&["0", "0A0000000500", "--out"], b"hello").1, 0);
    assert_eq!(exec(&["0", "010000000000"], &[]).1, 0);
    let read = exec(&["0", "080000000500", "--in", "5"], &[]);
    assert_eq!(read, (b"hello".to_vec(), 0));
    let (status, _) = tape_sim(&["status", dir], &[]);
    assert!(
        String::from_utf8(status)
            .unwrap()
            .contains("SIM001L9 threaded")
    );
    let (info, _) = tape_sim(&["cartridge", dir, "SIM001L9"], &[]);
    assert!(
        String::from_utf8(info)
            .unwrap()
            .contains("1 objects, 0 filemarks, 9 of 67108864")
    );
    for bad in [
        &["exec", dir, "0", "0"][..],
        &["exec", dir, "7", "00"],
        &["status"],
        &[],
    ] {
        assert_eq!(tape_sim(bad, &[]).1, 1, "{bad:?}");
    }
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn golden_libraries_of_every_released_format_are_read() {
    let listed = ["format-1", "format-2"];
    let found = fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut found: Vec<_> = found.map(|name| name.into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, listed);
    for name in listed {
        let dir = TempDir::new().unwrap();
        copy(&golden().join(name), dir.path());
        check_golden(dir.path());
        if name != "format-1" {
            check_second_cartridge(dir.path());
        }
    }
}

/// Block of 1000 bytes AA, mark, 1 MiB of zeros, mark, mark, the text; drive 0 holds it at
/// object 2.
fn check_golden(dir: &Path) {
    let library = Library::open(dir).unwrap();
    assert_eq!(library.drive_serial(0), "0000601D00");
    let mut drive = library.drive(0).unwrap();
    let mut run = |cdb: &[u8], len: usize| {
        let mut data = vec![0; len];
        let completion = drive.execute(cdb, Data::In(&mut data));
        data.truncate(completion.transferred_bytes);
        (outcome(&completion), data)
    };
    let good = |data: Vec<u8>| ("good".to_string(), data);
    // Encryption set for all hosts is gone with the power, which is told first.
    if run(&TUR, 0).0 != "good" {
        assert_eq!(run(&TUR, 0), good(vec![]));
    }
    assert_eq!(run(&read(0, 1 << 20), 1 << 20), good(vec![0; 1 << 20]));
    assert_eq!(run(&read(0, 1), 1).0, "00/00/01 FM 1");
    assert_eq!(run(&read(0, 1), 1).0, "00/00/01 FM 1");
    assert_eq!(run(&read(0, 11), 11), good(b"golden tape".to_vec()));
    assert_eq!(run(&read(0, 1), 1).0, "08/00/05 1");
    assert_eq!(run(&REWIND, 0), good(vec![]));
    assert_eq!(run(&read(0, 1000), 1000), good(vec![0xAA; 1000]));
    let pool = [0x8C, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x01, 0, 0, 0, 41, 0, 0];
    assert!(
        run(&pool, 41)
            .1
            .ends_with(b"GOLDEN                          ")
    );
}

/// Set Data Encryption: encrypts and decrypts with a key of 42h, for all initiators.
fn golden_key() -> Vec<u8> {
    let mut page = vec![0x42; 52];
    let head = [0, 0x10, 0, 48, 0x40, 0, 2, 2, 1];
    page[..20].fill(0);
    page[..head.len()].copy_from_slice(&head);
    page[19] = 32;
    page
}

const SET_KEY: [u8; 12] = [0xB5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 52, 0, 0];
const TO_PARTITION_1: [u8; 10] = [0x2B, 2, 0, 0, 0, 0, 0, 0, 1, 0];

/// The second cartridge instead of the first, or back.
fn exchange(bench: &mut Bench, changer: &mut ChangerTarget, out: u16, into: u16) {
    assert_eq!(bench.none(&UNLOAD), "good");
    for (from, to) in [(1, out), (into, 1)] {
        let moved = changer.execute(&move_medium(from, to), Data::None);
        assert_eq!(outcome(&moved), "good");
    }
    bench.settle();
}

/// In partition 0 a block and one on a flaw, in partition 1 an encrypted block.
fn check_second_cartridge(dir: &Path) {
    let library = Library::open(dir).unwrap();
    let mut changer = library.changer().unwrap();
    let mut bench = Bench::over(library);
    exchange(&mut bench, &mut changer, 1001, 1002);
    assert_eq!(
        bench.read(12),
        ("good".to_string(), b"golden index".to_vec())
    );
    assert_eq!(bench.read(6).0, "03/11/00 6");
    assert_eq!(bench.none(&TO_PARTITION_1), "good");
    assert_eq!(bench.read(13).0, "07/74/01 13");
    assert_eq!(bench.send(&SET_KEY, &golden_key()), "good");
    assert_eq!(
        bench.read(13),
        ("good".to_string(), b"golden secret".to_vec())
    );
    assert_eq!(bench.read(1).0, "08/00/05 1");
}

fn write_second_cartridge(bench: &mut Bench) {
    let equal_parts = |page: &mut [u8]| {
        page[3] = 1;
        page[4] = 0x40 | page[4] & 0x1F;
    };
    assert_eq!(bench.change_page(0x11, 0, equal_parts), "good");
    assert_eq!(bench.none(&[0x04, 0, 1, 0, 0, 0]), "good");
    assert_eq!(bench.write(b"golden index"), "good");
    assert_eq!(bench.write(b"flawed"), "good");
    assert_eq!(bench.none(&TO_PARTITION_1), "good");
    assert_eq!(bench.send(&SET_KEY, &golden_key()), "good");
    assert_eq!(bench.write(b"golden secret"), "good");
    let mut no_key = golden_key()[..20].to_vec();
    (no_key[3], no_key[19]) = (16, 0);
    no_key[6..8].fill(0);
    let mut set = SET_KEY;
    set[9] = 20;
    assert_eq!(bench.send(&set, &no_key), "good");
}

/// Writes the golden library of the current format; run once per format, with `--ignored`.
#[test]
#[ignore = "makes the golden library"]
fn make_golden() {
    let dir = golden().join("format-2");
    let spec = LibrarySpec {
        slots: 3,
        cartridges: Some(2),
        seed: Some(0x601D),
        mail_slots: 1,
        ..small()
    };
    let library = Library::create(&dir, &spec).unwrap();
    let mut changer = awake(&library);
    assert_eq!(changer.execute(&move_medium(1002, 1), Data::None).status, 0);
    let mut bench = Bench::over(library);
    bench.settle();
    write_second_cartridge(&mut bench);
    exchange(&mut bench, &mut changer, 1002, 1001);
    let zeros = vec![0; 1 << 20];
    let mut name = [0, 0, 0, 37, 0x08, 0x01, 0x01, 0, 32].to_vec();
    name.extend_from_slice(b"GOLDEN                          ");
    let attribute = [0x8D, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0];
    let steps: [(&[u8], &[u8]); 7] = [
        (&write(false, 1000), &[0xAA; 1000]),
        (&filemarks(1, true), &[]),
        (&write(false, 1 << 20), &zeros),
        (&filemarks(2, true), &[]),
        (&write(false, 11), b"golden tape"),
        (&attribute, &name),
        (&locate10(2), &[]),
    ];
    for (cdb, data) in steps {
        assert_eq!(bench.send(cdb, data), "good");
    }
    bench.close();
    let mut flaws = Flaws::default();
    flaws.unreadable.push(Spot {
        partition: 0,
        objects: [1, 1],
    });
    write_flaws(&dir.join("cartridges/SIM002L9"), &flaws).unwrap();
}
