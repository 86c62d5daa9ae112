//! Data encryption: what hosts have seen real drives answer, every way to read every kind of
//! block against a model, and where keys begin and end.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::fs;
use std::path::Path;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use common::*;
use tape_sim::generation::Generation;
use tape_sim::library::LibrarySpec;
use tape_sim::target::{Data, Nexus};

const GUEST: Nexus = Nexus(7);
const KEY_1: [u8; 32] = [0x11; 32];
const KEY_2: [u8; 32] = [0x22; 32];
const SCOPE_LOCAL: u8 = 0x20;
const SCOPE_ALL: u8 = 0x40;
const LOCK: u8 = 0x01;
const RAW_ENABLED: u8 = 0x20;
const CKOD: u8 = 0x04;
const CLEAR: [u8; 20] = set(SCOPE_ALL, 0, 0, 0);

/// Set Data Encryption without a key.
const fn set(scope: u8, flags: u8, encryption: u8, decryption: u8) -> [u8; 20] {
    let mut page = [0; 20];
    page[1] = 0x10;
    page[3] = 0x10;
    page[4] = scope;
    page[5] = flags;
    page[6] = encryption;
    page[7] = decryption;
    page[8] = 1;
    page
}

/// Set Data Encryption with a key and KADs of (type, value).
fn keyed(mut page: [u8; 20], key: &[u8], kads: &[(u8, &[u8])]) -> Vec<u8> {
    page[19] = key.len() as u8;
    let mut list = page.to_vec();
    list.extend_from_slice(key);
    for (kind, value) in kads {
        list.extend_from_slice(&[*kind, 0, 0, value.len() as u8]);
        list.extend_from_slice(value);
    }
    list[3] = (list.len() - 4) as u8;
    list
}

fn encrypting(key: &[u8; 32]) -> Vec<u8> {
    keyed(set(SCOPE_ALL, 0, 2, 2), key, &[])
}

fn out_cdb(len: usize) -> [u8; 12] {
    [0xB5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, len as u8, 0, 0]
}

trait Encrypts {
    fn spout(&mut self, list: &[u8]) -> String;
    fn spout_as(&mut self, nexus: Nexus, list: &[u8]) -> String;
    fn spin(&mut self, page: u8) -> Vec<u8>;
}

impl Encrypts for Bench {
    fn spout(&mut self, list: &[u8]) -> String {
        self.send(&out_cdb(list.len()), list)
    }

    fn spout_as(&mut self, nexus: Nexus, list: &[u8]) -> String {
        let cdb = out_cdb(list.len());
        outcome(&self.drive().execute_as(nexus, &cdb, Data::Out(list)))
    }

    fn spin(&mut self, page: u8) -> Vec<u8> {
        self.reply(&[0xA2, 0x20, 0, page, 0, 0, 0, 0, 0x20, 0, 0, 0], 8192)
    }
}

/// The buffers of stenc's tests, which were observed on real drives.
#[test]
fn what_stenc_sends_is_taken_and_what_it_saw_is_answered() {
    let mut bench = Bench::ready();
    let key: Vec<u8> = (0..32).map(|n| (n % 16) * 0x11).collect();
    let disable = set(SCOPE_ALL, 0x40, 0, 0);
    let enable = keyed(set(SCOPE_ALL, 0x40, 2, 2), &key, &[]);
    let mut with_options = set(SCOPE_ALL, 0x64, 2, 2);
    with_options[10] = 1;
    let mut named = set(SCOPE_ALL, 0x40, 2, 2);
    named[10] = 2;
    let named = keyed(named, &key, &[(0, b"Hello world!")]);
    for list in [
        &disable[..],
        &enable,
        &keyed(with_options, &key, &[]),
        &named,
    ] {
        assert_eq!(bench.spout(list), "good", "{list:02X?}");
    }
    bench.drive().power_cut().unwrap();
    bench.none(&TUR);
    let list = keyed(
        set(SCOPE_ALL, RAW_ENABLED, 2, 2),
        &key,
        &[(0, b"Hello world!")],
    );
    assert_eq!(bench.spout(&list), "good");
    bench.write(b"first");
    bench.write(b"second");
    bench.none(&locate10(1));
    let kad = *b"\x00\x01\x00\x0cHello world!";
    let mut status = b"\x00\x20\x00\x24\x42\x02\x02\x01\x00\x00\x00\x01\x18\x00\x00\x00".to_vec();
    status.extend_from_slice(&[0; 8]);
    status.extend_from_slice(&kad);
    assert_eq!(bench.spin(0x20), status);
    let mut next = b"\x00\x21\x00\x1c\x00\x00\x00\x00\x00\x00\x00\x01\x05\x01\x00\x00".to_vec();
    next.extend_from_slice(&kad);
    assert_eq!(bench.spin(0x21), next);
}

#[test]
fn support_pages_are_exact() {
    let mut bench = Bench::cold(&small());
    bench.none(&TUR);
    let list = bench.reply(&[0xA2, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0], 255);
    assert_eq!(list, [0, 0, 0, 0, 0, 0, 0, 2, 0x00, 0x20]);
    let codes = [0, 0, 0, 1, 0, 0x10, 0, 0x11, 0, 0x12, 0, 0x20, 0, 0x21];
    assert_eq!(bench.spin(0x00)[..4], [0, 0, 0, 14]);
    assert_eq!(bench.spin(0x00)[4..], codes);
    assert_eq!(bench.spin(0x01), [0, 1, 0, 2, 0, 0x10]);
    assert_eq!(bench.spin(0x11), [0, 0x11, 0, 1, 0]);
    assert_eq!(bench.spin(0x12)[..8], [0, 0x12, 0, 12, 1, 7, 0, 7]);
    let absent = bench.spin(0x10);
    assert_eq!(absent.len(), 44);
    assert_eq!(absent[..5], [0, 0x10, 0, 40, 0x05]);
    assert_eq!(absent[20..26], [1, 0, 0, 0x14, 0x3A, 0x1C]);
    assert_eq!(absent[26..33], [0, 32, 0, 12, 0, 32, 0xE9]);
    assert_eq!(absent[40..], [0, 1, 0, 0x14]);
    let next = [0xA2, 0x20, 0, 0x21, 0, 0, 0, 0, 0, 255, 0, 0];
    assert_eq!(bench.receive(&next, 255).0, "02/3A/00");
    bench.put(Some(TAPE));
    bench.settle();
    assert_eq!(bench.spin(0x10)[24..26], [0xBA, 0x9C]);
    assert_eq!(
        bench.spin(0x21)[..14],
        [0, 0x21, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]
    );
    for (protocol, page) in [(0x20, 0x30), (0x00, 0x02), (0x21, 0x00)] {
        let cdb = [0xA2, protocol, 0, page, 0, 0, 0, 0, 0, 255, 0, 0];
        assert_eq!(bench.receive(&cdb, 255).0, "05/24/00", "{cdb:02X?}");
    }
}

#[derive(Debug, Clone, Copy)]
struct Written {
    key: Option<[u8; 32]>,
    raw_enabled: bool,
}

/// What a drive does with a block, as the table of modes has it.
fn expected(block: Written, mode: u8, key: Option<[u8; 32]>) -> &'static str {
    match (block.key, mode) {
        (None, 2) => "07/74/02",
        (None, _) => "good",
        (Some(_), 0) => "07/74/01",
        (Some(_), 1) if block.raw_enabled => "raw",
        (Some(_), 1) => "07/74/00",
        (Some(_), _) if block.key == key => "good",
        (Some(_), _) => "07/74/03",
    }
}

#[test]
fn every_mode_meets_every_kind_of_block_as_the_model_says() {
    const LENGTH: u32 = 3000;
    let written = [
        (None, false),
        (Some(KEY_1), false),
        (Some(KEY_1), true),
        (Some(KEY_2), false),
    ]
    .map(|(key, raw_enabled)| Written { key, raw_enabled });
    for fixed in [false, true] {
        let mut bench = Bench::ready();
        bench.block_length(LENGTH);
        for (block, number) in written.iter().zip(1u8..) {
            let raw = if block.raw_enabled { RAW_ENABLED } else { 0 };
            let list = match block.key {
                Some(key) => keyed(set(SCOPE_ALL, raw, 2, 2), &key, &[]),
                None => CLEAR.to_vec(),
            };
            assert_eq!(bench.spout(&list), "good");
            assert_eq!(bench.write(&[number; LENGTH as usize]), "good");
        }
        let keys = [KEY_1, KEY_2].map(Some);
        let modes = [(0, None), (1, None)].into_iter().chain(
            [2, 3]
                .into_iter()
                .flat_map(|mode| keys.map(|key| (mode, key))),
        );
        for (mode, key) in modes {
            for (block, object) in written.iter().zip(0u8..) {
                let page = set(SCOPE_ALL, 0, 0, mode);
                let list = keyed(page, key.as_ref().map_or(&[], |key| &key[..]), &[]);
                assert_eq!(bench.spout(&list), "good");
                bench.none(&locate10(object.into()));
                let (cdb, residual) = if fixed {
                    (read(1, 1), 1)
                } else {
                    (read(0, LENGTH), LENGTH)
                };
                let (found, data) = bench.receive(&cdb, LENGTH as usize);
                let case = format!("{block:?} mode {mode} key {key:?} fixed {fixed}");
                let at = u64::from(object);
                match expected(*block, mode, key) {
                    "good" => {
                        assert_eq!(found, "good", "{case}");
                        assert_eq!(data, [object + 1; LENGTH as usize], "{case}");
                    }
                    "raw" => {
                        let over = if fixed { 1 } else { -28 };
                        assert_eq!(found, format!("00/00/00 ILI {over}"), "{case}");
                    }
                    refused => {
                        assert_eq!(found, format!("{refused} {residual}"), "{case}");
                        assert_eq!(bench.position().object, at, "{case}");
                        continue;
                    }
                }
                assert_eq!(bench.position().object, at + 1, "{case}");
            }
        }
    }
}

#[test]
fn positioning_needs_no_key_and_next_block_status_tells_what_is_there() {
    let mut bench = Bench::ready();
    bench.write(b"plain");
    bench.none(&filemarks(1, false));
    let list = keyed(
        set(SCOPE_ALL, 0, 2, 2),
        &KEY_1,
        &[(0, b"user"), (1, b"auth")],
    );
    bench.spout(&list);
    bench.write(b"secret");
    bench.spout(&CLEAR);
    bench.none(&REWIND);
    let status = |bench: &mut Bench| bench.spin(0x21)[12];
    assert_eq!(status(&mut bench), 3);
    assert_eq!(bench.none(&space(0, 1)), "good");
    assert_eq!(status(&mut bench), 2);
    assert_eq!(bench.none(&space(1, 1)), "good");
    let locked = bench.spin(0x21);
    let kads = b"\x00\x01\x00\x04user\x01\x02\x00\x04auth";
    assert_eq!(locked[12..16], [6, 1, 1, 0]);
    assert_eq!(locked[16..], kads[..]);
    bench.spout(&encrypting(&KEY_2));
    assert_eq!(status(&mut bench), 6);
    bench.spout(&encrypting(&KEY_1));
    let open = bench.spin(0x21);
    assert_eq!((open[12], open[25]), (5, 3));
    assert_eq!(bench.none(&space(0, 1)), "good");
    assert_eq!(status(&mut bench), 2);
}

#[test]
fn raw_reads_return_nonce_ciphertext_and_tag() {
    let mut bench = Bench::ready();
    let list = keyed(set(SCOPE_ALL, RAW_ENABLED, 2, 2), &KEY_1, &[(1, b"March")]);
    bench.spout(&list);
    bench.write(b"what the host wrote");
    bench.spout(&set(SCOPE_ALL, 0, 0, 1));
    bench.none(&REWIND);
    let (found, raw) = bench.read(19 + 28);
    assert_eq!(found, "good");
    let mut aad = vec![1, 0, 0, 0, 5, 0, 0, 0];
    aad.extend_from_slice(b"March\0\0\0\0\0\0\0");
    let payload = Payload {
        msg: &raw[12..],
        aad: &aad,
    };
    let nonce: [u8; 12] = raw[..12].try_into().unwrap();
    let plain = Aes256Gcm::new(&KEY_1.into()).decrypt(&nonce.into(), payload);
    assert_eq!(plain.unwrap(), b"what the host wrote");
}

/// All bytes below `dir`, each file with its path.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn neither_block_nor_key_is_found_in_the_librarys_files() {
    let mut bench = Bench::ready();
    let key: [u8; 32] = std::array::from_fn(|n| 0xC0 ^ n as u8);
    bench.spout(&encrypting(&key));
    for _ in 0..4 {
        bench.write(&b"a plaintext marker ".repeat(100));
        bench.write(&[0; 4096]);
    }
    bench.close();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: String = key.iter().map(|byte| format!("{byte},")).collect();
    let needles = [&b"plaintext"[..], &key, &[0; 512]];
    for (path, bytes) in files(bench.library.dir()) {
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
        assert!(!needles.iter().any(|needle| holds(needle)), "{path}");
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let text: String = text.split_whitespace().collect();
        assert!(!text.contains(&hex) && !text.contains(&list), "{path}");
    }
}

#[test]
fn a_damaged_block_is_told_from_a_wrong_key() {
    let mut bench = Bench::ready();
    bench.spout(&encrypting(&KEY_1));
    bench.write(b"what the host wrote");
    bench.none(&filemarks(0, false));
    let path = bench.library.dir().join("cartridges/SIM001L9/p0.data");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    bench.none(&REWIND);
    assert_eq!(bench.read(19).0, "07/74/04 19");
}

#[test]
fn what_the_drive_does_not_do_is_refused_where_it_stands() {
    let mut bench = Bench::ready();
    let good = keyed(
        set(SCOPE_ALL, 0, 2, 2),
        &KEY_1,
        &[(0, b"user"), (1, b"auth")],
    );
    assert_eq!(bench.spout(&good), "good");
    // Byte, value, and the byte that the sense data point at.
    let cases = [
        (1, 0x11, 0),
        (4, 0x60, 4),
        (5, 0xC0, 5),
        (5, 0x10, 5),
        (5, 0x08, 5),
        (6, 1, 6),
        (6, 3, 6),
        (7, 4, 7),
        (8, 0, 8),
        (8, 2, 8),
        (9, 1, 9),
        (10, 3, 10),
        (19, 31, 18),
        (52, 2, 52),
        (52, 3, 52),
        (52, 4, 52),
        (55, 33, 52),
        (60, 0, 60),
    ];
    let counter = bench.spin(0x20)[8..12].to_vec();
    for (at, value, field) in cases {
        let mut list = good.clone();
        list[at] = value;
        let completion = bench.run(&out_cdb(list.len()), Data::Out(&list));
        assert_eq!(outcome(&completion), "05/26/00", "byte {at} is {value}");
        assert_eq!(completion.sense[16..18], [0, field], "byte {at} is {value}");
    }
    for len in [4, 19, 67] {
        assert_eq!(bench.spout(&good[..len]), "05/1A/00", "{len} bytes");
    }
    let too_long = [(0u8, &[0; 33][..], 54), (1, &[0; 13], 54)];
    for (kind, value, field) in too_long {
        let list = keyed(set(SCOPE_ALL, 0, 2, 2), &KEY_1, &[(kind, value)]);
        let completion = bench.run(&out_cdb(list.len()), Data::Out(&list));
        assert_eq!(outcome(&completion), "05/26/00", "KAD {kind}");
        assert_eq!(completion.sense[16..18], [0, field], "KAD {kind}");
    }
    assert_eq!(
        bench.spin(0x20)[8..12],
        counter,
        "a refused list changed something"
    );
    let elsewhere = [0xB5, 0x20, 0, 0x11, 0, 0, 0, 0, 0, 20, 0, 0];
    assert_eq!(bench.send(&elsewhere, &CLEAR), "05/24/00");
}

#[test]
fn keys_end_with_power_with_the_handle_and_with_the_volume_if_asked() {
    let mut bench = Bench::ready();
    let modes = |bench: &mut Bench| bench.spin(0x20)[5..7].to_vec();
    bench.spout(&encrypting(&KEY_1));
    bench.none(&[0x1B, 0, 0, 0, 0, 0]);
    assert_eq!(modes(&mut bench), [2, 2], "the key stays without CKOD");
    bench.none(&[0x1B, 0, 0, 0, 1, 0]);
    bench.spout(&keyed(set(SCOPE_ALL, CKOD, 2, 2), &KEY_1, &[]));
    bench.none(&[0x1B, 0, 0, 0, 0, 0]);
    assert_eq!(modes(&mut bench), [0, 0]);
    let demounted = keyed(set(SCOPE_ALL, CKOD, 2, 2), &KEY_1, &[]);
    assert_eq!(bench.spout(&demounted), "05/26/00");
    bench.none(&[0x1B, 0, 0, 0, 1, 0]);
    bench.spout(&encrypting(&KEY_1));
    bench.drive().power_cut().unwrap();
    assert_eq!(bench.none(&TUR), "06/29/01");
    assert_eq!(modes(&mut bench), [0, 0]);
    bench.spout(&encrypting(&KEY_1));
    bench.close();
    bench.open();
    assert_eq!(bench.none(&TUR), "06/2A/12");
    assert_eq!(modes(&mut bench), [0, 0]);
}

/// PERSISTENT RESERVE OUT with type 3, exclusive access.
fn reserve_as(bench: &mut Bench, nexus: Nexus, action: u8, key: u8, service_key: u8) -> String {
    let mut list = [0; 24];
    (list[7], list[15]) = (key, service_key);
    let cdb = [0x5F, action, 3, 0, 0, 0, 0, 0, 24, 0];
    let drive = bench.drive();
    outcome(&drive.execute_as(nexus, &cdb, Data::Out(&list)))
}

#[test]
fn keys_end_with_the_reservation_if_asked() {
    const CKORP: u8 = 0x02;
    const CKORL: u8 = 0x01;
    const RELEASE: u8 = 2;
    const PREEMPT: u8 = 4;
    let cases = [
        (0, RELEASE, true),
        (0, PREEMPT, true),
        (CKORP, RELEASE, true),
        (CKORP, PREEMPT, false),
        (CKORL, RELEASE, false),
        (CKORL, PREEMPT, false),
    ];
    for (flag, action, stays) in cases {
        let mut bench = Bench::ready();
        bench.drive().execute_as(GUEST, &TUR, Data::None);
        let list = keyed(set(SCOPE_ALL, flag, 2, 2), &KEY_1, &[]);
        if flag != 0 {
            assert_eq!(bench.spout(&list), "05/26/00", "nothing is reserved");
        }
        reserve_as(&mut bench, Nexus::HOST, 0, 0, 1);
        reserve_as(&mut bench, GUEST, 0, 0, 2);
        reserve_as(&mut bench, Nexus::HOST, 1, 1, 0);
        assert_eq!(bench.spout(&list), "good");
        bench
            .drive()
            .execute_as(GUEST, &[0x03, 0, 0, 0, 0, 0], Data::None);
        let ended = match action {
            RELEASE => reserve_as(&mut bench, Nexus::HOST, RELEASE, 1, 0),
            _ => reserve_as(&mut bench, GUEST, PREEMPT, 2, 1),
        };
        assert_eq!(ended, "good");
        if action == PREEMPT {
            reserve_as(&mut bench, GUEST, RELEASE, 2, 0);
        }
        while bench.none(&TUR).starts_with("06") {}
        let modes = if stays { [2, 2] } else { [0, 0] };
        assert_eq!(
            bench.spin(0x20)[5..7],
            modes,
            "flag {flag}, action {action}"
        );
    }
}

#[test]
fn other_initiators_share_the_key_and_are_told_of_changes() {
    let mut bench = Bench::ready();
    let guest =
        |bench: &mut Bench, cdb: &[u8]| outcome(&bench.drive().execute_as(GUEST, cdb, Data::None));
    assert_eq!(guest(&mut bench, &TUR), "06/29/01");
    bench.spout(&encrypting(&KEY_1));
    assert_eq!(guest(&mut bench, &TUR), "06/2A/11");
    assert_eq!(guest(&mut bench, &TUR), "good");
    bench.write(b"shared secret");
    bench.none(&REWIND);
    let read_as_guest = |bench: &mut Bench| {
        bench.none(&REWIND);
        let mut buffer = [0; 13];
        let drive = bench.drive();
        outcome(&drive.execute_as(GUEST, &read(0, 13), Data::In(&mut buffer)))
    };
    assert_eq!(read_as_guest(&mut bench), "good");
    // Parameters of its own end the sharing for the guest, and nobody else hears of them.
    let own = keyed(set(SCOPE_LOCAL, 0, 0, 2), &KEY_2, &[]);
    assert_eq!(bench.spout_as(GUEST, &own), "good");
    assert_eq!(read_as_guest(&mut bench), "07/74/03 13");
    assert_eq!(bench.none(&TUR), "good");
    assert_eq!(bench.spin(0x20)[4..7], [0x42, 2, 2]);
    assert_eq!(bench.spout_as(GUEST, &set(0, 0, 0, 0)), "good");
    assert_eq!(read_as_guest(&mut bench), "good");
    // What the guest shares replaces what the host had shared.
    let shared = keyed(set(SCOPE_ALL, 0, 2, 2), &KEY_2, &[]);
    assert_eq!(bench.spout_as(GUEST, &shared), "good");
    assert_eq!(bench.none(&TUR), "06/2A/11");
    assert_eq!(bench.spin(0x20)[4..7], [0x02, 2, 2]);
}

#[test]
fn a_locked_key_that_changes_stops_the_writer() {
    let mut bench = Bench::ready();
    bench.drive().execute_as(GUEST, &TUR, Data::None);
    let locked = keyed(set(SCOPE_ALL | LOCK, 0, 2, 2), &KEY_1, &[]);
    bench.spout(&locked);
    bench.drive().execute_as(GUEST, &TUR, Data::None);
    assert_eq!(bench.write(b"one"), "good");
    bench.spout_as(GUEST, &encrypting(&KEY_2));
    assert_eq!(bench.none(&TUR), "06/2A/11");
    assert_eq!(bench.write(b"two"), "07/2A/13");
    assert_eq!(bench.position().object, 1);
    bench.spout(&encrypting(&KEY_1));
    assert_eq!(bench.write(b"two"), "good");
}

#[test]
fn ten_wrong_keys_in_a_row_are_enough() {
    let mut bench = Bench::ready();
    bench.spout(&encrypting(&KEY_1));
    bench.write(b"secret");
    for guess in 0..10 {
        assert_eq!(bench.spout(&encrypting(&[guess; 32])), "good", "{guess}");
        bench.none(&REWIND);
        // Trying again with the same key is not another key.
        for _ in 0..2 {
            assert_eq!(bench.read(6).0, "07/74/03 6", "{guess}");
            assert_eq!(bench.position().object, 0);
            if guess == 9 {
                break;
            }
        }
    }
    assert_eq!(bench.spout(&encrypting(&KEY_1)), "07/26/10");
    assert_eq!(bench.read(6).0, "07/26/10 6");
    bench.none(&[0x1B, 0, 0, 0, 0, 0]);
    bench.none(&[0x1B, 0, 0, 0, 1, 0]);
    assert_eq!(bench.spout(&encrypting(&KEY_1)), "good");
    assert_eq!(bench.read(6), ("good".to_string(), b"secret".to_vec()));
}

#[test]
fn the_chip_says_where_encryption_begins_and_ends() {
    let mut bench = Bench::ready();
    let attribute = |bench: &mut Bench, id: u8| {
        let cdb = [0x8C, 0, 0, 0, 0, 0, 0, 0, 2, id, 0, 0, 0, 17, 0, 0];
        let reply = bench.reply(&cdb, 17);
        u64::from_be_bytes(reply[9..17].try_into().unwrap())
    };
    let both = |bench: &mut Bench| (attribute(bench, 0x24), attribute(bench, 0x25));
    bench.write(b"plain");
    assert_eq!(both(&mut bench), (u64::MAX, u64::MAX));
    bench.spout(&encrypting(&KEY_1));
    bench.write(b"secret");
    bench.none(&filemarks(1, false));
    bench.spout(&CLEAR);
    bench.write(b"plain");
    bench.none(&filemarks(0, false));
    assert_eq!(both(&mut bench), (1, 3));
    bench.close();
    bench.open();
    bench.none(&TUR);
    assert_eq!(both(&mut bench), (1, 3));
    bench.none(&locate10(1));
    bench.write(b"plain");
    bench.none(&filemarks(0, false));
    assert_eq!(both(&mut bench), (u64::MAX, u64::MAX));
}

#[test]
fn a_medium_older_than_encryption_refuses_it() {
    let mut bench = Bench::cold(&LibrarySpec {
        generation: Generation::Lto5,
        ..small()
    });
    bench.library.insert(0, "OLD001L3", Some(64 * MIB)).unwrap();
    bench.put(Some("OLD001L3"));
    bench.settle();
    assert_eq!(bench.spin(0x10)[24..26], [0x3A, 0x5C]);
    let completion = {
        let list = encrypting(&KEY_1);
        bench.run(&out_cdb(list.len()), Data::Out(&list))
    };
    assert_eq!(outcome(&completion), "05/26/00");
    assert_eq!(completion.sense[16..18], [0, 6]);
}

#[test]
fn a_map_of_format_1_is_raised_by_its_first_encrypted_block() {
    let mut bench = Bench::cold(&small());
    let map = bench.library.dir().join("cartridges/SIM001L9/p0.map");
    let version = || fs::read(&map).unwrap()[15];
    let mut bytes = fs::read(&map).unwrap();
    bytes[15] = 1;
    fs::write(&map, bytes).unwrap();
    bench.put(Some(TAPE));
    bench.settle();
    bench.write(b"plain");
    bench.none(&filemarks(0, false));
    assert_eq!(version(), 1);
    bench.spout(&encrypting(&KEY_1));
    bench.write(b"secret");
    bench.none(&filemarks(0, false));
    assert_eq!(version(), 2);
    bench.close();
    bench.open();
    bench.none(&TUR);
    bench.none(&REWIND);
    assert_eq!(bench.read(5).0, "good");
    assert_eq!(bench.read(6).0, "07/74/01 6");
}

#[test]
fn encrypted_worm_media_are_written_once() {
    let mut bench = Bench::cold(&small());
    bench.library.insert(0, "WRM001LZ", Some(64 * MIB)).unwrap();
    bench.put(Some("WRM001LZ"));
    bench.settle();
    bench.spout(&encrypting(&KEY_1));
    assert_eq!(bench.write(b"secret"), "good");
    bench.none(&REWIND);
    assert_eq!(bench.write(b"other"), "07/30/0C");
    assert_eq!(bench.read(6), ("good".to_string(), b"secret".to_vec()));
}
