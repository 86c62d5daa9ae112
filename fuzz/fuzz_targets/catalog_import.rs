//! Any bytes as the export of another catalog; and as its lines, with header, end line and
//! compression made right.
#![no_main]

use std::path::Path;

use catalogs::portable::import;
use catalogs::{Catalog, OpenOptions};
use libfuzzer_sys::fuzz_target;

const HEADER: &str = r#"{"tapewright_catalog_export":1,"catalog":"00000000-0000-0000-0000-000000000001","created":"2026-01-31T02:03:04Z","software":"fuzz"}"#;

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&completed(data));
});

/// What is refused leaves nothing behind. What is taken is a sound catalog, whose own export
/// brings the same once more.
fn read(file: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let once = place.path().join("once");
    let done = match import(&once, "fuzz", file, &|| true) {
        Ok(done) => done,
        Err(error) => {
            let left = std::fs::read_dir(place.path()).unwrap().count();
            assert_eq!(left, 0, "{error}");
            return;
        }
    };
    let first = export(&once, done.entries);
    let twice = place.path().join("twice");
    import(&twice, "fuzz", &first[..], &|| true).unwrap();
    assert!(export(&twice, u64::MAX) == first);
}

/// The export of a catalog that has at most `most` entries, and no damage.
fn export(directory: &Path, most: u64) -> Vec<u8> {
    let options = OpenOptions {
        memory_index: true,
        ..OpenOptions::default()
    };
    let catalog = Catalog::open(directory, options).unwrap();
    let report = catalog.check().unwrap();
    assert!(report.damaged.is_empty(), "{:?}", report.damaged);
    assert!(report.entries <= most);
    let mut out = Vec::new();
    catalog.export("fuzz", &mut out, &|| true).unwrap();
    out
}

/// The lines of `data` between the header and the end line that is theirs.
fn completed(data: &[u8]) -> Vec<u8> {
    let mut text = format!("{HEADER}\n").into_bytes();
    let (mut events, mut entries) = (0, 0);
    for line in data
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        events += u64::from(line.starts_with(b"{\"event\"") || line.starts_with(b"{\"receipt\""));
        entries += u64::from(line.starts_with(b"{\"entry\""));
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let sum = blake3::hash(&text).to_hex();
    let end =
        format!("{{\"end\":{{\"events\":{events},\"entries\":{entries},\"blake3\":\"{sum}\"}}}}\n");
    text.extend(end.into_bytes());
    zstd::encode_all(&text[..], 1).unwrap()
}
