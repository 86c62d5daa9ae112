//! Tests that only root can make.

/// True for root. Another user fails the test, so that what it shows is never taken for
/// shown, unless `TAPEWRIGHT_TEST_WITHOUT_ROOT=1` says that this is known.
#[track_caller]
pub fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let excused =
        std::env::var_os("TAPEWRIGHT_TEST_WITHOUT_ROOT").is_some_and(|value| value == "1");
    assert!(
        is_root || excused,
        "this test needs root: run tests/run, or leave it out by TAPEWRIGHT_TEST_WITHOUT_ROOT=1"
    );
    is_root
}
