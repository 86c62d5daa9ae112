//! One conformance test for every store.

use std::time::Duration;

use catalogs::LockError;
use catalogs::store::{Batch, MemoryStore, Row, SledStore, Store, StoreLock, VALUE_BYTES_MAX};

fn row(key: &str, value: &str) -> Row {
    (key.into(), value.into())
}

fn rows(store: &dyn Store, from: &str, to: &str) -> Vec<Row> {
    store
        .range(from.as_bytes(), to.as_bytes())
        .map(|row| row.unwrap())
        .collect()
}

fn batch(puts: &[(&str, &str)], removes: &[&str]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in puts {
        batch.put((*key).into(), (*value).into());
    }
    for key in removes {
        batch.remove((*key).into());
    }
    batch
}

fn conforms(store: &dyn Store) {
    assert_eq!(store.get(b"a").unwrap(), None);
    assert_eq!(rows(store, "", "z"), []);
    store
        .apply(&batch(
            &[("b", "2"), ("a", "1"), ("ab", "12"), ("c", "")],
            &[],
        ))
        .unwrap();
    assert_eq!(store.get(b"ab").unwrap(), Some(b"12".to_vec()));
    assert_eq!(store.get(b"c").unwrap(), Some(Vec::new()));
    let all = [row("a", "1"), row("ab", "12"), row("b", "2"), row("c", "")];
    assert_eq!(rows(store, "", "z"), all);
    assert_eq!(rows(store, "ab", "c"), all[1..3]);
    assert_eq!(rows(store, "aa", "aa"), []);
    assert_eq!(rows(store, "c", "a"), []);
    let backwards: Vec<Row> = store
        .range(b"a", b"c")
        .rev()
        .map(|row| row.unwrap())
        .collect();
    assert_eq!(backwards, [row("b", "2"), row("ab", "12"), row("a", "1")]);
    let mut both = store.range(b"a", b"d");
    assert_eq!(both.next().unwrap().unwrap(), all[0]);
    assert_eq!(both.next_back().unwrap().unwrap(), all[3]);
    assert_eq!(both.next().unwrap().unwrap(), all[1]);
    assert_eq!(both.next_back().unwrap().unwrap(), all[2]);
    assert!(both.next().is_none() && both.next_back().is_none());
    drop(both);
    store
        .apply(&batch(&[("a", "one")], &["ab", "nothing"]))
        .unwrap();
    assert_eq!(rows(store, "", "b"), [row("a", "one")]);
    store.apply(&Batch::default()).unwrap();
    let mut large = Batch::default();
    for number in 0..5_000u32 {
        let key = [b"n", number.to_be_bytes().as_slice()].concat();
        large.put(
            key,
            vec![number as u8; if number == 7 { VALUE_BYTES_MAX } else { 20 }],
        );
    }
    store.apply(&large).unwrap();
    assert_eq!(store.range(b"n", b"o").count(), 5_000);
    store.flush().unwrap();
}

#[test]
fn memory_store_conforms() {
    conforms(&MemoryStore::default());
}

#[test]
fn sled_store_conforms_keeps_its_rows_and_has_one_user() {
    let directory = tempfile::tempdir().unwrap();
    let index = directory.path().join("index");
    let lock = StoreLock::acquire(&index, Duration::ZERO).unwrap();
    let store = SledStore::open(lock).unwrap();
    conforms(&store);
    let second = StoreLock::acquire(&index, Duration::ZERO);
    assert!(matches!(second, Err(LockError::Busy { pid: Some(_), .. })));
    drop(store);
    let lock = StoreLock::acquire(&index, Duration::ZERO).unwrap();
    let store = SledStore::open(lock.clone()).unwrap();
    assert_eq!(store.get(b"a").unwrap(), Some(b"one".to_vec()));
    assert_eq!(store.range(b"n", b"o").count(), 5_000);
    drop(store);
    lock.delete().unwrap();
    assert!(!index.exists());
    assert_eq!(SledStore::open(lock).unwrap().get(b"a").unwrap(), None);
}
