//! Outages of the platform's API: pushes are still answered at once, memory stays flat, and the log warns once.

use crate::support::account::{HELP, WELCOME};
use crate::support::*;
use std::time::{Duration, Instant};

const TOKENS: &str = "/cgi-bin/stable_token";
const INFO: &str = "/cgi-bin/user/info";
const BATCH: &str = "/cgi-bin/user/info/batchget";

/// How long each fault lasts.
const OUTAGE: Duration = Duration::from_secs(4);

/// The `api.timeout` for faults that end by it.
const SHORT: &str = "\"1s\"";
/// The `api.timeout` for other faults: long enough that on a busy machine no call times out instead, which the log
/// would report as a second problem.
const LONG: &str = "\"60s\"";

/// During the outage, people subscribe and write, and are answered at once.
#[track_caller]
fn does_not_disturb(account: &Account) {
    account
        .post(&subscribe().from(&another_fan()))
        .is_text(WELCOME);
    account.log().says("WARN");
    let before = Vitals::of(account.pid());
    let begun = Instant::now();
    while begun.elapsed() < OUTAGE {
        for answer in [
            account
                .post(&subscribe().from(&another_fan()))
                .is_text(WELCOME),
            account.post(&text("hello")).is_text(HELP),
        ] {
            answer.expect(answer.took < IN_TIME, "an answer at once");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let after = Vitals::of(account.pid());
    let flat = after.rss < before.rss + 16 * 1024 && after.threads <= before.threads + 2;
    assert!(flat, "before: {before}, after: {after}\n{}", account.log());
    account.log().says("WARN");
    assert_eq!(
        account.log().count("WARN"),
        1,
        "one warning\n{}",
        account.log()
    );
}

/// Every call to the platform fails like this; afterwards all profiles are fetched.
fn outage(fault: Fault, timeout: &str) {
    let platform = Platform::start();
    for path in [TOKENS, INFO, BATCH] {
        platform.always(path, fault.clone());
    }
    let mut account = Setup::new()
        .platform(&platform)
        .set("api.timeout", timeout)
        .start();
    does_not_disturb(&account);
    platform.heal();
    platform.release();
    // A restart ends the current back-off, which may be long.
    account.restart();
    eventually("all profiles", account.log(), || {
        account.store().count("followers WHERE profile_at IS NULL") == 0
    });
}

fn unknown_host_name() {
    let platform = Platform::start();
    // Too long for a host name, so that no resolver and no network is asked.
    let nowhere = format!("\"https://{}.invalid\"", "nowhere".repeat(10));
    let account = Setup::new()
        .platform(&platform)
        .set("api.base_url", &nowhere)
        .set("api.timeout", LONG)
        .start();
    does_not_disturb(&account);
    account.log().says("has no address");
}

fn untrusted_certificate() {
    let stranger = TlsFront::start(None);
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set("api.base_url", &format!("\"{}\"", stranger.url()))
        .set("api.timeout", LONG)
        .start();
    does_not_disturb(&account);
    assert_eq!(stranger.heard(), 0, "the secret was sent to a stranger");
}

#[test]
fn no_outage_of_the_platform_delays_an_answer() {
    // Redirects are not followed, because the token would go with them.
    let elsewhere = Platform::start();
    let redirect = Fault::Redirect(format!("{}{TOKENS}", elsewhere.url()));
    // All at once, because each takes seconds. A failure names its thread.
    std::thread::scope(|scope| {
        let run = |what: &str, outage: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(what.to_owned());
            thread.spawn_scoped(scope, outage).unwrap();
        };
        for (what, fault, timeout) in [
            ("it hangs", Fault::Hang, SHORT),
            ("it trickles", Fault::Trickle, SHORT),
            ("its answer never ends", Fault::Endless, LONG),
            ("it redirects", redirect, LONG),
            (
                "it is always busy",
                Fault::Errcode(-1, "system error"),
                LONG,
            ),
            ("it answers with 502", Fault::BadGateway, LONG),
            ("it truncates its answers", Fault::Truncated, LONG),
        ] {
            run(what, Box::new(move || outage(fault, timeout)));
        }
        run("unknown host name", Box::new(unknown_host_name));
        run("untrusted certificate", Box::new(untrusted_certificate));
    });
    assert!(elsewhere.calls().is_empty());
}
