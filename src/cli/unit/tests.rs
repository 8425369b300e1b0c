//! Tests for the text that `wechatd unit` prints.

use super::*;

const USUAL: Usual = Usual {
    binary: "/usr/local/bin/wechatd",
    config: "/etc/wechatd/wechat.conf",
    store: "/var/lib/wechatd/wechat.db",
};

#[derive(Clone, Copy)]
struct Usual {
    binary: &'static str,
    config: &'static str,
    store: &'static str,
}

impl Usual {
    fn unit(&self) -> Unit<'static> {
        Unit {
            binary: Path::new(self.binary),
            config: Path::new(self.config),
            store: Place::File(Path::new(self.store)),
            entrance: Entrance::Port(8080),
            admin: None,
            app_secret_file: None,
            token_file: None,
            media: None,
        }
    }

    fn text(&self) -> String {
        unit_text(&self.unit()).expect("the paths are writable")
    }
}

/// The values of a setting, in order, without comments.
fn settings<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .collect()
}

#[test]
fn the_usual_unit_says_what_the_readme_promises() {
    let text = USUAL.text();
    for (name, values) in [
        ("Type", vec!["notify"]),
        ("SyslogIdentifier", vec!["wechatd"]),
        (
            "ExecStart",
            vec!["/usr/local/bin/wechatd --config /etc/wechatd/wechat.conf serve"],
        ),
        (
            "ExecReload",
            vec![
                "/usr/local/bin/wechatd --config /etc/wechatd/wechat.conf check --quiet",
                "kill -HUP $MAINPID",
            ],
        ),
        ("LimitCORE", vec!["0"]),
        ("Restart", vec!["on-failure"]),
        ("RestartPreventExitStatus", vec!["2"]),
        ("StateDirectory", vec!["wechatd"]),
        ("StateDirectoryMode", vec!["0700"]),
        ("RuntimeDirectory", vec![]),
        ("ReadWritePaths", vec![]),
        ("LoadCredential", vec![]),
        ("CapabilityBoundingSet", vec![""]),
        ("AmbientCapabilities", vec![]),
        ("ProtectSystem", vec!["strict"]),
        ("ProtectHome", vec!["yes"]),
        ("NoNewPrivileges", vec!["yes"]),
        ("ProcSubset", vec!["pid"]),
        ("UMask", vec!["0077"]),
        ("After", vec!["network-online.target", "time-sync.target"]),
        ("Wants", vec!["network-online.target"]),
        ("WantedBy", vec!["multi-user.target"]),
    ] {
        assert_eq!(settings(&text, name), values, "{name}");
    }
    assert_eq!(unit_advice(&USUAL.unit()), Vec::<String>::new());
}

#[test]
fn every_line_is_a_section_a_setting_a_comment_or_empty() {
    let secret = Some(Path::new("/etc/wechatd/app secret"));
    let text = unit_text(&Unit {
        app_secret_file: secret,
        ..USUAL.unit()
    })
    .expect("writable");
    for line in text.lines() {
        let setting = line.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric())
        });
        let section = ["[Unit]", "[Service]", "[Install]"].contains(&line);
        assert!(
            setting || section || line.is_empty() || line.starts_with('#'),
            "{line:?}"
        );
    }
}

#[test]
fn spaces_percents_and_dollars_in_paths_are_escaped_for_their_setting() {
    let text = unit_text(&Unit {
        binary: Path::new("/opt/my 100%/$x/wechatd"),
        config: Path::new("/etc/my 50%/$y/wechat.conf"),
        store: Place::File(Path::new("/srv/my 10%/wechat.db")),
        entrance: Entrance::Port(8080),
        admin: None,
        app_secret_file: Some(Path::new("/etc/my 50%/secret")),
        token_file: None,
        media: None,
    })
    .expect("the paths are writable");
    // A `$` is literal in the program's path, and starts a variable after it.
    assert_eq!(
        settings(&text, "ExecStart"),
        [r#""/opt/my 100%%/$x/wechatd" --config "/etc/my 50%%/$$y/wechat.conf" serve"#]
    );
    // After `env`, the program is an argument too.
    assert_eq!(
        settings(&text, "ExecReload")[0],
        r#"env WECHATD_APP_SECRET=NotNeededHere "/opt/my 100%%/$$x/wechatd" --config "/etc/my 50%%/$$y/wechat.conf" check --quiet"#
    );
    assert_eq!(settings(&text, "ReadWritePaths"), [r#""/srv/my 10%%""#]);
    // The path of a credential goes on to the end of the line, so quotes would be part of it.
    assert_eq!(
        settings(&text, "LoadCredential"),
        ["app_secret:/etc/my 50%%/secret"]
    );
}

#[test]
fn a_path_that_systemd_does_not_accept_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let not_utf8 = Path::new(std::ffi::OsStr::from_bytes(b"/opt/\xff/wechatd"));
    for path in [
        Path::new("wechatd"),
        Path::new("/opt/\"x\"/wechatd"),
        Path::new("/opt/it's/wechatd"),
        Path::new("/opt/a\\b/wechatd"),
        Path::new("/opt/a\nExecStartPre=evil/wechatd"),
        Path::new("/opt/wechatd "),
        not_utf8,
    ] {
        let refused = unit_text(&Unit {
            binary: path,
            ..USUAL.unit()
        });
        let said = refused.expect_err("the path is unwritable").to_string();
        assert!(
            said.starts_with("unit: the path \"") && !said.contains('\n'),
            "{said}"
        );
        assert!(
            unit_text(&Unit {
                config: path,
                ..USUAL.unit()
            })
            .is_err(),
            "{path:?}"
        );
    }
}

#[test]
fn the_state_directory_follows_the_store() {
    for (store, state, writable) in [
        ("/var/lib/wechatd/wechat.db", "wechatd", None),
        ("/var/lib/shop/two/wechat.db", "shop/two", None),
        ("/var/lib/wechat.db", "wechatd", Some("/var/lib")),
        (
            "/var/lib/private/x/wechat.db",
            "wechatd",
            Some("/var/lib/private/x"),
        ),
        (
            "/var/lib/a b/wechat.db",
            "wechatd",
            Some("\"/var/lib/a b\""),
        ),
        (
            "/var/lib/../spool/wechat.db",
            "wechatd",
            Some("/var/lib/../spool"),
        ),
        ("/srv/wechat/wechat.db", "wechatd", Some("/srv/wechat")),
    ] {
        let unit = Unit {
            store: Place::File(Path::new(store)),
            ..USUAL.unit()
        };
        let text = unit_text(&unit).expect("writable");
        assert_eq!(settings(&text, "StateDirectory"), [state], "{store}");
        assert_eq!(
            settings(&text, "ReadWritePaths"),
            Vec::from_iter(writable),
            "{store}"
        );
        assert_eq!(unit_advice(&unit).is_empty(), writable.is_none(), "{store}");
    }
}

#[test]
fn a_unix_socket_gets_its_folder() {
    for (socket, runtime, writable) in [
        ("/run/wechatd/wechatd.sock", Some("wechatd"), None),
        ("/var/lib/wechatd/wechatd.sock", None, None),
        ("/srv/web/wechatd.sock", None, Some("/srv/web")),
    ] {
        let entrance = Entrance::Socket(Path::new(socket));
        let text = unit_text(&Unit {
            entrance,
            ..USUAL.unit()
        })
        .expect("writable");
        assert_eq!(
            settings(&text, "RuntimeDirectory"),
            Vec::from_iter(runtime),
            "{socket}"
        );
        assert_eq!(
            settings(&text, "ReadWritePaths"),
            Vec::from_iter(writable),
            "{socket}"
        );
        // The operator's page may have the same folder, or is the only one with a socket.
        for own in [entrance, Entrance::Port(8080)] {
            let both = unit_text(&Unit {
                entrance: own,
                admin: Some(Entrance::Socket(
                    &Path::new(socket).with_file_name("admin.sock"),
                )),
                ..USUAL.unit()
            });
            assert_eq!(both.expect("writable"), text, "{socket}");
        }
    }
}

#[test]
fn only_a_port_below_1024_keeps_a_capability_of_root() {
    for (port, capability) in [
        (80, "CAP_NET_BIND_SERVICE"),
        (1023, "CAP_NET_BIND_SERVICE"),
        (1024, ""),
        (8080, ""),
        (0, ""),
    ] {
        let entrance = Entrance::Port(port);
        let text = unit_text(&Unit {
            entrance,
            ..USUAL.unit()
        })
        .expect("writable");
        assert_eq!(
            settings(&text, "CapabilityBoundingSet"),
            [capability],
            "{port}"
        );
        // In a user namespace the capability would not apply to the machine's ports.
        assert_eq!(
            settings(&text, "PrivateUsers").is_empty(),
            !capability.is_empty(),
            "{port}"
        );
    }
}

#[test]
fn files_under_home_stay_readable_and_are_advised_against() {
    let unit = Unit {
        binary: Path::new("/home/ann/wechatd"),
        ..USUAL.unit()
    };
    let text = unit_text(&unit).expect("writable");
    assert_eq!(settings(&text, "ProtectHome"), ["read-only"]);
    assert_eq!(unit_advice(&unit).len(), 1);
    let unit = Unit {
        config: Path::new("/tmp/x/wechat.conf"),
        ..USUAL.unit()
    };
    assert!(unit_advice(&unit)[0].contains("move it"));
}

#[test]
fn the_folder_of_the_token_file_belongs_to_the_service() {
    let (run, elsewhere) = ("/run/wechatd/wechatd.sock", "/srv/wechatd/wechatd.sock");
    for (socket, token, runtime, writable) in [
        (None, "/run/wechatd/access_token", Some("wechatd"), None),
        (
            Some(run),
            "/run/wechatd/access_token",
            Some("wechatd"),
            None,
        ),
        (
            Some(run),
            "/run/token/access_token",
            Some("wechatd token"),
            None,
        ),
        (None, "/srv/token/access_token", None, Some("/srv/token")),
        (
            Some(elsewhere),
            "/srv/wechatd/access_token",
            None,
            Some("/srv/wechatd"),
        ),
        (None, "/var/lib/wechatd/access_token", None, None),
    ] {
        let text = unit_text(&Unit {
            entrance: socket.map_or(Entrance::Port(8080), |socket| {
                Entrance::Socket(Path::new(socket))
            }),
            token_file: Some(Path::new(token)),
            media: None,
            ..USUAL.unit()
        })
        .expect("writable");
        let (found, paths) = (
            settings(&text, "RuntimeDirectory"),
            settings(&text, "ReadWritePaths"),
        );
        assert_eq!(found, Vec::from_iter(runtime), "{socket:?} {token}");
        assert_eq!(paths, Vec::from_iter(writable), "{socket:?} {token}");
    }
}

#[test]
fn a_store_on_a_server_needs_its_password_and_no_folder_and_its_backup_the_network() {
    let unit = Unit {
        store: Place::Server {
            password: Some(Path::new("/etc/wechatd/store_password")),
            certificates: Some(Path::new("/etc/wechatd/store_ca.pem")),
        },
        app_secret_file: Some(Path::new("/etc/wechatd/app_secret")),
        media: Some(Path::new("/var/lib/wechatd/media")),
        ..USUAL.unit()
    };
    let text = unit_text(&unit).expect("writable");
    let password = "store_password:/etc/wechatd/store_password";
    for (name, values) in [
        ("StateDirectory", vec!["wechatd"]),
        ("ReadWritePaths", vec![]),
        ("ProcSubset", vec!["all"]),
        (
            "LoadCredential",
            vec!["app_secret:/etc/wechatd/app_secret", password],
        ),
        (
            "After",
            vec![
                "network-online.target",
                "mariadb.service mysql.service",
                "time-sync.target",
            ],
        ),
    ] {
        assert_eq!(settings(&text, name), values, "{name}");
    }
    assert_eq!(
        settings(&text, "ExecReload")[0],
        "env WECHATD_APP_SECRET=NotNeededHere WECHATD_STORE_PASSWORD=NotNeededHere /usr/local/bin/wechatd --config /etc/wechatd/wechat.conf check --quiet"
    );
    assert_eq!(unit_advice(&unit), Vec::<String>::new());
    let [backup, _] = backup_units(&unit).expect("writable");
    assert_eq!(settings(&backup, "LoadCredential"), [password]);
    assert_eq!(settings(&backup, "PrivateNetwork"), Vec::<&str>::new());
    assert_eq!(
        settings(&backup, "RestrictAddressFamilies"),
        ["AF_INET AF_INET6 AF_UNIX"]
    );
    let at_home = Unit {
        store: Place::Server {
            password: None,
            certificates: Some(Path::new("/home/ann/ca.pem")),
        },
        ..USUAL.unit()
    };
    assert!(unit_advice(&at_home)[0].contains("file of certificates"));
}
