//! Log pages of the drive.

use crate::{hex, refusal};
use tape_sim::pages::log::{
    Activity, DeviceStatus, DriveLife, DriveLog, PartitionView, VolumeView, reply,
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
        in_transition: true,
        activity: Activity::Writing,
        alerts_changed: true,
    };
    assert_eq!(status(busy), hex("BD970601"));
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
    assert_eq!(listed, hex("00000008 00 0C 11 12 14 17 2E 31"));
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
    assert_eq!(
        pairs,
        hex("40FF0012 0000 00FF 0C00 1100 1200 1400 1700 2E00 3100")
    );
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
