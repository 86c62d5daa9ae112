//! What is on tape is read by GNU tar, bsdtar and b3sum alone.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Place, assert_same_tree, random_files, restored};
use crate::root::is_root;
use crate::zoo;

/// A volume with two segments, the zoo and some plain files, and a copy of the catalog.
fn volume() -> (Place, std::path::PathBuf) {
    let place = Place::with_pool("2GB", 1);
    let source = place.path("source");
    zoo::make(&source.join("zoo"));
    place
        .run(
            ["archive", "--pool", "p", "--catalog-copy", "never"],
            [&source],
        )
        .expect_done();
    random_files(&source.join("more"), 8, 20, 10_000);
    place
        .run(["archive", "--pool", "p"], [source.join("more")])
        .expect_done();
    (place, source)
}

fn dump(place: &Place, file: u64) -> Vec<u8> {
    let ran = place
        .run(["tape", "dump", "SIM001L9", "--file"], [file.to_string()])
        .expect_done();
    ran.0.stdout
}

/// Feeds `input` to a program and gives back what it says on stdout and stderr.
#[track_caller]
fn feed(program: &str, args: &[&str], dir: &Path, input: &[u8]) -> (String, String) {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is installed (tests/run installs it)");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = std::thread::scope(|scope| {
        // A reader that has seen the end of the archive may close before the padding.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("the program ends")
    });
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), stderr)
}

#[test]
fn gnu_tar_and_bsdtar_list_every_tape_file_without_complaint() {
    let (place, _) = volume();
    for file in 0..5 {
        let archive = dump(&place, file);
        assert_eq!(
            archive.len() % 524_288,
            0,
            "tape file {file} is made of whole records"
        );
        for program in ["tar", "bsdtar"] {
            let (names, complaints) = feed(program, &["-tvf", "-"], Path::new("/"), &archive);
            assert!(
                !names.is_empty(),
                "{program} finds nothing in tape file {file}"
            );
            let complaints: Vec<_> = complaints.lines().filter(|line| !is_known(line)).collect();
            assert!(
                complaints.is_empty(),
                "{program} on tape file {file}: {complaints:?}"
            );
        }
    }
}

/// GNU tar says of names that are not UTF-8 that it does not know the keyword which marks
/// them (it takes the bytes as they are, as it should), and finds some times improbable.
fn is_known(complaint: &str) -> bool {
    [
        "'hdrcharset'",
        "implausibly old time stamp",
        "in the future",
    ]
    .iter()
    .any(|known| complaint.contains(known))
}

#[test]
fn gnu_tar_alone_gives_identical_files() {
    // Extracting owners and devices takes root.
    if !is_root() {
        return;
    }
    let (place, source) = volume();
    let target = place.path("by tar");
    fs::create_dir(&target).expect("a directory");
    let args = [
        "-xpf",
        "-",
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
    ];
    for file in [1, 3] {
        feed("tar", &args, &target, &dump(&place, file));
    }
    assert_same_tree(&source.join("zoo"), &restored(&target, &source.join("zoo")));
    assert_same_tree(
        &source.join("more"),
        &restored(&target, &source.join("more")),
    );
}

#[test]
fn an_index_is_checked_by_b3sum_and_read_by_zstd() {
    let (place, _) = volume();
    let dir = place.path("index");
    fs::create_dir(&dir).expect("a directory");
    feed("tar", &["-xf", "-"], &dir, &dump(&place, 2));
    let index = dir.join("tapewright-segment-00001");
    let (checked, _) = feed("b3sum", &["--check", "B3SUMS"], &index, b"");
    assert_eq!(checked.matches("OK").count(), 3, "{checked}");
    let listed = fs::read(index.join("files.jsonl.zst")).expect("the list of files");
    let (lines, _) = feed("zstd", &["-dc"], &index, &listed);
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
    assert!(lines.contains("\"sparse, over 8 GiB\"") || lines.contains("sparse, over 8 GiB"));
}

/// The README on the tape says what to type. It is typed here word for word, with `mt` and
/// `dd` standing in for the drive: they hand out the raw tape files of the simulator.
#[test]
fn the_labels_readme_alone_is_enough() {
    // Extracting owners and devices takes root.
    if !is_root() {
        return;
    }
    let (place, source) = volume();
    let bin = stand_ins(&place);
    let label = place.path("label");
    fs::create_dir(&label).expect("a directory");
    type_literally(
        &bin,
        &label,
        "mt -f /dev/nst0 rewind; dd if=/dev/nst0 bs=524288 | tar -xf -",
    );
    let readme = fs::read_to_string(label.join("README.txt")).expect("the README");

    let everything = indented(&readme, "HOW TO RESTORE ALL OF IT");
    let target = place.path("by readme");
    fs::create_dir(&target).expect("a directory");
    type_literally(&bin, &target, &everything[0]);
    assert_same_tree(&source.join("zoo"), &restored(&target, &source.join("zoo")));
    assert_same_tree(
        &source.join("more"),
        &restored(&target, &source.join("more")),
    );

    let one = indented(&readme, "HOW TO FIND AND CHECK ONE FILE");
    let index = place.path("by index");
    fs::create_dir(&index).expect("a directory");
    type_literally(&bin, &index, &one[0]);
    let lines = fs::read_to_string(index.join("tapewright-segment-00001/files.jsonl"));
    let lines = lines.expect("the list of files");
    let line = lines
        .lines()
        .find(|line| line.contains("3000000 bytes"))
        .expect("a file's line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let typed = one[1]
        .replace("seek 5", &format!("seek {}", line["block"]))
        .replace(
            "+1025",
            &format!("+{}", line["offset"].as_u64().expect("a number") + 1),
        )
        .replace("9216", &line["length"].to_string());
    let single = place.path("single");
    fs::create_dir(&single).expect("a directory");
    type_literally(&bin, &single, &typed);
    let wanted = source.join("zoo/3000000 bytes");
    let got = fs::read(restored(&single, &wanted)).expect("the one file");
    assert_eq!(got, fs::read(wanted).expect("the source"));
}

#[test]
fn the_readmes_words_join_a_file_that_was_cut_over_tapes() {
    let place = Place::with_pool("64MiB", 2);
    let source = place.path("large");
    random_files(&source, 9, 1, 70 << 20);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("by readme");
    fs::create_dir(&target).expect("a directory");
    for barcode in ["SIM001L9", "SIM002L9"] {
        let shown = &place.json(["tape", "show", barcode])[0];
        for segment in shown["contents"].as_array().expect("a list") {
            let file = segment["tape_file"].to_string();
            let ran = place.run(["tape", "dump", barcode, "--file", &file], [""; 0]);
            feed("tar", &["-xpf", "-"], &target, &ran.expect_done().0.stdout);
        }
    }
    let label = place
        .run(["tape", "dump", "SIM001L9", "--file", "0"], [""; 0])
        .expect_done();
    let (readme, _) = feed(
        "tar",
        &["-xOf", "-", "README.txt"],
        &target,
        &label.0.stdout,
    );
    let join = indented(&readme, "HOW TO RESTORE ALL OF IT")
        .into_iter()
        .find(|block| block.contains("tapewright-part-0001"))
        .expect("the README says how to join parts");
    type_literally(&place.path("no stand-ins"), &target, &join);
    let names = fs::read_dir(restored(&target, &source))
        .expect("a directory")
        .count();
    assert_eq!(names, 1, "the parts are joined and gone");
    let (joined, original) = (restored(&target, &source).join("0000"), source.join("0000"));
    assert!(fs::read(&joined).expect("the file") == fs::read(&original).expect("the source"));
    let modified = |path: &Path| {
        fs::metadata(path)
            .and_then(|meta| meta.modified())
            .expect("a time")
    };
    assert_eq!(modified(&joined), modified(&original));
}

/// The indented blocks below a heading, each as the text of a shell script.
fn indented(readme: &str, heading: &str) -> Vec<String> {
    let below = readme.split_once(heading).expect("the heading is there").1;
    let mut blocks = vec![String::new()];
    for line in below.lines().skip(1) {
        if let Some(command) = line.strip_prefix("    ") {
            let block = blocks.last_mut().expect("never empty");
            block.push_str(command);
            block.push('\n');
        } else if !line.is_empty() && line == line.to_uppercase() {
            break;
        } else if blocks.last().is_some_and(|block| !block.is_empty()) && !line.is_empty() {
            blocks.push(String::new());
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

fn type_literally(bin: &Path, dir: &Path, text: &str) {
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("sh")
        .args(["-c", text])
        .env("PATH", path)
        .current_dir(dir)
        .output()
        .expect("sh runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "typed:\n{text}\nanswer: {stderr}");
}

/// `mt` and `dd` for a drive that holds the volume's five tape files. They keep the
/// position as a block address, as the drive does, and refuse what they do not know.
fn stand_ins(place: &Place) -> std::path::PathBuf {
    let bin = place.path("bin");
    fs::create_dir(&bin).expect("a directory");
    let mut starts = vec![0];
    for file in 0..5 {
        let bytes = dump(place, file);
        starts.push(starts[starts.len() - 1] + bytes.len() / 524_288 + 1);
        fs::write(bin.join(format!("file-{file}")), bytes).expect("a tape file");
    }
    let starts: Vec<String> = starts.iter().map(ToString::to_string).collect();
    let preamble = format!(
        "#!/bin/bash\nhere='{}' starts=({})\nat=$(cat \"$here/at\" 2>/dev/null || echo 0)\n",
        bin.display(),
        starts.join(" ")
    );
    let mt = r#"[ "$1 $2" = '-f /dev/nst0' ] || exit 2
case $3 in
setblk) [ "$4" = 0 ] ;;
rewind) echo 0 >"$here/at" ;;
fsf) [ "$at" = 0 ] && [ -n "${starts[$4]}" ] && [ -e "$here/file-$4" ] &&
     echo "${starts[$4]}" >"$here/at" ;;
seek) echo "$4" >"$here/at" ;;
*) exit 2 ;;
esac
"#;
    let dd = r#"[ "$1 $2" = 'if=/dev/nst0 bs=524288' ] || exit 2
for file in 4 3 2 1 0; do
    [ "$at" -ge "${starts[$file]}" ] || continue
    echo "${starts[$((file + 1))]}" >"$here/at"
    tail -c +$(((at - starts[file]) * 524288 + 1)) "$here/file-$file"
    exit
done
"#;
    for (name, text) in [("mt", mt), ("dd", dd)] {
        let path = bin.join(name);
        fs::write(&path, format!("{preamble}{text}")).expect("a script");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).expect("an executable script");
    }
    bin
}
