//! Short keys for long texts.

use crate::support::*;

const CREATE: &str = "/cgi-bin/shorten/gen";

#[test]
fn create_makes_a_key_and_show_gives_the_text_back() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let text = "https://www.example.com/?from=海报&n=7";
    let made = account.command(&["shorten", "create", text, "--expires", "1d", "--json"]);
    let made = made.json();
    let key = made["short_key"].as_str().unwrap().to_owned();
    let left = made["expires_at"].as_i64().unwrap() - now();
    assert!((86_000..=86_400).contains(&left), "{left}");
    let asked = platform.bodies(CREATE).pop().unwrap();
    assert_eq!(asked["expire_seconds"], 86_400);
    let shown = account.command(&["shorten", "show", &key]);
    assert_eq!(shown.ok().stdout, format!("{text}\n"));
    let shown = account.command(&["shorten", "show", &key, "--json"]).json();
    assert_eq!(shown["expire_seconds"], 86_300);
    account
        .command(&["shorten", "create", "another"])
        .ok()
        .says("works until");
    let asked = platform.bodies(CREATE).pop().unwrap();
    assert_eq!(asked["expire_seconds"], 30 * 86_400);
}

#[test]
fn invalid_arguments_are_refused_before_any_call() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let long = "x".repeat(4_097);
    for (arguments, complaint) in [
        (&["shorten", "create", &long][..], "1 to 4096 bytes"),
        (&["shorten", "create", ""], "1 to 4096 bytes"),
        (&["shorten", "create", "x", "--expires", "31d"], "1s to 30d"),
        (
            &["shorten", "create", "x", "--expires", "soon"],
            "--expires",
        ),
    ] {
        account.command(arguments).refused().complains(complaint);
    }
    assert!(platform.calls().is_empty());
    account
        .command(&["shorten", "show", "nosuchkey"])
        .failed()
        .complains("the key is unknown or has expired");
    platform.fault(
        CREATE,
        Fault::Errcode(45009, "reach max api daily quota limit"),
    );
    account
        .command(&["shorten", "create", "x"])
        .failed()
        .complains("midnight Beijing time");
    assert_eq!(platform.count(CREATE), 1);
}
