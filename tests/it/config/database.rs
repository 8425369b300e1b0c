//! `store.url` and the keys that belong to it.

use super::*;

const URL: &str = "url = \"mysql://wechatd@db1,db2:3306/wechatd\"\n";

#[cfg(not(feature = "mysql"))]
#[test]
fn a_program_without_it_refuses_a_database_and_says_how_to_build_one_that_has_it() {
    for arguments in [["check"], ["serve"]] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.conf");
        std::fs::write(&path, format!("[store]\n{URL}")).unwrap();
        let ran = run(&path, &arguments);
        ran.refused();
        reports(
            &ran,
            2,
            &["store.url", "cargo build --release --features mysql"],
        );
        assert!(!folder.path().join("wechat.db").exists());
    }
}

#[test]
fn a_url_with_the_password_or_without_a_part_is_refused() {
    for (url, parts) in [
        (
            "mysql://w:hunter2@db/wechatd",
            ["store.password_file", "must not hold"],
        ),
        ("mysql://w@db", ["must be like mysql://", "store.url"]),
        (
            "postgres://w@db/wechatd",
            ["must be like mysql://", "store.url"],
        ),
        (
            "mysql://w@db1,/wechatd",
            ["must be like mysql://", "store.url"],
        ),
    ] {
        let ran = check(format!("[store]\nurl = \"{url}\"\n"));
        ran.refused();
        reports(&ran, 2, &parts);
        ran.expect(!ran.stderr.contains("hunter2"), "no password");
    }
}

#[test]
fn keys_about_a_database_are_refused_without_one() {
    for key in [
        "password_file = \"secret\"",
        "connections = 8",
        "tls = \"off\"",
    ] {
        let ran = check(format!("[store]\n{key}\n"));
        ran.refused();
        let name = key.split(' ').next().unwrap();
        reports(&ran, 2, &[&format!("store.{name}"), "without store.url"]);
    }
    // What was misspelt is not missing.
    let ran = check("[store]\nurll = \"mysql://w@db/wechatd\"\nconnections = 8\n");
    ran.refused();
    ran.expect(!ran.stderr.contains("without"), "only the wrong name");
}

#[cfg(feature = "mysql")]
#[test]
fn a_database_and_a_file_a_missing_password_and_wrong_certificates_are_refused_at_once() {
    let ran = check(format!(
        "[store]\npath = \"wechat.db\"\n{URL}password_file = \"nowhere\"\nconnections = 0\ntls = \"of\"\n"
    ));
    ran.refused();
    reports(&ran, 3, &["store.url", "store.path"]);
    reports(
        &ran,
        4,
        &["store.password_file", "nowhere", "cannot be read"],
    );
    reports(&ran, 5, &["store.connections", "1 to 64"]);
    reports(&ran, 6, &["store.tls", "\"required\", \"off\" or a file"]);
}

#[cfg(feature = "mysql")]
#[test]
fn a_password_is_one_line_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wechat.conf");
    std::fs::write(&path, format!("[store]\n{URL}password_file = \"secret\"\n")).unwrap();
    for (text, what) in [
        ("", "is empty"),
        ("\n", "is empty"),
        ("one\ntwo\n", "one line"),
    ] {
        std::fs::write(folder.path().join("secret"), text).unwrap();
        let ran = run(&path, &["check"]);
        ran.refused();
        reports(&ran, 3, &["store.password_file", what]);
    }
    std::fs::write(folder.path().join("secret"), "a b c\r\n").unwrap();
    let config = Config::load(&path).unwrap();
    let server = config.store.server.unwrap();
    assert_eq!(server.password.unwrap().expose(), "a b c");
    assert_eq!(server.connections, 4);
    assert_eq!(server.tls, wechatd::store::Tls::Required);
}
