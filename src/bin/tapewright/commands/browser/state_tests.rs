//! Keys, and what they make of the model.

use super::*;

fn row(path: &str, kind: &'static str, bytes: u64) -> Row {
    Row {
        path: path.as_bytes().to_vec(),
        kind,
        bytes,
        mtime: None,
    }
}

/// `/d` with the directory `docs` and the files `a.txt`, `B.txt` and `zeta`.
fn model() -> Model {
    let mut model = Model::new(b"d".to_vec(), None, "back".to_owned());
    model.height = 2;
    model.listed(
        vec![
            row("d/docs", "dir", 0),
            row("d/zeta", "file", 7),
            row("d/B.txt", "file", 20),
            row("d/a.txt", "file", 10),
        ],
        None,
    );
    model
}

/// Keys as one types them: `>` is Enter, `<` Backspace, `!` Escape.
fn press(model: &mut Model, keys: &str) -> Option<Action> {
    let mut action = None;
    for c in keys.chars() {
        action = model.key(match c {
            '>' => Key::Enter,
            '<' => Key::Backspace,
            '!' => Key::Escape,
            c => Key::Char(c),
        });
    }
    action
}

fn under_cursor(model: &Model) -> String {
    let row = model.current();
    row.map_or_else(String::new, |row| shown(row.name()))
}

fn marked(model: &Model) -> Vec<String> {
    model.marks.keys().map(|path| shown(path)).collect()
}

#[test]
fn keys_move_filter_and_mark() {
    let cases: [(&str, &str, &[&str]); 15] = [
        // Keys, the name under the cursor, what is marked.
        ("", "B.txt", &[]),
        ("j", "a.txt", &[]),
        ("jjjjjj", "zeta", &[]),
        ("jjk", "a.txt", &[]),
        (" ", "a.txt", &["d/B.txt"]),
        (" k ", "a.txt", &[]),
        (" j u", "zeta", &[]),
        ("jj ", "zeta", &["d/docs"]),
        ("a", "B.txt", &["d/B.txt", "d/a.txt", "d/docs", "d/zeta"]),
        ("/TXT>a", "B.txt", &["d/B.txt", "d/a.txt"]),
        ("z", "zeta", &[]),
        ("zet<<<", "zeta", &[]),
        ("/zzz", "", &[]),
        ("/zzz!", "B.txt", &[]),
        ("/zeta!", "zeta", &[]),
    ];
    for (keys, name, marks) in cases {
        let mut model = model();
        let _ = press(&mut model, keys);
        assert_eq!(under_cursor(&model), name, "{keys}");
        assert_eq!(marked(&model), marks, "{keys}");
    }
}

#[test]
fn keys_ask_for_what_is_outside() {
    let docs = || b"d/docs".to_vec();
    let cases = [
        ("q", Some(Action::Quit)),
        (">", None),
        ("jj>", Some(Action::List)),
        ("h", Some(Action::List)),
        (" ", None),
        ("jj ", Some(Action::Measure(vec![docs()]))),
        ("jjs", Some(Action::Measure(vec![docs()]))),
        ("jjss", None),
        ("a", Some(Action::Measure(vec![docs()]))),
        ("u", Some(Action::Forget)),
        ("t", None),
        (" t", Some(Action::Plan)),
        ("r", None),
        ("r>", None),
        (" r>", Some(Action::Restore(PathBuf::from("back")))),
        (" r<<x>", Some(Action::Restore(PathBuf::from("bax")))),
        (" r<<<<>", None),
        (" r!q", Some(Action::Quit)),
        ("?q", None),
        ("?qq", Some(Action::Quit)),
        ("d2026-11-01>", Some(Action::List)),
        ("dyesterday>", None),
        ("d!q", Some(Action::Quit)),
    ];
    for (keys, action) in cases {
        assert_eq!(press(&mut model(), keys), action, "{keys}");
    }
    assert_eq!(model().key(Key::Interrupt), Some(Action::Quit));
}

#[test]
fn who_leaves_a_directory_finds_it_under_the_cursor() {
    let mut model = model();
    let _ = press(&mut model, "jj>");
    assert_eq!(
        (model.path.as_slice(), model.reading),
        (&b"d/docs"[..], true)
    );
    model.listed(Vec::new(), None);
    assert_eq!(model.key(Key::Left), Some(Action::List));
    model.listed(vec![row("d/aaa", "file", 1), row("d/docs", "dir", 0)], None);
    assert_eq!(under_cursor(&model), "docs");
    assert_eq!(model.key(Key::Left), Some(Action::List));
    assert!(model.path.is_empty());
    assert_eq!(model.key(Key::Left), None);
}

#[test]
fn what_lies_below_a_mark_is_marked_and_counted_once() {
    let mut model = model();
    let _ = press(&mut model, "jj>");
    model.listed(vec![row("d/docs/x", "file", 5)], None);
    let _ = press(&mut model, " h");
    assert_eq!(model.marked_bytes(), (5, true));
    model.listed(vec![row("d/docs", "dir", 0)], None);
    let _ = press(&mut model, " ");
    assert_eq!(
        model.marked_bytes(),
        (0, false),
        "the directory is not counted yet"
    );
    let (files, bytes) = (1, 5);
    model.measured(b"d/docs".to_vec(), Total::Known { files, bytes });
    assert_eq!(model.marked_bytes(), (5, true));
    assert!(model.is_marked(b"d/docs/y") && !model.is_marked(b"d/docsy"));
}

#[test]
fn another_date_gives_up_marks_and_sizes() {
    let mut model = model();
    let _ = press(&mut model, " d2026-11-01>");
    assert!(model.marks.is_empty() && model.as_of.is_some());
    assert!(model.message.contains("marks"), "{}", model.message);
    let _ = press(&mut model, "d>");
    assert_eq!(model.as_of, None);
    let _ = press(&mut model, "dnever>");
    assert_eq!(model.mode, Mode::Date("never".to_owned()));
    assert!(model.message.contains("2026-11-01"), "{}", model.message);
}

#[test]
fn the_cursor_stays_on_the_screen() {
    let mut model = model();
    for key in [
        Key::End,
        Key::Up,
        Key::PageUp,
        Key::Home,
        Key::PageDown,
        Key::Down,
    ] {
        let _ = model.key(key);
        let seen = model.top..model.top + model.height;
        assert!(seen.contains(&model.cursor), "{key:?}: {seen:?}");
    }
}
