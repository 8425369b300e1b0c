//! Tests that run on a new store in a file and, where there is a server, on one in a new database of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::{Options, Store};

/// Runs a test with a new store of each engine.
pub(super) fn on_both_engines(test: impl Fn(&Store)) {
    options_of_both_engines(|options| test(&Store::open(options).unwrap()));
}

/// Runs a test with the options of a store of each engine that is still to be made. What is written to one store is
/// committed in order, on a server, too.
pub(super) fn options_of_both_engines(test: impl Fn(&Options)) {
    let folder = tempfile::tempdir().unwrap();
    // The last of these lines tells on which engine a test failed.
    eprintln!("in a file:");
    test(&folder.path().join("wechat.db").as_path().into());
    #[cfg(feature = "mysql")]
    if let Some(mut options) = super::mysql::tests::new_database() {
        options.server.as_mut().unwrap().connections = 1;
        eprintln!("on a server:");
        test(&options);
    }
}
