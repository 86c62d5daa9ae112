//! The layering and the style of `docs/architecture.md`, as a test.
//!
//! Reads the sources as text. Each check is a pure function over (path, text), so that
//! the last test can show that it really fails on what it forbids.

use std::fs;
use std::path::{Path, PathBuf};

/// Layer of each module of the root crate; leaves are 0 and usable everywhere.
const LAYERS: [(&str, u8); 12] = [
    ("access_order", 0),
    ("units", 0),
    ("clock", 0),
    ("error_text", 0),
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
/// The SG_IO ioctl, and the memory shared with the kernel's TCMU.
const UNSAFE_FILES: [&str; 2] = ["src/transport/sg.rs", "tape-sim/src/tcmu/map.rs"];

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

/// The modules of the root crate that a file names below `crate::`, also in groups such as
/// `crate::{drive::Drive, volume}`, each with its line. Empty for other uses of `crate`.
fn named_modules(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut code = String::new();
    let mut starts = Vec::new();
    for (number, line) in code_lines(text) {
        starts.push((code.len(), number));
        code.push_str(line);
        code.push('\n');
    }
    for (at, prefix) in code.match_indices("crate::") {
        let number = starts[starts.partition_point(|(start, _)| *start <= at) - 1].1;
        let rest = code[at + prefix.len()..].trim_start();
        let firsts = match rest.strip_prefix('{') {
            Some(group) => first_names(group),
            None => words(rest).next().into_iter().collect(),
        };
        found.extend(firsts.into_iter().map(|name| (number, name.to_owned())));
    }
    found
}

/// The first name of each item of a group, up to the brace that closes it.
fn first_names(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut names = Vec::new();
    let mut item = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.extend(words(&group[item..at]).next());
                item = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

/// How many `super::` lead from the modules of this file to the crate's root.
fn depth(path: &str) -> usize {
    let is_folder = ["mod.rs", "lib.rs"].iter().any(|name| path.ends_with(name));
    path.matches('/').count() - usize::from(is_folder)
}

fn upward_imports(path: &str, text: &str) -> Vec<String> {
    let own = layer_of(path);
    let own_module = path.trim_start_matches("src/").split(['/', '.']).next();
    let mut found = Vec::new();
    for (number, module) in named_modules(text) {
        let Some((name, layer)) = LAYERS.iter().find(|(name, _)| module == *name) else {
            continue;
        };
        let stranger = *layer == own && *layer != 0 && own_module != Some(*name);
        if *layer > own || stranger {
            found.push(format!(
                "{path}:{number}: layer {own} imports {name} ({layer})"
            ));
        }
    }
    let mut to_root = depth(path);
    for (number, code) in code_lines(text) {
        // The tests are a module of their own within the file.
        to_root += usize::from(code.contains("#[cfg(test)]"));
        if own < 7 && code.contains(&"super::".repeat(to_root)) {
            found.push(format!("{path}:{number}: leaves its layer by super::"));
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

/// sled is behind the catalog's one door.
fn sled_elsewhere(path: &str, text: &str) -> Vec<String> {
    if path == "catalogs/src/store.rs" || path.starts_with("catalogs/src/store/") {
        return Vec::new();
    }
    code_lines(text)
        .filter(|(_, code)| words(code).any(|word| word == "sled"))
        .map(|(number, _)| format!("{path}:{number}: sled outside catalogs/src/store"))
        .collect()
}

/// A library does not print; its programs do.
fn printing(path: &str, text: &str) -> Vec<String> {
    if path.contains("src/bin/") {
        return Vec::new();
    }
    let tests_start = text.find("#[cfg(test)]").unwrap_or(text.len());
    code_lines(&text[..tests_start])
        .filter(|(_, code)| {
            let macros = ["println", "eprintln", "print", "eprint"];
            let mut names = words(code).filter(|word| macros.contains(word));
            names.any(|name| code.contains(&format!("{name}!")))
        })
        .map(|(number, _)| format!("{path}:{number}: a library prints"))
        .collect()
}

fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    if UNSAFE_FILES.contains(&path) {
        return Vec::new();
    }
    code_lines(text)
        .filter(|(_, code)| words(code).any(|word| word == "unsafe"))
        .map(|(number, _)| format!("{path}:{number}: unsafe outside {UNSAFE_FILES:?}"))
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

/// Purpose, invariants and what it does not know stand at the top of each file.
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
fn unsafe_stands_in_its_two_files_only() {
    assert_none(unsafe_code, &SOURCES);
}

#[test]
fn only_the_catalogs_store_knows_sled() {
    assert_none(sled_elsewhere, &SOURCES);
}

#[test]
fn only_programs_print() {
    assert_none(printing, &SOURCES);
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
    let cases: [(Check, &str, &str); 18] = [
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
            "src/drive/mod.rs",
            "use crate::{units::Bytes, volume::{Label, scan}};",
        ),
        (
            upward_imports,
            "src/drive/mod.rs",
            "use crate::{\n    units::{Bytes, Rate},\n    changer,\n};",
        ),
        (
            upward_imports,
            "src/drive/mod.rs",
            "use super::super::volume::Label;",
        ),
        (
            upward_imports,
            "src/drive/mode.rs",
            "use super::super::volume::Label;",
        ),
        (sled_elsewhere, "catalogs/src/catalog.rs", "use sled::Tree;"),
        (sled_elsewhere, "catalogs/src/stores.rs", "sled::open(path)"),
        (printing, "src/engine/mod.rs", "    eprintln!(\"here\");"),
        (
            upward_imports,
            "src/engine/restore.rs",
            "use catalogs::Catalog;",
        ),
        (upward_imports, "src/jobs/mod.rs", "use clap::Parser;"),
        (unsafe_code, "src/drive/mod.rs", "    unsafe { ioctl() }"),
        (unsafe_code, "tape-sim/src/tcmu/ring.rs", "unsafe { *at }"),
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
    for fine in [
        "use super::super::sense;",
        "use crate::{units, drive::mode};",
    ] {
        assert!(upward_imports("src/drive/parts/mode.rs", fine).is_empty());
    }
    let panicked = std::panic::catch_unwind(|| layer_of("src/drivex/mod.rs"));
    assert!(panicked.is_err(), "a module without a layer passes");
    assert!(sled_elsewhere("catalogs/src/store/open.rs", "sled::open(path)").is_empty());
    assert!(unsafe_code("src/lib.rs", "// unsafe is forbidden").is_empty());
}
