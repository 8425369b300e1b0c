//! Tags, remarks and the blacklist: changed on the platform in batches, and then in the store.

use crate::support::*;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

const TAGGING: &str = "/cgi-bin/tags/members/batchtagging";
const BLOCKING: &str = "/cgi-bin/tags/members/batchblacklist";
const UNBLOCKING: &str = "/cgi-bin/tags/members/batchunblacklist";

/// A synced account with this many followers.
#[track_caller]
fn synced(platform: &Platform, followers: usize) -> Account {
    platform.people(|all| all.followers = crowd(0..followers));
    let setup = Setup::new().platform(platform).set("api.rate", "1000");
    let account = setup.stopped();
    account.command(&["followers", "sync"]).ok();
    account
}

/// Runs a command with openids on its standard input.
#[track_caller]
fn piped(account: &Account, arguments: &[&str], input: &str) -> Ran {
    Ran::of(account.program(arguments), input)
}

/// The number of openids in each call of `path`.
fn batches(platform: &Platform, path: &str) -> Vec<usize> {
    let calls = platform.calls().into_iter();
    calls
        .filter(|call| call.path == path)
        .map(|call| call.body.matches("oCrowd").count())
        .collect()
}

#[test]
fn tags_are_created_listed_renamed_and_deleted() {
    let platform = Platform::start();
    let account = synced(&platform, 2);
    account
        .command(&["tags", "create", "老朋友"])
        .ok()
        .says("129");
    let list = account.command(&["tags", "list"]);
    list.ok().says("老朋友").says("regulars").says("FOLLOWERS");
    let json = account.command(&["tags", "list", "--json"]).json();
    assert_eq!(json[2]["id"], 129, "{json}");
    let calls = platform.calls();
    let mut created = calls
        .iter()
        .filter(|call| call.path == "/cgi-bin/tags/create");
    assert!(created.next().unwrap().body.contains("老朋友"), "raw UTF-8");
    account
        .command(&["tags", "rename", "老朋友", "friends"])
        .ok()
        .says("friends");
    account
        .command(&["tags", "delete", "friends", "--yes"])
        .ok();
    account
        .command(&["tags", "delete", "friends", "--yes"])
        .failed()
        .complains("no tag \"friends\"");
    account.command(&["tags", "delete", "128", "--yes"]).ok();
    account
        .store()
        .is("SELECT DISTINCT tagid_list FROM followers", &["[2]"]);
    account
        .command(&["tags", "delete", "2", "--yes"])
        .failed()
        .complains("45058")
        .complains("belong to WeChat");
    account
        .command(&["tags", "create", "starred"])
        .failed()
        .complains("choose another name");
}

#[test]
fn people_are_tagged_fifty_at_a_time_on_the_platform_and_in_the_store() {
    let platform = Platform::start();
    let account = synced(&platform, 130);
    account.command(&["tags", "create", "poster"]).ok();
    let mut input = crowd(0..120).join("\r\n") + "\n\n";
    input += &crowd(0..1)[0];
    piped(&account, &["tags", "add", "poster", "-"], &input)
        .ok()
        .says("tagged 120 followers with poster (129)");
    assert_eq!(batches(&platform, TAGGING), [50, 50, 20]);
    let tagged = "followers WHERE EXISTS (SELECT 1 FROM json_each(tagid_list) WHERE value = 129)";
    assert_eq!(account.store().count(tagged), 120);
    let list = account
        .command(&["followers", "list", "--tag", "poster", "--limit", "1000"])
        .ok()
        .stdout
        .clone();
    assert_eq!(list.matches("oCrowd").count(), 120);
    let by_id = account.command(&["followers", "list", "--tag", "129", "--limit", "1000"]);
    assert_eq!(by_id.stdout, list);

    let some = crowd(0..2);
    account
        .command(&["tags", "remove", "129", &some[0], &some[1]])
        .ok()
        .says("removed the tag poster (129) from 2 followers");
    assert_eq!(account.store().count(tagged), 118);
    account.store().is(
        "SELECT tagid_list FROM followers ORDER BY openid LIMIT 3",
        &["[128,2]", "[128,2]", "[128,2,129]"],
    );
    // A sync changes nothing.
    account.command(&["followers", "sync"]).ok();
    assert_eq!(account.store().count(tagged), 118);
}

#[test]
fn the_members_of_a_tag_are_listed_page_by_page_and_the_tags_of_one_follower_by_name() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let people = crowd(0..25);
    platform.people(|all| {
        all.followers = people.clone();
        all.page = 10;
        all.tags.insert(129, "poster".into());
        all.tagged.insert(people[3].clone(), vec![129, 140]);
    });
    let members = account.command(&["tags", "members", "regulars"]);
    let others: Vec<&str> = members.ok().stdout.lines().collect();
    assert_eq!(others.len(), 24);
    assert!(!others.contains(&people[3].as_str()), "{others:?}");
    // The last page with people names a next one, which is empty.
    assert_eq!(platform.count("/cgi-bin/user/tag/get"), 4);
    let json = account.command(&["tags", "members", "129", "--json"]);
    assert_eq!(json.json(), serde_json::json!([people[3]]));
    platform.people(|all| drop(all.tags.insert(130, "nobody's".into())));
    let none = ["tags", "members", "130"];
    assert_eq!(account.command(&none).ok().stdout, "");
    account
        .on_a_terminal(&none)
        .says("nobody has the tag nobody's (130)");
    account
        .command(&["tags", "members", "none"])
        .failed()
        .complains("no tag \"none\"");

    let of = ["tags", "of", &people[3]];
    account.command(&of).ok().says("poster").says("140");
    let json = account
        .command(&["tags", "of", &people[0], "--json"])
        .json();
    assert_eq!(
        (&json[0]["name"], &json[1]["id"]),
        (&"regulars".into(), &2.into())
    );
    account
        .command(&["tags", "of", "xOfAnotherAccount"])
        .failed()
        .complains("40003");
}

#[test]
fn people_who_cannot_be_tagged_are_listed_and_the_others_are_tagged() {
    let platform = Platform::start();
    let account = synced(&platform, 60);
    let people = crowd(0..60);
    platform.people(|all| all.untaggable = vec![people[3].clone()]);
    let input = people.join("\n") + "\nxOfAnotherAccount\n";
    let ran = piped(&account, &["tags", "add", "regulars", "-"], &input);
    ran.failed()
        .says("tagged 59 followers with regulars (128)")
        .says(&format!("not {}", people[3]))
        .says("not xOfAnotherAccount: ")
        .says("49003")
        .complains("WeChat refused 2 of 61 followers");
    let ran = piped(
        &account,
        &["tags", "add", "regulars", "-", "--json"],
        &input,
    );
    ran.failed();
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["done"], 59);
    assert_eq!(json["failed"].as_array().map_or(0, Vec::len), 2, "{json}");
}

#[test]
fn a_failure_says_how_many_were_done() {
    let platform = Platform::start();
    let account = synced(&platform, 120);
    platform.people(|all| drop(all.tags.insert(129, "poster".into())));
    let input = crowd(0..120).join("\n");
    platform.fault(
        TAGGING,
        Fault::Errcode(45009, "reach max api daily quota limit"),
    );
    piped(&account, &["tags", "add", "poster", "-"], &input)
        .failed()
        .complains("45009")
        .complains("done for 0 of 120");
    assert_eq!(batches(&platform, TAGGING), [50]);
}

#[test]
fn the_limit_per_minute_is_reported_and_waited_for() {
    let platform = Platform::start();
    let account = synced(&platform, 1);
    platform.people(|all| drop(all.tags.insert(129, "poster".into())));
    let full = Fault::Errcode(45011, "api minute-quota reach limit");
    for path in [TAGGING, BLOCKING, "/cgi-bin/user/get"] {
        platform.always(path, full.clone());
    }
    let openid = crowd(0..1).remove(0);
    for (arguments, path) in [
        (&["tags", "add", "poster", &openid][..], TAGGING),
        (&["blacklist", "add", &openid], BLOCKING),
        (&["followers", "sync"], "/cgi-bin/user/get"),
    ] {
        let before = platform.count(path);
        let mut program = account.program(arguments);
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stderr = child.stderr.take().unwrap();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        assert!(line.contains("going on in 60 s"), "{line}");
        assert_eq!(platform.count(path), before + 1);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn people_are_blocked_and_unblocked_twenty_at_a_time() {
    let platform = Platform::start();
    let account = synced(&platform, 70);
    let input = crowd(0..60).join("\n");
    piped(&account, &["blacklist", "add", "-"], &input)
        .ok()
        .says("blocked 60 followers");
    assert_eq!(batches(&platform, BLOCKING), [20, 20, 20]);
    let list = account.command(&["blacklist", "list"]);
    assert_eq!(list.ok().stdout, input.clone() + "\n");
    let json = account.command(&["blacklist", "list", "--json"]).json();
    assert_eq!(json.as_array().map_or(0, Vec::len), 60);
    assert_eq!(
        account.store().count("followers"),
        70,
        "they stay followers"
    );
    let one = &crowd(5..6)[0];
    account.command(&["blacklist", "remove", one]).ok();
    piped(&account, &["blacklist", "remove", "-"], &list.stdout).ok();
    assert_eq!(batches(&platform, UNBLOCKING), [1, 20, 20, 20]);
    let list = account.command(&["blacklist", "list"]);
    assert_eq!(list.ok().stdout, "");
}

#[test]
fn all_pages_of_the_blacklist_are_read() {
    let platform = Platform::start();
    platform.people(|all| all.blacklist = crowd(0..2_500));
    let account = Setup::new().platform(&platform).stopped();
    let list = account.command(&["blacklist", "list"]);
    assert_eq!(list.ok().stdout.lines().count(), 2_500);
}

#[test]
fn a_remark_is_set_on_the_platform_and_in_the_store() {
    let platform = Platform::start();
    let account = synced(&platform, 1);
    let fan = &crowd(0..1)[0];
    account
        .command(&["remark", fan, "老王 & <friend>"])
        .ok()
        .says("老王");
    let sent = platform.calls().last().unwrap().body.clone();
    assert!(sent.contains("老王 & <friend>"), "{sent}");
    account
        .store()
        .is("SELECT remark FROM followers", &["老王 & <friend>"]);
    account.command(&["remark", fan, ""]).ok();
    account
        .store()
        .is("SELECT remark FROM followers", &["NULL"]);
    account
        .command(&["remark", fan, &"x".repeat(30)])
        .failed()
        .complains("fewer than 30");
    platform.fault(
        "/cgi-bin/user/info/updateremark",
        Fault::Errcode(43004, "require subscribe"),
    );
    account
        .command(&["remark", "oSomebodyElse", "x"])
        .failed()
        .complains("does not follow");
}

#[test]
fn an_invalid_list_of_people_is_refused_before_any_call() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    for (arguments, input) in [
        (&["tags", "add", "regulars"][..], ""),
        (&["tags", "add", "regulars", "-"], "\n\n"),
        (&["blacklist", "add", "-"], ""),
        (&["blacklist", "add", "-"], "oOne oTwo\n"),
        (&["blacklist", "remove"], ""),
        (&["remark", "oOne"], ""),
    ] {
        piped(&account, arguments, input).refused();
    }
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

#[test]
fn a_terminal_shows_the_progress_of_tagging() {
    let platform = Platform::start();
    let account = synced(&platform, 3);
    let people = crowd(0..3);
    let mut arguments = vec!["tags", "add", "regulars"];
    arguments.extend(people.iter().map(String::as_str));
    account
        .on_a_terminal(&arguments)
        .ok()
        .says("3 of 3")
        .says("tagged 3 followers with regulars (128)");
}
