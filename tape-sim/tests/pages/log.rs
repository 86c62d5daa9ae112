//! Log pages of the drive.

use crate::{hex, refusal};
use tape_sim::pages::log::{
    Activity, DeviceStatus, Diagnostic, DriveLife, DriveLog, ErrorCounters, LogChanges,
    PartitionView, Usage, VolumeView, reply, select,
};

const MB: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

fn cdb(page: u8, subpage: u8, pointer: u16) -> [u8; 10] {
    let [high, low] = pointer.to_be_bytes();
    [0x4D, 0, 0x40 | page, subpage, 0, high, low, 0xFF, 0xFF, 0]
}

fn page(log: &DriveLog, code: u8) -> Vec<u8> {
    reply(log, &cdb(code, 0, 0)).unwrap().data
}

/// An idle LTO-9 drive with a cartridge that holds `used_bytes`.
fn lto9(used_bytes: u64) -> DriveLog {
    let partition = PartitionView {
        capacity_bytes: 18_000_000 * MB,
        used_bytes: Some(used_bytes),
    };
    DriveLog {
        buffer_bytes: 647 * MB,
        status: DeviceStatus {
            present: true,
            threaded: true,
            compression: true,
            ..DeviceStatus::default()
        },
        serial: "0000005E01".to_owned(),
        volume: Some(VolumeView {
            partitions: vec![partition],
            early_warning_zone_bytes: 49 * MB,
            density: 0x60,
            barcode: "SIM001L9".to_owned(),
            ..VolumeView::default()
        }),
        ..DriveLog::default()
    }
}

/// The parameter `code` of a page with its four-byte head.
fn parameter(page: &[u8], code: u16) -> Option<&[u8]> {
    let mut rest = &page[4..];
    while !rest.is_empty() {
        let (parameter, next) = rest.split_at(4 + usize::from(rest[3]));
        if parameter[..2] == code.to_be_bytes() {
            return Some(parameter);
        }
        rest = next;
    }
    None
}

#[test]
fn tape_capacity_equals_the_capture() {
    let used = 18_000_000 * MB - 0x009E_4EEF * MIB;
    let captured =
        "31000020 0001C004 009E4EEF 0002C004 00000000 0003C004 0105EF39 0004C004 00000000";
    assert_eq!(page(&lto9(used), 0x31), hex(captured));
}

#[test]
fn sequential_access_parameters_equal_the_capture() {
    let mut data = page(&lto9(0x006C_F716 * MB), 0x0C);
    let captured = "00044004 006CF716 00054004 0112A880 00064004 00000031 00074004 FFFFFFFF
        00084004 00000287 01004008 0000000000000000";
    assert_eq!(data.split_off(4 + 4 * 12), hex(captured));
    assert_eq!(data[..8], hex("0C000064 00004008"));
}

#[test]
fn volume_statistics_equal_the_capture() {
    let mut log = lto9(0x006C_F70D * MB);
    let data = page(&log, 0x17);
    for captured in [
        "0000 43 01 01",
        "0016 43 04 0112A880",
        "0017 43 04 006CF70D",
        "0045 41 09 4C544F4C394739 2020",
        "0202 43 08 07000000 0112A880",
        "0203 43 08 07000000 006CF70D",
    ] {
        let captured = hex(captured);
        let code = u16::from_be_bytes([captured[0], captured[1]]);
        assert_eq!(parameter(&data, code), Some(&captured[..]), "{code:04X}");
    }
    let remaining = parameter(&data, 0x0204).unwrap();
    assert_eq!(remaining[8..], (0x0112_A880u32 - 0x006C_F70D).to_be_bytes());
    assert_eq!(&parameter(&data, 0x0042).unwrap()[4..12], b"SIM001L9");

    log.volume.as_mut().unwrap().partitions[0].used_bytes = None;
    let data = page(&log, 0x17);
    assert_eq!(
        parameter(&data, 0x0203).unwrap()[8..],
        [0xFF; 4],
        "EOD is missing"
    );
    log.volume = None;
    assert_eq!(
        page(&log, 0x17),
        hex("17000005 0000 43 01 00"),
        "no volume, not valid"
    );
}

#[test]
fn device_status_equals_the_capture_and_follows_the_drive() {
    let captured = "1100000E 00004304 31170000 00014302 01F4";
    assert_eq!(page(&lto9(0), 0x11), hex(captured));
    let status = |status: DeviceStatus| {
        let log = DriveLog {
            status,
            ..DriveLog::default()
        };
        page(&log, 0x11)[8..12].to_vec()
    };
    assert_eq!(status(DeviceStatus::default()), hex("01000000"), "empty");
    let busy = DeviceStatus {
        removal_prevented: true,
        present: true,
        threaded: true,
        write_protected: true,
        compression: true,
        cleaning_requested: true,
        cleaning_required: true,
        robot_may_reach_in: true,
        in_transition: true,
        activity: Activity::Writing,
        alerts_changed: true,
    };
    assert_eq!(status(busy), hex("BFB70601"));
}

#[test]
fn tape_alert_is_one_parameter_per_flag_and_reading_clears_it() {
    let flags = DriveLog {
        alerts: 1 << 63 | 1 << (64 - 0x14) | 1,
        ..DriveLog::default()
    };
    let answer = reply(&flags, &cdb(0x2E, 0, 0)).unwrap();
    assert!(answer.clears_alerts);
    let mut expected = hex("2E000140");
    for code in 1..=0x40u8 {
        expected.extend([0, code, 0xC0, 1, u8::from([1, 0x14, 0x40].contains(&code))]);
    }
    assert_eq!(answer.data, expected);
    let response = reply(&flags, &cdb(0x12, 0, 0)).unwrap();
    assert!(!response.clears_alerts);
    assert_eq!(
        response.data,
        hex("1200000C 0000 43 08 8000 1000 0000 0001")
    );
}

#[test]
fn device_statistics_count_the_drives_life() {
    let log = DriveLog {
        life: DriveLife {
            loads: 7,
            cleanings: 2,
            power_cycles: 3,
            ..DriveLife::default()
        },
        ..lto9(0)
    };
    let data = page(&log, 0x14);
    assert_eq!(
        parameter(&data, 0x0000).unwrap(),
        hex("0000 40 04 00000007")
    );
    assert_eq!(parameter(&data, 0x0001).unwrap()[4..], [0, 0, 0, 2]);
    assert_eq!(parameter(&data, 0x000C).unwrap()[4..], [0, 0, 0, 3]);
    assert_eq!(&parameter(&data, 0x0041).unwrap()[4..], b"0000005E01");
}

#[test]
fn page_0_lists_exactly_the_pages_there_are() {
    let log = lto9(0);
    let listed = page(&log, 0x00);
    let expected = "0000000F 00 02 03 06 0C 11 12 14 16 17 1B 2E 30 31 32";
    assert_eq!(listed, hex(expected));
    for code in 0..0x40 {
        let answered = reply(&log, &cdb(code, 0, 0));
        if listed[4..].contains(&code) {
            let data = answered.unwrap().data;
            assert_eq!(
                usize::from(data[2]) << 8 | usize::from(data[3]),
                data.len() - 4
            );
            assert_eq!(data[0], code);
        } else {
            assert_eq!(refusal(answered), "05/24/00 @2.5", "{code:02X}");
        }
    }
    let pairs = reply(&log, &cdb(0x00, 0xFF, 0)).unwrap().data;
    let expected = "40FF0020 0000 00FF 0200 0300 0600 0C00 1100 1200 1400 1600 1700 1B00
        2E00 3000 3100 3200";
    assert_eq!(pairs, hex(expected));
    assert_eq!(refusal(reply(&log, &cdb(0x0C, 1, 0))), "05/24/00 @3");
    assert_eq!(refusal(reply(&log, &cdb(0x00, 1, 0))), "05/24/00 @3");
}

#[test]
fn the_parameter_pointer_is_the_first_code_wanted() {
    let log = lto9(0);
    let codes = |pointer| {
        let data = reply(&log, &cdb(0x31, 0, pointer))?.data;
        Ok(data[4..]
            .chunks(8)
            .map(|parameter| parameter[1])
            .collect::<Vec<_>>())
    };
    assert_eq!(codes(0), Ok(vec![1, 2, 3, 4]));
    assert_eq!(codes(3), Ok(vec![3, 4]));
    assert_eq!(refusal(codes(5)), "05/24/00 @5");
    let cleaning = reply(&log, &cdb(0x0C, 0, 9)).unwrap().data;
    assert_eq!(
        cleaning[..6],
        hex("0C00000C 0100"),
        "a code between two parameters"
    );
    assert_eq!(refusal(reply(&log, &cdb(0x00, 0, 1))), "05/24/00 @5");
}

#[test]
fn counters_that_do_not_fit_saturate() {
    let mut log = lto9(0);
    log.life.loads = u64::MAX;
    log.volume.as_mut().unwrap().partitions[0].capacity_bytes = u64::MAX;
    assert_eq!(parameter(&page(&log, 0x14), 0).unwrap()[4..], [0xFF; 4]);
    assert_eq!(parameter(&page(&log, 0x31), 3).unwrap()[4..], [0xFF; 4]);
    assert_eq!(
        parameter(&page(&log, 0x17), 0x0202).unwrap()[8..],
        [0xFF; 4]
    );
}

#[test]
fn page_control_changes_nothing() {
    let log = lto9(12 * MB);
    let mut threshold = cdb(0x31, 0, 0);
    threshold[2] = 0x31;
    assert_eq!(reply(&log, &threshold).unwrap().data, page(&log, 0x31));
}

#[test]
fn error_counters_equal_the_capture() {
    let log = DriveLog {
        write_errors: ErrorCounters {
            processed_bytes: 0x0000_0359_FD00,
            ..ErrorCounters::default()
        },
        ..DriveLog::default()
    };
    let captured = "0200004E 0000400400000000 0001400400000000 0002400400000000
        0003400400000000 0004400400000000 0005400600000359FD00 0006400400000000
        800040080000000000000000 8001400400000000";
    assert_eq!(page(&log, 0x02), hex(captured));
    assert_eq!(page(&log, 0x03).len(), 4 + 6 * 8 + 10);
}

#[test]
fn a_hard_error_is_described_where_the_standard_says() {
    assert_eq!(
        page(&DriveLog::default(), 0x16),
        hex("16000000"),
        "none yet"
    );
    let diagnostic = Diagnostic {
        density: 0x60,
        medium_type: 0x98,
        motion_hours: 0x0102_0304,
        sense: [0x03, 0x11, 0x00],
        repeated: true,
        hours_since_cleaning: 5,
        command: [0x08, 0x01],
        medium_serial: "0123456789".to_owned(),
        timestamp_ms: 0x0001_0203_0405,
        timestamp_origin: 2,
    };
    let log = DriveLog {
        diagnostics: vec![diagnostic, Diagnostic::default()],
        ..DriveLog::default()
    };
    let data = page(&log, 0x16);
    let newest = parameter(&data, 0).unwrap();
    assert_eq!(
        newest[..20],
        hex("0000 43 44 0000 60 98 01020304 00 83 11 00 00000000")
    );
    assert_eq!(newest[24..32], hex("00000005 08 01 0000"));
    assert_eq!(&newest[32..64], format!("{:32}", "0123456789").as_bytes());
    assert_eq!(newest[64..72], hex("02 00 000102030405"));
    assert_eq!(parameter(&data, 1).unwrap().len(), 72);
}

#[test]
fn compression_totals_equal_the_capture() {
    let log = DriveLog {
        host_written_bytes: 57_578_618_880,
        status: DeviceStatus {
            compression: true,
            ..DeviceStatus::default()
        },
        ..DriveLog::default()
    };
    for code in [0x1B, 0x32] {
        let data = page(&log, code);
        assert_eq!(parameter(&data, 6).unwrap(), hex("0006 40 04 0000E0EB"));
        assert_eq!(parameter(&data, 7).unwrap(), hex("0007 40 04 FFFA2F40"));
        assert_eq!(parameter(&data, 0).unwrap(), hex("0000 40 02 0064"));
        let switch = parameter(&data, 0x0100);
        assert_eq!(switch.is_some(), code == 0x1B);
    }
}

#[test]
fn the_volumes_use_is_counted() {
    let mut log = lto9(0);
    let volume = log.volume.as_mut().unwrap();
    volume.load_count = 5000;
    volume.lifetime = Usage {
        written_bytes: 30 * MB,
        read_bytes: 7 * MB,
        write_retries: 9,
        read_retries: 8,
        unrecovered_writes: 2,
        unrecovered_reads: 1,
    };
    volume.mount.unrecovered_reads = 1;
    volume.write_mounts = 3;
    volume.encryption_bounds = vec![[7, u64::MAX]];
    volume.drives = vec![format!("{:8}{:32}", "TAPESIM", "0000005E01").into_bytes()];
    let data = page(&log, 0x17);
    for expected in [
        "0002 43 08 000000000000000C",
        "0003 43 04 00000009",
        "0004 43 02 0002",
        "0009 43 02 0001",
        "000D 43 02 0001",
        "0010 43 08 000000000000001E",
        "0019 43 01 4B",
        "0100 43 04 00000003",
        "0200 43 0A 09000000 000000000007",
        "0201 43 0A 09000000 FFFFFFFFFFFF",
    ] {
        let expected = hex(expected);
        let code = u16::from_be_bytes([expected[0], expected[1]]);
        assert_eq!(parameter(&data, code), Some(&expected[..]), "{code:04X}");
    }
    let history = parameter(&data, 0x0300).unwrap();
    assert_eq!(history[..8], hex("0300 43 2C 2B00 0000"));
    let usage = page(&log, 0x30);
    assert_eq!(usage[..12], hex("30000054 0001C004 00001388"));
    assert_eq!(parameter(&usage, 3).unwrap(), hex("0003 C0 04 00000009"));
}

fn select_cdb(flags: u8, selector: u8) -> [u8; 10] {
    [0x4C, flags, selector, 0, 0, 0, 0, 0, 0xFF, 0]
}

#[test]
fn log_select_resets_what_is_no_lifes_count() {
    let log = lto9(0);
    let resets = |flags, selector| {
        select(&log, &select_cdb(flags, selector), &[]).map(|changes| changes.reset_pages)
    };
    let all = vec![0x02, 0x03, 0x06, 0x0C, 0x1B, 0x2E, 0x32];
    assert_eq!(resets(2, 0x40), Ok(all.clone()));
    assert_eq!(resets(0, 0xC0), Ok(all));
    assert_eq!(resets(2, 0x42), Ok(vec![0x02]));
    assert_eq!(resets(2, 0x57), Ok(vec![]), "a volume's life");
    assert_eq!(resets(0, 0x40), Ok(vec![]), "nothing asked for");
    assert_eq!(refusal(resets(2, 0x7F)), "05/24/00 @2.5");
}

#[test]
fn log_select_sets_error_counters_and_nothing_else() {
    let log = lto9(0);
    let chosen =
        |flags, selector, list: &str| select(&log, &select_cdb(flags, selector), &hex(list));
    let list = "02000012 0000 40 04 00000007 0005 40 06 000000000009  06000008 0000 40 04 00000001";
    let changes = LogChanges {
        reset_pages: vec![],
        counters: vec![(2, 0, 7), (2, 5, 9), (6, 0, 1)],
    };
    assert_eq!(chosen(0, 0x40, list), Ok(changes));
    let cases = [
        (2, 0x40, list, "05/24/00 @1.1"),
        (0, 0x00, list, "05/24/00 @2.7"),
        (0, 0x42, list, "05/24/00 @2.5"),
        (0, 0x40, "0C000008 0000 40 04 00000007", "05/26/00 #0.5"),
        (0, 0x40, "02000008 0009 40 04 00000007", "05/26/00 #4"),
        (0, 0x40, "02000006 0000 40 02 0007", "05/26/00 #7"),
        (0, 0x40, "02000009 0000 40 04 00000007", "05/1A/00"),
        (0, 0x40, "02000004 0000 40 04 00000007", "05/1A/00"),
        (0, 0x40, "020000", "05/1A/00"),
    ];
    for (flags, selector, list, expected) in cases {
        assert_eq!(refusal(chosen(flags, selector, list)), expected, "{list}");
    }
}
