//! What keeps a server with a database from starting, and how it says so.

use crate::support::account::APP_ID;
use crate::support::cluster::{Cluster, keep_secret};
use crate::support::*;

/// `serve` ends with this code, and both it and `check` say why.
#[track_caller]
fn cannot_start(setup: Setup, code: i32, why: &[&str]) {
    let account = setup.stopped();
    let served = account.command(&["serve"]);
    served.is_code(code);
    let checked = account.command(&["check"]);
    checked.is_code(1);
    for part in why {
        served.complains(part);
        let told = format!("{}{}", checked.stdout, checked.stderr);
        checked.expect(told.contains(part), part);
    }
    checked.expect(!checked.stdout.contains("synthetic"), "no password");
    served.expect(!served.stderr.contains("synthetic"), "no password");
}

#[test]
fn what_is_wrong_with_the_way_to_the_database_is_said_with_what_to_do() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let url = |user: &str, port: u16, database: &str| {
        format!("\"mysql://{user}@127.0.0.1:{port}/{database}\"")
    };
    let port = cluster.engine.address().port();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = nobody.local_addr().unwrap().port();
    drop(nobody);

    let wrong = cluster.setup();
    keep_secret(&wrong.folder().join("store_password"), "synthetic wrong");
    cannot_start(
        wrong,
        1,
        &["Access denied", "the password in store.password_file"],
    );

    let away = cluster
        .setup()
        .set("store.url", &url("wechatd", free, "wechatd_x"));
    cannot_start(
        away,
        1,
        &[
            &format!("127.0.0.1:{free}"),
            "check that the server of store.url runs",
        ],
    );

    let none = cluster
        .setup()
        .set("store.url", &url("wechatd", port, "wechatd_none"));
    cannot_start(none, 1, &["Unknown database", "CREATE DATABASE"]);

    cluster.sql("CREATE DATABASE IF NOT EXISTS somebodys");
    let barred = cluster
        .setup()
        .set("store.url", &url("wechatd", port, "somebodys"));
    cannot_start(barred, 1, &["Access denied", "GRANT ALL"]);
}

#[test]
fn a_user_who_may_only_read_is_told_which_rights_are_missing() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let user = format!("only_reads_{}", cluster.database);
    cluster.sql(&format!(
        "CREATE USER {user}@'%' IDENTIFIED BY 'synthetic-password'; GRANT SELECT ON {}.* TO {user}@'%'",
        cluster.database
    ));
    let url = cluster.engine.url(&cluster.database);
    let url = url.replace("mysql://wechatd@", &format!("mysql://{user}@"));
    let account = cluster
        .setup()
        .set("store.url", &format!("\"{url}\""))
        .stopped();
    // Only an attempt shows it.
    account
        .command(&["serve"])
        .is_code(1)
        .complains("denied")
        .complains("GRANT ALL ON");
}

#[test]
fn a_database_of_another_program_or_another_account_is_left_alone() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let platform = Platform::start();
    let mine = cluster.setup().platform(&platform).start();
    drop(mine);
    let other = "wx1111111111111111";
    let another = cluster.setup().platform(&platform);
    let another = another
        .set("account.app_id", &format!("\"{other}\""))
        .stopped();
    for command in ["serve", "check"] {
        another
            .command(&[command])
            .is_code(1)
            .complains(&format!("belongs to the account {APP_ID}"))
            .complains("name another database in store.url");
    }
    let foreign = Cluster::on(cluster.engine);
    foreign.sql("CREATE TABLE articles (id INT)");
    cannot_start(
        foreign.setup(),
        1,
        &["belongs to another program", "store.url"],
    );
    assert_eq!(foreign.sql("SHOW TABLES"), "articles");
}

#[test]
fn a_store_for_newer_programs_ends_the_start_for_good_and_one_that_can_still_be_used_does_not() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    drop(cluster.node());
    cluster.sql("UPDATE wechatd_schema SET version = 99");
    let node = cluster.node();
    node.post(&text("hello")).is_status(200);
    drop(node);
    cluster.sql("UPDATE wechatd_schema SET readable_by = 99");
    cannot_start(
        cluster.setup(),
        2,
        &["newer version 99", "use a newer wechatd"],
    );
}

#[test]
fn check_shows_what_the_server_is_and_what_acknowledged_means_there() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let node = cluster.node();
    let checked = node.command(&["check"]);
    checked
        .ok()
        .says(cluster.engine.product.name)
        .says("not encrypted")
        .says("STRICT_ALL_TABLES")
        .says("innodb_flush_log_at_trx_commit 1, no binary log")
        .says_nothing_of("is lost")
        .says_nothing_of("in the clear");
    let shown = node.command(&["check", "--json"]);
    let server = &shown.json()["server"];
    assert_eq!(server["innodb_flush_log_at_trx_commit"], "1", "{server}");
    assert_eq!(server["log_bin"], false);
    assert_eq!(server["wsrep_on"], false);
    assert!(server["semi_sync"].is_null() && server["cipher"].is_null());
    let address = cluster.engine.address();
    assert_eq!(server["host"], address.to_string());
    // A second host is told from one: then a commit has to be on both.
    let url = format!("mysql://wechatd@{address},127.0.0.1:1/{}", cluster.database);
    cluster
        .setup()
        .set("store.url", &format!("\"{url}\""))
        .stopped()
        .command(&["check"])
        .ok()
        .says("warning: ")
        .says("commits do not wait for a replica");
}
