//! Indexes: the exact text, and what a reader refuses.

use crate::memory_tape::{MemoryTape, Object};
use crate::support::{BLOCK_BYTES, block, file, label, noise, segment, segment_as};
use crate::zoo;
use tapewright::volume::VolumeError;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::index::{
    Codec, Content, Index, IndexError, JobHeader, JobPolicy, KeepUntil, Level, decode, read_index,
};
use tapewright::volume::member::{Condition, Kind, Member};
use tapewright::volume::segment::{SegmentBuilder, SegmentStart};
use tapewright::volume::tar::{END, Event, MemberParser, encode_plain};

/// Members of an archive, each with its content.
type Members = Vec<(String, Vec<u8>)>;

/// The members of an index, by file name.
fn members(archive: &[u8]) -> Members {
    let mut parser = MemberParser::new();
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    let mut input = archive;
    while let Some(event) = parser.next(&mut input).unwrap() {
        match event {
            Event::Member { member, .. } => {
                members.push((String::from_utf8(member.path).unwrap(), Vec::new()));
            }
            Event::Data { bytes, .. } => members.last_mut().unwrap().1 = bytes.to_vec(),
            _ => {}
        }
    }
    members
}

/// An index archive of these members, with sums that fit.
fn archive(mut members: Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let (last, described) = members.split_last_mut().unwrap();
    let sums: String = described
        .iter()
        .map(|(name, content)| {
            format!(
                "{}  {}\n",
                blake3::hash(content),
                name.rsplit('/').next().unwrap()
            )
        })
        .collect();
    last.1 = sums.into_bytes();
    let mut archive = Vec::new();
    for (name, content) in &members {
        encode_plain(&mut archive, name, 0, content);
    }
    archive.extend_from_slice(&END);
    archive.resize(archive.len().next_multiple_of(BLOCK_BYTES as usize), 0);
    archive
}

fn sample() -> (Vec<u8>, Index) {
    let list = vec![
        (zoo::object("d", Kind::Directory), vec![]),
        (file("d/a", 70_000), noise(1, 70_000)),
        (zoo::file(b"d/caf\xe9", 5), noise(2, 5)),
        (zoo::object("d/l", Kind::Symlink(b"a\xff".to_vec())), vec![]),
        (zoo::object("d/n", Kind::CharDevice(1, 3)), vec![]),
        (zoo::part("d/p", 1, 0, 512, 900), noise(3, 512)),
    ];
    let point = AppendPoint {
        previous_indexes: vec![block(1)],
        ..AppendPoint::first()
    };
    let (_, finished) = segment(&label(BLOCK_BYTES), &point, &list, true);
    let index = decode(&finished.index_records).unwrap();
    assert_eq!(index.info, finished.receipt.info);
    (finished.index_records, index)
}

#[test]
fn the_text_of_an_index_is_as_documented() {
    let (bytes, index) = sample();
    assert_eq!(bytes.len(), BLOCK_BYTES as usize);
    let members = members(&bytes);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["segment.json", "files.jsonl.zst", "blocks.crc32", "B3SUMS"]
            .map(|name| format!("tapewright-segment-00001/{name}"))
    );
    assert_eq!(
        String::from_utf8_lossy(&members[0].1),
        include_str!("index-segment.json")
    );
    let lines = zstd::decode_all(&members[1].1[..]).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&lines),
        include_str!("index-files.jsonl")
    );
    let crcs: Vec<u8> = index
        .crcs
        .iter()
        .flat_map(|crc| crc.to_be_bytes())
        .collect();
    assert_eq!(members[2].1, crcs);
    assert_eq!(index.crcs.len(), 2);
}

#[test]
fn what_is_wrong_with_an_index_is_named() {
    let (good, _) = sample();
    let with = |member: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut list = members(&good);
        change(&mut list[member].1);
        archive(list)
    };
    let info = |from: &'static str, to: &'static str| {
        with(0, &move |text: &mut Vec<u8>| {
            let old = String::from_utf8(text.clone()).unwrap();
            assert!(old.contains(from), "{from}");
            *text = old.replacen(from, to, 1).into_bytes();
        })
    };
    let lines = |from: &'static str, to: &'static str| {
        with(1, &move |text: &mut Vec<u8>| {
            let old = String::from_utf8(zstd::decode_all(&text[..]).unwrap()).unwrap();
            assert!(old.contains(from), "{from}");
            *text = zstd::encode_all(old.replacen(from, to, 1).as_bytes(), 3).unwrap();
        })
    };
    let mut flipped = good.clone();
    flipped[600] ^= 1;
    let mut order = members(&good);
    order.swap(0, 1);
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("flipped", flipped, "WrongDigest"),
        ("order", archive(order), "Missing"),
        ("cut", good[..2048].to_vec(), "Missing"),
        ("empty", vec![], "Missing"),
        ("noise", noise(1, 4096), "Tar"),
        ("version", info("\"format\": 1", "\"format\": 5"), "TooNew"),
        (
            "kind",
            info("tapewright-segment", "tapewright-label"),
            "Malformed",
        ),
        ("codec", info("\"none\"", "\"zstd\""), "Malformed"),
        (
            "no number",
            info("\"files\": 6", "\"files\": -6"),
            "Malformed",
        ),
        (
            "file count",
            info("\"files\": 6", "\"files\": 7"),
            "Contradiction",
        ),
        (
            "records",
            info("\"records\": 2", "\"records\": 3"),
            "Contradiction",
        ),
        (
            "huge",
            info("\"records\": 2", "\"records\": 18446744073709551615"),
            "Contradiction",
        ),
        ("block size", info("65536", "65537"), "Contradiction"),
        ("CRCs", with(2, &|crcs| crcs.truncate(5)), "Contradiction"),
        (
            "missing CRC",
            with(2, &|crcs| crcs.truncate(4)),
            "Contradiction",
        ),
        ("no zstd", with(1, &|lines| lines[0] ^= 1), "Malformed"),
        (
            "cut zstd",
            with(1, &|lines| lines.truncate(100)),
            "Malformed",
        ),
        ("traversal", lines("\"d/a\"", "\"d/..\""), "Malformed"),
        (
            "two paths",
            lines(
                "{\"path\":\"d\"",
                "{\"path\":\"d\",\"path_base64\":\"ZA==\"",
            ),
            "Malformed",
        ),
        (
            "size",
            lines("\"size\":70000", "\"size\":70001"),
            "Contradiction",
        ),
        ("place", lines("\"block\":2", "\"block\":1"), "Malformed"),
        (
            "order of places",
            lines("\"offset\":1024", "\"offset\":99840"),
            "Malformed",
        ),
        (
            "length",
            lines("\"length\":", "\"length\":9999999999"),
            "Malformed",
        ),
        (
            "digest",
            lines("\"digest\":\"", "\"digest\":\"0"),
            "Malformed",
        ),
        (
            "type",
            lines("\"type\":\"dir\"", "\"type\":\"file\""),
            "Malformed",
        ),
        ("part", lines("\"number\":1", "\"number\":0"), "Malformed"),
        (
            "condition",
            lines("\"uid\":", "\"condition\":\"odd\",\"uid\":"),
            "Malformed",
        ),
        (
            "time",
            lines("[1700000000,0]", "[1700000000,1000000000]"),
            "Malformed",
        ),
        (
            "cut line",
            with(1, &|l| *l = zstd::encode_all(&b"{}"[..], 3).unwrap()),
            "Malformed",
        ),
        (
            "a line without end",
            with(1, &|l| {
                *l = zstd::encode_all(&vec![b' '; 20 << 20][..], 3).unwrap()
            }),
            "Malformed",
        ),
    ];
    for (what, bytes, variant) in table {
        let error = decode(&bytes).expect_err(what);
        assert!(
            format!("{error:?}").starts_with(variant),
            "{what}: {error:?}"
        );
    }
    // New keys are no reason to refuse.
    assert!(decode(&info("\"kind\"", "\"new\": [1], \"kind\"")).is_ok());
    assert!(decode(&lines("{\"path\"", "{\"new\":{},\"path\"")).is_ok());
}

#[test]
fn what_is_wrong_with_a_list_of_frames_is_named() {
    let list = [
        (file("a", 1_000_000), noise(1, 1_000_000)),
        (file("b", 900_000), noise(2, 900_000)),
        (file("c", 900_000), noise(3, 900_000)),
    ];
    let at = AppendPoint::first();
    let (_, finished) = segment_as(Codec::Zstd, &label(BLOCK_BYTES), &at, &list, true);
    let good = finished.index_records;
    let index = decode(&good).unwrap();
    assert_eq!(index.info.format, 4);
    assert_eq!(index.frames.map(|frames| frames.count()), Some(3));
    let frames = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut list = members(&good);
        assert!(list[3].0.ends_with("/frames.lengths"));
        change(&mut list[3].1);
        archive(list)
    };
    let info = |from: &str, to: &str| {
        let mut list = members(&good);
        let text = String::from_utf8(list[0].1.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        list[0].1 = text.replacen(from, to, 1).into_bytes();
        archive(list)
    };
    let set = |bytes: &mut Vec<u8>, frame: usize, length: u32| {
        bytes[4 * frame..4 * frame + 4].copy_from_slice(&length.to_be_bytes());
    };
    let missing = archive(
        members(&good)
            .into_iter()
            .filter(|(name, _)| !name.contains("frames"))
            .collect(),
    );
    let tar_bytes = format!("\"tar_bytes\": {}", index.info.tar_bytes);
    let table: [(&str, Vec<u8>, &str); 11] = [
        (
            "one less",
            frames(&|list| list.truncate(8)),
            "Contradiction",
        ),
        (
            "one more",
            frames(&|list| list.extend([0, 0, 0, 9])),
            "Contradiction",
        ),
        ("cut", frames(&|list| list.truncate(11)), "Contradiction"),
        (
            "no length",
            frames(&|list| set(list, 1, 0)),
            "Contradiction",
        ),
        (
            "too long",
            frames(&|list| set(list, 1, 1_052_737)),
            "Contradiction",
        ),
        (
            "longer than memory",
            frames(&|list| set(list, 1, u32::MAX)),
            "Contradiction",
        ),
        (
            "out of the segment",
            frames(&|list| (0..3).for_each(|frame| set(list, frame, 1_052_736))),
            "Contradiction",
        ),
        (
            "beside a member",
            frames(&|list| set(list, 0, 1_000_000)),
            "Malformed",
        ),
        ("not there", missing, "Missing"),
        (
            "none belongs there",
            info("\"format\": 4", "\"format\": 2"),
            "Contradiction",
        ),
        (
            "more frames than anybody has",
            info(&tar_bytes, "\"tar_bytes\": 18446744073709551615"),
            "Contradiction",
        ),
    ];
    for (what, bytes, variant) in table {
        let error = decode(&bytes).expect_err(what);
        let is_it = format!("{error:?}").starts_with(variant);
        assert!(is_it, "{what}: {error:?}");
    }
}

fn first_segment(job: &JobHeader) -> SegmentBuilder<crate::support::Records> {
    let start = SegmentStart {
        label: &label(BLOCK_BYTES),
        at: &AppendPoint::first(),
        segment: crate::support::segment_id(1),
        job,
        content: Content::Files,
        job_segment: 1,
        limits: crate::support::UNLIMITED,
        open_parts: false,
    };
    SegmentBuilder::new(&start, crate::support::Records::default())
}

/// The index of a run that archived changes alone: a member, and two names that are gone.
fn changes() -> (Vec<u8>, Index) {
    let job = JobHeader {
        excludes: vec!["*.o".to_owned()],
        level: Level::Incremental,
        base: Some(uuid::Uuid::from_u128(5)),
        ..crate::support::job()
    };
    let mut builder = first_segment(&job);
    let member = Member {
        inode: Some(77),
        ..file("d/a", 3)
    };
    crate::support::add(&mut builder, &member, b"abc");
    assert!(builder.gone(b"d/b") && builder.gone(b"d/caf\xe9"));
    builder.set_job_problems(Some(2));
    let finished = builder.finish(crate::support::written_at(), true).unwrap();
    assert_eq!(finished.receipt.gone, [&b"d/b"[..], b"d/caf\xe9"]);
    let index = decode(&finished.index_records).unwrap();
    assert_eq!(index.info, finished.receipt.info);
    (finished.index_records, index)
}

/// The index of a run with this policy.
pub fn with_policy(policy: JobPolicy) -> (Vec<u8>, Index) {
    let job = JobHeader {
        policy,
        ..crate::support::job()
    };
    let mut builder = first_segment(&job);
    crate::support::add(&mut builder, &file("d/a", 3), b"abc");
    let finished = builder.finish(crate::support::written_at(), true).unwrap();
    let index = decode(&finished.index_records).unwrap();
    assert_eq!(index.info, finished.receipt.info);
    (finished.index_records, index)
}

#[test]
fn an_index_says_where_its_run_is_to_be_and_for_how_long() {
    let moment = "2036-01-02T04:00:00Z".parse().unwrap();
    for (keep, said) in [
        (None, None),
        (
            Some(KeepUntil::Moment(moment)),
            Some("2036-01-02T04:00:00Z"),
        ),
        (Some(KeepUntil::Forever), Some("forever")),
    ] {
        let (bytes, index) = with_policy(JobPolicy {
            pool: Some("photos".to_owned()),
            copy_pool: Some("vault".to_owned()),
            keep,
        });
        assert_eq!((index.info.format, index.info.job.policy.keep), (1, keep));
        let text: serde_json::Value = serde_json::from_slice(&members(&bytes)[0].1).unwrap();
        assert_eq!(text["job_pool"], "photos");
        assert_eq!(text["copy_pool"], "vault");
        assert_eq!(text.get("keep_until").map(|it| it.as_str().unwrap()), said);
    }
    let (bytes, _) = with_policy(JobPolicy {
        keep: Some(KeepUntil::Forever),
        ..JobPolicy::default()
    });
    let mut list = members(&bytes);
    let text = String::from_utf8(list[0].1.clone()).unwrap();
    list[0].1 = text.replace("\"forever\"", "\"long\"").into_bytes();
    let error = decode(&archive(list)).unwrap_err();
    assert!(error.to_string().contains("kept until `long`"), "{error}");
}

#[test]
fn an_index_of_changes_has_format_3_and_lists_what_is_gone() {
    let (bytes, index) = changes();
    let members = members(&bytes);
    let text = String::from_utf8_lossy(&members[0].1);
    for said in [
        "\"format\": 3",
        "\"level\": \"incremental\"",
        "\"base\": \"00000000-0000-0000-0000-000000000005\"",
        "\"gone\": 2",
        "\"job_problems\": 2",
    ] {
        assert!(text.contains(said), "{said} is not in {text}");
    }
    assert!(
        members[3].0.ends_with("/gone.jsonl.zst"),
        "{}",
        members[3].0
    );
    let lines = zstd::decode_all(&members[3].1[..]).unwrap();
    let expected = "{\"path\":\"d/b\"}\n{\"path_base64\":\"ZC9jYWbp\"}\n";
    assert_eq!(String::from_utf8_lossy(&lines), expected);
    assert_eq!(index.gone, [&b"d/b"[..], b"d/caf\xe9"]);
    assert_eq!(index.files[0].inode, Some(77));
    assert_eq!(index.info.job.excludes, ["*.o"]);
    assert_eq!(index.info.job_problems, Some(2));
}

#[test]
fn what_is_wrong_with_names_that_are_gone_is_named() {
    let (good, _) = changes();
    let with = |change: &dyn Fn(&mut Members)| {
        let mut list = members(&good);
        change(&mut list);
        archive(list)
    };
    let lines = |text: &'static str| {
        with(&move |list| list[3].1 = zstd::encode_all(text.as_bytes(), 3).unwrap())
    };
    let table: [(&str, Vec<u8>, &str); 5] = [
        (
            "left out",
            with(&|list| drop(list.remove(3))),
            "Contradiction",
        ),
        (
            "one missing",
            lines("{\"path\":\"d/b\"}\n"),
            "Contradiction",
        ),
        (
            "out of the tree",
            lines("{\"path\":\"d/b\"}\n{\"path\":\"../x\"}\n"),
            "Malformed",
        ),
        ("no path", lines("{\"path\":\"d/b\"}\n{}\n"), "Malformed"),
        (
            "cut off",
            lines("{\"path\":\"d/b\"}\n{\"path\":\"x\"}"),
            "Malformed",
        ),
    ];
    for (what, bytes, expected) in table {
        let error = format!("{:?}", decode(&bytes).unwrap_err());
        assert!(error.starts_with(expected), "{what}: {error}");
    }
    let mut damaged = good.clone();
    let at = damaged
        .windows(4)
        .rposition(|w| w == [0x28, 0xB5, 0x2F, 0xFD]);
    damaged[at.unwrap() + 5] ^= 1;
    let error = decode(&damaged).unwrap_err();
    assert!(
        matches!(&error, IndexError::WrongDigest { member } if *member == "gone.jsonl.zst"),
        "{error}"
    );
}

#[test]
fn conditions_survive() {
    use Condition::{Changed, Grew, Shrank, Unreadable, Whole};
    let point = AppendPoint::first();
    let mut builder = crate::support::builder(
        &label(BLOCK_BYTES),
        &point,
        crate::support::UNLIMITED,
        crate::support::Records::default(),
    );
    let conditions = [Whole, Changed, Shrank, Grew, Unreadable];
    for condition in conditions {
        builder.begin(&file("a", 1000)).unwrap();
        builder.data(b"abc").unwrap();
        assert_eq!(builder.missing_bytes(), 997);
        builder.data(&[0; 997]).unwrap();
        builder.end(None, condition).unwrap();
    }
    let finished = builder.finish(crate::support::written_at(), false).unwrap();
    let index = decode(&finished.index_records).unwrap();
    assert!(index.files.iter().map(|line| line.condition).eq(conditions));
}

#[test]
fn an_index_is_only_taken_from_its_own_place() {
    let (bytes, index) = sample();
    let at = index.info.index_block;
    let mut objects = vec![Object::Filemark; at.0 as usize];
    objects.extend([Object::Block(bytes.clone()), Object::Filemark]);
    let mut tape = MemoryTape::holding(objects.clone());
    assert_eq!(read_index(&mut tape, BLOCK_BYTES, at).unwrap(), index);
    objects.insert(0, Object::Filemark);
    let mut moved = MemoryTape::holding(objects.clone());
    let error = read_index(&mut moved, BLOCK_BYTES, at.plus(1)).unwrap_err();
    let contradiction = |error: &VolumeError| {
        matches!(
            error,
            VolumeError::Index {
                source: IndexError::Contradiction { .. },
                ..
            }
        )
    };
    assert!(contradiction(&error), "{error}");
    objects.pop();
    let mut open = MemoryTape::holding(objects);
    let error = read_index(&mut open, BLOCK_BYTES, at.plus(1)).unwrap_err();
    assert!(
        matches!(error, VolumeError::UnexpectedEndOfData { .. }),
        "{error}"
    );
}
