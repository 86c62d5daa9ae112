//! Directory order, its keys and its ranges agree.

use catalogs::model::path::{KeyRange, check_path, compare, order_key, split};
use proptest::prelude::*;

fn path() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(b"ab/!\x01\x02\x03\xff".to_vec());
    prop::collection::vec(byte, 1..10)
        .prop_filter("an archive name", |path| check_path(path).is_ok())
}

fn below(path: &[u8], directory: &[u8]) -> bool {
    path.starts_with(directory) && path.get(directory.len()) == Some(&b'/')
}

proptest! {
    #[test]
    fn keys_sort_like_names(a in path(), b in path()) {
        prop_assert_eq!(compare(&a, &b), order_key(&a).cmp(&order_key(&b)));
        prop_assert_eq!(compare(&a, &b).is_eq(), a == b);
    }

    #[test]
    fn ranges_hold_what_they_say(directory in path(), name in path()) {
        for name in [name.clone(), [&directory[..], b"/", &name].concat()] {
            let key = order_key(&name);
            prop_assert_eq!(KeyRange::exact(&directory).contains(&key), name == directory);
            prop_assert_eq!(KeyRange::below(&directory).contains(&key), below(&name, &directory));
            let child = split(&name).0 == directory;
            prop_assert_eq!(KeyRange::children(&directory).contains(&key), child);
            prop_assert!(KeyRange::all().contains(&key) && KeyRange::below(b"").contains(&key));
            let top = !name.contains(&b'/');
            prop_assert_eq!(KeyRange::children(b"").contains(&key), top);
        }
    }
}

#[test]
fn a_directory_and_what_is_below_it_stand_together() {
    let mut names = [
        "b", "a/x", "a.b", "a/b/c", "a", "a/b", "a!/z", "a/b!/c", "a/z",
    ];
    names.sort_by(|a, b| compare(a.as_bytes(), b.as_bytes()));
    assert_eq!(
        names,
        [
            "a", "a.b", "b", "a/b", "a/x", "a/z", "a/b/c", "a/b!/c", "a!/z"
        ]
    );
}
