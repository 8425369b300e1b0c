//! The service of a machine whose store is on a server: its password, its installation, its reloads.

use crate::support::cluster::{Cluster, keep_secret};
use crate::support::engine::PASSWORD;
use crate::support::*;

#[test]
fn the_password_can_come_from_the_environment_or_a_credential_of_systemd() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster
        .setup()
        .unset("store.password_file")
        .env("WECHATD_STORE_PASSWORD", PASSWORD)
        .start()
        .post(&text("hello"))
        .is_status(200);
    let credentials = tempfile::tempdir().unwrap();
    keep_secret(&credentials.path().join("store_password"), PASSWORD);
    let place = credentials.path().display().to_string();
    let node = cluster
        .setup()
        .set(
            "store.password_file",
            "\"/nowhere/only-root-may-read-this\"",
        )
        .env("CREDENTIALS_DIRECTORY", &place)
        .start();
    node.post(&text("hello")).is_status(200);
    node.command(&["unit"])
        .ok()
        .says("\nLoadCredential=store_password:/nowhere/only-root-may-read-this\n");
    assert!(!node.log().has(PASSWORD));
}

#[test]
fn the_check_before_a_reload_needs_no_password() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let node = cluster.node();
    std::fs::remove_file(node.folder().join("store_password")).unwrap();
    node.command(&["check", "--quiet"]).refused();
    let check = || {
        let mut command = node.program(&["check", "--quiet"]);
        command.env("WECHATD_STORE_PASSWORD", "NotNeededHere");
        Ran::of(command, "")
    };
    check().ok();
    node.rewrite_config(|config| format!("server.nonsense = 1\n{config}"));
    check().refused().complains("nonsense");
}

#[test]
fn a_reload_names_the_keys_of_the_database_that_need_a_restart() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let node = cluster.node();
    keep_secret(&node.folder().join("other"), "synthetic other");
    let port = cluster.engine.address().port();
    node.rewrite_config(|config| {
        let config = config.replace("\"store_password\"", "\"other\"");
        let config = config.replace(&format!(":{port}/"), ":1/");
        let config = config.replace("tls = \"off\"", "tls = \"required\"");
        format!("store.connections = 2\n{config}")
    });
    node.reload();
    node.log()
        .says("only after a restart: store.url, store.password_file, store.connections, store.tls");
    node.post(&text("hello")).is_status(200);
}

#[test]
fn an_installation_takes_the_password_and_the_certificates_with_it() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let setup = cluster.setup().set("store.tls", "\"ca.pem\"");
    let certificate = rcgen::generate_simple_self_signed(["db1".to_owned()]).unwrap();
    let certificate = certificate.cert.pem();
    std::fs::write(setup.folder().join("ca.pem"), &certificate).unwrap();
    let account = setup.stopped();
    let root = tempfile::tempdir().unwrap();
    let place = root.path().display().to_string();
    account
        .command(&["install", "--yes", "--root", &place])
        .ok();
    let text = |path: &str| std::fs::read_to_string(root.path().join(path)).unwrap();
    assert_eq!(text("etc/wechatd/store_password").trim(), PASSWORD);
    assert_eq!(text("etc/wechatd/store_ca.pem"), certificate);
    let config = text("etc/wechatd/wechat.conf");
    for line in [
        "store.password_file = \"/etc/wechatd/store_password\"",
        "store.tls = \"/etc/wechatd/store_ca.pem\"",
    ] {
        assert!(config.lines().any(|own| own == line), "{line}\n{config}");
    }
    assert!(!config.contains("wechat.db"), "{config}");
    let unit = text("etc/systemd/system/wechatd.service");
    assert!(unit.contains("LoadCredential=store_password:/etc/wechatd/store_password"));
    account
        .command(&["install", "--yes", "--root", &place])
        .ok()
        .says("nothing to do");
}
