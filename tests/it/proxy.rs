//! `wechatd proxy`: what is printed is what these programs take, and has the paths of the configuration.

use crate::support::*;
use std::path::Path;
use std::process::Command;

const URL: &str = "web.url = \"https://example.com\"\n";

const GATES: &str = "
[[gate]]
name = \"members\"
who = \"tag:VIP\"

[[gate]]
name = \"all\"
who = \"anyone\"
";

/// The headers that tell the app who its visitor is.
pub const HEADERS: [&str; 7] = [
    "Remote-User",
    "X-WeChat-Openid",
    "X-WeChat-Subscribed",
    "X-WeChat-Unionid",
    "X-WeChat-Nickname",
    "X-WeChat-Method",
    "X-WeChat-Session",
];

/// What `wechatd proxy` prints for this configuration, in a folder with two verify files.
#[track_caller]
fn proxy(config: &str, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    for name in ["MP_verify_aBcD1234.txt", "WW_verify_1.txt"] {
        std::fs::write(folder.path().join(name), "aBcD1234").unwrap();
    }
    let file = folder.path().join("wechat.conf");
    std::fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    wechatd(&[&["--config", file, "proxy"], arguments].concat())
}

/// Configurations that change what is printed.
fn configurations() -> Vec<String> {
    [
        "".to_owned(),
        GATES.to_owned(),
        "server.path = \"/a/b/callback\"\nweb.path = \"/a/we.chat\"\n".to_owned(),
        "web.verify_files = [\"MP_verify_aBcD1234.txt\", \"WW_verify_1.txt\"]\n".to_owned(),
        "server.listen = \"0.0.0.0:8080\"\nserver.trusted_proxies = []\n".to_owned(),
        "server.listen = \"[::1]:8080\"\n".to_owned(),
        "server.listen = \"unix:/run/wechatd/wechatd.sock\"\n".to_owned(),
    ]
    .into_iter()
    .flat_map(|more| {
        let urls = [
            URL,
            "web.url = \"https://example.com:8443\"\n",
            "web.url = \"http://localhost:8880\"\n",
            "web.url = \"http://[::1]:8880\"\n",
        ];
        urls.into_iter().flat_map(move |url| {
            let page = url
                .replace("web.url", "admin.url")
                .replace("\"\n", "/admin\"\n");
            let page = format!("{page}admin.listen = \"127.0.0.1:9081\"\n");
            [format!("{url}{more}"), format!("{url}{page}{more}")]
        })
    })
    .collect()
}

/// What a program says about a file, and whether it takes it; `None` where the program is not installed.
fn judged(program: &mut Command) -> Option<Result<(), String>> {
    let output = program.output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(match output.status.success() {
        true => Ok(()),
        false => Err(said),
    })
}

fn nginx(folder: &Path, snippet: &str) -> Option<Result<(), String>> {
    // An nginx that was only unpacked lacks the folders for temporary files that it was built with.
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds
        .iter()
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .collect();
    let main = format!(
        "error_log stderr;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}include snippet.conf;\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), main).unwrap();
    // Without `listen` it is port 80, which is not everybody's, and nginx looks.
    let listen = format!(
        "listen unix:{}/nginx.sock;\n    server_name",
        folder.display()
    );
    let snippet = match snippet.contains("\n    listen ") {
        true => snippet.to_owned(),
        false => snippet.replace("server_name", &listen),
    };
    std::fs::write(folder.join("snippet.conf"), snippet).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.args(["-t", "-e", "stderr", "-c", "nginx.conf", "-p"]);
    judged(nginx.arg(folder))
}

fn caddy(folder: &Path, snippet: &str) -> Option<Result<(), String>> {
    let file = folder.join("Caddyfile");
    std::fs::write(&file, snippet).unwrap();
    let mut caddy = Command::new("caddy");
    // It writes its own configuration into the home folder.
    caddy.env("HOME", folder).env("XDG_CONFIG_HOME", folder);
    caddy.args(["validate", "--adapter", "caddyfile", "--config"]);
    judged(caddy.arg(file))
}

#[test]
fn nginx_and_caddy_take_what_is_printed() {
    for config in configurations() {
        let folder = tempfile::tempdir().unwrap();
        for (name, judge) in [
            (
                "nginx",
                nginx as fn(&Path, &str) -> Option<Result<(), String>>,
            ),
            ("caddy", caddy),
        ] {
            let ran = proxy(&config, &[name]);
            let snippet = &ran.ok().stdout;
            assert!(!snippet.contains(['<', '\u{0}']), "{config}\n{snippet}");
            // Only where the program is installed.
            if let Some(Err(said)) = judge(folder.path(), snippet) {
                panic!("{name} refuses this:\n{config}\n{snippet}\n{said}");
            }
        }
    }
}

#[test]
fn a_snippet_has_the_paths_of_the_configuration() {
    let config = format!(
        "{URL}{}\n[server]\nlisten = \"127.0.0.1:8081\"\npath = \"/cb\"\n{GATES}",
        "web.path = \"/w\"\nweb.verify_files = [\"WW_verify_1.txt\"]"
    );
    for (name, parts) in [
        (
            "nginx",
            &[
                "server 127.0.0.1:8081;",
                "server_name example.com;",
                "location = /cb {",
                "location /w/ {",
                "proxy_pass http://wechatd/w/auth/members;",
                "location ~ ^/MP_verify_\\w+\\.txt$ {",
                "location = /WW_verify_1.txt {",
            ][..],
        ),
        (
            "caddy",
            &[
                "example.com {",
                "@wechatd path /cb /w/* /MP_verify_*.txt /WW_verify_1.txt",
                "reverse_proxy 127.0.0.1:8081",
                "uri /w/gate/members",
            ],
        ),
        (
            "traefik",
            &[
                "Not tried with a real Traefik",
                "Path(`/cb`) || PathPrefix(`/w/`) || PathPrefix(`/MP_verify_`) || Path(`/WW_verify_1.txt`)",
                "address: \"http://127.0.0.1:8081/w/gate/members\"",
                "X_WeChat_Openid: \"\"",
                "X-WeChat_Openid: \"\"",
            ],
        ),
    ] {
        let ran = proxy(&config, &[name]);
        ran.ok()
            .says("Who may pass to your app: \"members\" (followers with the tag VIP).")
            .says("from 127.0.0.1, ::1 (server.trusted_proxies)");
        for part in parts {
            ran.says(part);
        }
        for header in HEADERS {
            ran.says(header);
        }
        let all = proxy(&config, &[name, "--gate", "all"]);
        all.ok().says("/all").says_nothing_of("members");
        // Without a [[gate]] it is the first one, whatever it is called later.
        let gateless = proxy(URL, &[name]);
        gateless
            .ok()
            .says("\"default\" (followers)")
            .says_nothing_of("/default");
    }
}

#[test]
fn the_operators_page_is_in_it_where_it_is_on_the_same_site() {
    let page =
        |url: &str| format!("{URL}admin.listen = \"127.0.0.1:9081\"\nadmin.url = \"{url}\"\n");
    for (name, parts) in [
        ("nginx", ["location /admin/ {", "server 127.0.0.1:9081;"]),
        (
            "caddy",
            [
                "@operator path /admin /admin/*",
                "reverse_proxy 127.0.0.1:9081",
            ],
        ),
        (
            "traefik",
            ["PathPrefix(`/admin/`)", "url: \"http://127.0.0.1:9081\""],
        ),
    ] {
        let ran = proxy(&page("https://example.com/admin"), &[name]);
        ran.ok().says(parts[0]).says(parts[1]);
        for elsewhere in ["https://admin.example.com", "https://example.com"] {
            let ran = proxy(&page(elsewhere), &[name]);
            ran.ok().says_nothing_of("operator").says_nothing_of("9081");
        }
    }
}

#[test]
fn a_proxy_whose_headers_are_not_believed_is_told_so() {
    let config = format!("{URL}server.trusted_proxies = []\n");
    proxy(&config, &["nginx"])
        .ok()
        .says("from nobody: enter this proxy's address");
    let config = format!("{URL}server.listen = \"unix:/run/wechatd/wechatd.sock\"\n");
    proxy(&config, &["caddy"])
        .ok()
        .says("from whoever connects to its socket")
        .says("reverse_proxy unix//run/wechatd/wechatd.sock");
    proxy(&config, &["nginx"])
        .ok()
        .says("server unix:/run/wechatd/wechatd.sock;");
}

#[test]
fn what_cannot_be_printed_says_what_to_do() {
    proxy("", &["nginx"])
        .is_code(2)
        .complains("web.url is not set; enter how browsers reach this server");
    let config = format!("{URL}{GATES}");
    proxy(&config, &["caddy", "--gate", "member"])
        .is_code(2)
        .complains("there is no gate \"member\"; did you mean members?");
    proxy(&config, &["apache"])
        .is_code(2)
        .complains("nginx, caddy, traefik");
    let odd = format!("{URL}server.path = \"/a;b\"\n");
    proxy(&odd, &["nginx"])
        .is_code(1)
        .complains("choose a path of letters, digits");
    let socket = format!("{URL}server.listen = \"unix:/run/wechatd/wechatd.sock\"\n");
    proxy(&socket, &["traefik"])
        .is_code(2)
        .complains("Traefik reaches no Unix socket; let server.listen be an address");
}
