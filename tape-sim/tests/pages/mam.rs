//! The cartridge memory: attributes on the wire and in their file.

use crate::refusal;
use proptest::prelude::*;
use tape_sim::error::SimError;
use tape_sim::mam::{Birth, Mam, id};
use tempfile::TempDir;

fn chip() -> Mam {
    Mam::new(&Birth {
        density: Some(0x60),
        worm: false,
        serial: "0123456789",
        manufacturer: "TAPESIM",
        date: "20250101",
        capacity_mb: 18_000_000,
    })
}

fn read_cdb(action: u8, partition: u8, first: u16) -> [u8; 16] {
    let [high, low] = first.to_be_bytes();
    [
        0x8C, action, 0, 0, 0, 0, 0, partition, high, low, 0, 1, 0, 0, 0, 0,
    ]
}

const WRITE: [u8; 16] = [0x8D, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0];

fn attribute(id: u16, encoding: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.push(encoding);
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes
}

/// A parameter list whose length does not count itself.
fn list(attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = attributes.concat();
    let mut list = (body.len() as u32).to_be_bytes().to_vec();
    list.extend(body);
    list
}

fn padded(text: &str, len: usize) -> Vec<u8> {
    format!("{text:len$}").into_bytes()
}

/// Identifier, flags and value of each attribute in a reply of service action 0.
fn values(mam: &Mam, partition: u8, first: u16) -> Vec<(u16, u8, Vec<u8>)> {
    let reply = mam.read_attribute(&read_cdb(0, partition, first)).unwrap();
    assert_eq!(reply[..4], ((reply.len() - 4) as u32).to_be_bytes());
    let (mut rest, mut found) = (&reply[4..], Vec::new());
    while !rest.is_empty() {
        let end = 5 + usize::from(rest[3]) * 256 + usize::from(rest[4]);
        found.push((
            u16::from_be_bytes([rest[0], rest[1]]),
            rest[2],
            rest[5..end].to_vec(),
        ));
        rest = &rest[end..];
    }
    assert!(found.is_sorted_by_key(|(id, _, _)| *id));
    found
}

fn value(mam: &Mam, id: u16) -> Option<Vec<u8>> {
    values(mam, 0, id)
        .into_iter()
        .find(|(found, _, _)| *found == id)
        .map(|(_, _, value)| value)
}

fn ids(mam: &Mam, action: u8, first: u16) -> Vec<u16> {
    let reply = mam.read_attribute(&read_cdb(action, 0, first)).unwrap();
    assert_eq!(reply[..4], ((reply.len() - 4) as u32).to_be_bytes());
    reply[4..]
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect()
}

#[test]
fn a_new_chip_holds_what_the_factory_writes() {
    let mam = chip();
    let cases: [(u16, u8, &[u8]); 12] = [
        (0x0000, 0x80, &18_000_000u64.to_be_bytes()),
        (0x0001, 0x80, &18_000_000u64.to_be_bytes()),
        (0x0003, 0x80, &[0; 8]),
        (0x0005, 0x81, b"LTO-CVE "),
        (0x0006, 0x80, &[0x60]),
        (0x0009, 0x80, &[0; 4]),
        (0x0224, 0x80, &[0xFF; 8]),
        (0x0400, 0x81, b"TAPESIM "),
        (0x0401, 0x81, b"0123456789                      "),
        (0x0402, 0x80, &1035u32.to_be_bytes()),
        (0x0403, 0x80, &127u32.to_be_bytes()),
        (0x0406, 0x81, b"20250101"),
    ];
    let all = values(&mam, 0, 0);
    for (id, flags, value) in cases {
        assert!(
            all.contains(&(id, flags, value.to_vec())),
            "{id:04X}: {all:02X?}"
        );
    }
    assert!(
        all.iter().all(|(id, _, _)| *id < 0x0800),
        "nothing from hosts yet"
    );
    let kind = |density, worm| {
        let birth = Birth {
            density,
            worm,
            serial: "",
            manufacturer: "",
            date: "",
            capacity_mb: 0,
        };
        let mam = Mam::new(&birth);
        (value(&mam, 0x0408).unwrap()[0], mam.number(0, 0x0409))
    };
    assert_eq!(kind(Some(0x60), false), (0x00, 0));
    assert_eq!(kind(Some(0x60), true), (0x80, 0));
    assert_eq!(
        kind(None, false),
        (0x01, 50),
        "a cleaning cartridge with its cycles"
    );
}

#[test]
fn lists_of_attributes_begin_where_asked() {
    let mut mam = chip();
    assert_eq!(ids(&mam, 1, 0x0406), [0x0406, 0x0407, 0x0408, 0x0409]);
    assert_eq!(ids(&mam, 1, 0x0800), [0u16; 0], "an empty list is no error");
    assert!(ids(&mam, 5, 0x0820).starts_with(&[0x0820, 0x0821, 0x1623]));
    assert!(ids(&mam, 5, 0).len() > ids(&mam, 1, 0).len());
    mam.write_attribute(&WRITE, &list(&[attribute(0x0805, 0, &[0x81])]))
        .unwrap();
    assert_eq!(ids(&mam, 1, 0x0800), [0x0805]);
    assert_eq!(mam.read_attribute(&read_cdb(2, 0, 0)), Ok(vec![0, 2, 0, 1]));
    assert_eq!(mam.read_attribute(&read_cdb(3, 0, 0)), Ok(vec![0, 2, 0, 1]));
}

#[test]
fn what_does_not_exist_is_refused() {
    let mam = chip();
    let mut volume = read_cdb(0, 0, 0);
    volume[5] = 1;
    let cases = [
        ("service action 4", read_cdb(4, 0, 0), "05/24/00 @1.4"),
        ("partition 1", read_cdb(0, 1, 0), "05/24/00 @7"),
        ("volume 1", volume, "05/24/00 @5"),
        (
            "nothing from there on",
            read_cdb(0, 0, 0x0800),
            "05/24/00 @8",
        ),
    ];
    for (name, cdb, expected) in cases {
        assert_eq!(refusal(mam.read_attribute(&cdb)), expected, "{name}");
    }
}

#[test]
fn hosts_write_read_back_and_delete() {
    let mut mam = chip();
    let vendor = attribute(0x0800, 1, b"TAPEWRT ");
    let barcode = attribute(0x0806, 1, &padded("SIM001L9", 32));
    let owner = attribute(0x0807, 1, &padded("host", 80));
    let coherency = attribute(0x080C, 0, &[7; 70]);
    let all = [vendor, barcode, owner, coherency];
    let plain = list(&all);
    let mut counting_itself = plain.clone();
    counting_itself[..4].copy_from_slice(&(plain.len() as u32).to_be_bytes());
    for list in [&plain, &counting_itself] {
        let mut mam = chip();
        mam.write_attribute(&WRITE, list).unwrap();
        assert_eq!(values(&mam, 0, 0x0800).len(), 4);
    }
    let space = |mam: &Mam| value(mam, id::MAM_SPACE_REMAINING).unwrap();
    let before = space(&mam);
    mam.write_attribute(&WRITE, &plain).unwrap();
    assert!(space(&mam) < before);
    assert_eq!(value(&mam, 0x0806).unwrap(), padded("SIM001L9", 32));
    assert_eq!(value(&mam, 0x080C).unwrap(), [7; 70]);
    let owner = &values(&mam, 0, 0x0807)[0];
    assert_eq!(owner.1, 2, "text, whatever the host called it");

    mam.write_attribute(&WRITE, &list(&[attribute(0x080C, 0, &[])]))
        .unwrap();
    assert_eq!(ids(&mam, 1, 0x0800), [0x0800, 0x0806, 0x0807]);
    mam.write_attribute(&WRITE, &list(&[attribute(0x080C, 0, &[])]))
        .unwrap();
    mam.write_attribute(&WRITE, &[]).unwrap();
    mam.write_attribute(&WRITE, &[0; 4]).unwrap();
}

#[test]
fn a_bad_list_is_refused_at_the_byte_to_blame_and_changes_nothing() {
    let good = attribute(0x0800, 1, b"TAPEWRT ");
    let with = |bad: Vec<u8>| list(&[good.clone(), bad]);
    let mut cut = list(std::slice::from_ref(&good));
    cut[3] -= 1;
    let mut cut_value = with(attribute(0x0805, 0, &[0]));
    cut_value.pop();
    cut_value[3] -= 1;
    let cases = [
        (
            "read-only",
            with(attribute(0x0400, 1, b"SOMEBODY")),
            "05/26/00 #17",
        ),
        ("unknown", with(attribute(0x0900, 0, &[0])), "05/26/00 #17"),
        (
            "wrong encoding",
            with(attribute(0x0805, 1, &[0])),
            "05/26/00 #19.1",
        ),
        (
            "reserved encoding",
            with(attribute(0x0806, 3, &[b' '; 32])),
            "05/26/00 #19.1",
        ),
        (
            "wrong length",
            with(attribute(0x0806, 1, b"SHORT")),
            "05/26/00 #20",
        ),
        (
            "too long for a variable one",
            with(attribute(0x080C, 0, &[0; 513])),
            "05/26/00 #20",
        ),
        (
            "deletion of a read-only one",
            with(attribute(0x0400, 1, &[])),
            "05/26/00 #17",
        ),
        ("announced length", cut, "05/1A/00"),
        ("cut value", cut_value, "05/1A/00"),
        ("cut head", with(vec![0x08, 0x05, 0]), "05/1A/00"),
        ("three bytes", vec![0; 3], "05/1A/00"),
    ];
    for (name, list, expected) in cases {
        let mut mam = chip();
        assert_eq!(
            refusal(mam.write_attribute(&WRITE, &list)),
            expected,
            "{name}"
        );
        assert_eq!(mam, chip(), "{name}");
    }
    let mut elsewhere = WRITE;
    elsewhere[7] = 1;
    let refused = chip().write_attribute(&elsewhere, &list(&[good]));
    assert_eq!(refusal(refused), "05/24/00 @7");
}

#[test]
fn a_full_chip_takes_nothing_more_and_can_be_emptied() {
    let mut mam = chip();
    let pool = |value: &[u8]| list(&[attribute(0x0808, 2, value)]);
    mam.write_attribute(&WRITE, &pool(&[b' '; 160])).unwrap();
    let taken = mam.number(0, id::MAM_CAPACITY)
        - u64::from_be_bytes(
            value(&mam, id::MAM_SPACE_REMAINING)
                .unwrap()
                .try_into()
                .unwrap(),
        );
    mam.set_number(0, id::MAM_CAPACITY, taken + 12);
    // 5 bytes of header and 8 of value are one too many.
    let vendor = list(&[attribute(0x0800, 1, b"TAPEWRT ")]);
    let before = mam.clone();
    assert_eq!(refusal(mam.write_attribute(&WRITE, &vendor)), "05/55/06");
    assert_eq!(mam, before);
    mam.write_attribute(&WRITE, &list(&[attribute(0x0805, 0, &[0])]))
        .unwrap();
    mam.write_attribute(&WRITE, &pool(&[])).unwrap();
    mam.write_attribute(&WRITE, &vendor).unwrap();
}

#[test]
fn partitions_share_what_belongs_to_the_volume_only() {
    let mut mam = chip();
    mam.set_partitions(2);
    mam.set_number(0, id::VOLUME_CHANGE_REFERENCE, 5);
    mam.set_number(1, id::VOLUME_CHANGE_REFERENCE, 6);
    mam.set_number(1, id::LOAD_COUNT, 9);
    let mut second = WRITE;
    second[7] = 1;
    let both = [
        attribute(0x0805, 0, &[0x81]),
        attribute(0x080C, 0, &[1, 2, 3]),
    ];
    mam.write_attribute(&second, &list(&both)).unwrap();
    let number = |partition, id| mam.number(partition, id);
    assert_eq!((number(0, 0x0009), number(1, 0x0009)), (5, 6));
    assert_eq!((number(0, 0x0003), number(1, 0x0003)), (9, 9));
    assert_eq!((number(0, 0x0805), number(1, 0x0805)), (0x81, 0x81));
    assert_eq!(
        (mam.get(0, 0x080C), mam.get(1, 0x080C)),
        (None, Some(&[1, 2, 3][..]))
    );
    assert_eq!(mam.read_attribute(&read_cdb(3, 1, 0)), Ok(vec![0, 2, 0, 2]));
    mam.set_partitions(1);
    assert_eq!(
        refusal(mam.read_attribute(&read_cdb(0, 1, 0))),
        "05/24/00 @7"
    );
    assert_eq!(mam.number(0, 0x0805), 0x81);
}

#[test]
fn the_last_four_drives_are_remembered() {
    let mut mam = chip();
    mam.set_number(0, id::LOAD_MB_WRITTEN, 77);
    for number in 0..5 {
        mam.record_load("TAPESIM", &format!("000000000{number}"));
    }
    assert_eq!(mam.number(0, id::LOAD_COUNT), 5);
    assert_eq!(mam.number(0, id::LOAD_MB_WRITTEN), 0);
    for (age, number) in (0..4).zip([4, 3, 2, 1]) {
        let drive = String::from_utf8(value(&mam, id::DRIVE_AT_LAST_LOAD + age).unwrap()).unwrap();
        assert_eq!(drive, format!("TAPESIM 000000000{number}{:22}", ""));
    }
}

#[test]
fn a_damaged_file_is_an_error_not_a_panic() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mam.json");
    assert!(matches!(Mam::load(folder.path()), Err(SimError::Io { .. })));
    chip().save(folder.path()).unwrap();
    let good = std::fs::read_to_string(&path).unwrap();
    let damaged = [
        "[]".to_owned(),
        good.replace("\"partitions\": 1", "\"partitions\": 0"),
        good.replace("\"0409\"", "\"0F00\""),
        good.replace("\"0409\"", "\"x\""),
        good.replacen("\"partition\": 0", "\"partition\": 1", 1),
        good.replace("4C544F2D43564520", "4C544F2D4356452"),
        good.replace("4C544F2D43564520", "4C544F2D435645"),
        good.replace("4C544F2D43564520", "4C544F2D4356\u{e9}"),
        good.replace("4C544F2D43564520", "+C544F2D4356452G"),
    ];
    for text in damaged {
        assert_ne!(text, good);
        std::fs::write(&path, &text).unwrap();
        assert!(
            matches!(Mam::load(folder.path()), Err(SimError::Format { .. })),
            "{text}"
        );
    }
    std::fs::write(&path, good.replace("\"format\": 2", "\"format\": 9")).unwrap();
    assert!(matches!(
        Mam::load(folder.path()),
        Err(SimError::Version { found: 9, .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn attributes_survive_their_file(
        texts in prop::collection::vec((0..5usize, "[ -~]{0,8}"), 0..12),
        coherency in prop::collection::vec(any::<u8>(), 0..513),
        loads in 0..3u8,
    ) {
        let folder = TempDir::new().unwrap();
        let mut mam = chip();
        for (index, text) in texts {
            let sizes = [(0x0800, 8), (0x0801, 32), (0x0806, 32), (0x0803, 160), (0x0808, 160)];
            let (id, len) = sizes[index];
            let list = list(&[attribute(id, 1, &padded(&text, len))]);
            mam.write_attribute(&WRITE, &list).unwrap();
        }
        mam.write_attribute(&WRITE, &list(&[attribute(0x080C, 0, &coherency)])).unwrap();
        for _ in 0..loads {
            mam.record_load("TAPESIM", "0000005E01");
        }
        mam.save(folder.path()).unwrap();
        prop_assert_eq!(Mam::load(folder.path()).unwrap(), mam);
    }

    #[test]
    fn no_list_and_no_cdb_panics(
        cdb in prop::collection::vec(any::<u8>(), 0..20),
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut mam = chip();
        let _ = mam.read_attribute(&cdb);
        let _ = mam.write_attribute(&cdb, &body);
        let mut list = (body.len() as u32).to_be_bytes().to_vec();
        list.extend(&body);
        let _ = mam.write_attribute(&WRITE, &list);
        prop_assert!(values(&mam, 0, 0).len() > 20);
    }
}
