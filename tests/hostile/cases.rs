//! What is hostile.

use tapewright::volume::index::Codec;
use tapewright::volume::member::{Extent, Kind};

use crate::forge::{bomb, replace};
use crate::rig::{Item, Volume, file, node, noise};
use crate::ways::{BARCODE, GOOD, Scene};

pub struct Case {
    pub what: &'static str,
    pub tape: fn(&Scene) -> Volume,
    /// Whether the good file comes back, by each way.
    pub brings: [bool; 4],
}

const ALL: [bool; 4] = [true; 4];

/// A tape with these, and the good file in the middle.
fn around_good(mut items: Vec<Item>) -> Volume {
    let middle = items.len() / 2;
    items.insert(middle, file(GOOD, GOOD.as_bytes()));
    Volume::new(BARCODE).write(&items)
}

/// The path of the precious directory, without its slash.
fn precious(scene: &Scene) -> String {
    scene.precious().to_str().unwrap()[1..].to_owned()
}

fn to_precious(scene: &Scene) -> Kind {
    Kind::Symlink(scene.precious().to_str().unwrap().as_bytes().to_vec())
}

pub const CASES: &[Case] = &[
    Case {
        what: "names that go up",
        tape: |_| {
            let volume = around_good(vec![
                file("aa/bb/precious/file", b"evil"),
                file("d/cc/bb/precious/new", b"evil"),
                node("aa/bb/precious/inner", Kind::Directory),
            ]);
            let volume = volume.renamed("aa/bb/", "../../");
            volume.renamed("cc/bb/", "../../")
        },
        brings: ALL,
    },
    Case {
        what: "absolute names",
        tape: |scene| {
            let inside = format!("X{}/file", precious(scene));
            let volume = around_good(vec![file(&inside, b"evil"), file("Xescaped", b"evil")]);
            let volume = volume.renamed(&inside, &format!("/{}", &inside[1..]));
            volume.renamed("Xescaped", "/escaped")
        },
        brings: ALL,
    },
    Case {
        what: "symbolic links that are swapped with directories and files",
        tape: |scene| {
            around_good(vec![
                node("l", to_precious(scene)),
                file("l/file", b"evil"),
                node("l/inner", Kind::Directory),
                node("l", Kind::Directory),
                file("l/new", b"evil"),
                node("l", to_precious(scene)),
                file("l/inner/new", b"evil"),
                node("m", Kind::Directory),
                file("m/file", b"fine"),
                node("m", to_precious(scene)),
                node("m/p", Kind::Fifo),
            ])
        },
        brings: ALL,
    },
    Case {
        what: "hard links to what is outside",
        tape: |scene| {
            let target = format!("X{}/file", precious(scene));
            let volume = around_good(vec![
                node("absolute", Kind::Hardlink(target.clone().into_bytes())),
                file("absolute", b"evil"),
                node("up", Kind::Hardlink(b"aa/bb/precious/file".to_vec())),
                node("l", to_precious(scene)),
                node("through", Kind::Hardlink(b"l/file".to_vec())),
                file("through", b"evil"),
            ]);
            let volume = volume.renamed(&target, &format!("/{}", &target[1..]));
            volume.renamed("aa/bb/", "../../")
        },
        brings: ALL,
    },
    Case {
        what: "devices and pipes, and files of the same name",
        tape: |_| {
            around_good(vec![
                node("null", Kind::CharDevice(1, 3)),
                node("disk", Kind::BlockDevice(7, 200)),
                node("pipe", Kind::Fifo),
                file("pipe", b"evil"),
                file("disk", b"evil"),
                file("pipe/below", b"evil"),
                node("again", Kind::Hardlink(b"pipe".to_vec())),
            ])
        },
        brings: ALL,
    },
    Case {
        what: "the same names again and again",
        tape: |scene| {
            let link = node("same", to_precious(scene));
            around_good(vec![
                file("same", b"one"),
                link.clone(),
                node("same", Kind::Directory),
                file("same/file", b"evil"),
                link.clone(),
                file("same", b"two"),
                node("same", Kind::Hardlink(b"same".to_vec())),
                link,
            ])
        },
        brings: ALL,
    },
    Case {
        what: "links in place of the directories for other names",
        tape: |scene| {
            let volume = around_good(vec![
                node("tapewright-renamed", to_precious(scene)),
                node("tapewright-renamed/tapewright-up", to_precious(scene)),
                node("Tapewright-Renamed-2", to_precious(scene)),
                file("xx/file", b"evil"),
                node("l", to_precious(scene)),
                file("l/file", b"evil"),
                node("xx/l", to_precious(scene)),
                file("xx/l/file", b"evil"),
                node("xx/link", Kind::Hardlink(b"xx/l/file".to_vec())),
            ]);
            volume.renamed("xx/", "../")
        },
        brings: ALL,
    },
    Case {
        what: "huge names",
        tape: |_| {
            let long = "n".repeat(60_000);
            let deep = "d/".repeat(20_000) + "f";
            around_good(vec![
                file(&long, b"x"),
                file(&"n".repeat(256), b"x"),
                file(&deep, b"x"),
                node("link", Kind::Symlink(vec![b'l'; 60_000])),
            ])
        },
        brings: ALL,
    },
    Case {
        what: "sizes that no disk has",
        tape: |_| {
            let mut hole = file("hole", b"");
            hole.member.size_bytes = 1 << 62;
            hole.member.extents = Some(Vec::new());
            let mut data = file("data", &[7; 512]);
            data.member.size_bytes = 1 << 62;
            data.member.extents = Some(vec![Extent {
                offset_bytes: (1 << 62) - 512,
                length_bytes: 512,
            }]);
            around_good(vec![hole, data])
        },
        brings: ALL,
    },
    Case {
        what: "headers that say another size than the index",
        tape: |_| {
            let volume = around_good(vec![file("lie", &noise(1, 5000)), file("z", b"z")]);
            volume.with_records(|bytes| replace(bytes, b"00000011610\0", b"77777777777\0"))
        },
        // Nobody but the index knows that the header lies.
        brings: [true, true, false, true],
    },
    Case {
        what: "an index that says other lengths",
        tape: |_| {
            let volume = around_good(vec![file("lie", &noise(1, 5000)), file("z", b"z")]);
            volume.with_lines(|line| {
                if line["path"] == "lie" {
                    line["size"] = (1_u64 << 61).into();
                }
            })
        },
        brings: ALL,
    },
    Case {
        what: "an index whose places are on no tape",
        tape: |_| {
            let volume = around_good(vec![file("far", b"1"), file("deep", b"2")]);
            volume.with_lines(|line| {
                if line["path"] == "far" {
                    line["block"] = (1_u64 << 40).into();
                }
            })
        },
        brings: ALL,
    },
    Case {
        what: "a segment that says that it lies elsewhere",
        tape: |_| {
            let volume = around_good(vec![file("f", b"1")]);
            volume.with_segment(|segment| {
                segment["first_block"] = (1_u64 << 40).into();
                segment["index_block"] = ((1_u64 << 40) + 2).into();
            })
        },
        brings: ALL,
    },
    Case {
        what: "an index that grows without end",
        tape: |_| around_good(vec![file("f", b"1")]).with_files(|_| bomb(80_000)),
        brings: ALL,
    },
    Case {
        what: "frames that grow without end",
        tape: |_| {
            let items: Vec<Item> = (0..30)
                .map(|number| file(&format!("f{number:02}"), &noise(number, 300_000)))
                .collect();
            let volume = Volume::new(BARCODE).write_as(Codec::Zstd, &items);
            volume.with_records(|bytes| {
                let bomb = bomb(80_000);
                let magic = [0x28, 0xB5, 0x2F, 0xFD];
                let frames = bytes.windows(4).skip(1).position(|window| window == magic);
                let second = frames.unwrap() + 1;
                bytes[second..second + bomb.len()].copy_from_slice(&bomb);
            })
        },
        // It is not on this tape.
        brings: [false; 4],
    },
];
