//! What the platform's API can do to the server: answers to pushes keep coming, memory stays flat, and the log
//! says it once.

use crate::support::account::{HELP, WELCOME};
use crate::support::*;
use std::time::{Duration, Instant};

const TOKENS: &str = "/cgi-bin/stable_token";
const INFO: &str = "/cgi-bin/user/info";
const BATCH: &str = "/cgi-bin/user/info/batchget";

/// For so long each fault goes on.
const OUTAGE: Duration = Duration::from_secs(4);

/// The `api.timeout` where calls end by it.
const SHORT: &str = "\"1s\"";
/// The `api.timeout` where calls end in another way: none is so late on a busy machine that the log says something
/// else of it than of the others.
const LONG: &str = "\"60s\"";

/// Followers come, people write and are answered at once while the platform is like this.
#[track_caller]
fn is_no_trouble(account: &Account) {
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
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = Vitals::of(account.pid());
    let flat = after.rss < before.rss + 16 * 1024 && after.threads <= before.threads + 2;
    assert!(flat, "before: {before}, after: {after}\n{}", account.log());
    account.log().says("WARN");
    assert_eq!(
        account.log().count("WARN"),
        1,
        "said once\n{}",
        account.log()
    );
}

/// A fault of every call to the platform with this `api.timeout`, and a word about it in the log.
fn outage(fault: Fault, timeout: &str) {
    let platform = Platform::start();
    for path in [TOKENS, INFO, BATCH] {
        platform.always(path, fault.clone());
    }
    let mut account = Setup::new()
        .platform(&platform)
        .set("api.timeout", timeout)
        .start();
    is_no_trouble(&account);
    platform.heal();
    platform.release();
    // Everybody's profile comes. A new start does not wait for the pause under way, which may be long.
    account.restart();
    eventually("all profiles", account.log(), || {
        account.store().count("followers WHERE profile_at IS NULL") == 0
    });
}

#[test]
fn a_platform_that_hangs_delays_no_answer() {
    outage(Fault::Hang, SHORT);
}

#[test]
fn a_platform_that_trickles_delays_no_answer() {
    outage(Fault::Trickle, SHORT);
}

#[test]
fn a_platform_that_never_ends_its_answer_delays_no_answer() {
    outage(Fault::Endless, LONG);
}

#[test]
fn a_platform_that_redirects_delays_no_answer() {
    // Nobody is followed to another address: the token would go with it.
    let elsewhere = Platform::start();
    outage(
        Fault::Redirect(format!("{}{TOKENS}", elsewhere.url())),
        LONG,
    );
    assert!(elsewhere.calls().is_empty());
}

#[test]
fn a_platform_that_is_always_busy_delays_no_answer() {
    outage(Fault::Errcode(-1, "system error"), LONG);
}

#[test]
fn a_platform_that_answers_with_502_delays_no_answer() {
    outage(Fault::BadGateway, LONG);
}

#[test]
fn a_platform_that_cuts_its_answers_delays_no_answer() {
    outage(Fault::Truncated, LONG);
}

#[test]
fn a_platform_whose_name_is_not_known_delays_no_answer() {
    let platform = Platform::start();
    // Longer than a name may be: nobody is asked for it, neither this machine's resolver nor a network.
    let nowhere = format!("\"https://{}.invalid\"", "nowhere".repeat(10));
    let account = Setup::new()
        .platform(&platform)
        .set("api.base_url", &nowhere)
        .set("api.timeout", LONG)
        .start();
    is_no_trouble(&account);
    account.log().says("has no address");
}

#[test]
fn a_platform_with_a_certificate_that_nobody_vouches_for_delays_no_answer_and_hears_no_secret() {
    let stranger = TlsFront::start(None);
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set("api.base_url", &format!("\"{}\"", stranger.url()))
        .set("api.timeout", LONG)
        .start();
    is_no_trouble(&account);
    assert_eq!(stranger.heard(), 0, "the secret was sent to a stranger");
}
