//! The layering and the style of `docs/architecture.md`, as a test.
//!
//! Reads the sources as text. Each check is a pure function over (path, text), so that
//! the last test can show that it really fails on what it forbids.

use std::fs;
use std::path::{Path, PathBuf};

/// Layer of each module of the root crate; leaves are 0 and usable everywhere.
const LAYERS: [(&str, u8); 10] = [
    ("units", 0),
    ("clock", 0),
    ("monitor", 0),
    ("transport", 1),
    ("scsi", 2),
    ("drive", 3),
    ("changer", 3),
    ("volume", 4),
    ("engine", 5),
    ("jobs", 6),
];

/// Crates that a layer below the named one must not mention.
const CRATES: [(&str, u8); 2] = [("catalogs", 6), ("clap", 7)];

const LINE_COLUMNS: usize = 100;
const FILE_LINES: usize = 600;
const UNSAFE_FILE: &str = "src/transport/sg.rs";

fn layer_of(path: &str) -> u8 {
    let module = path
        .trim_start_matches("src/")
        .split(['/', '.'])
        .next()
        .unwrap_or("");
    match module {
        "bin" | "lib" => 7,
        _ => {
            LAYERS
                .iter()
                .find(|(name, _)| *name == module)
                .unwrap_or_else(|| {
                    panic!("{path}: module {module} has no layer in tests/layering.rs")
                })
                .1
        }
    }
}

/// The code of a file: comments removed, so that prose may name anything.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| {
        let code = match line.find("//") {
            Some(at) if !line[..at].contains('"') => &line[..at],
            _ => line,
        };
        (number + 1, code)
    })
}

/// Splits at everything that cannot be in an identifier.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

fn upward_imports(path: &str, text: &str) -> Vec<String> {
    let own = layer_of(path);
    let mut found = Vec::new();
    for (number, code) in code_lines(text) {
        for rest in code.split("crate::").skip(1) {
            let module = rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            let Some((name, layer)) = LAYERS.iter().find(|(name, _)| module == Some(*name)) else {
                continue;
            };
            let same_module = path.starts_with(&format!("src/{name}"));
            let stranger = *layer == own && *layer != 0 && !same_module;
            if *layer > own || stranger {
                found.push(format!(
                    "{path}:{number}: layer {own} imports {name} ({layer})"
                ));
            }
        }
        for (name, lowest) in CRATES {
            if own < lowest && words(code).any(|word| word == name) {
                found.push(format!(
                    "{path}:{number}: layer {own} uses the crate {name}"
                ));
            }
        }
    }
    found
}

fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    if path == UNSAFE_FILE {
        return Vec::new();
    }
    code_lines(text)
        .filter(|(_, code)| words(code).any(|word| word == "unsafe"))
        .map(|(number, _)| format!("{path}:{number}: unsafe outside {UNSAFE_FILE}"))
        .collect()
}

/// Opcodes live in `src/scsi/` alone: elsewhere no byte array literal may stand that
/// looks like a CDB, and nobody compares a CDB's first byte with a number.
fn opcodes(path: &str, text: &str) -> Vec<String> {
    if path.starts_with("src/scsi/") {
        return Vec::new();
    }
    let tests_start = text.find("#[cfg(test)]").unwrap_or(text.len());
    code_lines(&text[..tests_start])
        .filter(|(_, code)| {
            let compact: String = code.split_whitespace().collect();
            let literal = compact
                .split("[0x")
                .skip(1)
                .any(|rest| rest.find([',', ';']).is_some_and(|at| at <= 4));
            let compared = [
                "cdb[0]==",
                "cdb[0]!=",
                "matchcdb[0]",
                "cdb.first()==Some(&0x",
            ];
            literal || compared.iter().any(|pattern| compact.contains(pattern))
        })
        .map(|(number, code)| {
            format!(
                "{path}:{number}: an opcode outside src/scsi: {}",
                code.trim()
            )
        })
        .collect()
}

fn long_lines(path: &str, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.chars().count() > LINE_COLUMNS)
        .map(|(number, _)| format!("{path}:{}: over {LINE_COLUMNS} columns", number + 1))
        .collect()
}

fn long_file(path: &str, text: &str) -> Vec<String> {
    let code = text
        .find("#[cfg(test)]\nmod tests")
        .map_or(text, |at| &text[..at]);
    let lines = code.lines().count();
    if lines <= FILE_LINES {
        return Vec::new();
    }
    vec![format!(
        "{path}: {lines} lines without tests, limit {FILE_LINES}"
    )]
}

/// `unwrap` is for tests; `todo!` and its like for nobody (clippy denies those too).
fn header_missing(path: &str, text: &str) -> Vec<String> {
    let header = text.lines().find(|line| !line.starts_with("#!["));
    if header.is_some_and(|line| line.starts_with("//!")) {
        return Vec::new();
    }
    vec![format!("{path}: no module header (//!) at its top")]
}

fn rust_files(below: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(below)];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a source folder is readable") {
            let path = entry.expect("a folder entry is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "no Rust file below {below}");
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file is UTF-8");
            let name = path
                .strip_prefix(root)
                .expect("the file lies below the root");
            (
                name.to_str().expect("source names are UTF-8").to_owned(),
                text,
            )
        })
        .collect()
}

fn assert_none(check: fn(&str, &str) -> Vec<String>, folders: &[&str]) {
    let found: Vec<String> = folders
        .iter()
        .flat_map(|folder| rust_files(folder))
        .flat_map(|(path, text)| check(&path, &text))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

const ALL: [&str; 6] = [
    "src",
    "tests",
    "tape-sim/src",
    "tape-sim/tests",
    "catalogs/src",
    "catalogs/tests",
];
const SOURCES: [&str; 3] = ["src", "tape-sim/src", "catalogs/src"];

#[test]
fn a_module_imports_only_lower_layers() {
    assert_none(upward_imports, &["src"]);
}

#[test]
fn unsafe_stands_in_one_file_only() {
    assert_none(unsafe_code, &SOURCES);
}

#[test]
fn opcodes_stand_in_the_scsi_layer_only() {
    assert_none(opcodes, &["src"]);
}

#[test]
fn lines_and_files_keep_their_limits() {
    assert_none(long_lines, &ALL);
    assert_none(long_file, &SOURCES);
}

#[test]
fn every_source_file_says_what_it_is_for() {
    assert_none(header_missing, &SOURCES);
}

#[test]
fn the_crates_beside_know_nothing_of_the_root() {
    for folder in ["tape-sim", "catalogs"] {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(folder)
            .join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("the crate has a manifest");
        for forbidden in [
            "tapewright",
            "../",
            "tape-sim.workspace",
            "catalogs.workspace",
        ] {
            assert!(
                !manifest.contains(forbidden),
                "{folder}/Cargo.toml names {forbidden}"
            );
        }
    }
}

#[test]
fn each_check_fails_on_what_it_forbids() {
    type Check = fn(&str, &str) -> Vec<String>;
    let long_line = "x".repeat(LINE_COLUMNS + 1);
    let long_text = "\n".repeat(FILE_LINES + 1);
    let cases: [(Check, &str, &str); 10] = [
        (
            upward_imports,
            "src/drive/mod.rs",
            "use crate::volume::Label;",
        ),
        (
            upward_imports,
            "src/drive/mod.rs",
            "use crate::changer::Changer;",
        ),
        (
            upward_imports,
            "src/engine/restore.rs",
            "use catalogs::Catalog;",
        ),
        (upward_imports, "src/jobs/mod.rs", "use clap::Parser;"),
        (unsafe_code, "src/drive/mod.rs", "    unsafe { ioctl() }"),
        (
            opcodes,
            "src/drive/mod.rs",
            "let cdb = [0x12, 0, 0, 0, 36, 0];",
        ),
        (opcodes, "src/transport/sim.rs", "if cdb[0] == 0x12 {"),
        (long_lines, "src/lib.rs", &long_line),
        (long_file, "src/lib.rs", &long_text),
        (header_missing, "src/lib.rs", "use std::fs;"),
    ];
    for (check, path, text) in cases {
        assert!(!check(path, text).is_empty(), "{path}: {text} passes");
    }
    assert!(upward_imports("src/volume/mod.rs", "use crate::drive::Drive;").is_empty());
    assert!(unsafe_code("src/lib.rs", "// unsafe is forbidden").is_empty());
}
