//! Directory order, its keys and its ranges agree.

use catalogs::model::path::{Common, KeyRange, check_path, compare, order_key, split};
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
            for other in [&directory[..], b"a"] {
                let (exact, below) = (KeyRange::exact(other), KeyRange::below(other));
                for range in [exact, below, KeyRange::deeper(other)] {
                    prop_assert_eq!(range.contains_name(&name), range.contains(&key));
                    prop_assert_eq!(range.ends_before_name(&name), range.ends_before(&key));
                }
            }
            let top = !name.contains(&b'/');
            prop_assert_eq!(KeyRange::children(b"").contains(&key), top);
        }
    }
}

/// Whether `name` has what all names of a range are said to have.
fn is_common(common: &Common, name: &[u8]) -> bool {
    match common {
        Common::Name(only) => name == only,
        Common::Directory(directory) => directory.is_empty() || below(name, directory),
    }
}

proptest! {
    #[test]
    fn what_names_of_a_range_have_in_common_is_true_of_each(
        directory in path(), name in path(), from in path(), to in path(),
    ) {
        let known = Common::Directory(directory.clone());
        prop_assert_eq!(KeyRange::children(&directory).common(), known.clone());
        prop_assert_eq!(KeyRange::below(&directory).common(), known.clone());
        prop_assert_eq!(KeyRange::deeper(&directory).common(), known);
        let name_alone = Common::Name(directory.clone());
        prop_assert_eq!(KeyRange::exact(&directory).common(), name_alone);
        let key = |name: &[u8]| order_key(name);
        let in_directory = |name: &[u8]| [&directory[..], b"/", name].concat();
        let gaps = [
            (key(&from), Some(key(&to))),
            (KeyRange::deeper(&from).from, Some(KeyRange::below(&to).from)),
            (key(&in_directory(&from)), Some(key(&in_directory(&to)))),
            (KeyRange::below(&in_directory(&from)).to.unwrap(), KeyRange::deeper(&directory).to),
            (key(&from), None),
            (Vec::new(), Some(key(&to))),
        ];
        for (from, to) in gaps {
            let range = KeyRange { from, to };
            let common = range.common();
            for name in [name.clone(), in_directory(&name), in_directory(&from_name(&range))] {
                if check_path(&name).is_ok() && range.contains(&order_key(&name)) {
                    prop_assert!(is_common(&common, &name), "{:?} {:?} {:?}", range, common, name);
                }
            }
        }
    }
}

/// Some name near the lower end of a range.
fn from_name(range: &KeyRange) -> Vec<u8> {
    let letters = range.from.iter().filter(|byte| byte.is_ascii_alphabetic());
    letters.copied().chain([b'a']).collect()
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
